// SPDX-License-Identifier: GPL-2.0-or-later
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/paths.h"

const char *const event_kind_names[KIND_COUNT] = {
	[KIND_ALLOC] = "p2p_dma_alloc",
	[KIND_FREE] = "p2p_dma_free",
	[KIND_MAP] = "p2p_dma_map",
	[KIND_UNMAP] = "p2p_dma_unmap",
	[KIND_TYPE_CHANGE] = "p2p_map_type_change",
	[KIND_EXIT] = "sched_process_exit",
	[KIND_RENAME] = "task_rename",
	[KIND_STACK] = "kernel_stack",
};

struct path_index {
	pthread_mutex_t lock;
	uint32_t *slots; /* open addressing: id + 1 */
	uint32_t slot_count;
};

struct paths *paths_new(struct names *names)
{
	struct paths *paths = calloc(1, sizeof(*paths));

	if (!paths)
		return NULL;
	paths->names = names;
	paths->index = calloc(1, sizeof(*paths->index));
	if (!paths->index) {
		free(paths);
		return NULL;
	}
	pthread_mutex_init(&paths->index->lock, NULL);
	return paths;
}

void paths_free(struct paths *paths)
{
	if (!paths)
		return;
	for (uint32_t i = 0; i < PATH_CHUNKS && paths->chunks[i]; i++)
		free(paths->chunks[i]);
	pthread_mutex_destroy(&paths->index->lock);
	free(paths->index->slots);
	free(paths->index);
	free(paths);
}

static uint32_t hash_path(const struct path *path)
{
	uint64_t hash = ((uint64_t)path->client << 32 | path->provider) * 0x9e3779b97f4a7c15ull;

	hash ^= (uint64_t)path->kind << 16 | (uint64_t)path->type << 8 | path->old_type;
	hash *= 0xff51afd7ed558ccdull;
	return (uint32_t)(hash >> 32);
}

static bool same_path(const struct path *a, const struct path *b)
{
	return a->client == b->client && a->provider == b->provider && a->kind == b->kind &&
	       a->type == b->type && a->old_type == b->old_type;
}

static uint32_t *find_slot(const struct paths *paths, const struct path *path)
{
	const struct path_index *index = paths->index;
	uint32_t mask = index->slot_count - 1, at = hash_path(path) & mask;

	while (index->slots[at] && !same_path(path_at(paths, index->slots[at] - 1), path))
		at = (at + 1) & mask;
	return &index->slots[at];
}

static int grow_slots(struct paths *paths)
{
	struct path_index *index = paths->index;
	uint32_t count = index->slot_count ? index->slot_count * 2 : 64;
	uint32_t *slots = calloc(count, sizeof(*slots));

	if (!slots)
		return -1;
	free(index->slots);
	index->slots = slots;
	index->slot_count = count;
	for (uint32_t id = 0; id < paths->count; id++)
		*find_slot(paths, path_at(paths, id)) = id + 1;
	return 0;
}

static uint32_t add_path(struct paths *paths, const struct path *path)
{
	uint32_t id = paths->count;
	struct path **chunk = &paths->chunks[id >> PATH_CHUNK_BITS];
	struct path *added;

	if (id >> PATH_CHUNK_BITS >= PATH_CHUNKS)
		return UINT32_MAX;
	if (!*chunk)
		*chunk = calloc(1u << PATH_CHUNK_BITS, sizeof(**chunk));
	if (!*chunk)
		return UINT32_MAX;
	added = &(*chunk)[id & ((1u << PATH_CHUNK_BITS) - 1)];
	*added = *path;
	/* An allocation's address is the provider's, a mapping's the client's. */
	added->device = path->kind == KIND_ALLOC || path->kind == KIND_FREE ? path->provider * 2 + 1
									    : path->client * 2;
	added->selected = !paths->select ||
			  paths->select(paths->select_context, paths->names, added);
	paths->count++;
	return id;
}

/* Beyond the limit: the same kind and type, of devices that are not told apart. */
static struct path path_of_others(const struct paths *paths, const struct path *path)
{
	struct path others = *path;

	others.client = path->client ? paths->others : 0;
	others.provider = path->provider ? paths->others : 0;
	return others;
}

uint32_t paths_intern(struct paths *paths, const struct path *path)
{
	struct path_index *index = paths->index;
	uint32_t id = UINT32_MAX, *slot;
	struct path others;

	pthread_mutex_lock(&index->lock);
	if (paths->count * 2 < index->slot_count || !grow_slots(paths)) {
		slot = find_slot(paths, path);
		if (!*slot && paths->limit && paths->count >= paths->limit) {
			others = path_of_others(paths, path);
			path = &others;
			slot = find_slot(paths, path);
		}
		if (!*slot) {
			id = add_path(paths, path);
			*slot = id == UINT32_MAX ? 0 : id + 1;
		} else {
			id = *slot - 1;
		}
	}
	pthread_mutex_unlock(&index->lock);
	return id;
}

/* ---- map types ---- */

#define MAP_TYPE_LIMIT 250
#define MAP_TYPE_PREFIX "PCI_P2PDMA_MAP_"

static pthread_mutex_t type_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *type_names[MAP_TYPE_LIMIT] = {
	"UNKNOWN", "NOT_SUPPORTED", "BUS_ADDR", "THRU_HOST_BRIDGE", "NONE",
};
static uint8_t type_count = MAP_TYPES_KNOWN;

static uint8_t find_type(const char *name, size_t length)
{
	for (uint8_t type = 0; type < type_count; type++)
		if (strlen(type_names[type]) == length && !memcmp(type_names[type], name, length))
			return type;
	return type_count;
}

uint8_t map_type_by_name(const char *name, size_t length)
{
	size_t prefix = strlen(MAP_TYPE_PREFIX);
	uint8_t type;

	if (length > prefix && !memcmp(name, MAP_TYPE_PREFIX, prefix)) {
		name += prefix;
		length -= prefix;
	}
	if (!length)
		return MAP_TYPE_UNKNOWN;
	pthread_mutex_lock(&type_lock);
	type = find_type(name, length);
	if (type == type_count) {
		char *copy = type_count < MAP_TYPE_LIMIT ? strndup(name, length) : NULL;

		if (copy)
			type_names[type_count++] = copy;
		else
			type = MAP_TYPE_UNKNOWN;
	}
	pthread_mutex_unlock(&type_lock);
	return type;
}

const char *map_type_name(uint8_t type)
{
	return type < type_count ? type_names[type] : "UNKNOWN";
}

uint8_t map_type_count(void)
{
	return type_count;
}
