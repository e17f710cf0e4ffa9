// SPDX-License-Identifier: GPL-2.0-or-later
/* Pages of every kind of record, cut at every moment: nothing lost, doubled or moved in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2ptrace/page_split.h"
#include "p2ptrace/page_walk.h"

#define SIZE 4096
#define HEAD (8 + sizeof(long))
#define COMPANION 4
#define RECORDS_MAX 400

static const struct page_form form = {
	.big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__,
	.commit_size = sizeof(long),
};

struct record {
	uint64_t stamp;
	uint32_t length;
	unsigned char data[128];
};

struct records {
	struct record rows[RECORDS_MAX];
	size_t count;
	uint64_t lost;
};

static void put(unsigned char *page, size_t *used, uint32_t value)
{
	memcpy(page + *used, &value, sizeof(value));
	*used += sizeof(value);
}

static void put_head(unsigned char *page, size_t *used, unsigned int type, uint32_t delta)
{
	put(page, used, form.big_endian ? type << 27 | delta : delta << 5 | type);
}

static void put_data(unsigned char *page, size_t *used, uint16_t type, unsigned int words)
{
	size_t at = *used;

	for (unsigned int i = 0; i < words; i++)
		put(page, used, (uint32_t)rand());
	memcpy(page + at, &type, sizeof(type));
}

/* One record or one step of time, of a kind drawn. */
static void put_something(unsigned char *page, size_t *used, uint64_t *stamp)
{
	uint32_t delta = (uint32_t)rand() % 4;
	unsigned int words = 1 + (unsigned int)rand() % 28;
	uint16_t type = rand() % 3 ? 700 : COMPANION;

	switch (rand() % 6) {
	case 0: /* the length in a word */
		put_head(page, used, 0, delta);
		put(page, used, 4 + 4 * words);
		put_data(page, used, type, words);
		break;
	case 1: /* a long time */
		put_head(page, used, 30, delta);
		put(page, used, 1);
		delta |= 1u << 27;
		break;
	case 2: /* a stamp: the top five bits are the page's */
		delta = 0;
		*stamp += 5;
		put_head(page, used, 31, *stamp & 0x7ffffff);
		put(page, used, (uint32_t)(*stamp >> 27));
		break;
	case 3: /* a discarded one */
		put_head(page, used, 29, delta + 1);
		put(page, used, 4 + 4 * words);
		put_data(page, used, 9, words);
		delta++;
		break;
	default:
		put_head(page, used, words, delta);
		put_data(page, used, type, words);
	}
	*stamp += delta;
}

static void make(unsigned char *page, uint64_t begin, uint64_t lost)
{
	uint64_t stamp = begin;
	size_t used = HEAD, room = 200 + (size_t)rand() % (SIZE - 400);
	unsigned long commit;

	memset(page, 0, SIZE);
	memcpy(page, &begin, sizeof(begin));
	while (used < room)
		put_something(page, &used, &stamp);
	commit = used - HEAD;
	if (lost) {
		commit |= PAGE_MISSED | PAGE_MISSED_STORED;
		memcpy(page + used, &lost, sizeof(lost));
	}
	memcpy(page + 8, &commit, sizeof(commit));
}

static void read_records(const unsigned char *page, struct records *into)
{
	struct page_walk walk;
	const unsigned char *data;
	uint32_t length;

	page_begin(&walk, form, page, SIZE);
	assert_false(walk.cut);
	into->lost += walk.lost;
	while ((data = page_next(&walk, form, &length))) {
		struct record *record = &into->rows[into->count++];

		assert_true(into->count <= RECORDS_MAX && length <= sizeof(record->data));
		record->stamp = walk.stamp;
		record->length = length;
		memcpy(record->data, data, length);
	}
	assert_false(walk.damaged);
}

static bool is_companion(const struct record *record)
{
	return page_u16(form, record->data) == COMPANION;
}

/* How many records stay, told without the code under test. */
static size_t stay(const struct records *all, uint64_t stamp, bool companions)
{
	size_t count = 0;

	while (count < all->count &&
	       (all->rows[count].stamp <= stamp || (companions && is_companion(&all->rows[count]))))
		count++;
	return count;
}

static void check(const unsigned char *page, uint64_t stamp, bool companions)
{
	static unsigned char first[SIZE], later[SIZE];
	static struct records all, parts;
	size_t expected;
	enum page_side side;

	all.count = parts.count = all.lost = parts.lost = 0;
	read_records(page, &all);
	expected = stay(&all, stamp, companions);
	memcpy(first, page, SIZE);
	memset(later, 0xee, SIZE);
	side = page_split(first, SIZE, stamp, companions ? COMPANION : 0, later);
	assert_int_equal(side, expected == all.count ? PAGE_UNTIL
			       : expected	     ? PAGE_SPLIT
						     : PAGE_LATER);
	if (side != PAGE_SPLIT) {
		assert_memory_equal(first, page, SIZE);
		return;
	}
	read_records(first, &parts);
	assert_int_equal(parts.count, expected);
	assert_int_equal(parts.lost, all.lost);
	read_records(later, &parts);
	assert_int_equal(parts.lost, all.lost);
	assert_int_equal(parts.count, all.count);
	for (size_t i = 0; i < all.count; i++) {
		assert_int_equal(parts.rows[i].stamp, all.rows[i].stamp);
		assert_int_equal(parts.rows[i].length, all.rows[i].length);
		assert_memory_equal(parts.rows[i].data, all.rows[i].data, all.rows[i].length);
	}
	/* A reader that looks at a page's stamp alone sees the first event's. */
	assert_int_equal(page_u64(form, later), all.rows[expected].stamp);
}

static void test_at_every_moment(void **state)
{
	static unsigned char page[SIZE];
	static struct records all;

	(void)state;
	srand(7);
	for (int round = 0; round < 60; round++) {
		make(page, 1000000000000 + (uint64_t)rand(), round % 3 ? 0 : 17);
		all.count = all.lost = 0;
		read_records(page, &all);
		for (size_t i = 0; i < all.count; i++) {
			check(page, all.rows[i].stamp, round % 2);
			check(page, all.rows[i].stamp - 1, round % 2);
		}
		check(page, 0, false);
		check(page, UINT64_MAX, true);
	}
}

static void test_losses_without_a_number(void **state)
{
	static unsigned char page[SIZE], later[SIZE];
	size_t used = HEAD;
	unsigned long commit = PAGE_MISSED;
	struct page_walk walk;

	(void)state;
	memset(page, 0, SIZE);
	for (uint32_t i = 0; i < 4; i++) {
		put_head(page, &used, 1, 10);
		put(page, &used, i);
	}
	commit |= used - HEAD;
	memcpy(page + 8, &commit, sizeof(commit));
	assert_int_equal(page_split(page, SIZE, 25, 0, later), PAGE_SPLIT);
	page_begin(&walk, form, page, SIZE);
	assert_true(walk.lost == PAGE_LOST_UNCOUNTED);
	page_begin(&walk, form, later, SIZE);
	assert_int_equal(walk.lost, 0);
	assert_int_equal(walk.page_stamp, 30);
}

static void test_nothing_in_it(void **state)
{
	static unsigned char page[SIZE], later[SIZE];

	(void)state;
	assert_int_equal(page_split(page, SIZE, 0, 0, later), PAGE_UNTIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_every_moment),
		cmocka_unit_test(test_losses_without_a_number),
		cmocka_unit_test(test_nothing_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
