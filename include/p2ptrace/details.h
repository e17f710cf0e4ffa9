/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * details: what is counted only when asked for: groups (--by) and the course of
 * things over time (--timeline).
 *
 * A matcher tells of every beginning, end and completion; ends count to the group
 * of their beginning.  Each matcher has details of its own.  All in them are sums, so
 * a matcher that has many groups pours them into the common ones and begins anew:
 * memory is for the groups, not for the groups times the matchers.
 * Source: src/analysis/details.c
 */
#ifndef P2PTRACE_DETAILS_H
#define P2PTRACE_DETAILS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/paths.h"
#include "p2ptrace/processes.h"
#include "p2ptrace/sparse_histogram.h"

enum group_by {
	BY_TYPE = 1 << 0,
	BY_CLIENT = 1 << 1,
	BY_PROVIDER = 1 << 2,
	BY_PID = 1 << 3,
	BY_TID = 1 << 4,
	BY_COMM = 1 << 5,
	BY_CPU = 1 << 6,
	BY_PAIR = BY_CLIENT | BY_PROVIDER | BY_TYPE,
};

/* "type,pid" to bits of enum group_by. */
int group_by_parse(const char *text, unsigned int *by, struct p2p_error *err);

#define GROUP_UNUSED UINT32_MAX

/* GROUP_UNUSED where it is not grouped by, or where an allocation has no such thing.
 * By name of the process: the event's own name for it, or 0 and the thread, until
 * details_name_threads(). */
struct group_key {
	uint32_t type, client, provider; /* map type, names */
	uint32_t pid, tid, comm, cpu;
};

/* Allocations or mappings of a group. */
struct group_totals {
	uint64_t begins, bytes; /* bytes: of those that succeeded */
	uint64_t failed, no_size, no_addr;
	uint64_t ends, end_bytes; /* orphans included */
	uint64_t closed, closed_bytes;
	uint64_t balanced; /* of `closed`: by events without addresses, whoever began them */
	struct sparse_histogram *lifetimes; /* NULL: none has ended */
	struct histogram *only_lifetimes; /* in their place, with details->lifetimes_only */
};

struct group {
	struct group_key key;
	struct group_totals allocs, maps;
};

/* A stretch of time. */
struct time_bin {
	uint64_t allocs, alloc_bytes, frees;
	uint64_t maps, map_bytes, unmaps, direct;
	/* what is open at the end of it, less what was at its start */
	int64_t alloc_change, map_change;
};

struct details {
	unsigned int by; /* 0: no groups */
	const struct paths *paths;
	const struct processes *processes;
	struct group *groups;
	size_t group_count, group_room;
	bool lifetimes_only; /* nothing else is counted; faster, in more memory */
	size_t group_limit; /* so many groups, further ones are not counted; 0: any number */
	uint32_t *slots;
	uint32_t slot_mask;
	struct time_bin *bins; /* [bin_count], NULL: no timeline */
	uint32_t bin_count;
	uint64_t start, width; /* of a bin, in units of the clock */
	bool alloc_sizes_unknown, map_sizes_unknown; /* of some beginning */
	bool no_memory;
	struct details *common; /* where many groups are poured, NULL: these are the common ones */
	pthread_mutex_t lock; /* of the common ones */
};

/* Who began, and where. */
struct origin {
	uint32_t path, tid, comm;
	uint16_t cpu;
};

bool details_init(struct details *details, unsigned int by, uint32_t bins, uint64_t start,
		  uint64_t stop, const struct paths *paths, const struct processes *processes);
void details_destroy(struct details *details);

/* `flags` are the record's (decode.h). */
void details_begin(struct details *details, const struct origin *origin, enum event_kind kind,
		   uint64_t stamp, uint64_t bytes, unsigned int flags);
/* One event that ended `bytes`; `matched`: its beginning is known, and it is the
 * beginning's origin. */
void details_end(struct details *details, const struct origin *origin, enum event_kind kind,
		 uint64_t stamp, uint64_t bytes, bool matched);
/* The same of an event without an address, which ends some beginning of its path; the
 * origin is the end's own. */
void details_balance(struct details *details, const struct origin *origin, enum event_kind kind,
		     uint64_t stamp, uint64_t bytes);
/* The whole of a beginning has ended. */
void details_complete(struct details *details, const struct origin *origin, enum event_kind kind,
		      uint64_t lifetime);
/* A beginning is given up: no end was seen. */
void details_supersede(struct details *details, const struct origin *origin, enum event_kind kind,
		       uint64_t stamp, uint64_t bytes, bool whole);

/* Adds `from` to `into`. */
bool details_merge(struct details *into, const struct details *from);

/* Gives the groups by name their names: `name` makes one of a thread.  Called when all
 * is read, as a recording tells some names late. */
bool details_name_threads(struct details *details,
			  uint32_t (*name)(const void *context, uint32_t tid), const void *context);

#endif
