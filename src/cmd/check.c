// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check: a gate for test jobs.  One row per condition; the exit status says whether
 * all that were asked for hold.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/command.h"
#include "p2ptrace/input.h"
#include "p2ptrace/text.h"

struct check_options {
	struct analysis_options analysis;
	bool json, no_leaks, no_loss, no_refused;
	double min_direct; /* percent, NaN: not asked */
	uint64_t max_p99, min_age;
};

static int parse_percent(void *field, const char *value, struct p2p_error *err)
{
	char *end;
	double percent = strtod(value, &end);

	if (end == value || (*end && strcmp(end, "%") != 0) || !(percent >= 0 && percent <= 100))
		return p2p_fail_usage(err, "'%s' is no percentage (0 to 100)", value);
	*(double *)field = percent;
	return 0;
}

static const struct option_spec options[] = {
	{ .kind = OPTION_GROUP,
	  .group = analysis_option_table,
	  .offset = offsetof(struct check_options, analysis) },
	{ OPTION_CALL, 0, "min-direct", "PERCENT", "at least so many of the maps are BUS_ADDR",
	  .offset = offsetof(struct check_options, min_direct), .parse = parse_percent },
	{ OPTION_FLAG, 0, "no-leaks", NULL, "nothing leaked, and nothing open is unknown",
	  .offset = offsetof(struct check_options, no_leaks) },
	{ OPTION_FLAG, 0, "no-loss", NULL, "no event was lost",
	  .offset = offsetof(struct check_options, no_loss) },
	{ OPTION_FLAG, 0, "no-refused", NULL, "no map was refused",
	  .offset = offsetof(struct check_options, no_refused) },
	{ OPTION_DURATION, 0, "max-p99", "TIME", "99 % of the mappings lived no longer",
	  .offset = offsetof(struct check_options, max_p99) },
	{ OPTION_DURATION, 0, "min-age", "TIME", "with --no-leaks: open longer is leaked",
	  .offset = offsetof(struct check_options, min_age) },
	{ OPTION_FLAG, 0, "json", NULL, "one JSON object (schema p2ptrace.check/1)",
	  .offset = offsetof(struct check_options, json) },
	{ .kind = OPTION_END },
};

/* What came of one condition. */
struct outcome {
	const char *condition;
	bool asked, holds;
	char detail[256];
};

#define CONDITIONS 6

static struct outcome check_whole(const struct inspection *all)
{
	struct outcome outcome = { "whole-file", false, false, "" };

	/* What misses a part fails whatever was asked: it cannot show the contrary. */
	outcome.asked = all->analysis->truncated || all->analysis->damaged;
	if (all->analysis->truncated)
		snprintf(outcome.detail, sizeof(outcome.detail), "the file is cut off");
	else
		snprintf(outcome.detail, sizeof(outcome.detail),
			 "%" PRIu64 " pages or records do not hold together",
			 all->analysis->damaged);
	return outcome;
}

static struct outcome check_direct(const struct inspection *all, double wanted)
{
	struct outcome outcome = { "min-direct", !isnan(wanted), false, "no map succeeded" };
	double ratio = all->report.bus_addr_ratio;

	if (!isfinite(ratio))
		return outcome;
	/* Quotients of equal value are equal; 29 of 100 times 100 is less than 29. */
	outcome.holds = ratio >= wanted / 100;
	snprintf(outcome.detail, sizeof(outcome.detail),
		 "%.2f %% of %" PRIu64 " maps are BUS_ADDR, %.2f %% wanted", ratio * 100,
		 all->report.maps_succeeded, wanted);
	return outcome;
}

static struct outcome check_leaks(const struct inspection *all, bool asked)
{
	struct outcome outcome = { "no-leaks", asked, false, "" };
	uint64_t leaked = all->leaks.totals[VERDICT_LEAKED].count;
	uint64_t unknown = all->leaks.totals[VERDICT_UNKNOWN].count;

	outcome.holds = !leaked && !unknown;
	snprintf(outcome.detail, sizeof(outcome.detail),
		 "%" PRIu64 " leaked, %" PRIu64 " unknown, %" PRIu64 " in flight", leaked, unknown,
		 all->leaks.totals[VERDICT_IN_FLIGHT].count);
	return outcome;
}

