/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace_write: the metadata of a trace.dat, versions 6 and 7, around ring-buffer
 * pages that already are where they belong.
 *
 * Version 7 keeps its metadata behind the pages: the file begins with
 * trace_head_room() bytes that the pages must leave free, so a recorder can let
 * the pages of one CPU lie where it first wrote them.  Version 6 keeps it in
 * front: it is built first, then the pages follow.
 *
 * Everything is written in the machine's own byte order and uncompressed,
 * unless a compressor is given.
 * Nothing here is kept after the call; all texts belong to the caller.
 *
 * Source: src/trace/dat_write.c, src/trace/write_private.c
 */
#ifndef P2PTRACE_TRACE_WRITE_H
#define P2PTRACE_TRACE_WRITE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "p2ptrace/capture_option.h"
#include "p2ptrace/compress.h"
#include "p2ptrace/error.h"
#include "p2ptrace/private_option.h"

/* One event's format file. */
struct write_format {
	const char *system; /* "ftrace" for ftrace's own events */
	const char *text;
};

/* The pages of one CPU, whole sub-buffers at an offset aligned to one; or packed ones. */
struct write_lane {
	uint32_t cpu;
	uint64_t offset, bytes;
};

/* The lanes of one tracefs instance. */
struct write_buffer {
	const char *name; /* "" for the main one: trace-cmd prints other names on each line */
	const struct write_lane *lanes;
	size_t lane_count; /* the same for every buffer */
};

struct trace_metadata {
	uint32_t page_size; /* bytes of a sub-buffer */
	const char *header_page, *header_event;
	const struct write_format *formats; /* those of one system next to each other */
	size_t format_count;
	const char *kallsyms; /* lines as in /proc/kallsyms, NULL: none */
	const char *cmdlines; /* "PID NAME\n"... */
	const char *clock_text; /* the file trace_clock: "local global [mono] ..." */
	const char *clock; /* "mono" */
	const char *uname;
	const char *const *cpu_stats; /* "CPU: N\n" and the text of per_cpu/cpuN/stats */
	size_t cpu_stat_count;
	const char *private_text; /* see private_option.h; NULL: none */
	const struct capture_data *captures; /* [CAPTURES]; NULL: none */
	/* Version 7: the lanes are packed (a number of chunks and the chunks), and so will be
	 * the sections that are worth it; NULL: nothing is. */
	struct compressor *compressor;
	const struct write_buffer *buffers; /* the main one first */
	size_t buffer_count;
};

/* Bytes that version 7 needs free in front of the pages: one sub-buffer. */
uint64_t trace_head_room(uint32_t page_size);

/* Version 7: head and metadata into `fd`, whose pages end at `end`. */
int trace_write7(int fd, const struct trace_metadata *metadata, uint64_t end,
		 struct p2p_error *err);

/* Version 6: everything in front of the pages, in *bytes (malloc'd).  Its size does
 * not depend on the offsets in the lanes: build once to learn where the pages
 * may begin, set the offsets, build again. */
int trace_build6(const struct trace_metadata *metadata, char **bytes, size_t *size,
		 struct p2p_error *err);

/* One line of the private option's text. */
void private_add(FILE *to, enum private_key key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
