/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * counters: the eleven global counters in /sys/kernel/debug/pci-p2pdma/.
 *
 * They only grow, from the module's load on.  Per CPU, so that counting costs
 * no shared cache line.  Source: counters.c
 */
#ifndef P2PTRACE_COUNTERS_H
#define P2PTRACE_COUNTERS_H

#include <linux/percpu.h>
#include <linux/types.h>

enum counter {
	TOTAL_MAPPINGS, /* segments mapped; refused ones not */
	BUS_ADDR_MAPPINGS, /* of those: peers reach each other directly */
	HOST_BRIDGE_MAPPINGS, /* of those: through the root complex */
	NOT_SUPPORTED_MAPPINGS, /* refused */
	TOTAL_UNMAPPINGS,
	TOTAL_ALLOCATIONS, /* that gave memory */
	TOTAL_FREES, /* memory of user space comes back page by page */
	ALLOCATED_BYTES,
	FREED_BYTES,
	MAP_TYPE_CALCULATIONS,
	ERROR_COUNT, /* failed allocations, and mappings that failed though allowed */
	COUNTERS
};

struct counter_values {
	u64 value[COUNTERS];
};
DECLARE_PER_CPU(struct counter_values, counter_values);

static inline void counter_add(enum counter counter, u64 n)
{
	this_cpu_add(counter_values.value[counter], n);
}

/* Makes and removes the debugfs files. */
int counters_show(void);
void counters_hide(void);

#endif
