// SPDX-License-Identifier: GPL-2.0-or-later
/* What a file says of its recording; names and paths as numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <unistd.h>

#include "../lib/analyse.h"
#include "p2ptrace/paths.h"

/* ---- the private option ---- */

static struct trace_file *recorded(const char *script, struct recording *recording, int *fd)
{
	struct trace_file *file = open_script(script, fd);
	struct p2p_error err;

	assert_int_equal(recording_read(recording, file, &err), 0);
	return file;
}

static void done(struct trace_file *file, struct recording *recording, int fd)
{
	recording_free(recording);
	trace_file_close(file);
	close(fd);
}

static void test_values(void **state)
{
	struct recording recording;
	struct trace_file *file;
	int fd;

	(void)state;
	file = recorded(
		"private format 1\nprivate hostname a\\\\b\\nc\\x\nprivate kernel 6.12.0\n"
		"private kernel second\nprivate from_the_future 5\nprivate machine\n"
		"private tgid 11 10\nprivate tgid x y\nprivate tgid 12 10\n"
		"private liveness 1\nprivate alive 30 -5\nprivate alive 10 -\nprivate alive 20 7\n"
		"private unsaved 3 77\nprivate missed 8\n",
		&recording, &fd);
	assert_true(recording.own);
	assert_string_equal(recording.values[PRIVATE_HOSTNAME], "a\\b\nc\\x");
	assert_string_equal(recording.values[PRIVATE_KERNEL], "6.12.0");
	assert_string_equal(recording.values[PRIVATE_MACHINE], "");
	assert_null(recording.values[PRIVATE_SYSTEM]);
	assert_int_equal(recording.thread_count, 2);
	assert_int_equal(recording.threads[1].tid, 12);
	assert_true(recording.liveness);
	assert_int_equal(recording.living_count, 3);
	assert_int_equal(recording.living[0].tgid, 10);
	assert_true(recording.living[0].start == INT64_MIN);
	assert_int_equal(recording.living[1].start, 7);
	assert_int_equal(recording.living[2].start, -5);
	assert_int_equal(recording.unsaved[0].events, 77);
	assert_int_equal(recording.missed, 8);
	assert_false(recording.filtered);
	done(file, &recording, fd);
}

static void test_a_file_of_trace_cmd(void **state)
{
	struct recording recording;
	struct trace_file *file;
	int fd;

	(void)state;
	file = recorded("100 0 alloc provider=p addr=1 size=1\n", &recording, &fd);
	assert_false(recording.own);
	assert_false(recording.liveness);
	assert_true(recording.ns);
	assert_int_equal(recording.start, 100);
	assert_int_equal(recording.stop, 100);
	done(file, &recording, fd);
}

/* The stop is never before the last event, nor before the start. */
static void test_span(void **state)
{
	struct recording recording;
	struct trace_file *file;
	int fd;

	(void)state;
	file = recorded(
		"private start 50\nprivate stop 120\n"
		"100 0 alloc provider=p addr=1 size=1\n150 3 alloc provider=p addr=2 size=1\n",
		&recording, &fd);
	assert_int_equal(recording.start, 50);
	assert_int_equal(recording.stop, 150);
	done(file, &recording, fd);
	file = recorded("private start 500\n", &recording, &fd);
	assert_int_equal(recording.start, 500);
	assert_int_equal(recording.stop, 500);
	done(file, &recording, fd);
	file = recorded("cpus 4\n", &recording, &fd);
	assert_int_equal(recording.start, recording.stop);
	assert_int_equal(file->lane_count, 4);
	done(file, &recording, fd);
}

static void test_hostile_values(void **state)
{
	static const char *const lines[] = {
		"private start 99999999999999999999999\nprivate stop -1\n",
		"private start 18446744073709551615\nprivate stop 1\n",
		"private tgid 4294967295 4294967295\n",
		"private alive 99999999999 99999999999999999999\n",
		"private alive 1 9223372036854775807\nprivate alive 1 -9223372036854775807\n",
		"private unsaved 4294967295 18446744073709551615\n",
		"private missed 18446744073709551615\nstats 0 18446744073709551615 1 1\n",
		"private wall_offset 9223372036854775807\nprivate start 9223372036854775807\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char script[400];
		struct analysed a;

		snprintf(script, sizeof(script),
			 "%sprivate liveness 1\n100 0 alloc provider=p addr=1 size=1 tid=1\n"
			 "9223372036854775000 0 alloc provider=p addr=5 size=1 tid=1\n",
			 lines[i]);
		analyse(&a, script, &(struct analyse_options){ .min_age = 1 });
		assert_int_equal(a.leaks.count, 2);
		analysed_free(&a);
	}
}

/* ---- names ---- */

