// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A recording once more: slices up to the stamp that the clock and the speed ask for.
 */
#include <stdlib.h>

#include "parts.h"

/* Pages in a slice, as report has them for one thread. */
#define SLICE_BYTES (1u << 20)
/* How often it goes on, at a chosen speed. */
#define STEP_NS 50000000u

int replay_open(struct live *live, struct p2p_error *err)
{
	struct trace_file *file = trace_file_open(live->options.path, err);
	struct live_engine *engine = &live->engine;
	struct live_replay *replay;

	if (!file || engine_open(engine, file, &live->options, err))
		return -1;
	replay = live->replay = calloc(1, sizeof(*replay));
	if (!replay)
		return p2p_fail(err, "no memory");
	engine->decoder.sequential = true;
	replay->start = engine->analysis->start;
	replay->stop = engine->analysis->stop;
	replay->stat_count = file->stat_count;
	replay->missed = engine->analysis->recording.missed;
	file->stat_count = 0;
	engine->analysis->recording.missed = 0;
	replay->began_ns = live_now_ns();
	if (!engine->analysis->recording.ns && live->options.speed > 0)
		live->options.speed = 0;
	return slice_plan_init(&replay->plan, file, SLICE_BYTES, true, err);
}

void replay_close(struct live *live)
{
	struct live_replay *replay = live->replay;

	if (!replay)
		return;
	if (replay->plan.file)
		slice_plan_destroy(&replay->plan);
	free(replay);
	live->replay = NULL;
}

/* The stamp up to which the recording has run by now. */
static uint64_t wanted_stamp(const struct live *live, uint64_t now)
{
	const struct live_replay *replay = live->replay;
	double passed;

	if (live->options.speed <= 0)
		return UINT64_MAX;
	passed = (double)(now - replay->began_ns) * live->options.speed;
	if (passed >= (double)(replay->stop - replay->start))
		return UINT64_MAX;
	return replay->start + (uint64_t)passed;
}

/* What is known of the end, now that it is there. */
static void reach_end(struct live *live)
{
	struct analysis *analysis = live->engine.analysis;

	analysis->file->stat_count = live->replay->stat_count;
	analysis->recording.missed = live->replay->missed;
	engine_advance(&live->engine, live->replay->stop);
	live->replay->at_end = live->ended = true;
}

/* One slice, if any is due.  1: it was not all that is. */
static int take_slice(struct live *live, uint64_t wanted, struct p2p_error *err)
{
	struct live_engine *engine = &live->engine;
	struct slice_span *span = &engine->slice.span;
	int result = slice_plan_until(&live->replay->plan, wanted, span, err);

	if (result <= 0) {
		if (!result && wanted != UINT64_MAX)
			engine_advance(engine, wanted);
		return result;
	}
	if (engine_take(engine, err))
		return -1;
	if (span->last)
		return 0;
	engine_advance(engine, span->until);
	return span->until < wanted;
}

int replay_pump(struct live *live, int timeout_ms, struct pollfd *wakers, size_t count,
		struct p2p_error *err)
{
	uint64_t until = live_now_ns() + (uint64_t)timeout_ms * 1000000u, now;

	for (;;) {
		uint64_t wanted, step;
		int more;

		now = live_now_ns();
		wanted = wanted_stamp(live, now);
		more = take_slice(live, wanted, err);
		if (more < 0)
			return -1;
		if (live->replay->plan.done) {
			reach_end(live);
			return 0;
		}
		step = more ? now : now + STEP_NS;
		if (live_wait(wakers, count, step < until ? step : until) || now >= until)
			return 1;
	}
}
