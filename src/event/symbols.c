// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/rows.h"
#include "p2ptrace/symbols.h"

/* A function's code is not longer than this; what lies further behind is in no
 * function that is known. */
#define FUNCTION_BYTES_MAX (1u << 20)

static int compare_symbols(const void *a, const void *b)
{
	const struct symbol *left = a, *right = b;

	if (left->address != right->address)
		return left->address < right->address ? -1 : 1;
	return strcmp(left->name, right->name);
}

/* "ffffffff81000000 T _text", "... t nvme_poll\t[nvme]". */
static struct symbol parse_line(char *line)
{
	struct symbol symbol = { 0 };
	char *end, *name;
	uint64_t address = strtoull(line, &end, 16);

	if (end == line || end[0] != ' ' || !end[1] || !strchr("tTwW", end[1]) || end[2] != ' ')
		return symbol;
	name = end + 3;
	name[strcspn(name, "\t ")] = '\0';
	if (address && *name)
		symbol = (struct symbol){ address, name };
	return symbol;
}

int symbols_parse(struct symbols *symbols, const char *kallsyms)
{
	char *save = NULL;

	*symbols = (struct symbols){ .text = strdup(kallsyms ? kallsyms : "") };
	if (!symbols->text)
		return -1;
	for (char *line = strtok_r(symbols->text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct symbol symbol = parse_line(line), *row;

		if (!symbol.address)
			continue;
		row = ROWS_ADD(symbols->rows, symbols->count);
		if (!row) {
			symbols_free(symbols);
			return -1;
		}
		*row = symbol;
	}
	rows_sort(symbols->rows, symbols->count, sizeof(*symbols->rows), compare_symbols);
	return 0;
}

void symbols_free(struct symbols *symbols)
{
	free(symbols->rows);
	free(symbols->text);
	*symbols = (struct symbols){ 0 };
}

char *symbols_name(const struct symbols *symbols, uint64_t address, char *to, size_t room)
{
	size_t low = 0, high = symbols->count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (symbols->rows[middle].address <= address)
			low = middle;
		else
			high = middle;
	}
	if (symbols->count && symbols->rows[low].address <= address &&
	    address - symbols->rows[low].address < FUNCTION_BYTES_MAX)
		snprintf(to, room, "%s+0x%" PRIx64, symbols->rows[low].name,
			 address - symbols->rows[low].address);
	else
		snprintf(to, room, "0x%" PRIx64, address);
	return to;
}
