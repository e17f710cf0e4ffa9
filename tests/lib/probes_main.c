// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * show_probes [-e] [-k] [-n SEGMENTS] [-b BASE] FILE FUNCTION...: what the probe source
 * would define on a kernel that has these functions and whose types are in FILE (BTF, or
 * an offsets file by its ending): a line for each event, its filter behind " | "; and
 * "- WHAT: WHY" for what it cannot observe.
 *   -e: probes have no arguments on return   -k: functions are followed by kprobe
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/recipes.h"

struct names {
	char **names;
	int count;
};

static bool has(const void *context, const char *function)
{
	const struct names *names = context;

	for (int i = 0; i < names->count; i++)
		if (!strcmp(names->names[i], function))
			return true;
	return false;
}

static void show(enum observation what, struct kernel_types *types, const struct probe_style *style,
		 const struct names *functions)
{
	struct definition definition = { .name = "" };
	char why[200];
	const struct recipe *recipe =
		recipe_choose(what, types, style->return_args, has, functions, why, sizeof(why));

	if (!recipe) {
		printf("- %s: %s\n", observation_names[what], why);
		return;
	}
	for (unsigned int i = 0; i < (recipe->each_segment ? style->segments : 1); i++) {
		if (!definition_make(&definition, recipe, types, style, i, why, sizeof(why)))
			printf("- %s: %s\n", definition.name, why);
		else
			printf("%s%s%s\n", definition.line, definition.filter[0] ? " | " : "",
			       definition.filter);
	}
}

int main(int argc, char **argv)
{
	struct probe_style style = {
		.letter = 'f', .return_args = true, .segments = 1, .group = "g"
	};
	struct kernel_types types;
	struct p2p_error err;
	struct names functions;
	const char *ending;
	int option, failed;

	while ((option = getopt(argc, argv, "ekn:b:")) >= 0) {
		if (option == 'e')
			style.return_args = false;
		else if (option == 'k')
			style.letter = 'p';
		else if (option == 'n')
			style.segments = (unsigned int)atoi(optarg);
		else if (option == 'b')
			style.base = optarg;
		else
			return 2;
	}
	if (optind >= argc)
		return 2;
	ending = strrchr(argv[optind], '.');
	functions = (struct names){ argv + optind + 1, argc - optind - 1 };
	failed = ending && !strcmp(ending, ".offsets")
			 ? kernel_types_read(&types, argv[optind], true, &err)
			 : kernel_types_open(&types, argv[optind], &err);
	if (failed) {
		fprintf(stderr, "show_probes: %s\n", err.text);
		return 1;
	}
	for (int what = 0; what < OBSERVATIONS; what++)
		show(what, &types, &style, &functions);
	for (int i = 0; i < KERNEL_MAP_TYPES; i++)
		if (types.map_types[i])
			printf("type %d %s\n", i, types.map_types[i]);
	kernel_types_close(&types);
	return 0;
}
