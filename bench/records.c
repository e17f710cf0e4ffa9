// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "records.h"

#define ALLOCS (1u << GEN_ALLOC | 1u << GEN_FREE)
#define MAPS (1u << GEN_MAP | 1u << GEN_UNMAP)
#define CHANGES (1u << GEN_CHANGE)
#define P2P (ALLOCS | MAPS | CHANGES)
#define BEGINS (1u << GEN_ALLOC | 1u << GEN_MAP)
#define ENDS (1u << GEN_FREE | 1u << GEN_UNMAP)
#define EXITS (1u << GEN_EXIT)
#define OTHERS (1u << GEN_OTHER)

enum field {
	F_CLIENT,
	F_PROVIDER,
	F_TYPE,
	F_TYPE_TEXT,
	F_OLD,
	F_OLD_TEXT,
	F_DIST,
	F_ADDR,
	F_PHYS_ADDR,
	F_SIZE,
	F_BUS_ADDR,
	F_DIR,
	F_PID,
	F_COMM,
	F_SUBJECT_COMM,
	F_SUBJECT,
	F_PRIORITY,
	F_VALUE,
};

/* When a field is there. */
enum when { ALWAYS, IF_FULL, IF_TYPE_TEXT, IF_TYPE_NUMBER };

/* In the order of the record.  `print` is its part of the print format, `argument`
 * the value, both with the field's name for %s. */
static const struct row {
	enum field field;
	uint32_t kinds;
	enum when when;
	const char *declaration;
	uint32_t size, align;
	bool is_signed;
	const char *name;
	const char *print, *argument;
} rows[] = {
	{ F_CLIENT, MAPS | CHANGES, ALWAYS, "__data_loc char[] client", 4, 4, false, "client",
	  " %%s ->", "__get_str(%s)" },
	{ F_PROVIDER, P2P, ALWAYS, "__data_loc char[] provider", 4, 4, false, "provider", " %%s",
	  "__get_str(%s)" },
	{ F_TYPE, MAPS | CHANGES, IF_TYPE_NUMBER, "int type", 4, 4, true, "type", " %s=%%s",
	  "__print_symbolic(REC->%s, SYMBOLS)" },
	{ F_TYPE_TEXT, MAPS | CHANGES, IF_TYPE_TEXT, "__data_loc char[] type", 4, 4, false, "type",
	  " %s=%%s", "__get_str(%s)" },
	{ F_OLD, CHANGES, IF_TYPE_NUMBER, "int old", 4, 4, true, "old", " %s=%%s",
	  "__print_symbolic(REC->%s, SYMBOLS)" },
	{ F_OLD_TEXT, CHANGES, IF_TYPE_TEXT, "__data_loc char[] old", 4, 4, false, "old", " %s=%%s",
	  "__get_str(%s)" },
	{ F_DIST, 1u << GEN_MAP | CHANGES, ALWAYS, "int dist", 4, 4, true, "dist", " %s=%%d",
	  "REC->%s" },
	{ F_ADDR, ALLOCS, ALWAYS, "u64 addr", 8, 8, false, "addr", " %s=0x%%llx", "REC->%s" },
	{ F_ADDR, MAPS, ALWAYS, "u64 dma_addr", 8, 8, false, "dma_addr", " %s=0x%%llx", "REC->%s" },
	{ F_PHYS_ADDR, 1u << GEN_MAP, IF_FULL, "u64 phys_addr", 8, 8, false, "phys_addr",
	  " %s=0x%%llx", "REC->%s" },
	{ F_SIZE, ALLOCS | MAPS, ALWAYS, "u64 size", 8, 8, false, "size", " %s=%%llu", "REC->%s" },
	{ F_BUS_ADDR, ALLOCS, IF_FULL, "u64 bus_addr", 8, 8, false, "bus_addr", " %s=0x%%llx",
	  "REC->%s" },
	{ F_DIR, MAPS, IF_FULL, "int dir", 4, 4, true, "dir", " %s=%%s",
	  "__print_symbolic(REC->%s, { 0, \"BIDIRECTIONAL\" }, { 1, \"TO_DEVICE\" }, "
	  "{ 2, \"FROM_DEVICE\" }, { 3, \"NONE\" })" },
	{ F_PID, P2P, IF_FULL, "int pid", 4, 4, true, "pid", " %s=%%d", "REC->%s" },
	{ F_COMM, P2P, IF_FULL, "char comm[16]", 16, 1, false, "comm", " %s=%%s", "REC->%s" },
	{ F_SUBJECT_COMM, EXITS, ALWAYS, "char comm[16]", 16, 1, false, "comm", "%s=%%s",
	  "REC->%s" },
	{ F_SUBJECT, EXITS, ALWAYS, "pid_t pid", 4, 4, true, "pid", " %s=%%d", "REC->%s" },
	{ F_PRIORITY, EXITS, ALWAYS, "int prio", 4, 4, true, "prio", " %s=%%d", "REC->%s" },
	{ F_VALUE, OTHERS, ALWAYS, "u32 value", 4, 4, false, "value", "%s=%%u", "REC->%s" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))
