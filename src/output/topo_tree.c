// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/text.h"
#include "p2ptrace/topo_print.h"

struct tree {
	const struct topo_view *view;
	bool *shown; /* by index of the device */
	FILE *out;
};

static size_t index_of(const struct tree *tree, const struct pci_device *device)
{
	return (size_t)(device - tree->view->system->topology.devices);
}

static void show_upwards(const struct tree *tree, const struct pci_device *device)
{
	while (device && !tree->shown[index_of(tree, device)]) {
		tree->shown[index_of(tree, device)] = true;
		device = device->above;
	}
}

static void choose(const struct tree *tree)
{
	const struct topo_view *view = tree->view;

	for (size_t i = 0; i < view->provider_count; i++)
		show_upwards(tree, view->providers[i]);
	for (size_t i = 0; i < view->client_count; i++)
		show_upwards(tree, view->clients[i]);
	for (size_t i = 0; view->everything && i < view->system->topology.count; i++)
		tree->shown[i] = true;
}

/* The next device shown below `above` (or on the root bus of `host`), from `from` on. */
static const struct pci_device *next_child(const struct tree *tree, const struct pci_device *above,
					   const struct host_bridge *host, size_t from)
{
	const struct topology *topology = &tree->view->system->topology;

	for (size_t i = from; i < topology->count; i++) {
		const struct pci_device *device = &topology->devices[i];

		if (tree->shown[i] && device->above == above && device->host == host)
			return device;
	}
	return NULL;
}

static void print_facts(const struct tree *tree, const struct pci_device *device)
{
	char text[160];

	if (*device->kernel_names) {
		fputs("  ", tree->out);
		text_print_safe(tree->out, device->kernel_names);
	}
	pci_names_device(tree->view->system->names, device, text, sizeof(text));
	fprintf(tree->out, "  %s", text);
	if (*device->driver) {
		fputs("  [", tree->out);
		text_print_safe(tree->out, device->driver);
		fputc(']', tree->out);
	}
	if (device->detailed && device->numa >= 0)
		fprintf(tree->out, "  NUMA %lld", (long long)device->numa);
	if (*pool_words(device, text, sizeof(text)))
		fprintf(tree->out, "  pool %s", text);
	if (*link_words(&device->link, text, sizeof(text)))
		fprintf(tree->out, "  %s", text);
	if (device->physfn)
		fprintf(tree->out, "  virtual function of %s", device->physfn->name);
}

static void print_device(const struct tree *tree, const struct pci_device *device)
{
	static const enum p2p_type colours[] = {
		[ANSWER_NO] = P2P_TYPE_BUS_ADDR,
		[ANSWER_YES] = P2P_TYPE_NOT_SUPPORTED,
		[ANSWER_UNKNOWN] = P2P_TYPE_UNKNOWN,
	};
	enum answer redirects = pci_redirects(device);
	bool colour = tree->view->colour;
	char text[160];

	fprintf(tree->out, "%s  %s", device->name, port_type_name(device->config.port));
	print_facts(tree, device);
	if (pci_is_bridge(device) || redirects == ANSWER_YES)
		fprintf(tree->out, "  %s%s%s", type_colour(colours[redirects], colour),
			acs_words(device, text, sizeof(text)), colour_off(colour));
	fputc('\n', tree->out);
}

/* The lines that come down from above are in `lead`, which grows while going down. */
static void print_below(const struct tree *tree, const struct pci_device *above,
			const struct host_bridge *host, char *lead, size_t room)
{
	const char *const *marks = tree->view->utf8
					   ? (const char *const[]){ "├─ ", "└─ ", "│  ", "   " }
					   : (const char *const[]){ "|- ", "`- ", "|  ", "   " };
	const struct pci_device *device = next_child(tree, above, host, 0), *next;
	size_t length = strlen(lead);

	for (; device; device = next) {
		next = next_child(tree, above, host, index_of(tree, device) + 1);
		fprintf(tree->out, "%s%s", lead, marks[next ? 0 : 1]);
		print_device(tree, device);
		if (!device->below || length + 8 >= room)
			continue;
		snprintf(lead + length, room - length, "%s", marks[next ? 2 : 3]);
		print_below(tree, device, host, lead, room);
		lead[length] = '\0';
	}
}

static void print_hosts(const struct tree *tree)
{
	const struct pci_system *system = tree->view->system;
	char lead[PCI_DEPTH_MAX * 6] = "", words[256];

	for (size_t i = 0; i < system->topology.host_count; i++) {
		const struct host_bridge *host = &system->topology.hosts[i];

		if (!next_child(tree, NULL, host, 0))
			continue;
		fprintf(tree->out, "%s  %s\n", host->name,
			host_words(&system->rule, host, words, sizeof(words)));
		print_below(tree, NULL, host, lead, sizeof(lead));
	}
	if (next_child(tree, NULL, NULL, 0)) {
		fputs("where these hang is not known\n", tree->out);
		print_below(tree, NULL, NULL, lead, sizeof(lead));
	}
}

int topo_print_tree(const struct topo_view *view, FILE *out, struct p2p_error *err)
{
	size_t count = view->system->topology.count;
	struct tree tree = { view, calloc(count ? count : 1, sizeof(bool)), out };

	if (!tree.shown)
		return p2p_fail(err, "out of memory");
	choose(&tree);
	print_hosts(&tree);
	free(tree.shown);
	return 0;
}
