// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The file at the end of a recording.  Version 7: the spool file that would take
 * longest to move becomes the recording, the other CPUs' pages are appended to it, then
 * the metadata.  Version 6 has its metadata in front and is a new file.
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

/* The next chunk; the one behind it is on its way from the disk, if it must be, while this one
 * is copied. */
static ssize_t move_chunk(struct direct_copy *direct, int from, off_t *at, int to, off_t *to_at,
			  uint64_t left)
{
	const size_t bytes = left < CHUNK ? (size_t)left : CHUNK;
	ssize_t moved = -1;

	if (direct->buffer)
		moved = direct_copy_some(direct, at, to_at, bytes);
	if (moved > 0)
		return moved;
	direct_copy_end(direct);
	posix_fadvise(from, *at + CHUNK, CHUNK, POSIX_FADV_WILLNEED);
	return copy_range(from, at, to, to_at, bytes);
}

/* Returns the bytes moved; fewer than asked for when the disk is full (errno). */
static uint64_t move_pages(struct piece *piece, const struct spool_file *file, int to, uint64_t end,
			   uint64_t bytes)
{
	const size_t page = piece->recorder->session.page_size;
	off_t at = (off_t)piece->files.head_room, to_at = (off_t)end, freed = at;
	struct direct_copy direct = { .buffer = NULL };
	uint64_t left = bytes;

	if (file->direct > bytes / 2)
		direct_copy_begin(&direct, file->fd, at, to, to_at, page);
	while (left) {
		ssize_t moved = move_chunk(&direct, file->fd, &at, to, &to_at, left);

		if (moved < 0 && errno == EINTR)
			continue;
		if (moved <= 0)
			break;
		left -= (uint64_t)moved;
		piece->moved += (uint64_t)moved;
		free_moved(file->fd, &freed, at, page);
	}
	direct_copy_end(&direct);
	return bytes - left;
}

/* ---- lanes ---- */

/* Writes what a failed lane had read from the kernel and could not write: once more,
 * now that the ballast is gone.  Returns how much of it is in the file. */
