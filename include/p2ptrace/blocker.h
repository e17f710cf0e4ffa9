/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blocker: why a pair does not take the direct path, each reason with its remedy, in
 * words and in commands that can be typed as they stand.
 *
 * Source: src/pci/blocker.c
 */
#ifndef P2PTRACE_BLOCKER_H
#define P2PTRACE_BLOCKER_H

#include "p2ptrace/rule.h"

struct blocker {
	char device[PCI_NAME_BYTES]; /* a bridge, a device or a root bus */
	char reason[256];
	char fix[640];
	char trial[64], undo[64]; /* commands: to try it until the next boot, and back; "" */
};

/* One sentence: how the verdict came about. */
char *verdict_why(const struct rule *rule, const struct pci_device *provider,
		  const struct pci_device *client, const struct verdict *verdict, char *to,
		  size_t room);

/* What stands between the pair and BUS_ADDR (and, if refused, any path at all), or
 * what an unknown answer hangs on; nothing for BUS_ADDR.  *rows is malloc'd.
 * 0, or -1 without memory. */
int blockers_find(const struct rule *rule, const struct pci_device *provider,
		  const struct pci_device *client, const struct verdict *verdict,
		  struct blocker **rows, size_t *count);

/* The kernel parameters that turn ACS redirect off on the whole way: "pci=..." or "" when
 * nothing redirects.  Names already on the command line are kept. */
char *blocker_disable_acs_redir(const struct rule *rule, const struct pci_device *provider,
				const struct pci_device *client, const struct verdict *verdict,
				char *to, size_t room);
/* The same through config_acs, which kernels from 6.11 on have. */
char *blocker_config_acs(const struct rule *rule, const struct pci_device *provider,
			 const struct pci_device *client, const struct verdict *verdict, char *to,
			 size_t room);

extern const char blocker_isolation_warning[];

#endif
