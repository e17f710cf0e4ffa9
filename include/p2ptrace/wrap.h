/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wrap: paragraphs broken into lines between words.  Source: src/output/wrap.c
 */
#ifndef P2PTRACE_WRAP_H
#define P2PTRACE_WRAP_H

#include <stdio.h>

/*
 * Prints `text`, made safe for a terminal, in lines of at most `width` columns (0: as
 * long as it is), and a newline.  The cursor stands at column `indent` already; further
 * lines begin with that many blanks.  A word is never broken; newlines in the text
 * stay.
 */
void wrap_print(FILE *out, const char *text, size_t indent, size_t width);

#endif
