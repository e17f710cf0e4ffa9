// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <unistd.h>

#include "p2ptrace/copy_range.h"

static ssize_t copy_by_hand(int from, off_t *at, int to, off_t *to_at, size_t bytes)
{
	static char buffer[1 << 16];
	ssize_t got = pread(from, buffer, bytes < sizeof(buffer) ? bytes : sizeof(buffer), *at);

	if (got > 0)
		got = pwrite(to, buffer, (size_t)got, *to_at);
	if (got > 0) {
		*at += got;
		*to_at += got;
	}
	return got;
}

ssize_t copy_range(int from, off_t *at, int to, off_t *to_at, size_t bytes)
{
	ssize_t moved = copy_file_range(from, at, to, to_at, bytes, 0);

	if (moved < 0 &&
	    (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP))
		return copy_by_hand(from, at, to, to_at, bytes);
	return moved;
}
