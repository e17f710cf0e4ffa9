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
#include "p2ptrace/key_hash.h"
#include "p2ptrace/rows.h"
#include "path_cache.h"

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define HOST_BIG_ENDIAN true
#else
#define HOST_BIG_ENDIAN false
#endif

/* Bytes of pages read at a time: they stay in the second-level cache. */
#define READ_BYTES (64u << 10)

/* ---- numbers and texts of a record ---- */

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
static __attribute__((noinline)) bool
load_text_slowly(struct decoder *decoder, struct page_form form, const struct text_place *place,
		 const unsigned char *record, uint32_t length, struct short_text *text)
{
	const struct event_field *field = place->field;
	uint32_t at, room;

	if (!field)
		return true;
	at = field->offset;
	room = field->size;
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
		if (text->high != UINT64_MAX)
			return true;
	}
	text->low = names_intern(decoder->names, (const char *)record + at, room);
	text->high = UINT64_MAX;
	return text->low != UINT32_MAX;
}

/* False: the text lies outside the record.  An absent text has mask 0: no bytes at 0. */
static inline __attribute__((always_inline)) bool
load_text(struct decoder *decoder, struct page_form form, const struct text_place *place,
	  const unsigned char *record, uint32_t length, struct short_text *text)
{
	uint32_t where = page_u32(form, record + place->offset) & place->mask;
	uint32_t at = where & 0xffff, room = where >> 16;

	if (__builtin_expect(room > place->room || at + room > length, 0))
		return load_text_slowly(decoder, form, place, record, length, text);
	*text = load_short(record + at, room);
	return true;
}

/* ---- the devices, which are looked up together ---- */

/* Whether the text is told by its first and last 8 bytes. */
static inline bool has_ends(const struct text_place *place, uint32_t where, uint32_t length)
{
	uint32_t at = where & 0xffff, room = where >> 16;

	return room - place->ends <= place->span && at + room <= length;
}

/* How the records of a layout look as long as their texts stand where they stood in the
 * last one: nearly always, since addresses of devices are all of one length. */
static inline __attribute__((always_inline)) bool has_shape(const struct record_shape *shape,
							    struct page_form form,
							    const unsigned char *data,
							    uint32_t length)
{
	return page_u32(form, data + shape->client_at) == shape->client &&
	       page_u32(form, data + shape->provider_at) == shape->provider &&
	       length >= shape->length;
}

static inline __attribute__((always_inline)) struct path_key
shaped_key(const struct record_shape *shape, const unsigned char *data)
{
	struct path_key key = { .numbers = shape->numbers };

	memcpy(&key.client.first, data + shape->client_first, 8);
	memcpy(&key.client.last, data + shape->client_last, 8);
	memcpy(&key.provider.first, data + shape->provider_first, 8);
	memcpy(&key.provider.last, data + shape->provider_last, 8);
	return key;
}

/* For a text that is absent the other one stands in, with no length of its own. */
static void learn_shape(struct record_shape *shape, const struct event_layout *layout,
			uint32_t client, uint32_t provider)
{
	const struct text_place *first = &layout->client, *second = &layout->provider;
	uint32_t first_word = first->field ? client : provider;
	uint32_t second_word = second->field ? provider : client;
	uint32_t first_end = (first_word & 0xffff) + (first_word >> 16);
	uint32_t second_end = (second_word & 0xffff) + (second_word >> 16);

	*shape = (struct record_shape){
		.client = first_word,
		.provider = second_word,
		.client_at = first->field ? first->offset : second->offset,
		.provider_at = second->field ? second->offset : first->offset,
		.length = first_end > second_end ? first_end : second_end,
		.client_first = first_word & 0xffff,
		.client_last = first_end - 8,
		.provider_first = second_word & 0xffff,
		.provider_last = second_end - 8,
		.numbers = (uint64_t)layout->index << KEY_LAYOUT_SHIFT |
			   (uint64_t)(client >> 16) << KEY_CLIENT_SHIFT |
			   (uint64_t)(provider >> 16) << KEY_PROVIDER_SHIFT,
	};
}

