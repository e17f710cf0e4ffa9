/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * function_list: which of the functions that recipes name the kernel has and lets be
 * followed.  Source: src/probe/function_list.c
 */
#ifndef P2PTRACE_FUNCTION_LIST_H
#define P2PTRACE_FUNCTION_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "p2ptrace/error.h"
#include "p2ptrace/instance.h"

struct function_list {
	const char **names; /* of the recipes' own functions */
	size_t count;
	bool has_page_base; /* kallsyms has vmemmap_base */
	bool has_data; /* kallsyms lists data at all */
};

/* From tracefs' available_filter_functions, without it from /proc/kallsyms. */
int function_list_read(struct function_list *list, const struct tracefs *tracefs,
		       struct p2p_error *err);
void function_list_free(struct function_list *list);

/* Adds what a text names; `words` stand before each name in its line. */
void function_list_scan(struct function_list *list, const char *text, unsigned int words);

bool function_list_has(const struct function_list *list, const char *name);

#endif
