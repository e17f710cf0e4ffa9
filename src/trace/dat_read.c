// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * trace.dat, versions 6 and 7: the frame of the file.  What the options lead to
 * is read in dat_options.c, the pages in lane.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dat_cursor.h"
#include "p2ptrace/file_map.h"
#include "p2ptrace/remains.h"
#include "p2ptrace/rows.h"
#include "p2ptrace/text.h"

#define MAGIC "\027\010\104tracing"
#define MAGIC_BYTES 10
/* Sub-buffers are whole powers of two of pages; the ring buffer stops far below. */
#define PAGE_SIZE_MIN 256u
#define PAGE_SIZE_MAX (64u << 20)

bool trace_clock_in_ns(const char *clock)
{
	static const char *const ns[] = { "local",    "global", "perf", "mono",
					  "mono_raw", "boot",	"tai",	"" };

	for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++)
		if (!strcmp(clock, ns[i]))
			return true;
	return false;
}

/* CPUs of all buffers together; far above any machine. */
#define LANES_MAX (1u << 17)

struct trace_lane *dat_add_lane(struct trace_file *file, struct dat_cursor *cursor)
{
	struct trace_lane *lane = NULL;

	if (cursor->failed)
		return NULL;
	if (file->lane_count < LANES_MAX)
		lane = ROWS_ADD(file->lanes, file->lane_count);
	if (!lane)
		dat_fail(cursor,
			 file->lane_count < LANES_MAX ? "no memory" : "so many CPUs cannot be");
	return lane;
}

/* ---- the parts that both versions keep in the same form ---- */

/* Page layout as the kernel described it: `header_page` names the commit word's
 * size and the room for data, which together give the sub-buffer's size. */
static int parse_header_page(struct trace_file *file, struct dat_cursor *cursor, const char *text)
{
	const char *commit = strstr(text, " commit;");
	const char *data = strstr(text, " data;");
	unsigned int offset, size;

	if (!commit || sscanf(commit, " commit; offset:%u; size:%u;", &offset, &size) != 2 ||
	    offset != 8 || (size != 4 && size != 8))
		return dat_fail(cursor, "no usable 'commit' field");
	file->commit_size = size;
	if (data && sscanf(data, " data; offset:%u; size:%u;", &offset, &size) == 2 &&
	    size < PAGE_SIZE_MAX && offset == 8 + file->commit_size)
		file->page_size = offset + size;
	return 0;
}

int dat_read_header_info(struct trace_file *file, struct dat_cursor *cursor)
{
	char tag[13];
	char *text;
	int result;

	dat_bytes(cursor, tag, 12);
	if (!cursor->failed && memcmp(tag, "header_page", 12) != 0)
		return dat_fail(cursor, "no 'header_page' where it should stand");
	text = dat_text(cursor, dat_u64(cursor));
	result = text ? parse_header_page(file, cursor, text) : -1;
	free(text);
	if (result)
		return -1;
	dat_bytes(cursor, tag, 13);
	if (!cursor->failed && memcmp(tag, "header_event", 13) != 0)
		return dat_fail(cursor, "no 'header_event' where it should stand");
	free(dat_text(cursor, dat_u64(cursor)));
	return cursor->failed ? -1 : 0;
}

static int add_format(struct trace_file *file, struct dat_cursor *cursor, const char *system)
{
	char *text = dat_text(cursor, dat_u64(cursor));
	struct trace_format *format;

	if (!text)
		return -1;
	format = ROWS_ADD(file->formats, file->format_count);
	if (!format) {
		free(text);
		return dat_fail(cursor, "no memory");
	}
	*format = (struct trace_format){ .system = system, .text = text, .ftrace = !system };
	return 0;
}

int dat_read_ftrace_formats(struct trace_file *file, struct dat_cursor *cursor)
{
	uint32_t count = dat_u32(cursor);

	for (uint32_t i = 0; i < count && !cursor->failed; i++)
		add_format(file, cursor, NULL);
	return cursor->failed ? -1 : 0;
}

int dat_read_event_formats(struct trace_file *file, struct dat_cursor *cursor)
{
	uint32_t systems = dat_u32(cursor);

	for (uint32_t i = 0; i < systems && !cursor->failed; i++) {
		char *system = dat_string(cursor, 4096);
		uint32_t count = dat_u32(cursor), kept = 0;

		while (kept < count && !cursor->failed)
			if (!add_format(file, cursor, system))
				kept++;
		if (!kept)
			free(system);
	}
	return cursor->failed ? -1 : 0;
}

/* ---- version 6: everything in one row ---- */

static int read_data_table6(struct trace_file *file, struct dat_cursor *cursor)
{
	uint32_t cpus = file->cpu_count;

	cursor->what = "table of CPU data";
	for (uint32_t cpu = 0; cpu < cpus; cpu++) {
		uint64_t at = dat_u64(cursor), bytes = dat_u64(cursor);
		struct trace_lane *lane = dat_add_lane(file, cursor);

		if (!lane)
			return -1;
		*lane = (struct trace_lane){ .buffer = "",
					     .cpu = cpu,
					     .offset = at,
					     .bytes = bytes,
					     .page_size = file->page_size };
		if (dat_finish_lane(file, lane, false, cursor->err))
			return -1;
	}
	return 0;
}

