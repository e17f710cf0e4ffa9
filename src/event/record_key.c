// SPDX-License-Identifier: GPL-2.0-or-later
#include "record_key.h"

bool load_text_slowly(struct decoder *decoder, struct page_form form,
		      const struct text_place *place, const unsigned char *record, uint32_t length,
		      struct short_text *text)
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

/* Whether the text is told by its first and last 8 bytes. */
static inline bool has_ends(const struct text_place *place, uint32_t where, uint32_t length)
{
	uint32_t at = where & 0xffff, room = where >> 16;

	return room - place->ends <= place->span && at + room <= length;
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

bool find_key(struct decoder *decoder, const struct event_layout *layout, struct page_form form,
	      const unsigned char *data, uint32_t length, struct path_key *key)
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

bool find_probe_key(struct decoder *decoder, const struct event_layout *layout,
		    struct page_form form, const unsigned char *data, uint32_t length,
		    struct path_key *key)
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
