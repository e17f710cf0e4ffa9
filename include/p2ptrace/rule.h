/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule: the kernel's decision how two PCI devices may talk, made again in user space.
 *
 * Follows calc_map_type_and_dist() of drivers/pci/p2pdma.c: the walk up from the
 * provider until a bridge stands above the client too, ACS redirect on the way, and
 * where there is no such way the CPU and the list of host bridges.  What could not be
 * read makes the answer P2P_TYPE_UNKNOWN, unless it does not matter.
 *
 * Source: src/pci/rule.c
 */
#ifndef P2PTRACE_RULE_H
#define P2PTRACE_RULE_H

#include "p2ptrace/allow_list.h"
#include "p2ptrace/topology.h"

enum p2p_type {
	P2P_TYPE_UNKNOWN = 0,
	P2P_TYPE_NOT_SUPPORTED,
	P2P_TYPE_BUS_ADDR,
	P2P_TYPE_THRU_HOST_BRIDGE,
	P2P_TYPES,
};

/* As the kernel's events name them. */
extern const char *const p2p_type_names[P2P_TYPES];

struct rule {
	const struct topology *topology;
	const struct allow_list *list; /* NULL: the kernel's alone */
	uint32_t version; /* of the kernel whose answer is wanted, KERNEL_NOT_KNOWN */
};

/* What the list of host bridges says of one device's. */
struct host_answer {
	const struct host_bridge *host;
	enum allow_answer answer;
	const struct allow_entry *entry; /* NULL: none matches */
	const char *why; /* ALLOW_UNSURE, and ALLOW_NO for other reasons than the list; else NULL */
};

struct verdict {
	enum p2p_type type;
	int distance; /* -1: not known */
	const struct pci_device *common; /* the first bridge above both (or the device itself) */
	/* Of the devices that count, on both sides: */
	unsigned int redirects; /* ACS redirect is on */
	unsigned int unread; /* it could not be read */
	enum answer allowed; /* the way through the root complex; valid without `placeless` */
	bool placeless; /* it could not be told where one of the devices hangs */
};

void rule_decide(const struct rule *rule, const struct pci_device *provider,
		 const struct pci_device *client, struct verdict *verdict);

/* What the list says of both devices' host bridges; [0] is the provider's. */
void rule_hosts(const struct rule *rule, const struct pci_device *provider,
		const struct pci_device *client, struct host_answer hosts[2]);

enum answer pci_redirects(const struct pci_device *device);

/* A device on the way, from a device up to its root bus. */
struct hop {
	const struct pci_device *device;
	enum answer redirects;
	bool counts; /* its ACS decides: it is not above the common bridge */
};

/* The hops of one side into `hops`, the device itself first; how many.  The provider's
 * side counts the common bridge. */
size_t rule_walk(const struct pci_device *device, const struct verdict *verdict, bool provider_side,
		 struct hop hops[PCI_DEPTH_MAX]);

#endif
