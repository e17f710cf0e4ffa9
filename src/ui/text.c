// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/rows.h"
#include "p2ptrace/ui_text.h"

enum { RUN_BYTES = 1024 };

static const struct {
	const char *sequence;
	int style;
} sequences[] = {
	{ "\033[0m", STYLE_NORMAL },
	{ "\033[1m", STYLE_BOLD },
	{ "\033[2m", STYLE_DIM },
	{ "\033[31m", STYLE_REFUSED },
	{ "\033[32m", STYLE_DIRECT },
	{ "\033[33m", STYLE_BRIDGE },
	{ "\033[35m", STYLE_UNKNOWN },
	{ "\033[36m", STYLE_TITLE },
	{ "\033[1;31m", STYLE_BAD },
	{ "\033[1;33m", STYLE_WARNING },
	{ "\033[1;36m", STYLE_NOTE },
	{ "\033[7m", STYLE_NORMAL | STYLE_LIT },
	{ "\033[7;31m", STYLE_REFUSED | STYLE_LIT },
	{ "\033[7;32m", STYLE_DIRECT | STYLE_LIT },
	{ "\033[7;33m", STYLE_BRIDGE | STYLE_LIT },
	{ "\033[7;35m", STYLE_UNKNOWN | STYLE_LIT },
};

enum { SEQUENCES = sizeof(sequences) / sizeof(sequences[0]) };

static const char *sequence_of(int style)
{
	for (size_t i = 0; i < SEQUENCES; i++)
		if (sequences[i].style == style)
			return sequences[i].sequence;
	return sequences[0].sequence;
}

const char *ui_text_style(enum ui_style style)
{
	return sequence_of((int)style);
}

const char *ui_text_lit(enum ui_style style)
{
	return sequence_of((int)style | STYLE_LIT);
}

/* The length of a known sequence at `at`, 0: there is none. */
static size_t match_sequence(const char *at, int *style)
{
	for (size_t i = 0; *at == '\033' && i < SEQUENCES; i++) {
		size_t length = strlen(sequences[i].sequence);

		if (!strncmp(at, sequences[i].sequence, length)) {
			*style = sequences[i].style;
			return length;
		}
	}
	return 0;
}

/* Bytes from `at` on that have one style; `to` gets them. */
static size_t next_run(const char *at, char to[RUN_BYTES])
{
	int ignored;
	size_t length = 0;

	while (length < RUN_BYTES - 1 && at[length] && !match_sequence(at + length, &ignored))
		length++;
	/* Not within a UTF-8 sequence. */
	while (length > 4 && at[length] && ((unsigned char)at[length] & 0xc0) == 0x80)
		length--;
	memcpy(to, at, length);
	to[length] = '\0';
	return length;
}

FILE *ui_text_begin(struct ui_text *text)
{
	ui_text_free(text);
	text->out = open_memstream(&text->bytes, &text->size);
	return text->out;
}

static bool add_line(struct ui_text *text, const struct ui_grid *grid, char *line)
{
	const char **slot = ROWS_ADD(text->lines, text->count);
	int style;
	char run[RUN_BYTES];
	int width = 0;

	if (!slot)
		return false;
	*slot = line;
	while (*line) {
		size_t length = match_sequence(line, &style);

		if (!length) {
			length = next_run(line, run);
			width += ui_width(grid, run);
		}
		line += length;
	}
	text->width = width > text->width ? width : text->width;
	return true;
}

bool ui_text_end(struct ui_text *text, bool utf8)
{
	const struct ui_grid grid = { .utf8 = utf8 };
	bool good = !ferror(text->out);

	good &= !fclose(text->out);
	text->out = NULL;
	for (char *line = text->bytes, *end; good && line && *line; line = end) {
		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		good = add_line(text, &grid, line);
	}
	if (!good)
		ui_text_free(text);
	return good;
}

void ui_text_free(struct ui_text *text)
{
	if (text->out)
		fclose(text->out);
	free(text->bytes);
	free(text->lines);
	*text = (struct ui_text){ 0 };
}

void ui_text_draw(const struct ui_text *text, size_t index, struct ui_grid *grid, int x, int y,
		  int room, int skip)
{
	const char *at = index < text->count ? text->lines[index] : "";
	int style = STYLE_NORMAL;
	char run[RUN_BYTES];

	while (*at && room > 0) {
		size_t length = match_sequence(at, &style);

		if (!length) {
			int used, width;

			length = next_run(at, run);
			width = ui_width(grid, run);
			used = ui_put_from(grid, x, y, room, style, run, skip);
			skip = skip > width ? skip - width : 0;
			x += used;
			room -= used;
		}
		at += length;
	}
}

bool ui_text_has(const struct ui_text *text, size_t index, const char *what)
{
	return index < text->count && strcasestr(text->lines[index], what);
}
