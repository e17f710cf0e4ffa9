// SPDX-License-Identifier: GPL-2.0-or-later
#include <stddef.h>
#include <stdio.h>

#include "p2ptrace/pci_system.h"

#define FIELD(name) .offset = offsetof(struct system_options, name)

const struct option_spec system_option_table[] = {
	{ OPTION_STRING, 'i', "input", "FILE", "the system that a recording was made on",
	  FIELD(input) },
	{ OPTION_STRING, 0, "root", "DIR", "read a captured tree: DIR/sys, DIR/proc", FIELD(root) },
	{ OPTION_STRING, 0, "kernel", "VERSION", "the answer of another kernel: 6.12",
	  FIELD(kernel) },
	{ OPTION_STRING, 0, "allow-list", "FILE",
	  "host bridges a patched kernel lets pass: VENDOR:DEVICE [same]", FIELD(allow_list) },
	{ OPTION_FLAG, 'n', "numeric", NULL, "vendor and device ids in place of names",
	  FIELD(numeric) },
	{ .kind = OPTION_END },
};

#define OLDEST_RULE KERNEL(6, 1)

/* What needs no topology. */
static int read_options(struct pci_system *system, const struct system_options *given,
			struct p2p_error *err)
{
	uint32_t version = given->kernel ? kernel_version_parse(given->kernel) : KERNEL_NOT_KNOWN;

	*system = (struct pci_system){ .topology.root.fd = -1 };
	if (given->kernel && version == KERNEL_NOT_KNOWN)
		return p2p_fail_usage(err, "--kernel %s: not a version like 6.12", given->kernel);
	system->rule.version = version;
	return given->allow_list ? allow_list_add_file(&system->list, given->allow_list, err) : 0;
}

static void finish(struct pci_system *system, const struct system_options *given)
{
	uint32_t version = system->rule.version;

	if (!given->kernel)
		version = kernel_version_parse(system->topology.kernel);
	if (version != KERNEL_NOT_KNOWN && version < OLDEST_RULE)
		p2p_warn("the rule of kernels before 6.1 is not known; 6.1's is applied");
	system->rule = (struct rule){ &system->topology, &system->list, version };
	system->names = given->numeric ? NULL : pci_names_open();
}

int system_open(struct pci_system *system, const struct system_options *given,
		struct p2p_error *err)
{
	if (read_options(system, given, err) ||
	    topology_load(&system->topology, given->root, err)) {
		allow_list_free(&system->list);
		return -1;
	}
	finish(system, given);
	return 0;
}

int system_open_tree(struct pci_system *system, const struct system_options *given,
		     struct tree *tree, const char *name, struct p2p_error *err)
{
	if (read_options(system, given, err) ||
	    topology_of_tree(&system->topology, tree, name, err)) {
		allow_list_free(&system->list);
		tree_free(tree);
		return -1;
	}
	system->tree = tree;
	finish(system, given);
	return 0;
}

void system_close(struct pci_system *system)
{
	topology_free(&system->topology);
	allow_list_free(&system->list);
	pci_names_close(system->names);
	tree_free(system->tree);
}

char *system_kernel(const struct pci_system *system, char *to, size_t room)
{
	uint32_t version = system->rule.version;

	if (version == KERNEL_NOT_KNOWN)
		snprintf(to, room, "not known");
	else
		snprintf(to, room, "%u.%u", version >> 16, version & 0xffff);
	return to;
}
