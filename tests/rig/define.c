// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "define.h"
#include "events.h"

#if defined(__x86_64__)
static const char *const argument_registers[] = { "%di", "%si", "%dx", "%cx", "%r8", "%r9" };
#elif defined(__aarch64__)
static const char *const argument_registers[] = { "%x0", "%x1", "%x2", "%x3", "%x4", "%x5" };
#elif defined(__riscv) && __riscv_xlen == 64
static const char *const argument_registers[] = { "%a0", "%a1", "%a2", "%a3", "%a4", "%a5" };
#else
/* The workload runs, but nothing can be defined: see locate(). */
static const char *const argument_registers[6];
#endif

enum place {
	PLACE_TEXT, /* an argument that points to a string */
	PLACE_NUMBER, /* an argument */
	PLACE_DETAIL, /* a number in struct rig_detail */
	PLACE_DETAIL_TEXT, /* a string in struct rig_detail */
	PLACE_COMM,
};

enum condition { ALWAYS, WITH_NUMBERS, WITH_NAMES, WITH_PID, WITH_COMM };

struct field {
	const char *name;
	enum place place;
	size_t at; /* number of the argument, or offset in struct rig_detail */
	const char *type;
	enum condition condition;
};

struct event {
	const char *name;
	void (*function)(void); /* its address only, never called so */
	size_t detail; /* which argument points to struct rig_detail */
	const struct field *fields;
};

#define DETAIL(member) offsetof(struct rig_detail, member)

static const struct field memory_fields[] = {
	{ "provider", PLACE_TEXT, 0, "string", ALWAYS },
	{ "addr", PLACE_NUMBER, 1, "x64", ALWAYS },
	{ "size", PLACE_NUMBER, 2, "u64", ALWAYS },
	{ "pid", PLACE_DETAIL, DETAIL(pid), "u32", WITH_PID },
	{ "comm", PLACE_COMM, 0, "string", WITH_COMM },
	{ 0 },
};

static const struct field map_fields[] = {
	{ "client", PLACE_TEXT, 0, "string", ALWAYS },
	{ "provider", PLACE_TEXT, 1, "string", ALWAYS },
	{ "type", PLACE_DETAIL, DETAIL(type), "u32", WITH_NUMBERS },
	{ "type", PLACE_DETAIL_TEXT, DETAIL(type_name), "string", WITH_NAMES },
	{ "dist", PLACE_DETAIL, DETAIL(dist), "s32", ALWAYS },
	{ "dma_addr", PLACE_NUMBER, 2, "x64", ALWAYS },
	{ "phys_addr", PLACE_NUMBER, 3, "x64", ALWAYS },
	{ "size", PLACE_NUMBER, 4, "u64", ALWAYS },
	{ "dir", PLACE_DETAIL, DETAIL(dir), "u32", ALWAYS },
	{ "pid", PLACE_DETAIL, DETAIL(pid), "u32", WITH_PID },
	{ "comm", PLACE_COMM, 0, "string", WITH_COMM },
	{ 0 },
};

static const struct field unmap_fields[] = {
	{ "client", PLACE_TEXT, 0, "string", ALWAYS },
	{ "provider", PLACE_TEXT, 1, "string", ALWAYS },
	{ "type", PLACE_DETAIL, DETAIL(type), "u32", WITH_NUMBERS },
	{ "type", PLACE_DETAIL_TEXT, DETAIL(type_name), "string", WITH_NAMES },
	{ "dma_addr", PLACE_NUMBER, 2, "x64", ALWAYS },
	{ "size", PLACE_NUMBER, 3, "u64", ALWAYS },
	{ "dir", PLACE_DETAIL, DETAIL(dir), "u32", ALWAYS },
	{ "pid", PLACE_DETAIL, DETAIL(pid), "u32", WITH_PID },
	{ "comm", PLACE_COMM, 0, "string", WITH_COMM },
	{ 0 },
};

static const struct field type_change_fields[] = {
	{ "client", PLACE_TEXT, 0, "string", ALWAYS },
	{ "provider", PLACE_TEXT, 1, "string", ALWAYS },
	{ "type", PLACE_DETAIL, DETAIL(type), "u32", WITH_NUMBERS },
	{ "type", PLACE_DETAIL_TEXT, DETAIL(type_name), "string", WITH_NAMES },
	{ "old", PLACE_DETAIL, DETAIL(old), "u32", WITH_NUMBERS },
	{ "old", PLACE_DETAIL_TEXT, DETAIL(old_name), "string", WITH_NAMES },
	{ "dist", PLACE_DETAIL, DETAIL(dist), "s32", ALWAYS },
	{ "pid", PLACE_DETAIL, DETAIL(pid), "u32", WITH_PID },
	{ "comm", PLACE_COMM, 0, "string", WITH_COMM },
	{ 0 },
};

