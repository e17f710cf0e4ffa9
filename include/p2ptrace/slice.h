/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slice: a stretch of a recording's time, cut so that slices can be decoded
 * independently, by several threads, and put together in order.
 *
 * A slice covers the stamps [from, until) of all lanes.  A page that lies across
 * a border is decoded for both slices; the record where a lane's stamps first reach
 * the border divides it, so that every record belongs to exactly one slice
 * whatever the stamps are.  Records of equal stamps never stand in two slices.
 *
 * The plan is made on the way, from page headers alone, by one thread at a time.
 * Source: src/trace/slice.c
 */
#ifndef P2PTRACE_SLICE_H
#define P2PTRACE_SLICE_H

#include <stdbool.h>
#include <stdint.h>

#include "p2ptrace/trace_read.h"

/* Pages [first, first + count) of a lane hold this slice's records of it. */
struct slice_lane {
	uint64_t first, count;
};

struct slice_span {
	uint64_t number; /* 0, 1, 2, ... */
	uint64_t from, until; /* until is UINT64_MAX for the last: then inclusive */
	bool last;
	struct slice_lane *lanes; /* [file->lane_count] */
};

struct slice_plan {
	const struct trace_file *file;
	struct lane_reader reader;
	uint64_t *next; /* [lane]: first page not yet wholly behind */
	uint64_t *probe; /* [lane]: scratch */
	uint64_t from, number;
	uint64_t pages; /* wished for in one slice, all lanes together */
	struct stamp_memory *stamps; /* [lane]: of pages looked at lately */
	bool fine;
	bool done;
};

/* A slice is about `bytes` of pages.  `fine`: also when a page of every lane is more,
 * since pages across borders are not read twice. */
int slice_plan_init(struct slice_plan *plan, const struct trace_file *file, uint64_t bytes,
		    bool fine, struct p2p_error *err);
void slice_plan_destroy(struct slice_plan *plan);

/* The next slice: 1, or 0 behind the last one, or -1 with `err` filled. */
int slice_plan_next(struct slice_plan *plan, struct slice_span *span, struct p2p_error *err);

/* The same, but none reaches beyond the stamp `wanted`: also 0 when there is nothing
 * left before it, and then to be asked again with a later one. */
int slice_plan_until(struct slice_plan *plan, uint64_t wanted, struct slice_span *span,
		     struct p2p_error *err);

/* How far the plan has come, of all pages, from 0 to 1: for progress. */
double slice_plan_progress(const struct slice_plan *plan);

#endif
