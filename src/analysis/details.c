// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/details.h"
#include "p2ptrace/match.h"

/* With so many groups a matcher pours them out. */
#define GROUPS_MANY 8192

int group_by_parse(const char *text, unsigned int *by, struct p2p_error *err)
{
	static const struct {
		const char *name;
		unsigned int bits;
	} names[] = {
		{ "type", BY_TYPE }, { "client", BY_CLIENT }, { "provider", BY_PROVIDER },
		{ "pair", BY_PAIR }, { "pid", BY_PID },	      { "tid", BY_TID },
		{ "comm", BY_COMM }, { "cpu", BY_CPU },
	};

	*by = 0;
	while (*text) {
		size_t length = strcspn(text, ","), i;

		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strlen(names[i].name) == length && !memcmp(names[i].name, text, length))
				break;
		if (i == sizeof(names) / sizeof(names[0]))
			return p2p_fail_usage(err,
					      "--by: '%.*s' is not one of type, pair, client, "
					      "provider, pid, tid, comm, cpu",
					      (int)length, text);
		*by |= names[i].bits;
		text += length + (text[length] == ',');
	}
	return *by ? 0 : p2p_fail_usage(err, "--by names nothing");
}

bool details_init(struct details *details, unsigned int by, uint32_t bins, uint64_t start,
		  uint64_t stop, const struct paths *paths, const struct processes *processes)
{
	*details = (struct details){ .by = by,
				     .paths = paths,
				     .processes = processes,
				     .slot_mask = 63,
				     .bin_count = bins,
				     .start = start };
	details->width = bins ? (stop - start) / bins + 1 : 1;
	details->slots = calloc(details->slot_mask + 1, sizeof(*details->slots));
	details->bins = bins ? calloc(bins, sizeof(*details->bins)) : NULL;
	pthread_mutex_init(&details->lock, NULL);
	return details->slots && (!bins || details->bins);
}

static void free_lifetimes(struct group_totals *totals)
{
	if (totals->lifetimes)
		sparse_histogram_free(totals->lifetimes);
	if (totals->only_lifetimes)
		histogram_free(totals->only_lifetimes);
	free(totals->lifetimes);
	free(totals->only_lifetimes);
}

static void clear_groups(struct details *details)
{
	for (size_t i = 0; i < details->group_count; i++) {
		free_lifetimes(&details->groups[i].allocs);
		free_lifetimes(&details->groups[i].maps);
	}
	details->group_count = 0;
	memset(details->slots, 0, (details->slot_mask + 1) * sizeof(*details->slots));
}

void details_destroy(struct details *details)
{
	if (details->slots)
		clear_groups(details);
	pthread_mutex_destroy(&details->lock);
	free(details->groups);
	free(details->slots);
	free(details->bins);
	*details = (struct details){ 0 };
}

/* ---- groups ---- */

static uint32_t hash_key(const struct group_key *key)
{
	const uint32_t *words = (const uint32_t *)key;
	uint64_t hash = 0;

	for (size_t i = 0; i < sizeof(*key) / sizeof(*words); i++)
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ull;
	return (uint32_t)(hash >> 32);
}

static uint32_t find_slot(const struct details *details, const struct group_key *key)
{
	uint32_t at = hash_key(key) & details->slot_mask;

	while (details->slots[at] &&
	       memcmp(&details->groups[details->slots[at] - 1].key, key, sizeof(*key)) != 0)
		at = (at + 1) & details->slot_mask;
	return at;
}

static bool grow_slots(struct details *details)
{
	uint32_t count = (details->slot_mask + 1) * 2;
	uint32_t *slots = calloc(count, sizeof(*slots));

	if (!slots)
		return false;
	free(details->slots);
	details->slots = slots;
	details->slot_mask = count - 1;
	for (uint32_t i = 0; i < details->group_count; i++)
		slots[find_slot(details, &details->groups[i].key)] = i + 1;
	return true;
}

static bool merge_groups(struct details *into, const struct details *from);

/* Into the common ones with all groups, when they are many. */
static bool pour(struct details *details)
{
	bool good;

	if (!details->common || details->group_count < GROUPS_MANY)
		return true;
	pthread_mutex_lock(&details->common->lock);
	good = merge_groups(details->common, details);
	pthread_mutex_unlock(&details->common->lock);
	clear_groups(details);
	return good;
}

/* Room for one more. */
static bool make_room(struct details *details)
{
	size_t room = details->group_room ? details->group_room + details->group_room / 2 : 16;
	struct group *more;

	if (details->group_count * 2 > details->slot_mask && !grow_slots(details))
		return false;
	if (details->group_count < details->group_room)
		return true;
	more = reallocarray(details->groups, room, sizeof(*more));
	if (!more)
		return false;
	details->groups = more;
	details->group_room = room;
	return true;
}

static struct group *get_group(struct details *details, const struct group_key *key)
{
	uint32_t at = find_slot(details, key);

