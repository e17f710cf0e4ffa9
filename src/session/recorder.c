// SPDX-License-Identifier: GPL-2.0-or-later
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/recorder.h"
#include "p2ptrace/signals.h"
#include "p2ptrace/stacks.h"
#include "p2ptrace/trace_write.h"

/* ---- running ---- */

#define TICK_NS 500000000u

/* Milliseconds to the first of those moments; 0 is none. */
static int time_to_wait(uint64_t now, const uint64_t *moments, size_t count)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < count; i++)
		if (moments[i] && moments[i] < next)
			next = moments[i];
	return next <= now ? 0 : (int)((next - now + 999999) / 1000000);
}

/* Names, threads and losses, for the case that there is no stop.  Thread groups are
 * read at ever longer intervals: that takes time in proportion to pid_max.  In a pid
 * namespace their numbers are not those of the trace. */
static void note_so_far(struct recorder *recorder, unsigned int seconds)
{
	tasks_poll(&recorder->tasks, &recorder->session.tracefs);
	if (recorder->session.pids_global && (!(seconds & (seconds - 1)) || !(seconds % 64)))
		tasks_read_tgids(&recorder->tasks, &recorder->session.tracefs);
	sidecar_update(recorder->piece, &recorder->tasks);
}

/* What is due by time. */
struct schedule {
	uint64_t tick, end, turn; /* CLOCK_MONOTONIC; 0: never */
	unsigned int ticks;
};

/* Twice a second.  Gives whether those that -p names are all gone. */
static bool tick(struct recorder *recorder, struct schedule *schedule)
{
	struct recorder_progress done;

	if (recorder->watch->progress) {
		recorder_measure(recorder, &done);
		recorder->watch->progress(&done);
	}
	if (++schedule->ticks % 2)
		return false;
	note_so_far(recorder, schedule->ticks / 2);
	return !session_has_targets(&recorder->session);
}

static void clear(int eventfd)
{
	uint64_t count;

	while (read(eventfd, &count, sizeof(count)) == sizeof(count))
		;
}

/* Goes on in the next file; what keeps it from that ends the recording. */
static int turn(struct recorder *recorder, struct schedule *schedule, struct p2p_error *err)
{
	const struct rotation *rotation = &recorder->options->rotation;

	recorder->fault = recorder_turn(recorder, err) != 0;
	if (rotation->ns)
		schedule->turn = recorder->turn_ns + rotation->ns;
	return recorder->fault ? -1 : 0;
}

static bool has_ended(struct recorder *recorder, unsigned int told, uint64_t now,
		      const struct schedule *schedule)
{
	recorder->fault = spool_failure(&recorder->spool) != NULL;
	return recorder->fault || told & TOLD_END || spool_is_full(&recorder->spool) ||
	       (schedule->end && now >= schedule->end) || workload_has_ended(&recorder->workload);
}

/* Until a signal, the time given, CMD's end, the end of -p's processes, enough bytes, or
 * a fault. */
static int record_until_end(struct recorder *recorder, int signals, struct p2p_error *err)
{
	const struct recorder_options *options = recorder->options;
	struct pollfd events[] = { { .fd = signals, .events = POLLIN },
				   { .fd = recorder->spool.attention, .events = POLLIN },
				   { .fd = recorder->finisher.ready, .events = POLLIN } };
	uint64_t now = recorder->began_ns;
	struct schedule schedule = {
		.tick = now + TICK_NS,
		.end = options->duration_ns ? now + options->duration_ns : 0,
		.turn = options->rotation.ns ? now + options->rotation.ns : 0,
	};
	const uint32_t turn_signal = options->flight ? SIGUSR1 : options->rotation.on ? SIGUSR2 : 0;

	for (;;) {
		unsigned int told;

		poll(events, 3,
		     time_to_wait(recorder_now_ns(),
				  (uint64_t[]){ schedule.tick, schedule.end, schedule.turn }, 3));
		told = signals_read(signals, turn_signal);
		clear(recorder->spool.attention);
		now = recorder_now_ns();
		if (has_ended(recorder, told, now, &schedule))
			return 0;
		if (recorder_harvest(recorder, err)) {
			recorder->fault = true;
			return -1;
		}
		if ((told & TOLD_TURN || spool_wants_turn(&recorder->spool) ||
		     (schedule.turn && now >= schedule.turn)) &&
		    turn(recorder, &schedule, err))
			return -1;
		if (now < schedule.tick)
			continue;
		schedule.tick = now + TICK_NS;
		if (tick(recorder, &schedule))
			return 0;
	}
}

/* ---- the stages ---- */

static void read_symbols(struct recorder *recorder)
{
	if (!recorder->options->session.stacks)
		return;
	recorder->symbols = stacks_read_symbols();
	if (!recorder->symbols)
		p2p_warn("/proc/kallsyms does not tell us addresses (kernel.kptr_restrict, or "
			 "CAP_SYSLOG is missing): stacks will be numbers without names");
}

