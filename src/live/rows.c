// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rows of a picture, made of the report's, and their columns.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/rows.h"
#include "parts.h"

#define TYPE(field) offsetof(struct type_row, field)
#define PAIR(field) offsetof(struct live_pair, field)
#define PROCESS(field) offsetof(struct live_process, field)
#define POOL(field) offsetof(struct live_pool, field)
#define LEAK(field) offsetof(struct leak, field)
#define EVENT(field) offsetof(struct live_event, field)
#define COUNTER(field) offsetof(struct live_counter, field)

const struct column live_type_columns[] = {
	{ CELL_TEXT, "type", "MAP TYPE", TYPE(type), IN_ALL },
	{ CELL_COUNT, "maps", "MAPS", TYPE(maps), IN_ALL },
	{ CELL_SHARE, "share", "SHARE", TYPE(share), IN_ALL },
	{ CELL_BYTES, "bytes", "BYTES", TYPE(bytes), IN_ALL },
	{ CELL_COUNT, "failed", "FAILED", TYPE(failed), IN_ALL },
	{ .kind = CELL_END },
};

const struct column live_pair_columns[] = {
	{ CELL_TEXT, "client", "CLIENT", PAIR(client), IN_ALL },
	{ CELL_TEXT, "provider", "PROVIDER", PAIR(provider), IN_ALL },
	{ CELL_TEXT, "type", "TYPE", PAIR(type), IN_ALL },
	{ CELL_NUMBER, "dist", "DIST", PAIR(dist), IN_ALL },
	{ CELL_COUNT, "maps_per_s", "MAPS/S", PAIR(maps_per_s), IN_ALL },
	{ CELL_BYTES, "bytes_per_s", "BYTES/S", PAIR(bytes_per_s), IN_ALL },
	{ CELL_COUNT, "maps", "MAPS", PAIR(maps), IN_ALL },
	{ CELL_COUNT, "unmaps", "UNMAPS", PAIR(unmaps), IN_CSV | IN_JSON },
	{ CELL_BYTES, "bytes", "BYTES", PAIR(bytes), IN_ALL },
	{ CELL_COUNT, "failed", "FAILED", PAIR(failed), IN_CSV | IN_JSON },
	{ CELL_COUNT, "outstanding", "OPEN", PAIR(outstanding), IN_ALL },
	{ CELL_BYTES, "outstanding_bytes", "OPEN BYTES", PAIR(outstanding_bytes), IN_ALL },
	{ CELL_BYTES, "peak_bytes", "PEAK", PAIR(peak_bytes), IN_CSV | IN_JSON },
	{ CELL_DURATION, "lifetime_p50_ns", "LIFE P50", PAIR(lifetime.p50), IN_WIDE },
	{ CELL_DURATION, "lifetime_p99_ns", "P99", PAIR(lifetime.p99), IN_WIDE },
	{ CELL_DURATION, "lifetime_max_ns", "MAX", PAIR(lifetime.max), IN_CSV },
	{ CELL_SUMMARY, "lifetime_ns", "", PAIR(lifetime), IN_JSON },
	{ .kind = CELL_END },
};

