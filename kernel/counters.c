// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/module.h>

#include "counters.h"
#include "hooks.h"

DEFINE_PER_CPU(struct counter_values, counter_values);

static const char *const names[COUNTERS] = {
	[TOTAL_MAPPINGS] = "total_mappings",
	[BUS_ADDR_MAPPINGS] = "bus_addr_mappings",
	[HOST_BRIDGE_MAPPINGS] = "host_bridge_mappings",
	[NOT_SUPPORTED_MAPPINGS] = "not_supported_mappings",
	[TOTAL_UNMAPPINGS] = "total_unmappings",
	[TOTAL_ALLOCATIONS] = "total_allocations",
	[TOTAL_FREES] = "total_frees",
	[ALLOCATED_BYTES] = "allocated_bytes",
	[FREED_BYTES] = "freed_bytes",
	[MAP_TYPE_CALCULATIONS] = "map_type_calculations",
	[ERROR_COUNT] = "error_count",
};

static struct dentry *counter_folder, *own_folder;

static int counter_get(void *data, u64 *sum)
{
	int cpu;

	*sum = 0;
	for_each_possible_cpu(cpu) *sum +=
		READ_ONCE(per_cpu(counter_values, cpu).value[(uintptr_t)data]);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(counter_fops, counter_get, NULL, "%llu\n");

DEFINE_SHOW_ATTRIBUTE(hooks);

int counters_show(void)
{
	uintptr_t i;

	counter_folder = debugfs_create_dir("pci-p2pdma", NULL);
	if (IS_ERR(counter_folder) && PTR_ERR(counter_folder) != -ENODEV)
		return PTR_ERR(counter_folder);
	for (i = 0; i < COUNTERS; i++)
		debugfs_create_file_unsafe(names[i], 0444, counter_folder, (void *)i,
					   &counter_fops);
	own_folder = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("hooks", 0444, own_folder, NULL, &hooks_fops);
	return 0;
}

void counters_hide(void)
{
	debugfs_remove(counter_folder);
	debugfs_remove(own_folder);
}
