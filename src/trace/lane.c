// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The pages of a lane: mapped, read, or unpacked chunk by chunk.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dat_cursor.h"
#include "p2ptrace/file_map.h"
#include "p2ptrace/rows.h"

/* trace-cmd packs some tens of pages at a time; a damaged size must not take
 * all memory. */
#define CHUNK_LIMIT (256u << 20)

/* The headers of the chunks.  Chunks that are cut off do not count. */
int dat_find_chunks(struct trace_file *file, struct trace_lane *lane, struct p2p_error *err)
{
	struct dat_cursor cursor = { .file = file,
				     .at = lane->offset,
				     .end = file->bytes,
				     .what = "compressed trace data",
				     .err = err };
	uint32_t count;

	if (lane->bytes < 4)
		return 0;
	/* The size that trace-cmd stores leaves out the count it begins with. */
	if (lane->bytes + 4 < file->bytes - lane->offset)
		cursor.end = lane->offset + lane->bytes + 4;
	count = dat_u32(&cursor);
	for (uint32_t i = 0; i < count; i++) {
		struct trace_chunk chunk = { .first = lane->pages };

		file->truncated |= cursor.end - cursor.at < 8;
		if (cursor.end - cursor.at < 8)
			break;
		chunk.packed = dat_u32(&cursor);
		chunk.plain = dat_u32(&cursor);
		chunk.offset = cursor.at;
		if (cursor.failed)
			return -1;
		file->truncated |= chunk.packed > cursor.end - cursor.at;
		if (chunk.packed > cursor.end - cursor.at)
			break;
		if (chunk.plain > CHUNK_LIMIT || chunk.plain % lane->page_size)
			return dat_fail(&cursor,
					"a chunk of %u bytes for CPU %u is no whole number "
					"of sub-buffers of %u",
					chunk.plain, lane->cpu, lane->page_size);
		lane->pages += chunk.plain / lane->page_size;
		if (chunk.plain) {
			struct trace_chunk *added = ROWS_ADD(lane->chunks, lane->chunk_count);

			if (!added)
				return dat_fail(&cursor, "no memory");
			*added = chunk;
		}
		cursor.at += chunk.packed;
	}
	lane->tail = lane->page_size;
	return 0;
}

void lane_reader_init(struct lane_reader *reader, const struct trace_file *file)
{
	*reader = (struct lane_reader){ .file = file };
}

/* Mapped pages that nobody reads any more would count as ours. */
static void let_go(struct lane_reader *reader)
{
	if (reader->brought)
		file_map_let_go(reader->file->map, reader->brought_at, reader->brought);
	reader->brought = 0;
}

void lane_reader_destroy(struct lane_reader *reader)
{
	let_go(reader);
	free(reader->buffer);
	free(reader->packed);
	free(reader->chunk_plain);
	*reader = (struct lane_reader){ 0 };
}

static int make_room(unsigned char **buffer, size_t *room, size_t wanted, struct p2p_error *err)
{
	unsigned char *more;

	if (*room >= wanted)
		return 0;
	more = realloc(*buffer, wanted + LANE_MARGIN);
	if (!more)
		return p2p_fail(err, "no memory for %zu bytes of trace data", wanted);
	*buffer = more;
	*room = wanted;
	return 0;
}

