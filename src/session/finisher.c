// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "p2ptrace/finisher.h"
#include "p2ptrace/piece.h"

static void append(struct piece_queue *queue, struct piece *piece)
{
	piece->next = NULL;
	if (queue->last)
		queue->last->next = piece;
	else
		queue->first = piece;
	queue->last = piece;
}

static struct piece *remove_first(struct piece_queue *queue)
{
	struct piece *piece = queue->first;

	if (!piece)
		return NULL;
	queue->first = piece->next;
	if (!queue->first)
		queue->last = NULL;
	return piece;
}

/* What can be done before the piece has ended.  With the lock, which is let go meanwhile.
 * Whether there may be more at once. */
static bool pack_followed(struct finisher *finisher)
{
	struct piece *piece = finisher->followed;
	struct p2p_error ignored;
	int chunks;

	if (!piece || !piece->packing.compressor)
		return false;
	finisher->packs = true;
	pthread_mutex_unlock(&finisher->lock);
	/* A disk that is full is told by the readers. */
	chunks = packing_advance(&piece->packing, &piece->files, false, &ignored);
	pthread_mutex_lock(&finisher->lock);
	finisher->packs = false;
	pthread_cond_broadcast(&finisher->wake);
	return chunks > 0;
}

/* While there is less than a chunk. */
#define PACK_INTERVAL_NS 200000000

/* Until there is a piece that has ended, or no more will come. */
static struct piece *await_piece(struct finisher *finisher)
{
	while (!finisher->waiting.first && !finisher->end) {
		struct timespec until;

		if (pack_followed(finisher))
			continue;
		if (finisher->waiting.first || finisher->end)
			break;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += PACK_INTERVAL_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		if (finisher->followed && finisher->followed->packing.compressor)
			pthread_cond_timedwait(&finisher->wake, &finisher->lock, &until);
		else
			pthread_cond_wait(&finisher->wake, &finisher->lock);
	}
	return remove_first(&finisher->waiting);
}

static void *run(void *argument)
{
	struct finisher *finisher = argument;
	const uint64_t one = 1;
	struct piece *piece;

	pthread_setname_np(pthread_self(), "finisher");
	pthread_mutex_lock(&finisher->lock);
	while ((piece = await_piece(finisher))) {
		finisher->at_work = piece;
		pthread_mutex_unlock(&finisher->lock);
		piece->failed = assemble(piece, &piece->error);
		pthread_mutex_lock(&finisher->lock);
		finisher->at_work = NULL;
		append(&finisher->done, piece);
		if (write(finisher->ready, &one, sizeof(one)) != sizeof(one))
			p2p_warn("cannot tell that a file is complete");
	}
	pthread_mutex_unlock(&finisher->lock);
	return NULL;
}

int finisher_start(struct finisher *finisher, struct p2p_error *err)
{
	*finisher = (struct finisher){ .lock = PTHREAD_MUTEX_INITIALIZER,
				       .wake = PTHREAD_COND_INITIALIZER };
	finisher->ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (finisher->ready < 0)
		return p2p_fail_errno(err, "cannot make an eventfd");
	errno = pthread_create(&finisher->thread, NULL, run, finisher);
	if (errno) {
		p2p_fail_errno(err, "cannot start a thread");
		close(finisher->ready);
		return -1;
	}
	finisher->running = true;
	return 0;
}

void finisher_follow(struct finisher *finisher, struct piece *piece)
{
	pthread_mutex_lock(&finisher->lock);
	finisher->followed = piece;
	while (finisher->packs)
		pthread_cond_wait(&finisher->wake, &finisher->lock);
	pthread_cond_broadcast(&finisher->wake);
	pthread_mutex_unlock(&finisher->lock);
}

void finisher_push(struct finisher *finisher, struct piece *piece)
{
	pthread_mutex_lock(&finisher->lock);
	append(&finisher->waiting, piece);
	pthread_cond_broadcast(&finisher->wake);
	pthread_mutex_unlock(&finisher->lock);
	finisher->pending++;
}

struct piece *finisher_take(struct finisher *finisher)
{
	struct piece *piece;
	uint64_t count;

	if (read(finisher->ready, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return NULL;
	pthread_mutex_lock(&finisher->lock);
	piece = remove_first(&finisher->done);
	pthread_mutex_unlock(&finisher->lock);
	finisher->pending -= piece != NULL;
	return piece;
}

uint64_t finisher_moved(struct finisher *finisher)
{
	uint64_t moved;

	pthread_mutex_lock(&finisher->lock);
	if (!finisher->at_work)
		moved = 0;
	else if (finisher->at_work->packing.compressor)
		moved = packing_done(&finisher->at_work->packing);
	else
		moved = finisher->at_work->moved;
	pthread_mutex_unlock(&finisher->lock);
	return moved;
}

void finisher_stop(struct finisher *finisher)
{
	struct piece *piece;

	if (!finisher->running)
		return;
	pthread_mutex_lock(&finisher->lock);
	finisher->end = true;
	pthread_cond_broadcast(&finisher->wake);
	pthread_mutex_unlock(&finisher->lock);
	pthread_join(finisher->thread, NULL);
	finisher->running = false;
	while ((piece = finisher_take(finisher)))
		piece_free(piece);
	close(finisher->ready);
}
