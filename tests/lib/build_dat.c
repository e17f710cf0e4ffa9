// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif
#ifdef HAVE_ZLIB
#include <zlib.h>
#endif

#include "build_dat.h"

#define EVENTS_MAX 32
#define FIELDS_MAX 24
#define LANES_MAX 600
#define WORDS_MAX 40

struct bytes {
	unsigned char *at;
	size_t size, room;
};

struct field {
	char name[32];
	char form; /* u i p s r t */
	unsigned int offset, size;
};

struct event {
	char name[64], system[32];
	unsigned int id, bytes; /* of the fixed part */
	struct field fields[FIELDS_MAX];
	size_t field_count;
};

struct lane {
	char buffer[32];
	unsigned int cpu;
	struct bytes pages;
	size_t page_at; /* of the page being written, in pages */
	size_t used; /* bytes of records in it */
	bool open, lost; /* lost: the next page has a mark */
	bool marked, counted;
	uint64_t lost_count, stamp;
	uint64_t offset, size; /* in the file */
};

struct builder {
	int version;
	bool big_endian;
	unsigned int long_size, page_size, cpus;
	char compression[16], clock[32], uname[128], buffer[32];
	struct bytes private_text, cmdlines, types;
	struct bytes options[4]; /* others */
	unsigned int option_ids[4];
	size_t option_count;
	struct bytes stats[LANES_MAX]; /* one option each */
	size_t stat_count;
	struct event events[EVENTS_MAX];
	size_t event_count;
	struct lane *lanes;
	size_t lane_count;
	struct dat_file *file;
	struct bytes out;
	const char *why;
};

/* ---- bytes ---- */

static void put(struct bytes *to, const void *from, size_t size)
{
	while (to->size + size > to->room) {
		to->room = to->room ? to->room * 2 : 4096;
		to->at = realloc(to->at, to->room);
		if (!to->at)
			abort();
	}
	if (size)
		memcpy(to->at + to->size, from, size);
	to->size += size;
}

static void encode(const struct builder *builder, unsigned char *to, uint64_t value,
		   unsigned int size)
{
	for (unsigned int i = 0; i < size; i++)
		to[builder->big_endian ? size - 1 - i : i] = (unsigned char)(value >> 8 * i);
}

static void put_number(const struct builder *builder, struct bytes *to, uint64_t value,
		       unsigned int size)
{
	unsigned char raw[8];

	encode(builder, raw, value, size);
	put(to, raw, size);
}

static void put_text(struct bytes *to, const char *text)
{
	put(to, text, strlen(text));
}

static void put_string(struct bytes *to, const char *text)
{
	put(to, text, strlen(text) + 1);
}

static void put_zeros(struct bytes *to, size_t count)
{
	while (count--)
		put(to, "", 1);
}

static void put_sized(const struct builder *builder, struct bytes *to, const struct bytes *text)
{
	put_number(builder, to, text->size, 8);
	put(to, text->at, text->size);
}

static void mark(struct builder *builder, const char *name)
{
	struct dat_file *file = builder->file;

	if (file->mark_count < sizeof(file->marks) / sizeof(file->marks[0]))
		file->marks[file->mark_count++] = (struct dat_mark){ name, builder->out.size };
}

/* ---- events ---- */

static struct event *find_event(struct builder *builder, const char *name)
{
	static const struct {
		const char *word, *name;
	} shorts[] = {
		{ "alloc", "p2p_dma_alloc" },
		{ "free", "p2p_dma_free" },
		{ "map", "p2p_dma_map" },
		{ "unmap", "p2p_dma_unmap" },
		{ "change", "p2p_map_type_change" },
		{ "exit", "sched_process_exit" },
		{ "rename", "task_rename" },
	};

	for (size_t i = 0; i < sizeof(shorts) / sizeof(shorts[0]); i++)
		if (!strcmp(shorts[i].word, name))
			name = shorts[i].name;
	for (size_t i = 0; i < builder->event_count; i++)
		if (!strcmp(builder->events[i].name, name))
			return &builder->events[i];
	return NULL;
}

/* "size:u8" at the next place that suits it. */
static int add_field(struct builder *builder, struct event *event, char *word)
{
	char *colon = strchr(word, ':');
	struct field *field = &event->fields[event->field_count];
	unsigned int align;

	if (!colon || event->field_count == FIELDS_MAX) {
		builder->why = "a field is NAME:TYPE";
		return -1;
	}
	*colon = '\0';
	snprintf(field->name, sizeof(field->name), "%s", word);
	field->form = colon[1];
	field->size = (unsigned int)strtoul(colon + 2, NULL, 10);
	if (!strchr("uipsrt", field->form))
		field->form = '\0';
	if (field->form == 's' || field->form == 'r')
		field->size = 4;
	if (!field->form || !field->size) {
		builder->why = "no such type of field";
		return -1;
	}
	align = field->form == 't' ? 1 : field->size;
	field->offset = (event->bytes + align - 1) / align * align;
	event->bytes = field->offset + field->size;
	event->field_count++;
	return 0;
}

