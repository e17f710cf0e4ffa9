// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "p2ptrace/packing.h"

void packing_part_name(const char *part, char packed[32])
{
	snprintf(packed, 32, "z%.30s", part);
}

/* ---- one file ---- */

int packed_lane_add(struct packed_lane *lane, uint64_t head_room, struct compressor *compressor,
		    const void *plain, size_t bytes, struct p2p_error *err)
{
	uint32_t sizes[2] = { 0, (uint32_t)bytes };
	uint64_t end = head_room + (lane->bytes ? lane->bytes : sizeof(uint32_t));
	struct iovec parts[2] = { { sizes, sizeof(sizes) } };
	ssize_t written;

	if (compressor_pack(compressor, plain, bytes, &parts[1].iov_base, &parts[1].iov_len, err))
		return -1;
	sizes[0] = (uint32_t)parts[1].iov_len;
	written = pwritev(lane->fd, parts, 2, (off_t)end);
	if (written != (ssize_t)(sizeof(sizes) + parts[1].iov_len)) {
		errno = written < 0 ? errno : ENOSPC;
		p2p_fail_errno(err, "cannot write what is compressed");
		/* Half a chunk is none. */
		if (ftruncate(lane->fd, (off_t)end))
			return p2p_fail_errno(err, "cannot cut half a chunk");
		return -1;
	}
	lane->bytes = end + (uint64_t)written - head_room;
	lane->plain += bytes;
	lane->chunks++;
	return 0;
}

int packed_lane_end(const struct packed_lane *lane, uint64_t head_room, struct p2p_error *err)
{
	uint32_t chunks = lane->chunks;

	if (!chunks ||
	    pwrite(lane->fd, &chunks, sizeof(chunks), (off_t)head_room) == (ssize_t)sizeof(chunks))
		return 0;
	return p2p_fail_errno(err, "cannot write what is compressed");
}

/* ---- those of a piece ---- */

int packing_open(struct packing *packing, const struct spool_files *files, int level,
		 struct p2p_error *err)
{
	*packing = (struct packing){ .head_room = files->head_room };
	packing->compressor = compressor_open(level, err);
	if (!packing->compressor)
		return -1;
	packing->chunk = malloc(PACKING_CHUNK);
	packing->lanes = calloc(files->count, sizeof(*packing->lanes));
	if (!packing->chunk || !packing->lanes)
		return p2p_fail(err, "no memory to compress");
	for (; packing->count < files->count; packing->count++) {
		struct packed_lane *lane = &packing->lanes[packing->count];

		packing_part_name(files->files[packing->count].part, lane->part);
		lane->fd = output_create(files->output, lane->part, err);
		if (lane->fd < 0)
			return -1;
	}
	return 0;
}

void packing_close(struct packing *packing, const struct spool_files *files)
{
	for (size_t i = 0; i < packing->count; i++) {
		if (packing->lanes[i].fd < 0)
			continue;
		if (!files->keep)
			output_remove(files->output, packing->lanes[i].part);
		close(packing->lanes[i].fd);
	}
	free(packing->lanes);
	free(packing->chunk);
	compressor_close(packing->compressor);
	*packing = (struct packing){ .compressor = NULL };
}

/* The next chunk of a lane, when there is one.  Returns its plain bytes. */
static ssize_t pack_next(struct packing *packing, struct packed_lane *lane,
			 const struct spool_file *file, bool all, struct p2p_error *err)
{
	uint64_t there = file->bytes - lane->plain;
	off_t at = (off_t)(packing->head_room + lane->plain);
	size_t bytes = there < PACKING_CHUNK ? (size_t)there : PACKING_CHUNK;

	if (!bytes || (bytes < PACKING_CHUNK && !all))
		return 0;
	if (pread(file->fd, packing->chunk, bytes, at) != (ssize_t)bytes)
		return p2p_fail_errno(err, "cannot read what is to be compressed");
	if (packed_lane_add(lane, packing->head_room, packing->compressor, packing->chunk, bytes,
			    err))
		return -1;
	/* Where a file system cannot do that the pages stay until the end. */
	fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)bytes);
	return (ssize_t)bytes;
}

int packing_advance(struct packing *packing, struct spool_files *files, bool all,
		    struct p2p_error *err)
{
	int chunks = 0;

	for (size_t i = 0; i < packing->count; i++) {
		ssize_t packed;

		do {
			packed = pack_next(packing, &packing->lanes[i], &files->files[i], all, err);
			if (packed < 0)
				return -1;
			chunks += packed > 0;
		} while (packed && all);
	}
	return chunks;
}

uint64_t packing_done(const struct packing *packing)
{
	uint64_t plain = 0;

	for (size_t i = 0; i < packing->count; i++)
		plain += packing->lanes[i].plain;
	return plain;
}

int packing_finish(struct packing *packing, struct spool_files *files, struct p2p_error *err)
{
	for (size_t i = 0; i < packing->count; i++)
		if (packed_lane_end(&packing->lanes[i], packing->head_room, err))
			return -1;
	for (size_t i = 0; i < packing->count; i++) {
		struct packed_lane *lane = &packing->lanes[i];
		struct spool_file *file = &files->files[i];

		output_remove(files->output, file->part);
		close(file->fd);
		file->fd = lane->fd;
		file->bytes = lane->bytes;
		memcpy(file->part, lane->part, sizeof(file->part));
		lane->fd = -1;
	}
	return 0;
}
