// SPDX-License-Identifier: GPL-2.0-or-later
/* The live view without a terminal: layout at several sizes, and what the keys do, over
 * pictures that are made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <locale.h>
#include <math.h>

#include "p2ptrace/ui.h"

enum { PAIRS = 60, EVENTS = 30 };

static struct live_snapshot shot;
static struct live_pair pairs[PAIRS];
static struct live_process processes[3];
static struct live_event events[EVENTS];
static struct leak leaks[2];
static struct live_pool pools[1];
static char clients[PAIRS][16];
static struct ui_state ui;
static struct ui_grid grid;

static struct histogram_summary unknown_lifetime(void)
{
	return (struct histogram_summary){ .count = NOT_KNOWN,
					   .min = NOT_KNOWN,
					   .max = NOT_KNOWN,
					   .p50 = NOT_KNOWN,
					   .p90 = NOT_KNOWN,
					   .p99 = NOT_KNOWN,
					   .p999 = NOT_KNOWN };
}

/* Pair i: client 0000:II:00.0, i maps of 4096 bytes each, the last one of them refused. */
static void make_pairs(void)
{
	for (int i = 0; i < PAIRS; i++) {
		snprintf(clients[i], sizeof(clients[i]), "0000:%02x:00.0", i + 1);
		pairs[i] = (struct live_pair){
			.client = clients[i],
			.provider = i % 2 ? "0000:81:00.0" : "0000:80:00.0",
			.type = i == PAIRS - 1 ? "NOT_SUPPORTED"
				: i % 2	       ? "BUS_ADDR"
					       : "THRU_HOST_BRIDGE",
			.dist = i,
			.maps = (uint64_t)i * 7 % 50,
			.bytes = (uint64_t)i * 4096,
			.lifetime = unknown_lifetime(),
		};
	}
}

static void make_events(void)
{
	static char times[EVENTS][16];

	for (int i = 0; i < EVENTS; i++) {
		snprintf(times[i], sizeof(times[i]), "%d.5", i);
		events[i] = (struct live_event){ .number = (uint64_t)i,
						 .time = times[i],
						 .event = "p2p_dma_map",
						 .kind = KIND_MAP,
						 .pid = 42,
						 .comm = "worker",
						 .client = "c",
						 .provider = "p",
						 .type = "BUS_ADDR",
						 .size = 4096,
						 .count = NOT_KNOWN };
	}
}

static void make_head(void)
{
	shot.head = (struct live_head){ .host = "lab7",
					.kernel = "6.12.0",
					.events_from = "tracepoint",
					.system = "p2pdma",
					.clock = "mono",
					.progress = NAN,
					.duration_ns = 5000000000,
					.interval_ns = 1000000000,
					.events = 123456,
					.maps = 2153,
					.bytes = 3ull << 30,
					.events_per_s = 1234,
					.bytes_per_s = 5ull << 20,
					.lost = 17,
					.bus_addr_ratio = 0.75,
					.bus_addr_ratio_now = NAN,
					.open_maps = 12,
					.open_map_bytes = 3ull << 20,
					.kept_bytes = 4096,
					.kept_max = 1 << 20 };
	shot.history_count = 20;
	for (int i = 0; i < 20; i++)
		shot.history[i].maps[MAP_TYPE_BUS_ADDR] = (uint64_t)i * 100;
}

static int begin(void **state)
{
	(void)state;
	memset(&shot, 0, sizeof(shot));
	make_head();
	make_pairs();
	make_events();
	processes[0] = (struct live_process){
		.pid = 42, .comm = "worker", .maps = 10, .bus_addr = 9, .not_supported = 1
	};
	processes[1] = (struct live_process){ .pid = 7, .comm = "\033[2J\nevil", .maps = 5 };
	processes[2] = (struct live_process){ .pid = -2, .comm = "[others]", .maps = 1 };
	pools[0] = (struct live_pool){ .provider = "0000:80:00.0",
				       .size = 1 << 20,
				       .available = 1 << 19,
				       .lifetime = unknown_lifetime() };
	leaks[0] = (struct leak){ .verdict = VERDICT_LEAKED,
				  .verdict_name = "leaked",
				  .kind = "map",
				  .pid = 42,
				  .comm = "worker",
				  .provider = "0000:81:00.0",
				  .client = clients[1],
				  .type = "BUS_ADDR",
				  .bytes = 777,
				  .age = 5000000,
				  .count = 1,
				  .why = "its process is gone" };
	leaks[1] = leaks[0];
	leaks[1].pid = 7;
	leaks[1].addr = 4096;
	shot.pairs = pairs;
	shot.pair_count = PAIRS;
	shot.processes = processes;
	shot.process_count = 3;
	shot.pools = pools;
	shot.pool_count = 1;
	shot.events = events;
	shot.event_count = EVENTS;
	shot.leaks = leaks;
	shot.leak_count = 2;
	ui_init(&ui, true);
	ui_resize(&ui, &shot, 80, 24);
	return 0;
}