static int define_event(struct builder *builder, const char *name, unsigned int id, char **fields,
			size_t count)
{
	struct event *event = find_event(builder, name);
	char kept[64], *colon;

	if (!event && builder->event_count == EVENTS_MAX) {
		builder->why = "too many events";
		return -1;
	}
	if (!event)
		event = &builder->events[builder->event_count++];
	else
		name = event->name;
	snprintf(kept, sizeof(kept), "%s", name);
	*event = (struct event){ .id = id, .bytes = 8 };
	memcpy(event->name, kept, sizeof(kept));
	snprintf(event->system, sizeof(event->system), "p2pdma");
	/* A first word "SYSTEM:" alone. */
	if (count && (colon = strchr(fields[0], ':')) && !colon[1]) {
		*colon = '\0';
		snprintf(event->system, sizeof(event->system), "%s", fields[0]);
		fields++;
		count--;
	}
	for (size_t i = 0; i < count; i++)
		if (add_field(builder, event, fields[i]))
			return -1;
	return 0;
}

static void default_events(struct builder *builder)
{
	static const char *const lines[][2] = {
		{ "p2p_dma_alloc", "provider:s addr:u8 size:u8 bus_addr:u8" },
		{ "p2p_dma_free", "provider:s addr:u8 size:u8" },
		{ "p2p_dma_map",
		  "client:s provider:s type:u4 dist:i4 dma_addr:u8 phys_addr:u8 size:u8 dir:u4" },
		{ "p2p_dma_unmap", "client:s provider:s type:u4 dma_addr:u8 size:u8 dir:u4" },
		{ "p2p_map_type_change", "client:s provider:s type:u4 old:u4 dist:i4" },
		{ "sched_process_exit", "sched: comm:t16 pid:i4 prio:i4" },
		{ "task_rename", "task: pid:i4 oldcomm:t16 newcomm:t16" },
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char text[200], *words[FIELDS_MAX], *save = NULL;
		size_t count = 0;

		snprintf(text, sizeof(text), "%s", lines[i][1]);
		for (char *word = strtok_r(text, " ", &save); word;
		     word = strtok_r(NULL, " ", &save))
			words[count++] = word;
		define_event(builder, lines[i][0], 301 + (unsigned int)i, words, count);
	}
	put_text(&builder->types,
		 "{ 0, \"UNKNOWN\" }, { 1, \"NOT_SUPPORTED\" }, { 2, \"BUS_ADDR\" }, "
		 "{ 3, \"THRU_HOST_BRIDGE\" }");
}

static void put_declaration(struct bytes *to, const struct field *field)
{
	static const char *const unsigned_names[] = {
		[1] = "u8", [2] = "u16", [4] = "u32", [8] = "u64"
	};
	static const char *const signed_names[] = {
		[1] = "s8", [2] = "s16", [4] = "s32", [8] = "s64"
	};
	unsigned int size = field->size <= 8 ? field->size : 8;
	char line[160], declaration[80];

	switch (field->form) {
	case 's':
		snprintf(declaration, sizeof(declaration), "__data_loc char[] %s", field->name);
		break;
	case 'r':
		snprintf(declaration, sizeof(declaration), "__rel_loc char[] %s", field->name);
		break;
	case 't':
		snprintf(declaration, sizeof(declaration), "char %s[%u]", field->name, field->size);
		break;
	case 'p':
		snprintf(declaration, sizeof(declaration), "void * %s", field->name);
		break;
	default:
		snprintf(declaration, sizeof(declaration), "%s %s",
			 (field->form == 'i' ? signed_names : unsigned_names)[size], field->name);
	}
	snprintf(line, sizeof(line), "\tfield:%s;\toffset:%u;\tsize:%u;\tsigned:%d;\n", declaration,
		 field->offset, field->size, field->form == 'i');
	put_text(to, line);
}

static void put_print_format(const struct builder *builder, struct bytes *to,
			     const struct event *event)
{
	put_text(to, "\nprint fmt: \"x\"");
	for (size_t i = 0; builder->types.size && i < event->field_count; i++) {
		const char *name = event->fields[i].name;

		if (event->fields[i].form == 's' || (strcmp(name, "type") && strcmp(name, "old")))
			continue;
		put_text(to, ", __print_symbolic(REC->");
		put_text(to, name);
		put_text(to, ", ");
		put(to, builder->types.at, builder->types.size);
		put_text(to, ")");
	}
	put_text(to, "\n");
}

static struct bytes format_of(const struct builder *builder, const struct event *event)
{
	struct bytes text = { 0 };
	char line[128];

