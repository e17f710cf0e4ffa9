// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rows of a picture that no report has: the latest events, and counters.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "p2ptrace/rows.h"
#include "parts.h"

/* ---- the latest events ---- */

static void name_event(const struct analysis *analysis, const struct seen_event *seen,
		       struct live_event *event)
{
	const struct p2p_record *record = &seen->record;
	const struct path *path = path_at(analysis->paths, record->path);
	bool interrupt = record->flags & RECORD_INTERRUPT, known;
	uint32_t tid = interrupt && kind_is_end(seen->record.kind) ? TID_INTERRUPT : record->tid;
	uint32_t pid = tid == TID_INTERRUPT ? tid
					    : processes_tgid(&analysis->processes, tid, &known);

	event->event = event_kind_names[seen->record.kind];
	event->tid = record->tid;
	event->pid = pid == TID_INTERRUPT ? -1 : (int64_t)pid;
	event->comm = analysis_comm(analysis, pid, tid == TID_INTERRUPT ? 0 : record->comm);
	event->client = names_text(analysis->names, path->client);
	event->provider = names_text(analysis->names, path->provider);
	event->type = path->type == MAP_TYPE_ABSENT ? NULL : map_type_name(path->type);
	event->size = record->flags & RECORD_NO_SIZE ? NOT_KNOWN : record->size;
	event->count = NOT_KNOWN;
	event->dist = record->flags & RECORD_NO_DIST ? NUMBER_NOT_KNOWN : record->dist;
	event->failed = record->flags & RECORD_FAILED;
	event->note = event->failed ? "failed" : NULL;
}

static void name_loss(const struct seen_event *seen, struct live_event *event)
{
	event->event = "LOST";
	event->pid = event->tid = NUMBER_NOT_KNOWN;
	event->dist = NUMBER_NOT_KNOWN;
	event->size = NOT_KNOWN;
	event->count = seen->record.addr == PAGE_LOST_UNCOUNTED ? NOT_KNOWN : seen->record.addr;
	event->note = "events were lost here";
}

bool events_make(struct row_maker *maker)
{
	const struct live_engine *engine = &maker->live->engine;
	struct live_snapshot *snapshot = maker->snapshot;
	uint64_t end = engine->latest_count;
	uint64_t first = end > LIVE_EVENTS_MAX ? end - LIVE_EVENTS_MAX : 0;
	bool ns = engine->analysis->recording.ns;
	char text[64];

	snapshot->events = calloc(LIVE_EVENTS_MAX, sizeof(*snapshot->events));
	if (!snapshot->events)
		return false;
	for (uint64_t number = first; number < end; number++) {
		const struct seen_event *seen = &engine->latest[number % LIVE_EVENTS_MAX];
		struct live_event *event = &snapshot->events[snapshot->event_count++];

		*event = (struct live_event){ .number = number,
					      .stamp = seen->stamp,
					      .cpu = seen->record.cpu,
					      .kind = seen->record.kind };
		if (seen->record.kind == KIND_NONE)
			name_loss(seen, event);
		else
			name_event(engine->analysis, seen, event);
		if (ns)
			snprintf(text, sizeof(text), "%" PRIu64 ".%09" PRIu64,
				 seen->stamp / 1000000000u, seen->stamp % 1000000000u);
		else
			snprintf(text, sizeof(text), "%" PRIu64, seen->stamp);
		event->time = texts_add(snapshot->own, text);
		if (seen->record.kind != KIND_NONE && seen->record.kind != KIND_TYPE_CHANGE &&
		    !(seen->record.flags & RECORD_NO_ADDR)) {
			snprintf(text, sizeof(text), "0x%" PRIx64, seen->record.addr);
			event->addr = texts_add(snapshot->own, text);
		}
		if (!event->time)
			return false;
	}
	return true;
}

/* ---- counters ---- */

static bool add_counters(struct row_maker *maker, const char *device, const char *layer,
			 const struct counter_list *before, const struct counter_list *now)
{
	struct live_snapshot *snapshot = maker->snapshot;

	for (size_t i = 0; i < now->count; i++) {
		const struct counter *counter = &now->rows[i];
		struct live_counter *row = ROWS_ADD(snapshot->counters, snapshot->counter_count);
		uint64_t delta;

		if (!row)
			return false;
		row->device = texts_add(snapshot->own, device);
		row->layer = layer;
		row->name = texts_add(snapshot->own, counter->name);
		row->value = counter->known ? counter->value : NOT_KNOWN;
		row->per_s = NOT_KNOWN;
		if (before && !counter_is_gauge(counter->name) &&
		    counter_delta(counter_find(before, counter->name), counter, &delta) !=
			    CHANGE_NOT_KNOWN)
			row->per_s = rate_of(maker->seconds, delta, 0);
	}
	return true;
}

bool counters_make(struct row_maker *maker)
{
	const struct live_machine *machine = &maker->live->machine;
	const struct counters *now = &machine->now, *before = &machine->before;
	double seconds = maker->seconds;
	bool good = true;

	if (!machine->has_now || maker->live->source == LIVE_REPLAY)
		return true;
	before = machine->has_before ? before : NULL;
	/* Counters are read when the picture is made, by the clock on the wall. */
	maker->seconds = before ? (double)(now->mono_ns - before->mono_ns) / 1e9 : NAN;
	good = add_counters(maker, NULL, "debugfs", before ? &before->global : NULL, &now->global);
	for (size_t i = 0; good && i < now->provider_count; i++) {
		const struct provider_counters *provider = &now->providers[i];
		const struct provider_counters *past =
			before ? provider_find(before, provider->device) : NULL;

		good = add_counters(maker, provider->device, "pool", NULL, &provider->pool) &&
		       add_counters(maker, provider->device, "stats", past ? &past->stats : NULL,
				    &provider->stats);
	}
	maker->seconds = seconds;
	return good;
}