/* The key of a record of another shape than the last one.  False: it is damaged. */
static __attribute__((noinline)) bool find_key(struct decoder *decoder,
					       const struct event_layout *layout,
					       struct page_form form, const unsigned char *data,
					       uint32_t length, struct path_key *key)
{
	struct record_shape *shape = &decoder->shapes[layout->index];
	uint32_t client = page_u32(form, data + layout->client.offset) & layout->client.mask;
	uint32_t provider = page_u32(form, data + layout->provider.offset) & layout->provider.mask;
	struct short_text texts[2] = { { 0 } };

	if (has_ends(&layout->client, client, length) &&
	    has_ends(&layout->provider, provider, length) && (client | provider)) {
		learn_shape(shape, layout, client, provider);
		*key = shaped_key(shape, data);
		return true;
	}
	if (!load_text(decoder, form, &layout->client, data, length, &texts[0]) ||
	    !load_text(decoder, form, &layout->provider, data, length, &texts[1]))
		return false;
	*key = (struct path_key){
		.client = { texts[0].low, texts[0].high },
		.provider = { texts[1].low, texts[1].high },
		.numbers = (uint64_t)layout->index << KEY_LAYOUT_SHIFT,
	};
	return true;
}

/* Where a list's end mark stands in a link, the provider is to be read otherwise. */
static bool is_device(struct short_text text)
{
	char bytes[17] = "";

	memcpy(bytes, &text, 16);
	return schema_is_device(bytes, strlen(bytes));
}

/* The key of a probe's record that has the provider in two forms. */
static __attribute__((noinline)) bool
find_probe_key(struct decoder *decoder, const struct event_layout *layout, struct page_form form,
	       const unsigned char *data, uint32_t length, struct path_key *key)
{
	struct text_place end = { .field = layout->probe.provider_end };
	struct short_text client = { 0 }, provider = { 0 };

	if (!load_text(decoder, form, &layout->client, data, length, &client) ||
	    !load_text(decoder, form, &layout->provider, data, length, &provider))
		return false;
	if (!is_device(provider)) {
		provider = (struct short_text){ 0 };
		if (!load_text_slowly(decoder, form, &end, data, length, &provider))
			return false;
	}
	*key = (struct path_key){
		.client = { client.low, client.high },
		.provider = { provider.low, provider.high },
		.numbers = (uint64_t)layout->index << KEY_LAYOUT_SHIFT,
	};
	return true;
}

/* ---- records ---- */

/* What decoding one lane of a slice needs at hand. */
struct lane_work {
	struct decoder *decoder;
	struct slice *slice;
	struct page_form form;
	uint32_t cpu;
	bool special; /* there are filters or stacks */
	/* The thread of the record before, + 1, when a kernel stack may follow it. */
	uint64_t stack_due;
	struct cached_path learnt; /* the latest */
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
static inline unsigned int interrupt_flag(uint64_t common_flags)
{
	bool in_interrupt = (common_flags & 0x58) && common_flags != 0xff;

	return in_interrupt * RECORD_INTERRUPT;
}

/* What few layouts have. */
struct extras {
	uint64_t type, old_type;
	uint32_t comm;
	bool failed;
};

/* False: the record is damaged. */
static __attribute__((noinline)) bool load_extras(struct decoder *decoder,
						  const struct event_layout *layout,
						  struct page_form form, const unsigned char *data,
						  uint32_t length, struct extras *extras)
{
	struct short_text text;

	if (layout->type_is_text) {
		if (!load_text(decoder, form, &layout->type_text, data, length, &text))
			return false;
		extras->type = path_cache_name(decoder, text);
	}
	if (layout->comm.field) {
		if (!load_text(decoder, form, &layout->comm, data, length, &text))
			return false;
		extras->comm = path_cache_name(decoder, text);
	}
	extras->old_type = schema_number(form, &layout->old_type, data);
	extras->failed = (layout->ret.present && schema_signed(form, &layout->ret, data) < 0) ||
			 (layout->short_errors &&
			  schema_number(form, &layout->addr, data) > UINT32_MAX - 4096);
	return true;
}

/* Whether a filter leaves the record out. */
static __attribute__((noinline)) bool is_filtered(const struct lane_work *work,
						  const struct cached_path *found,
						  const struct p2p_record *record,
						  enum event_kind kind)
{
	const struct decode_filter *filter = work->decoder->filter;

