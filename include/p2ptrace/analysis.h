/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * analysis: a whole file, read once, to totals and what is left open.
 *
 * Slices of the file are decoded by several threads at once; the records of each
 * device are matched in the order of time, by one thread at a time.  So the
 * results do not depend on the number of threads.  Source: src/analysis/analysis.c
 */
#ifndef P2PTRACE_ANALYSIS_H
#define P2PTRACE_ANALYSIS_H

#include <stdbool.h>
#include <stdint.h>

#include "p2ptrace/match.h"
#include "p2ptrace/processes.h"
#include "p2ptrace/recording.h"
#include "p2ptrace/selection.h"

struct analysis_options {
	const char *path;
	uint64_t threads; /* 0: as many as CPUs */
	struct selection_options select;
	bool progress; /* on a terminal, for long files */
	unsigned int by; /* bits of enum group_by: also count in groups */
	uint64_t bins; /* also count over time, in so many stretches */
};

/* -i FILE, -j N and the filters, for a command's table. */
extern const struct option_spec analysis_option_table[];

/* Events lost on one CPU. */
struct cpu_loss {
	uint32_t cpu;
	uint64_t marked; /* counted by marks in the pages */
	uint64_t uncounted; /* marks that say how many no more */
	/* by the kernel's and the recorder's statistics */
	uint64_t overrun, commit_overrun, dropped, unsaved;
	uint64_t lost; /* all together, nothing twice */
};

struct analysis {
	struct trace_file *file;
	struct recording recording;
	struct schema *schema;
	struct names *names;
	struct names *stacks; /* kernel stacks: frames of 8 bytes, innermost first; NULL: none */
	struct paths *paths;
	struct processes processes;
	struct selection selection;
	struct decode_filter filter; /* what of it decoding needs */
	struct matcher *matchers; /* [shard_count] */
	/* [shard_count + 1]: the first has all when the file is read; NULL: not asked for. */
	struct details *details;
	unsigned int shard_count;
	struct p2p_note *notes; /* names and ends of processes, by time */
	size_t note_count;
	uint64_t start, stop; /* of the recording, or of the --time window */
	uint64_t other; /* events that are none of the five */
	uint64_t damaged;
	bool truncated;
	struct cpu_loss *losses; /* [loss_count], by CPU, of those that lost any */
	size_t loss_count;
	uint64_t lost; /* all CPUs and missed probes */
	uint64_t lost_uncounted; /* gaps of unknown size: `lost` is then the least */
	bool loss_unplaced; /* some loss cannot be placed in time */
	uint64_t unknown_tgids; /* threads whose process the file does not tell */
};

/* Opens the file and reads its metadata: no events yet.  NULL with `err` filled. */
struct analysis *analysis_open(const struct analysis_options *options, struct p2p_error *err);

/* Reads the events of what was opened.  0, or -1 with `err` filled. */
int analysis_read(struct analysis *analysis, const struct analysis_options *options,
		  struct p2p_error *err);

/*
 * For those who bring the slices themselves, in order and in one thread, and want to see
 * in between (src/live/): adopt takes over a file that is open, also on failure; begin
 * gives the filter for decoding (NULL: none); settle sums up what was taken so far, and
 * may be repeated.
 */
struct analysis *analysis_adopt(struct trace_file *file, const struct analysis_options *options,
				struct p2p_error *err);
int analysis_begin(struct analysis *analysis, const struct decode_filter **filter,
		   struct p2p_error *err);
int analysis_take(struct analysis *analysis, const struct slice *slice, struct p2p_error *err);
int analysis_settle(struct analysis *analysis, struct p2p_error *err);

/* Both.  NULL with `err` filled. */
struct analysis *analysis_run(const struct analysis_options *options, struct p2p_error *err);
void analysis_free(struct analysis *analysis);

/* Adds the losses marked in pages, and sums up what the statistics say: for those who
 * read the pages themselves.  False without memory. */
bool analysis_add_losses(struct analysis *analysis, const struct p2p_loss *losses, size_t count);
bool analysis_sum_losses(struct analysis *analysis);

/* Sums over the matchers. */
uint64_t analysis_events(const struct analysis *analysis, enum event_kind kind);

/* What one CPU lost, given what the marks in its pages say; for those who read the
 * pages themselves. */
uint64_t analysis_cpu_lost(const struct analysis *analysis, uint32_t cpu, uint64_t marked);
/* CPU numbers are below this. */
uint32_t analysis_cpu_count(const struct analysis *analysis);

#endif