	snprintf(line, sizeof(line), "name: %s\nID: %u\nformat:\n", event->name, event->id);
	put_text(&text, line);
	put_text(&text,
		 "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
		 "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
		 "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
		 "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n");
	for (size_t i = 0; i < event->field_count; i++)
		put_declaration(&text, &event->fields[i]);
	put_print_format(builder, &text, event);
	return text;
}

/* ---- records into pages ---- */

static unsigned int head_bytes(const struct builder *builder)
{
	return 8 + builder->long_size;
}

static struct lane *lane_of(struct builder *builder, unsigned int cpu)
{
	struct lane *lane;

	for (size_t i = 0; i < builder->lane_count; i++)
		if (builder->lanes[i].cpu == cpu &&
		    !strcmp(builder->lanes[i].buffer, builder->buffer))
			return &builder->lanes[i];
	if (builder->lane_count == LANES_MAX) {
		builder->why = "too many CPUs";
		return NULL;
	}
	lane = &builder->lanes[builder->lane_count++];
	lane->cpu = cpu;
	snprintf(lane->buffer, sizeof(lane->buffer), "%s", builder->buffer);
	return lane;
}

static void close_page(struct builder *builder, struct lane *lane)
{
	unsigned char *page = lane->pages.at + lane->page_at;
	uint64_t commit = lane->used;

	if (!lane->open)
		return;
	if (lane->marked) {
		commit |= 1u << 31;
		if (lane->counted) {
			commit |= 1u << 30;
			encode(builder, page + head_bytes(builder) + lane->used, lane->lost_count,
			       8);
		}
		/* As the kernel's int of it arrives in a long. */
		if (builder->long_size == 8)
			commit = (uint64_t)(int64_t)(int32_t)commit;
	}
	encode(builder, page + 8, commit, builder->long_size);
	lane->open = false;
}

static void open_page(struct builder *builder, struct lane *lane, uint64_t stamp)
{
	close_page(builder, lane);
	lane->page_at = lane->pages.size;
	put_zeros(&lane->pages, builder->page_size);
	encode(builder, lane->pages.at + lane->page_at, stamp, 8);
	lane->used = 0;
	lane->open = true;
	lane->stamp = stamp;
	lane->marked = lane->lost;
	lane->lost = false;
}

static unsigned char *page_room(const struct builder *builder, struct lane *lane, size_t size)
{
	unsigned char *at = lane->pages.at + lane->page_at + head_bytes(builder) + lane->used;

	lane->used += size;
	return at;
}

static void put_word(struct builder *builder, struct lane *lane, unsigned int type, uint64_t delta)
{
	uint32_t word =
		(uint32_t)(builder->big_endian ? (uint64_t)type << 27 | delta : delta << 5 | type);

	encode(builder, page_room(builder, lane, 4), word, 4);
}

static int put_record(struct builder *builder, struct lane *lane, uint64_t stamp,
		      const struct bytes *data)
{
	size_t size = (data->size + 3) / 4 * 4;
	size_t room = builder->page_size - head_bytes(builder);
	uint64_t delta;
	bool lost = lane->lost;

	if (size + 24 > room) {
		builder->why = "a record larger than a page";
		return -1;
	}
	/* Room for the count of a mark is kept free. */
	if (!lane->open || lost || lane->used + size + 24 > room)
		open_page(builder, lane, stamp);
	delta = stamp - lane->stamp;
	if (stamp < lane->stamp || delta >> 59) {
		put_word(builder, lane, 31, stamp & 0x07ffffff);
		encode(builder, page_room(builder, lane, 4), stamp >> 27 & 0xffffffff, 4);
		delta = 0;
	} else if (delta >> 27) {
		put_word(builder, lane, 30, delta & 0x07ffffff);
		encode(builder, page_room(builder, lane, 4), delta >> 27, 4);
		delta = 0;
	}
	lane->stamp = stamp;
	if (size <= 112) {
		put_word(builder, lane, (unsigned int)size / 4, delta);
	} else {
		put_word(builder, lane, 0, delta);
		encode(builder, page_room(builder, lane, 4), size + 4, 4);
	}
	memcpy(page_room(builder, lane, size), data->at, data->size);
	return 0;
}

/* FIELD=VALUE: the value's bytes, with %XX taken apart; NULL if it is not given. */
static const char *value_of(char **words, size_t count, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < count; i++)
		if (!strncmp(words[i], name, length) && words[i][length] == '=')
			return words[i] + length + 1;
	return NULL;
}

static uint64_t number_of(const char *value)
{
	if (!value)
		return 0;
	return *value == '-' ? (uint64_t)strtoll(value, NULL, 0) : strtoull(value, NULL, 0);
}

