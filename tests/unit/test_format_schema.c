// SPDX-License-Identifier: GPL-2.0-or-later
/* Event formats, whole and damaged, and what the schema makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "../lib/analyse.h"
#include "p2ptrace/event_view.h"
#include "p2ptrace/merge.h"

static const char sample[] =
	"name: sample\nID: 42\nformat:\n"
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
	"\tfield:__data_loc char[] provider;\toffset:8;\tsize:4;\tsigned:1;\n"
	"\tfield:__rel_loc char[] client;\toffset:12;\tsize:4;\tsigned:0;\n"
	"\tfield:char comm[16];\toffset:16;\tsize:16;\tsigned:0;\n"
	"\tfield:unsigned long addr;\toffset:32;\tsize:8;\tsigned:0;\n"
	"\tfield:struct page * page;\toffset:40;\tsize:8;\tsigned:0;\n"
	"\tfield:s8 small;\toffset:48;\tsize:1;\tsigned:1;\n"
	"\tfield:u64 list[4];\toffset:56;\tsize:32;\tsigned:0;\n"
	"\tfield:__data_loc u32[] numbers;\toffset:88;\tsize:4;\tsigned:0;\n"
	"\nprint fmt: \"%s\", __print_symbolic(REC->type, { 0, \"UNKNOWN\" }, { 0x2, "
	"\"PCI_P2PDMA_MAP_BUS_ADDR\" }, { (3), \"THRU_HOST_BRIDGE\" })\n";

static void check_field(const struct event_format *format, const char *name, enum field_form form,
			bool text, uint32_t offset, uint32_t size)
{
	const struct event_field *field = event_format_field(format, name);

	assert_non_null(field);
	assert_int_equal(field->form, form);
	assert_int_equal(field->text, text);
	assert_int_equal(field->offset, offset);
	assert_int_equal(field->size, size);
}

static void test_fields(void **state)
{
	struct event_format *format = event_format_parse("p2pdma", sample);

	(void)state;
	assert_non_null(format);
	assert_string_equal(format->name, "sample");
	assert_string_equal(format->system, "p2pdma");
	assert_int_equal(format->id, 42);
	assert_int_equal(format->field_count, 10);
	assert_int_equal(format->common_count, 2);
	check_field(format, "provider", FIELD_DATA_LOC, true, 8, 4);
	check_field(format, "client", FIELD_REL_LOC, true, 12, 4);
	check_field(format, "comm", FIELD_TEXT, true, 16, 16);
	check_field(format, "addr", FIELD_NUMBER, false, 32, 8);
	check_field(format, "small", FIELD_NUMBER, false, 48, 1);
	check_field(format, "list", FIELD_OTHER, false, 56, 32);
	check_field(format, "numbers", FIELD_DATA_LOC, false, 88, 4);
	assert_true(event_format_field(format, "page")->is_pointer);
	assert_true(event_format_field(format, "small")->is_signed);
	assert_null(event_format_field(format, "nothing"));
	event_format_free(format);
}

/* ---- symbols ---- */

struct symbol_list {
	char text[400];
	size_t used;
};

static void add_symbol(void *context, uint64_t value, const char *name, size_t length)
{
	struct symbol_list *symbols = context;

	symbols->used += (size_t)snprintf(symbols->text + symbols->used,
					  sizeof(symbols->text) - symbols->used, "%llu=%.*s ",
					  (unsigned long long)value, (int)length, name);
}

static void check_symbols(const char *print, const char *expected)
{
	struct symbol_list symbols = { .text = "" };
	struct event_format *format;
	char text[1000];

	snprintf(text, sizeof(text), "name: x\nID: 1\nformat:\n\nprint fmt: %s\n", print);
	format = event_format_parse("s", text);
	assert_non_null(format);
	event_format_symbols(format, "type", add_symbol, &symbols);
	assert_string_equal(symbols.text, expected);
	event_format_free(format);
}

static void test_symbols(void **state)
{
	(void)state;
	check_symbols("\"%s\", __print_symbolic(REC->type, { 0, \"A\" }, { 0x10, \"B\" })",
		      "0=A 16=B ");
	check_symbols("__print_symbolic(REC->type, {1,\"A\"},{(2),\"B\"})", "1=A 2=B ");
	/* An enum that the kernel did not resolve has no number. */
	check_symbols("__print_symbolic(REC->type, { MAP_A, \"A\" }, { 2, \"B\" })", "2=B ");
	check_symbols("__print_symbolic(REC->old, { 1, \"A\" })", "");
	check_symbols("__print_symbolic(REC->type_of, { 1, \"A\" })", "");
	check_symbols("__print_symbolic(REC->old, { 1, \"A\" }), __print_symbolic(REC->type, { 2, "
		      "\"B\" })",
		      "2=B ");
}

