// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "p2ptrace/recipes.h"

const char *const observation_names[OBSERVATIONS] = {
	[SEE_ALLOC] = "allocations by drivers",
	[SEE_FREE] = "frees by drivers",
	[SEE_FREE_LIST] = "frees of lists by drivers",
	[SEE_ALLOC_PROGRAM] = "allocations by programs",
	[SEE_ALLOC_REFUSED] = "refused allocations of programs",
	[SEE_FREE_PROGRAM] = "frees by programs",
	[SEE_CALCULATION] = "type calculations",
	[SEE_MAP] = "maps",
	[SEE_UNMAP] = "unmaps",
	[SEE_UNMAP_IOMMU] = "unmaps behind an IOMMU",
};

/* A device's name among others: what is read at a page of RAM is no such text. */
#define IS_DEVICE(field) field " ~ \"*:??:??.?\""
#define IS_PEER "(" IS_DEVICE("provider") " || " IS_DEVICE("provider_end") ")"

/* The page of a list's segment, its provider in the two forms that the link's end mark
 * makes, and how much of it. */
#define SEGMENT(list)                                                   \
	"provider=PAGE({scatterlist.page_link#}(" list "))",            \
		"provider_end=END({scatterlist.page_link#}(" list "))", \
		"page={scatterlist.page_link#}(" list "):x64",          \
		"offset={scatterlist.offset#}(" list "):u32",           \
		"size={scatterlist.length#}(" list "):u32", "base=BASE"

#define UNMAP_ROW(see, after, called, list)                                                    \
	{                                                                                      \
		.observation = see, .kind = KIND_UNMAP, .suffix = after, .function = called,   \
		.each_segment = true, .beside = "pci_p2pdma_map_segment", .era = "6.0 - 6.15", \
		.yields = "client, provider, page, bytes, dma_addr of the first segments",     \
		.fields = { "client=DEV($dev)",                                                \
			    SEGMENT(list),                                                     \
			    "dma_addr={scatterlist.dma_address#}(" list "):x64",               \
			    "dir=$dir:u32",                                                    \
			    "nents=$nents:u32",                                                \
			    "last=SEGMENTS" },                                                 \
		.filter = "nents > # && " IS_PEER,                                             \
	}

/*
 * What runs on return tells of beginnings that came about, so that a reuse is never
 * taken for a repeat; ends are told on entry.
 *
 * Up to 6.15 pci_p2pdma_map_segment is called for every segment of peer memory in every
 * list, whatever maps it, and for nothing else.  From 6.16 on its place is taken by
 * __pci_p2pdma_update_state, which knows a page but no length, in 6.16 to 6.18 only the
 * first of a list and provider; the block layer no longer unmaps such memory through
 * any function, so that mappings have no ends there.
 */
