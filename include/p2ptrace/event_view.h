/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * event_view: one record with every field by name, for printing.
 *
 * The slow and complete twin of decode: canonical fields under their canonical
 * names, the event's further fields under their own.  Texts are copied, cut at
 * EVENT_TEXT_MAX.  Source: src/event/view.c
 */
#ifndef P2PTRACE_EVENT_VIEW_H
#define P2PTRACE_EVENT_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "p2ptrace/schema.h"

#define EVENT_TEXT_MAX 256
#define EVENT_FIELDS_MAX 48

enum value_form { VALUE_TEXT, VALUE_UNSIGNED, VALUE_SIGNED, VALUE_ADDRESS };

struct event_value {
	const char *name;
	enum value_form form;
	uint64_t number;
	char text[EVENT_TEXT_MAX];
};

struct event_view {
	const struct event_format *format; /* NULL: an event the file does not describe */
	enum event_kind kind; /* KIND_NONE: none of ours */
	uint32_t id;
	uint32_t tid; /* the event's own pid if it has one, else the one in its head */
	char comm[EVENT_TEXT_MAX]; /* the event's own, "" without */
	bool left_out; /* a probe's event that stands for nothing of its own */
	uint64_t unseen; /* it tells of so many ends that were not looked at: lost */
	bool damaged; /* shorter than its fields */
	struct event_value values[EVENT_FIELDS_MAX]; /* without pid and comm */
	size_t count;
};

/* `swapped`: the record's byte order is not ours. */
void event_view_read(struct event_view *view, const struct schema *schema,
		     const unsigned char *record, uint32_t length, bool swapped);

/* A canonical field's value, NULL when absent. */
const struct event_value *event_view_field(const struct event_view *view, const char *name);

#endif
