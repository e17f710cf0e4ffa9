// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/function_list.h"
#include "p2ptrace/recipes.h"
#include "p2ptrace/rows.h"

bool function_list_has(const struct function_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->names[i], name))
			return true;
	return false;
}

static void note(struct function_list *list, const char *wanted, const char *name, size_t length)
{
	const char **row;

	if (!wanted || strlen(wanted) != length || memcmp(wanted, name, length) != 0 ||
	    function_list_has(list, wanted))
		return;
	row = ROWS_ADD(list->names, list->count);
	if (row)
		*row = wanted;
}

/* Most names begin otherwise: they cost no more than this. */
static bool may_matter(const char *name)
{
	return !strncmp(name, "pci_", 4) || !strncmp(name, "p2p", 3) || !strncmp(name, "dma_", 4) ||
	       !strncmp(name, "iommu_", 6) || !strncmp(name, "calc_", 5) ||
	       !strncmp(name, "vm_", 3) || !strncmp(name, "__pci", 5) ||
	       !strncmp(name, "vmemmap_base", 12) || !strncmp(name, "init_task", 9);
}

static void look_at(struct function_list *list, const char *name, size_t length)
{
	if (!may_matter(name))
		return;
	for (size_t i = 0; i < recipe_count; i++) {
		note(list, recipes[i].function, name, length);
		note(list, recipes[i].beside, name, length);
	}
}

static const char *skip_words(const char *at, unsigned int words)
{
	while (words--) {
		at += strcspn(at, " \n");
		at += *at == ' ';
	}
	return at;
}

void function_list_scan(struct function_list *list, const char *text, unsigned int words)
{
	while (*text) {
		text = skip_words(text, words);
		look_at(list, text, strcspn(text, " \t\n"));
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
}

/* kallsyms lists data only with CONFIG_KALLSYMS_ALL. */
static void look_for_data(struct function_list *list, const char *symbols)
{
	list->has_page_base = strstr(symbols, " vmemmap_base\n") &&
			      strstr(symbols, " page_offset_base\n");
	list->has_data = strstr(symbols, " init_task\n") != NULL;
}

int function_list_read(struct function_list *list, const struct tracefs *tracefs,
		       struct p2p_error *err)
{
	char *functions = read_file_at(tracefs->top, "available_filter_functions");
	char *symbols = read_file_at(AT_FDCWD, "/proc/kallsyms");
	int result;

	*list = (struct function_list){ .count = 0 };
	if (symbols)
		look_for_data(list, symbols);
	if (functions)
		function_list_scan(list, functions, 0);
	else if (symbols)
		function_list_scan(list, symbols, 2);
	else
		p2p_fail(err, "neither available_filter_functions nor /proc/kallsyms can be read");
	result = functions || symbols ? 0 : -1;
	free(functions);
	free(symbols);
	return result;
}

void function_list_free(struct function_list *list)
{
	free(list->names);
	*list = (struct function_list){ .count = 0 };
}
