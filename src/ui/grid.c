// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "p2ptrace/text.h"
#include "p2ptrace/ui_grid.h"

enum { GRID_MAX = 2000 };

bool ui_grid_resize(struct ui_grid *grid, int width, int height)
{
	struct ui_cell *cells;

	width = width < 1 ? 1 : width > GRID_MAX ? GRID_MAX : width;
	height = height < 1 ? 1 : height > GRID_MAX ? GRID_MAX : height;
	if (!grid->cells || width != grid->width || height != grid->height) {
		cells = realloc(grid->cells, (size_t)width * (size_t)height * sizeof(*cells));
		if (!cells)
			return false;
		grid->cells = cells;
		grid->width = width;
		grid->height = height;
	}
	ui_grid_clear(grid);
	return true;
}

void ui_grid_free(struct ui_grid *grid)
{
	free(grid->cells);
	*grid = (struct ui_grid){ 0 };
}

void ui_grid_clear(struct ui_grid *grid)
{
	size_t count = (size_t)grid->width * (size_t)grid->height;

	for (size_t i = 0; i < count; i++)
		grid->cells[i] = (struct ui_cell){ .character = ' ' };
}

/* ---- characters ---- */

/* One thing to draw: a character of `width` columns (0: a mark), or, `escaped`, a byte
 * that is shown as \xNN. */
struct glyph {
	uint32_t character;
	int width;
	size_t bytes;
	bool escaped;
};

static uint32_t decode(const unsigned char *at, size_t length)
{
	uint32_t value = length == 1 ? at[0] : at[0] & (0x7fu >> length);

	for (size_t i = 1; i < length; i++)
		value = value << 6 | (at[i] & 0x3f);
	return value;
}

/* Joiners, direction marks, variation selectors, tags, Hangul's joining vowels, flags and
 * skin tones: they change how wide their neighbours are, each terminal in its own way. */
static bool width_disputed(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x00ad, 0x00ad },    { 0x034f, 0x034f },   { 0x061c, 0x061c },
		{ 0x1160, 0x11ff },    { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },
		{ 0x200b, 0x200f },    { 0x2028, 0x202e },   { 0x2060, 0x206f },
		{ 0x3164, 0x3164 },    { 0xd7b0, 0xd7ff },   { 0xfe00, 0xfe0f },
		{ 0xfeff, 0xfeff },    { 0xffa0, 0xffa0 },   { 0xfff0, 0xffff },
		{ 0x1f1e6, 0x1f1ff },  { 0x1f3fb, 0x1f3ff }, { 0xe000, 0xf8ff },
		{ 0xe0000, 0x10ffff },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

static struct glyph next_glyph(bool utf8, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t length = text_utf8_length(at);
	struct glyph glyph = { at[0], 1, 1, false };

	if (at[0] >= 0x20 && at[0] < 0x7f)
		return glyph;
	if (length > 1 && utf8) {
		glyph.character = decode(at, length);
		glyph.bytes = length;
		glyph.width = wcwidth((wchar_t)glyph.character);
		if (glyph.width >= 0 && !width_disputed(glyph.character))
			return glyph;
	}
	return (struct glyph){ at[0], 4, 1, true };
}

int ui_width(const struct ui_grid *grid, const char *text)
{
	int width = 0;

	while (*text) {
		struct glyph glyph = next_glyph(grid->utf8, text);

		width += glyph.width;
		text += glyph.bytes;
	}
	return width;
}

/* ---- drawing ---- */

static void set_cell(struct ui_grid *grid, int x, int y, uint32_t character, int style)
{
	struct ui_cell *cell = ui_cell_at(grid, x, y);

	/* Half a wide character is none. */
	if (!cell->character && x > 0)
		ui_cell_at(grid, x - 1, y)->character = ' ';
	if (x + 1 < grid->width && !ui_cell_at(grid, x + 1, y)->character)
		ui_cell_at(grid, x + 1, y)->character = ' ';
	*cell = (struct ui_cell){ .character = character, .style = (uint8_t)style };
}

