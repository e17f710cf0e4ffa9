// SPDX-License-Identifier: GPL-2.0-or-later
/* What the keys do. */
#include <string.h>

#include "parts.h"

static void leave(struct ui_state *ui)
{
	ui->mode = ui->mode == MODE_HELP && ui->back == MODE_DETAILS ? MODE_DETAILS : MODE_PANEL;
	ui->back = MODE_PANEL;
	ui->page = (struct ui_list){ 0 };
}

/* ---- moving ---- */

static size_t add(size_t from, long by, size_t most)
{
	if (by < 0)
		return from > (size_t)-by ? from + (size_t)by : 0;
	return from + (size_t)by < most ? from + (size_t)by : most;
}

/* Lines for each key; LONG_MAX/2 is farther than anything. */
static long distance(const struct ui_state *ui, enum ui_action action)
{
	long page = body_height(ui) - 1;

	switch (action) {
	case ACTION_UP:
		return -1;
	case ACTION_DOWN:
		return 1;
	case ACTION_PAGE_UP:
		return -page;
	case ACTION_PAGE_DOWN:
		return page;
	case ACTION_HOME:
		return -(1l << 40);
	default:
		return 1l << 40;
	}
}

static void move(struct ui_state *ui, const struct live_snapshot *shot, enum ui_action action)
{
	struct ui_list *list = ui_scrolled(ui);
	long by = distance(ui, action);

	if (ui_on_text(ui)) {
		list->top = add(list->top, by, ui->text.count);
		return;
	}
	/* A page moves the view, not only the row in it. */
	if (action == ACTION_PAGE_UP || action == ACTION_PAGE_DOWN)
		list->top = add(list->top, by, ui->shown);
	list->row = add(list->row, by, ui->shown ? ui->shown - 1 : 0);
	ui_hold(ui, shot);
	if (action == ACTION_HOME)
		list->held = false;
}

static void scroll(struct ui_state *ui, int by)
{
	bool own = !ui_on_page(ui) && panel_specs[ui->panel].own_columns;

	/* A table, and the matrix, by a column; a text by some characters. */
	ui_scrolled(ui)->left += ui_on_text(ui) && !own ? by * 8 : by;
}

static void open_panel(struct ui_state *ui, int panel)
{
	ui->panel = (enum ui_panel)((panel + PANELS) % PANELS);
	ui->mode = MODE_PANEL;
	ui->back = MODE_PANEL;
}

/* ---- search ---- */

static bool row_matches(const struct ui_state *ui, const struct table *table, size_t index)
{
	return panel_row_has(table->columns, panel_row(table, ui->order[index]), ui->search);
}

/* The next match from `from` on in the direction; `count` when there is none. */
static size_t next_match(const struct ui_state *ui, const struct table *table, size_t from,
			 size_t count, bool backwards)
{
	for (size_t step = 0; step < count; step++) {
		size_t index = backwards ? (from + count - step) % count : (from + step) % count;

		if (table ? row_matches(ui, table, index)
			  : ui_text_has(&ui->text, index, ui->search))
			return index;
	}
	return count;
}

/* Goes to the first match behind (or at, `here`) the place. */
static void search(struct ui_state *ui, const struct live_snapshot *shot, bool here, bool backwards)
{
	struct ui_list *list = ui_scrolled(ui);
	bool text = ui_on_text(ui);
	size_t count = text ? ui->text.count : ui->shown, from, found;
	size_t at = text ? list->top + text_fixed(ui) : list->row;
	struct table table;

	if (!*ui->search || !count)
		return;
	if (!text && !ui_panel_table(ui->panel, shot, &table))
		return;
	from = here ? at : (at + (backwards ? count - 1 : 1)) % count;
	found = next_match(ui, text ? NULL : &table, from % count, count, backwards);
	if (found == count) {
		ui_say(ui, true, "nothing has '%s'", ui->search);
		return;
	}
	if (text) {
		list->top = found > text_fixed(ui) ? found - text_fixed(ui) : 0;
		return;
	}
	list->row = found;
	ui_hold(ui, shot);
}

/* ---- lines that are typed ---- */

static void begin_line(struct ui_state *ui, enum ui_mode mode, const char *line)
{
	ui->back = ui_on_page(ui) ? ui->mode : MODE_PANEL;
	ui->mode = mode;
	snprintf(ui->line, sizeof(ui->line), "%s", line);
}

static void end_line(struct ui_state *ui)
{
	ui->mode = ui->back;
	ui->back = MODE_PANEL;
}

static void set_filter(struct ui_state *ui, const char *filter)
{
	struct ui_list *list = &ui->lists[ui->panel];

	snprintf(list->filter, sizeof(list->filter), "%s", filter);
	list->held = false;
	list->row = list->top = 0;
}

