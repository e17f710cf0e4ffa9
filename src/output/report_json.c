// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>

#include "p2ptrace/report.h"
#include "p2ptrace/tally.h"

static void print_events(struct json *json, const struct analysis *analysis,
			 const uint64_t events[KIND_P2P_COUNT], uint64_t total, uint64_t foreign)
{
	static const char *const keys[KIND_P2P_COUNT] = {
		[KIND_ALLOC] = "alloc",
		[KIND_FREE] = "free",
		[KIND_MAP] = "map",
		[KIND_UNMAP] = "unmap",
		[KIND_TYPE_CHANGE] = "map_type_change",
	};

	json_object(json, "events");
	json_u64(json, "total", total);
	for (enum event_kind kind = KIND_ALLOC; kind < KIND_P2P_COUNT; kind++)
		json_u64(json, keys[kind], events[kind]);
	json_u64(json, "other", analysis->other);
	json_u64(json, "lost", analysis->lost);
	json_u64(json, "lost_uncounted", analysis->lost_uncounted);
	json_u64(json, "foreign", foreign);
	json_u64(json, "damaged", analysis->damaged);
	json_end_object(json);
}

static void print_loss(const struct analysis *analysis, struct json *json)
{
	json_array(json, "loss");
	for (size_t i = 0; i < analysis->loss_count; i++) {
		const struct cpu_loss *loss = &analysis->losses[i];

		json_object(json, NULL);
		json_u64(json, "cpu", loss->cpu);
		json_u64(json, "lost", loss->lost);
		json_u64(json, "overrun", loss->overrun);
		json_u64(json, "commit_overrun", loss->commit_overrun);
		json_u64(json, "dropped", loss->dropped);
		json_u64(json, "unsaved", loss->unsaved);
		json_end_object(json);
	}
	json_end_array(json);
	json_u64(json, "missed_probes", analysis->recording.missed);
}

static void print_filters(const struct selection *selection, struct json *json)
{
	const struct selection_options *given = &selection->given;
	const struct {
		const char *key, *value;
	} filters[] = {
		{ "time", given->time },     { "pid", given->pid },
		{ "comm", given->comm },     { "provider", given->provider },
		{ "client", given->client }, { "type", given->type },
		{ "cpu", given->cpu },
	};

	json_object(json, "filters");
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (filters[i].value)
			json_text(json, filters[i].key, filters[i].value);
	json_end_object(json);
}

static void json_known(struct json *json, const char *key, uint64_t value, bool known)
{
	if (known)
		json_u64(json, key, value);
	else
		json_null(json, key);
}

/* What every document begins with. */
static void print_head(struct json *json, const struct analysis *analysis)
{
	bool ns = analysis->recording.ns;

	json_text(json, "schema", "p2ptrace.report/1");
	json_text(json, "file", analysis->file->path);
	json_text(json, "clock", analysis->file->clock);
	json_known(json, "start_ns", analysis->start, ns);
	json_known(json, "duration_ns", analysis->stop - analysis->start, ns);
}

void tally_print_json(const struct tally *tally, const struct analysis *analysis, FILE *out)
{
	struct table types = { tally_columns, tally->types, tally->type_count,
			       sizeof(*tally->types), NULL };
	struct json json;

	json_init(&json, out, false);
	json_object(&json, NULL);
	print_head(&json, analysis);
	print_events(&json, analysis, tally->events, tally->total, 0);
	print_loss(analysis, &json);
	json_bool(&json, "truncated", analysis->truncated);
	table_print_json(&types, &json, "map_types");
	json_double(&json, "bus_addr_ratio", tally->bus_addr_ratio);
	json_object(&json, "failed");
	json_u64(&json, "allocs", tally->failed_allocs);
	json_u64(&json, "maps", tally->failed_maps);
	json_end_object(&json);
	print_filters(&analysis->selection, &json);
	json_end_object(&json);
}

void report_print_json(const struct report *report, FILE *out, const struct table *groups,
		       const struct table *times)
{
	const struct analysis *analysis = report->analysis;
	struct table types = { type_columns, report->types, report->type_count,
			       sizeof(*report->types), NULL };
	struct table pairs = { pair_columns, report->pairs, report->pair_count,
			       sizeof(*report->pairs), NULL };
	struct table processes = { process_columns, report->processes, report->process_count,
				   sizeof(*report->processes), NULL };
	struct table pools = { pool_columns, report->pools, report->pool_count,
			       sizeof(*report->pools), NULL };
	struct json json;

	json_init(&json, out, false);
	json_object(&json, NULL);
	print_head(&json, analysis);
	print_events(&json, analysis, report->events, report->total, report->foreign);
	print_loss(analysis, &json);
	json_bool(&json, "truncated", analysis->truncated);
	table_print_json(&types, &json, "map_types");
	json_double(&json, "bus_addr_ratio", report->bus_addr_ratio);
	table_print_json(&pairs, &json, "pairs");
	table_print_json(&pools, &json, "providers");
	table_print_json(&processes, &json, "processes");
	json_object(&json, "lifetimes");
	json_histogram(&json, "map_ns", report->lifetimes_known ? &report->map_lifetimes : NULL);
	json_histogram(&json, "alloc_ns",
		       report->lifetimes_known ? &report->alloc_lifetimes : NULL);
	json_end_object(&json);
	json_object(&json, "outstanding");
	json_u64(&json, "allocs", report->open_allocs);
	json_known(&json, "alloc_bytes", report->open_alloc_bytes, report->alloc_bytes_known);
	json_u64(&json, "maps", report->open_maps);
	json_known(&json, "map_bytes", report->open_map_bytes, report->map_bytes_known);
	json_end_object(&json);
	json_object(&json, "orphans");
	json_u64(&json, "frees", report->orphan_frees);
	json_u64(&json, "unmaps", report->orphan_unmaps);
	json_end_object(&json);
	json_u64(&json, "superseded", report->superseded);
	json_object(&json, "failed");
	json_u64(&json, "allocs", report->failed_allocs);
	json_u64(&json, "maps", report->failed_maps);
	json_known(&json, "map_bytes", report->failed_map_bytes, report->map_bytes_known);
	json_end_object(&json);
	json_u64(&json, "threads_without_process", analysis->unknown_tgids);
	print_filters(&analysis->selection, &json);
	if (groups)
		table_print_json(groups, &json, "groups");
	if (times)
		table_print_json(times, &json, "timeline");
	json_end_object(&json);
}
