// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The order of a slice's records in time.
 *
 * Lanes are ordered within themselves, and a merge would cost more with every
 * CPU.  Stamps spread over the slice's time, so that a distribution into about as
 * many buckets as there are records, and an insertion sort of what little is out
 * of place, costs the same for 1 CPU and for 256.  Buckets that are crowded
 * (clocks with coarse ticks, bursts) are sorted by qsort.
 */
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/decode.h"

#define CROWDED 24

static int compare_places(const void *a, const void *b)
{
	const struct p2p_order *left = a, *right = b;

	if (left->stamp != right->stamp)
		return left->stamp < right->stamp ? -1 : 1;
	return left->index < right->index ? -1 : left->index > right->index;
}

static unsigned int bits_of(uint64_t value)
{
	return value ? 64 - (unsigned int)__builtin_clzll(value) : 0;
}

/* Places arrive in order of their index; within a bucket that order is kept, so
 * comparing stamps is enough. */
static void insertion_sort(struct p2p_order *places, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		struct p2p_order place = places[i];
		uint32_t at = i;

		for (; at && places[at - 1].stamp > place.stamp; at--)
			places[at] = places[at - 1];
		places[at] = place;
	}
}

static int make_buckets(struct slice *slice, uint32_t wanted, struct p2p_error *err)
{
	uint32_t *more;

	if (slice->bucket_room < wanted) {
		more = realloc(slice->buckets, wanted * sizeof(*more));
		if (!more)
			return p2p_fail(err, "no memory to order %u records", slice->record_count);
		slice->buckets = more;
		slice->bucket_room = wanted;
	}
	memset(slice->buckets, 0, wanted * sizeof(*slice->buckets));
	return 0;
}

static void stamp_range(const struct slice *slice, uint64_t *low, uint64_t *high)
{
	*low = UINT64_MAX;
	*high = 0;
	for (uint32_t i = 0; i < slice->record_count; i++) {
		uint64_t stamp = slice->unordered[i].stamp;

		*low = stamp < *low ? stamp : *low;
		*high = stamp > *high ? stamp : *high;
	}
}

int slice_order(struct slice *slice, unsigned int shards, struct p2p_error *err)
{
	uint32_t count = slice->record_count, per_shard, sum = 0;
	unsigned int bits = bits_of(count), shift;
	uint64_t low, high;

	memset(slice->shard_first, 0, sizeof(slice->shard_first));
	if (!count)
		return 0;
	stamp_range(slice, &low, &high);
	shift = bits_of(high - low) > bits ? bits_of(high - low) - bits : 0;
	per_shard = (uint32_t)((high - low) >> shift) + 1;
	if (make_buckets(slice, per_shard * shards + 1, err))
		return -1;
	for (uint32_t i = 0; i < count; i++) {
		const struct p2p_order *place = &slice->unordered[i];

		slice->buckets[place->shard * per_shard + ((place->stamp - low) >> shift)]++;
	}
	for (uint32_t bucket = 0; bucket < per_shard * shards; bucket++) {
		uint32_t here = slice->buckets[bucket];

		if (bucket % per_shard == 0)
			slice->shard_first[bucket / per_shard] = sum;
		slice->buckets[bucket] = sum;
		sum += here;
	}
	slice->shard_first[shards] = sum;
	for (uint32_t i = 0; i < count; i++) {
		const struct p2p_order *place = &slice->unordered[i];
		uint32_t bucket = place->shard * per_shard + (uint32_t)((place->stamp - low) >> shift);

		slice->order[slice->buckets[bucket]++] = *place;
	}
	/* Each bucket's number is now where it ends. */
	for (uint32_t bucket = 0, first = 0; bucket < per_shard * shards; bucket++) {
		uint32_t end = slice->buckets[bucket];

		if (end - first > CROWDED)
			qsort(slice->order + first, end - first, sizeof(*slice->order),
			      compare_places);
		else if (end - first > 1)
			insertion_sort(slice->order + first, end - first);
		first = end;
	}
	return 0;
}
