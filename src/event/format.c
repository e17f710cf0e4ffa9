// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/event_format.h"

#define HOST_IS_LITTLE (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

/* A record is at most a page; anything beyond is damage. */
#define OFFSET_LIMIT (1u << 20)

static bool contains_word(const char *from, const char *to, const char *word)
{
	size_t length = strlen(word);

	for (; from + length <= to; from++)
		if (!memcmp(from, word, length))
			return true;
	return false;
}

/* "unsigned long addr", "char comm[16]", "__data_loc char[] provider". */
static bool parse_declaration(const char *from, const char *to, struct event_field *field)
{
	const char *end = to, *begin;
	bool array = false;

	while (end > from && isspace((unsigned char)end[-1]))
		end--;
	if (end > from && end[-1] == ']') {
		array = true;
		while (end > from && end[-1] != '[')
			end--;
		if (end > from)
			end--;
	}
	begin = end;
	while (begin > from && (isalnum((unsigned char)begin[-1]) || begin[-1] == '_'))
		begin--;
	if (begin == end)
		return false;
	field->name = strndup(begin, (size_t)(end - begin));
	if (!field->name)
		return false;
	field->text = contains_word(from, begin, "char");
	field->is_pointer = contains_word(from, begin, "*");
	if (contains_word(from, begin, "__data_loc"))
		field->form = FIELD_DATA_LOC;
	else if (contains_word(from, begin, "__rel_loc"))
		field->form = FIELD_REL_LOC;
	else if (array)
		field->form = field->text ? FIELD_TEXT : FIELD_OTHER;
	else
		field->form = FIELD_NUMBER;
	return true;
}

static bool parse_field(const char *line, struct event_field *field)
{
	const char *semicolon = strchr(line, ';');
	unsigned int offset, size;
	int is_signed = 0;

	*field = (struct event_field){ 0 };
	if (!semicolon ||
	    sscanf(semicolon, "; offset:%u; size:%u; signed:%d", &offset, &size, &is_signed) < 2)
		return false;
	if (offset > OFFSET_LIMIT || size > OFFSET_LIMIT)
		return false;
	if (!parse_declaration(line, semicolon, field))
		return false;
	field->offset = offset;
	field->size = size;
	field->is_signed = is_signed;
	if (field->form == FIELD_NUMBER && size != 1 && size != 2 && size != 4 && size != 8)
		field->form = FIELD_OTHER;
	if ((field->form == FIELD_DATA_LOC || field->form == FIELD_REL_LOC) && size != 4)
		field->form = FIELD_OTHER;
	return true;
}

static bool add_field(struct event_format *format, const struct event_field *field)
{
	struct event_field *more =
		reallocarray(format->fields, format->field_count + 1, sizeof(*more));

	if (!more)
		return false;
	format->fields = more;
	more[format->field_count++] = *field;
	if (!strncmp(field->name, "common_", 7))
		format->common_count = format->field_count;
	return true;
}

static bool parse_line(struct event_format *format, char *line)
{
	struct event_field field;

	while (*line == '\t' || *line == ' ')
		line++;
	if (!strncmp(line, "name: ", 6) && !format->name) {
		format->name = strdup(line + 6);
		return format->name != NULL;
	}
	if (!strncmp(line, "ID: ", 4)) {
		format->id = (uint32_t)strtoul(line + 4, NULL, 10);
		return true;
	}
	if (strncmp(line, "field:", 6) != 0 || !parse_field(line + 6, &field))
		return true;
	if (add_field(format, &field))
		return true;
	free(field.name);
	return false;
}

struct event_format *event_format_parse(const char *system, const char *text)
{
	struct event_format *format = calloc(1, sizeof(*format));
	const char *print = strstr(text, "print fmt:");
	char *head = print ? strndup(text, (size_t)(print - text)) : strdup(text);
	char *save = NULL;
	bool good = format && head;

