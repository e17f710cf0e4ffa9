// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "p2ptrace/sysroot.h"

/* A directory with a tree in it, and beside the tree a file that must stay unseen. */
struct fixture {
	char dir[64], tree[80];
	struct sysroot root;
};

static void write_file(const struct fixture *fixture, const char *name, const char *text,
		       size_t size)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void put(const struct fixture *fixture, const char *name, const char *text)
{
	write_file(fixture, name, text, strlen(text));
}

static void make_dir(const struct fixture *fixture, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void make_link(const struct fixture *fixture, const char *name, const char *target)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	assert_int_equal(symlink(target, path), 0);
}

static int setup_tree(void **state, bool walk)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct p2p_error err;

	assert_non_null(fixture);
	strcpy(fixture->dir, "/tmp/p2ptrace-sysroot-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	snprintf(fixture->tree, sizeof(fixture->tree), "%s/tree", fixture->dir);
	make_dir(fixture, "tree");
	make_dir(fixture, "tree/sys");
	put(fixture, "secret", "outside\n");
	assert_int_equal(sysroot_open(&fixture->root, fixture->tree, &err), 0);
	fixture->root.walk |= walk;
	*state = fixture;
	return 0;
}

static int setup(void **state)
{
	return setup_tree(state, false);
}

/* As on a kernel without openat2(2). */
static int setup_walking(void **state)
{
	return setup_tree(state, true);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	char command[128];

	sysroot_close(&fixture->root);
	snprintf(command, sizeof(command), "rm -r %s", fixture->dir);
	assert_int_equal(system(command), 0);
	free(fixture);
	return 0;
}

static void check_line(const struct sysroot *root, const char *path, const char *wanted)
{
	char line[32];

	assert_int_equal(sysroot_line(root, line, sizeof(line), "%s", path), strlen(wanted));
	assert_string_equal(line, wanted);
}

static void test_values(void **state)
{
	struct fixture *fixture = *state;
	const struct sysroot *root = &fixture->root;
	uint64_t number;
	int64_t whole;

	put(fixture, "tree/sys/words", "  two words \nmore\n");
	put(fixture, "tree/sys/empty", "");
	put(fixture, "tree/sys/vendor", "0x8086\n");
	put(fixture, "tree/sys/large", "18446744073709551615\n");
	put(fixture, "tree/sys/larger", "18446744073709551616\n");
	put(fixture, "tree/sys/node", "-1\n");
	put(fixture, "tree/sys/long", "a line that is longer than thirty-one characters\n");
	write_file(fixture, "tree/sys/nul", "ab\0cd\n", 6);
	check_line(root, "sys/words", "two words");
	check_line(root, "sys/empty", "");
	check_line(root, "sys/nul", "ab");
	check_line(root, "sys/long", "a line that is longer than thir");
	assert_int_equal(sysroot_u64(root, &number, "sys/%s", "vendor"), 0);
	assert_int_equal(number, 0x8086);
	assert_int_equal(sysroot_u64(root, &number, "sys/large"), 0);
	assert_int_equal(number, UINT64_MAX);
	for (size_t i = 0; i < 4; i++) {
		static const char *const bad[] = { "larger", "node", "words", "empty" };

		assert_int_equal(sysroot_u64(root, &number, "sys/%s", bad[i]), -1);
		assert_int_equal(errno, ENODATA);
	}
	assert_int_equal(sysroot_i64(root, &whole, "sys/node"), 0);
	assert_int_equal(whole, -1);
	assert_int_equal(sysroot_i64(root, &whole, "sys/large"), -1);
}

static void test_what_is_not_there(void **state)
{
	struct fixture *fixture = *state;
	struct p2p_error err;
	struct sysroot other;
	char line[8] = "before";

	assert_int_equal(sysroot_line(&fixture->root, line, sizeof(line), "sys/none"), -1);
	assert_int_equal(errno, ENOENT);
	assert_string_equal(line, "");
	assert_null(sysroot_read(&fixture->root, SYSROOT_VALUE, NULL, "sys"));
	assert_int_equal(errno, EISDIR);
	assert_int_equal(sysroot_mode(&fixture->root, "sys/none"), 0);
	assert_true(S_ISDIR(sysroot_mode(&fixture->root, "sys")));
	assert_int_equal(sysroot_open(&other, "/does/not/exist", &err), -1);
	assert_non_null(strstr(err.text, "/does/not/exist"));
}

