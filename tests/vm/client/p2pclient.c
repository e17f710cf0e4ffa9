// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p2pclient: a driver's view of P2PDMA, for the VM lab.
 *
 * What user space cannot ask for: the scatterlist helpers of the pool, lists that
 * mix peer memory with RAM, lists with a segment that is refused after one that
 * was mapped; and on Linux 6.1, without p2pmem/allocate, any mapping at all.  All
 * of it is done when the module is loaded; the read-only parameters tell how much.
 * layers=1 only makes /sys/kernel/debug/pci-p2pdma, as a kernel that has it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/pci-p2pdma.h>
#include <linux/pci.h>
#include <linux/slab.h>

static char *provider, *client, *refusing;
module_param(provider, charp, 0444);
MODULE_PARM_DESC(provider, "whose memory");
module_param(client, charp, 0444);
MODULE_PARM_DESC(client, "who maps it");
module_param(refusing, charp, 0444);
MODULE_PARM_DESC(refusing, "a provider the client cannot reach, for a list that fails midway");

static unsigned int lists = 1, segments = 4;
module_param(lists, uint, 0444);
MODULE_PARM_DESC(lists, "how many lists are mapped and unmapped");
module_param(segments, uint, 0444);
MODULE_PARM_DESC(segments, "peer segments of a list; a page of RAM stands before each");

static bool ram_alone;
module_param(ram_alone, bool, 0444);
MODULE_PARM_DESC(ram_alone, "lists of RAM alone");

static bool layers;
module_param(layers, bool, 0444);

/* What was done. */
static unsigned long mapped, refused, allocs, alloc_bytes, map_ns;
module_param(mapped, ulong, 0444);
module_param(refused, ulong, 0444);
module_param(allocs, ulong, 0444);
module_param(alloc_bytes, ulong, 0444);
module_param(map_ns, ulong, 0444); /* for all maps and unmaps of lists */

static struct dentry *folder;

static struct pci_dev *find(const char *name)
{
	struct device *device = name ? bus_find_device_by_name(&pci_bus_type, NULL, name) : NULL;

	return device ? to_pci_dev(device) : NULL;
}

static void *take(struct pci_dev *from, size_t size)
{
	void *memory = pci_alloc_p2pmem(from, size);

	if (memory) {
		allocs++;
		alloc_bytes += size;
	}
	return memory;
}

/* The pool's own scatterlist helpers. */
static int use_lists_of_pool(struct pci_dev *from)
{
	struct scatterlist *list;
	unsigned int count, i;

	for (i = 0; i < 8; i++) {
		list = pci_p2pmem_alloc_sgl(from, &count, 3 * PAGE_SIZE);
		if (!list)
			return -ENOMEM;
		allocs++;
		alloc_bytes += 3 * PAGE_SIZE;
		pci_p2pmem_free_sgl(from, list);
	}
	return 0;
}

/* RAM and peer memory by turns; the peer segments lie two pages apart. */
static int map_mixed(struct pci_dev *from, struct pci_dev *to)
{
	size_t size = 2 * PAGE_SIZE * segments;
	void *peer = take(from, size), *ram = (void *)__get_free_page(GFP_KERNEL);
	struct scatterlist *segment;
	struct sg_table table;
	unsigned int i, l;
	int ret = -ENOMEM;

	if (!peer || !ram || sg_alloc_table(&table, 2 * segments, GFP_KERNEL))
		goto out;
	for_each_sg(table.sgl, segment, 2 * segments, i)
	{
		if (i % 2 && !ram_alone)
			sg_set_buf(segment, peer + (i - 1) * PAGE_SIZE, PAGE_SIZE);
		else
			sg_set_buf(segment, ram, PAGE_SIZE);
	}
	map_ns = ktime_get_ns();
	for (l = 0; l < lists; l++) {
		ret = dma_map_sgtable(&to->dev, &table, DMA_TO_DEVICE, 0);
		if (ret == -EREMOTEIO) {
			refused += segments;
			ret = 0;
			continue;
		}
		if (ret)
			break;
		mapped += segments;
		dma_unmap_sgtable(&to->dev, &table, DMA_TO_DEVICE, 0);
	}
	map_ns = ktime_get_ns() - map_ns;
	sg_free_table(&table);
out:
	if (peer)
		pci_free_p2pmem(from, peer, size);
	free_page((unsigned long)ram);
	return ret;
}

/* A segment that can be mapped, then one that is refused: the kernel undoes the first. */
static int map_midway(struct pci_dev *good, struct pci_dev *bad, struct pci_dev *to)
{
	void *first = take(good, PAGE_SIZE), *second = take(bad, PAGE_SIZE);
	struct sg_table table;
	int ret = -ENOMEM;

	if (!first || !second || sg_alloc_table(&table, 2, GFP_KERNEL))
		goto out;
	sg_set_buf(table.sgl, first, PAGE_SIZE);
	sg_set_buf(sg_next(table.sgl), second, PAGE_SIZE);
	ret = dma_map_sgtable(&to->dev, &table, DMA_FROM_DEVICE, 0);
	if (ret == -EREMOTEIO) {
		refused += 2;
		ret = 0;
	} else if (!ret) {
		dma_unmap_sgtable(&to->dev, &table, DMA_FROM_DEVICE, 0);
		ret = -EINVAL;
	}
	sg_free_table(&table);
out:
	if (first)
		pci_free_p2pmem(good, first, PAGE_SIZE);
	if (second)
		pci_free_p2pmem(bad, second, PAGE_SIZE);
	return ret;
}

static int __init p2pclient_init(void)
{
	struct pci_dev *from = find(provider), *to = find(client), *bad = find(refusing);
	int ret = from && to ? 0 : -ENODEV;

	if (layers) {
		folder = debugfs_create_dir("pci-p2pdma", NULL);
		return 0;
	}
	ret = ret ?: use_lists_of_pool(from);
	ret = ret ?: map_mixed(from, to);
	if (bad)
		ret = ret ?: map_midway(from, bad, to);
	pci_dev_put(from);
	pci_dev_put(to);
	pci_dev_put(bad);
	if (ret)
		pr_err("%s -> %s: error %d\n", client, provider, ret);
	return ret;
}

static void __exit p2pclient_exit(void)
{
	debugfs_remove(folder);
}

module_init(p2pclient_init);
module_exit(p2pclient_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Peer-to-peer DMA by a driver, for tests");
