// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What record -S probe would be able to observe.  Nothing is defined to find that out:
 * the recipes are held against the functions and types there are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/allow_list.h"
#include "p2ptrace/function_list.h"
#include "p2ptrace/kernel_types.h"
#include "p2ptrace/recipes.h"

#include "checks.h"

static bool follows(const void *context, const char *function)
{
	return function_list_has(context, function);
}

static bool read_functions(const struct facts *facts, struct function_list *list)
{
	char *text = sysroot_read(&facts->root, SYSROOT_FILE, NULL, "%s/available_filter_functions",
				  facts->tracefs.path);

	*list = (struct function_list){ .count = 0 };
	if (text)
		function_list_scan(list, text, 0);
	else if (facts->symbols)
		function_list_scan(list, facts->symbols, 2);
	free(text);
	return text || facts->symbols;
}

static int read_types(const struct facts *facts, struct kernel_types *types, struct p2p_error *err)
{
	const size_t most = 64 << 20;
	size_t size;
	char *bytes = sysroot_read(&facts->root, most, &size, "sys/kernel/btf/vmlinux");
	int result;

	*types = (struct kernel_types){ .btf = NULL };
	if (!bytes)
		return p2p_fail(err, "no sys/kernel/btf/vmlinux");
	result = kernel_types_load(types, bytes, size, err);
	free(bytes);
	return result;
}

/* Programs get peer memory since 6.2; without an IOMMU's code there is nothing to see. */
static bool matters(const struct function_list *functions, enum observation what)
{
	switch (what) {
	case SEE_ALLOC_PROGRAM:
	case SEE_ALLOC_REFUSED:
	case SEE_FREE_PROGRAM:
		return function_list_has(functions, "p2pmem_alloc_mmap");
	case SEE_UNMAP_IOMMU:
		return function_list_has(functions, "iommu_dma_map_sg");
	case SEE_FREE_LIST:
		return false;
	default:
		return true;
	}
}

static void weigh(const struct facts *facts, struct kernel_types *types,
		  const struct function_list *functions, struct probe_outlook *outlook)
{
	bool return_args = facts->version == KERNEL_NOT_KNOWN || facts->version >= KERNEL(6, 9);
	char why[160];

	for (int what = 0; what < OBSERVATIONS; what++) {
		if (!matters(functions, what))
			continue;
		outlook->wanted |= 1u << what;
		if (recipe_choose(what, types, return_args, follows, functions, why, sizeof(why)))
			outlook->seen |= 1u << what;
		else if (!outlook->why[0])
			snprintf(outlook->why, sizeof(outlook->why), "%s: %s",
				 observation_names[what], why);
	}
}

void look_for_probes(const struct facts *facts, struct probe_outlook *outlook)
{
	struct function_list functions;
	struct kernel_types types;
	struct p2p_error err;

	*outlook = (struct probe_outlook){ .seen = 0 };
	if (!sysroot_mode(&facts->root, "%s/dynamic_events", facts->tracefs.path)) {
		snprintf(outlook->why, sizeof(outlook->why),
			 "tracefs has no dynamic_events (CONFIG_FPROBE_EVENTS, "
			 "CONFIG_KPROBE_EVENTS)");
		return;
	}
	if (!read_functions(facts, &functions)) {
		snprintf(outlook->why, sizeof(outlook->why),
			 "the kernel's functions cannot be read");
	} else if (read_types(facts, &types, &err)) {
		snprintf(outlook->why, sizeof(outlook->why), "%.150s", err.text);
	} else {
		outlook->known = true;
		weigh(facts, &types, &functions, outlook);
		kernel_types_close(&types);
	}
	function_list_free(&functions);
}

static void name_observations(uint32_t which, const char *before, struct check_result *result)
{
	const char *comma = before;

	for (int what = 0; what < OBSERVATIONS; what++) {
		size_t used = strlen(result->detail);

		if (!(which & 1u << what))
			continue;
		snprintf(result->detail + used, sizeof(result->detail) - used, "%s%s", comma,
			 observation_names[what]);
		comma = ", ";
	}
}

CHECK_FUNCTION(check_observations)
{
	struct probe_outlook outlook;

	(void)earlier;
	if (facts_events(facts) == facts_all_events()) {
		found(result, CHECK_OK, "not needed: the five events are there");
		return;
	}
	look_for_probes(facts, &outlook);
	if (!outlook.known || !outlook.seen) {
		found(result, outlook.known ? CHECK_FAIL : CHECK_UNKNOWN,
		      "record -S probe has nothing to go by: %s", outlook.why);
		remedy(result,
		       "boot a kernel built with CONFIG_PCI_P2PDMA=y, CONFIG_FPROBE_EVENTS=y "
		       "and CONFIG_DEBUG_INFO_BTF=y, take --offsets FILE from one like it, "
		       "or use the module");
		return;
	}
	found(result, CHECK_OK, "record -S probe sees ");
	name_observations(outlook.seen, "", result);
	if (outlook.seen == outlook.wanted)
		return;
	worsen(result, CHECK_WARN);
	name_observations(outlook.wanted & ~outlook.seen, "; not ", result);
	also(result, "%s", outlook.why);
	remedy(result, "use the module (kernel/ in p2ptrace's sources), which sees all of it");
}
