// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A recording in several files leaves remains under the names of its pieces.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/remains.h"
#include "p2ptrace/rows.h"

#define DATE_DIGITS 16

/* ".NAME.DATE.STEM.PART": the length of "NAME.DATE", else 0; `part` NULL: any. */
static size_t piece_name_length(const struct output *output, const char *file, const char *part)
{
	size_t length = strlen(output->name) + 1 + DATE_DIGITS;
	const char *date = file + 1 + strlen(output->name) + 1;
	const char *end = strrchr(file, '.');

	if (file[0] != '.' || strncmp(file + 1, output->name, strlen(output->name)) != 0 ||
	    date[-1] != '.' || strspn(date, "0123456789") != DATE_DIGITS ||
	    date[DATE_DIGITS] != '.')
		return 0;
	return part && strcmp(end + 1, part) != 0 ? 0 : length;
}

static bool add_piece(char ***pieces, size_t *count, const char *path, const char *file,
		      size_t length)
{
	const char *slash = strrchr(path, '/');
	char **piece, *name;

	if (asprintf(&name, "%.*s%.*s", slash ? (int)(slash + 1 - path) : 0, path, (int)length,
		     file + 1) < 0)
		return false;
	for (size_t i = 0; i < *count; i++)
		if (!strcmp((*pieces)[i], name)) {
			free(name);
			return true;
		}
	piece = rows_add(pieces, count, sizeof(**pieces));
	if (piece)
		*piece = name;
	else
		free(name);
	return piece;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Those that have such a part, also when they are just being recorded. */
static size_t list_pieces(const char *path, const char *part, char ***pieces)
{
	struct p2p_error ignored;
	struct output output;
	struct dirent *entry;
	size_t count = 0;
	bool good = true;
	DIR *dir;

	*pieces = NULL;
	if (output_locate(&output, path, &ignored))
		return 0;
	dir = fdopendir(fcntl(output.dir, F_DUPFD_CLOEXEC, 0));
	while (dir && good && (entry = readdir(dir))) {
		size_t length = piece_name_length(&output, entry->d_name, part);

		good = !length || add_piece(pieces, &count, path, entry->d_name, length);
	}
	if (dir)
		closedir(dir);
	output_close(&output);
	rows_sort(*pieces, count, sizeof(**pieces), compare_paths);
	return count;
}

size_t remains_pieces(const char *path, char ***pieces)
{
	size_t all = list_pieces(path, REMAINS_META, pieces), count = 0;

	for (size_t i = 0; i < all; i++) {
		if (remains_are_dead((*pieces)[i]))
			(*pieces)[count++] = (*pieces)[i];
		else
			free((*pieces)[i]);
	}
	return count;
}

enum remains_found remains_look_for_pieces(const char *path)
{
	enum remains_found found = REMAINS_NONE;
	char **pieces;
	size_t count = list_pieces(path, REMAINS_META, &pieces);

	for (size_t i = 0; i < count; i++) {
		enum remains_found at_hand = remains_look(pieces[i]);

		found = at_hand > found ? at_hand : found;
		free(pieces[i]);
	}
	free(pieces);
	return found;
}

void remains_remove_piece_litter(const char *path)
{
	char **pieces;
	size_t count = list_pieces(path, NULL, &pieces);

	for (size_t i = 0; i < count; i++) {
		remains_remove_litter(pieces[i]);
		free(pieces[i]);
	}
	free(pieces);
}
