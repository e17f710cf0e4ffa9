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

/* A text in 16 bytes: all of it, or, marked by `high` of ones, a name's id. */
struct short_text {
	uint64_t low, high;
};

/* The first and the last 8 bytes of a text of 8 to 16, which tell all of it once its
 * length is known; or, with length 0, a short_text. */
struct text_ends {
	uint64_t first, last;
};

/* numbers: from the top 16 bits of the layout, 8 of each text's length, 16 of the type
 * and 16 of the old type; a type that is a text stands there by its name's id. */
struct path_key {
	struct text_ends client, provider;
	uint64_t numbers;
};

#define KEY_LAYOUT_SHIFT 48
#define KEY_CLIENT_SHIFT 40
#define KEY_PROVIDER_SHIFT 32

struct cached_path {
	struct path_key key;
	uint32_t path; /* + 1; 0: empty */
	uint32_t device;
	uint8_t selected, shard, type;
	uint8_t flags; /* enum record_flag: what all records of this path have */
} __attribute__((aligned(64)));

/* Names of threads and types, by their bytes: a place for each, the latest wins. */
#define TEXT_PLACES 1024

struct cached_text {
	struct short_text text;
	uint32_t name;
};

struct path_cache {
	struct cached_path *slots;
	uint32_t slot_count, used;
	struct cached_text texts[TEXT_PLACES];
};

struct path_cache *path_cache_new(void);
void path_cache_free(struct path_cache *cache);

/* Every bit of the operands counts in the result. */
static inline uint64_t mix_product(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint32_t hash_key(const struct path_key *key)
{
	uint64_t client = mix_product((key->client.first + key->numbers) ^ 0x9e3779b97f4a7c15ull,
				      key->client.last ^ 0xc2b2ae3d27d4eb4full);

	return (uint32_t)mix_product(key->provider.first ^ client,
				     key->provider.last ^ 0xd6e8feb86659fd93ull);
}

static inline bool same_key(const struct path_key *a, const struct path_key *b)
{
	uint64_t differ = (a->client.first ^ b->client.first) | (a->client.last ^ b->client.last) |
			  (a->provider.first ^ b->provider.first) |
			  (a->provider.last ^ b->provider.last) | (a->numbers ^ b->numbers);

	return !differ;
}

static inline struct cached_path *find_cached(const struct path_cache *cache,
					      const struct path_key *key)
{
	uint32_t mask = cache->slot_count - 1, at = hash_key(key) & mask;

	while (!same_key(&cache->slots[at].key, key) && cache->slots[at].path)
		at = (at + 1) & mask;
	return &cache->slots[at];
}

/* The path of a key that is not in the cache, which learns it; or whose types are beyond
 * 16 bits and do not fit the key: those are resolved each time.  NULL without memory. */
const struct cached_path *path_cache_learn(struct decoder *decoder,
					   const struct event_layout *layout,
					   const struct path_key *key, uint64_t type,
					   uint64_t old_type, struct cached_path *scratch);

uint32_t path_cache_learn_name(struct decoder *decoder, struct cached_text *place,
			       struct short_text text);

/* The id of a short text as a name; quick for those seen lately. */
static inline uint32_t path_cache_name(struct decoder *decoder, struct short_text text)
{
	uint64_t hash =
		mix_product(text.low ^ 0x9e3779b97f4a7c15ull, text.high ^ 0xc2b2ae3d27d4eb4full);
	struct cached_text *place = &decoder->cache->texts[hash % TEXT_PLACES];

	if (__builtin_expect(((place->text.low ^ text.low) | (place->text.high ^ text.high)) != 0,
			     0))
		return path_cache_learn_name(decoder, place, text);
	return place->name;
}

#endif