const struct column live_process_columns[] = {
	{ CELL_NUMBER, "pid", "PID", PROCESS(pid), IN_ALL },
	{ CELL_TEXT, "comm", "COMM", PROCESS(comm), IN_ALL },
	{ CELL_TEXT, "state", "STATE", PROCESS(state), IN_ALL },
	{ CELL_COUNT, "maps_per_s", "MAPS/S", PROCESS(maps_per_s), IN_ALL },
	{ CELL_BYTES, "bytes_per_s", "BYTES/S", PROCESS(bytes_per_s), IN_ALL },
	{ CELL_COUNT, "maps", "MAPS", PROCESS(maps), IN_ALL },
	{ CELL_BYTES, "map_bytes", "MAPPED", PROCESS(map_bytes), IN_ALL },
	{ CELL_COUNT, "unmaps", "UNMAPS", PROCESS(unmaps), IN_CSV | IN_JSON },
	{ CELL_COUNT, "allocs", "ALLOCS", PROCESS(allocs), IN_ALL },
	{ CELL_BYTES, "alloc_bytes", "ALLOC BYTES", PROCESS(alloc_bytes), IN_ALL },
	{ CELL_COUNT, "frees", "FREES", PROCESS(frees), IN_ALL },
	{ CELL_BYTES, "free_bytes", "FREED", PROCESS(free_bytes), IN_CSV | IN_JSON },
	{ CELL_COUNT, "bus_addr", "BUS_ADDR", PROCESS(bus_addr), IN_ALL },
	{ CELL_COUNT, "thru_host_bridge", "HOST BRIDGE", PROCESS(thru_host_bridge), IN_ALL },
	{ CELL_COUNT, "not_supported", "REFUSED", PROCESS(not_supported), IN_ALL },
	{ .kind = CELL_END },
};

const struct column live_pool_columns[] = {
	{ CELL_TEXT, "provider", "PROVIDER", POOL(provider), IN_ALL },
	{ CELL_BYTES, "size", "POOL", POOL(size), IN_ALL },
	{ CELL_BYTES, "available", "AVAILABLE", POOL(available), IN_ALL },
	{ CELL_COUNT, "outstanding", "OPEN", POOL(outstanding), IN_ALL },
	{ CELL_BYTES, "outstanding_bytes", "OPEN BYTES", POOL(outstanding_bytes), IN_ALL },
	{ CELL_BYTES, "peak_bytes", "PEAK", POOL(peak_bytes), IN_ALL },
	{ CELL_BYTES, "bytes_per_s", "BYTES/S", POOL(bytes_per_s), IN_ALL },
	{ CELL_COUNT, "allocs", "ALLOCS", POOL(allocs), IN_ALL },
	{ CELL_COUNT, "failed", "FAILED", POOL(failed), IN_ALL },
	{ CELL_BYTES, "bytes", "BYTES", POOL(bytes), IN_ALL },
	{ CELL_COUNT, "frees", "FREES", POOL(frees), IN_ALL },
	{ CELL_BYTES, "free_bytes", "FREED", POOL(free_bytes), IN_CSV | IN_JSON },
	{ CELL_DURATION, "lifetime_p50_ns", "LIFE P50", POOL(lifetime.p50), IN_WIDE },
	{ CELL_DURATION, "lifetime_p99_ns", "P99", POOL(lifetime.p99), IN_CSV },
	{ CELL_SUMMARY, "lifetime_ns", "", POOL(lifetime), IN_JSON },
	{ .kind = CELL_END },
};

const struct column live_leak_columns[] = {
	{ CELL_DURATION, "age_ns", "AGE", LEAK(age), IN_ALL },
	{ CELL_TEXT, "verdict", "VERDICT", LEAK(verdict_name), IN_ALL },
	{ CELL_TEXT, "kind", "KIND", LEAK(kind), IN_ALL },
	{ CELL_NUMBER, "pid", "PID", LEAK(pid), IN_ALL },
	{ CELL_TEXT, "comm", "COMM", LEAK(comm), IN_ALL },
	{ CELL_TEXT, "provider", "PROVIDER", LEAK(provider), IN_ALL },
	{ CELL_TEXT, "client", "CLIENT", LEAK(client), IN_ALL },
	{ CELL_TEXT, "type", "TYPE", LEAK(type), IN_ALL },
	{ CELL_BYTES, "bytes", "BYTES", LEAK(bytes), IN_ALL },
	{ CELL_COUNT, "count", "COUNT", LEAK(count), IN_CSV | IN_JSON },
	{ CELL_TEXT, "why", "WHY", LEAK(why), IN_ALL },
	{ .kind = CELL_END },
};

