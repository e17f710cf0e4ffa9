// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "p2ptrace/recorder.h"
#include "p2ptrace/stacks.h"
#include "p2ptrace/trace_write.h"

/* ---- signals: whatever would end the process ends the recording ---- */

static const int kept_signals[] = {
	SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP, SIGABRT, SIGSYS,
	SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGPIPE, SIGURG,  SIGWINCH
};

/* Blocks them and gives a signalfd; `before` is the mask to hand to CMD. */
static int catch_signals(sigset_t *before, struct p2p_error *err)
{
	struct sigaction hangup;
	sigset_t caught;
	int fd;

	sigfillset(&caught);
	for (size_t i = 0; i < sizeof(kept_signals) / sizeof(kept_signals[0]); i++)
		sigdelset(&caught, kept_signals[i]);
	/* Under nohup a recording goes on when its terminal is gone. */
	if (!sigaction(SIGHUP, NULL, &hangup) && hangup.sa_handler == SIG_IGN)
		sigdelset(&caught, SIGHUP);
	sigprocmask(SIG_BLOCK, &caught, before);
	fd = signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd >= 0 ? fd : p2p_fail_errno(err, "cannot catch signals");
}

/* Whether a signal says that the recording shall end. */
static bool told_to_end(int signals)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			return true;
	return false;
}

/* ---- running ---- */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void add_stats(const struct ring_stats *stats, struct recorder_progress *sum)
{
	sum->events += stats->entries + stats->read;
	sum->lost += stats->overrun + stats->commit_overrun + stats->dropped;
}

static void measure(const struct recorder *recorder, struct recorder_progress *now)
{
	*now = (struct recorder_progress){ .bytes = spool_bytes(&recorder->spool),
					   .elapsed_ns = now_ns() - recorder->began_ns };
	for (size_t i = 0; i < recorder->spool.lane_count; i++) {
		const struct spool_lane *lane = &recorder->spool.lanes[i];
		struct ring_stats stats;

		session_stats(&recorder->session, lane->instance, lane->cpu, &stats, NULL);
		add_stats(&stats, now);
	}
}

#define TICK_NS 500000000u

/* Milliseconds to the next tick or the end, whichever comes first. */
static int time_to_wait(uint64_t now, uint64_t tick, uint64_t end)
{
	uint64_t next = end && end < tick ? end : tick;

	return next <= now ? 0 : (int)((next - now + 999999) / 1000000);
}

/* Names, threads and losses, for the case that there is no stop.  Thread groups are
 * read at ever longer intervals: that takes time in proportion to pid_max. */
static void note_so_far(struct recorder *recorder, unsigned int seconds)
{
	tasks_poll(&recorder->tasks, &recorder->session.tracefs);
	if (!(seconds & (seconds - 1)) || !(seconds % 64))
		tasks_read_tgids(&recorder->tasks, &recorder->session.tracefs);
	sidecar_update(recorder);
}

/* Until a signal, the time given, CMD's end, the end of -p's processes, enough bytes, or
 * a fault of a reader. */
static void wait_for_end(struct recorder *recorder, int signals,
			 void (*progress)(const struct recorder_progress *now))
{
	struct pollfd events[] = { { .fd = signals, .events = POLLIN },
				   { .fd = recorder->spool.enough, .events = POLLIN } };
	uint64_t began = recorder->began_ns, tick = began + TICK_NS, now;
	uint64_t duration = recorder->options->duration_ns;
	uint64_t end = duration ? began + duration : 0;

	for (unsigned int ticks = 0;;) {
		struct recorder_progress done;

		now = now_ns();
		poll(events, 2, time_to_wait(now, tick, end));
		now = now_ns();
		if (told_to_end(signals) || events[1].revents & POLLIN || (end && now >= end) ||
		    workload_has_ended(&recorder->workload))
			return;
		if (now < tick)
			continue;
		tick = now + TICK_NS;
		if (progress) {
			measure(recorder, &done);
			progress(&done);
		}
		if (++ticks % 2)
			continue;
		note_so_far(recorder, ticks / 2);
		if (!session_has_targets(&recorder->session))
			return;
	}
}

/* ---- the stages ---- */

/* Room for what must still be written when the disk is full: the pages on their way
 * and the metadata. */
static int reserve_ballast(struct recorder *recorder, struct p2p_error *err)
{
	const uint64_t mib = 1 << 20;
	uint64_t bytes = (2 + recorder->spool.lane_count) * mib;

	if (bytes > 64 * mib)
		bytes = 64 * mib;
	if (recorder->symbols)
		bytes += strlen(recorder->symbols);
	bytes += recorder->captures[CAPTURE_START].size;
	recorder->ballast = output_create(&recorder->output, "reserve", err);
	if (recorder->ballast < 0)
		return -1;
	if (!fallocate(recorder->ballast, 0, 0, (off_t)bytes) || errno != ENOSPC)
		return 0;
	return p2p_fail(err, "-o %s: not even %llu MiB are free on that disk",
			recorder->output.path, (unsigned long long)(bytes / mib));
}

