// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/page_walk.h"
#include "p2ptrace/recording.h"
#include "p2ptrace/rows.h"

/* \\ and \n as they were before writing, in place. */
static void unescape(char *value)
{
	char *to = value;

	for (; *value; value++) {
		if (*value == '\\' && (value[1] == '\\' || value[1] == 'n')) {
			*to++ = value[1] == 'n' ? '\n' : '\\';
			value++;
		} else {
			*to++ = *value;
		}
	}
	*to = '\0';
}

static bool add_thread(struct recording *recording, const char *value)
{
	unsigned int tid, tgid;
	struct thread_of *thread;

	if (sscanf(value, "%u %u", &tid, &tgid) != 2)
		return true;
	thread = ROWS_ADD(recording->threads, recording->thread_count);
	if (thread)
		*thread = (struct thread_of){ tid, tgid };
	return thread;
}

static bool add_living(struct recording *recording, const char *value)
{
	struct living found = { .start = INT64_MIN }, *living;

	if (sscanf(value, "%" SCNu32 " %" SCNd64, &found.tgid, &found.start) < 1)
		return true;
	living = ROWS_ADD(recording->living, recording->living_count);
	if (living)
		*living = found;
	return living;
}

static bool add_unsaved(struct recording *recording, const char *value)
{
	struct unsaved found, *unsaved;

	if (sscanf(value, "%" SCNu32 " %" SCNu64, &found.cpu, &found.events) != 2)
		return true;
	unsaved = ROWS_ADD(recording->unsaved, recording->unsaved_count);
	if (unsaved)
		*unsaved = found;
	return unsaved;
}

/* "NUMBER NAME": numbers are few and small. */
static bool add_map_type(struct recording *recording, const char *value)
{
	unsigned int number;
	char name[64];

	if (sscanf(value, "%3u %63s", &number, name) != 2 || number >= 256)
		return true;
	while (recording->type_count <= number)
		if (!ROWS_ADD(recording->type_names, recording->type_count))
			return false;
	free(recording->type_names[number]);
	recording->type_names[number] = strdup(name);
	return recording->type_names[number];
}

static bool read_line(struct recording *recording, char *line)
{
	char *value = strchr(line, ' ');
	enum private_key key = 0;

	if (value)
		*value++ = '\0';
	else
		value = line + strlen(line);
	while (key < PRIVATE_KEYS && strcmp(private_key_names[key], line) != 0)
		key++;
	unescape(value);
	if (key == PRIVATE_TGID)
		return add_thread(recording, value);
	if (key == PRIVATE_ALIVE)
		return add_living(recording, value);
	if (key == PRIVATE_UNSAVED)
		return add_unsaved(recording, value);
	if (key == PRIVATE_MAP_TYPE)
		return add_map_type(recording, value);
	if (key == PRIVATE_KEYS || recording->values[key])
		return true;
	recording->values[key] = strdup(value);
	return recording->values[key] != NULL;
}

static int compare_living(const void *a, const void *b)
{
	const struct living *left = a, *right = b;

	return left->tgid < right->tgid ? -1 : left->tgid > right->tgid;
}

static uint64_t value_number(const struct recording *recording, enum private_key key)
{
	return recording->values[key] ? strtoull(recording->values[key], NULL, 10) : 0;
}

/* "TID TGID" lines, as the kernel's saved_tgids has them. */
static bool read_saved_tgids(struct recording *recording, char *text)
{
	char *save = NULL;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		if (!add_thread(recording, line))
			return false;
	return true;
}

static int read_private(struct recording *recording, const struct trace_file *file,
			struct p2p_error *err)
{
	char *text = file->private_text ? strdup(file->private_text) : NULL;
	bool good = text || !file->private_text;
	char *save = NULL;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line && good;
	     line = strtok_r(NULL, "\n", &save))
		good = read_line(recording, line);
	free(text);
	if (good && file->tgids) {
		text = strdup(file->tgids);
		good = text && read_saved_tgids(recording, text);
		free(text);
	}
	if (!good)
		return p2p_fail(err, "%s: no memory for its metadata", file->shown);
	if (recording->values[PRIVATE_FORMAT] &&
	    value_number(recording, PRIVATE_FORMAT) > PRIVATE_OPTION_FORMAT)
		p2p_warn("%s: recorded by a newer p2ptrace (%s); some of it may be misread",
			 file->shown,
			 recording->values[PRIVATE_VERSION] ? recording->values[PRIVATE_VERSION]
							    : "?");
	rows_sort(recording->living, recording->living_count, sizeof(*recording->living),
		  compare_living);
	return 0;
}

