// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "p2ptrace/event_view.h"

struct record {
	const unsigned char *bytes;
	uint32_t length;
	bool swapped;
};

static void copy_text(char to[EVENT_TEXT_MAX], const struct event_field *field,
		      const struct record *record, bool *damaged)
{
	uint32_t length = 0;
	const char *text =
		event_field_text(field, record->bytes, record->length, record->swapped, &length);

	if (!text)
		*damaged = true;
	if (length >= EVENT_TEXT_MAX)
		length = EVENT_TEXT_MAX - 1;
	if (text)
		memcpy(to, text, length);
	to[length] = '\0';
}

static bool is_text(const struct event_field *field)
{
	return field->text && (field->form == FIELD_TEXT || field->form == FIELD_DATA_LOC ||
			       field->form == FIELD_REL_LOC);
}

static struct event_value *new_value(struct event_view *view, const char *name)
{
	struct event_value *value = &view->values[view->count];

	if (view->count == EVENT_FIELDS_MAX)
		return NULL;
	view->count++;
	value->name = name;
	value->number = 0;
	value->text[0] = '\0';
	return value;
}

static void add_value(struct event_view *view, const char *name, const struct event_field *field,
		      const struct record *record, enum value_form form)
{
	struct event_value *value = new_value(view, name);

	if (!value)
		return;
	value->form = form;
	if (is_text(field)) {
		value->form = VALUE_TEXT;
		copy_text(value->text, field, record, &view->damaged);
	} else {
		value->number =
			event_field_number(field, record->bytes, record->length, record->swapped);
	}
}

static enum value_form form_of(enum p2p_field field)
{
	switch (field) {
	case P2P_ADDR:
	case P2P_PHYS_ADDR:
	case P2P_BUS_ADDR:
		return VALUE_ADDRESS;
	case P2P_DIST:
	case P2P_RET:
		return VALUE_SIGNED;
	default:
		return VALUE_UNSIGNED;
	}
}

/* Canonical fields have a sign by what they mean, as in decode, not by their type. */
static void take_sign(struct event_value *value, const struct event_field *field)
{
	unsigned int unused = 64 - field->size * 8;

	if (value->form == VALUE_TEXT || field->size > 8)
		return;
	value->number <<= unused;
	if (value->form == VALUE_SIGNED)
		value->number = (uint64_t)((int64_t)value->number >> unused);
	else
		value->number >>= unused;
}

/* Numbers of map types become names. */
static void name_type(struct event_value *value, const uint8_t *symbols)
{
	if (value->form == VALUE_TEXT)
		return;
	snprintf(value->text, sizeof(value->text), "%s",
		 map_type_name(schema_type_of_number(symbols, value->number)));
	value->form = VALUE_TEXT;
}

static void read_canonical(struct event_view *view, const struct event_layout *layout,
			   const struct record *record)
{
	for (enum p2p_field id = 0; id < P2P_FIELDS; id++) {
		const struct event_field *field = layout->fields[id];
		size_t before = view->count;

		if (!field || id == P2P_PID || id == P2P_COMM)
			continue;
		add_value(view, p2p_field_name(id, layout->kind), field, record, form_of(id));
		if (view->count == before)
			continue;
		take_sign(&view->values[before], field);
		if (id == P2P_TYPE)
			name_type(&view->values[before], layout->symbols);
		else if (id == P2P_OLD_TYPE)
			name_type(&view->values[before], layout->old_symbols);
	}
}

/* Sets a canonical value, whether the event had one or not. */
static void set_number(struct event_view *view, const char *name, uint64_t number,
		       enum value_form form)
{
	struct event_value *value = NULL;

	for (size_t i = 0; i < view->count && !value; i++)
		if (!strcmp(view->values[i].name, name))
			value = &view->values[i];
	if (!value)
		value = new_value(view, name);
	if (!value)
		return;
	value->number = number;
	value->form = form;
}

/* The provider that the other form of a link leads to. */
static void take_provider(struct event_view *view, const struct event_layout *layout,
			  const struct record *record)
{
	const struct event_field *end = layout->probe.provider_end;

	for (size_t i = 0; end && i < view->count; i++) {
		struct event_value *value = &view->values[i];

		if (!strcmp(value->name, "provider") &&
		    !schema_is_device(value->text, strlen(value->text)))
			copy_text(value->text, end, record, &view->damaged);
	}
}

