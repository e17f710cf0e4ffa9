/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of src/ui/ share with each other. */
#ifndef P2PTRACE_UI_PARTS_H
#define P2PTRACE_UI_PARTS_H

#include "p2ptrace/ui.h"

/* ---- panels.c ---- */

struct panel_spec {
	const char *title;
	const char *empty; /* what an empty table means */
	int fixed; /* columns of a table, lines of a text, that do not scroll */
	bool reversed; /* the picture has the latest last */
	const struct column *columns; /* NULL: text, from `write` */
	size_t rows, count, row_bytes; /* offsets in struct live_snapshot */
	uint64_t (*identity)(const void *row);
	void (*write)(const struct ui_state *ui, const struct live_snapshot *shot, FILE *out);
	bool own_columns; /* `write` sees to list->left itself */
};

extern const struct panel_spec panel_specs[PANELS];

const void *panel_row(const struct table *table, size_t index);
/* The row that is selected; NULL when there is none. */
const void *panel_selected(const struct ui_state *ui, const struct live_snapshot *shot);
/* Whether a cell of the row contains one of the texts between "|", whatever its case. */
bool panel_row_has(const struct column *columns, const void *row, const char *what);
/* Columns for the screen; how many.  `wide`: those of CSV too. */
size_t panel_columns(const struct ui_list *list, const struct column *columns, bool wide,
		     const struct column *chosen[UI_COLUMNS_MAX]);
/* Columns that can order rows. */
size_t panel_sortable(const struct column *columns, const struct column *chosen[UI_COLUMNS_MAX]);

/* STYLE_NORMAL for what is no map type. */
enum ui_style type_style(const char *type);
enum ui_style cell_style(const struct column *column, const char *text);

/* ---- where things stand ---- */

int head_height(const struct ui_state *ui);
/* First line and lines of rows, or of text. */
int body_top(const struct ui_state *ui);
int body_height(const struct ui_state *ui);
bool ui_too_small(const struct ui_state *ui);
/* Whether a page lies over the panel. */
bool ui_on_page(const struct ui_state *ui);
bool ui_on_text(const struct ui_state *ui);
bool ui_typing(const struct ui_state *ui);
/* What scrolls: the page, or the open panel. */
struct ui_list *ui_scrolled(struct ui_state *ui);
const struct ui_list *ui_scrolled_now(const struct ui_state *ui);

/* ---- settle.c ---- */

/* Makes `order`, `text` and the places within them anew. */
void ui_settle(struct ui_state *ui, const struct live_snapshot *shot);
/* Notes which row is selected, after a move. */
void ui_hold(struct ui_state *ui, const struct live_snapshot *shot);

/* Lines of the shown text that do not scroll, and columns it is scrolled by. */
size_t text_fixed(const struct ui_state *ui);
int text_skip(const struct ui_state *ui);

/* ---- table.c ---- */

void draw_table(const struct ui_state *ui, const struct live_snapshot *shot, struct ui_grid *grid);
/* A paragraph in lines above line `end`; the line behind it. */
int draw_paragraph(const struct ui_state *ui, struct ui_grid *grid, int y, int end, int style,
		   const char *text);
/* The columns that are in sight, from `left` on, and whether all to the right are. */
struct table_layout {
	const struct column *columns[UI_COLUMNS_MAX];
	int x[UI_COLUMNS_MAX], width[UI_COLUMNS_MAX];
	size_t count;
	bool complete;
	int scrolling; /* columns that can be scrolled out */
};
void table_layout(const struct ui_state *ui, const struct live_snapshot *shot,
		  struct table_layout *layout);

/* ---- head.c, details.c, matrix.c, pages.c ---- */

void draw_head(const struct ui_state *ui, const struct live_snapshot *shot, struct ui_grid *grid);
void write_details(const struct ui_state *ui, const struct live_snapshot *shot, FILE *out);
void write_matrix(const struct ui_state *ui, const struct live_snapshot *shot, FILE *out);
/* Clients that can be scrolled out of sight. */
int matrix_scrolling(const struct ui_state *ui, const struct live_snapshot *shot);
void write_findings(const struct ui_state *ui, const struct live_snapshot *shot, FILE *out);
void write_help(const struct ui_state *ui, const struct live_snapshot *shot, FILE *out);
/* Takes in what the page is about. */
void subject_take(struct ui_state *ui, const struct live_snapshot *shot, const void *row);
void subject_clear(struct ui_state *ui);
/* A map type in its colour, padded to `width`. */
void write_type(FILE *out, const char *type, int width);
/* A line in bold. */
void write_title(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