const struct column live_event_columns[] = {
	{ CELL_TEXT, "time", "TIME", EVENT(time), IN_WIDE },
	{ CELL_COUNT, "ts_ns", "STAMP", EVENT(stamp), IN_CSV | IN_JSON },
	{ CELL_COUNT, "cpu", "CPU", EVENT(cpu), IN_ALL },
	{ CELL_TEXT, "event", "EVENT", EVENT(event), IN_ALL },
	{ CELL_NUMBER, "pid", "PID", EVENT(pid), IN_ALL },
	{ CELL_TEXT, "comm", "COMM", EVENT(comm), IN_ALL },
	{ CELL_TEXT, "client", "CLIENT", EVENT(client), IN_ALL },
	{ CELL_TEXT, "provider", "PROVIDER", EVENT(provider), IN_ALL },
	{ CELL_TEXT, "type", "TYPE", EVENT(type), IN_ALL },
	{ CELL_NUMBER, "dist", "DIST", EVENT(dist), IN_CSV | IN_JSON },
	{ CELL_TEXT, "addr", "ADDR", EVENT(addr), IN_ALL },
	{ CELL_BYTES, "size", "SIZE", EVENT(size), IN_ALL },
	{ CELL_COUNT, "count", "COUNT", EVENT(count), IN_CSV | IN_JSON },
	{ CELL_TEXT, "note", "NOTE", EVENT(note), IN_ALL },
	{ .kind = CELL_END },
};

const struct column live_counter_columns[] = {
	{ CELL_TEXT, "device", "DEVICE", COUNTER(device), IN_ALL },
	{ CELL_TEXT, "layer", "LAYER", COUNTER(layer), IN_ALL },
	{ CELL_TEXT, "name", "COUNTER", COUNTER(name), IN_ALL },
	{ CELL_COUNT, "value", "VALUE", COUNTER(value), IN_ALL },
	{ CELL_COUNT, "per_s", "PER SECOND", COUNTER(per_s), IN_ALL },
	{ .kind = CELL_END },
};

/* ---- rows of the picture before ---- */

static int compare_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int compare_past(const void *x, const void *y)
{
	const struct past_row *left = x, *right = y;
	int order;

	if (left->pid != right->pid)
		return left->pid < right->pid ? -1 : 1;
	order = compare_text(left->a, right->a);
	order = order ? order : compare_text(left->b, right->b);
	return order ? order : compare_text(left->c, right->c);
}

/* What the row counted then; nothing, where it is new. */
static struct past_row past_of(const struct past_rows *past, const struct past_row *key)
{
	const struct past_row *found = past->count ? bsearch(key, past->rows, past->count,
							     sizeof(*past->rows), compare_past)
						   : NULL;

	return found ? *found : (struct past_row){ .maps = 0 };
}

static void keep_past(struct past_rows *past, struct past_row *rows, size_t count)
{
	free(past->rows);
	*past = (struct past_rows){ rows, count };
	rows_sort(rows, count, sizeof(*rows), compare_past);
}

/* ---- rows ---- */

/* Percentiles of nothing are not known. */
static void summarise(const struct histogram *histogram, struct histogram_summary *summary)
{
	*summary = (struct histogram_summary){ NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN,
					       NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, NAN };
	if (histogram && histogram->count)
		histogram_summarise(histogram, summary);
	else if (histogram)
		summary->count = 0;
}

static bool make_types(struct row_maker *maker)
{
	struct live_snapshot *snapshot = maker->snapshot;
	const struct report *report = maker->report;

	snapshot->types = calloc(report->type_count + 1, sizeof(*snapshot->types));
	if (!snapshot->types)
		return false;
	for (size_t i = 0; i < report->type_count; i++) {
		snapshot->types[i] = report->types[i];
		snapshot->types[i].lifetime = NULL;
	}
	snapshot->type_count = report->type_count;
	return true;
}

