// SPDX-License-Identifier: GPL-2.0-or-later
/* Sums for groups and over time, and the histograms that many groups can afford. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2ptrace/details.h"
#include "p2ptrace/match.h"

/* ---- sparse histograms ---- */

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 11;
}

static void assert_same(const struct sparse_histogram *sparse, const struct histogram *dense)
{
	struct histogram_summary one, two;

	sparse_histogram_summarise(sparse, &one);
	histogram_summarise(dense, &two);
	assert_int_equal(one.count, two.count);
	assert_int_equal(one.min, two.min);
	assert_int_equal(one.p50, two.p50);
	assert_int_equal(one.p90, two.p90);
	assert_int_equal(one.p99, two.p99);
	assert_int_equal(one.p999, two.p999);
	assert_int_equal(one.max, two.max);
	assert_true(one.mean == two.mean);
}

/* Values of all sizes, 0 and the largest too. */
static void test_sparse_says_what_dense_says(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (int round = 0; round < 50; round++) {
		struct sparse_histogram sparse = { 0 };
		struct histogram dense = { 0 };
		int count = round * round;

		assert_same(&sparse, &dense);
		for (int i = 0; i < count; i++) {
			uint64_t value = next_random(&seed) >> next_random(&seed) % 53;

			value = i == 3 ? 0 : i == 5 ? UINT64_MAX : value;
			assert_true(sparse_histogram_add(&sparse, value));
			assert_true(histogram_add(&dense, value));
		}
		assert_same(&sparse, &dense);
		sparse_histogram_free(&sparse);
		histogram_free(&dense);
	}
}

static void test_sparse_merge(void **state)
{
	struct sparse_histogram parts[3] = { 0 }, all = { 0 }, none = { 0 };
	struct histogram dense = { 0 };
	uint64_t seed = 11;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		uint64_t value = next_random(&seed) >> next_random(&seed) % 50;

		assert_true(sparse_histogram_add(&parts[i % 3], value));
		assert_true(histogram_add(&dense, value));
	}
	for (int i = 0; i < 3; i++) {
		assert_true(sparse_histogram_merge(&all, &none));
		assert_true(sparse_histogram_merge(&all, &parts[i]));
		sparse_histogram_free(&parts[i]);
	}
	assert_same(&all, &dense);
	sparse_histogram_free(&all);
	histogram_free(&dense);
}

/* ---- groups ---- */

struct world {
	struct names *names;
	struct paths *paths;
	struct recording recording;
	struct trace_file file;
	struct processes processes;
	uint32_t map, alloc; /* paths */
};

static void make_world(struct world *world)
{
	struct p2p_error err;

	*world = (struct world){ .names = names_new() };
	world->paths = paths_new(world->names);
	assert_int_equal(processes_init(&world->processes, &world->file, &world->recording,
					world->names, &err),
			 0);
	world->map = paths_intern(world->paths,
				  &(struct path){ .client = names_intern(world->names, "c", 8),
						  .provider = names_intern(world->names, "p", 8),
						  .kind = KIND_MAP,
						  .type = MAP_TYPE_BUS_ADDR });
	world->alloc = paths_intern(world->paths,
				    &(struct path){ .provider = names_intern(world->names, "p", 8),
						    .kind = KIND_ALLOC,
						    .type = MAP_TYPE_ABSENT });
}

static void free_world(struct world *world)
{
	processes_free(&world->processes);
	paths_free(world->paths);
	names_free(world->names);
}

/* A mapping that ends after `lifetime`. */
static void one_mapping(struct details *details, const struct origin *origin, uint64_t stamp,
			uint64_t lifetime)
{
	details_begin(details, origin, KIND_MAP, stamp, 4096, 0);
	details_end(details, origin, KIND_UNMAP, stamp + lifetime, 4096, true);
	details_complete(details, origin, KIND_MAP, lifetime);
}

/* Many more groups than a matcher keeps, each in both matchers: poured out or not, the
 * common ones have each once, with all of it. */
