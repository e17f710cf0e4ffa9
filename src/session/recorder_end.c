// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "p2ptrace/recorder.h"

uint64_t recorder_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- room for the end ---- */

/* Pages on their way and the metadata. */
int recorder_reserve(struct recorder *recorder, struct p2p_error *err)
{
	const uint64_t mib = 1 << 20;
	uint64_t bytes = (2 + recorder->spool.lane_count) * mib;

	if (bytes > 64 * mib)
		bytes = 64 * mib;
	if (recorder->symbols)
		bytes += strlen(recorder->symbols);
	bytes += recorder->piece->captures[CAPTURE_START].size;
	recorder->ballast = output_create(&recorder->piece->output, "reserve", err);
	if (recorder->ballast < 0)
		return -1;
	if (!fallocate(recorder->ballast, 0, 0, (off_t)bytes) || errno != ENOSPC)
		return 0;
	return p2p_fail(err, "-o %s: not even %llu MiB are free on that disk",
			recorder->output.path, (unsigned long long)(bytes / mib));
}

void recorder_use_reserve(struct recorder *recorder)
{
	if (recorder->ballast < 0)
		return;
	output_remove(&recorder->piece->output, "reserve");
	close(recorder->ballast);
	recorder->ballast = -1;
}

/* ---- numbers ---- */

/* What a flight recorder lets go is no loss. */
static uint64_t losses(const struct recorder *recorder, const struct ring_stats *stats)
{
	return (recorder->options->flight ? 0 : stats->overrun) + stats->commit_overrun +
	       stats->dropped;
}

void recorder_measure(const struct recorder *recorder, struct recorder_progress *now)
{
	*now = (struct recorder_progress){ .bytes = recorder->spool.bytes,
					   .elapsed_ns = recorder_now_ns() - recorder->began_ns };
	for (size_t i = 0; i < recorder->spool.lane_count; i++) {
		const struct spool_lane *lane = &recorder->spool.lanes[i];
		struct ring_stats stats;

		session_stats(&recorder->session, lane->instance, lane->cpu, &stats, NULL);
		now->events += stats.entries + stats.read;
		now->lost += losses(recorder, &stats);
	}
}

static void add_loss(struct recorder_summary *summary, const struct recorder *recorder, size_t lane)
{
	const struct ring_stats *stats = &recorder->counted[lane];
	unsigned int cpu = recorder->spool.lanes[lane].cpu;
	struct recorder_loss *loss = NULL;

	if (!(losses(recorder, stats) | recorder->unsaved[lane]))
		return;
	for (size_t i = 0; i < summary->lost_count; i++)
		if (summary->lost[i].cpu == cpu)
			loss = &summary->lost[i];
	if (!loss) {
		loss = &summary->lost[summary->lost_count++];
		*loss = (struct recorder_loss){ .cpu = cpu };
	}
	loss->overrun += recorder->options->flight ? 0 : stats->overrun;
	loss->commit_overrun += stats->commit_overrun;
	loss->dropped += stats->dropped;
	loss->unsaved += recorder->unsaved[lane];
}

static void summarise(const struct recorder *recorder, struct recorder_summary *summary)
{
	struct recorder_progress *total = &summary->total;
	uint64_t unsaved = 0;

	*total = (struct recorder_progress){ .bytes = recorder->bytes };
	total->elapsed_ns = recorder->ended_ns - recorder->began_ns;
	summary->files = recorder->files;
	summary->lost = calloc(recorder->spool.lane_count, sizeof(*summary->lost));
	for (size_t i = 0; i < recorder->spool.lane_count; i++) {
		total->events += recorder->counted[i].entries + recorder->counted[i].read;
		total->lost += losses(recorder, &recorder->counted[i]);
		unsaved += recorder->unsaved[i];
		if (summary->lost)
			add_loss(summary, recorder, i);
	}
	total->events -= unsaved;
	total->lost += unsaved + recorder->missed;
	summary->missed = recorder->missed;
}

void recorder_summary_release(struct recorder_summary *summary)
{
	free(summary->lost);
	summary->lost = NULL;
	summary->lost_count = 0;
}

/* ---- the end ---- */

static int stop(struct recorder *recorder, struct p2p_error *err)
{
	struct session *session = &recorder->session;
	int result;

	finisher_follow(&recorder->finisher, NULL);
	session_stop(session);
	recorder->ended_ns = recorder_now_ns();
	spool_stop(&recorder->spool);
	recorder->piece->stop = session->stop;
	result = piece_end(recorder->piece, recorder, true, err);
	/* Nothing of the instance is needed any more: gone is gone, whatever follows. */
	for (size_t i = session->instance_count; i-- > 0;)
		instance_destroy(&session->instances[i]);
	recorder_use_reserve(recorder);
	return result;
}

/* Says how far it is, when that takes its time. */
static int await_files(struct recorder *recorder, struct p2p_error *err)
{
	struct pollfd ready = { .fd = recorder->finisher.ready, .events = POLLIN };
	struct p2p_error ignored;
	int result = 0;

	recorder_try_again(recorder);
	while (recorder->finisher.pending) {
		struct recorder_progress now = { .ended = true, .bytes = recorder->spool.bytes };

		if (poll(&ready, 1, 500) > 0) {
			if (recorder_harvest(recorder, result ? &ignored : err))
				result = -1;
			recorder_try_again(recorder);
			continue;
		}
		now.moved = finisher_moved(&recorder->finisher);
		if (recorder->watch->progress)
			recorder->watch->progress(&now);
	}
	return result;
}

static int fail_early(const struct recorder *recorder, struct p2p_error *err)
{
	const struct spool_lane *failed = spool_failure(&recorder->spool);

	if (!failed)
		return 0;
	errno = failed->error;
	return p2p_fail_errno(err, "the recording ended early, %s holds what came before: CPU %u",
			      recorder->output.path, failed->cpu);
}

int recorder_finish(struct recorder *recorder, struct recorder_summary *summary,
		    struct p2p_error *err)
{
	int result;

	if (stop(recorder, err)) {
		recorder->piece->files.keep = true;
		return -1;
	}
	finisher_push(&recorder->finisher, recorder->piece);
	recorder->piece = NULL;
	result = await_files(recorder, err);
	summarise(recorder, summary);
	return result ? result : fail_early(recorder, err);
}
