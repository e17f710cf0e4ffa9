// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages that are kept: however a stream of records is cut into pages, and however often it
 * is read, the same records with the same stamps come out again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "p2ptrace/keep.h"
#include "p2ptrace/page_walk.h"

#define PAGE 512
#define LANES 3
#define RECORDS 3000
#define HEAD (8 + sizeof(long))
#define FORM ((struct page_form){ .commit_size = sizeof(long) })

/* A record carries its number. */
struct made {
	uint64_t stamps[RECORDS];
	uint32_t lanes[RECORDS];
	uint32_t count;
};

/* The page that a lane is being read into. */
struct page {
	unsigned char bytes[PAGE];
	size_t used; /* 0: not begun */
	uint64_t stamp;
};

static uint64_t seed;

static uint64_t random_below(uint64_t limit)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 20) % limit;
}

static void put(struct page *page, uint32_t word)
{
	memcpy(page->bytes + page->used, &word, sizeof(word));
	page->used += sizeof(word);
}

static void set_commit(struct page *page, uint32_t flags)
{
	uint32_t word = (uint32_t)(page->used - HEAD) | flags;

	memcpy(page->bytes + 8, &word, sizeof(word));
}

/* As the kernel begins one: with the stamp of the record before. */
static void begin(struct page *page, uint64_t stamp)
{
	memset(page->bytes, 0, PAGE);
	memcpy(page->bytes, &stamp, 8);
	page->stamp = stamp;
	page->used = HEAD;
	set_commit(page, 0);
}

static void add_record(struct page *page, uint64_t stamp, uint32_t number)
{
	uint64_t delta = stamp - page->stamp;

	if (delta >> 27) {
		put(page, 30u | (uint32_t)(delta & 0x07ffffff) << 5);
		put(page, (uint32_t)(delta >> 27));
		delta = 0;
	}
	put(page, 2u | (uint32_t)delta << 5);
	put(page, number);
	put(page, ~number);
	page->stamp = stamp;
	set_commit(page, 0);
}

static void hand_over(struct keep *keep, struct page *page, uint32_t lane)
{
	if (page->used)
		keep_page(keep, lane, page->bytes);
	page->used = 0;
}

/* Records at random, handed over whenever it pleases: `patience` records at a time. */
static void make(struct made *made, struct keep *keep, unsigned int patience)
{
	struct page pages[LANES] = { { .used = 0 } };
	uint64_t stamp = random_below(1ull << 40), last[LANES];

	for (size_t i = 0; i < LANES; i++)
		last[i] = stamp;
	for (made->count = 0; made->count < RECORDS; made->count++) {
		uint32_t lane = (uint32_t)random_below(LANES);
		struct page *page = &pages[lane];

		stamp += random_below(50) ? random_below(1000) : random_below(1ull << 34);
		if (page->used + 20 > PAGE || !random_below(patience))
			hand_over(keep, page, lane);
		if (!page->used)
			begin(page, last[lane]);
		add_record(page, stamp, made->count);
		made->stamps[made->count] = last[lane] = stamp;
		made->lanes[made->count] = lane;
	}
	for (uint32_t lane = 0; lane < LANES; lane++)
		hand_over(keep, &pages[lane], lane);
}

struct read {
	bool seen[RECORDS];
	uint32_t count, first[LANES]; /* first: RECORDS without any */
	bool lost[LANES]; /* its first page says so */
	uint64_t pages;
};

static void read_page(struct read *read, const struct made *made, const unsigned char *bytes,
		      uint32_t lane, bool first)
{
	struct page_walk walk;
	const unsigned char *data;
	uint32_t length, number, check;

	page_begin(&walk, FORM, bytes, PAGE);
	assert_false(walk.cut);
	assert_true(!walk.lost || first);
	read->lost[lane] |= walk.lost != 0;
	while ((data = page_next(&walk, FORM, &length))) {
		assert_int_equal(length, 8);
		memcpy(&number, data, 4);
		memcpy(&check, data + 4, 4);
		assert_int_equal(check, ~number);
		assert_in_range(number, 0, made->count - 1);
		assert_int_equal(made->lanes[number], lane);
		assert_int_equal(made->stamps[number], walk.stamp);
		assert_false(read->seen[number]);
		read->seen[number] = true;
		read->first[lane] = number < read->first[lane] ? number : read->first[lane];
		read->count++;
	}
	assert_false(walk.damaged);
	read->pages++;
}

static void read_copy(struct read *read, const struct made *made, const struct keep *keep)
{
	int fd = memfd_create("copy", MFD_CLOEXEC);
	struct write_lane lanes[LANES] = { { .cpu = 0 } };
	unsigned char page[PAGE];
	struct p2p_error err;
	uint64_t end = keep_place(keep, PAGE, lanes);

	*read = (struct read){ .count = 0 };
	assert_int_equal(keep_copy(keep, fd, lanes, &err), 0);
	assert_int_equal(lanes[LANES - 1].offset + lanes[LANES - 1].bytes, end);
	for (uint32_t lane = 0; lane < LANES; lane++) {
		read->first[lane] = RECORDS;
		for (uint64_t at = 0; at < lanes[lane].bytes; at += PAGE) {
			assert_int_equal(pread(fd, page, PAGE, (off_t)(lanes[lane].offset + at)),
					 PAGE);
			read_page(read, made, page, lane, !at);
		}
	}
	close(fd);
}

