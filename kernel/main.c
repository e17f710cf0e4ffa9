// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p2ptrace_events: tracepoints, counters and statistics of PCIe peer-to-peer DMA
 * on a kernel that has none of them.  README.md tells what they mean.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/tracepoint.h>

#include "compat.h"
#include "counters.h"
#include "hooks.h"
#include "stats.h"

static bool counters = true;
module_param(counters, bool, 0444);
MODULE_PARM_DESC(counters,
		 "count always (default); 0: nothing is hooked until an event is enabled");

static int missed_get(char *buf, const struct kernel_param *unused)
{
	return sysfs_emit(buf, "%lu\n", hooks_missed());
}
static const struct kernel_param_ops missed_ops = { .get = missed_get };
module_param_cb(missed_hits, &missed_ops, NULL, 0444);
MODULE_PARM_DESC(missed_hits, "calls that were not followed (read only)");

static void note_tracepoint(struct tracepoint *tracepoint, void *found)
{
	if (!strcmp(tracepoint->name, "p2p_dma_map"))
		*(bool *)found = true;
}

/* A kernel that observes P2PDMA itself must not be counted twice. */
static bool kernel_has_layers(void)
{
	struct dentry *folder = debugfs_lookup("pci-p2pdma", NULL);
	bool found = folder;

	dput(folder);
	for_each_kernel_tracepoint(note_tracepoint, &found);
	return found;
}

static int __init p2ptrace_init(void)
{
	int ret;

	if (!IS_ENABLED(CONFIG_PCI_P2PDMA)) {
		pr_err("this kernel was built without CONFIG_PCI_P2PDMA: it does no peer-to-peer "
		       "DMA, there is nothing to observe\n");
		return -EOPNOTSUPP;
	}
	if (kernel_has_layers()) {
		pr_err("this kernel has the p2p_dma_* events or /sys/kernel/debug/pci-p2pdma "
		       "already; the module is not needed\n");
		return -EEXIST;
	}
	if (COMPAT_BLOCK_BYPASSES_SG)
		pr_warn("since Linux 6.16 the block layer maps peer memory without dma_map_sg; its "
			"mappings are not seen\n");
	ret = stats_start();
	if (ret)
		return ret;
	ret = counters ? hooks_get() : 0;
	if (ret)
		goto stop;
	ret = counters_show();
	if (ret)
		goto unhook;
	stats_wanted(); /* after the hooks: a provider that comes meanwhile is seen by one of the two */
	return 0;
unhook:
	if (counters)
		hooks_put();
stop:
	stats_stop();
	return ret;
}

static void __exit p2ptrace_exit(void)
{
	counters_hide();
	if (counters)
		hooks_put();
	stats_stop();
}

module_init(p2ptrace_init);
module_exit(p2ptrace_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Trace events, counters and statistics of PCIe peer-to-peer DMA");
