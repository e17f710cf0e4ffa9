// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "path_cache.h"

/* More distinct devices than any machine has: what is beyond is looked up slowly. */
#define PATH_CACHE_MAX 65536

static struct cached_path *new_slots(uint32_t count)
{
	struct cached_path *slots = aligned_alloc(64, count * sizeof(*slots));

	if (slots)
		memset(slots, 0, count * sizeof(*slots));
	return slots;
}

struct path_cache *path_cache_new(void)
{
	struct path_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->slot_count = 1024;
	cache->slots = new_slots(cache->slot_count);
	if (cache->slots)
		return cache;
	free(cache);
	return NULL;
}

void path_cache_free(struct path_cache *cache)
{
	if (cache)
		free(cache->slots);
	free(cache);
}

static int grow_cache(struct path_cache *cache)
{
	struct cached_path *old = cache->slots;
	uint32_t count = cache->slot_count;
	struct cached_path *more = new_slots(count * 2);

	if (!more)
		return -1;
	cache->slots = more;
	cache->slot_count = count * 2;
	for (uint32_t i = 0; i < count; i++)
		if (old[i].path)
			*find_cached(cache, &old[i].key) = old[i];
	free(old);
	return 0;
}

static uint32_t name_of(struct decoder *decoder, struct short_text text)
{
	char bytes[16];

	if (text.high == UINT64_MAX)
		return (uint32_t)text.low;
	memcpy(bytes, &text, 16);
	return names_intern(decoder->names, bytes, 16);
}

uint32_t path_cache_learn_name(struct decoder *decoder, struct cached_text *place,
			       struct short_text text)
{
	place->name = name_of(decoder, text);
	place->text = text;
	return place->name;
}

static uint8_t type_of(struct decoder *decoder, const struct event_layout *layout, uint64_t number)
{
	const char *name;

	if (!layout->fields[P2P_TYPE])
		return MAP_TYPE_ABSENT;
	if (!layout->type_is_text)
		return schema_type_of_number(layout->symbols, number);
	name = names_text(decoder->names, (uint32_t)number);
	return name ? map_type_by_name(name, strlen(name)) : MAP_TYPE_UNKNOWN;
}

/* ---- from a record's bytes to its path ---- */

static uint32_t device_of(struct decoder *decoder, const struct text_place *place,
			  struct text_ends text, uint32_t length)
{
	char bytes[16];

	if (!place->field)
		return 0;
	if (!length)
		return name_of(decoder, (struct short_text){ text.first, text.last });
	memcpy(bytes, &text.first, 8);
	memcpy(bytes + length - 8, &text.last, 8);
	return names_intern(decoder->names, bytes, length);
}

static int resolve_path(struct decoder *decoder, const struct event_layout *layout,
			const struct path_key *key, uint64_t type, uint64_t old_type,
			struct cached_path *found)
{
	struct path path = {
		.client = device_of(decoder, &layout->client, key->client,
				    key->numbers >> KEY_CLIENT_SHIFT & 0xff),
		.provider = device_of(decoder, &layout->provider, key->provider,
				      key->numbers >> KEY_PROVIDER_SHIFT & 0xff),
		.kind = (uint8_t)layout->kind,
		.type = type_of(decoder, layout, type),
		.old_type = layout->old_type.present
				    ? schema_type_of_number(layout->old_symbols, old_type)
				    : MAP_TYPE_ABSENT,
	};
	const struct path *known;
	uint32_t id;

	if (path.client == UINT32_MAX || path.provider == UINT32_MAX)
		return -1;
	id = paths_intern(decoder->paths, &path);
	if (id == UINT32_MAX)
		return -1;
	known = path_at(decoder->paths, id);
	found->key = *key;
	found->path = id + 1;
	found->selected = known->selected;
	found->device = known->device;
	found->type = path.type;
	found->flags = layout->flags;
	if (layout->kind == KIND_MAP && map_type_refused(path.type))
		found->flags |= RECORD_FAILED;
	found->shard = (uint8_t)shard_of(known->device, decoder->shards);
	return 0;
}

const struct cached_path *path_cache_learn(struct decoder *decoder,
					   const struct event_layout *layout,
					   const struct path_key *key, uint64_t type,
					   uint64_t old_type, struct cached_path *scratch)
{
	struct path_cache *cache = decoder->cache;

	memset(scratch, 0, sizeof(*scratch));
	if (resolve_path(decoder, layout, key, type, old_type, scratch))
		return NULL;
	if ((type | old_type) >> 16 || cache->used >= PATH_CACHE_MAX)
		return scratch;
	/* Nearly all empty, so that no key stands in another's way, until that costs memory. */
	if ((cache->used + 1) * (cache->used < 1024 ? 8 : 2) > cache->slot_count &&
	    grow_cache(cache))
		return NULL;
	cache->used++;
	*find_cached(cache, key) = *scratch;
	return scratch;
}
