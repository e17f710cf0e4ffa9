// SPDX-License-Identifier: GPL-2.0-or-later
#include <pthread.h>
#include <stdlib.h>

#include "p2ptrace/pipeline.h"

/* Pages in one slice: small, so that its records stay in the second-level cache; where
 * slices are decoded on their own large enough that pages across borders, which are read
 * twice, cost little. */
#define SLICE_BYTES_IN_TURN (1u << 20)
#define SLICE_BYTES_APART (4u << 20)

/* Slices between the thread that decodes and the one that matches. */
#define PLACES_IN_TURN 4

enum place_state { PLACE_FREE, PLACE_DECODING, PLACE_DECODED };

/* A place for one slice in flight. */
struct place {
	struct slice slice;
	enum place_state state;
	unsigned int shards_left;
};

struct work {
	const struct pipeline *pipeline;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct slice_plan plan;
	struct place *places; /* slice n is at place n % place_count */
	unsigned int place_count;
	bool in_turn; /* slices are decoded one after the other, by one thread */
	uint64_t planned; /* slices handed out for decoding */
	uint64_t let_go; /* slices finished */
	uint64_t *shard_next; /* [shard]: the slice it takes next */
	bool *shard_busy;
	bool plan_done, failed;
	struct p2p_error *err;
};

static struct place *place_of(struct work *work, uint64_t slice)
{
	return &work->places[slice % work->place_count];
}

/* The first error stays. */
static void fail(struct work *work, const struct p2p_error *err)
{
	if (!work->failed)
		*work->err = *err;
	work->failed = true;
}

/* A shard whose next slice lies ready; -1 if none. */
static int ready_shard(struct work *work)
{
	for (unsigned int shard = 0; shard < work->pipeline->shards; shard++) {
		uint64_t next = work->shard_next[shard];

		if (!work->shard_busy[shard] && next < work->planned &&
		    place_of(work, next)->state == PLACE_DECODED)
			return (int)shard;
	}
	return -1;
}

/* With the lock held before and after. */
static void match_shard(struct work *work, unsigned int shard)
{
	const struct pipeline *pipeline = work->pipeline;
	struct place *place = place_of(work, work->shard_next[shard]);
	struct p2p_error err;
	int result;

	work->shard_busy[shard] = true;
	pthread_mutex_unlock(&work->lock);
	result = work->in_turn ? slice_order(&place->slice, 1, &err) : 0;
	if (!result)
		result = matcher_take(&pipeline->matchers[shard], &place->slice, shard, &err);
	pthread_mutex_lock(&work->lock);
	if (result)
		fail(work, &err);
	work->shard_busy[shard] = false;
	work->shard_next[shard]++;
	place->shards_left--;
	/* All shards take slices in order, so slices are done in order too. */
	while (work->let_go < work->planned) {
		place = place_of(work, work->let_go);
		if (place->state != PLACE_DECODED || place->shards_left)
			break;
		if (!pipeline->finished(pipeline->context, &place->slice)) {
			p2p_fail(&err, "no memory for the analysis");
			fail(work, &err);
		}
		place->state = PLACE_FREE;
		work->let_go++;
		if (pipeline->progress)
			pipeline->progress(pipeline->context, slice_plan_progress(&work->plan));
	}
	pthread_cond_broadcast(&work->changed);
}

/* Plans and decodes the next slice.  False: there is none, or no place for it. */
static bool decode_next(struct work *work, struct decoder *decoder)
{
	struct place *place = place_of(work, work->planned);
	struct p2p_error err;
	int result;

	if (work->plan_done || place->state != PLACE_FREE)
		return false;
	result = slice_plan_next(&work->plan, &place->slice.span, &err);
	if (result <= 0) {
		work->plan_done = true;
		if (result < 0)
			fail(work, &err);
		pthread_cond_broadcast(&work->changed);
		return true;
	}
	work->planned++;
	place->state = PLACE_DECODING;
	place->shards_left = work->pipeline->shards;
	pthread_mutex_unlock(&work->lock);
	result = slice_decode(decoder, &place->slice, &err);
	pthread_mutex_lock(&work->lock);
	if (result)
		fail(work, &err);
	place->state = PLACE_DECODED;
	pthread_cond_broadcast(&work->changed);
	return true;
}

