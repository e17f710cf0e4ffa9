// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>

#include <cmocka.h>

#include "p2ptrace/tasks.h"
#include "p2ptrace/trace_write.h"

static void check_name(const struct tasks *tasks, uint32_t tid, const char *name)
{
	const struct task *task = tasks_find(tasks, tid);

	assert_non_null(task);
	assert_string_equal(task->name, name);
}

static void test_names_are_kept(void **state)
{
	struct tasks tasks = { .room = 0 };

	(void)state;
	assert_null(tasks_find(&tasks, 1));
	tasks_add_names(&tasks, "12 nvme-io\n4194303 a name\n7 <...>\n");
	tasks_add_names(&tasks, "12 renamed\n13 other");
	check_name(&tasks, 12, "renamed");
	check_name(&tasks, 4194303, "a name");
	check_name(&tasks, 13, "other");
	assert_null(tasks_find(&tasks, 7));
	tasks_free(&tasks);
}

/* A name may hold line breaks and escapes; whatever comes out stays on its line. */
static void test_hostile_names(void **state)
{
	struct tasks tasks = { .room = 0 };
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	tasks_add_names(&tasks, "12 a\n\n not a line\n-1 x\n0 idle\n99999999999 big\n3\n"
				"5 \x1b[2J\x7f\n6 a name that is much too long\n");
	tasks_write_names(&tasks, to);
	assert_int_equal(fclose(to), 0);
	assert_int_equal(tasks.count, 3);
	assert_non_null(strstr(text, "12 a\n"));
	assert_non_null(strstr(text, "5 ?[2J?\n"));
	assert_non_null(strstr(text, "6 a name that is \n"));
	free(text);
	tasks_free(&tasks);
}

static void test_many(void **state)
{
	struct tasks tasks = { .room = 0 };
	char line[32];

	(void)state;
	for (unsigned int tid = 1; tid <= 20000; tid++) {
		snprintf(line, sizeof(line), "%u n%u\n", tid * 64, tid);
		tasks_add_names(&tasks, line);
	}
	assert_int_equal(tasks.count, 20000);
	check_name(&tasks, 64, "n1");
	check_name(&tasks, 20000 * 64, "n20000");
	assert_null(tasks_find(&tasks, 65));
	tasks_free(&tasks);
}

static void test_thread_groups(void **state)
{
	struct tasks tasks = { .room = 0 };
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	tasks_add_tgids(&tasks, "12 10\n13 0\nx 1\n");
	tasks_add_names(&tasks, "12 worker\n14 no-group\n");
	assert_int_equal(tasks_find(&tasks, 12)->tgid, 10);
	assert_null(tasks_find(&tasks, 13));
	tasks_write_tgids(&tasks, to);
	assert_int_equal(fclose(to), 0);
	assert_string_equal(text, "tgid 12 10\n");
	free(text);
	tasks_free(&tasks);
}

static char *written(struct tasks *tasks, void (*write)(struct tasks *tasks, FILE *to))
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	write(tasks, to);
	assert_int_equal(fclose(to), 0);
	return text;
}

static void check_changes(struct tasks *tasks, const char *expected)
{
	char *text = written(tasks, tasks_write_changes);

	assert_string_equal(text, expected);
	free(text);
}

/* What is written little by little says the same in the end. */
static void test_log(void **state)
{
	struct tasks tasks = { .room = 0 }, read = { .room = 0 };
	char *text;

	(void)state;
	tasks_add_names(&tasks, "12 worker\n");
	text = written(&tasks, tasks_write_log);
	assert_string_equal(text, "12 0 worker\n");
	free(text);
	check_changes(&tasks, "");
	tasks_add_names(&tasks, "12 worker\n13 a b\n");
	tasks_add_tgids(&tasks, "12 10\n14 9\n");
	check_changes(&tasks, "13 0 a b\n12 10 worker\n14 9 \n");
	tasks_add_names(&tasks, "12 worker\n13 c\n13 d\n");
	tasks_add_tgids(&tasks, "12 10\n");
	check_changes(&tasks, "13 0 d\n");
	check_changes(&tasks, "");

	for (size_t i = 0; i < 9; i++)
		tasks_add_logged(&read, (const char *[]){ "12 0 old", "12 10 worker", "14 9 ",
							  "13 0 d", "", "15", "15 3", "x 1 y",
							  "16 4294967296 \x1b[m" }[i]);
	check_name(&read, 12, "worker");
	assert_int_equal(tasks_find(&read, 12)->tgid, 10);
	assert_int_equal(tasks_find(&read, 14)->tgid, 9);
	check_name(&read, 13, "d");
	assert_null(tasks_find(&read, 15));
	check_name(&read, 16, "?[m");
	assert_int_equal(tasks_find(&read, 16)->tgid, 0);
	tasks_free(&read);
	tasks_free(&tasks);
}

static void test_stat(void **state)
{
	char name[16], letter;
	uint64_t start;

	(void)state;
	assert_true(task_stat_parse("7 (a) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 1234 9 9",
				    name, &letter, &start));
	assert_string_equal(name, "a");
	assert_int_equal(letter, 'S');
	assert_int_equal(start, 1234);
	/* The name is its owner's choice. */
	assert_true(task_stat_parse("7 (x) Z (1) ) R 1 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 99 0",
				    name, &letter, &start));
	assert_string_equal(name, "x) Z (1) ");
	assert_int_equal(letter, 'R');
	assert_int_equal(start, 99);
	assert_false(task_stat_parse("7 (a) S 1 2 3", name, &letter, &start));
	assert_false(task_stat_parse("7 (a)", name, &letter, &start));
	assert_false(task_stat_parse("", name, &letter, &start));
}

static void test_scan_finds_ourselves(void **state)
{
	struct tasks tasks = { .room = 0 };
	char *text, line[32];
	size_t size;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	assert_true(tasks_scan(&tasks));
	tasks_write_alive(&tasks, 0, false, to);
	assert_int_equal(fclose(to), 0);
	snprintf(line, sizeof(line), "alive %d -\n", (int)getpid());
	assert_non_null(strstr(text, line));
	assert_int_equal(tasks_find(&tasks, (uint32_t)getpid())->tgid, getpid());
	check_name(&tasks, (uint32_t)getpid(), program_invocation_short_name);
	free(text);
	tasks_free(&tasks);
}

static void test_private_lines(void **state)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	private_add(to, PRIVATE_FORMAT, "%d", 1);
	private_add(to, PRIVATE_FILTER, "%s", "a\nb\\c");
	assert_int_equal(fclose(to), 0);
	assert_string_equal(text, "format 1\nfilter a\\nb\\\\c\n");
	free(text);
	for (int key = 0; key < PRIVATE_KEYS; key++)
		assert_non_null(private_key_names[key]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_kept),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_thread_groups),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_scan_finds_ourselves),
		cmocka_unit_test(test_private_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
