/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats: /sys/bus/pci/devices/.../p2pmem/stats/ for every provider.
 *
 * The folder p2pmem belongs to the kernel and goes when the provider's driver
 * is unbound, taking ours with it; it is made again when memory is registered
 * again, with the numbers going on.  Source: stats.c
 */
#ifndef P2PTRACE_STATS_H
#define P2PTRACE_STATS_H

/* Keeps watch; the first folders are made after stats_wanted(). */
int stats_start(void);

/* Removes every folder. */
void stats_stop(void);

/* There may be a provider without a folder: it is made soon.  Any context. */
void stats_wanted(void);

#endif
