// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "p2ptrace/filter.h"

#define COMMON                                                                 \
	"name: x\nID: 1\nformat:\n"                                            \
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n" \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
#define TEXT(name) "\tfield:__data_loc char[] " name ";\toffset:8;\tsize:4;\tsigned:1;\n"
#define NUMBER(name) "\tfield:u64 " name ";\toffset:16;\tsize:8;\tsigned:0;\n"
#define PRINT "\nprint fmt: \"\"\n"

static void check(const struct filter_spec *spec, enum event_kind kind, const char *format,
		  const char *expected, bool expect_unfiltered)
{
	struct p2p_error err = { .text = "" };
	char filter[FILTER_ROOM];
	bool unfiltered;

	assert_int_equal(filter_build(spec, kind, format, filter, &unfiltered, &err), 0);
	assert_string_equal(filter, expected);
	assert_int_equal(unfiltered, expect_unfiltered);
}

static void check_refused(const struct filter_spec *spec, const char *words)
{
	struct p2p_error err = { .text = "" };
	char filter[FILTER_ROOM];
	bool unfiltered;

	assert_int_equal(filter_build(spec, KIND_MAP, COMMON TEXT("client") TEXT("provider") PRINT,
				      filter, &unfiltered, &err),
			 -1);
	assert_int_equal(err.status, P2P_USAGE);
	if (!strstr(err.text, words))
		fail_msg("'%s' does not say '%s'", err.text, words);
}

static const char map_format[] = COMMON TEXT("client") TEXT("provider") NUMBER("size") PRINT;

static void test_beginnings_only(void **state)
{
	(void)state;
	assert_true(filter_applies(KIND_ALLOC));
	assert_true(filter_applies(KIND_MAP));
	assert_true(filter_applies(KIND_TYPE_CHANGE));
	assert_false(filter_applies(KIND_FREE));
	assert_false(filter_applies(KIND_UNMAP));
	assert_false(filter_applies(KIND_EXIT));
}

static void test_nothing(void **state)
{
	(void)state;
	check(&(struct filter_spec){ 0 }, KIND_MAP, map_format, "", false);
}

static void test_names(void **state)
{
	(void)state;
	check(&(struct filter_spec){ .provider = "p2p_mem" }, KIND_MAP, map_format,
	      "(provider == \"p2p_mem\")", false);
	check(&(struct filter_spec){ .provider = "03:00.0" }, KIND_MAP, map_format,
	      "(provider == \"03:00.0\" || provider == \"0000:03:00.0\")", false);
	check(&(struct filter_spec){ .client = "a,b" }, KIND_MAP, map_format,
	      "(client == \"a\" || client == \"b\")", false);
}

/* The kernel reads "0000:*" as an index. */
static void test_patterns(void **state)
{
	(void)state;
	check(&(struct filter_spec){ .client = "nvme*" }, KIND_MAP, map_format,
	      "(client ~ \"nvme*\")", false);
	check(&(struct filter_spec){ .client = "0000:0?:*" }, KIND_MAP, map_format,
	      "(client ~ \"[0]000:0?:*\")", false);
	check(&(struct filter_spec){ .client = "03:00.*" }, KIND_MAP, map_format,
	      "(client ~ \"[0]3:00.*\" || client ~ \"[0]000:03:00.*\")", false);
}

static void test_all_together(void **state)
{
	const struct filter_spec spec = { .provider = "p", .client = "c", .kernel = "size > 4096" };

	(void)state;
	check(&spec, KIND_MAP, map_format,
	      "(size > 4096) && (provider == \"p\") && (client == \"c\")", false);
	/* An allocation has no client. */
	check(&spec, KIND_ALLOC, COMMON TEXT("provider") NUMBER("size") PRINT,
	      "(size > 4096) && (provider == \"p\")", false);
}

static void test_aliases(void **state)
{
	const struct filter_spec spec = { .provider = "p", .client = "c" };

	(void)state;
	check(&spec, KIND_MAP, COMMON TEXT("dev") TEXT("p2p_dev") PRINT,
	      "(p2p_dev == \"p\") && (dev == \"c\")", false);
	check(&spec, KIND_ALLOC, COMMON TEXT("dev") PRINT, "(dev == \"p\")", false);
}

/* The task's name is always there: the kernel has one of its own. */
static void test_comm(void **state)
{
	const struct filter_spec spec = { .comm = "nvme,rd*" };

	(void)state;
	check(&spec, KIND_MAP, map_format, "(COMM == \"nvme\" || COMM ~ \"rd*\")", false);
	check(&spec, KIND_ALLOC, COMMON TEXT("comm") PRINT, "(comm == \"nvme\" || comm ~ \"rd*\")",
	      false);
}

static void test_absent_or_number(void **state)
{
	const struct filter_spec spec = { .provider = "p" };

	(void)state;
	check(&spec, KIND_MAP, COMMON TEXT("client") PRINT, "", true);
	check(&spec, KIND_MAP, COMMON TEXT("client") NUMBER("provider") PRINT, "", true);
}

static void test_refused(void **state)
{
	char many[2 * FILTER_ROOM];

	(void)state;
	check_refused(&(struct filter_spec){ .client = "" }, "empty");
	check_refused(&(struct filter_spec){ .client = "a,,b" }, "empty");
	check_refused(&(struct filter_spec){ .client = "a," }, "empty");
	check_refused(&(struct filter_spec){ .client = "a\"b" }, "no possible name");
	check_refused(&(struct filter_spec){ .client = "a\\b" }, "no possible name");
	check_refused(&(struct filter_spec){ .client = "a\nb" }, "no possible name");
	memset(many, 'a', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	check_refused(&(struct filter_spec){ .client = many }, "too long");
	for (size_t i = 10; i < sizeof(many) - 2; i += 10)
		many[i] = ',';
	check_refused(&(struct filter_spec){ .client = many }, "longer than the kernel takes");
	check_refused(&(struct filter_spec){ .kernel = many }, "longer than the kernel takes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_beginnings_only),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_all_together),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_comm),
		cmocka_unit_test(test_absent_or_number),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
