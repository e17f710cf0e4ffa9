// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/decode.h"
#include "p2ptrace/schema.h"

#define ALLOCS (1u << KIND_ALLOC | 1u << KIND_FREE)
#define MAPS (1u << KIND_MAP | 1u << KIND_UNMAP)
#define CHANGES (1u << KIND_TYPE_CHANGE)
#define ALL (ALLOCS | MAPS | CHANGES)

/*
 * The fields and the names they are known by, the canonical one first.  A field of
 * an event serves one row only, the first that asks for it: `addr` of a mapping
 * is its physical address, of an allocation the key.
 */
static const struct {
	enum p2p_field field;
	uint32_t kinds;
	bool text;
	const char *names[8];
} aliases[] = {
	{ P2P_PROVIDER, ALLOCS, true, { "provider", "p2p_dev", "dev" } },
	{ P2P_PROVIDER, MAPS | CHANGES, true, { "provider", "p2p_dev" } },
	{ P2P_CLIENT, MAPS | CHANGES, true, { "client", "dev" } },
	{ P2P_TYPE, MAPS, false, { "type", "map_type" } },
	{ P2P_TYPE, CHANGES, false, { "type", "new_type", "new", "map_type" } },
	{ P2P_OLD_TYPE, CHANGES, false, { "old", "old_type" } },
	{ P2P_DIST, ALL, false, { "dist", "distance" } },
	{ P2P_ADDR, ALLOCS, false, { "addr", "address", "vaddr", "kaddr" } },
	{ P2P_ADDR, MAPS, false, { "dma_addr" } },
	{ P2P_PHYS_ADDR, MAPS, false, { "phys_addr", "phys", "addr", "address" } },
	{ P2P_BUS_ADDR, ALLOCS, false, { "bus_addr" } },
	{ P2P_SIZE, ALLOCS | MAPS, false, { "size", "len", "length", "bytes" } },
	{ P2P_DIR, MAPS, false, { "dir", "direction" } },
	{ P2P_PID, ALL, false, { "pid", "tgid" } },
	{ P2P_COMM, ALL, true, { "comm" } },
	{ P2P_RET, ALLOCS | MAPS, false, { "ret", "error" } },
};

const char *const *p2p_field_aliases(enum p2p_field field, enum event_kind kind)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (aliases[i].field == field && aliases[i].kinds & 1u << kind)
			return aliases[i].names;
	return NULL;
}

const char *p2p_field_name(enum p2p_field field, enum event_kind kind)
{
	const char *const *names = p2p_field_aliases(field, kind);

	return names ? names[0] : NULL;
}

/* ---- map types by number ---- */

/* Linux up to 6.15; 6.16 put NONE before them. */
static const char *const numbering_old[] = { "UNKNOWN", "NOT_SUPPORTED", "BUS_ADDR",
					     "THRU_HOST_BRIDGE" };
static const char *const numbering_new[] = { "UNKNOWN", "NONE", "NOT_SUPPORTED", "BUS_ADDR",
					     "THRU_HOST_BRIDGE" };

uint8_t schema_type_of_number(const uint8_t symbols[TYPE_SYMBOLS], uint64_t number)
{
	char name[32];

	if (number < TYPE_SYMBOLS && symbols[number] != MAP_TYPE_ABSENT)
		return symbols[number];
	snprintf(name, sizeof(name), "TYPE_%lld", (long long)number);
	return map_type_by_name(name, strlen(name));
}

static void add_symbol(void *context, uint64_t value, const char *name, size_t length)
{
	uint8_t *symbols = context;

	if (value < TYPE_SYMBOLS)
		symbols[value] = map_type_by_name(name, length);
}

static bool is_probe(const struct event_format *format)
{
	return event_format_field(format, "__probe_ip") ||
	       event_format_field(format, "__probe_func");
}

/* The last resort: by the kernel's release.  Dynamic probes have `__probe_*` fields
 * and no symbols; without a numbering in the file theirs is the old one. */
