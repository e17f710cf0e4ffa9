// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The lanes of a slice, page by page.
 */
#include <stdlib.h>
#include <string.h>

#include "lane_work.h"
#include "p2ptrace/rows.h"

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define HOST_BIG_ENDIAN true
#else
#define HOST_BIG_ENDIAN false
#endif

static int make_record_room(struct slice *slice, uint32_t wanted)
{
	uint32_t room = slice->record_room ? slice->record_room : 4096;
	struct p2p_record *records;
	struct p2p_order *order, *unordered;

	if (wanted <= slice->record_room)
		return 0;
	while (room < wanted)
		room *= 2;
	records = realloc(slice->records, room * sizeof(*records));
	slice->records = records ? records : slice->records;
	order = realloc(slice->order, room * sizeof(*order));
	slice->order = order ? order : slice->order;
	unordered = realloc(slice->unordered, room * sizeof(*unordered));
	slice->unordered = unordered ? unordered : slice->unordered;
	if (!records || !order || !unordered)
		return -1;
	slice->record_room = room;
	return 0;
}

/* A record of ours takes 16 bytes at least, so a page has room for this many. */
static inline uint32_t records_in(size_t bytes)
{
	return (uint32_t)(bytes / 12 + 1);
}

/* Goes to the beginning of a page.  Pages are read some at a time, up to `end` or, where
 * the next slice goes on from here, up to the end of the lane. */
static int open_page(struct lane_work *work, const struct trace_lane *lane,
		     struct lane_stream *stream, uint64_t page, uint64_t end, struct p2p_error *err)
{
	struct decoder *decoder = work->decoder;
	size_t offset, here;

	if (!stream->open || page < stream->first || page - stream->first >= stream->count) {
		struct lane_reader *reader = decoder->sequential ? &stream->reader
								 : &decoder->reader;

		end = decoder->sequential ? lane->pages : end;
		stream->first = page;
		stream->count = end - page;
		stream->pages = lane_run(reader, lane, page, &stream->count, &stream->bytes, err);
		stream->open = stream->pages != NULL;
		if (!stream->open)
			return -1;
		/* It became shorter while we read. */
		work->slice->cut |= stream->bytes < (stream->count - 1) * lane->page_size;
	}
	offset = (page - stream->first) * lane->page_size;
	offset = offset < stream->bytes ? offset : stream->bytes;
	here = stream->bytes - offset;
	page_begin(&stream->walk, work->form, stream->pages + offset,
		   here < lane->page_size ? here : lane->page_size);
	stream->page = page;
	stream->mark_due = stream->walk.lost != 0;
	work->slice->cut |= stream->walk.cut;
	return 0;
}

/* A slice may end between a record and its stack, which stands where `walk` does or, at
 * the end of a page, on the next one.  The next slice passes over it. */
static int take_late_stack(struct lane_work *work, const struct trace_lane *lane,
			   struct page_walk walk, uint64_t page, struct p2p_error *err)
{
	const unsigned char *bytes;
	size_t size;

	if (take_stack(work, &walk) || page >= lane->pages)
		return 0;
	/* Nobody reads by it now: streams have their own, or this lane is done. */
	bytes = lane_read(&work->decoder->reader, lane, page, 1, &size, err);
	if (!bytes)
		return -1;
	page_begin(&walk, work->form, bytes, size < lane->page_size ? size : lane->page_size);
	if (!walk.lost)
		take_stack(work, &walk);
	return 0;
}

static int decode_lane(struct lane_work *work, size_t index, struct p2p_error *err)
{
	struct decoder *decoder = work->decoder;
	const struct trace_lane *lane = &decoder->file->lanes[index];
	struct lane_stream *stream = decoder->sequential ? &decoder->streams[index]
							 : &decoder->streams[0];
	struct slice *slice = work->slice;
	const struct slice_span *span = &slice->span;
	uint64_t first = span->lanes[index].first, end = first + span->lanes[index].count;
	struct page_limits limits = { .filter = decoder->filter };

	stream->open &= decoder->sequential;
	if (!stream->open || stream->page != first || stream->next_slice != span->number) {
		if (open_page(work, lane, stream, first, end, err))
			return -1;
		limits.skip = span->number != 0;
		stream->mark_due &= !(limits.skip && stream->walk.page_stamp < span->from);
	}
	for (;;) {
		size_t left = (size_t)(stream->walk.end - stream->walk.at);
		bool border;

		limits.stop = !span->last && stream->page + 1 == end;
		if (make_record_room(slice, slice->record_count + records_in(left)))
			work->no_memory = true;
		border = work->no_memory || decode_page(work, stream, &limits);
		if (work->no_memory)
			return p2p_fail(err, "no memory for the records of a slice");
		/* Where slices are decoded on their own, a page across a border is read
		 * again for the later one, which tells of its damage. */
		slice->damaged += stream->walk.damaged && (decoder->sequential || !limits.stop);
		if (border || stream->page + 1 == end)
			break;
		if (open_page(work, lane, stream, stream->page + 1, end, err))
			return -1;
		limits.skip = false;
	}
	slice->cut |= trace_file_shrunk(decoder->file);
	stream->next_slice = span->number + 1;
	if (work->stack_due && !span->last)
		return take_late_stack(work, lane, stream->walk, end, err);
	return 0;
}

