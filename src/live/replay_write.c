// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What was seen of a recording, as a recording: at its end a copy, before that its pages up
 * to where the replay is, with what the file says of itself but its end.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/copy_range.h"
#include "p2ptrace/page_walk.h"
#include "parts.h"

#define RUN_BYTES (1u << 20)
#define COMMIT_AT 8

/* All of the file: at its end that is what was seen. */
static int copy_file(const struct trace_file *file, int to, struct p2p_error *err)
{
	off_t at = 0, end = 0;
	ssize_t copied;

	do
		copied = copy_range(file->fd, &at, to, &end, 16u << 20);
	while (copied > 0 || (copied < 0 && errno == EINTR));
	return copied ? p2p_fail_errno(err, "cannot copy %s", file->shown) : 0;
}

/* ---- a part of it ---- */

struct part {
	const struct trace_file *file;
	struct lane_reader reader;
	uint64_t border; /* the first stamp that was not seen */
	int to;
	unsigned char *page; /* the one at hand */
	struct write_lane *lanes;
	struct write_buffer *buffers;
	struct write_format *formats;
	char *private_text, *clock_text;
	char header_page[256];
	struct trace_metadata metadata;
};

/* Pages are copied as they are: into a file of this machine's own form. */
static int check_form(const struct trace_file *file, struct p2p_error *err)
{
	bool ours = !file->big_endian && file->long_size == 8 && file->commit_size == 8 &&
		    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

	for (size_t i = 1; i < file->lane_count; i++)
		ours &= file->lanes[i].page_size == file->lanes[0].page_size;
	if (ours && file->lane_count)
		return 0;
	return p2p_fail(err, "a part of %s cannot be written: it is of another kind of machine",
			file->shown);
}

/* Cuts a page off before the first record that was not seen; whether there was one. */
static bool cut_page(unsigned char *page, size_t size, uint64_t border)
{
	const unsigned char *before;
	struct page_walk walk;
	uint32_t length, word;

	page_begin(&walk, PAGE_FORM_NATIVE, page, size);
	for (before = walk.at; page_next(&walk, PAGE_FORM_NATIVE, &length); before = walk.at) {
		if (walk.stamp < border)
			continue;
		/* The number of a loss stands behind the records. */
		word = (page_u32(PAGE_FORM_NATIVE, page + COMMIT_AT) & PAGE_MISSED) |
		       (uint32_t)(before - page - 16);
		if (walk.lost && walk.lost != PAGE_LOST_UNCOUNTED &&
		    (size_t)(before - page) + 8 <= size) {
			memcpy(page + (before - page), &walk.lost, 8);
			word |= PAGE_MISSED_STORED;
		}
		memcpy(page + COMMIT_AT, &word, sizeof(word));
		return true;
	}
	return false;
}

/* 1: written; 0: nothing of it was seen, or not all, so that the lane ends here. */
static int write_page(struct part *part, const unsigned char *from, size_t bytes, uint64_t *at,
		      struct p2p_error *err)
{
	size_t size = part->metadata.page_size;
	bool cut;

	memset(part->page, 0, size);
	memcpy(part->page, from, bytes);
	if (page_u64(PAGE_FORM_NATIVE, part->page) >= part->border)
		return 0;
	cut = cut_page(part->page, size, part->border);
	if (pwrite(part->to, part->page, size, (off_t)*at) != (ssize_t)size)
		return p2p_fail_errno(err, "cannot write the events");
	*at += size;
	return !cut;
}

/* Writes the pages of a lane; *at moves on. */
static int write_lane(struct part *part, const struct trace_lane *lane, uint64_t *at,
		      struct p2p_error *err)
{
	size_t size = lane->page_size;
	uint64_t run = RUN_BYTES / size ? RUN_BYTES / size : 1;
	int more = 1;

	for (uint64_t first = 0; first < lane->pages && more > 0; first += run) {
		uint64_t count = lane->pages - first < run ? lane->pages - first : run;
		const unsigned char *pages;
		size_t bytes;

		pages = lane_read(&part->reader, lane, first, count, &bytes, err);
		if (!pages)
			return -1;
		for (size_t offset = 0; offset < bytes && more > 0; offset += size) {
			size_t here = bytes - offset < size ? bytes - offset : size;

			more = write_page(part, pages + offset, here, at, err);
		}
	}
	return more < 0 ? -1 : 0;
}

static int write_lanes(struct part *part, uint64_t *end, struct p2p_error *err)
{
	const struct trace_file *file = part->file;
	size_t buffers = 0;

	for (size_t i = 0; i < file->lane_count; i++) {
		const struct trace_lane *lane = &file->lanes[i];
		uint64_t at = *end;

		if (write_lane(part, lane, end, err))
			return -1;
		part->lanes[i] = (struct write_lane){ lane->cpu, at, *end - at };
		if (!i || lane->buffer != lane[-1].buffer)
			part->buffers[buffers++] =
				(struct write_buffer){ lane->buffer, &part->lanes[i], 0 };
		part->buffers[buffers - 1].lane_count++;
	}
	for (size_t i = 1; i < buffers; i++)
		if (part->buffers[i].lane_count != part->buffers[0].lane_count)
			return p2p_fail(err,
					"a part of %s cannot be written: its buffers have "
					"different CPUs",
					file->shown);
	part->metadata.buffers = part->buffers;
	part->metadata.buffer_count = buffers;
	return 0;
}

