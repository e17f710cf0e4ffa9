// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/packing.h"
#include "recover_work.h"

static int open_packed(const struct remains *remains, const struct remains_lane *lane)
{
	char part[32];

	packing_part_name(lane->part, part);
	return remains_file(remains, part);
}

bool recover_is_packed(const struct remains *remains)
{
	for (size_t i = 0; i < remains->lane_count; i++) {
		int fd = open_packed(remains, &remains->lanes[i]);

		if (fd >= 0) {
			close(fd);
			return true;
		}
	}
	return false;
}

/* ---- the recorder was putting it together: everything is packed, some of it moved ---- */

/* Where it was moved away, or has not arrived, it reads as zeros; what is packed does not. */
static bool has_block(int fd, uint64_t at, size_t bytes, unsigned char *room)
{
	if (fd < 0 || pread(fd, room, bytes, (off_t)at) != (ssize_t)bytes)
		return false;
	for (size_t i = 0; i < bytes; i++)
		if (room[i])
			return true;
	return false;
}

static int copy_moved(struct work *work, const struct remains_lane *lane, int packed,
		      struct p2p_error *err)
{
	size_t block = work->remains->metadata.page_size;
	uint64_t head_room = work->remains->head_room;
	unsigned char *room = malloc(block);
	int result = room ? 0 : p2p_fail(err, "no memory");

	for (uint64_t at = 0; at < lane->bytes && !result; at += block) {
		size_t bytes = lane->bytes - at < block ? (size_t)(lane->bytes - at) : block;

		if (has_block(packed, head_room + at, bytes, room))
			result = recover_copy(work, packed, head_room + at, bytes, err);
		else if (has_block(work->planned, lane->offset + at, bytes, room))
			result = recover_copy(work, work->planned, lane->offset + at, bytes, err);
		else
			result = p2p_fail(err, "what is left of CPU %u is not complete", lane->cpu);
	}
	free(room);
	return result;
}

/* ---- it was recording: chunks, and the pages behind them ---- */

/* Those that are whole; the last one may be torn. */
static void find_chunks(const struct work *work, int packed, struct packed_lane *found)
{
	uint64_t end = recover_file_bytes(packed), at = work->remains->head_room + 4;
	uint32_t sizes[2];

	while (packed >= 0 && pread(packed, sizes, sizeof(sizes), (off_t)at) == sizeof(sizes) &&
	       sizes[0] && sizes[0] <= end - at - sizeof(sizes) && sizes[1] &&
	       sizes[1] <= PACKING_CHUNK && sizes[1] % work->remains->metadata.page_size == 0) {
		at += sizeof(sizes) + sizes[0];
		found->plain += sizes[1];
		found->chunks++;
		found->bytes = at - work->remains->head_room;
	}
}

static int pack_rest(struct work *work, int pages, struct packed_lane *lane, uint64_t at,
		     struct p2p_error *err)
{
	size_t page = work->remains->metadata.page_size;
	uint64_t head_room = work->remains->head_room, there = recover_file_bytes(pages);
	unsigned char *chunk = malloc(PACKING_CHUNK);
	int result = chunk ? 0 : p2p_fail(err, "no memory");

	there = there > head_room ? (there - head_room) / page * page : 0;
	while (!result && lane->plain < there) {
		uint64_t left = there - lane->plain;
		size_t bytes = left < PACKING_CHUNK ? (size_t)left : PACKING_CHUNK;

		if (pread(pages, chunk, bytes, (off_t)(head_room + lane->plain)) != (ssize_t)bytes)
			result = p2p_fail(err, "what is left of the recording gets shorter");
		else
			result = packed_lane_add(lane, at, work->compressor, chunk, bytes, err);
	}
	free(chunk);
	return result;
}

static int pack_lane(struct work *work, const struct remains_lane *lane, int packed,
		     struct p2p_error *err)
{
	struct packed_lane made = { .fd = work->to };
	int pages = remains_file(work->remains, lane->part), result = 0;
	uint64_t at = work->end;

	find_chunks(work, packed, &made);
	if (made.bytes) {
		work->end = at + 4;
		result = recover_copy(work, packed, work->remains->head_room + 4, made.bytes - 4,
				      err);
	}
	if (!result)
		result = pack_rest(work, pages, &made, at, err);
	if (!result)
		result = packed_lane_end(&made, at, err);
	work->end = at + made.bytes;
	if (pages >= 0)
		close(pages);
	return result;
}

int recover_packed_lane(struct work *work, const struct remains_lane *lane,
			struct write_lane *placed, struct p2p_error *err)
{
	int packed = open_packed(work->remains, lane), result;

	*placed = (struct write_lane){ lane->cpu, work->end, 0 };
	if (work->remains->plan)
		result = copy_moved(work, lane, packed, err);
	else
		result = pack_lane(work, lane, packed, err);
	placed->bytes = work->end - placed->offset;
	if (packed >= 0)
		close(packed);
	return result;
}
