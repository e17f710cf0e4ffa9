// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/mm.h>

#include "compat.h"
#include "counters.h"
#include "follow.h"
#include "inside.h"
#include "provider.h"
#include "stats.h"

#define CREATE_TRACE_POINTS
#include "events.h"

/* Memory: pools and pages. */

static void allocated(struct pci_dev *device, void *address, u64 size)
{
	struct provider *slot = provider_slot(device);

	counter_add(TOTAL_ALLOCATIONS, 1);
	counter_add(ALLOCATED_BYTES, size);
	if (slot)
		atomic64_inc(&slot->value[ALLOC_COUNT]);
	if (trace_p2p_dma_alloc_enabled())
		trace_p2p_dma_alloc(device, (u64)address, size,
				    pci_p2pmem_virt_to_bus(device, address));
}

static void not_allocated(struct pci_dev *device, u64 size)
{
	counter_add(ERROR_COUNT, 1);
	trace_p2p_dma_alloc(device, 0, size, 0);
}

static void freed(struct pci_dev *device, void *address, u64 size)
{
	struct provider *slot = provider_slot(device);

	counter_add(TOTAL_FREES, 1);
	counter_add(FREED_BYTES, size);
	if (slot)
		atomic64_inc(&slot->value[FREE_COUNT]);
	if (trace_p2p_dma_free_enabled())
		trace_p2p_dma_free(device, (u64)address, size,
				   pci_p2pmem_virt_to_bus(device, address));
}

static bool always(const struct hook_call *call)
{
	return true;
}

/* void *pci_alloc_p2pmem(struct pci_dev *pdev, size_t size) */
static void leave_alloc(const struct hook_call *call, unsigned long result)
{
	struct pci_dev *device = (void *)call->argument[0];

	if (inside())
		return;
	if (result)
		allocated(device, (void *)result, call->argument[1]);
	else
		not_allocated(device, call->argument[1]);
}

/* void pci_free_p2pmem(struct pci_dev *pdev, void *addr, size_t size) */
static bool enter_free(const struct hook_call *call)
{
	if (!inside())
		freed((void *)call->argument[0], (void *)call->argument[1], call->argument[2]);
	return false;
}

static bool enter_inside(const struct hook_call *call)
{
	return inside_enter();
}

/* struct scatterlist *pci_p2pmem_alloc_sgl(struct pci_dev *pdev, unsigned int *nents, u32 length) */
static void leave_alloc_list(const struct hook_call *call, unsigned long result)
{
	struct pci_dev *device = (void *)call->argument[0];
	struct scatterlist *list = (void *)result;

	inside_leave();
	if (list)
		allocated(device, sg_virt(list), list->length);
	else
		not_allocated(device, (u32)call->argument[2]);
}

/* void pci_p2pmem_free_sgl(struct pci_dev *pdev, struct scatterlist *sgl) */
static bool enter_free_list(const struct hook_call *call)
{
	struct scatterlist *segment;

	if (!inside_enter())
		return false; /* the inner calls tell, where there are any */
	for (segment = (void *)call->argument[1]; segment; segment = sg_next(segment))
		freed((void *)call->argument[0], sg_virt(segment), segment->length);
	return true;
}

static void leave_free_list(const struct hook_call *call, unsigned long unused)
{
	inside_leave();
}

#if COMPAT_USER_ALLOC
/*
 * Where the pages of a new user mapping are in the kernel: asked of the page
 * tables, which the kernel just filled, for nothing else tells.  Never sleeps.
 */
static void *kernel_address(unsigned long user_address)
{
	struct page *page;
	void *address = NULL;

	if (get_user_pages_fast_only(user_address, 1, FOLL_PCI_P2PDMA, &page) != 1)
		return NULL;
	if (is_pci_p2pdma_page(page))
		address = page_to_virt(page);
	put_page(page);
	return address;
}

static void lost_address(struct pci_dev *device)
{
	counter_add(ERROR_COUNT, 1);
	dev_warn_once(&device->dev, "an allocation of user space has no address; it is left out\n");
}