	if (!found->selected)
		return true;
	return filter->begins && !kind_is_end(kind) &&
	       !filter->begins(filter->context, record->tid, record->comm, work->cpu);
}

/* For a filter, or a stack that may follow: false when the record is left out. */
static __attribute__((noinline)) bool take_special(struct lane_work *work,
						   const struct cached_path *found,
						   const struct event_layout *layout,
						   const struct p2p_record *record,
						   const unsigned char *data)
{
	work->stack_due = 0;
	if (work->decoder->filter && is_filtered(work, found, record, layout->kind))
		return false;
	if (work->decoder->stacks)
		work->stack_due = schema_number(work->form, &layout->common_pid, data) + 1;
	return true;
}

/* The path of a key that the cache does not know; NULL without memory. */
static __attribute__((noinline)) const struct cached_path *
learn_path(struct lane_work *work, const struct event_layout *layout, struct path_key key,
	   uint64_t type, uint64_t old_type)
{
	const struct cached_path *found =
		path_cache_learn(work->decoder, layout, &key, type, old_type, &work->learnt);

	work->no_memory |= !found;
	return found;
}

static __attribute__((noinline)) const struct cached_path *is_damaged(struct lane_work *work)
{
	work->slice->damaged++;
	return NULL;
}

/* What the record's devices and types make together; NULL: it is damaged, or there is no
 * memory.  `extra`: the layout has extras. */
static inline __attribute__((always_inline)) const struct cached_path *
find_path(struct lane_work *work, const struct event_layout *layout, struct page_form form,
	  bool extra, const unsigned char *data, uint32_t length, struct extras *extras)
{
	struct decoder *decoder = work->decoder;
	const struct record_shape *shape = &decoder->shapes[layout->index];
	const struct cached_path *found;
	struct path_key key;

	if (extra && layout->probe.provider_end) {
		struct path_key odd;

		if (!find_probe_key(decoder, layout, form, data, length, &odd))
			return is_damaged(work);
		key = odd;
	} else if (__builtin_expect(has_shape(shape, form, data, length), 1)) {
		key = shaped_key(shape, data);
	} else {
		struct path_key odd;

		if (!find_key(decoder, layout, form, data, length, &odd))
			return is_damaged(work);
		key = odd;
	}
	extras->type = schema_number(form, &layout->type, data);
	if (extra && !load_extras(decoder, layout, form, data, length, extras))
		return is_damaged(work);
	/* Types of more bits have no place in the key. */
	if (__builtin_expect((extras->type | extras->old_type) >> 16, 0))
		return learn_path(work, layout, key, extras->type, extras->old_type);
	key.numbers |= extras->type << 16 | extras->old_type;
	found = find_cached(decoder->cache, &key);
	if (__builtin_expect(!found->path, 0))
		return learn_path(work, layout, key, extras->type, extras->old_type);
	return found;
}

static inline __attribute__((always_inline)) void
fill_record(struct p2p_record *record, const struct event_layout *layout, struct page_form form,
	    const struct cached_path *found, const unsigned char *data, const struct extras *extras)
{
	int64_t dist = schema_signed(form, &layout->dist, data);
	uint64_t context = schema_number(form, &layout->common_flags, data);
	bool failed;

	record->addr = schema_number(form, &layout->addr, data);
	record->size = schema_number(form, &layout->size, data);
	record->path = found->path - 1;
	record->device = found->device;
	record->tid = (uint32_t)schema_number(form, &layout->pid, data);
	record->comm = extras->comm;
	record->stack = 0;
	record->dist = (int16_t)dist;
	record->type = found->type;
	record->kind = (uint8_t)layout->kind;
	/* NULL, an errno in pointer's clothes, DMA_MAPPING_ERROR: all above a limit. */
	failed = (record->addr + layout->fail_bias > layout->fail_limit) | extras->failed;
	record->flags = (uint8_t)(found->flags | failed * RECORD_FAILED | interrupt_flag(context) |
				  ((uint64_t)dist > INT16_MAX) * RECORD_NO_DIST);
}

static void add_loss(struct lane_work *work, uint64_t stamp, uint64_t count);

/* What a probe's event means; false: nothing of its own. */
static __attribute__((noinline)) bool
take_derived(struct lane_work *work, const struct event_layout *layout, struct page_form form,
	     const unsigned char *data, uint32_t length, uint64_t stamp, struct p2p_record *record)
{
	struct derived derived;

	schema_derive(layout, data, length, form.swapped, &derived);
	if (derived.unseen)
		add_loss(work, stamp, derived.unseen);
	if (derived.has_addr)
		record->addr = derived.addr;
	if (derived.has_size)
		record->size = derived.size;
	return !derived.left_out;
}

/* One of the five events becomes a record and its place in time; false: it does not. */
static inline __attribute__((always_inline)) bool
decode_p2p(struct lane_work *work, const struct event_layout *layout, struct page_form form,
	   bool extra, const unsigned char *data, uint32_t length, struct p2p_record *record,
	   struct p2p_order *place)
{
	struct extras extras = { 0 };
	const struct cached_path *found =
		find_path(work, layout, form, extra, data, length, &extras);

