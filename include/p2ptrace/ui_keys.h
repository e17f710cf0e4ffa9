/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ui_keys: the keys of the live view.  One table: what a key does, the page of help,
 * the bottom line and the manual come from it.
 *
 * Source: src/ui/keys.c
 */
#ifndef P2PTRACE_UI_KEYS_H
#define P2PTRACE_UI_KEYS_H

#include <stddef.h>

/* Keys that are no character.  Characters are their code points, controls included. */
enum ui_key {
	UI_KEY_NONE = 0,
	UI_KEY_TAB = '\t',
	UI_KEY_ENTER = '\n',
	UI_KEY_ESCAPE = 27,
	UI_KEY_BEYOND_UNICODE = 0x110000,
	UI_KEY_UP,
	UI_KEY_DOWN,
	UI_KEY_LEFT,
	UI_KEY_RIGHT,
	UI_KEY_PAGE_UP,
	UI_KEY_PAGE_DOWN,
	UI_KEY_HOME,
	UI_KEY_END,
	UI_KEY_BACK_TAB,
	UI_KEY_BACKSPACE,
	UI_KEY_F0, /* F1 is UI_KEY_F0 + 1 */
	UI_KEY_F_LAST = UI_KEY_F0 + 12,
};

#define UI_KEY_CONTROL(letter) ((letter)&0x1f)

enum ui_action {
	ACTION_NONE = 0,
	ACTION_UP,
	ACTION_DOWN,
	ACTION_LEFT,
	ACTION_RIGHT,
	ACTION_PAGE_UP,
	ACTION_PAGE_DOWN,
	ACTION_HOME,
	ACTION_END,
	ACTION_NEXT_PANEL,
	ACTION_PREVIOUS_PANEL,
	ACTION_PANEL, /* by its number */
	ACTION_DETAILS,
	ACTION_SEARCH,
	ACTION_SEARCH_NEXT,
	ACTION_SEARCH_PREVIOUS,
	ACTION_FILTER,
	ACTION_SORT,
	ACTION_INVERT,
	ACTION_PAUSE,
	ACTION_WRITE,
	ACTION_HELP,
	ACTION_REDRAW,
	ACTION_BACK,
	ACTION_QUIT,
};

enum { UI_BINDING_KEYS = 8 };

struct ui_binding {
	enum ui_action action;
	int keys[UI_BINDING_KEYS]; /* ends with UI_KEY_NONE, if not full */
	const char *shown; /* "F3 /" */
	const char *does; /* one line */
	int function; /* the F-key of the bottom line, 0: not there */
	const char *word; /* its word there */
};

extern const struct ui_binding ui_bindings[];
extern const size_t ui_binding_count;

enum ui_action ui_action_of(int key);

#endif
