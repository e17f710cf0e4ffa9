// SPDX-License-Identifier: GPL-2.0-or-later
/* A tree in memory behaves as a directory does, and its packed form may be anything. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "p2ptrace/capture_option.h"
#include "p2ptrace/sysroot.h"

static struct tree *example(void)
{
	static const unsigned char pieces[] = {
		0, 0, 2, 0, 'a', 'b', 0x00, 0x01, 3, 0, 'x', 0, 'z'
	};
	struct tree *tree = tree_new();

	assert_non_null(tree);
	assert_int_equal(tree_add_link(tree, "bus/one", "../devices/root/one"), 0);
	assert_int_equal(tree_add_file(tree, "bus/one/vendor", "0x8086\n", 7), 0);
	assert_int_equal(tree_add_file(tree, "bus/one/deep/er/file", "1\nmore\n", 7), 0);
	assert_int_equal(tree_add_link(tree, "bus/one/above", "/bus"), 0);
	assert_int_equal(tree_add_link(tree, "loop", "pool"), 0);
	assert_int_equal(tree_add_link(tree, "pool", "./loop"), 0);
	assert_int_equal(tree_add_link(tree, "out", "../../../etc/passwd"), 0);
	assert_int_equal(tree_add_link(tree, "nowhere", "to/be found"), 0);
	assert_int_equal(tree_add_denied(tree, "secret"), 0);
	assert_int_equal(
		tree_add_pieces(tree, "devices/root/one/config", 4096, pieces, sizeof(pieces)), 0);
	assert_int_equal(tree_add_dir(tree, "empty dir"), 0);
	assert_int_equal(tree_add_dir(tree, "empty dir"), 0);
	return tree;
}

static void check_line(const struct sysroot *root, const char *path, const char *wanted)
{
	char text[64];

	assert_int_equal(sysroot_line(root, text, sizeof(text), "%s", path), strlen(wanted));
	assert_string_equal(text, wanted);
}

static void check_fails(const struct sysroot *root, const char *path, int number)
{
	char text[64];

	errno = 0;
	assert_int_equal(sysroot_line(root, text, sizeof(text), "%s", path), -1);
	assert_int_equal(errno, number);
	assert_string_equal(text, "");
}

static void check_pieces(const struct sysroot *root)
{
	struct sysroot_file file;
	char bytes[4] = "";

	assert_int_equal(sysroot_file_open(root, &file, "bus/%s/config", "one"), 0);
	assert_int_equal(file.stated, 4096);
	assert_true(sysroot_file_read(&file, 0, bytes, 2));
	assert_memory_equal(bytes, "ab", 2);
	assert_true(sysroot_file_read(&file, 0x101, bytes, 2));
	assert_memory_equal(bytes, "\0z", 2);
	/* What was not captured is not known, not zero. */
	assert_false(sysroot_file_read(&file, 1, bytes, 2));
	assert_false(sysroot_file_read(&file, 2, bytes, 1));
	assert_false(sysroot_file_read(&file, 0xff, bytes, 2));
	assert_false(sysroot_file_read(&file, 0x102, bytes, 2));
	assert_false(sysroot_file_read(&file, SIZE_MAX, bytes, 2));
	sysroot_file_close(&file);
}