static void drop_ballast(struct recorder *recorder)
{
	if (recorder->ballast < 0)
		return;
	output_remove(&recorder->output, "reserve");
	close(recorder->ballast);
	recorder->ballast = -1;
}

static void read_symbols(struct recorder *recorder)
{
	char *now;

	if (!recorder->options->session.stacks)
		return;
	now = stacks_read_symbols();
	if (!now)
		return;
	free(recorder->symbols);
	recorder->symbols = now;
}

/* Read now to be sure of them, and again at the stop for modules that came meanwhile. */
static void read_first_symbols(struct recorder *recorder)
{
	read_symbols(recorder);
	if (recorder->options->session.stacks && !recorder->symbols)
		p2p_warn("/proc/kallsyms does not tell us addresses (kernel.kptr_restrict, or "
			 "CAP_SYSLOG is missing): stacks will be numbers without names");
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
	read_first_symbols(recorder);
	system_capture(recorder, CAPTURE_START);
	recorder->head_room =
		options->file_version == 7 ? trace_head_room(recorder->session.page_size) : 0;
	if (metadata_collect(recorder, err) || sidecar_open(recorder, err) ||
	    spool_open(&recorder->spool, &recorder->session, &recorder->output, recorder->head_room,
		       err) ||
	    reserve_ballast(recorder, err))
		return -1;
	recorder->spool.priority = options->priority;
	recorder->spool.max_bytes = options->max_bytes;
	recorder->stats = calloc(recorder->spool.lane_count, sizeof(*recorder->stats));
	recorder->unsaved = calloc(recorder->spool.lane_count, sizeof(*recorder->unsaved));
	recorder->stat_texts = calloc(recorder->spool.lane_count, sizeof(char *));
	if (!recorder->stats || !recorder->unsaved || !recorder->stat_texts)
		return p2p_fail(err, "no memory");
	return 0;
}

static int start(struct recorder *recorder, struct p2p_error *err)
{
	const struct recorder_options *options = recorder->options;

	tasks_poll(&recorder->tasks, &recorder->session.tracefs);
	sidecar_update(recorder);
	if (spool_start(&recorder->spool, err) || session_start(&recorder->session, err))
		return -1;
	recorder->began_ns = now_ns();
	sidecar_update(recorder);
	if (options->command)
		return workload_start(&recorder->workload, options->command[0], err);
	return 0;
}

/* Names and living processes, as of the stop. */
static int note_tasks(struct recorder *recorder, struct p2p_error *err)
{
	struct session *session = &recorder->session;
	size_t names_size, alive_size;
	FILE *names = open_memstream(&recorder->names, &names_size);
	FILE *alive = open_memstream(&recorder->alive, &alive_size);
	bool failed = !names || !alive;

	tasks_poll(&recorder->tasks, &session->tracefs);
	tasks_read_tgids(&recorder->tasks, &session->tracefs);
	if (!failed) {
		/* In a pid namespace /proc knows other numbers than the trace. */
		if (session->pids_global)
			recorder->liveness = tasks_scan(&recorder->tasks,
							trace_clock_boot_offset(session),
							session->clock.ns, alive);
		tasks_write_names(&recorder->tasks, names);
	}
	failed |= names && (ferror(names) | fclose(names));
	failed |= alive && (ferror(alive) | fclose(alive));
	return failed ? p2p_fail(err, "no memory for the names of processes") : 0;
}

/* The kernel's numbers, once all pages are taken.  What a failed reader left in the
 * buffer was recorded and is not in the file. */
static int read_stats(struct recorder *recorder, struct p2p_error *err)
{
	for (size_t i = 0; i < recorder->spool.lane_count; i++) {
		const struct spool_lane *lane = &recorder->spool.lanes[i];
		char *text = NULL;

		session_stats(&recorder->session, lane->instance, lane->cpu, &recorder->stats[i],
			      &text);
		recorder->unsaved[i] = recorder->stats[i].entries;
		if (asprintf(&recorder->stat_texts[i], "CPU: %u\n%s", lane->cpu, text ? text : "") <
		    0)
			recorder->stat_texts[i] = NULL;
		free(text);
		if (!recorder->stat_texts[i])
			return p2p_fail(err, "no memory");
	}
	return 0;
}

static int stop(struct recorder *recorder, struct p2p_error *err)
{
	session_stop(&recorder->session);
	recorder->ended_ns = now_ns();
	system_capture(recorder, CAPTURE_END);
	read_symbols(recorder);
	if (note_tasks(recorder, err))
		return -1;
	spool_stop(&recorder->spool);
	recorder->missed = recorder->session.source.ops->missed(&recorder->session.source);
	return read_stats(recorder, err);
}

/* ---- the summary ---- */

