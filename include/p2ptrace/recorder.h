/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recorder: one run from the kernel to a finished trace.dat.
 *
 * Source: src/session/recorder.c (the run), assemble.c (the file at the end),
 * metadata.c (what it says beside the pages), system_capture.c (what it says of the system)
 */
#ifndef P2PTRACE_RECORDER_H
#define P2PTRACE_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "p2ptrace/capture_option.h"
#include "p2ptrace/error.h"
#include "p2ptrace/session.h"
#include "p2ptrace/sidecar.h"
#include "p2ptrace/spool.h"
#include "p2ptrace/tasks.h"
#include "p2ptrace/workload.h"

struct recorder_options {
	struct session_options session;
	const char *pids; /* -p as given, NULL: none; session.pids comes from it */
	const char *output; /* path of the file */
	uint64_t file_version; /* 6 or 7 */
	enum spool_priority priority;
	uint64_t max_bytes; /* of pages, 0: no end */
	uint64_t duration_ns; /* 0: until a signal, or CMD's end */
	char *const *command; /* CMD and its arguments, NULL: none */
	bool no_capture; /* nothing of sys/ and proc/ in the file */
	const char *user; /* whom CMD runs as, NULL: as this program */
};

struct recorder_progress {
	uint64_t events, bytes, lost; /* so far */
	uint64_t elapsed_ns;
};

/* What one CPU's buffers lost; the numbers are the kernel's own. */
struct recorder_loss {
	unsigned int cpu;
	uint64_t overrun, commit_overrun, dropped;
	uint64_t unsaved; /* recorded, but the disk was full */
};

struct recorder_summary {
	bool written; /* the file is there and valid, even if the run failed */
	struct recorder_progress total;
	uint64_t missed; /* by probes */
	struct recorder_loss *lost; /* CPUs that lost something */
	size_t lost_count;
	char workload[128]; /* how CMD ended, in words; "" without CMD or before it ran */
};

/*
 * Records.  `progress` (may be NULL) is called about twice a second.  Returns 0, or
 * -1 with `err`; `summary` is filled as far as the run got, in both cases, and is
 * to be released.  Terminating signals end the recording; they stay blocked.
 */
int recorder_run(const struct recorder_options *options,
		 void (*progress)(const struct recorder_progress *now),
		 struct recorder_summary *summary, struct p2p_error *err);
void recorder_summary_release(struct recorder_summary *summary);

/* ---- between its parts ---- */

struct metadata_texts;

struct recorder {
	const struct recorder_options *options;
	struct session session;
	struct output output;
	uint64_t head_room; /* of the spool files */
	struct spool spool;
	struct sidecar sidecar;
	struct tasks tasks;
	struct workload workload;
	uint64_t began_ns, ended_ns; /* CLOCK_MONOTONIC, of tracing being on */
	int ballast; /* room kept free for the end on a full disk; -1: none */
	struct capture_data captures[CAPTURES];
	char *symbols; /* kernel functions, NULL: none, see stacks.h */
	char *names; /* "PID NAME" lines */
	char *alive; /* "alive" lines of the private option */
	bool liveness;
	struct ring_stats *stats; /* by lane of the spool, at the end */
	uint64_t *unsaved; /* by lane: events recorded and not in the file */
	char **stat_texts; /* by lane, "CPU: N\n..." */
	uint64_t missed;
	struct metadata_texts *texts;
};

/* Stores what sys/ and proc/ say at this moment, unless it is not wanted.  What does not
 * succeed is done without, after a warning. */
void system_capture(struct recorder *recorder, enum capture_moment moment);

/* Reads what only the live instance tells: formats, headers. */
int metadata_collect(struct recorder *recorder, struct p2p_error *err);
void metadata_release(struct recorder *recorder);

struct trace_metadata;

/* Fills everything but the buffers; the texts stay the recorder's. */
int metadata_fill(struct recorder *recorder, struct trace_metadata *metadata,
		  struct p2p_error *err);

/* Makes the file out of the spooled pages and publishes it.  Events in pages that do
 * not fit on the disk are added to `unsaved`. */
int assemble(struct recorder *recorder, struct p2p_error *err);

#endif
