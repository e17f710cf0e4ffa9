// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "p2ptrace/bars.h"
#include "p2ptrace/text.h"
#include "parts.h"

enum { BAR = 20, NARROW_BAR = 14, NARROW = 100, TYPE_WIDTH = 18, RATE_WIDTH = 14, PEAK_WIDTH = 20 };

/* A line that is filled from the left; what does not fit whole is left out. */
struct pen {
	struct ui_grid *grid;
	int x, y, end;
};

static void pen_put(struct pen *pen, int style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void pen_put(struct pen *pen, int style, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (pen->x + ui_width(pen->grid, text) <= pen->end)
		pen->x += ui_put(pen->grid, pen->x, pen->y, pen->end - pen->x, style, text);
}

/* "Name value  ": both or none. */
static void pen_item(struct pen *pen, const char *name, int style, const char *value)
{
	int needed = ui_width(pen->grid, name) + 1 + ui_width(pen->grid, value);

	if (pen->x + needed > pen->end)
		return;
	pen_put(pen, STYLE_TITLE, "%s ", name);
	pen_put(pen, style, "%s", value);
	pen->x += 2;
}

static const char *count_or_dash(char *to, size_t room, uint64_t count, const char *unit)
{
	char number[32];

	if (count == NOT_KNOWN)
		snprintf(to, room, "-");
	else
		snprintf(to, room, "%s%s", text_count(number, sizeof(number), count), unit);
	return to;
}

static const char *bytes_or_dash(char *to, size_t room, uint64_t bytes, const char *unit)
{
	char number[32];

	if (bytes == NOT_KNOWN)
		snprintf(to, room, "-");
	else
		snprintf(to, room, "%s%s", text_bytes(number, sizeof(number), bytes), unit);
	return to;
}

/* ---- the first line: of what this is a picture ---- */

static const char *file_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path ? path : "a recording";
}

static void source_words(const struct live_head *head, char *to, size_t room)
{
	if (head->source == LIVE_COUNTERS)
		snprintf(to, room, "counters only");
	else if (head->source == LIVE_REPLAY)
		snprintf(to, room, "replay of %s", file_name(head->file));
	else
		snprintf(to, room, "%s%s%s", head->events_from ? head->events_from : "events",
			 head->system ? " " : "", head->system ? head->system : "");
}

static void draw_state(const struct ui_state *ui, const struct live_head *head, struct pen *pen)
{
	char words[64] = "", time[32] = "";
	time_t seconds = (time_t)(head->wall_ns / 1000000000u);
	struct tm local;
	int style = STYLE_WARNING, width;

	if (ui->paused)
		snprintf(words, sizeof(words), "PAUSED ");
	else if (head->source == LIVE_REPLAY && head->ended)
		snprintf(words, sizeof(words), "ENDED ");
	else if (head->source == LIVE_REPLAY && isfinite(head->progress))
		snprintf(words, sizeof(words), "%.0f %% ", head->progress * 100);
	else
		style = STYLE_NORMAL;
	if (head->wall_ns && localtime_r(&seconds, &local))
		strftime(time, sizeof(time), "%H:%M:%S", &local);
	width = (int)(strlen(words) + strlen(time));
	pen->x = pen->end - width;
	pen_put(pen, style, "%s", words);
	pen_put(pen, STYLE_NORMAL, "%s", time);
	pen->end -= width + 1;
}

/* On a narrow screen it has to do without its name. */
static void draw_fact(struct pen *pen, const char *name, const char *fact)
{
	char safe[96];

	if (!fact)
		return;
	text_safe(safe, sizeof(safe), fact);
	if (pen->grid->width >= NARROW) {
		pen_item(pen, name, STYLE_NORMAL, safe);
		return;
	}
	pen_put(pen, STYLE_NORMAL, "%s", safe);
	pen->x += 2;
}

static void draw_what(const struct ui_state *ui, const struct live_head *head, struct ui_grid *grid)
{
	struct pen pen = { grid, 0, 0, ui->width };
	char words[160], safe[160];

	draw_state(ui, head, &pen);
	pen.x = 1;
	pen_put(&pen, STYLE_BOLD, "p2ptrace live  ");
	source_words(head, words, sizeof(words));
	pen_put(&pen, STYLE_NORMAL, "%s  ", text_safe(safe, sizeof(safe), words));
	draw_fact(&pen, "host", head->host);
	draw_fact(&pen, "kernel", head->kernel);
	draw_fact(&pen, "clock", head->clock);
}

/* ---- the second: how much ---- */

