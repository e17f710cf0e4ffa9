// SPDX-License-Identifier: GPL-2.0-or-later
/* Pages byte by byte: every kind of record, both byte orders, 32 and 64 bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2ptrace/page_walk.h"

/* A page under construction, in any form. */
struct page {
	struct page_form form;
	unsigned char bytes[4096];
	size_t used; /* the header included */
};

static const struct page_form forms[] = {
	{ false, false, 8 },
	{ false, false, 4 },
	{ true, true, 8 },
	{ true, true, 4 },
};

#define FORMS (sizeof(forms) / sizeof(forms[0]))

static void put(struct page *page, size_t at, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		page->bytes[at + (page->form.big_endian ? size - 1 - i : i)] =
			(unsigned char)(value >> 8 * i);
}

static void begin(struct page *page, struct page_form form, uint64_t stamp)
{
	memset(page->bytes, 0xee, sizeof(page->bytes));
	page->form = form;
	page->used = 8 + form.commit_size;
	put(page, 0, stamp, 8);
}

static void put_word(struct page *page, unsigned int type, uint32_t delta)
{
	put(page, page->used, page->form.big_endian ? type << 27 | delta : delta << 5 | type, 4);
	page->used += 4;
}

static void put_u32(struct page *page, uint32_t value)
{
	put(page, page->used, value, 4);
	page->used += 4;
}

static void put_data(struct page *page, unsigned int words, uint32_t value)
{
	for (unsigned int i = 0; i < words; i++)
		put_u32(page, value + i);
}

static void finish(struct page *page, uint64_t flags)
{
	put(page, 8, (page->used - 8 - page->form.commit_size) | flags, page->form.commit_size);
}

static void start(struct page_walk *walk, const struct page *page)
{
	page_begin(walk, page->form, page->bytes, sizeof(page->bytes));
}

static void expect(struct page_walk *walk, const struct page *page, uint64_t stamp, uint32_t length,
		   uint32_t first)
{
	uint32_t got = 0;
	const unsigned char *data = page_next(walk, page->form, &got);

	assert_non_null(data);
	assert_int_equal(walk->stamp, stamp);
	assert_int_equal(got, length);
	if (length >= 4)
		assert_int_equal(page_u32(page->form, data), first);
}

static void expect_end(struct page_walk *walk, const struct page *page, bool damaged, bool cut)
{
	uint32_t length;

	assert_null(page_next(walk, page->form, &length));
	assert_int_equal(walk->damaged, damaged);
	assert_int_equal(walk->cut, cut);
	assert_null(page_next(walk, page->form, &length));
}

static void test_numbers(void **state)
{
	const unsigned char bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	(void)state;
	assert_int_equal(page_u16(forms[0], bytes), 0x0201);
	assert_int_equal(page_u32(forms[0], bytes), 0x04030201);
	assert_int_equal(page_u64(forms[0], bytes), 0x0807060504030201);
	assert_int_equal(page_u16(forms[2], bytes), 0x0102);
	assert_int_equal(page_u32(forms[2], bytes), 0x01020304);
	assert_int_equal(page_u64(forms[2], bytes), 0x0102030405060708);
}

static void test_all_kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < FORMS; i++) {
		struct page_walk walk;
		struct page page;

		begin(&page, forms[i], 1000);
		put_word(&page, 1, 5); /* short ones */
		put_data(&page, 1, 11);
		put_word(&page, 28, 0);
		put_data(&page, 28, 22);
		put_word(&page, 0, 7); /* a length of its own */
		put_u32(&page, 4 + 30 * 4);
		put_data(&page, 30, 33);
		put_word(&page, 30, 0x7ffffff); /* a large step: 27 bits here, the rest behind */
		put_u32(&page, 3);
		put_word(&page, 2, 1);
		put_data(&page, 2, 44);
		put_word(&page, 29, 9); /* discarded, but its time counts */
		put_u32(&page, 12);
		put_data(&page, 2, 0);
		put_word(&page, 3, 2);
		put_data(&page, 3, 55);
		finish(&page, 0);
		start(&walk, &page);
		assert_int_equal(walk.page_stamp, 1000);
		assert_int_equal(walk.lost, 0);
		expect(&walk, &page, 1005, 4, 11);
		expect(&walk, &page, 1005, 112, 22);
		expect(&walk, &page, 1012, 120, 33);
		expect(&walk, &page, 1012 + (3ull << 27 | 0x7ffffff) + 1, 8, 44);
		expect(&walk, &page, 1012 + (3ull << 27 | 0x7ffffff) + 12, 12, 55);
		expect_end(&walk, &page, false, false);
	}
}

