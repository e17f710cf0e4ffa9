/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private_option: what p2ptrace stores in a trace.dat beside what trace-cmd knows.
 *
 * One option with an id far above trace-cmd's, which trace-cmd and KernelShark
 * skip silently, in versions 6 and 7 alike.  Its data is text: lines of
 * "KEY VALUE\n".  A key may stand on several lines; unknown keys are for newer
 * readers and are skipped.  In values \\ stands for a backslash and \n for a
 * newline.  The keys are described for users in man/p2ptrace.dat.5.
 *
 * Source: src/trace/write_private.c (writing; the reader has its own)
 */
#ifndef P2PTRACE_PRIVATE_OPTION_H
#define P2PTRACE_PRIVATE_OPTION_H

#define PRIVATE_OPTION_ID 0x7032

/* Raised when the meaning of a key changes; new keys do not raise it. */
#define PRIVATE_OPTION_FORMAT 1

/*      name               key                what the value is */
#define PRIVATE_OPTION_KEYS(X)                                                                   \
	X(FORMAT, "format") /* PRIVATE_OPTION_FORMAT; always the first line */                   \
	X(VERSION, "version") /* of the p2ptrace that recorded */                                \
	X(CLOCK, "clock") /* the trace clock: mono, local, ... */                                \
	X(CLOCK_NS, "clock_ns") /* 1: stamps count ns; 0: ticks of the clock's own */            \
	X(START, "start") /* stamp just before tracing went on, in the trace clock */            \
	X(STOP, "stop") /* stamp just after it went off */                                       \
	X(WALL_OFFSET, "wall_offset") /* ns, signed: stamp + this = UTC since 1970; ns clocks */ \
	X(SOURCE, "source") /* tracepoint, probe */                                              \
	X(SYSTEM, "system") /* tracefs system that held the events */                            \
	X(EVENT, "event") /* several: the events of the five that were recorded */               \
	X(OVERWRITE, "overwrite") /* 1: flight recorder, the oldest gave way; 0: not */          \
	X(MISSED, "missed") /* events missed by probes (kprobe_profile) */                       \
	X(UNSAVED, "unsaved") /* several: CPU COUNT; not written to the file, say ENOSPC */      \
	X(FILTER_PID, "filter_pid") /* -p: process numbers, comma-separated.  With any filter */ \
	X(FILTER_PROVIDER, "filter_provider") /* -P, in force ends without a beginning may */    \
	X(FILTER_CLIENT, "filter_client") /* --client, be foreign and are no orphans */          \
	X(FILTER, "filter") /* -f: the kernel filter's text */                                   \
	X(TGID, "tgid") /* several: TID TGID; thread and its process, as seen */                 \
	X(LIVENESS, "liveness") /* 1: the alive lines are complete as of `stop` */               \
	X(ALIVE, "alive") /* several: TGID START; processes that lived at `stop`, */             \
	/* zombies not; START signed in the trace clock, 10 ms */                                \
	/* coarse, or - when the clock has no ns */                                              \
	X(HOSTNAME, "hostname")                                                                  \
	X(KERNEL, "kernel") /* release, e.g. 6.12.0 */                                           \
	X(MACHINE, "machine") /* e.g. x86_64 */                                                  \
	X(CMDLINE, "cmdline") /* the kernel's command line */                                    \
	X(COMMAND, "command") /* CMD of `record -- CMD`, its first word */

enum private_key {
#define PRIVATE_KEY_NAME(name, key) PRIVATE_##name,
	PRIVATE_OPTION_KEYS(PRIVATE_KEY_NAME)
#undef PRIVATE_KEY_NAME
		PRIVATE_KEYS
};

extern const char *const private_key_names[PRIVATE_KEYS];

#endif