/* While it is typed, one sees what it does. */
static void line_changed(struct ui_state *ui, const struct live_snapshot *shot)
{
	if (ui->mode == MODE_FILTER)
		set_filter(ui, ui->line);
	if (ui->mode == MODE_SEARCH) {
		snprintf(ui->search, sizeof(ui->search), "%s", ui->line);
		search(ui, shot, true, false);
	}
}

static void line_append(struct ui_state *ui, int key)
{
	size_t used = strlen(ui->line);
	unsigned int c = (unsigned int)key;
	char *to = ui->line + used;

	if (used + 5 > sizeof(ui->line))
		return;
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	*to = '\0';
}

static void line_erase(char *line)
{
	size_t used = strlen(line);

	while (used && ((unsigned char)line[used - 1] & 0xc0) == 0x80)
		used--;
	line[used ? used - 1 : 0] = '\0';
}

static void line_erase_word(char *line)
{
	size_t used = strlen(line);

	while (used && line[used - 1] == ' ')
		used--;
	while (used && line[used - 1] != ' ' && line[used - 1] != '/')
		used--;
	line[used] = '\0';
}

static void line_done(struct ui_state *ui)
{
	if (ui->mode == MODE_WRITE && *ui->line)
		ui->wish = WISH_WRITE;
	end_line(ui);
}

static void line_left(struct ui_state *ui)
{
	if (ui->mode == MODE_FILTER)
		set_filter(ui, ui->before);
	if (ui->mode == MODE_SEARCH)
		*ui->search = '\0';
	end_line(ui);
}

static void press_line(struct ui_state *ui, const struct live_snapshot *shot, int key)
{
	switch (key) {
	case UI_KEY_ENTER:
	case '\r':
		line_done(ui);
		return;
	case UI_KEY_ESCAPE:
		line_left(ui);
		return;
	case UI_KEY_F0 + 3:
		if (ui->mode == MODE_SEARCH)
			search(ui, shot, false, false);
		return;
	case UI_KEY_F0 + 10:
		ui->wish = WISH_QUIT;
		return;
	case UI_KEY_BACKSPACE:
	case UI_KEY_CONTROL('H'):
	case 127:
		line_erase(ui->line);
		break;
	case UI_KEY_CONTROL('U'):
		*ui->line = '\0';
		break;
	case UI_KEY_CONTROL('W'):
		line_erase_word(ui->line);
		break;
	default:
		/* Controls do not belong into a line; 0x80 to 0x9f are some too. */
		if (key < ' ' || key >= UI_KEY_BEYOND_UNICODE || (key >= 0x7f && key < 0xa0))
			return;
		line_append(ui, key);
	}
	line_changed(ui, shot);
}

/* ---- the menu of columns ---- */

static void open_menu(struct ui_state *ui, const struct live_snapshot *shot)
{
	const struct column *chosen[UI_COLUMNS_MAX];
	struct table table;
	size_t count;

	if (ui_on_page(ui) || !ui_panel_table(ui->panel, shot, &table)) {
		ui_say(ui, true, "there are no columns to sort by");
		return;
	}
	count = panel_sortable(table.columns, chosen);
	ui->menu = 0;
	for (size_t i = 0; i < count; i++)
		if (chosen[i] == ui->lists[ui->panel].sort)
			ui->menu = i + 1;
	ui->mode = MODE_SORT;
}

static void choose_column(struct ui_state *ui, const struct column *column)
{
	struct ui_list *list = &ui->lists[ui->panel];

	list->sort = column;
	list->inverted = false;
	list->held = false;
	list->row = list->top = 0;
	ui->mode = MODE_PANEL;
}

static void press_menu(struct ui_state *ui, const struct live_snapshot *shot, int key)
{
	const struct column *chosen[UI_COLUMNS_MAX];
	enum ui_action action = ui_action_of(key);
	struct table table;
	size_t count;

	if (!ui_panel_table(ui->panel, shot, &table)) {
		ui->mode = MODE_PANEL;
		return;
	}
	count = panel_sortable(table.columns, chosen);
	switch (action) {
	case ACTION_UP:
	case ACTION_DOWN:
	case ACTION_PAGE_UP:
	case ACTION_PAGE_DOWN:
	case ACTION_HOME:
	case ACTION_END:
		ui->menu = add(ui->menu, distance(ui, action), count);
		return;
	case ACTION_DETAILS:
		choose_column(ui, ui->menu ? chosen[ui->menu - 1] : NULL);
		return;
	case ACTION_QUIT:
		ui->wish = key == UI_KEY_F0 + 10 ? WISH_QUIT : WISH_NONE;
		/* fall through */
	case ACTION_BACK:
	case ACTION_SORT:
		ui->mode = MODE_PANEL;
		return;
	default:
		return;
	}
}

