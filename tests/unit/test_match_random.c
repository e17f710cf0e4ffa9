// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ends against beginnings, at random: thousands of small recordings, each held
 * against a model that knows only lists and takes all the time it needs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/analyse.h"

#define ROUNDS 1500
#define EVENTS_PER_ROUND 60
#define UNIT 0x400ull

struct model_piece {
	uint64_t addr, size;
	int root; /* index of its beginning */
	int kind, device;
};

struct model_begin {
	uint64_t stamp;
	int pieces, thread, superseded;
};

struct model {
	struct model_piece pieces[EVENTS_PER_ROUND * 4]; /* by age of their beginning */
	struct model_begin begins[EVENTS_PER_ROUND];
	int piece_count, begin_count;
	uint64_t orphans, lifetimes, lifetime_sum, superseded;
	uint64_t ends[8]; /* [thread]: of what it began, and its orphans */
};

static uint64_t seed;

static unsigned int random_below(unsigned int limit)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(seed >> 33) % limit;
}

static void remove_piece(struct model *model, int at)
{
	model->piece_count--;
	memmove(&model->pieces[at], &model->pieces[at + 1],
		sizeof(model->pieces[0]) * (size_t)(model->piece_count - at));
}

static void insert_piece(struct model *model, int at, struct model_piece piece)
{
	memmove(&model->pieces[at + 1], &model->pieces[at],
		sizeof(model->pieces[0]) * (size_t)(model->piece_count - at));
	model->pieces[at] = piece;
	model->piece_count++;
}

static void end_of_piece(struct model *model, int at, uint64_t stamp)
{
	struct model_begin *begin = &model->begins[model->pieces[at].root];

	remove_piece(model, at);
	if (--begin->pieces)
		return;
	model->lifetimes++;
	model->lifetime_sum += stamp - begin->stamp;
}

/* The oldest of this key, of this size if there is one; -1. */
static int by_key(const struct model *model, int kind, int device, uint64_t addr, uint64_t size)
{
	int oldest = -1;

	for (int i = 0; i < model->piece_count; i++) {
		const struct model_piece *piece = &model->pieces[i];

		if (piece->kind != kind || piece->device != device || piece->addr != addr)
			continue;
		if (piece->size == size)
			return i;
		oldest = oldest < 0 ? i : oldest;
	}
	return oldest;
}

/* The oldest that covers the address, else the oldest at the next address below `to`. */
static int by_range(const struct model *model, int kind, int device, uint64_t addr, uint64_t to)
{
	int next = -1;

	for (int i = 0; i < model->piece_count; i++) {
		const struct model_piece *piece = &model->pieces[i];

		if (piece->kind != kind || piece->device != device)
			continue;
		if (piece->addr <= addr && piece->addr + piece->size > addr)
			return i;
		if (piece->addr > addr && piece->addr < to &&
		    (next < 0 || piece->addr < model->pieces[next].addr))
			next = i;
	}
	return next;
}

/* Takes [from, to) out of the piece; its end as it was. */
static uint64_t cut(struct model *model, int at, uint64_t from, uint64_t to, uint64_t stamp)
{
	struct model_piece piece = model->pieces[at], rest = piece;
	uint64_t end = piece.addr + piece.size;

	if (from <= piece.addr && to >= end) {
		end_of_piece(model, at, stamp);
	} else if (from <= piece.addr) {
		model->pieces[at].addr = to;
		model->pieces[at].size = end - to;
	} else {
		model->pieces[at].size = from - piece.addr;
		if (to < end) {
			rest.addr = to;
			rest.size = end - to;
			model->begins[piece.root].pieces++;
			insert_piece(model, at + 1, rest);
		}
	}
	return end;
}

static void model_end(struct model *model, int kind, int device, uint64_t from, uint64_t size,
		      int thread, uint64_t stamp)
{
	uint64_t to = from + size, at = from;
	int index = by_key(model, kind, device, from, size);

	if (index < 0)
		index = by_range(model, kind, device, from, to);
	if (index < 0) {
		model->orphans++;
		model->ends[thread]++;
		return;
	}
	model->ends[model->begins[model->pieces[index].root].thread]++;
	at = cut(model, index, from, to, stamp);
	while (at < to) {
		index = by_key(model, kind, device, at, UINT64_MAX);
		if (index < 0)
			index = by_range(model, kind, device, at, to);
		if (index < 0)
			break;
		at = cut(model, index, at, to, stamp);
	}
}

static void model_begin(struct model *model, int kind, int device, uint64_t addr, uint64_t size,
			int thread, uint64_t stamp)
{
	for (int i = 0; kind && i < model->piece_count; i++) {
		struct model_piece *piece = &model->pieces[i];

		/* A pool does not give an address out twice. */
		if (piece->kind != kind || piece->device != device || piece->addr != addr)
			continue;
		model->superseded += --model->begins[piece->root].pieces == 0;
		remove_piece(model, i--);
	}
	model->begins[model->begin_count] =
		(struct model_begin){ .stamp = stamp, .pieces = 1, .thread = thread };
	model->pieces[model->piece_count++] = (struct model_piece){ .addr = addr,
								    .size = size,
								    .root = model->begin_count++,
								    .kind = kind,
								    .device = device };
}