static void put_value(const struct builder *builder, struct bytes *data, const struct field *field,
		      const char *value)
{
	unsigned int length = (unsigned int)strlen(value ? value : "") + 1, where;

	switch (field->form) {
	case 's':
	case 'r':
		where = (unsigned int)data->size;
		if (field->form == 'r')
			where -= field->offset + 4;
		encode(builder, data->at + field->offset, length << 16 | where, 4);
		put(data, value ? value : "", length);
		break;
	case 't':
		memcpy(data->at + field->offset, value ? value : "",
		       length < field->size ? length : field->size);
		break;
	default:
		encode(builder, data->at + field->offset, number_of(value), field->size);
	}
}

static int known_words(struct builder *builder, const struct event *event, char **words,
		       size_t count)
{
	for (size_t w = 0; w < count; w++) {
		size_t length = strcspn(words[w], "=");
		bool known = !strncmp(words[w], "tid=", 4) || !strncmp(words[w], "flags=", 6);

		for (size_t i = 0; i < event->field_count; i++)
			known |= strlen(event->fields[i].name) == length &&
				 !strncmp(event->fields[i].name, words[w], length);
		if (!known) {
			builder->why = "the event has no such field";
			return -1;
		}
	}
	return 0;
}

/* STAMP CPU NAME FIELD=VALUE... */
static int take_record(struct builder *builder, char **words, size_t count)
{
	struct event *event = count >= 3 ? find_event(builder, words[2]) : NULL;
	struct lane *lane = event ? lane_of(builder, (unsigned int)strtoul(words[1], NULL, 0))
				  : NULL;
	struct bytes data = { 0 };
	int result;

	if (!lane) {
		builder->why = builder->why ? builder->why : "no such directive or event";
		return -1;
	}
	words += 3;
	count -= 3;
	if (known_words(builder, event, words, count))
		return -1;
	put_zeros(&data, event->bytes);
	encode(builder, data.at, event->id, 2);
	encode(builder, data.at + 2, number_of(value_of(words, count, "flags")), 1);
	encode(builder, data.at + 4, number_of(value_of(words, count, "tid")), 4);
	for (size_t i = 0; i < event->field_count; i++)
		put_value(builder, &data, &event->fields[i],
			  value_of(words, count, event->fields[i].name));
	result = put_record(builder, lane, strtoull(words[-3], NULL, 0), &data);
	free(data.at);
	return result;
}

/* ---- the script ---- */

static void unescape(char *word)
{
	char *to = word;

	for (; *word; word++) {
		if (*word == '%' && isxdigit((unsigned char)word[1]) &&
		    isxdigit((unsigned char)word[2])) {
			char hex[3] = { word[1], word[2], '\0' };

			*to++ = (char)strtoul(hex, NULL, 16);
			word += 2;
		} else {
			*to++ = *word;
		}
	}
	*to = '\0';
}

/* What stands behind the first `skip` words, blanks and all. */
static const char *rest_of(char **words, size_t count, size_t skip)
{
	for (size_t i = skip; i + 1 < count; i++)
		words[i][strlen(words[i])] = ' ';
	if (count <= skip)
		return "";
	unescape(words[skip]);
	return words[skip];
}

static int take_private(struct builder *builder, char **words, size_t count)
{
	put_text(&builder->private_text, count > 1 ? words[1] : "");
	if (count > 2) {
		put_text(&builder->private_text, " ");
		put_text(&builder->private_text, rest_of(words, count, 2));
	}
	put_text(&builder->private_text, "\n");
	return 0;
}

/* The bytes of a file, whatever they are. */
static int take_option(struct builder *builder, char **words, size_t count)
{
	struct bytes *to = &builder->options[builder->option_count];
	FILE *from = count == 3 && builder->option_count < 4 ? fopen(words[2], "rb") : NULL;
	char piece[4096];
	size_t got;

	if (!from)
		return -1;
	builder->option_ids[builder->option_count++] = (unsigned int)strtoul(words[1], NULL, 0);
	while ((got = fread(piece, 1, sizeof(piece), from)) > 0)
		put(to, piece, got);
	fclose(from);
	return 0;
}

static int take_cmdline(struct builder *builder, char **words, size_t count)
{
	put_text(&builder->cmdlines, count > 1 ? words[1] : "");
	put_text(&builder->cmdlines, " ");
	put_text(&builder->cmdlines, rest_of(words, count, 2));
	put_text(&builder->cmdlines, "\n");
	return 0;
}

static int take_stats(struct builder *builder, char **words, size_t count)
{
	char text[200];

	if (count != 5 || builder->stat_count == LANES_MAX) {
		builder->why = "stats CPU OVERRUN COMMIT_OVERRUN DROPPED";
		return -1;
	}
	snprintf(text, sizeof(text),
		 "CPU: %s\nentries: 0\noverrun: %s\ncommit overrun: %s\nbytes: 0\n"
		 "dropped events: %s\nread events: 0\n",
		 words[1], words[2], words[3], words[4]);
	put_string(&builder->stats[builder->stat_count++], text);
	return 0;
}

