// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "parts.h"

uint64_t live_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int live_wait(struct pollfd *polls, size_t count, uint64_t until_ns)
{
	uint64_t now = live_now_ns();
	uint64_t left = until_ns > now ? until_ns - now : 0;
	struct timespec time = { (time_t)(left / 1000000000u), (long)(left % 1000000000u) };
	int ready;

	for (size_t i = 0; i < count; i++)
		polls[i].revents = 0;
	ready = ppoll(polls, count, &time, NULL);
	return ready > 0 ? ready : 0;
}

/* ---- without events ---- */

static int counters_pump(struct live *live, int timeout_ms, struct pollfd *wakers, size_t count)
{
	live_wait(wakers, count, live_now_ns() + (uint64_t)timeout_ms * 1000000u);
	return live->ended ? 0 : 1;
}

/* The kernel's events, or at least its counters; what is wrong in the command line is
 * not made up for. */
static int open_running(struct live *live, struct p2p_error *err)
{
	live->source = LIVE_KERNEL;
	if (!kernel_open(live, err))
		return 0;
	kernel_close(live);
	engine_close(&live->engine);
	if (err->status == P2P_USAGE || !machine_has_counters(&live->machine))
		return -1;
	live->no_events = *err;
	live->source = LIVE_COUNTERS;
	return 0;
}

static int open_source(struct live *live, struct p2p_error *err)
{
	if (live->options.path) {
		live->source = LIVE_REPLAY;
		return replay_open(live, err) ? -1 : machine_open(live, err);
	}
	return machine_open(live, err) ? -1 : open_running(live, err);
}

/* ---- life ---- */

struct live *live_open(const struct live_options *options, struct p2p_error *err)
{
	struct live *live = calloc(1, sizeof(*live));

	if (!live) {
		p2p_fail(err, "no memory");
		return NULL;
	}
	live->options = *options;
	live->keep.file = -1;
	if (!open_source(live, err))
		return live;
	live_close(live);
	return NULL;
}

void live_close(struct live *live)
{
	if (!live)
		return;
	kernel_close(live);
	replay_close(live);
	judgement_free(&live->judgement);
	engine_close(&live->engine);
	keep_close(&live->keep);
	machine_close(&live->machine);
	free(live->past_pairs.rows);
	free(live->past_processes.rows);
	free(live->past_pools.rows);
	free(live);
}

int live_pump(struct live *live, int timeout_ms, struct pollfd *wakers, size_t waker_count,
	      struct p2p_error *err)
{
	if (live->ended) {
		live_wait(wakers, waker_count, live_now_ns() + (uint64_t)timeout_ms * 1000000u);
		return 0;
	}
	switch (live->source) {
	case LIVE_KERNEL:
		return kernel_pump(live, timeout_ms, wakers, waker_count, err);
	case LIVE_REPLAY:
		return replay_pump(live, timeout_ms, wakers, waker_count, err);
	case LIVE_COUNTERS:
		break;
	}
	return counters_pump(live, timeout_ms, wakers, waker_count);
}

int live_write(struct live *live, const char *path, uint64_t *events, struct p2p_error *err)
{
	uint64_t ignored = 0;

	events = events ? events : &ignored;
	*events = live->engine.events;
	if (live->source == LIVE_REPLAY)
		return replay_write(live, path, err);
	if (live->source == LIVE_COUNTERS)
		return p2p_fail(err, "there are no events to write: only counters are shown");
	if (live->keep.file < 0)
		return p2p_fail(err,
				live->keep.error
					? "nothing was kept to be written: no temporary file (set "
					  "TMPDIR)"
					: "nothing is kept to be written (--keep)");
	if (kernel_catch_up(live, err))
		return -1;
	*events = live->engine.events;
	return describe_write(live, path, err);
}