static void guess_symbols(const struct event_layout *layout, const char *uname, uint8_t *symbols)
{
	bool probe = is_probe(layout->format);
	const char *const *names = numbering_old;
	size_t count = sizeof(numbering_old) / sizeof(numbering_old[0]);
	int major = 0, minor = 0;
	const char *digits = uname ? strpbrk(uname, "0123456789") : NULL;

	if (digits && sscanf(digits, "%d.%d", &major, &minor) == 2 && !probe &&
	    (major > 6 || (major == 6 && minor >= 16))) {
		names = numbering_new;
		count = sizeof(numbering_new) / sizeof(numbering_new[0]);
	}
	for (size_t i = 0; i < count; i++)
		symbols[i] = map_type_by_name(names[i], strlen(names[i]));
}

struct numbering {
	const char *const *names;
	size_t count;
};

static void find_symbols(struct event_layout *layout, const struct event_field *field,
			 const struct trace_file *file, struct numbering numbering,
			 uint8_t *symbols)
{
	memset(symbols, MAP_TYPE_ABSENT, TYPE_SYMBOLS);
	if (!field || field->form != FIELD_NUMBER)
		return;
	if (event_format_symbols(layout->format, field->name, add_symbol, symbols))
		return;
	for (size_t i = 0; i < numbering.count && i < TYPE_SYMBOLS; i++)
		if (numbering.names[i])
			symbols[i] =
				map_type_by_name(numbering.names[i], strlen(numbering.names[i]));
	if (numbering.count)
		return;
	layout->guessed_types = true;
	guess_symbols(layout, file->uname, symbols);
}

/* ---- layouts ---- */

static bool place_fits(const struct event_field *field, bool text)
{
	if (text)
		return field->form == FIELD_TEXT ||
		       (field->text &&
			(field->form == FIELD_DATA_LOC || field->form == FIELD_REL_LOC));
	return field->form == FIELD_NUMBER;
}

static void find_fields(struct event_layout *layout)
{
	const struct event_format *format = layout->format;

	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (!(aliases[i].kinds & 1u << layout->kind) || layout->fields[aliases[i].field])
			continue;
		for (size_t n = 0; n < 8 && aliases[i].names[n]; n++) {
			const struct event_field *field =
				event_format_field(format, aliases[i].names[n]);
			bool type = aliases[i].field == P2P_TYPE ||
				    aliases[i].field == P2P_OLD_TYPE;

			/* A type may be a number or a name. */
			if (!field || !(place_fits(field, aliases[i].text) ||
					(type && place_fits(field, true))))
				continue;
			layout->fields[aliases[i].field] = field;
			break;
		}
	}
}

static struct number_place number_place(const struct event_field *field)
{
	struct number_place place = { 0 };

	if (!field || field->form != FIELD_NUMBER)
		return place;
	place.present = true;
	place.offset = field->offset;
	place.mask = field->size == 8 ? UINT64_MAX : (1ull << field->size * 8) - 1;
	place.sign = field->is_signed ? (place.mask >> 1) + 1 : 0;
	return place;
}

static struct text_place text_place(const struct event_field *field)
{
	struct text_place place = { .field = field };

	if (!field)
		return place;
	place.offset = field->offset;
	place.mask = UINT32_MAX;
	place.ends = UINT32_MAX / 2; /* no text is that long */
	place.whole = field->form == FIELD_TEXT && field->size == 16;
	if (field->form != FIELD_DATA_LOC)
		return place;
	place.room = 15;
	place.ends = place.span = 8;
	return place;
}

static void need(struct event_layout *layout, const struct event_field *field)
{
	if (field && field->form != FIELD_OTHER && field->offset + field->size > layout->min_length)
		layout->min_length = field->offset + field->size;
}

/* An allocation failed when its address is NULL or an errno in pointer's clothes, a
 * mapping when it is DMA_MAPPING_ERROR, all bits of the field. */