static bool make_pair(struct row_maker *maker, const struct pair_row *from, struct live_pair *to,
		      struct past_row *past)
{
	struct live_texts *own = maker->snapshot->own;
	struct past_row before;

	*past = (struct past_row){ from->client, from->provider, from->type, 0,
				   from->maps,	 from->bytes };
	before = past_of(&maker->live->past_pairs, past);
	*to = (struct live_pair){ .client = from->client,
				  .provider = from->provider,
				  .type = from->type,
				  .dist = from->dist,
				  .maps = from->maps,
				  .unmaps = from->unmaps,
				  .failed = from->failed,
				  .bytes = from->bytes,
				  .maps_per_s = rate_of(maker->seconds, from->maps, before.maps),
				  .bytes_per_s = rate_of(maker->seconds, from->bytes, before.bytes),
				  .outstanding = from->outstanding,
				  .outstanding_bytes = from->outstanding_bytes,
				  .peak_bytes = from->peak_bytes };
	summarise(from->lifetime, &to->lifetime);
	if (!from->lifetime)
		return true;
	to->histogram = &own->histograms[own->histogram_count];
	return histogram_merge(&own->histograms[own->histogram_count++], from->lifetime);
}

static bool make_pairs(struct row_maker *maker)
{
	struct live_snapshot *snapshot = maker->snapshot;
	const struct report *report = maker->report;
	struct past_row *past = calloc(report->pair_count + 1, sizeof(*past));
	bool good;

	snapshot->pairs = calloc(report->pair_count + 1, sizeof(*snapshot->pairs));
	snapshot->own->histograms =
		calloc(report->pair_count + 1, sizeof(*snapshot->own->histograms));
	good = past && snapshot->pairs && snapshot->own->histograms;
	for (size_t i = 0; good && i < report->pair_count; i++)
		good = make_pair(maker, &report->pairs[i], &snapshot->pairs[snapshot->pair_count++],
				 &past[i]);
	if (good)
		keep_past(&maker->live->past_pairs, past, report->pair_count);
	else
		free(past);
	return good;
}

static const char *state_of(const struct live *live, const struct process_row *row)
{
	const struct processes *processes = &live->engine.analysis->processes;
	uint32_t tgid = (uint32_t)row->pid;
	char path[32];

	if (row->pid <= 0)
		return NULL;
	if (!processes_exited(processes, tgid))
		return live->source == LIVE_KERNEL && live->kernel->recorder.session.beside_exit
			       ? "runs"
			       : NULL;
	/* The number may be in use again. */
	snprintf(path, sizeof(path), "/proc/%u", tgid);
	if (live->source == LIVE_KERNEL && live->kernel->recorder.session.pids_global &&
	    !access(path, F_OK))
		return "runs";
	return "gone";
}

static void make_process(struct row_maker *maker, const struct process_row *from,
			 struct live_process *to, struct past_row *past)
{
	struct past_row before;

	*past = (struct past_row){ .pid = from->pid, .maps = from->maps, .bytes = from->map_bytes };
	before = past_of(&maker->live->past_processes, past);
	*to = (struct live_process){ .pid = from->pid,
				     .comm = from->comm,
				     .state = state_of(maker->live, from),
				     .allocs = from->allocs,
				     .alloc_bytes = from->alloc_bytes,
				     .frees = from->frees,
				     .free_bytes = from->free_bytes,
				     .maps = from->maps,
				     .map_bytes = from->map_bytes,
				     .unmaps = from->unmaps,
				     .bus_addr = from->bus_addr,
				     .thru_host_bridge = from->thru_host_bridge,
				     .not_supported = from->not_supported,
				     .maps_per_s = rate_of(maker->seconds, from->maps, before.maps),
				     .bytes_per_s = rate_of(maker->seconds, from->map_bytes,
							    before.bytes) };
}