	if (__builtin_expect(!found, 0))
		return false;
	fill_record(record, layout, form, found, data, &extras);
	if (extra && layout->derives &&
	    !take_derived(work, layout, form, data, length, place->stamp, record))
		return false;
	record->cpu = (uint16_t)work->cpu;
	place->index = found->shard;
	place->hash = key_hash(found->device, record->addr);
	return __builtin_expect(!work->special, 1) ||
	       take_special(work, found, layout, record, data);
}

/* Deeper than the kernel's stack traces go. */
#define STACK_BYTES_MAX 4096

/* A stack belongs to the record before it on its CPU, of the same thread. */
static void decode_stack(struct lane_work *work, const struct event_layout *layout,
			 const unsigned char *data, uint32_t length)
{
	uint32_t offset = layout->stack->offset, bytes, stack;
	uint64_t tid = schema_number(work->form, &layout->common_pid, data);

	if (work->stack_due != tid + 1 || offset >= length)
		return;
	bytes = (length - offset) & ~7u;
	if (bytes > STACK_BYTES_MAX)
		bytes = STACK_BYTES_MAX;
	stack = names_intern_bytes(work->decoder->stacks, data + offset, bytes);
	work->no_memory |= stack == UINT32_MAX;
	work->slice->records[work->slice->record_count - 1].stack = stack;
	work->stack_due = 0;
}

/* Names and ends of processes: few, taken the slow way. */
static void decode_note(struct lane_work *work, const struct event_layout *layout,
			const unsigned char *data, uint32_t length, uint64_t stamp)
{
	struct slice *slice = work->slice;
	struct p2p_note note = { .stamp = stamp, .kind = layout->kind }, *added;
	struct short_text comm = { 0 };
	struct text_place text = { .field = layout->subject_comm };

	if (layout->kind == KIND_STACK) {
		decode_stack(work, layout, data, length);
		return;
	}
	if (!load_text_slowly(work->decoder, work->form, &text, data, length, &comm) ||
	    layout->subject_pid->offset + 4 > length) {
		slice->damaged++;
		return;
	}
	note.tid = page_u32(work->form, data + layout->subject_pid->offset);
	note.comm = path_cache_name(work->decoder, comm);
	added = ROWS_ADD(slice->notes, slice->note_count);
	if (added)
		*added = note;
	else
		work->no_memory = true;
}

static void add_loss(struct lane_work *work, uint64_t stamp, uint64_t count)
{
	struct p2p_loss *loss = ROWS_ADD(work->slice->losses, work->slice->loss_count);

	if (loss)
		*loss = (struct p2p_loss){ .stamp = stamp, .count = count, .cpu = work->cpu };
	else
		work->no_memory = true;
}

/* A record that is none of ours, or too short for what it is. */
static __attribute__((noinline)) void decode_other(struct lane_work *work,
						   const struct event_layout *layout,
						   const unsigned char *data, uint32_t length,
						   uint64_t stamp)
{
	struct slice *slice = work->slice;

	if (!layout || layout->kind >= KIND_P2P_COUNT)
		slice->other++;
	if (layout && length < layout->min_length)
		slice->damaged++;
	else if (layout)
		decode_note(work, layout, data, length, stamp);
}

/* What lies on one side of a border or outside the window, for pages across one. */
struct page_limits {
	bool skip; /* up to the first record of the slice */
	bool stop; /* before the first record behind it */
	const struct decode_filter *filter;
};

/* The first record at or behind a border divides the page, whatever the filter says. */
enum side { SIDE_INSIDE, SIDE_OUTSIDE, SIDE_BEHIND };

static inline enum side side_of(const struct page_limits *limits, const struct slice_span *span,
				bool *skip, uint64_t stamp)
{
	if (*skip && stamp < span->from)
		return SIDE_OUTSIDE;
	*skip = false;
	if (limits->stop && stamp >= span->until)
		return SIDE_BEHIND;
	return limits->filter && (stamp < limits->filter->from || stamp > limits->filter->until)
		       ? SIDE_OUTSIDE
		       : SIDE_INSIDE;
}

/* The layout of a record, if it is one of the five events and long enough. */
static inline const struct event_layout *p2p_layout(const struct schema *schema,
						    struct page_form form,
						    const unsigned char *data, uint32_t length)
{
	const struct event_layout *layout = schema->by_id[page_u16(form, data)];

	return __builtin_expect(layout && length >= layout->p2p_length, 1) ? layout : NULL;
}

/* The records of a page from where the walk stands; true when it stopped at a border,
 * standing before the record behind it. */
static inline __attribute__((always_inline)) bool decode_records(struct lane_work *work,
								 struct page_form form,
								 struct page_walk *from,
								 struct page_limits *limits)
{
	struct slice *slice = work->slice;
	const struct schema *schema = work->decoder->schema;
	struct page_walk walk = *from, before = walk;
	uint32_t index = slice->record_count, length;
	struct p2p_record *record = slice->records + index;
	struct p2p_order *place = slice->unordered + index;
	const unsigned char *data;

