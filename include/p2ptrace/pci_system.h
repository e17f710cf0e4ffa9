/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci_system: the system that topo and explain look at, from their common options.
 *
 * Source: src/pci/pci_system.c
 */
#ifndef P2PTRACE_PCI_SYSTEM_H
#define P2PTRACE_PCI_SYSTEM_H

#include "p2ptrace/options.h"
#include "p2ptrace/pci_names.h"
#include "p2ptrace/rule.h"

struct system_options {
	const char *input, *root, *kernel, *allow_list;
	bool numeric; /* ids in place of names */
};

extern const struct option_spec system_option_table[];

struct pci_system {
	struct topology topology;
	struct allow_list list;
	struct rule rule; /* of the kernel asked for, else of the system's own */
	struct pci_names *names; /* NULL: ids */
	struct tree *tree; /* what the topology was read from; NULL: a directory */
};

/* Of the directory that is given, or of this system; `input` is captured.h's business. */
int system_open(struct pci_system *system, const struct system_options *given,
		struct p2p_error *err);
/* Of a tree, which is the system's from now on, even when this fails. */
int system_open_tree(struct pci_system *system, const struct system_options *given,
		     struct tree *tree, const char *name, struct p2p_error *err);
void system_close(struct pci_system *system);

/* "6.12": the kernel whose rule is applied; "not known". */
char *system_kernel(const struct pci_system *system, char *to, size_t room);

#endif
