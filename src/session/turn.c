// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From one file of a recording to the next.
 *
 * The moment of the turn is a stamp of the trace clock.  Every reader divides its pages
 * there (spool.h), so a piece holds exactly what happened between two moments, on all
 * CPUs, and its numbers are right by themselves.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2ptrace/recorder.h"
#include "p2ptrace/rows.h"

struct kept_file {
	char *name;
	dev_t device;
	ino_t inode;
};

static void begin_at(struct piece *piece, const struct session *session, uint64_t stamp)
{
	piece->start = stamp;
	piece->wall_offset = trace_clock_wall_offset(session);
	piece->boot_offset = trace_clock_boot_offset(session);
}

/* Of a flight recorder only what is asked for before its end is called by the time. */
static int name_ended(struct piece *piece, const struct recorder *recorder, struct p2p_error *err)
{
	return recorder->options->flight ? output_date(&piece->output, err) : 0;
}

int recorder_turn(struct recorder *recorder, struct p2p_error *err)
{
	const struct session *session = &recorder->session;
	struct piece *ended = recorder->piece, *next;
	uint64_t stamp;

	next = piece_begin(recorder, ended->number + 1, err);
	if (!next)
		return -1;
	/* For the case that this is killed now. */
	begin_at(next, session, trace_clock_now(session));
	sidecar_update(next, &recorder->tasks);
	/* Who lives now or when the names are read lived at the turn: whoever ended before it
	 * has left an event that says so. */
	if (session->pids_global)
		tasks_scan(&recorder->tasks);
	stamp = spool_turn(&recorder->spool, &next->files);
	recorder->turn_ns = recorder_now_ns();
	begin_at(next, session, stamp);
	ended->stop = stamp;
	recorder->piece = next;
	finisher_follow(&recorder->finisher, next);
	output_move(&ended->output, "reserve", &next->output);
	if (name_ended(ended, recorder, err) || piece_end(ended, recorder, false, err)) {
		ended->files.keep = true;
		piece_free(ended);
		return -1;
	}
	tasks_forget(&recorder->tasks);
	tasks_poll(&recorder->tasks, &session->tracefs);
	sidecar_update(next, &recorder->tasks);
	finisher_push(&recorder->finisher, ended);
	return 0;
}

/* ---- the files that are complete ---- */

static void keep(struct recorder *recorder, const struct piece *piece)
{
	struct kept_file *file;

	if (!recorder->options->rotation.keep || !piece->output.own_path)
		return;
	file = ROWS_ADD(recorder->kept, recorder->kept_count);
	if (file)
		*file = (struct kept_file){ strdup(piece->output.name), piece->device,
					    piece->inode };
}

/* Only what this recorder made: somebody may have put another file in its place. */
static void remove_oldest(struct recorder *recorder)
{
	struct kept_file oldest = recorder->kept[0];
	struct stat there;

	memmove(recorder->kept, recorder->kept + 1, --recorder->kept_count * sizeof(oldest));
	if (oldest.name &&
	    !fstatat(recorder->output.dir, oldest.name, &there, AT_SYMLINK_NOFOLLOW) &&
	    there.st_dev == oldest.device && there.st_ino == oldest.inode)
		unlinkat(recorder->output.dir, oldest.name, 0);
	free(oldest.name);
}

static void settle(struct recorder *recorder, struct piece *piece)
{
	recorder->files++;
	recorder->bytes += spool_files_bytes(&piece->files);
	for (size_t i = 0; i < piece->files.count; i++)
		recorder->unsaved[i] += piece->unsaved[i];
	keep(recorder, piece);
	if (piece->output.own_path && recorder->watch->written)
		recorder->watch->written(piece->output.path);
	piece_free(piece);
}

/* On a full disk there is room again once the readers have ended. */
static int settle_failure(struct recorder *recorder, struct piece *piece, struct p2p_error *err)
{
	*err = piece->error;
	if (piece->tries < PIECE_TRIES) {
		piece->next = recorder->failed;
		recorder->failed = piece;
		return p2p_error_prefix(err, "the recording ended early");
	}
	if (!piece->output.unnamed) {
		piece->files.keep = true;
		p2p_error_prefix(err,
				 "the recording is not put together ('p2ptrace recover %s' tries "
				 "again)",
				 recorder->output.path);
	}
	piece_free(piece);
	return -1;
}

int recorder_harvest(struct recorder *recorder, struct p2p_error *err)
{
	struct p2p_error ignored;
	struct piece *piece;
	int result = 0;

	while ((piece = finisher_take(&recorder->finisher))) {
		if (piece->failed)
			result = settle_failure(recorder, piece, result ? &ignored : err);
		else
			settle(recorder, piece);
	}
	while (recorder->kept_count > recorder->options->rotation.keep)
		remove_oldest(recorder);
	return result;
}

void recorder_try_again(struct recorder *recorder)
{
	while (recorder->failed) {
		struct piece *piece = recorder->failed;

		recorder->failed = piece->next;
		finisher_push(&recorder->finisher, piece);
	}
}

void recorder_forget_files(struct recorder *recorder)
{
	for (size_t i = 0; i < recorder->kept_count; i++)
		free(recorder->kept[i].name);
	free(recorder->kept);
	while (recorder->failed) {
		struct piece *piece = recorder->failed;

		recorder->failed = piece->next;
		piece->files.keep = true;
		piece_free(piece);
	}
}
