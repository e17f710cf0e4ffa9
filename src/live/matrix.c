// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Providers and clients, with what the kernel's rule says of each pair and what was
 * seen: the devices of interest of the machine, and all that stand in events.
 */
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/rows.h"
#include "p2ptrace/topo_print.h"
#include "parts.h"

/* A screen shows no more; a machine of thousands of functions has more cells than anybody
 * wants computed every second. */
#define SIDE_MAX 128

struct side {
	const char **names, **labels;
	struct pci_device **devices; /* NULL: not of this machine */
	size_t count;
};

static bool add_device(struct live_texts *own, struct side *side, struct pci_device *device,
		       const char *name)
{
	size_t names = side->count, labels = side->count, devices = side->count;
	const char **named, **labelled;
	struct pci_device **row;
	char label[256];

	for (size_t i = 0; i < side->count; i++)
		if (!strcmp(side->names[i], name))
			return true;
	if (side->count == SIDE_MAX)
		return true;
	named = ROWS_ADD(side->names, names);
	labelled = ROWS_ADD(side->labels, labels);
	row = ROWS_ADD(side->devices, devices);
	if (!named || !labelled || !row)
		return false;
	side->count++;
	*named = texts_add(own, name);
	*labelled = device ? texts_add(own, device_label(device, label, sizeof(label))) : *named;
	*row = device;
	return *named && *labelled;
}

static struct pci_device *device_of(const struct live *live, const char *name)
{
	struct pci_address address;

	if (!live->machine.has_system || !pci_address_parse(name, &address))
		return NULL;
	return topology_at(&live->machine.system.topology, &address);
}

static bool add_observed(struct row_maker *maker, struct side *providers, struct side *clients)
{
	const struct live_snapshot *snapshot = maker->snapshot;
	struct live_texts *own = maker->snapshot->own;
	bool good = true;

	for (size_t i = 0; good && i < snapshot->pair_count; i++) {
		const struct live_pair *pair = &snapshot->pairs[i];

		if (*pair->provider)
			good = add_device(own, providers, device_of(maker->live, pair->provider),
					  pair->provider);
		if (good && *pair->client)
			good = add_device(own, clients, device_of(maker->live, pair->client),
					  pair->client);
	}
	for (size_t i = 0; good && i < snapshot->pool_count; i++)
		if (*snapshot->pools[i].provider)
			good = add_device(own, providers,
					  device_of(maker->live, snapshot->pools[i].provider),
					  snapshot->pools[i].provider);
	return good;
}

static bool add_of_machine(struct row_maker *maker, struct side *providers, struct side *clients)
{
	struct topology *topology = &maker->live->machine.system.topology;
	struct live_texts *own = maker->snapshot->own;

	if (!maker->live->machine.has_system)
		return true;
	for (size_t i = 0; i < topology->count; i++) {
		struct pci_device *device = &topology->devices[i];

		if (!pci_matters(topology, device))
			continue;
		topology_details(topology, device);
		if (pci_may_provide(topology, device) &&
		    !add_device(own, providers, device, device->name))
			return false;
		if (!add_device(own, clients, device, device->name))
			return false;
	}
	return true;
}

static size_t index_of(const char *const *names, size_t count, const char *name)
{
	size_t at = 0;

	while (at < count && strcmp(names[at], name) != 0)
		at++;
	return at;
}

static void light_up(struct live_matrix *matrix, const struct live_pair *pair, uint64_t *most)
{
	size_t provider = index_of((const char *const *)matrix->providers, matrix->provider_count,
				   pair->provider);
	size_t client =
		index_of((const char *const *)matrix->clients, matrix->client_count, pair->client);
	size_t at = provider * matrix->client_count + client;
	struct live_cell *cell = &matrix->cells[at];

	if (provider == matrix->provider_count || client == matrix->client_count || !pair->maps)
		return;
	cell->mixed |= cell->observed && strcmp(cell->observed, pair->type) != 0;
	if (pair->maps > most[at]) {
		cell->observed = pair->type;
		most[at] = pair->maps;
	}
	cell->maps += pair->maps;
	cell->maps_per_s = cell->maps_per_s == NOT_KNOWN || pair->maps_per_s == NOT_KNOWN
				   ? NOT_KNOWN
				   : cell->maps_per_s + pair->maps_per_s;
}

static void predict(const struct live_machine *machine, struct live_cell *cell,
		    const struct pci_device *provider, const struct pci_device *client)
{
	struct verdict verdict;

	if (!provider || !client)
		return;
	rule_decide(&machine->system.rule, provider, client, &verdict);
	if (verdict.type != P2P_TYPE_UNKNOWN)
		cell->predicted = p2p_type_names[verdict.type];
}

static bool fill_cells(struct row_maker *maker, const struct side *providers,
		       const struct side *clients)
{
	struct live_matrix *matrix = &maker->snapshot->matrix;
	size_t count = providers->count * clients->count;
	uint64_t *most = calloc(count + 1, sizeof(*most));

	matrix->cells = calloc(count + 1, sizeof(*matrix->cells));
	if (!most || !matrix->cells) {
		free(most);
		return false;
	}
	for (size_t p = 0; p < providers->count; p++)
		for (size_t c = 0; c < clients->count; c++)
			predict(&maker->live->machine, &matrix->cells[p * clients->count + c],
				providers->devices[p], clients->devices[c]);
	for (size_t i = 0; i < maker->snapshot->pair_count; i++)
		light_up(matrix, &maker->snapshot->pairs[i], most);
	free(most);
	return true;
}

bool matrix_make(struct row_maker *maker)
{
	struct side providers = { .count = 0 }, clients = { .count = 0 };
	struct live_matrix *matrix = &maker->snapshot->matrix;
	bool good = add_observed(maker, &providers, &clients) &&
		    add_of_machine(maker, &providers, &clients);

	*matrix = (struct live_matrix){ .providers = providers.names,
					.clients = clients.names,
					.provider_labels = providers.labels,
					.client_labels = clients.labels,
					.provider_count = providers.count,
					.client_count = clients.count,
					.predicted = maker->live->machine.has_system };
	good = good && fill_cells(maker, &providers, &clients);
	free(providers.devices);
	free(clients.devices);
	return good;
}