const struct recipe recipes[] = {
	{ .observation = SEE_ALLOC,
	  .kind = KIND_ALLOC,
	  .suffix = "",
	  .function = "pci_alloc_p2pmem",
	  .on_return = true,
	  .modes = NEEDS_RETURN_ARGS,
	  .era = "6.9 and newer",
	  .yields = "provider, address, bytes, failures",
	  .fields = { "provider=PCI($pdev)", "addr=$retval:x64", "size=$size:u64", "map=MAP" } },
	{ .observation = SEE_ALLOC,
	  .kind = KIND_ALLOC,
	  .suffix = "",
	  .function = "pci_alloc_p2pmem",
	  .modes = NEEDS_ENTRY_ONLY,
	  .era = "up to 6.8",
	  .yields = "provider, bytes asked for; neither address nor failures",
	  .fields = { "provider=PCI($pdev)", "size=$size:u64" } },
	{ .observation = SEE_FREE,
	  .kind = KIND_FREE,
	  .suffix = "",
	  .function = "pci_free_p2pmem",
	  .modes = NEEDS_RETURN_ARGS,
	  .era = "6.9 and newer",
	  .yields = "provider, address, bytes",
	  .fields = { "provider=PCI($pdev)", "addr=$addr:x64", "size=$size:u64", "map=MAP" } },
	/* An address would have no beginning to belong to. */
	{ .observation = SEE_FREE,
	  .kind = KIND_FREE,
	  .suffix = "",
	  .function = "pci_free_p2pmem",
	  .modes = NEEDS_ENTRY_ONLY,
	  .era = "up to 6.8",
	  .yields = "provider, bytes",
	  .fields = { "provider=PCI($pdev)", "size=$size:u64" } },
	/* The compiler may have put pci_free_p2pmem into it; where it has not, the decoder
	 * takes one of the two. */
	{ .observation = SEE_FREE_LIST,
	  .kind = KIND_FREE,
	  .suffix = "_list",
	  .function = "pci_p2pmem_free_sgl",
	  .modes = NEEDS_RETURN_ARGS,
	  .era = "6.9 and newer",
	  .yields = "provider, page, bytes",
	  .fields = { "provider=PCI($pdev)", "page={scatterlist.page_link}($sgl):x64",
		      "offset={scatterlist.offset}($sgl):u32",
		      "size={scatterlist.length}($sgl):u32", "base=BASE", "list=\\1:u8" } },
	{ .observation = SEE_FREE_LIST,
	  .kind = KIND_FREE,
	  .suffix = "_list",
	  .function = "pci_p2pmem_free_sgl",
	  .modes = NEEDS_ENTRY_ONLY,
	  .era = "up to 6.8",
	  .yields = "provider, bytes",
	  .fields = { "provider=PCI($pdev)", "size={scatterlist.length}($sgl):u32",
		      "list=\\1:u8" } },
	/* Called for every page; the decoder takes the first of each area, for all of it. */
	{ .observation = SEE_ALLOC_PROGRAM,
	  .kind = KIND_ALLOC,
	  .suffix = "_mmap",
	  .function = "vm_insert_page",
	  .beside = "p2pmem_alloc_mmap",
	  .era = "6.2 and newer",
	  .yields = "provider, pages, bytes",
	  .fields = { "provider=PAGE($page)", "page=$page:x64", "base=BASE", "vm_addr=$addr:x64",
		      "vm_start={vm_area_struct.vm_start}($vma):x64",
		      "vm_end={vm_area_struct.vm_end}($vma):x64" },
	  .filter = IS_DEVICE("provider") },
	{ .observation = SEE_ALLOC_REFUSED,
	  .kind = KIND_ALLOC,
	  .suffix = "_refused",
	  .function = "p2pmem_alloc_mmap",
	  .on_return = true,
	  .modes = NEEDS_RETURN_ARGS,
	  .era = "6.9 and newer",
	  .yields = "provider, bytes, errno",
	  .fields = { "provider=KOBJ($kobj)", "ret=$retval:s32",
		      "vm_start={vm_area_struct.vm_start}($vma):x64",
		      "vm_end={vm_area_struct.vm_end}($vma):x64" },
	  .filter = "ret < 0" },
	{ .observation = SEE_FREE_PROGRAM,
	  .kind = KIND_FREE,
	  .suffix = "_page",
	  .function = "p2pdma_page_free",
	  .era = "6.2 - 6.19",
	  .yields = "provider, page",
	  .fields = { "provider=PAGE($page)", "page=$page:x64", "base=BASE" } },
	{ .observation = SEE_FREE_PROGRAM,
	  .kind = KIND_FREE,
	  .suffix = "_page",
	  .function = "p2pdma_folio_free",
	  .era = "7.0 and newer",
	  .yields = "provider, page",
	  .fields = { "provider=PAGE($folio)", "page=$folio:x64", "base=BASE" } },
	{ .observation = SEE_CALCULATION,
	  .kind = KIND_TYPE_CHANGE,
	  .suffix = "",
	  .function = "calc_map_type_and_dist",
	  .on_return = true,
	  .modes = NEEDS_RETURN_ARGS,
	  .era = "6.9 and newer",
	  .yields = "client, provider, type, distance",
	  .fields = { "client=PCI($client)", "provider=PCI($provider)", "type=$retval:u32",
		      "dist=+0($dist):s32" } },
	{ .observation = SEE_MAP,
	  .kind = KIND_MAP,
	  .suffix = "",
	  .function = "pci_p2pdma_map_segment",
	  .on_return = true,
	  .modes = NEEDS_RETURN_ARGS,
	  .era = "6.9 - 6.15",
	  .yields = "client, provider, type, page, bytes of every segment",
	  .fields = { "client=DEV($dev)", "provider=PGMAP({pci_p2pdma_map_state.pgmap}($state))",
		      "type=$retval:u32", "page={scatterlist.page_link}($sg):x64",
		      "offset={scatterlist.offset}($sg):u32", "size={scatterlist.length}($sg):u32",
		      "base=BASE" } },
	{ .observation = SEE_MAP,
	  .kind = KIND_MAP,
	  .suffix = "",
	  .function = "pci_p2pdma_map_segment",
	  .modes = NEEDS_ENTRY_ONLY,
	  .era = "6.0 - 6.8",
	  .yields = "client, provider, page, bytes of every segment; no type, no refusals",
	  .fields = { "client=DEV($dev)", SEGMENT("$sg") } },
	{ .observation = SEE_MAP,
	  .kind = KIND_MAP,
	  .suffix = "",
	  .function = "__pci_p2pdma_update_state",
	  .on_return = true,
	  .modes = NEEDS_RETURN_ARGS,
	  .era = "6.16 - 6.18",
	  .yields = "client, provider, type of every list; no bytes, no unmaps",
	  .fields = { "client=DEV($dev)", "provider=PGMAP({pci_p2pdma_map_state.pgmap}($state))",
		      "type={pci_p2pdma_map_state.map}($state):u32" } },
	{ .observation = SEE_MAP,
	  .kind = KIND_MAP,
	  .suffix = "",
	  .function = "__pci_p2pdma_update_state",
	  .on_return = true,
	  .modes = NEEDS_RETURN_ARGS,
	  .era = "6.19 and newer",
	  .yields = "client, provider, type of every segment; no bytes, no unmaps",
	  .fields = { "client=DEV($dev)", "provider=OWNER({pci_p2pdma_map_state.mem}($state))",
		      "type={pci_p2pdma_map_state.map}($state):u32" } },
	UNMAP_ROW(SEE_UNMAP, "_", "dma_direct_unmap_sg", "$sgl"),
	UNMAP_ROW(SEE_UNMAP_IOMMU, "_iommu_", "iommu_dma_unmap_sg", "$sg"),
};

