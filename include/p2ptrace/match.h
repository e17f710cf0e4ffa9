/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * match: records in time order -> pairs of beginning and end, and totals.
 *
 * The rules are those of docs/matching.md.  A matcher sees all records of its
 * shard, which are all records of certain devices: keys are a device's, so shards
 * know nothing of each other and their totals add up.
 *
 * Totals are kept per path (of the *beginning*: an end counts to the path and to
 * the thread that began) and per thread.  Lifetimes are in units of the trace
 * clock.  Source: src/analysis/match.c
 */
#ifndef P2PTRACE_MATCH_H
#define P2PTRACE_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "p2ptrace/decode.h"
#include "p2ptrace/details.h"
#include "p2ptrace/histogram.h"
#include "p2ptrace/open_table.h"

/* Threads are numbered by the kernel; ends in interrupts that nobody began count
 * to this one. */
#define TID_INTERRUPT UINT32_MAX
/* And what threads did that are no longer told apart, see match_bounds.h. */
#define TID_OTHERS (UINT32_MAX - 1)

#define LIFETIMES_PENDING 16

struct path_totals {
	uint64_t begins, bytes; /* failed ones included */
	uint64_t ends, end_bytes;
	uint64_t open, open_bytes, peak_bytes;
	uint32_t path;
	int32_t dist; /* the latest known, -1: never */
	uint64_t no_size; /* begins without a size: the bytes are not all known */
	struct histogram lifetimes;
	uint64_t failed, failed_bytes;
	uint64_t orphans; /* ends of this path that nothing began */
	uint64_t superseded, ambiguous;
	uint64_t no_addr; /* begins without a key: balanced, not matched */
};

struct thread_totals {
	uint32_t tid;
	uint32_t comm; /* the latest the events themselves gave, 0: none */
	uint32_t beginning; /* what was known of its latest one, likely of the next too */
	/* By activity_of(); what failed is counted, its bytes are not. */
	struct {
		uint64_t begins, bytes, ends, end_bytes;
	} of[2];
	/* Maps; behind them those of other types, and allocations, which have none: a
	 * place for all saves a branch that nobody can predict. */
	uint64_t by_type[MAP_TYPES_KNOWN + 1];
};

enum activity { ACTIVITY_POOL, ACTIVITY_MAPPING };

/* KIND_ALLOC and KIND_FREE, or KIND_MAP and KIND_UNMAP. */
static inline enum activity activity_of(enum event_kind kind)
{
	return ((unsigned int)kind - KIND_ALLOC) >> 1;
}

/* What is known of a beginning beyond its entry, for few of them. */
struct beginning {
	uint32_t comm; /* the event's own name for its thread */
	uint32_t stack; /* its kernel stack, 0: none */
};

struct matcher {
	const struct trace_file *file;
	const struct paths *paths;
	/* Set before the first slice: */
	bool foreign_ends; /* beginnings were filtered: ends without one are not ours */
	bool provider_filtered, client_filtered; /* the same, of ends that do not name it */
	struct details *details; /* NULL: not asked for */
	/* Results: */
	struct open_table open;
	struct path_totals **totals; /* [path], NULL: none yet */
	uint32_t totals_room;
	struct thread_totals *threads;
	uint32_t thread_count, thread_room;
	uint64_t orphan_frees, orphan_unmaps, foreign;
	uint64_t superseded;
	struct beginning *beginnings; /* [0] is "nothing known" */
	size_t beginning_count;
	uint64_t last_loss; /* stamp of the latest loss so far, valid with lost */
	bool lost;
	bool no_memory;
	/* Inner state: */
	/* counters of histograms that wait for their memory */
	uint64_t *pending[LIFETIMES_PENDING];
	unsigned int pending_at;
	uint32_t *thread_slots;
	uint32_t thread_mask;
	uint32_t *beginning_slots;
	uint32_t beginning_mask;
	struct pair_balance *balances;
	uint32_t balance_count, balance_room;
};

bool matcher_init(struct matcher *matcher, const struct trace_file *file,
		  const struct paths *paths);
void matcher_destroy(struct matcher *matcher);

/* The records of one shard of the slice; slices in order of their number. */
int matcher_take(struct matcher *matcher, const struct slice *slice, unsigned int shard,
		 struct p2p_error *err);

#endif
