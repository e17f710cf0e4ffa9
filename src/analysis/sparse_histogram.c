// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/sparse_histogram.h"

#define STEP_BITS 12
#define STEP_MASK ((1u << STEP_BITS) - 1)

_Static_assert(HISTOGRAM_BLOCKS *HISTOGRAM_STEPS <= STEP_MASK, "every step has a number");

/* The first cell that is not below `step`. */
static uint32_t find_cell(const struct sparse_histogram *histogram, uint64_t step)
{
	uint32_t low = 0, high = histogram->used;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if ((histogram->cells[middle] & STEP_MASK) < step)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool add_to_step(struct sparse_histogram *histogram, uint64_t step, uint64_t count)
{
	uint32_t at = find_cell(histogram, step);

	if (at < histogram->used && (histogram->cells[at] & STEP_MASK) == step) {
		histogram->cells[at] += count << STEP_BITS;
		return true;
	}
	if (histogram->used == histogram->room) {
		uint32_t room = histogram->room ? histogram->room * 2 : 4;
		uint64_t *more = reallocarray(histogram->cells, room, sizeof(*more));

		if (!more)
			return false;
		histogram->cells = more;
		histogram->room = room;
	}
	memmove(histogram->cells + at + 1, histogram->cells + at,
		(histogram->used - at) * sizeof(*histogram->cells));
	histogram->cells[at] = count << STEP_BITS | step;
	histogram->used++;
	return true;
}

bool sparse_histogram_add(struct sparse_histogram *histogram, uint64_t value)
{
	unsigned int block = histogram_block(value);

	if (!add_to_step(histogram, block * HISTOGRAM_STEPS + histogram_step(value, block), 1))
		return false;
	if (!histogram->count || value < histogram->min)
		histogram->min = value;
	if (value > histogram->max)
		histogram->max = value;
	histogram->sum += value;
	histogram->count++;
	return true;
}

bool sparse_histogram_merge(struct sparse_histogram *into, const struct sparse_histogram *from)
{
	if (!from->count)
		return true;
	for (uint32_t i = 0; i < from->used; i++)
		if (!add_to_step(into, from->cells[i] & STEP_MASK, from->cells[i] >> STEP_BITS))
			return false;
	if (!into->count || from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
	into->sum += from->sum;
	into->count += from->count;
	return true;
}

void sparse_histogram_free(struct sparse_histogram *histogram)
{
	free(histogram->cells);
	*histogram = (struct sparse_histogram){ 0 };
}

static uint64_t percentile(const struct sparse_histogram *histogram, double fraction)
{
	uint64_t rank = histogram_rank(histogram->count, fraction), seen = 0;

	for (uint32_t i = 0; rank < histogram->count && i < histogram->used; i++) {
		unsigned int step = histogram->cells[i] & STEP_MASK;

		seen += histogram->cells[i] >> STEP_BITS;
		if (seen >= rank)
			return histogram_middle(step / HISTOGRAM_STEPS, step % HISTOGRAM_STEPS,
						histogram->min, histogram->max);
	}
	return histogram->max;
}

void sparse_histogram_summarise(const struct sparse_histogram *histogram,
				struct histogram_summary *summary)
{
	*summary = (struct histogram_summary){
		.count = histogram->count,
		.min = histogram->min,
		.max = histogram->max,
		.p50 = percentile(histogram, 0.5),
		.p90 = percentile(histogram, 0.9),
		.p99 = percentile(histogram, 0.99),
		.p999 = percentile(histogram, 0.999),
		.mean = histogram->count ? (double)histogram->sum / (double)histogram->count : 0,
	};
}
