/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * open_ranges: which entries of a device an address lies in, for ends that name no key.
 *
 * A device's entries in order of address, as they were at some time, and behind them those
 * that began since, in no order, all of which every question looks at; they are sorted in
 * once that has cost as much as sorting does.  Nobody tells of ends: a range is held against
 * its entry when it is found.  So what nearly all events cost is one more row for a
 * beginning, and that only after a question, for a while.
 *
 * Source: src/analysis/open_ranges.c
 */
#ifndef P2PTRACE_OPEN_RANGES_H
#define P2PTRACE_OPEN_RANGES_H

#include "p2ptrace/open_table.h"

struct open_range {
	uint64_t addr, end; /* of the entry, when it was added */
	uint64_t reach; /* the highest end in the stretch whose middle this is */
	uint32_t entry;
};

struct open_ranges {
	struct open_range *sorted, *fresh;
	size_t sorted_count, fresh_count;
	size_t looked; /* what questions cost since the last sorting, in ranges looked at */
	size_t idle; /* beginnings since the last question */
	bool active;
};

/* The first byte behind an entry: without a size, or of none, it holds its first one. */
static inline uint64_t open_entry_end(const struct open_entry *entry)
{
	uint64_t size = entry->size ? entry->size : 1;

	return entry->addr + size < entry->addr ? UINT64_MAX : entry->addr + size;
}

/* A new entry, or one with another range.  False: the ranges are let go, for want of memory
 * or of questions. */
bool ranges_add(struct open_ranges *ranges, const struct open_table *table, uint32_t entry);

/* Of all the device's entries.  False without memory, and then it is not active. */
bool ranges_make(struct open_ranges *ranges, const struct open_table *table, uint32_t device);

/* See open_table_reach(): the oldest entry that covers `addr`, 0 if none; and the lowest
 * address above it and below `to` at which one begins, UINT64_MAX if none. */
uint32_t ranges_cover(struct open_ranges *ranges, const struct open_table *table, uint32_t device,
		      uint64_t addr);
uint64_t ranges_next(struct open_ranges *ranges, const struct open_table *table, uint32_t device,
		     uint64_t addr, uint64_t to);

/* Before a question: what began lately is sorted in when it pays.  False without memory: it
 * is not active any more. */
bool ranges_settle(struct open_ranges *ranges, const struct open_table *table, uint32_t device);

void ranges_let_go(struct open_ranges *ranges);

#endif
