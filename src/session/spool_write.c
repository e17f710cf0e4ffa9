// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How pages reach the file: through the page cache, or past it.
 *
 * What is written with O_DIRECT is neither copied nor looked for room for, which is half of
 * the recorder's work.  But the page cache is also a cushion of gigabytes between a disk
 * that is slow, or busy for a while, and a ring buffer of some tens of megabytes.  So a lane
 * writes that way only as long as the disk is far faster than the buffer fills, and after
 * the first sign of the contrary not for a while.
 *
 * At first it is the one with the largest file: it becomes the recording, all others are
 * copied behind it (assemble.c), better from memory than from the disk.  Once there is more
 * than memory should hold, it is all of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "p2ptrace/spool.h"

/* What is smaller is read again at once, and stays in memory. */
#define DIRECT_FROM (64u << 20)
/* The part of memory that a recording may take of the page cache. */
#define MEMORY_SHARE 8
/* The parts of the buffer that may fill while the disk writes once, and while it writes what
 * had gathered.  That is a quarter and what came meanwhile (see buffer_percent): the
 * disk is twice as fast as need be. */
#define ONCE_SHARE 8
#define GATHERED_SHARE 4
#define LARGEST_STEP (64u << 20)
/* After a disk was too slow. */
#define PAUSE_NS 1000000000u
#define LONGEST_PAUSE_NS 512000000000u

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- failures ---- */

int spool_ask_for_attention(const struct spool *spool)
{
	const uint64_t one = 1;

	return write(spool->attention, &one, sizeof(one)) == sizeof(one) ? 0 : errno;
}

int spool_fail_lane(struct spool_lane *lane, int error)
{
	int unsaid;

	lane->error = error;
	unsaid = spool_ask_for_attention(lane->spool);
	if (unsaid)
		lane->error = unsaid;
	return -1;
}

/* Keeps what is in the pipe: it was taken from the ring buffer already. */
static void save_rest(struct spool_lane *lane, size_t bytes)
{
	struct spool_file *file = lane->file;

	file->rest = malloc(bytes);
	while (file->rest && file->rest_bytes < bytes) {
		ssize_t got = read(lane->pipe[0], file->rest + file->rest_bytes,
				   bytes - file->rest_bytes);

		if (got <= 0)
			break;
		file->rest_bytes += (size_t)got;
	}
}

/* ---- which way ---- */

/* Whether this lane's file is the one that becomes the recording, as far as can be told.
 * Another has to be clearly larger to take its place. */
static bool leads(struct spool_lane *lane)
{
	struct spool *spool = lane->spool;
	struct spool_lane *leader = spool->leader;
	const uint64_t bytes = lane->file->bytes;

	if (leader == lane)
		return true;
	if (leader && leader->file->bytes + DIRECT_FROM + bytes / 8 > bytes)
		return false;
	return atomic_compare_exchange_strong(&spool->leader, &leader, lane);
}

static bool outgrows_memory(const struct spool *spool)
{
	return spool->bytes - spool->bytes_at_turn > spool->memory / MEMORY_SHARE;
}

static bool goes_direct(struct spool_lane *lane, uint64_t now)
{
	const struct direct_writes *direct = &lane->direct;

	return lane->spool->direct && !direct->refused && lane->file->bytes >= DIRECT_FROM &&
	       now >= direct->again_ns && (leads(lane) || outgrows_memory(lane->spool));
}

/* Through the page cache from now on, and longer when it comes to that soon again. */
static void pause_direct(struct direct_writes *direct, uint64_t now)
{
	const uint64_t held = now - direct->again_ns;

	if (!direct->pause_ns || held > 10 * direct->pause_ns)
		direct->pause_ns = PAUSE_NS;
	else if (direct->pause_ns < LONGEST_PAUSE_NS)
		direct->pause_ns *= 2;
	direct->again_ns = now + direct->pause_ns;
	direct->step = 0;
}

/* What arrives while the disk is busy must remain a small part of the buffer. */
static void judge(struct spool_lane *lane, uint64_t began, uint64_t ended)
{
	struct direct_writes *direct = &lane->direct;
	const double buffer = (double)lane->spool->session->buffer_bytes;

	direct->writing_ns += ended - began;
	if (direct->rate * (double)(ended - began) > buffer / ONCE_SHARE ||
	    direct->rate * (double)direct->writing_ns > buffer / GATHERED_SHARE)
		pause_direct(direct, ended);
}

/* It begins with a sub-buffer, and goes on with twice as much each time: a disk that turns
 * out to be slow must not have been given much. */
static size_t next_step(struct spool_lane *lane, size_t bytes)
{
	struct direct_writes *direct = &lane->direct;

	direct->step = direct->step ? 2 * direct->step : lane->spool->session->page_size;
	if (direct->step > LARGEST_STEP)
		direct->step = LARGEST_STEP;
	return bytes < direct->step ? bytes : direct->step;
}

void spool_note_taken(struct spool_lane *lane, size_t bytes, bool again)
{
	struct direct_writes *direct = &lane->direct;

	direct->now_ns = now_ns();
	if (!again) {
		direct->rate = (double)direct->taken / (double)(direct->now_ns - direct->since_ns);
		direct->since_ns = direct->now_ns;
		direct->taken = direct->writing_ns = 0;
	}
	direct->taken += bytes;
}

/* ---- pipe to file ---- */

static ssize_t move(struct spool_lane *lane, size_t bytes)
{
	ssize_t moved;

	do
		moved = splice(lane->pipe[0], NULL, lane->file->fd, NULL, bytes, SPLICE_F_MOVE);
	while (moved < 0 && errno == EINTR);
	if (!moved)
		errno = EIO;
	return moved;
}

/* Not every file system takes it, nor at every place; what was refused is still in the
 * pipe. */
static ssize_t move_direct(struct spool_lane *lane, size_t bytes)
{
	const int fd = lane->file->fd, flags = fcntl(fd, F_GETFL);
	const uint64_t began = now_ns();
	ssize_t moved;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT))
		moved = -1;
	else
		moved = move(lane, next_step(lane, bytes));
	/* Whatever else writes or reads the file does so by memory of any alignment. */
	if (fcntl(fd, F_SETFL, flags) || moved <= 0)
		lane->direct.refused = true;
	else
		judge(lane, began, now_ns());
	if (moved > 0)
		lane->file->direct += (uint64_t)moved;
	return moved;
}

int spool_empty_pipe(struct spool_lane *lane, size_t bytes)
{
	while (bytes) {
		ssize_t moved = -1;

		if (goes_direct(lane, lane->direct.now_ns))
			moved = move_direct(lane, bytes);
		if (moved <= 0)
			moved = move(lane, bytes);
		if (moved <= 0) {
			int error = errno;

			save_rest(lane, bytes);
			return spool_fail_lane(lane, error);
		}
		bytes -= (size_t)moved;
		lane->file->bytes += (size_t)moved;
	}
	return 0;
}
