// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capture DIR [start|end|plain]: what `record` would store of the system below DIR, on
 * standard output, with the program's own code: the data of the option of the start or of
 * the end; plain: the packed tree alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/capture.h"
#include "p2ptrace/capture_option.h"

static int put(const char *dir, const char *what, struct p2p_error *err)
{
	struct capture_data data = { 0 };
	struct sysroot root;
	struct tree *tree;
	char *plain;
	size_t size;

	if (sysroot_open(&root, dir, err))
		return -1;
	tree = strcmp(what, "end") ? capture_system(&root, err) : capture_counters(&root, err);
	sysroot_close(&root);
	if (!tree || tree_pack(tree, &plain, &size, err))
		return -1;
	tree_free(tree);
	if (!strcmp(what, "plain"))
		fwrite(plain, 1, size, stdout);
	else if (capture_wrap(plain, size, &data, err))
		return -1;
	free(plain);
	if (data.bytes)
		fwrite(data.bytes, 1, data.size, stdout);
	free(data.bytes);
	return fflush(stdout);
}

int main(int argc, char **argv)
{
	struct p2p_error err = { .text = "usage: capture DIR [start|end|plain]" };

	if (argc < 2 || argc > 3 || put(argv[1], argc == 3 ? argv[2] : "start", &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	return 0;
}
