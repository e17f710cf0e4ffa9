/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * event_format: one event's format file (events/SYSTEM/NAME/format) taken apart.
 *
 * Own parsing instead of libtraceevent's, because the text comes from a file that
 * may be damaged or hostile, and only names, places and symbols are needed.
 * Source: src/event/format.c
 */
#ifndef P2PTRACE_EVENT_FORMAT_H
#define P2PTRACE_EVENT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_form {
	FIELD_NUMBER, /* 1, 2, 4 or 8 bytes */
	FIELD_TEXT, /* char NAME[N] in the record */
	FIELD_DATA_LOC, /* u32: offset in the record | length << 16 */
	FIELD_REL_LOC, /* the same, offset counted from behind the field */
	FIELD_OTHER, /* arrays and structs */
};

struct event_field {
	char *name;
	enum field_form form;
	bool text; /* its bytes are characters */
	bool is_signed;
	bool is_pointer;
	uint32_t offset, size;
};

struct event_format {
	char *system, *name;
	uint32_t id;
	struct event_field *fields; /* the common ones first */
	size_t field_count, common_count;
	char *print; /* what stands behind "print fmt:", "" without */
};

/* NULL when `text` is no format file (or without memory). */
struct event_format *event_format_parse(const char *system, const char *text);
void event_format_free(struct event_format *format);

const struct event_field *event_format_field(const struct event_format *format, const char *name);

/*
 * The symbols of a number: calls `each` for every {value, "NAME"} of
 * __print_symbolic(REC->FIELD, ...) in the print format.  Returns how many.
 */
size_t event_format_symbols(const struct event_format *format, const char *field,
			    void (*each)(void *context, uint64_t value, const char *name,
					 size_t length),
			    void *context);

/* A field's number, sign-extended when signed; 0 when the record is too short.
 * `swapped`: the record's byte order is not ours. */
uint64_t event_field_number(const struct event_field *field, const unsigned char *record,
			    uint32_t length, bool swapped);

/* A text field's bytes (up to a NUL); NULL when it lies outside the record. */
const char *event_field_text(const struct event_field *field, const unsigned char *record,
			     uint32_t length, bool swapped, uint32_t *text_length);

#endif
