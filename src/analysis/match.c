// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Beginnings and ends: docs/matching.md says the rules and why they are so.
 */
#include <stdlib.h>
#include <string.h>

#include "match_tables.h"

/* The plain case is one stretch of code. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* How many records ahead of the one at hand memory is asked for. */
#define AHEAD 32

/* A free without a size, inside an allocation: of one page. */
#define PAGE_BYTES 4096

/* Of the entries of one key, how many are looked at for one of the same size. */
#define CHAIN_LOOK 64

/* ---- ends ---- */

static struct origin origin_of(const struct matcher *matcher, const struct open_entry *entry)
{
	return (struct origin){ .path = entry->totals->path,
				.tid = matcher->threads[entry->thread].tid,
				.comm = matcher->beginnings[entry->beginning].comm,
				.cpu = entry->cpu };
}

static inline enum event_kind kind_of(const struct matcher *matcher, const struct origin *origin)
{
	return path_at(matcher->paths, origin->path)->kind;
}

static void tell_complete(struct matcher *matcher, const struct open_entry *begin,
			  uint64_t lifetime)
{
	struct origin origin = origin_of(matcher, begin);

	details_complete(matcher->details, &origin, kind_of(matcher, &origin), lifetime);
}

/* A histogram's counter is likely far away in memory: it is asked for now and counted
 * when LIFETIMES_PENDING more have ended. */
static ALWAYS_INLINE void count_lifetime(struct matcher *matcher, struct histogram *histogram,
					 uint64_t lifetime)
{
	uint64_t **place = &matcher->pending[matcher->pending_at++ % LIFETIMES_PENDING];
	uint64_t *counter = histogram_note(histogram, lifetime);

	if (*place)
		++**place;
	*place = counter;
	__builtin_prefetch(counter, 1);
	if (__builtin_expect(!counter, 0))
		matcher->no_memory = true;
}

static void count_pending(struct matcher *matcher)
{
	for (unsigned int i = 0; i < LIFETIMES_PENDING; i++) {
		if (matcher->pending[i])
			++*matcher->pending[i];
		matcher->pending[i] = NULL;
	}
}

static ALWAYS_INLINE uint64_t add_lifetime(struct matcher *matcher, const struct open_entry *begin,
					   uint64_t stamp)
{
	uint64_t lifetime = stamp > begin->stamp ? stamp - begin->stamp : 0;

	begin->totals->open--;
	count_lifetime(matcher, &begin->totals->lifetimes, lifetime);
	return lifetime;
}