static bool make_processes(struct row_maker *maker)
{
	struct live_snapshot *snapshot = maker->snapshot;
	const struct report *report = maker->report;
	struct past_row *past = calloc(report->process_count + 1, sizeof(*past));

	snapshot->processes = calloc(report->process_count + 1, sizeof(*snapshot->processes));
	if (!past || !snapshot->processes) {
		free(past);
		return false;
	}
	for (size_t i = 0; i < report->process_count; i++)
		make_process(maker, &report->processes[i], &snapshot->processes[i], &past[i]);
	snapshot->process_count = report->process_count;
	keep_past(&maker->live->past_processes, past, report->process_count);
	return true;
}

/* ---- pools ---- */

static uint64_t counter_value(const struct counter_list *list, const char *name)
{
	const struct counter *counter = counter_find(list, name);

	return counter && counter->known ? counter->value : NOT_KNOWN;
}

static struct live_pool *add_pool(struct live_snapshot *snapshot, const char *provider)
{
	struct live_pool *pool = ROWS_ADD(snapshot->pools, snapshot->pool_count);

	if (!pool)
		return NULL;
	*pool = (struct live_pool){ .provider = provider,
				    .size = NOT_KNOWN,
				    .available = NOT_KNOWN,
				    .bytes_per_s = NOT_KNOWN };
	summarise(NULL, &pool->lifetime);
	return pool;
}

static bool make_pool(struct row_maker *maker, const struct pool_row *from, struct past_row *past)
{
	struct live_pool *to = add_pool(maker->snapshot, from->provider);
	struct past_row before;

	*past = (struct past_row){ .a = from->provider,
				   .maps = from->allocs,
				   .bytes = from->bytes };
	before = past_of(&maker->live->past_pools, past);
	if (!to)
		return false;
	to->allocs = from->allocs;
	to->failed = from->failed;
	to->bytes = from->bytes;
	to->frees = from->frees;
	to->free_bytes = from->free_bytes;
	to->bytes_per_s = rate_of(maker->seconds, from->bytes, before.bytes);
	to->outstanding = from->outstanding;
	to->outstanding_bytes = from->outstanding_bytes;
	to->peak_bytes = from->peak_bytes;
	summarise(from->lifetime, &to->lifetime);
	return true;
}

/* What sysfs says of the pools, of those without events too. */
static bool add_sizes(struct row_maker *maker)
{
	const struct live_machine *machine = &maker->live->machine;
	struct live_snapshot *snapshot = maker->snapshot;
	size_t with_events = snapshot->pool_count;

	for (size_t i = 0; machine->has_now && i < machine->now.provider_count; i++) {
		const struct provider_counters *counters = &machine->now.providers[i];
		struct live_pool *pool = NULL;

		for (size_t p = 0; p < with_events; p++)
			if (!strcmp(snapshot->pools[p].provider, counters->device))
				pool = &snapshot->pools[p];
		if (!pool)
			pool = add_pool(snapshot, texts_add(snapshot->own, counters->device));
		if (!pool || !pool->provider)
			return false;
		pool->size = counter_value(&counters->pool, "size_bytes");
		if (maker->live->source != LIVE_REPLAY)
			pool->available = counter_value(&counters->pool, "available_bytes");
	}
	return true;
}

static bool make_pools(struct row_maker *maker)
{
	const struct report *report = maker->report;
	struct past_row *past = calloc(report->pool_count + 1, sizeof(*past));
	bool good = past;

	for (size_t i = 0; good && i < report->pool_count; i++)
		good = make_pool(maker, &report->pools[i], &past[i]);
	if (!good) {
		free(past);
		return false;
	}
	keep_past(&maker->live->past_pools, past, report->pool_count);
	return add_sizes(maker);
}

bool rows_make(struct row_maker *maker)
{
	return make_types(maker) && make_pairs(maker) && make_processes(maker) && make_pools(maker);
}

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

		*event = (struct live_event){
			.number = number, .stamp = seen->stamp, .cpu = seen->record.cpu, .kind = seen->record.kind
		};
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
