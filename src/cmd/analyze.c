// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>
#include <unistd.h>

#include "p2ptrace/command.h"
#include "p2ptrace/findings.h"
#include "p2ptrace/input.h"
#include "p2ptrace/predictions.h"
#include "p2ptrace/text.h"
#include "p2ptrace/wrap.h"

#define LINE_WIDTH 88
#define INDENT 11

struct analyze_options {
	struct analysis_options analysis;
	struct system_options system;
	bool json;
	uint64_t min_age;
};

static const struct option_spec options[] = {
	{ .kind = OPTION_GROUP,
	  .group = analysis_option_table,
	  .offset = offsetof(struct analyze_options, analysis) },
	{ OPTION_DURATION, 0, "min-age", "TIME", "open longer than this is leaked (10s, 250ms)",
	  .offset = offsetof(struct analyze_options, min_age) },
	{ .kind = OPTION_GROUP,
	  .group = prediction_option_table,
	  .offset = offsetof(struct analyze_options, system) },
	{ OPTION_FLAG, 0, "json", NULL, "one JSON object (schema p2ptrace.analyze/1)",
	  .offset = offsetof(struct analyze_options, json) },
	{ .kind = OPTION_END },
};

static void print_paragraph(const char *label, const char *text)
{
	printf("  %-*s", INDENT - 2, label);
	wrap_print(stdout, text, INDENT, LINE_WIDTH);
}

static void print_text(const struct findings *findings, const struct report *report)
{
	static const char *const words[SEVERITIES] = { "BAD", "WARNING", "NOTE" };
	static const char *const colours[SEVERITIES] = { "\033[31m", "\033[33m", "\033[36m" };
	bool colour = text_colour_wanted();
	char count[32];

	analysis_print_notes(report->analysis, stdout);
	if (!findings->count) {
		printf("nothing to complain of: %s events, %.0f %% of the maps direct, nothing "
		       "leaked\n",
		       text_count(count, sizeof(count), report->total),
		       report->maps_succeeded ? report->bus_addr_ratio * 100 : 100);
		return;
	}
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->items[i];

		printf("%s%s%s%s: ", i ? "\n" : "", colour ? colours[finding->severity] : "",
		       words[finding->severity], colour ? "\033[0m" : "");
		text_print_safe(stdout, finding->title);
		putchar('\n');
		if (finding->evidence)
			print_paragraph("evidence", finding->evidence);
		if (*finding->cause)
			print_paragraph("cause", finding->cause);
		if (*finding->remedy)
			print_paragraph("remedy", finding->remedy);
	}
}

/* How the observed paths compare with the PCI tree; null without one. */
static void json_predictions(struct json *json, const struct predictions *predictions)
{
	uint64_t counts[PREDICTION_RESULTS] = { 0 };

	if (!predictions) {
		json_null(json, "predicted");
		return;
	}
	for (size_t i = 0; i < predictions->count; i++)
		counts[predictions->pairs[i].result]++;
	json_object(json, "predicted");
	json_u64(json, "pairs", predictions->count);
	json_u64(json, "agree", counts[PREDICTION_AGREES]);
	json_u64(json, "stale", counts[PREDICTION_STALE]);
	json_u64(json, "differ", counts[PREDICTION_DIFFERS] + counts[PREDICTION_DISTANCE]);
	json_u64(json, "changed", counts[PREDICTION_CHANGED]);
	json_u64(json, "unknown", counts[PREDICTION_UNKNOWN] + counts[PREDICTION_ABSENT]);
	json_end_object(json);
}

static void print_json(const struct findings *findings, const struct report *report)
{
	struct json json;

	json_init(&json, stdout, false);
	json_object(&json, NULL);
	json_text(&json, "schema", "p2ptrace.analyze/1");
	json_text(&json, "file", report->analysis->file->path);
	json_u64(&json, "events", report->total);
	json_u64(&json, "lost", report->analysis->lost);
	json_bool(&json, "truncated", report->analysis->truncated);
	json_predictions(&json, report->predictions);
	json_array(&json, "findings");
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->items[i];

		json_object(&json, NULL);
		json_text(&json, "id", finding->id);
		json_text(&json, "severity", severity_names[finding->severity]);
		json_text(&json, "title", finding->title);
		json_text(&json, "evidence", finding->evidence);
		json_text(&json, "cause", finding->cause);
		json_text(&json, "remedy", finding->remedy);
		json_u64(&json, "weight", finding->weight);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
}

static int run(int argc, char **argv, struct p2p_error *err)
{
	struct analyze_options given = { .min_age = NOT_KNOWN };
	struct findings findings;
	struct inspection all;

	if (input_parse(argc, argv, options, &given, &given.analysis, err) ||
	    inspect(&all, &given.analysis, given.min_age, given.json, err))
		return -1;
	if (predictions_add(&all.report, &given.system, err) ||
	    findings_make(&findings, &all.report, &all.leaks, err)) {
		inspection_free(&all);
		return -1;
	}
	if (given.json)
		print_json(&findings, &all.report);
	else
		print_text(&findings, &all.report);
	findings_free(&findings);
	inspection_free(&all);
	return P2P_OK;
}

const struct command cmd_analyze = {
	.name = "analyze",
	.summary = "Findings in words, worst first, each with evidence, cause and remedy.",
	.usage = "[OPTIONS] [FILE]",
	.options = options,
	.pager = true,
	.run = run,
};
