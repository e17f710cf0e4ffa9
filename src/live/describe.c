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

/* Names of processes and losses are the caller's to add. */
static int fill(struct description *description, struct recorder *recorder, struct p2p_error *err)
{
	const struct session *session = &recorder->session;

	if (metadata_fill(recorder, &description->metadata, err))
		return -1;
	for (size_t i = 0; i < session->instance_count; i++)
		description->buffers[i] =
			(struct write_buffer){ session_buffer_names[i],
					       description->lanes + i * session->cpu_count,
					       session->cpu_count };
	description->metadata.buffers = description->buffers;
	description->metadata.buffer_count = session->instance_count;
	description->metadata.cmdlines = recorder->names ? recorder->names : "";
	description->metadata.cpu_stats = (const char *const *)recorder->stat_texts;
	description->metadata.cpu_stat_count = recorder->stat_texts ? lanes_of(session) : 0;
	return 0;
}

/* ---- to read ---- */

static struct trace_file *reopen(struct description *description, struct recorder *recorder, int fd,
				 struct p2p_error *err)
{
	char path[64];

	if (begin(description, recorder, err) || fill(description, recorder, err) ||
	    trace_write7(fd, &description->metadata, recorder->head_room, err))
		return NULL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return trace_file_open(path, err);
}

struct trace_file *describe_open(struct recorder *recorder, struct p2p_error *err)
{
	struct description description = { .lanes = NULL };
	struct trace_file *file;
	int fd = memfd_create("p2ptrace-live", MFD_CLOEXEC);

	if (fd < 0) {
		p2p_fail_errno(err, "no memory for a description of the events");
		return NULL;
	}
	file = reopen(&description, recorder, fd, err);
	free(description.lanes);
	close(fd);
	return file;
}

/* ---- to write ---- */

/* Names and living processes, as of now. */
static int note_tasks(struct recorder *recorder, struct p2p_error *err)
{
	struct session *session = &recorder->session;
	size_t names_size, alive_size;
	FILE *names = open_memstream(&recorder->names, &names_size);
	FILE *alive = open_memstream(&recorder->alive, &alive_size);
	bool failed = !names || !alive;

	tasks_poll(&recorder->tasks, &session->tracefs);
	tasks_read_tgids(&recorder->tasks, &session->tracefs);
	if (!failed && session->pids_global)
		recorder->liveness = tasks_scan(&recorder->tasks, trace_clock_boot_offset(session),
						session->clock.ns, alive);
	if (!failed)
		tasks_write_names(&recorder->tasks, names);
	failed |= names && (ferror(names) | fclose(names));
	failed |= alive && (ferror(alive) | fclose(alive));
	return failed ? p2p_fail(err, "no memory for the names of processes") : 0;
}

static int note_losses(struct recorder *recorder, struct p2p_error *err)
{
	const struct session *session = &recorder->session;

	recorder->missed = session->source.ops->missed(&session->source);
	recorder->stat_texts = calloc(lanes_of(session), sizeof(char *));
	for (size_t i = 0; recorder->stat_texts && i < lanes_of(session); i++) {
		unsigned int cpu = session->cpus[i % session->cpu_count];
		struct ring_stats stats;
		char *text = NULL;
		int length;

		session_stats(session, i / session->cpu_count, cpu, &stats, &text);
		length = asprintf(&recorder->stat_texts[i], "CPU: %u\n%s", cpu, text ? text : "");
		free(text);
		if (length < 0) {
			recorder->stat_texts[i] = NULL;
			return p2p_fail(err, "no memory for the losses");
		}
	}
	return recorder->stat_texts ? 0 : p2p_fail(err, "no memory for the losses");
}

static int write_file(const struct live *live, struct recorder *recorder, int fd,
		      struct p2p_error *err)
{
	struct description description;
	uint64_t end;
	int result;

	if (begin(&description, recorder, err))
		return -1;
	end = keep_place(&live->keep, recorder->head_room, description.lanes);
	result = keep_copy(&live->keep, fd, description.lanes, err);
	if (!result)
		result = fill(&description, recorder, err);
	if (!result)
		result = trace_write7(fd, &description.metadata, end, err);
	free(description.lanes);
	return result;
}

static int publish(const struct live *live, struct recorder *recorder, const char *path,
		   struct p2p_error *err)
{
	struct output output;
	int fd, result;

	if (output_open(&output, path, err))
		return -1;
	fd = output_create(&output, "seen", err);
	result = fd < 0 ? -1 : write_file(live, recorder, fd, err);
	if (!result)
		result = output_publish(&output, "seen", fd, err);
	else if (fd >= 0)
		output_remove(&output, "seen");
	if (fd >= 0)
		close(fd);
	output_close(&output);
	return result;
}

/* A recorder for the moment: it has come to its end, while the other one goes on. */
int describe_write(struct live *live, const char *path, struct p2p_error *err)
{
	struct recorder now = live->kernel->recorder;
	int result = -1;

	now.names = now.alive = NULL;
	now.session.start = keep_complete_from(&live->keep, now.session.start);
	if (!now.session.stop)
		now.session.stop = trace_clock_now(&now.session);
	system_capture(&now, CAPTURE_END);
	if (!note_tasks(&now, err) && !note_losses(&now, err))
		result = publish(live, &now, path, err);
	for (size_t i = 0; now.stat_texts && i < lanes_of(&now.session); i++)
		free(now.stat_texts[i]);
	free(now.stat_texts);
	free(now.names);
	free(now.alive);
	free(now.captures[CAPTURE_END].bytes);
	/* The table of tasks has grown. */
	live->kernel->recorder.tasks = now.tasks;
	return result;
}
