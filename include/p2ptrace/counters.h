/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * counters: what the kernel counts by itself, read at one moment, and what
 * happened between two.
 *
 * Three layers, each there or not: the global counters of debugfs
 * (sys/kernel/debug/pci-p2pdma/, whatever files it holds), the pools of the
 * devices that offer peer memory (p2pmem/{size,available,published}) and their
 * statistics (p2pmem/stats/, whatever files it holds).
 *
 * The files are read one after the other, not at one instant.
 * Source: src/pci/counters.c
 */
#ifndef P2PTRACE_COUNTERS_H
#define P2PTRACE_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/sysroot.h"

struct counter {
	char *name; /* the file's */
	uint64_t value;
	bool known; /* false: the file could not be read or holds no number */
};

struct counter_list {
	struct counter *rows; /* by name */
	size_t count;
};

struct provider_counters {
	char *device; /* "0000:03:00.0" */
	struct counter_list pool; /* size_bytes, available_bytes, published (0 or 1) */
	struct counter_list stats;
	bool has_stats; /* the directory is there */
};

struct counters {
	uint64_t wall_ns; /* when: since 1970, and CLOCK_MONOTONIC */
	uint64_t mono_ns;
	struct counter_list global;
	struct provider_counters *providers; /* by device */
	size_t provider_count;
	int global_error; /* errno why debugfs' directory cannot be listed, 0 */
	int devices_error; /* the same for sys/bus/pci/devices */
};

/* Reads all there is.  Fails for want of memory only: what is missing is left out. */
int counters_read(const struct sysroot *root, struct counters *counters, struct p2p_error *err);
void counters_free(struct counters *counters);

/* NULL when there is none of this name. */
const struct counter *counter_find(const struct counter_list *list, const char *name);
const struct provider_counters *provider_find(const struct counters *counters, const char *device);

/* Whether it goes up and down (mapped_bytes); all others only count up. */
bool counter_is_gauge(const char *name);

enum counter_change {
	CHANGE_NOT_KNOWN, /* a gauge, or one of the two values is not known */
	CHANGE_COUNTED,
	CHANGE_RESET, /* it began anew in between: *delta is what was counted since */
};

/* How much a counter went up from `before` (NULL: was not there) to `now`.  Right
 * across the wrap of 64 bits; never negative. */
enum counter_change counter_delta(const struct counter *before, const struct counter *now,
				  uint64_t *delta);

/* BUS_ADDR mappings / all mappings, 0 to 1, of absolute numbers or, with `before`, of
 * what came since; NaN when there were none or it is not known. */
double counters_bus_addr_ratio(const struct counters *before, const struct counters *now);

/* ---- what is not there ---- */

struct missing_layer {
	const char *layer; /* "debugfs", "p2pmem", "stats" */
	char why[256];
	const char *remedy;
};

enum { MISSING_LAYERS_MAX = 3 };

/* Fills `missing`; returns how many.  `without`: the kernel is known to be built
 * without CONFIG_PCI_P2PDMA (kconfig.h). */
size_t counters_missing(const struct sysroot *root, const struct counters *counters, bool without,
			struct missing_layer missing[MISSING_LAYERS_MAX]);

#endif
