// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "match_tables.h"
#include "p2ptrace/match_bounds.h"
#include "p2ptrace/rows.h"

/* ---- threads ---- */

static void add_totals(struct thread_totals *into, const struct thread_totals *from)
{
	for (int activity = ACTIVITY_POOL; activity <= ACTIVITY_MAPPING; activity++) {
		into->of[activity].begins += from->of[activity].begins;
		into->of[activity].bytes += from->of[activity].bytes;
		into->of[activity].ends += from->of[activity].ends;
		into->of[activity].end_bytes += from->of[activity].end_bytes;
	}
	for (int type = 0; type <= MAP_TYPES_KNOWN; type++)
		into->by_type[type] += from->by_type[type];
}

/* [thread] whether anything open belongs to it. */
static bool *threads_in_use(const struct matcher *matcher)
{
	bool *used = calloc(matcher->thread_count + 1, sizeof(*used));

	for (uint32_t i = 1; used && i < matcher->open.entry_count; i++)
		if (matcher->open.entries[i].used)
			used[matcher->open.entries[i].thread] = true;
	return used;
}

static void renumber(struct matcher *matcher, const uint32_t *moved)
{
	for (uint32_t i = 1; i < matcher->open.entry_count; i++) {
		struct open_entry *entry = &matcher->open.entries[i];

		if (entry->used)
			entry->thread = moved[entry->thread];
	}
	memset(matcher->thread_slots, 0,
	       (matcher->thread_mask + 1) * sizeof(*matcher->thread_slots));
	for (uint32_t i = 0; i < matcher->thread_count; i++)
		matcher->thread_slots[thread_slot(matcher, matcher->threads[i].tid)] = i + 1;
}

int64_t matcher_fold_threads(struct matcher *matcher,
			     bool (*keep)(const void *context, const struct thread_totals *thread),
			     const void *context)
{
	struct thread_totals others = { .tid = TID_OTHERS };
	bool *used = threads_in_use(matcher);
	uint32_t *moved = calloc(matcher->thread_count + 1, sizeof(*moved));
	uint32_t kept = 0, folded = 0;

	if (!used || !moved) {
		free(used);
		free(moved);
		return -1;
	}
	for (uint32_t i = 0; i < matcher->thread_count; i++) {
		const struct thread_totals *thread = &matcher->threads[i];

		if (thread->tid == TID_OTHERS ||
		    (!used[i] && thread->tid != TID_INTERRUPT && !keep(context, thread))) {
			add_totals(&others, thread);
			folded += thread->tid != TID_OTHERS;
			continue;
		}
		moved[i] = kept;
		matcher->threads[kept++] = *thread;
	}
	/* At least one made room for it. */
	if (kept < matcher->thread_count)
		matcher->threads[kept++] = others;
	matcher->thread_count = kept;
	renumber(matcher, moved);
	free(used);
	free(moved);
	return folded;
}

/* ---- what is open ---- */

static int compare_stamps(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

/* The stamp of the youngest of the `count` oldest beginnings. */
static bool find_border(const struct matcher *matcher, uint32_t count, uint64_t *border)
{
	const struct open_table *open = &matcher->open;
	uint64_t *stamps = calloc(open->open + 1, sizeof(*stamps));
	uint32_t found = 0;

	if (!stamps)
		return false;
	for (uint32_t i = 1; i < open->entry_count && found < open->open; i++)
		if (open->entries[i].used && open->entries[i].root == i)
			stamps[found++] = open->entries[i].stamp;
	qsort(stamps, found, sizeof(*stamps), compare_stamps);
	*border = found ? stamps[count <= found ? count - 1 : found - 1] : 0;
	free(stamps);
	return true;
}

/* A whole beginning, or a piece of one. */
static bool give_up(struct matcher *matcher, uint32_t index)
{
	struct open_entry *entry = open_entry_at(&matcher->open, index);
	uint32_t root = entry->root;

	entry->totals->open_bytes -= entry->size;
	open_table_unlink(&matcher->open, index);
	if (index != root)
		open_table_free(&matcher->open, index);
	if (--open_entry_at(&matcher->open, root)->pieces)
		return false;
	open_entry_at(&matcher->open, root)->totals->open--;
	open_table_free(&matcher->open, root);
	return true;
}

int64_t matcher_let_go(struct matcher *matcher, uint32_t keep)
{
	struct open_table *open = &matcher->open;
	uint32_t surplus = open->open > keep ? open->open - keep : 0;
	uint64_t border;
	int64_t gone = 0;

	if (!surplus)
		return 0;
	if (!find_border(matcher, surplus, &border))
		return -1;
	/* Pieces have the stamp of their root, which may be unlinked before them. */
	for (uint32_t i = 1; i < open->entry_count; i++) {
		const struct open_entry *entry = &open->entries[i];

		if (entry->used && entry->linked && open->entries[entry->root].stamp <= border &&
		    give_up(matcher, i))
			gone++;
	}
	return gone;
}