/* What a probe's event means, as canonical fields. */
static void read_derived(struct event_view *view, const struct event_layout *layout,
			 const struct record *record)
{
	bool memory = layout->kind == KIND_ALLOC || layout->kind == KIND_FREE;
	struct derived derived;

	schema_derive(layout, record->bytes, record->length, record->swapped, &derived);
	view->left_out = derived.left_out;
	view->unseen = derived.unseen;
	if (derived.has_addr && derived.is_physical)
		set_number(view, p2p_field_name(memory ? P2P_ADDR : P2P_PHYS_ADDR, layout->kind),
			   derived.addr, VALUE_ADDRESS);
	if (derived.has_size)
		set_number(view, "size", derived.size, VALUE_UNSIGNED);
	take_provider(view, layout, record);
}

static bool is_canonical(const struct event_layout *layout, const struct event_field *field)
{
	for (enum p2p_field id = 0; layout && id < P2P_FIELDS; id++)
		if (layout->fields[id] == field)
			return true;
	return false;
}

/* What has become an address, a size or the provider is not told again. */
static bool is_derived_from(const struct event_layout *layout, const struct event_field *field)
{
	const struct probe_fields *probe = layout ? &layout->probe : NULL;

	if (!probe || !layout->derives)
		return false;
	return field == probe->provider_end || field == probe->map || field == probe->list ||
	       field == probe->vm_addr || field == probe->vm_start || field == probe->vm_end ||
	       (probe->base &&
		(field == probe->page || field == probe->base || field == probe->offset));
}

static void read_others(struct event_view *view, const struct event_layout *layout,
			const struct record *record)
{
	for (size_t i = view->format->common_count; i < view->format->field_count; i++) {
		const struct event_field *field = &view->format->fields[i];
		enum value_form form = field->is_pointer  ? VALUE_ADDRESS
				       : field->is_signed ? VALUE_SIGNED
							  : VALUE_UNSIGNED;

		if (is_canonical(layout, field) || is_derived_from(layout, field))
			continue;
		if (is_text(field) || field->form == FIELD_NUMBER)
			add_value(view, field->name, field, record, form);
	}
}

void event_view_read(struct event_view *view, const struct schema *schema,
		     const unsigned char *bytes, uint32_t length, bool swapped)
{
	struct record record = { bytes, length, swapped };
	const struct event_layout *layout;
	const struct event_field *pid = NULL;

	view->count = 0;
	view->left_out = false;
	view->unseen = 0;
	view->comm[0] = '\0';
	view->tid = 0;
	view->damaged = length < 4;
	view->kind = KIND_NONE;
	view->format = NULL;
	if (view->damaged)
		return;
	view->id = swapped ? (uint32_t)bytes[0] << 8 | bytes[1] : 0;
	if (!swapped) {
		uint16_t id;

		memcpy(&id, bytes, 2);
		view->id = id;
	}
	layout = schema->by_id[view->id];
	view->format = schema->format_by_id[view->id];
	view->kind = layout ? layout->kind : KIND_NONE;
	if (!view->format)
		return;
	if (layout && layout->kind < KIND_P2P_COUNT) {
		view->damaged = length < layout->min_length;
		pid = layout->fields[P2P_PID];
	}
	pid = pid ? pid : event_format_field(view->format, "common_pid");
	view->tid = (uint32_t)event_field_number(pid, bytes, length, swapped);
	if (view->damaged)
		return;
	if (layout && layout->kind < KIND_P2P_COUNT) {
		if (layout->fields[P2P_COMM])
			copy_text(view->comm, layout->fields[P2P_COMM], &record, &view->damaged);
		read_canonical(view, layout, &record);
		if (layout->derives)
			read_derived(view, layout, &record);
		read_others(view, layout, &record);
	} else {
		read_others(view, NULL, &record);
	}
}

const struct event_value *event_view_field(const struct event_view *view, const char *name)
{
	for (size_t i = 0; i < view->count; i++)
		if (!strcmp(view->values[i].name, name))
			return &view->values[i];
	return NULL;
}
