// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
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

/* ---- past the page cache ---- */

#define DIRECT_BYTES (16u << 20)

static bool set_direct(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return false;
	return !fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT);
}

static bool shares_blocks(int from, off_t at, int to, off_t to_at, size_t bytes)
{
	struct file_clone_range range = { .src_fd = from,
					  .src_offset = (uint64_t)at,
					  .src_length = bytes,
					  .dest_offset = (uint64_t)to_at };

	return !ioctl(to, FICLONERANGE, &range);
}

bool direct_copy_begin(struct direct_copy *copy, int from, off_t at, int to, off_t to_at,
		       size_t bytes)
{
	*copy = (struct direct_copy){ .from = from, .to = to };
	if (shares_blocks(from, at, to, to_at, bytes) ||
	    posix_memalign(&copy->buffer, 4096, DIRECT_BYTES)) {
		copy->buffer = NULL;
		return false;
	}
	if (set_direct(from, true) && set_direct(to, true))
		return true;
	direct_copy_end(copy);
	return false;
}

ssize_t direct_copy_some(const struct direct_copy *copy, off_t *at, off_t *to_at, size_t bytes)
{
	ssize_t got =
		pread(copy->from, copy->buffer, bytes < DIRECT_BYTES ? bytes : DIRECT_BYTES, *at);

	if (got > 0)
		got = pwrite(copy->to, copy->buffer, (size_t)got, *to_at);
	if (got > 0) {
		*at += got;
		*to_at += got;
	}
	return got;
}

void direct_copy_end(struct direct_copy *copy)
{
	if (!copy->buffer)
		return;
	set_direct(copy->from, false);
	set_direct(copy->to, false);
	free(copy->buffer);
	copy->buffer = NULL;
}
