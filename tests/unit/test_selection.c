// SPDX-License-Identifier: GPL-2.0-or-later
/* Filters: they select by the beginning, and ends follow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/analyse.h"

/* Two processes, two CPUs, two of everything; each map ended by the other process on the
 * other CPU, one of each left open. */
static const char script[] =
	"private tgid 1 1\nprivate tgid 2 2\nprivate tgid 12 2\n"
	"cmdline 1 one\ncmdline 2 two\n"
	"private start 0\nprivate stop 1000\n"
	"100 0 alloc provider=p addr=0x1000 size=10 tid=1\n"
	"110 1 alloc provider=q addr=0x1000 size=20 tid=12\n"
	"120 0 map client=c provider=p type=2 dma_addr=0x1000 size=100 tid=1\n"
	"130 0 map client=c provider=p type=2 dma_addr=0x2000 size=100 tid=1\n"
	"140 1 map client=d provider=q type=3 dma_addr=0x1000 size=200 tid=12\n"
	"150 1 map client=d provider=q type=3 dma_addr=0x2000 size=200 tid=12\n"
	"160 1 change client=d provider=q type=3 old=0 dist=4 tid=12\n"
	"200 1 unmap client=c provider=p type=2 dma_addr=0x1000 size=100 tid=12\n"
	"210 0 unmap client=d provider=q type=3 dma_addr=0x1000 size=200 tid=1\n"
	"220 1 free provider=p addr=0x1000 size=10 tid=12\n"
	"230 0 unmap client=e provider=q type=3 dma_addr=0x9000 size=1 tid=1\n";

static void with(struct analysed *a, struct selection_options select)
{
	struct analyse_options options = { .select = select };

	analyse(a, script, &options);
}

static void check(struct selection_options select, uint64_t allocs, uint64_t maps, uint64_t ended,
		  uint64_t open, uint64_t orphans, uint64_t foreign)
{
	struct analysed a;

	with(&a, select);
	assert_int_equal(a.report.events[KIND_ALLOC], allocs);
	assert_int_equal(a.report.events[KIND_MAP], maps);
	assert_int_equal(a.report.map_lifetimes.count, ended);
	assert_int_equal(a.report.open_maps, open);
	assert_int_equal(a.report.orphan_unmaps, orphans);
	assert_int_equal(a.report.foreign, foreign);
	analysed_free(&a);
}

static void test_all(void **state)
{
	(void)state;
	check((struct selection_options){ 0 }, 2, 4, 2, 2, 1, 0);
}

static void test_pid(void **state)
{
	(void)state;
	check((struct selection_options){ .pid = "1" }, 1, 2, 1, 1, 0, 2);
	check((struct selection_options){ .pid = "2" }, 1, 2, 1, 1, 0, 3);
	check((struct selection_options){ .pid = "12" }, 1, 2, 1, 1, 0, 3); /* a thread's number */
	check((struct selection_options){ .pid = "1,2" }, 2, 4, 2, 2, 0, 1);
	check((struct selection_options){ .pid = "3-9" }, 0, 0, 0, 0, 0, 4);
}

static void test_comm_and_cpu(void **state)
{
	(void)state;
	check((struct selection_options){ .comm = "one" }, 1, 2, 1, 1, 0, 2);
	check((struct selection_options){ .comm = "o*,none" }, 1, 2, 1, 1, 0, 2);
	check((struct selection_options){ .cpu = "0" }, 1, 2, 1, 1, 0, 2);
	check((struct selection_options){ .cpu = "0-1" }, 2, 4, 2, 2, 0, 1);
	check((struct selection_options){ .cpu = "1", .pid = "1" }, 0, 0, 0, 0, 0, 4);
}

/* A device stands in the end as well: another device's ends are not ours. */
static void test_devices(void **state)
{
	struct analysed a;

	(void)state;
	check((struct selection_options){ .provider = "p" }, 1, 2, 1, 1, 0, 0);
	check((struct selection_options){ .provider = "q" }, 1, 2, 1, 1, 1, 0);
	check((struct selection_options){ .client = "c" }, 0, 2, 1, 1, 0, 0);
	check((struct selection_options){ .client = "[cd]" }, 0, 4, 2, 2, 0, 0);
	with(&a, (struct selection_options){ .client = "c" });
	assert_int_equal(a.report.total, 3);
	assert_int_equal(a.report.events[KIND_FREE], 0);
	analysed_free(&a);
}

static void test_type(void **state)
{
	(void)state;
	check((struct selection_options){ .type = "BUS_ADDR" }, 0, 2, 1, 1, 0, 2);
	check((struct selection_options){ .type = "bus_addr" }, 0, 2, 1, 1, 0, 2);
	check((struct selection_options){ .type = "thru*" }, 0, 2, 1, 1, 0, 2);
	check((struct selection_options){ .type = "NONE" }, 0, 0, 0, 0, 0, 3);
}

/* Ends that do not name the provider are those of any: what matches nothing is foreign. */
static void test_ends_that_do_not_name_their_device(void **state)
{
	struct analyse_options options = { .select = { .provider = "p" } };
	struct analysed a;

	(void)state;
	analyse(&a,
		"event p2p_dma_unmap 304 client:s dma_addr:u8 size:u8\n"
		"100 0 map client=c provider=p type=2 dma_addr=0x1000 size=1\n"
		"110 0 map client=c provider=q type=2 dma_addr=0x2000 size=1\n"
		"200 0 unmap client=c dma_addr=0x1000 size=1\n"
		"210 0 unmap client=c dma_addr=0x2000 size=1\n",
		&options);
	assert_int_equal(a.report.events[KIND_MAP], 1);
	assert_int_equal(a.report.map_lifetimes.count, 1);
	assert_int_equal(a.report.orphan_unmaps, 0);
	assert_int_equal(a.report.foreign, 1);
	analysed_free(&a);
}

