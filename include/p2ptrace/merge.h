/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * merge: every record of a file, one by one, in the order of time across CPUs
 * (equal stamps: by lane, then in file order).
 *
 * For what looks at single events; totals take the faster way over slices.
 * Source: src/trace/merge.c
 */
#ifndef P2PTRACE_MERGE_H
#define P2PTRACE_MERGE_H

#include <stdbool.h>
#include <stdint.h>

#include "p2ptrace/page_walk.h"
#include "p2ptrace/trace_read.h"

/* A record, or, with data NULL, a gap: `lost` events before `stamp`
 * (PAGE_LOST_UNCOUNTED: how many is not stored). */
struct merged {
	const unsigned char *data; /* valid until the next call */
	uint32_t length;
	uint32_t cpu;
	uint64_t stamp;
	uint64_t lost;
};

struct merge {
	const struct trace_file *file;
	struct merge_lane *lanes; /* [file->lane_count] */
	uint32_t *heap; /* lanes that have a record at hand */
	size_t heap_count;
	bool begun;
	uint64_t damaged;
	bool cut;
};

int merge_init(struct merge *merge, const struct trace_file *file, struct p2p_error *err);
void merge_destroy(struct merge *merge);

/* 1 and *merged filled, 0 at the end, -1 with `err` filled. */
int merge_next(struct merge *merge, struct merged *merged, struct p2p_error *err);

/* Share of the pages read so far, 0 to 1. */
double merge_progress(const struct merge *merge);

#endif