static int end(void **state)
{
	(void)state;
	ui_free(&ui);
	ui_grid_free(&grid);
	return 0;
}

/* ---- looking ---- */

static void draw(void)
{
	assert_true(ui_draw(&ui, &shot, &grid));
	assert_int_equal(grid.width, ui.width);
	assert_int_equal(grid.height, ui.height);
}

/* The first row, from `from` on, that contains a text; -1. */
static int find(const char *text, int from)
{
	char row[4096];

	for (int y = from; y < grid.height; y++)
		if (strstr(ui_grid_row(&grid, y, row, sizeof(row)), text))
			return y;
	return -1;
}

static void expect(const char *text)
{
	draw();
	if (find(text, 0) < 0) {
		ui_grid_print(&grid, stderr);
		fail_msg("'%s' is not on the screen", text);
	}
}

static void expect_none(const char *text)
{
	draw();
	if (find(text, 0) >= 0) {
		ui_grid_print(&grid, stderr);
		fail_msg("'%s' is on the screen", text);
	}
}

static void expect_row(int y, const char *text)
{
	char row[4096];

	draw();
	if (!strstr(ui_grid_row(&grid, y, row, sizeof(row)), text)) {
		ui_grid_print(&grid, stderr);
		fail_msg("row %d has no '%s'", y, text);
	}
}

static int selected(void)
{
	draw();
	for (int y = 0; y < grid.height - 1; y++)
		if (ui_cell_at(&grid, 0, y)->style & STYLE_SELECTED)
			return y;
	return -1;
}

static int style_of(const char *text)
{
	int y;
	char row[4096], *at;

	draw();
	y = find(text, 0);
	assert_true(y >= 0);
	at = strstr(ui_grid_row(&grid, y, row, sizeof(row)), text);
	*at = '\0';
	return ui_cell_at(&grid, ui_width(&grid, row), y)->style;
}

static void press(int key)
{
	ui_press(&ui, &shot, key);
}

static void type(const char *text)
{
	for (; *text; text++)
		press(*text);
}

static void sort_by(const char *key)
{
	struct table table;

	assert_true(ui_panel_table(ui.panel, &shot, &table));
	press('>');
	expect("Sort by");
	press(UI_KEY_HOME);
	for (const struct column *column = table.columns; column->kind; column++) {
		if (column_is_one_number(column))
			press(UI_KEY_DOWN);
		if (!strcmp(column->key, key))
			break;
	}
	press(UI_KEY_ENTER);
	assert_int_equal(ui.mode, MODE_PANEL);
	assert_string_equal(ui.lists[ui.panel].sort->key, key);
}

/* ---- layout ---- */

static void test_head(void **state)
{
	(void)state;
	expect_row(0, "tracepoint p2pdma");
	expect_row(0, "lab7  6.12.0  mono");
	expect_row(1, "Events 1,234/s");
	expect_row(1, "Bytes 5.0 MiB/s");
	expect_row(1, "Lost 17");
	expect_row(1, "Seen 123,456");
	expect_row(2, "[██████████▌   ] 75.0 %");
	expect_row(3, "BUS_ADDR");
	expect_row(3, "1,800/s"); /* the last whole second */
	expect_row(3, "peak 1,900/s");
	expect_row(5, "NOT_SUPPORTED");
	ui_resize(&ui, &shot, 120, 40);
	expect_row(0, "host lab7  kernel 6.12.0  clock mono");
	expect_none("NONE");
	shot.history[3].maps[MAP_TYPE_NONE] = 5;
	ui_show(&ui, &shot);
	expect_row(7, "NONE");
	ui_resize(&ui, &shot, 80, 24);
	expect_none("NONE");
	assert_int_equal(style_of("17") & 0x1f, STYLE_BAD);
	assert_int_equal(style_of("BUS_ADDR"), STYLE_DIRECT);
}

