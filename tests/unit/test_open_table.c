// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of what is open, against a list: with ranges, without, and as they come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2ptrace/open_table.h"

#define SEEDS 3000
#define STEPS 120
#define LIVE_MAX 64

/* More beginnings than ranges outlive without a question. */
#define PATIENCE 30000

struct pair {
	uint32_t entry;
	uint32_t device;
	uint64_t addr, size, stamp;
};

struct model {
	struct pair live[LIVE_MAX]; /* by age */
	int count;
	uint64_t clock;
};

static uint64_t seed;

static unsigned int random_below(unsigned int limit)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(seed >> 33) % limit;
}

static uint32_t add(struct open_table *table, uint32_t device, uint64_t addr, uint64_t size,
		    uint64_t stamp, uint32_t *oldest)
{
	uint32_t entry = open_table_add(table, key_hash(device, addr), device, addr, size, oldest);

	assert_int_not_equal(entry, 0);
	open_entry_at(table, entry)->stamp = stamp;
	return entry;
}

static uint32_t model_find(const struct model *model, uint32_t device, uint64_t addr)
{
	for (int i = 0; i < model->count; i++)
		if (model->live[i].device == device && model->live[i].addr == addr)
			return model->live[i].entry;
	return 0;
}

static uint32_t model_reach(const struct model *model, uint32_t device, uint64_t addr, uint64_t to)
{
	const struct pair *next = NULL;

	for (int i = 0; i < model->count; i++) {
		const struct pair *pair = &model->live[i];
		uint64_t size = pair->size ? pair->size : 1;

		if (pair->device != device)
			continue;
		if (pair->addr <= addr && pair->addr + size > addr)
			return pair->entry;
		if (pair->addr > addr && pair->addr < to && (!next || pair->addr < next->addr))
			next = pair;
	}
	return next ? next->entry : 0;
}

static void take_out(struct model *model, int at)
{
	model->count--;
	memmove(&model->live[at], &model->live[at + 1],
		sizeof(model->live[0]) * (size_t)(model->count - at));
}

static void do_add(struct open_table *table, struct model *model)
{
	struct pair pair = { .device = random_below(3),
			     .addr = random_below(40),
			     .size = random_below(8),
			     .stamp = ++model->clock };
	uint32_t oldest, expected = model_find(model, pair.device, pair.addr);

	if (model->count == LIVE_MAX)
		return;
	pair.entry = add(table, pair.device, pair.addr, pair.size, pair.stamp, &oldest);
	assert_int_equal(oldest, expected);
	model->live[model->count++] = pair;
}

static void do_remove(struct open_table *table, struct model *model)
{
	int at;

	if (!model->count)
		return;
	at = (int)random_below((unsigned int)model->count);
	open_table_unlink(table, model->live[at].entry);
	open_table_free(table, model->live[at].entry);
	take_out(model, at);
}

static void do_shrink(struct open_table *table, struct model *model)
{
	struct pair *pair;
	uint64_t skip;

	if (!model->count)
		return;
	pair = &model->live[random_below((unsigned int)model->count)];
	if (pair->size < 2)
		return;
	skip = random_below((unsigned int)pair->size);
	pair->addr += skip;
	pair->size -= skip;
	if (pair->size > 1 && random_below(2))
		pair->size--;
	assert_true(open_table_shrink(table, pair->entry, pair->addr, pair->size));
}

static void do_split(struct open_table *table, struct model *model)
{
	struct pair piece;
	int at;

	if (!model->count || model->count == LIVE_MAX)
		return;
	at = (int)random_below((unsigned int)model->count);
	if (model->live[at].size < 3)
		return;
	piece = model->live[at];
	piece.addr += 2;
	piece.size -= 2;
	model->live[at].size = 1;
	assert_true(open_table_shrink(table, model->live[at].entry, model->live[at].addr, 1));
	piece.entry = open_table_split(table, model->live[at].entry, piece.addr, piece.size);
	assert_int_not_equal(piece.entry, 0);
	/* For the model it is of its own; the table only counts it. */
	open_entry_at(table, piece.entry)->root = piece.entry;
	table->open++;
	memmove(&model->live[at + 2], &model->live[at + 1],
		sizeof(piece) * (size_t)(model->count - at - 1));
	model->live[at + 1] = piece;
	model->count++;
}

