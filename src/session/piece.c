// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/recorder.h"
#include "p2ptrace/stacks.h"

/* ---- the beginning ---- */

static int open_files(struct piece *piece, struct recorder *recorder, struct p2p_error *err)
{
	const struct recorder_options *options = recorder->options;
	const struct output *first = &recorder->output;
	int opened = options->rotation.on ? output_open_dated(&piece->output, first, err)
					  : output_open_again(&piece->output, first, err);

	if (opened || sidecar_open(piece, err) ||
	    spool_files_open(&piece->files, &recorder->session, &piece->output, recorder->head_room,
			     err))
		return -1;
	return options->compression
		       ? packing_open(&piece->packing, &piece->files, options->compression, err)
		       : 0;
}

struct piece *piece_new(struct recorder *recorder, unsigned int number, struct p2p_error *err)
{
	size_t lanes = recorder->session.instance_count * recorder->session.cpu_count;
	struct piece *piece = calloc(1, sizeof(*piece));

	if (!piece) {
		p2p_fail(err, "no memory");
		return NULL;
	}
	piece->recorder = recorder;
	piece->number = number;
	piece->output.dir = -1;
	piece->sidecar.lock = piece->sidecar.tasks = -1;
	piece->whole = -1;
	piece->lane_count = lanes;
	piece->unsaved = calloc(lanes, sizeof(*piece->unsaved));
	piece->stats = calloc(lanes, sizeof(*piece->stats));
	piece->stat_texts = calloc(lanes, sizeof(*piece->stat_texts));
	if (piece->unsaved && piece->stats && piece->stat_texts)
		return piece;
	p2p_fail(err, "no memory");
	piece_free(piece);
	return NULL;
}

struct piece *piece_begin(struct recorder *recorder, unsigned int number, struct p2p_error *err)
{
	struct piece *piece = piece_new(recorder, number, err);

	if (!piece)
		return NULL;
	system_capture(piece, CAPTURE_START);
	if (!open_files(piece, recorder, err))
		return piece;
	piece_free(piece);
	return NULL;
}

void piece_free(struct piece *piece)
{
	if (!piece)
		return;
	sidecar_close(piece, piece->files.keep);
	packing_close(&piece->packing, &piece->files);
	spool_files_close(&piece->files);
	for (size_t i = 0; piece->stat_texts && i < piece->lane_count; i++)
		free(piece->stat_texts[i]);
	if (piece->whole >= 0)
		close(piece->whole);
	free(piece->placed);
	free(piece->stat_texts);
	free(piece->stats);
	free(piece->unsaved);
	free(piece->names);
	free(piece->tgids);
	free(piece->alive);
	for (size_t i = 0; i < CAPTURES; i++)
		free(piece->captures[i].bytes);
	free(piece->symbols);
	free(piece->private_text);
	output_close(&piece->output);
	free(piece);
}

/* ---- losses ---- */

void piece_stats(const struct piece *piece, size_t lane, struct ring_stats *stats)
{
	const struct session *session = &piece->recorder->session;
	const struct ring_stats *before = &piece->recorder->counted[lane];

	if (piece->ended) {
		*stats = piece->stats[lane];
		return;
	}
	session_stats(session, lane / session->cpu_count, session->cpus[lane % session->cpu_count],
		      stats, NULL);
	stats->overrun -= before->overrun;
	stats->commit_overrun -= before->commit_overrun;
	stats->dropped -= before->dropped;
	stats->read -= before->read;
}

/* The kernel's own words, with the numbers of this piece. */
static char *stats_text(const struct piece *piece, size_t lane, const char *whole)
{
	const struct session *session = &piece->recorder->session;
	const struct ring_stats *stats = &piece->stats[lane];
	unsigned int cpu = session->cpus[lane % session->cpu_count];
	char *text;

	if (piece->number > 1
		    ? asprintf(&text,
			       "CPU: %u\nentries: 0\noverrun: %" PRIu64 "\ncommit overrun: %" PRIu64
			       "\ndropped events: %" PRIu64 "\nread events: %" PRIu64 "\n",
			       cpu, stats->overrun, stats->commit_overrun, stats->dropped,
			       stats->read) < 0
		    : asprintf(&text, "CPU: %u\n%s", cpu, whole ? whole : "") < 0)
		return NULL;
	return text;
}

