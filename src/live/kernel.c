// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages of the running kernel, in windows of time.
 *
 * Before the buffers are read the clock is; what lies before that is then all there, of
 * every CPU, whether it had anything to say or not: the window ends there, less a little
 * for writers that were held up.  Of a CPU that has more than may be held at once only
 * a part is read, and the window ends where that part does.  What lies behind the window
 * stays for the next one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parts.h"

/* A writer may be interrupted, or its virtual CPU taken away, between its stamp and its
 * commit.  What comes later still is counted, a little out of order. */
#define MARGIN_NS 5000000u
/* Pages of one window, all CPUs together: records of so many stay small. */
#define WINDOW_BYTES (4u << 20)
/* Buffers are looked at at least so often, for the names of short-lived threads. */
#define STEP_NS 250000000u

/* ---- opening ---- */

static int attach_lanes(struct live *live, struct trace_file *file, struct p2p_error *err)
{
	struct live_kernel *kernel = live->kernel;
	const struct session *session = &kernel->recorder.session;
	uint32_t top = session->cpus[session->cpu_count - 1];

	if (file->lane_count != kernel->lane_count)
		return p2p_fail(err, "the description of the events has %zu CPUs, not %zu",
				file->lane_count, kernel->lane_count);
	for (size_t i = 0; i < kernel->lane_count; i++)
		file->lanes[i].memory = &kernel->lanes[i].memory;
	free(file->stats);
	file->stats = calloc((size_t)top + 1, sizeof(*file->stats));
	file->stat_count = file->stats ? (size_t)top + 1 : 0;
	return file->stats ? 0 : p2p_fail(err, "no memory");
}

static int open_lanes(struct live_kernel *kernel, struct p2p_error *err)
{
	const struct session *session = &kernel->recorder.session;
	size_t count = session->instance_count * session->cpu_count;
	char path[64];

	kernel->lanes = calloc(count, sizeof(*kernel->lanes));
	kernel->polls = calloc(count + LIVE_WAKERS_MAX, sizeof(*kernel->polls));
	if (!kernel->lanes || !kernel->polls)
		return p2p_fail(err, "no memory");
	kernel->lane_pages = WINDOW_BYTES / session->page_size / count;
	for (; kernel->lane_count < count; kernel->lane_count++) {
		struct live_lane *lane = &kernel->lanes[kernel->lane_count];
		size_t instance = kernel->lane_count / session->cpu_count;

		snprintf(path, sizeof(path), "per_cpu/cpu%u/trace_pipe_raw",
			 session->cpus[kernel->lane_count % session->cpu_count]);
		lane->raw = instance_open(&session->instances[instance], path,
					  O_RDONLY | O_NONBLOCK, err);
		if (lane->raw < 0)
			return -1;
	}
	return 0;
}

static int open_analysis(struct live *live, struct p2p_error *err)
{
	struct live_kernel *kernel = live->kernel;
	struct trace_file *file = describe_open(kernel->piece, err);

	if (!file)
		return -1;
	if (engine_open(&live->engine, file, &live->options, err))
		return -1;
	return attach_lanes(live, file, err);
}

static int start(struct live *live, struct p2p_error *err)
{
	struct recorder *recorder = &live->kernel->recorder;
	struct analysis *analysis = live->engine.analysis;

	tasks_poll(&recorder->tasks, &recorder->session.tracefs);
	if (live->keep.slots)
		system_capture(live->kernel->piece, CAPTURE_START);
	if (session_start(&recorder->session, err))
		return -1;
	recorder->began_ns = live_now_ns();
	analysis->recording.start = analysis->start = recorder->session.start;
	analysis->recording.stop = analysis->stop = recorder->session.start;
	live->engine.position = recorder->session.start;
	live->engine.slice.span.until = recorder->session.start;
	return 0;
}

int kernel_open(struct live *live, struct p2p_error *err)
{
	struct live_kernel *kernel = calloc(1, sizeof(*kernel));
	struct recorder *recorder;

	live->kernel = kernel;
	if (!kernel)
		return p2p_fail(err, "no memory");
	kernel->options = (struct recorder_options){ .session = live->options.session,
						     .pids = live->options.pids };
	recorder = &kernel->recorder;
	*recorder = (struct recorder){ .options = &kernel->options,
				       .session = { .tracefs = { -1, -1 } },
				       .output = { .dir = -1 },
				       .ballast = -1 };
	if (session_open(&recorder->session, &kernel->options.session, err))
		return -1;
	recorder->head_room = trace_head_room(recorder->session.page_size);
	kernel->piece = piece_new(recorder, 0, err);
	if (!kernel->piece || metadata_collect(recorder, err) || open_lanes(kernel, err) ||
	    open_analysis(live, err) ||
	    keep_open(&live->keep, kernel->lane_count, recorder->session.page_size,
		      live->options.keep_bytes, err))
		return -1;
	return start(live, err);
}

