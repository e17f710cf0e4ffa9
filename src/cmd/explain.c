// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/captured.h"
#include "p2ptrace/command.h"
#include "p2ptrace/explain_print.h"
#include "p2ptrace/rows.h"
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

/* Drivers whose peer traffic is none of this rule's business. */
static const struct {
	const char *driver, *note;
} drivers[] = {
	{ "nvidia", "GPUDirect through nvidia-peermem or nvidia-fs goes past P2PDMA: for that the "
		    "verdict above does not hold" },
};

static int note_drivers(struct explanation *pair)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		struct boot_note *row;

		if (strcmp(pair->provider->driver, drivers[i].driver) != 0 &&
		    strcmp(pair->client->driver, drivers[i].driver) != 0)
			continue;
		row = ROWS_ADD(pair->notes, pair->note_count);
		if (!row)
			return -1;
		snprintf(row->text, sizeof(row->text), "%s", drivers[i].note);
	}
	return 0;
}

/* Notes on the command line, with the devices whose ACS counts for this pair. */
static int find_notes(struct explanation *pair)
{
	const struct pci_device *path[2 * PCI_DEPTH_MAX];
	struct hop hops[PCI_DEPTH_MAX];
	size_t path_count = 0;

	for (int side = 0; side < 2; side++) {
		size_t count = rule_walk(side ? pair->client : pair->provider, &pair->verdict,
					 !side, hops);

		for (size_t i = 0; i < count; i++)
			if (hops[i].counts)
				path[path_count++] = hops[i].device;
	}
	return boot_notes(&pair->system->topology, path, path_count, &pair->notes,
			  &pair->note_count);
}

static int explain(struct pci_system *system, const char *const names[2], bool json,
		   struct p2p_error *err)
{
	struct pci_device *provider = topology_find(&system->topology, names[0], err);
	struct pci_device *client = provider ? topology_find(&system->topology, names[1], err)
					     : NULL;
	struct explanation pair = { system, provider, client, .colour = terminal_colour() };
	int status = -1;

	if (!client)
		return -1;
	topology_details(&system->topology, provider);
	topology_details(&system->topology, client);
	rule_decide(&system->rule, provider, client, &pair.verdict);
	if (blockers_find(&system->rule, provider, client, &pair.verdict, &pair.blockers,
			  &pair.blocker_count) ||
	    find_notes(&pair) || note_drivers(&pair)) {
		p2p_fail(err, "out of memory");
	} else if (json) {
		status = explain_print_json(&pair, stdout, err) ? -1 : P2P_OK;
	} else {
		explain_print_text(&pair, stdout);
		status = P2P_OK;
	}
	free(pair.blockers);
	free(pair.notes);
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