static int note_stats(struct piece *piece, struct recorder *recorder, bool last,
		      struct p2p_error *err)
{
	const struct session *session = &recorder->session;

	for (size_t i = 0; i < piece->lane_count; i++) {
		struct ring_stats now;
		char *whole = NULL;

		session_stats(session, i / session->cpu_count,
			      session->cpus[i % session->cpu_count], &now, &whole);
		piece_stats(piece, i, &piece->stats[i]);
		if (last)
			piece->unsaved[i] = now.entries;
		recorder->counted[i] = now;
		piece->stat_texts[i] = stats_text(piece, i, whole);
		free(whole);
		if (!piece->stat_texts[i])
			return p2p_fail(err, "no memory");
	}
	return 0;
}

/* ---- the end ---- */

/* What gave way to newer events is no loss; the recording begins where no CPU misses any. */
static void move_start(struct piece *piece)
{
	uint64_t first;

	for (size_t i = 0; i < piece->files.count; i++) {
		const struct spool_file *file = &piece->files.files[i];

		if (piece->stats[i].overrun && file->bytes &&
		    pread(file->fd, &first, sizeof(first), (off_t)piece->files.head_room) ==
			    sizeof(first) &&
		    first > piece->start)
			piece->start = first;
	}
}

/* Text under construction, in *text. */
static bool write_text(char **text, const struct recorder *recorder,
		       void (*write)(const struct recorder *recorder, FILE *to))
{
	size_t size;
	FILE *to = open_memstream(text, &size);
	bool failed;

	if (!to)
		return false;
	write(recorder, to);
	failed = ferror(to);
	return !fclose(to) && !failed;
}

static void write_names(const struct recorder *recorder, FILE *to)
{
	tasks_write_names(&recorder->tasks, to);
}

static void write_tgids(const struct recorder *recorder, FILE *to)
{
	tasks_write_tgids(&recorder->tasks, to);
}

static void write_alive(const struct recorder *recorder, FILE *to)
{
	tasks_write_alive(&recorder->tasks, trace_clock_boot_offset(&recorder->session),
			  recorder->session.clock.ns, to);
}

static int note_tasks(struct piece *piece, struct recorder *recorder, struct p2p_error *err)
{
	struct session *session = &recorder->session;

	tasks_poll(&recorder->tasks, &session->tracefs);
	tasks_read_tgids(&recorder->tasks, &session->tracefs);
	/* In a pid namespace /proc knows other numbers than the trace. */
	if (session->pids_global)
		piece->liveness = tasks_scan(&recorder->tasks);
	if (write_text(&piece->names, recorder, write_names) &&
	    (!session->pids_global || (write_text(&piece->tgids, recorder, write_tgids) &&
				       write_text(&piece->alive, recorder, write_alive))))
		return 0;
	return p2p_fail(err, "no memory for the names of processes");
}

/* How much further than the trace clock the time since boot has come.  Other clocks go on, or
 * are not compared so exactly. */
static uint64_t time_asleep(const struct piece *piece, const struct session *session)
{
	int64_t behind = piece->boot_offset - trace_clock_boot_offset(session);

	return session->clock.posix == CLOCK_MONOTONIC && behind > 1000000 ? (uint64_t)behind : 0;
}

int piece_end(struct piece *piece, struct recorder *recorder, bool last, struct p2p_error *err)
{
	uint64_t missed = recorder->session.source.ops->missed(&recorder->session.source);

	piece->suspended = time_asleep(piece, &recorder->session);
	system_capture(piece, CAPTURE_END);
	if (note_tasks(piece, recorder, err) || note_stats(piece, recorder, last, err))
		return -1;
	if (recorder->options->flight)
		move_start(piece);
	/* Modules may have come since the start. */
	if (recorder->options->session.stacks)
		piece->symbols = stacks_read_symbols();
	piece->missed = missed - recorder->missed;
	recorder->missed = missed;
	piece->ended = true;
	return 0;
}
