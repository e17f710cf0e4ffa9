// SPDX-License-Identifier: GPL-2.0-or-later
/* Numbers and names for people and from people; options out of tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "p2ptrace/options.h"
#include "p2ptrace/text.h"

/* ---- safe text ---- */

static void check_safe(const char *text, const char *expected)
{
	char safe[256], *printed = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&printed, &size);

	assert_string_equal(text_safe(safe, sizeof(safe), text), expected);
	text_print_safe(out, text);
	fclose(out);
	if (!strchr(text, '\n'))
		assert_string_equal(printed, expected);
	free(printed);
}

static void test_safe(void **state)
{
	(void)state;
	check_safe("", "");
	check_safe("nvme0", "nvme0");
	check_safe("a b\tc", "a b\\x09c");
	check_safe("\033[31mred", "\\x1b[31mred");
	check_safe("a\nb", "a\\x0ab");
	check_safe("\177", "\\x7f");
	check_safe("gr\303\274n", "gr\303\274n");
	check_safe("\360\237\230\200", "\360\237\230\200");
	check_safe("\377\376", "\\xff\\xfe");
	check_safe("\303", "\\xc3");
	check_safe("\303(", "\\xc3(");
	check_safe("\300\200", "\\xc0\\x80"); /* overlong */
	check_safe("\340\200\200", "\\xe0\\x80\\x80");
	check_safe("\355\240\200", "\\xed\\xa0\\x80"); /* a surrogate */
	check_safe("\364\220\200\200", "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
	check_safe("\302\233", "\\xc2\\x9b"); /* CSI in one character */
	check_safe("\342\200\256x", "\\xe2\\x80\\xaex"); /* right-to-left override */
	check_safe("\342\201\251", "\\xe2\\x81\\xa9");
}

/* Cut to fit, never in the middle of anything. */
static void test_safe_cut(void **state)
{
	static const char text[] = "a\033b\303\274\377";

	(void)state;
	for (size_t room = 1; room < 20; room++) {
		char safe[32];

		memset(safe, '#', sizeof(safe));
		text_safe(safe, room, text);
		assert_true(strlen(safe) < room);
		assert_int_equal(safe[room], '#');
		assert_true(!strncmp(safe, "a\\x1bb\303\274\\xff", strlen(safe)));
	}
}

/* Newlines pass in messages of several lines, nothing else does. */
static void test_print_keeps_lines(void **state)
{
	char *printed = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&printed, &size);

	(void)state;
	text_print_safe(out, "one\ntwo\r\n");
	fclose(out);
	assert_string_equal(printed, "one\ntwo\\x0d\n");
	free(printed);
}

/* Every byte pair: what is shown is valid and without controls. */
static void test_safe_all_pairs(void **state)
{
	(void)state;
	for (int first = 1; first < 256; first++)
		for (int second = 0; second < 256; second++) {
			char text[3] = { (char)first, (char)second, '\0' }, safe[32];

			text_safe(safe, sizeof(safe), text);
			for (const unsigned char *at = (const unsigned char *)safe; *at;) {
				size_t length = text_utf8_length(at);

				assert_int_not_equal(length, 0);
				assert_true(*at >= 0x20 && *at != 0x7f);
				at += length;
			}
		}
}

/* ---- for people ---- */

static void check_forms(uint64_t number, const char *bytes, const char *duration, const char *count)
{
	char text[32];

	assert_string_equal(text_bytes(text, sizeof(text), number), bytes);
	assert_true(strlen(text) <= 10);
	assert_string_equal(text_duration(text, sizeof(text), number), duration);
	assert_string_equal(text_count(text, sizeof(text), number), count);
}

static void test_forms(void **state)
{
	(void)state;
	check_forms(0, "0 B", "0 ns", "0");
	check_forms(999, "999 B", "999 ns", "999");
	check_forms(1000, "1000 B", "1.00 us", "1,000");
	check_forms(1023, "1023 B", "1.02 us", "1,023");
	check_forms(1024, "1.0 KiB", "1.02 us", "1,024");
	check_forms(1234567, "1.2 MiB", "1.23 ms", "1,234,567");
	check_forms(1048575, "1.0 MiB", "1.05 ms", "1,048,575");
	check_forms(99950, "97.6 KiB", "100 us", "99,950");
	check_forms(999999, "976.6 KiB", "1.00 ms", "999,999");
	check_forms(1073741824, "1.0 GiB", "1.07 s", "1,073,741,824");
	check_forms(UINT64_MAX, "16.0 EiB", "18446744074 s", "18,446,744,073,709,551,615");
}

/* ---- from people ---- */

static void check_size(const char *text, int64_t expected)
{
	struct p2p_error err = { .text = "" };
	uint64_t bytes = 0;

	if (expected < 0) {
		if (!text_parse_size(text, 1024, &bytes, &err))
			fail_msg("'%s' was taken for %llu", text, (unsigned long long)bytes);
		assert_int_equal(err.status, P2P_USAGE);
		return;
	}
	assert_int_equal(text_parse_size(text, 1024, &bytes, &err), 0);
	assert_int_equal(bytes, expected);
}