/* The session's end, but for what was read from it. */
static void close_lanes(struct live_kernel *kernel)
{
	for (size_t i = 0; i < kernel->lane_count; i++) {
		if (kernel->lanes[i].raw >= 0)
			close(kernel->lanes[i].raw);
		kernel->lanes[i].raw = -1;
	}
}

void kernel_close(struct live *live)
{
	struct live_kernel *kernel = live->kernel;

	if (!kernel)
		return;
	session_stop(&kernel->recorder.session);
	close_lanes(kernel);
	for (size_t i = 0; i < kernel->lane_count; i++)
		free(kernel->lanes[i].buffer);
	free(kernel->lanes);
	free(kernel->polls);
	metadata_release(&kernel->recorder);
	piece_free(kernel->piece);
	tasks_free(&kernel->recorder.tasks);
	session_close(&kernel->recorder.session);
	free(kernel);
	live->kernel = NULL;
}

/* ---- reading ---- */

static unsigned char *page_at(const struct live *live, const struct live_lane *lane, uint64_t page)
{
	return lane->buffer + page * live->kernel->recorder.session.page_size;
}

static uint64_t page_stamp(const struct live *live, const struct live_lane *lane, uint64_t page)
{
	uint64_t stamp;

	memcpy(&stamp, page_at(live, lane, page), sizeof(stamp));
	return stamp;
}

static int make_room(struct live *live, struct live_lane *lane, struct p2p_error *err)
{
	size_t page = live->kernel->recorder.session.page_size;
	uint64_t room = lane->room ? lane->room * 2 : 2;
	unsigned char *more;

	if (lane->held < lane->room)
		return 0;
	more = realloc(lane->buffer, room * page + LANE_MARGIN);
	if (!more)
		return p2p_fail(err, "no memory for pages of events");
	memset(more + room * page, 0, LANE_MARGIN);
	lane->buffer = more;
	lane->room = room;
	return 0;
}

/* All that is there, or as many pages as may be held.  1: there may be more. */
static int read_lane(struct live *live, size_t index, uint64_t most, struct p2p_error *err)
{
	struct live_lane *lane = &live->kernel->lanes[index];
	size_t page = live->kernel->recorder.session.page_size;

	while (lane->raw >= 0 && lane->held < most) {
		unsigned char *to;
		ssize_t got;

		if (make_room(live, lane, err))
			return -1;
		to = page_at(live, lane, lane->held);
		got = read(lane->raw, to, page);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno != EAGAIN)
			return p2p_fail_errno(err, "cannot read events of CPU %u",
					      live->engine.analysis->file->lanes[index].cpu);
		if (got <= 0)
			return 0;
		memset(to + got, 0, page - (size_t)got);
		keep_page(&live->keep, index, to);
		lane->held++;
	}
	return lane->raw >= 0;
}

/* Reads every lane; *horizon comes down to where the first one that is cut off ends. */
static int read_lanes(struct live *live, uint64_t *horizon, struct p2p_error *err)
{
	struct live_kernel *kernel = live->kernel;
	uint64_t most = kernel->lane_pages < 2 ? 2 : kernel->lane_pages;
	uint64_t from = live->engine.slice.span.until;
	bool any = false;

	for (size_t i = 0; i < kernel->lane_count; i++) {
		struct live_lane *lane = &kernel->lanes[i];
		uint64_t here = most;
		int more = read_lane(live, i, here, err);

		/* Pages of one stamp only: a clock with coarse ticks. */
		while (more > 0 && page_stamp(live, lane, lane->held - 1) <= from)
			more = read_lane(live, i, here *= 2, err);
		if (more < 0)
			return -1;
		if (more && page_stamp(live, lane, lane->held - 1) < *horizon)
			*horizon = page_stamp(live, lane, lane->held - 1);
		any |= more;
	}
	return any;
}

/* ---- windows ---- */

/* The pages of a lane that the window needs: the first is looked at in any case, since
 * the one before may have ended within it. */
static uint64_t pages_before(const struct live *live, const struct live_lane *lane, uint64_t until)
{
	uint64_t low = 0, high = lane->held;

	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (page_stamp(live, lane, middle) < until)
			low = middle;
		else
			high = middle;
	}
	return high;
}

static void drop_pages(struct live *live, struct live_lane *lane, uint64_t count)
{
	size_t page = live->kernel->recorder.session.page_size;

	if (!count)
		return;
	memmove(lane->buffer, lane->buffer + count * page, (lane->held - count) * page);
	lane->held -= count;
	lane->memory.first += count;
}

static int take_window(struct live *live, uint64_t until, bool last, struct p2p_error *err)
{
	struct live_engine *engine = &live->engine;
	struct live_kernel *kernel = live->kernel;
	struct trace_file *file = engine->analysis->file;
	struct slice_span *span = &engine->slice.span;

	span->from = span->until;
	span->until = until;
	span->last = last;
	for (size_t i = 0; i < kernel->lane_count; i++) {
		struct live_lane *lane = &kernel->lanes[i];

		lane->memory.pages = lane->buffer;
		file->lanes[i].pages = lane->memory.first + lane->held;
		file->lanes[i].tail = file->lanes[i].page_size;
		span->lanes[i].first = lane->memory.first;
		span->lanes[i].count = last ? lane->held : pages_before(live, lane, until);
	}
	if (engine_take(engine, err))
		return -1;
	span->number++;
	/* The last page of each goes on in the next window. */
	for (size_t i = 0; i < kernel->lane_count; i++)
		if (span->lanes[i].count)
			drop_pages(live, &kernel->lanes[i], span->lanes[i].count - 1);
	engine_advance(engine, last ? kernel->recorder.session.stop : until);
	return 0;
}

