/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compat: every difference between kernel versions, in one place.
 *
 * Built and run on 6.1 and 6.12.  The conditionals for other versions follow the
 * kernel's sources and have not been run.
 */
#ifndef P2PTRACE_COMPAT_H
#define P2PTRACE_COMPAT_H

#include <linux/dma-map-ops.h>
#include <linux/fprobe.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "p2ptrace_events needs Linux 6.1 or newer"
#endif
#if !IS_ENABLED(CONFIG_FPROBE)
#error "p2ptrace_events needs a kernel with CONFIG_FPROBE"
#endif

/*
 * fprobe handlers: 6.3 lets the entry handler skip the exit handler, 6.5 adds the
 * return address, 6.14 passes struct ftrace_regs.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
#define HOOK_REGS struct ftrace_regs
#define hook_argument(r, n) ftrace_regs_get_argument(r, n)
#define hook_return_value(r) ftrace_regs_get_return_value(r)
#else
#define HOOK_REGS struct pt_regs
#define hook_argument(r, n) regs_get_kernel_argument(r, n)
#define hook_return_value(r) regs_return_value(r)
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define HOOK_PROBE_ARGS(fp, regs, data) \
	struct fprobe *fp, unsigned long entry_ip, unsigned long ret_ip, HOOK_REGS *regs, void *data
#else
#define HOOK_PROBE_ARGS(fp, regs, data) \
	struct fprobe *fp, unsigned long entry_ip, HOOK_REGS *regs, void *data
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define HOOK_ENTRY_TYPE int
#define HOOK_ENTRY_RETURN(value) return (value)
#else
#define HOOK_ENTRY_TYPE void
#define HOOK_ENTRY_RETURN(value) return
#endif

/* 6.10: __assign_str() knows its source from __string(). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define p2p_assign_str(to, from) __assign_str(to)
#else
#define p2p_assign_str(to, from) __assign_str(to, from)
#endif

/* 6.4 renamed the test. */
static inline bool compat_is_bus_address(struct scatterlist *sg)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	return sg_dma_is_bus_address(sg);
#else
	return sg_is_dma_bus_address(sg);
#endif
}

/* 6.14 moved the page map to the folio. */
static inline struct dev_pagemap *compat_pgmap(struct page *page)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
	return page_pgmap(page);
#else
	return page->pgmap;
#endif
}

/* Whether a device has registered peer memory; the field exists with the support. */
static inline bool compat_has_peer_memory(struct pci_dev *device)
{
#if IS_ENABLED(CONFIG_PCI_P2PDMA)
	return rcu_access_pointer(device->p2pdma);
#else
	return false;
#endif
}

/* User space can allocate (p2pmem/allocate) since 6.2; 7.0 frees folios, not pages. */
#define COMPAT_USER_ALLOC (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0))
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#define COMPAT_PAGE_FREE "p2pdma_folio_free"
#else
#define COMPAT_PAGE_FREE "p2pdma_page_free"
#endif

/* The kernel's rule, a static function: a name that may change. */
#ifndef COMPAT_CALCULATE
#define COMPAT_CALCULATE "calc_map_type_and_dist"
#endif

/* 6.16: a type for pages that are no peer memory, and a block layer that maps
 * peer memory without dma_map_sg. */
#define COMPAT_HAS_MAP_NONE (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0))
#define COMPAT_BLOCK_BYPASSES_SG COMPAT_HAS_MAP_NONE

/* 6.19: the private page map points to a struct p2pdma_provider. */
#define COMPAT_PROVIDER_STRUCT (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0))

#endif
