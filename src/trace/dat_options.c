// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The options of a trace.dat: a table of what is read, by id; the rest is
 * skipped, as trace-cmd does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dat_cursor.h"
#include "p2ptrace/private_option.h"

enum {
	OPTION_DONE = 0,
	OPTION_CPUSTAT = 2,
	OPTION_BUFFER = 3,
	OPTION_TRACECLOCK = 4,
	OPTION_UNAME = 5,
	OPTION_CPUCOUNT = 8,
	OPTION_VERSION = 9,
	OPTION_HEADER_INFO = 16,
	OPTION_FTRACE_EVENTS = 17,
	OPTION_EVENT_FORMATS = 18,
	OPTION_KALLSYMS = 19,
	OPTION_CMDLINES = 21,
};

/* Keeps the first of several: named buffers of trace-cmd repeat some. */
static int keep_text(char **kept, struct dat_cursor *cursor)
{
	char *text = dat_text(cursor, cursor->end - cursor->at);

	if (*kept)
		free(text);
	else
		*kept = text;
	return cursor->failed ? -1 : 0;
}

/* The first of each counts. */
static int keep_capture(struct trace_file *file, enum capture_moment moment,
			struct dat_cursor *cursor)
{
	struct capture_data *data = &file->captures[moment];
	size_t size = cursor->end - cursor->at;

	if (data->bytes)
		return 0;
	data->bytes = dat_text(cursor, size);
	data->size = size;
	return cursor->failed ? -1 : 0;
}

/* "mono" of "local global counter uptime perf [mono] boot", or a bare name. */
static int read_clock(struct trace_file *file, struct dat_cursor *cursor)
{
	char *text = dat_text(cursor, cursor->end - cursor->at);
	char *open, *close;

	if (!text)
		return -1;
	open = strchr(text, '[');
	close = open ? strchr(open, ']') : NULL;
	if (close) {
		*close = '\0';
		memmove(text, open + 1, (size_t)(close - open));
	}
	text[strcspn(text, "\n")] = '\0';
	if (*file->clock) {
		free(text);
	} else {
		free(file->clock);
		file->clock = text;
	}
	return 0;
}

static struct trace_cpu_stats *stats_of(struct trace_file *file, uint64_t cpu)
{
	if (cpu >= 65536)
		return NULL;
	if (cpu >= file->stat_count) {
		struct trace_cpu_stats *more = reallocarray(file->stats, cpu + 1, sizeof(*more));

		if (!more)
			return NULL;
		memset(more + file->stat_count, 0, (cpu + 1 - file->stat_count) * sizeof(*more));
		file->stats = more;
		file->stat_count = cpu + 1;
	}
	return &file->stats[cpu];
}

/* "CPU: 3\nentries: 0\noverrun: 12\n..."; several buffers of one CPU add up. */
static int read_cpu_stats(struct trace_file *file, struct dat_cursor *cursor)
{
	char *text = dat_text(cursor, cursor->end - cursor->at);
	struct trace_cpu_stats *stats;
	unsigned long long value;
	char *save = NULL;

	if (!text)
		return -1;
	stats = sscanf(text, "CPU: %llu", &value) == 1 ? stats_of(file, value) : NULL;
	for (char *line = strtok_r(text, "\n", &save); stats && line;
	     line = strtok_r(NULL, "\n", &save)) {
		stats->known = true;
		if (sscanf(line, "overrun: %llu", &value) == 1)
			stats->overrun += value;
		else if (sscanf(line, "commit overrun: %llu", &value) == 1)
			stats->commit_overrun += value;
		else if (sscanf(line, "dropped events: %llu", &value) == 1)
			stats->dropped += value;
	}
	free(text);
	return 0;
}

/* ---- version 7: options that name a section by its offset ---- */

/* A section's bytes: the header read, the content unpacked when it is packed. */
struct section {
	struct dat_cursor cursor;
	unsigned char *unpacked;
	uint16_t flags;
};

#define SECTION_COMPRESSED 1
/* Far above any real metadata; a damaged size must not take all memory. */
#define UNPACKED_LIMIT (256u << 20)

static int unpack_section(struct trace_file *file, struct section *section)
{
	uint32_t packed_bytes = dat_u32(&section->cursor);
	uint32_t plain_bytes = dat_u32(&section->cursor);
	char *packed;
	int result;

	file->unpacked_bytes += plain_bytes;
	if (!section->cursor.failed && file->unpacked_bytes > UNPACKED_LIMIT)
		return dat_fail(&section->cursor, "%u bytes unpacked is beyond belief",
				plain_bytes);
	packed = dat_text(&section->cursor, packed_bytes);
	if (!packed)
		return -1;
	section->unpacked = malloc(plain_bytes + 1);
	if (!section->unpacked)
		result = dat_fail(&section->cursor, "no memory for %u bytes", plain_bytes);
	else if (decompress(file->compression, packed, packed_bytes, section->unpacked, plain_bytes,
			    section->cursor.err))
		result = p2p_error_prefix(section->cursor.err, "%s: %s", file->shown,
					  section->cursor.what);
	else
		result = 0;
	free(packed);
	section->cursor.memory = section->unpacked;
	section->cursor.at = 0;
	section->cursor.end = plain_bytes;
	return result;
}

