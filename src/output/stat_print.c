// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "p2ptrace/json.h"
#include "p2ptrace/rows.h"
#include "p2ptrace/stat_print.h"
#include "p2ptrace/table.h"
#include "p2ptrace/text.h"

static bool is_bytes(const char *name)
{
	size_t length = strlen(name);

	return length > 6 && !strcmp(name + length - 6, "_bytes");
}

static uint64_t interval_ns(const struct stat_sample *sample)
{
	return sample->now->mono_ns - sample->before->mono_ns;
}

/* Per second; NaN when the change is not known. */
static double rate_of(const struct stat_sample *sample, const struct counter *before,
		      const struct counter *now)
{
	uint64_t delta;

	if (counter_delta(before, now, &delta) == CHANGE_NOT_KNOWN || !interval_ns(sample))
		return NAN;
	return (double)delta * 1e9 / (double)interval_ns(sample);
}

/* ---- text, all of it ---- */

/* What came since the sample before, if there is one. */
static void print_change(const struct stat_sample *sample, const struct counter *counter, FILE *out)
{
	char value[32];
	uint64_t delta;

	if (!sample->before || counter_delta(counter_find(&sample->before->global, counter->name),
					     counter, &delta) == CHANGE_NOT_KNOWN)
		return;
	fprintf(out, "  +%s", text_count(value, sizeof(value), delta));
}

static void print_global(const struct stat_sample *sample, FILE *out)
{
	const struct counters *now = sample->now;
	double ratio = counters_bus_addr_ratio(sample->before, now);
	char value[32], name[64];

	for (size_t i = 0; i < now->global.count; i++) {
		const struct counter *counter = &now->global.rows[i];

		fprintf(out, "%-24s %20s", text_safe(name, sizeof(name), counter->name),
			counter->known ? text_count(value, sizeof(value), counter->value) : "-");
		if (counter->known && is_bytes(counter->name))
			fprintf(out, "  %s", text_bytes(value, sizeof(value), counter->value));
		print_change(sample, counter, out);
		fputc('\n', out);
	}
	if (isfinite(ratio))
		fprintf(out, "%-24s %18.1f %%\n", "BUS_ADDR ratio", ratio * 100);
	else if (now->global.count)
		fprintf(out, "%-24s %20s  (no mapping yet, or not counted)\n", "BUS_ADDR ratio",
			"-");
}

/* Known values under names for people, in the order to show them. */
static const struct {
	const char *name, *heading;
} headings[] = {
	{ "size_bytes", "SIZE" },     { "available_bytes", "AVAILABLE" },
	{ "mapped_bytes", "MAPPED" }, { "peak_mapped_bytes", "PEAK MAPPED" },
	{ "alloc_count", "ALLOCS" },  { "free_count", "FREES" },
};

#define HEADINGS (sizeof(headings) / sizeof(headings[0]))

/* More kinds of statistics than this are not shown as text, and it is said. */
enum { VALUES_MAX = 24 };

/* A provider's row of the text's table. */
struct provider_row {
	const char *device;
	const char *published; /* yes, no, NULL */
	uint64_t values[VALUES_MAX];
};

struct provider_table {
	const char *names[VALUES_MAX];
	struct column columns[VALUES_MAX + 3]; /* two more, and the end */
	size_t count;
	bool cut;
};

static void add_column(struct provider_table *table, const char *name, const char *heading)
{
	for (size_t i = 0; i < table->count; i++)
		if (!strcmp(table->names[i], name))
			return;
	if (table->count == VALUES_MAX) {
		table->cut = true;
		return;
	}
	/* CELL_NUMBER: a count that may be not known. */
	table->columns[table->count + 2] = (struct column){
		is_bytes(name) ? CELL_BYTES : CELL_NUMBER, name, heading,
		offsetof(struct provider_row, values) + table->count * sizeof(uint64_t), IN_TEXT
	};
	table->names[table->count++] = name;
}

static const struct counter *provider_value(const struct provider_counters *provider,
					    const char *name)
{
	const struct counter *counter = counter_find(&provider->pool, name);

	return counter ? counter : counter_find(&provider->stats, name);
}

static void choose_columns(const struct counters *now, struct provider_table *table)
{
	static const struct column first[] = {
		{ CELL_TEXT, "provider", "PROVIDER", offsetof(struct provider_row, device),
		  IN_TEXT },
		{ CELL_TEXT, "published", "PUBLISHED", offsetof(struct provider_row, published),
		  IN_TEXT },
	};

	*table = (struct provider_table){ .columns = { first[0], first[1] } };
	for (size_t i = 0; i < HEADINGS; i++)
		for (size_t p = 0; p < now->provider_count; p++)
			if (provider_value(&now->providers[p], headings[i].name))
				add_column(table, headings[i].name, headings[i].heading);
	for (size_t p = 0; p < now->provider_count; p++)
		for (size_t i = 0; i < now->providers[p].stats.count; i++)
			add_column(table, now->providers[p].stats.rows[i].name,
				   now->providers[p].stats.rows[i].name);
}

