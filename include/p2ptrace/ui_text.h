/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ui_text: what the printers of other commands write, as lines to scroll through.
 *
 * Printers write to a FILE; the few colours they use ("\033[32m") become styles.  Any
 * other control character is shown as \xNN: names were made safe by whoever printed them,
 * and even one that was not cannot do harm.
 * Source: src/ui/text.c
 */
#ifndef P2PTRACE_UI_TEXT_H
#define P2PTRACE_UI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "p2ptrace/ui_grid.h"

struct ui_text {
	char *bytes;
	const char **lines; /* [count], into bytes */
	size_t count;
	int width; /* columns of the longest */
	/* While it is written: */
	FILE *out;
	size_t size;
};

/* A stream to write to, NULL without memory; ui_text_end() makes lines of what was
 * written.  False without memory: the text is then empty.  A text of zeros is empty; what
 * it held before is let go. */
FILE *ui_text_begin(struct ui_text *text);
bool ui_text_end(struct ui_text *text, bool utf8);
void ui_text_free(struct ui_text *text);

/* The sequence that begins a style in such a text; of NORMAL: what ends any. */
const char *ui_text_style(enum ui_style style);
/* The same for a map type's that is lit. */
const char *ui_text_lit(enum ui_style style);

/* Draws line `index` from column `skip` on. */
void ui_text_draw(const struct ui_text *text, size_t index, struct ui_grid *grid, int x, int y,
		  int room, int skip);

/* Whether a line contains a text, whatever its case. */
bool ui_text_has(const struct ui_text *text, size_t index, const char *what);

#endif
