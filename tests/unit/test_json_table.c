// SPDX-License-Identifier: GPL-2.0-or-later
/* JSON and tables, as text, CSV and JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "p2ptrace/table.h"

struct output {
	FILE *out;
	char *text;
	size_t size;
};

static void begin(struct output *output)
{
	*output = (struct output){ 0 };
	output->out = open_memstream(&output->text, &output->size);
}

static void expect(struct output *output, const char *expected)
{
	fclose(output->out);
	assert_string_equal(output->text, expected);
	free(output->text);
}

/* ---- JSON ---- */

static void test_json_values(void **state)
{
	struct output output;
	struct json json;

	(void)state;
	begin(&output);
	json_init(&json, output.out, true);
	json_object(&json, NULL);
	json_u64(&json, "u", UINT64_MAX);
	json_i64(&json, "i", INT64_MIN);
	json_double(&json, "d", 0.1);
	json_double(&json, "nan", NAN);
	json_double(&json, "inf", INFINITY);
	json_bool(&json, "b", true);
	json_null(&json, "n");
	json_address(&json, "a", 0xfff);
	json_text(&json, "t", NULL);
	json_array(&json, "l");
	json_u64(&json, NULL, 1);
	json_object(&json, NULL);
	json_end_object(&json);
	json_array(&json, NULL);
	json_end_array(&json);
	json_end_array(&json);
	json_end_object(&json);
	expect(&output,
	       "{\"u\":18446744073709551615,\"i\":-9223372036854775808,\"d\":0.1,\"nan\":null,"
	       "\"inf\":null,\"b\":true,\"n\":null,\"a\":\"0xfff\",\"t\":null,\"l\":[1,{},[]]}\n");
}

static void check_text(const char *text, const char *expected)
{
	struct output output;
	struct json json;

	begin(&output);
	json_init(&json, output.out, true);
	json_array(&json, NULL);
	json_text(&json, NULL, text);
	json_end_array(&json);
	expect(&output, expected);
}

static void test_json_texts(void **state)
{
	(void)state;
	check_text("a\"b\\c/", "[\"a\\\"b\\\\c/\"]\n");
	check_text("\n\033\177", "[\"\\u000a\\u001b\\u007f\"]\n");
	check_text("\303\274", "[\"\303\274\"]\n");
	check_text("a\377b\303", "[\"a\\ufffdb\\ufffd\"]\n");
	check_text("\355\240\200", "[\"\\ufffd\\ufffd\\ufffd\"]\n");
}

static void test_json_lines(void **state)
{
	struct output output;
	struct json json;

	(void)state;
	begin(&output);
	for (int i = 0; i < 2; i++) {
		json_init(&json, output.out, true);
		json_object(&json, NULL);
		json_i64(&json, "i", i);
		json_end_object(&json);
	}
	expect(&output, "{\"i\":0}\n{\"i\":1}\n");
}

/* ---- tables ---- */

struct row {
	const char *name;
	uint64_t count, bytes, time;
	int64_t number;
	double share;
	const struct histogram *life;
};

static const struct column columns[] = {
	{ CELL_TEXT, "name", "NAME", offsetof(struct row, name), IN_ALL },
	{ CELL_COUNT, "count", "COUNT", offsetof(struct row, count), IN_ALL },
	{ CELL_BYTES, "bytes", "BYTES", offsetof(struct row, bytes), IN_ALL },
	{ CELL_DURATION, "time_ns", "TIME", offsetof(struct row, time), IN_WIDE },
	{ CELL_NUMBER, "number", "N", offsetof(struct row, number), IN_CSV | IN_JSON },
	{ CELL_SHARE, "share", "SHARE", offsetof(struct row, share), IN_ALL },
	{ CELL_P50, "p50", "P50", offsetof(struct row, life), IN_WIDE },
	{ CELL_HISTOGRAM, "life_ns", "", offsetof(struct row, life), IN_JSON },
	{ .kind = CELL_END },
};

static struct histogram some_life;

static const struct row rows[] = {
	{ "one", 1234, 2048, 5000, -1, 0.25, &some_life },
	{ NULL, 0, NOT_KNOWN, NOT_KNOWN, NUMBER_NOT_KNOWN, NAN, NULL },
	{ "l\303\274ng\033", 7, 0, 0, 3, 1, NULL },
};

static struct table make_table(const char *wanted)
{
	return (struct table){ columns, rows, 3, sizeof(rows[0]), wanted };
}

static int prepare(void **state)
{
	(void)state;
	return histogram_add(&some_life, 50) && histogram_add(&some_life, 60) ? 0 : -1;
}

static int clean(void **state)
{
	(void)state;
	histogram_free(&some_life);
	return 0;
}

