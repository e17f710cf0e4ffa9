// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/open_table.h"

/* A tree is let go after this many changes without a question to it. */
#define TREE_PATIENCE 16384

/* A node of a device's treap, ordered by (addr, entry), each with the highest end
 * below it. */
struct open_node {
	uint32_t left, right;
	uint64_t end;
};

struct open_tree {
	uint32_t root;
	uint32_t idle; /* changes since the last question */
	bool active;
};

/* Entries on cache lines of their own. */
static struct open_entry *new_entries(uint32_t count)
{
	struct open_entry *entries = aligned_alloc(64, (size_t)count * sizeof(*entries));

	_Static_assert(sizeof(*entries) == 64, "an entry is a cache line");
	if (entries)
		memset(entries, 0, (size_t)count * sizeof(*entries));
	return entries;
}

bool open_table_init(struct open_table *table)
{
	*table = (struct open_table){ .slot_mask = 1023, .entry_count = 1, .entry_room = 512 };
	table->slots = calloc(table->slot_mask + 1, sizeof(*table->slots));
	table->entries = new_entries(table->entry_room);
	return table->slots && table->entries;
}

void open_table_destroy(struct open_table *table)
{
	free(table->slots);
	free(table->entries);
	free(table->trees);
	free(table->nodes);
	*table = (struct open_table){ 0 };
}

/* ---- the interval tree ---- */

static inline uint32_t priority(uint32_t entry)
{
	uint32_t hash = entry * 0x85ebca6bu;

	return (hash ^ hash >> 15) * 0xc2b2ae35u;
}

static uint64_t entry_end(const struct open_entry *entry)
{
	/* An entry without a size, or of none, holds its first byte. */
	uint64_t size = entry->size ? entry->size : 1;

	return entry->addr + size < entry->addr ? UINT64_MAX : entry->addr + size;
}

static void update_node(const struct open_table *table, uint32_t at)
{
	struct open_node *node = &table->nodes[at];

	node->end = entry_end(&table->entries[at]);
	if (node->left && table->nodes[node->left].end > node->end)
		node->end = table->nodes[node->left].end;
	if (node->right && table->nodes[node->right].end > node->end)
		node->end = table->nodes[node->right].end;
}

static bool comes_before(const struct open_table *table, uint32_t a, uint32_t b)
{
	if (table->entries[a].addr != table->entries[b].addr)
		return table->entries[a].addr < table->entries[b].addr;
	return a < b;
}

/* Divides a treap into what comes before `entry` and what does not. */
static void tree_split(const struct open_table *table, uint32_t at, uint32_t entry, uint32_t *left,
		       uint32_t *right)
{
	if (!at) {
		*left = *right = 0;
	} else if (comes_before(table, at, entry)) {
		tree_split(table, table->nodes[at].right, entry, &table->nodes[at].right, right);
		*left = at;
		update_node(table, at);
	} else {
		tree_split(table, table->nodes[at].left, entry, left, &table->nodes[at].left);
		*right = at;
		update_node(table, at);
	}
}

static uint32_t tree_join(const struct open_table *table, uint32_t left, uint32_t right)
{
	if (!left || !right)
		return left ? left : right;
	if (priority(left) > priority(right)) {
		table->nodes[left].right = tree_join(table, table->nodes[left].right, right);
		update_node(table, left);
		return left;
	}
	table->nodes[right].left = tree_join(table, left, table->nodes[right].left);
	update_node(table, right);
	return right;
}

static uint32_t tree_insert(const struct open_table *table, uint32_t at, uint32_t entry)
{
	if (!at || priority(entry) > priority(at)) {
		struct open_node *node = &table->nodes[entry];

		tree_split(table, at, entry, &node->left, &node->right);
		update_node(table, entry);
		return entry;
	}
	if (comes_before(table, entry, at))
		table->nodes[at].left = tree_insert(table, table->nodes[at].left, entry);
	else
		table->nodes[at].right = tree_insert(table, table->nodes[at].right, entry);
	update_node(table, at);
	return at;
}

static uint32_t tree_remove(const struct open_table *table, uint32_t at, uint32_t entry)
{
	if (!at)
		return 0;
	if (at == entry)
		return tree_join(table, table->nodes[at].left, table->nodes[at].right);
	if (comes_before(table, entry, at))
		table->nodes[at].left = tree_remove(table, table->nodes[at].left, entry);
	else
		table->nodes[at].right = tree_remove(table, table->nodes[at].right, entry);
	update_node(table, at);
	return at;
}

