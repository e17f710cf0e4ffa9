/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * details: what is counted only when asked for: groups (--by) and the course of
 * things over time (--timeline).
 *
 * A matcher tells of every beginning, end and completion; ends count to the group
 * of their beginning.  Each matcher has details of its own, which add up.
 * Source: src/analysis/details.c
 */
#ifndef P2PTRACE_DETAILS_H
#define P2PTRACE_DETAILS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/histogram.h"
#include "p2ptrace/paths.h"
#include "p2ptrace/processes.h"

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

struct group_key {
	uint32_t type, client, provider; /* map type, names */
	uint32_t pid, tid, comm, cpu;
};

/* Allocations or mappings of a group. */
struct group_totals {
	uint64_t begins, bytes; /* bytes: of those that succeeded */
	uint64_t failed, no_size;
	uint64_t ends, end_bytes; /* orphans included */
	uint64_t closed, closed_bytes;
	struct histogram *lifetimes; /* NULL: none has ended */
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
	size_t group_count;
	uint32_t *slots;
	uint32_t slot_mask;
	struct time_bin *bins; /* [bin_count], NULL: no timeline */
	uint32_t bin_count;
	uint64_t start, width; /* of a bin, in units of the clock */
	bool no_memory;
};

/* Who began, and where. */
struct origin {
	uint32_t path, tid, comm;
	uint16_t cpu;
};

bool details_init(struct details *details, unsigned int by, uint32_t bins, uint64_t start,
		  uint64_t stop, const struct paths *paths, const struct processes *processes);
void details_destroy(struct details *details);

void details_begin(struct details *details, const struct origin *origin, enum event_kind kind,
		   uint64_t stamp, uint64_t bytes, bool failed, bool no_size);
/* One event that ended `bytes`; `matched`: its beginning is known, and it is the
 * beginning's origin. */
void details_end(struct details *details, const struct origin *origin, enum event_kind kind,
		 uint64_t stamp, uint64_t bytes, bool matched);
/* The whole of a beginning has ended. */
void details_complete(struct details *details, const struct origin *origin, enum event_kind kind,
		      uint64_t lifetime);
/* A beginning is given up: no end was seen. */
void details_supersede(struct details *details, const struct origin *origin, enum event_kind kind,
		       uint64_t stamp, uint64_t bytes, bool whole);

/* Adds `from` to `into`. */
bool details_merge(struct details *into, const struct details *from);

#endif
