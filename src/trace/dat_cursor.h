/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dat_cursor: checked reading of a trace.dat's metadata, from the file or from
 * an unpacked section, in the file's byte order.
 *
 * The first failure sets `failed` and fills the error; every later call gives
 * zeros, so that a sequence of reads needs one check at its end.
 */
#ifndef P2PTRACE_DAT_CURSOR_H
#define P2PTRACE_DAT_CURSOR_H

#include "p2ptrace/trace_read.h"

struct dat_cursor {
	const struct trace_file *file;
	const unsigned char *memory; /* NULL: the file itself */
	uint64_t at, end; /* offsets in the file or in `memory` */
	const char *what; /* the part being read, for messages */
	bool failed;
	struct p2p_error *err;
};

/* Says what is wrong at the cursor's place; returns -1. */
int dat_fail(struct dat_cursor *cursor, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void dat_bytes(struct dat_cursor *cursor, void *to, size_t bytes);
uint16_t dat_u16(struct dat_cursor *cursor);
uint32_t dat_u32(struct dat_cursor *cursor);
uint64_t dat_u64(struct dat_cursor *cursor);

/* `bytes` bytes and a NUL behind them, on the heap; NULL on failure. */
char *dat_text(struct dat_cursor *cursor, uint64_t bytes);

/* A NUL-terminated string of at most `limit` bytes, on the heap. */
char *dat_string(struct dat_cursor *cursor, size_t limit);

/* Version 6: the options up to the one with id 0. */
int dat_read_options6(struct trace_file *file, struct dat_cursor *cursor);

/* Version 7: all options sections, each naming the next, and what they lead to. */
int dat_read_options7(struct trace_file *file, uint64_t offset, struct p2p_error *err);

/* What both versions keep in the same form. */
int dat_read_header_info(struct trace_file *file, struct dat_cursor *cursor);
int dat_read_ftrace_formats(struct trace_file *file, struct dat_cursor *cursor);
int dat_read_event_formats(struct trace_file *file, struct dat_cursor *cursor);

/* A new lane at the end of file->lanes; NULL and the cursor failed when there is no room. */
struct trace_lane *dat_add_lane(struct trace_file *file, struct dat_cursor *cursor);

/* Cuts the lane at the end of the file and, when `compressed`, finds its chunks. */
int dat_finish_lane(struct trace_file *file, struct trace_lane *lane, bool compressed,
		    struct p2p_error *err);

/* The headers of a compressed lane's chunks. */
int dat_find_chunks(struct trace_file *file, struct trace_lane *lane, struct p2p_error *err);

#endif