/* What is in the example, through the interface that directories have. */
static void check(const struct tree *tree)
{
	struct sysroot root;
	struct name_list names;
	char target[64], *text;
	uint64_t value;
	size_t size;

	sysroot_of_tree(&root, tree, "example");
	check_line(&root, "devices/root/one/vendor", "0x8086");
	check_line(&root, "bus/one/vendor", "0x8086");
	check_line(&root, "bus//one/./above/one/above/one/../../root/one/deep/er/file", "1");
	check_line(&root, "../../bus/one/deep/../vendor", "0x8086");
	assert_int_equal(sysroot_u64(&root, &value, "bus/one/vendor"), 0);
	assert_int_equal(value, 0x8086);
	text = sysroot_read(&root, 100, &size, "bus/one/deep/er/file");
	assert_string_equal(text, "1\nmore\n");
	assert_int_equal(size, 7);
	free(text);
	assert_null(sysroot_read(&root, 6, &size, "bus/one/deep/er/file"));
	assert_int_equal(errno, EFBIG);
	check_fails(&root, "bus/two", ENOENT);
	check_fails(&root, "bus", EISDIR);
	check_fails(&root, "", EISDIR);
	check_fails(&root, "bus/one/vendor/x", ENOTDIR);
	check_fails(&root, "loop", ELOOP);
	check_fails(&root, "out", ENOENT);
	check_fails(&root, "nowhere", ENOENT);
	check_fails(&root, "secret", EACCES);
	check_fails(&root, "secret/x", EACCES);
	assert_int_equal(sysroot_link(&root, target, sizeof(target), "nowhere"), 11);
	assert_string_equal(target, "to/be found");
	assert_int_equal(sysroot_link_name(&root, target, sizeof(target), "bus/one"), 0);
	assert_string_equal(target, "one");
	assert_int_equal(sysroot_link(&root, target, 4, "nowhere"), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(sysroot_link(&root, target, sizeof(target), "bus"), -1);
	assert_int_equal(errno, EINVAL);
	assert_true(S_ISDIR(sysroot_mode(&root, "bus/one")));
	assert_true(S_ISREG(sysroot_mode(&root, "bus/one/config")));
	assert_int_equal(sysroot_mode(&root, "bus/two"), 0);
	assert_int_equal(sysroot_list(&root, &names, "bus/one"), 0);
	assert_int_equal(names.count, 4);
	assert_string_equal(names.names[0], "above");
	assert_string_equal(names.names[3], "vendor");
	name_list_free(&names);
	assert_int_equal(sysroot_list(&root, &names, "empty dir"), 0);
	assert_int_equal(names.count, 0);
	assert_int_equal(sysroot_list(&root, &names, "bus/one/vendor"), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(sysroot_list(&root, &names, "secret"), -1);
	assert_int_equal(errno, EACCES);
	check_pieces(&root);
	sysroot_close(&root);
}

static void test_as_made(void **state)
{
	struct tree *tree = example();

	(void)state;
	check(tree);
	tree_free(tree);
}

static void test_packed_and_unpacked(void **state)
{
	struct tree *tree = example(), *again;
	struct p2p_error err = { .text = "" };
	struct capture_data data;
	char *bytes, *plain;
	size_t size, plain_size;

	(void)state;
	assert_int_equal(tree_pack(tree, &bytes, &size, &err), 0);
	assert_int_equal(capture_wrap(bytes, size, &data, &err), 0);
	assert_int_equal(capture_unwrap(&data, &plain, &plain_size, &err), 0);
	assert_int_equal(plain_size, size);
	assert_memory_equal(plain, bytes, size);
	again = tree_unpack(plain, plain_size, &err);
	free(plain);
	assert_non_null(again);
	assert_int_equal(tree_count(again), tree_count(tree));
	check(again);
	/* Cut anywhere it is damaged, or a smaller tree; never read past its end. */
	for (size_t cut = 0; cut < size; cut++) {
		char *exact = malloc(cut ? cut : 1);
		struct tree *part;

		assert_non_null(exact);
		memcpy(exact, bytes, cut);
		part = tree_unpack(exact, cut, &err);
		assert_true(!part || tree_count(part) <= tree_count(tree));
		tree_free(part);
		free(exact);
	}
	for (size_t cut = 0; cut < data.size; cut++) {
		struct capture_data part = { malloc(cut ? cut : 1), cut };

		memcpy(part.bytes, data.bytes, cut);
		assert_int_equal(capture_unwrap(&part, &plain, &plain_size, &err), -1);
		free(part.bytes);
	}
	tree_free(tree);
	tree_free(again);
	free(data.bytes);
	free(bytes);
}

static void test_what_cannot_be_added(void **state)
{
	static const unsigned char bad[][6] = { { 0, 0, 9, 0, 1, 1 }, { 0, 0, 0, 0, 0, 0 } };
	static const unsigned char backwards[] = { 8, 0, 1, 0, 1, 8, 0, 1, 0, 1 };
	struct tree *tree = example();

	(void)state;
	assert_int_equal(tree_add_file(tree, "bus/one/vendor", "", 0), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(tree_add_file(tree, "bus/one/vendor/below", "", 0), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(tree_add_file(tree, "two\nlines", "", 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(tree_add_file(tree, "bus/..", "", 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(tree_add_file(tree, "loop/x", "", 0), -1);
	assert_int_equal(errno, ELOOP);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(tree_add_pieces(tree, "c", 256, bad[i], sizeof(bad[i])), -1);
		assert_int_equal(errno, EINVAL);
	}
	assert_int_equal(tree_add_pieces(tree, "c", 256, backwards, sizeof(backwards)), -1);
	check(tree);
	tree_free(tree);
}

static void test_damage(void **state)
{
	static const char *const streams[] = {
		"u\n",
		"d\n",
		"d \n",
		"d a\nu\nu\n",
		"f 3 a\nxy",
		"f a\n",
		"f -1 a\n",
		"f 99999999999 a\nx",
		"q a\n",
		"l 1 a\n",
		"c 0 a\n",
		"c 5 0 a\n\0\0\x01\0",
		"d a\nu\nd a\nu\n",
		"d ..\nu\n",
		"d a/b\nu\n",
		"d a",
		"f 0 a\nf 0 a\n",
		"f 4294967295 a\n",
	};
	struct p2p_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		assert_null(tree_unpack(streams[i], strlen(streams[i]), &err));
		assert_string_equal(err.text, "it is damaged");
	}
	assert_null(tree_unpack("l 1 a\n\0", 7, &err));
}

/* As deep as it may be, and no deeper. */
static void test_depth(void **state)
{
	char stream[4 * (TREE_DEPTH_MAX + 1) + 1] = "";
	struct p2p_error err;
	struct tree *tree;

	(void)state;
	for (size_t i = 0; i < TREE_DEPTH_MAX; i++)
		strcat(stream, "d a\n");
	tree = tree_unpack(stream, strlen(stream), &err);
	assert_non_null(tree);
	assert_int_equal(tree_count(tree), TREE_DEPTH_MAX);
	tree_free(tree);
	strcat(stream, "d a\n");
	assert_null(tree_unpack(stream, strlen(stream), &err));
	assert_non_null(strstr(err.text, "larger than any machine"));
}

static void test_announced_sizes(void **state)
{
	static const char *const lines[] = {
		"p2ptrace.capture/1 none 5\nabcd",	     "p2ptrace.capture/1 none 3\nabcd",
		"p2ptrace.capture/1 zlib 4\nabcd",	     "p2ptrace.capture/1 brotli 4\nabcd",
		"p2ptrace.capture/1 zlib 99999999999\nabcd", "p2ptrace.capture/1 none\nabcd",
		"p2ptrace.capture/2 none 4\nabcd",	     "",
	};
	char text[] = "p2ptrace.capture/1 none 4\nabcd";
	struct capture_data good = { text, strlen(text) };
	struct p2p_error err;
	char *plain;
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct capture_data data = { (char *)lines[i], strlen(lines[i]) };

		assert_int_equal(capture_unwrap(&data, &plain, &size, &err), -1);
		assert_true(*err.text);
	}
	assert_int_equal(capture_unwrap(&good, &plain, &size, &err), 0);
	assert_int_equal(size, 4);
	assert_memory_equal(plain, "abcd", 4);
	free(plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_made),
		cmocka_unit_test(test_packed_and_unpacked),
		cmocka_unit_test(test_what_cannot_be_added),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_announced_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
