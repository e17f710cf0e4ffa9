/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events: the five functions that stand in for the kernel's P2PDMA events.
 *
 * Each does nothing.  Calling one is the event: a uprobe on it decodes the
 * arguments to the canonical fields.  The arguments stand in registers as the
 * C calling convention has them, and what does not fit in six registers in
 * struct rig_detail.  Called without a probe they cost a few ns.
 *
 * Source: tests/rig/events.c (the functions), tests/rig/define.c (the probes)
 */
#ifndef P2PRIG_EVENTS_H
#define P2PRIG_EVENTS_H

#include <stdint.h>

enum rig_event { RIG_ALLOC, RIG_FREE, RIG_MAP, RIG_UNMAP, RIG_TYPE_CHANGE, RIG_EVENTS };

enum rig_type {
	RIG_UNKNOWN,
	RIG_NOT_SUPPORTED,
	RIG_BUS_ADDR,
	RIG_THRU_HOST_BRIDGE,
	RIG_TYPES,
};

extern const char *const rig_type_names[RIG_TYPES];

/* What the probes read through the pointer that is the last argument. */
struct rig_detail {
	uint32_t type; /* the number, in the numbering asked for */
	uint32_t old; /* type_change: the number before */
	int32_t dist; /* -1: not known */
	uint32_t dir; /* enum dma_data_direction: 0 both, 1 to, 2 from the device */
	uint32_t pid; /* the process that works, for probes that carry a pid */
	char type_name[20]; /* the same types by name */
	char old_name[20];
};

void p2p_dma_alloc(const char *provider, uint64_t addr, uint64_t size,
		   const struct rig_detail *detail);
void p2p_dma_free(const char *provider, uint64_t addr, uint64_t size,
		  const struct rig_detail *detail);
void p2p_dma_map(const char *client, const char *provider, uint64_t dma_addr, uint64_t phys_addr,
		 uint64_t size, const struct rig_detail *detail);
void p2p_dma_unmap(const char *client, const char *provider, uint64_t dma_addr, uint64_t size,
		   const struct rig_detail *detail);
void p2p_map_type_change(const char *client, const char *provider, const struct rig_detail *detail);

#endif
