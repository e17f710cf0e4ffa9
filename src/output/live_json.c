// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A picture as one JSON object on one line: schema p2ptrace.live/1.
 */
#include "p2ptrace/live.h"

static const char *const source_names[] = {
	[LIVE_KERNEL] = "kernel",
	[LIVE_REPLAY] = "replay",
	[LIVE_COUNTERS] = "counters",
};

static void json_known(struct json *json, const char *key, uint64_t value)
{
	if (value == NOT_KNOWN)
		json_null(json, key);
	else
		json_u64(json, key, value);
}

static void print_source(struct json *json, const struct live_head *head)
{
	json_text(json, "source", source_names[head->source]);
	json_bool(json, "ended", head->ended);
	json_text(json, "host", head->host);
	json_text(json, "kernel", head->kernel);
	json_text(json, "events_from", head->events_from);
	json_text(json, "system", head->system);
	json_text(json, "clock", head->clock);
	json_text(json, "file", head->file);
	json_double(json, "progress", head->progress);
	json_known(json, "wall_ns", head->wall_ns ? head->wall_ns : NOT_KNOWN);
}

static void print_numbers(struct json *json, const struct live_head *head)
{
	json_known(json, "duration_ns", head->duration_ns);
	json_known(json, "interval_ns", head->interval_ns);
	json_u64(json, "events", head->events);
	json_known(json, "events_per_s", head->events_per_s);
	json_u64(json, "maps", head->maps);
	json_known(json, "maps_per_s", head->maps_per_s);
	json_u64(json, "bytes", head->bytes);
	json_known(json, "bytes_per_s", head->bytes_per_s);
	json_u64(json, "lost", head->lost);
	json_u64(json, "lost_uncounted", head->lost_uncounted);
	json_double(json, "bus_addr_ratio", head->bus_addr_ratio);
	json_double(json, "bus_addr_ratio_now", head->bus_addr_ratio_now);
	json_object(json, "outstanding");
	json_u64(json, "allocs", head->open_allocs);
	json_known(json, "alloc_bytes", head->open_alloc_bytes);
	json_u64(json, "maps", head->open_maps);
	json_known(json, "map_bytes", head->open_map_bytes);
	json_u64(json, "let_go", head->let_go);
	json_end_object(json);
	json_u64(json, "threads_folded", head->folded);
	json_object(json, "kept");
	json_u64(json, "bytes", head->kept_bytes);
	json_u64(json, "limit", head->kept_max);
	json_bool(json, "whole", head->kept_max && !head->kept_cut);
	json_end_object(json);
}

static void print_history(struct json *json, const struct live_snapshot *snapshot)
{
	json_array(json, "history");
	for (size_t i = 0; i < snapshot->history_count; i++) {
		const struct live_second *second = &snapshot->history[i];

		json_object(json, NULL);
		json_u64(json, "events", second->events);
		json_u64(json, "bytes", second->bytes);
		json_object(json, "maps");
		for (uint8_t type = 0; type < MAP_TYPES_KNOWN; type++)
			if (second->maps[type])
				json_u64(json, map_type_name(type), second->maps[type]);
		json_end_object(json);
		json_end_object(json);
	}
	json_end_array(json);
}

static void print_verdicts(struct json *json, const struct live_snapshot *snapshot)
{
	json_object(json, "verdicts");
	for (int verdict = 0; verdict < VERDICTS; verdict++) {
		json_object(json, verdict_names[verdict]);
		json_u64(json, "count", snapshot->verdicts[verdict].count);
		json_u64(json, "bytes", snapshot->verdicts[verdict].bytes);
		json_end_object(json);
	}
	json_end_object(json);
}

static void print_findings(struct json *json, const struct findings *findings)
{
	json_array(json, "findings");
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->items[i];

		json_object(json, NULL);
		json_text(json, "id", finding->id);
		json_text(json, "severity", severity_names[finding->severity]);
		json_text(json, "title", finding->title);
		json_text(json, "evidence", finding->evidence);
		json_text(json, "cause", finding->cause);
		json_text(json, "remedy", finding->remedy);
		json_end_object(json);
	}
	json_end_array(json);
}

/* Pairs of which nothing is known and nothing was seen are left out. */
static void print_matrix(struct json *json, const struct live_matrix *matrix)
{
	json_array(json, "matrix");
	for (size_t i = 0; i < matrix->provider_count * matrix->client_count; i++) {
		const struct live_cell *cell = &matrix->cells[i];

		if (!cell->predicted && !cell->observed)
			continue;
		json_object(json, NULL);
		json_text(json, "provider", matrix->providers[i / matrix->client_count]);
		json_text(json, "client", matrix->clients[i % matrix->client_count]);
		json_text(json, "predicted", cell->predicted);
		json_text(json, "observed", cell->observed);
		json_bool(json, "mixed", cell->mixed);
		json_u64(json, "maps", cell->maps);
		json_known(json, "maps_per_s", cell->maps_per_s);
		json_end_object(json);
	}
	json_end_array(json);
}

void live_print_json(const struct live_snapshot *snapshot, FILE *out)
{
	const struct {
		const char *key;
		struct table table;
	} tables[] = {
		{ "map_types",
		  { live_type_columns, snapshot->types, snapshot->type_count,
		    sizeof(*snapshot->types), NULL } },
		{ "pairs",
		  { live_pair_columns, snapshot->pairs, snapshot->pair_count,
		    sizeof(*snapshot->pairs), NULL } },
		{ "processes",
		  { live_process_columns, snapshot->processes, snapshot->process_count,
		    sizeof(*snapshot->processes), NULL } },
		{ "providers",
		  { live_pool_columns, snapshot->pools, snapshot->pool_count,
		    sizeof(*snapshot->pools), NULL } },
		{ "leaks",
		  { live_leak_columns, snapshot->leaks, snapshot->leak_count,
		    sizeof(*snapshot->leaks), NULL } },
		{ "latest",
		  { live_event_columns, snapshot->events, snapshot->event_count,
		    sizeof(*snapshot->events), NULL } },
		{ "counters",
		  { live_counter_columns, snapshot->counters, snapshot->counter_count,
		    sizeof(*snapshot->counters), NULL } },
	};
	struct json json;

	json_init(&json, out, true);
	json_object(&json, NULL);
	json_text(&json, "schema", "p2ptrace.live/1");
	json_u64(&json, "number", snapshot->number);
	print_source(&json, &snapshot->head);
	print_numbers(&json, &snapshot->head);
	json_array(&json, "notes");
	for (size_t i = 0; i < snapshot->note_count; i++)
		json_text(&json, NULL, snapshot->notes[i]);
	json_end_array(&json);
	print_history(&json, snapshot);
	print_verdicts(&json, snapshot);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		table_print_json(&tables[i].table, &json, tables[i].key);
	print_findings(&json, &snapshot->findings);
	print_matrix(&json, &snapshot->matrix);
	json_end_object(&json);
}