static int take_types(struct builder *builder, char **words, size_t count)
{
	builder->types.size = 0;
	for (size_t i = 1; i < count; i++) {
		char *equals = strchr(words[i], '=');

		if (!equals) {
			builder->why = "types NUMBER=NAME";
			return -1;
		}
		*equals = '\0';
		put_text(&builder->types, i > 1 ? ", { " : "{ ");
		put_text(&builder->types, words[i]);
		put_text(&builder->types, ", \"");
		put_text(&builder->types, equals + 1);
		put_text(&builder->types, "\" }");
	}
	return 0;
}

static int take_event(struct builder *builder, char **words, size_t count)
{
	if (count < 3) {
		builder->why = "event NAME ID FIELD:TYPE...";
		return -1;
	}
	return define_event(builder, words[1], (unsigned int)strtoul(words[2], NULL, 0), words + 3,
			    count - 3);
}

static int take_lost(struct builder *builder, char **words, size_t count)
{
	struct lane *lane = count == 3 ? lane_of(builder, (unsigned int)strtoul(words[1], NULL, 0))
				       : NULL;

	if (!lane) {
		builder->why = "lost CPU N|?";
		return -1;
	}
	close_page(builder, lane);
	lane->lost = true;
	lane->counted = strcmp(words[2], "?") != 0;
	lane->lost_count = number_of(words[2]);
	return 0;
}

static int take_page_of(struct builder *builder, char **words, size_t count)
{
	struct lane *lane = count == 2 ? lane_of(builder, (unsigned int)strtoul(words[1], NULL, 0))
				       : NULL;

	if (!lane) {
		builder->why = "page_of CPU";
		return -1;
	}
	close_page(builder, lane);
	return 0;
}

static int take_setting(struct builder *builder, char **words, size_t count)
{
	const char *word = words[0], *value = count > 1 ? words[1] : "";
	unsigned int number = (unsigned int)strtoul(value, NULL, 0);

	if (!strcmp(word, "version"))
		builder->version = (int)number;
	else if (!strcmp(word, "endian"))
		builder->big_endian = !strcmp(value, "big");
	else if (!strcmp(word, "long"))
		builder->long_size = number;
	else if (!strcmp(word, "page"))
		builder->page_size = number;
	else if (!strcmp(word, "cpus"))
		builder->cpus = number;
	else if (!strcmp(word, "compress"))
		snprintf(builder->compression, sizeof(builder->compression), "%s", value);
	else if (!strcmp(word, "clock"))
		snprintf(builder->clock, sizeof(builder->clock), "%s", value);
	else if (!strcmp(word, "buffer"))
		snprintf(builder->buffer, sizeof(builder->buffer), "%s", value);
	else if (!strcmp(word, "uname"))
		snprintf(builder->uname, sizeof(builder->uname), "%s", rest_of(words, count, 1));
	else
		return 1;
	return 0;
}

static int take_line(struct builder *builder, char **words, size_t count)
{
	static const struct {
		const char *word;
		int (*take)(struct builder *builder, char **words, size_t count);
	} directives[] = {
		{ "private", take_private }, { "cmdline", take_cmdline }, { "stats", take_stats },
		{ "types", take_types },     { "event", take_event },	  { "lost", take_lost },
		{ "page_of", take_page_of }, { "option", take_option },
	};
	int result;

	for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++)
		if (!strcmp(directives[i].word, words[0]))
			return directives[i].take(builder, words, count);
	result = take_setting(builder, words, count);
	if (result <= 0)
		return result;
	for (size_t i = 3; i < count; i++)
		unescape(words[i]);
	return take_record(builder, words, count);
}

static int read_script(struct builder *builder, const char *script, size_t *number)
{
	char *copy = strdup(script), *next = copy;
	int result = 0;

	for (*number = 1; next && !result; (*number)++) {
		char *line = next, *words[WORDS_MAX], *save = NULL;
		size_t count = 0;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		line[strcspn(line, "#")] = '\0';
		for (char *word = strtok_r(line, " \t", &save); word && count < WORDS_MAX;
		     word = strtok_r(NULL, " \t", &save))
			words[count++] = word;
		if (count)
			result = take_line(builder, words, count);
	}
	--*number;
	free(copy);
	return result;
}

/* ---- compression ---- */

static struct bytes compressed(const struct builder *builder, const unsigned char *at, size_t size)
{
	struct bytes packed = { .at = malloc(size + 4096), .room = size + 4096 };

