// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "p2ptrace/spool.h"

#define PIPE_BYTES (1 << 20)
/* Data that trickles in reaches the disk within this time. */
#define WAKE_MS 1000

/* ---- one thread ---- */

/* Loss is a matter of being scheduled in time. */
static bool take_priority(enum spool_priority priority)
{
	const struct sched_param lowest = { .sched_priority = sched_get_priority_min(SCHED_FIFO) };

	switch (priority) {
	case PRIORITY_FIFO:
		return !sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest);
	case PRIORITY_NICE:
		return !setpriority(PRIO_PROCESS, (id_t)gettid(), -20);
	case PRIORITY_BEST:
		return take_priority(PRIORITY_FIFO) || take_priority(PRIORITY_NICE);
	case PRIORITY_NORMAL:
		break;
	}
	return true;
}

struct trial {
	enum spool_priority priority;
	int error;
};

static void *try_priority(void *argument)
{
	struct trial *trial = argument;

	trial->error = take_priority(trial->priority) ? 0 : errno;
	return NULL;
}

/* A thread of its own takes it along to its end. */
int spool_check_priority(enum spool_priority priority, struct p2p_error *err)
{
	struct trial trial = { .priority = priority };
	pthread_t thread;

	if (priority == PRIORITY_BEST || priority == PRIORITY_NORMAL)
		return 0;
	errno = pthread_create(&thread, NULL, try_priority, &trial);
	if (errno)
		return p2p_fail_errno(err, "cannot start a thread");
	pthread_join(thread, NULL);
	errno = trial.error;
	return trial.error ? p2p_fail_errno(err, "--prio: the readers cannot have that priority "
						 "(CAP_SYS_NICE allows it)")
			   : 0;
}

/* Keeps what is in the pipe: it was taken from the ring buffer already. */
static void save_rest(struct spool_lane *lane, size_t bytes)
{
	lane->rest = malloc(bytes);
	while (lane->rest && lane->rest_bytes < bytes) {
		ssize_t got = read(lane->pipe[0], lane->rest + lane->rest_bytes,
				   bytes - lane->rest_bytes);

		if (got <= 0)
			break;
		lane->rest_bytes += (size_t)got;
	}
}

/* Wakes who waits for the end. */
static int say_enough(const struct spool *spool)
{
	const uint64_t one = 1;

	return write(spool->enough, &one, sizeof(one)) == sizeof(one) ? 0 : errno;
}

static int fail_lane(struct spool_lane *lane, int error)
{
	int unsaid;

	lane->error = error;
	unsaid = say_enough(lane->spool);
	if (unsaid)
		lane->error = unsaid;
	return -1;
}

/* Pipe to file. */
static int empty_pipe(struct spool_lane *lane, size_t bytes)
{
	while (bytes) {
		ssize_t moved = splice(lane->pipe[0], NULL, lane->file, NULL, bytes, SPLICE_F_MOVE);

		if (moved <= 0) {
			int error = moved ? errno : EIO;

			if (error == EINTR)
				continue;
			save_rest(lane, bytes);
			return fail_lane(lane, error);
		}
		bytes -= (size_t)moved;
		lane->bytes += (size_t)moved;
	}
	return 0;
}

/* Every full sub-buffer that is there. */
static int take_full_pages(struct spool_lane *lane)
{
	for (;;) {
		ssize_t got = splice(lane->raw, NULL, lane->pipe[1], NULL, 16 * PIPE_BYTES,
				     SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno != EAGAIN)
			return fail_lane(lane, errno);
		if (got <= 0)
			return 0;
		if (empty_pipe(lane, (size_t)got))
			return -1;
		if (lane->spool->max_bytes && spool_bytes(lane->spool) >= lane->spool->max_bytes)
			say_enough(lane->spool);
	}
}

static int write_all(struct spool_lane *lane, const unsigned char *bytes, size_t size)
{
	while (size) {
		ssize_t written = write(lane->file, bytes, size);

		if (written <= 0) {
			lane->rest = malloc(size);
			if (lane->rest)
				memcpy(lane->rest, bytes, lane->rest_bytes = size);
			return fail_lane(lane, written ? errno : EIO);
		}
		bytes += written;
		size -= (size_t)written;
		lane->bytes += (size_t)written;
	}
	return 0;
}

