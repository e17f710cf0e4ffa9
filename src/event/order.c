// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The order of a slice's records in time.
 *
 * Lanes are ordered within themselves, and a merge would cost more with every
 * CPU.  Stamps spread over the slice's time, so that a distribution into about as
 * many buckets as there are records, and an insertion sort of what little is out
 * of place, costs the same for 1 CPU and for 256.  Buckets that are crowded
 * (clocks with coarse ticks, bursts) are merged from the lanes' runs after all.
 */
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/decode.h"

#define CROWDED 24

static unsigned int bits_of(uint64_t value)
{
	return value ? 64 - (unsigned int)__builtin_clzll(value) : 0;
}

/* Places arrive in order of their index; within a bucket that order is kept, so
 * comparing stamps is enough. */
static void insertion_sort(struct p2p_order *places, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		struct p2p_order place;
		uint32_t at = i;

		if (__builtin_expect(places[i - 1].stamp <= places[i].stamp, 1))
			continue;
		place = places[i];
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

/* The bucket of a stamp.  Stamps outside the range, which only clocks that jump have,
 * go into the outermost ones, where sorting puts them right. */
struct spread {
	uint64_t low, high;
	unsigned int shift;
	uint32_t per_shard;
};

static inline uint32_t bucket_of(const struct spread *spread, uint64_t stamp)
{
	stamp = stamp < spread->low ? spread->low : stamp;
	stamp = stamp > spread->high ? spread->high : stamp;
	return (uint32_t)((stamp - spread->low) >> spread->shift);
}

/* Counts them.  A place's index is where it stands: until it is in order, the number of
 * its shard, and then of its bucket, takes the room. */
static inline __attribute__((always_inline)) void fill_buckets(struct slice *slice,
							       struct spread spread, bool sharded)
{
	struct p2p_order *places = slice->unordered;
	uint32_t *buckets = slice->buckets;

	for (uint32_t i = 0; i < slice->record_count; i++) {
		uint32_t bucket = bucket_of(&spread, places[i].stamp);

		if (sharded)
			bucket += places[i].index * spread.per_shard;
		places[i].index = bucket;
		buckets[bucket]++;
	}
}

/* From numbers of places to where each bucket begins; returns the largest number. */
static uint32_t sum_buckets(struct slice *slice, const struct spread *spread, unsigned int shards)
{
	uint32_t sum = 0, most = 0, bucket = 0;

	for (unsigned int shard = 0; shard < shards; shard++) {
		slice->shard_first[shard] = sum;
		for (uint32_t i = 0; i < spread->per_shard; i++, bucket++) {
			uint32_t here = slice->buckets[bucket];

			slice->buckets[bucket] = sum;
			sum += here;
			most = here > most ? here : most;
		}
	}
	slice->shard_first[shards] = sum;
	return most;
}

static void distribute(struct slice *slice)
{
	const struct p2p_order *from = slice->unordered;
	struct p2p_order *to = slice->order;
	uint32_t *buckets = slice->buckets, count = slice->record_count;

	for (uint32_t i = 0; i < count; i++) {
		struct p2p_order place = from[i];
		uint32_t at = buckets[place.index]++;

		place.index = i;
		to[at] = place;
	}
}

/* Behind the last place that is in order with those before it. */
static uint32_t run_end(const struct p2p_order *places, uint32_t at, uint32_t count)
{
	if (at == count)
		return count;
	for (at++; at < count && places[at - 1].stamp <= places[at].stamp; at++)
		;
	return at;
}

/* Merges [first, middle) and [middle, end) to the same places of `to`.  Of equal stamps the
 * former come first: they have the smaller indexes. */
static void merge_two(struct p2p_order *to, const struct p2p_order *from, uint32_t first,
		      uint32_t middle, uint32_t end)
{
	uint32_t left = first, right = middle;

	for (uint32_t at = first; at < end; at++) {
		bool take_left = right == end ||
				 (left < middle && from[left].stamp <= from[right].stamp);

		to[at] = from[take_left ? left++ : right++];
	}
}

/* A bucket's places stand lane by lane, and each lane is nearly always in order: as many
 * runs, of which two at a time become one. */
static void merge_runs(struct p2p_order *places, struct p2p_order *scratch, uint32_t count)
{
	struct p2p_order *from = places, *to = scratch;

	while (run_end(from, 0, count) < count) {
		struct p2p_order *merged = to;

		for (uint32_t first = 0, end; first < count; first = end) {
			uint32_t middle = run_end(from, first, count);

			end = run_end(from, middle, count);
			merge_two(to, from, first, middle, end);
		}
		to = from;
		from = merged;
	}
	if (from != places)
		memcpy(places, from, count * sizeof(*places));
}

/* After the distribution each bucket's number is where it ends, and `unordered` is done
 * with. */
static void sort_crowded(struct slice *slice, uint32_t bucket_count)
{
	for (uint32_t bucket = 0, first = 0; bucket < bucket_count; bucket++) {
		uint32_t end = slice->buckets[bucket];

		if (end - first > CROWDED)
			merge_runs(slice->order + first, slice->unordered, end - first);
		first = end;
	}
}

int slice_order(struct slice *slice, unsigned int shards, struct p2p_error *err)
{
	struct spread spread = { .low = slice->low, .high = slice->high };
	uint32_t count = slice->record_count, most;
	unsigned int bits = bits_of(count);

	memset(slice->shard_first, 0, sizeof(slice->shard_first));
	if (!count)
		return 0;
	if (spread.high < spread.low)
		spread.high = spread.low;
	if (bits_of(spread.high - spread.low) > bits)
		spread.shift = bits_of(spread.high - spread.low) - bits;
	spread.per_shard = (uint32_t)((spread.high - spread.low) >> spread.shift) + 1;
	if (make_buckets(slice, spread.per_shard * shards, err))
		return -1;
	if (shards == 1)
		fill_buckets(slice, spread, false);
	else
		fill_buckets(slice, spread, true);
	most = sum_buckets(slice, &spread, shards);
	distribute(slice);
	if (most > CROWDED)
		sort_crowded(slice, spread.per_shard * shards);
	for (unsigned int shard = 0; shard < shards; shard++)
		insertion_sort(slice->order + slice->shard_first[shard],
			       slice->shard_first[shard + 1] - slice->shard_first[shard]);
	return 0;
}