/* The stamp of the last record of a lane's last page. */
static int last_stamp(struct lane_reader *reader, const struct trace_lane *lane, uint64_t *stamp,
		      struct p2p_error *err)
{
	const struct trace_file *file = reader->file;
	struct page_form form = {
		.swapped = file->big_endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__),
		.big_endian = file->big_endian,
		.commit_size = file->commit_size,
	};
	struct page_walk walk;
	const unsigned char *page;
	uint32_t length;
	size_t bytes;

	page = lane_read(reader, lane, lane->pages - 1, 1, &bytes, err);
	if (!page)
		return -1;
	page_begin(&walk, form, page, bytes);
	*stamp = walk.stamp;
	while (page_next(&walk, form, &length))
		*stamp = walk.stamp;
	return 0;
}

/* From the pages: the first page begins with the first event's stamp. */
static int read_span(struct recording *recording, const struct trace_file *file,
		     struct p2p_error *err)
{
	uint64_t first = UINT64_MAX, last = 0;
	struct lane_reader reader;
	int result = 0;

	lane_reader_init(&reader, file);
	for (size_t i = 0; i < file->lane_count && !result; i++) {
		uint64_t stamp;

		if (!file->lanes[i].pages)
			continue;
		result = lane_page_stamp(&reader, &file->lanes[i], 0, &stamp, err);
		if (!result && stamp < first)
			first = stamp;
		if (!result)
			result = last_stamp(&reader, &file->lanes[i], &stamp, err);
		if (!result && stamp > last)
			last = stamp;
	}
	lane_reader_destroy(&reader);
	if (first > last)
		first = last;
	recording->start = recording->values[PRIVATE_START] ? value_number(recording, PRIVATE_START)
							    : first;
	recording->stop = recording->values[PRIVATE_STOP] ? value_number(recording, PRIVATE_STOP)
							  : last;
	if (recording->stop < last)
		recording->stop = last;
	if (recording->stop < recording->start)
		recording->stop = recording->start;
	return result;
}

int recording_read(struct recording *recording, const struct trace_file *file,
		   struct p2p_error *err)
{
	*recording = (struct recording){ .own = file->private_text != NULL };
	if (read_private(recording, file, err) || read_span(recording, file, err)) {
		recording_free(recording);
		return -1;
	}
	recording->ns = recording->values[PRIVATE_CLOCK_NS]
				? value_number(recording, PRIVATE_CLOCK_NS) != 0
				: trace_clock_in_ns(file->clock);
	recording->filtered = recording->values[PRIVATE_FILTER_PID] ||
			      recording->values[PRIVATE_FILTER_PROVIDER] ||
			      recording->values[PRIVATE_FILTER_CLIENT] ||
			      recording->values[PRIVATE_FILTER_COMM] ||
			      recording->values[PRIVATE_FILTER];
	recording->flight_recorder = value_number(recording, PRIVATE_FLIGHT_RECORDER) != 0;
	recording->recovered = value_number(recording, PRIVATE_RECOVERED) != 0;
	recording->piece = value_number(recording, PRIVATE_PIECE);
	recording->missed = value_number(recording, PRIVATE_MISSED);
	recording->liveness = value_number(recording, PRIVATE_LIVENESS) != 0;
	return 0;
}

void recording_free(struct recording *recording)
{
	for (int key = 0; key < PRIVATE_KEYS; key++)
		free(recording->values[key]);
	for (size_t i = 0; i < recording->type_count; i++)
		free(recording->type_names[i]);
	free(recording->type_names);
	free(recording->unsaved);
	free(recording->threads);
	free(recording->living);
	*recording = (struct recording){ 0 };
}