/* Absolute stamps leave out the top five bits: they stay as they were. */
static void test_absolute_stamp(void **state)
{
	(void)state;
	for (size_t i = 0; i < FORMS; i++) {
		struct page_walk walk;
		struct page page;

		begin(&page, forms[i], 21ull << 59 | 999);
		put_word(&page, 31, 0x123);
		put_u32(&page, 0x456);
		put_word(&page, 1, 4);
		put_data(&page, 1, 1);
		put_word(&page, 31, 5);
		put_u32(&page, 0);
		put_word(&page, 1, 0);
		put_data(&page, 1, 2);
		finish(&page, 0);
		start(&walk, &page);
		expect(&walk, &page, (21ull << 59) + (0x456ull << 27 | 0x123) + 4, 4, 1);
		expect(&walk, &page, (21ull << 59) + 5, 4, 2);
		expect_end(&walk, &page, false, false);
	}
}

/* Padding without a step of time ends the page, whatever stands behind. */
static void test_padding_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < FORMS; i++) {
		struct page_walk walk;
		struct page page;

		begin(&page, forms[i], 1);
		put_word(&page, 1, 0);
		put_data(&page, 1, 1);
		put_word(&page, 29, 0);
		put_data(&page, 9, 0xffffffff);
		finish(&page, 0);
		start(&walk, &page);
		expect(&walk, &page, 1, 4, 1);
		expect_end(&walk, &page, false, false);
	}
}

static void test_odd_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < FORMS; i++) {
		struct page_walk walk;
		struct page page;

		begin(&page, forms[i], 1);
		put_word(&page, 0, 0);
		put_u32(&page, 4 + 5); /* five bytes, room for eight */
		put_data(&page, 2, 7);
		put_word(&page, 1, 0);
		put_data(&page, 1, 8);
		finish(&page, 0);
		start(&walk, &page);
		expect(&walk, &page, 1, 5, 7);
		expect(&walk, &page, 1, 4, 8);
		expect_end(&walk, &page, false, false);
	}
}

static void test_empty_page(void **state)
{
	(void)state;
	for (size_t i = 0; i < FORMS; i++) {
		struct page_walk walk;
		struct page page;

		begin(&page, forms[i], 77);
		finish(&page, 0);
		start(&walk, &page);
		assert_int_equal(walk.page_stamp, 77);
		expect_end(&walk, &page, false, false);
	}
}

/* ---- loss ---- */

static void test_lost(void **state)
{
	const uint64_t sign = 0xffffffff00000000ull; /* as an int arrives in a long */

	(void)state;
	for (size_t i = 0; i < FORMS; i++) {
		uint64_t more = forms[i].commit_size == 8 ? sign : 0;
		struct page_walk walk;
		struct page page;

		begin(&page, forms[i], 5);
		put_word(&page, 1, 0);
		put_data(&page, 1, 1);
		finish(&page, more | PAGE_MISSED);
		start(&walk, &page);
		assert_true(walk.lost == PAGE_LOST_UNCOUNTED);
		expect(&walk, &page, 5, 4, 1);
		expect_end(&walk, &page, false, false);

		finish(&page, more | PAGE_MISSED | PAGE_MISSED_STORED);
		put(&page, page.used, 12345, 8);
		start(&walk, &page);
		assert_int_equal(walk.lost, 12345);
		expect(&walk, &page, 5, 4, 1);
		expect_end(&walk, &page, false, false);

		finish(&page, more | PAGE_MISSED_STORED);
		start(&walk, &page);
		assert_int_equal(walk.lost, 0);
	}
}

/* A page so full that the number had no room. */
static void test_lost_without_room(void **state)
{
	(void)state;
	for (size_t i = 0; i < FORMS; i++) {
		struct page_walk walk;
		struct page page;

		begin(&page, forms[i], 5);
		while (page.used + 8 <= sizeof(page.bytes)) {
			put_word(&page, 1, 0);
			put_data(&page, 1, 1);
		}
		finish(&page, PAGE_MISSED | PAGE_MISSED_STORED);
		start(&walk, &page);
		assert_true(walk.lost == PAGE_LOST_UNCOUNTED);
	}
}

