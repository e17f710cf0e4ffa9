/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * terminal: what stdout, or the pager behind it, shows on.
 *
 * Source: src/output/terminal.c
 */
#ifndef P2PTRACE_TERMINAL_H
#define P2PTRACE_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* Columns; 0: no terminal, as wide as one likes. */
size_t terminal_width(void);

/* Whether colours are wanted there (NO_COLOR, TERM=dumb). */
bool terminal_colour(void);

#endif