#define COMMON_BYTES 8

static const struct {
	const char *system, *name;
	uint16_t id;
} kinds[GEN_KINDS] = {
	[GEN_ALLOC] = { "p2pdma", "p2p_dma_alloc", 1401 },
	[GEN_FREE] = { "p2pdma", "p2p_dma_free", 1402 },
	[GEN_MAP] = { "p2pdma", "p2p_dma_map", 1403 },
	[GEN_UNMAP] = { "p2pdma", "p2p_dma_unmap", 1404 },
	[GEN_CHANGE] = { "p2pdma", "p2p_map_type_change", 1405 },
	[GEN_EXIT] = { "sched", "sched_process_exit", 369 },
	[GEN_OTHER] = { "p2pgen", "p2pgen_tick", 1300 },
};

const char *const gen_type_names[GEN_TYPES] = {
	"UNKNOWN", "NOT_SUPPORTED", "BUS_ADDR", "THRU_HOST_BRIDGE", "NONE", "TYPE_9",
};

/* The kernel's numbers, by enum gen_type. */
static const int32_t numbers_old[GEN_TYPES] = { 0, 1, 2, 3, -1, 9 };
static const int32_t numbers_new[GEN_TYPES] = { 0, 2, 3, 4, 1, 9 };

/* A field's place in one kind of event. */
struct place {
	const struct row *row;
	uint32_t offset;
};

struct layout {
	struct place places[ROWS];
	size_t count;
	uint32_t fixed; /* bytes before the texts */
	char *format;
};

struct name {
	char text[48];
	uint32_t bytes; /* with its NUL */
};

struct records {
	const struct gen_options *options;
	const int32_t *numbers;
	struct layout layouts[GEN_KINDS];
	struct name *clients, *providers;
	struct name types[GEN_TYPES];
};

/* ---- formats ---- */

static bool is_there(const struct row *row, enum gen_kind kind, const struct gen_options *options)
{
	uint32_t bit = 1u << kind;

	if (!(row->kinds & bit))
		return false;
	if (row->field == F_SIZE &&
	    (options->sizes == SIZES_NONE || (options->sizes == SIZES_BEGINS && bit & ENDS)))
		return false;
	switch (row->when) {
	case IF_FULL:
		return options->full;
	case IF_TYPE_TEXT:
		return options->type_text;
	case IF_TYPE_NUMBER:
		return !options->type_text;
	default:
		return true;
	}
}

static void place_rows(struct layout *layout, enum gen_kind kind, const struct gen_options *options)
{
	uint32_t at = COMMON_BYTES;

	for (size_t i = 0; i < ROWS; i++) {
		if (!is_there(&rows[i], kind, options))
			continue;
		at = (at + rows[i].align - 1) & ~(rows[i].align - 1);
		layout->places[layout->count++] = (struct place){ &rows[i], at };
		at += rows[i].size;
	}
	layout->fixed = at;
}

