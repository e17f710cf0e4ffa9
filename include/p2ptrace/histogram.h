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

static inline bool histogram_add(struct histogram *histogram, uint64_t value)
{
	unsigned int block = histogram_block(value);

	if (__builtin_expect(!histogram->blocks[block], 0) &&
	    !histogram_make_block(histogram, block))
		return false;
	histogram->blocks[block][histogram_step(value, block)]++;
	if (!histogram->count || value < histogram->min)
		histogram->min = value;
	if (value > histogram->max)
		histogram->max = value;
	histogram->sum += value;
	histogram->count++;
	return true;
}

/* The smallest value of a step. */
uint64_t histogram_floor(unsigned int block, unsigned int step);

bool histogram_merge(struct histogram *into, const struct histogram *from);
void histogram_free(struct histogram *histogram);

/* The value that a `fraction` (0 to 1) of the values do not exceed; 0 when empty. */
uint64_t histogram_percentile(const struct histogram *histogram, double fraction);
double histogram_mean(const struct histogram *histogram);

#endif
