/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain_print: one pair, hop by hop, with what blocks it and what to do.
 *
 * Source: src/output/explain_text.c, explain_json.c
 */
#ifndef P2PTRACE_EXPLAIN_PRINT_H
#define P2PTRACE_EXPLAIN_PRINT_H

#include <stdio.h>

#include "p2ptrace/explanation.h"

void explain_print_text(const struct explanation *pair, FILE *out);
/* 0, or -1 with `err`. */
int explain_print_json(const struct explanation *pair, FILE *out, struct p2p_error *err);

#endif
