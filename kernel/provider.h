/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * provider: PCI devices that own peer memory, and what is counted for each.
 *
 * Slots live in a fixed table, so that handlers neither allocate nor sleep.  A
 * slot holds a reference to its device until the device is removed from the bus
 * and keeps counting when its driver is bound anew.
 *
 * Source: provider.c; shown in sysfs by stats.c
 */
#ifndef P2PTRACE_PROVIDER_H
#define P2PTRACE_PROVIDER_H

#include <linux/atomic.h>
#include <linux/kobject.h>
#include <linux/pci.h>

enum provider_value {
	ALLOC_COUNT,
	FREE_COUNT,
	MAPPED_BYTES, /* now; never below zero: maps older than the module are not known */
	PEAK_MAPPED_BYTES,
	PROVIDER_VALUES
};

struct provider {
	struct pci_dev *device; /* NULL: a free slot */
	atomic64_t value[PROVIDER_VALUES];
	struct kobject *folder; /* p2pmem/stats; stats.c's */
};

#define PROVIDERS_MAX 256

/* The device whose memory `page` is, NULL if that cannot be told (counted as an
 * error and said once).  `page` must be a P2PDMA page. */
struct pci_dev *provider_of_page(struct page *page);

/* The device's slot; made when there is none.  NULL when the table is full.
 * Any context. */
struct provider *provider_slot(struct pci_dev *device);

/* Makes a slot for every device that has peer memory now.  Process context. */
void provider_scan(void);

/* Slot number `i` if it is in use, for walking the table. */
struct provider *provider_at(unsigned int i);

/* Gives up the device's slot: it left the bus.  Process context. */
void provider_forget(struct pci_dev *device);

/* Whether any device has peer memory: without one, no page can be. */
bool provider_any(void);

void provider_count_map(struct pci_dev *device, u64 bytes);
void provider_count_unmap(struct pci_dev *device, u64 bytes);

/* PCIe hops between two devices as the kernel counts them, -1 when `client` is
 * no PCI device. */
int provider_distance(struct pci_dev *provider, struct device *client);

/* Remembers the type calculated for a pair; returns the one before, UNKNOWN for
 * none.  A bounded memory: pairs that find no room are always new. */
int provider_new_type(struct pci_dev *provider, struct pci_dev *client, int type);

/* Drops every slot. */
void provider_cleanup(void);

#endif
