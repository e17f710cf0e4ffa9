// SPDX-License-Identifier: GPL-2.0-or-later
/* Files in memory: what is there, what is not, and what becomes of one that shrinks. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "p2ptrace/file_map.h"
#include "p2ptrace/trace_read.h"

#include "../lib/analyse.h"

#define PAGE 4096
#define PAGES 64

/* Each byte is its page's number, from 1 on. */
static int make_file(void)
{
	unsigned char bytes[PAGE];
	int fd = memfd_create("map", MFD_CLOEXEC);

	assert_true(fd >= 0);
	for (int page = 0; page < PAGES; page++) {
		memset(bytes, page + 1, PAGE);
		assert_int_equal(write(fd, bytes, PAGE), PAGE);
	}
	return fd;
}

static void test_what_is_there(void **state)
{
	int fd = make_file();
	struct file_map *map = file_map_open(fd, PAGES * PAGE);
	const unsigned char *at;

	(void)state;
	assert_non_null(map);
	/* Not at the beginning of a page. */
	at = file_map_bring(map, 5 * PAGE - 10, PAGE);
	assert_non_null(at);
	assert_int_equal(at[9], 5);
	assert_int_equal(at[10], 6);
	file_map_let_go(map, 5 * PAGE - 10, PAGE);
	at = file_map_bring(map, (PAGES - 1) * PAGE, PAGE);
	assert_int_equal(at[PAGE - 1], PAGES);
	assert_null(file_map_bring(map, (PAGES - 1) * PAGE, PAGE + 1));
	assert_null(file_map_bring(map, UINT64_MAX, 2));
	assert_false(file_map_broken(map));
	file_map_close(map);
	close(fd);
}

/* What had been brought is gone: zeros, and no SIGBUS; what still is there stays. */
static void test_shrinks_afterwards(void **state)
{
	int fd = make_file();
	struct file_map *map = file_map_open(fd, PAGES * PAGE);
	const unsigned char *at = file_map_bring(map, 0, PAGES * PAGE);

	(void)state;
	assert_non_null(at);
	assert_int_equal(ftruncate(fd, 10 * PAGE), 0);
	assert_int_equal(at[9 * PAGE], 10);
	assert_false(file_map_broken(map));
	assert_int_equal(at[30 * PAGE + 5], 0);
	assert_int_equal(at[10 * PAGE], 0);
	assert_int_equal(at[0], 1);
	assert_true(file_map_broken(map));
	/* From now on it is to be read. */
	assert_null(file_map_bring(map, 0, PAGE));
	file_map_close(map);
	close(fd);
}

static void test_shrank_before(void **state)
{
	int fd = make_file();
	struct file_map *map = file_map_open(fd, PAGES * PAGE);

	(void)state;
	assert_int_equal(ftruncate(fd, 10 * PAGE), 0);
	assert_null(file_map_bring(map, 8 * PAGE, 4 * PAGE));
	assert_false(file_map_broken(map));
	file_map_close(map);
	close(fd);
}

/* Who touches what is none of ours dies as ever. */
static void touch_foreign_page(void)
{
	const struct rlimit no_core = { 0 };
	int fd = make_file(), other = make_file();
	struct file_map *map = file_map_open(fd, PAGES * PAGE);
	volatile unsigned char *foreign = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, other, 0);

	setrlimit(RLIMIT_CORE, &no_core);
	if (!map || foreign == MAP_FAILED || ftruncate(other, 0))
		_exit(1);
	(void)foreign[PAGE];
	_exit(2);
}

static void test_foreign_signal(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (!child)
		touch_foreign_page();
	assert_int_equal(waitpid(child, &status, 0), child);
	/* A sanitizer of addresses makes an exit of it. */
	assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGBUS
					: WEXITSTATUS(status) != 1 && WEXITSTATUS(status) != 2);
}

static void test_many_maps(void **state)
{
	struct file_map *maps[32] = { NULL };
	int fd = make_file(), opened = 0;

	(void)state;
	for (int i = 0; i < 32; i++) {
		maps[i] = file_map_open(fd, PAGES * PAGE);
		opened += maps[i] != NULL;
	}
	assert_in_range(opened, 1, 31);
	for (int i = 0; i < 32; i++)
		file_map_close(maps[i]);
	maps[0] = file_map_open(fd, PAGES * PAGE);
	assert_non_null(maps[0]);
	file_map_close(maps[0]);
	assert_null(file_map_open(fd, 0));
	assert_null(file_map_open(-1, PAGE));
	close(fd);
}

/* A recording that becomes shorter between two looks at it: what is left, and not an end. */
static void test_lane_of_shorter_file(void **state)
{
	char script[8192] = "page 4096\n";
	struct trace_file *file;
	struct lane_reader reader;
	struct p2p_error err;
	uint64_t count = 1;
	size_t bytes;
	int fd;

	(void)state;
	for (int i = 0; i < 80; i++)
		snprintf(script + strlen(script), sizeof(script) - strlen(script),
			 "page_of 0\n%d 0 alloc provider=p addr=%d size=4096\n", 1000 + i,
			 4096 * (i + 1));
	file = open_script(script, &fd);
	assert_non_null(file->map);
	assert_int_equal(file->lanes[0].pages, 80);
	lane_reader_init(&reader, file);
	reader.maps = true;
	assert_non_null(lane_run(&reader, &file->lanes[0], 0, &count, &bytes, &err));
	assert_int_equal(count, 1);
	assert_int_equal(ftruncate(fd, (off_t)file->lanes[0].offset + 10 * 4096 + 100), 0);
	count = 80;
	assert_non_null(lane_run(&reader, &file->lanes[0], 1, &count, &bytes, &err));
	assert_int_equal(bytes, 9 * 4096 + 100);
	lane_reader_destroy(&reader);
	trace_file_close(file);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_there), cmocka_unit_test(test_shrinks_afterwards),
		cmocka_unit_test(test_shrank_before), cmocka_unit_test(test_foreign_signal),
		cmocka_unit_test(test_many_maps),     cmocka_unit_test(test_lane_of_shorter_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
