// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzz target: the system that a recording brings along says anything.  The input is the
 * packed tree; what could be unpacked packs to something that unpacks to the same.
 */
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/blocker.h"
#include "p2ptrace/boot_args.h"
#include "p2ptrace/counters.h"
#include "p2ptrace/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Some devices are enough: what is asked grows with their square. */
enum { DEVICES_MAX = 8 };

static void look_at_pair(const struct rule *rule, const struct pci_device *one,
			 const struct pci_device *other)
{
	struct blocker *blockers;
	struct verdict verdict;
	size_t count;

	rule_decide(rule, one, other, &verdict);
	if (blockers_find(rule, one, other, &verdict, &blockers, &count))
		abort();
	if (!count != (verdict.type == P2P_TYPE_BUS_ADDR))
		abort();
	free(blockers);
}

static void look(const struct tree *tree)
{
	static const char *const names[] = { "nvme0", "nvme0n1", "eth0", "card0", "a" };
	struct topology topology;
	struct rule rule = { &topology, NULL, KERNEL(6, 12) };
	struct boot_note *notes;
	struct p2p_error err;
	size_t count;

	if (topology_of_tree(&topology, tree, "fuzz", &err))
		return;
	for (size_t i = 0; i < topology.count && i < DEVICES_MAX; i++) {
		topology_details(&topology, &topology.devices[i]);
		for (size_t k = 0; k < topology.count && k < DEVICES_MAX; k++)
			look_at_pair(&rule, &topology.devices[i], &topology.devices[k]);
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		topology_find(&topology, names[i], &err);
	if (boot_notes(&topology, NULL, 0, &notes, &count))
		abort();
	free(notes);
	topology_free(&topology);
}

static void count(const struct tree *tree)
{
	struct counters counters;
	struct sysroot root;
	struct p2p_error err;

	sysroot_of_tree(&root, tree, "fuzz");
	if (counters_read(&root, &counters, &err))
		abort();
	counters_free(&counters);
}

static void pack_again(const struct tree *tree)
{
	struct p2p_error err;
	struct tree *again;
	char *bytes;
	size_t size;

	if (tree_pack(tree, &bytes, &size, &err))
		abort();
	again = tree_unpack(bytes, size, &err);
	if (!again || tree_count(again) != tree_count(tree))
		abort();
	tree_free(again);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct p2p_error err;
	struct tree *tree = tree_unpack((const char *)data, size, &err);

	if (!tree)
		return 0;
	look(tree);
	count(tree);
	pack_again(tree);
	tree_free(tree);
	return 0;
}
