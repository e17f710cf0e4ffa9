// SPDX-License-Identifier: GPL-2.0-or-later
/* Loss: marks in the pages and the kernel's statistics; and time: clocks, stops, ties. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/analyse.h"

#define MAP "map client=c provider=p type=2 dma_addr=0x1000 size=4096 tid=7\n"
#define UNMAP "unmap client=c provider=p type=2 dma_addr=0x1000 size=4096 tid=7\n"
#define OTHER "map client=d provider=p type=2 dma_addr=0x2000 size=4096 tid=7\n"
#define LIVES "private tgid 7 7\nprivate liveness 1\nprivate alive 7 -\n"

static void check_lost(const char *script, uint64_t lost, uint64_t uncounted)
{
	struct analysed a;

	analyse(&a, script, NULL);
	assert_int_equal(a.analysis->lost, lost);
	assert_int_equal(a.analysis->lost_uncounted, uncounted);
	analysed_free(&a);
}

static void test_nothing_lost(void **state)
{
	(void)state;
	check_lost("10 0 " MAP, 0, 0);
	check_lost("stats 0 0 0 0\n10 0 " MAP, 0, 0);
}

static void test_marks_with_a_count(void **state)
{
	(void)state;
	check_lost("10 0 " MAP "lost 0 5\n20 0 " UNMAP "lost 0 7\n30 0 " MAP, 12, 0);
	check_lost("lost 0 5\n10 0 " MAP "lost 1 7\n30 1 " MAP, 12, 0);
}

static void test_marks_without_a_count(void **state)
{
	(void)state;
	check_lost("10 0 " MAP "lost 0 ?\n20 0 " UNMAP, 0, 1);
	check_lost("10 0 " MAP "lost 0 ?\n20 0 " UNMAP "lost 0 3\n30 0 " MAP, 3, 1);
	/* The statistics know. */
	check_lost("stats 0 9 0 0\n10 0 " MAP "lost 0 ?\n20 0 " UNMAP, 9, 0);
}

/* Marks and statistics tell of the same events; the larger is true. */
static void test_nothing_counts_twice(void **state)
{
	(void)state;
	check_lost("stats 0 5 0 0\n10 0 " MAP "lost 0 5\n20 0 " UNMAP, 5, 0);
	check_lost("stats 0 8 0 0\n10 0 " MAP "lost 0 5\n20 0 " UNMAP, 8, 0);
	check_lost("stats 0 3 0 0\n10 0 " MAP "lost 0 5\n20 0 " UNMAP, 5, 0);
}

/* Without overwriting, and within interrupts, nothing marks the pages. */
static void test_dropped_and_commit_overrun(void **state)
{
	(void)state;
	check_lost("stats 0 0 0 2565\n10 0 " MAP, 2565, 0);
	check_lost("stats 0 1 10 100\nstats 1 1000 0 0\n10 0 " MAP, 1111, 0);
}

static void test_missed_and_unsaved(void **state)
{
	(void)state;
	check_lost("private missed 4\n10 0 " MAP, 4, 0);
	check_lost("private unsaved 0 100\nprivate unsaved 3 1\n10 0 " MAP, 101, 0);
}

static void test_per_cpu(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a, "stats 2 4 2 1\n10 0 " MAP "lost 1 3\n20 1 " UNMAP, NULL);
	assert_int_equal(a.analysis->loss_count, 2);
	assert_int_equal(a.analysis->losses[0].cpu, 1);
	assert_int_equal(a.analysis->losses[0].lost, 3);
	assert_int_equal(a.analysis->losses[1].cpu, 2);
	assert_int_equal(a.analysis->losses[1].lost, 7);
	assert_int_equal(a.analysis->losses[1].dropped, 1);
	analysed_free(&a);
}

/* What a flight recorder lets go is no loss. */
static void test_flight_recorder(void **state)
{
	(void)state;
	check_lost("private flight_recorder 1\nstats 0 50 0 0\nlost 0 50\n10 0 " MAP, 0, 0);
	check_lost("private flight_recorder 1\nstats 0 50 2 0\nlost 0 50\n10 0 " MAP, 2, 0);
}

/* ---- what was open across a loss ---- */

static void check_verdicts(const char *script, uint64_t unknown, uint64_t in_flight)
{
	struct analysed a;

	analyse(&a, script, NULL);
	assert_int_equal(a.leaks.totals[VERDICT_UNKNOWN].count, unknown);
	assert_int_equal(a.leaks.totals[VERDICT_IN_FLIGHT].count, in_flight);
	for (size_t i = 0; i < a.leaks.count; i++)
		if (a.leaks.items[i].verdict == VERDICT_UNKNOWN)
			assert_non_null(strstr(a.leaks.items[i].why, "lost"));
	analysed_free(&a);
}