#define FUNCTION(name) #name, (void (*)(void))(name)

static const struct event events[RIG_EVENTS] = {
	[RIG_ALLOC] = { FUNCTION(p2p_dma_alloc), 3, memory_fields },
	[RIG_FREE] = { FUNCTION(p2p_dma_free), 3, memory_fields },
	[RIG_MAP] = { FUNCTION(p2p_dma_map), 5, map_fields },
	[RIG_UNMAP] = { FUNCTION(p2p_dma_unmap), 4, unmap_fields },
	[RIG_TYPE_CHANGE] = { FUNCTION(p2p_map_type_change), 2, type_change_fields },
};

/* An option that may be given several times: appended to a NULL-terminated list. */
static int append_word(void *field, const char *value, struct p2p_error *err)
{
	const char **list = field;
	size_t count = 0;

	while (list[count])
		count++;
	if (count + 1 >= RIG_MAX_CHANGES)
		return p2p_fail_usage(err, "given more than %d times", RIG_MAX_CHANGES - 1);
	list[count] = value;
	return 0;
}

#define OPTION(field) .offset = offsetof(struct rig_define, field)

const struct option_spec rig_group_options[] = {
	{ OPTION_STRING, 'g', "group", "NAME", "the event group (a C identifier)", OPTION(group) },
	{ 0 },
};

const struct option_spec rig_define_options[] = {
	{ OPTION_GROUP, .group = rig_group_options },
	{ OPTION_FLAG, 0, "type-names", NULL, "type and old as strings instead of numbers",
	  OPTION(type_names) },
	{ OPTION_FLAG, 0, "with-pid", NULL, "add a field pid", OPTION(with_pid) },
	{ OPTION_FLAG, 0, "with-comm", NULL, "add a field comm", OPTION(with_comm) },
	{ OPTION_CALL, 0, "event", "EVENT", "only this event (may be repeated)", OPTION(events),
	  .parse = append_word },
	{ OPTION_CALL, 0, "rename", "[EVENT.]FIELD=NAME", "call a field otherwise (repeatable)",
	  OPTION(renames), .parse = append_word },
	{ OPTION_CALL, 0, "omit", "[EVENT.]FIELD", "leave a field out (repeatable)",
	  OPTION(omissions), .parse = append_word },
	{ 0 },
};

/* Where the program's own code lies in its file: the kernel counts from there. */
struct lookup {
	uintptr_t address;
	uint64_t offset;
};

static int look_into_program(struct dl_phdr_info *info, size_t size, void *data)
{
	struct lookup *lookup = data;
	uintptr_t address = lookup->address - info->dlpi_addr;

	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type == PT_LOAD && address >= segment->p_vaddr &&
		    address - segment->p_vaddr < segment->p_filesz) {
			lookup->offset = address - segment->p_vaddr + segment->p_offset;
			return 1;
		}
	}
	return 0;
}

static int locate(const struct event *event, char *path, size_t room, uint64_t *offset,
		  struct p2p_error *err)
{
	struct lookup lookup = { .address = (uintptr_t)event->function };
	ssize_t length = readlink("/proc/self/exe", path, room - 1);

	if (!argument_registers[0])
		return p2p_fail(err, "this machine's argument registers are not known; add them to "
				     "tests/rig/define.c");
	if (length < 0)
		return p2p_fail_errno(err, "/proc/self/exe");
	path[length] = '\0';
	/* uprobe_events splits at blanks and has no way to quote them. */
	if (strpbrk(path, " \t\n"))
		return p2p_fail(err, "'%s': the kernel takes no path with blanks; copy the rig",
				path);
	if (!dl_iterate_phdr(look_into_program, &lookup))
		return p2p_fail(err, "%s is in no segment of %s", event->name, path);
	*offset = lookup.offset;
	return 0;
}

/* Whether `word` ([EVENT.]FIELD[=NAME]) means this field; *rest is what follows it. */
static bool means_field(const char *word, const char *event, const char *field, const char **rest)
{
	size_t length = strlen(event);

	if (!strncmp(word, event, length) && word[length] == '.')
		word += length + 1;
	length = strlen(field);
	*rest = word + length;
	return !strncmp(word, field, length) && (**rest == '\0' || **rest == '=');
}

/* The field's name as the options have it, NULL when it is left out. */
static const char *name_of(const struct rig_define *define, const struct event *event,
			   const struct field *field)
{
	const char *rest;

	for (const char *const *word = define->omissions; *word; word++)
		if (means_field(*word, event->name, field->name, &rest))
			return NULL;
	for (const char *const *word = define->renames; *word; word++)
		if (means_field(*word, event->name, field->name, &rest) && *rest == '=')
			return rest + 1;
	return field->name;
}