/* 1: more lies ready; 0: not. */
static int take_ready(struct live *live, struct p2p_error *err)
{
	const struct session *session = &live->kernel->recorder.session;
	uint64_t now = trace_clock_now(session);
	uint64_t horizon = session->clock.ns ? now - MARGIN_NS : now;
	int more = read_lanes(live, &horizon, err);

	if (more < 0)
		return -1;
	if (horizon > live->engine.slice.span.until && take_window(live, horizon, false, err))
		return -1;
	return more;
}

int kernel_catch_up(struct live *live, struct p2p_error *err)
{
	int more = 1;

	while (more > 0 && !live->ended)
		more = take_ready(live, err);
	return more < 0 ? -1 : 0;
}

/* ---- the end ---- */

static int finish(struct live *live, struct p2p_error *err)
{
	struct live_kernel *kernel = live->kernel;
	struct session *session = &kernel->recorder.session;
	uint64_t horizon;
	int more = 1;

	session_stop(session);
	kernel->recorder.ended_ns = live_now_ns();
	while (more > 0) {
		horizon = session->stop;
		more = read_lanes(live, &horizon, err);
		if (more > 0 && horizon > live->engine.slice.span.until &&
		    take_window(live, horizon, false, err))
			return -1;
	}
	if (more < 0 || take_window(live, UINT64_MAX, true, err))
		return -1;
	live->engine.analysis->recording.stop = session->stop;
	kernel_read_losses(live);
	live->ended = true;
	return who_learn(live, err);
}

int live_stop(struct live *live, struct p2p_error *err)
{
	if (live->ended)
		return 0;
	if (live->source == LIVE_KERNEL)
		return finish(live, err);
	live->ended = true;
	return 0;
}

/* Waits for a buffer that fills, unless `more` is there already, or for one of the wakers:
 * whether one of these is ready. */
static bool wait_for_more(struct live_kernel *kernel, bool more, struct pollfd *wakers,
			  size_t count, uint64_t until)
{
	size_t lanes = more ? 0 : kernel->lane_count;
	bool woken = false;

	/* A CPU that has not been online yet has no buffer: POLLERR at once, so every
	 * other time it is left out. */
	for (size_t i = 0; i < lanes; i++) {
		bool absent = kernel->polls[i].revents & POLLERR;

		kernel->polls[i] = (struct pollfd){ .fd = absent ? -1 : kernel->lanes[i].raw,
						    .events = POLLIN };
	}
	for (size_t i = 0; i < count; i++)
		kernel->polls[lanes + i] = wakers[i];
	live_wait(kernel->polls, lanes + count, more ? 0 : until);
	for (size_t i = 0; i < count; i++) {
		wakers[i].revents = kernel->polls[lanes + i].revents;
		woken |= wakers[i].revents != 0;
	}
	return woken;
}

int kernel_pump(struct live *live, int timeout_ms, struct pollfd *wakers, size_t count,
		struct p2p_error *err)
{
	uint64_t until = live_now_ns() + (uint64_t)timeout_ms * 1000000u;

	count = count < LIVE_WAKERS_MAX ? count : LIVE_WAKERS_MAX;
	for (;;) {
		int more = take_ready(live, err);
		uint64_t step = live_now_ns() + STEP_NS;

		if (more < 0 || who_learn(live, err))
			return -1;
		if (live->ended)
			return 0;
		if (wait_for_more(live->kernel, more, wakers, count, step < until ? step : until))
			return 1;
		if (live_now_ns() >= until)
			return take_ready(live, err) < 0 ? -1 : 1;
	}
}

void kernel_read_losses(struct live *live)
{
	const struct session *session = &live->kernel->recorder.session;
	struct analysis *analysis = live->engine.analysis;
	struct trace_file *file = analysis->file;

	if (!session->instance_count)
		return;
	memset(file->stats, 0, file->stat_count * sizeof(*file->stats));
	for (size_t i = 0; i < live->kernel->lane_count; i++) {
		unsigned int cpu = session->cpus[i % session->cpu_count];
		struct ring_stats stats;

		if (session_stats(session, i / session->cpu_count, cpu, &stats, NULL))
			continue;
		file->stats[cpu].known = true;
		file->stats[cpu].overrun += stats.overrun;
		file->stats[cpu].commit_overrun += stats.commit_overrun;
		file->stats[cpu].dropped += stats.dropped;
	}
	analysis->recording.missed = session->source.ops->missed(&session->source);
}
