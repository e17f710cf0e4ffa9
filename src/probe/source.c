// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The source "probe": the five events out of dynamic events on the kernel's functions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/function_list.h"
#include "p2ptrace/kernel_types.h"
#include "p2ptrace/probe_group.h"
#include "p2ptrace/recipes.h"
#include "p2ptrace/source.h"

struct probe_source {
	struct kernel_types types;
	struct function_list functions;
	struct probe_group group;
	struct probe_style style;
	char name_end[16]; /* of kprobes' events: kprobe_profile does not name groups */
	uint32_t page_struct;
	/* Why an observation is not made, "" when it is. */
	char why[OBSERVATIONS][160];
};

enum { SEGMENTS_DEFAULT = 4 };

static bool follows(const void *context, const char *function)
{
	return function_list_has(context, function);
}

/* ---- what this kernel can do ---- */

static int open_types(struct probe_source *probe, const struct source_options *options,
		      struct p2p_error *err)
{
	struct p2p_error cause;
	int64_t bytes;

	if (options->offsets) {
		if (kernel_types_read(&probe->types, options->offsets, false, err))
			return -1;
	} else if (kernel_types_open(&probe->types, NULL, &cause)) {
		kernel_types_close(&probe->types);
		return p2p_fail(err,
				"%.300s; an offsets file from a machine with the same kernel and "
				"its BTF does (p2ptrace doctor --write-offsets FILE there, "
				"--offsets FILE here)",
				cause.text);
	}
	if (kernel_types_get(&probe->types, "sizeof page", &bytes))
		probe->page_struct = (uint32_t)bytes;
	return 0;
}

/* Whether the kernel takes a definition; it is removed at once. */
static bool takes(const struct probe_source *probe, const struct probe_style *style,
		  struct p2p_error *refusal)
{
	const char *form = style->letter == 'f' ? "f%s:%s/try %s%%return a=$arg1:x64"
						: "r%s:%s/try %s a=$arg1:x64";
	const char *entry = style->letter == 'f' ? "f%.0s:%s/try %s a=$arg1:x64"
						 : "p%.0s:%s/try %s a=$arg1:x64";
	char line[200];

	snprintf(line, sizeof(line), style->return_args ? form : entry, style->no_limit ? "" : "64",
		 probe->group.name, "pci_alloc_p2pmem");
	if (probe_group_add(&probe->group, line, refusal))
		return false;
	probe_group_remove(&probe->group, "try");
	return true;
}

/* The best the kernel takes. */
static int find_style(struct probe_source *probe, struct p2p_error *err)
{
	static const struct probe_style best_first[] = {
		{ .letter = 'f', .return_args = true },
		{ .letter = 'f', .return_args = true, .no_limit = true },
		{ .letter = 'p', .return_args = true },
		{ .letter = 'f' },
		{ .letter = 'p' },
	};

	struct p2p_error refusal;

	for (size_t i = 0; i < sizeof(best_first) / sizeof(best_first[0]); i++) {
		if (!takes(probe, &best_first[i], &refusal))
			continue;
		probe->style = best_first[i];
		probe->style.group = probe->group.name;
		return 0;
	}
	return p2p_fail(err, "the kernel takes no probe on pci_alloc_p2pmem: %.200s", refusal.text);
}

/* Where the array of pages and the map of memory begin: variables where they move, else
 * (x86-64) constants. */
static void find_origins(struct probe_style *style, const struct function_list *functions)
{
	if (functions->has_page_base) {
		style->base = "@vmemmap_base";
		style->map = "@page_offset_base";
	}
#ifdef __x86_64__
	else if (functions->has_data) {
		style->base = "\\0xffffea0000000000";
		style->map = "\\0xffff888000000000";
	}
#endif
}

static int examine(struct probe_source *probe, const struct tracefs *tracefs,
		   const struct source_options *options, struct p2p_error *err)
{
	if (options->segments > SEGMENTS_MAX)
		return p2p_fail_usage(err, "--segments: not more than %d", SEGMENTS_MAX);
	if (open_types(probe, options, err) ||
	    function_list_read(&probe->functions, tracefs, err) ||
	    probe_group_open(&probe->group, tracefs, err))
		return -1;
	if (!function_list_has(&probe->functions, "pci_alloc_p2pmem"))
		return p2p_fail(err, "pci_alloc_p2pmem cannot be followed: the kernel has no "
				     "P2PDMA (CONFIG_PCI_P2PDMA), or no CONFIG_FUNCTION_TRACER "
				     "and CONFIG_KPROBES");
	if (find_style(probe, err))
		return -1;
	probe->style.segments = options->segments ? (unsigned int)options->segments
						  : SEGMENTS_DEFAULT;
	find_origins(&probe->style, &probe->functions);
	/* The name of the group holds as many digits that nobody else has. */
	if (probe->style.letter == 'p')
		snprintf(probe->name_end, sizeof(probe->name_end), "%s",
			 strrchr(probe->group.name, '_'));
	return 0;
}

