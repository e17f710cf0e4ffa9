// SPDX-License-Identifier: GPL-2.0-or-later
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hash.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "counters.h"
#include "provider.h"

static struct provider slots[PROVIDERS_MAX];
static unsigned int slots_used; /* slots from here on were never used */
static DEFINE_RAW_SPINLOCK(slots_lock);

struct provider *provider_at(unsigned int i)
{
	return READ_ONCE(slots[i].device) ? &slots[i] : NULL;
}

bool provider_any(void)
{
	return READ_ONCE(slots_used);
}

static struct provider *find(struct pci_dev *device)
{
	unsigned int i, used = smp_load_acquire(&slots_used);

	for (i = 0; i < used; i++)
		if (READ_ONCE(slots[i].device) == device)
			return &slots[i];
	return NULL;
}

void provider_scan(void)
{
	struct pci_dev *device = NULL;

	for_each_pci_dev(device) if (compat_has_peer_memory(device)) provider_slot(device);
}

static struct provider *claim(struct pci_dev *device)
{
	struct provider *slot;
	unsigned int i;
	int v;

	slot = find(device); /* another CPU was faster */
	if (slot)
		return slot;
	for (i = 0; i < PROVIDERS_MAX && slots[i].device; i++)
		;
	if (i == PROVIDERS_MAX) {
		pr_warn_once("more than %d providers: p2pmem/stats leaves some out\n", i);
		return NULL;
	}
	slot = &slots[i];
	for (v = 0; v < PROVIDER_VALUES; v++)
		atomic64_set(&slot->value[v], 0);
	smp_store_release(&slot->device, pci_dev_get(device));
	if (i >= slots_used)
		smp_store_release(&slots_used, i + 1);
	return slot;
}

struct provider *provider_slot(struct pci_dev *device)
{
	struct provider *slot = find(device);
	unsigned long flags;

	if (slot)
		return slot;
	raw_spin_lock_irqsave(&slots_lock, flags);
	slot = claim(device);
	raw_spin_unlock_irqrestore(&slots_lock, flags);
	return slot;
}

void provider_forget(struct pci_dev *device)
{
	struct provider *slot;
	unsigned long flags;

	raw_spin_lock_irqsave(&slots_lock, flags);
	slot = find(device);
	if (slot)
		WRITE_ONCE(slot->device, NULL);
	raw_spin_unlock_irqrestore(&slots_lock, flags);
	if (slot)
		pci_dev_put(device);
}

void provider_cleanup(void)
{
	unsigned int i;

	for (i = 0; i < slots_used; i++)
		if (slots[i].device)
			provider_forget(slots[i].device);
}

void provider_count_map(struct pci_dev *device, u64 bytes)
{
	struct provider *slot = provider_slot(device);
	s64 now, peak;

	if (!slot)
		return;
	now = atomic64_add_return(bytes, &slot->value[MAPPED_BYTES]);
	peak = atomic64_read(&slot->value[PEAK_MAPPED_BYTES]);
	while (now > peak && !atomic64_try_cmpxchg(&slot->value[PEAK_MAPPED_BYTES], &peak, now))
		;
}

void provider_count_unmap(struct pci_dev *device, u64 bytes)
{
	struct provider *slot = provider_slot(device);
	s64 now;

	if (!slot)
		return;
	now = atomic64_read(&slot->value[MAPPED_BYTES]);
	while (!atomic64_try_cmpxchg(&slot->value[MAPPED_BYTES], &now, max(now - (s64)bytes, 0LL)))
		;
}

/*
 * The kernel keeps the provider in a structure around the page map that is
 * private to p2pdma.c, and its order changed within stable series.  Each place
 * where it was is tried, and believed only if what stands there is a PCI device
 * that has the page in one of its BARs.
 */
static bool has_memory(struct pci_dev *candidate, phys_addr_t address)
{
	struct resource bar;
	void *bus;
	int i;

	if (copy_from_kernel_nofault(&bus, &candidate->dev.bus, sizeof(bus)) ||
	    bus != &pci_bus_type)
		return false;
	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		if (!copy_from_kernel_nofault(&bar, &candidate->resource[i], sizeof(bar)) &&
		    bar.flags & IORESOURCE_MEM && bar.start <= address && address <= bar.end)
			return true;
	return false;
}

static void *read_pointer(const void *from)
{
	void *pointer;

	return copy_from_kernel_nofault(&pointer, from, sizeof(pointer)) ? NULL : pointer;
}

static struct pci_dev *candidate_at(const void *place)
{
	void *pointer = read_pointer(place);

#if COMPAT_PROVIDER_STRUCT
	/* struct p2pdma_provider begins with the owning struct device. */
	pointer = pointer ? read_pointer(pointer) : NULL;
	return pointer ? to_pci_dev((struct device *)pointer) : NULL;
#else
	return pointer;
#endif
}

struct pci_dev *provider_of_page(struct page *page)
{
	struct dev_pagemap *map = compat_pgmap(page);
	phys_addr_t address = page_to_phys(page);
	const void *const places[] = {
		(const char *)map - 2 * sizeof(u64), /* provider, bus_offset, pgmap */
		map + 1, /* pgmap, provider (or a pointer to it) */
	};
	struct pci_dev *candidate;
	int i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		candidate = candidate_at(places[i]);
		if (candidate && has_memory(candidate, address))
			return candidate;
	}
	counter_add(ERROR_COUNT, 1);
	pr_warn_once("cannot tell whose memory %pa is: this kernel keeps the provider elsewhere; "
		     "such mappings are left out and counted in error_count\n",
		     &address);
	return NULL;
}

int provider_distance(struct pci_dev *provider, struct device *client)
{
	struct pci_dev *a, *b;
	int up = 0, down = 0;

	if (!dev_is_pci(client))
		return -1;
	for (a = provider; a; a = pci_upstream_bridge(a), up++) {
		down = 0;
		for (b = to_pci_dev(client); b; b = pci_upstream_bridge(b), down++)
			if (a == b)
				return up + down;
	}
	return up + down;
}

/*
 * A pair's last type, in one word each: slots are taken by compare-and-exchange
 * and never given back; `key` is the two devices' addresses on the bus.
 */
#define PAIR_BITS 10
#define PAIR_PROBES 16

static struct {
	atomic64_t key;
	atomic_t type;
} pairs[1 << PAIR_BITS];

static u32 bus_address(struct pci_dev *device)
{
	return pci_domain_nr(device->bus) << 16 | pci_dev_id(device);
}

int provider_new_type(struct pci_dev *provider, struct pci_dev *client, int type)
{
	u64 key = (u64)bus_address(provider) << 32 | bus_address(client);
	u32 start = hash_64(key + 1, PAIR_BITS);
	unsigned int i, n;
	s64 found;

	key++; /* zero is an empty slot */
	for (n = 0; n < PAIR_PROBES; n++) {
		i = (start + n) & (ARRAY_SIZE(pairs) - 1);
		found = atomic64_cmpxchg(&pairs[i].key, 0, key);
		if (!found || found == key)
			return atomic_xchg(&pairs[i].type, type);
	}
	return PCI_P2PDMA_MAP_UNKNOWN;
}
