// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "p2ptrace/command.h"
#include "p2ptrace/input.h"
#include "p2ptrace/report.h"

struct report_options {
	struct analysis_options analysis;
	bool json, csv;
	const char *by;
	uint64_t top;
};

static const struct option_spec options[] = {
	{ .kind = OPTION_GROUP,
	  .group = analysis_option_table,
	  .offset = offsetof(struct report_options, analysis) },
	{ OPTION_FLAG, 0, "json", NULL, "one JSON object (schema p2ptrace.report/1)",
	  .offset = offsetof(struct report_options, json) },
	{ OPTION_FLAG, 0, "csv", NULL, "one table as CSV: by --by, default the map types",
	  .offset = offsetof(struct report_options, csv) },
	{ OPTION_STRING, 0, "by", "KEY", "the one table to show: type, pair, provider, pid",
	  .offset = offsetof(struct report_options, by) },
	{ OPTION_U64, 0, "top", "N", "rows of each table (default 20; 0: all)",
	  .offset = offsetof(struct report_options, top) },
	{ .kind = OPTION_END },
};

static int choose_table(const struct report *report, const char *by, struct table *table,
			struct p2p_error *err)
{
	const struct {
		const char *by;
		struct table table;
	} tables[] = {
		{ "type",
		  { type_columns, report->types, report->type_count, sizeof(*report->types),
		    NULL } },
		{ "pair",
		  { pair_columns, report->pairs, report->pair_count, sizeof(*report->pairs),
		    NULL } },
		{ "provider",
		  { pool_columns, report->pools, report->pool_count, sizeof(*report->pools),
		    NULL } },
		{ "pid",
		  { process_columns, report->processes, report->process_count,
		    sizeof(*report->processes), NULL } },
	};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (!strcmp(tables[i].by, by)) {
			*table = tables[i].table;
			return 0;
		}
	return p2p_fail_usage(err, "--by %s: not one of type, pair, provider, pid", by);
}

static int print(const struct report *report, const struct report_options *given,
		 struct p2p_error *err)
{
	struct table table;

	if (given->by || given->csv)
		if (choose_table(report, given->by ? given->by : "type", &table, err))
			return -1;
	if (given->json)
		report_print_json(report, stdout);
	else if (given->csv)
		table_print_csv(&table, stdout);
	else if (given->by)
		table_print_text(&table, stdout, given->top);
	else
		report_print_text(report, stdout, given->top);
	return P2P_OK;
}

static int run(int argc, char **argv, struct p2p_error *err)
{
	struct report_options given = { .top = 20 };
	struct analysis *analysis;
	struct report report;
	int status = -1;

	if (input_parse(argc, argv, options, &given, &given.analysis, err))
		return -1;
	if (given.json && given.csv)
		return p2p_fail_usage(err, "--json and --csv exclude each other");
	analysis = input_analyse(&given.analysis, given.json || given.csv, err);
	if (!analysis)
		return -1;
	if (!report_make(&report, analysis, err)) {
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