static void print_symbols(FILE *out, const struct records *records)
{
	bool first = true;

	for (int type = 0; type < GEN_UNHEARD_OF; type++) {
		if (records->numbers[type] < 0)
			continue;
		fprintf(out, "%s{ %d, \"%s\" }", first ? "" : ", ", records->numbers[type],
			gen_type_names[type]);
		first = false;
	}
}

/* "%s" in the row's argument is the field's name, SYMBOLS the map types. */
static void print_argument(FILE *out, const struct records *records, const struct row *row)
{
	const char *name = strstr(row->argument, "%s"), *symbols = strstr(row->argument, "SYMBOLS");

	fprintf(out, ", %.*s%s", (int)(name - row->argument), row->argument, row->name);
	name += 2;
	if (!symbols) {
		fputs(name, out);
		return;
	}
	fwrite(name, (size_t)(symbols - name), 1, out);
	print_symbols(out, records);
	fputs(symbols + strlen("SYMBOLS"), out);
}

static void print_format_part(FILE *out, const struct row *row)
{
	const char *name = strstr(row->print, "%s=");

	if (name)
		fprintf(out, "%.*s%s", (int)(name - row->print), row->print, row->name);
	for (const char *at = name ? name + 2 : row->print; *at; at++)
		if (*at != '%' || at[1] != '%')
			fputc(*at, out);
}

static void print_print(FILE *out, const struct records *records, const struct layout *layout,
			enum gen_kind kind)
{
	static const char *const words[GEN_P2P] = { "alloc", "free", "map", "unmap",
						    "map_type_change" };

	fprintf(out, "\nprint fmt: \"%s", kind < GEN_P2P ? words[kind] : "");
	for (size_t i = 0; i < layout->count; i++)
		print_format_part(out, layout->places[i].row);
	fputc('"', out);
	for (size_t i = 0; i < layout->count; i++)
		print_argument(out, records, layout->places[i].row);
	fputc('\n', out);
}

static bool make_format(const struct records *records, struct layout *layout, enum gen_kind kind)
{
	size_t bytes;
	FILE *out = open_memstream(&layout->format, &bytes);

	if (!out)
		return false;
	fprintf(out, "name: %s\nID: %u\nformat:\n", kinds[kind].name, kinds[kind].id);
	fputs("\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
	      "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
	      "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
	      "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n",
	      out);
	for (size_t i = 0; i < layout->count; i++) {
		const struct place *place = &layout->places[i];

		fprintf(out, "\tfield:%s;\toffset:%u;\tsize:%u;\tsigned:%d;\n",
			place->row->declaration, place->offset, place->row->size,
			place->row->is_signed);
	}
	print_print(out, records, layout, kind);
	return !fclose(out);
}

const char *records_format(const struct records *records, enum gen_kind kind)
{
	return records->layouts[kind].format;
}

const char *records_system(enum gen_kind kind)
{
	return kinds[kind].system;
}

/* ---- devices ---- */

/* Addresses as PCI has them; some names are a driver's. */
static void name_device(struct name *name, bool client, uint32_t number,
			const struct gen_options *options)
{
	if (options->long_names && number % 3 == 1)
		snprintf(name->text, sizeof(name->text), "%s-with-a-long-name-%u",
			 client ? "client" : "provider", number);
	else if (options->long_names && number % 3 == 2)
		snprintf(name->text, sizeof(name->text), client ? "nvme%u" : "p2p_mem_%08u",
			 number);
	else
		snprintf(name->text, sizeof(name->text), "%04x:%02x:%02x.0", number >> 12,
			 (client ? 0x00 : 0x80) + (number >> 5 & 0x7f), number & 0x1f);
	name->bytes = (uint32_t)strlen(name->text) + 1;
}

static struct name *name_devices(bool client, uint32_t count, const struct gen_options *options)
{
	struct name *names = calloc(count, sizeof(*names));

	for (uint32_t i = 0; names && i < count; i++)
		name_device(&names[i], client, i, options);
	return names;
}

const char *records_client(const struct records *records, uint32_t client)
{
	return records->clients[client].text;
}

const char *records_provider(const struct records *records, uint32_t provider)
{
	return records->providers[provider].text;
}

