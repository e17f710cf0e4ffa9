/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * match_tables: what a matcher counts into, found by path, thread, pair and name.
 * Lookups are here, in the way of every event; growth is in match_tables.c.
 */
#ifndef P2PTRACE_MATCH_TABLES_H
#define P2PTRACE_MATCH_TABLES_H

#include "p2ptrace/match.h"

/* Beginnings and ends of devices whose events have no address: counted only. */
struct pair_balance {
	uint32_t client, provider;
	uint32_t path; /* of the latest beginning */
	bool pool;
	uint64_t open;
};

/* The totals of a path that has none yet; NULL without memory. */
struct path_totals *match_make_totals(struct matcher *matcher, uint32_t path);

static inline struct path_totals *totals_of(struct matcher *matcher, uint32_t path)
{
	static struct path_totals nowhere;
	struct path_totals *totals = path < matcher->totals_room ? matcher->totals[path] : NULL;

	if (__builtin_expect(!totals, 0)) {
		totals = match_make_totals(matcher, path);
		matcher->no_memory |= !totals;
	}
	return totals ? totals : &nowhere;
}

static inline uint32_t thread_slot(const struct matcher *matcher, uint32_t tid)
{
	uint32_t at = (tid * 0x9e3779b1u) >> 7 & matcher->thread_mask;

	while (matcher->thread_slots[at] &&
	       matcher->threads[matcher->thread_slots[at] - 1].tid != tid)
		at = (at + 1) & matcher->thread_mask;
	return at;
}

/* Index 0 stands in when there is no memory. */
uint32_t match_make_thread(struct matcher *matcher, uint32_t tid);

static inline uint32_t thread_of(struct matcher *matcher, uint32_t tid)
{
	uint32_t at = thread_slot(matcher, tid);

	if (__builtin_expect(!matcher->thread_slots[at], 0))
		return match_make_thread(matcher, tid);
	return matcher->thread_slots[at] - 1;
}

/* NULL without memory. */
struct pair_balance *match_balance(struct matcher *matcher, const struct path *path);

/* Names and stacks repeat: each pair of them is kept once.  0 without memory. */
uint32_t match_beginning(struct matcher *matcher, const struct p2p_record *record);

#endif
