// SPDX-License-Identifier: GPL-2.0-or-later
/* Who: threads and processes, ends in interrupts, names, and who was gone at the stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/analyse.h"

#define MAP "map client=c provider=p type=2 dma_addr=0x1000 size=4096 "
#define UNMAP "unmap client=c provider=p type=2 dma_addr=0x1000 size=4096 "

static const struct leak *only_leak(const struct analysed *a)
{
	assert_int_equal(a->leaks.count, 1);
	return &a->leaks.items[0];
}

static void test_threads_of_a_process(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"private tgid 101 100\nprivate tgid 102 100\nprivate tgid 100 100\n"
		"cmdline 100 server\ncmdline 101 worker\n"
		"10 0 " MAP "tid=101\n"
		"20 0 " UNMAP "tid=102\n"
		"30 0 " MAP "tid=102\n",
		NULL);
	assert_int_equal(a.report.process_count, 1);
	assert_int_equal(process_of(&a, 100)->maps, 2);
	assert_int_equal(process_of(&a, 100)->unmaps, 1);
	assert_string_equal(process_of(&a, 100)->comm, "server");
	assert_int_equal(a.analysis->unknown_tgids, 0);
	assert_int_equal(only_leak(&a)->pid, 100);
	assert_int_equal(only_leak(&a)->tid, 102);
	analysed_free(&a);
}

static void test_unknown_process(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a, "10 0 " MAP "tid=101\n", NULL);
	assert_int_equal(process_of(&a, 101)->maps, 1);
	assert_string_equal(process_of(&a, 101)->comm, "<...>");
	assert_int_equal(a.analysis->unknown_tgids, 1);
	analysed_free(&a);
}

/* The event says itself who it is for. */
static void test_own_pid(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"event p2p_dma_map 303 client:s provider:s type:u4 dma_addr:u8 size:u8 pid:i4 "
		"comm:s\n"
		"10 0 " MAP "tid=5 pid=77 comm=reader\n",
		NULL);
	assert_int_equal(process_of(&a, 77)->maps, 1);
	assert_null(process_of(&a, 5));
	assert_string_equal(process_of(&a, 77)->comm, "reader");
	assert_string_equal(only_leak(&a)->comm, "reader");
	analysed_free(&a);
}

/* Whoever the interrupt hit: the end counts to him who began. */
static void test_interrupt_end_of_a_known_map(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"10 0 " MAP "tid=7\n"
		"20 0 " UNMAP "tid=8 flags=8\n",
		NULL);
	assert_int_equal(process_of(&a, 7)->unmaps, 1);
	assert_null(process_of(&a, 8));
	assert_null(process_of(&a, -1));
	analysed_free(&a);
}

static void test_interrupt_contexts(void **state)
{
	static const struct {
		const char *flags;
		bool interrupt;
	} cases[] = { { "0", false },	 { "8", true },	   { "16", true }, { "0x40", true },
		      { "0x28", true },	 { "1", false },   { "4", false }, { "0x20", false },
		      { "0x80", false }, { "0xff", false } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char script[200];
		struct analysed a;

		snprintf(script, sizeof(script), "20 0 " UNMAP "tid=8 flags=%s\n", cases[i].flags);
		analyse(&a, script, NULL);
		assert_int_equal(process_of(&a, cases[i].interrupt ? -1 : 8)->unmaps, 1);
		assert_int_equal(a.report.process_count, 1);
		analysed_free(&a);
	}
}

/* Idle is nobody that could be gone. */
static void test_idle(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a, "private liveness 1\n10 0 " MAP "tid=0\n", NULL);
	assert_string_equal(process_of(&a, 0)->comm, "<idle>");
	assert_int_equal(a.analysis->unknown_tgids, 0);
	assert_int_equal(only_leak(&a)->verdict, VERDICT_IN_FLIGHT);
	analysed_free(&a);
}

static void test_names_from_events(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"cmdline 9 before\n"
		"5 0 rename pid=9 oldcomm=before newcomm=after tid=9\n"
		"10 0 " MAP "tid=9\n"
		"20 0 exit comm=last pid=11 tid=11\n"
		"30 0 " MAP "tid=11\n",
		NULL);
	assert_string_equal(process_of(&a, 9)->comm, "after");
	assert_string_equal(process_of(&a, 11)->comm, "last");
	assert_int_equal(a.analysis->other, 2);
	analysed_free(&a);
}

/* ---- liveness ---- */

static void check_verdict(const char *script, uint64_t min_age, enum leak_verdict verdict,
			  const char *why)
{
	struct analysed a;
	const struct leak *leak;

	analyse(&a, script, &(struct analyse_options){ .min_age = min_age });
	leak = only_leak(&a);
	if (leak->verdict != verdict || !strstr(leak->why, why))
		fail_msg("%s: %s\n%s", leak->verdict_name, leak->why, script);
	assert_int_equal(a.leaks.totals[verdict].count, 1);
	assert_int_equal(a.leaks.totals[verdict].bytes, 4096);
	analysed_free(&a);
}

static void test_owner_lives(void **state)
{
	(void)state;
	check_verdict("private tgid 7 7\nprivate liveness 1\nprivate alive 7 -\n10 0 " MAP
		      "tid=7\n",
		      0, VERDICT_IN_FLIGHT, "its process lived when the recording stopped");
}

static void test_owner_is_gone(void **state)
{
	(void)state;
	check_verdict("private tgid 7 7\nprivate liveness 1\nprivate alive 8 -\n10 0 " MAP
		      "tid=7\n",
		      0, VERDICT_LEAKED, "its process is gone");
}

