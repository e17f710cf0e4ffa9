// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Beginnings and ends: docs/matching.md says the rules and why they are so.
 */
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/match.h"

/* Hash lookups are begun this many records ahead, so that memory answers in time. */
#define AHEAD_RECORD 24
#define AHEAD_SLOT 16
#define AHEAD_ENTRY 8

/* A free without a size, inside an allocation: of one page. */
#define PAGE_BYTES 4096

/* Of the entries of one key, how many are looked at for one of the same size. */
#define CHAIN_LOOK 64

/* Beginnings and ends of devices whose events have no address: counted only. */
struct pair_balance {
	uint32_t client, provider;
	uint32_t path; /* of the latest beginning */
	bool pool;
	uint64_t open;
};

/* ---- totals ---- */

static struct path_totals *make_totals(struct matcher *matcher, uint32_t path)
{
	struct path_totals *totals;

	if (path >= matcher->totals_room) {
		uint32_t room = matcher->totals_room ? matcher->totals_room : 64;
		struct path_totals **more;

		while (room <= path)
			room *= 2;
		more = reallocarray(matcher->totals, room, sizeof(struct path_totals *));
		if (!more)
			return NULL;
		memset(more + matcher->totals_room, 0,
		       (room - matcher->totals_room) * sizeof(struct path_totals *));
		matcher->totals = more;
		matcher->totals_room = room;
	}
	totals = calloc(1, sizeof(*totals));
	if (totals)
		totals->dist = -1;
	matcher->totals[path] = totals;
	return totals;
}

static inline struct path_totals *totals_of(struct matcher *matcher, uint32_t path)
{
	static struct path_totals nowhere;
	struct path_totals *totals = path < matcher->totals_room ? matcher->totals[path] : NULL;

	if (__builtin_expect(!totals, 0)) {
		totals = make_totals(matcher, path);
		matcher->no_memory |= !totals;
	}
	return totals ? totals : &nowhere;
}

static inline uint32_t thread_slot(const struct matcher *matcher, uint32_t tid)
{
	uint32_t at = (tid * 0x9e3779b1u) >> 7 & matcher->thread_mask;

	while (matcher->thread_slots[at] && matcher->threads[matcher->thread_slots[at] - 1].tid != tid)
		at = (at + 1) & matcher->thread_mask;
	return at;
}

static bool grow_threads(struct matcher *matcher)
{
	uint32_t room = matcher->thread_room * 2;
	struct thread_totals *more = reallocarray(matcher->threads, room, sizeof(*more));
	uint32_t *slots = calloc((size_t)room * 2, sizeof(*slots));

	matcher->threads = more ? more : matcher->threads;
	if (!more || !slots) {
		free(slots);
		return false;
	}
	free(matcher->thread_slots);
	matcher->thread_slots = slots;
	matcher->thread_mask = room * 2 - 1;
	matcher->thread_room = room;
	for (uint32_t i = 0; i < matcher->thread_count; i++)
		slots[thread_slot(matcher, more[i].tid)] = i + 1;
	return true;
}

static struct thread_totals *make_thread(struct matcher *matcher, uint32_t tid)
{
	static struct thread_totals nowhere;

	if (matcher->thread_count == matcher->thread_room && !grow_threads(matcher)) {
		matcher->no_memory = true;
		return &nowhere;
	}
	matcher->threads[matcher->thread_count] = (struct thread_totals){ .tid = tid };
	matcher->thread_slots[thread_slot(matcher, tid)] = ++matcher->thread_count;
	return &matcher->threads[matcher->thread_count - 1];
}

static inline struct thread_totals *thread_of(struct matcher *matcher, uint32_t tid)
{
	uint32_t at = thread_slot(matcher, tid);

	if (__builtin_expect(!matcher->thread_slots[at], 0))
		return make_thread(matcher, tid);
	return &matcher->threads[matcher->thread_slots[at] - 1];
}

/* ---- events without an address ---- */

static struct pair_balance *balance_of(struct matcher *matcher, const struct path *path)
{
	bool pool = path->kind == KIND_ALLOC || path->kind == KIND_FREE;
	struct pair_balance *balance;

