// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Slices of time and the merge of lanes: whatever the stamps are, every record comes
 * exactly once, and in order where the lanes are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/analyse.h"
#include "p2ptrace/merge.h"
#include "p2ptrace/slice.h"

#define ROUNDS 300
#define RECORDS 400
#define SCRIPT_ROOM (RECORDS * 120 + 1000)

/* How a lane's stamps go on. */
enum habit { STEADY, BURSTS, TIES, BACKWARDS, WILD, HABITS };

struct made {
	char script[SCRIPT_ROOM];
	size_t used;
	uint64_t records, lost, marks;
	bool monotone;
};

/* What came of it. */
struct seen {
	unsigned char times[RECORDS + 1]; /* [number]: how often it came */
	uint64_t records, lost, marks, slices, damaged;
	uint64_t last; /* highest stamp of the slices before */
};

static uint64_t seed;

static unsigned int random_below(unsigned int limit)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(seed >> 33) % limit;
}

static uint64_t next_stamp(uint64_t stamp, enum habit habit)
{
	switch (habit) {
	case STEADY:
		return stamp + 1 + random_below(20);
	case BURSTS:
		return stamp +
		       (random_below(30) ? random_below(2) : 100000 + random_below(1u << 30));
	case TIES:
		return stamp + (random_below(8) == 0);
	case BACKWARDS:
		return random_below(10) ? stamp + random_below(20) : stamp - random_below(60);
	default:
		return 1000 + random_below(1000000);
	}
}

__attribute__((format(printf, 2, 3))) static void add(struct made *made, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	made->used += (size_t)vsnprintf(made->script + made->used, SCRIPT_ROOM - made->used, format,
					args);
	va_end(args);
}

/* Lanes of several habits and lengths; records are numbered by their addresses. */
static void make(struct made *made)
{
	unsigned int lanes = 1 + random_below(5), number = 0;
	bool tame = random_below(2);

	*made = (struct made){ .monotone = true };
	add(made, "page %u\nversion %u\n%s", 256u << random_below(2), 6 + random_below(2),
	    random_below(4) ? "" : "version 7\ncompress zstd\n");
	add(made, "event p2p_dma_map 303 client:s provider:s dma_addr:u8 size:u8\n");
	for (unsigned int lane = 0; lane < lanes; lane++) {
		enum habit habit = random_below(tame ? BACKWARDS : HABITS);
		unsigned int count = random_below(RECORDS / lanes);
		uint64_t stamp = 5000 + random_below(5000);

		made->monotone &= habit < BACKWARDS;
		for (unsigned int i = 0; i < count; i++) {
			stamp = next_stamp(stamp, habit);
			if (!random_below(40)) {
				unsigned int lost = random_below(9);

				add(made, "lost %u %u\n", lane, lost);
				/* A mark of none is none. */
				made->marks += lost != 0;
				made->lost += lost;
			}
			add(made, "%llu %u map client=c provider=p dma_addr=%u size=1\n",
			    (unsigned long long)stamp, lane, ++number);
		}
	}
	made->records = number;
}

static void take_slice(struct seen *seen, const struct slice *slice, bool monotone)
{
	uint64_t last = seen->last;

	for (uint32_t i = 0; i < slice->record_count; i++) {
		const struct p2p_order *place = &slice->order[i];
		const struct p2p_record *record = &slice->records[place->index];

		assert_in_range(record->addr, 1, RECORDS);
		seen->times[record->addr]++;
		if (i) {
			const struct p2p_order *before = &slice->order[i - 1];

			assert_true(
				before->stamp < place->stamp ||
				(before->stamp == place->stamp && before->index < place->index));
		}
		if (monotone && seen->slices)
			assert_true(place->stamp > seen->last);
		last = place->stamp > last ? place->stamp : last;
	}
	seen->last = last;
	seen->records += slice->record_count;
	for (size_t i = 0; i < slice->loss_count; i++) {
		seen->marks++;
		seen->lost += slice->losses[i].count;
	}
	seen->damaged += slice->damaged;
	seen->slices++;
}

