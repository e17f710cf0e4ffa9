/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lane_work: between the decoding of lanes and of their pages.
 *
 * Source: src/event/decode_page.c
 */
#ifndef P2PTRACE_LANE_WORK_H
#define P2PTRACE_LANE_WORK_H

#include "record_key.h"

/* What decoding one lane of a slice needs at hand. */
struct lane_work {
	struct decoder *decoder;
	struct slice *slice;
	struct page_form form;
	uint32_t cpu;
	bool special; /* there are filters or stacks */
	/* The thread of the record before, + 1, when a kernel stack may follow it. */
	uint64_t stack_due;
	struct cached_path learnt; /* the latest */
	/* The latest free of a list, which the free of its only segment may follow. */
	struct {
		uint64_t addr, size;
		uint32_t tid;
		bool due;
	} list;
	bool no_memory;
};

/* What lies on one side of a border or outside the window, for pages across one. */
struct page_limits {
	bool skip; /* up to the first record of the slice */
	bool stop; /* before the first record behind it */
	const struct decode_filter *filter;
};

/* Goes on in the stream's page, into the slice, which has room for all its records.  True
 * at the slice's border: the walk stands before the record behind it. */
bool decode_page(struct lane_work *work, struct lane_stream *stream, struct page_limits *limits);

/* The record at hand, if it is the stack that the last one waits for; false at the end of
 * the page. */
bool take_stack(struct lane_work *work, struct page_walk *walk);

#endif