static void test_nobody_lived(void **state)
{
	(void)state;
	check_verdict("private tgid 7 7\nprivate liveness 1\n10 0 " MAP "tid=7\n", 0,
		      VERDICT_LEAKED, "gone");
}

static void test_file_without_liveness(void **state)
{
	(void)state;
	check_verdict("10 0 " MAP "tid=7\n", 0, VERDICT_UNKNOWN, "does not tell whether");
}

/* A number that was given to a later process says nothing of the earlier one. */
static void test_pid_used_again(void **state)
{
	(void)state;
	check_verdict("private tgid 7 7\nprivate liveness 1\nprivate alive 7 1000000000\n"
		      "10 0 " MAP "tid=7\n",
		      0, VERDICT_LEAKED, "gone");
	check_verdict("private tgid 7 7\nprivate liveness 1\nprivate alive 7 1000000000\n"
		      "990000000 0 " MAP "tid=7\n",
		      0, VERDICT_IN_FLIGHT, "lived"); /* start times are 10 ms coarse */
}

static void test_exit_event(void **state)
{
	(void)state;
	check_verdict("10 0 " MAP "tid=7\n20 0 exit comm=x pid=7 tid=7\n", 0, VERDICT_LEAKED,
		      "gone");
	check_verdict("10 0 exit comm=x pid=7 tid=7\n20 0 " MAP "tid=7\n", 0, VERDICT_UNKNOWN,
		      "does not tell");
}

/* A thread whose process the file does not name may be anybody's. */
static void test_gone_needs_a_known_process(void **state)
{
	(void)state;
	check_verdict("private liveness 1\nprivate alive 6 -\n10 0 " MAP "tid=7\n", 0,
		      VERDICT_UNKNOWN, "does not tell");
	/* What has threads is a process. */
	check_verdict("private tgid 9 7\nprivate liveness 1\nprivate alive 6 -\n10 0 " MAP
		      "tid=7\n",
		      0, VERDICT_LEAKED, "gone");
}

static void test_min_age(void **state)
{
	static const char lives[] = "private tgid 7 7\nprivate liveness 1\nprivate alive 7 -\n"
				    "private stop 5000\n10 0 " MAP "tid=7\n";

	(void)state;
	check_verdict(lives, 4990, VERDICT_LEAKED, "open longer than 4.99 us; none of its pair");
	check_verdict(lives, 4991, VERDICT_IN_FLIGHT, "younger than --min-age");
	/* Without liveness an age is all there is. */
	check_verdict("private stop 5000\n10 0 " MAP "tid=7\n", 4000, VERDICT_LEAKED,
		      "open longer");
	check_verdict("private stop 5000\n10 0 " MAP "tid=7\n", 6000, VERDICT_IN_FLIGHT, "younger");
	/* Who is gone leaks at any age. */
	check_verdict("private tgid 7 7\nprivate liveness 1\nprivate stop 5000\n10 0 " MAP
		      "tid=7\n",
		      6000, VERDICT_LEAKED, "gone");
}

static void test_why_names_the_pairs_p99(void **state)
{
	(void)state;
	check_verdict("private stop 5000\n10 0 " MAP "tid=7\n20 0 " UNMAP "tid=7\n30 0 " MAP
		      "tid=7\n",
		      1000, VERDICT_LEAKED, "its pair's p99 is 10 ns");
}

/* ---- grouping ---- */

static void test_groups(void **state)
{
	struct leak_group *groups;
	struct p2p_error err;
	struct analysed a;
	size_t count;

	(void)state;
	analyse(&a,
		"private stop 1000\n"
		"10 0 map client=c provider=p type=2 dma_addr=0x1000 size=100 tid=1\n"
		"20 0 map client=c provider=p type=2 dma_addr=0x2000 size=200 tid=1\n"
		"30 0 map client=c provider=p type=2 dma_addr=0x3000 size=400 tid=2\n"
		"40 0 alloc provider=p addr=0x3000 size=800 tid=2\n",
		NULL);
	assert_int_equal(leaks_group(&a.leaks, "pid", &groups, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_int_equal(groups[0].pid, 2);
	assert_int_equal(groups[0].bytes, 1200);
	assert_int_equal(groups[1].count, 2);
	assert_int_equal(groups[1].oldest, 990);
	free(groups);
	assert_int_equal(leaks_group(&a.leaks, "kind", &groups, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_string_equal(groups[0].kind, "alloc");
	assert_int_equal(groups[1].count, 3);
	free(groups);
	assert_int_equal(leaks_group(&a.leaks, "pid,pair", &groups, &count, &err), 0);
	assert_int_equal(count, 3);
	free(groups);
	assert_int_equal(leaks_group(&a.leaks, "pid,colour", &groups, &count, &err), -1);
	assert_int_equal(err.status, P2P_USAGE);
	assert_non_null(strstr(err.text, "colour"));
	analysed_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_of_a_process),
		cmocka_unit_test(test_unknown_process),
		cmocka_unit_test(test_own_pid),
		cmocka_unit_test(test_interrupt_end_of_a_known_map),
		cmocka_unit_test(test_interrupt_contexts),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_names_from_events),
		cmocka_unit_test(test_owner_lives),
		cmocka_unit_test(test_owner_is_gone),
		cmocka_unit_test(test_nobody_lived),
		cmocka_unit_test(test_file_without_liveness),
		cmocka_unit_test(test_pid_used_again),
		cmocka_unit_test(test_exit_event),
		cmocka_unit_test(test_gone_needs_a_known_process),
		cmocka_unit_test(test_min_age),
		cmocka_unit_test(test_why_names_the_pairs_p99),
		cmocka_unit_test(test_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
