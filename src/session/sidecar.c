// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "p2ptrace/recorder.h"
#include "p2ptrace/remains.h"

/* ---- blocks ---- */

static void put(FILE *to, enum remains_key key, const char *word, const char *text)
{
	fprintf(to, "%s %s %zu\n%s\n", remains_key_names[key], word, strlen(text), text);
}

static void put_capture(FILE *to, const struct piece *piece, enum capture_moment moment)
{
	const struct capture_data *data = &piece->captures[moment];

	if (!data->bytes)
		return;
	fprintf(to, "%s %d %zu\n", remains_key_names[REMAINS_CAPTURE], (int)moment, data->size);
	fwrite(data->bytes, 1, data->size, to);
	fputc('\n', to);
}

static void put_number(FILE *to, enum remains_key key, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	put(to, key, "-", text);
}

static bool write_all(int fd, const char *bytes, size_t size)
{
	while (size) {
		ssize_t written = write(fd, bytes, size);

		if (written <= 0)
			return false;
		bytes += written;
		size -= (size_t)written;
	}
	return true;
}

/* Text under construction; `text` is malloc'd by the stream. */
static bool finish(FILE *stream)
{
	bool failed;

	put(stream, REMAINS_END, "-", "");
	failed = ferror(stream);
	return !fclose(stream) && !failed;
}

/* ---- meta ---- */

static void put_meta(FILE *to, const struct piece *piece, const struct trace_metadata *metadata)
{
	const struct recorder *recorder = piece->recorder;
	const struct session *session = &recorder->session;

	fputs(REMAINS_MAGIC, to);
	put_number(to, REMAINS_PAGE_SIZE, metadata->page_size);
	put_number(to, REMAINS_HEAD_ROOM, recorder->head_room);
	put(to, REMAINS_HEADER_PAGE, "-", metadata->header_page);
	put(to, REMAINS_HEADER_EVENT, "-", metadata->header_event);
	for (size_t i = 0; i < metadata->format_count; i++)
		put(to, REMAINS_FORMAT, metadata->formats[i].system, metadata->formats[i].text);
	put(to, REMAINS_CLOCK_TEXT, "-", metadata->clock_text);
	put(to, REMAINS_CLOCK, "-", metadata->clock);
	put(to, REMAINS_UNAME, "-", metadata->uname);
	if (metadata->kallsyms)
		put(to, REMAINS_KALLSYMS, "-", metadata->kallsyms);
	put_capture(to, piece, CAPTURE_START);
	for (size_t i = 0; i < session->instance_count; i++)
		put(to, REMAINS_BUFFER, "-", session_buffer_names[i]);
	for (size_t i = 0; i < session->instance_count * session->cpu_count; i++) {
		char part[32], cpu[16];

		spool_part_name(session, i, part);
		snprintf(cpu, sizeof(cpu), "%u", session->cpus[i % session->cpu_count]);
		put(to, REMAINS_LANE, part, cpu);
	}
}

static int write_meta(struct piece *piece, struct p2p_error *err)
{
	struct trace_metadata metadata;
	char *text = NULL;
	size_t size;
	FILE *stream;
	int result = -1;

	if (metadata_fill(piece, &metadata, err))
		return -1;
	stream = open_memstream(&text, &size);
	if (!stream)
		return p2p_fail(err, "no memory");
	put_meta(stream, piece, &metadata);
	if (!finish(stream))
		p2p_fail(err, "no memory");
	else if (!write_all(piece->sidecar.lock, text, size))
		p2p_fail_errno(err, "-o %s: cannot write beside it", piece->output.path);
	else
		result = 0;
	free(text);
	return result;
}

