// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "match_tables.h"
#include "p2ptrace/rows.h"

/* ---- totals ---- */

struct path_totals *match_make_totals(struct matcher *matcher, uint32_t path)
{
	struct path_totals *totals;

	if (path >= matcher->totals_room) {
		uint32_t room = matcher->totals_room ? matcher->totals_room : 64;
		struct path_totals **more;

		while (room <= path)
			room *= 2;
		more = reallocarray(matcher->totals, room, sizeof(struct path_totals *));
		if (!more)
			return NULL;
		memset(more + matcher->totals_room, 0,
		       (room - matcher->totals_room) * sizeof(struct path_totals *));
		matcher->totals = more;
		matcher->totals_room = room;
	}
	totals = calloc(1, sizeof(*totals));
	if (totals) {
		totals->path = path;
		totals->dist = -1;
	}
	matcher->totals[path] = totals;
	return totals;
}

/* ---- threads ---- */

static bool grow_threads(struct matcher *matcher)
{
	uint32_t room = matcher->thread_room * 2;
	struct thread_totals *more = reallocarray(matcher->threads, room, sizeof(*more));
	uint32_t *slots = calloc((size_t)room * 2, sizeof(*slots));

	matcher->threads = more ? more : matcher->threads;
	if (!more || !slots) {
		free(slots);
		return false;
	}
	free(matcher->thread_slots);
	matcher->thread_slots = slots;
	matcher->thread_mask = room * 2 - 1;
	matcher->thread_room = room;
	for (uint32_t i = 0; i < matcher->thread_count; i++)
		slots[thread_slot(matcher, more[i].tid)] = i + 1;
	return true;
}

uint32_t match_make_thread(struct matcher *matcher, uint32_t tid)
{
	if (matcher->thread_count == matcher->thread_room && !grow_threads(matcher)) {
		matcher->no_memory = true;
		return 0;
	}
	matcher->threads[matcher->thread_count] = (struct thread_totals){ .tid = tid };
	matcher->thread_slots[thread_slot(matcher, tid)] = ++matcher->thread_count;
	return matcher->thread_count - 1;
}

/* ---- events without an address ---- */

struct pair_balance *match_balance(struct matcher *matcher, const struct path *path)
{
	bool pool = path->kind == KIND_ALLOC || path->kind == KIND_FREE;
	struct pair_balance *balance;

	for (uint32_t i = 0; i < matcher->balance_count; i++) {
		balance = &matcher->balances[i];
		if (balance->client == path->client && balance->provider == path->provider &&
		    balance->pool == pool)
			return balance;
	}
	if (matcher->balance_count == matcher->balance_room) {
		uint32_t room = matcher->balance_room ? matcher->balance_room * 2 : 16;

		balance = reallocarray(matcher->balances, room, sizeof(*balance));
		if (!balance) {
			matcher->no_memory = true;
			return NULL;
		}
		matcher->balances = balance;
		matcher->balance_room = room;
	}
	balance = &matcher->balances[matcher->balance_count++];
	*balance = (struct pair_balance){ .client = path->client,
					  .provider = path->provider,
					  .pool = pool };
	return balance;
}

/* ---- names and stacks ---- */

static uint32_t *beginning_slot(const struct matcher *matcher, const struct beginning *wanted)
{
	uint64_t hash = ((uint64_t)wanted->comm << 32 | wanted->stack) * 0x9e3779b97f4a7c15ull;
	uint32_t at = (uint32_t)(hash >> 32) & matcher->beginning_mask;

	while (matcher->beginning_slots[at] &&
	       memcmp(&matcher->beginnings[matcher->beginning_slots[at]], wanted,
		      sizeof(*wanted)) != 0)
		at = (at + 1) & matcher->beginning_mask;
	return &matcher->beginning_slots[at];
}

static bool grow_beginnings(struct matcher *matcher)
{
	uint32_t count = (matcher->beginning_mask + 1) * 2;
	uint32_t *slots = calloc(count, sizeof(*slots));

	if (!slots)
		return false;
	free(matcher->beginning_slots);
	matcher->beginning_slots = slots;
	matcher->beginning_mask = count - 1;
	for (uint32_t i = 1; i < matcher->beginning_count; i++)
		*beginning_slot(matcher, &matcher->beginnings[i]) = i;
	return true;
}

uint32_t match_beginning(struct matcher *matcher, const struct p2p_record *record)
{
	struct beginning wanted = { record->comm, record->stack }, *added;
	uint32_t *slot;

	if (matcher->beginning_count * 2 > matcher->beginning_mask && !grow_beginnings(matcher)) {
		matcher->no_memory = true;
		return 0;
	}
	slot = beginning_slot(matcher, &wanted);
	if (*slot)
		return *slot;
	added = ROWS_ADD(matcher->beginnings, matcher->beginning_count);
	if (!added) {
		matcher->no_memory = true;
		return 0;
	}
	*added = wanted;
	*slot = (uint32_t)matcher->beginning_count - 1;
	return *slot;
}

/* ---- life ---- */

bool matcher_init(struct matcher *matcher, const struct trace_file *file, const struct paths *paths)
{
	*matcher = (struct matcher){ .file = file, .paths = paths, .thread_room = 64 };
	matcher->thread_mask = matcher->thread_room * 2 - 1;
	matcher->threads = calloc(matcher->thread_room, sizeof(*matcher->threads));
	matcher->thread_slots = calloc(matcher->thread_mask + 1, sizeof(*matcher->thread_slots));
	matcher->beginning_mask = 63;
	matcher->beginning_slots =
		calloc(matcher->beginning_mask + 1, sizeof(*matcher->beginning_slots));
	/* Row 0: nothing known. */
	return matcher->beginning_slots &&
	       ROWS_ADD(matcher->beginnings, matcher->beginning_count) &&
	       open_table_init(&matcher->open) && matcher->threads && matcher->thread_slots;
}

void matcher_destroy(struct matcher *matcher)
{
	for (uint32_t i = 0; i < matcher->totals_room; i++)
		if (matcher->totals[i]) {
			histogram_free(&matcher->totals[i]->lifetimes);
			free(matcher->totals[i]);
		}
	free(matcher->totals);
	free(matcher->threads);
	free(matcher->thread_slots);
	free(matcher->balances);
	free(matcher->beginnings);
	free(matcher->beginning_slots);
	open_table_destroy(&matcher->open);
}
