// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Both versions are put together in memory (open_memstream) out of the same
 * pieces; only their order, and how a reader finds them, differ.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "p2ptrace/trace_write.h"

/* Option ids and the ids of the sections that some of them point to. */
enum {
	OPTION_DONE = 0,
	OPTION_CPUSTAT = 2,
	OPTION_BUFFER = 3,
	OPTION_TRACECLOCK = 4,
	OPTION_UNAME = 5,
	OPTION_CPUCOUNT = 8,
	OPTION_VERSION = 9,
	SECTION_OPTIONS = 0,
	SECTION_BUFFER = 3,
	SECTION_HEADER_INFO = 16,
	SECTION_FTRACE_EVENTS = 17,
	SECTION_EVENT_FORMATS = 18,
	SECTION_KALLSYMS = 19,
	SECTION_PRINTK = 20,
	SECTION_CMDLINES = 21,
};

static const char writer[] = "p2ptrace " P2PTRACE_VERSION;

static void put_u16(FILE *to, uint16_t value)
{
	fwrite(&value, sizeof(value), 1, to);
}

static void put_u32(FILE *to, uint32_t value)
{
	fwrite(&value, sizeof(value), 1, to);
}

static void put_u64(FILE *to, uint64_t value)
{
	fwrite(&value, sizeof(value), 1, to);
}

/* With its NUL. */
static void put_string(FILE *to, const char *text)
{
	fwrite(text, strlen(text) + 1, 1, to);
}

static void put_sized(FILE *to, const char *text)
{
	put_u64(to, strlen(text));
	fputs(text, to);
}

/* ---- pieces that both versions share ---- */

static void put_initial(FILE *to, const char *version, uint32_t page_size)
{
	const uint16_t one = 1;

	fwrite("\x17\x08\x44tracing", 10, 1, to);
	put_string(to, version);
	fputc(*(const char *)&one ? 0 : 1, to);
	fputc(sizeof(long), to);
	put_u32(to, page_size);
}

static void put_header_info(FILE *to, const struct trace_metadata *metadata)
{
	put_string(to, "header_page");
	put_sized(to, metadata->header_page);
	put_string(to, "header_event");
	put_sized(to, metadata->header_event);
}

static bool is_ftrace(const struct write_format *format)
{
	return !strcmp(format->system, "ftrace");
}

static void put_ftrace_formats(FILE *to, const struct trace_metadata *metadata)
{
	uint32_t count = 0;

	for (size_t i = 0; i < metadata->format_count; i++)
		count += is_ftrace(&metadata->formats[i]);
	put_u32(to, count);
	for (size_t i = 0; i < metadata->format_count; i++)
		if (is_ftrace(&metadata->formats[i]))
			put_sized(to, metadata->formats[i].text);
}

/* Formats of the system that begins at `first`. */
static size_t system_length(const struct trace_metadata *metadata, size_t first)
{
	size_t end = first + 1;

	while (end < metadata->format_count &&
	       !strcmp(metadata->formats[end].system, metadata->formats[first].system))
		end++;
	return end - first;
}

static void put_event_formats(FILE *to, const struct trace_metadata *metadata)
{
	uint32_t systems = 0;

	for (size_t i = 0; i < metadata->format_count; i += system_length(metadata, i))
		systems += !is_ftrace(&metadata->formats[i]);
	put_u32(to, systems);
	for (size_t i = 0, length; i < metadata->format_count; i += length) {
		length = system_length(metadata, i);
		if (is_ftrace(&metadata->formats[i]))
			continue;
		put_string(to, metadata->formats[i].system);
		put_u32(to, (uint32_t)length);
		for (size_t event = 0; event < length; event++)
			put_sized(to, metadata->formats[i + event].text);
	}
}

static void put_kallsyms(FILE *to, const struct trace_metadata *metadata)
{
	const char *text = metadata->kallsyms ? metadata->kallsyms : "";

	put_u32(to, (uint32_t)strlen(text));
	fputs(text, to);
}

