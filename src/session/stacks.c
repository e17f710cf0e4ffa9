// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/stacks.h"

static bool wants_stack(enum event_kind kind)
{
	return kind_is_begin(kind);
}

/*
 * A trigger acts on events that the event's filter then discards: it gets the same
 * filter, read back as the kernel took it ("none" without one).
 */
static char *make_trigger(const struct instance *instance, const char *folder)
{
	char path[512], *filter, *trigger = NULL;
	int length;

	snprintf(path, sizeof(path), "%s/filter", folder);
	filter = instance_read(instance, path, NULL);
	if (!filter)
		return NULL;
	filter[strcspn(filter, "\n")] = '\0';
	length = strcmp(filter, "none") ? asprintf(&trigger, "stacktrace if %s", filter)
					: asprintf(&trigger, "stacktrace");
	free(filter);
	return length < 0 ? NULL : trigger;
}

static int enable_one(const struct instance *instance, const char *system, const char *event,
		      struct p2p_error *err)
{
	char folder[400], path[512], *trigger;
	int result;

	snprintf(folder, sizeof(folder), "events/%s/%s", system, event);
	snprintf(path, sizeof(path), "%s/trigger", folder);
	if (!instance_has(instance, path))
		return p2p_fail(err, "-g: this kernel has no event triggers");
	trigger = make_trigger(instance, folder);
	if (!trigger)
		return p2p_fail(err, "-g: cannot read the filter of %s", event);
	result = instance_write(instance, path, trigger, err);
	free(trigger);
	return result ? p2p_error_prefix(err, "-g") : 0;
}

int stacks_enable(const struct instance *instance, const struct source *source,
		  struct p2p_error *err)
{
	for (size_t i = 0; i < source->event_count; i++)
		if (wants_stack(source->events[i].kind) &&
		    enable_one(instance, source->system, source->events[i].name, err))
			return -1;
	return 0;
}

uint16_t stacks_record_type(const struct tracefs *tracefs)
{
	char *format = read_file_at(tracefs->top, "events/ftrace/kernel_stack/format");
	const char *line = format ? strstr(format, "\nID: ") : NULL;
	uint16_t type = line ? (uint16_t)strtoul(line + 5, NULL, 10) : 0;

	free(format);
	return type;
}

/* ---- names of functions ---- */

/* "ffffffff81000000 T _stext"; data are in no stack.  *shown: an address was told. */
static bool is_function(const char *line, bool *shown)
{
	char *end;
	unsigned long long address = strtoull(line, &end, 16);

	*shown |= address != 0;
	return end != line && end[0] == ' ' && end[1] && strchr("tTwW", end[1]) && end[2] == ' ';
}

static bool copy_functions(FILE *from, FILE *to)
{
	char *line = NULL;
	bool shown = false;
	size_t room = 0;

	while (getline(&line, &room, from) > 0)
		if (is_function(line, &shown))
			fputs(line, to);
	free(line);
	return shown && !ferror(from);
}

char *stacks_read_symbols(void)
{
	FILE *from = fopen("/proc/kallsyms", "re"), *to = NULL;
	char *text = NULL;
	bool good = false;
	size_t size;

	if (from)
		to = open_memstream(&text, &size);
	if (to) {
		good = copy_functions(from, to) && !ferror(to);
		good &= !fclose(to);
	}
	if (from)
		fclose(from);
	if (good)
		return text;
	free(text);
	return NULL;
}