	if (details->slots[at])
		return &details->groups[details->slots[at] - 1];
	if (details->group_limit && details->group_count >= details->group_limit)
		return NULL;
	if (!pour(details) || !make_room(details)) {
		details->no_memory = true;
		return NULL;
	}
	details->groups[details->group_count] = (struct group){ .key = *key };
	details->slots[find_slot(details, key)] = (uint32_t)++details->group_count;
	return &details->groups[details->group_count - 1];
}

/* In an interrupt the event's name is that of whoever was interrupted. */
static void name_key(struct group_key *key, const struct origin *origin)
{
	key->comm = origin->tid == TID_INTERRUPT ? 0 : origin->comm;
	if (!key->comm)
		key->tid = origin->tid;
}

static struct group_totals *totals_of(struct details *details, const struct origin *origin,
				      enum event_kind kind)
{
	const struct path *path = path_at(details->paths, origin->path);
	bool mapping = kind == KIND_MAP || kind == KIND_UNMAP;
	unsigned int by = details->by;
	struct group_key key;
	struct group *group;
	bool known;

	memset(&key, 0xff, sizeof(key));
	if (by & BY_TYPE && mapping)
		key.type = path->type == MAP_TYPE_ABSENT ? MAP_TYPE_UNKNOWN : path->type;
	if (by & BY_CLIENT && mapping)
		key.client = path->client;
	if (by & BY_PROVIDER)
		key.provider = path->provider;
	if (by & BY_PID)
		key.pid = processes_tgid(details->processes, origin->tid, &known);
	if (by & BY_TID)
		key.tid = origin->tid;
	if (by & BY_COMM)
		name_key(&key, origin);
	if (by & BY_CPU)
		key.cpu = origin->cpu;
	group = get_group(details, &key);
	if (!group)
		return NULL;
	return mapping ? &group->maps : &group->allocs;
}

/* ---- time ---- */

static struct time_bin *bin_of(struct details *details, uint64_t stamp)
{
	uint64_t bin = stamp > details->start ? (stamp - details->start) / details->width : 0;

	if (!details->bins)
		return NULL;
	return &details->bins[bin < details->bin_count ? bin : details->bin_count - 1];
}

static void begin_in_time(struct details *details, const struct origin *origin,
			  enum event_kind kind, uint64_t stamp, uint64_t bytes, bool failed)
{
	struct time_bin *bin = bin_of(details, stamp);
	uint64_t moved = failed ? 0 : bytes;

	if (!bin)
		return;
	if (kind == KIND_ALLOC) {
		bin->allocs++;
		bin->alloc_bytes += moved;
		bin->alloc_change += (int64_t)moved;
	} else {
		bin->maps++;
		bin->map_bytes += moved;
		bin->map_change += (int64_t)moved;
		bin->direct += !failed &&
			       path_at(details->paths, origin->path)->type == MAP_TYPE_BUS_ADDR;
	}
}

static void change_in_time(struct details *details, enum event_kind kind, uint64_t stamp,
			   uint64_t bytes)
{
	struct time_bin *bin = bin_of(details, stamp);

	if (!bin)
		return;
	if (kind == KIND_ALLOC || kind == KIND_FREE)
		bin->alloc_change -= (int64_t)bytes;
	else
		bin->map_change -= (int64_t)bytes;
}

/* ---- what a matcher tells ---- */

/* NULL where nothing but lifetimes is counted. */
static struct group_totals *counted_totals(struct details *details, const struct origin *origin,
					   enum event_kind kind)
{
	return details->by && !details->lifetimes_only ? totals_of(details, origin, kind) : NULL;
}

void details_begin(struct details *details, const struct origin *origin, enum event_kind kind,
		   uint64_t stamp, uint64_t bytes, unsigned int flags)
{
	struct group_totals *totals = counted_totals(details, origin, kind);
	bool failed = flags & RECORD_FAILED;

	begin_in_time(details, origin, kind, stamp, bytes, failed);
	if (flags & RECORD_NO_SIZE)
		*(kind == KIND_ALLOC ? &details->alloc_sizes_unknown
				     : &details->map_sizes_unknown) = true;
	if (!totals)
		return;
	totals->begins++;
	totals->failed += failed;
	totals->no_size += (flags & RECORD_NO_SIZE) != 0;
	totals->no_addr += !failed && flags & RECORD_NO_ADDR;
	totals->bytes += failed ? 0 : bytes;
}

void details_end(struct details *details, const struct origin *origin, enum event_kind kind,
		 uint64_t stamp, uint64_t bytes, bool matched)
{
	struct group_totals *totals = counted_totals(details, origin, kind);
	struct time_bin *bin = bin_of(details, stamp);

	if (bin)
		*(kind == KIND_FREE ? &bin->frees : &bin->unmaps) += 1;
	if (matched)
		change_in_time(details, kind, stamp, bytes);
	if (!totals)
		return;
	totals->ends++;
	totals->end_bytes += bytes;
	totals->closed_bytes += matched ? bytes : 0;
}

