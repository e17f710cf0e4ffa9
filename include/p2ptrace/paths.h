/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paths: every distinct (event kind, client, provider, map type) once, as a
 * number.  An event names its path instead of two devices and a type; totals
 * are kept per path.
 *
 * Entries never move, so that matching may look them up while other threads add
 * more.  Source: src/event/paths.c
 */
#ifndef P2PTRACE_PATHS_H
#define P2PTRACE_PATHS_H

#include <stdbool.h>
#include <stdint.h>

#include "p2ptrace/names.h"

enum event_kind {
	KIND_NONE = 0,
	KIND_ALLOC,
	KIND_FREE,
	KIND_MAP,
	KIND_UNMAP,
	KIND_TYPE_CHANGE,
	KIND_P2P_COUNT, /* the five of P2PDMA end here */
	KIND_EXIT = KIND_P2P_COUNT,
	KIND_RENAME,
	KIND_STACK,
	KIND_COUNT,
};

/* The event names, "p2p_dma_alloc" and so on, by kind. */
extern const char *const event_kind_names[KIND_COUNT];

static inline bool kind_is_begin(enum event_kind kind)
{
	return kind == KIND_ALLOC || kind == KIND_MAP;
}

static inline bool kind_is_end(enum event_kind kind)
{
	return kind == KIND_FREE || kind == KIND_UNMAP;
}

/* Map types.  The numbers are p2ptrace's own; the kernel's moved between releases
 * and are taken by name.  Names not known here get numbers from MAP_TYPES_KNOWN up. */
enum map_type {
	MAP_TYPE_UNKNOWN = 0,
	MAP_TYPE_NOT_SUPPORTED,
	MAP_TYPE_BUS_ADDR,
	MAP_TYPE_THRU_HOST_BRIDGE,
	MAP_TYPE_NONE,
	MAP_TYPES_KNOWN,
	MAP_TYPE_ABSENT = 254, /* the event has no such field */
};

/* Whether a mapping of this type did not come about. */
static inline bool map_type_refused(uint8_t type)
{
	return type == MAP_TYPE_UNKNOWN || type == MAP_TYPE_NOT_SUPPORTED || type == MAP_TYPE_NONE;
}

struct path {
	uint32_t client, provider; /* names, 0: absent */
	uint32_t device; /* what its addresses belong to: name * 2, + 1 for a pool */
	uint8_t kind;
	uint8_t type, old_type; /* map types */
	bool selected; /* by the filters on devices and type */
};

#define PATH_CHUNK_BITS 10
#define PATH_CHUNKS (1u << 16)

struct paths {
	struct path *chunks[PATH_CHUNKS];
	uint32_t count;
	struct names *names;
	struct path_index *index;
	/* Decides `selected`; NULL selects all.  Called with a lock held. */
	bool (*select)(const void *context, const struct names *names, const struct path *path);
	const void *select_context;
	/* Paths beyond the limit are those of the name `others`; 0: none.  (There are a few
	 * more than the limit then: one for each kind and type.) */
	uint32_t limit, others;
};

struct paths *paths_new(struct names *names);
void paths_free(struct paths *paths);

/* The id of a path; `device` and `selected` are filled in here.  UINT32_MAX
 * without memory.  May be called by several threads. */
uint32_t paths_intern(struct paths *paths, const struct path *path);

static inline const struct path *path_at(const struct paths *paths, uint32_t id)
{
	return &paths->chunks[id >> PATH_CHUNK_BITS][id & ((1u << PATH_CHUNK_BITS) - 1)];
}

/* Map type by name ("BUS_ADDR", "PCI_P2PDMA_MAP_BUS_ADDR"); 255 kinds at most,
 * what is beyond counts as MAP_TYPE_UNKNOWN. */
uint8_t map_type_by_name(const char *name, size_t length);
const char *map_type_name(uint8_t type);
/* Types known so far are below this. */
uint8_t map_type_count(void);

#endif