static void place_failure(struct event_layout *layout)
{
	layout->fail_limit = UINT64_MAX;
	if (!layout->addr.present)
		return;
	if (layout->kind == KIND_ALLOC) {
		layout->fail_bias = UINT64_MAX; /* less one: NULL comes out on top */
		layout->fail_limit = UINT64_MAX - 4097;
		layout->short_errors = layout->addr.mask == UINT32_MAX;
	} else if (layout->kind == KIND_MAP) {
		layout->fail_limit = layout->addr.mask - 1;
	}
}

/* A page is let go whole; an area is as long as its end is behind its start. */
static bool has_size(const struct event_layout *layout)
{
	const struct probe_fields *probe = &layout->probe;

	return layout->size.present || (probe->vm_start && probe->vm_end) ||
	       (probe->page && layout->kind == KIND_FREE);
}

static void place_fields(struct event_layout *layout, const struct trace_file *file,
			 struct numbering numbering)
{
	const struct event_field *pid = event_format_field(layout->format, "common_pid");
	const struct event_field *type = layout->fields[P2P_TYPE];
	const struct event_field *old = layout->fields[P2P_OLD_TYPE];

	find_symbols(layout, type, file, numbering, layout->symbols);
	find_symbols(layout, old, file, numbering, layout->old_symbols);
	layout->type_is_text = type && type->form != FIELD_NUMBER;
	layout->type_text = text_place(layout->type_is_text ? type : NULL);
	layout->addr = number_place(layout->fields[P2P_ADDR]);
	layout->size = number_place(layout->fields[P2P_SIZE]);
	layout->dist = number_place(layout->fields[P2P_DIST]);
	/* -1 means not known whatever the field's type is. */
	layout->dist.sign = layout->dist.present ? (layout->dist.mask >> 1) + 1 : 0;
	layout->pid = number_place(layout->fields[P2P_PID] ? layout->fields[P2P_PID] : pid);
	layout->type = number_place(type);
	layout->old_type = number_place(old);
	layout->ret = number_place(layout->fields[P2P_RET]);
	place_failure(layout);
	layout->provider = text_place(layout->fields[P2P_PROVIDER]);
	layout->client = text_place(layout->fields[P2P_CLIENT]);
	layout->comm = text_place(layout->fields[P2P_COMM]);
	/* Negative is a failure whatever the field's type is. */
	layout->ret.sign = layout->ret.present ? (layout->ret.mask >> 1) + 1 : 0;
	layout->extras = layout->derives || layout->type_is_text || old || layout->ret.present ||
			 layout->short_errors || layout->comm.field;
	layout->flags =
		(uint8_t)((layout->addr.present || layout->probe.page ? 0 : RECORD_NO_ADDR) |
			  (has_size(layout) ? 0 : RECORD_NO_SIZE) |
			  (layout->dist.present ? 0 : RECORD_NO_DIST));
	for (int field = 0; field < P2P_FIELDS; field++)
		need(layout, layout->fields[field]);
}

/* What stands for canonical fields in events of dynamic probes. */
static void find_probe_fields(struct event_layout *layout)
{
	struct probe_fields *probe = &layout->probe;
	const struct {
		const char *name;
		const struct event_field **field;
		bool text;
	} wanted[] = {
		{ "page", &probe->page, false },
		{ "base", &probe->base, false },
		{ "offset", &probe->offset, false },
		{ "vm_addr", &probe->vm_addr, false },
		{ "vm_start", &probe->vm_start, false },
		{ "vm_end", &probe->vm_end, false },
		{ "nents", &probe->nents, false },
		{ "seen", &probe->seen, false },
		{ "map", &probe->map, false },
		{ "list", &probe->list, false },
		{ "provider_end", &probe->provider_end, true },
	};

	layout->page_struct = 64;
	layout->page_bytes = 4096;
	if (!is_probe(layout->format))
		return;
	/* It may tell again what the free of a list told. */
	layout->derives = layout->kind == KIND_FREE;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const struct event_field *field =
			event_format_field(layout->format, wanted[i].name);

		if (!field || !place_fits(field, wanted[i].text))
			continue;
		*wanted[i].field = field;
		layout->derives = true;
		need(layout, field);
	}
}

