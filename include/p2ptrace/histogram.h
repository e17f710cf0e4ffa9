/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * histogram: a distribution with a relative error of at most 1 %.
 *
 * Log-linear: values below 64 exactly, above that 64 steps per power of two, so a
 * percentile is within 0.8 % of a recorded value.  Count, sum, min and max are
 * exact.  Blocks of 64 steps are made when first used.  A histogram of zeros is
 * empty and ready.  Source: src/analysis/histogram.c
 */
#ifndef P2PTRACE_HISTOGRAM_H
#define P2PTRACE_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_STEPS 64
#define HISTOGRAM_BLOCKS 59

struct histogram {
	uint64_t count, min, max;
	unsigned __int128 sum;
	uint64_t *blocks[HISTOGRAM_BLOCKS];
};

/* False without memory: the histogram is then as before. */
bool histogram_make_block(struct histogram *histogram, unsigned int block);

static inline unsigned int histogram_block(uint64_t value)
{
	return value < HISTOGRAM_STEPS ? 0 : 58 - (unsigned int)__builtin_clzll(value);
}

static inline unsigned int histogram_step(uint64_t value, unsigned int block)
{
	return (unsigned int)(block ? value >> (block - 1) : value) & (HISTOGRAM_STEPS - 1);
}

/* All of adding a value but its step's counter, which the caller increments later;
 * NULL without memory: the histogram is then as before. */
static inline uint64_t *histogram_note(struct histogram *histogram, uint64_t value)
{
	unsigned int block = histogram_block(value);

	if (__builtin_expect(!histogram->blocks[block], 0) &&
	    !histogram_make_block(histogram, block))
		return NULL;
	if (!histogram->count || value < histogram->min)
		histogram->min = value;
	if (value > histogram->max)
		histogram->max = value;
	histogram->sum += value;
	histogram->count++;
	return &histogram->blocks[block][histogram_step(value, block)];
}

static inline bool histogram_add(struct histogram *histogram, uint64_t value)
{
	uint64_t *counter = histogram_note(histogram, value);

	if (counter)
		++*counter;
	return counter != NULL;
}

/* The smallest value of a step. */
uint64_t histogram_floor(unsigned int block, unsigned int step);

bool histogram_merge(struct histogram *into, const struct histogram *from);
void histogram_free(struct histogram *histogram);

/* The value that a `fraction` (0 to 1) of the values do not exceed; 0 when empty. */
uint64_t histogram_percentile(const struct histogram *histogram, double fraction);
double histogram_mean(const struct histogram *histogram);

/* What a table shows of a histogram; all but `count` mean nothing when it is empty. */
struct histogram_summary {
	uint64_t count, min, max, p50, p90, p99, p999;
	double mean;
};

void histogram_summarise(const struct histogram *histogram, struct histogram_summary *summary);

/* For percentiles of other forms of a histogram: the number of the value that is asked
 * for, counted from 1, and the value that stands for all in a step. */
uint64_t histogram_rank(uint64_t count, double fraction);
uint64_t histogram_middle(unsigned int block, unsigned int step, uint64_t min, uint64_t max);

#endif