static void lost_words(const struct live_head *head, char *to, size_t room)
{
	char count[32];

	if (!head->lost && head->lost_uncounted)
		snprintf(to, room, "some");
	else
		snprintf(to, room, "%s%s", text_count(count, sizeof(count), head->lost),
			 head->lost_uncounted ? "+" : "");
}

static void draw_rates(const struct ui_state *ui, const struct live_head *head,
		       struct ui_grid *grid)
{
	struct pen pen = { grid, 1, 1, ui->width };
	bool lost = head->lost || head->lost_uncounted;
	char value[64];

	if (head->source == LIVE_COUNTERS) {
		pen_put(&pen, STYLE_WARNING, "No events: only what the kernel counts is shown.");
		return;
	}
	pen_item(&pen, "Events", STYLE_BOLD,
		 count_or_dash(value, sizeof(value), head->events_per_s, "/s"));
	pen_item(&pen, "Bytes", STYLE_BOLD,
		 bytes_or_dash(value, sizeof(value), head->bytes_per_s, "/s"));
	lost_words(head, value, sizeof(value));
	pen_item(&pen, "Lost", lost ? STYLE_BAD : STYLE_BOLD, value);
	pen_item(&pen, "Seen", STYLE_BOLD, count_or_dash(value, sizeof(value), head->events, ""));
	pen_item(&pen, "Moved", STYLE_BOLD, bytes_or_dash(value, sizeof(value), head->bytes, ""));
	if (head->duration_ns != NOT_KNOWN)
		pen_item(&pen, "in", STYLE_BOLD,
			 text_duration(value, sizeof(value), head->duration_ns));
	if (head->let_go)
		pen_item(&pen, "Let go", STYLE_WARNING,
			 count_or_dash(value, sizeof(value), head->let_go, ""));
	if (head->kept_max)
		pen_item(&pen, head->kept_cut ? "Kept the last" : "Kept", STYLE_NORMAL,
			 bytes_or_dash(value, sizeof(value), head->kept_bytes, ""));
}

/* ---- the third: how much of it directly, and what is open ---- */

static void draw_ratio(const struct live_head *head, struct pen *pen)
{
	char bar[BAR_BYTES(BAR)];
	double ratio = isfinite(head->bus_addr_ratio) ? head->bus_addr_ratio : 0;
	bool narrow = pen->grid->width < NARROW;
	int width = narrow ? NARROW_BAR : BAR;

	bar_text(bar, sizeof(bar), ratio, width, pen->grid->utf8);
	pen_put(pen, STYLE_TITLE, "Direct ");
	pen_put(pen, STYLE_NORMAL, "[");
	ui_put(pen->grid, pen->x, pen->y, width, STYLE_DIRECT, bar);
	pen->x += width;
	pen_put(pen, STYLE_NORMAL, "]");
	if (isfinite(head->bus_addr_ratio))
		pen_put(pen, STYLE_BOLD, " %.1f %%", ratio * 100);
	else
		pen_put(pen, STYLE_DIM, " -");
	if (isfinite(head->bus_addr_ratio_now) && !narrow)
		pen_put(pen, STYLE_NORMAL, ", now %.1f %%", head->bus_addr_ratio_now * 100);
	pen->x += 2;
}

/* "12 maps 3.0 MiB": nothing of a kind that is unknown. */
static void open_words(char *to, size_t room, uint64_t count, uint64_t bytes)
{
	char number[32], size[32];

	snprintf(to, room, "%s%s%s", text_count(number, sizeof(number), count),
		 bytes == NOT_KNOWN ? "" : " of ",
		 bytes == NOT_KNOWN ? "" : text_bytes(size, sizeof(size), bytes));
}

static void draw_direct(const struct ui_state *ui, const struct live_head *head,
			struct ui_grid *grid)
{
	struct pen pen = { grid, 1, 2, ui->width };
	char value[96];

	draw_ratio(head, &pen);
	if (head->source == LIVE_COUNTERS)
		return;
	open_words(value, sizeof(value), head->open_maps, head->open_map_bytes);
	pen_item(&pen, "Open maps", STYLE_BOLD, value);
	open_words(value, sizeof(value), head->open_allocs, head->open_alloc_bytes);
	pen_item(&pen, "allocs", STYLE_BOLD, value);
}

/* ---- a line for each map type: its rate over the last minutes ---- */

/* The seconds of the history, as many in one column as needed. */
struct course {
	const struct live_snapshot *shot;
	size_t columns, each; /* seconds in a column */
	uint64_t most; /* of any type, per second */
};

