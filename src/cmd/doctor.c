// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdbool.h>
#include <stdio.h>

#include "p2ptrace/command.h"
#include "p2ptrace/doctor.h"
#include "p2ptrace/kernel_types.h"
#include "p2ptrace/recipes.h"

struct doctor_options {
	bool json;
	const char *root;
	const char *offsets;
};

static const struct option_spec options[] = {
	{ OPTION_FLAG, 0, "json", NULL, "one JSON object (schema p2ptrace.doctor/1)",
	  .offset = offsetof(struct doctor_options, json) },
	{ OPTION_STRING, 0, "root", "DIR", "examine a captured tree: DIR/sys, DIR/proc",
	  .offset = offsetof(struct doctor_options, root) },
	{ OPTION_STRING, 0, "write-offsets", "FILE",
	  "write what record --offsets needs on a kernel like this without BTF",
	  .offset = offsetof(struct doctor_options, offsets) },
	{ .kind = OPTION_END },
};

/* Of the running kernel: for another machine with the same one. */
static int write_offsets(const char *path, struct p2p_error *err)
{
	struct kernel_types types;
	FILE *to;
	int failed;

	if (kernel_types_open(&types, NULL, err)) {
		kernel_types_close(&types);
		return -1;
	}
	recipes_look_up_all(&types);
	to = fopen(path, "we");
	if (to)
		kernel_types_write(&types, to);
	failed = !to || ferror(to);
	if (to)
		failed |= fclose(to);
	kernel_types_close(&types);
	return failed ? p2p_fail_errno(err, "--write-offsets: cannot write %s", path) : P2P_OK;
}

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
	if (given.offsets && given.root)
		return p2p_fail_usage(err,
				      "--write-offsets is of the running kernel, not of --root");
	if (given.offsets)
		return write_offsets(given.offsets, err);
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
	.usage = "[--json] [--root DIR] [--write-offsets FILE]",
	.options = options,
	.pager = true,
	.run = run,
};
