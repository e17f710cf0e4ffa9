// SPDX-License-Identifier: GPL-2.0-or-later
#include <stddef.h>
#include <stdio.h>

#include "p2ptrace/pci_system.h"

#define FIELD(name) .offset = offsetof(struct system_options, name)

const struct option_spec system_option_table[] = {
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

int system_open(struct pci_system *system, const struct system_options *given,
		struct p2p_error *err)
{
	uint32_t version = given->kernel ? kernel_version_parse(given->kernel) : KERNEL_NOT_KNOWN;

	*system = (struct pci_system){ 0 };
	if (given->kernel && version == KERNEL_NOT_KNOWN)
		return p2p_fail_usage(err, "--kernel %s: not a version like 6.12", given->kernel);
	if (given->allow_list && allow_list_add_file(&system->list, given->allow_list, err)) {
		allow_list_free(&system->list);
		return -1;
	}
	if (topology_load(&system->topology, given->root, err)) {
		allow_list_free(&system->list);
		return -1;
	}
	if (!given->kernel)
		version = kernel_version_parse(system->topology.kernel);
	if (version != KERNEL_NOT_KNOWN && version < OLDEST_RULE)
		p2p_warn("the rule of kernels before 6.1 is not known; 6.1's is applied");
	system->rule = (struct rule){ &system->topology, &system->list, version };
	system->names = given->numeric ? NULL : pci_names_open();
	return 0;
}

void system_close(struct pci_system *system)
{
	topology_free(&system->topology);
	allow_list_free(&system->list);
	pci_names_close(system->names);
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
