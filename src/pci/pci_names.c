// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <pci/pci.h>

#include "p2ptrace/pci_names.h"
#include "p2ptrace/text.h"

/* libpci is used for its names alone: the devices may be another machine's, or not
 * readable, and nothing on this one is scanned. */
struct pci_names {
	struct pci_access *access;
};

struct pci_names *pci_names_open(void)
{
	struct pci_names *names = malloc(sizeof(*names));

	if (!names)
		return NULL;
	names->access = pci_alloc();
	if (names->access)
		return names;
	free(names);
	return NULL;
}

void pci_names_close(struct pci_names *names)
{
	if (!names)
		return;
	pci_cleanup(names->access);
	free(names);
}

char *pci_names_device(struct pci_names *names, const struct pci_device *device, char *to,
		       size_t room)
{
	char found[256];

	if (device->vendor < 0 || device->device < 0) {
		snprintf(to, room, "(ids not known)");
		return to;
	}
	if (names && pci_lookup_name(names->access, found, sizeof(found),
				     PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | PCI_LOOKUP_NO_NUMBERS,
				     device->vendor, device->device))
		return text_safe(to, room, found);
	snprintf(to, room, "%04x:%04x", (unsigned int)device->vendor, (unsigned int)device->device);
	return to;
}
