// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/predictions.h"
#include "p2ptrace/report.h"
#include "p2ptrace/tally.h"
#include "p2ptrace/text.h"

static void print_loss(const struct analysis *analysis, FILE *out)
{
	char count[32];

	if (analysis->lost)
		fprintf(out, "LOST: %s events", text_count(count, sizeof(count), analysis->lost));
	else if (analysis->lost_uncounted)
		fprintf(out, "LOST: events at %" PRIu64 " places, how many is not stored",
			analysis->lost_uncounted);
	else
		return;
	for (size_t i = 0; i < analysis->loss_count; i++)
		fprintf(out, "%scpu %" PRIu32 ": %" PRIu64, i ? ", " : " (",
			analysis->losses[i].cpu, analysis->losses[i].lost);
	fprintf(out, "%s\n", analysis->loss_count ? ")" : "");
	fputs("      counts and bytes are too low, and what was open at a gap is unknown; record "
	      "with\n"
	      "      larger buffers (-b)\n",
	      out);
}

void analysis_print_notes(const struct analysis *analysis, FILE *out)
{
	bool guessed = false;

	for (size_t i = 0; i < analysis->schema->layout_count; i++)
		guessed |= analysis->schema->layouts[i].guessed_types;
	if (guessed)
		fputs("note: the file does not say what the numbers of map types mean; taken as\n"
		      "      0 UNKNOWN, 1 NOT_SUPPORTED, 2 BUS_ADDR, 3 THRU_HOST_BRIDGE unless its "
		      "kernel\n"
		      "      is 6.16 or newer\n",
		      out);
	if (analysis->unknown_tgids)
		fprintf(out,
			"note: the process of %" PRIu64
			" threads is not recorded: their thread id stands for it\n",
			analysis->unknown_tgids);
	if (analysis->selection.from && analysis->selection.given.time)
		fputs("note: what began before the --time window counts as begun before the "
		      "recording\n",
		      out);
	if (!strcmp(analysis->file->clock, "local"))
		fputs("note: the clock 'local' is not ordered across CPUs: lifetimes and orphans "
		      "are unreliable\n",
		      out);
	if (!analysis->recording.ns)
		fputs("note: this clock does not count nanoseconds: there are no durations\n", out);
}

void analysis_print_caveats(const struct analysis *analysis, FILE *out)
{
	print_loss(analysis, out);
	if (analysis->truncated)
		fputs("TRUNCATED: the file is cut off; what follows is what it still holds\n", out);
	if (analysis->damaged)
		fprintf(out,
			"DAMAGED: %" PRIu64
			" pages or records do not hold together and are not counted\n",
			analysis->damaged);
	analysis_print_notes(analysis, out);
}

static void print_head(const struct analysis *analysis, uint64_t total, FILE *out)
{
	char count[32], duration[32];

	fputs(analysis->file->shown, out);
	fprintf(out, ": %s P2PDMA events", text_count(count, sizeof(count), total));
	if (analysis->recording.ns)
		fprintf(out, " in %s",
			text_duration(duration, sizeof(duration),
				      analysis->stop - analysis->start));
	fprintf(out, ", %s lost", text_count(count, sizeof(count), analysis->lost));
	if (analysis->other)
		fprintf(out, ", %s other events",
			text_count(count, sizeof(count), analysis->other));
	fputc('\n', out);
	analysis_print_caveats(analysis, out);
	if (!total)
		fputs("No P2PDMA was seen: no transfer between devices took place, or it bypassed "
		      "the\n"
		      "kernel's P2PDMA (nvidia-peermem does), or it fell back to system memory.\n",
		      out);
}

static void print_ratio(double ratio, uint64_t succeeded, uint64_t failed, FILE *out)
{
	char count[32];

	if (isfinite(ratio))
		fprintf(out, "\n%.1f %% of the %s maps that succeeded went directly (BUS_ADDR)",
			ratio * 100, text_count(count, sizeof(count), succeeded));
	else
		fputs(succeeded ? "\nof which type the maps are is not known"
				: "\nno map succeeded",
		      out);
	if (failed)
		fprintf(out, "; %s refused", text_count(count, sizeof(count), failed));
	fputc('\n', out);
}

