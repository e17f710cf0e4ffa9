// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/command.h"
#include "p2ptrace/input.h"
#include "p2ptrace/leaks.h"
#include "p2ptrace/report.h"
#include "p2ptrace/text.h"

struct leaks_options {
	struct analysis_options analysis;
	bool json, csv, each;
	const char *by;
	uint64_t min_age, top;
};

static const struct option_spec options[] = {
	{ .kind = OPTION_GROUP,
	  .group = analysis_option_table,
	  .offset = offsetof(struct leaks_options, analysis) },
	{ OPTION_DURATION, 0, "min-age", "TIME", "open longer than this is leaked (10s, 250ms)",
	  .offset = offsetof(struct leaks_options, min_age) },
	{ OPTION_STRING, 0, "by", "KEYS", "group by pid, pair, provider, client, type, kind, stack",
	  .offset = offsetof(struct leaks_options, by) },
	{ OPTION_FLAG, 0, "each", NULL, "every allocation and mapping on a line of its own",
	  .offset = offsetof(struct leaks_options, each) },
	{ OPTION_FLAG, 0, "json", NULL, "one JSON object (schema p2ptrace.leaks/1)",
	  .offset = offsetof(struct leaks_options, json) },
	{ OPTION_FLAG, 0, "csv", NULL, "as CSV: each, or grouped with --by",
	  .offset = offsetof(struct leaks_options, csv) },
	{ OPTION_U64, 0, "top", "N", "lines at most (default 40; 0: all)",
	  .offset = offsetof(struct leaks_options, top) },
	{ .kind = OPTION_END },
};

static void json_known(struct json *json, const char *key, uint64_t value)
{
	if (value == NOT_KNOWN)
		json_null(json, key);
	else
		json_u64(json, key, value);
}

static void print_json_stack(struct json *json, const struct leaks *leaks, uint32_t stack)
{
	char name[256];

	json_array(json, "stack");
	for (size_t i = 0; leaks_frame(leaks, stack, i, name, sizeof(name)); i++)
		json_text(json, NULL, name);
	json_end_array(json);
}

static void print_json_leak(struct json *json, const struct leaks *leaks, const struct leak *leak)
{
	json_object(json, NULL);
	json_text(json, "kind", leak->kind);
	json_text(json, "verdict", leak->verdict_name);
	json_text(json, "why", leak->why);
	if (leak->pid == NUMBER_NOT_KNOWN)
		json_null(json, "pid");
	else
		json_i64(json, "pid", leak->pid);
	json_text(json, "comm", leak->comm);
	json_text(json, "provider", leak->provider);
	json_text(json, "client", leak->client);
	json_text(json, "type", leak->type);
	if (leak->has_addr)
		json_address(json, "addr", leak->addr);
	else
		json_null(json, "addr");
	json_known(json, "bytes", leak->bytes);
	json_known(json, "age_ns", leak->age);
	json_known(json, "ts_ns", leak->age == NOT_KNOWN ? NOT_KNOWN : leak->stamp);
	json_u64(json, "count", leak->count);
	print_json_stack(json, leaks, leak->stack);
	json_end_object(json);
}

static void print_json_group(struct json *json, const struct leaks *leaks,
			     const struct leak_group *group)
{
	json_object(json, NULL);
	json_text(json, "verdict", group->verdict);
	json_text(json, "kind", group->kind);
	if (group->pid == NUMBER_NOT_KNOWN)
		json_null(json, "pid");
	else
		json_i64(json, "pid", group->pid);
	json_text(json, "comm", group->comm);
	json_text(json, "provider", group->provider);
	json_text(json, "client", group->client);
	json_text(json, "type", group->type);
	json_u64(json, "count", group->count);
	json_known(json, "bytes", group->bytes);
	json_known(json, "oldest_ns", group->oldest);
	json_text(json, "why", group->why);
	print_json_stack(json, leaks, group->stack);
	json_end_object(json);
}

static void print_json(const struct leaks *leaks, const struct analysis *analysis,
		       const struct leak_group *groups, size_t count)
{
	struct json json;

	json_init(&json, stdout, false);
	json_object(&json, NULL);
	json_text(&json, "schema", "p2ptrace.leaks/1");
	json_text(&json, "file", analysis->file->path);
	json_u64(&json, "lost", analysis->lost);
	json_bool(&json, "truncated", analysis->truncated);
	json_object(&json, "totals");
	for (int verdict = 0; verdict < VERDICTS; verdict++) {
		json_object(&json, verdict_names[verdict]);
		json_u64(&json, "count", leaks->totals[verdict].count);
		if (leaks->bytes_known)
			json_u64(&json, "bytes", leaks->totals[verdict].bytes);
		else
			json_null(&json, "bytes");
		json_end_object(&json);
	}
	json_end_object(&json);
	json_array(&json, "leaks");
	for (size_t i = 0; i < leaks->count; i++)
		print_json_leak(&json, leaks, &leaks->items[i]);
	json_end_array(&json);
	if (groups) {
		json_array(&json, "groups");
		for (size_t i = 0; i < count; i++)
			print_json_group(&json, leaks, &groups[i]);
		json_end_array(&json);
	}
	json_end_object(&json);
}

static int make_json(const struct leaks *leaks, const struct analysis *analysis, const char *by,
		     struct p2p_error *err)
{
	struct leak_group *groups = NULL;
	size_t count = 0;