/* The last second is not over. */
static size_t whole_seconds(const struct live_snapshot *shot)
{
	return shot->history_count && !shot->head.ended ? shot->history_count - 1
							: shot->history_count;
}

/* Maps per second in a column; columns end with the latest second. */
static uint64_t course_value(const struct course *course, int type, size_t column)
{
	size_t seconds = whole_seconds(course->shot), behind = course->columns - 1 - column;
	size_t last = behind * course->each < seconds ? seconds - behind * course->each : 0;
	size_t first = last > course->each ? last - course->each : 0;
	uint64_t sum = 0;

	for (size_t i = first; i < last; i++)
		sum += course->shot->history[i].maps[type];
	return last > first ? (sum + (last - first) - 1) / (last - first) : 0;
}

static uint64_t course_peak(const struct course *course, int type)
{
	uint64_t most = 0;

	for (size_t i = 0; i < course->shot->history_count; i++)
		if (course->shot->history[i].maps[type] > most)
			most = course->shot->history[i].maps[type];
	return most;
}

static void draw_type(const struct ui_state *ui, const struct course *course, int type, int y,
		      struct ui_grid *grid)
{
	const char *name = map_type_name((uint8_t)type);
	uint64_t values[LIVE_HISTORY];
	char line[BAR_BYTES(LIVE_HISTORY)], number[32], text[64];
	size_t seconds = whole_seconds(course->shot);
	int x = ui->width - PEAK_WIDTH;

	ui_put(grid, 1, y, TYPE_WIDTH, type_style(name), name);
	if (seconds)
		snprintf(text, sizeof(text), "%*s/s", RATE_WIDTH - 4,
			 text_count(number, sizeof(number),
				    course->shot->history[seconds - 1].maps[type]));
	else
		snprintf(text, sizeof(text), "%*s", RATE_WIDTH - 2, "-");
	ui_put(grid, TYPE_WIDTH, y, RATE_WIDTH, STYLE_NORMAL, text);
	for (size_t i = 0; i < course->columns; i++)
		values[i] = course_value(course, type, i);
	sparkline_text(line, sizeof(line), values, course->columns, course->most, ui->utf8);
	ui_put(grid, TYPE_WIDTH + RATE_WIDTH, y, (int)course->columns, type_style(name), line);
	snprintf(text, sizeof(text), " peak %s/s",
		 text_count(number, sizeof(number), course_peak(course, type)));
	ui_put(grid, x, y, PEAK_WIDTH, STYLE_DIM, text);
}

static void draw_course(const struct ui_state *ui, const struct live_snapshot *shot,
			struct ui_grid *grid)
{
	static const int types[] = { MAP_TYPE_BUS_ADDR, MAP_TYPE_THRU_HOST_BRIDGE,
				     MAP_TYPE_NOT_SUPPORTED, MAP_TYPE_UNKNOWN, MAP_TYPE_NONE };
	int room = ui->width - TYPE_WIDTH - RATE_WIDTH - PEAK_WIDTH;
	size_t columns = room < LIVE_HISTORY ? (size_t)room : LIVE_HISTORY;
	struct course course = { .shot = shot, .columns = columns };

	course.each = (whole_seconds(shot) + columns - 1) / columns;
	course.each = course.each ? course.each : 1;
	for (int type = 0; type < MAP_TYPES_KNOWN; type++)
		for (size_t column = 0; column < columns; column++) {
			uint64_t value = course_value(&course, type, column);

			course.most = value > course.most ? value : course.most;
		}
	for (int i = 0; i < head_height(ui) - 3; i++)
		draw_type(ui, &course, types[i], 3 + i, grid);
}

/* Without events there are no rates, but something to say: why, and what to do. */
static void draw_notes(const struct ui_state *ui, const struct live_snapshot *shot,
		       struct ui_grid *grid)
{
	int y = 3;

	for (size_t i = 0; i < shot->note_count && y < head_height(ui); i++)
		y = draw_paragraph(ui, grid, y, head_height(ui), STYLE_NOTE, shot->notes[i]);
}

void draw_head(const struct ui_state *ui, const struct live_snapshot *shot, struct ui_grid *grid)
{
	draw_what(ui, &shot->head, grid);
	draw_rates(ui, &shot->head, grid);
	draw_direct(ui, &shot->head, grid);
	if (shot->head.source == LIVE_COUNTERS)
		draw_notes(ui, shot, grid);
	else
		draw_course(ui, shot, grid);
}