static struct outcome check_loss(const struct inspection *all, bool asked)
{
	struct outcome outcome = { "no-loss", asked, false, "" };

	outcome.holds = !all->analysis->lost && !all->analysis->lost_uncounted;
	snprintf(outcome.detail, sizeof(outcome.detail), "%" PRIu64 " events lost%s",
		 all->analysis->lost, all->analysis->lost_uncounted ? ", or more" : "");
	return outcome;
}

static struct outcome check_refused(const struct inspection *all, bool asked)
{
	struct outcome outcome = { "no-refused", asked, !all->report.failed_maps, "" };

	snprintf(outcome.detail, sizeof(outcome.detail), "%" PRIu64 " maps refused",
		 all->report.failed_maps);
	return outcome;
}

static struct outcome check_p99(const struct inspection *all, uint64_t wanted)
{
	struct outcome outcome = { "max-p99", wanted != NOT_KNOWN, false, "" };
	const struct histogram *lifetimes = &all->report.map_lifetimes;
	uint64_t p99 = histogram_percentile(lifetimes, 0.99);
	char is[32], most[32];

	if (!all->report.lifetimes_known || !lifetimes->count) {
		snprintf(outcome.detail, sizeof(outcome.detail), "no lifetime is known");
		return outcome;
	}
	outcome.holds = p99 <= wanted;
	snprintf(outcome.detail, sizeof(outcome.detail), "p99 is %s, at most %s wanted",
		 text_duration(is, sizeof(is), p99), text_duration(most, sizeof(most), wanted));
	return outcome;
}

static void print_json(const struct outcome *outcomes, bool passed, const char *file)
{
	struct json json;

	json_init(&json, stdout, false);
	json_object(&json, NULL);
	json_text(&json, "schema", "p2ptrace.check/1");
	json_text(&json, "file", file);
	json_bool(&json, "passed", passed);
	json_array(&json, "conditions");
	for (int i = 0; i < CONDITIONS; i++) {
		if (!outcomes[i].asked)
			continue;
		json_object(&json, NULL);
		json_text(&json, "condition", outcomes[i].condition);
		json_bool(&json, "passed", outcomes[i].holds);
		json_text(&json, "detail", outcomes[i].detail);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
}

static int judge(const struct inspection *all, const struct check_options *given)
{
	const struct outcome outcomes[CONDITIONS] = {
		check_whole(all),
		check_direct(all, given->min_direct),
		check_leaks(all, given->no_leaks),
		check_loss(all, given->no_loss),
		check_refused(all, given->no_refused),
		check_p99(all, given->max_p99),
	};
	bool passed = true;

	for (int i = 0; i < CONDITIONS; i++)
		passed &= !outcomes[i].asked || outcomes[i].holds;
	if (given->json)
		print_json(outcomes, passed, given->analysis.path);
	for (int i = 0; i < CONDITIONS && !given->json; i++)
		if (outcomes[i].asked)
			printf("%s %-12s %s\n", outcomes[i].holds ? "ok  " : "FAIL",
			       outcomes[i].condition, outcomes[i].detail);
	return passed ? P2P_OK : P2P_CHECK_FAILED;
}

static int run(int argc, char **argv, struct p2p_error *err)
{
	struct check_options given = { .min_direct = NAN,
				       .max_p99 = NOT_KNOWN,
				       .min_age = NOT_KNOWN };
	struct inspection all;
	int status;

	if (input_parse(argc, argv, options, &given, &given.analysis, err))
		return -1;
	if (isnan(given.min_direct) && !given.no_leaks && !given.no_loss && !given.no_refused &&
	    given.max_p99 == NOT_KNOWN)
		return p2p_fail_usage(err, "nothing to check: give --min-direct, --no-leaks, "
					   "--no-loss, --no-refused or --max-p99");
	if (inspect(&all, &given.analysis, given.min_age, given.json, err))
		return -1;
	status = judge(&all, &given);
	inspection_free(&all);
	return status;
}

const struct command cmd_check = {
	.name = "check",
	.summary = "Conditions a recording must fulfil; exit status 0 or 1, for CI jobs.",
	.usage = "[OPTIONS] [FILE]",
	.options = options,
	.run = run,
};