	for (uint32_t i = 0; i < matcher->balance_count; i++) {
		balance = &matcher->balances[i];
		if (balance->client == path->client && balance->provider == path->provider &&
		    balance->pool == pool)
			return balance;
	}
	if (matcher->balance_count == matcher->balance_room) {
		uint32_t room = matcher->balance_room ? matcher->balance_room * 2 : 16;

		balance = reallocarray(matcher->balances, room, sizeof(*balance));
		if (!balance) {
			matcher->no_memory = true;
			return NULL;
		}
		matcher->balances = balance;
		matcher->balance_room = room;
	}
	balance = &matcher->balances[matcher->balance_count++];
	*balance = (struct pair_balance){ .client = path->client,
					  .provider = path->provider,
					  .pool = pool };
	return balance;
}

/* ---- ends ---- */

/* The last piece has ended: the beginning is closed. */
static void complete(struct matcher *matcher, uint32_t root, uint64_t stamp)
{
	const struct open_entry *begin = open_entry_at(&matcher->open, root);
	struct path_totals *totals = totals_of(matcher, begin->path);

	totals->open--;
	totals->ambiguous += begin->ambiguous;
	if (!histogram_add(&totals->lifetimes, stamp > begin->stamp ? stamp - begin->stamp : 0))
		matcher->no_memory = true;
	open_table_free(&matcher->open, root);
}

/* Takes a whole entry out.  Its root is completed with its last piece. */
static void close_entry(struct matcher *matcher, uint32_t index, uint64_t stamp)
{
	uint32_t root = open_entry_at(&matcher->open, index)->root;

	open_table_unlink(&matcher->open, index);
	if (index != root)
		open_table_free(&matcher->open, index);
	if (--open_entry_at(&matcher->open, root)->pieces == 0)
		complete(matcher, root, stamp);
}

/* Closes what [from, to) covers of the entry; returns the bytes. */
static uint64_t close_range(struct matcher *matcher, uint32_t index, uint64_t from, uint64_t to,
			    uint64_t stamp)
{
	struct open_entry *entry = open_entry_at(&matcher->open, index);
	uint64_t first = entry->addr, end = entry->addr + entry->size;
	uint64_t low = from > first ? from : first, high = to < end ? to : end;
	uint64_t bytes = high - low;
	bool ok = true;

	if (entry->no_size || !entry->size || end < first || (low == first && high == end)) {
		bytes = entry->size;
		totals_of(matcher, open_entry_at(&matcher->open, entry->root)->path)->open_bytes -=
			bytes;
		close_entry(matcher, index, stamp);
		return bytes;
	}
	totals_of(matcher, open_entry_at(&matcher->open, entry->root)->path)->open_bytes -= bytes;
	if (low == first) {
		ok = open_table_shrink(&matcher->open, index, high, end - high);
	} else {
		entry->size = low - first;
		if (high < end)
			ok = open_table_split(&matcher->open, index, high, end - high) != 0;
		else
			ok = open_table_shrink(&matcher->open, index, first, low - first);
	}
	matcher->no_memory |= !ok;
	return bytes;
}

/* Of the entries with one key the oldest, or the oldest of the same size: the same
 * memory may be mapped several times at once, in different lengths. */
static inline uint32_t choose_entry(const struct matcher *matcher, uint32_t head, uint64_t size,
				    bool no_size)
{
	uint32_t index = head;

	if (no_size)
		return head;
	for (int look = 0; index && look < CHAIN_LOOK; look++) {
		const struct open_entry *entry = open_entry_at(&matcher->open, index);

		if (entry->size == size || entry->no_size)
			return index;
		index = entry->next;
	}
	return head;
}

static void count_end(struct matcher *matcher, enum event_kind kind, uint32_t path, uint32_t tid,
		      uint64_t bytes)
{
	struct path_totals *totals = totals_of(matcher, path);
	struct thread_totals *thread = thread_of(matcher, tid);

	matcher->events[kind]++;
	totals->ends++;
	totals->end_bytes += bytes;
	if (kind == KIND_FREE) {
		thread->frees++;
		thread->free_bytes += bytes;
	} else {
		thread->unmaps++;
	}
}

static void take_orphan(struct matcher *matcher, const struct p2p_record *record,
			enum event_kind kind)
{
	uint32_t tid = record->flags & RECORD_INTERRUPT ? TID_INTERRUPT : record->tid;