static uint64_t cell_value(const struct provider_counters *provider, const struct column *column)
{
	const struct counter *counter = provider_value(provider, column->key);

	if (column->kind == CELL_NUMBER && (!counter || !counter->known))
		return (uint64_t)NUMBER_NOT_KNOWN;
	return counter && counter->known ? counter->value : NOT_KNOWN;
}

static const char *published_word(const struct provider_counters *provider)
{
	const struct counter *published = counter_find(&provider->pool, "published");

	if (!published || !published->known)
		return NULL;
	return published->value ? "yes" : "no";
}

static int print_providers(const struct counters *now, FILE *out, struct p2p_error *err)
{
	struct provider_table columns;
	struct provider_row *rows = calloc(now->provider_count, sizeof(*rows));
	struct table table = { columns.columns, rows, now->provider_count, sizeof(*rows), NULL };

	if (!rows)
		return p2p_fail(err, "no memory for the table of providers");
	choose_columns(now, &columns);
	for (size_t p = 0; p < now->provider_count; p++) {
		rows[p].device = now->providers[p].device;
		rows[p].published = published_word(&now->providers[p]);
		for (size_t i = 0; i < columns.count; i++)
			rows[p].values[i] = cell_value(&now->providers[p], &columns.columns[i + 2]);
	}
	table_print_text(&table, out, 0);
	if (columns.cut)
		fputs("(more statistics with --json)\n", out);
	free(rows);
	return 0;
}

int stat_print_text(const struct stat_sample *sample, FILE *out, struct p2p_error *err)
{
	const struct counters *now = sample->now;

	print_global(sample, out);
	if (now->global.count && now->provider_count)
		fputc('\n', out);
	if (now->provider_count && print_providers(now, out, err))
		return -1;
	for (size_t i = 0; i < sample->missing_count; i++) {
		if (!i && (now->global.count || now->provider_count))
			fputc('\n', out);
		fprintf(out, "missing: ");
		text_print_safe(out, sample->missing[i].why);
		fprintf(out, ". Remedy: %s\n", sample->missing[i].remedy);
	}
	return 0;
}

/* ---- text, a line an interval ---- */

/* The columns in order; those not `wide` are always there, with "-" for what is not. */
static const struct {
	const char *name, *heading;
	bool wide;
} line_columns[] = {
	{ "total_mappings", "MAPS/s", false },
	{ "bus_addr_mappings", "BUS_ADDR/s", false },
	{ "host_bridge_mappings", "BRIDGE/s", false },
	{ "not_supported_mappings", "REFUSED/s", false },
	{ "total_unmappings", "UNMAPS/s", false },
	{ "total_allocations", "ALLOCS/s", true },
	{ "total_frees", "FREES/s", true },
	{ "allocated_bytes", "ALLOC/s", false },
	{ "freed_bytes", "FREED/s", false },
	{ "map_type_calculations", "CALC/s", true },
	{ "error_count", "ERRORS/s", false },
};

#define LINE_COLUMNS (sizeof(line_columns) / sizeof(line_columns[0]))
enum { LINE_WIDTH = 10 };

static bool is_line_column(const char *name)
{
	for (size_t i = 0; i < LINE_COLUMNS; i++)
		if (!strcmp(line_columns[i].name, name))
			return true;
	return false;
}

static void print_rate(const struct stat_sample *sample, const char *name, int width, FILE *out)
{
	double rate = rate_of(sample, counter_find(&sample->before->global, name),
			      counter_find(&sample->now->global, name));
	char text[32];

	if (!isfinite(rate))
		fprintf(out, " %*s", width, "-");
	else if (is_bytes(name))
		fprintf(out, " %*s", width,
			text_bytes(text, sizeof(text), (uint64_t)fmin(rate, 0x1p63)));
	else if (rate > 0 && rate < 9.95)
		fprintf(out, " %*.1f", width, rate);
	else
		fprintf(out, " %*s", width,
			text_count(text, sizeof(text), (uint64_t)fmin(rate + 0.5, 0x1p63)));
}

/* In use of all pools, and mapped, over the providers that tell; false: none does. */
static bool sum_used(const struct counters *now, uint64_t *sum)
{
	bool any = false;

	*sum = 0;
	for (size_t i = 0; i < now->provider_count; i++) {
		const struct counter_list *pool = &now->providers[i].pool;
		const struct counter *size = counter_find(pool, "size_bytes");
		const struct counter *available = counter_find(pool, "available_bytes");

		if (!size || !size->known || !available || !available->known)
			continue;
		any = true;
		if (size->value > available->value)
			*sum += size->value - available->value;
	}
	return any;
}

