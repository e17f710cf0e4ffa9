/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The terminal, by ncurses: puts a grid on it and reads keys.  Nothing else of the
 * program sees ncurses. */
#ifndef P2PTRACE_UI_TERMINAL_H
#define P2PTRACE_UI_TERMINAL_H

#include "p2ptrace/error.h"
#include "p2ptrace/ui_grid.h"

/* Whether it is known what to send to the terminal. */
int ui_terminal_check(struct p2p_error *err);

/* There is one terminal: one may be open. */
int ui_terminal_open(bool *utf8, struct p2p_error *err);
void ui_terminal_close(void);

void ui_terminal_size(int *width, int *height);
/* The program's idea of its size follows; before something of that size is put. */
void ui_terminal_resize(int width, int height);
/* Whether it takes something: not while Ctrl-S or a stalled connection holds it, which
 * must not hold the program as well. */
bool ui_terminal_ready(void);
void ui_terminal_put(const struct ui_grid *grid);
/* What is there is not what was put. */
void ui_terminal_redraw(void);

/* The next key (ui_keys.h), UI_KEY_NONE when there is none. */
int ui_terminal_key(void);

#endif
