/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * capture: of a system's sys/ and proc/ what topo, explain and stat look at, copied into
 * a tree (tree.h), for a recording to carry.
 *
 * The PCI devices with ids, class, driver, NUMA node, IOMMU group, link, BARs and pool;
 * of their configuration space the registers that the kernel's rule asks for, read as
 * topology.h reads them; the names of their NVMe, block, network, RDMA, DRM and
 * accelerator devices; IOMMUs, CPUs and NUMA nodes by number, the kind of the first
 * CPU, the kernel's release and command line; the counters of P2PDMA.  No addresses of
 * network cards, no serial numbers, nothing of any process.
 *
 * What is missing is left out; what may not be read is noted as such.
 *
 * Source: src/pci/capture.c
 */
#ifndef P2PTRACE_CAPTURE_H
#define P2PTRACE_CAPTURE_H

#include "p2ptrace/sysroot.h"
#include "p2ptrace/tree.h"

/* NULL without memory, or when there is more than a tree holds. */
struct tree *capture_system(const struct sysroot *root, struct p2p_error *err);

/* The counters alone (counters.h), as they are now. */
struct tree *capture_counters(const struct sysroot *root, struct p2p_error *err);

#endif