/* The oldest entry that covers `addr`: by stamp, then by entry. */
static void tree_search(const struct open_table *table, uint32_t at, uint64_t addr, uint32_t *best)
{
	const struct open_entry *entry = &table->entries[at];

	if (!at || table->nodes[at].end <= addr)
		return;
	tree_search(table, table->nodes[at].left, addr, best);
	if (entry->addr > addr)
		return;
	if (entry_end(entry) > addr &&
	    (!*best || entry->stamp < table->entries[*best].stamp ||
	     (entry->stamp == table->entries[*best].stamp && at < *best)))
		*best = at;
	tree_search(table, table->nodes[at].right, addr, best);
}

/* The lowest address behind `addr` that an entry begins at; UINT64_MAX if none. */
static uint64_t tree_next(const struct open_table *table, uint32_t at, uint64_t addr)
{
	uint64_t next = UINT64_MAX;

	while (at) {
		if (table->entries[at].addr > addr) {
			next = table->entries[at].addr;
			at = table->nodes[at].left;
		} else {
			at = table->nodes[at].right;
		}
	}
	return next;
}

static bool make_nodes(struct open_table *table)
{
	struct open_node *more;

	if (table->node_room >= table->entry_room)
		return true;
	more = reallocarray(table->nodes, table->entry_room, sizeof(*more));
	if (!more)
		return false;
	table->nodes = more;
	table->node_room = table->entry_room;
	return true;
}

static struct open_tree *make_tree(struct open_table *table, uint32_t device)
{
	struct open_tree *tree;

	if (device >= table->tree_count) {
		struct open_tree *more =
			reallocarray(table->trees, (size_t)device + 1, sizeof(*more));

		if (!more)
			return NULL;
		memset(more + table->tree_count, 0,
		       (device + 1 - table->tree_count) * sizeof(*more));
		table->trees = more;
		table->tree_count = device + 1;
	}
	tree = &table->trees[device];
	if (tree->active)
		return tree;
	if (!make_nodes(table))
		return NULL;
	*tree = (struct open_tree){ .active = true };
	table->active_trees++;
	for (uint32_t entry = 1; entry < table->entry_count; entry++)
		if (table->entries[entry].linked && table->entries[entry].device == device)
			tree->root = tree_insert(table, tree->root, entry);
	return tree;
}

static struct open_tree *active_tree(struct open_table *table, uint32_t device)
{
	struct open_tree *tree = device < table->tree_count ? &table->trees[device] : NULL;

	if (!tree || !tree->active)
		return NULL;
	if (++tree->idle < TREE_PATIENCE)
		return tree;
	tree->active = false;
	table->active_trees--;
	return NULL;
}

/* ---- the hash ---- */

static bool grow_slots(struct open_table *table)
{
	uint32_t mask = table->slot_mask * 2 + 1;
	uint64_t *old = table->slots, *slots = calloc((size_t)mask + 1, sizeof(*slots));

	if (!slots)
		return false;
	for (uint32_t i = 0; i <= table->slot_mask; i++) {
		uint32_t at = (uint32_t)(old[i] >> 32) & mask;

		if (!old[i])
			continue;
		while (slots[at])
			at = (at + 1) & mask;
		slots[at] = old[i];
	}
	free(old);
	table->slots = slots;
	table->slot_mask = mask;
	return true;
}

static bool link_entry(struct open_table *table, uint32_t index, uint32_t hash, uint32_t *oldest)
{
	struct open_entry *entry = &table->entries[index];
	struct open_tree *tree;
	uint32_t slot, head;

	if (open_table_is_full(table) && !grow_slots(table))
		return false;
	slot = open_table_probe(table, hash, entry->device, entry->addr);
	head = (uint32_t)table->slots[slot];
	entry->next = 0;
	*oldest = head;
	if (head) {
		table->entries[head].plain = entry->plain = false;
		table->entries[table->entries[head].tail].next = index;
		table->entries[head].tail = index;
	} else {
		entry->tail = index;
		table->slots[slot] = (uint64_t)hash << 32 | index;
		table->slot_used++;
	}
	entry->linked = true;
	tree = active_tree(table, entry->device);
	if (tree)
		tree->root = tree_insert(table, tree->root, index);
	return true;
}

/* A piece at a new key is as old as its beginning: from the end of the chain it moves
 * in front of the younger ones. */
