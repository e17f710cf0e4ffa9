// SPDX-License-Identifier: GPL-2.0-or-later
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/names.h"

/* Texts are found through a directory of chunks, which never move: readers need
 * no lock. */
#define CHUNK_BITS 10
#define CHUNK_COUNT (1u << 16)

struct name {
	size_t length;
	char text[]; /* and a NUL */
};

struct names {
	pthread_mutex_t lock;
	struct name **chunks[CHUNK_COUNT];
	uint32_t count;
	uint32_t *slots; /* open addressing: ids */
	uint32_t slot_count;
	uint32_t limit, instead; /* see names_limit(); 0: none */
};

static uint64_t hash_text(const char *text, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3ull;
	return hash ^ hash >> 29;
}

struct names *names_new(void)
{
	struct names *names = calloc(1, sizeof(*names));

	if (!names)
		return NULL;
	pthread_mutex_init(&names->lock, NULL);
	names->count = 1;
	return names;
}

void names_free(struct names *names)
{
	if (!names)
		return;
	for (uint32_t id = 1; id < names->count; id++)
		free(names->chunks[id >> CHUNK_BITS][id & ((1u << CHUNK_BITS) - 1)]);
	for (uint32_t i = 0; i < CHUNK_COUNT && names->chunks[i]; i++)
		free(names->chunks[i]);
	free(names->slots);
	pthread_mutex_destroy(&names->lock);
	free(names);
}

static const struct name *name_at(const struct names *names, uint32_t id)
{
	return names->chunks[id >> CHUNK_BITS][id & ((1u << CHUNK_BITS) - 1)];
}

const char *names_text(const struct names *names, uint32_t id)
{
	return id ? name_at(names, id)->text : NULL;
}

size_t names_length(const struct names *names, uint32_t id)
{
	return id ? name_at(names, id)->length : 0;
}

uint32_t names_count(const struct names *names)
{
	return names->count;
}

static uint32_t *find_slot(const struct names *names, const char *text, size_t length)
{
	uint32_t mask = names->slot_count - 1;
	uint32_t at = (uint32_t)hash_text(text, length) & mask;

	for (;; at = (at + 1) & mask) {
		uint32_t id = names->slots[at];
		const struct name *known = id ? name_at(names, id) : NULL;

		if (!known || (known->length == length && !memcmp(known->text, text, length)))
			return &names->slots[at];
	}
}

static int grow_slots(struct names *names)
{
	uint32_t *old = names->slots;

	names->slot_count = names->slot_count ? names->slot_count * 2 : 64;
	names->slots = calloc(names->slot_count, sizeof(*names->slots));
	if (!names->slots) {
		names->slots = old;
		names->slot_count /= 2;
		return -1;
	}
	free(old);
	for (uint32_t id = 1; id < names->count; id++) {
		const struct name *name = name_at(names, id);

		*find_slot(names, name->text, name->length) = id;
	}
	return 0;
}

static uint32_t add_name(struct names *names, const char *text, size_t length)
{
	uint32_t id = names->count;
	struct name ***chunk = &names->chunks[id >> CHUNK_BITS];
	struct name *copy;

	if (id >> CHUNK_BITS >= CHUNK_COUNT)
		return UINT32_MAX;
	if (!*chunk)
		*chunk = calloc(1u << CHUNK_BITS, sizeof(**chunk));
	copy = *chunk ? malloc(sizeof(*copy) + length + 1) : NULL;
	if (!copy)
		return UINT32_MAX;
	copy->length = length;
	memcpy(copy->text, text, length);
	copy->text[length] = '\0';
	(*chunk)[id & ((1u << CHUNK_BITS) - 1)] = copy;
	names->count++;
	return id;
}

static uint32_t intern_locked(struct names *names, const char *text, size_t length)
{
	uint32_t *slot;

	if (names->count * 2 >= names->slot_count && grow_slots(names))
		return UINT32_MAX;
	slot = find_slot(names, text, length);
	if (!*slot && names->limit && names->count >= names->limit)
		return names->instead;
	if (!*slot) {
		uint32_t id = add_name(names, text, length);

		if (id == UINT32_MAX)
			return id;
		*slot = id;
	}
	return *slot;
}

uint32_t names_intern_bytes(struct names *names, const void *bytes, size_t length)
{
	uint32_t id;

	if (!length)
		return 0;
	pthread_mutex_lock(&names->lock);
	id = intern_locked(names, bytes, length);
	pthread_mutex_unlock(&names->lock);
	return id;
}

int names_limit(struct names *names, uint32_t limit, const char *instead)
{
	names->limit = 0;
	names->instead = names_intern(names, instead, strlen(instead));
	if (names->instead == UINT32_MAX)
		return -1;
	names->limit = limit;
	return 0;
}

uint32_t names_intern(struct names *names, const char *text, size_t length)
{
	return names_intern_bytes(names, text, strnlen(text, length));
}
