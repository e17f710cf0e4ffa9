/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ui_grid: a screen as cells, before it reaches any terminal.
 *
 * What is drawn here cannot leave its place: control characters, broken UTF-8 and
 * characters whose width no two terminals agree on become \xNN, a wide character takes
 * two cells or none, marks stay with the cell they belong to.  Columns and rows are
 * counted from 0; what does not fit is cut.
 *
 * Widths are wcwidth()'s: for more than ASCII the locale must be UTF-8.
 * Source: src/ui/grid.c
 */
#ifndef P2PTRACE_UI_GRID_H
#define P2PTRACE_UI_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What a cell means; the terminal's colours and attributes are chosen from it. */
enum ui_style {
	STYLE_NORMAL = 0,
	STYLE_DIM,
	STYLE_BOLD,
	STYLE_TITLE, /* names of numbers in the head */
	STYLE_HEADING, /* of columns */
	STYLE_HEADING_SORT, /* of the column that orders */
	STYLE_TAB,
	STYLE_TAB_OPEN,
	STYLE_KEY, /* "F1" */
	STYLE_KEY_WORD, /* "Help" */
	STYLE_DIRECT, /* map types, as in all outputs */
	STYLE_BRIDGE,
	STYLE_REFUSED,
	STYLE_UNKNOWN,
	STYLE_BAD,
	STYLE_WARNING,
	STYLE_NOTE,
	STYLE_PROMPT,
	STYLE_COUNT,
	/* Added to one of these: */
	STYLE_LIT = 0x20,
	STYLE_SELECTED = 0x40,
	STYLE_FOUND = 0x80, /* what the search is for */
};

struct ui_cell {
	uint32_t character; /* 0: the right half of a wide one */
	uint32_t marks[2]; /* combining characters, 0: none */
	uint8_t style;
};

struct ui_grid {
	int width, height;
	bool utf8; /* false: nothing but ASCII is drawn */
	struct ui_cell *cells; /* [height * width] */
};

/* A grid of zeros is empty and may be resized.  The cells are blank afterwards.  False
 * without memory. */
bool ui_grid_resize(struct ui_grid *grid, int width, int height);
void ui_grid_free(struct ui_grid *grid);
void ui_grid_clear(struct ui_grid *grid);

static inline struct ui_cell *ui_cell_at(const struct ui_grid *grid, int x, int y)
{
	return &grid->cells[(size_t)y * (size_t)grid->width + (size_t)x];
}

/* Columns a text takes. */
int ui_width(const struct ui_grid *grid, const char *text);

/* Draws a text in at most `room` columns; the columns taken.  ui_put() cuts it off,
 * ui_put_cut() shows that something is missing. */
int ui_put(struct ui_grid *grid, int x, int y, int room, int style, const char *text);
int ui_put_cut(struct ui_grid *grid, int x, int y, int room, int style, const char *text);
/* The same without the first `skip` columns. */
int ui_put_from(struct ui_grid *grid, int x, int y, int room, int style, const char *text,
		int skip);

/* Blanks of a style. */
void ui_blank(struct ui_grid *grid, int x, int y, int width, int style);
/* Adds STYLE_SELECTED or STYLE_FOUND to what stands there. */
void ui_mark(struct ui_grid *grid, int x, int y, int width, int flag);

/* The grid as lines, without blanks at their ends. */
void ui_grid_print(const struct ui_grid *grid, FILE *out);
/* One row of it as UTF-8, cut to fit. */
char *ui_grid_row(const struct ui_grid *grid, int y, char *to, size_t room);

#endif