/* Sections do not overlap: together they are no larger than the file.  With some slack,
 * for several options that lead to one. */
static int claim_section(struct trace_file *file, struct section *section)
{
	file->metadata_bytes += section->cursor.end - section->cursor.at;
	if (file->metadata_bytes / 4 > file->bytes)
		return dat_fail(&section->cursor, "sections lead to one another without an end");
	return 0;
}

static int open_section(struct trace_file *file, uint64_t offset, const char *what,
			struct section *section, struct p2p_error *err)
{
	struct dat_cursor *cursor = &section->cursor;
	uint64_t bytes;

	*section = (struct section){ .cursor = { .file = file,
						 .at = offset,
						 .end = file->bytes,
						 .what = what,
						 .err = err } };
	if (offset > file->bytes) {
		cursor->at = cursor->end = file->bytes;
		return dat_fail(cursor, "cut off (the section begins at %llu)",
				(unsigned long long)offset);
	}
	dat_u16(cursor); /* the id: implied by the option that led here */
	section->flags = dat_u16(cursor);
	dat_u32(cursor); /* the description */
	bytes = dat_u64(cursor);
	if (cursor->failed)
		return -1;
	if (bytes < cursor->end - cursor->at)
		cursor->end = cursor->at + bytes;
	return 0;
}

static int enter_section(struct trace_file *file, uint64_t offset, const char *what,
			 struct section *section, struct p2p_error *err)
{
	if (open_section(file, offset, what, section, err) || claim_section(file, section))
		return -1;
	if (section->flags & SECTION_COMPRESSED && file->compression != COMPRESSION_NONE)
		return unpack_section(file, section);
	return 0;
}

static int read_kallsyms(struct trace_file *file, struct dat_cursor *cursor)
{
	free(file->kallsyms);
	file->kallsyms = dat_text(cursor, dat_u32(cursor));
	return cursor->failed ? -1 : 0;
}

static int read_cmdlines(struct trace_file *file, struct dat_cursor *cursor)
{
	free(file->cmdlines);
	file->cmdlines = dat_text(cursor, dat_u64(cursor));
	return cursor->failed ? -1 : 0;
}

static const struct {
	uint16_t option;
	const char *what;
	int (*read)(struct trace_file *file, struct dat_cursor *cursor);
} sections[] = {
	{ OPTION_HEADER_INFO, "header info", dat_read_header_info },
	{ OPTION_FTRACE_EVENTS, "ftrace formats", dat_read_ftrace_formats },
	{ OPTION_EVENT_FORMATS, "event formats", dat_read_event_formats },
	{ OPTION_KALLSYMS, "kallsyms", read_kallsyms },
	{ OPTION_CMDLINES, "process names", read_cmdlines },
};

static int read_section_at(struct trace_file *file, size_t row, struct dat_cursor *option)
{
	uint64_t offset = dat_u64(option);
	struct section section;
	int result;

	if (option->failed)
		return -1;
	result = enter_section(file, offset, sections[row].what, &section, option->err);
	if (!result)
		result = sections[row].read(file, &section.cursor);
	free(section.unpacked);
	return result;
}

/* The main buffer's is a constant, which nobody frees: NULL here. */
static char *read_buffer_name(struct dat_cursor *option)
{
	char *name = dat_string(option, 4096);

	if (name && !*name) {
		free(name);
		name = NULL;
	}
	return name;
}

static const char *lane_buffer(const struct trace_file *file, uint32_t index, const char *name)
{
	return index ? file->lanes[file->lane_count - 2].buffer : name ? name : "";
}

/* Lanes of one buffer.  Whether they are compressed stands in the header of the
 * data section, which may be what was cut off: then there are no pages either. */
static int read_buffer7(struct trace_file *file, struct dat_cursor *option)
{
	uint64_t offset = dat_u64(option);
	char *name = read_buffer_name(option);
	char *clock = dat_string(option, 4096);
	uint32_t page_size = dat_u32(option);
	uint32_t cpus = dat_u32(option);
	struct section section = { .flags = 0 };
	struct p2p_error ignored;
	bool compressed = false;
	int result = 0;

	if (offset <= file->bytes && !open_section(file, offset, "trace data", &section, &ignored))
		compressed = section.flags & SECTION_COMPRESSED;
	if (!option->failed && !*file->clock && *clock) {
		free(file->clock);
		file->clock = clock;
		clock = NULL;
	}
	for (uint32_t i = 0; i < cpus && !option->failed && !result; i++) {
		struct trace_lane lane = { .page_size = page_size };
		struct trace_lane *added;

		lane.cpu = dat_u32(option);
		lane.offset = dat_u64(option);
		lane.bytes = dat_u64(option);
		added = dat_add_lane(file, option);
		if (!added)
			break;
		*added = lane;
		added->buffer = lane_buffer(file, i, name);
		if (i == 0)
			name = NULL;
		result = dat_finish_lane(file, added, compressed, option->err);
	}
	free(name);
	free(clock);
	return option->failed ? -1 : result;
}