/* UTF-8 sequences are one column wide; what is not known is a dash. */
static void test_text(void **state)
{
	struct table table = make_table(NULL);
	struct output output;

	(void)state;
	begin(&output);
	table_print_text(&table, output.out, 0);
	expect(&output, "NAME      COUNT    BYTES     TIME    SHARE    P50\n"
			"one       1,234  2.0 KiB  5.00 us   25.0 %  50 ns\n"
			"-             0        -        -        -      -\n"
			"l\303\274ng\\x1b      7      0 B     0 ns  100.0 %      -\n");
	begin(&output);
	table_print_text(&table, output.out, 1);
	expect(&output, "NAME  COUNT    BYTES     TIME   SHARE    P50\n"
			"one   1,234  2.0 KiB  5.00 us  25.0 %  50 ns\n"
			"... and 2 more (--top 0 shows all)\n");
}

static void test_csv(void **state)
{
	struct table table = make_table(NULL);
	struct output output;

	(void)state;
	begin(&output);
	table_print_csv(&table, output.out);
	expect(&output, "name,count,bytes,time_ns,number,share,p50\n"
			"one,1234,2048,5000,-1,0.25,50\n"
			",0,,,,,\n"
			"l\303\274ng\\x1b,7,0,0,3,1,\n");
}

static void check_csv(const char *text, const char *expected)
{
	struct output output;

	begin(&output);
	table_print_csv_text(output.out, text);
	expect(&output, expected);
}

/* Quotes as RFC 4180 has them; and no spreadsheet runs what a process calls itself. */
static void test_csv_texts(void **state)
{
	(void)state;
	check_csv("plain", "plain");
	check_csv("", "\"\""); /* an empty name is not an unknown one */
	check_csv("a,b", "\"a,b\"");
	check_csv("say \"hi\"", "\"say \"\"hi\"\"\"");
	check_csv("=1+1", "\"'=1+1\"");
	check_csv("+1", "\"'+1\"");
	check_csv("-1", "\"'-1\"");
	check_csv("@SUM(A1)", "\"'@SUM(A1)\"");
	check_csv("\t=1", "\\x09=1");
	check_csv("a\nb", "a\\x0ab");
	check_csv("a\rb", "a\\x0db");
}

static void test_json_table(void **state)
{
	struct table table = make_table("name,life_ns");
	struct output output;
	struct json json;

	(void)state;
	begin(&output);
	json_init(&json, output.out, true);
	json_object(&json, NULL);
	table_print_json(&table, &json, "rows");
	json_end_object(&json);
	expect(&output,
	       "{\"rows\":[{\"name\":\"one\",\"life_ns\":{\"count\":2,\"min\":50,\"mean\":55,"
	       "\"p50\":50,\"p90\":60,\"p99\":60,\"p999\":60,\"max\":60}},"
	       "{\"name\":null,\"life_ns\":null},"
	       "{\"name\":\"l\303\274ng\\u001b\",\"life_ns\":null}]}\n");
}

static void test_empty_histogram(void **state)
{
	struct histogram empty = { 0 };
	struct output output;
	struct json json;

	(void)state;
	begin(&output);
	json_init(&json, output.out, true);
	json_array(&json, NULL);
	json_histogram(&json, NULL, &empty);
	json_end_array(&json);
	expect(&output, "[{\"count\":0,\"min\":null,\"mean\":null,\"p50\":null,\"p90\":null,"
			"\"p99\":null,\"p999\":null,\"max\":null}]\n");
}

static void test_wanted(void **state)
{
	struct table table = make_table("count,name");
	struct p2p_error err;
	struct output output;

	(void)state;
	assert_int_equal(table_check_wanted(&table, IN_TEXT, &err), 0);
	begin(&output);
	table_print_csv(&table, output.out);
	expect(&output, "count,name\n1234,one\n0,\n7,l\303\274ng\\x1b\n");
	table.wanted = "count,nothing";
	assert_int_equal(table_check_wanted(&table, IN_TEXT, &err), -1);
	assert_int_equal(err.status, P2P_USAGE);
	assert_non_null(strstr(err.text, "nothing"));
}

/* Texts upwards, numbers downwards, what is not known last. */
static void test_order(void **state)
{
	static const struct {
		const char *key;
		int one_two, one_three;
	} cases[] = { { "name", 1, 1 },	   { "count", -1, -1 }, { "bytes", -1, -1 },
		      { "number", -1, 1 }, { "share", 0, 1 },	{ "p50", -1, -1 } };

	(void)state;
	assert_null(table_column(columns, "nothing"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct column *column = table_column(columns, cases[i].key);
		int two = table_compare(column, &rows[0], &rows[1]);
		int three = table_compare(column, &rows[0], &rows[2]);

		if (strcmp(cases[i].key, "share"))
			assert_int_equal((two > 0) - (two < 0), cases[i].one_two);
		assert_int_equal((three > 0) - (three < 0), cases[i].one_three);
		assert_int_equal(table_compare(column, &rows[0], &rows[0]), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_values), cmocka_unit_test(test_json_texts),
		cmocka_unit_test(test_json_lines),  cmocka_unit_test(test_text),
		cmocka_unit_test(test_csv),	    cmocka_unit_test(test_csv_texts),
		cmocka_unit_test(test_json_table),  cmocka_unit_test(test_empty_histogram),
		cmocka_unit_test(test_wanted),	    cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, prepare, clean);
}
