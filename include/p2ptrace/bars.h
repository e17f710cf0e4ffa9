/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bars: numbers as lengths and heights of characters, UTF-8 or ASCII.
 *
 * Source: src/output/bars.c
 */
#ifndef P2PTRACE_BARS_H
#define P2PTRACE_BARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for `columns` of either, in bytes. */
#define BAR_BYTES(columns) ((columns)*3 + 1)

/* A bar of at most `width` columns for `fraction` of it, without blanks behind; what is
 * more than nothing shows.  Returns the columns it takes. */
int bar_text(char *to, size_t room, double fraction, int width, bool utf8);

/* A column for each value, from nothing (' ') to `most`. */
char *sparkline_text(char *to, size_t room, const uint64_t *values, size_t count, uint64_t most,
		     bool utf8);

#endif