static void test_names(void **state)
{
	struct names *names = names_new();
	char text[32];

	(void)state;
	assert_int_equal(names_intern(names, "", 0), 0);
	assert_int_equal(names_intern(names, "\0x", 2), 0);
	assert_null(names_text(names, 0));
	for (int round = 0; round < 2; round++)
		for (uint32_t i = 0; i < 5000; i++) {
			snprintf(text, sizeof(text), "name%u", i);
			assert_int_equal(names_intern(names, text, sizeof(text)), i + 1);
			assert_string_equal(names_text(names, i + 1), text);
		}
	assert_int_equal(names_count(names), 5001);
	/* A part of a known name, and a longer one. */
	assert_int_equal(names_intern(names, "name42xyz", 6), 43);
	assert_int_equal(names_intern(names, "name", 4), 5001);
	names_free(names);
}

#define THREADS 4

static void *intern_many(void *context)
{
	struct paths *paths = context;

	for (unsigned int i = 0; i < 20000; i++) {
		char text[16];
		struct path path = { .kind = KIND_MAP };
		uint32_t id;

		snprintf(text, sizeof(text), "n%u", i * 7919 % 2999);
		path.client = names_intern(paths->names, text, sizeof(text));
		path.provider = i % 3;
		id = paths_intern(paths, &path);
		if (strcmp(names_text(paths->names, path.client), text) != 0 ||
		    path_at(paths, id)->client != path.client)
			return context;
	}
	return NULL;
}

/* Several threads at once: the same names and paths have the same numbers. */
static void test_threads(void **state)
{
	struct names *names = names_new();
	struct paths *paths = paths_new(names);
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, intern_many, paths), 0);
	for (int i = 0; i < THREADS; i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	assert_int_equal(names_count(names), 3000);
	assert_int_equal(paths->count, 8997);
	paths_free(paths);
	names_free(names);
}

/* ---- paths ---- */

static void test_devices(void **state)
{
	struct names *names = names_new();
	struct paths *paths = paths_new(names);
	struct path path = { .client = 5, .provider = 6 };
	uint32_t ids[KIND_P2P_COUNT];

	(void)state;
	for (enum event_kind kind = KIND_ALLOC; kind < KIND_P2P_COUNT; kind++) {
		path.kind = (uint8_t)kind;
		ids[kind] = paths_intern(paths, &path);
	}
	assert_int_equal(path_at(paths, ids[KIND_ALLOC])->device, 13);
	assert_int_equal(path_at(paths, ids[KIND_FREE])->device, 13);
	assert_int_equal(path_at(paths, ids[KIND_MAP])->device, 10);
	assert_int_equal(path_at(paths, ids[KIND_UNMAP])->device, 10);
	assert_true(path_at(paths, ids[KIND_MAP])->selected);
	path.type = MAP_TYPE_BUS_ADDR;
	assert_int_not_equal(paths_intern(paths, &path), ids[KIND_TYPE_CHANGE]);
	paths_free(paths);
	names_free(names);
}

static void test_map_types(void **state)
{
	char name[32];

	(void)state;
	assert_int_equal(map_type_by_name("BUS_ADDR", 8), MAP_TYPE_BUS_ADDR);
	assert_int_equal(map_type_by_name("PCI_P2PDMA_MAP_BUS_ADDR", 23), MAP_TYPE_BUS_ADDR);
	assert_int_equal(map_type_by_name("BUS_ADDRESS", 8), MAP_TYPE_BUS_ADDR);
	assert_int_equal(map_type_by_name("", 0), MAP_TYPE_UNKNOWN);
	assert_string_equal(map_type_name(MAP_TYPE_NONE), "NONE");
	assert_true(map_type_refused(MAP_TYPE_NONE));
	assert_true(map_type_refused(MAP_TYPE_NOT_SUPPORTED));
	assert_true(map_type_refused(MAP_TYPE_UNKNOWN));
	assert_false(map_type_refused(MAP_TYPE_BUS_ADDR));
	assert_false(map_type_refused(MAP_TYPE_ABSENT));
	/* More than there is room for: the rest is unknown, and nothing else changes. */
	for (int i = 0; i < 400; i++) {
		uint8_t type;

		snprintf(name, sizeof(name), "made-up %d", i);
		type = map_type_by_name(name, strlen(name));
		if (type != MAP_TYPE_UNKNOWN)
			assert_string_equal(map_type_name(type), name);
		assert_int_equal(map_type_by_name(name, strlen(name)), type);
	}
	assert_int_equal(map_type_by_name("made-up 399", 11), MAP_TYPE_UNKNOWN);
	assert_int_equal(map_type_by_name("THRU_HOST_BRIDGE", 16), MAP_TYPE_THRU_HOST_BRIDGE);
	assert_string_equal(map_type_name(255), "UNKNOWN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),	cmocka_unit_test(test_a_file_of_trace_cmd),
		cmocka_unit_test(test_span),	cmocka_unit_test(test_hostile_values),
		cmocka_unit_test(test_names),	cmocka_unit_test(test_threads),
		cmocka_unit_test(test_devices), cmocka_unit_test(test_map_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
