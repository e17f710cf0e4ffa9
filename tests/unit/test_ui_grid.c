// SPDX-License-Identifier: GPL-2.0-or-later
/* The grid of cells: nothing that is drawn leaves its place.  Bars and sparklines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <locale.h>

#include "p2ptrace/bars.h"
#include "p2ptrace/ui_grid.h"

static struct ui_grid grid;

static int begin(void **state)
{
	(void)state;
	grid.utf8 = true;
	return ui_grid_resize(&grid, 20, 3) ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	ui_grid_free(&grid);
	return 0;
}

static void expect_row(int y, const char *expected)
{
	char row[256];

	assert_string_equal(ui_grid_row(&grid, y, row, sizeof(row)), expected);
}

/* Draws at column 5 of 8 columns between two walls: the walls must stand. */
static void expect_kept(const char *text, const char *expected, int columns)
{
	ui_grid_clear(&grid);
	ui_put(&grid, 4, 1, 1, STYLE_NORMAL, "|");
	ui_put(&grid, 13, 1, 1, STYLE_NORMAL, "|");
	assert_int_equal(ui_put(&grid, 5, 1, 8, STYLE_NORMAL, text), columns);
	expect_row(1, expected);
	expect_row(0, "");
	expect_row(2, "");
	assert_int_equal(ui_cell_at(&grid, 4, 1)->character, '|');
	assert_int_equal(ui_cell_at(&grid, 13, 1)->character, '|');
}

static void test_plain_and_cut(void **state)
{
	(void)state;
	expect_kept("abc", "    |abc     |", 3);
	expect_kept("abcdefghij", "    |abcdefgh|", 8);
	assert_int_equal(ui_put(&grid, 18, 0, 10, STYLE_NORMAL, "xyz"), 2);
	expect_row(0, "                  xy");
	assert_int_equal(ui_put(&grid, 20, 0, 1, STYLE_NORMAL, "x"), 0);
	assert_int_equal(ui_put(&grid, 0, 3, 1, STYLE_NORMAL, "x"), 0);
	assert_int_equal(ui_put(&grid, -1, -1, 1, STYLE_NORMAL, "x"), 0);
	assert_int_equal(ui_put(&grid, 0, 0, -4, STYLE_NORMAL, "x"), 0);
}

static void test_controls_are_shown(void **state)
{
	(void)state;
	expect_kept("\033[2J", "    |\\x1b[2J |", 7);
	expect_kept("a\nb", "    |a\\x0ab  |", 6);
	expect_kept("\t", "    |\\x09    |", 4);
	expect_kept("a\x7f"
		    "b",
		    "    |a\\x7fb  |", 6);
	expect_kept("\xc2\x9b"
		    "1m",
		    "    |\\xc2\\x9b|", 8);
	/* An escape is drawn whole or not at all. */
	expect_kept("abcde\r", "    |abcde   |", 5);
}

static void test_broken_utf8_is_shown(void **state)
{
	(void)state;
	expect_kept("\xff", "    |\\xff    |", 4);
	expect_kept("\xc3", "    |\\xc3    |", 4);
	expect_kept("\xed\xa0\x80", "    |\\xed\\xa0|", 8);
}

static void test_wide_characters_take_two(void **state)
{
	(void)state;
	expect_kept("日本", "    |日本    |", 4);
	expect_kept("abcdefg日", "    |abcdefg |", 7);
	/* What is drawn over one half takes the other away. */
	ui_grid_clear(&grid);
	ui_put(&grid, 0, 0, 6, STYLE_NORMAL, "日本");
	ui_put(&grid, 1, 0, 1, STYLE_NORMAL, "x");
	expect_row(0, " x本");
	ui_put(&grid, 2, 0, 1, STYLE_NORMAL, "y");
	expect_row(0, " xy");
}

static void test_marks_stay_with_their_cell(void **state)
{
	(void)state;
	expect_kept("e\xcc\x81g", "    |e\xcc\x81g      |", 2);
	/* As many as there is room for, and none without a character before them. */
	expect_kept("e\xcc\x81\xcc\x82\xcc\x83g", "    |e\xcc\x81\xcc\x82g      |", 2);
	expect_kept("\xcc\x81g", "    |g       |", 1);
}

static void test_disputed_widths_are_shown_as_bytes(void **state)
{
	(void)state;
	expect_kept("a\xe2\x80\x8d", "    |a\\xe2   |", 5); /* zero width joiner */
	expect_kept("\xe2\x80\xae", "    |\\xe2\\x80|", 8); /* right-to-left override */
	expect_kept("\xef\xb8\x8f", "    |\\xef\\xb8|", 8); /* variation selector */
}

