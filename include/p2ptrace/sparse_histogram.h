/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sparse_histogram: a histogram for where there are many with little in each, as with
 * a row for every process.
 *
 * The steps are those of histogram.h, and so are all its numbers; only steps that are
 * used take memory, 8 bytes each.  Zeros are an empty one, ready.
 * Source: src/analysis/sparse_histogram.c
 */
#ifndef P2PTRACE_SPARSE_HISTOGRAM_H
#define P2PTRACE_SPARSE_HISTOGRAM_H

#include "p2ptrace/histogram.h"

struct sparse_histogram {
	uint64_t count, min, max;
	unsigned __int128 sum;
	uint64_t *cells; /* in order; low bits: the step's number, above: how many */
	uint32_t used, room;
};

/* False without memory: the histogram is then as before. */
bool sparse_histogram_add(struct sparse_histogram *histogram, uint64_t value);
/* Adds `from`; false without memory, `into` is then good for nothing but freeing. */
bool sparse_histogram_merge(struct sparse_histogram *into, const struct sparse_histogram *from);
void sparse_histogram_free(struct sparse_histogram *histogram);

void sparse_histogram_summarise(const struct sparse_histogram *histogram,
				struct histogram_summary *summary);

#endif