static void settle(struct open_table *table, uint32_t index, uint32_t hash, uint32_t head)
{
	struct open_entry *entries = table->entries, *entry = &entries[index];
	uint32_t before = 0, at = head, last;

	while (at != index && entries[at].stamp <= entry->stamp) {
		before = at;
		at = entries[at].next;
	}
	if (at == index)
		return;
	for (last = at; entries[last].next != index; last = entries[last].next)
		;
	entries[last].next = 0;
	entry->next = at;
	if (before) {
		entries[before].next = index;
		entries[head].tail = last;
	} else {
		uint32_t slot = open_table_probe(table, hash, entry->device, entry->addr);

		entry->tail = last;
		table->slots[slot] = (uint64_t)hash << 32 | index;
	}
}

static bool relink_entry(struct open_table *table, uint32_t index)
{
	const struct open_entry *entry = &table->entries[index];
	uint32_t hash = key_hash(entry->device, entry->addr), oldest;

	if (!link_entry(table, index, hash, &oldest))
		return false;
	if (oldest)
		settle(table, index, hash, oldest);
	return true;
}

void open_table_unlink(struct open_table *table, uint32_t index)
{
	struct open_entry *entry = &table->entries[index];
	uint32_t hash = key_hash(entry->device, entry->addr);
	uint32_t slot = open_table_probe(table, hash, entry->device, entry->addr);
	uint32_t head = (uint32_t)table->slots[slot];
	struct open_tree *tree = active_tree(table, entry->device);

	if (tree)
		tree->root = tree_remove(table, tree->root, index);
	entry->linked = false;
	if (head == index && !entry->next) {
		open_table_clear_slot(table, slot);
	} else if (head == index) {
		table->entries[entry->next].tail = entry->tail;
		table->slots[slot] = (uint64_t)hash << 32 | entry->next;
	} else {
		uint32_t before = head;

		while (table->entries[before].next != index)
			before = table->entries[before].next;
		table->entries[before].next = entry->next;
		if (!entry->next)
			table->entries[head].tail = before;
	}
}

/* ---- entries ---- */

static uint32_t new_entry(struct open_table *table)
{
	uint32_t index = table->free_list;

	if (index) {
		table->free_list = table->entries[index].next;
		return index;
	}
	if (table->entry_count == table->entry_room) {
		struct open_entry *more = table->entry_room > UINT32_MAX / 2
						  ? NULL
						  : new_entries(table->entry_room * 2);

		if (!more)
			return 0;
		memcpy(more, table->entries, (size_t)table->entry_count * sizeof(*more));
		free(table->entries);
		table->entries = more;
		table->entry_room *= 2;
	}
	if (table->nodes && !make_nodes(table))
		return 0;
	return table->entry_count++;
}

uint32_t open_table_add(struct open_table *table, uint32_t hash, uint32_t device, uint64_t addr,
			uint64_t size, uint32_t *oldest)
{
	uint32_t index = new_entry(table);
	struct open_entry *entry = &table->entries[index];

	if (!index)
		return 0;
	*entry = (struct open_entry){ .addr = addr,
				      .size = size,
				      .device = device,
				      .root = index,
				      .pieces = 1,
				      .used = true };
	table->open++;
	if (!link_entry(table, index, hash, oldest)) {
		open_table_free(table, index);
		return 0;
	}
	return index;
}

bool open_table_shrink(struct open_table *table, uint32_t index, uint64_t addr, uint64_t size)
{
	struct open_entry *entry = &table->entries[index];

	open_table_unlink(table, index);
	entry->plain = false;
	entry->addr = addr;
	entry->size = size;
	return relink_entry(table, index);
}

uint32_t open_table_split(struct open_table *table, uint32_t index, uint64_t addr, uint64_t size)
{
	uint32_t root = table->entries[index].root;
	uint32_t piece = new_entry(table);

	if (!piece)
		return 0;
	table->entries[piece] = table->entries[index];
	table->entries[piece].addr = addr;
	table->entries[piece].size = size;
	table->entries[root].pieces++;
	table->entries[root].plain = table->entries[piece].plain = false;
	return relink_entry(table, piece) ? piece : 0;
}

uint32_t open_table_reach(struct open_table *table, uint32_t device, uint64_t addr, uint64_t to)
{
	struct open_tree *tree;
	uint32_t best = 0;
	uint64_t next;

	if (!table->slot_used)
		return 0;
	tree = make_tree(table, device);
	if (!tree)
		return 0;
	tree->idle = 0;
	tree_search(table, tree->root, addr, &best);
	if (best)
		return best;
	next = tree_next(table, tree->root, addr);
	return next < to ? open_table_find(table, device, next) : 0;
}