/* ---- damage ---- */

static void test_too_long(void **state)
{
	(void)state;
	for (size_t i = 0; i < FORMS; i++) {
		const struct {
			unsigned int type;
			uint32_t delta, extra;
		} bad[] = { { 28, 0, 0 },   { 0, 0, 0 },	  { 0, 0, 3 },
			    { 0, 0, 4096 }, { 0, 0, 0xffffffff }, { 29, 1, 0xfffffffc },
			    { 29, 1, 2 } };

		for (size_t kind = 0; kind < sizeof(bad) / sizeof(bad[0]); kind++) {
			struct page_walk walk;
			struct page page;

			begin(&page, forms[i], 5);
			put_word(&page, 1, 0);
			put_data(&page, 1, 1);
			put_word(&page, bad[kind].type, bad[kind].delta);
			put_u32(&page, bad[kind].extra);
			finish(&page, 0);
			start(&walk, &page);
			expect(&walk, &page, 5, 4, 1);
			expect_end(&walk, &page, true, false);
		}
	}
}

/* A word that needs another, at the very end. */
static void test_nothing_behind(void **state)
{
	(void)state;
	for (size_t i = 0; i < FORMS; i++)
		for (unsigned int type = 0; type < 32; type++) {
			struct page_walk walk;
			struct page page;

			begin(&page, forms[i], 5);
			put_word(&page, type, type == 29);
			finish(&page, 0);
			start(&walk, &page);
			expect_end(&walk, &page, true, false);
		}
}

static void test_stray_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < FORMS; i++) {
		struct page_walk walk;
		struct page page;

		begin(&page, forms[i], 5);
		put_word(&page, 1, 0);
		put_data(&page, 1, 1);
		page.used += 3;
		finish(&page, 0);
		start(&walk, &page);
		expect(&walk, &page, 5, 4, 1);
		expect_end(&walk, &page, true, false);
	}
}

/* A page that says it holds more than there is: as far as it goes, and it is told. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < FORMS; i++) {
		struct page_walk walk;
		struct page page;
		size_t one;

		begin(&page, forms[i], 5);
		put_word(&page, 1, 0);
		put_data(&page, 1, 1);
		one = page.used;
		put_word(&page, 4, 0);
		put_data(&page, 4, 2);
		finish(&page, PAGE_MISSED);
		for (size_t bytes = one; bytes < page.used; bytes++) {
			page_begin(&walk, page.form, page.bytes, bytes);
			assert_true(walk.lost == PAGE_LOST_UNCOUNTED);
			expect(&walk, &page, 5, 4, 1);
			expect_end(&walk, &page, false, true);
		}
		for (size_t bytes = 0; bytes < 8 + forms[i].commit_size; bytes++) {
			page_begin(&walk, page.form, page.bytes, bytes);
			expect_end(&walk, &page, false, true);
		}
	}
}

/* Any bytes at all: the walk ends, within the page (ASan and valgrind look on). */
static void test_any_bytes(void **state)
{
	uint64_t seed = 99;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t bytes = 16 + (size_t)(round % 240), records = 0;
		unsigned char *page = malloc(bytes);
		struct page_walk walk;
		uint32_t length;

		for (size_t i = 0; i < bytes; i++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			page[i] = (unsigned char)(seed >> 56);
		}
		if (round % 2)
			page[9] = page[10] = page[11] = 0;
		page_begin(&walk, forms[(size_t)round % FORMS], page, bytes);
		for (const unsigned char *data;
		     (data = page_next(&walk, forms[(size_t)round % FORMS], &length));) {
			assert_true(data >= page && data + length <= page + bytes);
			records++;
		}
		assert_true(records <= bytes / 4);
		free(page);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),	       cmocka_unit_test(test_all_kinds),
		cmocka_unit_test(test_absolute_stamp), cmocka_unit_test(test_padding_ends),
		cmocka_unit_test(test_odd_length),     cmocka_unit_test(test_empty_page),
		cmocka_unit_test(test_lost),	       cmocka_unit_test(test_lost_without_room),
		cmocka_unit_test(test_too_long),       cmocka_unit_test(test_nothing_behind),
		cmocka_unit_test(test_stray_bytes),    cmocka_unit_test(test_cut),
		cmocka_unit_test(test_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