static bool sum_mapped(const struct counters *now, uint64_t *sum)
{
	bool any = false;

	*sum = 0;
	for (size_t i = 0; i < now->provider_count; i++) {
		const struct counter *mapped =
			counter_find(&now->providers[i].stats, "mapped_bytes");

		if (mapped && mapped->known) {
			any = true;
			*sum += mapped->value;
		}
	}
	return any;
}

static void print_amount(bool known, uint64_t bytes, FILE *out)
{
	char text[32];

	fprintf(out, " %*s", LINE_WIDTH, known ? text_bytes(text, sizeof(text), bytes) : "-");
}

static void print_heads(const struct stat_sample *sample, bool wide, FILE *out)
{
	char name[64];

	fprintf(out, "%-8s %8s", "TIME", "BUS_ADDR");
	for (size_t i = 0; i < LINE_COLUMNS; i++)
		if (wide || !line_columns[i].wide)
			fprintf(out, " %*s", LINE_WIDTH, line_columns[i].heading);
	for (size_t i = 0; wide && i < sample->now->global.count; i++)
		if (!is_line_column(sample->now->global.rows[i].name))
			fprintf(out, " %*s", LINE_WIDTH,
				text_safe(name, sizeof(name), sample->now->global.rows[i].name));
	fprintf(out, " %*s %*s\n", LINE_WIDTH, "POOLS USED", LINE_WIDTH, "MAPPED");
}

static unsigned int count_resets(const struct counter_list *before, const struct counter_list *now)
{
	unsigned int resets = 0;
	uint64_t delta;

	for (size_t i = 0; i < now->count; i++)
		resets += counter_delta(counter_find(before, now->rows[i].name), &now->rows[i],
					&delta) == CHANGE_RESET;
	return resets;
}

static unsigned int all_resets(const struct stat_sample *sample)
{
	unsigned int resets = count_resets(&sample->before->global, &sample->now->global);

	for (size_t i = 0; i < sample->now->provider_count; i++) {
		const struct provider_counters *now = &sample->now->providers[i];
		const struct provider_counters *before = provider_find(sample->before, now->device);

		if (before)
			resets += count_resets(&before->stats, &now->stats);
	}
	return resets;
}

static void print_time(uint64_t wall_ns, FILE *out)
{
	time_t seconds = (time_t)(wall_ns / 1000000000u);
	char stamp[16] = "-";
	struct tm parts;

	if (localtime_r(&seconds, &parts))
		strftime(stamp, sizeof(stamp), "%H:%M:%S", &parts);
	fprintf(out, "%-8s", stamp);
}

/* Counters without a column of their own. */
static void print_other_rates(const struct stat_sample *sample, FILE *out)
{
	for (size_t i = 0; i < sample->now->global.count; i++) {
		const char *name = sample->now->global.rows[i].name;
		char safe[64];
		int width = (int)strlen(text_safe(safe, sizeof(safe), name));

		if (!is_line_column(name))
			print_rate(sample, name, width > LINE_WIDTH ? width : LINE_WIDTH, out);
	}
}

void stat_print_line(const struct stat_sample *sample, bool wide, bool heading, FILE *out)
{
	double ratio = counters_bus_addr_ratio(sample->before, sample->now);
	unsigned int resets = all_resets(sample);
	uint64_t bytes;
	bool known;

	if (heading)
		print_heads(sample, wide, out);
	if (resets)
		fprintf(out, "-- %u counters began anew: what is shown was counted since\n",
			resets);
	print_time(sample->now->wall_ns, out);
	if (isfinite(ratio))
		fprintf(out, " %6.1f %%", ratio * 100);
	else
		fprintf(out, " %8s", "-");
	for (size_t i = 0; i < LINE_COLUMNS; i++)
		if (wide || !line_columns[i].wide)
			print_rate(sample, line_columns[i].name, LINE_WIDTH, out);
	if (wide)
		print_other_rates(sample, out);
	known = sum_used(sample->now, &bytes);
	print_amount(known, bytes, out);
	known = sum_mapped(sample->now, &bytes);
	print_amount(known, bytes, out);
	fputc('\n', out);
}

/* ---- JSON ---- */

static void json_values(struct json *json, const char *key, const struct counter_list *list)
{
	json_object(json, key);
	for (size_t i = 0; i < list->count; i++) {
		const struct counter *counter = &list->rows[i];

		if (!counter->known)
			json_null(json, counter->name);
		else if (!strcmp(counter->name, "published"))
			json_bool(json, counter->name, counter->value != 0);
		else
			json_u64(json, counter->name, counter->value);
	}
	json_end_object(json);
}