int sidecar_open(struct piece *piece, struct p2p_error *err)
{
	/* What has no name is gone with the recorder. */
	if (piece->output.unnamed)
		return 0;
	piece->sidecar.lock = output_create(&piece->output, REMAINS_META, err);
	if (piece->sidecar.lock < 0)
		return -1;
	/* Without locks (some network file systems) it only cannot be told who lives. */
	if (flock(piece->sidecar.lock, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
		return p2p_fail_errno(err, "-o %s: cannot lock a file beside it",
				      piece->output.path);
	return write_meta(piece, err);
}

/* ---- state ---- */

/* While it runs only the losses, so that nothing changes while nothing happens. */
static void put_stats(FILE *to, const struct piece *piece, size_t index)
{
	const struct session *session = &piece->recorder->session;
	struct ring_stats stats;
	char text[160];

	if (piece->ended) {
		put(to, REMAINS_STATS, "-", piece->stat_texts[index]);
		return;
	}
	piece_stats(piece, index, &stats);
	snprintf(text, sizeof(text),
		 "CPU: %u\noverrun: %" PRIu64 "\ncommit overrun: %" PRIu64
		 "\ndropped events: %" PRIu64 "\n",
		 session->cpus[index % session->cpu_count], stats.overrun, stats.commit_overrun,
		 stats.dropped);
	put(to, REMAINS_STATS, "-", text);
}

static void put_plan(FILE *to, const struct piece *piece, const char *part,
		     const struct write_lane *placed)
{
	char *lines = NULL;
	size_t size;
	FILE *text = open_memstream(&lines, &size);

	if (!text)
		return;
	for (size_t i = 0; i < piece->lane_count; i++)
		fprintf(text, "%" PRIu64 " %" PRIu64 "\n", placed[i].offset, placed[i].bytes);
	if (!fclose(text))
		put(to, REMAINS_PLAN, part, lines);
	free(lines);
}

static bool make_state(struct piece *piece, const char *part, const struct write_lane *placed,
		       char **text, size_t *size)
{
	struct trace_metadata metadata;
	struct p2p_error ignored;
	FILE *to;

	if (metadata_fill(piece, &metadata, &ignored))
		return false;
	to = open_memstream(text, size);
	if (!to)
		return false;
	fputs(REMAINS_MAGIC, to);
	put(to, REMAINS_PRIVATE, "-", metadata.private_text);
	if (piece->names)
		put(to, REMAINS_CMDLINES, "-", piece->names);
	put_capture(to, piece, CAPTURE_END);
	for (size_t i = 0; i < piece->lane_count; i++)
		put_stats(to, piece, i);
	if (part)
		put_plan(to, piece, part, placed);
	return finish(to);
}

/* Beside the former one and then in its place: there is always a whole one.  Returns its
 * descriptor, or -1. */
static int replace_part(const struct piece *piece, const char *part, const char *text, size_t size)
{
	struct p2p_error ignored;
	char fresh[16];
	int fd;

	snprintf(fresh, sizeof(fresh), "%s-new", part);
	output_remove(&piece->output, fresh);
	fd = output_create(&piece->output, fresh, &ignored);
	if (fd < 0)
		return -1;
	if (write_all(fd, text, size) && !output_replace(&piece->output, fresh, part))
		return fd;
	close(fd);
	return -1;
}

static bool replace_state(const struct piece *piece, const char *text, size_t size)
{
	int fd = replace_part(piece, REMAINS_STATE, text, size);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void write_state(struct piece *piece, const char *part, const struct write_lane *placed)
{
	struct sidecar *sidecar = &piece->sidecar;
	char *text = NULL;
	size_t size;

	if (sidecar->lock < 0)
		return;
	if (!make_state(piece, part, placed, &text, &size) ||
	    (sidecar->state && size == sidecar->state_size &&
	     !memcmp(text, sidecar->state, size)) ||
	    !replace_state(piece, text, size)) {
		free(text);
		return;
	}
	free(sidecar->state);
	sidecar->state = text;
	sidecar->state_size = size;
}

/* ---- tasks ---- */

#define TASKS_SPARE (64u << 10)

/* What changed is put behind what is there; once that is mostly old it is written anew. */
static void write_tasks(struct sidecar *sidecar, const struct piece *piece, const char *text,
			size_t size, bool anew)
{
	if (anew) {
		if (sidecar->tasks >= 0)
			close(sidecar->tasks);
		sidecar->tasks = replace_part(piece, REMAINS_TASKS, text, size);
		sidecar->tasks_whole = sidecar->tasks_bytes = size;
	} else if (write_all(sidecar->tasks, text, size)) {
		sidecar->tasks_bytes += size;
	} else {
		close(sidecar->tasks);
		sidecar->tasks = -1;
	}
}

static void update_tasks(struct piece *piece, struct tasks *tasks)
{
	struct sidecar *sidecar = &piece->sidecar;
	bool anew = sidecar->tasks < 0 ||
		    sidecar->tasks_bytes > 2 * sidecar->tasks_whole + TASKS_SPARE;
	char *text = NULL;
	size_t size;
	FILE *to;

	if (!anew && !tasks->changed_count)
		return;
	to = open_memstream(&text, &size);
	if (!to)
		return;
	if (anew)
		tasks_write_log(tasks, to);
	else
		tasks_write_changes(tasks, to);
	if (!fclose(to))
		write_tasks(sidecar, piece, text, size, anew);
	free(text);
}

void sidecar_update(struct piece *piece, struct tasks *tasks)
{
	if (piece->sidecar.lock < 0)
		return;
	update_tasks(piece, tasks);
	write_state(piece, NULL, NULL);
}

void sidecar_plan(struct piece *piece, const char *part, const struct write_lane *placed)
{
	write_state(piece, part, placed);
}

void sidecar_close(struct piece *piece, bool keep)
{
	static const char *const parts[] = { REMAINS_META, REMAINS_STATE, REMAINS_STATE "-new",
					     REMAINS_TASKS, REMAINS_TASKS "-new" };
	struct sidecar *sidecar = &piece->sidecar;

	free(sidecar->state);
	sidecar->state = NULL;
	if (sidecar->tasks >= 0)
		close(sidecar->tasks);
	sidecar->tasks = -1;
	if (sidecar->lock < 0)
		return;
	for (size_t i = 0; !keep && i < sizeof(parts) / sizeof(parts[0]); i++)
		output_remove(&piece->output, parts[i]);
	close(sidecar->lock);
	sidecar->lock = -1;
}