	while ((data = page_next(&walk, form, &length))) {
		const struct event_layout *layout;
		bool good;

		if (limits) {
			enum side side = side_of(limits, &slice->span, &limits->skip, walk.stamp);

			if (side == SIDE_BEHIND)
				break;
			before = walk;
			if (side == SIDE_OUTSIDE)
				continue;
		}
		if (__builtin_expect(length < 4, 0)) {
			slice->damaged++;
			continue;
		}
		layout = p2p_layout(schema, form, data, length);
		if (__builtin_expect(!layout, 0)) {
			slice->record_count = index;
			decode_other(work, schema->by_id[page_u16(form, data)], data, length,
				     walk.stamp);
			continue;
		}
		place->stamp = walk.stamp;
		good = layout->extras
			       ? decode_p2p(work, layout, form, true, data, length, record, place)
			       : decode_p2p(work, layout, form, false, data, length, record, place);
		index += good;
		record += good;
		place += good;
	}
	slice->record_count = index;
	*from = data ? before : walk;
	return data != NULL;
}

/* A record of ours takes 16 bytes at least, so a page has room for this many. */
static inline uint32_t records_in(size_t bytes)
{
	return (uint32_t)(bytes / 12 + 1);
}

/* ---- lanes ---- */

/* Goes to the beginning of a page.  Pages are read some at a time, up to `end` or, where
 * the next slice goes on from here, up to the end of the lane. */
static int open_page(struct lane_work *work, const struct trace_lane *lane,
		     struct lane_stream *stream, uint64_t page, uint64_t end, struct p2p_error *err)
{
	struct decoder *decoder = work->decoder;
	uint64_t run = READ_BYTES / lane->page_size ? READ_BYTES / lane->page_size : 1;
	size_t offset, here;

