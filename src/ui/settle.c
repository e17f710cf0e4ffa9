// SPDX-License-Identifier: GPL-2.0-or-later
/* The rows in their order and the places on the screen, made anew from picture and state. */
#include <stdlib.h>
#include <string.h>

#include "parts.h"

/* ---- where things stand ---- */

bool ui_too_small(const struct ui_state *ui)
{
	return ui->width < UI_WIDTH_LEAST || ui->height < UI_HEIGHT_LEAST;
}

int head_height(const struct ui_state *ui)
{
	return 3 + ui->type_lines;
}

/* Types that are rare have a line where there is room, once they were seen. */
static void settle_head(struct ui_state *ui, const struct live_snapshot *shot)
{
	uint64_t rare = 0;

	for (size_t i = 0; i < shot->history_count; i++)
		rare += shot->history[i].maps[MAP_TYPE_UNKNOWN] +
			shot->history[i].maps[MAP_TYPE_NONE];
	ui->type_lines = rare && ui->height >= 30 ? 5 : 3;
	/* Without events there are notes in their place. */
	if (shot->head.source == LIVE_COUNTERS)
		ui->type_lines = 6;
}

bool ui_typing(const struct ui_state *ui)
{
	return ui->mode >= MODE_SEARCH;
}

bool ui_on_page(const struct ui_state *ui)
{
	enum ui_mode mode = ui_typing(ui) ? ui->back : ui->mode;

	return mode == MODE_DETAILS || mode == MODE_HELP;
}

bool ui_on_text(const struct ui_state *ui)
{
	return ui_on_page(ui) || !panel_specs[ui->panel].columns;
}

/* Below head and tabs; a table has its headings too. */
int body_top(const struct ui_state *ui)
{
	return head_height(ui) + (ui_on_text(ui) ? 1 : 2);
}

int body_height(const struct ui_state *ui)
{
	int height = ui->height - 1 - body_top(ui);

	return height > 0 ? height : 1;
}

struct ui_list *ui_scrolled(struct ui_state *ui)
{
	return ui_on_page(ui) ? &ui->page : &ui->lists[ui->panel];
}

const struct ui_list *ui_scrolled_now(const struct ui_state *ui)
{
	return ui_on_page(ui) ? &ui->page : &ui->lists[ui->panel];
}

/* ---- tables ---- */

struct ordering {
	const struct table *table;
	const struct column *column; /* NULL: as they stand */
	bool inverted, reversed;
};

static int compare(const void *a, const void *b, void *context)
{
	const struct ordering *ordering = context;
	uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;
	int order = 0;

	if (ordering->column)
		order = table_compare(ordering->column, panel_row(ordering->table, one),
				      panel_row(ordering->table, other));
	if (!order)
		order = ordering->reversed ? (one < other) - (one > other)
					   : (one > other) - (one < other);
	return ordering->inverted ? -order : order;
}

static void make_order(struct ui_state *ui, const struct table *table)
{
	const struct ui_list *list = &ui->lists[ui->panel];
	struct ordering ordering = { table, list->sort, list->inverted,
				     panel_specs[ui->panel].reversed };
	uint32_t *order = realloc(ui->order, (table->row_count + 1) * sizeof(*order));

	ui->shown = 0;
	ui->total = table->row_count;
	if (!order)
		return;
	ui->order = order;
	for (size_t i = 0; i < table->row_count; i++)
		if (panel_row_has(table->columns, panel_row(table, i), list->filter))
			order[ui->shown++] = (uint32_t)i;
	qsort_r(order, ui->shown, sizeof(*order), compare, &ordering);
}

/* The selected row may stand elsewhere now. */
static void find_held(struct ui_state *ui, const struct table *table)
{
	struct ui_list *list = &ui->lists[ui->panel];

	if (!list->held)
		return;
	for (size_t i = 0; i < ui->shown; i++)
		if (panel_specs[ui->panel].identity(panel_row(table, ui->order[i])) ==
		    list->identity) {
			/* It stays where it is on the screen, as far as there is a row above. */
			size_t above = list->row - (list->top < list->row ? list->top : list->row);

			list->row = i;
			list->top = i > above ? i - above : 0;
			return;
		}
}

static void clamp_rows(struct ui_state *ui)
{
	struct ui_list *list = &ui->lists[ui->panel];
	size_t height = (size_t)body_height(ui);

	if (list->row >= ui->shown)
		list->row = ui->shown ? ui->shown - 1 : 0;
	if (list->top > list->row)
		list->top = list->row;
	if (list->row - list->top >= height)
		list->top = list->row - height + 1;
	if (list->top + height > ui->shown)
		list->top = ui->shown > height ? ui->shown - height : 0;
}

