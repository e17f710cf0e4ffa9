// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2ptrace/copy_range.h"
#include "p2ptrace/recover.h"
#include "p2ptrace/remains.h"
#include "recover_work.h"

uint64_t recover_file_bytes(int fd)
{
	struct stat info;

	return fd >= 0 && !fstat(fd, &info) ? (uint64_t)info.st_size : 0;
}

/* A page begins with its stamp and its length: what was moved away, or has not arrived,
 * reads as zeros. */
static bool has_page(int fd, uint64_t at, size_t page)
{
	uint64_t head[2] = { 0, 0 };

	return fd >= 0 && at + page <= recover_file_bytes(fd) &&
	       pread(fd, head, sizeof(head), (off_t)at) == sizeof(head) && (head[0] | head[1]);
}

int recover_copy(struct work *work, int from, uint64_t at, uint64_t bytes, struct p2p_error *err)
{
	off_t from_at = (off_t)at, to_at = (off_t)work->end;

	while (bytes) {
		size_t some = bytes < 16u << 20 ? (size_t)bytes : 16u << 20;
		ssize_t copied = copy_range(from, &from_at, work->to, &to_at, some);

		if (copied < 0 && errno == EINTR)
			continue;
		if (copied < 0)
			return p2p_fail_errno(err,
					      "cannot copy what is left of the recording "
					      "(-o on another disk may help; nothing is lost)");
		if (!copied)
			return p2p_fail(err, "what is left of the recording gets shorter");
		bytes -= (uint64_t)copied;
	}
	work->end = (uint64_t)to_at;
	return 0;
}

/* Where page `index` of a lane is: its own file, the planned one, or nowhere (-1). */
static int find_page(const struct work *work, const struct remains_lane *lane, int own,
		     uint64_t index, uint64_t *at)
{
	size_t page = work->remains->metadata.page_size;

	*at = work->remains->head_room + index * page;
	if (has_page(own, *at, page))
		return own;
	*at = lane->offset + index * page;
	return has_page(work->planned, *at, page) ? work->planned : -1;
}

/* Whole sub-buffers: the last one may be torn. */
static uint64_t count_pages(const struct work *work, const struct remains_lane *lane, int own)
{
	uint64_t bytes = recover_file_bytes(own), head = work->remains->head_room;

	if (work->remains->plan)
		bytes = lane->bytes;
	else
		bytes = bytes > head ? bytes - head : 0;
	return bytes / work->remains->metadata.page_size;
}

/* Pages that lie one behind the other are copied at once. */
static int copy_lane(struct work *work, const struct remains_lane *lane, struct write_lane *placed,
		     struct p2p_error *err)
{
	size_t page = work->remains->metadata.page_size;
	int own = remains_file(work->remains, lane->part), result = 0;
	uint64_t pages = count_pages(work, lane, own);

	*placed = (struct write_lane){ lane->cpu, work->end, 0 };
	for (uint64_t i = 0, next; i < pages && !result; i = next) {
		uint64_t at, next_at;
		int from = find_page(work, lane, own, i, &at);

		next = i + 1;
		if (from < 0)
			continue;
		while (next < pages && find_page(work, lane, own, next, &next_at) == from &&
		       next_at == at + (next - i) * page)
			next++;
		result = recover_copy(work, from, at, (next - i) * page, err);
	}
	placed->bytes = work->end - placed->offset;
	if (own >= 0)
		close(own);
	return result;
}

/* ---- the file ---- */

/* What the recorder knew then, and that it is not all. */
static char *private_text(const struct remains *remains, const struct tasks *tasks)
{
	const char *known = remains->metadata.private_text;
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	if (known)
		fputs(known, to);
	else
		private_add(to, PRIVATE_FORMAT, "%d", PRIVATE_OPTION_FORMAT);
	tasks_write_tgids(tasks, to);
	private_add(to, PRIVATE_RECOVERED, "1");
	if (!fclose(to))
		return text;
	free(text);
	return NULL;
}

