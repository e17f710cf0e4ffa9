// SPDX-License-Identifier: GPL-2.0-or-later
#include "p2ptrace/ui_keys.h"

#define F(number) (UI_KEY_F0 + (number))

/* In the order of the page of help; tests/cli/test_live_screen.py reads it too. */
const struct ui_binding ui_bindings[] = {
	{ ACTION_UP, { UI_KEY_UP }, "Up", "one row or line up", 0, NULL },
	{ ACTION_DOWN, { UI_KEY_DOWN }, "Down", "one row or line down", 0, NULL },
	{ ACTION_LEFT, { UI_KEY_LEFT }, "Left", "a column to the left", 0, NULL },
	{ ACTION_RIGHT, { UI_KEY_RIGHT }, "Right", "a column to the right", 0, NULL },
	{ ACTION_PAGE_UP, { UI_KEY_PAGE_UP }, "PgUp", "a page up", 0, NULL },
	{ ACTION_PAGE_DOWN, { UI_KEY_PAGE_DOWN }, "PgDn", "a page down", 0, NULL },
	{ ACTION_HOME, { UI_KEY_HOME }, "Home", "the first row; stay there", 0, NULL },
	{ ACTION_END, { UI_KEY_END }, "End", "the last row", 0, NULL },
	{ ACTION_NEXT_PANEL, { UI_KEY_TAB, F(8) }, "Tab F8", "the next panel", 8, "Next" },
	{ ACTION_PREVIOUS_PANEL,
	  { UI_KEY_BACK_TAB, F(7) },
	  "Shift-Tab F7",
	  "the panel before",
	  7,
	  "Prev" },
	{ ACTION_PANEL,
	  { '1', '2', '3', '4', '5', '6', '7', '8' },
	  "1 ... 8",
	  "a panel by its number",
	  0,
	  NULL },
	{ ACTION_DETAILS,
	  { UI_KEY_ENTER, '\r', F(5) },
	  "Enter F5",
	  "all about the row: types, lifetimes, why its path",
	  5,
	  "Detail" },
	{ ACTION_SEARCH, { '/', F(3) }, "/ F3", "search; again: the next one", 3, "Search" },
	{ ACTION_SEARCH_NEXT, { 'n' }, "n", "the next row that was searched for", 0, NULL },
	{ ACTION_SEARCH_PREVIOUS, { 'N' }, "N", "the one before", 0, NULL },
	{ ACTION_FILTER,
	  { '\\', F(4) },
	  "\\ F4",
	  "show rows with this text only; a|b: with one of them",
	  4,
	  "Filter" },
	{ ACTION_SORT, { '>', '<', F(6) }, "> < F6", "the column that orders", 6, "Sort" },
	{ ACTION_INVERT, { 'I' }, "I", "the other way round", 0, NULL },
	{ ACTION_PAUSE,
	  { ' ', F(9) },
	  "Space F9",
	  "stop the picture; numbers go on being taken",
	  9,
	  "Pause" },
	{ ACTION_WRITE,
	  { 'w', F(2) },
	  "w F2",
	  "write what was seen so far to a trace.dat",
	  2,
	  "Write" },
	{ ACTION_REDRAW,
	  { UI_KEY_CONTROL('L') },
	  "Ctrl-L",
	  "draw the whole screen again",
	  0,
	  NULL },
	{ ACTION_HELP, { '?', 'h', F(1) }, "? h F1", "this page", 1, "Help" },
	{ ACTION_BACK, { UI_KEY_ESCAPE }, "Esc", "leave a page, a menu, a filter", 0, NULL },
	{ ACTION_QUIT, { 'q', F(10) }, "q F10", "leave a page; end", 10, "Quit" },
};

const size_t ui_binding_count = sizeof(ui_bindings) / sizeof(ui_bindings[0]);

enum ui_action ui_action_of(int key)
{
	for (size_t i = 0; i < ui_binding_count; i++)
		for (int k = 0; k < UI_BINDING_KEYS && ui_bindings[i].keys[k]; k++)
			if (ui_bindings[i].keys[k] == key)
				return ui_bindings[i].action;
	return ACTION_NONE;
}
