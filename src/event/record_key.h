/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record_key: the texts of a record, and the key by which its devices are looked up.
 *
 * Texts are taken as they stand in the record, without finding their ends: two or four
 * loads of 8 bytes.  What fits no quick form goes a slow way, out of line.
 *
 * Source: src/event/record_key.c
 */
#ifndef P2PTRACE_RECORD_KEY_H
#define P2PTRACE_RECORD_KEY_H

#include <string.h>

#include "path_cache.h"

/* Where the texts of a record stand, see has_shape(). */
struct record_shape {
	uint32_t client, provider; /* the location words */
	uint32_t client_at, provider_at; /* and where those stand */
	uint32_t length; /* the record has so many bytes at least */
	uint32_t client_first, client_last, provider_first, provider_last;
	uint64_t numbers; /* of the key, but for the types */
};

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

/* Texts of another form, or longer than 16 bytes.  False: it lies outside the record, or
 * there is no memory. */
bool load_text_slowly(struct decoder *decoder, struct page_form form,
		      const struct text_place *place, const unsigned char *record, uint32_t length,
		      struct short_text *text);

/* False: the text lies outside the record.  An absent text has mask 0: no bytes at 0. */
static inline __attribute__((always_inline)) bool
load_text(struct decoder *decoder, struct page_form form, const struct text_place *place,
	  const unsigned char *record, uint32_t length, struct short_text *text)
{
	uint32_t where, at, room;

	/* With whatever stands behind its NUL, which makes it another key of the same name. */
	if (place->whole) {
		memcpy(text, record + place->offset, 16);
		if (__builtin_expect(text->high != UINT64_MAX, 1))
			return true;
	}
	where = page_u32(form, record + place->offset) & place->mask;
	at = where & 0xffff;
	room = where >> 16;
	if (__builtin_expect(room > place->room || at + room > length, 0))
		return load_text_slowly(decoder, form, place, record, length, text);
	*text = load_short(record + at, room);
	return true;
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

/* The key of a record of another shape than the last one.  False: it is damaged. */
bool find_key(struct decoder *decoder, const struct event_layout *layout, struct page_form form,
	      const unsigned char *data, uint32_t length, struct path_key *key);

/* The key of a probe's record that has the provider in two forms. */
bool find_probe_key(struct decoder *decoder, const struct event_layout *layout,
		    struct page_form form, const unsigned char *data, uint32_t length,
		    struct path_key *key);

#endif
