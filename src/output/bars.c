// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <string.h>

#include "p2ptrace/bars.h"

static void append(char *to, size_t room, size_t *used, const char *text)
{
	size_t length = strlen(text);

	if (*used + length >= room)
		return;
	memcpy(to + *used, text, length + 1);
	*used += length;
}

int bar_text(char *to, size_t room, double fraction, int width, bool utf8)
{
	static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	int steps = utf8 ? 8 : 1, units;
	size_t used = 0;

	fraction = fraction > 1 ? 1 : fraction > 0 ? fraction : 0;
	units = (int)lround(fraction * width * steps);
	/* What is there shows. */
	units = fraction > 0 && !units ? 1 : units;
	*to = '\0';
	for (int i = 0; i < units / steps; i++)
		append(to, room, &used, utf8 ? "█" : "#");
	append(to, room, &used, eighths[units % steps]);
	return units / steps + !!(units % steps);
}

char *sparkline_text(char *to, size_t room, const uint64_t *values, size_t count, uint64_t most,
		     bool utf8)
{
	static const char *const blocks[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const signs[] = { " ", ".", ".", ":", "-", "=", "+", "*", "#" };
	size_t used = 0;

	*to = '\0';
	for (size_t i = 0; i < count; i++) {
		double share = most ? (double)values[i] / (double)most : 0;
		size_t level = share >= 1 ? 8 : (size_t)ceil(share * 8);

		append(to, room, &used, utf8 ? blocks[level] : signs[level]);
	}
	return to;
}
