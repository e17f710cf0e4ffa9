// SPDX-License-Identifier: GPL-2.0-or-later
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/captured.h"
#include "p2ptrace/command.h"
#include "p2ptrace/rows.h"
#include "p2ptrace/terminal.h"
#include "p2ptrace/text.h"
#include "p2ptrace/topo_print.h"

struct topo_options {
	struct system_options system;
	bool all, tree, json;
	const char *provider, *client;
	uint64_t width;
};

#define FIELD(name) .offset = offsetof(struct topo_options, name)

static const struct option_spec options[] = {
	{ OPTION_FLAG, 'a', "all", NULL, "every device, not only those that matter", FIELD(all) },
	{ OPTION_STRING, 0, "provider", "LIST", "only these rows: address, name, driver or role",
	  FIELD(provider) },
	{ OPTION_STRING, 0, "client", "LIST", "only these columns; patterns (nvme*, nic) work",
	  FIELD(client) },
	{ OPTION_FLAG, 't', "tree", NULL, "the tree of bridges instead of the matrix",
	  FIELD(tree) },
	{ OPTION_U64, 0, "width", "COLUMNS", "cut the matrix there (0: never; default: terminal)",
	  FIELD(width) },
	{ OPTION_FLAG, 0, "json", NULL, "one JSON object (schema p2ptrace.topo/1)", FIELD(json) },
	{ .kind = OPTION_GROUP, .group = system_option_table, FIELD(system) },
	{ .kind = OPTION_END },
};

#define WIDTH_NOT_GIVEN UINT64_MAX

/* ---- which devices ---- */

static bool matches_words(const char *pattern, const char *words)
{
	char copy[128], *rest;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		if (!fnmatch(pattern, word, 0))
			return true;
	return false;
}

static bool matches(const char *pattern, const struct pci_device *device)
{
	const char *short_name = strchr(device->name, ':') + 1;

	return !fnmatch(pattern, device->name, 0) ||
	       (!device->address.domain && !fnmatch(pattern, short_name, 0)) ||
	       !fnmatch(pattern, device->driver, 0) || !fnmatch(pattern, pci_role(device), 0) ||
	       matches_words(pattern, device->kernel_names);
}

/* `list` of shell patterns, divided by commas; NULL: all. */
static bool is_wanted(const char *list, const struct pci_device *device)
{
	char pattern[64];

	if (!list)
		return true;
	while (*list) {
		size_t length = strcspn(list, ",");

		snprintf(pattern, sizeof(pattern), "%.*s", (int)length, list);
		if (matches(pattern, device))
			return true;
		list += length + (list[length] == ',');
	}
	return false;
}

static int add(struct pci_device ***devices, size_t *count, struct pci_device *device,
	       struct p2p_error *err)
{
	struct pci_device **row = ROWS_ADD(*devices, *count);

	if (!row)
		return p2p_fail(err, "out of memory");
	*row = device;
	return 0;
}

/* Whether any device that matters has memory to offer: else all are rows. */
static bool somebody_provides(struct topology *topology)
{
	for (size_t i = 0; i < topology->count; i++)
		if (pci_may_provide(topology, &topology->devices[i]))
			return true;
	return false;
}

static int choose(struct topo_view *view, struct topology *topology,
		  const struct topo_options *given, struct p2p_error *err)
{
	bool all_rows = given->all || given->provider;

	view->nobody_provides = !somebody_provides(topology);
	all_rows |= view->nobody_provides;

	for (size_t i = 0; i < topology->count; i++) {
		struct pci_device *device = &topology->devices[i];

		if (given->all ? pci_is_bridge(device) : !pci_matters(topology, device))
			continue;
		topology_details(topology, device);
		if ((all_rows || pci_may_provide(topology, device)) &&
		    is_wanted(given->provider, device) &&
		    add(&view->providers, &view->provider_count, device, err))
			return -1;
		if (is_wanted(given->client, device) &&
		    add(&view->clients, &view->client_count, device, err))
			return -1;
	}
	return 0;
}

static int check_chosen(const struct topo_view *view, const struct topo_options *given,
			struct p2p_error *err)
{
	if (given->provider && !view->provider_count)
		return p2p_fail_usage(err, "--provider %s: no such device", given->provider);
	if (given->client && !view->client_count)
		return p2p_fail_usage(err, "--client %s: no such device", given->client);
	return 0;
}

/* ---- the command ---- */

static int print(const struct topo_view *view, const struct topo_options *given,
		 struct p2p_error *err)
{
	int status = 0;

	if (given->json)
		status = topo_print_json(view, stdout, err);
	else if (!view->clients || !view->providers)
		printf("no device that P2PDMA is of interest for, of %zu PCI devices (--all shows "
		       "all)\n",
		       view->system->topology.count);
	else if (given->tree)
		status = topo_print_tree(view, stdout, err);
	else
		status = topo_print_matrix(view, stdout, err);
	return status ? -1 : P2P_OK;
}

static int show(struct pci_system *system, const struct topo_options *given, struct p2p_error *err)
{
	struct topo_view view = { .system = system,
				  .everything = given->all && !given->provider && !given->client,
				  .colour = terminal_colour(),
				  .utf8 = text_utf8_wanted() };
	struct boot_note *notes = NULL;
	int status = -1;

	view.width = given->width == WIDTH_NOT_GIVEN ? terminal_width() : given->width;
	if (boot_notes(&system->topology, NULL, 0, &notes, &view.note_count))
		p2p_fail(err, "out of memory");
	else if (!choose(&view, &system->topology, given, err) &&
		 !check_chosen(&view, given, err)) {
		view.notes = notes;
		status = print(&view, given, err);
	}
	free(notes);
	free(view.providers);
	free(view.clients);
	return status;
}

static int run(int argc, char **argv, struct p2p_error *err)
{
	struct topo_options given = { .width = WIDTH_NOT_GIVEN };
	struct pci_system system;
	char **rest;
	int count, status;

	if (options_parse(argc, argv, options, false, &given, &rest, &count, err))
		return -1;
	if (count)
		return p2p_fail_usage(err,
				      "'%s': topo takes no names; --client picks devices, "
				      "explain looks at a pair",
				      rest[0]);
	if (given.json && given.tree)
		return p2p_fail_usage(err, "--json and --tree exclude each other");
	if (captured_system_open(&system, &given.system, err))
		return -1;
	status = show(&system, &given, err);
	system_close(&system);
	return status;
}

const struct command cmd_topo = {
	.name = "topo",
	.summary = "Which device reaches which, and by which path: a matrix, or the tree.",
	.usage = "[OPTIONS]",
	.options = options,
	.pager = true,
	.run = run,
};