const size_t recipe_count = sizeof(recipes) / sizeof(recipes[0]);

static bool fits(const struct recipe *recipe, struct kernel_types *types, bool return_args,
		 can_follow follow, const void *context, char *why, size_t room)
{
	static const struct probe_style trial = { .letter = 'f', .segments = 1, .group = "g" };
	struct definition unused = { .name = "" };
	char missing[128];

	if (!follow(context, recipe->function) ||
	    (recipe->beside && !follow(context, recipe->beside))) {
		snprintf(why, room, "%s cannot be followed",
			 follow(context, recipe->function) ? recipe->beside : recipe->function);
		return false;
	}
	if (!return_args && recipe->on_return) {
		snprintf(why, room, "this kernel's probes have no arguments on return");
		return false;
	}
	if (definition_make(&unused, recipe, types, &trial, 0, missing, sizeof(missing)))
		return true;
	snprintf(why, room, "the kernel's types do not tell of %s", missing);
	return false;
}

const struct recipe *recipe_choose(enum observation observation, struct kernel_types *types,
				   bool return_args, can_follow follow, const void *context,
				   char *why, size_t room)
{
	unsigned int mode = return_args ? NEEDS_RETURN_ARGS : NEEDS_ENTRY_ONLY;

	snprintf(why, room, "no way is known on this kernel");
	for (size_t i = 0; i < recipe_count; i++) {
		const struct recipe *recipe = &recipes[i];

		if (recipe->observation != observation ||
		    (recipe->modes && !(recipe->modes & mode)))
			continue;
		if (fits(recipe, types, return_args, follow, context, why, room))
			return recipe;
	}
	/* What there is on other kernels only is not a function that went missing. */
	return NULL;
}

void recipes_look_up_all(struct kernel_types *types)
{
	static const struct probe_style style = { .letter = 'f', .segments = 1, .group = "g" };
	struct definition unused = { .name = "" };
	char missing[128];
	int64_t bytes;

	for (size_t i = 0; i < recipe_count; i++)
		definition_make(&unused, &recipes[i], types, &style, 0, missing, sizeof(missing));
	kernel_types_get(types, "sizeof page", &bytes);
	kernel_types_get(types, "sizeof scatterlist", &bytes);
}
