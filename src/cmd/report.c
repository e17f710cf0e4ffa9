// SPDX-License-Identifier: GPL-2.0-or-later
#include "p2ptrace/command.h"
#include "p2ptrace/groups.h"
#include "p2ptrace/input.h"
#include "p2ptrace/predictions.h"
#include "p2ptrace/report.h"
#include "p2ptrace/tally.h"

/* Stretches of a timeline: what fits a screen. */
#define BINS_DEFAULT 30
#define BINS_MAX 100000

struct report_options {
	struct analysis_options analysis;
	struct system_options system;
	bool json, csv, histograms, timeline, counts;
	const char *by, *sort, *columns;
	uint64_t top, bins;
};

static const struct option_spec options[] = {
	{ .kind = OPTION_GROUP,
	  .group = analysis_option_table,
	  .offset = offsetof(struct report_options, analysis) },
	{ OPTION_STRING, 0, "by", "KEYS",
	  "one table by type, pair, client, provider, pid, tid, comm, cpu",
	  .offset = offsetof(struct report_options, by) },
	{ OPTION_STRING, 0, "sort", "COLUMN", "with --by: order of the rows (default maps)",
	  .offset = offsetof(struct report_options, sort) },
	{ OPTION_STRING, 'F', "fields", "COLUMN,...", "with --by: the columns to show",
	  .offset = offsetof(struct report_options, columns) },
	{ OPTION_U64, 0, "top", "N", "rows of each table in text (default 20; 0: all)",
	  .offset = offsetof(struct report_options, top) },
	{ OPTION_FLAG, 0, "counts", NULL, "only events and map types: several times as fast",
	  .offset = offsetof(struct report_options, counts) },
	{ OPTION_FLAG, 0, "hist", NULL, "lifetimes as histograms, per map type and pair",
	  .offset = offsetof(struct report_options, histograms) },
	{ OPTION_FLAG, 0, "timeline", NULL, "maps, bytes and what is held, over time",
	  .offset = offsetof(struct report_options, timeline) },
	{ OPTION_U64, 0, "bins", "N", "stretches of the timeline (default 30)",
	  .offset = offsetof(struct report_options, bins) },
	{ .kind = OPTION_GROUP,
	  .group = prediction_option_table,
	  .offset = offsetof(struct report_options, system) },
	{ OPTION_FLAG, 0, "json", NULL, "one JSON object (schema p2ptrace.report/1)",
	  .offset = offsetof(struct report_options, json) },
	{ OPTION_FLAG, 0, "csv", NULL, "one table as CSV: map types, --by's or the timeline",
	  .offset = offsetof(struct report_options, csv) },
	{ .kind = OPTION_END },
};

/* The rows asked for beside the report itself. */
struct extras {
	struct groups groups;
	struct column columns[GROUP_COLUMNS_MAX];
	struct table by, times;
};

static int check_options(struct report_options *given, struct p2p_error *err)
{
	struct column columns[GROUP_COLUMNS_MAX];
	struct table table = { .columns = columns, .wanted = given->columns };
	struct groups none = { 0 };

	if (given->json && given->csv)
		return p2p_fail_usage(err, "--json and --csv exclude each other");
	if (given->csv && given->by && given->timeline)
		return p2p_fail_usage(err, "--csv prints one table: --by or --timeline");
	if ((given->sort || given->columns) && !given->by)
		return p2p_fail_usage(err, "--sort and -F go with --by");
	if (given->bins < 1 || given->bins > BINS_MAX)
		return p2p_fail_usage(err, "--bins: 1 to %d", BINS_MAX);
	if (given->counts && (given->by || given->timeline || given->histograms))
		return p2p_fail_usage(err, "--counts knows no --by, --timeline or --hist");
	if (given->counts && selection_options_but_time(&given->analysis.select))
		return p2p_fail_usage(err, "--counts knows no filter but --time");
	given->analysis.bins = given->timeline ? given->bins : 0;
	if (!given->by)
		return 0;
	if (group_by_parse(given->by, &given->analysis.by, err))
		return -1;
	group_columns(given->analysis.by, columns);
	/* Before a long file is read. */
	if (groups_sort(&none, columns, given->sort, err))
		return -1;
	return table_check_wanted(&table, given->json ? IN_JSON : IN_TEXT, err)
		       ? p2p_error_prefix(err, "-F")
		       : 0;
}

