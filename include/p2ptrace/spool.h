/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spool: ring-buffer pages to files, one thread and one file per CPU and instance.
 *
 * A thread moves whole sub-buffers by splice(2) through a pipe: the kernel copies
 * them once, to the page cache, and no byte passes through this process.  It
 * wakes when the buffer is a quarter full or a second has passed.  When
 * tracing has stopped the partly filled last sub-buffer follows by read(2).
 *
 * Every file begins with `head_room` free bytes, so that any of them can become
 * the recording itself; then come whole sub-buffers.
 *
 * Source: src/session/spool.c
 */
#ifndef P2PTRACE_SPOOL_H
#define P2PTRACE_SPOOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/error.h"
#include "p2ptrace/output.h"
#include "p2ptrace/session.h"

/* Of the reader threads.  The best that is permitted, or what was asked for. */
enum spool_priority { PRIORITY_BEST, PRIORITY_FIFO, PRIORITY_NICE, PRIORITY_NORMAL };

struct spool_lane {
	struct spool *spool;
	size_t instance; /* of the session */
	unsigned int cpu;
	int raw; /* trace_pipe_raw */
	int pipe[2]; /* what was read and not yet written */
	int file;
	char part[32]; /* the file's name, see output.h */
	pthread_t thread;
	bool running;
	_Atomic uint64_t bytes; /* of pages in the file, behind the head room */
	int error; /* errno of what ended it early, 0: none */
	unsigned char *rest; /* what lay in the pipe then, malloc'd */
	size_t rest_bytes;
};

struct spool {
	const struct session *session;
	const struct output *output;
	enum spool_priority priority;
	uint64_t head_room;
	struct spool_lane *lanes; /* instance by instance, CPUs ascending */
	size_t lane_count;
	int stop; /* eventfd: threads drain and end */
	int enough; /* eventfd: readable once a thread ended early, or max_bytes are there */
	uint64_t max_bytes; /* of pages in all, 0: no end */
	bool keep; /* the files stay when it is closed: they are all there is */
};

/* The part (see output.h) of a lane, counted instance by instance. */
void spool_part_name(const struct session *session, size_t lane, char part[32]);

/* Whether this process may have it, without keeping it. */
int spool_check_priority(enum spool_priority priority, struct p2p_error *err);

int spool_open(struct spool *spool, const struct session *session, const struct output *output,
	       uint64_t head_room, struct p2p_error *err);
int spool_start(struct spool *spool, struct p2p_error *err);

/* Tracing must be off: takes what is left in the buffers and ends the threads. */
void spool_stop(struct spool *spool);

/* Closes and removes what is left; lanes whose `file` is -1 were taken over. */
void spool_close(struct spool *spool);

/* Bytes of pages written so far. */
uint64_t spool_bytes(const struct spool *spool);

/* The first lane that ended early, NULL when none did. */
const struct spool_lane *spool_failure(const struct spool *spool);

#endif
