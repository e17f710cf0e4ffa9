// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "p2ptrace/copy_range.h"

#define HEAD 65536
#define BYTES ((33u << 20) + 3 * 4096)

static int new_file(void)
{
	char path[] = "/var/tmp/p2ptrace-test-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

/* A number that belongs to its place, every eight bytes. */
static void fill(int fd, unsigned char *bytes)
{
	for (uint64_t at = 0; at < BYTES; at += 8) {
		uint64_t number = at * 0x9e3779b97f4a7c15u;

		memcpy(bytes + at, &number, 8);
	}
	assert_int_equal(pwrite(fd, bytes, BYTES, HEAD), BYTES);
}

/* Past the page cache or not: the bytes arrive, and what follows may lie anywhere. */
static void test_direct(void **state)
{
	unsigned char *bytes = malloc(BYTES), *copied = malloc(BYTES);
	struct direct_copy copy;
	int from = new_file(), to = new_file();
	off_t at = HEAD, to_at = 3 * HEAD;

	(void)state;
	fill(from, bytes);
	if (direct_copy_begin(&copy, from, at, to, to_at, 4096)) {
		assert_true(fcntl(to, F_GETFL) & O_DIRECT);
		while (at < HEAD + (off_t)BYTES)
			assert_true(direct_copy_some(&copy, &at, &to_at,
						     (size_t)(HEAD + (off_t)BYTES - at)) > 0);
	}
	direct_copy_end(&copy);
	direct_copy_end(&copy);
	assert_false((fcntl(from, F_GETFL) | fcntl(to, F_GETFL)) & O_DIRECT);
	while (at < HEAD + (off_t)BYTES)
		assert_true(copy_range(from, &at, to, &to_at, (size_t)(HEAD + (off_t)BYTES - at)) >
			    0);
	assert_int_equal(to_at, 3 * HEAD + BYTES);
	assert_int_equal(pwrite(to, "end", 3, to_at), 3);
	assert_int_equal(pread(to, copied, BYTES, 3 * HEAD), BYTES);
	assert_memory_equal(bytes, copied, BYTES);
	close(from);
	close(to);
	free(bytes);
	free(copied);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_direct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