static void test_sizes(void **state)
{
	struct fixture *fixture = *state;
	char *text = malloc(100000), bytes[16];
	size_t size;

	assert_non_null(text);
	memset(text, 'x', 100000);
	write_file(fixture, "tree/sys/big", text, 100000);
	free(text);
	assert_null(sysroot_read(&fixture->root, 99999, &size, "sys/big"));
	assert_int_equal(errno, EFBIG);
	text = sysroot_read(&fixture->root, 100000, &size, "sys/big");
	assert_non_null(text);
	assert_int_equal(size, 100000);
	assert_int_equal(strlen(text), 100000);
	free(text);
	assert_int_equal(sysroot_bytes(&fixture->root, bytes, sizeof(bytes), "sys/big"), 16);
	put(fixture, "tree/sys/short", "abc");
	assert_int_equal(sysroot_bytes(&fixture->root, bytes, sizeof(bytes), "sys/short"), 3);
}

/* Links out of the tree lead to what has that path inside, or nowhere. */
static void test_links_stay_inside(void **state)
{
	struct fixture *fixture = *state;
	const struct sysroot *root = &fixture->root;
	char line[32], secret[96];

	snprintf(secret, sizeof(secret), "%s/secret", fixture->dir);
	make_link(fixture, "tree/up", "../secret");
	make_link(fixture, "tree/far", "../../../../../../../../etc/passwd");
	make_link(fixture, "tree/absolute", secret);
	make_link(fixture, "tree/etc", "/etc");
	make_link(fixture, "tree/loop", "loop");
	for (size_t i = 0; i < 5; i++) {
		static const char *const out[] = { "up", "far", "absolute", "etc/passwd", "loop" };

		assert_int_equal(sysroot_line(root, line, sizeof(line), "%s", out[i]), -1);
		assert_string_equal(line, "");
	}
	assert_int_equal(sysroot_line(root, line, sizeof(line), "../secret"), -1);
	put(fixture, "tree/secret", "inside\n");
	check_line(root, "up", "inside");
	check_line(root, "../secret", "inside");
	make_link(fixture, "tree/sys/again", "/secret");
	check_line(root, "sys/again", "inside");
}