static int open_piece(struct recorder *recorder, struct p2p_error *err)
{
	const struct recorder_options *options = recorder->options;
	size_t lanes = recorder->session.instance_count * recorder->session.cpu_count;

	recorder->counted = calloc(lanes, sizeof(*recorder->counted));
	recorder->unsaved = calloc(lanes, sizeof(*recorder->unsaved));
	if (!recorder->counted || !recorder->unsaved)
		return p2p_fail(err, "no memory");
	recorder->head_room =
		options->file_version == 7 ? trace_head_room(recorder->session.page_size) : 0;
	recorder->piece = piece_begin(recorder, options->rotation.on || options->flight, err);
	return recorder->piece ? 0 : -1;
}

static int prepare(struct recorder *recorder, const sigset_t *mask, struct p2p_error *err)
{
	const struct recorder_options *options = recorder->options;

	if (spool_check_priority(options->priority, err))
		return -1;
	/* CMD is forked first: it must hold nothing of the tracing. */
	if (options->command &&
	    workload_prepare(&recorder->workload, options->command, options->user, mask,
			     !strcmp(options->output, "-"), err))
		return -1;
	if (output_open(&recorder->output, options->output, err) ||
	    session_open(&recorder->session, &options->session, err))
		return -1;
	read_symbols(recorder);
	if (metadata_collect(recorder, err) || open_piece(recorder, err) ||
	    spool_open(&recorder->spool, &recorder->session, err) ||
	    recorder_reserve(recorder, err) || finisher_start(&recorder->finisher, err))
		return -1;
	recorder->spool.priority = options->priority;
	recorder->spool.still = options->flight;
	recorder->spool.max_bytes = options->max_bytes;
	/* What is read again soon stays in memory. */
	recorder->spool.direct = !options->no_direct_io && !options->compression &&
				 options->file_version == 7 && !recorder->output.unnamed;
	recorder->spool.turn_bytes = options->rotation.bytes;
	if (options->session.stacks)
		recorder->spool.stack_type = stacks_record_type(&recorder->session.tracefs);
	return 0;
}

static int start(struct recorder *recorder, struct p2p_error *err)
{
	const struct recorder_options *options = recorder->options;

	tasks_poll(&recorder->tasks, &recorder->session.tracefs);
	sidecar_update(recorder->piece, &recorder->tasks);
	if (spool_start(&recorder->spool, &recorder->piece->files, err) ||
	    session_start(&recorder->session, err))
		return -1;
	finisher_follow(&recorder->finisher, recorder->piece);
	recorder->began_ns = recorder_now_ns();
	recorder->piece->start = recorder->session.start;
	recorder->piece->wall_offset = recorder->session.wall_offset;
	recorder->piece->boot_offset = trace_clock_boot_offset(&recorder->session);
	sidecar_update(recorder->piece, &recorder->tasks);
	if (options->command)
		return workload_start(&recorder->workload, options->command[0], err);
	return 0;
}

/* ---- the whole ---- */

static int run(struct recorder *recorder, int signals, const sigset_t *mask,
	       struct recorder_summary *summary, struct p2p_error *err)
{
	struct p2p_error first;
	int result, ended;

	if (prepare(recorder, mask, err) || start(recorder, err))
		return -1;
	result = record_until_end(recorder, signals, &first);
	ended = recorder_finish(recorder, summary, err);
	if (result)
		*err = first;
	return result ? result : ended;
}

static void release(struct recorder *recorder)
{
	/* The readers end before the instance whose files they hold. */
	session_stop(&recorder->session);
	if (recorder->piece)
		recorder_use_reserve(recorder);
	if (recorder->spool.lanes)
		spool_close(&recorder->spool);
	finisher_stop(&recorder->finisher);
	piece_free(recorder->piece);
	metadata_release(recorder);
	recorder_forget_files(recorder);
	free(recorder->counted);
	free(recorder->unsaved);
	free(recorder->symbols);
	tasks_free(&recorder->tasks);
	session_close(&recorder->session);
	output_close(&recorder->output);
}

int recorder_run(const struct recorder_options *options, const struct recorder_watch *watch,
		 struct recorder_summary *summary, struct p2p_error *err)
{
	struct recorder recorder = { .options = options,
				     .watch = watch,
				     .session = { .tracefs = { -1, -1 } },
				     .output = { .dir = -1 },
				     .ballast = -1 };
	sigset_t mask;
	int signals, result;

	*summary = (struct recorder_summary){ .files = 0 };
	signals = signals_catch(&mask, err);
	if (signals < 0)
		return -1;
	result = run(&recorder, signals, &mask, summary, err);
	if (options->command) {
		/* A disk that is full is no reason to end somebody's work. */
		workload_finish(&recorder.workload, !recorder.fault);
		workload_describe(&recorder.workload, summary->workload, sizeof(summary->workload));
	}
	release(&recorder);
	close(signals);
	return result;
}
