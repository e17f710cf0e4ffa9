// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "p2ptrace/counters.h"
#include "p2ptrace/kconfig.h"

static char total[] = "total_mappings", direct[] = "bus_addr_mappings", mapped[] = "mapped_bytes";

static void check_delta(uint64_t before, uint64_t now, enum counter_change change, uint64_t delta)
{
	struct counter first = { total, before, true }, second = { total, now, true };
	uint64_t found;

	assert_int_equal(counter_delta(&first, &second, &found), change);
	assert_int_equal(found, delta);
}

static void test_deltas(void **state)
{
	(void)state;
	check_delta(0, 0, CHANGE_COUNTED, 0);
	check_delta(5, 8, CHANGE_COUNTED, 3);
	check_delta(0, UINT64_MAX, CHANGE_COUNTED, UINT64_MAX);
	check_delta(UINT64_MAX, 0, CHANGE_COUNTED, 1);
	check_delta(UINT64_MAX - 9, 5, CHANGE_COUNTED, 15);
	check_delta(1000, 5, CHANGE_RESET, 5);
	check_delta(1000, 999, CHANGE_RESET, 999);
	check_delta(1, 0, CHANGE_RESET, 0);
}

static void test_what_has_no_delta(void **state)
{
	struct counter known = { total, 5, true }, unknown = { total, 0, false };
	struct counter low = { mapped, 5, true }, high = { mapped, 9, true };
	uint64_t delta;

	(void)state;
	assert_int_equal(counter_delta(NULL, &known, &delta), CHANGE_NOT_KNOWN);
	assert_int_equal(counter_delta(&known, NULL, &delta), CHANGE_NOT_KNOWN);
	assert_int_equal(counter_delta(&unknown, &known, &delta), CHANGE_NOT_KNOWN);
	assert_int_equal(counter_delta(&known, &unknown, &delta), CHANGE_NOT_KNOWN);
	assert_int_equal(counter_delta(&high, &low, &delta), CHANGE_NOT_KNOWN);
	assert_true(counter_is_gauge("published"));
	assert_false(counter_is_gauge("alloc_count"));
}

/* The ratio of two samples, each given as direct and all mappings. */
static double ratio(uint64_t direct_before, uint64_t all_before, uint64_t direct_now,
		    uint64_t all_now)
{
	struct counter before[] = { { direct, direct_before, true }, { total, all_before, true } };
	struct counter now[] = { { direct, direct_now, true }, { total, all_now, true } };
	struct counters first = { .global = { before, 2 } }, second = { .global = { now, 2 } };

	return counters_bus_addr_ratio(&first, &second);
}

static void test_ratios(void **state)
{
	struct counter now[] = { { direct, 3, true }, { total, 4, true } };
	struct counters counters = { .global = { now, 2 } };

	(void)state;
	assert_true(counters_bus_addr_ratio(NULL, &counters) == 0.75);
	now[1].value = 0;
	assert_true(isnan(counters_bus_addr_ratio(NULL, &counters)));
	now[1].known = false;
	assert_true(isnan(counters_bus_addr_ratio(NULL, &counters)));
	counters.global.count = 1;
	assert_true(isnan(counters_bus_addr_ratio(NULL, &counters)));
	assert_true(ratio(10, 100, 15, 110) == 0.5);
	assert_true(isnan(ratio(10, 100, 10, 100)));
	/* One more direct mapping was seen than mappings at all: they were read in turn. */
	assert_true(ratio(10, 100, 14, 103) == 1);
	/* Both began anew. */
	assert_true(ratio(90, 100, 1, 4) == 0.25);
}

static void test_options(void **state)
{
	char text[] = "# CONFIG_OFF is not set\nCONFIG_ON=y\nCONFIG_MODULE=m\nCONFIG_ON_MORE=n\n"
		      "CONFIG_NUMBER=8\nCONFIG_TEXT=\"y\"\nCONFIG_MANY=yes\nCONFIG_LAST=m";
	struct kconfig config = { .text = text }, none = { .text = NULL };

	(void)state;
	assert_int_equal(kconfig_get(&config, "CONFIG_ON"), 'y');
	assert_int_equal(kconfig_get(&config, "CONFIG_MODULE"), 'm');
	assert_int_equal(kconfig_get(&config, "CONFIG_OFF"), 'n');
	assert_int_equal(kconfig_get(&config, "CONFIG_NOWHERE"), 'n');
	assert_int_equal(kconfig_get(&config, "CONFIG_NUMBER"), '=');
	assert_int_equal(kconfig_get(&config, "CONFIG_TEXT"), '=');
	assert_int_equal(kconfig_get(&config, "CONFIG_MANY"), '=');
	assert_int_equal(kconfig_get(&config, "CONFIG_LAST"), 'm');
	assert_int_equal(kconfig_get(&none, "CONFIG_ON"), '?');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deltas),
		cmocka_unit_test(test_what_has_no_delta),
		cmocka_unit_test(test_ratios),
		cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
