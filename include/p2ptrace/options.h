/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options: command lines from tables.
 *
 * A command names its options once, in a table of struct option_spec; parsing,
 * the -h text and the shell completion all come from that table.  Values go into
 * a struct of the command's own, at the offset the table names.
 *
 * Source: src/base/options.c
 */
#ifndef P2PTRACE_OPTIONS_H
#define P2PTRACE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "p2ptrace/error.h"

enum option_kind {
	OPTION_END = 0,
	OPTION_FLAG, /* bool: set to true */
	OPTION_STRING, /* const char *: points into argv */
	OPTION_U64, /* uint64_t */
	OPTION_SIZE, /* uint64_t bytes; `unit` is what a bare number counts */
	OPTION_DURATION, /* uint64_t ns */
	OPTION_CALL, /* whatever `parse` makes of it */
	OPTION_GROUP, /* another table, for a struct at `offset` */
};

struct option_spec {
	enum option_kind kind;
	char letter; /* 0: long only */
	const char *name; /* without the dashes; NULL: letter only */
	const char *value; /* the value's name in -h, e.g. "FILE"; NULL for flags */
	const char *help; /* one line */
	size_t offset; /* of the field in the command's struct */
	uint64_t unit; /* OPTION_SIZE */
	/* OPTION_CALL: `field` is the struct's address plus offset. */
	int (*parse)(void *field, const char *value, struct p2p_error *err);
	const struct option_spec *group; /* OPTION_GROUP */
	bool optional; /* OPTION_CALL: the value may be left out, NULL; else it is attached */
};

/*
 * Reads argv[1..] by the table.  What is no option stays, in order, in
 * (*rest)[0..*rest_count), which points into argv.  With `stop_at_word` the
 * first word that is no option ends the options, as for `record CMD ARGS`;
 * "--" ends them in any case.  -h and --help are every table's: they give -1
 * with err->status P2P_HELP.
 */
int options_parse(int argc, char **argv, const struct option_spec *table, bool stop_at_word,
		  void *into, char ***rest, int *rest_count, struct p2p_error *err);

/* The table as indented lines, one an option. */
void options_print_help(FILE *out, const struct option_spec *table);

/* Every option as a word (--name, else -x) on a line of its own, for completion. */
void options_print_words(FILE *out, const struct option_spec *table);

#endif