static void put_mark(struct ui_grid *grid, int x, int y, uint32_t mark)
{
	struct ui_cell *cell = ui_cell_at(grid, x, y);

	if (!cell->character && x > 0)
		cell = ui_cell_at(grid, x - 1, y);
	if (!cell->marks[0])
		cell->marks[0] = mark;
	else if (!cell->marks[1])
		cell->marks[1] = mark;
}

static void put_glyph(struct ui_grid *grid, int x, int y, int style, const struct glyph *glyph)
{
	static const char digits[] = "0123456789abcdef";

	if (glyph->escaped) {
		set_cell(grid, x, y, '\\', style);
		set_cell(grid, x + 1, y, 'x', style);
		set_cell(grid, x + 2, y, (uint32_t)digits[glyph->character >> 4 & 15], style);
		set_cell(grid, x + 3, y, (uint32_t)digits[glyph->character & 15], style);
		return;
	}
	set_cell(grid, x, y, glyph->character, style);
	if (glyph->width == 2) {
		set_cell(grid, x + 1, y, ' ', style);
		ui_cell_at(grid, x + 1, y)->character = 0;
	}
}

int ui_put_from(struct ui_grid *grid, int x, int y, int room, int style, const char *text, int skip)
{
	int used = 0;

	if (y < 0 || y >= grid->height || x < 0 || x >= grid->width)
		return 0;
	room = room < grid->width - x ? room : grid->width - x;
	while (*text) {
		struct glyph glyph = next_glyph(grid->utf8, text);

		text += glyph.bytes;
		if (skip > 0) {
			skip -= glyph.width;
			continue;
		}
		if (!glyph.width) {
			if (used > 0)
				put_mark(grid, x + used - 1, y, glyph.character);
			continue;
		}
		if (used + glyph.width > room)
			break;
		put_glyph(grid, x + used, y, style, &glyph);
		used += glyph.width;
	}
	return used;
}

int ui_put(struct ui_grid *grid, int x, int y, int room, int style, const char *text)
{
	return ui_put_from(grid, x, y, room, style, text, 0);
}

int ui_put_cut(struct ui_grid *grid, int x, int y, int room, int style, const char *text)
{
	int used;

	if (x >= 0 && x < grid->width)
		room = room < grid->width - x ? room : grid->width - x;
	if (room < 1 || ui_width(grid, text) <= room)
		return ui_put(grid, x, y, room, style, text);
	used = ui_put(grid, x, y, room - 1, style, text);
	return used + ui_put(grid, x + used, y, 1, style, grid->utf8 ? "…" : "~");
}

void ui_blank(struct ui_grid *grid, int x, int y, int width, int style)
{
	if (y < 0 || y >= grid->height)
		return;
	for (int at = x < 0 ? 0 : x; at < x + width && at < grid->width; at++)
		set_cell(grid, at, y, ' ', style);
}

void ui_mark(struct ui_grid *grid, int x, int y, int width, int flag)
{
	if (y < 0 || y >= grid->height)
		return;
	for (int at = x < 0 ? 0 : x; at < x + width && at < grid->width; at++)
		ui_cell_at(grid, at, y)->style |= (uint8_t)flag;
}

/* ---- as text ---- */

static size_t encode(uint32_t c, char to[4])
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

char *ui_grid_row(const struct ui_grid *grid, int y, char *to, size_t room)
{
	size_t used = 0;
	int last = grid->width;

	while (last > 0 && ui_cell_at(grid, last - 1, y)->character == ' ')
		last--;
	for (int x = 0; x < last && used + 13 < room; x++) {
		const struct ui_cell *cell = ui_cell_at(grid, x, y);

		if (cell->character)
			used += encode(cell->character, to + used);
		for (int i = 0; i < 2 && cell->marks[i]; i++)
			used += encode(cell->marks[i], to + used);
	}
	to[used] = '\0';
	return to;
}

void ui_grid_print(const struct ui_grid *grid, FILE *out)
{
	char row[GRID_MAX * 8];

	for (int y = 0; y < grid->height; y++)
		fprintf(out, "%s\n", ui_grid_row(grid, y, row, sizeof(row)));
}
