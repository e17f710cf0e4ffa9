/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spool: ring-buffer pages to files, one thread per CPU and instance.
 *
 * A thread moves whole sub-buffers by splice(2) through a pipe: the kernel copies
 * them once, to the page cache, or not at all (spool_write.c), and no byte passes
 * through this process.  It
 * wakes when the buffer is a quarter full or a second has passed.  When
 * tracing has stopped the partly filled last sub-buffer follows by read(2).
 *
 * The files of all threads are a struct spool_files.  They can be changed for others
 * while tracing goes on: every thread writes what is stamped up to a certain moment to
 * the old file and everything later to the new one, splitting a sub-buffer where that
 * moment lies within it.  No event is lost or doubled, and both sets are exact.
 *
 * Every file begins with `head_room` free bytes, so that any of them can become
 * the recording itself; then come whole sub-buffers.
 *
 * Source: src/session/spool.c (threads), spool_write.c, spool_priority.c, spool_files.c
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

struct spool_file {
	int fd; /* -1: taken over, or not open */
	char part[32]; /* its name, see output.h */
	_Atomic uint64_t bytes; /* of pages, behind the head room */
	uint64_t direct; /* of them went past the page cache */
	unsigned char *rest; /* what had left the ring buffer and could not be written, malloc'd */
	size_t rest_bytes;
};

/* One file for each lane of a spool. */
struct spool_files {
	const struct output *output;
	uint64_t head_room;
	struct spool_file *files;
	size_t count;
	bool keep; /* they stay when closed: they are all there is */
};

/* What decides whether a lane's pages go to the file past the page cache. */
struct direct_writes {
	bool refused; /* the file system does not do that */
	uint64_t again_ns; /* CLOCK_MONOTONIC: not before, 0: at any time */
	uint64_t pause_ns; /* how long the last pause was */
	size_t step; /* most bytes of the last write, 0: none since the last pause */
	uint64_t now_ns; /* when something was taken from the buffer last */
	/* since there had been nothing to take: */
	uint64_t since_ns, taken, writing_ns; /* when that ended, bytes, time in direct writes */
	double rate; /* bytes per ns that had arrived until then */
};

struct spool_lane {
	struct spool *spool;
	size_t instance; /* of the session */
	unsigned int cpu;
	int raw; /* trace_pipe_raw */
	int pipe[2]; /* what was read and not yet written */
	struct spool_file *_Atomic file;
	struct direct_writes direct;
	struct spool_file *next; /* what follows it at the turn at hand; NULL: no turn */
	int turn; /* eventfd: there is one */
	_Atomic bool asked; /* to take no more pages until its moment is chosen */
	bool halfway; /* a sub-buffer was read before it was full; splice(2) may refuse its rest */
	pthread_t thread;
	bool running; /* has a thread that is not joined */
	bool ended; /* its thread takes no more turns; under the spool's lock */
	int error; /* errno of what ended it early, 0: none */
};

struct spool {
	const struct session *session;
	enum spool_priority priority;
	bool still; /* a flight recorder: the threads take pages only at turns and at the stop */
	bool direct; /* pages may go past the page cache */
	struct spool_lane *_Atomic leader; /* the one whose pages do first, NULL: none yet */
	uint64_t memory; /* bytes of this machine */
	uint16_t stack_type; /* number of the records that belong to those before, 0: none */
	struct spool_lane *lanes; /* instance by instance, CPUs ascending */
	size_t lane_count;
	int stop; /* eventfd: threads drain and end */
	int attention; /* eventfd: a thread ended early, or one of the limits is reached */
	uint64_t max_bytes; /* of pages in all, 0: no end */
	uint64_t turn_bytes; /* of pages since the last turn, 0: any number */
	_Atomic uint64_t bytes, bytes_at_turn; /* of pages so far */
	pthread_mutex_t lock;
	pthread_cond_t turned;
	/* under `lock`: lanes that still take pages, and that have not taken the turn */
	size_t arriving, turning;
	bool moment_chosen;
	uint64_t turn_stamp; /* what is stamped later goes to the new files */
};

/* ---- spool_files.c ---- */

/* The part (see output.h) of a lane, counted instance by instance. */
void spool_part_name(const struct session *session, size_t lane, char part[32]);

int spool_files_open(struct spool_files *files, const struct session *session,
		     const struct output *output, uint64_t head_room, struct p2p_error *err);

/* Closes and removes what is left; those whose `fd` is -1 were taken over. */
void spool_files_close(struct spool_files *files);

/* Bytes of pages in all of them. */
uint64_t spool_files_bytes(const struct spool_files *files);

/* Writes at the end of the file; what cannot be written is put to its rest, and the error
 * returned. */
int spool_file_write(struct spool_file *file, const unsigned char *bytes, size_t size);

/* ---- spool_priority.c ---- */

/* Whether this process may have it, without keeping it. */
int spool_check_priority(enum spool_priority priority, struct p2p_error *err);

/* Takes it for the calling thread, if that is permitted. */
bool spool_take_priority(enum spool_priority priority);

/* ---- spool_write.c ---- */

/* Notes what was taken from the ring buffer; `again`: and that there was more after it. */
void spool_note_taken(struct spool_lane *lane, size_t bytes, bool again);

/* Writes so many bytes that are in the pipe.  What cannot be written is put to the file's
 * rest, and the lane fails. */
int spool_empty_pipe(struct spool_lane *lane, size_t bytes);

/* Ends the lane early; returns -1. */
int spool_fail_lane(struct spool_lane *lane, int error);

/* Wakes who waits for the end. */
int spool_ask_for_attention(const struct spool *spool);

/* ---- spool.c ---- */

int spool_open(struct spool *spool, const struct session *session, struct p2p_error *err);
int spool_start(struct spool *spool, struct spool_files *files, struct p2p_error *err);

/*
 * Everything stamped later than the moment that is returned goes to other files; the former
 * ones are complete then.  The moment is chosen while no thread takes pages: nothing
 * later can be in the former ones already.
 */
uint64_t spool_turn(struct spool *spool, struct spool_files *files);

/* Tracing must be off: takes what is left in the buffers and ends the threads. */
void spool_stop(struct spool *spool);
void spool_close(struct spool *spool);

/* Whether there is enough in all, or since the last turn. */
bool spool_is_full(const struct spool *spool);
bool spool_wants_turn(const struct spool *spool);

/* The first lane that ended early, NULL when none did. */
const struct spool_lane *spool_failure(const struct spool *spool);

#endif
