// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A picture as one screenful of text.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "p2ptrace/live.h"
#include "p2ptrace/text.h"

/* Texts of recordings and devices: nobody's to draw with. */
static void print_name(FILE *out, const char *label, const char *text)
{
	if (!text || !*text)
		return;
	fputs(label, out);
	text_print_safe(out, text);
}

static void print_time(FILE *out, uint64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / 1000000000u);
	struct tm parts;
	char text[64];

	if (!wall_ns || !localtime_r(&seconds, &parts) ||
	    !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts))
		return;
	fprintf(out, ", %s", text);
}

static void print_source(const struct live_head *head, FILE *out)
{
	fputs("p2ptrace live", out);
	print_name(out, " - ", head->file);
	print_name(out, head->file ? " of " : " - ", head->host);
	print_name(out, ", kernel ", head->kernel);
	if (head->source == LIVE_COUNTERS)
		fputs(", counters only", out);
	print_name(out, ", ", head->events_from);
	print_name(out, " ", head->system);
	print_name(out, ", clock ", head->clock);
	print_time(out, head->wall_ns);
	if (head->ended)
		fputs(", ended", out);
	else if (isfinite(head->progress))
		fprintf(out, ", %.0f %% replayed", head->progress * 100);
	fputc('\n', out);
}

static const char *count_text(char to[32], uint64_t count)
{
	return count == NOT_KNOWN ? "-" : text_count(to, 32, count);
}

static const char *bytes_text(char to[32], uint64_t bytes)
{
	return bytes == NOT_KNOWN ? "-" : text_bytes(to, 32, bytes);
}

static void print_ratio(FILE *out, double ratio)
{
	if (isfinite(ratio))
		fprintf(out, "%.1f %%", ratio * 100);
	else
		fputc('-', out);
}

static void print_events(const struct live_head *head, FILE *out)
{
	char count[32], rate[32], duration[32];

	fprintf(out, "events %s (%s/s)", count_text(count, head->events),
		count_text(rate, head->events_per_s));
	fprintf(out, "  maps %s (%s/s)", count_text(count, head->maps),
		count_text(rate, head->maps_per_s));
	fprintf(out, "  moved %s (%s/s)", bytes_text(count, head->bytes),
		bytes_text(rate, head->bytes_per_s));
	if (head->duration_ns != NOT_KNOWN)
		fprintf(out, "  in %s",
			text_duration(duration, sizeof(duration), head->duration_ns));
	fputc('\n', out);
}

static void print_state(const struct live_head *head, FILE *out)
{
	char count[32], bytes[32];

	fputs("BUS_ADDR ", out);
	print_ratio(out, head->bus_addr_ratio);
	fputs(" (now ", out);
	print_ratio(out, head->bus_addr_ratio_now);
	fprintf(out, ")  open %s allocations of %s", count_text(count, head->open_allocs),
		bytes_text(bytes, head->open_alloc_bytes));
	fprintf(out, ", %s maps of %s", count_text(count, head->open_maps),
		bytes_text(bytes, head->open_map_bytes));
	fprintf(out, "  lost %s", count_text(count, head->lost));
	if (head->lost_uncounted)
		fprintf(out, ", and at %" PRIu64 " places nobody counted", head->lost_uncounted);
	fputc('\n', out);
}

static void print_table(const char *title, const struct column *columns, const void *rows,
			size_t count, size_t row_bytes, size_t limit, FILE *out)
{
	size_t shown = limit && limit < count ? limit : count;
	const struct table table = { columns, rows, shown, row_bytes, NULL };

	if (!count)
		return;
	fprintf(out, "\n%s\n", title);
	table_print_text(&table, out, 0);
	if (shown < count)
		fprintf(out, "... and %zu more\n", count - shown);
}

static void print_leaks(const struct live_snapshot *snapshot, size_t limit, FILE *out)
{
	char title[160], count[VERDICTS][32];

	snprintf(title, sizeof(title),
		 "OUTSTANDING, the oldest: %s leaked, %s unknown, %s in flight",
		 count_text(count[0], snapshot->verdicts[VERDICT_LEAKED].count),
		 count_text(count[1], snapshot->verdicts[VERDICT_UNKNOWN].count),
		 count_text(count[2], snapshot->verdicts[VERDICT_IN_FLIGHT].count));
	print_table(title, live_leak_columns, snapshot->leaks, snapshot->leak_count,
		    sizeof(*snapshot->leaks), limit, out);
}

static void print_findings(const struct findings *findings, size_t limit, FILE *out)
{
	if (findings->count)
		fputs("\nFINDINGS\n", out);
	for (size_t i = 0; i < findings->count && (!limit || i < limit); i++) {
		fprintf(out, "%s: ", severity_names[findings->items[i].severity]);
		text_print_safe(out, findings->items[i].title);
		fputc('\n', out);
	}
}

static void print_latest(const struct live_snapshot *snapshot, size_t limit, FILE *out)
{
	size_t count = snapshot->event_count, shown = limit && limit < count ? limit : count;

	print_table("LATEST EVENTS", live_event_columns, snapshot->events + (count - shown), shown,
		    sizeof(*snapshot->events), 0, out);
}

void live_print_text(const struct live_snapshot *snapshot, FILE *out, size_t rows)
{
	const struct live_head *head = &snapshot->head;
	bool events = head->source != LIVE_COUNTERS;

	print_source(head, out);
	if (events) {
		print_events(head, out);
		print_state(head, out);
	}
	for (size_t i = 0; i < snapshot->note_count; i++) {
		text_print_safe(out, snapshot->notes[i]);
		fputc('\n', out);
	}
	print_table("MAP TYPES", live_type_columns, snapshot->types, snapshot->type_count,
		    sizeof(*snapshot->types), 0, out);
	print_table("PAIRS", live_pair_columns, snapshot->pairs, snapshot->pair_count,
		    sizeof(*snapshot->pairs), rows, out);
	print_table("PROCESSES", live_process_columns, snapshot->processes, snapshot->process_count,
		    sizeof(*snapshot->processes), rows, out);
	print_table("PROVIDERS", live_pool_columns, snapshot->pools, snapshot->pool_count,
		    sizeof(*snapshot->pools), rows, out);
	print_leaks(snapshot, rows, out);
	print_findings(&snapshot->findings, rows, out);
	print_latest(snapshot, rows, out);
	print_table("COUNTERS", live_counter_columns, snapshot->counters, snapshot->counter_count,
		    sizeof(*snapshot->counters), events ? rows : 0, out);
}