static void add_loss(struct recorder_summary *summary, const struct recorder *recorder, size_t lane)
{
	const struct ring_stats *stats = &recorder->stats[lane];
	unsigned int cpu = recorder->spool.lanes[lane].cpu;
	struct recorder_loss *loss = NULL;

	if (!(stats->overrun | stats->commit_overrun | stats->dropped | recorder->unsaved[lane]))
		return;
	for (size_t i = 0; i < summary->lost_count; i++)
		if (summary->lost[i].cpu == cpu)
			loss = &summary->lost[i];
	if (!loss) {
		loss = &summary->lost[summary->lost_count++];
		*loss = (struct recorder_loss){ .cpu = cpu };
	}
	loss->overrun += stats->overrun;
	loss->commit_overrun += stats->commit_overrun;
	loss->dropped += stats->dropped;
	loss->unsaved += recorder->unsaved[lane];
}

static void summarise(const struct recorder *recorder, struct recorder_summary *summary)
{
	uint64_t unsaved = 0;

	summary->total = (struct recorder_progress){ .bytes = spool_bytes(&recorder->spool) };
	summary->total.elapsed_ns = recorder->ended_ns - recorder->began_ns;
	summary->lost = calloc(recorder->spool.lane_count, sizeof(*summary->lost));
	for (size_t i = 0; i < recorder->spool.lane_count; i++) {
		add_stats(&recorder->stats[i], &summary->total);
		unsaved += recorder->unsaved[i];
		if (summary->lost)
			add_loss(summary, recorder, i);
	}
	summary->total.events -= unsaved;
	summary->total.lost += unsaved + recorder->missed;
	summary->missed = recorder->missed;
}

void recorder_summary_release(struct recorder_summary *summary)
{
	free(summary->lost);
	summary->lost = NULL;
	summary->lost_count = 0;
}

/* ---- the whole ---- */

static int finish(struct recorder *recorder, struct recorder_summary *summary,
		  struct p2p_error *err)
{
	const struct spool_lane *failed;
	struct session *session = &recorder->session;

	if (stop(recorder, err))
		return -1;
	/* Nothing of the instance is needed any more: gone is gone, whatever follows. */
	for (size_t i = session->instance_count; i-- > 0;)
		instance_destroy(&session->instances[i]);
	drop_ballast(recorder);
	if (assemble(recorder, err)) {
		if (recorder->output.unnamed)
			return -1;
		recorder->spool.keep = true;
		return p2p_error_prefix(err,
					"the recording is not put together ("
					"'p2ptrace recover %s' tries again)",
					recorder->output.path);
	}
	summary->written = true;
	summarise(recorder, summary);
	failed = spool_failure(&recorder->spool);
	if (!failed)
		return 0;
	errno = failed->error;
	return p2p_fail_errno(err, "the recording ended early, %s holds what came before: CPU %u",
			      recorder->output.path, failed->cpu);
}

static int run(struct recorder *recorder, int signals, const sigset_t *mask,
	       void (*progress)(const struct recorder_progress *now),
	       struct recorder_summary *summary, struct p2p_error *err)
{
	if (prepare(recorder, mask, err) || start(recorder, err))
		return -1;
	wait_for_end(recorder, signals, progress);
	return finish(recorder, summary, err);
}

static void release(struct recorder *recorder)
{
	/* The readers end before the instance whose files they hold. */
	session_stop(&recorder->session);
	drop_ballast(recorder);
	sidecar_close(recorder, recorder->spool.keep);
	if (recorder->spool.lanes)
		spool_close(&recorder->spool);
	metadata_release(recorder);
	if (recorder->stat_texts)
		for (size_t i = 0;
		     i < recorder->session.instance_count * recorder->session.cpu_count; i++)
			free(recorder->stat_texts[i]);
	free(recorder->stat_texts);
	free(recorder->stats);
	free(recorder->unsaved);
	for (size_t i = 0; i < CAPTURES; i++)
		free(recorder->captures[i].bytes);
	free(recorder->symbols);
	free(recorder->names);
	free(recorder->alive);
	tasks_free(&recorder->tasks);
	session_close(&recorder->session);
	output_close(&recorder->output);
}

int recorder_run(const struct recorder_options *options,
		 void (*progress)(const struct recorder_progress *now),
		 struct recorder_summary *summary, struct p2p_error *err)
{
	struct recorder recorder = { .options = options,
				     .session = { .tracefs = { -1, -1 } },
				     .output = { .dir = -1 },
				     .sidecar = { .lock = -1 },
				     .ballast = -1 };
	sigset_t mask;
	int signals, result;

	*summary = (struct recorder_summary){ .written = false };
	signals = catch_signals(&mask, err);
	if (signals < 0)
		return -1;
	result = run(&recorder, signals, &mask, progress, summary, err);
	if (options->command) {
		/* A disk that is full is no reason to end somebody's work. */
		workload_finish(&recorder.workload, !spool_failure(&recorder.spool));
		workload_describe(&recorder.workload, summary->workload, sizeof(summary->workload));
	}
	release(&recorder);
	close(signals);
	return result;
}