static void test_ascii_only(void **state)
{
	(void)state;
	grid.utf8 = false;
	expect_kept("\xc3\xa9", "    |\\xc3\\xa9|", 8);
	ui_put_cut(&grid, 0, 0, 4, STYLE_NORMAL, "abcdef");
	expect_row(0, "abc~");
}

static void test_cut_is_marked(void **state)
{
	(void)state;
	assert_int_equal(ui_put_cut(&grid, 0, 0, 4, STYLE_NORMAL, "abcdef"), 4);
	expect_row(0, "abc…");
	assert_int_equal(ui_put_cut(&grid, 0, 1, 6, STYLE_NORMAL, "abcdef"), 6);
	expect_row(1, "abcdef");
	assert_int_equal(ui_put_cut(&grid, 0, 2, 4, STYLE_NORMAL, "ab日本"), 3);
	expect_row(2, "ab…");
}

static void test_from_a_column(void **state)
{
	(void)state;
	assert_int_equal(ui_put_from(&grid, 0, 0, 4, STYLE_NORMAL, "abcdefgh", 3), 4);
	expect_row(0, "defg");
	assert_int_equal(ui_put_from(&grid, 0, 1, 4, STYLE_NORMAL, "abc", 9), 0);
}

static void test_styles(void **state)
{
	(void)state;
	ui_put(&grid, 2, 0, 5, STYLE_DIRECT, "ab");
	ui_mark(&grid, 0, 0, 3, STYLE_SELECTED);
	assert_int_equal(ui_cell_at(&grid, 0, 0)->style, STYLE_SELECTED);
	assert_int_equal(ui_cell_at(&grid, 2, 0)->style, STYLE_DIRECT | STYLE_SELECTED);
	assert_int_equal(ui_cell_at(&grid, 3, 0)->style, STYLE_DIRECT);
	ui_blank(&grid, -3, 0, 100, STYLE_HEADING);
	assert_int_equal(ui_cell_at(&grid, 19, 0)->style, STYLE_HEADING);
	ui_mark(&grid, 0, 7, 3, STYLE_SELECTED);
}

static void test_bars(void **state)
{
	char bar[64];

	(void)state;
	assert_int_equal(bar_text(bar, sizeof(bar), 0.5, 4, true), 2);
	assert_string_equal(bar, "██");
	assert_int_equal(bar_text(bar, sizeof(bar), 0.0001, 4, true), 1);
	assert_string_equal(bar, "▏");
	assert_int_equal(bar_text(bar, sizeof(bar), 7, 4, false), 4);
	assert_string_equal(bar, "####");
	assert_int_equal(bar_text(bar, sizeof(bar), -1, 4, false), 0);
	assert_string_equal(bar, "");
	assert_int_equal(bar_text(bar, 4, 1, 4, true), 4); /* never beyond its room */
	assert_string_equal(bar, "█");
}

static void test_sparklines(void **state)
{
	static const uint64_t values[] = { 0, 1, 500, 1000, 2000 };
	char line[64];

	(void)state;
	assert_string_equal(sparkline_text(line, sizeof(line), values, 5, 1000, true), " ▁▄██");
	assert_string_equal(sparkline_text(line, sizeof(line), values, 5, 1000, false), " .-##");
	assert_string_equal(sparkline_text(line, sizeof(line), values, 5, 0, false), "     ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_plain_and_cut, begin, end),
		cmocka_unit_test_setup_teardown(test_controls_are_shown, begin, end),
		cmocka_unit_test_setup_teardown(test_broken_utf8_is_shown, begin, end),
		cmocka_unit_test_setup_teardown(test_wide_characters_take_two, begin, end),
		cmocka_unit_test_setup_teardown(test_marks_stay_with_their_cell, begin, end),
		cmocka_unit_test_setup_teardown(test_disputed_widths_are_shown_as_bytes, begin,
						end),
		cmocka_unit_test_setup_teardown(test_ascii_only, begin, end),
		cmocka_unit_test_setup_teardown(test_cut_is_marked, begin, end),
		cmocka_unit_test_setup_teardown(test_from_a_column, begin, end),
		cmocka_unit_test_setup_teardown(test_styles, begin, end),
		cmocka_unit_test(test_bars),
		cmocka_unit_test(test_sparklines),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
