// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a recording says of itself, of a session that goes on.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "parts.h"

struct description {
	struct write_lane *lanes;
	struct write_buffer buffers[SESSION_INSTANCES];
	struct trace_metadata metadata;
};

static size_t lanes_of(const struct session *session)
{
	return session->instance_count * session->cpu_count;
}

static int begin(struct description *description, const struct recorder *recorder,
		 struct p2p_error *err)
{
	const struct session *session = &recorder->session;
	size_t count = lanes_of(session);

	*description = (struct description){ .lanes = calloc(count, sizeof(*description->lanes)) };
	if (!description->lanes)
		return p2p_fail(err, "no memory for a description of the events");
	for (size_t i = 0; i < count; i++)
		description->lanes[i] = (struct write_lane){ session->cpus[i % session->cpu_count],
							     recorder->head_room, 0 };
	return 0;
}

static int fill(struct description *description, struct piece *piece, struct p2p_error *err)
{
	const struct session *session = &piece->recorder->session;

	if (metadata_fill(piece, &description->metadata, err))
		return -1;
	for (size_t i = 0; i < session->instance_count; i++)
		description->buffers[i] =
			(struct write_buffer){ session_buffer_names[i],
					       description->lanes + i * session->cpu_count,
					       session->cpu_count };
	description->metadata.buffers = description->buffers;
	description->metadata.buffer_count = session->instance_count;
	if (!piece->ended) {
		description->metadata.cmdlines = "";
		description->metadata.cpu_stat_count = 0;
	}
	return 0;
}

/* ---- to read ---- */

static struct trace_file *reopen(struct description *description, struct piece *piece, int fd,
				 struct p2p_error *err)
{
	const struct recorder *recorder = piece->recorder;
	char path[64];

	if (begin(description, recorder, err) || fill(description, piece, err) ||
	    trace_write7(fd, &description->metadata, recorder->head_room, err))
		return NULL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return trace_file_open(path, err);
}

struct trace_file *describe_open(struct piece *piece, struct p2p_error *err)
{
	struct description description = { .lanes = NULL };
	struct trace_file *file;
	int fd = memfd_create("p2ptrace-live", MFD_CLOEXEC);

	if (fd < 0) {
		p2p_fail_errno(err, "no memory for a description of the events");
		return NULL;
	}
	file = reopen(&description, piece, fd, err);
	free(description.lanes);
	close(fd);
	return file;
}

/* ---- to write ---- */

static int write_file(const struct live *live, struct piece *piece, int fd, struct p2p_error *err)
{
	const struct recorder *recorder = piece->recorder;
	struct description description;
	uint64_t end;
	int result;

	if (begin(&description, recorder, err))
		return -1;
	end = keep_place(&live->keep, recorder->head_room, description.lanes);
	result = keep_copy(&live->keep, fd, description.lanes, err);
	if (!result)
		result = fill(&description, piece, err);
	if (!result)
		result = trace_write7(fd, &description.metadata, end, err);
	free(description.lanes);
	return result;
}

static int publish(const struct live *live, struct piece *piece, const char *path,
		   struct p2p_error *err)
{
	struct output output;
	int fd, result;

	if (output_open(&output, path, err))
		return -1;
	fd = output_create(&output, "seen", err);
	result = fd < 0 ? -1 : write_file(live, piece, fd, err);
	if (!result)
		result = output_publish(&output, "seen", fd, err);
	else if (fd >= 0)
		output_remove(&output, "seen");
	if (fd >= 0)
		close(fd);
	output_close(&output);
	return result;
}

/* What is known of it by now. */
static struct piece *end_piece(const struct live *live, struct recorder *now, struct p2p_error *err)
{
	const struct session *session = &now->session;
	struct piece *piece = piece_new(now, 0, err);

	if (!piece)
		return NULL;
	piece->start = keep_complete_from(&live->keep, session->start);
	piece->stop = session->stop ? session->stop : trace_clock_now(session);
	piece->wall_offset = session->wall_offset;
	tasks_unmark(&now->tasks);
	if (!piece_end(piece, now, false, err))
		return piece;
	piece_free(piece);
	return NULL;
}

/* A recorder for the moment: it has come to its end, while the other one goes on. */
int describe_write(struct live *live, const char *path, struct p2p_error *err)
{
	struct recorder now = live->kernel->recorder;
	struct capture_data *first = &live->kernel->piece->captures[CAPTURE_START];
	struct piece *piece = NULL;
	int result = -1;

	now.missed = 0;
	now.counted = calloc(lanes_of(&now.session), sizeof(*now.counted));
	if (now.counted)
		piece = end_piece(live, &now, err);
	else
		p2p_fail(err, "no memory for the losses");
	if (piece) {
		piece->captures[CAPTURE_START] = *first;
		result = publish(live, piece, path, err);
		piece->captures[CAPTURE_START].bytes = NULL;
		piece_free(piece);
	}
	free(now.counted);
	/* The table of tasks has grown. */
	live->kernel->recorder.tasks = now.tasks;
	return result;
}
