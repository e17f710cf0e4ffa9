// SPDX-License-Identifier: GPL-2.0-or-later
/* The page about one row. */
#include <string.h>

#include "p2ptrace/bars.h"
#include "p2ptrace/groups.h"
#include "p2ptrace/text.h"
#include "p2ptrace/wrap.h"
#include "parts.h"

enum { BAR = 30, ROWS_MAX = 40, LABEL = 18 };

static bool same(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

/* ---- all that the table has, columns that do not fit included ---- */

static void write_values(const struct ui_state *ui, const struct column *columns, const void *row,
			 FILE *out)
{
	const struct ui_grid grid = { .utf8 = ui->utf8 };
	int half = (ui->width - 2) / 2, at = 0;
	char cell[CELL_BYTES_MAX];

	for (; columns->kind; columns++) {
		int width;

		if (!(columns->use & IN_WIDE) || !column_is_one_number(columns))
			continue;
		table_cell_text(columns, row, cell);
		width = LABEL + 3 + ui_width(&grid, cell);
		/* Two beside each other; what is wider has a line of its own. */
		if (at && width > half) {
			fputc('\n', out);
			at = 0;
		}
		fprintf(out, "  %s%-*s%s ", ui_text_style(STYLE_TITLE), LABEL,
			*columns->heading ? columns->heading : columns->key,
			ui_text_style(STYLE_NORMAL));
		if (!strcmp(columns->key, "type"))
			write_type(out, cell, 0);
		else
			fputs(cell, out);
		if (!at && width <= half) {
			fprintf(out, "%*s", half - width, "");
			at = 1;
		} else {
			fputc('\n', out);
			at = 0;
		}
	}
	fputs(at ? "\n" : "", out);
}

static void write_bar(const struct ui_state *ui, const char *type, uint64_t count, uint64_t all,
		      const char *words, FILE *out)
{
	char bar[BAR_BYTES(BAR)], number[32];
	int used = bar_text(bar, sizeof(bar), all ? (double)count / (double)all : 0, BAR, ui->utf8);

	fputs("  ", out);
	write_type(out, type, LABEL);
	fprintf(out, " %14s  %s%s%s%*s  %s\n", text_count(number, sizeof(number), count),
		ui_text_style(type_style(type)), bar, ui_text_style(STYLE_NORMAL), BAR - used, "",
		words);
}

/* ---- what belongs to it in the other tables ---- */

static bool leak_of(const struct ui_subject *subject, const void *row, const struct leak *leak)
{
	switch (subject->panel) {
	case PANEL_PAIRS:
		return same(leak->client, subject->client) &&
		       same(leak->provider, subject->provider);
	case PANEL_PROCESSES:
		return leak->pid == ((const struct live_process *)row)->pid;
	case PANEL_PROVIDERS:
		return same(leak->provider, ((const struct live_pool *)row)->provider);
	default:
		return false;
	}
}

/* The oldest that is outstanding of it. */
static void write_outstanding(const struct ui_state *ui, const struct live_snapshot *shot,
			      const void *row, FILE *out)
{
	char bytes[32], age[32], text[512], safe[512];
	size_t count = 0;

	for (size_t i = 0; i < shot->leak_count; i++) {
		const struct leak *leak = &shot->leaks[i];

		if (!leak_of(&ui->subject, row, leak))
			continue;
		if (!count++) {
			fputc('\n', out);
			write_title(out, "Outstanding, the oldest first");
		}
		if (count > ROWS_MAX)
			continue;
		fprintf(out, "  %10s  %10s  %-9s  ",
			leak->age == NOT_KNOWN ? "-" : text_duration(age, sizeof(age), leak->age),
			leak->bytes == NOT_KNOWN ? "-"
						 : text_bytes(bytes, sizeof(bytes), leak->bytes),
			leak->verdict_name);
		snprintf(text, sizeof(text), "%s of %s%s%s, pid %lld %s", leak->kind,
			 leak->provider ? leak->provider : "-", leak->client ? " for " : "",
			 leak->client ? leak->client : "", (long long)leak->pid,
			 leak->comm ? leak->comm : "");
		fprintf(out, "%s\n", text_safe(safe, sizeof(safe), text));
	}
	if (count > ROWS_MAX)
		fprintf(out, "  ... and %zu more, see the panel Leaks\n", count - ROWS_MAX);
}

/* ---- a pair ---- */

static void write_pair_types(const struct ui_state *ui, const struct live_snapshot *shot, FILE *out)
{
	const struct ui_subject *subject = &ui->subject;
	char moved[32], words[64];
	uint64_t all = 0;

	for (size_t i = 0; i < shot->pair_count; i++)
		if (same(shot->pairs[i].client, subject->client) &&
		    same(shot->pairs[i].provider, subject->provider))
			all += shot->pairs[i].maps;
	fputc('\n', out);
	write_title(out, "Maps between the two, by type");
	for (size_t i = 0; i < shot->pair_count; i++) {
		const struct live_pair *pair = &shot->pairs[i];

		if (!same(pair->client, subject->client) ||
		    !same(pair->provider, subject->provider))
			continue;
		snprintf(words, sizeof(words), "%s",
			 pair->bytes == NOT_KNOWN ? "-"
						  : text_bytes(moved, sizeof(moved), pair->bytes));
		write_bar(ui, pair->type, pair->maps, all, words, out);
	}
}

static void write_lifetimes(const struct live_snapshot *shot, const struct ui_subject *subject,
			    FILE *out)
{
	char title[160];

	for (size_t i = 0; i < shot->pair_count; i++) {
		const struct live_pair *pair = &shot->pairs[i];

		if (!pair->histogram || !same(pair->client, subject->client) ||
		    !same(pair->provider, subject->provider))
			continue;
		snprintf(title, sizeof(title), "%s", pair->type ? pair->type : "maps");
		chart_histogram(out, title, pair->histogram);
	}
}

static void write_pair(const struct ui_state *ui, const struct live_snapshot *shot, const void *row,
		       FILE *out)
{
	const struct ui_subject *subject = &ui->subject;

	write_pair_types(ui, shot, out);
	write_lifetimes(shot, subject, out);
	fputc('\n', out);
	write_title(out, "Why this path");
	if (subject->explanation)
		fputs(subject->explanation, out);
	else
		fputs("  not known: the topology of the machine these devices are in is not at "
		      "hand\n",
		      out);
	write_outstanding(ui, shot, row, out);
}

/* ---- a process ---- */

static void write_process_types(const struct ui_state *ui, const struct live_process *process,
				FILE *out)
{
	fputc('\n', out);
	write_title(out, "Maps by type");
	write_bar(ui, "BUS_ADDR", process->bus_addr, process->maps, "", out);
	write_bar(ui, "THRU_HOST_BRIDGE", process->thru_host_bridge, process->maps, "", out);
	write_bar(ui, "NOT_SUPPORTED", process->not_supported, process->maps, "", out);
}

static void write_event(const struct live_event *event, FILE *out)
{
	char bytes[32], text[512], safe[512];

	snprintf(text, sizeof(text), "%-16s  %-20s  %s%s%s  %s", event->time ? event->time : "-",
		 event->event, event->client ? event->client : "", event->client ? " " : "",
		 event->provider ? event->provider : "", event->type ? event->type : "");
	fprintf(out, "  %s  %s\n", text_safe(safe, sizeof(safe), text),
		event->size == NOT_KNOWN ? "" : text_bytes(bytes, sizeof(bytes), event->size));
}

static void write_process_events(const struct live_snapshot *shot, int64_t pid, FILE *out)
{
	size_t count = 0;

	for (size_t i = shot->event_count; i-- > 0 && count < ROWS_MAX;) {
		if (shot->events[i].pid != pid)
			continue;
		if (!count++) {
			fputc('\n', out);
			write_title(out, "Its latest events");
		}
		write_event(&shot->events[i], out);
	}
}

static void write_process(const struct ui_state *ui, const struct live_snapshot *shot,
			  const void *row, FILE *out)
{
	const struct live_process *process = row;

	write_process_types(ui, process, out);
	if (ui->subject.maps.count)
		chart_histogram(out, "Its mappings", &ui->subject.maps);
	if (ui->subject.allocs.count)
		chart_histogram(out, "Its allocations", &ui->subject.allocs);
	write_outstanding(ui, shot, row, out);
	write_process_events(shot, process->pid, out);
}

/* ---- a provider ---- */

static void write_provider(const struct ui_state *ui, const struct live_snapshot *shot,
			   const void *row, FILE *out)
{
	const struct live_pool *pool = row;
	char words[128];
	uint64_t most = 0;

	for (size_t i = 0; i < shot->pair_count; i++)
		if (same(shot->pairs[i].provider, pool->provider))
			most += shot->pairs[i].maps;
	fputc('\n', out);
	write_title(out, "Who maps its memory");
	for (size_t i = 0; i < shot->pair_count; i++) {
		const struct live_pair *pair = &shot->pairs[i];

		if (!same(pair->provider, pool->provider))
			continue;
		text_safe(words, sizeof(words), pair->client ? pair->client : "-");
		write_bar(ui, pair->type, pair->maps, most, words, out);
	}
	write_outstanding(ui, shot, row, out);
}

/* ---- the page ---- */

static const void *find_row(const struct ui_subject *subject, const struct table *table)
{
	for (size_t i = 0; i < table->row_count; i++)
		if (panel_specs[subject->panel].identity(panel_row(table, i)) == subject->identity)
			return panel_row(table, i);
	return NULL;
}

void write_details(const struct ui_state *ui, const struct live_snapshot *shot, FILE *out)
{
	const void *row;
	struct table table;

	if (!ui_panel_table(ui->subject.panel, shot, &table))
		return;
	row = find_row(&ui->subject, &table);
	if (!row) {
		fputs("\n  It is no longer in the picture.\n", out);
		return;
	}
	write_values(ui, table.columns, row, out);
	if (ui->subject.panel == PANEL_PAIRS)
		write_pair(ui, shot, row, out);
	if (ui->subject.panel == PANEL_PROCESSES)
		write_process(ui, shot, row, out);
	if (ui->subject.panel == PANEL_PROVIDERS)
		write_provider(ui, shot, row, out);
}