void details_balance(struct details *details, const struct origin *origin, enum event_kind kind,
		     uint64_t stamp, uint64_t bytes)
{
	struct group_totals *totals;

	details_end(details, origin, kind, stamp, bytes, true);
	totals = counted_totals(details, origin, kind);
	if (!totals)
		return;
	totals->closed++;
	totals->balanced++;
}

static bool add_only_lifetime(struct group_totals *totals, uint64_t lifetime)
{
	if (!totals->only_lifetimes)
		totals->only_lifetimes = calloc(1, sizeof(*totals->only_lifetimes));
	return totals->only_lifetimes && histogram_add(totals->only_lifetimes, lifetime);
}

void details_complete(struct details *details, const struct origin *origin, enum event_kind kind,
		      uint64_t lifetime)
{
	struct group_totals *totals = details->by ? totals_of(details, origin, kind) : NULL;

	if (!totals)
		return;
	if (details->lifetimes_only) {
		details->no_memory |= !add_only_lifetime(totals, lifetime);
		return;
	}
	totals->closed++;
	if (!totals->lifetimes)
		totals->lifetimes = calloc(1, sizeof(*totals->lifetimes));
	if (!totals->lifetimes || !sparse_histogram_add(totals->lifetimes, lifetime))
		details->no_memory = true;
}

void details_supersede(struct details *details, const struct origin *origin, enum event_kind kind,
		       uint64_t stamp, uint64_t bytes, bool whole)
{
	struct group_totals *totals = counted_totals(details, origin, kind);

	change_in_time(details, kind, stamp, bytes);
	if (!totals)
		return;
	totals->closed += whole;
	totals->closed_bytes += bytes;
}

/* ---- together ---- */

static bool merge_totals(struct group_totals *into, const struct group_totals *from)
{
	into->begins += from->begins;
	into->bytes += from->bytes;
	into->failed += from->failed;
	into->no_size += from->no_size;
	into->no_addr += from->no_addr;
	into->ends += from->ends;
	into->end_bytes += from->end_bytes;
	into->closed += from->closed;
	into->closed_bytes += from->closed_bytes;
	into->balanced += from->balanced;
	if (!from->lifetimes)
		return true;
	if (!into->lifetimes)
		into->lifetimes = calloc(1, sizeof(*into->lifetimes));
	return into->lifetimes && sparse_histogram_merge(into->lifetimes, from->lifetimes);
}

static bool merge_group(struct details *into, const struct group_key *key, const struct group *from)
{
	struct group *group = get_group(into, key);

	return group && merge_totals(&group->allocs, &from->allocs) &&
	       merge_totals(&group->maps, &from->maps);
}

static bool merge_groups(struct details *into, const struct details *from)
{
	for (size_t i = 0; i < from->group_count; i++)
		if (!merge_group(into, &from->groups[i].key, &from->groups[i]))
			return false;
	return true;
}

bool details_merge(struct details *into, const struct details *from)
{
	into->alloc_sizes_unknown |= from->alloc_sizes_unknown;
	into->map_sizes_unknown |= from->map_sizes_unknown;
	for (uint32_t i = 0; i < from->bin_count && i < into->bin_count; i++) {
		struct time_bin *bin = &into->bins[i];
		const struct time_bin *more = &from->bins[i];

		bin->allocs += more->allocs;
		bin->alloc_bytes += more->alloc_bytes;
		bin->frees += more->frees;
		bin->maps += more->maps;
		bin->map_bytes += more->map_bytes;
		bin->unmaps += more->unmaps;
		bin->direct += more->direct;
		bin->alloc_change += more->alloc_change;
		bin->map_change += more->map_change;
	}
	return merge_groups(into, from);
}

bool details_name_threads(struct details *details,
			  uint32_t (*name)(const void *context, uint32_t tid), const void *context)
{
	struct details named;

	if (!(details->by & BY_COMM))
		return true;
	if (!details_init(&named, details->by, 0, 0, 0, details->paths, details->processes)) {
		details_destroy(&named);
		return false;
	}
	for (size_t i = 0; i < details->group_count; i++) {
		struct group_key key = details->groups[i].key;

		if (!key.comm) {
			key.comm = name(context, key.tid);
			key.tid = details->by & BY_TID ? key.tid : GROUP_UNUSED;
		}
		if (!merge_group(&named, &key, &details->groups[i])) {
			details_destroy(&named);
			return false;
		}
	}
	clear_groups(details);
	free(details->groups);
	free(details->slots);
	details->groups = named.groups;
	details->group_count = named.group_count;
	details->group_room = named.group_room;
	details->slots = named.slots;
	details->slot_mask = named.slot_mask;
	pthread_mutex_destroy(&named.lock);
	return true;
}