	if (!stream->open || page < stream->first || page - stream->first >= stream->count) {
		struct lane_reader *reader = decoder->sequential ? &stream->reader
								 : &decoder->reader;

		end = decoder->sequential ? lane->pages : end;
		stream->first = page;
		stream->count = end - page < run ? end - page : run;
		stream->pages = lane_read(reader, lane, page, stream->count, &stream->bytes, err);
		stream->open = stream->pages != NULL;
		if (!stream->open)
			return -1;
		/* It became shorter while we read. */
		work->slice->cut |= stream->bytes < (stream->count - 1) * lane->page_size;
	}
	offset = (page - stream->first) * lane->page_size;
	offset = offset < stream->bytes ? offset : stream->bytes;
	here = stream->bytes - offset;
	page_begin(&stream->walk, work->form, stream->pages + offset,
		   here < lane->page_size ? here : lane->page_size);
	stream->page = page;
	stream->mark_due = stream->walk.lost != 0;
	work->slice->cut |= stream->walk.cut;
	return 0;
}

/* True at the slice's border. */
static bool decode_page(struct lane_work *work, struct lane_stream *stream,
			struct page_limits *limits)
{
	struct page_form form = work->form;
	struct page_walk *walk = &stream->walk;
	bool native = !form.swapped && !form.big_endian && form.commit_size == 8;

	/* A mark belongs to the slice in which the page begins. */
	if (stream->mark_due && !(limits->stop && walk->page_stamp >= work->slice->span.until)) {
		stream->mark_due = false;
		add_loss(work, walk->page_stamp, walk->lost);
		/* A stack behind the gap may be that of an event in it. */
		work->stack_due = 0;
	}
	if (!native)
		return decode_records(work, form, walk, limits);
	if (limits->skip || limits->stop || limits->filter)
		return decode_records(work, PAGE_FORM_NATIVE, walk, limits);
	return decode_records(work, PAGE_FORM_NATIVE, walk, NULL);
}

/* The record at hand, if it is the stack that the last one waits for. */
static bool take_stack(struct lane_work *work, struct page_walk *walk)
{
	const struct event_layout *layout;
	const unsigned char *data;
	uint32_t length;

	data = page_next(walk, work->form, &length);
	if (!data || length < 4)
		return data != NULL;
	layout = work->decoder->schema->by_id[page_u16(work->form, data)];
	if (layout && layout->kind == KIND_STACK && length >= layout->min_length)
		decode_stack(work, layout, data, length);
	return true;
}

/* A slice may end between a record and its stack, which stands where `walk` does or, at
 * the end of a page, on the next one.  The next slice passes over it. */
static int take_late_stack(struct lane_work *work, const struct trace_lane *lane,
			   struct page_walk walk, uint64_t page, struct p2p_error *err)
{
	const unsigned char *bytes;
	size_t size;

