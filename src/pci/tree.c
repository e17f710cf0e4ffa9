// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "p2ptrace/rows.h"
#include "p2ptrace/sysroot.h"
#include "tree_nodes.h"

/* ---- nodes ---- */

static size_t hash_name(const struct tree *tree, uint32_t parent, const char *name, size_t size)
{
	uint64_t hash = (tree->seed ^ parent) * 0x100000001b3ull;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)name[i]) * 0x100000001b3ull;
	return (size_t)(hash ^ hash >> 29);
}

/* Where the node of this name is, or would be. */
static uint32_t *find_slot(const struct tree *tree, uint32_t parent, const char *name, size_t size)
{
	size_t at = hash_name(tree, parent, name, size) & (tree->slot_count - 1);

	for (;; at = (at + 1) & (tree->slot_count - 1)) {
		const struct tree_node *node = &tree->nodes[tree->slots[at]];

		if (!tree->slots[at] || (node->parent == parent && node->name_size == size &&
					 !memcmp(tree->bytes + node->name, name, size)))
			return &tree->slots[at];
	}
}

static bool grow_slots(struct tree *tree)
{
	size_t old = tree->slot_count;
	uint32_t *slots;

	if (tree->count * 2 < old)
		return true;
	slots = calloc(old ? old * 2 : 64, sizeof(*slots));
	if (!slots)
		return false;
	free(tree->slots);
	tree->slots = slots;
	tree->slot_count = old ? old * 2 : 64;
	for (uint32_t i = 1; i < tree->count; i++) {
		const struct tree_node *node = &tree->nodes[i];

		*find_slot(tree, node->parent, tree->bytes + node->name, node->name_size) = i;
	}
	return true;
}

/* Copies bytes into the tree; their place, or UINT32_MAX with errno. */
static uint32_t keep(struct tree *tree, const void *bytes, size_t size)
{
	size_t at = tree->used;

	if (size >= TREE_BYTES_MAX - tree->used) {
		errno = EFBIG;
		return UINT32_MAX;
	}
	if (tree->room - tree->used <= size) {
		size_t room = (tree->room + size + 1) * 2;
		char *more = realloc(tree->bytes, room);

		if (!more)
			return UINT32_MAX;
		tree->bytes = more;
		tree->room = room;
	}
	if (size)
		memcpy(tree->bytes + at, bytes, size);
	tree->bytes[at + size] = '\0';
	tree->used += size + 1;
	return (uint32_t)at;
}

struct tree *tree_new(void)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	/* Without random numbers it works as well. */
	if (tree && getrandom(&tree->seed, sizeof(tree->seed), GRND_NONBLOCK) < 0)
		tree->seed = (uintptr_t)tree;
	if (tree && ROWS_ADD(tree->nodes, tree->count) && grow_slots(tree))
		return tree;
	tree_free(tree);
	return NULL;
}

void tree_free(struct tree *tree)
{
	if (!tree)
		return;
	free(tree->nodes);
	free(tree->bytes);
	free(tree->slots);
	free(tree);
}

size_t tree_count(const struct tree *tree)
{
	return tree->count - 1;
}

static bool is_name(const char *name, size_t size)
{
	return size && size <= NAME_MAX && !memchr(name, '/', size) && !memchr(name, '\n', size) &&
	       !memchr(name, '\0', size) && !(size == 1 && name[0] == '.') &&
	       !(size == 2 && name[0] == '.' && name[1] == '.');
}

/* What keeps a node from being made, in errno's terms; 0: nothing. */
static int why_not(const struct tree *tree, uint32_t parent, const char *name, size_t size)
{
	if (!is_name(name, size))
		return EINVAL;
	if (tree->nodes[parent].kind != TREE_DIR)
		return ENOTDIR;
	if (tree->count >= TREE_NODES_MAX || tree->nodes[parent].depth >= TREE_DEPTH_MAX)
		return EFBIG;
	return *find_slot(tree, parent, name, size) ? EEXIST : 0;
}