static void test_open_across_a_gap(void **state)
{
	(void)state;
	/* The first was open at the gap, the second began behind it; on another CPU too. */
	check_verdicts(LIVES "10 0 " MAP "lost 0 5\n20 0 " OTHER, 1, 1);
	check_verdicts(LIVES "10 0 " MAP "lost 1 5\n20 1 " OTHER, 1, 1);
	check_verdicts(LIVES "lost 0 5\n10 0 " MAP "20 0 " OTHER, 0, 2);
	check_verdicts(LIVES "10 0 " MAP "20 0 " OTHER "lost 0 ?\n30 0 " UNMAP, 1, 0);
}

/* A gap with nothing of ours behind it in its slice is a gap all the same. */
static void test_gap_at_the_end(void **state)
{
	(void)state;
	check_verdicts(LIVES "event foo 99 x:u4\n10 0 " MAP "lost 1 5\n20 1 foo x=1\n", 1, 0);
}

/* Loss that nobody can place in time could be anywhere. */
static void test_loss_without_a_place(void **state)
{
	(void)state;
	check_verdicts(LIVES "stats 0 0 0 1\n10 0 " MAP, 1, 0);
	check_verdicts(LIVES "stats 0 0 1 0\n10 0 " MAP, 1, 0);
	check_verdicts(LIVES "private missed 1\n10 0 " MAP, 1, 0);
	check_verdicts(LIVES "private unsaved 0 1\n10 0 " MAP, 1, 0);
	check_verdicts(LIVES "stats 0 7 0 0\n10 0 " MAP "lost 0 5\n20 0 " OTHER, 2, 0);
	check_verdicts(LIVES "stats 0 5 0 0\n10 0 " MAP "lost 0 5\n20 0 " OTHER, 1, 1);
}

/* ---- time ---- */

static void test_stop_time(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a, "private start 5\nprivate stop 1000\n10 0 " MAP, NULL);
	assert_int_equal(a.analysis->start, 5);
	assert_int_equal(a.analysis->stop, 1000);
	assert_int_equal(a.leaks.items[0].age, 990);
	analysed_free(&a);
	/* Without: the first and the last event. */
	analyse(&a, "10 0 " MAP "250 1 unmap client=x provider=p dma_addr=7 size=1\n", NULL);
	assert_int_equal(a.analysis->start, 10);
	assert_int_equal(a.analysis->stop, 250);
	assert_int_equal(a.leaks.items[0].age, 240);
	analysed_free(&a);
}

static void test_clocks(void **state)
{
	static const struct {
		const char *clock;
		bool ns;
	} clocks[] = { { "mono", true },     { "local", true },	   { "global", true },
		       { "boot", true },     { "mono_raw", true }, { "tai", true },
		       { "counter", false }, { "uptime", false },  { "x86-tsc", false } };

	(void)state;
	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		char script[300];
		struct analysed a;

		snprintf(script, sizeof(script), "clock %s\n10 0 " MAP "20 0 " UNMAP "30 0 " MAP,
			 clocks[i].clock);
		analyse(&a, script, NULL);
		assert_string_equal(a.analysis->file->clock, clocks[i].clock);
		assert_int_equal(a.analysis->recording.ns, clocks[i].ns);
		assert_int_equal(a.report.lifetimes_known, clocks[i].ns);
		assert_int_equal(pair_of(&a, "c", "p", "BUS_ADDR")->lifetime != NULL, clocks[i].ns);
		assert_int_equal(a.leaks.items[0].age, clocks[i].ns ? 0 : NOT_KNOWN);
		analysed_free(&a);
	}
}

/* A clock that the recorder knows to be converted. */
static void test_clock_by_the_recorder(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a, "clock x86-tsc\nprivate clock_ns 1\n10 0 " MAP "20 0 " UNMAP, NULL);
	assert_true(a.report.lifetimes_known);
	analysed_free(&a);
	analyse(&a, "clock mono\nprivate clock_ns 0\n10 0 " MAP "20 0 " UNMAP, NULL);
	assert_false(a.report.lifetimes_known);
	analysed_free(&a);
}

