// SPDX-License-Identifier: GPL-2.0-or-later
/* Distributions: exact counts, and percentiles within a hundredth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "p2ptrace/histogram.h"

static uint64_t seed = 7;

static uint64_t next_random(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return seed ^ seed >> 29;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

/* What the sorted values say: the smallest that `fraction` of them do not exceed. */
static uint64_t exact(const uint64_t *sorted, size_t count, double fraction)
{
	size_t rank = (size_t)ceil(fraction * (double)count);

	return sorted[rank ? rank - 1 : 0];
}

static void check_all(uint64_t *values, size_t count)
{
	static const double fractions[] = { 0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1 };
	struct histogram histogram = { 0 };
	long double sum = 0;

	for (size_t i = 0; i < count; i++) {
		assert_true(histogram_add(&histogram, values[i]));
		sum += (long double)values[i];
	}
	qsort(values, count, sizeof(*values), compare_u64);
	assert_int_equal(histogram.count, count);
	assert_int_equal(histogram.min, values[0]);
	assert_int_equal(histogram.max, values[count - 1]);
	assert_true(fabsl(((long double)histogram_mean(&histogram) - sum / (long double)count)) <=
		    sum / (long double)count * 1e-12L);
	for (size_t i = 0; i < sizeof(fractions) / sizeof(fractions[0]); i++) {
		uint64_t want = exact(values, count, fractions[i]);
		uint64_t got = histogram_percentile(&histogram, fractions[i]);
		double off = fabs((double)got - (double)want);

		if (off > (double)want * 0.01)
			fail_msg("p%g of %zu: %llu, not %llu", fractions[i] * 100, count,
				 (unsigned long long)got, (unsigned long long)want);
	}
	histogram_free(&histogram);
}

static void test_error_bound(void **state)
{
	static uint64_t values[5000];

	(void)state;
	for (int spread = 1; spread <= 64; spread++) {
		size_t count = 1 + next_random() % 5000;

		for (size_t i = 0; i < count; i++)
			values[i] = spread == 64 ? next_random() : next_random() % (1ull << spread);
		check_all(values, count);
	}
}

/* Every power of two and its neighbours, alone. */
static void test_edges(void **state)
{
	(void)state;
	for (int bit = 0; bit < 64; bit++)
		for (int off = -1; off <= 1; off++) {
			uint64_t value = (1ull << bit) + (uint64_t)(int64_t)off;

			check_all(&value, 1);
		}
}

static void test_small_values_are_exact(void **state)
{
	struct histogram histogram = { 0 };

	(void)state;
	for (uint64_t value = 0; value < 64; value++)
		assert_true(histogram_add(&histogram, value));
	for (uint64_t value = 1; value <= 64; value++)
		assert_int_equal(histogram_percentile(&histogram, (double)value / 64), value - 1);
	histogram_free(&histogram);
}

static void test_empty(void **state)
{
	struct histogram histogram = { 0 }, other = { 0 };

	(void)state;
	assert_int_equal(histogram_percentile(&histogram, 0.5), 0);
	assert_float_equal(histogram_mean(&histogram), 0, 0);
	assert_true(histogram_merge(&histogram, &other));
	assert_int_equal(histogram.count, 0);
	histogram_free(&histogram);
}

/* Merged is the same as added all along. */
static void test_merge(void **state)
{
	struct histogram parts[3] = { 0 }, merged = { 0 }, whole = { 0 };

	(void)state;
	for (int i = 0; i < 10000; i++) {
		uint64_t value = next_random() >> (next_random() % 64);

		assert_true(histogram_add(&parts[i % 3], value));
		assert_true(histogram_add(&whole, value));
	}
	for (int i = 0; i < 3; i++) {
		assert_true(histogram_merge(&merged, &parts[i]));
		histogram_free(&parts[i]);
	}
	assert_int_equal(merged.count, whole.count);
	assert_int_equal(merged.min, whole.min);
	assert_int_equal(merged.max, whole.max);
	assert_true(merged.sum == whole.sum);
	for (double fraction = 0; fraction <= 1; fraction += 0.01)
		assert_int_equal(histogram_percentile(&merged, fraction),
				 histogram_percentile(&whole, fraction));
	histogram_free(&merged);
	histogram_free(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error_bound),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_small_values_are_exact),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