uint32_t tree_add(struct tree *tree, uint32_t parent, enum tree_kind kind, const char *name,
		  size_t name_size, const void *data, size_t size)
{
	struct tree_node node = { .parent = parent,
				  .kind = (uint8_t)kind,
				  .name_size = (uint16_t)name_size,
				  .size = (uint32_t)size };
	int number = why_not(tree, parent, name, name_size);
	struct tree_node *row;

	if (number) {
		errno = number;
		return 0;
	}
	node.depth = tree->nodes[parent].depth + 1;
	node.next = tree->nodes[parent].first;
	node.name = keep(tree, name, name_size);
	node.data = node.name == UINT32_MAX ? UINT32_MAX : keep(tree, data, size);
	if (node.data == UINT32_MAX || !grow_slots(tree))
		return 0;
	row = ROWS_ADD(tree->nodes, tree->count);
	if (!row)
		return 0;
	*row = node;
	number = (int)tree->count - 1;
	tree->nodes[parent].first = (uint32_t)number;
	*find_slot(tree, parent, name, name_size) = (uint32_t)number;
	return (uint32_t)number;
}

/* ---- paths ---- */

#define LINKS_MAX 40

/* What is still to be walked. */
struct walk {
	char rest[PATH_MAX];
	unsigned int links;
	uint32_t at;
};

static int fail(int number)
{
	errno = number;
	return -1;
}

/* Goes into a link: its target takes the link's place. */
static int enter_link(const struct tree *tree, struct walk *walk, uint32_t link, const char *behind)
{
	const struct tree_node *node = &tree->nodes[link];
	const char *target = tree->bytes + node->data;
	char rest[PATH_MAX];

	if (++walk->links > LINKS_MAX)
		return fail(ELOOP);
	if ((size_t)snprintf(rest, sizeof(rest), "%s/%s", target, behind) >= sizeof(rest))
		return fail(ENAMETOOLONG);
	memcpy(walk->rest, rest, strlen(rest) + 1);
	walk->at = target[0] == '/' ? 0 : node->parent;
	return 0;
}

/* One component.  `made`: the tree, when what is missing is to be made as a directory. */
static int step(const struct tree *tree, struct tree *made, struct walk *walk, const char *name,
		size_t size, const char *behind, bool follow)
{
	uint32_t next;

	if (tree->nodes[walk->at].kind == TREE_DENIED)
		return fail(EACCES);
	if (tree->nodes[walk->at].kind != TREE_DIR)
		return fail(ENOTDIR);
	if (size == 2 && !memcmp(name, "..", 2)) {
		next = tree->nodes[walk->at].parent;
	} else {
		next = *find_slot(tree, walk->at, name, size);
		if (!next && made)
			next = tree_add(made, walk->at, TREE_DIR, name, size, "", 0);
		else if (!next)
			errno = ENOENT;
		if (!next)
			return -1;
	}
	if (tree->nodes[next].kind == TREE_LINK && follow)
		return enter_link(tree, walk, next, behind);
	walk->at = next;
	memmove(walk->rest, behind, strlen(behind) + 1);
	return 0;
}

static int walk_path(const struct tree *tree, struct tree *made, const char *path, bool follow,
		     uint32_t *node)
{
	struct walk walk = { .links = 0 };

	if (strlen(path) >= sizeof(walk.rest))
		return fail(ENAMETOOLONG);
	strcpy(walk.rest, path);
	for (;;) {
		const char *name = walk.rest + strspn(walk.rest, "/");
		size_t size = strcspn(name, "/");
		const char *behind = name + size + strspn(name + size, "/");
		char copy[NAME_MAX + 1];

		if (!size)
			break;
		if (size > NAME_MAX)
			return fail(ENAMETOOLONG);
		memcpy(copy, name, size);
		if (size == 1 && *name == '.')
			memmove(walk.rest, behind, strlen(behind) + 1);
		else if (step(tree, made, &walk, copy, size, behind, follow || *behind))
			return -1;
	}
	*node = walk.at;
	return 0;
}

int tree_find(const struct tree *tree, const char *path, bool follow, uint32_t *node)
{
	return walk_path(tree, NULL, path, follow, node);
}

/* ---- adding ---- */

static uint32_t add_at(struct tree *tree, const char *path, enum tree_kind kind, const void *data,
		       size_t size)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char above[PATH_MAX];
	uint32_t parent;

	if (size > TREE_BYTES_MAX || strlen(path) >= sizeof(above)) {
		errno = EFBIG;
		return 0;
	}
	memcpy(above, path, (size_t)(name - path));
	above[name - path] = '\0';
	if (walk_path(tree, tree, above, true, &parent))
		return 0;
	return tree_add(tree, parent, kind, name, strlen(name), data, size);
}

int tree_add_dir(struct tree *tree, const char *path)
{
	uint32_t node;

	return walk_path(tree, tree, path, true, &node);
}

