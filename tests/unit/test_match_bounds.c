// SPDX-License-Identifier: GPL-2.0-or-later
/* Matchers that are kept small: threads folded into one, the oldest given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/analyse.h"
#include "p2ptrace/match_bounds.h"

#define C "client=c provider=p "
#define P "provider=p "

static bool keep_none(const void *context, const struct thread_totals *thread)
{
	(void)context;
	(void)thread;
	return false;
}

static bool keep_one(const void *context, const struct thread_totals *thread)
{
	return thread->tid == *(const uint32_t *)context;
}

static struct matcher *matcher_of(const struct analysed *a)
{
	assert_int_equal(a->analysis->shard_count, 1);
	return &a->analysis->matchers[0];
}

/* The report as it is after the matcher was changed. */
static void renew(struct analysed *a)
{
	struct p2p_error err;

	leaks_free(&a->leaks);
	report_free(&a->report);
	assert_int_equal(report_make(&a->report, a->analysis, &err), 0);
	assert_int_equal(leaks_find(&a->leaks, a->analysis, NOT_KNOWN, &err), 0);
}

static const char *const four_threads = "10 0 alloc " P "addr=0x1000 size=100 tid=7\n"
					"11 0 map " C "type=2 dma_addr=0x9000 size=10 tid=8\n"
					"12 0 map " C "type=2 dma_addr=0xa000 size=20 tid=9\n"
					"13 0 unmap " C "type=2 dma_addr=0x9000 size=10 tid=8\n"
					"14 0 free " P "addr=0x1000 size=100 tid=7\n"
					"15 0 map " C
					"type=1 dma_addr=0xffffffffffffffff size=40 tid=10\n";

static void test_folding_threads(void **state)
{
	const struct process_row *others;
	struct analysed a;
	uint32_t wanted = 10;

	(void)state;
	analyse(&a, four_threads, NULL);
	/* 9 has something open, 10 is wanted. */
	assert_int_equal(matcher_fold_threads(matcher_of(&a), keep_one, &wanted), 2);
	assert_int_equal(matcher_of(&a)->thread_count, 3);
	renew(&a);
	assert_int_equal(a.report.process_count, 3);
	assert_null(process_of(&a, 7));
	assert_null(process_of(&a, 8));
	assert_int_equal(process_of(&a, 9)->maps, 1);
	assert_int_equal(process_of(&a, 10)->not_supported, 1);
	others = process_of(&a, -2);
	assert_string_equal(others->comm, "[others]");
	assert_int_equal(others->allocs, 1);
	assert_int_equal(others->alloc_bytes, 100);
	assert_int_equal(others->frees, 1);
	assert_int_equal(others->free_bytes, 100);
	assert_int_equal(others->maps, 1);
	assert_int_equal(others->map_bytes, 10);
	assert_int_equal(others->unmaps, 1);
	assert_int_equal(others->bus_addr, 1);
	/* What is open still belongs to 9. */
	assert_int_equal(a.leaks.count, 1);
	assert_int_equal(a.leaks.items[0].pid, 9);
	analysed_free(&a);
}

static void test_folding_again_adds_up(void **state)
{
	struct analysed a;
	uint32_t wanted = 10;

	(void)state;
	analyse(&a, four_threads, NULL);
	matcher_fold_threads(matcher_of(&a), keep_one, &wanted);
	/* Nothing new: the row of the others stays what it is, and is not counted. */
	assert_int_equal(matcher_fold_threads(matcher_of(&a), keep_one, &wanted), 0);
	assert_int_equal(matcher_fold_threads(matcher_of(&a), keep_none, NULL), 1);
	renew(&a);
	assert_int_equal(a.report.process_count, 2);
	assert_int_equal(process_of(&a, -2)->maps, 2);
	assert_int_equal(process_of(&a, -2)->not_supported, 1);
	analysed_free(&a);
}

/* Interrupts are told apart from others, whatever is kept. */
static void test_interrupts_are_no_others(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"10 0 unmap " C "type=2 dma_addr=0x9000 size=10 tid=8 flags=8\n"
		"11 0 map " C "type=2 dma_addr=0x9000 size=10 tid=9\n"
		"12 0 unmap " C "type=2 dma_addr=0x9000 size=10 tid=9\n",
		NULL);
	assert_int_equal(process_of(&a, -1)->unmaps, 1);
	matcher_fold_threads(matcher_of(&a), keep_none, NULL);
	renew(&a);
	assert_int_equal(process_of(&a, -1)->unmaps, 1);
	assert_int_equal(process_of(&a, -2)->maps, 1);
	analysed_free(&a);
}

static void test_the_oldest_are_given_up(void **state)
{
	struct analysed a;
	const struct pair_row *pair;

	(void)state;
	analyse(&a,
		"10 0 map " C "type=2 dma_addr=0x1000 size=1 tid=7\n"
		"20 0 alloc " P "addr=0x2000 size=2 tid=7\n"
		"30 0 map " C "type=2 dma_addr=0x3000 size=4 tid=7\n"
		"40 0 map " C "type=2 dma_addr=0x4000 size=8 tid=7\n",
		NULL);
	assert_int_equal(matcher_let_go(matcher_of(&a), 4), 0);
	assert_int_equal(matcher_let_go(matcher_of(&a), 2), 2);
	renew(&a);
	pair = pair_of(&a, "c", "p", "BUS_ADDR");
	assert_int_equal(pair->maps, 3);
	assert_int_equal(pair->outstanding, 2);
	assert_int_equal(pair->outstanding_bytes, 12);
	assert_int_equal(pair->lifetime->count, 0);
	assert_int_equal(a.report.open_allocs, 0);
	assert_int_equal(a.report.open_alloc_bytes, 0);
	assert_int_equal(a.leaks.count, 2);
	assert_int_equal(matcher_of(&a)->open.open, 2);
	assert_int_equal(matcher_let_go(matcher_of(&a), 0), 2);
	renew(&a);
	assert_int_equal(a.leaks.count, 0);
	assert_int_equal(a.report.open_maps, 0);
	analysed_free(&a);
}

/* A beginning in pieces counts once, and goes with all of them; keys that were open
 * several times keep their younger ones. */
static void test_pieces_and_chains(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"10 0 alloc " P "addr=0x10000 size=0x4000 tid=7\n"
		"11 0 free " P "addr=0x11000 size=0x1000 tid=7\n"
		"12 0 free " P "addr=0x10000 size=0x1000 tid=7\n"
		"20 0 map " C "type=2 dma_addr=0x9000 size=16 tid=7\n"
		"30 0 map " C "type=2 dma_addr=0x9000 size=16 tid=7\n"
		"40 0 map " C "type=2 dma_addr=0x9000 size=16 tid=7\n",
		NULL);
	assert_int_equal(matcher_of(&a)->open.open, 4);
	assert_int_equal(a.report.open_alloc_bytes, 0x2000);
	assert_int_equal(matcher_let_go(matcher_of(&a), 2), 2);
	renew(&a);
	assert_int_equal(a.report.open_allocs, 0);
	assert_int_equal(a.report.open_alloc_bytes, 0);
	assert_int_equal(a.report.open_maps, 2);
	assert_int_equal(a.report.open_map_bytes, 32);
	for (size_t i = 0; i < a.leaks.count; i++)
		assert_in_range(a.leaks.items[i].stamp, 30, 40);
	analysed_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_folding_threads),
		cmocka_unit_test(test_folding_again_adds_up),
		cmocka_unit_test(test_interrupts_are_no_others),
		cmocka_unit_test(test_the_oldest_are_given_up),
		cmocka_unit_test(test_pieces_and_chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
