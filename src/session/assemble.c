// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The file at the end of a recording.  Version 7: the largest spool file becomes
 * the recorder, the other CPUs' pages are appended to it, then the metadata.
 * Version 6 has its metadata in front and is a new file.
 *
 * Pages leave their spool file as they arrive: a disk that is full needs no room for
 * two copies.  Where each goes is decided and written down (sidecar.h) before, so that
 * a recorder killed here loses nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2ptrace/copy_range.h"
#include "p2ptrace/page_walk.h"
#include "p2ptrace/recorder.h"
#include "p2ptrace/trace_write.h"

/* ---- what does not fit is counted ---- */

static uint64_t count_events(const unsigned char *page, size_t bytes)
{
	const struct page_form form = { .commit_size = sizeof(long) };
	struct page_walk walk;
	uint64_t events = 0;
	uint32_t length;

	page_begin(&walk, form, page, bytes);
	while (page_next(&walk, form, &length))
		events++;
	return events;
}

/* Events in `bytes` of pages at `from` of a file. */
static uint64_t count_in_file(int fd, uint64_t from, uint64_t bytes, size_t page_size)
{
	unsigned char *page = malloc(page_size);
	uint64_t events = 0;

	for (uint64_t done = 0; page && done < bytes; done += page_size) {
		ssize_t got = pread(fd, page, page_size, (off_t)(from + done));

		if (got <= 0)
			break;
		events += count_events(page, (size_t)got);
	}
	free(page);
	return events;
}

/* ---- moving pages ---- */

#define CHUNK (16u << 20)

/* Cuts whole sub-buffers up to `until` out of the file, if its file system can. */
static void free_moved(int fd, off_t *freed, off_t until, size_t page)
{
	off_t length = (until - *freed) / (off_t)page * (off_t)page;

	if (length && !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, *freed, length))
		*freed += length;
}

/* Returns the bytes moved; fewer than asked for when the disk is full (errno). */
static uint64_t move_pages(int from, uint64_t first, int to, uint64_t end, uint64_t bytes,
			   size_t page)
{
	off_t at = (off_t)first, to_at = (off_t)end, freed = at;
	uint64_t left = bytes;

	while (left) {
		ssize_t moved = copy_range(from, &at, to, &to_at, left < CHUNK ? left : CHUNK);

		if (moved < 0 && errno == EINTR)
			continue;
		if (moved <= 0)
			break;
		left -= (uint64_t)moved;
		free_moved(from, &freed, at, page);
	}
	return bytes - left;
}

/* ---- lanes ---- */

/* Writes what a failed lane had read from the kernel and could not write: once more,
 * now that the ballast is gone.  Returns how much of it is in the file. */
static size_t write_rest(const struct spool_lane *lane, uint64_t end)
{
	size_t done = 0;

	while (done < lane->rest_bytes) {
		ssize_t written = pwrite(lane->file, lane->rest + done, lane->rest_bytes - done,
					 (off_t)(end + done));

		if (written <= 0)
			break;
		done += (size_t)written;
	}
	return done;
}

/* Events in a sub-buffer of which `there` bytes are in the file and the others
 * begin the `left` bytes at `rest`. */
static uint64_t count_torn(int fd, uint64_t at, size_t there, const unsigned char *rest,
			   size_t left, size_t page_size)
{
	unsigned char *page = calloc(1, page_size);
	uint64_t events = 0;

	if (page && pread(fd, page, there, (off_t)at) == (ssize_t)there) {
		memcpy(page + there, rest, left < page_size - there ? left : page_size - there);
		events = count_events(page, page_size);
	}
	free(page);
	return events;
}

/* Leaves whole sub-buffers in the lane and counts the others as not saved. */
static void settle_lane(struct recorder *recorder, size_t index)
{
	struct spool_lane *lane = &recorder->spool.lanes[index];
	size_t page = recorder->session.page_size;
	uint64_t end = recorder->spool.head_room + lane->bytes;
	size_t done = write_rest(lane, end), left = lane->rest_bytes - done;
	const unsigned char *rest = lane->rest + done;
	size_t torn = (lane->bytes + done) % page;

	lane->bytes += done - torn;
	if (torn) {
		size_t skip = left < page - torn ? left : page - torn;

		recorder->unsaved[index] +=
			count_torn(lane->file, end + done - torn, torn, rest, skip, page);
		rest += skip;
		left -= skip;
	}
	for (; left; rest += page, left -= left < page ? left : page)
		recorder->unsaved[index] += count_events(rest, left < page ? left : page);
}

static size_t largest_lane(const struct spool *spool)
{
	size_t largest = 0;

	for (size_t i = 1; i < spool->lane_count; i++)
		if (spool->lanes[i].bytes > spool->lanes[largest].bytes)
			largest = i;
	return largest;
}

/* Places the pages of all lanes but `stays` (one that lies in the file already) behind
 * `end`.  Returns the new end. */
static uint64_t place(const struct recorder *recorder, uint64_t end, size_t stays,
		      struct write_lane *placed)
{
	const struct spool *spool = &recorder->spool;

