// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/spool.h"

void spool_part_name(const struct session *session, size_t lane, char part[32])
{
	snprintf(part, 32, "cpu%u-%zu", session->cpus[lane % session->cpu_count],
		 lane / session->cpu_count);
}

int spool_files_open(struct spool_files *files, const struct session *session,
		     const struct output *output, uint64_t head_room, struct p2p_error *err)
{
	size_t count = session->instance_count * session->cpu_count;

	*files = (struct spool_files){ .output = output, .head_room = head_room };
	files->files = calloc(count, sizeof(*files->files));
	if (!files->files)
		return p2p_fail(err, "no memory");
	while (files->count < count) {
		struct spool_file *file = &files->files[files->count];

		spool_part_name(session, files->count, file->part);
		file->fd = output_create(output, file->part, err);
		if (file->fd < 0)
			return -1;
		files->count++;
		if (lseek(file->fd, (off_t)head_room, SEEK_SET) < 0)
			return p2p_fail_errno(err, "-o %s: cannot seek", output->path);
	}
	return 0;
}

void spool_files_close(struct spool_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		struct spool_file *file = &files->files[i];

		if (file->fd >= 0) {
			if (!files->keep)
				output_remove(files->output, file->part);
			close(file->fd);
		}
		free(file->rest);
	}
	free(files->files);
	files->files = NULL;
	files->count = 0;
}

uint64_t spool_files_bytes(const struct spool_files *files)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < files->count; i++)
		bytes += files->files[i].bytes;
	return bytes;
}

/* Without memory it is gone; what is not in a file is counted where it can be. */
static void keep_rest(struct spool_file *file, const unsigned char *bytes, size_t size)
{
	unsigned char *more = realloc(file->rest, file->rest_bytes + size);

	if (!more)
		return;
	memcpy(more + file->rest_bytes, bytes, size);
	file->rest = more;
	file->rest_bytes += size;
}

int spool_file_write(struct spool_file *file, const unsigned char *bytes, size_t size)
{
	/* Behind a rest nothing may be written: it would be out of order. */
	int error = file->rest_bytes ? ENOSPC : 0;

	while (size && !error) {
		ssize_t written = write(file->fd, bytes, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			error = written ? errno : EIO;
			break;
		}
		bytes += written;
		size -= (size_t)written;
		file->bytes += (size_t)written;
	}
	if (size)
		keep_rest(file, bytes, size);
	return error;
}
