/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci_names: what vendors call their devices, from pci.ids through libpci.
 *
 * Source: src/pci/pci_names.c
 */
#ifndef P2PTRACE_PCI_NAMES_H
#define P2PTRACE_PCI_NAMES_H

#include "p2ptrace/topology.h"

struct pci_names;

/* NULL without memory.  Where no pci.ids is installed every name is made of numbers. */
struct pci_names *pci_names_open(void);
void pci_names_close(struct pci_names *names);

/* "Samsung Electronics Co Ltd NVMe SSD Controller PM9A1", else "144d:a80a"; NULL `names`:
 * the numbers. */
char *pci_names_device(struct pci_names *names, const struct pci_device *device, char *to,
		       size_t room);

#endif
