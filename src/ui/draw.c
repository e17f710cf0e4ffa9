// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "parts.h"

/* ---- tabs, or the title of a page ---- */

/* At the right, over what stands there: a filter must not be forgotten. */
static void draw_position(const struct ui_state *ui, struct ui_grid *grid, int y)
{
	const struct ui_list *list = &ui->lists[ui->panel];
	char text[UI_LINE_MAX + 64];
	int width;

	if (ui_on_text(ui))
		snprintf(text, sizeof(text), " line %zu/%zu ",
			 ui->text.count ? ui_scrolled_now(ui)->top + 1 : 0, ui->text.count);
	else if (*list->filter)
		snprintf(text, sizeof(text), " %zu of %zu: %s ", ui->shown, ui->total,
			 list->filter);
	else
		snprintf(text, sizeof(text), " %zu/%zu ", ui->shown ? list->row + 1 : 0, ui->shown);
	width = ui_width(grid, text);
	width = width < ui->width / 2 ? width : ui->width / 2;
	ui_put_cut(grid, ui->width - width, y, width, STYLE_TAB, text);
}

static void draw_tabs(const struct ui_state *ui, struct ui_grid *grid)
{
	int y = head_height(ui), x = 0;
	char text[64];

	ui_blank(grid, 0, y, ui->width, STYLE_TAB);
	for (int panel = 0; panel < PANELS; panel++) {
		snprintf(text, sizeof(text), " %d%s", panel + 1, panel_specs[panel].title);
		x += ui_put(grid, x, y, ui->width - x,
			    panel == (int)ui->panel ? STYLE_TAB_OPEN : STYLE_TAB, text);
	}
	draw_position(ui, grid, y);
}

static void draw_page_title(const struct ui_state *ui, struct ui_grid *grid)
{
	enum ui_mode mode = ui_typing(ui) ? ui->back : ui->mode;
	int y = head_height(ui);
	char text[64];

	snprintf(text, sizeof(text), " %s%s (q: back)",
		 mode == MODE_HELP ? "Help" : panel_specs[ui->subject.panel].title,
		 mode == MODE_HELP ? "" : ": details");
	ui_blank(grid, 0, y, ui->width, STYLE_TAB);
	ui_put(grid, 0, y, ui->width, STYLE_TAB_OPEN, text);
	draw_position(ui, grid, y);
}

/* ---- texts ---- */

static void draw_text_line(const struct ui_state *ui, struct ui_grid *grid, size_t index, int y)
{
	ui_text_draw(&ui->text, index, grid, 0, y, ui->width, text_skip(ui));
	if (*ui->search && ui_text_has(&ui->text, index, ui->search))
		ui_mark(grid, 0, y, ui->width, STYLE_FOUND);
}

static void draw_text(const struct ui_state *ui, struct ui_grid *grid)
{
	size_t fixed = text_fixed(ui);
	size_t line = fixed + ui_scrolled_now(ui)->top;
	int y = body_top(ui), end = y + body_height(ui);

	for (size_t i = 0; i < fixed && y < end; i++)
		draw_text_line(ui, grid, i, y++);
	while (line < ui->text.count && y < end)
		draw_text_line(ui, grid, line++, y++);
}

/* ---- the menu of columns ---- */

static void draw_menu(const struct ui_state *ui, const struct live_snapshot *shot,
		      struct ui_grid *grid)
{
	const struct column *chosen[UI_COLUMNS_MAX];
	int top = body_top(ui) - 1, height = body_height(ui), width = 24;
	struct table table;
	size_t count, first;

	if (!ui_panel_table(ui->panel, shot, &table))
		return;
	count = panel_sortable(table.columns, chosen) + 1;
	first = ui->menu >= (size_t)height ? ui->menu - (size_t)height + 1 : 0;
	ui_blank(grid, 0, top, width + 1, STYLE_HEADING);
	ui_put(grid, 0, top, width, STYLE_HEADING_SORT, "Sort by");
	for (int line = 0; line < height; line++) {
		size_t index = first + (size_t)line;
		int y = top + 1 + line;

		ui_blank(grid, 0, y, width, STYLE_NORMAL);
		ui_put(grid, width, y, 1, STYLE_HEADING, " ");
		if (index >= count)
			continue;
		ui_put_cut(grid, 1, y, width - 1, STYLE_NORMAL,
			   index ? chosen[index - 1]->key : "(as they come)");
		if (index == ui->menu)
			ui_mark(grid, 0, y, width, STYLE_SELECTED);
	}
}