int tree_add_file(struct tree *tree, const char *path, const void *bytes, size_t size)
{
	return add_at(tree, path, TREE_FILE, bytes, size) ? 0 : -1;
}

int tree_add_link(struct tree *tree, const char *path, const char *target)
{
	return add_at(tree, path, TREE_LINK, target, strlen(target)) ? 0 : -1;
}

int tree_add_denied(struct tree *tree, const char *path)
{
	return add_at(tree, path, TREE_DENIED, "", 0) ? 0 : -1;
}

/* ---- pieces ---- */

struct piece {
	size_t at, size;
	const unsigned char *bytes;
};

/* Takes the next piece off; false at the end, or where they are no pieces. */
static bool next_piece(const unsigned char **pieces, size_t *left, struct piece *piece)
{
	const unsigned char *from = *pieces;

	if (*left < 4)
		return false;
	*piece = (struct piece){ (size_t)from[0] | (size_t)from[1] << 8,
				 (size_t)from[2] | (size_t)from[3] << 8, from + 4 };
	if (piece->size > *left - 4)
		return false;
	*pieces += 4 + piece->size;
	*left -= 4 + piece->size;
	return true;
}

bool tree_pieces_are_sound(const unsigned char *pieces, size_t size)
{
	size_t end = 0;
	struct piece piece;

	while (next_piece(&pieces, &size, &piece)) {
		if (piece.at < end || !piece.size)
			return false;
		end = piece.at + piece.size;
	}
	return !size;
}

int tree_add_pieces(struct tree *tree, const char *path, uint32_t stated, const void *pieces,
		    size_t size)
{
	uint32_t node;

	if (!tree_pieces_are_sound(pieces, size))
		return fail(EINVAL);
	node = add_at(tree, path, TREE_PIECES, pieces, size);
	if (!node)
		return -1;
	tree->nodes[node].stated = stated;
	return 0;
}

/* ---- reading ---- */

mode_t tree_mode(const struct tree *tree, uint32_t node)
{
	static const mode_t modes[] = { [TREE_DIR] = S_IFDIR | 0555,
					[TREE_FILE] = S_IFREG | 0444,
					[TREE_LINK] = S_IFLNK | 0777,
					[TREE_PIECES] = S_IFREG | 0444,
					[TREE_DENIED] = S_IFREG };

	return modes[tree->nodes[node].kind];
}

const void *tree_file(const struct tree *tree, uint32_t node, size_t *size)
{
	const struct tree_node *file = &tree->nodes[node];

	if (file->kind == TREE_FILE) {
		*size = file->size;
		return tree->bytes + file->data;
	}
	errno = file->kind == TREE_DIR ? EISDIR : file->kind == TREE_DENIED ? EACCES : EINVAL;
	return NULL;
}

const char *tree_target(const struct tree *tree, uint32_t node, size_t *size)
{
	const struct tree_node *link = &tree->nodes[node];

	if (link->kind == TREE_LINK) {
		*size = link->size;
		return tree->bytes + link->data;
	}
	errno = EINVAL;
	return NULL;
}

int tree_list(const struct tree *tree, uint32_t node, struct name_list *list)
{
	const struct tree_node *dir = &tree->nodes[node];

	if (dir->kind != TREE_DIR)
		return fail(dir->kind == TREE_DENIED ? EACCES : ENOTDIR);
	for (uint32_t at = dir->first; at; at = tree->nodes[at].next) {
		char **row = ROWS_ADD(list->names, list->count);

		if (row)
			*row = strdup(tree->bytes + tree->nodes[at].name);
		if (!row || !*row)
			return -1;
	}
	return 0;
}

bool tree_read(const struct tree *tree, uint32_t node, size_t at, void *to, size_t count)
{
	const struct tree_node *file = &tree->nodes[node];
	const unsigned char *pieces = (const unsigned char *)tree->bytes + file->data;
	size_t left = file->size;
	struct piece piece;

	if (file->kind == TREE_FILE) {
		if (at > left || count > left - at)
			return false;
		memcpy(to, pieces + at, count);
		return true;
	}
	while (file->kind == TREE_PIECES && next_piece(&pieces, &left, &piece)) {
		if (at < piece.at || at - piece.at > piece.size ||
		    count > piece.size - (at - piece.at))
			continue;
		memcpy(to, piece.bytes + (at - piece.at), count);
		return true;
	}
	return false;
}

uint32_t tree_stated(const struct tree *tree, uint32_t node)
{
	return tree->nodes[node].stated;
}
