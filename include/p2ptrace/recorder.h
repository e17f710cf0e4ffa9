/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recorder: one run from the kernel to a finished trace.dat, or several in turn.
 *
 * Source: src/session/recorder.c (the run), recorder_end.c (stop, summary), turn.c (from
 * one file to the next), metadata.c (what is read of the kernel once)
 */
#ifndef P2PTRACE_RECORDER_H
#define P2PTRACE_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "p2ptrace/error.h"
#include "p2ptrace/finisher.h"
#include "p2ptrace/piece.h"
#include "p2ptrace/session.h"
#include "p2ptrace/spool.h"
#include "p2ptrace/tasks.h"
#include "p2ptrace/workload.h"

/* When the recording goes on in another file, and how many of them stay. */
struct rotation {
	bool on;
	uint64_t bytes; /* once there are so many, 0: never */
	uint64_t ns; /* after so long, 0: never */
	uint64_t keep; /* the newest files, 0: all */
};

struct recorder_options {
	struct session_options session;
	const char *pids; /* -p as given, NULL: none; session.pids comes from it */
	const char *output; /* path of the file */
	uint64_t file_version; /* 6 or 7 */
	int compression; /* level, 0: none; version 7 only */
	enum spool_priority priority;
	bool no_direct_io; /* all pages go through the page cache */
	uint64_t max_bytes; /* of pages, 0: no end */
	uint64_t duration_ns; /* 0: until a signal, or CMD's end */
	struct rotation rotation; /* SIGUSR2 asks for the next file, too */
	bool flight; /* the buffers keep the newest, which are written on SIGUSR1 and at the end */
	char *const *command; /* CMD and its arguments, NULL: none */
	bool no_capture; /* nothing of sys/ and proc/ in the file */
	const char *user; /* whom CMD runs as, NULL: as this program */
};

struct recorder_progress {
	uint64_t events, bytes, lost; /* so far */
	uint64_t elapsed_ns;
	uint64_t moved; /* bytes put in their place: it has ended, the file is being made */
	bool ended;
};

/* What one CPU's buffers lost; the numbers are the kernel's own. */
struct recorder_loss {
	unsigned int cpu;
	uint64_t overrun, commit_overrun, dropped;
	uint64_t unsaved; /* recorded, but the disk was full */
};

struct recorder_summary {
	uint64_t files; /* that are there and valid, or were removed, even if the run failed */
	struct recorder_progress total;
	uint64_t missed; /* by probes */
	struct recorder_loss *lost; /* CPUs that lost something */
	size_t lost_count;
	char workload[128]; /* how CMD ended, in words; "" without CMD or before it ran */
};

/* Who watches; each may be NULL. */
struct recorder_watch {
	void (*progress)(const struct recorder_progress *now); /* about twice a second */
	void (*written)(const char *path); /* a file of several is there */
};

/*
 * Records.  Returns 0, or -1 with `err`; `summary` is filled as far as the run got, in
 * both cases, and is to be released.  Terminating signals end the recording; they stay
 * blocked.
 */
int recorder_run(const struct recorder_options *options, const struct recorder_watch *watch,
		 struct recorder_summary *summary, struct p2p_error *err);
void recorder_summary_release(struct recorder_summary *summary);

/* ---- between its parts ---- */

struct metadata_texts;
struct kept_file;

struct recorder {
	const struct recorder_options *options;
	const struct recorder_watch *watch;
	struct session session;
	struct output output; /* the directory and the name; the pieces have the files */
	uint64_t head_room; /* of the spool files */
	struct spool spool;
	struct tasks tasks;
	struct workload workload;
	struct finisher finisher;
	struct piece *piece; /* the one that is being recorded */
	struct ring_stats *counted; /* by lane, until the last piece ended */
	uint64_t missed; /* by probes, likewise */
	uint64_t began_ns, ended_ns; /* CLOCK_MONOTONIC, of tracing being on */
	uint64_t turn_ns; /* of the last turn */
	bool fault; /* what ended it */
	int ballast; /* room kept free for the end on a full disk; -1: none */
	char *symbols; /* kernel functions as of the start, NULL: none, see stacks.h */
	struct metadata_texts *texts;
	struct piece *failed; /* those that could not be put together, a list */
	/* of the files that are complete */
	uint64_t files, bytes;
	uint64_t *unsaved; /* by lane */
	struct kept_file *kept; /* those that stay, in their order */
	size_t kept_count;
};

/* Reads what only the live instance tells: formats, headers. */
int metadata_collect(struct recorder *recorder, struct p2p_error *err);
void metadata_release(struct recorder *recorder);

/* ---- turn.c ---- */

/* Goes on in a new file; the former is put together by the finisher. */
int recorder_turn(struct recorder *recorder, struct p2p_error *err);

/* Takes note of the files that are complete, and removes the oldest if there are too many.
 * Fails when one could not be put together. */
int recorder_harvest(struct recorder *recorder, struct p2p_error *err);
void recorder_forget_files(struct recorder *recorder);

/* Those that could not, once more. */
void recorder_try_again(struct recorder *recorder);

/* ---- recorder_end.c ---- */

/* Room for what must still be written when the disk is full. */
int recorder_reserve(struct recorder *recorder, struct p2p_error *err);
void recorder_use_reserve(struct recorder *recorder);

/* Events, bytes and losses so far. */
void recorder_measure(const struct recorder *recorder, struct recorder_progress *now);

/* Stops tracing and waits for the last file. */
int recorder_finish(struct recorder *recorder, struct recorder_summary *summary,
		    struct p2p_error *err);

/* CLOCK_MONOTONIC. */
uint64_t recorder_now_ns(void);

#endif