/* int p2pmem_alloc_mmap(struct file *, struct kobject *kobj, struct bin_attribute *,
 *			 struct vm_area_struct *vma) */
static void leave_mmap(const struct hook_call *call, unsigned long result)
{
	struct pci_dev *device = to_pci_dev(kobj_to_dev((struct kobject *)call->argument[1]));
	struct vm_area_struct *vma = (void *)call->argument[3];
	u64 size = vma->vm_end - vma->vm_start;
	void *address = (int)result ? NULL : kernel_address(vma->vm_start);

	if (address)
		allocated(device, address, size);
	else if ((int)result)
		not_allocated(device, size);
	else
		lost_address(device);
}

/* void p2pdma_page_free(struct page *page): a page that user space let go */
static bool enter_page_free(const struct hook_call *call)
{
	struct page *page = (void *)call->argument[0];
	struct pci_dev *device = provider_of_page(page);

	if (device)
		freed(device, page_to_virt(page), PAGE_SIZE);
	return false;
}
#endif

/* int pci_p2pdma_add_resource(struct pci_dev *pdev, int bar, size_t size, u64 offset) */
static void leave_add_resource(const struct hook_call *call, unsigned long result)
{
	if (!(int)result && provider_slot((void *)call->argument[0]))
		stats_wanted();
}

/* Mappings: a list's peer-memory segments, one event each. */

/* The pages of a list and the DMA ranges it got are two lists in one: an IOMMU
 * merges neighbours, so that ranges are fewer.  Their lengths add up alike. */
struct segment_walk {
	struct scatterlist *range;
	u64 into_range;
};

static void walk_over(struct segment_walk *walk, u64 length)
{
	walk->into_range += length;
	while (walk->range && sg_dma_len(walk->range) &&
	       walk->into_range >= sg_dma_len(walk->range)) {
		walk->into_range -= sg_dma_len(walk->range);
		walk->range = sg_next(walk->range);
	}
}

static bool is_peer(struct scatterlist *segment)
{
	return is_pci_p2pdma_page(sg_page(segment));
}

static bool has_peer(struct scatterlist *list, int count)
{
	struct scatterlist *segment;
	int i;

	if (!provider_any())
		return false;
	for_each_sg(list, segment, count, i) if (is_peer(segment)) return true;
	return false;
}

static int type_of(const struct segment_walk *walk)
{
	return compat_is_bus_address(walk->range) ? PCI_P2PDMA_MAP_BUS_ADDR
						  : PCI_P2PDMA_MAP_THRU_HOST_BRIDGE;
}

static u64 address_of(const struct segment_walk *walk)
{
	return sg_dma_address(walk->range) + walk->into_range;
}

static void mapped(struct device *client, struct pci_dev *provider, struct scatterlist *segment,
		   const struct segment_walk *walk, int dir)
{
	int type = type_of(walk);

	counter_add(TOTAL_MAPPINGS, 1);
	counter_add(type == PCI_P2PDMA_MAP_BUS_ADDR ? BUS_ADDR_MAPPINGS : HOST_BRIDGE_MAPPINGS, 1);
	provider_count_map(provider, segment->length);
	if (trace_p2p_dma_map_enabled())
		trace_p2p_dma_map(client, provider, type, provider_distance(provider, client),
				  address_of(walk), sg_phys(segment), segment->length, dir);
}

static void refused(struct device *client, struct pci_dev *provider, struct scatterlist *segment,
		    int error, int dir)
{
	/* The other errors (no IOVA space, say) befall pairs that are allowed. */
	int type = error == -EREMOTEIO ? PCI_P2PDMA_MAP_NOT_SUPPORTED : PCI_P2PDMA_MAP_UNKNOWN;

	counter_add(error == -EREMOTEIO ? NOT_SUPPORTED_MAPPINGS : ERROR_COUNT, 1);
	if (trace_p2p_dma_map_enabled())
		trace_p2p_dma_map(client, provider, type, provider_distance(provider, client),
				  DMA_MAPPING_ERROR, sg_phys(segment), segment->length, dir);
}