	for (size_t i = 0; i < spool->lane_count; i++) {
		const struct spool_lane *lane = &spool->lanes[i];

		placed[i] = (struct write_lane){ lane->cpu, end, lane->bytes };
		if (i == stays)
			placed[i].offset = spool->head_room;
		else
			end += lane->bytes;
	}
	return end;
}

/* Moves them there.  What does not fit leaves a hole, which takes no room. */
static void gather(struct recorder *recorder, int to, size_t stays, struct write_lane *placed)
{
	const struct spool *spool = &recorder->spool;
	size_t page = recorder->session.page_size;

	for (size_t i = 0; i < spool->lane_count; i++) {
		const struct spool_lane *lane = &spool->lanes[i];
		uint64_t moved;

		if (i == stays)
			continue;
		moved = move_pages(lane->file, spool->head_room, to, placed[i].offset, lane->bytes,
				   page);
		moved -= moved % page;
		if (moved < lane->bytes)
			recorder->unsaved[i] += count_in_file(lane->file, spool->head_room + moved,
							      lane->bytes - moved, page);
		placed[i].bytes = moved;
	}
}

static void set_buffers(const struct recorder *recorder, const struct write_lane *placed,
			struct write_buffer *buffers, struct trace_metadata *metadata)
{
	size_t cpus = recorder->session.cpu_count;

	for (size_t i = 0; i < recorder->session.instance_count; i++)
		buffers[i] =
			(struct write_buffer){ session_buffer_names[i], placed + i * cpus, cpus };
	metadata->buffers = buffers;
	metadata->buffer_count = recorder->session.instance_count;
}

/* ---- the two versions ---- */

static int assemble7(struct recorder *recorder, struct write_lane *placed, struct p2p_error *err)
{
	struct write_buffer buffers[SESSION_INSTANCES];
	struct trace_metadata metadata;
	size_t base_index = largest_lane(&recorder->spool);
	struct spool_lane *base = &recorder->spool.lanes[base_index];
	uint64_t end = recorder->head_room + base->bytes;

	end = place(recorder, end, base_index, placed);
	sidecar_plan(recorder, base->part, placed);
	gather(recorder, base->file, base_index, placed);
	if (metadata_fill(recorder, &metadata, err))
		return -1;
	set_buffers(recorder, placed, buffers, &metadata);
	if (ftruncate(base->file, (off_t)end))
		return p2p_fail_errno(err, "-o %s", recorder->output.path);
	if (trace_write7(base->file, &metadata, end, err) ||
	    output_publish(&recorder->output, base->part, base->file, err))
		return -1;
	close(base->file);
	base->file = -1;
	return 0;
}

static int write_head6(int fd, const char *head, size_t size, struct p2p_error *err)
{
	if (pwrite(fd, head, size, 0) == (ssize_t)size)
		return 0;
	return p2p_fail_errno(err, "cannot write the file's metadata");
}

static int write6(struct recorder *recorder, int fd, struct write_lane *placed,
		  struct p2p_error *err)
{
	struct write_buffer buffers[SESSION_INSTANCES];
	size_t size, page = recorder->session.page_size;
	struct trace_metadata metadata;
	char *head;
	int result;

	if (metadata_fill(recorder, &metadata, err))
		return -1;
	set_buffers(recorder, placed, buffers, &metadata);
	if (trace_build6(&metadata, &head, &size, err))
		return -1;
	free(head);
	/* Room for numbers that become known, and longer, only when the pages lie. */
	size += 64 * recorder->spool.lane_count;
	place(recorder, (size + page - 1) / page * page, SIZE_MAX, placed);
	sidecar_plan(recorder, "whole", placed);
	gather(recorder, fd, SIZE_MAX, placed);
	if (metadata_fill(recorder, &metadata, err))
		return -1;
	set_buffers(recorder, placed, buffers, &metadata);
	if (trace_build6(&metadata, &head, &size, err))
		return -1;
	result = write_head6(fd, head, size, err);
	free(head);
	return result;
}

static int assemble6(struct recorder *recorder, struct write_lane *placed, struct p2p_error *err)
{
	int fd = output_create(&recorder->output, "whole", err);
	int result;

	if (fd < 0)
		return -1;
	result = write6(recorder, fd, placed, err);
	if (!result)
		result = output_publish(&recorder->output, "whole", fd, err);
	close(fd);
	return result;
}

int assemble(struct recorder *recorder, struct p2p_error *err)
{
	struct write_lane *placed = calloc(recorder->spool.lane_count, sizeof(*placed));
	int result;

	if (!placed)
		return p2p_fail(err, "no memory");
	for (size_t i = 0; i < recorder->spool.lane_count; i++)
		settle_lane(recorder, i);
	result = recorder->options->file_version == 6 ? assemble6(recorder, placed, err)
						      : assemble7(recorder, placed, err);
	free(placed);
	/* It has its name: nothing is left to recover. */
	if (!result)
		sidecar_close(recorder, false);
	return result;
}