	if (matcher->foreign_ends) {
		matcher->foreign++;
		return;
	}
	*(kind == KIND_FREE ? &matcher->orphan_frees : &matcher->orphan_unmaps) += 1;
	totals_of(matcher, record->path)->orphans++;
	count_end(matcher, kind, record->path, tid, record->size);
	if (record->comm && tid != TID_INTERRUPT)
		thread_of(matcher, tid)->comm = record->comm;
}

static void take_end_without_addr(struct matcher *matcher, const struct p2p_record *record,
				  enum event_kind kind)
{
	const struct path *path = path_at(matcher->paths, record->path);
	struct pair_balance *balance = balance_of(matcher, path);
	uint32_t tid = record->flags & RECORD_INTERRUPT ? TID_INTERRUPT : record->tid;
	struct path_totals *totals;

	if (!balance)
		return;
	if (!balance->open) {
		take_orphan(matcher, record, kind);
		return;
	}
	balance->open--;
	totals = totals_of(matcher, balance->path);
	totals->open -= totals->open ? 1 : 0;
	totals->open_bytes -= record->size < totals->open_bytes ? record->size : totals->open_bytes;
	count_end(matcher, kind, balance->path, tid, record->size);
}

/* The entries that the rest [at, to) of an end covers, in order of address. */
static uint64_t close_rest(struct matcher *matcher, uint32_t device, uint64_t at, uint64_t to,
			   uint64_t stamp)
{
	uint64_t bytes = 0;

	while (at < to) {
		uint32_t index = open_table_find(&matcher->open, device, at);
		uint64_t end;

		if (!index)
			index = open_table_overlap(&matcher->open, device, at, to - at);
		if (!index)
			break;
		end = open_entry_at(&matcher->open, index)->addr +
		      open_entry_at(&matcher->open, index)->size;
		bytes += close_range(matcher, index, at, to, stamp);
		if (end <= at)
			break;
		at = end;
	}
	return bytes;
}

/* The entry an end is for: by its exact key, else by its range. */
static inline uint32_t find_begin(struct matcher *matcher, const struct p2p_record *record,
				  uint32_t device)
{
	uint32_t head = open_table_find(&matcher->open, device, record->addr);
	bool no_size = record->flags & RECORD_NO_SIZE;

	if (__builtin_expect(head != 0, 1))
		return choose_entry(matcher, head, record->size, no_size);
	return open_table_overlap(&matcher->open, device, record->addr, no_size ? 1 : record->size);
}

static void take_end(struct matcher *matcher, const struct p2p_record *record,
		     enum event_kind kind, uint64_t stamp)
{
	uint32_t device = path_at(matcher->paths, record->path)->device;
	uint64_t from = record->addr, to = from + record->size, end, bytes;
	const struct open_entry *entry;
	uint32_t index, path, tid;

	if (record->flags & RECORD_NO_ADDR) {
		take_end_without_addr(matcher, record, kind);
		return;
	}
	index = find_begin(matcher, record, device);
	if (!index) {
		take_orphan(matcher, record, kind);
		return;
	}
	entry = open_entry_at(&matcher->open, index);
	end = entry->addr + entry->size;
	if (record->flags & RECORD_NO_SIZE)
		to = entry->addr == from ? end : from + PAGE_BYTES;
	path = open_entry_at(&matcher->open, entry->root)->path;
	tid = open_entry_at(&matcher->open, entry->root)->tid;
	bytes = close_range(matcher, index, from, to < from ? UINT64_MAX : to, stamp);
	if (to > end && end > from && !(record->flags & RECORD_NO_SIZE))
		bytes += close_rest(matcher, device, end, to, stamp);
	count_end(matcher, kind, path, tid, bytes);
}

/* ---- beginnings ---- */

/* An older beginning whose end was never seen gives way to a new one. */
static void supersede(struct matcher *matcher, uint32_t index)
{
	struct open_entry *entry = open_entry_at(&matcher->open, index);
	uint32_t root = entry->root;
	struct path_totals *totals =
		totals_of(matcher, open_entry_at(&matcher->open, root)->path);

	totals->open_bytes -= entry->size;
	open_table_unlink(&matcher->open, index);
	if (index != root)
		open_table_free(&matcher->open, index);
	if (--open_entry_at(&matcher->open, root)->pieces)
		return;
	totals->open--;
	totals->superseded++;
	matcher->superseded++;
	open_table_free(&matcher->open, root);
}

