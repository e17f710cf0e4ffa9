/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stat_print: a sample of the kernel's counters, with what came since the one
 * before, as text, JSON (schema p2ptrace.stat/1) and CSV.
 * Source: src/output/stat_print.c
 */
#ifndef P2PTRACE_STAT_PRINT_H
#define P2PTRACE_STAT_PRINT_H

#include <stdio.h>

#include "p2ptrace/counters.h"

struct stat_sample {
	const struct counters *before; /* NULL: absolute numbers alone */
	const struct counters *now;
	const struct missing_layer *missing;
	size_t missing_count;
};

/* Everything, with what came since a sample before, and each missing layer in a line.  0, or -1 with `err` filled. */
int stat_print_text(const struct stat_sample *sample, FILE *out, struct p2p_error *err);

/* One line of an interval; with `heading` the column heads go before it.  `wide`: every
 * counter there is.  Counters that began anew are said in a line of their own. */
void stat_print_line(const struct stat_sample *sample, bool wide, bool heading, FILE *out);

/* One object; on one line when there is a sample before. */
void stat_print_json(const struct stat_sample *sample, FILE *out);

/* A row for each value; `heading` as above. */
void stat_print_csv(const struct stat_sample *sample, bool heading, FILE *out);

#endif
