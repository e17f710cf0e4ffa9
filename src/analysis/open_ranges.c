// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "open_ranges.h"
#include "p2ptrace/rows.h"

/* Ranges are let go after so many beginnings without a question, besides one for each. */
#define PATIENCE 8192

/* Looking at so many fresh ranges takes as long as sorting one; and at so many, as finding
 * out that one is closed. */
#define SORTING_COST 48
#define CLOSED_COST 8

static bool is_open(const struct open_table *table, uint32_t device, const struct open_range *range)
{
	const struct open_entry *entry = open_entry_at(table, range->entry);

	return entry->linked && entry->addr == range->addr && entry->device == device &&
	       open_entry_end(entry) == range->end;
}

/* ---- keeping ---- */

void ranges_let_go(struct open_ranges *ranges)
{
	free(ranges->sorted);
	free(ranges->fresh);
	*ranges = (struct open_ranges){ 0 };
}

static bool add_fresh(struct open_ranges *ranges, const struct open_table *table, uint32_t index)
{
	const struct open_entry *entry = open_entry_at(table, index);
	struct open_range *range = ROWS_ADD(ranges->fresh, ranges->fresh_count);

	if (range)
		*range = (struct open_range){ entry->addr, open_entry_end(entry), 0, index };
	return range != NULL;
}

bool ranges_add(struct open_ranges *ranges, const struct open_table *table, uint32_t entry)
{
	if (++ranges->idle < PATIENCE + ranges->sorted_count && add_fresh(ranges, table, entry))
		return true;
	ranges_let_go(ranges);
	return false;
}

/* ---- sorting in ---- */

static int compare_ranges(const void *a, const void *b)
{
	const struct open_range *left = a, *right = b;

	if (left->addr != right->addr)
		return left->addr < right->addr ? -1 : 1;
	return left->entry < right->entry ? -1 : left->entry > right->entry;
}

/* Those still open, to the front. */
static size_t drop_closed(struct open_range *range, size_t count, const struct open_table *table,
			  uint32_t device)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (is_open(table, device, &range[i]))
			range[kept++] = range[i];
	return kept;
}

/* An entry that was given another range and then its old one again stands there twice,
 * which does no harm. */
static void merge(struct open_range *to, const struct open_range *left, size_t left_count,
		  const struct open_range *right, size_t right_count)
{
	while (left_count || right_count) {
		if (!right_count || (left_count && compare_ranges(left, right) <= 0)) {
			*to++ = *left++;
			left_count--;
		} else {
			*to++ = *right++;
			right_count--;
		}
	}
}

static uint64_t find_reach(struct open_range *range, size_t first, size_t end)
{
	size_t middle = first + (end - first) / 2;
	uint64_t reach, part;

	if (first == end)
		return 0;
	reach = range[middle].end;
	part = find_reach(range, first, middle);
	reach = part > reach ? part : reach;
	part = find_reach(range, middle + 1, end);
	reach = part > reach ? part : reach;
	range[middle].reach = reach;
	return reach;
}

static bool sort_in(struct open_ranges *ranges, const struct open_table *table, uint32_t device)
{
	struct open_range *merged;
	size_t count;

	ranges->sorted_count = drop_closed(ranges->sorted, ranges->sorted_count, table, device);
	ranges->fresh_count = drop_closed(ranges->fresh, ranges->fresh_count, table, device);
	rows_sort(ranges->fresh, ranges->fresh_count, sizeof(*ranges->fresh), compare_ranges);
	count = ranges->sorted_count + ranges->fresh_count;
	merged = reallocarray(NULL, count + 1, sizeof(*merged));
	if (!merged) {
		ranges_let_go(ranges);
		return false;
	}
	merge(merged, ranges->sorted, ranges->sorted_count, ranges->fresh, ranges->fresh_count);
	find_reach(merged, 0, count);
	free(ranges->sorted);
	free(ranges->fresh);
	ranges->sorted = merged;
	ranges->sorted_count = count;
	ranges->fresh = NULL;
	ranges->fresh_count = ranges->looked = 0;
	return true;
}

bool ranges_make(struct open_ranges *ranges, const struct open_table *table, uint32_t device)
{
	ranges_let_go(ranges);
	ranges->active = true;
	for (uint32_t i = 1; i < table->entry_count; i++) {
		const struct open_entry *entry = open_entry_at(table, i);

		if (entry->linked && entry->device == device && !add_fresh(ranges, table, i)) {
			ranges_let_go(ranges);
			return false;
		}
	}
	return true;
}

/* About as many are open as were when they were sorted last: that many are to be sorted. */
bool ranges_settle(struct open_ranges *ranges, const struct open_table *table, uint32_t device)
{
	ranges->idle = 0;
	ranges->looked += ranges->fresh_count;
	if (ranges->looked < SORTING_COST * (ranges->sorted_count + 64))
		return true;
	return sort_in(ranges, table, device);
}

/* ---- questions ---- */

struct question {
	struct open_ranges *ranges;
	const struct open_table *table;
	uint32_t device;
	uint64_t addr;
	uint32_t best; /* so far */
};

static void consider(struct question *question, const struct open_range *range)
{
	const struct open_entry *entries = question->table->entries;
	uint32_t best = question->best;

	if (!is_open(question->table, question->device, range)) {
		question->ranges->looked += CLOSED_COST;
		return;
	}
	if (!best || entries[range->entry].stamp < entries[best].stamp ||
	    (entries[range->entry].stamp == entries[best].stamp && range->entry < best))
		question->best = range->entry;
}

static void search(struct question *question, size_t first, size_t end)
{
	size_t middle = first + (end - first) / 2;
	const struct open_range *range = question->ranges->sorted + middle;

	if (first == end || range->reach <= question->addr)
		return;
	search(question, first, middle);
	if (range->addr > question->addr)
		return;
	if (range->end > question->addr)
		consider(question, range);
	search(question, middle + 1, end);
}

uint32_t ranges_cover(struct open_ranges *ranges, const struct open_table *table, uint32_t device,
		      uint64_t addr)
{
	struct question question = { ranges, table, device, addr, 0 };

	search(&question, 0, ranges->sorted_count);
	for (size_t i = 0; i < ranges->fresh_count; i++)
		if (ranges->fresh[i].addr <= addr && ranges->fresh[i].end > addr)
			consider(&question, &ranges->fresh[i]);
	return question.best;
}

/* The first sorted range that begins above an address. */
static size_t first_above(const struct open_ranges *ranges, uint64_t addr)
{
	size_t low = 0, high = ranges->sorted_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->sorted[middle].addr > addr)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

uint64_t ranges_next(struct open_ranges *ranges, const struct open_table *table, uint32_t device,
		     uint64_t addr, uint64_t to)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = first_above(ranges, addr);
	     i < ranges->sorted_count && ranges->sorted[i].addr < to; i++) {
		if (is_open(table, device, &ranges->sorted[i])) {
			next = ranges->sorted[i].addr;
			break;
		}
		ranges->looked += CLOSED_COST;
	}
	for (size_t i = 0; i < ranges->fresh_count; i++) {
		const struct open_range *range = &ranges->fresh[i];

		if (range->addr > addr && range->addr < to && range->addr < next &&
		    is_open(table, device, range))
			next = range->addr;
	}
	return next;
}
