// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "p2ptrace/page_split.h"
#include "p2ptrace/spool.h"

#define PIPE_BYTES (1 << 20)
/* Data that trickles in reaches the disk within this time. */
#define WAKE_MS 1000

/* ---- one thread ---- */

bool spool_is_full(const struct spool *spool)
{
	return spool->max_bytes && spool->bytes >= spool->max_bytes;
}

bool spool_wants_turn(const struct spool *spool)
{
	return spool->turn_bytes && spool->bytes - spool->bytes_at_turn >= spool->turn_bytes;
}

static void count_bytes(struct spool *spool, size_t bytes)
{
	spool->bytes += bytes;
	if (spool_is_full(spool) || spool_wants_turn(spool))
		spool_ask_for_attention(spool);
}

/* A whole sub-buffer by read(2), full or not.  Returns 1, 0 when there is none, -1.  A CPU
 * that has not been online yet has no buffer (ENODEV). */
static int read_page(struct spool_lane *lane, unsigned char *page)
{
	size_t size = lane->spool->session->page_size;
	ssize_t got = 0;

	/* 0: there is something, but it cannot be taken at this moment. */
	for (int tries = 0; tries < 1000; tries++) {
		got = read(lane->raw, page, size);
		if (got > 0 || (got < 0 && errno != EINTR))
			break;
		sched_yield();
	}
	if (got < 0 && errno != EAGAIN && errno != ENODEV)
		return spool_fail_lane(lane, errno);
	if (got <= 0)
		return 0;
	memset(page + got, 0, size - (size_t)got);
	return 1;
}

static int write_page(struct spool_lane *lane, struct spool_file *file, const unsigned char *page)
{
	int error = spool_file_write(file, page, lane->spool->session->page_size);

	if (error)
		return spool_fail_lane(lane, error);
	count_bytes(lane->spool, lane->spool->session->page_size);
	return 0;
}

/* Kernels before 6.1 do not splice what is left of a sub-buffer that was read before it
 * was full, and say again and again that it is there. */
static int take_rest_of_page(struct spool_lane *lane)
{
	unsigned char *page = malloc(lane->spool->session->page_size);
	int result = page ? read_page(lane, page) : spool_fail_lane(lane, ENOMEM);

	if (result > 0)
		result = write_page(lane, lane->file, page);
	free(page);
	return result;
}

/* Every full sub-buffer that is there. */
static int take_full_pages(struct spool_lane *lane, bool ready)
{
	/* What comes from now on may be the new file's: first the turn. */
	for (bool again = false; !lane->asked; again = true) {
		ssize_t got = splice(lane->raw, NULL, lane->pipe[1], NULL, 16 * PIPE_BYTES,
				     SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno != EAGAIN)
			return spool_fail_lane(lane, errno);
		if (got <= 0)
			return ready && lane->halfway ? take_rest_of_page(lane) : 0;
		lane->halfway = false;
		spool_note_taken(lane, (size_t)got, again);
		if (spool_empty_pipe(lane, (size_t)got))
			return -1;
		count_bytes(lane->spool, (size_t)got);
	}
	return 0;
}

/* What splice leaves: sub-buffers that are not full. */
static void take_tail(struct spool_lane *lane)
{
	unsigned char *page = malloc(lane->spool->session->page_size);

	while (page && read_page(lane, page) > 0)
		if (write_page(lane, lane->file, page))
			break;
	free(page);
}

/* ---- changing the files ---- */

/* Both sides of the sub-buffer in which the moment of the turn lies.  When one cannot be
 * written the other is kept with it. */
static int write_sides(struct spool_lane *lane, const unsigned char *page,
		       const unsigned char *later)
{
	size_t size = lane->spool->session->page_size;

	if (!write_page(lane, lane->file, page))
		return write_page(lane, lane->next, later);
	spool_file_write(lane->file, later, size);
	return -1;
}

/* Everything up to the moment to the old file.  It need not wait for a sub-buffer to be
 * filled: what is there is read, and once something later has come, or nothing, the
 * old file is complete. */
static int take_until_turn(struct spool_lane *lane, unsigned char *page, unsigned char *later)
{
	const struct spool *spool = lane->spool;
	int got;

	while ((got = read_page(lane, page)) > 0) {
		lane->halfway = true;
		switch (page_split(page, spool->session->page_size, spool->turn_stamp,
				   spool->stack_type, later)) {
		case PAGE_UNTIL:
			if (write_page(lane, lane->file, page))
				return -1;
			break;
		case PAGE_LATER:
			return write_page(lane, lane->next, page);
		case PAGE_SPLIT:
			return write_sides(lane, page, later);
		}
	}
	return got;
}