/* Of the private option what is about the end is left out. */
static bool is_of_the_end(const char *line)
{
	static const enum private_key keys[] = { PRIVATE_STOP, PRIVATE_MISSED, PRIVATE_UNSAVED };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t length = strlen(private_key_names[keys[i]]);

		if (!strncmp(line, private_key_names[keys[i]], length) && line[length] == ' ')
			return true;
	}
	return false;
}

static bool make_private(struct part *part, uint64_t stop)
{
	const char *text = part->file->private_text;
	bool failed;
	size_t size;
	FILE *to;

	if (!text)
		return true;
	to = open_memstream(&part->private_text, &size);
	if (!to)
		return false;
	for (size_t length; *text; text += length) {
		length = strcspn(text, "\n");
		length += text[length] == '\n';
		if (!is_of_the_end(text))
			fwrite(text, 1, length, to);
	}
	private_add(to, PRIVATE_STOP, "%" PRIu64, stop);
	failed = ferror(to);
	return !fclose(to) && !failed;
}

static bool make_formats(struct part *part)
{
	const struct trace_file *file = part->file;

	part->formats = calloc(file->format_count + 1, sizeof(*part->formats));
	for (size_t i = 0; part->formats && i < file->format_count; i++)
		part->formats[i] = (struct write_format){ file->formats[i].ftrace
								  ? "ftrace"
								  : file->formats[i].system,
							  file->formats[i].text };
	part->metadata.formats = part->formats;
	part->metadata.format_count = file->format_count;
	return part->formats;
}

static int make_metadata(struct part *part, uint64_t stop, struct p2p_error *err)
{
	const struct trace_file *file = part->file;
	struct trace_metadata *metadata = &part->metadata;

	if (!make_formats(part) || !make_private(part, stop) ||
	    asprintf(&part->clock_text, "[%s]", file->clock) < 0)
		return p2p_fail(err, "no memory for what the recording says of itself");
	snprintf(part->header_page, sizeof(part->header_page),
		 "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
		 "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
		 "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
		 "\tfield: char data;\toffset:16;\tsize:%u;\tsigned:0;\n",
		 metadata->page_size - 16);
	metadata->header_page = part->header_page;
	metadata->header_event = "# compressed entry header\n"
				 "\ttype_len    :    5 bits\n"
				 "\ttime_delta  :   27 bits\n"
				 "\tarray       :   32 bits\n\n"
				 "\tpadding     : type == 29\n"
				 "\ttime_extend : type == 30\n"
				 "\ttime_stamp : type == 31\n"
				 "\tdata max type_len  == 28\n";
	metadata->kallsyms = file->kallsyms;
	metadata->cmdlines = file->cmdlines ? file->cmdlines : "";
	metadata->clock_text = part->clock_text;
	metadata->clock = file->clock;
	metadata->uname = file->uname ? file->uname : "";
	metadata->private_text = part->private_text;
	return 0;
}

static int write_part(const struct live *live, int to, struct p2p_error *err)
{
	const struct trace_file *file = live->engine.analysis->file;
	struct capture_data captures[CAPTURES] = { { NULL, 0 } };
	struct part part = { .file = file, .border = live->replay->plan.from, .to = to };
	uint64_t end = trace_head_room(file->lanes[0].page_size);
	int result = -1;

	captures[CAPTURE_START] = file->captures[CAPTURE_START];
	part.metadata.captures = captures;
	part.metadata.page_size = file->lanes[0].page_size;
	part.page = malloc(part.metadata.page_size);
	lane_reader_init(&part.reader, file);
	part.lanes = calloc(file->lane_count, sizeof(*part.lanes));
	part.buffers = calloc(file->lane_count, sizeof(*part.buffers));
	if (!part.page || !part.lanes || !part.buffers)
		p2p_fail(err, "no memory for the recording");
	else if (!write_lanes(&part, &end, err) &&
		 !make_metadata(&part, live->engine.position, err))
		result = trace_write7(to, &part.metadata, end, err);
	lane_reader_destroy(&part.reader);
	free(part.page);
	free(part.lanes);
	free(part.buffers);
	free(part.formats);
	free(part.private_text);
	free(part.clock_text);
	return result;
}

int replay_write(struct live *live, const char *path, struct p2p_error *err)
{
	const struct trace_file *file = live->engine.analysis->file;
	struct output output;
	int fd, result;

	if (!live->replay->at_end && check_form(file, err))
		return -1;
	if (output_open(&output, path, err))
		return -1;
	fd = output_create(&output, "seen", err);
	result = fd < 0			? -1
		 : live->replay->at_end ? copy_file(file, fd, err)
					: write_part(live, fd, err);
	if (!result)
		result = output_publish(&output, "seen", fd, err);
	else if (fd >= 0)
		output_remove(&output, "seen");
	if (fd >= 0)
		close(fd);
	output_close(&output);
	return result;
}
