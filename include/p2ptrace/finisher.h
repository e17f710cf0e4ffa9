/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * finisher: the thread that puts pieces together, and compresses the one that is being
 * recorded, while recording goes on.
 *
 * Source: src/session/finisher.c
 */
#ifndef P2PTRACE_FINISHER_H
#define P2PTRACE_FINISHER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "p2ptrace/error.h"

struct piece;

struct piece_queue {
	struct piece *first, *last;
};

struct finisher {
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool end; /* with an empty queue */
	struct piece_queue waiting, done;
	struct piece *at_work; /* of the thread; under `lock` */
	struct piece *followed; /* being recorded, to be packed meanwhile; likewise */
	bool packs; /* just now */
	size_t pending; /* pushed and not yet taken; the caller's */
	int ready; /* eventfd: one is done */
};

int finisher_start(struct finisher *finisher, struct p2p_error *err);

/* From now on this is the piece that is being recorded; NULL: none is. */
void finisher_follow(struct finisher *finisher, struct piece *piece);

/* Hands over a piece that has ended. */
void finisher_push(struct finisher *finisher, struct piece *piece);

/* Gives back the next one that is put together, or failed; NULL: none is. */
struct piece *finisher_take(struct finisher *finisher);

/* Bytes of the piece at hand that are compressed, or in their place; 0 when there is none. */
uint64_t finisher_moved(struct finisher *finisher);

/* Ends the thread once everything is done, and frees what nobody took. */
void finisher_stop(struct finisher *finisher);

#endif