	if (take_stack(work, &walk) || page >= lane->pages)
		return 0;
	/* Nobody reads by it now: streams have their own, or this lane is done. */
	bytes = lane_read(&work->decoder->reader, lane, page, 1, &size, err);
	if (!bytes)
		return -1;
	page_begin(&walk, work->form, bytes, size < lane->page_size ? size : lane->page_size);
	if (!walk.lost)
		take_stack(work, &walk);
	return 0;
}

static int decode_lane(struct lane_work *work, size_t index, struct p2p_error *err)
{
	struct decoder *decoder = work->decoder;
	const struct trace_lane *lane = &decoder->file->lanes[index];
	struct lane_stream *stream = decoder->sequential ? &decoder->streams[index]
							 : &decoder->streams[0];
	struct slice *slice = work->slice;
	const struct slice_span *span = &slice->span;
	uint64_t first = span->lanes[index].first, end = first + span->lanes[index].count;
	struct page_limits limits = { .filter = decoder->filter };

	stream->open &= decoder->sequential;
	if (!stream->open || stream->page != first || stream->next_slice != span->number) {
		if (open_page(work, lane, stream, first, end, err))
			return -1;
		limits.skip = span->number != 0;
		stream->mark_due &= !(limits.skip && stream->walk.page_stamp < span->from);
	}
	for (;;) {
		size_t left = (size_t)(stream->walk.end - stream->walk.at);
		bool border;

		limits.stop = !span->last && stream->page + 1 == end;
		if (make_record_room(slice, slice->record_count + records_in(left)))
			work->no_memory = true;
		border = work->no_memory || decode_page(work, stream, &limits);
		if (work->no_memory)
			return p2p_fail(err, "no memory for the records of a slice");
		/* Where slices are decoded on their own, a page across a border is read
		 * again for the later one, which tells of its damage. */
		slice->damaged += stream->walk.damaged && (decoder->sequential || !limits.stop);
		if (border || stream->page + 1 == end)
			break;
		if (open_page(work, lane, stream, stream->page + 1, end, err))
			return -1;
		limits.skip = false;
	}
	stream->next_slice = span->number + 1;
	if (work->stack_due && !span->last)
		return take_late_stack(work, lane, stream->walk, end, err);
	return 0;
}

static int compare_losses(const void *a, const void *b)
{
	const struct p2p_loss *left = a, *right = b;

	if (left->stamp != right->stamp)
		return left->stamp < right->stamp ? -1 : 1;
	return left->cpu < right->cpu ? -1 : left->cpu > right->cpu;
}

/* Lanes are in order within themselves, but for strange clocks: see slice_order(). */
static void widen(struct slice *slice, uint64_t first, uint64_t last)
{
	slice->low = first < slice->low ? first : slice->low;
	slice->high = last > slice->high ? last : slice->high;
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
		.special = decoder->filter || decoder->stacks,
	};

	slice->record_count = 0;
	free(slice->losses);
	free(slice->notes);
	slice->losses = NULL;
	slice->notes = NULL;
	slice->loss_count = slice->note_count = 0;
	slice->other = slice->damaged = 0;
	slice->cut = false;
	slice->low = UINT64_MAX;
	slice->high = 0;
	for (size_t i = 0; i < file->lane_count; i++) {
		uint32_t first = slice->record_count;

		work.stack_due = 0;
		work.cpu = file->lanes[i].cpu;
		if (slice->span.lanes[i].count && decode_lane(&work, i, err))
			return -1;
		if (slice->record_count > first)
			widen(slice, slice->unordered[first].stamp,
			      slice->unordered[slice->record_count - 1].stamp);
	}
	rows_sort(slice->losses, slice->loss_count, sizeof(*slice->losses), compare_losses);
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
	decoder->streams = calloc(file->lane_count + 1, sizeof(*decoder->streams));
	decoder->shapes = calloc(schema->layout_count + 1, sizeof(*decoder->shapes));
	if (!decoder->cache || !decoder->streams || !decoder->shapes)
		return p2p_fail(err, "no memory");
	for (size_t i = 0; i < schema->layout_count; i++)
		decoder->shapes[i].length = UINT32_MAX; /* none yet */
	for (size_t i = 0; i < file->lane_count; i++)
		lane_reader_init(&decoder->streams[i].reader, file);
	return 0;
}

void decoder_destroy(struct decoder *decoder)
{
	for (size_t i = 0; decoder->streams && i < decoder->file->lane_count; i++)
		lane_reader_destroy(&decoder->streams[i].reader);
	free(decoder->streams);
	free(decoder->shapes);
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