static void test_every_size(void **state)
{
	static const struct {
		int width, height;
	} sizes[] = { { 80, 24 },   { 120, 40 }, { 200, 60 }, { 300, 100 },
		      { 1000, 24 }, { 80, 400 }, { 81, 25 } };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int panel = 0; panel < PANELS - 1; panel++) {
			ui_resize(&ui, &shot, sizes[i].width, sizes[i].height);
			press('1' + panel);
			draw();
			expect_row(1, "Seen 123,456");
			expect_row(sizes[i].height - 1, "F10Quit");
			assert_int_equal(style_of("Pairs"),
					 panel == PANEL_PAIRS ? STYLE_TAB_OPEN : STYLE_TAB);
		}
}

static void test_too_small(void **state)
{
	static const int sizes[][2] = { { 40, 10 }, { 79, 24 }, { 80, 23 }, { 1, 1 },
					{ 2, 50 },  { 0, 0 },	{ -5, 7 } };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ui_resize(&ui, &shot, sizes[i][0], sizes[i][1]);
		draw();
		for (int key = 0; key < 200; key++)
			if (key != 'q')
				press(key);
		press(UI_KEY_DOWN);
		assert_int_equal(ui.wish, WISH_NONE);
		draw();
		press('q');
		assert_int_equal(ui.wish, WISH_QUIT);
	}
	ui_resize(&ui, &shot, 40, 10);
	expect("too small");
	expect("40x10, needs 80x24");
	ui_resize(&ui, &shot, 80, 24);
	expect("0000:01:00.0");
}

static void test_wide_screens_show_more_columns(void **state)
{
	(void)state;
	expect_none("PEAK");
	ui_resize(&ui, &shot, 300, 40);
	expect("PEAK");
}

static void test_columns_scroll_and_the_first_stay(void **state)
{
	(void)state;
	expect_row(7, "TYPE");
	press(UI_KEY_RIGHT);
	expect_row(7, "CLIENT");
	expect_row(7, "PROVIDER");
	draw();
	assert_true(find("TYPE", 7) < 0 || find("TYPE", 7) > 7);
	for (int i = 0; i < 100; i++)
		press(UI_KEY_RIGHT);
	expect_row(7, "CLIENT");
	for (int i = 0; i < 100; i++)
		press(UI_KEY_LEFT);
	expect_row(7, "TYPE");
}

static void test_ascii(void **state)
{
	(void)state;
	ui.utf8 = false;
	processes[0].comm = "caf\xc3\xa9";
	for (int panel = 0; panel < PANELS; panel++) {
		press('1' + panel);
		draw();
		for (int i = 0; i < grid.width * grid.height; i++)
			assert_in_range(grid.cells[i].character, ' ', '~');
	}
	expect_row(2, "[###########   ]");
	expect_row(3, "#");
	press('2');
	expect("caf\\xc3\\xa9");
}

static void test_hostile_names(void **state)
{
	(void)state;
	press('2');
	expect("\\x1b[2J\\x0aevil");
	press(UI_KEY_DOWN);
	press(UI_KEY_ENTER);
	expect("\\x1b[2J\\x0aevil");
	pairs[3].client = "\033]0;x\007\xe2\x80\xae";
	pairs[4].type = "\033[31mRED\r\n";
	processes[0].comm = "日本語日本語";
	press('q');
	ui_show(&ui, &shot);
	for (int panel = 0; panel < PANELS; panel++) {
		press('1' + panel);
		draw();
		for (int i = 0; i < grid.width * grid.height; i++)
			assert_true(!grid.cells[i].character || grid.cells[i].character >= ' ');
	}
}

static void test_nothing_seen(void **state)
{
	const char *notes[] = { "The kernel has no events of P2PDMA: load the module p2ptrace." };

	(void)state;
	shot.pair_count = 0;
	shot.notes = notes;
	shot.note_count = 1;
	ui_show(&ui, &shot);
	expect("No mapping between two devices has been seen yet.");
	expect("load the module p2ptrace.");
	for (int key = UI_KEY_UP; key < UI_KEY_F_LAST; key++)
		if (key != UI_KEY_F0 + 10)
			press(key);
	draw();
}

