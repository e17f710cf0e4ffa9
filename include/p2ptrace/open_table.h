/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * open_table: the allocations and mappings that have begun and not ended.
 *
 * An entry is a byte range [addr, addr + size) of a device.  It is found by its
 * exact key (device, addr) in a hash; entries with the same key form a chain,
 * oldest first.  Ends that fall inside an entry, or cover several, need an order
 * by address: the ranges of a device's entries, which are made when the first such
 * end comes, and let go when no more come.  The answers do not depend on whether
 * they are there.
 *
 * An entry whose middle was closed becomes several pieces; the first is the
 * *root*, which keeps what belongs to the beginning, until the last piece ends.
 *
 * Entries are named by index; 0 is none.  Source: src/analysis/open_table.c
 */
#ifndef P2PTRACE_OPEN_TABLE_H
#define P2PTRACE_OPEN_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "p2ptrace/key_hash.h"

struct path_totals;

/* One cache line. */
struct open_entry {
	uint64_t addr, size;
	uint64_t stamp; /* of the beginning */
	struct path_totals *totals; /* of the beginning's path */
	uint32_t device;
	uint32_t thread, beginning; /* who began it, in the matcher's tables */
	uint32_t next; /* younger one of the same key; free entries: the next free */
	uint32_t tail; /* of the chain, kept in its first entry */
	uint32_t root; /* the entry itself, or the root of this piece */
	uint32_t pieces; /* of a root: how many are open, itself included */
	uint16_t cpu;
	/* Alone with its key, whole, of known size: the quick way out is open. */
	bool plain : 1;
	bool no_size : 1; /* the size is not known: any end closes all of it */
	bool ambiguous : 1; /* its key was open more than once */
	bool linked : 1; /* found by its key; a root may be closed before its pieces */
	bool used : 1;
	bool divided : 1; /* a part of it was closed */
};

struct open_ranges;

struct open_table {
	uint64_t *slots; /* hash << 32 | index of a chain's first entry; 0: empty */
	uint32_t slot_mask, slot_used;
	struct open_entry *entries; /* [0] is not used */
	uint32_t entry_count, entry_room;
	uint32_t free_list;
	struct open_ranges *ranges; /* [device] */
	uint32_t ranges_count;
	uint32_t active_ranges; /* devices that have some: beginnings are told to them */
	uint32_t open; /* roots */
	bool no_memory; /* open_table_reach() has no answer */
};

bool open_table_init(struct open_table *table);
void open_table_destroy(struct open_table *table);

static inline struct open_entry *open_entry_at(const struct open_table *table, uint32_t entry)
{
	return &table->entries[entry];
}

static inline void open_table_prefetch_slot(const struct open_table *table, uint32_t hash)
{
	__builtin_prefetch(&table->slots[hash & table->slot_mask]);
}

/* Three in four slots are empty, so that hardly a key stands in another's way: where it
 * does, the processor has guessed wrong. */
static inline bool open_table_is_full(const struct open_table *table)
{
	return ((uint64_t)table->slot_used + 1) * 4 > table->slot_mask;
}

/* Of the entry that likely has this hash: it stands in its slot or in the next one. */
static inline void open_table_prefetch_entry(const struct open_table *table, uint32_t hash)
{
	uint64_t slot = table->slots[hash & table->slot_mask];
	uint64_t next = table->slots[(hash + 1) & table->slot_mask];

	slot = (uint32_t)(slot >> 32) == hash ? slot : next;
	__builtin_prefetch(&table->entries[(uint32_t)slot]);
	/* gcc takes a loop that does nothing else for an idle one, and leaves it out. */
	__asm__ volatile("");
}

/* Where the key stands in `slots`, or the empty slot where it would. */
static inline uint32_t open_table_probe(const struct open_table *table, uint32_t hash,
					uint32_t device, uint64_t addr)
{
	uint32_t at = hash & table->slot_mask;

	for (;; at = (at + 1) & table->slot_mask) {
		uint64_t slot = table->slots[at];
		const struct open_entry *entry = &table->entries[(uint32_t)slot];

		if (!slot || ((uint32_t)(slot >> 32) == hash && entry->addr == addr &&
			      entry->device == device))
			return at;
	}
}