	if (by && leaks_group(leaks, by, &groups, &count, err))
		return -1;
	print_json(leaks, analysis, groups, count);
	free(groups);
	return P2P_OK;
}

static void print_totals(const struct leaks *leaks, const struct analysis *analysis)
{
	static const char *const words[VERDICTS] = { "leaked", "unknown", "in flight" };
	char bytes[32], count[32];

	analysis_print_caveats(analysis, stdout);
	if (!leaks->count) {
		puts("nothing is open at the end of the recording");
		return;
	}
	for (int verdict = 0; verdict < VERDICTS; verdict++) {
		printf("%s%s: %s", verdict ? ", " : "", words[verdict],
		       text_count(count, sizeof(count), leaks->totals[verdict].count));
		if (leaks->bytes_known && leaks->totals[verdict].count)
			printf(" of %s",
			       text_bytes(bytes, sizeof(bytes), leaks->totals[verdict].bytes));
	}
	puts("\n");
}

/* The columns that say something for this grouping, as keys for a table. */
static void choose_columns(const char *by, char *to, size_t room)
{
	bool pair = strstr(by, "pair");

	snprintf(to, room, "verdict%s%s%s%s%s,count,bytes,oldest_ns,why",
		 pair || strstr(by, "kind") ? ",kind" : "", strstr(by, "pid") ? ",pid,comm" : "",
		 pair || strstr(by, "provider") ? ",provider" : "",
		 pair || strstr(by, "client") ? ",client" : "",
		 pair || strstr(by, "type") ? ",type" : "");
}

/* Each stack's leaks, with the frames below. */
static void print_stacks(const struct leaks *leaks, const struct leak_group *groups, size_t count,
			 const char *columns, uint64_t top)
{
	struct table table = { leak_group_columns, NULL, 1, sizeof(*groups), columns };
	char name[256];

	for (size_t i = 0; i < count && (!top || i < top); i++) {
		table.rows = &groups[i];
		if (i)
			putchar('\n');
		table_print_text(&table, stdout, 0);
		for (size_t frame = 0;
		     leaks_frame(leaks, groups[i].stack, frame, name, sizeof(name)); frame++) {
			fputs("    ", stdout);
			text_print_safe(stdout, name);
			putchar('\n');
		}
		if (!groups[i].stack)
			puts("    no kernel stack was recorded (record -g)");
	}
	if (top && count > top)
		printf("... and %zu more (--top 0 shows all)\n", (size_t)(count - top));
}

static int print_groups(const struct leaks *leaks, const struct leaks_options *given,
			struct p2p_error *err)
{
	const char *by = given->by ? given->by : "pid,pair";
	struct table table = { leak_group_columns, NULL, 0, sizeof(struct leak_group), NULL };
	struct leak_group *groups;
	char columns[128];

	if (leaks_group(leaks, by, &groups, &table.row_count, err))
		return -1;
	table.rows = groups;
	choose_columns(by, columns, sizeof(columns));
	if (given->csv) {
		table_print_csv(&table, stdout);
	} else if (strstr(by, "stack")) {
		print_stacks(leaks, groups, table.row_count, columns, given->top);
	} else if (table.row_count) {
		table.wanted = columns;
		table_print_text(&table, stdout, given->top);
	}
	free(groups);
	return P2P_OK;
}

static int print_table(const struct leaks *leaks, const struct leaks_options *given,
		       struct p2p_error *err)
{
	struct table each = { leak_columns, leaks->items, leaks->count, sizeof(*leaks->items),
			      NULL };

	if (!given->each && !(given->csv && !given->by))
		return print_groups(leaks, given, err);
	if (given->csv)
		table_print_csv(&each, stdout);
	else if (leaks->count)
		table_print_text(&each, stdout, given->top);
	return P2P_OK;
}

static int print(struct leaks *leaks, const struct leaks_options *given,
		 const struct analysis *analysis, struct p2p_error *err)
{
	if (given->json)
		return make_json(leaks, analysis, given->by, err);
	if (given->csv) {
		if (leaks_name_stacks(leaks, err))
			return -1;
	} else {
		print_totals(leaks, analysis);
	}
	return print_table(leaks, given, err);
}

static int run(int argc, char **argv, struct p2p_error *err)
{
	struct leaks_options given = { .min_age = NOT_KNOWN, .top = 40 };
	struct analysis *analysis;
	struct leaks leaks;
	int status = -1;

	if (input_parse(argc, argv, options, &given, &given.analysis, err))
		return -1;
	if (given.json + given.csv + given.each > 1)
		return p2p_fail_usage(err, "--json, --csv and --each exclude each other");
	if (given.each && given.by)
		return p2p_fail_usage(err, "--each and --by exclude each other");
	if (given.by && leaks_check_by(given.by, err))
		return -1;
	analysis = input_analyse(&given.analysis, given.json || given.csv, err);
	if (!analysis)
		return -1;
	if (!leaks_find(&leaks, analysis, given.min_age, err)) {
		status = print(&leaks, &given, analysis, err);
		leaks_free(&leaks);
	}
	analysis_free(analysis);
	return status;
}

const struct command cmd_leaks = {
	.name = "leaks",
	.summary = "What was never freed or unmapped, with a verdict and its reason.",
	.usage = "[OPTIONS] [FILE]",
	.options = options,
	.pager = true,
	.run = run,
};