static void test_counters_only(void **state)
{
	static const char long_note[] =
		"a long note that has to be broken into lines because it does not fit into one of "
		"them, and goes on for a while, and goes on";
	const char *notes[] = { "no events, only counters: see 'p2ptrace doctor'", long_note,
				"a\nb\nc", "no room for this" };
	struct live_counter counter = {
		.layer = "debugfs", .name = "total_mappings", .value = 5, .per_s = 2
	};

	(void)state;
	shot.head.source = LIVE_COUNTERS;
	shot.notes = notes;
	shot.note_count = 4;
	shot.counters = &counter;
	shot.counter_count = 1;
	press('8');
	expect_row(1, "No events");
	expect_row(3, "see 'p2ptrace doctor'");
	expect_row(4, "a long note");
	expect_none("no room for this");
	expect("total_mappings");
	expect_none("BUS_ADDR");
}

/* ---- moving ---- */

static void test_arrows_and_pages(void **state)
{
	int top = 8;

	(void)state;
	assert_int_equal(selected(), top);
	press(UI_KEY_UP);
	assert_int_equal(selected(), top);
	press(UI_KEY_DOWN);
	press(UI_KEY_DOWN);
	assert_int_equal(selected(), top + 2);
	expect_row(selected(), "0000:03:00.0");
	press(UI_KEY_END);
	expect_row(selected(), "0000:3c:00.0");
	assert_int_equal(selected(), 22);
	press(UI_KEY_DOWN);
	expect_row(selected(), "0000:3c:00.0");
	press(UI_KEY_HOME);
	expect_row(selected(), "0000:01:00.0");
	press(UI_KEY_PAGE_DOWN);
	expect_row(selected(), "0000:0f:00.0");
	press(UI_KEY_PAGE_UP);
	expect_row(selected(), "0000:01:00.0");
}

static void test_panels(void **state)
{
	(void)state;
	press('\t');
	assert_int_equal(ui.panel, PANEL_PROCESSES);
	expect("worker");
	press(UI_KEY_BACK_TAB);
	press(UI_KEY_BACK_TAB);
	assert_int_equal(ui.panel, PANEL_COUNTERS);
	press('\t');
	assert_int_equal(ui.panel, PANEL_PAIRS);
	press(UI_KEY_F0 + 8);
	assert_int_equal(ui.panel, PANEL_PROCESSES);
	press(UI_KEY_F0 + 7);
	press('5');
	assert_int_equal(ui.panel, PANEL_EVENTS);
	/* The latest is the first. */
	expect_row(8, "29.5");
}

static void test_the_selected_row_is_followed(void **state)
{
	struct live_pair moved;

	(void)state;
	press(UI_KEY_DOWN);
	expect_row(selected(), "0000:02:00.0");
	moved = pairs[1];
	memmove(pairs + 1, pairs + 2, 8 * sizeof(*pairs));
	pairs[9] = moved;
	ui_show(&ui, &shot);
	expect_row(selected(), "0000:02:00.0");
	/* The first row is a place, not a row. */
	press(UI_KEY_HOME);
	moved = pairs[0];
	pairs[0] = pairs[5];
	pairs[5] = moved;
	ui_show(&ui, &shot);
	assert_int_equal(selected(), 8);
	expect_row(selected(), "0000:07:00.0");
}

static void test_fewer_rows_than_before(void **state)
{
	(void)state;
	press(UI_KEY_END);
	shot.pair_count = 3;
	ui_show(&ui, &shot);
	expect_row(selected(), "0000:03:00.0");
	shot.pair_count = 0;
	ui_show(&ui, &shot);
	draw();
	press(UI_KEY_ENTER);
	assert_int_equal(ui.mode, MODE_PANEL);
}

/* ---- order ---- */

static void test_sort_by_every_column(void **state)
{
	struct table table;

	(void)state;
	for (int panel = 0; panel < PANELS; panel++) {
		press('1' + panel);
		if (!ui_panel_table(ui.panel, &shot, &table))
			continue;
		for (const struct column *column = table.columns; column->kind; column++) {
			if (!column_is_one_number(column))
				continue;
			sort_by(column->key);
			for (size_t i = 1; i < ui.shown; i++) {
				const char *rows = table.rows;
				const char *one = rows + ui.order[i - 1] * table.row_bytes;
				const char *next = rows + ui.order[i] * table.row_bytes;

				assert_true(table_compare(column, one, next) <= 0);
			}
		}
	}
}