/* What splice leaves: sub-buffers that are not full. */
static void take_tail(struct spool_lane *lane)
{
	size_t page = lane->spool->session->page_size;
	unsigned char *buffer = malloc(page);
	ssize_t got;

	while (buffer && (got = read(lane->raw, buffer, page)) > 0) {
		memset(buffer + got, 0, page - (size_t)got);
		if (write_all(lane, buffer, page))
			break;
	}
	free(buffer);
}

static void *run_lane(void *argument)
{
	struct spool_lane *lane = argument;
	struct pollfd events[] = { { .fd = lane->raw, .events = POLLIN },
				   { .fd = lane->spool->stop, .events = POLLIN } };

	take_priority(lane->spool->priority);
	while (!(events[1].revents & POLLIN)) {
		if (poll(events, 2, WAKE_MS) < 0 && errno != EINTR) {
			fail_lane(lane, errno);
			return NULL;
		}
		if (take_full_pages(lane))
			return NULL;
	}
	take_tail(lane);
	return NULL;
}

/* ---- all of them ---- */

void spool_part_name(const struct session *session, size_t lane, char part[32])
{
	snprintf(part, 32, "cpu%u-%zu", session->cpus[lane % session->cpu_count],
		 lane / session->cpu_count);
}

static int open_lane(struct spool *spool, struct spool_lane *lane, struct p2p_error *err)
{
	char path[64];

	snprintf(path, sizeof(path), "per_cpu/cpu%u/trace_pipe_raw", lane->cpu);
	lane->raw = instance_open(&spool->session->instances[lane->instance], path,
				  O_RDONLY | O_NONBLOCK, err);
	if (lane->raw < 0)
		return -1;
	if (pipe2(lane->pipe, O_CLOEXEC))
		return p2p_fail_errno(err, "cannot make a pipe");
	/* Unprivileged users have a limit; smaller pipes only cost more calls. */
	fcntl(lane->pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
	lane->file = output_create(spool->output, lane->part, err);
	if (lane->file < 0)
		return -1;
	if (lseek(lane->file, (off_t)spool->head_room, SEEK_SET) < 0)
		return p2p_fail_errno(err, "-o %s: cannot seek", spool->output->path);
	return 0;
}

int spool_open(struct spool *spool, const struct session *session, const struct output *output,
	       uint64_t head_room, struct p2p_error *err)
{
	size_t count = session->instance_count * session->cpu_count;

	*spool = (struct spool){ .session = session, .output = output, .head_room = head_room };
	spool->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	spool->enough = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	spool->lanes = calloc(count, sizeof(*spool->lanes));
	if (spool->stop < 0 || spool->enough < 0 || !spool->lanes) {
		p2p_fail_errno(err, "cannot prepare the readers");
		goto failed;
	}
	for (size_t i = 0; i < count; i++) {
		struct spool_lane *lane = &spool->lanes[spool->lane_count++];

		lane->spool = spool;
		lane->instance = i / session->cpu_count;
		lane->cpu = session->cpus[i % session->cpu_count];
		spool_part_name(session, i, lane->part);
		lane->raw = lane->file = lane->pipe[0] = lane->pipe[1] = -1;
		if (open_lane(spool, lane, err))
			goto failed;
	}
	return 0;
failed:
	spool_close(spool);
	return -1;
}

int spool_start(struct spool *spool, struct p2p_error *err)
{
	for (size_t i = 0; i < spool->lane_count; i++) {
		struct spool_lane *lane = &spool->lanes[i];

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

		if (lane->file >= 0 && !spool->keep)
			output_remove(spool->output, lane->part);
		close_if_open(&lane->file);
		close_if_open(&lane->pipe[0]);
		close_if_open(&lane->pipe[1]);
		free(lane->rest);
	}
	free(spool->lanes);
	spool->lanes = NULL;
	spool->lane_count = 0;
	close_if_open(&spool->stop);
	close_if_open(&spool->enough);
}

uint64_t spool_bytes(const struct spool *spool)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < spool->lane_count; i++)
		bytes += spool->lanes[i].bytes;
	return bytes;
}

const struct spool_lane *spool_failure(const struct spool *spool)
{
	for (size_t i = 0; i < spool->lane_count; i++)
		if (spool->lanes[i].error)
			return &spool->lanes[i];
	return NULL;
}