static void test_link_targets(void **state)
{
	struct fixture *fixture = *state;
	const struct sysroot *root = &fixture->root;
	char to[32];

	make_link(fixture, "tree/sys/driver", "../../bus/pci/drivers/nvme");
	make_link(fixture, "tree/sys/bare", "nvme");
	put(fixture, "tree/sys/file", "x");
	assert_int_equal(sysroot_link(root, to, sizeof(to), "sys/driver"), 26);
	assert_string_equal(to, "../../bus/pci/drivers/nvme");
	assert_int_equal(sysroot_link_name(root, to, sizeof(to), "sys/driver"), 0);
	assert_string_equal(to, "nvme");
	assert_int_equal(sysroot_link_name(root, to, sizeof(to), "sys/bare"), 0);
	assert_string_equal(to, "nvme");
	assert_int_equal(sysroot_link(root, to, 8, "sys/driver"), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(sysroot_link(root, to, sizeof(to), "sys/file"), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sysroot_link(root, to, sizeof(to), "sys/none"), -1);
	assert_int_equal(errno, ENOENT);
}

/* As sysfs has them: links to directories, on the way and in turn. */
static void test_links_of_links(void **state)
{
	struct fixture *fixture = *state;
	const struct sysroot *root = &fixture->root;
	struct name_list list;
	char to[32];

	make_dir(fixture, "tree/sys/devices");
	make_dir(fixture, "tree/sys/devices/pci0000:00");
	make_dir(fixture, "tree/sys/devices/pci0000:00/0000:00:01.0");
	make_dir(fixture, "tree/sys/bus");
	put(fixture, "tree/sys/devices/pci0000:00/0000:00:01.0/vendor", "0x8086\n");
	make_link(fixture, "tree/sys/bus/one", "../devices/pci0000:00/0000:00:01.0");
	make_link(fixture, "tree/sys/bus/two", "/sys/bus/one/");
	make_link(fixture, "tree/sys/devices/pci0000:00/0000:00:01.0/driver", "../../drivers/nvme");
	check_line(root, "sys/bus/one/vendor", "0x8086");
	check_line(root, "sys//bus/./two/../0000:00:01.0/vendor", "0x8086");
	assert_int_equal(sysroot_link_name(root, to, sizeof(to), "sys/bus/two/driver"), 0);
	assert_string_equal(to, "nvme");
	assert_int_equal(sysroot_list(root, &list, "sys/bus/two"), 0);
	assert_int_equal(list.count, 2);
	name_list_free(&list);
	assert_int_equal(sysroot_line(root, to, sizeof(to), "sys/bus/two/vendor/more"), -1);
	assert_int_equal(errno, ENOTDIR);
}

/* A FIFO would block, a device node could do anything. */
static void test_only_regular_files_are_opened(void **state)
{
	struct fixture *fixture = *state;
	char path[128], line[8];

	snprintf(path, sizeof(path), "%s/sys/fifo", fixture->tree);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(sysroot_line(&fixture->root, line, sizeof(line), "sys/fifo"), -1);
	assert_int_equal(errno, EINVAL);
}

static void test_lists(void **state)
{
	struct fixture *fixture = *state;
	struct name_list list;

	assert_int_equal(sysroot_list(&fixture->root, &list, "sys"), 0);
	assert_int_equal(list.count, 0);
	name_list_free(&list);
	put(fixture, "tree/sys/0000:01:00.0", "");
	put(fixture, "tree/sys/0000:00:1f.7", "");
	put(fixture, "tree/sys/.hidden", "");
	make_dir(fixture, "tree/sys/0000:00:00.0");
	assert_int_equal(sysroot_list(&fixture->root, &list, "sys"), 0);
	assert_int_equal(list.count, 3);
	assert_string_equal(list.names[0], "0000:00:00.0");
	assert_string_equal(list.names[1], "0000:00:1f.7");
	assert_string_equal(list.names[2], "0000:01:00.0");
	name_list_free(&list);
	assert_int_equal(sysroot_list(&fixture->root, &list, "none"), -1);
	assert_int_equal(errno, ENOENT);
	assert_null(list.names);
}

static void test_paths_that_are_too_long(void **state)
{
	struct fixture *fixture = *state;
	char *name = malloc(5000), line[8];

	assert_non_null(name);
	memset(name, 'n', 4999);
	name[4999] = '\0';
	assert_int_equal(sysroot_line(&fixture->root, line, sizeof(line), "sys/%s", name), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	free(name);
}

static void test_the_running_system(void **state)
{
	struct p2p_error err;
	struct sysroot root;
	char line[256];

	(void)state;
	assert_int_equal(sysroot_open(&root, NULL, &err), 0);
	assert_false(root.captured);
	assert_true(sysroot_line(&root, line, sizeof(line), "proc/sys/kernel/osrelease") > 0);
	assert_true(sysroot_link(&root, line, sizeof(line), "proc/self/ns/pid") > 0);
	assert_int_equal(strncmp(line, "pid:[", 5), 0);
	sysroot_close(&root);
}

int main(void)
{
#define BOTH_WAYS(test)                                               \
	cmocka_unit_test_setup_teardown(test, setup, teardown),       \
	{                                                             \
#test " walking", test, setup_walking, teardown, NULL \
	}
	const struct CMUnitTest tests[] = {
		BOTH_WAYS(test_values),
		BOTH_WAYS(test_what_is_not_there),
		BOTH_WAYS(test_sizes),
		BOTH_WAYS(test_links_stay_inside),
		BOTH_WAYS(test_link_targets),
		BOTH_WAYS(test_links_of_links),
		BOTH_WAYS(test_only_regular_files_are_opened),
		BOTH_WAYS(test_lists),
		BOTH_WAYS(test_paths_that_are_too_long),
		cmocka_unit_test(test_the_running_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