/* None are stored, but trace-cmd convert wants the section. */
static void put_printk(FILE *to, const struct trace_metadata *metadata)
{
	(void)metadata;
	put_u32(to, 0);
}

static void put_cmdlines(FILE *to, const struct trace_metadata *metadata)
{
	put_sized(to, metadata->cmdlines);
}

static void put_option(FILE *to, uint16_t id, const void *data, size_t bytes)
{
	put_u16(to, id);
	put_u32(to, (uint32_t)bytes);
	fwrite(data, bytes, 1, to);
}

static void put_text_option(FILE *to, uint16_t id, const char *text)
{
	put_option(to, id, text, strlen(text) + 1);
}

static void put_common_options(FILE *to, const struct trace_metadata *metadata)
{
	uint32_t cpus = (uint32_t)metadata->buffers[0].lane_count;

	put_option(to, OPTION_CPUCOUNT, &cpus, sizeof(cpus));
	put_text_option(to, OPTION_TRACECLOCK, metadata->clock_text);
	put_text_option(to, OPTION_UNAME, metadata->uname);
	put_text_option(to, OPTION_VERSION, writer);
	for (size_t i = 0; i < metadata->cpu_stat_count; i++)
		put_text_option(to, OPTION_CPUSTAT, metadata->cpu_stats[i]);
	if (metadata->private_text)
		put_text_option(to, PRIVATE_OPTION_ID, metadata->private_text);
	for (uint16_t i = 0; metadata->captures && i < CAPTURES; i++)
		if (metadata->captures[i].bytes)
			put_option(to, CAPTURE_OPTION_ID(i), metadata->captures[i].bytes,
				   metadata->captures[i].size);
}

/* Bytes under construction: a section's or an option's size stands before it. */
struct piece {
	FILE *stream;
	char *bytes;
	size_t size;
};

static int piece_open(struct piece *piece, struct p2p_error *err)
{
	*piece = (struct piece){ .bytes = NULL };
	piece->stream = open_memstream(&piece->bytes, &piece->size);
	return piece->stream ? 0 : p2p_fail(err, "no memory for the file's metadata");
}

static void piece_discard(struct piece *piece)
{
	if (piece->stream)
		fclose(piece->stream);
	piece->stream = NULL;
	free(piece->bytes);
	piece->bytes = NULL;
}

/* Closes the stream; the bytes stay until piece_discard(). */
static int piece_finish(struct piece *piece, struct p2p_error *err)
{
	bool failed = ferror(piece->stream);

	if (fclose(piece->stream))
		failed = true;
	piece->stream = NULL;
	if (!failed)
		return 0;
	piece_discard(piece);
	return p2p_fail(err, "no memory for the file's metadata");
}

/* ---- version 7 ---- */

uint64_t trace_head_room(uint32_t page_size)
{
	return page_size;
}

#define SECTION_COMPRESSED 1

static void put_section_header(FILE *to, uint16_t id, uint16_t flags, uint64_t bytes)
{
	put_u16(to, id);
	put_u16(to, flags);
	put_u32(to, 0);
	put_u64(to, bytes);
}

static const struct {
	uint16_t id;
	void (*put)(FILE *to, const struct trace_metadata *metadata);
} sections7[] = {
	{ SECTION_HEADER_INFO, put_header_info },
	{ SECTION_FTRACE_EVENTS, put_ftrace_formats },
	{ SECTION_EVENT_FORMATS, put_event_formats },
	{ SECTION_KALLSYMS, put_kallsyms },
	{ SECTION_PRINTK, put_printk },
	{ SECTION_CMDLINES, put_cmdlines },
};

#define SECTION7_COUNT (sizeof(sections7) / sizeof(sections7[0]))

static int put_packed(FILE *to, uint16_t id, const struct piece *piece,
		      struct compressor *compressor, struct p2p_error *err)
{
	size_t bytes;
	void *packed;