	(void)at;
	(void)builder;
#ifdef HAVE_ZSTD
	if (!strcmp(builder->compression, "zstd"))
		packed.size = ZSTD_compress(packed.at, packed.room, at, size, 1);
#endif
#ifdef HAVE_ZLIB
	if (!strcmp(builder->compression, "zlib")) {
		uLongf got = packed.room;

		compress(packed.at, &got, at, size);
		packed.size = got;
	}
#endif
	return packed;
}

/* Pages of one CPU: a count of chunks, and each with its two sizes in front. */
static void put_chunks(struct builder *builder, const struct lane *lane)
{
	size_t step = (size_t)builder->page_size * 3;
	size_t count = (lane->pages.size + step - 1) / step;

	put_number(builder, &builder->out, count, 4);
	for (size_t at = 0; at < lane->pages.size; at += step) {
		size_t size = lane->pages.size - at < step ? lane->pages.size - at : step;
		struct bytes packed = compressed(builder, lane->pages.at + at, size);

		put_number(builder, &builder->out, packed.size, 4);
		put_number(builder, &builder->out, size, 4);
		put(&builder->out, packed.at, packed.size);
		free(packed.at);
	}
}

/* ---- the file ---- */

static void put_initial(struct builder *builder)
{
	const unsigned char form[2] = { builder->big_endian, (unsigned char)builder->long_size };

	mark(builder, "magic");
	put(&builder->out, "\x17\x08\x44tracing", 10);
	mark(builder, "version");
	put_string(&builder->out, builder->version == 6 ? "6" : "7");
	put(&builder->out, form, 2);
	mark(builder, "page_size");
	put_number(builder, &builder->out, builder->page_size, 4);
}

static struct bytes header_info(const struct builder *builder)
{
	struct bytes info = { 0 }, page = { 0 }, event = { 0 };
	char text[400];

	snprintf(text, sizeof(text),
		 "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
		 "\tfield: local_t commit;\toffset:8;\tsize:%u;\tsigned:1;\n"
		 "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
		 "\tfield: char data;\toffset:%u;\tsize:%u;\tsigned:1;\n",
		 builder->long_size, head_bytes(builder), builder->page_size - head_bytes(builder));
	put_text(&page, text);
	put_text(&event, "# compressed entry header\n\ttype_len    :    5 bits\n"
			 "\ttime_delta  :   27 bits\n\tarray       :   32 bits\n");
	put_string(&info, "header_page");
	put_sized(builder, &info, &page);
	put_string(&info, "header_event");
	put_sized(builder, &info, &event);
	free(page.at);
	free(event.at);
	return info;
}

static struct bytes event_formats(const struct builder *builder)
{
	struct bytes all = { 0 };

	put_number(builder, &all, builder->event_count, 4);
	for (size_t i = 0; i < builder->event_count; i++) {
		struct bytes text = format_of(builder, &builder->events[i]);

		put_string(&all, builder->events[i].system);
		put_number(builder, &all, 1, 4);
		put_sized(builder, &all, &text);
		free(text.at);
	}
	return all;
}

static void put_option(struct builder *builder, struct bytes *to, unsigned int id,
		       const struct bytes *data)
{
	put_number(builder, to, id, 2);
	put_number(builder, to, data->size, 4);
	put(to, data->at, data->size);
}

static void put_text_option(struct builder *builder, struct bytes *to, unsigned int id,
			    const char *text)
{
	struct bytes data = { (unsigned char *)text, strlen(text) + 1, 0 };

	put_option(builder, to, id, &data);
}

static void put_number_option(struct builder *builder, struct bytes *to, unsigned int id,
			      uint64_t value, unsigned int size)
{
	struct bytes data = { 0 };

	put_number(builder, &data, value, size);
	put_option(builder, to, id, &data);
	free(data.at);
}

static void put_common_options(struct builder *builder, struct bytes *to)
{
	char clocks[100];

	put_number_option(builder, to, 8, builder->cpus, 4);
	snprintf(clocks, sizeof(clocks), "local global [%s] uptime\n", builder->clock);
	if (*builder->clock)
		put_text_option(builder, to, 4, clocks);
	if (*builder->uname)
		put_text_option(builder, to, 5, builder->uname);
	for (size_t i = 0; i < builder->stat_count; i++)
		put_option(builder, to, 2, &builder->stats[i]);
	if (builder->private_text.size) {
		put(&builder->private_text, "", 1);
		put_option(builder, to, 0x7032, &builder->private_text);
	}
	for (size_t i = 0; i < builder->option_count; i++)
		put_option(builder, to, builder->option_ids[i], &builder->options[i]);
}

/* Lanes of one buffer in order of their CPUs, all CPUs there. */
static int compare_lanes(const void *a, const void *b)
{
	const struct lane *left = a, *right = b;
	int order = strcmp(left->buffer, right->buffer);

	return order ? order : left->cpu < right->cpu ? -1 : left->cpu > right->cpu;
}