static void test_sort_and_invert(void **state)
{
	(void)state;
	sort_by("maps");
	expect_row(8, "0000:08:00.0"); /* 7 * 7 of 50 */
	assert_int_equal(style_of("CLIENT"), STYLE_HEADING);
	press('I');
	expect_row(8, "0000:33:00.0"); /* 50 * 7 % 50: none, and of those the last */
	press('I');
	sort_by("dist");
	assert_int_equal(style_of("DIST"), STYLE_HEADING_SORT);
	expect_row(8, "0000:3c:00.0");
	sort_by("failed"); /* no column of the screen: it becomes one */
	for (int i = 0; i < 20; i++)
		press(UI_KEY_RIGHT);
	expect_row(7, "FAILED");
	press('>');
	press(UI_KEY_HOME);
	press(UI_KEY_ENTER);
	assert_null(ui.lists[PANEL_PAIRS].sort);
	press('<');
	press(UI_KEY_ESCAPE);
	assert_int_equal(ui.mode, MODE_PANEL);
	expect_row(8, "0000:01:00.0");
}

/* ---- filter, search ---- */

static void test_filter(void **state)
{
	(void)state;
	press(UI_KEY_F0 + 4);
	type("host_br");
	assert_int_equal(ui.shown, PAIRS / 2);
	press(UI_KEY_BACKSPACE);
	press(UI_KEY_CONTROL('U'));
	assert_int_equal(ui.shown, PAIRS);
	type("00:3c|00:02:");
	assert_int_equal(ui.shown, 2);
	expect_row(23, "Filter: 00:3c|00:02:");
	press(UI_KEY_ENTER);
	expect("2 of 60: 00:3c|00:02:");
	expect_row(8, "0000:02:00.0");
	expect_row(9, "0000:3c:00.0");
	/* Another filter that is left undone. */
	press('\\');
	press(UI_KEY_CONTROL('U'));
	type("nothing has this");
	expect("None of 60 rows");
	press(UI_KEY_ESCAPE);
	assert_int_equal(ui.shown, 2);
	press(UI_KEY_ESCAPE);
	assert_int_equal(ui.shown, PAIRS);
}

static void test_search(void **state)
{
	(void)state;
	press('/');
	type("00:2a");
	expect_row(23, "Search: 00:2a");
	press(UI_KEY_ENTER);
	expect_row(selected(), "0000:2a:00.0");
	assert_true(ui_cell_at(&grid, 5, selected())->style & STYLE_FOUND);
	press('/');
	type("81:00");
	press(UI_KEY_F0 + 3);
	press(UI_KEY_ENTER);
	expect_row(selected(), "0000:2c:00.0");
	press('n');
	expect_row(selected(), "0000:2e:00.0");
	press('N');
	press('N');
	expect_row(selected(), "0000:2a:00.0");
	press('/');
	type("no such thing");
	expect_row(23, "nothing has 'no such thing'");
	press(UI_KEY_ENTER);
	press('n');
	expect_row(23, "nothing has 'no such thing'");
	press(UI_KEY_DOWN);
	expect_row(23, "F10Quit");
}

static void test_lines_take_utf8_and_no_controls(void **state)
{
	(void)state;
	press('/');
	press(0xe9);
	press(0x65e5);
	press(0x1f600);
	press(1);
	press(0x9b);
	press(UI_KEY_LEFT);
	assert_string_equal(ui.line, "é日😀");
	press(UI_KEY_BACKSPACE);
	assert_string_equal(ui.line, "é日");
	for (int i = 0; i < 1000; i++)
		press('x');
	assert_true(strlen(ui.line) < sizeof(ui.line));
	draw();
	press(UI_KEY_CONTROL('W'));
	assert_string_equal(ui.line, "");
	press(UI_KEY_BACKSPACE);
	assert_string_equal(ui.line, "");
}

/* ---- pages ---- */