/* The key was open already.  An allocation's address cannot be given out twice; a
 * mapping's may, unless the end of the older one was lost. */
static void meet_older(struct matcher *matcher, uint32_t index, uint32_t oldest, bool pool)
{
	while (oldest != index) {
		struct open_entry *entry = open_entry_at(&matcher->open, oldest);
		uint32_t next = entry->next;

		if (pool || (matcher->lost && entry->stamp < matcher->last_loss)) {
			supersede(matcher, oldest);
		} else {
			open_entry_at(&matcher->open, entry->root)->ambiguous = true;
			open_entry_at(&matcher->open, index)->ambiguous = true;
			/* Those behind it were marked when they met it. */
			if (open_entry_at(&matcher->open, next)->ambiguous)
				break;
		}
		oldest = next;
	}
}

static void open_begin(struct matcher *matcher, const struct p2p_record *record,
		       const struct path *path, struct path_totals *totals, uint64_t stamp,
		       uint32_t cpu)
{
	struct open_entry *entry;
	uint32_t index, oldest;

	index = open_table_add(&matcher->open, path->device, record->addr, record->size, &oldest);
	if (__builtin_expect(!index, 0)) {
		matcher->no_memory = true;
		return;
	}
	totals->open++;
	totals->open_bytes += record->size;
	entry = open_entry_at(&matcher->open, index);
	entry->stamp = stamp;
	entry->path = record->path;
	entry->tid = record->tid;
	entry->comm = record->comm;
	entry->cpu = (uint16_t)cpu;
	entry->no_size = record->flags & RECORD_NO_SIZE;
	if (__builtin_expect(oldest != 0, 0))
		meet_older(matcher, index, oldest, path->kind == KIND_ALLOC);
}

static void count_begin(struct matcher *matcher, const struct p2p_record *record,
			const struct path *path)
{
	struct thread_totals *thread = thread_of(matcher, record->tid);
	uint64_t moved = record->flags & RECORD_FAILED ? 0 : record->size;

	thread->comm = record->comm ? record->comm : thread->comm;
	if (path->kind == KIND_ALLOC) {
		thread->allocs++;
		thread->alloc_bytes += moved;
	} else {
		thread->maps++;
		thread->map_bytes += moved;
		if (path->type < MAP_TYPES_KNOWN)
			thread->by_type[path->type]++;
	}
}

static void take_begin(struct matcher *matcher, const struct p2p_record *record,
		       enum event_kind kind, uint64_t stamp, uint32_t cpu)
{
	const struct path *path = path_at(matcher->paths, record->path);
	struct path_totals *totals = totals_of(matcher, record->path);

	matcher->events[kind]++;
	totals->begins++;
	totals->bytes += record->size;
	totals->no_size += (record->flags & RECORD_NO_SIZE) != 0;
	if (!(record->flags & RECORD_NO_DIST))
		totals->dist = record->dist;
	if (kind == KIND_TYPE_CHANGE)
		return;
	count_begin(matcher, record, path);
	if (record->flags & RECORD_FAILED) {
		totals->failed++;
		totals->failed_bytes += record->size;
	} else if (record->flags & RECORD_NO_ADDR) {
		struct pair_balance *balance = balance_of(matcher, path);

		totals->no_addr++;
		totals->open++;
		totals->open_bytes += record->size;
		if (balance) {
			balance->open++;
			balance->path = record->path;
		}
	} else {
		open_begin(matcher, record, path, totals, stamp, cpu);
	}
}

/* ---- the loop ---- */

/* The run of records at hand, with what the prefetching needs to know. */
struct run {
	const struct slice *slice;
	const struct p2p_order *places;
	uint32_t count;
	uint64_t hashes[64]; /* of the records ahead, by their number */
};