/* ---- a filter while recording ---- */

static void test_recorded_with_a_filter(void **state)
{
	static const char *const keys[] = { "filter_pid 7", "filter_provider p", "filter_client c",
					    "filter size>1" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		char text[300];
		struct analysed a;

		snprintf(text, sizeof(text),
			 "private %s\n"
			 "100 0 map client=c provider=p type=2 dma_addr=0x1000 size=1 tid=7\n"
			 "110 0 unmap client=c provider=p type=2 dma_addr=0x1000 size=1 tid=7\n"
			 "120 0 unmap client=d provider=p type=2 dma_addr=0x1000 size=1 tid=8\n"
			 "130 0 free provider=p addr=0x1000 size=1 tid=8\n",
			 keys[i]);
		analyse(&a, text, NULL);
		assert_int_equal(a.report.orphan_unmaps + a.report.orphan_frees, 0);
		assert_int_equal(a.report.foreign, 2);
		assert_int_equal(a.report.map_lifetimes.count, 1);
		assert_null(process_of(&a, 8));
		analysed_free(&a);
	}
}

/* ---- time ---- */

static void test_time(void **state)
{
	struct analysed a;

	(void)state;
	/* Both ends belong to the window; ends whose beginning lies before are orphans. */
	with(&a, (struct selection_options){ .time = "0.00000013,0.00000021" });
	assert_int_equal(a.report.events[KIND_ALLOC], 0);
	assert_int_equal(a.report.events[KIND_MAP], 3);
	assert_int_equal(a.report.events[KIND_UNMAP], 2);
	assert_int_equal(a.report.orphan_unmaps, 1);
	assert_int_equal(a.report.map_lifetimes.count, 1);
	assert_int_equal(a.analysis->start, 130);
	assert_int_equal(a.analysis->stop, 210);
	analysed_free(&a);
	with(&a, (struct selection_options){ .time = "+0.0000001,+0.00000012" });
	assert_int_equal(a.report.total, 3);
	analysed_free(&a);
	with(&a, (struct selection_options){ .time = "12%,14%" });
	assert_int_equal(a.report.events[KIND_MAP], 3);
	assert_int_equal(a.report.total, 3);
	analysed_free(&a);
	with(&a, (struct selection_options){ .time = ",0.0000001" });
	assert_int_equal(a.report.total, 1);
	analysed_free(&a);
	with(&a, (struct selection_options){ .time = "0.00000022," });
	assert_int_equal(a.report.total, 2);
	analysed_free(&a);
}

static const struct recording some_recording = { .ns = true,
						 .start = 1000000000000000001,
						 .stop = 1000000100000000001 };

static int select_time(const char *time, const struct recording *recording,
		       struct selection *selection, struct p2p_error *err)
{
	struct selection_options given = { .time = time };

	return selection_init(selection, &given, recording, NULL, err);
}

/* A stamp as it is printed selects the event that it was printed of, to the last digit. */
static void test_printed_stamps_are_exact(void **state)
{
	struct selection selection;
	struct p2p_error err;

	(void)state;
	assert_int_equal(select_time("1000000000.123456789,1000000012.000000001", &some_recording,
				     &selection, &err),
			 0);
	assert_int_equal(selection.from, 1000000000123456789);
	assert_int_equal(selection.until, 1000000012000000001);
	selection_free(&selection);
	assert_int_equal(select_time("+0.000000001,+.5", &some_recording, &selection, &err), 0);
	assert_int_equal(selection.from, 1000000000000000002);
	assert_int_equal(selection.until, 1000000000500000001);
	selection_free(&selection);
}

static void test_other_clocks(void **state)
{
	const struct recording counter = { .ns = false, .start = 10, .stop = 110 };
	struct selection selection;
	struct p2p_error err;

	(void)state;
	assert_int_equal(select_time("20,50%", &counter, &selection, &err), 0);
	assert_int_equal(selection.from, 20);
	assert_int_equal(selection.until, 60);
	selection_free(&selection);
	assert_int_equal(select_time("+1,", &counter, &selection, &err), -1);
	assert_int_equal(err.status, P2P_USAGE);
}

static void test_refused(void **state)
{
	static const char *const times[] = { "5",
					     "x,y",
					     "1,2,3",
					     "-1,2",
					     "101%,",
					     "1e400,",
					     "5,4",
					     "nan,1",
					     "1 ,2",
					     "1x,",
					     "99999999999999999999,",
					     "+,",
					     "+5%,",
					     "%,",
					     "inf,",
					     "0x10,20" };
	static const struct selection_options others[] = {
		{ .pid = "x" },	   { .pid = "" },    { .pid = "1-" },
		{ .pid = "1,,x" }, { .cpu = "-1" },  { .provider = "," },
		{ .type = "" },	   { .comm = ",," }, { .cpu = "9-3" },
	};
	struct selection selection;
	struct p2p_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (!select_time(times[i], &some_recording, &selection, &err))
			fail_msg("--time %s was taken", times[i]);
		assert_int_equal(err.status, P2P_USAGE);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (!selection_init(&selection, &others[i], &some_recording, NULL, &err))
			fail_msg("selection %zu was taken", i);
		assert_int_equal(err.status, P2P_USAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_pid),
		cmocka_unit_test(test_comm_and_cpu),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_type),
		cmocka_unit_test(test_ends_that_do_not_name_their_device),
		cmocka_unit_test(test_recorded_with_a_filter),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_printed_stamps_are_exact),
		cmocka_unit_test(test_other_clocks),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