/* The next slice, or the next part of it up to a stamp that moves on by `step` (0: all). */
static int next_slice(struct slice_plan *plan, struct slice_span *span, uint64_t step,
		      uint64_t *wanted, struct p2p_error *err)
{
	int result;

	if (!step)
		return slice_plan_next(plan, span, err);
	do {
		result = slice_plan_until(plan, *wanted, span, err);
		if (result > 0) {
			assert_true(span->until <= *wanted);
			return result;
		}
		/* Stamps of clocks that jump are far away. */
		*wanted = *wanted > 1u << 20 ? UINT64_MAX : *wanted + step;
	} while (!result && !plan->done);
	return result;
}

/* `alone`: as one thread does it, which goes on where the last slice ended. */
static void read_steps(struct seen *seen, const struct trace_file *file,
		       const struct decode_filter *filter, uint64_t bytes, bool monotone,
		       bool alone, uint64_t step)
{
	struct schema *schema = schema_new(file, NULL, 0);
	struct names *names = names_new();
	struct paths *paths = paths_new(names);
	struct slice_plan plan;
	struct decoder decoder;
	struct slice slice;
	struct p2p_error err;
	uint64_t until = 0, wanted = 0;
	int result;

	memset(seen, 0, sizeof(*seen));
	assert_int_equal(decoder_init(&decoder, file, schema, names, paths, &err), 0);
	decoder.filter = filter;
	decoder.sequential = alone;
	assert_int_equal(slice_init(&slice, file, &err), 0);
	assert_int_equal(slice_plan_init(&plan, file, bytes, alone, &err), 0);
	while ((result = next_slice(&plan, &slice.span, step, &wanted, &err)) > 0) {
		assert_int_equal(slice.span.number, seen->slices);
		if (seen->slices)
			assert_int_equal(slice.span.from, until);
		until = slice.span.until;
		assert_int_equal(slice_decode(&decoder, &slice, &err), 0);
		take_slice(seen, &slice, monotone);
	}
	assert_int_equal(result, 0);
	slice_plan_destroy(&plan);
	slice_destroy(&slice);
	decoder_destroy(&decoder);
	paths_free(paths);
	names_free(names);
	schema_free(schema);
}

static void read_slices(struct seen *seen, const struct trace_file *file,
			const struct decode_filter *filter, uint64_t bytes, bool monotone,
			bool alone)
{
	read_steps(seen, file, filter, bytes, monotone, alone, 0);
}

static void check_each_once(const struct seen *seen, uint64_t records)
{
	assert_int_equal(seen->records, records);
	for (uint64_t number = 1; number <= records; number++)
		assert_int_equal(seen->times[number], 1);
}

static void test_each_record_once(void **state)
{
	static struct made made;
	uint64_t most = 0;

	(void)state;
	for (seed = 1; seed <= ROUNDS;) {
		uint64_t round = seed;
		struct trace_file *file;
		struct seen seen;
		int fd;

		make(&made);
		file = open_script(made.script, &fd);
		for (uint64_t bytes = 256; bytes <= 131072; bytes *= 8) {
			read_slices(&seen, file, NULL, bytes, made.monotone, bytes % 3 == 1);
			check_each_once(&seen, made.records);
			assert_int_equal(seen.lost, made.lost);
			assert_int_equal(seen.marks, made.marks);
			assert_int_equal(seen.damaged, 0);
			most = seen.slices > most ? seen.slices : most;
		}
		for (uint64_t step = 300; step <= 1u << 19; step *= 7) {
			read_steps(&seen, file, NULL, 1 << 20, made.monotone, true, step);
			check_each_once(&seen, made.records);
			assert_int_equal(seen.lost, made.lost);
			assert_int_equal(seen.marks, made.marks);
		}
		trace_file_close(file);
		close(fd);
		seed = round + 1;
	}
	/* Or else nothing was divided at all. */
	assert_true(most >= 5);
}

