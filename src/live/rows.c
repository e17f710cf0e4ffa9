// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rows of a picture, made of the report's.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/rows.h"
#include "parts.h"

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