static int read_version6(struct trace_file *file, struct dat_cursor *cursor)
{
	char kind[10];

	cursor->what = "header info";
	dat_read_header_info(file, cursor);
	cursor->what = "ftrace formats";
	dat_read_ftrace_formats(file, cursor);
	cursor->what = "event formats";
	dat_read_event_formats(file, cursor);
	cursor->what = "kallsyms";
	file->kallsyms = dat_text(cursor, dat_u32(cursor));
	cursor->what = "printk formats";
	free(dat_text(cursor, dat_u32(cursor)));
	cursor->what = "process names";
	file->cmdlines = dat_text(cursor, dat_u64(cursor));
	cursor->what = "number of CPUs";
	file->cpu_count = dat_u32(cursor);
	cursor->what = "options";
	dat_bytes(cursor, kind, sizeof(kind));
	if (!cursor->failed && !memcmp(kind, "options  ", 10)) {
		dat_read_options6(file, cursor);
		dat_bytes(cursor, kind, sizeof(kind));
	}
	if (cursor->failed)
		return -1;
	if (!memcmp(kind, "latency  ", 10))
		return p2p_fail(cursor->err, "%s: holds a latency tracer's text, no events",
				file->shown);
	if (memcmp(kind, "flyrecord", 10) != 0)
		return dat_fail(cursor, "no 'flyrecord' where it should stand");
	return read_data_table6(file, cursor);
}

/* ---- version 7 ---- */

static int read_version7(struct trace_file *file, struct dat_cursor *cursor)
{
	char *name = dat_string(cursor, 64);
	char *version = dat_string(cursor, 64);
	uint64_t options = dat_u64(cursor);
	int result = -1;

	if (cursor->failed)
		goto out;
	if (compression_by_name(name, &file->compression, cursor->err)) {
		p2p_error_prefix(cursor->err, "%s", file->shown);
		goto out;
	}
	if (!options)
		p2p_fail(cursor->err,
			 "%s: the recording was cut off before its metadata was written (offset of "
			 "the options is 0)",
			 file->shown);
	else
		result = dat_read_options7(file, options, cursor->err);
	if (!result && !file->commit_size)
		result = p2p_fail(cursor->err, "%s: no header info section", file->shown);
out:
	free(name);
	free(version);
	return result;
}

/* ---- opening ---- */

static int read_file(struct trace_file *file, struct p2p_error *err)
{
	struct dat_cursor cursor = {
		.file = file, .end = file->bytes, .what = "header", .err = err
	};
	char magic[MAGIC_BYTES];
	char *version;

	if (!file->bytes)
		return p2p_fail(err, "%s: empty file", file->shown);
	dat_bytes(&cursor, magic, MAGIC_BYTES);
	if (cursor.failed || memcmp(magic, MAGIC, MAGIC_BYTES) != 0)
		return p2p_fail(err, "%s: not a trace.dat file (its first bytes say so)",
				file->shown);
	version = dat_string(&cursor, 16);
	file->version = version ? atoi(version) : 0;
	free(version);
	if (!cursor.failed && file->version != 6 && file->version != 7)
		return p2p_fail(err, "%s: trace.dat version %d (6 and 7 can be read)", file->shown,
				file->version);
	dat_bytes(&cursor, magic, 2);
	file->big_endian = magic[0];
	file->long_size = (unsigned char)magic[1];
	file->page_size = dat_u32(&cursor);
	if (cursor.failed)
		return -1;
	return file->version == 6 ? read_version6(file, &cursor) : read_version7(file, &cursor);
}

