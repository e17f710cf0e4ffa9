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

static void put_capture(FILE *to, const struct recorder *recorder, enum capture_moment moment)
{
	const struct capture_data *data = &recorder->captures[moment];

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

static void put_meta(FILE *to, const struct recorder *recorder,
		     const struct trace_metadata *metadata)
{
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
	put_capture(to, recorder, CAPTURE_START);
	for (size_t i = 0; i < session->instance_count; i++)
		put(to, REMAINS_BUFFER, "-", session_buffer_names[i]);
	for (size_t i = 0; i < session->instance_count * session->cpu_count; i++) {
		char part[32], cpu[16];

		spool_part_name(session, i, part);
		snprintf(cpu, sizeof(cpu), "%u", session->cpus[i % session->cpu_count]);
		put(to, REMAINS_LANE, part, cpu);
	}
}

static int write_meta(struct recorder *recorder, struct p2p_error *err)
{
	struct trace_metadata metadata;
	char *text = NULL;
	size_t size;
	FILE *stream;
	int result = -1;

	if (metadata_fill(recorder, &metadata, err))
		return -1;
	stream = open_memstream(&text, &size);
	if (!stream)
		return p2p_fail(err, "no memory");
	put_meta(stream, recorder, &metadata);
	if (!finish(stream))
		p2p_fail(err, "no memory");
	else if (!write_all(recorder->sidecar.lock, text, size))
		p2p_fail_errno(err, "-o %s: cannot write beside it", recorder->output.path);
	else
		result = 0;
	free(text);
	return result;
}

int sidecar_open(struct recorder *recorder, struct p2p_error *err)
{
	/* What has no name is gone with the recorder. */
	if (recorder->output.unnamed)
		return 0;
	recorder->sidecar.lock = output_create(&recorder->output, REMAINS_META, err);
	if (recorder->sidecar.lock < 0)
		return -1;
	/* Without locks (some network file systems) it only cannot be told who lives. */
	if (flock(recorder->sidecar.lock, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
		return p2p_fail_errno(err, "-o %s: cannot lock a file beside it",
				      recorder->output.path);
	return write_meta(recorder, err);
}

/* ---- state ---- */

/* While it runs only the losses, so that nothing changes while nothing happens. */
static void put_stats(FILE *to, const struct recorder *recorder, size_t index)
{
	const struct session *session = &recorder->session;
	unsigned int cpu = session->cpus[index % session->cpu_count];
	struct ring_stats stats;
	char text[160];

	if (recorder->stat_texts && recorder->stat_texts[index]) {
		put(to, REMAINS_STATS, "-", recorder->stat_texts[index]);
		return;
	}
	session_stats(session, index / session->cpu_count, cpu, &stats, NULL);
	snprintf(text, sizeof(text),
		 "CPU: %u\noverrun: %" PRIu64 "\ncommit overrun: %" PRIu64
		 "\ndropped events: %" PRIu64 "\n",
		 cpu, stats.overrun, stats.commit_overrun, stats.dropped);
	put(to, REMAINS_STATS, "-", text);
}

static void put_plan(FILE *to, const struct recorder *recorder, const char *part,
		     const struct write_lane *placed)
{
	char *lines = NULL;
	size_t size;
	FILE *text = open_memstream(&lines, &size);

	if (!text)
		return;
	for (size_t i = 0; i < recorder->spool.lane_count; i++)
		fprintf(text, "%" PRIu64 " %" PRIu64 "\n", placed[i].offset, placed[i].bytes);
	if (!fclose(text))
		put(to, REMAINS_PLAN, part, lines);
	free(lines);
}

static bool put_names(FILE *to, const struct recorder *recorder)
{
	char *names = NULL;
	size_t size;
	FILE *text;

	if (recorder->names) {
		put(to, REMAINS_CMDLINES, "-", recorder->names);
		return true;
	}
	text = open_memstream(&names, &size);
	if (!text)
		return false;
	tasks_write_names(&recorder->tasks, text);
	if (!fclose(text))
		put(to, REMAINS_CMDLINES, "-", names);
	free(names);
	return true;
}

static bool make_state(struct recorder *recorder, const char *part, const struct write_lane *placed,
		       char **text, size_t *size)
{
	struct trace_metadata metadata;
	struct p2p_error ignored;
	FILE *to;

	if (metadata_fill(recorder, &metadata, &ignored))
		return false;
	to = open_memstream(text, size);
	if (!to)
		return false;
	fputs(REMAINS_MAGIC, to);
	put(to, REMAINS_PRIVATE, "-", metadata.private_text);
	put_names(to, recorder);
	put_capture(to, recorder, CAPTURE_END);
	for (size_t i = 0; i < recorder->session.instance_count * recorder->session.cpu_count; i++)
		put_stats(to, recorder, i);
	if (part)
		put_plan(to, recorder, part, placed);
	return finish(to);
}

/* Beside the former one and then in its place: there is always a whole one. */
static bool replace_state(const struct recorder *recorder, const char *text, size_t size)
{
	static const char fresh[] = REMAINS_STATE "-new";
	struct p2p_error ignored;
	bool good;
	int fd;

	output_remove(&recorder->output, fresh);
	fd = output_create(&recorder->output, fresh, &ignored);
	if (fd < 0)
		return false;
	good = write_all(fd, text, size);
	close(fd);
	return good && !output_replace(&recorder->output, fresh, REMAINS_STATE);
}

static void write_state(struct recorder *recorder, const char *part,
			const struct write_lane *placed)
{
	struct sidecar *sidecar = &recorder->sidecar;
	char *text = NULL;
	size_t size;

	if (sidecar->lock < 0)
		return;
	if (!make_state(recorder, part, placed, &text, &size) ||
	    (sidecar->state && size == sidecar->state_size &&
	     !memcmp(text, sidecar->state, size)) ||
	    !replace_state(recorder, text, size)) {
		free(text);
		return;
	}
	free(sidecar->state);
	sidecar->state = text;
	sidecar->state_size = size;
}

void sidecar_update(struct recorder *recorder)
{
	write_state(recorder, NULL, NULL);
}

void sidecar_plan(struct recorder *recorder, const char *part, const struct write_lane *placed)
{
	write_state(recorder, part, placed);
}

void sidecar_close(struct recorder *recorder, bool keep)
{
	struct sidecar *sidecar = &recorder->sidecar;

	free(sidecar->state);
	sidecar->state = NULL;
	if (sidecar->lock < 0)
		return;
	if (!keep) {
		output_remove(&recorder->output, REMAINS_META);
		output_remove(&recorder->output, REMAINS_STATE);
		output_remove(&recorder->output, REMAINS_STATE "-new");
	}
	close(sidecar->lock);
	sidecar->lock = -1;
}
