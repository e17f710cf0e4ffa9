// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "p2ptrace/captured.h"
#include "p2ptrace/command.h"
#include "p2ptrace/explain_print.h"
#include "p2ptrace/terminal.h"

struct explain_options {
	struct system_options system;
	bool json;
};

static const struct option_spec options[] = {
	{ OPTION_FLAG, 0, "json", NULL, "one JSON object (schema p2ptrace.explain/1)",
	  .offset = offsetof(struct explain_options, json) },
	{ .kind = OPTION_GROUP,
	  .group = system_option_table,
	  .offset = offsetof(struct explain_options, system) },
	{ .kind = OPTION_END },
};

static int explain(struct pci_system *system, const char *const names[2], bool json,
		   struct p2p_error *err)
{
	struct pci_device *provider = topology_find(&system->topology, names[0], err);
	struct pci_device *client = provider ? topology_find(&system->topology, names[1], err)
					     : NULL;
	struct explanation pair;
	int status = -1;

	if (!client)
		return -1;
	if (!explanation_make(&pair, system, provider, client, err)) {
		status = P2P_OK;
		pair.colour = terminal_colour();
		if (!json)
			explain_print_text(&pair, stdout);
		else if (explain_print_json(&pair, stdout, err))
			status = -1;
	}
	explanation_free(&pair);
	return status;
}

static int run(int argc, char **argv, struct p2p_error *err)
{
	struct explain_options given = { 0 };
	struct pci_system system;
	char **rest;
	int count, status;

	if (options_parse(argc, argv, options, false, &given, &rest, &count, err))
		return -1;
	if (count != 2)
		return p2p_fail_usage(err, "two devices are needed: the provider of the memory and "
					   "its client");
	if (captured_system_open(&system, &given.system, err))
		return -1;
	status = explain(&system, (const char *const[]){ rest[0], rest[1] }, given.json, err);
	system_close(&system);
	return status;
}

const struct command cmd_explain = {
	.name = "explain",
	.summary = "Why a pair of devices takes its path, hop by hop, and the exact remedy.",
	.usage = "[OPTIONS] PROVIDER CLIENT",
	.options = options,
	.pager = true,
	.run = run,
};
