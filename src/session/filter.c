// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/event_format.h"
#include "p2ptrace/filter.h"
#include "p2ptrace/schema.h"

bool filter_applies(enum event_kind kind)
{
	return kind == KIND_ALLOC || kind == KIND_MAP || kind == KIND_TYPE_CHANGE;
}

/* Text that grows in a fixed room; `full` once something did not fit. */
struct clause {
	char *text;
	size_t used, room;
	bool full;
};

static void __attribute__((format(printf, 2, 3))) add(struct clause *to, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(to->text + to->used, to->room - to->used, format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= to->room - to->used)
		to->full = true;
	else
		to->used += (size_t)length;
}

/* The field that holds such a name; `names` as of p2p_field_aliases(). */
static const char *name_field(const struct event_format *format, const char *const *names)
{
	for (; names && *names; names++) {
		const struct event_field *field = event_format_field(format, *names);

		if (field && (field->text || field->is_pointer))
			return field->name;
	}
	return NULL;
}

static bool looks_like_short_bdf(const char *name, size_t length)
{
	return length == 7 && name[2] == ':' && name[5] == '.' && isxdigit((unsigned char)name[0]);
}

#define NAME_ROOM 256

/* FIELD == "name", or ~ for a pattern.  The kernel takes a pattern that begins with a
 * digit for an index that matches nothing: a bracket around the digit prevents it. */
static void add_one(struct clause *to, const char *field, const char *name)
{
	if (!strpbrk(name, "*?"))
		add(to, "%s == \"%s\"", field, name);
	else if (isdigit((unsigned char)name[0]))
		add(to, "%s ~ \"[%c]%s\"", field, name[0], name + 1);
	else
		add(to, "%s ~ \"%s\"", field, name);
}

static void add_match(struct clause *to, const char *field, const char *name, size_t length)
{
	char full[NAME_ROOM + 8];

	snprintf(full, sizeof(full), "%.*s", (int)length, name);
	add_one(to, field, full);
	if (looks_like_short_bdf(name, length)) {
		snprintf(full, sizeof(full), "0000:%.*s", (int)length, name);
		add(to, " || ");
		add_one(to, field, full);
	}
}

static int check_name(const char *name, size_t length, struct p2p_error *err)
{
	if (!length || length >= NAME_ROOM)
		return p2p_fail_usage(err, "a name that is %s", length ? "too long" : "empty");
	for (size_t i = 0; i < length; i++)
		if (name[i] == '"' || name[i] == '\\' || !isprint((unsigned char)name[i]))
			return p2p_fail_usage(err, "'%.*s' is no possible name", (int)length, name);
	return 0;
}

static int add_names(struct clause *to, const char *field, const char *names, struct p2p_error *err)
{
	add(to, "%s(", to->used ? " && " : "");
	for (const char *at = names;; at++) {
		size_t length = strcspn(at, ",");

		if (check_name(at, length, err))
			return -1;
		if (at != names)
			add(to, " || ");
		add_match(to, field, at, length);
		at += length;
		if (!*at)
			break;
	}
	add(to, ")");
	return 0;
}

static int add_device_filter(struct clause *to, const struct event_format *format,
			     const char *const *fields, const char *names, bool *unfiltered,
			     struct p2p_error *err)
{
	const char *field;

	if (!names)
		return 0;
	field = name_field(format, fields);
	if (!field) {
		*unfiltered = true;
		return 0;
	}
	return add_names(to, field, names, err);
}

/* The task's name as the event tells it, else the kernel's own for who runs. */
static int add_task_filter(struct clause *to, const struct event_format *format,
			   enum event_kind kind, const char *names, struct p2p_error *err)
{
	const char *field = name_field(format, p2p_field_aliases(P2P_COMM, kind));

	return names ? add_names(to, field ? field : "COMM", names, err) : 0;
}

int filter_build(const struct filter_spec *spec, enum event_kind kind, const char *format_text,
		 char filter[FILTER_ROOM], bool *unfiltered, struct p2p_error *err)
{
	struct clause clause = { filter, 0, FILTER_ROOM - 1, false };
	struct event_format *format = event_format_parse("", format_text);
	int result;

	filter[0] = '\0';
	*unfiltered = false;
	if (!format)
		return p2p_fail(err, "cannot read the format of %s", event_kind_names[kind]);
	if (spec->kernel)
		add(&clause, "(%s)", spec->kernel);
	result = add_device_filter(&clause, format, p2p_field_aliases(P2P_PROVIDER, kind),
				   spec->provider, unfiltered, err);
	if (!result && kind != KIND_ALLOC)
		result = add_device_filter(&clause, format, p2p_field_aliases(P2P_CLIENT, kind),
					   spec->client, unfiltered, err);
	if (!result)
		result = add_task_filter(&clause, format, kind, spec->comm, err);
	event_format_free(format);
	if (!result && clause.full)
		return p2p_fail_usage(err,
				      "the filter for %s is longer than the kernel takes "
				      "(%d bytes)",
				      event_kind_names[kind], FILTER_ROOM - 1);
	return result;
}