/* Standard input cannot be read twice: copied to an unlinked file. */
static int spool_stdin(struct p2p_error *err)
{
	const char *folder = getenv("TMPDIR");
	int fd = open(folder && *folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char buffer[1 << 16];
	ssize_t got;

	if (fd < 0)
		return p2p_fail_errno(err, "cannot make a temporary file for standard input");
	while ((got = read(STDIN_FILENO, buffer, sizeof(buffer))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || write(fd, buffer, (size_t)got) != got) {
			p2p_fail_errno(err, "cannot copy standard input to a temporary file");
			close(fd);
			return -1;
		}
	}
	return fd;
}

static int open_input(struct trace_file *file, struct p2p_error *err)
{
	struct stat info;

	if (!strcmp(file->path, "-")) {
		file->fd = spool_stdin(err);
		if (file->fd < 0)
			return -1;
	} else {
		/* A pipe without a writer is not waited for. */
		file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	if (file->fd < 0 || fstat(file->fd, &info))
		return p2p_fail_errno(err, "%s: cannot open", file->shown);
	if (!S_ISREG(info.st_mode))
		return p2p_fail(err, "%s: not a regular file (for a pipe use '-i -')", file->shown);
	file->bytes = (uint64_t)info.st_size;
	return 0;
}

/* A recorder that was killed, or still runs, may be why it cannot be read. */
static void hint_at_remains(const char *path, struct p2p_error *err)
{
	enum remains_found found = strcmp(path, "-") ? remains_look(path) : REMAINS_NONE;
	size_t used = strlen(err->text);

	if (found == REMAINS_NONE && access(path, F_OK))
		found = remains_look_for_pieces(path);
	switch (found) {
	case REMAINS_NONE:
		break;
	case REMAINS_LIVE:
		snprintf(err->text + used, sizeof(err->text) - used,
			 "\nIt is just being recorded: end the recorder first (SIGINT).");
		break;
	case REMAINS_DEAD:
		snprintf(err->text + used, sizeof(err->text) - used,
			 "\nA recording to that name was cut off: 'p2ptrace recover %s' finishes "
			 "it.",
			 path);
		break;
	}
}

/* The file at hand is an earlier one than the user may think. */
static void warn_of_remains(const char *path)
{
	if (strcmp(path, "-") != 0 && remains_look(path) == REMAINS_DEAD)
		p2p_warn("%s: a later recording to that name was cut off; 'p2ptrace recover %s "
			 "-o OTHER' finishes it",
			 path, path);
}

struct trace_file *trace_file_open(const char *path, struct p2p_error *err)
{
	struct trace_file *file = calloc(1, sizeof(*file));

	if (!file) {
		p2p_fail(err, "no memory");
		return NULL;
	}
	file->fd = -1;
	file->path = strdup(path);
	file->shown = malloc(strlen(path) * 4 + 1);
	file->clock = strdup("");
	if (file->shown)
		text_safe(file->shown, strlen(path) * 4 + 1, path);
	if (!file->path || !file->shown || !file->clock) {
		p2p_fail(err, "no memory");
	} else if (!open_input(file, err) && !read_file(file, err)) {
		warn_of_remains(path);
		file->map = file_map_open(file->fd, file->bytes);
		return file;
	} else {
		hint_at_remains(path, err);
	}
	trace_file_close(file);
	return NULL;
}

static void free_formats(struct trace_file *file)
{
	for (size_t i = 0; i < file->format_count; i++) {
		const char *system = file->formats[i].system;

		/* A system's name is shared by its formats, which stand together. */
		if (i + 1 == file->format_count || file->formats[i + 1].system != system)
			free((char *)system);
		free(file->formats[i].text);
	}
	free(file->formats);
}

static void free_lanes(struct trace_file *file)
{
	for (size_t i = 0; i < file->lane_count; i++) {
		const char *name = file->lanes[i].buffer;

		if (name && *name &&
		    (i + 1 == file->lane_count || file->lanes[i + 1].buffer != name))
			free((char *)name);
		free(file->lanes[i].chunks);
	}
	free(file->lanes);
}

void trace_file_close(struct trace_file *file)
{
	if (!file)
		return;
	file_map_close(file->map);
	if (file->fd >= 0)
		close(file->fd);
	free_formats(file);
	free_lanes(file);
	free(file->stats);
	free(file->path);
	free(file->shown);
	free(file->clock);
	free(file->uname);
	free(file->cmdlines);
	free(file->kallsyms);
	free(file->writer);
	free(file->private_text);
	for (size_t i = 0; i < CAPTURES; i++)
		free(file->captures[i].bytes);
	free(file);
}

int dat_finish_lane(struct trace_file *file, struct trace_lane *lane, bool compressed,
		    struct p2p_error *err)
{
	uint32_t size = lane->page_size;

	/* trace-cmd writes the machine's page size even when sub-buffers are larger;
	 * what the kernel's header_page said is right. */
	if (file->page_size > size && file->page_size % (size ? size : 1) == 0)
		size = file->page_size;
	if (size < PAGE_SIZE_MIN || size > PAGE_SIZE_MAX || size & (size - 1))
		return p2p_fail(err, "%s: sub-buffers of %u bytes cannot be", file->shown, size);
	if (lane->cpu > UINT16_MAX)
		return p2p_fail(err, "%s: data of CPU %u: there are no such CPUs", file->shown,
				lane->cpu);
	lane->page_size = size;
	if (lane->bytes &&
	    (lane->offset > file->bytes || lane->bytes > file->bytes - lane->offset)) {
		file->truncated = true;
		lane->bytes = lane->offset < file->bytes ? file->bytes - lane->offset : 0;
	}
	file->lane_bytes += lane->bytes;
	if (file->lane_bytes > file->bytes)
		return p2p_fail(err, "%s: the data of CPU %u lies where another's does",
				file->shown, lane->cpu);
	if (compressed && lane->bytes)
		return dat_find_chunks(file, lane, err);
	lane->pages = lane->bytes / size + !!(lane->bytes % size);
	lane->tail = lane->bytes % size ? lane->bytes % size : size;
	return 0;
}