	if (compressor_pack(compressor, piece->bytes, piece->size, &packed, &bytes, err))
		return -1;
	put_section_header(to, id, SECTION_COMPRESSED, 8 + bytes);
	put_u32(to, (uint32_t)bytes);
	put_u32(to, (uint32_t)piece->size);
	fwrite(packed, bytes, 1, to);
	return 0;
}

static int put_section(FILE *to, uint16_t id, struct piece *piece, struct compressor *compressor,
		       struct p2p_error *err)
{
	int result = 0;

	if (piece_finish(piece, err))
		return -1;
	if (compressor && piece->size) {
		result = put_packed(to, id, piece, compressor, err);
	} else {
		put_section_header(to, id, 0, piece->size);
		fwrite(piece->bytes, piece->size, 1, to);
	}
	piece_discard(piece);
	return result;
}

/* trace-cmd leaves out the number of chunks. */
static uint64_t lane_bytes(const struct trace_metadata *metadata, const struct write_lane *lane)
{
	return metadata->compressor && lane->bytes ? lane->bytes - sizeof(uint32_t) : lane->bytes;
}

static int put_buffer_option(FILE *to, const struct trace_metadata *metadata,
			     const struct write_buffer *buffer, uint64_t section,
			     struct p2p_error *err)
{
	struct piece piece;

	if (piece_open(&piece, err))
		return -1;
	put_u64(piece.stream, section);
	put_string(piece.stream, buffer->name);
	put_string(piece.stream, metadata->clock);
	put_u32(piece.stream, metadata->page_size);
	put_u32(piece.stream, (uint32_t)buffer->lane_count);
	for (size_t i = 0; i < buffer->lane_count; i++) {
		put_u32(piece.stream, buffer->lanes[i].cpu);
		put_u64(piece.stream, buffer->lanes[i].offset);
		put_u64(piece.stream, lane_bytes(metadata, &buffer->lanes[i]));
	}
	if (piece_finish(&piece, err))
		return -1;
	put_option(to, OPTION_BUFFER, piece.bytes, piece.size);
	piece_discard(&piece);
	return 0;
}

/* The sections and, last, the options that point to them; the stream's first byte
 * will stand at `at`.  `heads` is where the sections of the pages begin. */
static int put_metadata7(FILE *to, const struct trace_metadata *metadata, uint64_t at,
			 const uint64_t *heads, uint64_t *options_at, struct p2p_error *err)
{
	uint64_t section_at[SECTION7_COUNT];
	const uint64_t last = 0;
	struct piece piece;

	for (size_t i = 0; i < SECTION7_COUNT; i++) {
		section_at[i] = at + (uint64_t)ftello(to);
		if (piece_open(&piece, err))
			return -1;
		sections7[i].put(piece.stream, metadata);
		if (put_section(to, sections7[i].id, &piece, metadata->compressor, err))
			return -1;
	}
	*options_at = at + (uint64_t)ftello(to);
	if (piece_open(&piece, err))
		return -1;
	for (size_t i = 0; i < SECTION7_COUNT; i++)
		put_option(piece.stream, sections7[i].id, &section_at[i], sizeof(section_at[i]));
	put_common_options(piece.stream, metadata);
	for (size_t i = 0; i < metadata->buffer_count; i++)
		if (put_buffer_option(piece.stream, metadata, &metadata->buffers[i], heads[i],
				      err)) {
			piece_discard(&piece);
			return -1;
		}
	put_option(piece.stream, OPTION_DONE, &last, sizeof(last));
	return put_section(to, SECTION_OPTIONS, &piece, NULL, err);
}

static int write_at(int fd, const char *bytes, size_t size, uint64_t at, struct p2p_error *err)
{
	while (size) {
		ssize_t written = pwrite(fd, bytes, size, (off_t)at);

		if (written <= 0)
			return p2p_fail_errno(err, "cannot write the file's metadata");
		bytes += written;
		at += (uint64_t)written;
		size -= (size_t)written;
	}
	return 0;
}

