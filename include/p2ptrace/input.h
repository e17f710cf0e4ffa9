/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * input: how every reading command begins: options, the file's name as a word or
 * by -i, the analysis.  Source: src/cmd/input.c
 */
#ifndef P2PTRACE_INPUT_H
#define P2PTRACE_INPUT_H

#include "p2ptrace/analysis.h"
#include "p2ptrace/options.h"

#define INPUT_DEFAULT "p2ptrace.dat"

/* Parses, with at most one word behind the options: the file. */
int input_parse(int argc, char **argv, const struct option_spec *table, void *into,
		struct analysis_options *analysis, struct p2p_error *err);

/* Runs the analysis; for `machines` (JSON, CSV) what is doubtful about the input is
 * said on stderr, since there is no text to say it in. */
struct analysis *input_analyse(struct analysis_options *options, bool machines,
			       struct p2p_error *err);

#endif
