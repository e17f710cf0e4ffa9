// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <stdlib.h>

#include "p2ptrace/histogram.h"

bool histogram_make_block(struct histogram *histogram, unsigned int block)
{
	histogram->blocks[block] = calloc(HISTOGRAM_STEPS, sizeof(uint64_t));
	return histogram->blocks[block] != NULL;
}

uint64_t histogram_floor(unsigned int block, unsigned int step)
{
	return block ? (uint64_t)(HISTOGRAM_STEPS + step) << (block - 1) : step;
}

bool histogram_merge(struct histogram *into, const struct histogram *from)
{
	if (!from->count)
		return true;
	for (unsigned int block = 0; block < HISTOGRAM_BLOCKS; block++) {
		if (!from->blocks[block])
			continue;
		if (!into->blocks[block] && !histogram_make_block(into, block))
			return false;
		for (unsigned int step = 0; step < HISTOGRAM_STEPS; step++)
			into->blocks[block][step] += from->blocks[block][step];
	}
	if (!into->count || from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
	into->sum += from->sum;
	into->count += from->count;
	return true;
}

void histogram_free(struct histogram *histogram)
{
	for (unsigned int block = 0; block < HISTOGRAM_BLOCKS; block++)
		free(histogram->blocks[block]);
	*histogram = (struct histogram){ 0 };
}

uint64_t histogram_middle(unsigned int block, unsigned int step, uint64_t min, uint64_t max)
{
	uint64_t width = block ? 1ull << (block - 1) : 1;
	uint64_t value = histogram_floor(block, step) + width / 2;

	if (value < min)
		return min;
	return value > max ? max : value;
}

uint64_t histogram_rank(uint64_t count, double fraction)
{
	uint64_t rank = (uint64_t)ceil(fraction * (double)count);

	return rank ? rank : 1;
}

uint64_t histogram_percentile(const struct histogram *histogram, double fraction)
{
	uint64_t rank = histogram_rank(histogram->count, fraction), seen = 0;

	if (!histogram->count)
		return 0;
	if (rank >= histogram->count)
		return histogram->max;
	for (unsigned int block = 0; block < HISTOGRAM_BLOCKS; block++) {
		if (!histogram->blocks[block])
			continue;
		for (unsigned int step = 0; step < HISTOGRAM_STEPS; step++) {
			seen += histogram->blocks[block][step];
			if (seen >= rank)
				return histogram_middle(block, step, histogram->min,
							histogram->max);
		}
	}
	return histogram->max;
}

void histogram_summarise(const struct histogram *histogram, struct histogram_summary *summary)
{
	*summary = (struct histogram_summary){
		.count = histogram->count,
		.min = histogram->min,
		.max = histogram->max,
		.p50 = histogram_percentile(histogram, 0.5),
		.p90 = histogram_percentile(histogram, 0.9),
		.p99 = histogram_percentile(histogram, 0.99),
		.p999 = histogram_percentile(histogram, 0.999),
		.mean = histogram_mean(histogram),
	};
}

double histogram_mean(const struct histogram *histogram)
{
	return histogram->count ? (double)histogram->sum / (double)histogram->count : 0;
}
