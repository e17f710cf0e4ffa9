/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of a tree, for tree.c and tree_pack.c. */
#ifndef P2PTRACE_TREE_NODES_H
#define P2PTRACE_TREE_NODES_H

#include "p2ptrace/tree.h"

enum tree_kind { TREE_DIR, TREE_FILE, TREE_LINK, TREE_PIECES, TREE_DENIED };

/* Names and contents are places in the tree's bytes, each with a NUL behind it. */
struct tree_node {
	uint32_t parent, next, first; /* next of the same parent, first in it; 0: none */
	uint32_t name, data, size; /* size: of the data */
	uint32_t stated;
	uint16_t depth, name_size;
	uint8_t kind;
};

struct tree {
	struct tree_node *nodes; /* [0] is the root */
	size_t count;
	char *bytes;
	size_t used, room;
	uint32_t *slots; /* open addressing by parent and name: nodes; 0: free */
	size_t slot_count;
	uint64_t seed; /* so that nobody can make names that all fall together */
};

/* A new node below `parent`; 0 with errno when that cannot be. */
uint32_t tree_add(struct tree *tree, uint32_t parent, enum tree_kind kind, const char *name,
		  size_t name_size, const void *data, size_t size);

/* Whether pieces are such as tree_add_pieces() wants. */
bool tree_pieces_are_sound(const unsigned char *pieces, size_t size);

#endif
