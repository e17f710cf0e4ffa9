/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ui: the live view without a terminal: what is open, selected, sorted and filtered, as a
 * plain state; keys that change it; and the drawing of a state and a picture (live.h) into
 * a grid of cells.
 *
 *	ui_init(&ui, true);
 *	ui_resize(&ui, &snapshot, 80, 24);
 *	ui_show(&ui, &snapshot);	whenever there is a new picture
 *	ui_press(&ui, &snapshot, key);	and see to ui.wish
 *	ui_draw(&ui, &snapshot, &grid);
 *
 * Nothing here waits, reads or writes; what needs the world outside is a wish.  Without
 * memory less is shown.
 * Source: src/ui/
 */
#ifndef P2PTRACE_UI_H
#define P2PTRACE_UI_H

#include "p2ptrace/live.h"
#include "p2ptrace/ui_grid.h"
#include "p2ptrace/ui_keys.h"
#include "p2ptrace/ui_text.h"

enum { UI_LINE_MAX = 256, UI_COLUMNS_MAX = 64, UI_WIDTH_LEAST = 80, UI_HEIGHT_LEAST = 24 };

enum ui_panel {
	PANEL_PAIRS,
	PANEL_PROCESSES,
	PANEL_PROVIDERS,
	PANEL_LEAKS,
	PANEL_EVENTS,
	PANEL_MATRIX,
	PANEL_FINDINGS,
	PANEL_COUNTERS,
	PANELS
};

enum ui_mode {
	MODE_PANEL,
	MODE_DETAILS, /* a page about one row */
	MODE_HELP,
	MODE_SORT, /* the menu of columns */
	MODE_SEARCH, /* a line is being typed: */
	MODE_FILTER,
	MODE_WRITE,
};

/* What the state cannot do itself. */
enum ui_wish {
	WISH_NONE,
	WISH_QUIT,
	WISH_REDRAW, /* the terminal shows something else than was drawn */
	WISH_WRITE, /* to ui.line; the answer by ui_say() */
	WISH_EXPLAIN, /* the pair ui.subject; the answer by ui_explained() */
	WISH_LIFETIMES, /* of the process ui.subject, now and with every picture that follows,
			 * into it */
};

struct ui_list {
	size_t row, top; /* of what is shown: selected, and the first on the screen */
	int left; /* columns of the table, or of the text, that are scrolled out */
	bool held; /* the selected row is followed, wherever it goes */
	uint64_t identity; /* of the selected row */
	const struct column *sort; /* NULL: as the picture has them */
	bool inverted;
	char filter[UI_LINE_MAX];
	int widths[UI_COLUMNS_MAX]; /* the widest cell so far, by column of the table */
};

/* What a page of details is about; texts are copies, "" for none. */
struct ui_subject {
	enum ui_panel panel;
	uint64_t identity;
	char client[128], provider[128];
	char *explanation; /* malloc'd, NULL: none */
	int64_t pid; /* of a process, 0: none */
	struct histogram maps, allocs; /* its lifetimes */
};

struct ui_state {
	int width, height;
	bool utf8;
	enum ui_mode mode, back; /* back: where a page or a line returns to */
	enum ui_panel panel;
	struct ui_list lists[PANELS];
	struct ui_list page; /* details and help: only top and left */
	size_t menu; /* the selected column of the menu */
	char line[UI_LINE_MAX]; /* being typed */
	char before[UI_LINE_MAX]; /* the filter, before it was changed */
	char search[UI_LINE_MAX];
	char message[512]; /* until the next key, "" for none */
	bool message_bad;
	bool paused;
	struct ui_subject subject;
	enum ui_wish wish;
	/* Made of the picture by ui_show() and ui_press(): */
	uint32_t *order; /* [shown]: rows of the open panel as they stand there */
	size_t shown, total;
	int type_lines; /* of the head */
	struct ui_text text; /* of a panel of text, or of the page */
	enum ui_mode text_mode;
};

void ui_init(struct ui_state *ui, bool utf8);
void ui_free(struct ui_state *ui);

void ui_resize(struct ui_state *ui, const struct live_snapshot *shot, int width, int height);
void ui_show(struct ui_state *ui, const struct live_snapshot *shot);
/* `key`: a code point, or one of enum ui_key. */
void ui_press(struct ui_state *ui, const struct live_snapshot *shot, int key);
/* A line for the bottom of the screen. */
void ui_say(struct ui_state *ui, bool bad, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Takes `text`, NULL for none. */
void ui_explained(struct ui_state *ui, const struct live_snapshot *shot, char *text);

/* Draws all; the grid gets the state's size.  False without memory. */
bool ui_draw(const struct ui_state *ui, const struct live_snapshot *shot, struct ui_grid *grid);

/* The table of a panel; false: the panel is no table. */
bool ui_panel_table(enum ui_panel panel, const struct live_snapshot *shot, struct table *table);

#endif
