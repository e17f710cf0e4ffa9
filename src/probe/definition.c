// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the words of a recipe to the words of tracefs.
 *
 *   $sg                 the function's parameter of this name: $arg3; $retval stays
 *   {page.pgmap-2}      offsets and numbers added up, with the sign tracefs wants: +6
 *   {page.pgmap|folio.pgmap}   the first of these that the kernel has
 *   {scatterlist.length#}      the same of the segment at hand, `#` entries further on
 *   PCI(x) DEV(x) ...   a name by a pointer, see `macros`
 *   #                   outside of braces: number of the segment
 *   last=SEGMENTS       at the last segment: seen=SEGMENTS
 *   base=BASE map=MAP   where the kernel's array of pages and its map of memory begin;
 *                       without a way to know the field is left out
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/recipes.h"

/* Alternatives stand one behind the other.  `@` is the argument. */
static const struct {
	const char *name, *text;
} macros[] = {
	/* struct pci_dev *, struct device *, struct kobject *: its name */
	{ "PCI", "+0({pci_dev.dev.kobj.name}(@)):string" },
	{ "DEV", "+0({device.kobj.name}(@)):string" },
	{ "KOBJ", "+0({kobject.name}(@)):string" },
	/* struct p2pdma_provider *: its owner's name */
	{ "OWNER", "+0({device.kobj.name}({p2pdma_provider.owner}(@))):string" },
	/* struct dev_pagemap * of peer memory: whose it is */
	{ "PGMAP", "+0({pci_dev.dev.kobj.name}({pci_p2pdma_pagemap.provider-"
		   "pci_p2pdma_pagemap.pgmap}(@))):string" },
	{ "PGMAP", "OWNER({pci_p2pdma_pagemap.mem-pci_p2pdma_pagemap.pgmap}(@))" },
	/* struct page *; the same with the mark of a list's end in it */
	{ "PAGE", "PGMAP({page.pgmap|folio.pgmap}(@))" },
	{ "END", "PGMAP({page.pgmap|folio.pgmap-2}(@))" },
};

#define MACROS (sizeof(macros) / sizeof(macros[0]))

struct expansion {
	char *text;
	size_t used, room;
	struct kernel_types *types;
	const struct recipe *recipe;
	const struct probe_style *style;
	unsigned int segment;
	char *missing; /* what was not known */
	size_t missing_room;
};

static bool __attribute__((format(printf, 2, 3))) put(struct expansion *to, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(to->text + to->used, to->room - to->used, format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= to->room - to->used) {
		snprintf(to->missing, to->missing_room, "room for a longer line");
		return false;
	}
	to->used += (size_t)length;
	return true;
}

static bool look_up(struct expansion *to, const char *key, int64_t *value)
{
	if (kernel_types_get(to->types, key, value))
		return true;
	snprintf(to->missing, to->missing_room, "%s", key);
	return false;
}

static bool expand(struct expansion *to, const char *text, size_t length);

/* ---- {...} ---- */

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* A number or PATH|PATH...; *text moves behind it. */
static bool read_term(struct expansion *to, const char **text, int64_t *value)
{
	char key[128], first[128] = "";
	bool known = false;

	if (isdigit((unsigned char)**text)) {
		char *end;

		*value = strtoll(*text, &end, 10);
		*text = end;
		return true;
	}
	for (;;) {
		size_t length = 0;

		while (is_word((*text)[length]))
			length++;
		snprintf(key, sizeof(key), "%.*s", (int)length, *text);
		if (!first[0])
			strcpy(first, key);
		known = known || kernel_types_get(to->types, key, value);
		*text += length;
		if (**text != '|')
			break;
		++*text;
	}
	return known || look_up(to, first, value);
}

static bool expand_sum(struct expansion *to, const char *text)
{
	int64_t sum = 0, value, sign = 1;

	while (*text != '}') {
		if (*text == '#') {
			if (!look_up(to, "sizeof scatterlist", &value))
				return false;
			sum += value * to->segment;
			text++;
			continue;
		}
		sign = 1;
		if (*text == '-' || *text == '+')
			sign = *text++ == '-' ? -1 : 1;
		if (!read_term(to, &text, &value))
			return false;
		sum += sign * value;
	}
	return put(to, "%+" PRId64, sum);
}

/* ---- NAME(...) ---- */

static const char *closing(const char *open)
{
	int depth = 0;

	for (; *open; open++) {
		depth += *open == '(';
		depth -= *open == ')';
		if (!depth)
			return open;
	}
	return NULL;
}

/* The macro's text with the argument in it, expanded. */
static bool expand_one(struct expansion *to, const char *macro, const char *argument, size_t length)
{
	char text[512];
	const char *at = strchr(macro, '@');

	snprintf(text, sizeof(text), "%.*s%.*s%s", (int)(at - macro), macro, (int)length, argument,
		 at + 1);
	return expand(to, text, strlen(text));
}

static bool expand_macro(struct expansion *to, const char *name, size_t length, const char *open,
			 const char *close)
{
	size_t before = to->used;

	for (size_t i = 0; i < MACROS; i++) {
		if (strlen(macros[i].name) != length || memcmp(macros[i].name, name, length) != 0)
			continue;
		to->used = before;
		if (expand_one(to, macros[i].text, open + 1, (size_t)(close - open - 1)))
			return true;
	}
	return false;
}

/* ---- all of it ---- */

static bool expand_parameter(struct expansion *to, const char *name, size_t length)
{
	char key[160];
	int64_t number;

	if (length == 6 && !memcmp(name, "retval", 6))
		return put(to, "$retval");
	snprintf(key, sizeof(key), "arg %s.%.*s", to->recipe->function, (int)length, name);
	return look_up(to, key, &number) && put(to, "$arg%" PRId64, number);
}

static bool expand(struct expansion *to, const char *text, size_t length)
{
	const char *end = text + length;

	while (text < end) {
		size_t word = 0;
		bool good;

		while (isupper((unsigned char)text[word]))
			word++;
		if (word && text[word] == '(' && closing(text + word)) {
			const char *close = closing(text + word);

			good = expand_macro(to, text, word, text + word, close);
			text = close + 1;
		} else if (*text == '$') {
			for (word = 1; is_word(text[word]);)
				word++;
			good = expand_parameter(to, text + 1, word - 1);
			text += word;
		} else if (*text == '{') {
			good = expand_sum(to, text + 1);
			text = strchr(text, '}') + 1;
		} else if (*text == '#') {
			good = put(to, "%u", to->segment);
			text++;
		} else {
			good = put(to, "%c", *text++);
		}
		if (!good)
			return false;
	}
	return true;
}

/* What the kernel at hand may have no way to fetch. */
static bool expand_origin(struct expansion *to, const char *name, const char *from)
{
	return !from || put(to, " %s=%s:x64", name, from);
}

static bool expand_field(struct expansion *to, const char *field)
{
	if (!strcmp(field, "base=BASE"))
		return expand_origin(to, "base", to->style->base);
	if (!strcmp(field, "map=MAP"))
		return expand_origin(to, "map", to->style->map);
	/* With the last segment that is looked at: how many are. */
	if (!strcmp(field, "last=SEGMENTS"))
		return to->segment + 1 < to->style->segments ||
		       put(to, " seen=\\%u:u32", to->style->segments);
	return put(to, " ") && expand(to, field, strlen(field));
}

/* "f64:GROUP/EVENT FUNCTION%return" */
static bool put_head(struct expansion *to, const char *event)
{
	const struct recipe *recipe = to->recipe;
	const struct probe_style *style = to->style;
	bool fprobe = style->letter == 'f';

	return put(to, "%s%s:%s/%s %s%s",
		   fprobe	       ? "f"
		   : recipe->on_return ? "r"
				       : "p",
		   recipe->on_return && !style->no_limit ? "64" : "", style->group, event,
		   recipe->function, recipe->on_return && fprobe ? "%return" : "");
}

bool definition_make(struct definition *definition, const struct recipe *recipe,
		     struct kernel_types *types, const struct probe_style *style,
		     unsigned int segment, char *missing, size_t room)
{
	struct expansion to = { .text = definition->line,
				.room = sizeof(definition->line),
				.types = types,
				.recipe = recipe,
				.style = style,
				.segment = segment,
				.missing = missing,
				.missing_room = room };
	char number[16] = "";

	if (recipe->each_segment)
		snprintf(number, sizeof(number), "%u", segment);
	snprintf(definition->name, sizeof(definition->name), "%s%s%s",
		 event_kind_names[recipe->kind], recipe->suffix, number);
	definition->line[0] = '\0';
	definition->filter[0] = '\0';
	if (!put_head(&to, definition->name))
		return false;
	for (size_t i = 0; i < RECIPE_FIELDS && recipe->fields[i]; i++)
		if (!expand_field(&to, recipe->fields[i]))
			return false;
	if (!recipe->filter)
		return true;
	to.text = definition->filter;
	to.used = 0;
	to.room = sizeof(definition->filter);
	return expand(&to, recipe->filter, strlen(recipe->filter));
}