/* ---- records ---- */

struct encoding {
	unsigned char *record;
	uint32_t end; /* where the next text goes */
};

static void put_text(struct encoding *encoding, unsigned char *at, const struct name *name)
{
	uint32_t where = encoding->end | name->bytes << 16;

	memcpy(at, &where, 4);
	memcpy(encoding->record + encoding->end, name->text, name->bytes);
	encoding->end += name->bytes;
}

static void put_u32(unsigned char *at, uint32_t value)
{
	memcpy(at, &value, 4);
}

static void put_u64(unsigned char *at, uint64_t value)
{
	memcpy(at, &value, 8);
}

static void put_field(const struct records *records, struct encoding *encoding,
		      const struct gen_event *event, const struct place *place)
{
	unsigned char *at = encoding->record + place->offset;

	switch (place->row->field) {
	case F_CLIENT:
		return put_text(encoding, at, &records->clients[event->client]);
	case F_PROVIDER:
		return put_text(encoding, at, &records->providers[event->provider]);
	case F_TYPE:
		return put_u32(at, (uint32_t)records->numbers[event->type]);
	case F_TYPE_TEXT:
		return put_text(encoding, at, &records->types[event->type]);
	case F_OLD:
		return put_u32(at, (uint32_t)records->numbers[event->old]);
	case F_OLD_TEXT:
		return put_text(encoding, at, &records->types[event->old]);
	case F_DIST:
		return put_u32(at, (uint32_t)event->dist);
	case F_ADDR:
		return put_u64(at, event->addr);
	case F_PHYS_ADDR:
	case F_BUS_ADDR:
		return put_u64(at, event->addr ^ 0x380000000000ull);
	case F_SIZE:
		return put_u64(at, event->size);
	case F_DIR:
		return put_u32(at, (uint32_t)(event->addr >> 12) % 3);
	case F_PID:
		return put_u32(at, event->pid);
	case F_COMM:
	case F_SUBJECT_COMM:
		memcpy(at, event->comm, strnlen(event->comm, 15));
		return;
	case F_SUBJECT:
	case F_VALUE:
		return put_u32(at, event->subject);
	case F_PRIORITY:
		return put_u32(at, 120);
	}
}

uint32_t records_encode(const struct records *records, const struct gen_event *event,
			unsigned char *to)
{
	const struct layout *layout = &records->layouts[event->kind];
	struct encoding encoding = { to, layout->fixed };
	uint16_t id = kinds[event->kind].id;

	memset(to, 0, RECORD_MAX);
	memcpy(to, &id, 2);
	to[2] = event->flags;
	put_u32(to + 4, event->tid);
	for (size_t i = 0; i < layout->count; i++)
		put_field(records, &encoding, event, &layout->places[i]);
	return (encoding.end + 3) & ~3u;
}

/* ---- life ---- */

struct records *records_new(const struct gen_options *options)
{
	struct records *records = calloc(1, sizeof(*records));
	bool good;

	if (!records)
		return NULL;
	records->options = options;
	records->numbers = options->new_numbering ? numbers_new : numbers_old;
	records->clients = name_devices(true, (uint32_t)options->clients, options);
	records->providers = name_devices(false, (uint32_t)options->providers, options);
	good = records->clients && records->providers;
	for (int type = 0; type < GEN_TYPES; type++) {
		snprintf(records->types[type].text, sizeof(records->types[type].text), "%s",
			 gen_type_names[type]);
		records->types[type].bytes = (uint32_t)strlen(gen_type_names[type]) + 1;
	}
	for (enum gen_kind kind = 0; kind < GEN_KINDS && good; kind++) {
		place_rows(&records->layouts[kind], kind, options);
		good = make_format(records, &records->layouts[kind], kind);
	}
	if (good)
		return records;
	records_free(records);
	return NULL;
}

void records_free(struct records *records)
{
	if (!records)
		return;
	for (enum gen_kind kind = 0; kind < GEN_KINDS; kind++)
		free(records->layouts[kind].format);
	free(records->clients);
	free(records->providers);
	free(records);
}