static void print_outstanding(const struct report *report, bool goes_on, FILE *out)
{
	char count[32], bytes[32];

	if (!(report->open_allocs | report->open_maps | report->orphan_frees |
	      report->orphan_unmaps | report->superseded | report->failed_allocs))
		return;
	fputc('\n', out);
	if (report->open_allocs)
		fprintf(out, "open at the end: %s allocations",
			text_count(count, sizeof(count), report->open_allocs));
	if (report->open_allocs && report->alloc_bytes_known)
		fprintf(out, " of %s", text_bytes(bytes, sizeof(bytes), report->open_alloc_bytes));
	if (report->open_maps)
		fprintf(out, "%s%s maps", report->open_allocs ? ", " : "open at the end: ",
			text_count(count, sizeof(count), report->open_maps));
	if (report->open_maps && report->map_bytes_known)
		fprintf(out, " of %s", text_bytes(bytes, sizeof(bytes), report->open_map_bytes));
	if (report->open_allocs | report->open_maps)
		fputs(" ('p2ptrace leaks' lists them)\n", out);
	if (report->orphan_frees | report->orphan_unmaps)
		fprintf(out, "begun before %s: %" PRIu64 " frees, %" PRIu64 " unmaps\n",
			goes_on ? "this piece of the recording" : "the recording",
			report->orphan_frees, report->orphan_unmaps);
	if (report->failed_allocs)
		fprintf(out, "failed allocations: %" PRIu64 "\n", report->failed_allocs);
	if (report->superseded)
		fprintf(out, "begun again without an end seen: %" PRIu64 "\n", report->superseded);
}

static void print_table(const struct table *table, FILE *out, size_t top)
{
	if (!table->row_count)
		return;
	fputc('\n', out);
	table_print_text(table, out, top);
}

/* Devices of which the tree knows nothing are not worth a line each. */
static void print_predictions(const struct predictions *predictions, FILE *out, size_t top)
{
	struct table table = { prediction_columns, predictions->pairs,
			       predictions->count - predictions->absent,
			       sizeof(*predictions->pairs), NULL };

	print_table(&table, out, top);
	if (predictions->absent)
		fprintf(out,
			"%snote: the PCI tree does not have the devices of %zu of %zu pairs: "
			"nothing is predicted of them\n",
			table.row_count ? "" : "\n", predictions->absent, predictions->count);
}

void report_print_text(const struct report *report, FILE *out, size_t top)
{
	struct table tables[] = {
		{ pair_columns, report->pairs, report->pair_count, sizeof(*report->pairs), NULL },
		{ pool_columns, report->pools, report->pool_count, sizeof(*report->pools), NULL },
		{ process_columns, report->processes, report->process_count,
		  sizeof(*report->processes), NULL },
	};
	struct table types = { type_columns, report->types, report->type_count,
			       sizeof(*report->types), NULL };

	print_head(report->analysis, report->total, out);
	print_table(&types, out, 0);
	if (report->events[KIND_MAP])
		print_ratio(report->bus_addr_ratio, report->maps_succeeded, report->failed_maps,
			    out);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		print_table(&tables[i], out, top);
	if (report->predictions)
		print_predictions(report->predictions, out, top);
	print_outstanding(report, report->analysis->recording.piece > 1, out);
}

void tally_print_text(const struct tally *tally, const struct analysis *analysis, FILE *out)
{
	struct table types = { tally_columns, tally->types, tally->type_count,
			       sizeof(*tally->types), NULL };
	char count[32];

	print_head(analysis, tally->total, out);
	fputc('\n', out);
	for (int kind = KIND_ALLOC; kind < KIND_P2P_COUNT; kind++)
		fprintf(out, "%-20s %12s\n", event_kind_names[kind],
			text_count(count, sizeof(count), tally->events[kind]));
	print_table(&types, out, 0);
	if (tally->events[KIND_MAP])
		print_ratio(tally->bus_addr_ratio, tally->events[KIND_MAP] - tally->failed_maps,
			    tally->failed_maps, out);
}
