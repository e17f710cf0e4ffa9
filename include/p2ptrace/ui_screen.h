/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ui_screen: the live view on the terminal at hand.
 *
 * Source: src/ui/screen.c (what happens), src/ui/terminal.c (ncurses)
 */
#ifndef P2PTRACE_UI_SCREEN_H
#define P2PTRACE_UI_SCREEN_H

#include "p2ptrace/live.h"

/* Whether there is a terminal on stdin and stdout that can be drawn on; -1 with `err`
 * that says what to do without.  To be asked before anything is made in the kernel. */
int ui_screen_check(struct p2p_error *err);

/*
 * Shows the view, a new picture every `interval_ns`, until it is left, the terminal is
 * gone or `signals` (a signalfd, or any that becomes readable to end this) is ready.  The
 * terminal is as before when it returns.  0, or -1 with `err`.
 */
int ui_screen_run(struct live *live, uint64_t interval_ns, int signals, struct p2p_error *err);

#endif
