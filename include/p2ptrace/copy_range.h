/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copy_range: bytes from file to file by copy_file_range(2), which file systems with
 * reflinks do without copying; by hand where the kernel cannot.
 *
 * Source: src/session/copy_range.c
 */
#ifndef P2PTRACE_COPY_RANGE_H
#define P2PTRACE_COPY_RANGE_H

#include <stddef.h>
#include <sys/types.h>

/* Copies at most `bytes` and moves both offsets on.  Returns what was copied, 0 at the
 * end of `from`, -1 with errno. */
ssize_t copy_range(int from, off_t *at, int to, off_t *to_at, size_t bytes);

#endif