static inline void look_ahead(const struct matcher *matcher, struct run *run, uint32_t i)
{
	if (i + AHEAD_RECORD < run->count)
		__builtin_prefetch(&run->slice->records[run->places[i + AHEAD_RECORD].index]);
	if (i + AHEAD_SLOT < run->count) {
		const struct p2p_record *record =
			&run->slice->records[run->places[i + AHEAD_SLOT].index];
		uint64_t hash = open_table_hash(path_at(matcher->paths, record->path)->device,
						record->addr);

		run->hashes[(i + AHEAD_SLOT) % 64] = hash;
		open_table_prefetch_slot(&matcher->open, hash);
	}
	if (i >= AHEAD_SLOT - AHEAD_ENTRY && i + AHEAD_ENTRY < run->count)
		open_table_prefetch_entry(&matcher->open, run->hashes[(i + AHEAD_ENTRY) % 64]);
}

static inline void take_record(struct matcher *matcher, const struct slice *slice,
			       const struct p2p_order *place)
{
	const struct p2p_record *record = &slice->records[place->index];

	if (kind_is_end(place->kind))
		take_end(matcher, record, place->kind, place->stamp);
	else
		take_begin(matcher, record, place->kind, place->stamp, place->cpu);
}

static bool begun(struct matcher *matcher, const struct p2p_record *record)
{
	return !(record->flags & RECORD_NO_ADDR) &&
	       find_begin(matcher, record, path_at(matcher->paths, record->path)->device);
}

/* Records of one stamp: first the ends of what is open, then the rest in order. */
static void take_simultaneous(struct matcher *matcher, const struct slice *slice,
			      const struct p2p_order *places, uint32_t count)
{
	bool *taken = calloc(count, sizeof(*taken));

	if (!taken) {
		matcher->no_memory = true;
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		if (kind_is_end(places[i].kind) &&
		    begun(matcher, &slice->records[places[i].index])) {
			take_record(matcher, slice, &places[i]);
			taken[i] = true;
		}
	for (uint32_t i = 0; i < count; i++)
		if (!taken[i])
			take_record(matcher, slice, &places[i]);
	free(taken);
}

static void pass_losses(struct matcher *matcher, const struct slice *slice, uint32_t *next,
			uint64_t until)
{
	while (*next < slice->loss_count && slice->losses[*next].stamp <= until) {
		matcher->last_loss = slice->losses[(*next)++].stamp;
		matcher->lost = true;
	}
}

int matcher_take(struct matcher *matcher, const struct slice *slice, unsigned int shard,
		 struct p2p_error *err)
{
	struct run run = { .slice = slice,
			   .places = slice->order + slice->shard_first[shard],
			   .count = slice->shard_first[shard + 1] - slice->shard_first[shard] };
	uint32_t next_loss = 0, same;

	for (uint32_t i = 0; i < run.count; i += same) {
		uint64_t stamp = run.places[i].stamp;

		if (__builtin_expect(next_loss < slice->loss_count, 0))
			pass_losses(matcher, slice, &next_loss, stamp);
		for (same = 1; i + same < run.count && run.places[i + same].stamp == stamp; same++)
			look_ahead(matcher, &run, i + same);
		look_ahead(matcher, &run, i);
		if (__builtin_expect(same == 1, 1))
			take_record(matcher, slice, &run.places[i]);
		else
			take_simultaneous(matcher, slice, run.places + i, same);
	}
	pass_losses(matcher, slice, &next_loss, UINT64_MAX);
	return matcher->no_memory ? p2p_fail(err, "no memory for the analysis") : 0;
}

/* ---- life ---- */

bool matcher_init(struct matcher *matcher, const struct trace_file *file, const struct paths *paths)
{
	*matcher = (struct matcher){ .file = file, .paths = paths, .thread_room = 64 };
	matcher->thread_mask = matcher->thread_room * 2 - 1;
	matcher->threads = calloc(matcher->thread_room, sizeof(*matcher->threads));
	matcher->thread_slots = calloc(matcher->thread_mask + 1, sizeof(*matcher->thread_slots));
	return open_table_init(&matcher->open) && matcher->threads && matcher->thread_slots;
}

void matcher_destroy(struct matcher *matcher)
{
	for (uint32_t i = 0; i < matcher->totals_room; i++)
		if (matcher->totals[i]) {
			histogram_free(&matcher->totals[i]->lifetimes);
			free(matcher->totals[i]);
		}
	free(matcher->totals);
	free(matcher->threads);
	free(matcher->thread_slots);
	free(matcher->balances);
	open_table_destroy(&matcher->open);
}