static int finish_lanes(struct builder *builder)
{
	char names[8][32];
	size_t name_count = 0, lanes = builder->lane_count;

	for (size_t i = 0; i < lanes; i++) {
		size_t n = 0;

		close_page(builder, &builder->lanes[i]);
		if (builder->lanes[i].cpu >= builder->cpus)
			builder->cpus = builder->lanes[i].cpu + 1;
		while (n < name_count && strcmp(names[n], builder->lanes[i].buffer) != 0)
			n++;
		if (n == name_count && n < 8)
			memcpy(names[name_count++], builder->lanes[i].buffer, 32);
	}
	for (size_t n = 0; n < name_count || n == 0; n++)
		for (unsigned int cpu = 0; cpu < builder->cpus; cpu++) {
			snprintf(builder->buffer, sizeof(builder->buffer), "%s",
				 name_count ? names[n] : "");
			if (!lane_of(builder, cpu))
				return -1;
		}
	qsort(builder->lanes, builder->lane_count, sizeof(*builder->lanes), compare_lanes);
	return 0;
}

static void put_lanes(struct builder *builder, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++) {
		struct lane *lane = &builder->lanes[i];

		put_zeros(&builder->out, -builder->out.size & (builder->page_size - 1));
		lane->offset = builder->out.size;
		mark(builder, "pages");
		if (*builder->compression) {
			put_chunks(builder, lane);
			/* As trace-cmd has it: without the count in front. */
			lane->size = lane->pages.size ? builder->out.size - lane->offset - 4 : 0;
		} else {
			put(&builder->out, lane->pages.at, lane->pages.size);
			lane->size = lane->pages.size;
		}
	}
}

static void put_table6(struct builder *builder, size_t first)
{
	put_string(&builder->out, "flyrecord");
	mark(builder, "table");
	for (size_t i = first; i < first + builder->cpus; i++) {
		put_number(builder, &builder->out, builder->lanes[i].offset, 8);
		put_number(builder, &builder->out, builder->lanes[i].size, 8);
	}
}

/* Tables first, their numbers when the pages have found their places. */
static void build_version6(struct builder *builder)
{
	struct bytes info = header_info(builder), formats = event_formats(builder), options = { 0 };
	size_t buffers = builder->lane_count / builder->cpus, tables[8], marks, i;

	mark(builder, "header_info");
	put(&builder->out, info.at, info.size);
	mark(builder, "ftrace_formats");
	put_number(builder, &builder->out, 0, 4);
	mark(builder, "event_formats");
	put(&builder->out, formats.at, formats.size);
	mark(builder, "kallsyms");
	put_number(builder, &builder->out, 0, 4);
	put_number(builder, &builder->out, 0, 4);
	mark(builder, "cmdlines");
	put_sized(builder, &builder->out, &builder->cmdlines);
	mark(builder, "cpus");
	put_number(builder, &builder->out, builder->cpus, 4);
	put_string(&builder->out, "options  ");
	mark(builder, "options");
	put_common_options(builder, &options);
	put(&builder->out, options.at, options.size);
	/* Where the tables of further buffers stand: behind the main one's. */
	for (i = 1; i < buffers; i++) {
		struct bytes data = { 0 };

		put_number(builder, &data, 0, 8);
		put_string(&data, builder->lanes[i * builder->cpus].buffer);
		put_number(builder, &builder->out, 3, 2);
		put_number(builder, &builder->out, data.size, 4);
		tables[i] = builder->out.size;
		put(&builder->out, data.at, data.size);
		free(data.at);
	}
	put_number(builder, &builder->out, 0, 2);
	tables[0] = builder->out.size;
	marks = builder->file->mark_count;
	for (i = 0; i < buffers; i++) {
		if (i)
			encode(builder, builder->out.at + tables[i], builder->out.size, 8);
		put_table6(builder, i * builder->cpus);
	}
	put_lanes(builder, 0, builder->lane_count);
	/* The same bytes again, now with the offsets. */
	{
		size_t end = builder->out.size, kept = builder->file->mark_count;

		builder->out.size = tables[0];
		builder->file->mark_count = marks;
		for (i = 0; i < buffers; i++)
			put_table6(builder, i * builder->cpus);
		builder->out.size = end;
		builder->file->mark_count = kept;
	}
	free(info.at);
	free(formats.at);
	free(options.at);
}