static void test_details_of_a_pair(void **state)
{
	static struct histogram histogram;

	(void)state;
	histogram_add(&histogram, 1500);
	pairs[1].histogram = &histogram;
	pairs[2].client = pairs[1].client;
	pairs[2].provider = pairs[1].provider;
	ui_show(&ui, &shot);
	press(UI_KEY_DOWN);
	press(UI_KEY_ENTER);
	assert_int_equal(ui.wish, WISH_EXPLAIN);
	assert_string_equal(ui.subject.client, "0000:02:00.0");
	assert_string_equal(ui.subject.provider, "0000:81:00.0");
	ui_explained(&ui, &shot, strdup("because of the \033[31mbridge\033[0m\n\033[2J"));
	ui_resize(&ui, &shot, 100, 70);
	expect("Pairs: details");
	expect("Maps between the two, by type");
	expect("THRU_HOST_BRIDGE");
	expect("1 lifetimes, mean 1.50 us");
	expect("because of the bridge");
	expect("\\x1b[2J");
	assert_int_equal(style_of("bridge"), STYLE_REFUSED);
	expect("Outstanding, the oldest first");
	expect("777 B");
	/* It stays with its pair, and says when that is gone. */
	memmove(pairs, pairs + 1, sizeof(*pairs));
	ui_show(&ui, &shot);
	expect("Maps between the two");
	shot.pair_count = 0;
	ui_show(&ui, &shot);
	expect("no longer in the picture");
	press('q');
	assert_int_equal(ui.mode, MODE_PANEL);
	assert_int_equal(ui.wish, WISH_NONE);
	histogram_free(&histogram);
}

static void test_details_of_a_process(void **state)
{
	(void)state;
	ui_resize(&ui, &shot, 100, 90);
	press('2');
	press(UI_KEY_F0 + 5);
	assert_int_equal(ui.wish, WISH_LIFETIMES);
	assert_int_equal(ui.subject.pid, 42);
	assert_true(histogram_add(&ui.subject.maps, 1500));
	ui_show(&ui, &shot);
	expect("Its mappings: 1 lifetimes, mean 1.50 us");
	expect_none("Its allocations");
	expect("Maps by type");
	expect("777 B");
	expect("Its latest events");
	expect("29.5");
	draw();
	/* What another process left open is not shown here. */
	assert_true(find("777 B", find("777 B", 0) + 1) < 0);
	press(UI_KEY_END);
	press(UI_KEY_F0 + 10);
	assert_int_equal(ui.wish, WISH_QUIT);
}

static void test_details_everywhere(void **state)
{
	(void)state;
	for (int panel = 0; panel < PANELS; panel++) {
		press('1' + panel);
		press(UI_KEY_ENTER);
		draw();
		press(UI_KEY_PAGE_DOWN);
		press(UI_KEY_END);
		draw();
		press(UI_KEY_HOME);
		press(UI_KEY_ESCAPE);
		assert_int_equal(ui.mode, MODE_PANEL);
	}
}

static void test_help_has_every_key(void **state)
{
	(void)state;
	ui_resize(&ui, &shot, 80, 60);
	press('?');
	for (size_t i = 0; i < ui_binding_count; i++)
		expect(ui_bindings[i].shown);
	press('h');
	press(UI_KEY_ESCAPE);
	assert_int_equal(ui.mode, MODE_PANEL);
	/* From a page of details help comes back to it. */
	press(UI_KEY_ENTER);
	press(UI_KEY_F0 + 1);
	expect("Help");
	press('q');
	assert_int_equal(ui.mode, MODE_DETAILS);
	press('q');
	assert_int_equal(ui.mode, MODE_PANEL);
	press('q');
	assert_int_equal(ui.wish, WISH_QUIT);
}

static void test_search_in_a_text(void **state)
{
	(void)state;
	press('?');
	press('/');
	type("trace.dat");
	press(UI_KEY_ENTER);
	assert_int_equal(ui.mode, MODE_HELP);
	expect("trace.dat");
	press(UI_KEY_END);
	assert_int_equal(ui.page.top + 16, ui.text.count);
}

/* ---- the rest ---- */

static void test_pause(void **state)
{
	(void)state;
	expect_none("PAUSED");
	press(' ');
	assert_true(ui.paused);
	expect_row(0, "PAUSED");
	press(UI_KEY_F0 + 9);
	assert_false(ui.paused);
}

static void test_write(void **state)
{
	(void)state;
	press('w');
	expect_row(23, "Write to: p2ptrace-live.dat");
	press(UI_KEY_CONTROL('U'));
	type("/tmp/x y.dat");
	assert_int_equal(ui.wish, WISH_NONE);
	press(UI_KEY_ENTER);
	assert_int_equal(ui.wish, WISH_WRITE);
	assert_string_equal(ui.line, "/tmp/x y.dat");
	ui_say(&ui, true, "cannot write %s", "\033[31m");
	expect_row(23, "cannot write \\x1b[31m");
	press('w');
	press(UI_KEY_ESCAPE);
	assert_int_equal(ui.wish, WISH_NONE);
	shot.head.kept_max = 0;
	press('w');
	expect_row(23, "nothing was kept");
}

