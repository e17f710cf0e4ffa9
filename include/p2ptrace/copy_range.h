/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copy_range: bytes from file to file by copy_file_range(2), which file systems with
 * reflinks do without copying; by hand where the kernel cannot.
 *
 * What lies on the disk and not in memory is copied past the page cache: a direct copy.
 *
 * Source: src/session/copy_range.c
 */
#ifndef P2PTRACE_COPY_RANGE_H
#define P2PTRACE_COPY_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Copies at most `bytes` and moves both offsets on.  Returns what was copied, 0 at the
 * end of `from`, -1 with errno. */
ssize_t copy_range(int from, off_t *at, int to, off_t *to_at, size_t bytes);

struct direct_copy {
	int from, to;
	void *buffer; /* NULL: not begun */
};

/* Prepares it; until its end the two are for nothing else.  False where it cannot be done, or
 * where the file system need not copy at all. */
bool direct_copy_begin(struct direct_copy *copy, int from, off_t at, int to, off_t to_at,
		       size_t bytes);

/* As copy_range(), of multiples of 4096 bytes. */
ssize_t direct_copy_some(const struct direct_copy *copy, off_t *at, off_t *to_at, size_t bytes);

/* Harmless when it was not begun. */
void direct_copy_end(struct direct_copy *copy);

#endif