/* A window of time lets the same records through however the slices lie. */
static void test_a_window_of_time(void **state)
{
	static struct made made;

	(void)state;
	for (seed = 1000; seed < 1000 + ROUNDS;) {
		uint64_t round = seed;
		struct decode_filter filter = { .from = 5000 + random_below(5000) };
		struct trace_file *file;
		struct seen whole, parts;
		int fd;

		filter.until = filter.from + random_below(4000);
		make(&made);
		file = open_script(made.script, &fd);
		read_slices(&whole, file, &filter, 1 << 30, made.monotone, false);
		for (int alone = 0; alone < 2; alone++) {
			read_slices(&parts, file, &filter, 256, made.monotone, alone);
			assert_int_equal(parts.records, whole.records);
			assert_memory_equal(parts.times, whole.times, sizeof(whole.times));
		}
		trace_file_close(file);
		close(fd);
		seed = round + 1;
	}
}

/* A page in the middle does not hold together: counted once, at every size of slice. */
static void test_damage_counts_once(void **state)
{
	struct trace_file *file;
	struct seen seen;
	char script[8000];
	size_t used = 0;
	uint32_t bad = 0x1c; /* a record of 112 bytes where there is room for less */
	int fd;

	(void)state;
	used += (size_t)snprintf(script, sizeof(script),
				 "page 256\ncpus 2\n"
				 "event p2p_dma_map 303 client:s provider:s dma_addr:u8 size:u8\n");
	for (int i = 1; i <= 60; i++)
		used += (size_t)snprintf(script + used, sizeof(script) - used,
					 "%d %d map client=c provider=p dma_addr=%d size=1\n",
					 i * 10, i % 2, i);
	file = open_script(script, &fd);
	assert_true(file->lanes[0].pages > 4);
	/* The last record of the page: whatever comes before it still counts. */
	for (uint64_t page = 0; page < file->lanes[0].pages; page++) {
		uint64_t at = file->lanes[0].offset + page * 256;
		uint32_t commit;

		assert_int_equal(pread(fd, &commit, 4, (off_t)at + 8), 4);
		assert_int_equal(pwrite(fd, &bad, 4, (off_t)(at + 16 + commit - 40)), 4);
	}
	for (uint64_t bytes = 256; bytes <= 131072; bytes *= 8) {
		read_slices(&seen, file, NULL, bytes, true, bytes % 3 == 1);
		assert_int_equal(seen.damaged, file->lanes[0].pages);
		assert_int_equal(seen.records, 60 - file->lanes[0].pages);
	}
	trace_file_close(file);
	close(fd);
}

/* ---- the merge ---- */

static void check_merge(const struct made *made, const struct trace_file *file)
{
	uint64_t records = 0, lost = 0, marks = 0, last = 0;
	unsigned char times[RECORDS + 1] = { 0 };
	struct merged merged;
	struct p2p_error err;
	struct merge merge;
	int result;

	assert_int_equal(merge_init(&merge, file, &err), 0);
	while ((result = merge_next(&merge, &merged, &err)) > 0) {
		uint64_t addr;

		if (made->monotone)
			assert_true(merged.stamp >= last);
		last = merged.stamp;
		if (!merged.data) {
			marks++;
			lost += merged.lost;
			continue;
		}
		memcpy(&addr, merged.data + 16, 8);
		assert_in_range(addr, 1, RECORDS);
		times[addr]++;
		records++;
	}
	assert_int_equal(result, 0);
	assert_int_equal(merge_next(&merge, &merged, &err), 0);
	assert_int_equal(records, made->records);
	for (uint64_t number = 1; number <= records; number++)
		assert_int_equal(times[number], 1);
	assert_int_equal(lost, made->lost);
	assert_int_equal(marks, made->marks);
	assert_float_equal(merge_progress(&merge), 1, 0);
	merge_destroy(&merge);
}

static void test_merge(void **state)
{
	static struct made made;

	(void)state;
	for (seed = 5000; seed < 5000 + ROUNDS;) {
		uint64_t round = seed;
		struct trace_file *file;
		int fd;

		make(&made);
		file = open_script(made.script, &fd);
		check_merge(&made, file);
		trace_file_close(file);
		close(fd);
		seed = round + 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_record_once),
		cmocka_unit_test(test_a_window_of_time),
		cmocka_unit_test(test_damage_counts_once),
		cmocka_unit_test(test_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
