/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * topology: the PCI devices of a system, how they hang together, and what else of the
 * system the P2PDMA rule and its explanations look at.
 *
 * Read from sysfs and proc below a root (sysroot.h): the running system or a captured
 * tree.  Parents are taken from where the links in sys/bus/pci/devices lead, so what a
 * tree holds below sys/devices need not be complete.  "Not known" is a value of its own
 * everywhere: no root, files missing, a device that does not answer.
 *
 * Source: src/pci/topology.c (the tree), src/pci/device.c (details and finding devices)
 */
#ifndef P2PTRACE_TOPOLOGY_H
#define P2PTRACE_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/config_space.h"
#include "p2ptrace/error.h"
#include "p2ptrace/sysroot.h"

enum answer { ANSWER_NO = 0, ANSWER_YES, ANSWER_UNKNOWN };

/* "10000:e0:06.0": domains have up to 32 bits (VMD). */
#define PCI_NAME_BYTES 24
#define PCI_ID_UNKNOWN (-1)
#define PCI_CLASS_UNKNOWN UINT32_MAX
/* More bridges than this one above the other: not believed. */
#define PCI_DEPTH_MAX 256

/* A root bus, "pci0000:00". */
struct host_bridge {
	char name[PCI_NAME_BYTES];
	/* The first device on the root bus, by which the kernel's list knows the bridge. */
	const struct pci_device *first;
};

struct pci_link {
	double speed, speed_max; /* GT/s; 0: not known */
	uint32_t width, width_max; /* lanes; 0: not known */
};

struct pci_address {
	uint32_t domain;
	uint8_t bus, slot, function;
};

struct pci_device {
	char name[PCI_NAME_BYTES]; /* as sysfs names it */
	struct pci_address address;
	int32_t vendor, device; /* PCI_ID_UNKNOWN */
	uint32_t class; /* 24 bits, PCI_CLASS_UNKNOWN */
	struct pci_device *above; /* the bridge; NULL on a root bus */
	struct pci_device *physfn; /* of a virtual function, NULL else */
	struct host_bridge *host; /* NULL: where it hangs could not be told */
	struct config_facts config;
	bool has_pool; /* p2pmem/ exists */
	uint32_t below; /* devices directly below this bridge */
	/* Filled by topology_details(): */
	bool detailed;
	int64_t numa; /* -1: none, or not known */
	char driver[64]; /* "" : none */
	char kernel_names[128]; /* "nvme0", "card0 renderD128": "" when it has none */
	char iommu_group[32], iommu_type[32]; /* "" : none */
	uint64_t pool_size, pool_available; /* NOT_KNOWN (table.h) */
	enum answer pool_published;
	uint64_t prefetchable; /* bytes of its largest prefetchable BAR; NOT_KNOWN: not read yet */
	struct pci_link link;
};

struct topology {
	struct sysroot root;
	struct pci_device *devices; /* by domain, bus, slot, function */
	size_t count;
	struct host_bridge *hosts;
	size_t host_count;
	/* The upstream ports of switches, and the ports of switches with nothing below. */
	const struct pci_device **switches, **free_ports;
	size_t switch_count, free_port_count;
	/* AMD of family 0x17 or newer: every pair may go through its root complex. */
	enum answer zen;
	char cpu[64]; /* "GenuineIntel family 6", "" when not known */
	char kernel[128]; /* release, "" when not known */
	char *cmdline; /* the kernel's, NULL when not known */
	enum answer iommu; /* one is in use */
};

/* `dir`: as for sysroot_open(), whose text must outlive the topology.  Nothing is
 * kept on failure. */
int topology_load(struct topology *topology, const char *dir, struct p2p_error *err);
/* The same from a tree in memory, which must outlive it, as `name` for errors must. */
int topology_of_tree(struct topology *topology, const struct tree *tree, const char *name,
		     struct p2p_error *err);
void topology_free(struct topology *topology);

/* "0000:03:00.0" or "03:00.0" and nothing behind it: whether it is an address. */
bool pci_address_parse(const char *text, struct pci_address *address);

/* The device at an address; NULL if there is none. */
struct pci_device *topology_at(const struct topology *topology, const struct pci_address *address);

/*
 * The device meant by a name: an address, or a driver's, block, net, DRM, RDMA or accelerator
 * device (nvme0, nvme0n1p1, eth0, card0, mlx5_0; with /dev/ or not).  NULL with `err`.
 */
struct pci_device *topology_find(const struct topology *topology, const char *name,
				 struct p2p_error *err);

/* The bridge above as the kernel's rule goes up: a virtual function stands where its
 * physical function does.  NULL on a root bus. */
const struct pci_device *topology_upstream(const struct pci_device *device);

/* Reads what only is shown. */
void topology_details(const struct topology *topology, struct pci_device *device);

/* "nvme", "gpu", "nic", "accelerator", "bridge", "other". */
const char *pci_role(const struct pci_device *device);
/* Whether people ask about it: of such a role, or with memory to offer. */
bool pci_matters(const struct topology *topology, struct pci_device *device);
/* Whether it has a pool, or memory a driver may offer to peers (of a known role, or
 * a large prefetchable BAR). */
bool pci_may_provide(const struct topology *topology, struct pci_device *device);
bool pci_is_bridge(const struct pci_device *device);

/* Whether the link runs below what the device can do. */
bool pci_link_is_below(const struct pci_link *link);

#endif