/* int dma_direct_map_sg(struct device *, struct scatterlist *, int nents,
 *			 enum dma_data_direction, unsigned long attrs)
 * int iommu_dma_map_sg(the same) */
static bool enter_map(const struct hook_call *call)
{
	return has_peer((void *)call->argument[1], call->argument[2]);
}

static void leave_map(const struct hook_call *call, unsigned long result)
{
	struct device *client = (void *)call->argument[0];
	struct scatterlist *list = (void *)call->argument[1], *segment;
	struct segment_walk walk = { .range = list };
	int i, count = call->argument[2], dir = call->argument[3], ents = (int)result;
	struct pci_dev *provider;

	for_each_sg(list, segment, count, i)
	{
		provider = is_peer(segment) ? provider_of_page(sg_page(segment)) : NULL;
		if (provider && ents <= 0)
			refused(client, provider, segment, ents, dir);
		else if (provider && walk.range)
			mapped(client, provider, segment, &walk, dir);
		walk_over(&walk, segment->length);
	}
}

/* void dma_unmap_sg_attrs(struct device *, struct scatterlist *, int nents,
 *			   enum dma_data_direction, unsigned long attrs)
 * The API's own function: dma_direct_unmap_sg also undoes a map that failed. */
static bool enter_unmap(const struct hook_call *call)
{
	struct device *client = (void *)call->argument[0];
	struct scatterlist *list = (void *)call->argument[1], *segment;
	struct segment_walk walk = { .range = list };
	int i, count = call->argument[2], dir = call->argument[3];
	struct pci_dev *provider;

	if (!has_peer(list, count))
		return false;
	for_each_sg(list, segment, count, i)
	{
		provider = is_peer(segment) ? provider_of_page(sg_page(segment)) : NULL;
		if (provider && walk.range) {
			counter_add(TOTAL_UNMAPPINGS, 1);
			provider_count_unmap(provider, segment->length);
			if (trace_p2p_dma_unmap_enabled())
				trace_p2p_dma_unmap(client, provider, type_of(&walk),
						    address_of(&walk), segment->length, dir);
		}
		walk_over(&walk, segment->length);
	}
	return false;
}

/* enum pci_p2pdma_map_type calc_map_type_and_dist(struct pci_dev *provider,
 *			struct pci_dev *client, int *dist, bool verbose) */
static void leave_calculate(const struct hook_call *call, unsigned long result)
{
	struct pci_dev *provider = (void *)call->argument[0], *client = (void *)call->argument[1];
	const int *distance = (void *)call->argument[2];
	int old = provider_new_type(provider, client, (int)result);

	counter_add(MAP_TYPE_CALCULATIONS, 1);
	if (trace_p2p_map_type_change_enabled())
		trace_p2p_map_type_change(client, provider, (int)result, old, *distance);
}

struct hook follow_hooks[] = {
	{ .symbol = "pci_p2pdma_add_resource", .enter = always, .leave = leave_add_resource },
	{ .symbol = "pci_alloc_p2pmem", .enter = always, .leave = leave_alloc },
	{ .symbol = "pci_free_p2pmem", .enter = enter_free },
	{ .symbol = "pci_p2pmem_alloc_sgl", .enter = enter_inside, .leave = leave_alloc_list },
	{ .symbol = "pci_p2pmem_free_sgl", .enter = enter_free_list, .leave = leave_free_list },
#if COMPAT_USER_ALLOC
	{ .symbol = "p2pmem_alloc_mmap", .enter = always, .leave = leave_mmap },
	{ .symbol = COMPAT_PAGE_FREE, .enter = enter_page_free },
#endif
	{ .symbol = COMPAT_CALCULATE, .enter = always, .leave = leave_calculate },
	{ .symbol = "dma_direct_map_sg", .enter = enter_map, .leave = leave_map },
#if IS_ENABLED(CONFIG_IOMMU_DMA)
	{ .symbol = "iommu_dma_map_sg", .enter = enter_map, .leave = leave_map },
#endif
	{ .symbol = "dma_unmap_sg_attrs", .enter = enter_unmap },
};
const int follow_hook_count = ARRAY_SIZE(follow_hooks);