	if (good) {
		format->system = strdup(system ? system : "ftrace");
		format->print = strdup(print ? print + strlen("print fmt:") : "");
		format->id = UINT32_MAX;
		good = format->system && format->print;
	}
	for (char *line = good ? strtok_r(head, "\n", &save) : NULL; line && good;
	     line = strtok_r(NULL, "\n", &save))
		good = parse_line(format, line);
	free(head);
	if (good && format->name && format->id <= UINT16_MAX)
		return format;
	event_format_free(format);
	return NULL;
}

void event_format_free(struct event_format *format)
{
	if (!format)
		return;
	for (size_t i = 0; i < format->field_count; i++)
		free(format->fields[i].name);
	free(format->fields);
	free(format->system);
	free(format->name);
	free(format->print);
	free(format);
}

const struct event_field *event_format_field(const struct event_format *format, const char *name)
{
	for (size_t i = 0; i < format->field_count; i++)
		if (!strcmp(format->fields[i].name, name))
			return &format->fields[i];
	return NULL;
}

/* One "{ 2, "BUS_ADDR" }"; the value may be cast or in parentheses. */
static const char *parse_symbol(const char *at, uint64_t *value, const char **name, size_t *length)
{
	const char *close, *quote;
	char *end;

	while (*at && (isspace((unsigned char)*at) || *at == '{' || *at == ',' || *at == '('))
		at++;
	if (*at == ')' || !*at)
		return NULL;
	*value = strtoull(at, &end, 0);
	quote = strchr(at, '"');
	close = quote ? strchr(quote + 1, '"') : NULL;
	if (!close)
		return NULL;
	*name = quote + 1;
	*length = end == at ? 0 : (size_t)(close - quote - 1);
	at = close + 1;
	while (isspace((unsigned char)*at))
		at++;
	return *at == '}' ? at + 1 : NULL;
}

size_t event_format_symbols(const struct event_format *format, const char *field,
			    void (*each)(void *context, uint64_t value, const char *name,
					 size_t length),
			    void *context)
{
	char start[96];
	const char *at, *name;
	uint64_t value;
	size_t length, found = 0;

	snprintf(start, sizeof(start), "__print_symbolic(REC->%s,", field);
	at = strstr(format->print, start);
	if (!at)
		return 0;
	at += strlen(start);
	while ((at = parse_symbol(at, &value, &name, &length))) {
		if (!length)
			continue; /* an enum's name the kernel did not resolve */
		each(context, value, name, length);
		found++;
	}
	return found;
}

uint64_t event_field_number(const struct event_field *field, const unsigned char *record,
			    uint32_t length, bool swapped)
{
	uint64_t value = 0;

	if (!field || field->size > 8 || !field->size || field->offset + field->size > length)
		return 0;
	/* The first byte is the lowest, or the highest in the other order. */
	for (uint32_t i = 0; i < field->size; i++)
		value = value << 8 | record[field->offset +
					    (swapped == HOST_IS_LITTLE ? i : field->size - 1 - i)];
	if (field->is_signed) {
		unsigned int unused = 64 - field->size * 8;

		value = (uint64_t)((int64_t)(value << unused) >> unused);
	}
	return value;
}

const char *event_field_text(const struct event_field *field, const unsigned char *record,
			     uint32_t length, bool swapped, uint32_t *text_length)
{
	uint32_t at = field->offset, room = field->size, where;

	if (field->form == FIELD_DATA_LOC || field->form == FIELD_REL_LOC) {
		if (at + 4 > length)
			return NULL;
		where = (uint32_t)event_field_number(field, record, length, swapped);
		at = field->form == FIELD_DATA_LOC ? where & 0xffff : at + 4 + (where & 0xffff);
		room = where >> 16 & 0xffff;
	} else if (field->form != FIELD_TEXT) {
		return NULL;
	}
	if (at > length || room > length - at)
		return NULL;
	*text_length = (uint32_t)strnlen((const char *)record + at, room);
	return (const char *)record + at;
}
