/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recipes: how each thing about P2PDMA can be observed on a kernel without the five
 * events, and the line for tracefs' dynamic_events that does it.
 *
 * A recipe is a row of one table: a function of the kernel, what to take at it, and
 * the kernels it is for.  It is used only where the function can be followed and all
 * it refers to is known of the kernel's types; rows of the same observation are
 * alternatives, the first that can be used is.
 *
 * Source: src/probe/recipes.c (the table), src/probe/definition.c (the lines)
 */
#ifndef P2PTRACE_RECIPES_H
#define P2PTRACE_RECIPES_H

#include <stdbool.h>
#include <stddef.h>

#include "p2ptrace/kernel_types.h"
#include "p2ptrace/paths.h"

enum observation {
	SEE_ALLOC, /* by drivers */
	SEE_FREE,
	SEE_FREE_LIST, /* pci_p2pmem_free_sgl */
	SEE_ALLOC_PROGRAM, /* p2pmem/allocate */
	SEE_ALLOC_REFUSED,
	SEE_FREE_PROGRAM,
	SEE_CALCULATION,
	SEE_MAP,
	SEE_UNMAP,
	SEE_UNMAP_IOMMU,
	OBSERVATIONS,
};

/* In words, for messages: "allocations by drivers". */
extern const char *const observation_names[OBSERVATIONS];

/* A probe on a function's return has its arguments since Linux 6.9; without them
 * beginnings are seen on entry, which tells less. */
enum { NEEDS_RETURN_ARGS = 1, NEEDS_ENTRY_ONLY = 2 };

enum { RECIPE_FIELDS = 12 };

struct recipe {
	enum observation observation;
	enum event_kind kind;
	const char *suffix; /* of the event's name, behind that of its kind */
	const char *function;
	bool on_return;
	bool each_segment; /* an event of its own for each of the first segments */
	unsigned int modes; /* for kernels that have, or have not, NEEDS_RETURN_ARGS; 0: both */
	const char *beside; /* only where this function can be followed too; NULL */
	const char *era; /* for people */
	const char *yields;
	const char *fields[RECIPE_FIELDS]; /* see definition.c */
	const char *filter; /* what the kernel itself sorts out by; NULL: nothing */
};

extern const struct recipe recipes[];
extern const size_t recipe_count;

/* What the kernel at hand is able to do. */
struct probe_style {
	char letter; /* 'f': follows functions by fprobe, 'p': by kprobe */
	bool return_args;
	bool no_limit; /* takes no number of calls at a time in a definition */
	unsigned int segments; /* of a list that are looked at one by one */
	const char *base; /* how to fetch where the kernel's array of pages begins; NULL: cannot */
	const char *map; /* the same of its map of all memory */
	const char *group;
};

enum { SEGMENTS_MAX = 32, DEFINITION_ROOM = 4000, PROBE_FILTER_ROOM = 200 };

struct definition {
	char name[48]; /* of the event */
	char line[DEFINITION_ROOM];
	char filter[PROBE_FILTER_ROOM]; /* "": none */
};

/* Whether a function can be followed. */
typedef bool (*can_follow)(const void *context, const char *function);

/* The recipe to use for an observation, NULL when none can be.  `why` tells then what
 * is missing: a function or a member of a structure. */
const struct recipe *recipe_choose(enum observation observation, struct kernel_types *types,
				   bool return_args, can_follow follow, const void *context,
				   char *why, size_t room);

/* The line for one event; `segment` counts from 0.  False: something is not known,
 * `missing` names it. */
bool definition_make(struct definition *definition, const struct recipe *recipe,
		     struct kernel_types *types, const struct probe_style *style,
		     unsigned int segment, char *missing, size_t room);

/* Asks for all that any recipe refers to, so that kernel_types_write() has it. */
void recipes_look_up_all(struct kernel_types *types);

#endif