static void test_pouring_loses_nothing(void **state)
{
	enum { THREADS = 30000, ROUNDS = 3 };
	struct details details[3];
	struct world world;

	(void)state;
	make_world(&world);
	for (int i = 0; i < 3; i++) {
		assert_true(details_init(&details[i], BY_TID, 0, 0, 100, world.paths,
					 &world.processes));
		details[i].common = i ? &details[0] : NULL;
	}
	for (int round = 0; round < ROUNDS; round++)
		for (uint32_t tid = 0; tid < THREADS; tid++) {
			struct origin origin = { world.map, tid, 0, 0 };

			one_mapping(&details[1 + round % 2], &origin, 10, tid + 1u);
			assert_true(details[1 + round % 2].group_count < THREADS);
		}
	for (int i = 1; i < 3; i++) {
		assert_true(details_merge(&details[0], &details[i]));
		details_destroy(&details[i]);
	}
	assert_int_equal(details[0].group_count, THREADS);
	for (size_t i = 0; i < THREADS; i++) {
		const struct group *group = &details[0].groups[i];
		const struct sparse_histogram *lifetimes = group->maps.lifetimes;

		assert_int_equal(group->maps.begins, ROUNDS);
		assert_int_equal(group->maps.bytes, ROUNDS * 4096);
		assert_int_equal(group->maps.ends, ROUNDS);
		assert_int_equal(group->maps.closed, ROUNDS);
		assert_int_equal(group->allocs.begins, 0);
		assert_int_equal(lifetimes->count, ROUNDS);
		assert_int_equal(lifetimes->min, group->key.tid + 1);
		assert_int_equal(lifetimes->max, group->key.tid + 1);
	}
	details_destroy(&details[0]);
	free_world(&world);
}

/* What an allocation does not have does not tell groups apart. */
static void test_allocations_have_no_client(void **state)
{
	struct details details;
	struct world world;

	(void)state;
	make_world(&world);
	assert_true(details_init(&details, BY_CLIENT | BY_TYPE, 0, 0, 9, world.paths,
				 &world.processes));
	details_begin(&details, &(struct origin){ world.alloc, 1, 0, 0 }, KIND_ALLOC, 1, 8, 0);
	one_mapping(&details, &(struct origin){ world.map, 1, 0, 0 }, 1, 1);
	assert_int_equal(details.group_count, 2);
	assert_int_equal(details.groups[0].key.client, GROUP_UNUSED);
	assert_int_equal(details.groups[0].key.type, GROUP_UNUSED);
	assert_int_equal(details.groups[0].key.provider, GROUP_UNUSED);
	assert_int_equal(details.groups[1].key.type, MAP_TYPE_BUS_ADDR);
	details_destroy(&details);
	free_world(&world);
}

/* Lifetimes and nothing else, of the first so many processes. */
static void test_only_lifetimes_of_so_many(void **state)
{
	struct details details;
	struct world world;

	(void)state;
	make_world(&world);
	assert_true(details_init(&details, BY_PID, 0, 0, 9, world.paths, &world.processes));
	details.lifetimes_only = true;
	details.group_limit = 2;
	for (uint32_t round = 1; round <= 3; round++)
		for (uint32_t tid = 1; tid <= 5; tid++)
			one_mapping(&details, &(struct origin){ world.map, tid, 0, 0 }, 1,
				    tid * round);
	assert_int_equal(details.group_count, 2);
	assert_false(details.no_memory);
	for (uint32_t i = 0; i < 2; i++) {
		const struct group_totals *maps = &details.groups[i].maps;

		assert_int_equal(details.groups[i].key.pid, i + 1);
		assert_int_equal(maps->begins + maps->ends + maps->closed, 0);
		assert_null(maps->lifetimes);
		assert_int_equal(maps->only_lifetimes->count, 3);
		assert_int_equal(maps->only_lifetimes->max, 3 * (i + 1));
	}
	details_destroy(&details);
	free_world(&world);
}

static uint32_t name_by_parity(const void *context, uint32_t tid)
{
	return names_intern((struct names *)context, tid % 2 ? "odd" : "even", 8);
}