static int write_texts(const struct work *work, struct write_lane *placed, const char *names,
		       const char *private, struct p2p_error *err)
{
	const struct remains *remains = work->remains;
	struct trace_metadata metadata = remains->metadata;
	size_t cpus = remains->lane_count / metadata.buffer_count;

	for (size_t i = 0; i < metadata.buffer_count; i++)
		remains->buffers[i] =
			(struct write_buffer){ remains->buffers[i].name, placed + i * cpus, cpus };
	metadata.formats = remains->formats;
	metadata.buffers = remains->buffers;
	metadata.cpu_stats = remains->stats;
	metadata.cmdlines = names;
	metadata.private_text = private;
	metadata.compressor = work->compressor;
	metadata.captures = remains->captures;
	return trace_write7(work->to, &metadata, work->end, err);
}

/* Names and processes are the state's once tracing had ended. */
static int write_metadata(const struct work *work, struct write_lane *placed, struct p2p_error *err)
{
	const char *known = work->remains->metadata.cmdlines;
	struct tasks tasks = { .room = 0 };
	char *names, *private;
	int result;

	if (!known)
		recover_tasks(work->remains, &tasks);
	names = known ? strdup(known) : recover_names(&tasks);
	private = private_text(work->remains, &tasks);
	result = names && private ? write_texts(work, placed, names, private, err)
				  : p2p_fail(err, "no memory");
	tasks_free(&tasks);
	free(names);
	free(private);
	return result;
}

static int write_file(struct work *work, struct recovery *recovery, struct p2p_error *err)
{
	const struct remains *remains = work->remains;
	struct write_lane *placed = calloc(remains->lane_count, sizeof(*placed));
	int result = placed ? 0 : p2p_fail(err, "no memory");

	work->end = trace_head_room(remains->metadata.page_size);
	for (size_t i = 0; i < remains->lane_count && !result; i++) {
		result = work->compressor
				 ? recover_packed_lane(work, &remains->lanes[i], &placed[i], err)
				 : copy_lane(work, &remains->lanes[i], &placed[i], err);
		if (!result) {
			recovery->bytes += placed[i].bytes;
			recovery->cpus += placed[i].bytes != 0;
		}
	}
	if (!result)
		result = write_metadata(work, placed, err);
	free(placed);
	return result;
}

static int make_file(struct work *work, const char *path, struct recovery *recovery,
		     struct p2p_error *err)
{
	struct output output;
	struct stat there;
	int result = -1;

	if (output_open(&output, path, err))
		return -1;
	if (!fstatat(output.dir, output.name, &there, AT_SYMLINK_NOFOLLOW)) {
		p2p_fail(err,
			 "%s is there already, an earlier recording: name another file with -o",
			 path);
		output_close(&output);
		return -1;
	}
	work->to = output_create(&output, "recovered", err);
	if (work->to >= 0) {
		result = write_file(work, recovery, err);
		if (!result)
			result = output_publish(&output, "recovered", work->to, err);
		if (result)
			output_remove(&output, "recovered");
		close(work->to);
	}
	output_close(&output);
	return result;
}

/* Whether the recorder was killed between giving the file its name and clearing up. */
static bool is_complete(const struct remains *remains, int planned)
{
	return remains->plan && planned < 0;
}

int recover(const char *path, const char *output, bool piece, struct recovery *recovery,
	    struct p2p_error *err)
{
	struct remains remains;
	struct work work = { .remains = &remains, .planned = -1 };
	int result = 0;

	*recovery = (struct recovery){ .complete = false };
	remains_remove_litter(path);
	if (remains_open(&remains, path, &recovery->others, err))
		return -1;
	if (remains.plan)
		work.planned = remains_file(&remains, remains.plan);
	recovery->complete = is_complete(&remains, work.planned);
	recovery->empty = piece && !remains.state;
	if (!recovery->complete && recover_is_packed(&remains)) {
		work.compressor = compressor_open(1, err);
		result = work.compressor ? 0 : -1;
	}
	if (!recovery->complete && !recovery->empty && !result)
		result = make_file(&work, output, recovery, err);
	if (!result)
		remains_remove(&remains);
	if (work.planned >= 0)
		close(work.planned);
	compressor_close(work.compressor);
	remains_close(&remains);
	return result;
}
