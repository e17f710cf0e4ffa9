// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages to compact records: the innermost loop of all reading commands.
 *
 * What is slow is done once per distinct thing: a record's devices and type are
 * looked up together, by their bytes as they stand in the record, in a cache of
 * this decoder's own.
 */
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/decode.h"

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define HOST_BIG_ENDIAN true
#else
#define HOST_BIG_ENDIAN false
#endif

/* Bytes of pages read at a time: they stay in the second-level cache. */
#define READ_BYTES (256u << 10)

/* ---- the cache of paths, keyed by a record's bytes ---- */

/* 16 bytes of a text: all of it, or, marked by `high` of ones, a name's id. */
struct short_text {
	uint64_t low, high;
};

struct path_key {
	struct short_text client, provider, type;
	uint64_t numbers; /* layout, type and old type as numbers */
};

struct cached_path {
	struct path_key key;
	uint32_t path; /* + 1; 0: empty */
	uint8_t selected, refused;
};

/* Names of threads, by their bytes: a place for each, the latest wins. */
#define COMM_PLACES 1024

struct path_cache {
	struct cached_path *slots;
	uint32_t slot_count, used;
	struct {
		struct short_text text;
		uint32_t name;
	} comms[COMM_PLACES];
};

static struct path_cache *path_cache_new(void)
{
	struct path_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->slot_count = 256;
	cache->slots = calloc(cache->slot_count, sizeof(*cache->slots));
	if (cache->slots)
		return cache;
	free(cache);
	return NULL;
}

static void path_cache_free(struct path_cache *cache)
{
	if (cache)
		free(cache->slots);
	free(cache);
}

static inline uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint32_t hash_key(const struct path_key *key)
{
	uint64_t hash = fold(key->client.low ^ 0x2d358dccaa6c78a5ull,
			     key->provider.low ^ 0x8bb84b93962eacc9ull);

	hash ^= fold(key->client.high ^ key->numbers ^ 0x4b33a62ed433d4a3ull,
		     key->provider.high ^ 0x4d5a2da51de1aa47ull);
	hash ^= fold(key->type.low ^ 0xa0761d6478bd642full, key->type.high ^ 0xe7037ed1a0b428dbull);
	return (uint32_t)(hash ^ hash >> 32);
}

static inline bool same_text(struct short_text a, struct short_text b)
{
	return ((a.low ^ b.low) | (a.high ^ b.high)) == 0;
}

static inline bool same_key(const struct path_key *a, const struct path_key *b)
{
	return same_text(a->client, b->client) && same_text(a->provider, b->provider) &&
	       a->numbers == b->numbers && same_text(a->type, b->type);
}

static struct cached_path *find_cached(const struct path_cache *cache, const struct path_key *key)
{
	uint32_t mask = cache->slot_count - 1, at = hash_key(key) & mask;

	while (cache->slots[at].path && !same_key(&cache->slots[at].key, key))
		at = (at + 1) & mask;
	return &cache->slots[at];
}