static void test_every_record_comes_back(void **state)
{
	static struct made made;
	static struct read read;
	struct p2p_error err;
	uint64_t pages = 0, patient = 0;

	(void)state;
	for (unsigned int patience = 1; patience <= 4096; patience *= 4)
		for (uint64_t round = 1; round <= 5; round++) {
			struct keep keep;

			seed = round;
			assert_int_equal(keep_open(&keep, LANES, PAGE, 1 << 20, &err), 0);
			assert_true(keep.file >= 0);
			make(&made, &keep, patience);
			read_copy(&read, &made, &keep);
			assert_int_equal(read.count, RECORDS);
			assert_false(read.lost[0] | read.lost[1] | read.lost[2]);
			assert_false(keep_is_cut(&keep));
			assert_int_equal(keep_complete_from(&keep, 7), 7);
			/* The same again, while more could come. */
			read_copy(&read, &made, &keep);
			assert_int_equal(read.count, RECORDS);
			pages = patience == 1 ? read.pages : pages;
			patient = read.pages;
			keep_close(&keep);
		}
	/* Page by record or full pages: about as many in the end. */
	assert_true(pages < 2 * patient);
}

static void test_the_oldest_goes_first(void **state)
{
	static struct made made;
	static struct read read;
	struct p2p_error err;
	struct keep keep;
	uint64_t complete;

	(void)state;
	seed = 42;
	assert_int_equal(keep_open(&keep, LANES, PAGE, 16 * PAGE, &err), 0);
	make(&made, &keep, 3);
	assert_true(keep_is_cut(&keep));
	assert_int_equal(keep_bytes(&keep), 16 * PAGE);
	read_copy(&read, &made, &keep);
	assert_in_range(read.pages, 16, 16 + LANES);
	assert_in_range(read.count, 16 * 10, RECORDS / 2);
	complete = keep_complete_from(&keep, 0);
	for (uint32_t lane = 0; lane < LANES; lane++) {
		assert_true(read.lost[lane]);
		assert_true(read.first[lane] < RECORDS);
	}
	/* From there on there is everything. */
	for (uint32_t number = 0; number < RECORDS; number++)
		if (made.stamps[number] > complete)
			assert_true(read.seen[number]);
	keep_close(&keep);
}

/* What the kernel says of a loss is kept, and stands before the same record. */
static void test_losses_stay(void **state)
{
	struct write_lane lanes[1] = { { .cpu = 0 } };
	struct page page = { .used = 0 };
	unsigned char bytes[PAGE];
	struct p2p_error err;
	struct keep keep;
	int fd = memfd_create("copy", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(keep_open(&keep, 1, PAGE, 16 * PAGE, &err), 0);
	for (uint32_t number = 0; number < 4; number++) {
		begin(&page, 100 * number);
		add_record(&page, 100 * number + 1, number);
		set_commit(&page, number == 2 ? PAGE_MISSED : 0);
		keep_page(&keep, 0, page.bytes);
	}
	/* 0 and 1 together, 2 by itself, then 3. */
	assert_int_equal(keep_place(&keep, 0, lanes), 3 * PAGE);
	assert_int_equal(keep_copy(&keep, fd, lanes, &err), 0);
	for (off_t at = 0; at < 3; at++) {
		struct page_walk walk;
		uint32_t length;

		assert_int_equal(pread(fd, bytes, PAGE, at * PAGE), PAGE);
		page_begin(&walk, FORM, bytes, PAGE);
		assert_int_equal(walk.lost, at == 1 ? PAGE_LOST_UNCOUNTED : 0);
		assert_non_null(page_next(&walk, FORM, &length));
		assert_int_equal(walk.stamp, at == 0 ? 1 : at == 1 ? 201 : 301);
	}
	close(fd);
	keep_close(&keep);
}

static void test_nothing_is_kept(void **state)
{
	struct p2p_error err;
	struct page page;
	struct keep keep;

	(void)state;
	assert_int_equal(keep_open(&keep, 1, PAGE, 0, &err), 0);
	begin(&page, 1);
	add_record(&page, 2, 3);
	keep_page(&keep, 0, page.bytes);
	assert_int_equal(keep_bytes(&keep), 0);
	keep_close(&keep);
	/* No place for a file. */
	setenv("TMPDIR", "/nowhere", 1);
	assert_int_equal(keep_open(&keep, 1, PAGE, 1 << 20, &err), 0);
	unsetenv("TMPDIR");
	assert_int_equal(keep.file, -1);
	assert_int_not_equal(keep.error, 0);
	keep_page(&keep, 0, page.bytes);
	keep_close(&keep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_record_comes_back),
		cmocka_unit_test(test_the_oldest_goes_first),
		cmocka_unit_test(test_losses_stay),
		cmocka_unit_test(test_nothing_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