static void test_damaged_symbols(void **state)
{
	static const char *const prints[] = {
		"__print_symbolic(REC->type,",
		"__print_symbolic(REC->type, {",
		"__print_symbolic(REC->type, { 1",
		"__print_symbolic(REC->type, { 1, \"",
		"__print_symbolic(REC->type, { 1, \"A",
		"__print_symbolic(REC->type, { 1, \"A\"",
		"__print_symbolic(REC->type, , , (((,,{",
		"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(prints) / sizeof(prints[0]); i++) {
		char text[200];
		struct symbol_list symbols = { .text = "" };
		struct event_format *format;

		snprintf(text, sizeof(text), "name: x\nID: 1\nformat:\nprint fmt: %s", prints[i]);
		format = event_format_parse("s", text);
		event_format_symbols(format, "type", add_symbol, &symbols);
		assert_true(symbols.used < 10);
		event_format_free(format);
	}
}

static void test_no_format(void **state)
{
	static const char *const texts[] = {
		"",	  "name: x\n",	"ID: 4\n", "name: x\nID: 65536\n", "hello world",
		"\n\n\n", "field:;;;\n"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_null(event_format_parse("s", texts[i]));
}

/* Lines that are no fields are passed over, and fields beyond any record refused. */
static void test_damaged_fields(void **state)
{
	struct event_format *format = event_format_parse(
		"s", "name: x\nID: 1\nformat:\n\tfield:\n\tfield:;\n\tfield:int a;\n"
		     "\tfield:int ;\toffset:0;\tsize:4;\n\tfield:[];\toffset:0;\tsize:4;\n"
		     "\tfield:int b;\toffset:4294967295;\tsize:4;\n"
		     "\tfield:int c;\toffset:4;\tsize:99999999;\n"
		     "\tfield:int d;\toffset:4;\tsize:3;\tsigned:1;\n"
		     "\tfield:__data_loc char[] e;\toffset:8;\tsize:8;\tsigned:1;\n"
		     "\tfield:int good;\toffset:4;\tsize:4;\tsigned:1;");

	(void)state;
	assert_non_null(format);
	/* "int ;" is a field of that name, if of no type. */
	assert_int_equal(format->field_count, 4);
	assert_int_equal(event_format_field(format, "d")->form, FIELD_OTHER);
	assert_int_equal(event_format_field(format, "e")->form, FIELD_OTHER);
	assert_non_null(event_format_field(format, "good"));
	event_format_free(format);
}

/* Cut anywhere: what can be read of it is read, nothing beyond. */
static void test_cut_anywhere(void **state)
{
	(void)state;
	for (size_t length = 0; length < sizeof(sample); length++) {
		char *text = strndup(sample, length);
		struct symbol_list symbols = { .text = "" };
		struct event_format *format = event_format_parse("s", text);

		if (format)
			event_format_symbols(format, "type", add_symbol, &symbols);
		event_format_free(format);
		free(text);
	}
}

/* ---- values of a record ---- */

static void test_numbers(void **state)
{
	const unsigned char record[] = { 0xff, 0xfe, 1, 2, 3, 4, 5, 6, 7, 0x88 };
	const struct event_field fields[] = {
		{ .form = FIELD_NUMBER, .offset = 0, .size = 1, .is_signed = true },
		{ .form = FIELD_NUMBER, .offset = 0, .size = 2, .is_signed = true },
		{ .form = FIELD_NUMBER, .offset = 1, .size = 4 },
		{ .form = FIELD_NUMBER, .offset = 2, .size = 8 },
	};

	(void)state;
	assert_int_equal(event_field_number(&fields[0], record, 10, false), (uint64_t)-1);
	assert_int_equal(event_field_number(&fields[1], record, 10, false),
			 (uint64_t)(int16_t)0xfeff);
	assert_int_equal(event_field_number(&fields[1], record, 10, true),
			 (uint64_t)(int16_t)0xfffe);
	assert_int_equal(event_field_number(&fields[2], record, 10, false), 0x030201fe);
	assert_int_equal(event_field_number(&fields[2], record, 10, true), 0xfe010203);
	assert_int_equal(event_field_number(&fields[3], record, 10, false), 0x8807060504030201);
	assert_int_equal(event_field_number(&fields[3], record, 9, false), 0);
	assert_int_equal(event_field_number(NULL, record, 10, false), 0);
}

static void test_texts(void **state)
{
	unsigned char record[32] = { 0 };
	struct event_field field = { .form = FIELD_DATA_LOC, .offset = 4, .size = 4, .text = true };
	uint32_t where, length = 0;

	(void)state;
	memcpy(record + 20, "hello", 6);
	where = 6 << 16 | 20;
	memcpy(record + 4, &where, 4);
	assert_memory_equal(event_field_text(&field, record, 32, false, &length), "hello", 5);
	assert_int_equal(length, 5);
	assert_null(event_field_text(&field, record, 25, false, &length));
	assert_null(event_field_text(&field, record, 7, false, &length));
	field.form = FIELD_REL_LOC;
	where = 6 << 16 | 12;
	memcpy(record + 4, &where, 4);
	assert_memory_equal(event_field_text(&field, record, 32, false, &length), "hello", 5);
	where = 0xffffffff;
	memcpy(record + 4, &where, 4);
	assert_null(event_field_text(&field, record, 32, false, &length));
	field.form = FIELD_TEXT;
	field.offset = 20;
	field.size = 3; /* no NUL within */
	assert_memory_equal(event_field_text(&field, record, 32, false, &length), "hel", 3);
	assert_int_equal(length, 3);
}

/* ---- the schema ---- */

static struct schema *schema_of(const char *script, struct trace_file **file, int *fd)
{
	struct schema *schema;

	*file = open_script(script, fd);
	schema = schema_new(*file, NULL, 0);
	assert_non_null(schema);
	return schema;
}

static void done(struct schema *schema, struct trace_file *file, int fd)
{
	schema_free(schema);
	trace_file_close(file);
	close(fd);
}

static void check_alias(const char *fields, enum event_kind kind, enum p2p_field field,
			const char *expected)
{
	struct trace_file *file;
	struct schema *schema;
	char script[300];
	int fd;

	snprintf(script, sizeof(script), "event %s 399 %s\n", event_kind_names[kind], fields);
	schema = schema_of(script, &file, &fd);
	assert_non_null(schema->by_id[399]);
	assert_int_equal(schema->by_id[399]->kind, kind);
	if (!schema->by_id[399]->fields[field])
		fail_msg("%s: none of '%s'", event_kind_names[kind], fields);
	assert_string_equal(schema->by_id[399]->fields[field]->name, expected);
	done(schema, file, fd);
}

static void test_aliases(void **state)
{
	static const struct {
		enum p2p_field field;
		uint32_t kinds;
		const char *type, *names[6];
	} rows[] = {
		{ P2P_PROVIDER, 3u << KIND_ALLOC, "s", { "provider", "p2p_dev", "dev" } },
		{ P2P_ADDR, 3u << KIND_ALLOC, "u8", { "addr", "address", "vaddr", "kaddr" } },
		{ P2P_SIZE, 15u << KIND_ALLOC, "u8", { "size", "len", "length", "bytes" } },
		{ P2P_TYPE, 3u << KIND_MAP, "u4", { "type", "map_type" } },
		{ P2P_TYPE, 1u << KIND_TYPE_CHANGE, "u4", { "type", "new_type", "new" } },
		{ P2P_OLD_TYPE, 1u << KIND_TYPE_CHANGE, "u4", { "old", "old_type" } },
		{ P2P_DIST, 1u << KIND_MAP | 1u << KIND_TYPE_CHANGE, "i4", { "dist", "distance" } },
		{ P2P_ADDR, 3u << KIND_MAP, "u8", { "dma_addr" } },
		{ P2P_PHYS_ADDR, 1u << KIND_MAP, "u8", { "phys_addr", "addr", "address" } },
		{ P2P_BUS_ADDR, 1u << KIND_ALLOC, "u8", { "bus_addr" } },
		{ P2P_DIR, 3u << KIND_MAP, "u4", { "dir" } },
		{ P2P_PID, 31u << KIND_ALLOC, "i4", { "pid" } },
		{ P2P_COMM, 31u << KIND_ALLOC, "s", { "comm" } },
		{ P2P_COMM, 31u << KIND_ALLOC, "t16", { "comm" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (enum event_kind kind = KIND_ALLOC; kind < KIND_P2P_COUNT; kind++)
			for (size_t n = 0; rows[i].kinds & 1u << kind && rows[i].names[n]; n++) {
				char fields[80];

				snprintf(fields, sizeof(fields), "other:u4 %s:%s", rows[i].names[n],
					 rows[i].type);
				check_alias(fields, kind, rows[i].field, rows[i].names[n]);
			}
}

/* The canonical name wins; `addr` of a mapping is not its key. */
static void test_alias_order(void **state)
{
	struct trace_file *file;
	struct schema *schema;
	int fd;

	(void)state;
	check_alias("dev:s p2p_dev:s provider:s", KIND_ALLOC, P2P_PROVIDER, "provider");
	check_alias("dev:s p2p_dev:s", KIND_MAP, P2P_CLIENT, "dev");
	schema = schema_of("event p2p_dma_map 399 client:s provider:s addr:u8\n", &file, &fd);
	assert_null(schema->by_id[399]->fields[P2P_ADDR]);
	assert_non_null(schema->by_id[399]->fields[P2P_PHYS_ADDR]);
	done(schema, file, fd);
	/* A text where a number belongs is not that field. */
	schema = schema_of("event p2p_dma_map 399 client:u8 provider:s size:s\n", &file, &fd);
	assert_null(schema->by_id[399]->fields[P2P_CLIENT]);
	assert_null(schema->by_id[399]->fields[P2P_SIZE]);
	done(schema, file, fd);
}

/* ---- map types ---- */

static void check_type(const char *head, const char *event_type, const char *value,
		       const char *expected)
{
	char script[500];
	struct analysed a;

	snprintf(script, sizeof(script),
		 "%sevent p2p_dma_map 303 client:s provider:s type:%s dma_addr:u8 size:u8\n"
		 "10 0 map client=c provider=p type=%s dma_addr=1 size=1\n",
		 head, event_type, value);
	analyse(&a, script, NULL);
	if (!pair_of(&a, "c", "p", expected))
		fail_msg("type %s is %s, not %s", value, a.report.pairs[0].type, expected);
	analysed_free(&a);
}

static void test_type_names(void **state)
{
	static const char moved[] = "types 0=UNKNOWN 1=NONE 2=NOT_SUPPORTED 3=BUS_ADDR "
				    "4=THRU_HOST_BRIDGE\n";

	(void)state;
	check_type("", "u4", "2", "BUS_ADDR");
	check_type(moved, "u4", "3", "BUS_ADDR");
	check_type(moved, "u1", "2", "NOT_SUPPORTED");
	check_type("types 9=PCI_P2PDMA_MAP_BUS_ADDR\n", "u4", "9", "BUS_ADDR");
	check_type("types 1=SOMETHING_NEW\n", "u4", "1", "SOMETHING_NEW");
	check_type("", "u4", "7", "TYPE_7");
	check_type("", "i4", "-1", "TYPE_4294967295");
	check_type("", "u4", "0x12345", "TYPE_74565");
	check_type("", "s", "BUS_ADDR", "BUS_ADDR");
	check_type("", "s", "PCI_P2PDMA_MAP_THRU_HOST_BRIDGE", "THRU_HOST_BRIDGE");
	check_type("", "s", "another_name_that_is_long", "another_name_that_is_long");
	check_type("", "t16", "NOT_SUPPORTED", "NOT_SUPPORTED");
	check_type("", "r", "BUS_ADDR", "BUS_ADDR");
}

/* Without symbols the kernel's release decides, and it is said. */
static void test_guessed_types(void **state)
{
	struct analysed a;

	(void)state;
	check_type("types\nuname Linux host 6.12.0 x86_64\n", "u4", "2", "BUS_ADDR");
	check_type("types\nuname Linux host 6.18.1 x86_64\n", "u4", "3", "BUS_ADDR");
	check_type("types\nuname Linux host 7.0.0 x86_64\n", "u4", "4", "THRU_HOST_BRIDGE");
	check_type("types\n", "u4", "3", "THRU_HOST_BRIDGE");
	analyse(&a, "types\n10 0 map client=c provider=p type=2 dma_addr=1 size=1\n", NULL);
	assert_true(a.analysis->schema->by_id[303]->guessed_types);
	analysed_free(&a);
	analyse(&a, "10 0 map client=c provider=p type=2 dma_addr=1 size=1\n", NULL);
	assert_false(a.analysis->schema->by_id[303]->guessed_types);
	analysed_free(&a);
}

/* ---- texts in records ---- */

/* Names of every length, in every form, and bytes that look like something else. */
static void test_names_of_every_length(void **state)
{
	static const char *const forms[] = { "s", "r", "t64" };

	(void)state;
	for (size_t form = 0; form < 3; form++)
		for (int length = 0; length <= 40; length++) {
			char name[64] = "", script[400];
			struct analysed a;

			memset(name, 'x', (size_t)length);
			snprintf(script, sizeof(script),
				 "event p2p_dma_map 303 client:%s provider:s dma_addr:u8 size:u8\n"
				 "10 0 map client=%s provider=p dma_addr=1 size=1\n"
				 "20 0 unmap client=%s provider=p dma_addr=1 size=1\n",
				 forms[form], name, name);
			analyse(&a, script, NULL);
			assert_string_equal(a.report.pairs[0].client, name);
			assert_int_equal(a.report.pair_count, 1);
			assert_int_equal(a.report.open_maps, 0);
			analysed_free(&a);
		}
}

static void test_names_of_ones(void **state)
{
	(void)state;
	for (int length = 1; length <= 20; length++) {
		char name[64 * 3] = "", script[800], raw[32];
		struct analysed a;

		for (int i = 0; i < length; i++)
			strcat(name, "%ff");
		memset(raw, 0xff, sizeof(raw));
		raw[length] = '\0';
		snprintf(script, sizeof(script),
			 "event p2p_dma_map 303 client:t32 provider:t%d comm:s dma_addr:u8\n"
			 "10 0 map client=%s provider=%s comm=%s dma_addr=1 tid=4\n",
			 length, name, name, name);
		analyse(&a, script, NULL);
		assert_int_equal(a.analysis->damaged, 0);
		assert_string_equal(a.report.pairs[0].client, raw);
		assert_string_equal(process_of(&a, 4)->comm, raw);
		analysed_free(&a);
	}
}

/* ---- damaged records ---- */

/* A file whose formats promise more than its records hold. */
static void test_short_records(void **state)
{
	struct analysed a;

	(void)state;
	/* Two events of one id: the later description holds, the records are the earlier's. */
	analyse(&a,
		"event foo 303 x:u4\n"
		"event p2p_dma_map 303 client:s provider:s type:u4 dma_addr:u8 size:u8\n"
		"10 0 foo x=5\n"
		"20 0 map client=c provider=p type=2 dma_addr=1 size=1\n",
		NULL);
	assert_int_equal(a.report.events[KIND_MAP] + a.analysis->other + a.analysis->damaged, 2);
	analysed_free(&a);
	/* The subject of an exit is a number where a name should be. */
	analyse(&a,
		"event sched_process_exit 306 sched: comm:u4 pid:i4\n"
		"10 0 exit comm=0xffff0001 pid=3\n",
		NULL);
	assert_int_equal(a.analysis->other, 1);
	analysed_free(&a);
}

/* ---- the slow and complete twin ---- */

static void test_view_agrees(void **state)
{
	static const char *const forms[] = { "", "endian big\n", "long 4\n",
					     "endian big\nlong 4\nversion 6\n" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		static struct event_view view;
		struct trace_file *file;
		struct schema *schema;
		struct merged merged;
		struct p2p_error err;
		struct merge merge;
		char script[700];
		int fd;

		snprintf(script, sizeof(script),
			 "%sevent p2p_dma_map 303 client:s provider:r type:i2 distance:i2 "
			 "dma_addr:u8 addr:p8 len:u4 comm:t16 pid:i4 extra:u1 more:i8\n"
			 "10 0 map client=c1 provider=p1 type=-3 distance=-1 dma_addr=0x123456789a "
			 "addr=0xffff1234 len=4096 comm=me pid=77 extra=200 more=-5 tid=5\n",
			 forms[i]);
		schema = schema_of(script, &file, &fd);
		assert_int_equal(merge_init(&merge, file, &err), 0);
		assert_int_equal(merge_next(&merge, &merged, &err), 1);
		event_view_read(&view, schema, merged.data, merged.length, file->big_endian);
		assert_false(view.damaged);
		assert_int_equal(view.kind, KIND_MAP);
		assert_int_equal(view.tid, 77);
		assert_string_equal(view.comm, "me");
		assert_string_equal(event_view_field(&view, "client")->text, "c1");
		assert_string_equal(event_view_field(&view, "provider")->text, "p1");
		assert_string_equal(event_view_field(&view, "type")->text, "TYPE_65533");
		assert_int_equal((int64_t)event_view_field(&view, "dist")->number, -1);
		assert_int_equal(event_view_field(&view, "dma_addr")->number, 0x123456789a);
		assert_int_equal(event_view_field(&view, "phys_addr")->number, 0xffff1234);
		assert_int_equal(event_view_field(&view, "size")->number, 4096);
		assert_int_equal(event_view_field(&view, "extra")->number, 200);
		assert_int_equal((int64_t)event_view_field(&view, "more")->number, -5);
		assert_null(event_view_field(&view, "pid"));
		assert_int_equal(view.count, 9);
		merge_destroy(&merge);
		done(schema, file, fd);
	}
}

/* Whatever the form of the file, the numbers are the same. */
static void test_every_form_of_file(void **state)
{
	static const char *const forms[] = {
		"",
		"version 6\n",
		"page 65536\n",
		"page 256\n",
		"compress zstd\n",
		"compress zlib\npage 512\n",
		"endian big\n",
		"endian big\nlong 4\nversion 6\n",
		"endian big\nlong 8\ncompress zstd\npage 256\n",
		"long 4\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char script[1500];
		struct analysed a;

		snprintf(script, sizeof(script),
			 "%sprivate liveness 1\nprivate tgid 5 5\ncmdline 5 five\nstats 0 0 0 9\n"
			 "event p2p_dma_map 303 client:s provider:s type:u4 dist:i4 dma_addr:u8 "
			 "size:u4\n"
			 "100 0 map client=c provider=p type=2 dist=4 dma_addr=0x10000 size=4096 "
			 "tid=5\n"
			 "99999999999 1 unmap client=c provider=p type=2 dma_addr=0x10000 "
			 "size=4096 tid=6\n"
			 "99999999999 0 alloc provider=p addr=0xffff800000000000 size=77 tid=5\n"
			 "100000000000 2 alloc provider=p addr=0 size=78 tid=5\n"
			 "lost 2 3\n"
			 "100000000001 2 map client=c provider=p type=1 dist=-1 dma_addr=1 size=7 "
			 "tid=5\n",
			 forms[i]);
		analyse(&a, script, NULL);
		assert_int_equal(a.report.total, 5);
		assert_int_equal(a.report.map_lifetimes.max, 99999999899);
		assert_int_equal(a.report.open_allocs, 1);
		assert_int_equal(a.report.open_alloc_bytes, 77);
		assert_int_equal(a.report.failed_allocs, 1);
		assert_int_equal(a.report.failed_maps, 1);
		assert_int_equal(a.analysis->lost, 12);
		assert_int_equal(a.analysis->damaged, 0);
		assert_false(a.analysis->truncated);
		assert_int_equal(pair_of(&a, "c", "p", "BUS_ADDR")->dist, 4);
		assert_int_equal(process_of(&a, 5)->maps, 2);
		assert_string_equal(process_of(&a, 5)->comm, "five");
		assert_int_equal(a.leaks.items[0].addr, 0xffff800000000000);
		analysed_free(&a);
	}
}

/* Buffers of several instances, in both versions. */
static void test_several_buffers(void **state)
{
	(void)state;
	for (int version = 6; version <= 7; version++) {
		char script[500];
		struct analysed a;

		snprintf(script, sizeof(script),
			 "version %d\n"
			 "100 0 map client=c provider=p type=2 dma_addr=1 size=1\n"
			 "buffer second\n"
			 "200 0 unmap client=c provider=p type=2 dma_addr=1 size=1\n"
			 "150 1 map client=c provider=p type=2 dma_addr=2 size=1\n",
			 version);
		analyse(&a, script, NULL);
		assert_int_equal(a.analysis->file->lane_count, 4);
		/* Version 6 names the main buffer last. */
		assert_string_equal(a.analysis->file->lanes[version == 6 ? 0 : 2].buffer, "second");
		assert_int_equal(a.report.total, 3);
		assert_int_equal(a.report.map_lifetimes.max, 100);
		assert_int_equal(a.report.open_maps, 1);
		analysed_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_symbols),
		cmocka_unit_test(test_damaged_symbols),
		cmocka_unit_test(test_no_format),
		cmocka_unit_test(test_damaged_fields),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_alias_order),
		cmocka_unit_test(test_type_names),
		cmocka_unit_test(test_guessed_types),
		cmocka_unit_test(test_names_of_every_length),
		cmocka_unit_test(test_names_of_ones),
		cmocka_unit_test(test_short_records),
		cmocka_unit_test(test_view_agrees),
		cmocka_unit_test(test_every_form_of_file),
		cmocka_unit_test(test_several_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
