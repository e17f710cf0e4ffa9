// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/json.h"
#include "truth.h"

/* With more than this open, only the totals are listed. */
#define LEAKS_MAX 200000

/* ---- lifetimes ---- */

static int compare_lifetimes(const void *a, const void *b)
{
	const struct lifetime *left = a, *right = b;

	if (left->group != right->group)
		return left->group < right->group ? -1 : 1;
	return left->ns < right->ns ? -1 : left->ns > right->ns;
}

static int compare_ns(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

/* Sorted values of one group, or of several together. */
struct values {
	uint64_t *ns;
	size_t count;
};

/* The lifetimes of the groups in [from, to); NULL in .ns without memory. */
static struct values values_of(const struct truth *truth, uint32_t from, uint32_t to,
			       uint32_t step_type)
{
	struct values values = { calloc(truth->lifetime_count + 1, sizeof(uint64_t)), 0 };

	for (size_t i = 0; values.ns && i < truth->lifetime_count; i++) {
		const struct lifetime *lifetime = &truth->lifetimes[i];

		if (lifetime->group >= from && lifetime->group < to &&
		    (step_type == GEN_TYPES || lifetime->group % GEN_TYPES == step_type))
			values.ns[values.count++] = lifetime->ns;
	}
	if (values.ns)
		qsort(values.ns, values.count, sizeof(*values.ns), compare_ns);
	return values;
}

/* The values of one group stand together already. */
static struct values group_values(const struct truth *truth, uint32_t group,
				  const struct lifetime_totals *totals)
{
	struct values values = { calloc(totals->count + 1, sizeof(uint64_t)), 0 };
	size_t low = 0, high = truth->lifetime_count;

	while (values.ns && low < high) {
		size_t middle = low + (high - low) / 2;

		if (truth->lifetimes[middle].group < group)
			low = middle + 1;
		else
			high = middle;
	}
	for (; values.ns && low < truth->lifetime_count && truth->lifetimes[low].group == group;
	     low++)
		values.ns[values.count++] = truth->lifetimes[low].ns;
	return values;
}

static uint64_t percentile(const struct values *values, double fraction)
{
	size_t rank = (size_t)ceil(fraction * (double)values->count);

	return values->ns[rank ? rank - 1 : 0];
}

static void put_percentiles(struct json *json, struct values values)
{
	if (values.ns && values.count) {
		json_u64(json, "p50", percentile(&values, 0.5));
		json_u64(json, "p90", percentile(&values, 0.9));
		json_u64(json, "p99", percentile(&values, 0.99));
		json_u64(json, "p999", percentile(&values, 0.999));
	}
	free(values.ns);
}

/* null when the clock does not tell; percentiles only where all values were kept. */
static void put_lifetimes(const struct truth *truth, struct json *json, const char *key,
			  const struct lifetime_totals *totals, struct values values)
{
	if (!truth->ns) {
		json_null(json, key);
		free(values.ns);
		return;
	}
	json_object(json, key);
	json_u64(json, "count", totals->count);
	if (totals->count) {
		json_u64(json, "min", totals->min);
		json_double(json, "mean", (double)totals->sum / (double)totals->count);
		json_u64(json, "max", totals->max);
	}
	put_percentiles(json, values);
	json_end_object(json);
}

static void add_totals(struct lifetime_totals *to, const struct lifetime_totals *more)
{
	if (!more->count)
		return;
	if (!to->count || more->min < to->min)
		to->min = more->min;
	if (more->max > to->max)
		to->max = more->max;
	to->count += more->count;
	to->sum += more->sum;
}

/* ---- tables ---- */

static uint32_t pair_count(const struct truth *truth)
{
	return (uint32_t)(truth->options->clients * truth->options->providers * GEN_TYPES);
}

static bool was_used(const struct pair_truth *pair)
{
	return pair->maps || pair->unmaps;
}

/* Bytes are not known where some beginning has no size. */
static void put_bytes(const struct truth *truth, struct json *json, const char *key, uint64_t bytes,
		      bool some)
{
	if (truth->options->sizes == SIZES_NONE && some)
		json_null(json, key);
	else
		json_u64(json, key, bytes);
}

/* Among equal stamps it is not the model that says what came first. */
static void put_peak(const struct truth *truth, struct json *json, uint64_t bytes, bool some)
{
	if (!truth->options->equal_stamps)
		put_bytes(truth, json, "peak_bytes", bytes, some);
}

static void put_pair(const struct truth *truth, struct json *json, uint32_t index)
{
	const struct pair_truth *pair = &truth->pairs[index];
	uint32_t client = (uint32_t)(index / GEN_TYPES / truth->options->providers);
	uint32_t provider = (uint32_t)(index / GEN_TYPES % truth->options->providers);

	json_object(json, NULL);
	json_text(json, "client", records_client(truth->records, client));
	json_text(json, "provider", records_provider(truth->records, provider));
	json_text(json, "type", gen_type_names[index % GEN_TYPES]);
	if (pair->dist_known)
		json_i64(json, "dist", 2 + (client + provider) % 7);
	else
		json_null(json, "dist");
	json_u64(json, "maps", pair->maps);
	json_u64(json, "unmaps", pair->unmaps);
	json_u64(json, "failed", pair->failed);
	put_bytes(truth, json, "bytes", pair->bytes, pair->maps);
	json_u64(json, "outstanding", pair->open);
	put_bytes(truth, json, "outstanding_bytes", pair->open_bytes, pair->maps);
	put_peak(truth, json, pair->peak_bytes, pair->maps);
	json_u64(json, "ambiguous", pair->ambiguous);
	put_lifetimes(truth, json, "lifetime_ns", &pair->lifetimes,
		      group_values(truth, index, &pair->lifetimes));
	json_end_object(json);
}

static void put_pairs(const struct truth *truth, struct json *json)
{
	json_array(json, "pairs");
	for (uint32_t i = 0; i < pair_count(truth); i++)
		if (was_used(&truth->pairs[i]))
			put_pair(truth, json, i);
	json_end_array(json);
}

static void put_types(const struct truth *truth, struct json *json)
{
	json_array(json, "map_types");
	for (uint32_t type = 0; type < GEN_TYPES; type++) {
		struct lifetime_totals lifetimes = { 0 };
		uint64_t maps = 0, bytes = 0, failed = 0;

		for (uint32_t i = type; i < pair_count(truth); i += GEN_TYPES) {
			maps += truth->pairs[i].maps;
			bytes += truth->pairs[i].bytes;
			failed += truth->pairs[i].failed;
			add_totals(&lifetimes, &truth->pairs[i].lifetimes);
		}
		if (!maps)
			continue;
		json_object(json, NULL);
		json_text(json, "type", gen_type_names[type]);
		json_u64(json, "maps", maps);
		put_bytes(truth, json, "bytes", bytes, maps);
		json_u64(json, "failed", failed);
		put_lifetimes(truth, json, "lifetime_ns", &lifetimes,
			      values_of(truth, 0, pair_count(truth), type));
		json_end_object(json);
	}
	json_end_array(json);
}

static void put_pools(const struct truth *truth, struct json *json)
{
	json_array(json, "providers");
	for (uint32_t i = 0; i < truth->options->providers; i++) {
		const struct pool_truth *pool = &truth->pools[i];

		if (!pool->allocs && !pool->frees)
			continue;
		json_object(json, NULL);
		json_text(json, "provider", records_provider(truth->records, i));
		json_u64(json, "allocs", pool->allocs);
		json_u64(json, "failed", pool->failed);
		put_bytes(truth, json, "bytes", pool->bytes, pool->allocs);
		json_u64(json, "frees", pool->frees);
		put_bytes(truth, json, "free_bytes", pool->free_bytes, pool->allocs);
		json_u64(json, "outstanding", pool->open);
		put_bytes(truth, json, "outstanding_bytes", pool->open_bytes, pool->allocs);
		put_peak(truth, json, pool->peak_bytes, pool->allocs);
		put_lifetimes(truth, json, "lifetime_ns", &pool->lifetimes,
			      group_values(truth, pair_count(truth) + i, &pool->lifetimes));
		json_end_object(json);
	}
	json_end_array(json);
}

static void put_process(const struct truth *truth, struct json *json, uint32_t index)
{
	const struct process_truth *process = &truth->processes[index];
	bool interrupt = index == truth->options->pids;
	char comm[16];

	truth_comm(index, comm);
	json_object(json, NULL);
	json_i64(json, "pid", interrupt ? -1 : (int64_t)truth_pid(truth->options, index));
	json_text(json, "comm", interrupt ? "[interrupt]" : comm);
	json_u64(json, "allocs", process->allocs);
	put_bytes(truth, json, "alloc_bytes", process->alloc_bytes, process->allocs);
	json_u64(json, "frees", process->frees);
	put_bytes(truth, json, "free_bytes", process->free_bytes, process->frees);
	json_u64(json, "maps", process->maps);
	put_bytes(truth, json, "map_bytes", process->map_bytes, process->maps);
	json_u64(json, "unmaps", process->unmaps);
	json_u64(json, "bus_addr", process->bus_addr);
	json_u64(json, "thru_host_bridge", process->thru_host_bridge);
	json_u64(json, "not_supported", process->not_supported);
	json_end_object(json);
}

static void put_processes(const struct truth *truth, struct json *json)
{
	json_array(json, "processes");
	for (uint32_t i = 0; i <= truth->options->pids; i++) {
		const struct process_truth *process = &truth->processes[i];

		if (process->allocs || process->frees || process->maps || process->unmaps)
			put_process(truth, json, i);
	}
	json_end_array(json);
}

/* ---- loss ---- */

static bool stats_stored(const struct truth *truth)
{
	return !truth->options->no_stats;
}

static uint64_t unsaved_of(const struct truth *truth, uint64_t cpu)
{
	return cpu || truth->options->foreign ? 0 : truth->options->unsaved;
}

static uint64_t missed_of(const struct truth *truth)
{
	return truth->options->foreign ? 0 : truth->options->missed;
}

static uint64_t lost_on(const struct truth *truth, const struct pages *pages, uint64_t cpu)
{
	const struct cpu_pages *at = &pages->cpus[cpu];

	return (stats_stored(truth) ? at->overrun + at->dropped : at->marked) +
	       unsaved_of(truth, cpu);
}

/* Loss that is in no page: nobody can say when it was. */
static bool loss_unplaced(const struct truth *truth, const struct pages *pages)
{
	bool unplaced = missed_of(truth) || unsaved_of(truth, 0);

	for (uint64_t i = 0; i < truth->options->cpus; i++)
		unplaced |= stats_stored(truth) && pages->cpus[i].dropped;
	return unplaced;
}

static void put_events(const struct truth *truth, const struct pages *pages, struct json *json)
{
	static const char *const keys[GEN_P2P] = { "alloc", "free", "map", "unmap",
						   "map_type_change" };
	uint64_t total = 0, lost = missed_of(truth), uncounted = 0;

	for (uint64_t i = 0; i < truth->options->cpus; i++) {
		lost += lost_on(truth, pages, i);
		uncounted += stats_stored(truth) ? 0 : pages->cpus[i].uncounted;
	}
	json_object(json, "events");
	for (int kind = 0; kind < GEN_P2P; kind++) {
		json_u64(json, keys[kind], truth->events[kind]);
		total += truth->events[kind];
	}
	json_u64(json, "total", total);
	json_u64(json, "other", truth->other);
	json_u64(json, "lost", lost);
	json_u64(json, "lost_uncounted", uncounted);
	json_u64(json, "foreign", 0);
	json_u64(json, "damaged", 0);
	json_end_object(json);
	json_array(json, "loss");
	for (uint64_t i = 0; i < truth->options->cpus; i++) {
		if (!lost_on(truth, pages, i))
			continue;
		json_object(json, NULL);
		json_u64(json, "cpu", i);
		json_u64(json, "lost", lost_on(truth, pages, i));
		json_end_object(json);
	}
	json_end_array(json);
}

/* ---- leaks ---- */

static bool process_is_gone(const struct truth *truth, const struct open_begin *begin, bool *known)
{
	enum fate fate = truth_fate(truth->options, begin->process);

	*known = true;
	if (truth->options->liveness == LIVES_SAVED && !truth->options->foreign)
		return fate == FATE_GONE ||
		       (fate == FATE_REPLACED && truth->stop > begin->stamp + START_SLACK);
	*known = truth->processes[begin->process].exit_stamp >= begin->stamp;
	return *known;
}

static const char *verdict_of(const struct truth *truth, const struct open_begin *begin,
			      bool unplaced)
{
	bool known, gone = process_is_gone(truth, begin, &known);

	if (unplaced || (truth->marked && begin->stamp < truth->mark) || !known)
		return "unknown";
	return gone ? "leaked" : "in_flight";
}

static void put_leak(const struct truth *truth, struct json *json, const struct open_begin *begin,
		     const char *verdict)
{
	char comm[16];

	truth_comm(begin->process, comm);
	json_object(json, NULL);
	json_text(json, "kind", begin->pool ? "alloc" : "map");
	json_text(json, "verdict", verdict);
	json_i64(json, "pid", truth_pid(truth->options, begin->process));
	json_text(json, "comm", comm);
	json_text(json, "provider", records_provider(truth->records, begin->provider));
	json_text(json, "client",
		  begin->pool ? NULL : records_client(truth->records, begin->client));
	json_text(json, "type", begin->pool ? NULL : gen_type_names[begin->type]);
	json_address(json, "addr", begin->addr);
	json_address(json, "open_addr",
		     begin->addr + (uint64_t)__builtin_ctzll(begin->left) * PAGE_BYTES);
	json_u64(json, "size", begin->size);
	if (truth->options->sizes == SIZES_NONE)
		json_null(json, "bytes");
	else
		json_u64(json, "bytes", truth_open_bytes(begin));
	if (truth->ns) {
		json_u64(json, "age_ns", truth->stop - begin->stamp);
		json_u64(json, "ts_ns", begin->stamp);
	} else {
		json_null(json, "age_ns");
		json_null(json, "ts_ns");
	}
	json_end_object(json);
}

enum { LEAKED, IN_FLIGHT, UNKNOWN, VERDICTS };

static const char *const verdicts[VERDICTS] = { "leaked", "in_flight", "unknown" };

struct verdict_totals {
	uint64_t count, bytes;
};

/* Counts what is open by verdict and, with `json`, lists it. */
static void judge_all(const struct truth *truth, bool unplaced, struct verdict_totals *totals,
		      struct json *json)
{
	for (uint32_t slot = 0; slot < truth->slot_room; slot++)
		for (uint32_t at = truth->slots[slot]; at; at = truth->open[at].next) {
			const struct open_begin *begin = &truth->open[at];
			const char *verdict = verdict_of(truth, begin, unplaced);

			for (int i = 0; i < VERDICTS; i++)
				if (!strcmp(verdicts[i], verdict)) {
					totals[i].count++;
					totals[i].bytes += truth_open_bytes(begin);
				}
			if (json)
				put_leak(truth, json, begin, verdict);
		}
}

static void put_leaks(const struct truth *truth, const struct pages *pages, struct json *json)
{
	struct verdict_totals totals[VERDICTS] = { 0 }, again[VERDICTS] = { 0 };
	bool unplaced = loss_unplaced(truth, pages);
	uint64_t count = 0;

	judge_all(truth, unplaced, totals, NULL);
	for (int i = 0; i < VERDICTS; i++)
		count += totals[i].count;
	json_object(json, "leak_totals");
	for (int i = 0; i < VERDICTS; i++) {
		json_object(json, verdicts[i]);
		json_u64(json, "count", totals[i].count);
		put_bytes(truth, json, "bytes", totals[i].bytes, count);
		json_end_object(json);
	}
	json_end_object(json);
	if (count > LEAKS_MAX) {
		json_null(json, "leaks");
		return;
	}
	json_array(json, "leaks");
	judge_all(truth, unplaced, again, json);
	json_end_array(json);
}

/* ---- sums ---- */

static void put_sums(const struct truth *truth, struct json *json)
{
	uint64_t allocs = 0, alloc_bytes = 0, maps = 0, map_bytes = 0, superseded = 0;
	uint64_t failed_allocs = 0, failed_maps = 0, failed_bytes = 0;

	for (uint32_t i = 0; i < pair_count(truth); i++) {
		maps += truth->pairs[i].open;
		map_bytes += truth->pairs[i].open_bytes;
		superseded += truth->pairs[i].superseded;
		failed_maps += truth->pairs[i].failed;
		failed_bytes += truth->pairs[i].failed_bytes;
	}
	for (uint64_t i = 0; i < truth->options->providers; i++) {
		allocs += truth->pools[i].open;
		alloc_bytes += truth->pools[i].open_bytes;
		superseded += truth->pools[i].superseded;
		failed_allocs += truth->pools[i].failed;
	}
	json_object(json, "outstanding");
	json_u64(json, "allocs", allocs);
	put_bytes(truth, json, "alloc_bytes", alloc_bytes, truth->events[GEN_ALLOC]);
	json_u64(json, "maps", maps);
	put_bytes(truth, json, "map_bytes", map_bytes, truth->events[GEN_MAP]);
	json_end_object(json);
	json_object(json, "orphans");
	json_u64(json, "frees", truth->orphan_frees);
	json_u64(json, "unmaps", truth->orphan_unmaps);
	json_end_object(json);
	json_u64(json, "superseded", superseded);
	json_object(json, "failed");
	json_u64(json, "allocs", failed_allocs);
	json_u64(json, "maps", failed_maps);
	put_bytes(truth, json, "map_bytes", failed_bytes, truth->events[GEN_MAP]);
	json_end_object(json);
}

static void put_all_lifetimes(const struct truth *truth, struct json *json)
{
	struct lifetime_totals maps = { 0 }, allocs = { 0 };
	uint32_t pairs = pair_count(truth);

	for (uint32_t i = 0; i < pairs; i++)
		add_totals(&maps, &truth->pairs[i].lifetimes);
	for (uint64_t i = 0; i < truth->options->providers; i++)
		add_totals(&allocs, &truth->pools[i].lifetimes);
	json_object(json, "lifetimes");
	put_lifetimes(truth, json, "map_ns", &maps, values_of(truth, 0, pairs, GEN_TYPES));
	put_lifetimes(truth, json, "alloc_ns", &allocs,
		      values_of(truth, pairs, UINT32_MAX, GEN_TYPES));
	json_end_object(json);
}

void truth_write(struct truth *truth, const struct pages *pages, FILE *out)
{
	struct json json;

	qsort(truth->lifetimes, truth->lifetime_count, sizeof(*truth->lifetimes),
	      compare_lifetimes);
	json_init(&json, out, false);
	json_object(&json, NULL);
	json_text(&json, "schema", "p2pgen.truth/1");
	json_text(&json, "clock", truth->options->clock);
	if (truth->ns) {
		json_u64(&json, "start_ns", truth->start);
		json_u64(&json, "duration_ns", truth->stop - truth->start);
	} else {
		json_null(&json, "start_ns");
		json_null(&json, "duration_ns");
	}
	put_events(truth, pages, &json);
	put_types(truth, &json);
	put_pairs(truth, &json);
	put_pools(truth, &json);
	put_processes(truth, &json);
	put_all_lifetimes(truth, &json);
	put_sums(truth, &json);
	put_leaks(truth, pages, &json);
	json_end_object(&json);
}