/* Under the lock, as the next one. */
static void arrive(struct spool_lane *lane)
{
	if (!lane->asked)
		return;
	lane->asked = false;
	if (!--lane->spool->arriving)
		pthread_cond_broadcast(&lane->spool->turned);
}

static void end_turn(struct spool_lane *lane)
{
	if (!lane->next)
		return;
	lane->file = lane->next;
	lane->next = NULL;
	if (!--lane->spool->turning)
		pthread_cond_broadcast(&lane->spool->turned);
}

/* From here on nobody takes pages; only then the moment is chosen. */
static void await_moment(struct spool_lane *lane)
{
	struct spool *spool = lane->spool;

	pthread_mutex_lock(&spool->lock);
	arrive(lane);
	while (!spool->moment_chosen)
		pthread_cond_wait(&spool->turned, &spool->lock);
	pthread_mutex_unlock(&spool->lock);
}

static int take_turn(struct spool_lane *lane)
{
	size_t size = lane->spool->session->page_size;
	unsigned char *pages = malloc(2 * size);
	uint64_t count;
	int result;

	if (read(lane->turn, &count, sizeof(count)) != sizeof(count)) {
		free(pages);
		return 0;
	}
	await_moment(lane);
	result = pages ? take_until_turn(lane, pages, pages + size) : spool_fail_lane(lane, ENOMEM);
	free(pages);
	if (result)
		return -1;
	pthread_mutex_lock(&lane->spool->lock);
	end_turn(lane);
	pthread_mutex_unlock(&lane->spool->lock);
	return 0;
}

enum { POLL_RAW, POLL_STOP, POLL_TURN };

/* Waits until there is something to do.  A CPU that has not been online yet is nothing to
 * wait for: poll(2) says POLLERR at once, so it is looked at from time to time. */
static int await_work(const struct spool_lane *lane, struct pollfd *events)
{
	const bool still = lane->spool->still;

	events[POLL_RAW].fd = still ? -1 : lane->raw;
	if (poll(events, 3, still ? -1 : WAKE_MS) < 0)
		return errno == EINTR ? 0 : errno;
	if (!(events[POLL_RAW].revents & POLLERR))
		return 0;
	events[POLL_RAW].fd = -1;
	return poll(events, 3, WAKE_MS) < 0 && errno != EINTR ? errno : 0;
}

static void run_until_stop(struct spool_lane *lane)
{
	struct pollfd events[] = {
		[POLL_RAW] = { .events = POLLIN },
		[POLL_STOP] = { .fd = lane->spool->stop, .events = POLLIN },
		[POLL_TURN] = { .fd = lane->turn, .events = POLLIN },
	};

	while (!(events[POLL_STOP].revents & POLLIN)) {
		int error = await_work(lane, events);

		if (error) {
			spool_fail_lane(lane, error);
			return;
		}
		if (events[POLL_TURN].revents & POLLIN && take_turn(lane))
			return;
		if (!lane->spool->still && take_full_pages(lane, events[POLL_RAW].revents & POLLIN))
			return;
	}
	take_tail(lane);
}

static void *run_lane(void *argument)
{
	struct spool_lane *lane = argument;
	char name[16];

	snprintf(name, sizeof(name), "reader/%u", lane->cpu);
	pthread_setname_np(pthread_self(), name);
	spool_take_priority(lane->spool->priority);
	run_until_stop(lane);
	/* Nobody shall wait for a turn that it does not take. */
	pthread_mutex_lock(&lane->spool->lock);
	lane->ended = true;
	arrive(lane);
	end_turn(lane);
	pthread_mutex_unlock(&lane->spool->lock);
	return NULL;
}

/* Under the lock. */
static void ask_for_turn(struct spool *spool, struct spool_files *files)
{
	const uint64_t one = 1;

	spool->moment_chosen = false;
	for (size_t i = 0; i < spool->lane_count; i++) {
		struct spool_lane *lane = &spool->lanes[i];

		if (lane->ended) {
			lane->file = &files->files[i];
			continue;
		}
		lane->next = &files->files[i];
		lane->asked = true;
		spool->arriving++;
		spool->turning++;
		if (write(lane->turn, &one, sizeof(one)) != sizeof(one))
			p2p_warn("cannot wake a reader");
	}
}

