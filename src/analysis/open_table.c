// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "open_ranges.h"

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
	for (uint32_t i = 0; i < table->ranges_count; i++)
		ranges_let_go(&table->ranges[i]);
	free(table->ranges);
	*table = (struct open_table){ 0 };
}

/* ---- ranges ---- */

/* Those of a device that has some. */
static struct open_ranges *active_ranges(const struct open_table *table, uint32_t device)
{
	struct open_ranges *ranges = device < table->ranges_count ? &table->ranges[device] : NULL;

	return ranges && ranges->active ? ranges : NULL;
}

void open_table_note_range(struct open_table *table, uint32_t index)
{
	struct open_ranges *ranges = active_ranges(table, table->entries[index].device);

	if (ranges && !ranges_add(ranges, table, index))
		table->active_ranges--;
}

static bool make_room_for_ranges(struct open_table *table, uint32_t device)
{
	struct open_ranges *more;

	if (device < table->ranges_count)
		return true;
	more = reallocarray(table->ranges, (size_t)device + 1, sizeof(*more));
	if (!more)
		return false;
	memset(more + table->ranges_count, 0, (device + 1 - table->ranges_count) * sizeof(*more));
	table->ranges = more;
	table->ranges_count = device + 1;
	return true;
}

/* Ready for questions; NULL without memory. */
static struct open_ranges *make_ranges(struct open_table *table, uint32_t device)
{
	struct open_ranges *ranges;
	bool was_active, good;

	if (!make_room_for_ranges(table, device))
		return NULL;
	ranges = &table->ranges[device];
	was_active = ranges->active;
	good = was_active ? ranges_settle(ranges, table, device)
			  : ranges_make(ranges, table, device);
	table->active_ranges += (uint32_t)good - (uint32_t)was_active;
	return good ? ranges : NULL;
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
	if (table->active_ranges)
		open_table_note_range(table, index);
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
	struct open_ranges *ranges;
	uint64_t next;
	uint32_t best;

	if (!table->slot_used)
		return 0;
	ranges = make_ranges(table, device);
	if (!ranges) {
		table->no_memory = true;
		return 0;
	}
	best = ranges_cover(ranges, table, device, addr);
	if (best)
		return best;
	next = ranges_next(ranges, table, device, addr, to);
	return next < to ? open_table_find(table, device, next) : 0;
}