/* ---- everything else ---- */

static void open_details(struct ui_state *ui, const struct live_snapshot *shot)
{
	const void *row = ui_on_page(ui) ? NULL : panel_selected(ui, shot);

	if (!row)
		return;
	subject_take(ui, shot, row);
	ui_hold(ui, shot);
	ui->mode = MODE_DETAILS;
	ui->page = (struct ui_list){ 0 };
}

static void open_help(struct ui_state *ui)
{
	if (ui->mode == MODE_HELP)
		return;
	ui->back = ui->mode;
	ui->mode = MODE_HELP;
	ui->page = (struct ui_list){ 0 };
}

static void go_back(struct ui_state *ui)
{
	if (ui_on_page(ui))
		leave(ui);
	else if (*ui->lists[ui->panel].filter)
		set_filter(ui, "");
	else
		*ui->search = '\0';
}

static void begin_filter(struct ui_state *ui)
{
	if (ui_on_text(ui)) {
		ui_say(ui, true, "there are no rows to filter");
		return;
	}
	snprintf(ui->before, sizeof(ui->before), "%s", ui->lists[ui->panel].filter);
	begin_line(ui, MODE_FILTER, ui->before);
}

static void begin_write(struct ui_state *ui, const struct live_snapshot *shot)
{
	if (shot->head.source != LIVE_REPLAY && !shot->head.kept_max)
		ui_say(ui, true, "nothing was kept that could be written");
	else
		begin_line(ui, MODE_WRITE, "p2ptrace-live.dat");
}

static void begin_search(struct ui_state *ui)
{
	*ui->search = '\0';
	begin_line(ui, MODE_SEARCH, "");
}

static void quit(struct ui_state *ui, int key)
{
	if (ui_on_page(ui) && key != UI_KEY_F0 + 10)
		leave(ui);
	else
		ui->wish = WISH_QUIT;
}

static void invert(struct ui_state *ui)
{
	struct ui_list *list = &ui->lists[ui->panel];

	if (ui_on_text(ui))
		return;
	list->inverted = !list->inverted;
	list->held = false;
	list->row = list->top = 0;
}

static void act(struct ui_state *ui, const struct live_snapshot *shot, int key)
{
	enum ui_action action = ui_action_of(key);

	switch (action) {
	case ACTION_NONE:
		break;
	case ACTION_UP:
	case ACTION_DOWN:
	case ACTION_PAGE_UP:
	case ACTION_PAGE_DOWN:
	case ACTION_HOME:
	case ACTION_END:
		move(ui, shot, action);
		break;
	case ACTION_LEFT:
	case ACTION_RIGHT:
		scroll(ui, action == ACTION_LEFT ? -1 : 1);
		break;
	case ACTION_NEXT_PANEL:
	case ACTION_PREVIOUS_PANEL:
		open_panel(ui, (int)ui->panel + (action == ACTION_NEXT_PANEL ? 1 : -1));
		break;
	case ACTION_PANEL:
		open_panel(ui, key - '1');
		break;
	case ACTION_DETAILS:
		open_details(ui, shot);
		break;
	case ACTION_SEARCH:
		begin_search(ui);
		break;
	case ACTION_SEARCH_NEXT:
	case ACTION_SEARCH_PREVIOUS:
		search(ui, shot, false, action == ACTION_SEARCH_PREVIOUS);
		break;
	case ACTION_FILTER:
		begin_filter(ui);
		break;
	case ACTION_SORT:
		open_menu(ui, shot);
		break;
	case ACTION_INVERT:
		invert(ui);
		break;
	case ACTION_PAUSE:
		ui->paused = !ui->paused;
		break;
	case ACTION_WRITE:
		begin_write(ui, shot);
		break;
	case ACTION_HELP:
		open_help(ui);
		break;
	case ACTION_REDRAW:
		ui->wish = WISH_REDRAW;
		break;
	case ACTION_BACK:
		go_back(ui);
		break;
	case ACTION_QUIT:
		quit(ui, key);
		break;
	}
}

void ui_press(struct ui_state *ui, const struct live_snapshot *shot, int key)
{
	ui->wish = WISH_NONE;
	*ui->message = '\0';
	if (ui_too_small(ui)) {
		if (ui_action_of(key) == ACTION_QUIT)
			ui->wish = WISH_QUIT;
		return;
	}
	/* What was counted and ordered belongs to this picture. */
	ui_settle(ui, shot);
	if (ui_typing(ui))
		press_line(ui, shot, key);
	else if (ui->mode == MODE_SORT)
		press_menu(ui, shot, key);
	else
		act(ui, shot, key);
	ui_settle(ui, shot);
}