/* Reads up to `bytes`; fewer where the file has become shorter. */
static ssize_t read_fully(const struct trace_file *file, void *to, size_t bytes, uint64_t offset,
			  struct p2p_error *err)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t got =
			pread(file->fd, (char *)to + done, bytes - done, (off_t)(offset + done));

		if (got == 0)
			break;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return p2p_fail_errno(err, "%s: cannot read at offset %" PRIu64,
					      file->shown, offset + done);
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static size_t find_chunk(const struct trace_lane *lane, uint64_t page)
{
	size_t low = 0, high = lane->chunk_count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (lane->chunks[middle].first <= page)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static int unpack_chunk(struct lane_reader *reader, const struct trace_lane *lane, size_t index,
			struct p2p_error *err)
{
	const struct trace_chunk *chunk = &lane->chunks[index];
	ssize_t got;

	if (reader->chunk_lane == lane && reader->chunk == index)
		return 0;
	reader->chunk_lane = NULL;
	if (make_room(&reader->packed, &reader->packed_room, chunk->packed, err) ||
	    make_room(&reader->chunk_plain, &reader->chunk_room, chunk->plain, err))
		return -1;
	got = read_fully(reader->file, reader->packed, chunk->packed, chunk->offset, err);
	if (got < 0)
		return -1;
	if (decompress(reader->file->compression, reader->packed, (size_t)got, reader->chunk_plain,
		       chunk->plain, err))
		return p2p_error_prefix(err, "%s: CPU %u at offset %" PRIu64, reader->file->shown,
					lane->cpu, chunk->offset);
	reader->chunk_lane = lane;
	reader->chunk = index;
	return 0;
}

static ssize_t read_packed(struct lane_reader *reader, const struct trace_lane *lane,
			   uint64_t first, uint64_t count, struct p2p_error *err)
{
	size_t size = lane->page_size, done = 0;

	while (count) {
		size_t index = find_chunk(lane, first);
		const struct trace_chunk *chunk = &lane->chunks[index];
		uint64_t here = chunk->first + chunk->plain / size - first;

		if (unpack_chunk(reader, lane, index, err))
			return -1;
		if (here > count)
			here = count;
		memcpy(reader->buffer + done, reader->chunk_plain + (first - chunk->first) * size,
		       here * size);
		done += here * size;
		first += here;
		count -= here;
	}
	return (ssize_t)done;
}

const unsigned char *lane_read(struct lane_reader *reader, const struct trace_lane *lane,
			       uint64_t first, uint64_t count, size_t *bytes, struct p2p_error *err)
{
	size_t wanted = count * lane->page_size;
	ssize_t got;

	if (lane->memory) {
		*bytes = wanted;
		return lane->memory->pages + (first - lane->memory->first) * lane->page_size;
	}
	if (first + count == lane->pages)
		wanted -= lane->page_size - lane->tail;
	if (make_room(&reader->buffer, &reader->room, wanted, err))
		return NULL;
	if (lane->chunk_count)
		got = read_packed(reader, lane, first, count, err);
	else
		got = read_fully(reader->file, reader->buffer, wanted,
				 lane->offset + first * lane->page_size, err);
	if (got < 0)
		return NULL;
	memset(reader->buffer + got, 0, LANE_MARGIN);
	*bytes = (size_t)got;
	return reader->buffer;
}

/* Bytes of pages taken at a time: copied, they stay in the second-level cache. */
#define COPIED_BYTES (64u << 10)
/* Mapped, of all lanes together and of one: below that asking for them costs too much. */
#define MAPPED_BYTES (32u << 20)
#define MAPPED_MOST (1u << 20)
#define MAPPED_LEAST (64u << 10)

static uint64_t pages_in(const struct trace_lane *lane, size_t bytes)
{
	return bytes / lane->page_size ? bytes / lane->page_size : 1;
}

static const unsigned char *map_run(struct lane_reader *reader, const struct trace_lane *lane,
				    uint64_t first, uint64_t *count, size_t *bytes)
{
	const struct trace_file *file = reader->file;
	size_t share = MAPPED_BYTES / file->lane_count;
	uint64_t run = pages_in(lane, share > MAPPED_MOST ? MAPPED_MOST : share);
	const unsigned char *pages;

	if (!reader->maps || !file->map || lane->memory || lane->chunk_count ||
	    share < MAPPED_LEAST)
		return NULL;
	/* The last page may be shorter, and at the end of the file has no margin. */
	if (first + 1 >= lane->pages)
		return NULL;
	run = run < lane->pages - 1 - first ? run : lane->pages - 1 - first;
	run = run < *count ? run : *count;
	let_go(reader);
	*bytes = run * lane->page_size;
	pages = file_map_bring(file->map, lane->offset + first * lane->page_size,
			       *bytes + LANE_MARGIN);
	if (!pages)
		return NULL;
	reader->brought_at = lane->offset + first * lane->page_size;
	reader->brought = *bytes + LANE_MARGIN;
	*count = run;
	return pages;
}

const unsigned char *lane_run(struct lane_reader *reader, const struct trace_lane *lane,
			      uint64_t first, uint64_t *count, size_t *bytes, struct p2p_error *err)
{
	const unsigned char *pages = map_run(reader, lane, first, count, bytes);
	uint64_t run = pages_in(lane, COPIED_BYTES);

	if (pages)
		return pages;
	*count = run < *count ? run : *count;
	return lane_read(reader, lane, first, *count, bytes, err);
}

bool trace_file_shrunk(const struct trace_file *file)
{
	return file->map && file_map_broken(file->map);
}

int lane_page_stamp(struct lane_reader *reader, const struct trace_lane *lane, uint64_t page,
		    uint64_t *stamp, struct p2p_error *err)
{
	unsigned char raw[8] = { 0 };
	uint64_t value = 0;

	if (lane->chunk_count) {
		size_t index = find_chunk(lane, page);

		if (unpack_chunk(reader, lane, index, err))
			return -1;
		memcpy(raw,
		       reader->chunk_plain + (page - lane->chunks[index].first) * lane->page_size,
		       8);
	} else if (read_fully(reader->file, raw, 8, lane->offset + page * lane->page_size, err) <
		   0) {
		return -1;
	}
	for (int i = 0; i < 8; i++)
		value = value << 8 | raw[reader->file->big_endian ? i : 7 - i];
	*stamp = value;
	return 0;
}