/* "deltas", "rates" and "resets" of the counters in a list. */
static void json_changes(struct json *json, const struct stat_sample *sample,
			 const struct counter_list *before, const struct counter_list *now)
{
	static const struct counter_list nothing;
	uint64_t delta;

	before = before ? before : &nothing;
	json_object(json, "deltas");
	for (size_t i = 0; i < now->count; i++) {
		const struct counter *counter = &now->rows[i];

		if (counter_is_gauge(counter->name))
			continue;
		if (counter_delta(counter_find(before, counter->name), counter, &delta))
			json_u64(json, counter->name, delta);
		else
			json_null(json, counter->name);
	}
	json_end_object(json);
	json_object(json, "rates");
	for (size_t i = 0; i < now->count; i++)
		if (!counter_is_gauge(now->rows[i].name))
			json_double(json, now->rows[i].name,
				    rate_of(sample, counter_find(before, now->rows[i].name),
					    &now->rows[i]));
	json_end_object(json);
	json_array(json, "resets");
	for (size_t i = 0; i < now->count; i++)
		if (counter_delta(counter_find(before, now->rows[i].name), &now->rows[i], &delta) ==
		    CHANGE_RESET)
			json_text(json, NULL, now->rows[i].name);
	json_end_array(json);
}

static void json_provider(struct json *json, const struct stat_sample *sample,
			  const struct provider_counters *now)
{
	const struct provider_counters *before =
		sample->before ? provider_find(sample->before, now->device) : NULL;

	json_object(json, NULL);
	json_text(json, "device", now->device);
	json_values(json, "pool", &now->pool);
	if (now->has_stats)
		json_values(json, "stats", &now->stats);
	else
		json_null(json, "stats");
	if (sample->before)
		json_changes(json, sample, before ? &before->stats : NULL, &now->stats);
	json_end_object(json);
}

static void json_missing(struct json *json, const struct stat_sample *sample)
{
	json_array(json, "missing");
	for (size_t i = 0; i < sample->missing_count; i++) {
		json_object(json, NULL);
		json_text(json, "layer", sample->missing[i].layer);
		json_text(json, "why", sample->missing[i].why);
		json_text(json, "remedy", sample->missing[i].remedy);
		json_end_object(json);
	}
	json_end_array(json);
}

void stat_print_json(const struct stat_sample *sample, FILE *out)
{
	struct json json;

	json_init(&json, out, sample->before != NULL);
	json_object(&json, NULL);
	json_text(&json, "schema", "p2ptrace.stat/1");
	json_u64(&json, "time_ns", sample->now->wall_ns);
	if (sample->before)
		json_u64(&json, "interval_ns", interval_ns(sample));
	json_double(&json, "bus_addr_ratio", counters_bus_addr_ratio(sample->before, sample->now));
	json_values(&json, "counters", &sample->now->global);
	if (sample->before)
		json_changes(&json, sample, &sample->before->global, &sample->now->global);
	json_array(&json, "providers");
	for (size_t i = 0; i < sample->now->provider_count; i++)
		json_provider(&json, sample, &sample->now->providers[i]);
	json_end_array(&json);
	json_missing(&json, sample);
	json_end_object(&json);
}

/* ---- CSV ---- */

static void csv_rows(const struct stat_sample *sample, const char *device,
		     const struct counter_list *before, const struct counter_list *now, FILE *out)
{
	static const struct counter_list nothing;

	before = before ? before : &nothing;
	for (size_t i = 0; i < now->count; i++) {
		const struct counter *counter = &now->rows[i];
		uint64_t delta;

		fprintf(out, "%" PRIu64 ",", sample->now->wall_ns);
		if (*device)
			table_print_csv_text(out, device);
		fputc(',', out);
		table_print_csv_text(out, counter->name);
		fputc(',', out);
		if (counter->known)
			fprintf(out, "%" PRIu64, counter->value);
		if (sample->before &&
		    counter_delta(counter_find(before, counter->name), counter, &delta))
			fprintf(out, ",%" PRIu64 ",%.9g\n", delta,
				rate_of(sample, counter_find(before, counter->name), counter));
		else
			fputs(",,\n", out);
	}
}

void stat_print_csv(const struct stat_sample *sample, bool heading, FILE *out)
{
	const struct counters *before = sample->before, *now = sample->now;

	if (heading)
		fputs("time_ns,device,counter,value,delta,rate\n", out);
	csv_rows(sample, "", before ? &before->global : NULL, &now->global, out);
	for (size_t i = 0; i < now->provider_count; i++) {
		const struct provider_counters *provider = &now->providers[i];
		const struct provider_counters *earlier =
			before ? provider_find(before, provider->device) : NULL;

		csv_rows(sample, provider->device, earlier ? &earlier->pool : NULL, &provider->pool,
			 out);
		csv_rows(sample, provider->device, earlier ? &earlier->stats : NULL,
			 &provider->stats, out);
	}
}