static void print_histograms(const struct report *report)
{
	char title[512];

	for (size_t i = 0; i < report->type_count; i++)
		if (report->types[i].lifetime && report->types[i].lifetime->count)
			chart_histogram(stdout, report->types[i].type, report->types[i].lifetime);
	for (size_t i = 0; i < report->pair_count; i++) {
		const struct pair_row *pair = &report->pairs[i];

		snprintf(title, sizeof(title), "%s -> %s %s", pair->client, pair->provider,
			 pair->type);
		if (pair->lifetime && pair->lifetime->count)
			chart_histogram(stdout, title, pair->lifetime);
	}
}

static void print_text(const struct report *report, const struct report_options *given,
		       const struct extras *extras)
{
	if (!given->by && !given->timeline && !given->histograms) {
		report_print_text(report, stdout, given->top);
		return;
	}
	analysis_print_caveats(report->analysis, stdout);
	if (given->by)
		table_print_text(&extras->by, stdout, given->top);
	if (given->timeline)
		chart_timeline(stdout, &extras->groups);
	if (given->histograms)
		print_histograms(report);
}

static void print_csv(const struct report *report, const struct report_options *given,
		      const struct extras *extras)
{
	struct table types = { type_columns, report->types, report->type_count,
			       sizeof(*report->types), NULL };

	if (given->by)
		table_print_csv(&extras->by, stdout);
	else if (given->timeline)
		table_print_csv(&extras->times, stdout);
	else
		table_print_csv(&types, stdout);
}

static int print(const struct report *report, const struct report_options *given,
		 struct p2p_error *err)
{
	struct extras extras = { 0 };
	const struct groups *groups = &extras.groups;

	if (given->by || given->timeline) {
		if (groups_make(&extras.groups, report, err))
			return -1;
		group_columns(given->analysis.by, extras.columns);
		if (groups_sort(&extras.groups, extras.columns, given->sort, err)) {
			groups_free(&extras.groups);
			return -1;
		}
		extras.by = (struct table){ extras.columns, groups->rows, groups->row_count,
					    sizeof(*groups->rows), given->columns };
		extras.times = (struct table){ time_columns, groups->times, groups->time_count,
					       sizeof(*groups->times), NULL };
	}
	if (given->json)
		report_print_json(report, stdout, given->by ? &extras.by : NULL,
				  given->timeline ? &extras.times : NULL);
	else if (given->csv)
		print_csv(report, given, &extras);
	else
		print_text(report, given, &extras);
	groups_free(&extras.groups);
	return P2P_OK;
}

/* --counts: what needs no order. */
static int run_counts(struct report_options *given, struct p2p_error *err)
{
	struct analysis *analysis = analysis_open(&given->analysis, err);
	struct tally tally;
	int status = -1;

	if (!analysis)
		return -1;
	if (!tally_read(&tally, analysis, given->analysis.threads, err)) {
		struct table types = { tally_columns, tally.types, tally.type_count,
				       sizeof(*tally.types), NULL };

		status = P2P_OK;
		if (given->json)
			tally_print_json(&tally, analysis, stdout);
		else if (given->csv)
			table_print_csv(&types, stdout);
		else
			tally_print_text(&tally, analysis, stdout);
		if (given->json || given->csv)
			input_warn(analysis);
		tally_free(&tally);
	}
	analysis_free(analysis);
	return status;
}

static int run(int argc, char **argv, struct p2p_error *err)
{
	struct report_options given = { .top = 20, .bins = BINS_DEFAULT };
	struct analysis *analysis;
	struct report report;
	int status = -1;

	if (input_parse(argc, argv, options, &given, &given.analysis, err) ||
	    check_options(&given, err))
		return -1;
	if (given.counts)
		return run_counts(&given, err);
	analysis = input_analyse(&given.analysis, given.json || given.csv, err);
	if (!analysis)
		return -1;
	if (!report_make(&report, analysis, err)) {
		if (!predictions_add(&report, &given.system, err))
			status = print(&report, &given, err);
		report_free(&report);
	}
	analysis_free(analysis);
	return status;
}

const struct command cmd_report = {
	.name = "report",
	.summary = "Tables of a recording: map types, pairs, providers, processes, lifetimes.",
	.usage = "[OPTIONS] [FILE]",
	.options = options,
	.pager = true,
	.run = run,
};