static void test_matrix(void **state)
{
	const char *providers[] = { "0000:80:00.0" }, *provider_labels[] = { "nvme0" };
	const char *names[] = { "a", "b", "c", "d", "e", "f", "g" };
	const char *labels[] = { "eth0", "card0", "card1", "card2", "card3", "card4", "card5" };
	struct live_cell cells[7] = {
		{ .predicted = "BUS_ADDR", .observed = "BUS_ADDR", .maps = 12345 },
		{ .predicted = "BUS_ADDR" },
		{ .predicted = "BUS_ADDR",
		  .observed = "THRU_HOST_BRIDGE",
		  .maps = 3,
		  .mixed = true },
		{ .predicted = NULL },
	};

	(void)state;
	shot.matrix = (struct live_matrix){ .providers = providers,
					    .provider_labels = provider_labels,
					    .clients = names,
					    .client_labels = labels,
					    .provider_count = 1,
					    .client_count = 7,
					    .cells = cells,
					    .predicted = true };
	press('6');
	expect_row(7, "eth0");
	expect_row(8, "nvme0");
	expect_row(8, "BUS 12k");
	expect_row(8, "HOST!+ 3");
	assert_int_equal(style_of("BUS 12k"), STYLE_DIRECT | STYLE_LIT);
	assert_int_equal(style_of("HOST!+"), STYLE_BRIDGE | STYLE_LIT);
	expect("clients 1 to 5 of 7");
	press(UI_KEY_RIGHT);
	expect("clients 2 to 6 of 7");
	for (int i = 0; i < 10; i++)
		press(UI_KEY_RIGHT);
	expect_row(7, "card5");
	draw();
	assert_true(find("eth0", 0) < 0);
	expect("clients 3 to 7 of 7");
	press(UI_KEY_LEFT);
	expect("clients 2 to 6 of 7");
	ui_resize(&ui, &shot, 300, 24);
	expect("eth0");
	expect_none("clients 1");
}

static void test_findings(void **state)
{
	char title[] = "40 maps were refused", evidence[] = "pair a, b";
	struct finding finding = { .severity = SEVERITY_BAD,
				   .id = "refused-maps",
				   .title = title,
				   .evidence = evidence,
				   .cause = "the rule",
				   .remedy = "move it" };

	(void)state;
	press('7');
	expect("Nothing to complain of");
	shot.findings = (struct findings){ .items = &finding, .count = 1 };
	ui_show(&ui, &shot);
	expect("40 maps were refused");
	expect("remedy    move it");
}

/* Any keys in any order, on any size: no crash, every cell a character. */
static void test_random_keys(void **state)
{
	uint32_t random = 12345;

	(void)state;
	for (int i = 0; i < 4000; i++) {
		int key;

		random = random * 1664525 + 1013904223;
		key = random >> 16 & 1 ? (int)(random >> 20) % 128
				       : UI_KEY_UP + (int)(random >> 20) % 25;
		if (random >> 17 & 1 && !(i % 50))
			ui_resize(&ui, &shot, (int)(random >> 20) % 200, (int)(random >> 24) % 80);
		shot.pair_count = random >> 18 & 1 ? PAIRS : random >> 27;
		press(key);
		draw();
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_head),
		TEST(test_every_size),
		TEST(test_too_small),
		TEST(test_wide_screens_show_more_columns),
		TEST(test_columns_scroll_and_the_first_stay),
		TEST(test_ascii),
		TEST(test_hostile_names),
		TEST(test_nothing_seen),
		TEST(test_counters_only),
		TEST(test_arrows_and_pages),
		TEST(test_panels),
		TEST(test_the_selected_row_is_followed),
		TEST(test_fewer_rows_than_before),
		TEST(test_sort_by_every_column),
		TEST(test_sort_and_invert),
		TEST(test_filter),
		TEST(test_search),
		TEST(test_lines_take_utf8_and_no_controls),
		TEST(test_details_of_a_pair),
		TEST(test_details_of_a_process),
		TEST(test_details_everywhere),
		TEST(test_help_has_every_key),
		TEST(test_search_in_a_text),
		TEST(test_pause),
		TEST(test_write),
		TEST(test_matrix),
		TEST(test_findings),
		TEST(test_random_keys),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
