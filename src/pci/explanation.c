// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/explanation.h"
#include "p2ptrace/rows.h"

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

int explanation_make(struct explanation *pair, const struct pci_system *system,
		     struct pci_device *provider, struct pci_device *client, struct p2p_error *err)
{
	*pair = (struct explanation){ .system = system, .provider = provider, .client = client };
	topology_details(&system->topology, provider);
	topology_details(&system->topology, client);
	rule_decide(&system->rule, provider, client, &pair->verdict);
	if (blockers_find(&system->rule, provider, client, &pair->verdict, &pair->blockers,
			  &pair->blocker_count) ||
	    find_notes(pair) || note_drivers(pair))
		return p2p_fail(err, "out of memory");
	return 0;
}

void explanation_free(struct explanation *pair)
{
	free(pair->blockers);
	free(pair->notes);
}