static bool init_layout(struct event_layout *layout, const struct event_format *format,
			enum event_kind kind, const struct trace_file *file,
			struct numbering numbering)
{
	const struct event_field *pid = event_format_field(format, "common_pid");
	const struct event_field *flags = event_format_field(format, "common_flags");

	*layout = (struct event_layout){ .kind = kind, .format = format, .min_length = 8 };
	layout->common_pid = number_place(pid);
	layout->common_flags = number_place(flags);
	need(layout, pid);
	need(layout, flags);
	if (kind < KIND_P2P_COUNT) {
		find_fields(layout);
		find_probe_fields(layout);
		place_fields(layout, file, numbering);
		layout->p2p_length = layout->min_length;
		return true;
	}
	layout->p2p_length = UINT32_MAX;
	layout->subject_pid = event_format_field(format, "pid");
	layout->subject_comm = event_format_field(format, kind == KIND_RENAME ? "newcomm" : "comm");
	layout->stack = event_format_field(format, "caller");
	if (kind == KIND_STACK)
		return layout->stack != NULL;
	need(layout, layout->subject_pid);
	need(layout, layout->subject_comm);
	return layout->subject_pid && place_fits(layout->subject_pid, false) &&
	       layout->subject_comm && place_fits(layout->subject_comm, true);
}

/* Probes need several events for one kind: p2p_dma_unmap_0, p2p_dma_unmap_1, ... */
static enum event_kind kind_of(const struct event_format *format)
{
	bool probe = is_probe(format);

	for (enum event_kind kind = KIND_ALLOC; kind < KIND_COUNT; kind++) {
		size_t length = strlen(event_kind_names[kind]);

		if (strncmp(event_kind_names[kind], format->name, length) != 0)
			continue;
		if (!format->name[length] ||
		    (probe && kind < KIND_P2P_COUNT && format->name[length] == '_'))
			return kind;
	}
	return KIND_NONE;
}

static int parse_formats(struct schema *schema, const struct trace_file *file)
{
	schema->formats = calloc(file->format_count + 1, sizeof(*schema->formats));
	schema->layouts = calloc(file->format_count + 1, sizeof(*schema->layouts));
	if (!schema->formats || !schema->layouts)
		return -1;
	for (size_t i = 0; i < file->format_count; i++) {
		struct event_format *format =
			event_format_parse(file->formats[i].system, file->formats[i].text);

		/* An event whose format is damaged counts among the others. */
		if (!format)
			continue;
		schema->formats[schema->format_count++] = format;
		schema->format_by_id[format->id] = format;
	}
	return 0;
}

struct schema *schema_new(const struct trace_file *file, const char *const *numbering,
			  size_t numbering_count)
{
	struct schema *schema = calloc(1, sizeof(*schema));
	struct numbering given = { numbering, numbering_count };

	if (!schema || parse_formats(schema, file)) {
		schema_free(schema);
		return NULL;
	}
	for (size_t i = 0; i < schema->format_count; i++) {
		const struct event_format *format = schema->formats[i];
		enum event_kind kind = kind_of(format);
		struct event_layout *layout = &schema->layouts[schema->layout_count];

		if (kind == KIND_NONE || !init_layout(layout, format, kind, file, given))
			continue;
		layout->index = (uint32_t)schema->layout_count++;
		schema->by_id[format->id] = layout;
		schema->kinds |= 1u << kind;
		if (kind < KIND_P2P_COUNT) {
			schema->system = format->system;
			schema->own_pid |= layout->fields[P2P_PID] != NULL;
		}
	}
	return schema;
}

void schema_free(struct schema *schema)
{
	if (!schema)
		return;
	for (size_t i = 0; schema->formats && i < schema->format_count; i++)
		event_format_free(schema->formats[i]);
	free(schema->formats);
	free(schema->layouts);
	free(schema);
}