/* Version 6: the offset of a table like the main one, and the buffer's name. */
static int read_buffer6(struct trace_file *file, struct dat_cursor *option)
{
	uint64_t offset = dat_u64(option);
	char *name = read_buffer_name(option);
	struct dat_cursor table = { .file = file,
				    .at = offset < file->bytes ? offset : file->bytes,
				    .end = file->bytes,
				    .what = "table of a named buffer",
				    .err = option->err };
	char kind[10];
	int result = 0;

	if (option->failed) {
		free(name);
		return -1;
	}
	dat_bytes(&table, kind, sizeof(kind));
	if (!table.failed && memcmp(kind, "flyrecord", 10) != 0)
		dat_fail(&table, "no 'flyrecord' where it should stand");
	for (uint32_t cpu = 0; cpu < file->cpu_count && !table.failed && !result; cpu++) {
		uint64_t at = dat_u64(&table), bytes = dat_u64(&table);
		struct trace_lane *lane = dat_add_lane(file, &table);

		if (!lane)
			break;
		*lane = (struct trace_lane){
			.cpu = cpu, .offset = at, .bytes = bytes, .page_size = file->page_size
		};
		lane->buffer = lane_buffer(file, cpu, name);
		if (cpu == 0)
			name = NULL;
		result = dat_finish_lane(file, lane, false, option->err);
	}
	free(name);
	return table.failed ? -1 : result;
}

static int read_option(struct trace_file *file, uint16_t id, struct dat_cursor *option)
{
	switch (id) {
	case OPTION_CPUSTAT:
		return read_cpu_stats(file, option);
	case OPTION_BUFFER:
		return file->version == 6 ? read_buffer6(file, option) : read_buffer7(file, option);
	case OPTION_TRACECLOCK:
		return read_clock(file, option);
	case OPTION_UNAME:
		return keep_text(&file->uname, option);
	case OPTION_VERSION:
		return keep_text(&file->writer, option);
	case OPTION_CPUCOUNT:
		file->cpu_count = dat_u32(option);
		return option->failed ? -1 : 0;
	case PRIVATE_OPTION_ID:
		return keep_text(&file->private_text, option);
	case CAPTURE_OPTION_ID(CAPTURE_START):
		return keep_capture(file, CAPTURE_START, option);
	case CAPTURE_OPTION_ID(CAPTURE_END):
		return keep_capture(file, CAPTURE_END, option);
	}
	for (size_t row = 0; row < sizeof(sections) / sizeof(sections[0]); row++)
		if (file->version == 7 && sections[row].option == id)
			return read_section_at(file, row, option);
	return 0;
}

/* Options up to the one with id 0.  In version 7 that one's value, the offset of
 * the next options section, goes to *next. */
static int read_options(struct trace_file *file, struct dat_cursor *cursor, uint64_t *next)
{
	*next = 0;
	for (;;) {
		uint16_t id = dat_u16(cursor);
		uint32_t bytes;
		struct dat_cursor option;

		if (cursor->failed)
			return -1;
		if (id == OPTION_DONE && file->version == 6)
			return 0;
		bytes = dat_u32(cursor);
		if (!cursor->failed && bytes > cursor->end - cursor->at)
			dat_fail(cursor, "option %u of %u bytes is cut off", id, bytes);
		if (cursor->failed)
			return -1;
		option = *cursor;
		option.end = cursor->at + bytes;
		if (id == OPTION_DONE) {
			*next = bytes >= 8 ? dat_u64(&option) : 0;
			return 0;
		}
		if (read_option(file, id, &option))
			return -1;
		cursor->at += bytes;
	}
}

int dat_read_options6(struct trace_file *file, struct dat_cursor *cursor)
{
	uint64_t next;

	return read_options(file, cursor, &next);
}

/* A chain that does not end is damage. */
int dat_read_options7(struct trace_file *file, uint64_t offset, struct p2p_error *err)
{
	for (int links = 0; offset; links++) {
		struct section section;
		int result;

		if (links == 1000)
			return p2p_fail(err, "%s: the chain of option sections does not end",
					file->shown);
		result = enter_section(file, offset, "options", &section, err);
		if (!result)
			result = read_options(file, &section.cursor, &offset);
		free(section.unpacked);
		if (result)
			return -1;
	}
	return 0;
}