/* Threads of one name are one group, with those that an event named so. */
static void test_names_come_last(void **state)
{
	struct details details;
	struct world world;
	uint32_t odd;

	(void)state;
	make_world(&world);
	odd = names_intern(world.names, "odd", 8);
	assert_true(details_init(&details, BY_COMM, 0, 0, 9, world.paths, &world.processes));
	for (uint32_t tid = 1; tid <= 9; tid++)
		one_mapping(&details, &(struct origin){ world.map, tid, 0, 0 }, 1, tid);
	one_mapping(&details, &(struct origin){ world.map, 2, odd, 0 }, 1, 100);
	assert_int_equal(details.group_count, 10);
	assert_true(details_name_threads(&details, name_by_parity, world.names));
	assert_int_equal(details.group_count, 2);
	for (int i = 0; i < 2; i++) {
		const struct group *group = &details.groups[i];

		assert_int_equal(group->key.tid, GROUP_UNUSED);
		assert_int_equal(group->maps.begins, group->key.comm == odd ? 6 : 4);
		assert_int_equal(group->maps.lifetimes->max, group->key.comm == odd ? 100 : 8);
	}
	details_destroy(&details);
	free_world(&world);
}

/* An interrupt's name is that of whoever it hit: not used. */
static void test_interrupts_have_no_name(void **state)
{
	struct details details;
	struct world world;

	(void)state;
	make_world(&world);
	assert_true(details_init(&details, BY_COMM, 0, 0, 9, world.paths, &world.processes));
	for (uint32_t comm = 1; comm < 3; comm++)
		details_end(&details, &(struct origin){ world.map, TID_INTERRUPT, comm, 0 },
			    KIND_UNMAP, 1, 1, false);
	assert_int_equal(details.group_count, 1);
	assert_int_equal(details.groups[0].key.comm, 0);
	assert_int_equal(details.groups[0].maps.ends, 2);
	details_destroy(&details);
	free_world(&world);
}

/* ---- time ---- */

static void test_bins(void **state)
{
	struct details details;
	struct world world;
	struct origin origin;

	(void)state;
	make_world(&world);
	origin = (struct origin){ world.map, 1, 0, 0 };
	assert_true(details_init(&details, 0, 10, 1000, 1099, world.paths, &world.processes));
	assert_int_equal(details.width, 10);
	details_begin(&details, &origin, KIND_MAP, 1000, 100, 0);
	details_begin(&details, &origin, KIND_MAP, 1009, 100, RECORD_FAILED);
	details_end(&details, &origin, KIND_UNMAP, 1010, 60, true);
	details_end(&details, &origin, KIND_UNMAP, 1099, 7, false);
	/* Outside of the recording's time: at its ends. */
	details_begin(&details, &origin, KIND_MAP, 900, 5, 0);
	details_begin(&details, &origin, KIND_MAP, 5000, 3, RECORD_NO_SIZE);
	assert_int_equal(details.bins[0].maps, 3);
	assert_int_equal(details.bins[0].direct, 2);
	assert_int_equal(details.bins[0].map_bytes, 105);
	assert_int_equal(details.bins[0].map_change, 105);
	assert_int_equal(details.bins[1].unmaps, 1);
	assert_int_equal(details.bins[1].map_change, -60);
	assert_int_equal(details.bins[9].unmaps, 1);
	assert_int_equal(details.bins[9].map_change, 3);
	assert_true(details.map_sizes_unknown);
	assert_false(details.alloc_sizes_unknown);
	details_destroy(&details);
	free_world(&world);
}

static void test_group_words(void **state)
{
	struct p2p_error err;
	unsigned int by;

	(void)state;
	assert_int_equal(group_by_parse("pid", &by, &err), 0);
	assert_int_equal(by, BY_PID);
	assert_int_equal(group_by_parse("cpu,pair,cpu", &by, &err), 0);
	assert_int_equal(by, BY_PAIR | BY_CPU);
	for (int i = 0; i < 5; i++) {
		static const char *const wrong[] = { "", ",pid", "pi", "pidd", "pid,,cpu" };

		assert_int_equal(group_by_parse(wrong[i], &by, &err), -1);
		assert_int_equal(err.status, P2P_USAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sparse_says_what_dense_says),
		cmocka_unit_test(test_sparse_merge),
		cmocka_unit_test(test_pouring_loses_nothing),
		cmocka_unit_test(test_allocations_have_no_client),
		cmocka_unit_test(test_only_lifetimes_of_so_many),
		cmocka_unit_test(test_names_come_last),
		cmocka_unit_test(test_interrupts_have_no_name),
		cmocka_unit_test(test_bins),
		cmocka_unit_test(test_group_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