static bool wanted(const struct rig_define *define, enum condition condition)
{
	switch (condition) {
	case WITH_NUMBERS:
		return !define->type_names;
	case WITH_NAMES:
		return define->type_names;
	case WITH_PID:
		return define->with_pid;
	case WITH_COMM:
		return define->with_comm;
	default:
		return true;
	}
}

static void print_field(FILE *out, const struct event *event, const struct field *field,
			const char *name)
{
	const char *detail = argument_registers[event->detail];

	fprintf(out, " %s=", name);
	switch (field->place) {
	case PLACE_TEXT:
		fprintf(out, "+0(%s):%s", argument_registers[field->at], field->type);
		break;
	case PLACE_NUMBER:
		fprintf(out, "%s:%s", argument_registers[field->at], field->type);
		break;
	case PLACE_DETAIL:
	case PLACE_DETAIL_TEXT:
		fprintf(out, "+%zu(%s):%s", field->at, detail, field->type);
		break;
	case PLACE_COMM:
		fprintf(out, "$comm:%s", field->type);
		break;
	}
}

int rig_event_definition(const struct rig_define *define, size_t event, char *text, size_t room,
			 struct p2p_error *err)
{
	const struct event *row = &events[event];
	char path[4096];
	uint64_t offset = 0;
	FILE *out;

	if (locate(row, path, sizeof(path), &offset, err))
		return -1;
	out = fmemopen(text, room, "w");
	if (!out)
		return p2p_fail_errno(err, "fmemopen");
	fprintf(out, "p:%s/%s %s:0x%" PRIx64, define->group, row->name, path, offset);
	for (const struct field *field = row->fields; field->name; field++) {
		const char *name = name_of(define, row, field);

		if (name && wanted(define, field->condition))
			print_field(out, row, field, name);
	}
	fputc('\n', out);
	if (fclose(out))
		return p2p_fail(err, "%s: the definition is too long", row->name);
	return 0;
}

static int write_definition(const char *text, struct p2p_error *err)
{
	static const char path[] = "/sys/kernel/tracing/uprobe_events";
	/* O_APPEND: without it the kernel drops every uprobe event of the machine. */
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	ssize_t written;

	if (fd < 0)
		return p2p_fail_errno(err, "%s (needs root and tracefs)", path);
	written = write(fd, text, strlen(text));
	if (written < 0)
		p2p_fail_errno(err, "%s: '%.*s'", path, (int)strcspn(text, "\n"), text);
	close(fd);
	return written < 0 ? -1 : 0;
}

static bool event_wanted(const struct rig_define *define, const char *name)
{
	for (const char *const *word = define->events; *word; word++)
		if (!strcmp(*word, name))
			return true;
	return !define->events[0];
}

static int check_define(const struct rig_define *define, struct p2p_error *err)
{
	char path[256];

	if (!define->group)
		return p2p_fail_usage(err, "--group NAME is missing");
	snprintf(path, sizeof(path), "/sys/kernel/tracing/events/%s", define->group);
	if (!access(path, F_OK))
		return p2p_fail(err, "%s exists; 'p2prig remove' removes it", path);
	for (const char *const *word = define->events; *word; word++) {
		size_t i = 0;

		while (i < RIG_EVENTS && strcmp(*word, events[i].name))
			i++;
		if (i == RIG_EVENTS)
			return p2p_fail_usage(err, "--event: no event '%s'", *word);
	}
	for (const char *const *word = define->renames; *word; word++)
		if (!strchr(*word, '='))
			return p2p_fail_usage(err, "--rename: '%s' has no '='", *word);
	return 0;
}

int rig_define_events(const struct rig_define *define, struct p2p_error *err)
{
	struct p2p_error ignored;
	char text[8192];

	if (check_define(define, err))
		return -1;
	for (size_t i = 0; i < RIG_EVENTS; i++) {
		if (!event_wanted(define, events[i].name))
			continue;
		if (rig_event_definition(define, i, text, sizeof(text), err) ||
		    write_definition(text, err)) {
			rig_remove_events(define->group, &ignored);
			return -1;
		}
	}
	return 0;
}

int rig_remove_events(const char *group, struct p2p_error *err)
{
	char text[256];

	if (!group)
		return p2p_fail_usage(err, "--group NAME is missing");
	for (size_t i = 0; i < RIG_EVENTS; i++) {
		snprintf(text, sizeof(text), "/sys/kernel/tracing/events/%s/%s", group,
			 events[i].name);
		if (access(text, F_OK))
			continue;
		snprintf(text, sizeof(text), "-:%s/%s\n", group, events[i].name);
		if (write_definition(text, err))
			return -1;
	}
	return 0;
}