/* ---- defining ---- */

static int define(struct source *source, const struct recipe *recipe, unsigned int segment,
		  struct p2p_error *err)
{
	struct probe_source *probe = source->probe;
	struct definition definition = { .name = "" };
	char missing[128], name[64], *line;
	const char *rest;
	int result;

	if (!definition_make(&definition, recipe, &probe->types, &probe->style, segment, missing,
			     sizeof(missing)))
		return p2p_fail(err, "the kernel's types do not tell of %s", missing);
	snprintf(name, sizeof(name), "%s%s", definition.name, probe->name_end);
	rest = strchr(definition.line, ' ');
	if (asprintf(&line, "%.*s%s%s", (int)(rest - definition.line), definition.line,
		     probe->name_end, rest) < 0)
		return p2p_fail(err, "no memory");
	result = probe_group_add(&probe->group, line, err);
	free(line);
	return result ? -1 : source_add(source, recipe->kind, name, definition.filter, err);
}

static void observe(struct source *source, enum observation what)
{
	struct probe_source *probe = source->probe;
	const struct recipe *recipe = recipe_choose(what, &probe->types, probe->style.return_args,
						    follows, &probe->functions, probe->why[what],
						    sizeof(probe->why[what]));
	unsigned int count = recipe && recipe->each_segment ? probe->style.segments : 1;
	struct p2p_error err;

	if (!recipe)
		return;
	probe->why[what][0] = '\0';
	for (unsigned int i = 0; i < count; i++)
		if (define(source, recipe, i, &err)) {
			snprintf(probe->why[what], sizeof(probe->why[what]), "%.150s", err.text);
			return;
		}
}

/* Nothing new for who knows that: there is no IOMMU, or the kernel is older than it. */
static bool is_expected(const struct probe_source *probe, enum observation what)
{
	switch (what) {
	case SEE_ALLOC_PROGRAM:
	case SEE_ALLOC_REFUSED:
	case SEE_FREE_PROGRAM:
		return !function_list_has(&probe->functions, "p2pmem_alloc_mmap");
	case SEE_UNMAP_IOMMU:
		return !function_list_has(&probe->functions, "iommu_dma_map_sg");
	case SEE_FREE_LIST:
		return !function_list_has(&probe->functions, "pci_p2pmem_free_sgl");
	default:
		return false;
	}
}

static void warn_unseen(const struct probe_source *probe)
{
	for (int what = 0; what < OBSERVATIONS; what++)
		if (probe->why[what][0] && !is_expected(probe, what))
			p2p_warn("%s are not recorded: %s", observation_names[what],
				 probe->why[what]);
	if (!probe->style.return_args)
		p2p_warn("this kernel's probes know no arguments on return: mappings have no type, "
			 "allocations no address (p2ptrace-record(1), PROBES)");
	if (probe->style.letter == 'p')
		p2p_warn("functions are followed by kprobes, which are passed over in some "
			 "interrupts: what they miss is counted as lost");
}

/* ---- the source ---- */

static void probe_release(struct source *source)
{
	struct probe_source *probe = source->probe;

	if (!probe)
		return;
	probe_group_close(&probe->group);
	function_list_free(&probe->functions);
	kernel_types_close(&probe->types);
	free(probe);
	source->probe = NULL;
}

static int probe_prepare(struct source *source, const struct tracefs *tracefs,
			 const struct source_options *options, struct p2p_error *err)
{
	source->probe = calloc(1, sizeof(*source->probe));
	if (!source->probe)
		return p2p_fail(err, "no memory");
	source->probe->group.lock = -1;
	source->tracefs = tracefs;
	if (examine(source->probe, tracefs, options, err)) {
		probe_release(source);
		return -1;
	}
	snprintf(source->system, sizeof(source->system), "%s", source->probe->group.name);
	for (int what = 0; what < OBSERVATIONS; what++)
		observe(source, what);
	if (!source->event_count) {
		p2p_fail(err, "no probe could be defined: %s", source->probe->why[SEE_ALLOC]);
		probe_release(source);
		return -1;
	}
	warn_unseen(source->probe);
	return 0;
}

static void probe_ready(struct source *source)
{
	probe_group_ready(&source->probe->group);
}

static uint64_t probe_missed(const struct source *source)
{
	const struct probe_source *probe = source->probe;

	return probe->name_end[0] ? probe_group_missed(source->tracefs, probe->name_end) : 0;
}

const struct source_ops probe_source_ops = { "probe", probe_prepare, probe_ready, probe_missed,
					     probe_release };

char *const *source_map_types(const struct source *source)
{
	return source->probe ? source->probe->types.map_types : NULL;
}

uint32_t source_page_struct(const struct source *source)
{
	return source->probe ? source->probe->page_struct : 0;
}
