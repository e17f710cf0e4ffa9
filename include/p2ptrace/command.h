/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command: what every sub-command is.
 *
 * One file in src/cmd/ exports one `const struct command`; src/p2ptrace.c holds
 * the table of them and is the only place that prints errors and exits.
 */
#ifndef P2PTRACE_COMMAND_H
#define P2PTRACE_COMMAND_H

#include <stdbool.h>

#include "p2ptrace/error.h"
#include "p2ptrace/options.h"

struct command {
	const char *name;
	const char *summary; /* one line, for the list of commands */
	const char *usage; /* what stands behind the name, for -h */
	const struct option_spec *options; /* for -h and completion */
	bool pager; /* long text: to a pager when stdout is a terminal */
	/* argv[0] is the command's name.  Returns an exit status of enum p2p_status,
	 * or -1 with `err` filled. */
	int (*run)(int argc, char **argv, struct p2p_error *err);
};

extern const struct command cmd_record;
extern const struct command cmd_recover;
extern const struct command cmd_report;
extern const struct command cmd_live;
extern const struct command cmd_leaks;
extern const struct command cmd_events;
extern const struct command cmd_info;
extern const struct command cmd_stat;
extern const struct command cmd_doctor;
extern const struct command cmd_analyze;
extern const struct command cmd_check;
extern const struct command cmd_topo;
extern const struct command cmd_explain;

#endif
