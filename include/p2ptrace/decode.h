/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * decode: the pages of a slice -> compact records, and their order in time.
 *
 * A record holds what matching and totals need; everything else stays in the
 * pages.  Loss travels beside the records.  One decoder per thread; names and
 * paths are shared.  Source: src/event/decode.c (lanes), decode_page.c (records), order.c
 */
#ifndef P2PTRACE_DECODE_H
#define P2PTRACE_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "p2ptrace/page_walk.h"
#include "p2ptrace/paths.h"
#include "p2ptrace/schema.h"
#include "p2ptrace/slice.h"

enum record_flag {
	RECORD_FAILED = 1 << 0, /* the allocation or mapping did not come about */
	RECORD_NO_ADDR = 1 << 1, /* the event has no key */
	RECORD_NO_SIZE = 1 << 2,
	RECORD_INTERRUPT = 1 << 3, /* in hard, soft or NMI context: the pid is nobody's */
	RECORD_NO_DIST = 1 << 4,
};

struct p2p_record {
	uint64_t addr; /* the key within the path's device */
	uint64_t size; /* bytes, 0 with RECORD_NO_SIZE */
	uint32_t path;
	uint32_t device; /* the path's */
	uint32_t tid;
	uint32_t comm; /* the event's own name for it, 0: none */
	uint32_t stack; /* the kernel stack recorded with it, in the decoder's stacks; 0: none */
	int16_t dist;
	uint8_t flags; /* enum record_flag */
	uint8_t type; /* the path's */
	uint16_t cpu;
	uint8_t kind; /* enum event_kind */
};

/* The place of a record in time.  Sorted by stamp, then by index, which runs
 * lane by lane (in CPU order) and in file order within one. */
struct p2p_order {
	uint64_t stamp;
	uint32_t index; /* into records; until it is in order, its shard */
	uint32_t hash; /* of the record's key: key_hash() */
};

/* Events lost before `stamp` on a CPU; `count` PAGE_LOST_UNCOUNTED: not stored. */
struct p2p_loss {
	uint64_t stamp;
	uint64_t count;
	uint32_t cpu;
};

/* A process that ended (KIND_EXIT) or was given a name (KIND_RENAME). */
struct p2p_note {
	uint64_t stamp;
	uint32_t tid, comm;
	enum event_kind kind;
};

#define SHARDS_MAX 16

/* All that one slice holds.  The large arrays are kept and reused from slice to slice. */
struct slice {
	struct slice_span span;
	struct p2p_record *records;
	uint32_t record_count, record_room;
	struct p2p_order *order, *unordered; /* [record]; unordered ones have their shard's */
	uint32_t *buckets; /* scratch of the ordering */
	uint32_t bucket_room;
	uint32_t shard_first[SHARDS_MAX + 1]; /* into order: records of one shard */
	struct p2p_loss *losses; /* by stamp */
	size_t loss_count;
	struct p2p_note *notes;
	size_t note_count;
	uint64_t other; /* events that are none of P2PDMA's five */
	uint64_t damaged; /* pages or records that do not hold together */
	uint64_t low, high; /* first and last stamp of the lanes' records */
	bool cut; /* a page was shorter than it says */
};

/* What is left out while decoding; the rest of a filter works on paths (select). */
struct decode_filter {
	uint64_t from, until; /* stamps; events outside are not there */
	/* Whether a beginning by this thread counts; NULL: all do. */
	bool (*begins)(const void *context, uint32_t tid, uint32_t comm, uint32_t cpu);
	const void *context;
};

struct path_cache;
struct record_shape;

/* Where the decoding of a lane stands. */
struct lane_stream {
	struct lane_reader reader; /* of its own, when slices are decoded one after the other */
	const unsigned char *pages; /* `count` pages from page `first` on */
	uint64_t first, count;
	size_t bytes;
	uint64_t page; /* the walk is in */
	uint64_t next_slice; /* the one that goes on from here */
	struct page_walk walk;
	bool open;
	bool mark_due; /* the page's loss is still to be told */
};

struct decoder {
	const struct trace_file *file;
	const struct schema *schema;
	struct names *names;
	struct paths *paths;
	struct names *stacks; /* kernel stacks, by their bytes */
	const struct decode_filter *filter; /* NULL: none */
	struct lane_reader reader;
	struct path_cache *cache;
	struct record_shape *shapes; /* [layout] */
	unsigned int shards; /* by device; 1: all in one order */
	bool ordered; /* false: who takes the slice calls slice_order() */
	bool sequential; /* takes every slice, in order: each goes on where the last ended */
	struct lane_stream *streams; /* [lane], or just the first when not sequential */
};

int decoder_init(struct decoder *decoder, const struct trace_file *file,
		 const struct schema *schema, struct names *names, struct paths *paths,
		 struct p2p_error *err);
void decoder_destroy(struct decoder *decoder);

int slice_init(struct slice *slice, const struct trace_file *file, struct p2p_error *err);
void slice_destroy(struct slice *slice);

/* Fills the slice from its span. */
int slice_decode(struct decoder *decoder, struct slice *slice, struct p2p_error *err);

/* Sorts the records' places by time, shard by shard: slice->order. */
int slice_order(struct slice *slice, unsigned int shards, struct p2p_error *err);

/* Which shard a device's paths belong to. */
static inline unsigned int shard_of(uint32_t device, unsigned int shards)
{
	return shards == 1 ? 0 : (unsigned int)((device * 0x9e3779b1u >> 16) % shards);
}

#endif
