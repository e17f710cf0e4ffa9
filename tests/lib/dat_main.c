// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * build_dat <SCRIPT >FILE: a trace.dat made of a script (build_dat.h).
 * build_dat -m <SCRIPT: where the parts of that file begin, "NAME OFFSET" a line.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_dat.h"

static char *read_all(FILE *from)
{
	char *text = NULL;
	size_t size = 0, room = 0;

	do {
		if (size + 1 >= room) {
			room = room ? room * 2 : 4096;
			text = realloc(text, room);
			if (!text)
				return NULL;
		}
		size += fread(text + size, 1, room - size - 1, from);
	} while (!feof(from) && !ferror(from));
	text[size] = '\0';
	return text;
}

int main(int argc, char **argv)
{
	bool marks = argc == 2 && !strcmp(argv[1], "-m");
	char why[200] = "no memory", *script = read_all(stdin);
	struct dat_file file;
	int status = 0;

	if (!script || dat_build(script, &file, why, sizeof(why))) {
		fprintf(stderr, "build_dat: line %s\n", why);
		free(script);
		return 2;
	}
	for (size_t i = 0; marks && i < file.mark_count; i++)
		printf("%s %" PRIu64 "\n", file.marks[i].name, file.marks[i].offset);
	if (!marks && fwrite(file.bytes, 1, file.size, stdout) != file.size)
		status = 1;
	dat_file_free(&file);
	free(script);
	return fflush(stdout) ? 1 : status;
}