static int compare_losses(const void *a, const void *b)
{
	const struct p2p_loss *left = a, *right = b;

	if (left->stamp != right->stamp)
		return left->stamp < right->stamp ? -1 : 1;
	return left->cpu < right->cpu ? -1 : left->cpu > right->cpu;
}

/* Lanes are in order within themselves, but for strange clocks: see slice_order(). */
static void widen(struct slice *slice, uint64_t first, uint64_t last)
{
	slice->low = first < slice->low ? first : slice->low;
	slice->high = last > slice->high ? last : slice->high;
}

int slice_decode(struct decoder *decoder, struct slice *slice, struct p2p_error *err)
{
	const struct trace_file *file = decoder->file;
	struct lane_work work = {
		.decoder = decoder,
		.slice = slice,
		.form = { .swapped = file->big_endian != HOST_BIG_ENDIAN,
			  .big_endian = file->big_endian,
			  .commit_size = file->commit_size },
		.special = decoder->filter || decoder->stacks,
	};

	slice->record_count = 0;
	free(slice->losses);
	free(slice->notes);
	slice->losses = NULL;
	slice->notes = NULL;
	slice->loss_count = slice->note_count = 0;
	slice->other = slice->damaged = 0;
	slice->cut = false;
	slice->low = UINT64_MAX;
	slice->high = 0;
	for (size_t i = 0; i < file->lane_count; i++) {
		uint32_t first = slice->record_count;

		work.stack_due = 0;
		work.cpu = file->lanes[i].cpu;
		if (slice->span.lanes[i].count && decode_lane(&work, i, err))
			return -1;
		if (slice->record_count > first)
			widen(slice, slice->unordered[first].stamp,
			      slice->unordered[slice->record_count - 1].stamp);
	}
	rows_sort(slice->losses, slice->loss_count, sizeof(*slice->losses), compare_losses);
	return decoder->ordered ? slice_order(slice, decoder->shards, err) : 0;
}

/* ---- life ---- */

int decoder_init(struct decoder *decoder, const struct trace_file *file,
		 const struct schema *schema, struct names *names, struct paths *paths,
		 struct p2p_error *err)
{
	*decoder = (struct decoder){ .file = file,
				     .schema = schema,
				     .names = names,
				     .paths = paths,
				     .shards = 1,
				     .ordered = true };
	lane_reader_init(&decoder->reader, file);
	decoder->cache = path_cache_new();
	decoder->streams = calloc(file->lane_count + 1, sizeof(*decoder->streams));
	decoder->shapes = calloc(schema->layout_count + 1, sizeof(*decoder->shapes));
	if (!decoder->cache || !decoder->streams || !decoder->shapes)
		return p2p_fail(err, "no memory");
	for (size_t i = 0; i < schema->layout_count; i++)
		decoder->shapes[i].length = UINT32_MAX; /* none yet */
	for (size_t i = 0; i < file->lane_count; i++) {
		lane_reader_init(&decoder->streams[i].reader, file);
		decoder->streams[i].reader.maps = true;
	}
	return 0;
}

void decoder_destroy(struct decoder *decoder)
{
	for (size_t i = 0; decoder->streams && i < decoder->file->lane_count; i++)
		lane_reader_destroy(&decoder->streams[i].reader);
	free(decoder->streams);
	free(decoder->shapes);
	lane_reader_destroy(&decoder->reader);
	path_cache_free(decoder->cache);
}

int slice_init(struct slice *slice, const struct trace_file *file, struct p2p_error *err)
{
	*slice = (struct slice){ 0 };
	slice->span.lanes = calloc(file->lane_count + 1, sizeof(*slice->span.lanes));
	return slice->span.lanes ? 0 : p2p_fail(err, "no memory");
}

void slice_destroy(struct slice *slice)
{
	free(slice->span.lanes);
	free(slice->records);
	free(slice->order);
	free(slice->unordered);
	free(slice->buckets);
	free(slice->losses);
	free(slice->notes);
}
