/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path_cache: from the bytes of a record to its path, a decoder's own.
 *
 * A record's devices and type are looked up together, by their bytes as they stand in
 * the record.  What is not known yet is learnt from the names and paths that all
 * decoders share.
 */
#ifndef P2PTRACE_PATH_CACHE_H
#define P2PTRACE_PATH_CACHE_H

#include "p2ptrace/decode.h"

/* 16 bytes of a text: all of it, or, marked by `high` of ones, a name's id. */
struct short_text {
	uint64_t low, high;
};

struct path_key {
	struct short_text client, provider;
	uint64_t numbers; /* layout, type and old type; a type that is a text by its name's id */
};

struct cached_path {
	struct path_key key;
	uint32_t path; /* + 1; 0: empty */
	uint32_t device;
	uint8_t selected, shard, type;
	uint8_t flags; /* enum record_flag: what all records of this path have */
} __attribute__((aligned(64)));

/* Names of threads and types, by their bytes: a place for each, the latest wins. */
#define TEXT_PLACES 1024

struct path_cache {
	struct cached_path *slots;
	uint32_t slot_count, used;
	struct {
		struct short_text text;
		uint32_t name;
	} texts[TEXT_PLACES];
};

struct path_cache *path_cache_new(void);
void path_cache_free(struct path_cache *cache);

static inline uint32_t hash_key(const struct path_key *key)
{
	uint64_t hash =
		key->client.low * 0x9e3779b97f4a7c15ull + key->client.high * 0xc2b2ae3d27d4eb4full +
		key->provider.low * 0xd6e8feb86659fd93ull +
		key->provider.high * 0xff51afd7ed558ccdull + key->numbers * 0xa0761d6478bd642full;

	/* Products carry upwards only: the lower half must learn of the upper. */
	return (uint32_t)(((hash ^ hash >> 32) * 0x9e3779b97f4a7c15ull) >> 32);
}

static inline bool same_key(const struct path_key *a, const struct path_key *b)
{
	uint64_t differ = (a->client.low ^ b->client.low) | (a->client.high ^ b->client.high) |
			  (a->provider.low ^ b->provider.low) |
			  (a->provider.high ^ b->provider.high) | (a->numbers ^ b->numbers);

	return !differ;
}

static inline struct cached_path *find_cached(const struct path_cache *cache,
					      const struct path_key *key)
{
	uint32_t mask = cache->slot_count - 1, at = hash_key(key) & mask;

	while (cache->slots[at].path && !same_key(&cache->slots[at].key, key))
		at = (at + 1) & mask;
	return &cache->slots[at];
}

/* The path of a key that is not in the cache, which learns it; or whose types are beyond
 * 16 bits and do not fit the key: those are resolved each time.  NULL without memory. */
const struct cached_path *path_cache_learn(struct decoder *decoder,
					   const struct event_layout *layout,
					   const struct path_key *key, uint64_t type,
					   uint64_t old_type, struct cached_path *scratch);

/* The id of a short text as a name; quick for those seen lately. */
uint32_t path_cache_name(struct decoder *decoder, struct short_text text);

#endif
