/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * input: how every reading command begins: options, the file's name as a word or
 * by -i, the analysis.  Source: src/cmd/input.c
 */
#ifndef P2PTRACE_INPUT_H
#define P2PTRACE_INPUT_H

#include "p2ptrace/analysis.h"
#include "p2ptrace/leaks.h"
#include "p2ptrace/options.h"
#include "p2ptrace/report.h"

#define INPUT_DEFAULT "p2ptrace.dat"

/* Parses, with at most one word behind the options: the file. */
int input_parse(int argc, char **argv, const struct option_spec *table, void *into,
		struct analysis_options *analysis, struct p2p_error *err);

/* Runs the analysis; for `machines` (JSON, CSV) what is doubtful about the input is
 * said on stderr, since there is no text to say it in. */
struct analysis *input_analyse(struct analysis_options *options, bool machines,
			       struct p2p_error *err);

/* Says on stderr what is doubtful about a file, for outputs that are no text. */
void input_warn(const struct analysis *analysis);

/* All there is to know of a file: its analysis, the rows of the report, the leaks. */
struct inspection {
	struct analysis *analysis;
	struct report report;
	struct leaks leaks;
};

int inspect(struct inspection *inspection, struct analysis_options *options, uint64_t min_age,
	    bool machines, struct p2p_error *err);
void inspection_free(struct inspection *inspection);

#endif
