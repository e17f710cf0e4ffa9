// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A page's records to compact ones: the innermost loop of all reading commands.
 *
 * What is slow is done once per distinct thing: a record's devices and type are
 * looked up together, by their bytes as they stand in the record, in a cache of
 * this decoder's own.
 */
#include "lane_work.h"
#include "p2ptrace/key_hash.h"
#include "p2ptrace/rows.h"

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
static inline __attribute__((always_inline)) bool
load_extras(struct decoder *decoder, const struct event_layout *layout, struct page_form form,
	    const unsigned char *data, uint32_t length, struct extras *extras)
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

static void add_loss(struct lane_work *work, uint64_t stamp, uint64_t count)
{
	struct p2p_loss *loss = ROWS_ADD(work->slice->losses, work->slice->loss_count);

	if (loss)
		*loss = (struct p2p_loss){ .stamp = stamp, .count = count, .cpu = work->cpu };
	else
		work->no_memory = true;
}

/* Whether a free is that of the list that its thread just freed. */
static bool is_told_again(struct lane_work *work, const struct event_layout *layout,
			  const struct p2p_record *record)
{
	bool again = work->list.due && work->list.tid == record->tid &&
		     work->list.size == record->size && work->list.addr == record->addr;

	if (layout->kind != KIND_FREE || (work->list.due && work->list.tid != record->tid))
		return false;
	work->list.due = layout->probe.list != NULL;
	work->list.tid = record->tid;
	work->list.addr = record->addr;
	work->list.size = record->size;
	return again && !layout->probe.list;
}

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
	return !derived.left_out && !is_told_again(work, layout, record);
}

/* One of the five events becomes a record and its place in time; false: it does not.
 * `special`: there are filters or stacks. */
static inline __attribute__((always_inline)) bool
decode_p2p(struct lane_work *work, const struct event_layout *layout, struct page_form form,
	   bool extra, bool special, const unsigned char *data, uint32_t length,
	   struct p2p_record *record, struct p2p_order *place)
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
	return !special || take_special(work, found, layout, record, data);
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

/* A record that is none of ours, or too short for what it is. */
static __attribute__((noinline)) void decode_other(struct lane_work *work, struct page_form form,
						   const unsigned char *data, uint32_t length,
						   uint64_t stamp)
{
	struct slice *slice = work->slice;
	const struct event_layout *layout;

	if (length < 4) {
		slice->damaged++;
		return;
	}
	layout = work->decoder->schema->by_id[page_u16(form, data)];
	if (!layout || layout->kind >= KIND_P2P_COUNT)
		slice->other++;
	if (layout && length < layout->min_length)
		slice->damaged++;
	else if (layout)
		decode_note(work, layout, data, length, stamp);
}

/* What is looked at for each record: most have nothing to be looked at but the end. */
enum checks { CHECK_NONE, CHECK_END, CHECK_ALL };

static enum checks checks_of(const struct page_limits *limits)
{
	if (limits->skip || limits->filter)
		return CHECK_ALL;
	return limits->stop ? CHECK_END : CHECK_NONE;
}

/* The last stamp before the border. */
static uint64_t last_stamp(const struct page_limits *limits, const struct slice_span *span)
{
	return limits->stop ? span->until - 1 : UINT64_MAX;
}

static inline bool is_outside(const struct decode_filter *filter, uint64_t stamp)
{
	return filter && (stamp < filter->from || stamp > filter->until);
}

/* The layout of a record, if it is one of the five events and long enough: what is too
 * short to have an id is too short for all of them. */
static inline const struct event_layout *p2p_layout(const struct schema *schema,
						    struct page_form form,
						    const unsigned char *data, uint32_t length)
{
	const struct event_layout *layout = schema->by_id[page_u16(form, data)];

	return __builtin_expect(layout && length >= layout->p2p_length, 1) ? layout : NULL;
}

#define TOUCH_AHEAD 2048

/* The records of a page from where the walk stands; true when it stopped at a border,
 * standing before the record behind it: the first at or behind a border divides the page,
 * whatever the filter says. */
static inline __attribute__((always_inline)) bool
decode_records(struct lane_work *work, struct page_form form, struct page_walk *from,
	       struct page_limits *limits, enum checks checks, bool special)
{
	struct slice *slice = work->slice;
	const struct schema *schema = work->decoder->schema;
	const uint64_t last = last_stamp(limits, &slice->span);
	struct page_walk walk = *from, before = walk;
	uint32_t index = slice->record_count, length;
	struct p2p_record *record = slice->records + index;
	struct p2p_order *place = slice->unordered + index;
	const unsigned char *data;

	while ((data = page_next(&walk, form, &length))) {
		const struct event_layout *layout;
		bool good;

		/* Where pages are mapped, nobody has touched them yet. */
		__builtin_prefetch(data + TOUCH_AHEAD);
		if (checks == CHECK_ALL) {
			limits->skip = limits->skip && walk.stamp < slice->span.from;
			if (limits->skip) {
				before = walk;
				continue;
			}
		}
		if (checks != CHECK_NONE && walk.stamp > last)
			break;
		before = walk;
		if (checks == CHECK_ALL && is_outside(limits->filter, walk.stamp))
			continue;
		layout = p2p_layout(schema, form, data, length);
		if (__builtin_expect(!layout, 0)) {
			slice->record_count = index;
			decode_other(work, form, data, length, walk.stamp);
			continue;
		}
		place->stamp = walk.stamp;
		good = layout->extras ? decode_p2p(work, layout, form, true, special, data, length,
						   record, place)
				      : decode_p2p(work, layout, form, false, special, data, length,
						   record, place);
		index += good;
		record += good;
		place += good;
	}
	slice->record_count = index;
	*from = data ? before : walk;
	return data != NULL;
}

bool decode_page(struct lane_work *work, struct lane_stream *stream, struct page_limits *limits)
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
		return decode_records(work, form, walk, limits, CHECK_ALL, work->special);
	if (work->special)
		return decode_records(work, PAGE_FORM_NATIVE, walk, limits, CHECK_ALL, true);
	switch (checks_of(limits)) {
	case CHECK_NONE:
		return decode_records(work, PAGE_FORM_NATIVE, walk, limits, CHECK_NONE, false);
	case CHECK_END:
		return decode_records(work, PAGE_FORM_NATIVE, walk, limits, CHECK_END, false);
	default:
		return decode_records(work, PAGE_FORM_NATIVE, walk, limits, CHECK_ALL, false);
	}
}

bool take_stack(struct lane_work *work, struct page_walk *walk)
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