/* Takes a whole entry out.  Its root is completed with its last piece. */
static void close_entry(struct matcher *matcher, uint32_t index, uint64_t stamp)
{
	uint32_t root = open_entry_at(&matcher->open, index)->root;
	const struct open_entry *begin = open_entry_at(&matcher->open, root);
	uint64_t lifetime;

	open_table_unlink(&matcher->open, index);
	if (index != root)
		open_table_free(&matcher->open, index);
	if (--open_entry_at(&matcher->open, root)->pieces)
		return;
	lifetime = add_lifetime(matcher, begin, stamp);
	begin->totals->ambiguous += begin->ambiguous;
	if (matcher->details)
		tell_complete(matcher, begin, lifetime);
	open_table_free(&matcher->open, root);
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
		entry->totals->open_bytes -= bytes;
		close_entry(matcher, index, stamp);
		return bytes;
	}
	entry->totals->open_bytes -= bytes;
	entry->divided = true;
	if (low == first) {
		ok = open_table_shrink(&matcher->open, index, high, end - high);
	} else if (high == end) {
		ok = open_table_shrink(&matcher->open, index, first, low - first);
	} else {
		ok = open_table_shrink(&matcher->open, index, first, low - first) &&
		     open_table_split(&matcher->open, index, high, end - high);
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

static ALWAYS_INLINE void count_end(struct matcher *matcher, enum event_kind kind,
				    struct path_totals *totals, uint32_t thread, uint64_t bytes)
{
	struct thread_totals *who = &matcher->threads[thread];

	totals->ends++;
	totals->end_bytes += bytes;
	who->of[activity_of(kind)].ends++;
	who->of[activity_of(kind)].end_bytes += bytes;
}

/* An end that does not name the device that was filtered by may be any device's. */
static bool is_nobodys(const struct matcher *matcher, const struct path *path)
{
	return (matcher->provider_filtered && !path->provider) ||
	       (matcher->client_filtered && !path->client && path->kind == KIND_UNMAP);
}

static void take_orphan(struct matcher *matcher, const struct p2p_record *record,
			enum event_kind kind, uint64_t stamp, uint16_t cpu)
{
	uint32_t tid = record->flags & RECORD_INTERRUPT ? TID_INTERRUPT : record->tid;
	struct path_totals *totals;
	uint32_t thread;

	if (matcher->foreign_ends || is_nobodys(matcher, path_at(matcher->paths, record->path))) {
		matcher->foreign++;
		return;
	}
	*(kind == KIND_FREE ? &matcher->orphan_frees : &matcher->orphan_unmaps) += 1;
	totals = totals_of(matcher, record->path);
	thread = thread_of(matcher, tid);
	totals->orphans++;
	count_end(matcher, kind, totals, thread, record->size);
	if (matcher->details) {
		struct origin origin = { record->path, tid, record->comm, cpu };

		details_end(matcher->details, &origin, kind, stamp, record->size, false);
	}
	if (record->comm && tid != TID_INTERRUPT)
		matcher->threads[thread].comm = record->comm;
}

/* Of a pair whose maps were of several types, those of a type that has any open: the
 * end does not say which. */
static struct path_totals *balanced_totals(struct matcher *matcher, struct pair_balance *balance)
{
	struct path_totals *totals = totals_of(matcher, balance->path);

	for (uint32_t id = 0; !totals->open && id < matcher->totals_room; id++) {
		const struct path *path;

		if (!matcher->totals[id] || !matcher->totals[id]->open)
			continue;
		path = path_at(matcher->paths, id);
		if (path->client != balance->client || path->provider != balance->provider ||
		    path->kind != (balance->pool ? KIND_ALLOC : KIND_MAP))
			continue;
		balance->path = id;
		totals = matcher->totals[id];
	}
	return totals;
}

static void take_end_without_addr(struct matcher *matcher, const struct p2p_record *record,
				  enum event_kind kind, uint64_t stamp, uint16_t cpu)
{
	const struct path *path = path_at(matcher->paths, record->path);
	struct pair_balance *balance = match_balance(matcher, path);
	uint32_t tid = record->flags & RECORD_INTERRUPT ? TID_INTERRUPT : record->tid;
	struct path_totals *totals;

	if (!balance)
		return;
	if (!balance->open) {
		take_orphan(matcher, record, kind, stamp, cpu);
		return;
	}
	balance->open--;
	totals = balanced_totals(matcher, balance);
	totals->open -= totals->open ? 1 : 0;
	totals->open_bytes -= record->size < totals->open_bytes ? record->size : totals->open_bytes;
	count_end(matcher, kind, totals, thread_of(matcher, tid), record->size);
	if (matcher->details) {
		struct origin origin = { balance->path, tid, record->comm, cpu };

		details_balance(matcher->details, &origin, kind, stamp, record->size);
	}
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
			index = open_table_reach(&matcher->open, device, at, to);
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
static uint32_t find_begin(struct matcher *matcher, const struct p2p_record *record)
{
	uint32_t head = open_table_find(&matcher->open, record->device, record->addr);
	bool no_size = record->flags & RECORD_NO_SIZE;
	uint64_t to = record->addr + (no_size ? 1 : record->size);

	if (head)
		return choose_entry(matcher, head, record->size, no_size);
	return open_table_reach(&matcher->open, record->device, record->addr,
				to < record->addr ? UINT64_MAX : to);
}

/* Any end, by all the rules. */
static __attribute__((noinline)) void take_end_slowly(struct matcher *matcher,
						      const struct p2p_record *record,
						      const struct p2p_order *place)
{
	enum event_kind kind = record->kind;
	uint64_t stamp = place->stamp;
	struct origin origin;
	uint64_t from = record->addr, to = from + record->size, end, bytes;
	const struct open_entry *entry;
	struct path_totals *totals;
	uint32_t index, thread;

	if (record->flags & RECORD_NO_ADDR) {
		take_end_without_addr(matcher, record, kind, stamp, record->cpu);
		return;
	}
	index = find_begin(matcher, record);
	if (!index) {
		take_orphan(matcher, record, kind, stamp, record->cpu);
		return;
	}
	entry = open_entry_at(&matcher->open, index);
	end = entry->addr + entry->size;
	if (record->flags & RECORD_NO_SIZE)
		to = entry->addr == from && !entry->divided ? end : from + PAGE_BYTES;
	totals = open_entry_at(&matcher->open, entry->root)->totals;
	thread = open_entry_at(&matcher->open, entry->root)->thread;
	origin = origin_of(matcher, entry);
	bytes = close_range(matcher, index, from, to < from ? UINT64_MAX : to, stamp);
	if (to > end && end > from && !(record->flags & RECORD_NO_SIZE))
		bytes += close_rest(matcher, record->device, end, to, stamp);
	count_end(matcher, kind, totals, thread, bytes);
	if (matcher->details)
		details_end(matcher->details, &origin, kind, stamp, bytes, true);
}

/* The plain case at once: the key's only entry, never divided, of just that size. */
static ALWAYS_INLINE void take_end(struct matcher *matcher, const struct p2p_record *record,
				   const struct p2p_order *place)
{
	struct open_table *open = &matcher->open;
	uint32_t slot = open_table_probe(open, place->hash, record->device, record->addr);
	uint32_t index = (uint32_t)open->slots[slot];
	struct open_entry *entry = open_entry_at(open, index);

	/* Entry 0 is not plain. */
	if (__builtin_expect(!entry->plain || entry->size != record->size ||
				     (record->flags & (RECORD_NO_ADDR | RECORD_NO_SIZE)) ||
				     matcher->details,
			     0)) {
		take_end_slowly(matcher, record, place);
		return;
	}
	entry->totals->open_bytes -= entry->size;
	add_lifetime(matcher, entry, place->stamp);
	count_end(matcher, record->kind, entry->totals, entry->thread, entry->size);
	open_table_close_plain(open, slot, index);
}

/* ---- beginnings ---- */

/* An older beginning whose end was never seen gives way to a new one. */
static void supersede(struct matcher *matcher, uint32_t index, uint64_t stamp)
{
	struct open_entry *entry = open_entry_at(&matcher->open, index);
	struct path_totals *totals = entry->totals;
	uint32_t root = entry->root;

	totals->open_bytes -= entry->size;
	if (matcher->details) {
		struct origin origin = origin_of(matcher, entry);

		details_supersede(matcher->details, &origin, kind_of(matcher, &origin), stamp,
				  entry->size, open_entry_at(&matcher->open, root)->pieces == 1);
	}
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
	uint64_t stamp = open_entry_at(&matcher->open, index)->stamp;

	while (oldest != index) {
		struct open_entry *entry = open_entry_at(&matcher->open, oldest);
		uint32_t next = entry->next;

		if (pool || (matcher->lost && entry->stamp < matcher->last_loss)) {
			supersede(matcher, oldest, stamp);
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

/* With no place that is free, no more room in the hash, or the key open already. */
static __attribute__((noinline)) struct open_entry *open_slowly(struct matcher *matcher,
								const struct p2p_record *record,
								uint32_t hash, uint32_t *oldest)
{
	uint32_t index = open_table_add(&matcher->open, hash, record->device, record->addr,
					record->size, oldest);

	matcher->no_memory |= !index;
	return index ? open_entry_at(&matcher->open, index) : NULL;
}

/* A thread begins one thing after the other under one name. */
static ALWAYS_INLINE uint32_t beginning_of(struct matcher *matcher, struct thread_totals *thread,
					   const struct p2p_record *record)
{
	const struct beginning *latest = matcher->beginnings + thread->beginning;

	if (__builtin_expect(thread->beginning >= matcher->beginning_count ||
				     latest->comm != record->comm || latest->stack != record->stack,
			     0))
		thread->beginning = match_beginning(matcher, record);
	return thread->beginning;
}

static ALWAYS_INLINE void open_begin(struct matcher *matcher, const struct p2p_record *record,
				     struct path_totals *totals, uint32_t thread,
				     const struct p2p_order *place)
{
	struct open_table *open = &matcher->open;
	uint32_t index = open->free_list, oldest = 0;
	uint32_t slot = open_table_probe(open, place->hash, record->device, record->addr);
	struct open_entry *entry = open_entry_at(open, index);

	if (__builtin_expect(!index || open->slots[slot] || open_table_is_full(open) ||
				     record->flags & RECORD_NO_SIZE,
			     0)) {
		entry = open_slowly(matcher, record, place->hash, &oldest);
		if (!entry)
			return;
		entry->no_size = (record->flags & RECORD_NO_SIZE) != 0;
	} else {
		open_table_take_free(open, slot, place->hash, record->device, record->addr,
				     record->size);
		if (__builtin_expect(open->active_ranges != 0, 0))
			open_table_note_range(open, index);
	}
	totals->open++;
	totals->open_bytes += record->size;
	entry->stamp = place->stamp;
	entry->totals = totals;
	entry->thread = thread;
	entry->beginning = 0;
	if (record->comm | record->stack)
		entry->beginning = beginning_of(matcher, &matcher->threads[thread], record);
	entry->cpu = record->cpu;
	if (__builtin_expect(oldest != 0, 0))
		meet_older(matcher, (uint32_t)(entry - open->entries), oldest,
			   record->kind == KIND_ALLOC);
	/* What gave way to this is not held beside it. */
	if (totals->open_bytes > totals->peak_bytes)
		totals->peak_bytes = totals->open_bytes;
}

static ALWAYS_INLINE void count_begin(struct thread_totals *thread, const struct p2p_record *record,
				      enum event_kind kind, uint8_t type)
{
	if (record->comm)
		thread->comm = record->comm;
	thread->of[activity_of(kind)].begins++;
	thread->of[activity_of(kind)].bytes += record->size;
	thread->by_type[type < MAP_TYPES_KNOWN ? type : MAP_TYPES_KNOWN]++;
}

/* A beginning that opens nothing to be matched: it failed, or has no key. */
static __attribute__((noinline)) void take_odd_begin(struct matcher *matcher,
						     const struct p2p_record *record,
						     enum event_kind kind,
						     struct path_totals *totals, uint32_t thread)
{
	struct pair_balance *balance;

	if (record->flags & RECORD_FAILED) {
		totals->failed++;
		totals->failed_bytes += record->size;
		matcher->threads[thread].of[activity_of(kind)].bytes -= record->size;
		return;
	}
	balance = match_balance(matcher, path_at(matcher->paths, record->path));
	totals->no_addr++;
	totals->open++;
	totals->open_bytes += record->size;
	if (balance) {
		balance->open++;
		balance->path = record->path;
	}
}

static void tell_begin(struct matcher *matcher, const struct p2p_record *record,
		       const struct p2p_order *place)
{
	struct origin origin = { record->path, record->tid, record->comm, record->cpu };

	details_begin(matcher->details, &origin, record->kind, place->stamp, record->size,
		      record->flags);
}

/* The latest that is known; without a branch, for nobody can tell which have one. */
static ALWAYS_INLINE void keep_dist(struct path_totals *totals, const struct p2p_record *record)
{
	int32_t nowhere;

	*(record->flags & RECORD_NO_DIST ? &nowhere : &totals->dist) = record->dist;
}

static ALWAYS_INLINE void take_begin(struct matcher *matcher, const struct p2p_record *record,
				     const struct p2p_order *place)
{
	struct path_totals *totals = totals_of(matcher, record->path);
	uint32_t thread;

	totals->begins++;
	totals->bytes += record->size;
	totals->no_size += (record->flags & RECORD_NO_SIZE) != 0;
	keep_dist(totals, record);
	if (record->kind == KIND_TYPE_CHANGE)
		return;
	if (__builtin_expect(matcher->details != NULL, 0))
		tell_begin(matcher, record, place);
	thread = thread_of(matcher, record->tid);
	count_begin(&matcher->threads[thread], record, record->kind, record->type);
	if (__builtin_expect(record->flags & (RECORD_FAILED | RECORD_NO_ADDR), 0))
		take_odd_begin(matcher, record, record->kind, totals, thread);
	else
		open_begin(matcher, record, totals, thread, place);
}

/* ---- the loop ---- */

static ALWAYS_INLINE void take_record(struct matcher *matcher, const struct slice *slice,
				      const struct p2p_order *place)
{
	const struct p2p_record *record = &slice->records[place->index];

	if (kind_is_end(record->kind))
		take_end(matcher, record, place);
	else
		take_begin(matcher, record, place);
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
	for (uint32_t i = 0; i < count; i++) {
		const struct p2p_record *record = &slice->records[places[i].index];

		if (!kind_is_end(record->kind) || record->flags & RECORD_NO_ADDR ||
		    !find_begin(matcher, record))
			continue;
		take_record(matcher, slice, &places[i]);
		taken[i] = true;
	}
	for (uint32_t i = 0; i < count; i++)
		if (!taken[i])
			take_record(matcher, slice, &places[i]);
	free(taken);
}

static void pass_losses(struct matcher *matcher, const struct slice *slice, size_t *next,
			uint64_t until)
{
	while (*next < slice->loss_count && slice->losses[*next].stamp <= until) {
		matcher->last_loss = slice->losses[(*next)++].stamp;
		matcher->lost = true;
	}
}

/* Memory is asked for before it is needed: for the record and its slot of the hash, and
 * later, when that is there, for the entry it names. */
static ALWAYS_INLINE void look_ahead(const struct matcher *matcher, const struct slice *slice,
				     const struct p2p_order *at, const struct p2p_order *last)
{
	const struct p2p_order *soon = last - at > AHEAD ? at + AHEAD : last;
	const struct p2p_order *later = last - at > 2 * AHEAD ? at + 2 * AHEAD : last;

	open_table_prefetch_entry(&matcher->open, soon->hash);
	open_table_prefetch_slot(&matcher->open, later->hash);
	__builtin_prefetch(&slice->records[later->index]);
}

static void take_places(struct matcher *matcher, const struct slice *slice,
			const struct p2p_order *at, uint32_t count)
{
	const struct p2p_order *end = at + count, *last = end - (count != 0), *next;
	size_t next_loss = 0;

	for (; at < end; at = next) {
		next = at + 1;
		look_ahead(matcher, slice, at, last);
		if (__builtin_expect(next_loss < slice->loss_count, 0))
			pass_losses(matcher, slice, &next_loss, at->stamp);
		if (__builtin_expect(at == last || next->stamp != at->stamp, 1)) {
			take_record(matcher, slice, at);
			continue;
		}
		while (next < end && next->stamp == at->stamp)
			next++;
		take_simultaneous(matcher, slice, at, (uint32_t)(next - at));
	}
	pass_losses(matcher, slice, &next_loss, UINT64_MAX);
}

int matcher_take(struct matcher *matcher, const struct slice *slice, unsigned int shard,
		 struct p2p_error *err)
{
	uint32_t first = slice->shard_first[shard], end = slice->shard_first[shard + 1];

	take_places(matcher, slice, slice->order + first, end - first);
	count_pending(matcher);
	matcher->no_memory |= matcher->open.no_memory;
	if (matcher->details)
		matcher->no_memory |= matcher->details->no_memory;
	return matcher->no_memory ? p2p_fail(err, "no memory for the analysis") : 0;
}