static uint64_t put_section(struct builder *builder, const char *name, unsigned int id,
			    const struct bytes *data, bool pack)
{
	uint64_t at = builder->out.size;
	struct bytes packed = { 0 };

	pack = pack && *builder->compression;
	mark(builder, name);
	put_number(builder, &builder->out, id, 2);
	put_number(builder, &builder->out, pack, 2);
	put_number(builder, &builder->out, 0, 4);
	if (pack) {
		packed = compressed(builder, data->at, data->size);
		put_number(builder, &builder->out, packed.size + 8, 8);
		put_number(builder, &builder->out, packed.size, 4);
		put_number(builder, &builder->out, data->size, 4);
		put(&builder->out, packed.at, packed.size);
	} else {
		put_number(builder, &builder->out, data->size, 8);
		put(&builder->out, data->at, data->size);
	}
	free(packed.at);
	return at;
}

static void put_buffer7(struct builder *builder, struct bytes *options, size_t first)
{
	struct bytes data = { 0 };
	uint64_t at = builder->out.size;

	mark(builder, "data");
	put_number(builder, &builder->out, 3, 2);
	put_number(builder, &builder->out, *builder->compression != 0, 2);
	put_number(builder, &builder->out, 0, 4);
	put_number(builder, &builder->out, 0, 8);
	put_lanes(builder, first, builder->cpus);
	encode(builder, builder->out.at + at + 8, builder->out.size - at - 16, 8);
	put_number(builder, &data, at, 8);
	put_string(&data, builder->lanes[first].buffer);
	put_string(&data, builder->clock);
	put_number(builder, &data, builder->page_size, 4);
	put_number(builder, &data, builder->cpus, 4);
	for (size_t i = first; i < first + builder->cpus; i++) {
		put_number(builder, &data, builder->lanes[i].cpu, 4);
		put_number(builder, &data, builder->lanes[i].offset, 8);
		put_number(builder, &data, builder->lanes[i].size, 8);
	}
	put_option(builder, options, 3, &data);
	free(data.at);
}

static void build_version7(struct builder *builder)
{
	struct bytes info = header_info(builder), formats = event_formats(builder), options = { 0 };
	struct bytes none = { 0 }, cmdlines = { 0 };
	size_t link;

	put_string(&builder->out, *builder->compression ? builder->compression : "none");
	put_string(&builder->out, *builder->compression ? "1" : "");
	link = builder->out.size;
	mark(builder, "link");
	put_number(builder, &builder->out, 0, 8);
	put_number(builder, &none, 0, 4);
	put_sized(builder, &cmdlines, &builder->cmdlines);
	put_number_option(builder, &options, 16,
			  put_section(builder, "header_info", 16, &info, true), 8);
	put_number_option(builder, &options, 17,
			  put_section(builder, "ftrace_formats", 17, &none, true), 8);
	put_number_option(builder, &options, 18,
			  put_section(builder, "event_formats", 18, &formats, true), 8);
	put_number_option(builder, &options, 21,
			  put_section(builder, "cmdlines", 21, &cmdlines, true), 8);
	put_common_options(builder, &options);
	for (size_t first = 0; first < builder->lane_count; first += builder->cpus)
		put_buffer7(builder, &options, first);
	put_number_option(builder, &options, 0, 0, 8);
	encode(builder, builder->out.at + link, builder->out.size, 8);
	put_section(builder, "options", 0, &options, false);
	free(info.at);
	free(formats.at);
	free(options.at);
	free(none.at);
	free(cmdlines.at);
}

static void destroy(struct builder *builder)
{
	for (size_t i = 0; i < builder->lane_count; i++)
		free(builder->lanes[i].pages.at);
	for (size_t i = 0; i < builder->stat_count; i++)
		free(builder->stats[i].at);
	for (size_t i = 0; i < builder->option_count; i++)
		free(builder->options[i].at);
	free(builder->lanes);
	free(builder->private_text.at);
	free(builder->cmdlines.at);
	free(builder->types.at);
	free(builder);
}

int dat_build(const char *script, struct dat_file *file, char *why, size_t room)
{
	struct builder *builder = calloc(1, sizeof(*builder));
	size_t line = 0;
	int result = -1;

	*file = (struct dat_file){ 0 };
	if (!builder)
		return -1;
	builder->file = file;
	builder->version = 7;
	builder->long_size = 8;
	builder->page_size = 4096;
	builder->cpus = 1;
	snprintf(builder->clock, sizeof(builder->clock), "mono");
	builder->lanes = calloc(LANES_MAX, sizeof(*builder->lanes));
	default_events(builder);
	if (builder->lanes && !read_script(builder, script, &line) && !finish_lanes(builder)) {
		put_initial(builder);
		if (builder->version == 6)
			build_version6(builder);
		else
			build_version7(builder);
		file->bytes = builder->out.at;
		file->size = builder->out.size;
		mark(builder, "end");
		result = 0;
	} else {
		snprintf(why, room, "%zu: %s", line, builder->why ? builder->why : "no memory");
	}
	destroy(builder);
	return result;
}

void dat_file_free(struct dat_file *file)
{
	free(file->bytes);
	*file = (struct dat_file){ 0 };
}