/* The oldest open entry with this key, 0 if none. */
static inline uint32_t open_table_find(const struct open_table *table, uint32_t device,
				       uint64_t addr)
{
	return (uint32_t)
		table->slots[open_table_probe(table, key_hash(device, addr), device, addr)];
}

/* Takes the slot out and closes the gap: later ones of the same run move up. */
static inline void open_table_clear_slot(struct open_table *table, uint32_t gap)
{
	uint32_t mask = table->slot_mask;

	for (uint32_t at = (gap + 1) & mask; table->slots[at]; at = (at + 1) & mask) {
		uint32_t home = (uint32_t)(table->slots[at] >> 32) & mask;

		if (((at - home) & mask) < ((at - gap) & mask))
			continue;
		table->slots[gap] = table->slots[at];
		gap = at;
	}
	table->slots[gap] = 0;
	table->slot_used--;
}

/* A new entry at the end of its key's chain; 0 without memory.  *oldest is the first
 * entry that had the key open before, 0: none.  The caller fills in what is not key:
 * it is a root of one piece until open_table_split(). */
uint32_t open_table_add(struct open_table *table, uint32_t hash, uint32_t device, uint64_t addr,
			uint64_t size, uint32_t *oldest);

/* The quick way of open_table_add(): the free list is not empty, `slot` is the empty one
 * of the key, and there is room in the hash. */
static inline void open_table_take_free(struct open_table *table, uint32_t slot, uint32_t hash,
					uint32_t device, uint64_t addr, uint64_t size)
{
	uint32_t index = table->free_list;
	struct open_entry *entry = &table->entries[index];

	table->free_list = entry->next;
	table->slots[slot] = (uint64_t)hash << 32 | index;
	table->slot_used++;
	table->open++;
	entry->addr = addr;
	entry->size = size;
	entry->device = device;
	entry->next = 0;
	entry->tail = entry->root = index;
	entry->pieces = 1;
	/* All of them one after the other become one store. */
	entry->plain = true;
	entry->no_size = false;
	entry->ambiguous = false;
	entry->linked = true;
	entry->used = true;
	entry->divided = false;
}

/* For a new entry, with active_ranges. */
void open_table_note_range(struct open_table *table, uint32_t entry);

/* Takes an entry out of the reach of its key and address; it stays allocated. */
void open_table_unlink(struct open_table *table, uint32_t entry);

/* Gives up the entry (unlinked before). */
static inline void open_table_free(struct open_table *table, uint32_t index)
{
	struct open_entry *entry = &table->entries[index];

	table->open -= entry->root == index && entry->used;
	entry->used = false;
	entry->next = table->free_list;
	table->free_list = index;
}

/* Both at once for a plain entry, which stands in `slot`. */
static inline void open_table_close_plain(struct open_table *table, uint32_t slot, uint32_t index)
{
	struct open_entry *entry = &table->entries[index];

	open_table_clear_slot(table, slot);
	table->open--;
	entry->linked = false;
	entry->used = false;
	entry->next = table->free_list;
	table->free_list = index;
}

/* Shrinks an entry to [addr, addr + size), which lies within it.  False without memory. */
bool open_table_shrink(struct open_table *table, uint32_t entry, uint64_t addr, uint64_t size);

/* A further piece of the entry's root; 0 without memory. */
uint32_t open_table_split(struct open_table *table, uint32_t entry, uint64_t addr, uint64_t size);

/* The oldest entry of the device that covers `addr`, whatever its key; else the one at
 * the lowest address behind it and below `to`, the oldest there; 0 if none.  Makes the
 * device's ranges; without memory for them there is no answer but `no_memory`. */
uint32_t open_table_reach(struct open_table *table, uint32_t device, uint64_t addr, uint64_t to);

#endif
