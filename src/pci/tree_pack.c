// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A tree as a stream: "d NAME\n", what is in that directory, "u\n"; "f SIZE NAME\n" and
 * the bytes of a file, "l" those of a link, "c SIZE STATED NAME\n" those of pieces; and
 * "x NAME\n" for what could not be read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tree_nodes.h"

/* ---- packing ---- */

static void put_node(FILE *to, const struct tree *tree, const struct tree_node *node)
{
	static const char letters[] = { [TREE_DIR] = 'd',
					[TREE_FILE] = 'f',
					[TREE_LINK] = 'l',
					[TREE_PIECES] = 'c',
					[TREE_DENIED] = 'x' };
	const char *name = tree->bytes + node->name;

	fprintf(to, "%c ", letters[node->kind]);
	if (node->kind == TREE_PIECES)
		fprintf(to, "%u %u ", node->size, node->stated);
	else if (node->kind == TREE_FILE || node->kind == TREE_LINK)
		fprintf(to, "%u ", node->size);
	fprintf(to, "%s\n", name);
	fwrite(tree->bytes + node->data, 1, node->size, to);
}

/* Nodes in depth-first order, without recursion. */
static void put_nodes(FILE *to, const struct tree *tree)
{
	uint32_t at = tree->nodes[0].first;

	while (at) {
		const struct tree_node *node = &tree->nodes[at];

		put_node(to, tree, node);
		if (node->kind == TREE_DIR && node->first) {
			at = node->first;
			continue;
		}
		if (node->kind == TREE_DIR)
			fputs("u\n", to);
		while (at && !tree->nodes[at].next) {
			at = tree->nodes[at].parent;
			if (at)
				fputs("u\n", to);
		}
		at = at ? tree->nodes[at].next : 0;
	}
}

int tree_pack(const struct tree *tree, char **bytes, size_t *size, struct p2p_error *err)
{
	FILE *to = open_memstream(bytes, size);
	bool failed;

	if (!to)
		return p2p_fail(err, "no memory");
	put_nodes(to, tree);
	failed = ferror(to);
	if (!fclose(to) && !failed)
		return 0;
	free(*bytes);
	*bytes = NULL;
	return p2p_fail(err, "no memory");
}

/* ---- unpacking ---- */

struct unpacking {
	struct tree *tree;
	const char *at, *end;
	uint32_t dir; /* where nodes go now */
};

/* A decimal number and the blank behind it. */
static bool take_number(const char **at, const char *end, uint32_t *number)
{
	uint64_t value = 0;
	const char *from = *at;

	while (*at < end && **at >= '0' && **at <= '9' && value <= UINT32_MAX)
		value = value * 10 + (uint64_t)(*(*at)++ - '0');
	if (*at == from || value > UINT32_MAX || *at == end || *(*at)++ != ' ')
		return false;
	*number = (uint32_t)value;
	return true;
}

/* The bytes behind a line; false when there are not so many. */
static bool take_data(struct unpacking *work, uint32_t size, const char **data)
{
	if (size > (size_t)(work->end - work->at))
		return false;
	*data = work->at;
	work->at += size;
	return true;
}

static bool add_node(struct unpacking *work, char letter, const char *line, const char *line_end)
{
	static const struct {
		char letter;
		enum tree_kind kind;
		bool sized;
	} kinds[] = { { 'd', TREE_DIR, false },
		      { 'f', TREE_FILE, true },
		      { 'l', TREE_LINK, true },
		      { 'c', TREE_PIECES, true },
		      { 'x', TREE_DENIED, false } };
	uint32_t size = 0, stated = 0, node;
	const char *data = "";
	size_t row = 0;

	while (row < sizeof(kinds) / sizeof(kinds[0]) && kinds[row].letter != letter)
		row++;
	if (row == sizeof(kinds) / sizeof(kinds[0]) ||
	    (kinds[row].sized && !take_number(&line, line_end, &size)) ||
	    (letter == 'c' && !take_number(&line, line_end, &stated)) ||
	    !take_data(work, size, &data) ||
	    (letter == 'c' && !tree_pieces_are_sound((const unsigned char *)data, size)) ||
	    (letter == 'l' && memchr(data, '\0', size)))
		return false;
	node = tree_add(work->tree, work->dir, kinds[row].kind, line, (size_t)(line_end - line),
			data, size);
	if (!node)
		return false;
	work->tree->nodes[node].stated = stated;
	if (letter == 'd')
		work->dir = node;
	return true;
}

static bool take_entry(struct unpacking *work)
{
	const char *line = work->at;
	const char *line_end = memchr(line, '\n', (size_t)(work->end - line));

	if (!line_end)
		return false;
	work->at = line_end + 1;
	if (line_end - line == 1 && *line == 'u') {
		if (!work->dir)
			return false;
		work->dir = work->tree->nodes[work->dir].parent;
		return true;
	}
	return line_end - line > 2 && line[1] == ' ' && add_node(work, *line, line + 2, line_end);
}

struct tree *tree_unpack(const char *bytes, size_t size, struct p2p_error *err)
{
	struct unpacking work = { tree_new(), bytes, bytes + size, 0 };

	if (!work.tree) {
		p2p_fail(err, "no memory");
		return NULL;
	}
	errno = 0;
	while (work.at < work.end)
		if (!take_entry(&work)) {
			p2p_fail(err, errno == ENOMEM  ? "no memory for it"
				      : errno == EFBIG ? "it is larger than any machine's"
						       : "it is damaged");
			tree_free(work.tree);
			return NULL;
		}
	return work.tree;
}