static uint64_t open_roots(const struct model *model)
{
	uint64_t open = 0;

	for (int i = 0; i < model->begin_count; i++)
		open += model->begins[i].pieces > 0;
	return open;
}

/* A random event in the script and in the model.  Few addresses, so that all meets all;
 * `wild` ends fall anywhere, the others mostly where something is. */
static size_t add_event(struct model *model, char *script, size_t room, uint64_t stamp, bool wild)
{
	static const char *const names[2][2] = { { "map client=c%d provider=p type=2 dma_addr",
						   "unmap client=c%d provider=p type=2 dma_addr" },
						 { "alloc provider=c%d addr",
						   "free provider=c%d addr" } };
	int kind = (int)random_below(2), device = (int)random_below(2);
	int thread = (int)random_below(4) + 1, cpu = (int)random_below(3);
	bool begins = random_below(2);
	uint64_t addr = (random_below(16) + 1) * 4 * UNIT, size = (random_below(4) + 1) * 4 * UNIT;
	char what[100];
	size_t used;

	if (!begins && !wild && model->piece_count && random_below(4)) {
		const struct model_piece *piece =
			&model->pieces[random_below((unsigned int)model->piece_count)];

		kind = piece->kind;
		device = piece->device;
		addr = piece->addr;
		size = piece->size;
		if (!random_below(3)) {
			addr += random_below(4) * UNIT;
			size = (random_below(6) + 1) * UNIT;
		}
	}
	if (begins)
		model_begin(model, kind, device, addr, size, thread, stamp);
	else
		model_end(model, kind, device, addr, size, thread, stamp);
	snprintf(what, sizeof(what), names[kind][!begins], device);
	used = (size_t)snprintf(script, room, "%llu %d %s=0x%llx size=%llu tid=%d\n",
				(unsigned long long)stamp, cpu, what, (unsigned long long)addr,
				(unsigned long long)size, thread);
	return used;
}

static void compare_threads(const struct model *model, const struct analysed *a)
{
	for (int thread = 1; thread < 8; thread++) {
		const struct process_row *row = process_of(a, thread);

		assert_int_equal(row ? row->frees + row->unmaps : 0, model->ends[thread]);
	}
}

static void compare(const struct model *model, const struct analysed *a, const char *script)
{
	const struct report *report = &a->report;
	uint64_t bytes = 0, ended = report->map_lifetimes.count + report->alloc_lifetimes.count;

	for (int i = 0; i < model->piece_count; i++)
		bytes += model->pieces[i].size;
	if (report->open_maps + report->open_allocs != open_roots(model) ||
	    report->open_map_bytes + report->open_alloc_bytes != bytes ||
	    report->orphan_frees + report->orphan_unmaps != model->orphans ||
	    ended != model->lifetimes ||
	    (uint64_t)(report->map_lifetimes.sum + report->alloc_lifetimes.sum) !=
		    model->lifetime_sum ||
	    report->superseded != model->superseded || a->leaks.count != open_roots(model))
		fail_msg("open %llu of %llu bytes, not %llu of %llu; %llu orphans, not %llu; %llu "
			 "ended, not %llu; %llu superseded, not %llu\n%s",
			 (unsigned long long)(report->open_maps + report->open_allocs),
			 (unsigned long long)(report->open_map_bytes + report->open_alloc_bytes),
			 (unsigned long long)open_roots(model), (unsigned long long)bytes,
			 (unsigned long long)(report->orphan_frees + report->orphan_unmaps),
			 (unsigned long long)model->orphans, (unsigned long long)ended,
			 (unsigned long long)model->lifetimes,
			 (unsigned long long)report->superseded,
			 (unsigned long long)model->superseded, script);
}

static void one_round(bool wild)
{
	static char script[EVENTS_PER_ROUND * 120];
	struct analysed a;
	struct model model;
	size_t used = 0;
	uint64_t leaked = 0, mapped = 0;

	memset(&model, 0, sizeof(model));
	used = (size_t)snprintf(script, sizeof(script), "page 1024\n");
	for (int i = 0; i < EVENTS_PER_ROUND; i++)
		used += add_event(&model, script + used, sizeof(script) - used,
				  100 + 10 * (uint64_t)i, wild);
	analyse(&a, script, &(struct analyse_options){ .threads = 1 + random_below(3) });
	compare(&model, &a, script);
	compare_threads(&model, &a);
	/* What the list of leaks says adds up to what the tables say. */
	for (size_t i = 0; i < a.leaks.count; i++)
		leaked += a.leaks.items[i].bytes;
	for (size_t i = 0; i < a.report.pair_count; i++)
		mapped += a.report.pairs[i].outstanding_bytes;
	assert_int_equal(leaked, a.report.open_map_bytes + a.report.open_alloc_bytes);
	assert_int_equal(mapped, a.report.open_map_bytes);
	analysed_free(&a);
}

static void test_mostly_whole(void **state)
{
	(void)state;
	seed = 1;
	for (int round = 0; round < ROUNDS; round++)
		one_round(false);
}

static void test_wild(void **state)
{
	(void)state;
	seed = 2;
	for (int round = 0; round < ROUNDS; round++)
		one_round(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mostly_whole),
		cmocka_unit_test(test_wild),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
