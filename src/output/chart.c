// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <math.h>

#include "p2ptrace/bars.h"
#include "p2ptrace/groups.h"
#include "p2ptrace/text.h"

#define HISTOGRAM_BAR 40
#define TIMELINE_BAR 24

void chart_bar(FILE *out, double fraction, int width)
{
	char bar[BAR_BYTES(HISTOGRAM_BAR)];
	int used = bar_text(bar, sizeof(bar), fraction, width, text_utf8_wanted());

	fprintf(out, "%s%*s", bar, width - used, "");
}

/* Values from `low` up to twice that, low being a power of two (or 0). */
static uint64_t count_octave(const struct histogram *histogram, uint64_t low)
{
	uint64_t high = low ? low * 2 - 1 : 0, count = 0;

	for (unsigned int block = 0; block < HISTOGRAM_BLOCKS; block++) {
		for (unsigned int step = 0; histogram->blocks[block] && step < HISTOGRAM_STEPS;
		     step++) {
			uint64_t value = histogram_floor(block, step);

			/* The first block's steps above 0 are octaves' parts as well. */
			if (value >= low && value <= high)
				count += histogram->blocks[block][step];
		}
	}
	return count;
}

void chart_histogram(FILE *out, const char *title, const struct histogram *histogram)
{
	uint64_t most = 1;
	char from[32], to[32], number[32], safe[1024];

	/* A name with a newline must not begin a line of its own. */
	fprintf(out, "\n%s", text_safe(safe, sizeof(safe), title));
	if (!histogram || !histogram->count) {
		fputs(": nothing has ended\n", out);
		return;
	}
	fprintf(out, ": %s lifetimes, mean %s\n",
		text_count(number, sizeof(number), histogram->count),
		text_duration(from, sizeof(from), (uint64_t)llround(histogram_mean(histogram))));
	for (int bit = -1; bit < 63; bit++) {
		uint64_t count = count_octave(histogram, bit < 0 ? 0 : 1ull << bit);

		most = count > most ? count : most;
	}
	for (int bit = -1; bit < 63; bit++) {
		uint64_t low = bit < 0 ? 0 : 1ull << bit, count;

		if (low * 2 <= histogram->min && histogram->min)
			continue;
		if (low > histogram->max)
			break;
		count = count_octave(histogram, low);
		fprintf(out, "%9s - %-9s |", text_duration(from, sizeof(from), low),
			text_duration(to, sizeof(to), low ? low * 2 : 1));
		chart_bar(out, (double)count / (double)most, HISTOGRAM_BAR);
		fprintf(out, "| %s\n", text_count(number, sizeof(number), count));
	}
}

/* The most of them that are known, at least 1. */
static uint64_t larger(uint64_t most, uint64_t bytes)
{
	return bytes != NOT_KNOWN && bytes > most ? bytes : most;
}

/* A number of bytes and its bar. */
static void print_bytes_bar(FILE *out, uint64_t bytes, uint64_t most, const char *before_bar)
{
	char text[32];

	fprintf(out, "%10s  %s", bytes == NOT_KNOWN ? "-" : text_bytes(text, sizeof(text), bytes),
		before_bar);
	chart_bar(out, bytes == NOT_KNOWN ? 0 : (double)bytes / (double)most, TIMELINE_BAR);
}

static void print_time(FILE *out, const struct time_row *row, uint64_t most_bytes,
		       uint64_t most_open)
{
	char start[32], maps[32], direct[32] = "     -  ";

	if (row->maps)
		snprintf(direct, sizeof(direct), "%4.0f %%  ",
			 100.0 * (double)row->direct / (double)row->maps);
	fprintf(out, "%10s  %10s  ",
		row->start == NOT_KNOWN ? "-" : text_duration(start, sizeof(start), row->start),
		text_count(maps, sizeof(maps), row->maps));
	print_bytes_bar(out, row->map_bytes, most_bytes, direct);
	fputs("  ", out);
	print_bytes_bar(out, row->open_alloc_bytes, most_open, "");
	fputc('\n', out);
}

void chart_timeline(FILE *out, const struct groups *groups)
{
	uint64_t most_bytes = 1, most_open = 1;

	for (size_t i = 0; i < groups->time_count; i++) {
		most_bytes = larger(most_bytes, groups->times[i].map_bytes);
		most_open = larger(most_open, groups->times[i].open_alloc_bytes);
	}
	fprintf(out, "\n%10s  %10s  %10s  %6s  %-*s  %10s\n", "START", "MAPS", "MAPPED", "DIRECT",
		TIMELINE_BAR, "", "HELD");
	for (size_t i = 0; i < groups->time_count; i++)
		print_time(out, &groups->times[i], most_bytes, most_open);
}