/* Columns never become narrower, so that they do not dance. */
static void measure(struct ui_state *ui, const struct table *table)
{
	struct ui_list *list = &ui->lists[ui->panel];
	const struct ui_grid grid = { .utf8 = ui->utf8 };
	size_t end = list->top + (size_t)body_height(ui);
	char cell[CELL_BYTES_MAX];

	for (int c = 0; c < UI_COLUMNS_MAX && table->columns[c].kind; c++) {
		const struct column *column = &table->columns[c];
		int *width = &list->widths[c], needed;

		if (!column_is_one_number(column))
			continue;
		needed = ui_width(&grid, column->heading);
		*width = needed > *width ? needed : *width;
		for (size_t i = list->top; i < end && i < ui->shown; i++) {
			table_cell_text(column, panel_row(table, ui->order[i]), cell);
			needed = ui_width(&grid, cell);
			*width = needed > *width ? needed : *width;
		}
	}
}

static void clamp_columns(struct ui_state *ui, const struct live_snapshot *shot)
{
	struct ui_list *list = &ui->lists[ui->panel];
	struct table_layout layout;

	table_layout(ui, shot, &layout);
	list->left = list->left < layout.scrolling ? list->left : layout.scrolling;
	list->left = list->left > 0 ? list->left : 0;
	/* No further than until the last one is in sight. */
	while (list->left > 0) {
		list->left--;
		table_layout(ui, shot, &layout);
		if (!layout.complete) {
			list->left++;
			break;
		}
	}
}

static void settle_table(struct ui_state *ui, const struct live_snapshot *shot,
			 const struct table *table)
{
	make_order(ui, table);
	find_held(ui, table);
	clamp_rows(ui);
	measure(ui, table);
	clamp_columns(ui, shot);
}

void ui_hold(struct ui_state *ui, const struct live_snapshot *shot)
{
	const void *row = panel_selected(ui, shot);
	struct ui_list *list = &ui->lists[ui->panel];

	list->held = row != NULL;
	if (row)
		list->identity = panel_specs[ui->panel].identity(row);
}

/* ---- texts ---- */

/* Of the text that is shown; a page has none. */
static const struct panel_spec *text_spec(const struct ui_state *ui)
{
	return ui_on_page(ui) ? NULL : &panel_specs[ui->panel];
}

size_t text_fixed(const struct ui_state *ui)
{
	const struct panel_spec *spec = text_spec(ui);
	size_t fixed = spec ? (size_t)spec->fixed : 0;

	return fixed < ui->text.count ? fixed : ui->text.count;
}

int text_skip(const struct ui_state *ui)
{
	const struct panel_spec *spec = text_spec(ui);

	return spec && spec->own_columns ? 0 : ui_scrolled_now(ui)->left;
}

static void clamp_text(struct ui_state *ui)
{
	const struct panel_spec *spec = text_spec(ui);
	struct ui_list *list = ui_scrolled(ui);
	size_t lines = ui->text.count - text_fixed(ui);
	size_t height = (size_t)body_height(ui) - text_fixed(ui);
	int most = ui->text.width > ui->width ? ui->text.width - ui->width : 0;

	if (list->top + height > lines)
		list->top = lines > height ? lines - height : 0;
	if (spec && spec->own_columns)
		return;
	list->left = list->left < most ? list->left : most;
	list->left = list->left > 0 ? list->left : 0;
}

/* What is written depends on where its columns begin. */
static void clamp_matrix(struct ui_state *ui, const struct live_snapshot *shot)
{
	struct ui_list *list = &ui->lists[PANEL_MATRIX];
	int most = matrix_scrolling(ui, shot);

	list->left = list->left < most ? list->left : most;
	list->left = list->left > 0 ? list->left : 0;
}

static void settle_text(struct ui_state *ui, const struct live_snapshot *shot)
{
	enum ui_mode mode = ui_typing(ui) ? ui->back : ui->mode;
	FILE *out = ui_text_begin(&ui->text);

	if (!out)
		return;
	clamp_matrix(ui, shot);
	if (mode == MODE_DETAILS)
		write_details(ui, shot, out);
	else if (mode == MODE_HELP)
		write_help(ui, shot, out);
	else
		panel_specs[ui->panel].write(ui, shot, out);
	if (ui_text_end(&ui->text, ui->utf8))
		clamp_text(ui);
}

void ui_settle(struct ui_state *ui, const struct live_snapshot *shot)
{
	struct table table;

	if (ui_too_small(ui))
		return;
	settle_head(ui, shot);
	if (ui_panel_table(ui->panel, shot, &table))
		settle_table(ui, shot, &table);
	if (ui_on_text(ui))
		settle_text(ui, shot);
}