/* Magic, version, where the options are, and the headers of the sections of pages. */
static int build_head7(const struct trace_metadata *metadata, uint64_t end, uint64_t options_at,
		       uint64_t *heads, struct piece *head, struct p2p_error *err)
{
	if (piece_open(head, err))
		return -1;
	put_initial(head->stream, "7", metadata->page_size);
	put_string(head->stream, metadata->compressor ? compressor_name : "none");
	put_string(head->stream, metadata->compressor ? compressor_version() : "");
	put_u64(head->stream, options_at);
	for (size_t i = 0; i < metadata->buffer_count; i++) {
		heads[i] = (uint64_t)ftello(head->stream);
		put_section_header(head->stream, SECTION_BUFFER,
				   metadata->compressor ? SECTION_COMPRESSED : 0,
				   end - heads[i] - 16);
	}
	return piece_finish(head, err);
}

#define MAX_BUFFERS 8

int trace_write7(int fd, const struct trace_metadata *metadata, uint64_t end, struct p2p_error *err)
{
	uint64_t heads[MAX_BUFFERS], options_at = 0;
	struct piece head, tail;
	int result;

	/* Once for the places of the headers, once with the place of the options. */
	if (build_head7(metadata, end, 0, heads, &head, err))
		return -1;
	piece_discard(&head);
	if (piece_open(&tail, err))
		return -1;
	result = put_metadata7(tail.stream, metadata, end, heads, &options_at, err);
	if (!result)
		result = piece_finish(&tail, err);
	if (!result)
		result = write_at(fd, tail.bytes, tail.size, end, err);
	piece_discard(&tail);
	if (result || build_head7(metadata, end, options_at, heads, &head, err))
		return -1;
	result = write_at(fd, head.bytes, head.size, 0, err);
	piece_discard(&head);
	return result;
}

/* ---- version 6 ---- */

static void put_lanes6(FILE *to, const struct write_buffer *buffer)
{
	fwrite("flyrecord", 10, 1, to);
	for (size_t i = 0; i < buffer->lane_count; i++) {
		put_u64(to, buffer->lanes[i].offset);
		put_u64(to, buffer->lanes[i].bytes);
	}
}

/* A buffer option is the offset of a table like the main one, and a name.  The
 * tables stand behind the main one, all of the same size. */
static void put_buffers6(FILE *to, const struct trace_metadata *metadata)
{
	uint64_t table = 10 + 16 * (uint64_t)metadata->buffers[0].lane_count;
	uint64_t options_end = (uint64_t)ftello(to) + 2;

	for (size_t i = 1; i < metadata->buffer_count; i++)
		options_end += 2 + 4 + 8 + strlen(metadata->buffers[i].name) + 1;
	for (size_t i = 1; i < metadata->buffer_count; i++) {
		const char *name = metadata->buffers[i].name;

		put_u16(to, OPTION_BUFFER);
		put_u32(to, (uint32_t)(8 + strlen(name) + 1));
		put_u64(to, options_end + i * table);
		put_string(to, name);
	}
	put_u16(to, OPTION_DONE);
	for (size_t i = 0; i < metadata->buffer_count; i++)
		put_lanes6(to, &metadata->buffers[i]);
}

int trace_build6(const struct trace_metadata *metadata, char **bytes, size_t *size,
		 struct p2p_error *err)
{
	struct piece head;

	if (piece_open(&head, err))
		return -1;
	put_initial(head.stream, "6", metadata->page_size);
	put_header_info(head.stream, metadata);
	put_ftrace_formats(head.stream, metadata);
	put_event_formats(head.stream, metadata);
	put_kallsyms(head.stream, metadata);
	put_printk(head.stream, metadata);
	put_cmdlines(head.stream, metadata);
	put_u32(head.stream, (uint32_t)metadata->buffers[0].lane_count);
	fwrite("options  ", 10, 1, head.stream);
	put_common_options(head.stream, metadata);
	put_buffers6(head.stream, metadata);
	if (piece_finish(&head, err))
		return -1;
	*bytes = head.bytes;
	*size = head.size;
	return 0;
}