static void ask(struct open_table *table, const struct model *model, bool ranges)
{
	uint32_t device = random_below(3);
	uint64_t addr = random_below(48), to = addr + 1 + random_below(12);

	assert_int_equal(open_table_find(table, device, addr), model_find(model, device, addr));
	if (ranges)
		assert_int_equal(open_table_reach(table, device, addr, to),
				 model_reach(model, device, addr, to));
	assert_int_equal(table->open, model->count);
}

/* So many beginnings that all ranges are let go. */
static void wear_out(struct open_table *table)
{
	uint32_t oldest;

	for (int i = 0; i < PATIENCE; i++) {
		uint32_t entry = add(table, (uint32_t)i % 3, 1000, 1, 0, &oldest);

		open_table_unlink(table, entry);
		open_table_free(table, entry);
	}
	assert_int_equal(table->active_ranges, 0);
}

static void one_seed(uint64_t number, bool ranges)
{
	struct open_table table;
	struct model model = { .count = 0 };

	seed = number;
	assert_true(open_table_init(&table));
	for (int step = 0; step < STEPS; step++) {
		switch (random_below(8)) {
		case 0:
		case 1:
		case 2:
			do_add(&table, &model);
			break;
		case 3:
			do_remove(&table, &model);
			break;
		case 4:
			do_shrink(&table, &model);
			break;
		case 5:
			do_split(&table, &model);
			break;
		default:
			ask(&table, &model, ranges);
		}
		if (number % 1000 == 0 && step == STEPS / 2)
			wear_out(&table);
	}
	for (int i = 0; i < 50; i++)
		ask(&table, &model, true);
	open_table_destroy(&table);
}

static void test_random(void **state)
{
	(void)state;
	for (uint64_t number = 1; number <= SEEDS; number++)
		one_seed(number, true);
}

/* No question of a range until the end: the ranges are made of what stands there. */
static void test_random_without_ranges(void **state)
{
	(void)state;
	for (uint64_t number = 1; number <= SEEDS; number++)
		one_seed(number, false);
}

/* Growth of the slots and the entries, with ranges and without. */
static void test_many(void **state)
{
	(void)state;
	for (int ranges = 0; ranges < 2; ranges++) {
		struct open_table table;
		uint32_t oldest;

		assert_true(open_table_init(&table));
		for (uint32_t i = 0; i < 100000; i++) {
			uint32_t entry = add(&table, i % 7, (uint64_t)i * 4096, 4096, i, &oldest);

			assert_int_equal(oldest, 0);
			assert_int_equal(entry, i + 1);
			if (ranges && i == 100)
				assert_int_equal(open_table_reach(&table, 0, 0x100, 0x200), 1);
		}
		for (uint32_t i = 0; i < 100000; i++) {
			assert_int_equal(open_table_find(&table, i % 7, (uint64_t)i * 4096), i + 1);
			if (i % 3)
				continue;
			open_table_unlink(&table, i + 1);
			open_table_free(&table, i + 1);
		}
		for (uint32_t i = 0; i < 100000; i++) {
			uint64_t addr = (uint64_t)i * 4096;
			uint32_t expected = i % 3 ? i + 1 : 0;

			assert_int_equal(open_table_find(&table, i % 7, addr), expected);
			if (i % 1000 == 0)
				assert_int_equal(open_table_reach(&table, i % 7, addr + 5,
								  addr + 6),
						 expected);
		}
		open_table_destroy(&table);
	}
}

/* Thousands under one key: first in, first out. */
static void test_one_key(void **state)
{
	struct open_table table;
	uint32_t oldest, first = 0;

	(void)state;
	assert_true(open_table_init(&table));
	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t entry = add(&table, 1, 42, 1, i, &oldest);

		first = first ? first : entry;
		assert_int_equal(oldest, i ? first : 0);
	}
	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t entry = open_table_find(&table, 1, 42);

		assert_int_equal(open_entry_at(&table, entry)->stamp, i);
		open_table_unlink(&table, entry);
		open_table_free(&table, entry);
	}
	assert_int_equal(open_table_find(&table, 1, 42), 0);
	assert_int_equal(table.slot_used, 0);
	open_table_destroy(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_random_without_ranges),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_one_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