/* No age, no --min-age: it is not taken for old or young. */
static void test_min_age_without_ns(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		LIVES "clock counter\n10 0 " MAP "99999 0 unmap client=x provider=p dma_addr=7\n",
		&(struct analyse_options){ .min_age = 1 });
	assert_int_equal(a.leaks.items[0].verdict, VERDICT_IN_FLIGHT);
	analysed_free(&a);
}

/* ---- equal stamps ---- */

static void check_ties(const char *script, uint64_t open, uint64_t orphans, uint64_t ended)
{
	struct analysed a;

	analyse(&a, script, NULL);
	assert_int_equal(a.report.open_maps, open);
	assert_int_equal(a.report.orphan_unmaps, orphans);
	assert_int_equal(a.report.map_lifetimes.count, ended);
	assert_int_equal(a.report.superseded, 0);
	analysed_free(&a);
}

static void test_equal_stamps(void **state)
{
	(void)state;
	/* The older is open: its end comes first, on whatever CPU. */
	check_ties("10 0 " MAP "20 0 " MAP "20 1 " UNMAP, 1, 0, 1);
	/* Nothing is open: the begin comes first when its CPU does. */
	check_ties("20 0 " MAP "20 1 " UNMAP, 0, 0, 1);
	check_ties("20 1 " MAP "20 0 " UNMAP, 1, 1, 0);
	/* On one CPU the file's order. */
	check_ties("20 0 " MAP "20 0 " UNMAP, 0, 0, 1);
	check_ties("20 0 " UNMAP "20 0 " MAP, 1, 1, 0);
}

/* The reuse of an address within one tick is no ambiguous key. */
static void test_reuse_within_a_tick(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a, "10 0 " MAP "20 0 " MAP "20 1 " UNMAP "30 0 " UNMAP, NULL);
	assert_int_equal(a.report.open_maps, 0);
	assert_int_equal(pair_of(&a, "c", "p", "BUS_ADDR")->ambiguous, 0);
	assert_int_equal(a.report.map_lifetimes.max, 10);
	analysed_free(&a);
}

/* Thousands of one stamp: a clock that only counts. */
static void test_a_clock_that_stands(void **state)
{
	size_t room = 1 << 20, used = 0;
	char *script = malloc(room);
	struct analysed a;

	(void)state;
	for (int i = 0; i < 3000; i++)
		used += (size_t)snprintf(script + used, room - used,
					 "7 %d %s client=c provider=p type=2 dma_addr=%d size=1\n",
					 i & 1, i % 4 < 2 ? "map" : "unmap", i / 4 * 4 + i % 2 + 1);
	analyse(&a, script, NULL);
	assert_int_equal(a.report.events[KIND_MAP], 1500);
	assert_int_equal(a.report.orphan_unmaps, 0);
	assert_int_equal(a.report.open_maps, 0);
	analysed_free(&a);
	free(script);
}

/* Across CPUs time decides, not the order of the lanes. */
static void test_order_across_cpus(void **state)
{
	(void)state;
	check_ties("20 0 " UNMAP "10 1 " MAP, 0, 0, 1);
	check_ties("20 0 " UNMAP "10 1 " MAP "30 1 " MAP "40 0 " UNMAP, 0, 0, 2);
}

/* A stamp that goes back within a CPU (an absolute one in the page) is sorted in. */
static void test_stamps_that_go_back(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a, "30 0 " UNMAP "10 0 " MAP, NULL);
	assert_int_equal(a.report.map_lifetimes.count, 1);
	assert_int_equal(a.report.map_lifetimes.max, 20);
	analysed_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_lost),
		cmocka_unit_test(test_marks_with_a_count),
		cmocka_unit_test(test_marks_without_a_count),
		cmocka_unit_test(test_nothing_counts_twice),
		cmocka_unit_test(test_dropped_and_commit_overrun),
		cmocka_unit_test(test_missed_and_unsaved),
		cmocka_unit_test(test_per_cpu),
		cmocka_unit_test(test_flight_recorder),
		cmocka_unit_test(test_open_across_a_gap),
		cmocka_unit_test(test_gap_at_the_end),
		cmocka_unit_test(test_loss_without_a_place),
		cmocka_unit_test(test_stop_time),
		cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_clock_by_the_recorder),
		cmocka_unit_test(test_min_age_without_ns),
		cmocka_unit_test(test_equal_stamps),
		cmocka_unit_test(test_reuse_within_a_tick),
		cmocka_unit_test(test_a_clock_that_stands),
		cmocka_unit_test(test_order_across_cpus),
		cmocka_unit_test(test_stamps_that_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