static void test_sizes(void **state)
{
	static const char *const bad[] = { "",	  "k",	  "-1",	   "1x",  "1kk",
					   "1 k", "0x10", "nan",   "inf", "1e9999",
					   ".",	  "M1",	  "1kiBx", "+1",  "9000000T" };

	(void)state;
	check_size("8", 8192);
	check_size("8k", 8192);
	check_size("8KiB", 8192);
	check_size("8kb", 8192);
	check_size("512B", 512);
	check_size("1.5M", 1572864);
	check_size("2G", 2147483648);
	check_size("1t", 1099511627776);
	check_size("0", 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_size(bad[i], -1);
}

static void check_duration(const char *text, int64_t expected)
{
	struct p2p_error err = { .text = "" };
	uint64_t ns = 0;

	if (expected < 0) {
		if (!text_parse_duration(text, &ns, &err))
			fail_msg("'%s' was taken for %llu", text, (unsigned long long)ns);
		assert_int_equal(err.status, P2P_USAGE);
		return;
	}
	assert_int_equal(text_parse_duration(text, &ns, &err), 0);
	assert_int_equal(ns, expected);
}

static void test_durations(void **state)
{
	static const char *const bad[] = {
		"", "s", "-1s", "1w", "1 s", "1ss", "0x1", "1e300", "nan"
	};

	(void)state;
	check_duration("1d", 86400000000000);
	check_duration("1", 1000000000);
	check_duration("1.5", 1500000000);
	check_duration("250ms", 250000000);
	check_duration("1d", 86400000000000);
	check_duration("80us", 80000);
	check_duration("7ns", 7);
	check_duration("5m", 300000000000);
	check_duration("5min", 300000000000);
	check_duration("2h", 7200000000000);
	check_duration(".5s", 500000000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_duration(bad[i], -1);
}

static void test_numbers(void **state)
{
	static const char *const bad[] = {
		"", "x", "0x", "-1", "+1", " 1", "1 ", "1.0", "1,2", "f", "18446744073709551616"
	};
	struct p2p_error err;
	uint64_t value;

	(void)state;
	assert_int_equal(text_parse_u64("0", &value, &err), 0);
	assert_int_equal(text_parse_u64("18446744073709551615", &value, &err), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(text_parse_u64("0xFf", &value, &err), 0);
	assert_int_equal(value, 255);
	assert_int_equal(text_parse_u64("010", &value, &err), 0);
	assert_int_equal(value, 10);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (!text_parse_u64(bad[i], &value, &err))
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(err.status, P2P_USAGE);
	}
}

static void test_utf8_wanted(void **state)
{
	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	assert_true(text_utf8_wanted());
	setenv("LC_ALL", "C", 1);
	setenv("LANG", "de_DE.UTF-8", 1);
	assert_false(text_utf8_wanted());
	setenv("LC_ALL", "", 1);
	unsetenv("LC_CTYPE");
	assert_true(text_utf8_wanted());
	setenv("LANG", "de_DE.utf8", 1);
	assert_true(text_utf8_wanted());
	unsetenv("LANG");
	assert_false(text_utf8_wanted());
}

/* ---- options ---- */

struct inner {
	const char *name;
	uint64_t number;
};

struct outer {
	bool flag, other;
	uint64_t size, time;
	struct inner inner;
	char called[16];
};

static int call(void *field, const char *value, struct p2p_error *err)
{
	if (!strcmp(value, "bad"))
		return p2p_fail_usage(err, "no good");
	snprintf(field, 16, "%s", value);
	return 0;
}

static const struct option_spec inner_table[] = {
	{ OPTION_STRING, 'n', "name", "NAME", "a name", .offset = offsetof(struct inner, name) },
	{ OPTION_U64, 0, "number", "N", "a number", .offset = offsetof(struct inner, number) },
	{ .kind = OPTION_END },
};

static const struct option_spec table[] = {
	{ OPTION_FLAG, 'f', "flag", NULL, "a flag", .offset = offsetof(struct outer, flag) },
	{ OPTION_FLAG, 'o', NULL, NULL, "another", .offset = offsetof(struct outer, other) },
	{ OPTION_SIZE, 'b', "size", "SIZE", "a size", .offset = offsetof(struct outer, size),
	  .unit = 1024 },
	{ OPTION_DURATION, 'd', "time", "TIME", "a time", .offset = offsetof(struct outer, time) },
	{ .kind = OPTION_GROUP, .group = inner_table, .offset = offsetof(struct outer, inner) },
	{ OPTION_CALL, 'c', "call", "X", "a call", .offset = offsetof(struct outer, called),
	  .parse = call },
	{ .kind = OPTION_END },
};

#define WORDS_MAX 12

struct parsed {
	struct outer outer;
	char *argv[WORDS_MAX + 2], **rest;
	int rest_count, result;
	struct p2p_error err;
	char text[200];
};

/* "-f -b 5 word": parsed as a command line. */
static void parse(struct parsed *parsed, const char *line, bool stop_at_word)
{
	int argc = 1;
	char *save = NULL;

	*parsed = (struct parsed){ .result = 0 };
	snprintf(parsed->text, sizeof(parsed->text), "%s", line);
	parsed->argv[0] = parsed->text;
	for (char *word = strtok_r(parsed->text, " ", &save); word;
	     word = strtok_r(NULL, " ", &save))
		parsed->argv[argc++] = word;
	parsed->result = options_parse(argc, parsed->argv, table, stop_at_word, &parsed->outer,
				       &parsed->rest, &parsed->rest_count, &parsed->err);
}

static void test_forms_of_options(void **state)
{
	static const char *const lines[] = {
		"-f -b 5 -n me --number 0x10 -d 2s",
		"-fb5 -nme --number=0x10 -d2s",
		"--flag --size=5 --name me --number 16 --time=2",
		"-d 2 -fb 5K --name=me --number 16",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct parsed parsed;

		parse(&parsed, lines[i], false);
		assert_int_equal(parsed.result, 0);
		assert_true(parsed.outer.flag);
		assert_false(parsed.outer.other);
		assert_int_equal(parsed.outer.size, 5120);
		assert_int_equal(parsed.outer.time, 2000000000);
		assert_string_equal(parsed.outer.inner.name, "me");
		assert_int_equal(parsed.outer.inner.number, 16);
		assert_int_equal(parsed.rest_count, 0);
	}
}

static void check_rest(const char *line, bool stop_at_word, const char *expected)
{
	struct parsed parsed;
	char rest[200] = "";

	parse(&parsed, line, stop_at_word);
	assert_int_equal(parsed.result, 0);
	for (int i = 0; i < parsed.rest_count; i++) {
		strcat(rest, parsed.rest[i]);
		strcat(rest, "|");
	}
	assert_string_equal(rest, expected);
}

static void test_words(void **state)
{
	(void)state;
	check_rest("a -f b", false, "a|b|");
	check_rest("a -- -f b", false, "a|-f|b|");
	check_rest("-f sh -c exit", true, "sh|-c|exit|");
	check_rest("-f -- -x y", true, "-x|y|");
	check_rest("-", false, "-|");
	check_rest("--", false, "");
	check_rest("-n - x", false, "x|");
}

static void test_wrong_options(void **state)
{
	static const struct {
		const char *line, *words;
	} wrong[] = {
		{ "-x", "unknown option -x" },
		{ "-fx", "unknown option -x" },
		{ "--nothing", "unknown option --nothing" },
		{ "--fla", "unknown option --fla" },
		{ "--flags", "unknown option" },
		{ "--flag=1", "takes no value" },
		{ "-b", "-b needs SIZE" },
		{ "--size", "--size needs SIZE" },
		{ "-b 5q", "-b: '5q' is not a size" },
		{ "--number=x", "--number: 'x'" },
		{ "--time=", "--time: ''" },
		{ "--=5", "unknown option --" },
		{ "-c bad", "-c: no good" },
		{ "-o -", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct parsed parsed;

		parse(&parsed, wrong[i].line, false);
		if (!wrong[i].words) {
			assert_int_equal(parsed.result, 0);
			continue;
		}
		assert_int_equal(parsed.result, -1);
		assert_int_equal(parsed.err.status, P2P_USAGE);
		if (!strstr(parsed.err.text, wrong[i].words))
			fail_msg("%s: '%s'", wrong[i].line, parsed.err.text);
	}
}

static void test_help(void **state)
{
	struct parsed parsed;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	parse(&parsed, "-f --help", false);
	assert_int_equal(parsed.err.status, P2P_HELP);
	parse(&parsed, "-h", true);
	assert_int_equal(parsed.err.status, P2P_HELP);
	parse(&parsed, "sh -h", true); /* the command's own */
	assert_int_equal(parsed.result, 0);
	options_print_help(out, table);
	fclose(out);
	assert_non_null(strstr(text, "  -f, --flag                   a flag\n"));
	assert_non_null(strstr(text, "  -o                           another\n"));
	assert_non_null(strstr(text, "      --number N               a number\n"));
	free(text);
	out = open_memstream(&text, &size);
	options_print_words(out, table);
	fclose(out);
	assert_string_equal(text, "--flag\n-o\n--size\n--time\n--name\n--number\n--call\n");
	free(text);
}

/* ---- errors ---- */

static void test_errors(void **state)
{
	struct p2p_error err = { 0 };
	char many[3000];

	(void)state;
	assert_int_equal(p2p_fail(&err, "cannot %s", "fly"), -1);
	assert_int_equal(err.status, P2P_CANNOT);
	p2p_error_prefix(&err, "pig %d", 7);
	assert_string_equal(err.text, "pig 7: cannot fly");
	p2p_fail_usage(&err, "x");
	p2p_error_prefix(&err, "y");
	assert_int_equal(err.status, P2P_USAGE);
	memset(many, 'a', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	p2p_fail(&err, "%s", many);
	p2p_error_prefix(&err, "%s", many);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_safe),
		cmocka_unit_test(test_safe_cut),
		cmocka_unit_test(test_print_keeps_lines),
		cmocka_unit_test(test_safe_all_pairs),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_utf8_wanted),
		cmocka_unit_test(test_forms_of_options),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_wrong_options),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