static size_t write_rest(const struct spool_file *lane, uint64_t end)
{
	size_t done = 0;

	while (done < lane->rest_bytes) {
		ssize_t written = pwrite(lane->fd, lane->rest + done, lane->rest_bytes - done,
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
static void settle_lane(struct piece *piece, size_t index)
{
	struct spool_file *lane = &piece->files.files[index];
	size_t page = piece->recorder->session.page_size;
	uint64_t end = piece->files.head_room + lane->bytes;
	size_t done = write_rest(lane, end), left = lane->rest_bytes - done;
	const unsigned char *rest = lane->rest + done;
	size_t torn = (lane->bytes + done) % page;

	lane->bytes += done - torn;
	if (torn) {
		size_t skip = left < page - torn ? left : page - torn;

		piece->unsaved[index] +=
			count_torn(lane->fd, end + done - torn, torn, rest, skip, page);
		rest += skip;
		left -= skip;
	}
	for (; left; rest += page, left -= left < page ? left : page)
		piece->unsaved[index] += count_events(rest, left < page ? left : page);
	lane->rest_bytes = 0;
}

/* What is to be read from the disk takes so many times as long. */
#define DISK_FACTOR 4

static uint64_t time_to_move(const struct spool_file *file)
{
	return file->bytes + (DISK_FACTOR - 1) * file->direct;
}

static size_t longest_to_move(const struct spool_files *files)
{
	size_t longest = 0;

	for (size_t i = 1; i < files->count; i++)
		if (time_to_move(&files->files[i]) > time_to_move(&files->files[longest]))
			longest = i;
	return longest;
}

static unsigned int cpu_of(const struct piece *piece, size_t lane)
{
	const struct session *session = &piece->recorder->session;

	return session->cpus[lane % session->cpu_count];
}

/* Places the pages of all lanes but `stays` (one that lies in the file already) behind
 * `end`, each aligned to a sub-buffer.  Returns the new end. */
static uint64_t place(const struct piece *piece, uint64_t end, size_t stays,
		      struct write_lane *placed)
{
	const struct spool_files *files = &piece->files;
	uint64_t page = piece->recorder->session.page_size;

	for (size_t i = 0; i < files->count; i++) {
		placed[i] = (struct write_lane){ cpu_of(piece, i), files->head_room,
						 files->files[i].bytes };
		if (i == stays)
			continue;
		placed[i].offset = (end + page - 1) / page * page;
		end = placed[i].offset + placed[i].bytes;
	}
	return end;
}

/* Moves them there.  Pages that do not fit leave a hole, which takes no room. */
static int gather(struct piece *piece, int to, size_t stays, struct write_lane *placed,
		  struct p2p_error *err)
{
	size_t page = piece->recorder->session.page_size;
	uint64_t head_room = piece->files.head_room;

	for (size_t i = 0; i < piece->files.count; i++) {
		const struct spool_file *lane = &piece->files.files[i];
		uint64_t bytes = lane->bytes, moved;

		if (i == stays)
			continue;
		moved = move_pages(piece, lane, to, placed[i].offset, bytes);
		/* Half a chunk is worth nothing: p2ptrace recover will find both halves. */
		if (moved < bytes && piece->packing.compressor) {
			piece->tries = PIECE_TRIES;
			return p2p_fail_errno(err, "cannot put what is compressed together");
		}
		if (moved < bytes) {
			moved -= moved % page;
			piece->unsaved[i] +=
				count_in_file(lane->fd, head_room + moved, bytes - moved, page);
		}
		placed[i].bytes = moved;
	}
	return 0;
}

static void set_buffers(const struct piece *piece, const struct write_lane *placed,
			struct write_buffer *buffers, struct trace_metadata *metadata)
{
	const struct session *session = &piece->recorder->session;

	for (size_t i = 0; i < session->instance_count; i++)
		buffers[i] = (struct write_buffer){ session_buffer_names[i],
						    placed + i * session->cpu_count,
						    session->cpu_count };
	metadata->buffers = buffers;
	metadata->buffer_count = session->instance_count;
}

/* ---- the two versions ---- */

static int gather7(struct piece *piece, struct p2p_error *err)
{
	struct spool_file *base = &piece->files.files[longest_to_move(&piece->files)];
	size_t stays = (size_t)(base - piece->files.files);

	piece->base = base;
	piece->end = place(piece, piece->files.head_room + base->bytes, stays, piece->placed);
	sidecar_plan(piece, base->part, piece->placed);
	return gather(piece, base->fd, stays, piece->placed, err);
}

/* Who it is, before others can put something in its place. */
static int publish(struct piece *piece, const char *part, int fd, struct p2p_error *err)
{
	struct stat made;

	if (!fstat(fd, &made)) {
		piece->device = made.st_dev;
		piece->inode = made.st_ino;
	}
	return output_publish(&piece->output, part, fd, err);
}

static int assemble7(struct piece *piece, struct p2p_error *err)
{
	struct write_buffer buffers[SESSION_INSTANCES];
	struct spool_file *base = piece->base;
	struct trace_metadata metadata;

	if (metadata_fill(piece, &metadata, err))
		return -1;
	set_buffers(piece, piece->placed, buffers, &metadata);
	if (ftruncate(base->fd, (off_t)piece->end))
		return p2p_fail_errno(err, "-o %s", piece->output.path);
	if (trace_write7(base->fd, &metadata, piece->end, err) ||
	    publish(piece, base->part, base->fd, err))
		return -1;
	close(base->fd);
	base->fd = -1;
	return 0;
}

static int build_head6(struct piece *piece, char **head, size_t *size, struct p2p_error *err)
{
	struct write_buffer buffers[SESSION_INSTANCES];
	struct trace_metadata metadata;

	if (metadata_fill(piece, &metadata, err))
		return -1;
	set_buffers(piece, piece->placed, buffers, &metadata);
	return trace_build6(&metadata, head, size, err);
}

static int gather6(struct piece *piece, struct p2p_error *err)
{
	size_t size, page = piece->recorder->session.page_size;
	char *head;

	if (build_head6(piece, &head, &size, err))
		return -1;
	free(head);
	piece->whole = output_create(&piece->output, "whole", err);
	if (piece->whole < 0)
		return -1;
	/* Room for numbers that become known, and longer, only when the pages lie. */
	size += 64 * piece->files.count;
	piece->end = place(piece, (size + page - 1) / page * page, SIZE_MAX, piece->placed);
	sidecar_plan(piece, "whole", piece->placed);
	return gather(piece, piece->whole, SIZE_MAX, piece->placed, err);
}

static int assemble6(struct piece *piece, struct p2p_error *err)
{
	size_t size;
	char *head;
	int result;

	if (build_head6(piece, &head, &size, err))
		return -1;
	result = pwrite(piece->whole, head, size, 0) == (ssize_t)size
			 ? 0
			 : p2p_fail_errno(err, "cannot write the file's metadata");
	free(head);
	return result ? result : publish(piece, "whole", piece->whole, err);
}

/* The rest, once all lanes have their last pages. */
static int pack(struct piece *piece, struct p2p_error *err)
{
	if (!piece->packing.compressor)
		return 0;
	if (packing_advance(&piece->packing, &piece->files, true, err) < 0)
		return -1;
	return packing_finish(&piece->packing, &piece->files, err);
}

/* All pages into one file, once. */
static int gather_pages(struct piece *piece, struct p2p_error *err)
{
	int result;

	if (piece->placed)
		return 0;
	for (size_t i = 0; i < piece->files.count; i++)
		settle_lane(piece, i);
	if (pack(piece, err))
		return -1;
	piece->placed = calloc(piece->files.count, sizeof(*piece->placed));
	if (!piece->placed)
		return p2p_fail(err, "no memory");
	result = piece->recorder->options->file_version == 6 ? gather6(piece, err)
							     : gather7(piece, err);
	if (!result)
		return 0;
	free(piece->placed);
	piece->placed = NULL;
	return -1;
}

int assemble(struct piece *piece, struct p2p_error *err)
{
	piece->tries++;
	if (gather_pages(piece, err) ||
	    (piece->recorder->options->file_version == 6 ? assemble6(piece, err)
							 : assemble7(piece, err)))
		return -1;
	/* It has its name: nothing is left to recover. */
	sidecar_close(piece, false);
	return 0;
}
