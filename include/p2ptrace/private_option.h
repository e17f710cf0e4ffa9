/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private_option: what p2ptrace stores in a trace.dat beside what trace-cmd knows.
 *
 * One option with an id far above trace-cmd's, which trace-cmd and KernelShark
 * skip silently, in versions 6 and 7 alike.  Its data is text: lines of
 * "KEY VALUE\n".  Unknown keys are for newer readers and are skipped.  In values
 * \\ stands for a backslash and \n for a newline.  A key stands on one line
 * unless it says "several".  Absent means not known.  For users the keys are
 * described in man/p2ptrace.dat.5.
 *
 * Source: src/trace/write_private.c (the names, and writing)
 */
#ifndef P2PTRACE_PRIVATE_OPTION_H
#define P2PTRACE_PRIVATE_OPTION_H

#define PRIVATE_OPTION_ID 0x7032

/* Raised when the meaning of a key changes; new keys do not raise it. */
#define PRIVATE_OPTION_FORMAT 1

enum private_key {
	PRIVATE_FORMAT, /* "format": PRIVATE_OPTION_FORMAT; the first line */
	PRIVATE_VERSION, /* "version": of the p2ptrace that recorded */
	PRIVATE_CLOCK, /* "clock": the trace clock: mono, local, ... */
	PRIVATE_CLOCK_NS, /* "clock_ns": 1: stamps are ns; 0: the clock's own ticks */
	PRIVATE_START, /* "start": stamp just before tracing went on */
	PRIVATE_STOP, /* "stop": stamp just after it went off */
	PRIVATE_WALL_OFFSET, /* "wall_offset": signed ns; stamp + this = UTC since 1970 */
	PRIVATE_SUSPENDED, /* "suspended": ns that the machine slept, and the clock stood still */
	PRIVATE_PIECE, /* "piece": of a recording in several files; above 1 it goes on from another */
	PRIVATE_SOURCE, /* "source": tracepoint, probe */
	PRIVATE_SYSTEM, /* "system": tracefs system that held the events */
	PRIVATE_EVENT, /* "event", several: those of the five that were recorded */
	PRIVATE_MAP_TYPE, /* "map_type", several: NUMBER NAME, as the kernel's enum has them */
	PRIVATE_PAGE_STRUCT, /* "page_struct": BYTES of the kernel's struct page, and of a page */
	PRIVATE_FLIGHT_RECORDER, /* "flight_recorder": 1: overruns are no loss, by choice */
	PRIVATE_STACKS, /* "stacks": 1: allocations and maps have kernel stacks */
	PRIVATE_MISSED, /* "missed": events that probes missed */
	PRIVATE_RECOVERED, /* "recovered": 1: cut off, put together from what was left */
	PRIVATE_UNSAVED, /* "unsaved", several: CPU EVENTS not written, disk full */
	/* Filters in force.  With any of them an end without a beginning may be
	 * foreign and is no orphan: beginnings alone were filtered. */
	PRIVATE_FILTER_PID, /* "filter_pid": -p, comma-separated */
	PRIVATE_FILTER_PROVIDER, /* "filter_provider": -P */
	PRIVATE_FILTER_CLIENT, /* "filter_client": --client */
	PRIVATE_FILTER_COMM, /* "filter_comm": --comm */
	PRIVATE_FILTER, /* "filter": -f, the kernel filter's text */
	PRIVATE_TGID, /* "tgid", several: TID TGID, a thread and its process */
	PRIVATE_LIVENESS, /* "liveness": 1: the "alive" lines are complete */
	/* "alive", several: TGID START, processes that lived (no zombies) at the
	 * stop.  START is signed, in the trace clock, 10 ms coarse and at most that
	 * much too early; "-" where the clock has no ns. */
	PRIVATE_ALIVE,
	PRIVATE_HOSTNAME, /* "hostname" */
	PRIVATE_KERNEL, /* "kernel": release, 6.12.0 */
	PRIVATE_MACHINE, /* "machine": x86_64 */
	PRIVATE_CMDLINE, /* "cmdline": the kernel's command line */
	PRIVATE_KEYS,
};

/* The words in the file, by enum private_key. */
extern const char *const private_key_names[PRIVATE_KEYS];

#endif