uint64_t spool_turn(struct spool *spool, struct spool_files *files)
{
	pthread_mutex_lock(&spool->lock);
	ask_for_turn(spool, files);
	while (spool->arriving)
		pthread_cond_wait(&spool->turned, &spool->lock);
	spool->turn_stamp = trace_clock_now(spool->session);
	spool->moment_chosen = true;
	pthread_cond_broadcast(&spool->turned);
	while (spool->turning)
		pthread_cond_wait(&spool->turned, &spool->lock);
	spool->bytes_at_turn = spool->bytes;
	pthread_mutex_unlock(&spool->lock);
	return spool->turn_stamp;
}

/* ---- all of them ---- */

static int open_lane(struct spool *spool, struct spool_lane *lane, struct p2p_error *err)
{
	char path[64];

	snprintf(path, sizeof(path), "per_cpu/cpu%u/trace_pipe_raw", lane->cpu);
	lane->raw = instance_open(&spool->session->instances[lane->instance], path,
				  O_RDONLY | O_NONBLOCK, err);
	if (lane->raw < 0)
		return -1;
	lane->turn = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lane->turn < 0 || pipe2(lane->pipe, O_CLOEXEC))
		return p2p_fail_errno(err, "cannot make a pipe");
	/* Unprivileged users have a limit; smaller pipes only cost more calls. */
	fcntl(lane->pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
	return 0;
}

int spool_open(struct spool *spool, const struct session *session, struct p2p_error *err)
{
	size_t count = session->instance_count * session->cpu_count;

	*spool = (struct spool){ .session = session,
				 .memory = (uint64_t)sysconf(_SC_PHYS_PAGES) *
					   (uint64_t)sysconf(_SC_PAGESIZE),
				 .lock = PTHREAD_MUTEX_INITIALIZER,
				 .turned = PTHREAD_COND_INITIALIZER };
	spool->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	spool->attention = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	spool->lanes = calloc(count, sizeof(*spool->lanes));
	if (spool->stop < 0 || spool->attention < 0 || !spool->lanes) {
		p2p_fail_errno(err, "cannot prepare the readers");
		goto failed;
	}
	for (size_t i = 0; i < count; i++) {
		struct spool_lane *lane = &spool->lanes[spool->lane_count++];

		lane->spool = spool;
		lane->instance = i / session->cpu_count;
		lane->cpu = session->cpus[i % session->cpu_count];
		lane->raw = lane->turn = lane->pipe[0] = lane->pipe[1] = -1;
		if (open_lane(spool, lane, err))
			goto failed;
	}
	return 0;
failed:
	spool_close(spool);
	return -1;
}

int spool_start(struct spool *spool, struct spool_files *files, struct p2p_error *err)
{
	for (size_t i = 0; i < spool->lane_count; i++) {
		struct spool_lane *lane = &spool->lanes[i];

		lane->file = &files->files[i];
		errno = pthread_create(&lane->thread, NULL, run_lane, lane);
		if (errno)
			return p2p_fail_errno(err, "cannot start a reader thread");
		lane->running = true;
	}
	return 0;
}

void spool_stop(struct spool *spool)
{
	const uint64_t one = 1;

	if (spool->stop >= 0 && write(spool->stop, &one, sizeof(one)) != sizeof(one))
		p2p_warn("cannot wake the readers");
	for (size_t i = 0; i < spool->lane_count; i++) {
		struct spool_lane *lane = &spool->lanes[i];

		if (lane->running)
			pthread_join(lane->thread, NULL);
		lane->running = false;
		if (lane->raw >= 0)
			close(lane->raw);
		lane->raw = -1;
	}
}

static void close_if_open(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void spool_close(struct spool *spool)
{
	spool_stop(spool);
	for (size_t i = 0; i < spool->lane_count; i++) {
		struct spool_lane *lane = &spool->lanes[i];

		close_if_open(&lane->turn);
		close_if_open(&lane->pipe[0]);
		close_if_open(&lane->pipe[1]);
	}
	free(spool->lanes);
	spool->lanes = NULL;
	spool->lane_count = 0;
	close_if_open(&spool->stop);
	close_if_open(&spool->attention);
}

const struct spool_lane *spool_failure(const struct spool *spool)
{
	for (size_t i = 0; i < spool->lane_count; i++)
		if (spool->lanes[i].error)
			return &spool->lanes[i];
	return NULL;
}