/* Does one thing.  False: there is nothing to do but wait.  A thread that decodes all slices
 * goes on with that as long as there are places. */
static bool do_next(struct work *work, struct decoder *decoder)
{
	int shard;

	if (decoder && work->in_turn && decode_next(work, decoder))
		return true;
	shard = ready_shard(work);
	if (shard >= 0)
		match_shard(work, (unsigned int)shard);
	return shard >= 0 || (decoder && !work->in_turn && decode_next(work, decoder));
}

/* `decoder`: NULL for a thread that only matches. */
static void work_on(struct work *work, struct decoder *decoder)
{
	pthread_mutex_lock(&work->lock);
	while (!work->failed && !(work->plan_done && work->let_go == work->planned))
		if (!do_next(work, decoder))
			pthread_cond_wait(&work->changed, &work->lock);
	pthread_cond_broadcast(&work->changed);
	pthread_mutex_unlock(&work->lock);
}

static void decode_and_match(struct work *work)
{
	const struct pipeline *pipeline = work->pipeline;
	struct decoder decoder;
	struct p2p_error err;
	int started = decoder_init(&decoder, pipeline->file, pipeline->schema, pipeline->names,
				   pipeline->paths, &err);

	decoder.filter = pipeline->filter;
	decoder.stacks = pipeline->stacks;
	decoder.shards = pipeline->shards;
	decoder.sequential = work->in_turn;
	/* Who matches has more time than who decodes. */
	decoder.ordered = !work->in_turn;
	if (started) {
		pthread_mutex_lock(&work->lock);
		fail(work, &err);
		pthread_mutex_unlock(&work->lock);
	}
	work_on(work, &decoder);
	decoder_destroy(&decoder);
}

static void *help(void *argument)
{
	struct work *work = argument;

	if (work->in_turn)
		work_on(work, NULL);
	else
		decode_and_match(work);
	return NULL;
}

static int work_init(struct work *work, const struct pipeline *pipeline, struct p2p_error *err)
{
	*work = (struct work){ .pipeline = pipeline, .err = err };
	work->in_turn = pipeline->shards == 1;
	work->place_count = pipeline->threads == 1 ? 1
			    : work->in_turn	   ? PLACES_IN_TURN
						   : pipeline->threads + 2;
	work->places = calloc(work->place_count, sizeof(*work->places));
	work->shard_next = calloc(pipeline->shards, sizeof(*work->shard_next));
	work->shard_busy = calloc(pipeline->shards, sizeof(*work->shard_busy));
	pthread_mutex_init(&work->lock, NULL);
	pthread_cond_init(&work->changed, NULL);
	if (!work->places || !work->shard_next || !work->shard_busy)
		return p2p_fail(err, "no memory");
	for (unsigned int i = 0; i < work->place_count; i++)
		if (slice_init(&work->places[i].slice, pipeline->file, err))
			return -1;
	return slice_plan_init(&work->plan, pipeline->file,
			       work->in_turn ? SLICE_BYTES_IN_TURN : SLICE_BYTES_APART,
			       work->in_turn, err);
}

static void work_destroy(struct work *work)
{
	for (unsigned int i = 0; work->places && i < work->place_count; i++)
		slice_destroy(&work->places[i].slice);
	slice_plan_destroy(&work->plan);
	free(work->places);
	free(work->shard_next);
	free(work->shard_busy);
	pthread_mutex_destroy(&work->lock);
	pthread_cond_destroy(&work->changed);
}

unsigned int pipeline_shards(unsigned int threads)
{
	if (threads <= 2)
		return 1;
	return threads < 4 ? threads * 4 : SHARDS_MAX;
}

int pipeline_run(const struct pipeline *pipeline, struct p2p_error *err)
{
	pthread_t threads[64];
	unsigned int started = 0, wanted = pipeline->threads - 1;
	struct work work;

	if (work_init(&work, pipeline, err)) {
		work_destroy(&work);
		return -1;
	}
	/* A thread that cannot be started is one that does not help. */
	while (started < wanted && started < 64 &&
	       !pthread_create(&threads[started], NULL, help, &work))
		started++;
	decode_and_match(&work);
	for (unsigned int i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	work_destroy(&work);
	return work.failed ? -1 : 0;
}