/* ---- the bottom line ---- */

static void draw_line(const struct ui_state *ui, struct ui_grid *grid)
{
	static const char *const labels[] = {
		[MODE_SEARCH] = "Search: ", [MODE_FILTER] = "Filter: ", [MODE_WRITE] = "Write to: "
	};
	int y = ui->height - 1, x = 1, room, skip;

	ui_blank(grid, 0, y, ui->width, STYLE_PROMPT);
	x += ui_put(grid, x, y, ui->width, STYLE_PROMPT, labels[ui->mode]);
	/* Its end is where it is being typed. */
	room = ui->width - x - 2;
	skip = ui_width(grid, ui->line) - room;
	x += ui_put_from(grid, x, y, room, STYLE_PROMPT, ui->line, skip > 0 ? skip : 0);
	ui_put(grid, x, y, 1, STYLE_PROMPT | STYLE_SELECTED, " ");
	if (ui->width - x > 44)
		ui_put_cut(grid, ui->width - 40, y, 39, STYLE_PROMPT,
			   *ui->message ? ui->message : "Enter: done   Esc: leave it");
}

static void draw_keys(const struct ui_state *ui, struct ui_grid *grid)
{
	int y = ui->height - 1, x = 0;
	char text[16];

	ui_blank(grid, 0, y, ui->width, STYLE_KEY_WORD);
	for (int number = 1; number <= 10; number++)
		for (size_t i = 0; i < ui_binding_count; i++) {
			if (ui_bindings[i].function != number)
				continue;
			snprintf(text, sizeof(text), "F%d", number);
			x += ui_put(grid, x, y, ui->width - x, STYLE_KEY, text);
			snprintf(text, sizeof(text), "%-6s", ui_bindings[i].word);
			x += ui_put(grid, x, y, ui->width - x, STYLE_KEY_WORD, text);
		}
}

static void draw_bottom(const struct ui_state *ui, struct ui_grid *grid)
{
	int y = ui->height - 1;

	if (ui_typing(ui)) {
		draw_line(ui, grid);
	} else if (*ui->message) {
		ui_blank(grid, 0, y, ui->width, STYLE_PROMPT);
		ui_put_cut(grid, 1, y, ui->width - 1, ui->message_bad ? STYLE_BAD : STYLE_PROMPT,
			   ui->message);
	} else {
		draw_keys(ui, grid);
	}
}

/* ---- all of it ---- */

static void draw_too_small(const struct ui_state *ui, struct ui_grid *grid)
{
	char text[64];

	ui_put(grid, 0, 0, ui->width, STYLE_BOLD, "p2ptrace live: too small");
	snprintf(text, sizeof(text), "%dx%d, needs %dx%d", ui->width, ui->height, UI_WIDTH_LEAST,
		 UI_HEIGHT_LEAST);
	ui_put(grid, 0, 1, ui->width, STYLE_NORMAL, text);
	ui_put(grid, 0, 2, ui->width, STYLE_NORMAL, "q: end");
}

bool ui_draw(const struct ui_state *ui, const struct live_snapshot *shot, struct ui_grid *grid)
{
	grid->utf8 = ui->utf8;
	if (!ui_grid_resize(grid, ui->width, ui->height))
		return false;
	if (ui_too_small(ui)) {
		draw_too_small(ui, grid);
		return true;
	}
	draw_head(ui, shot, grid);
	if (ui_on_page(ui))
		draw_page_title(ui, grid);
	else
		draw_tabs(ui, grid);
	if (ui_on_text(ui))
		draw_text(ui, grid);
	else
		draw_table(ui, shot, grid);
	if (ui->mode == MODE_SORT)
		draw_menu(ui, shot, grid);
	draw_bottom(ui, grid);
	return true;
}
