// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "p2ptrace/wrap.h"
#include "parts.h"

/* Wider texts are cut, except in the last column. */
enum { CELL_WIDTH_MAX = 40, GAP = 2 };

static bool is_text(const struct column *column)
{
	return column->kind == CELL_TEXT;
}

static int column_width(const struct ui_state *ui, const struct column *columns,
			const struct column *column)
{
	int width = ui->lists[ui->panel].widths[column - columns];

	return width < CELL_WIDTH_MAX ? width : CELL_WIDTH_MAX;
}

/* What the columns take beside each other. */
static int total_width(const struct ui_state *ui, const struct column *columns,
		       const struct column *const *chosen, size_t count)
{
	int width = 0;

	for (size_t i = 0; i < count; i++)
		width += column_width(ui, columns, chosen[i]) + (i ? GAP : 0);
	return width;
}

static void place(const struct ui_state *ui, const struct column *columns,
		  const struct column *column, struct table_layout *layout, int *x)
{
	int width = column_width(ui, columns, column), left = ui->width - *x;

	if (layout->count) {
		*x += GAP;
		left -= GAP;
	}
	if (left < width) {
		layout->complete = false;
		/* A text is worth showing in part, a number is not. */
		if (!is_text(column) || left < 8) {
			*x = ui->width;
			return;
		}
		width = left;
	}
	layout->columns[layout->count] = column;
	layout->x[layout->count] = *x;
	layout->width[layout->count++] = width;
	*x += width;
}

void table_layout(const struct ui_state *ui, const struct live_snapshot *shot,
		  struct table_layout *layout)
{
	const struct column *chosen[UI_COLUMNS_MAX];
	const struct panel_spec *spec = &panel_specs[ui->panel];
	const struct ui_list *list = &ui->lists[ui->panel];
	size_t fixed = (size_t)spec->fixed, last, count;
	struct table table;
	int x = 0;

	*layout = (struct table_layout){ .complete = true };
	if (!ui_panel_table(ui->panel, shot, &table))
		return;
	count = panel_columns(list, table.columns, true, chosen);
	if (total_width(ui, table.columns, chosen, count) > ui->width)
		count = panel_columns(list, table.columns, false, chosen);
	layout->scrolling = count > fixed ? (int)(count - fixed) : 0;
	for (size_t i = 0; i < count; i++)
		if (i < fixed || i >= fixed + (size_t)list->left)
			place(ui, table.columns, chosen[i], layout, &x);
	last = layout->count ? layout->count - 1 : 0;
	/* The last one has the rest of the line. */
	if (layout->count && is_text(layout->columns[last]))
		layout->width[last] = ui->width - layout->x[last];
}

static void draw_cell(struct ui_grid *grid, int x, int y, int width, bool left, int style,
		      const char *text)
{
	int pad = left ? 0 : width - ui_width(grid, text);

	ui_put_cut(grid, x + (pad > 0 ? pad : 0), y, width, style, text);
}

static void draw_headings(const struct ui_state *ui, const struct table_layout *layout,
			  struct ui_grid *grid)
{
	const struct ui_list *list = &ui->lists[ui->panel];
	int y = body_top(ui) - 1;

	ui_blank(grid, 0, y, ui->width, STYLE_HEADING);
	for (size_t i = 0; i < layout->count; i++) {
		const struct column *column = layout->columns[i];
		bool sorts = column == list->sort;
		const char *heading = *column->heading ? column->heading : column->key;

		draw_cell(grid, layout->x[i], y, layout->width[i], is_text(column),
			  sorts ? STYLE_HEADING_SORT : STYLE_HEADING, heading);
	}
}

static void mark_found(const struct ui_state *ui, const struct column *columns, const void *row,
		       struct ui_grid *grid, int y)
{
	if (*ui->search && panel_row_has(columns, row, ui->search))
		ui_mark(grid, 0, y, ui->width, STYLE_FOUND);
}

static void draw_row(const struct ui_state *ui, const struct table_layout *layout,
		     const struct table *table, size_t index, struct ui_grid *grid, int y)
{
	const void *row = panel_row(table, ui->order[index]);
	char cell[CELL_BYTES_MAX];

	for (size_t i = 0; i < layout->count; i++) {
		const struct column *column = layout->columns[i];

		table_cell_text(column, row, cell);
		draw_cell(grid, layout->x[i], y, layout->width[i], is_text(column),
			  cell_style(column, cell), cell);
	}
	mark_found(ui, table->columns, row, grid, y);
	if (index == ui->lists[ui->panel].row)
		ui_mark(grid, 0, y, ui->width, STYLE_SELECTED);
}

int draw_paragraph(const struct ui_state *ui, struct ui_grid *grid, int y, int end, int style,
		   const char *text)
{
	struct ui_text lines = { 0 };
	FILE *out = ui_text_begin(&lines);

	if (!out)
		return y;
	wrap_print(out, text, 0, (size_t)ui->width - 2);
	if (ui_text_end(&lines, ui->utf8))
		for (size_t i = 0; i < lines.count && y < end; i++)
			ui_put(grid, 1, y++, ui->width - 2, style, lines.lines[i]);
	ui_text_free(&lines);
	return y;
}

/* Where nothing is to be shown: why, and what one should know. */
static void draw_empty(const struct ui_state *ui, const struct live_snapshot *shot,
		       struct ui_grid *grid, int y)
{
	char text[UI_LINE_MAX + 64];
	int end = ui->height - 1;

	if (ui->total) {
		snprintf(text, sizeof(text), "None of %zu rows has '%s' (F4 changes the filter).",
			 ui->total, ui->lists[ui->panel].filter);
		draw_paragraph(ui, grid, y, end, STYLE_NORMAL, text);
		return;
	}
	y = draw_paragraph(ui, grid, y, end, STYLE_NORMAL, panel_specs[ui->panel].empty) + 1;
	for (size_t i = 0; i < shot->note_count && y < end; i++)
		y = draw_paragraph(ui, grid, y, end, STYLE_NOTE, shot->notes[i]) + 1;
}

void draw_table(const struct ui_state *ui, const struct live_snapshot *shot, struct ui_grid *grid)
{
	const struct ui_list *list = &ui->lists[ui->panel];
	size_t end = list->top + (size_t)body_height(ui);
	struct table_layout layout;
	struct table table;
	int y = body_top(ui);

	if (!ui_panel_table(ui->panel, shot, &table))
		return;
	table_layout(ui, shot, &layout);
	draw_headings(ui, &layout, grid);
	for (size_t i = list->top; i < end && i < ui->shown; i++)
		draw_row(ui, &layout, &table, i, grid, y++);
	if (!ui->shown)
		draw_empty(ui, shot, grid, y);
}
