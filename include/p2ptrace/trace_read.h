/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace_read: a trace.dat file, versions 6 and 7, opened for reading.
 *
 * The metadata (formats, names, clock, statistics) is read whole and checked at
 * open; the ring-buffer pages stay in the file and are read a run at a time.
 * The pages of one CPU of one buffer form a *lane*; a file holds one lane per
 * CPU, or more when trace-cmd recorded several instances.
 *
 * Nothing here trusts the file: sizes and offsets are checked against the file
 * before they are used.  Metadata that cannot be read fails the open with what
 * and where; lanes that reach past the end of the file are cut and `truncated`
 * is set.
 *
 * Stamps are in units of the trace clock.  All memory belongs to the struct
 * trace_file.  A file may be read by several threads, each with its own
 * struct lane_reader.  Source: src/trace/dat_read.c, dat_options.c, lane.c
 */
#ifndef P2PTRACE_TRACE_READ_H
#define P2PTRACE_TRACE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/capture_option.h"
#include "p2ptrace/compress.h"
#include "p2ptrace/error.h"

/* One event's format file as stored, without the trailing NUL of the file. */
struct trace_format {
	const char *system; /* "" for ftrace's own events: see `ftrace` */
	char *text;
	bool ftrace;
};

/* per_cpu/cpuN/stats at the end of the recording. */
struct trace_cpu_stats {
	bool known;
	uint64_t overrun, commit_overrun, dropped;
};

/* A compressed stretch of a lane (v7): `pages` whole pages from page `first`. */
struct trace_chunk {
	uint64_t offset; /* in the file, of the compressed bytes */
	uint32_t packed; /* bytes in the file */
	uint32_t plain; /* bytes unpacked */
	uint64_t first;
};

/* Pages of a lane that never were in a file: those from page `first` on that are still
 * there, one after the other, and LANE_MARGIN bytes behind them. */
struct lane_memory {
	const unsigned char *pages;
	uint64_t first;
};

struct trace_lane {
	const char *buffer; /* instance name, "" for the main one */
	uint32_t cpu;
	uint64_t offset, bytes; /* in the file */
	uint64_t pages; /* whole and partial ones */
	uint64_t tail; /* bytes of the last page, page_size when it is whole */
	struct trace_chunk *chunks;
	size_t chunk_count; /* 0: not compressed */
	uint32_t page_size; /* bytes of a sub-buffer */
	const struct lane_memory *memory; /* NULL: in the file */
};

struct trace_file {
	char *path;
	char *shown; /* the same for people: on one line, without control characters */
	int fd;
	uint64_t bytes; /* of the whole file */
	int version; /* 6 or 7 */
	bool big_endian;
	unsigned int long_size;
	uint32_t page_size; /* of the traced kernel; lanes have their own */
	unsigned int commit_size; /* bytes of the page header's commit word: 4 or 8 */
	enum compression compression;
	uint32_t cpu_count;
	char *clock; /* "mono", "local", ...; "" when the file does not say */
	char *uname; /* NULL when absent, as the next ones */
	char *cmdlines; /* "PID NAME\n"... */
	char *tgids; /* "TID TGID\n"... */
	char *kallsyms;
	char *writer; /* trace-cmd's VERSION option */
	char *private_text; /* p2ptrace's own option, see private_option.h */
	struct capture_data captures[CAPTURES]; /* as stored, see capture_option.h */
	struct trace_format *formats;
	size_t format_count;
	struct trace_lane *lanes;
	size_t lane_count;
	struct trace_cpu_stats *stats; /* [cpu], stat_count of them */
	size_t stat_count;
	struct file_map *map; /* for lane_run(); NULL: not mapped */
	bool truncated;
	/* How much of the file its own tables have claimed: damage claims it over and over. */
	uint64_t lane_bytes, metadata_bytes, unpacked_bytes;
};

/* Opens `path` ("-" is standard input, spooled to an unlinked file).
 * NULL with `err` filled when the metadata cannot be read. */
struct trace_file *trace_file_open(const char *path, struct p2p_error *err);
void trace_file_close(struct trace_file *file);

/* Whether stamps count nanoseconds on this clock. */
bool trace_clock_in_ns(const char *clock);

/* Reads pages of lanes; one per thread. */
struct lane_reader {
	const struct trace_file *file;
	/* lane_run() gives the file's own pages.  Set by who reads all of a lane, with no
	 * other thread doing the same: where several do, telling each other's processors of
	 * what they let go costs more than copying. */
	bool maps;
	unsigned char *buffer; /* room for `room` bytes and a margin that reads as zeros */
	size_t room;
	unsigned char *packed; /* compressed bytes of one chunk */
	size_t packed_room;
	/* the unpacked chunk at hand */
	const struct trace_lane *chunk_lane;
	size_t chunk;
	unsigned char *chunk_plain;
	size_t chunk_room;
	/* what of the map is in memory for this reader */
	uint64_t brought_at;
	size_t brought;
};

/* Bytes behind a run of pages that may be read, though they mean nothing. */
#define LANE_MARGIN 64

void lane_reader_init(struct lane_reader *reader, const struct trace_file *file);
void lane_reader_destroy(struct lane_reader *reader);

/*
 * Gives `count` pages from page `first` on, as one stretch of memory that stays
 * valid until the next call.  *bytes is less than count * page_size at a cut-off
 * end of the lane.  NULL with `err` filled on a read error or a damaged chunk.
 */
const unsigned char *lane_read(struct lane_reader *reader, const struct trace_lane *lane,
			       uint64_t first, uint64_t count, size_t *bytes,
			       struct p2p_error *err);

/*
 * The same for those who read on and on: up to *count pages, of which *count are given, as
 * many as are best taken at a time.  With `maps` those of a plain file are its own pages in
 * memory, which turn to zeros if it becomes shorter: see trace_file_shrunk().
 */
const unsigned char *lane_run(struct lane_reader *reader, const struct trace_lane *lane,
			      uint64_t first, uint64_t *count, size_t *bytes,
			      struct p2p_error *err);

/* Whether the file became shorter while it was read by lane_run(). */
bool trace_file_shrunk(const struct trace_file *file);

/* The stamp in the header of one page. */
int lane_page_stamp(struct lane_reader *reader, const struct trace_lane *lane, uint64_t page,
		    uint64_t *stamp, struct p2p_error *err);

#endif
