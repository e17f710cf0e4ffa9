// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdbool.h>
#include <stdio.h>

#include "p2ptrace/command.h"
#include "p2ptrace/doctor.h"

struct doctor_options {
	bool json;
	const char *root;
};

static const struct option_spec options[] = {
	{ OPTION_FLAG, 0, "json", NULL, "one JSON object (schema p2ptrace.doctor/1)",
	  .offset = offsetof(struct doctor_options, json) },
	{ OPTION_STRING, 0, "root", "DIR", "examine a captured tree: DIR/sys, DIR/proc",
	  .offset = offsetof(struct doctor_options, root) },
	{ .kind = OPTION_END },
};

static int run(int argc, char **argv, struct p2p_error *err)
{
	struct doctor_options given = { .root = NULL };
	struct diagnosis diagnosis;
	char **words;
	int count;

	if (options_parse(argc, argv, options, false, &given, &words, &count, err))
		return -1;
	if (count)
		return p2p_fail_usage(err, "'%s' is too much: doctor takes options only", words[0]);
	if (doctor_examine(&diagnosis, given.root, err))
		return -1;
	if (given.json)
		doctor_print_json(&diagnosis, stdout);
	else
		doctor_print_text(&diagnosis, stdout);
	diagnosis_free(&diagnosis);
	return P2P_OK;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.summary = "Whether this system can be observed, its blind spots and their remedies.",
	.usage = "[--json] [--root DIR]",
	.options = options,
	.pager = true,
	.run = run,
};