static int grow_cache(struct path_cache *cache)
{
	struct cached_path *old = cache->slots;
	uint32_t count = cache->slot_count;
	struct cached_path *more = calloc((size_t)count * 2, sizeof(*more));

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

/* ---- numbers and texts of a record ---- */

static inline __attribute__((always_inline)) uint64_t
load_number(struct page_form form, struct number_place place, const unsigned char *record)
{
	uint64_t value;

	memcpy(&value, record + place.offset, 8);
	if (form.swapped)
		value = __builtin_bswap64(value);
	/* The field's bytes are the first of the eight: in a big-endian file the upper ones. */
	if (form.big_endian)
		value >>= place.mask ? __builtin_clzll(place.mask) : 0;
	value &= place.mask;
	return (value ^ place.sign) - place.sign;
}

/* 16 bytes of which the first `length` count, the others 0. */
static inline struct short_text load_short(const unsigned char *bytes, uint32_t length)
{
	static const unsigned char masks[32] = { 255, 255, 255, 255, 255, 255, 255, 255,
						 255, 255, 255, 255, 255, 255, 255, 255 };
	const unsigned char *mask = masks + 16 - length;
	struct short_text text, keep;

	memcpy(&text, bytes, 16);
	memcpy(&keep, mask, 16);
	text.low &= keep.low;
	text.high &= keep.high;
	return text;
}

/* Texts of another form, or longer than 16 bytes. */
static bool load_text_slowly(struct decoder *decoder, struct page_form form,
			     const struct text_place *place, const unsigned char *record,
			     uint32_t length, struct short_text *text)
{
	const struct event_field *field = place->field;
	uint32_t at = field->offset, room = field->size;

	if (field->form != FIELD_TEXT) {
		uint32_t where = page_u32(form, record + at);

		at = field->form == FIELD_DATA_LOC ? where & 0xffff : at + 4 + (where & 0xffff);
		room = where >> 16;
	}
	if (at > length || room > length - at)
		return false;
	room = (uint32_t)strnlen((const char *)record + at, room);
	if (room <= 16) {
		*text = load_short(record + at, room);
		return true;
	}
	text->low = names_intern(decoder->names, (const char *)record + at, room);
	text->high = UINT64_MAX;
	return text->low != UINT32_MAX;
}

/* False: the text lies outside the record. */
static inline __attribute__((always_inline)) bool
load_text(struct decoder *decoder, struct page_form form, const struct text_place *place,
	  const unsigned char *record, uint32_t length, struct short_text *text)
{
	uint32_t where, at, room;

	text->low = text->high = 0;
	if (!place->field)
		return true;
	where = page_u32(form, record + place->offset);
	at = where & 0xffff;
	room = where >> 16;
	if (__builtin_expect(!place->data_loc || room > 17 || at + room > length, 0))
		return load_text_slowly(decoder, form, place, record, length, text);
	*text = load_short(record + at, room < 16 ? room : 16);
	if (__builtin_expect(room == 17 && record[at + 16], 0))
		return load_text_slowly(decoder, form, place, record, length, text);
	return true;
}

static uint32_t name_of(struct decoder *decoder, struct short_text text)
{
	char bytes[16];

	if (text.high == UINT64_MAX)
		return (uint32_t)text.low;
	memcpy(bytes, &text, 16);
	return names_intern(decoder->names, bytes, 16);
}

static uint32_t comm_of(struct decoder *decoder, struct short_text text)
{
	uint64_t hash = fold(text.low ^ 0x2d358dccaa6c78a5ull, text.high ^ 0x8bb84b93962eacc9ull);
	uint32_t at = (uint32_t)hash % COMM_PLACES;

	if (!same_text(decoder->cache->comms[at].text, text)) {
		decoder->cache->comms[at].name = name_of(decoder, text);
		decoder->cache->comms[at].text = text;
	}
	return decoder->cache->comms[at].name;
}

static uint8_t type_of(struct decoder *decoder, const struct event_layout *layout,
		       struct short_text text, uint64_t number)
{
	const char *name;

	if (!layout->fields[P2P_TYPE])
		return MAP_TYPE_ABSENT;
	if (!layout->type_is_text)
		return schema_type_of_number(layout->symbols, number);
	name = names_text(decoder->names, name_of(decoder, text));
	return name ? map_type_by_name(name, strlen(name)) : MAP_TYPE_UNKNOWN;
}

/* ---- from a record's bytes to its path ---- */

static int resolve_path(struct decoder *decoder, const struct event_layout *layout,
			const struct path_key *key, uint64_t type, uint64_t old_type,
			struct cached_path *found)
{
	struct path path = {
		.client = name_of(decoder, key->client),
		.provider = name_of(decoder, key->provider),
		.kind = (uint8_t)layout->kind,
		.type = type_of(decoder, layout, key->type, type),
		.old_type = layout->old_type.present ?
				    schema_type_of_number(layout->old_symbols, old_type) :
				    MAP_TYPE_ABSENT,
	};
	uint32_t id;

	if (path.client == UINT32_MAX || path.provider == UINT32_MAX)
		return -1;
	id = paths_intern(decoder->paths, &path);
	if (id == UINT32_MAX)
		return -1;
	found->key = *key;
	found->path = id + 1;
	found->selected = path_at(decoder->paths, id)->selected;
	found->refused = layout->kind == KIND_MAP && map_type_refused(path.type);
	return 0;
}

/* Types beyond 16 bits do not fit the key: resolved each time. */
static int find_path(struct decoder *decoder, const struct event_layout *layout,
		     struct path_key *key, uint64_t type, uint64_t old_type,
		     struct cached_path *found)
{
	struct path_cache *cache = decoder->cache;
	struct cached_path *slot;

	if (__builtin_expect((type | old_type) >> 16 != 0, 0))
		return resolve_path(decoder, layout, key, type, old_type, found);
	key->numbers = (uint64_t)(layout - decoder->schema->layouts) << 32 | type << 16 | old_type;
	slot = find_cached(cache, key);
	if (__builtin_expect(!slot->path, 0)) {
		if (resolve_path(decoder, layout, key, type, old_type, slot))
			return -1;
		*found = *slot;
		return ++cache->used * 2 > cache->slot_count ? grow_cache(cache) : 0;
	}
	found->path = slot->path;
	found->selected = slot->selected;
	found->refused = slot->refused;
	return 0;
}

/* ---- records ---- */

/* What decoding one lane of a slice needs at hand. */
struct lane_work {
	struct decoder *decoder;
	struct slice *slice;
	struct page_form form;
	uint32_t cpu;
	bool no_memory;
};

static int make_record_room(struct slice *slice, uint32_t wanted)
{
	uint32_t room = slice->record_room ? slice->record_room : 4096;
	struct p2p_record *records;
	struct p2p_order *order, *unordered;

	if (wanted <= slice->record_room)
		return 0;
	while (room < wanted)
		room *= 2;
	records = realloc(slice->records, room * sizeof(*records));
	slice->records = records ? records : slice->records;
	order = realloc(slice->order, room * sizeof(*order));
	slice->order = order ? order : slice->order;
	unordered = realloc(slice->unordered, room * sizeof(*unordered));
	slice->unordered = unordered ? unordered : slice->unordered;
	if (!records || !order || !unordered)
		return -1;
	slice->record_room = room;
	return 0;
}

/* Hard interrupt, soft interrupt or NMI.  All ones is what Linux 6.18 writes into every
 * uprobe event: not known. */
static inline bool in_interrupt(uint64_t common_flags)
{
	return common_flags != 0xff && (common_flags & 0x58);
}

static inline bool call_failed(const struct event_layout *layout, bool refused, uint64_t addr,
			       int64_t ret)
{
	if (layout->ret.present && ret < 0)
		return true;
	if (layout->kind == KIND_MAP)
		return refused || (layout->addr.present && addr == layout->addr_ones);
	/* NULL, or an errno in pointer's clothes. */
	return layout->kind == KIND_ALLOC && layout->addr.present &&
	       (addr == 0 || addr > UINT64_MAX - 4096);
}

static inline __attribute__((always_inline)) void
decode_p2p(struct lane_work *work, const struct event_layout *layout, struct page_form form,
	   const unsigned char *data, uint32_t length, uint64_t stamp)
{
	struct decoder *decoder = work->decoder;
	struct slice *slice = work->slice;
	struct p2p_record *record = &slice->records[slice->record_count];
	struct p2p_order *place = &slice->unordered[slice->record_count];
	struct cached_path found = { 0 };
	struct path_key key = { 0 };
	uint64_t type = load_number(form, layout->type, data);
	uint64_t old_type = load_number(form, layout->old_type, data);
	int64_t dist = (int64_t)load_number(form, layout->dist, data);
	uint64_t context = load_number(form, layout->common_flags, data);
	struct short_text comm;
	static const struct text_place no_text;
	const struct text_place *type_text = &no_text;
	struct text_place type_place;

	if (__builtin_expect(layout->type_is_text, 0)) {
		type_place = (struct text_place){ layout->fields[P2P_TYPE],
						  layout->fields[P2P_TYPE]->offset,
						  layout->fields[P2P_TYPE]->form == FIELD_DATA_LOC };
		type_text = &type_place;
	}
	if (!load_text(decoder, form, &layout->client, data, length, &key.client) ||
	    !load_text(decoder, form, &layout->provider, data, length, &key.provider) ||
	    !load_text(decoder, form, type_text, data, length, &key.type) ||
	    !load_text(decoder, form, &layout->comm, data, length, &comm)) {
		slice->damaged++;
		return;
	}
	if (find_path(decoder, layout, &key, type, old_type, &found)) {
		work->no_memory = true;
		return;
	}
	record->addr = load_number(form, layout->addr, data);
	record->size = load_number(form, layout->size, data);
	record->path = found.path - 1;
	record->tid = (uint32_t)load_number(form, layout->pid.present ? layout->pid : layout->common_pid,
					    data);
	record->comm = layout->comm.field ? comm_of(decoder, comm) : 0;
	record->dist = (int16_t)dist;
	record->flags = (uint16_t)((layout->addr.present ? 0 : RECORD_NO_ADDR) |
				   (layout->size.present ? 0 : RECORD_NO_SIZE) |
				   (in_interrupt(context) ? RECORD_INTERRUPT : 0) |
				   (dist < 0 || dist > INT16_MAX || !layout->dist.present ?
					    RECORD_NO_DIST :
					    0));
	if (call_failed(layout, found.refused, record->addr,
			(int64_t)load_number(form, layout->ret, data)))
		record->flags |= RECORD_FAILED;
	if (!found.selected)
		return;
	if (decoder->filter && decoder->filter->begins && !kind_is_end(layout->kind) &&
	    !decoder->filter->begins(decoder->filter->context, record->tid, record->comm, work->cpu))
		return;
	place->stamp = stamp;
	place->index = slice->record_count++;
	place->cpu = (uint16_t)work->cpu;
	place->kind = (uint8_t)layout->kind;
	place->shard = 0;
	if (decoder->shards > 1)
		place->shard = (uint8_t)shard_of(path_at(decoder->paths, record->path)->device,
						  decoder->shards);
	slice->by_kind[layout->kind]++;
}

/* Names and ends of processes: few, taken the slow way. */
static void decode_note(struct lane_work *work, const struct event_layout *layout,
			const unsigned char *data, uint32_t length, uint64_t stamp)
{
	struct slice *slice = work->slice;
	struct p2p_note note = { .stamp = stamp, .kind = layout->kind };
	struct short_text comm = { 0 };
	struct text_place place = { .field = layout->subject_comm };

	if (layout->kind == KIND_STACK)
		return;
	if (!load_text_slowly(work->decoder, work->form, &place, data, length, &comm) ||
	    layout->subject_pid->offset + 4 > length) {
		slice->damaged++;
		return;
	}
	note.tid = page_u32(work->form, data + layout->subject_pid->offset);
	note.comm = name_of(work->decoder, comm);
	if (slice->note_count == slice->note_room) {
		uint32_t room = slice->note_room ? slice->note_room * 2 : 64;
		struct p2p_note *more = reallocarray(slice->notes, room, sizeof(*more));

		if (!more) {
			work->no_memory = true;
			return;
		}
		slice->notes = more;
		slice->note_room = room;
	}
	slice->notes[slice->note_count++] = note;
}

static void add_loss(struct lane_work *work, uint64_t stamp, uint64_t count)
{
	struct slice *slice = work->slice;

	if (slice->loss_count == slice->loss_room) {
		uint32_t room = slice->loss_room ? slice->loss_room * 2 : 64;
		struct p2p_loss *more = reallocarray(slice->losses, room, sizeof(*more));

		if (!more) {
			work->no_memory = true;
			return;
		}
		slice->losses = more;
		slice->loss_room = room;
	}
	slice->losses[slice->loss_count++] =
		(struct p2p_loss){ .stamp = stamp, .count = count, .cpu = work->cpu };
}

/* One page; `skip` and `stop`: it lies across the slice's first or last border. */
static inline __attribute__((always_inline)) void
decode_page(struct lane_work *work, struct page_form form, const unsigned char *page, size_t bytes,
	    bool skip, bool stop)
{
	struct slice *slice = work->slice;
	const struct slice_span *span = &slice->span;
	const struct schema *schema = work->decoder->schema;
	const struct decode_filter *filter = work->decoder->filter;
	const unsigned char *data;
	struct page_walk walk;
	uint32_t length;

	page_begin(&walk, form, page, bytes);
	slice->cut |= walk.cut;
	/* A mark belongs to the slice in which the page begins. */
	if (walk.lost && !(skip && walk.page_stamp < span->from) &&
	    !(stop && walk.page_stamp >= span->until))
		add_loss(work, walk.page_stamp, walk.lost);
	while ((data = page_next(&walk, form, &length))) {
		const struct event_layout *layout;

		if (__builtin_expect(skip, 0)) {
			if (walk.stamp < span->from)
				continue;
			skip = false;
		}
		if (__builtin_expect(stop, 0) && walk.stamp >= span->until)
			return;
		if (filter && (walk.stamp < filter->from || walk.stamp > filter->until))
			continue;
		slice->first_stamp = walk.stamp < slice->first_stamp ? walk.stamp :
								       slice->first_stamp;
		slice->last_stamp = walk.stamp > slice->last_stamp ? walk.stamp : slice->last_stamp;
		if (length < 4) {
			slice->damaged++;
			continue;
		}
		layout = schema->by_id[page_u16(form, data)];
		if (!layout || layout->kind >= KIND_P2P_COUNT)
			slice->other++;
		if (!layout)
			continue;
		if (length < layout->min_length)
			slice->damaged++;
		else if (layout->kind < KIND_P2P_COUNT)
			decode_p2p(work, layout, form, data, length, walk.stamp);
		else
			decode_note(work, layout, data, length, walk.stamp);
	}
	/* Whether or not a border page is damaged is told once, by the later slice. */
	slice->damaged += walk.damaged;
}

/* A record of ours takes 16 bytes at least, so a page has room for this many. */
static inline uint32_t records_in(size_t bytes)
{
	return (uint32_t)(bytes / 12 + 1);
}

static int decode_run(struct lane_work *work, const struct trace_lane *lane,
		      const unsigned char *pages, size_t bytes, uint64_t at, uint64_t end)
{
	const struct slice_span *span = &work->slice->span;
	uint64_t first = at;

	for (size_t offset = 0; offset < bytes; offset += lane->page_size, at++) {
		size_t here = bytes - offset < lane->page_size ? bytes - offset : lane->page_size;
		bool skip = first == at && span->from && work->slice->span.number &&
			    at == span->lanes[lane - work->decoder->file->lanes].first;
		bool stop = !span->last && at + 1 == end;

		if (make_record_room(work->slice, work->slice->record_count + records_in(here)))
			return -1;
		if (work->form.swapped || work->form.big_endian || work->form.commit_size != 8)
			decode_page(work, work->form, pages + offset, here, skip, stop);
		else
			decode_page(work, PAGE_FORM_NATIVE, pages + offset, here, skip, stop);
		if (work->no_memory)
			return -1;
	}
	return 0;
}

static int decode_lane(struct lane_work *work, const struct trace_lane *lane,
		       struct slice_lane range, struct p2p_error *err)
{
	uint64_t run = READ_BYTES / lane->page_size ? READ_BYTES / lane->page_size : 1;
	uint64_t end = range.first + range.count;

	for (uint64_t at = range.first; at < end; at += run) {
		uint64_t count = end - at < run ? end - at : run;
		const unsigned char *pages;
		size_t bytes;

		pages = lane_read(&work->decoder->reader, lane, at, count, &bytes, err);
		if (!pages)
			return -1;
		if (bytes < (count - 1) * lane->page_size)
			work->slice->cut = true; /* it became shorter while we read */
		if (decode_run(work, lane, pages, bytes, at, end))
			return p2p_fail(err, "no memory for the records of a slice");
	}
	return 0;
}

static int compare_losses(const void *a, const void *b)
{
	const struct p2p_loss *left = a, *right = b;

	if (left->stamp != right->stamp)
		return left->stamp < right->stamp ? -1 : 1;
	return left->cpu < right->cpu ? -1 : left->cpu > right->cpu;
}

int slice_decode(struct decoder *decoder, struct slice *slice, struct p2p_error *err)
{
	const struct trace_file *file = decoder->file;
	struct lane_work work = {
		.decoder = decoder,
		.slice = slice,
		.form = { .swapped = file->big_endian != HOST_BIG_ENDIAN,
			  .big_endian = file->big_endian,
			  .commit_size = file->commit_size },
	};

	slice->record_count = slice->loss_count = slice->note_count = 0;
	memset(slice->by_kind, 0, sizeof(slice->by_kind));
	slice->other = slice->damaged = 0;
	slice->first_stamp = UINT64_MAX;
	slice->last_stamp = 0;
	slice->cut = false;
	for (size_t i = 0; i < file->lane_count; i++) {
		work.cpu = file->lanes[i].cpu;
		if (slice->span.lanes[i].count &&
		    decode_lane(&work, &file->lanes[i], slice->span.lanes[i], err))
			return -1;
	}
	qsort(slice->losses, slice->loss_count, sizeof(*slice->losses), compare_losses);
	return decoder->ordered ? slice_order(slice, decoder->shards, err) : 0;
}

/* ---- life ---- */

int decoder_init(struct decoder *decoder, const struct trace_file *file,
		 const struct schema *schema, struct names *names, struct paths *paths,
		 struct p2p_error *err)
{
	*decoder = (struct decoder){ .file = file,
				     .schema = schema,
				     .names = names,
				     .paths = paths,
				     .shards = 1,
				     .ordered = true };
	lane_reader_init(&decoder->reader, file);
	decoder->cache = path_cache_new();
	return decoder->cache ? 0 : p2p_fail(err, "no memory");
}

void decoder_destroy(struct decoder *decoder)
{
	lane_reader_destroy(&decoder->reader);
	path_cache_free(decoder->cache);
}

int slice_init(struct slice *slice, const struct trace_file *file, struct p2p_error *err)
{
	*slice = (struct slice){ 0 };
	slice->span.lanes = calloc(file->lane_count + 1, sizeof(*slice->span.lanes));
	return slice->span.lanes ? 0 : p2p_fail(err, "no memory");
}

void slice_destroy(struct slice *slice)
{
	free(slice->span.lanes);
	free(slice->records);
	free(slice->order);
	free(slice->unordered);
	free(slice->buckets);
	free(slice->losses);
	free(slice->notes);
}
