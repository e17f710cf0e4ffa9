// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/predictions.h"
#include "p2ptrace/report.h"
#include "p2ptrace/rows.h"

#define TYPE(field) offsetof(struct type_row, field)
#define PAIR(field) offsetof(struct pair_row, field)
#define PROCESS(field) offsetof(struct process_row, field)
#define POOL(field) offsetof(struct pool_row, field)

const struct column type_columns[] = {
	{ CELL_TEXT, "type", "MAP TYPE", TYPE(type), IN_ALL },
	{ CELL_COUNT, "maps", "MAPS", TYPE(maps), IN_ALL },
	{ CELL_SHARE, "share", "SHARE", TYPE(share), IN_ALL },
	{ CELL_BYTES, "bytes", "BYTES", TYPE(bytes), IN_ALL },
	{ CELL_COUNT, "failed", "FAILED", TYPE(failed), IN_ALL },
	{ CELL_P50, "lifetime_p50_ns", "LIFE P50", TYPE(lifetime), IN_WIDE },
	{ CELL_P90, "lifetime_p90_ns", "P90", TYPE(lifetime), IN_WIDE },
	{ CELL_P99, "lifetime_p99_ns", "P99", TYPE(lifetime), IN_WIDE },
	{ CELL_MAX, "lifetime_max_ns", "MAX", TYPE(lifetime), IN_WIDE },
	{ CELL_HISTOGRAM, "lifetime_ns", "", TYPE(lifetime), IN_JSON },
	{ .kind = CELL_END },
};

const struct column pair_columns[] = {
	{ CELL_TEXT, "client", "CLIENT", PAIR(client), IN_ALL },
	{ CELL_TEXT, "provider", "PROVIDER", PAIR(provider), IN_ALL },
	{ CELL_TEXT, "type", "TYPE", PAIR(type), IN_ALL },
	{ CELL_NUMBER, "dist", "DIST", PAIR(dist), IN_ALL },
	{ CELL_COUNT, "maps", "MAPS", PAIR(maps), IN_ALL },
	{ CELL_COUNT, "unmaps", "UNMAPS", PAIR(unmaps), IN_ALL },
	{ CELL_BYTES, "bytes", "BYTES", PAIR(bytes), IN_ALL },
	{ CELL_COUNT, "outstanding", "OPEN", PAIR(outstanding), IN_ALL },
	{ CELL_BYTES, "outstanding_bytes", "OPEN BYTES", PAIR(outstanding_bytes), IN_ALL },
	{ CELL_BYTES, "peak_bytes", "PEAK", PAIR(peak_bytes), IN_CSV | IN_JSON },
	{ CELL_COUNT, "failed", "FAILED", PAIR(failed), IN_CSV | IN_JSON },
	{ CELL_COUNT, "ambiguous", "AMBIGUOUS", PAIR(ambiguous), IN_CSV | IN_JSON },
	{ CELL_P50, "lifetime_p50_ns", "LIFE P50", PAIR(lifetime), IN_WIDE },
	{ CELL_P90, "lifetime_p90_ns", "P90", PAIR(lifetime), IN_CSV },
	{ CELL_P99, "lifetime_p99_ns", "P99", PAIR(lifetime), IN_WIDE },
	{ CELL_MAX, "lifetime_max_ns", "MAX", PAIR(lifetime), IN_WIDE },
	{ CELL_HISTOGRAM, "lifetime_ns", "", PAIR(lifetime), IN_JSON },
	{ CELL_OBJECT, "predicted", "", PAIR(predicted), IN_JSON },
	{ .kind = CELL_END },
};

const struct column process_columns[] = {
	{ CELL_NUMBER, "pid", "PID", PROCESS(pid), IN_ALL },
	{ CELL_TEXT, "comm", "COMM", PROCESS(comm), IN_ALL },
	{ CELL_COUNT, "allocs", "ALLOCS", PROCESS(allocs), IN_ALL },
	{ CELL_BYTES, "alloc_bytes", "BYTES", PROCESS(alloc_bytes), IN_ALL },
	{ CELL_COUNT, "frees", "FREES", PROCESS(frees), IN_ALL },
	{ CELL_BYTES, "free_bytes", "FREED", PROCESS(free_bytes), IN_ALL },
	{ CELL_COUNT, "maps", "MAPS", PROCESS(maps), IN_ALL },
	{ CELL_BYTES, "map_bytes", "MAPPED", PROCESS(map_bytes), IN_ALL },
	{ CELL_COUNT, "unmaps", "UNMAPS", PROCESS(unmaps), IN_ALL },
	{ CELL_COUNT, "bus_addr", "BUS_ADDR", PROCESS(bus_addr), IN_ALL },
	{ CELL_COUNT, "thru_host_bridge", "HOST BRIDGE", PROCESS(thru_host_bridge), IN_ALL },
	{ CELL_COUNT, "not_supported", "REFUSED", PROCESS(not_supported), IN_ALL },
	{ .kind = CELL_END },
};

const struct column pool_columns[] = {
	{ CELL_TEXT, "provider", "PROVIDER", POOL(provider), IN_ALL },
	{ CELL_COUNT, "allocs", "ALLOCS", POOL(allocs), IN_ALL },
	{ CELL_COUNT, "failed", "FAILED", POOL(failed), IN_ALL },
	{ CELL_BYTES, "bytes", "BYTES", POOL(bytes), IN_ALL },
	{ CELL_COUNT, "frees", "FREES", POOL(frees), IN_ALL },
	{ CELL_BYTES, "free_bytes", "FREED", POOL(free_bytes), IN_ALL },
	{ CELL_COUNT, "outstanding", "OPEN", POOL(outstanding), IN_ALL },
	{ CELL_BYTES, "outstanding_bytes", "OPEN BYTES", POOL(outstanding_bytes), IN_ALL },
	{ CELL_BYTES, "peak_bytes", "PEAK", POOL(peak_bytes), IN_ALL },
	{ CELL_BYTES, "pool_bytes", "POOL", POOL(pool_bytes), IN_ALL | IF_KNOWN },
	{ CELL_P50, "lifetime_p50_ns", "LIFE P50", POOL(lifetime), IN_WIDE },
	{ CELL_P99, "lifetime_p99_ns", "P99", POOL(lifetime), IN_WIDE },
	{ CELL_MAX, "lifetime_max_ns", "MAX", POOL(lifetime), IN_WIDE },
	{ CELL_HISTOGRAM, "lifetime_ns", "", POOL(lifetime), IN_JSON },
	{ .kind = CELL_END },
};

const char *analysis_comm(const struct analysis *analysis, uint32_t pid, uint32_t event_comm)
{
	uint32_t comm = event_comm ? event_comm : processes_comm(&analysis->processes, pid);

	if (pid == TID_INTERRUPT)
		return "[interrupt]";
	if (pid == TID_OTHERS)
		return "[others]";
	if (comm)
		return names_text(analysis->names, comm);
	return pid == TID_IDLE ? "<idle>" : "<...>";
}

/* ---- paths ---- */

/* A pair's row; mapping events of one pair and type have two paths, map and unmap. */
static struct pair_row *find_pair(struct report *report, const struct path *path)
{
	const struct names *names = report->analysis->names;
	const char *client = names_text(names, path->client);
	const char *provider = names_text(names, path->provider);
	const char *type = path->type == MAP_TYPE_ABSENT ? "UNKNOWN" : map_type_name(path->type);
	struct pair_row *row;

	client = client ? client : "";
	provider = provider ? provider : "";
	row = ROWS_ADD(report->pairs, report->pair_count);
	if (row)
		*row = (struct pair_row){ client, provider, type, .dist = NUMBER_NOT_KNOWN };
	return row;
}

static bool add_pair(struct report *report, const struct path *path,
		     const struct path_totals *totals)
{
	struct pair_row *row = find_pair(report, path);
	bool known = report->lifetimes_known && !totals->no_addr;

	if (!row)
		return false;
	row->maps = path->kind == KIND_MAP ? totals->begins : 0;
	row->unmaps = totals->ends;
	row->failed = totals->failed;
	row->bytes = totals->no_size ? NOT_KNOWN : path->kind == KIND_MAP ? totals->bytes : 0;
	row->outstanding = totals->open;
	row->outstanding_bytes = totals->no_size ? NOT_KNOWN : totals->open_bytes;
	row->peak_bytes = totals->no_size ? NOT_KNOWN : totals->peak_bytes;
	row->ambiguous = totals->ambiguous;
	row->dist = totals->dist < 0 ? NUMBER_NOT_KNOWN : totals->dist;
	row->lifetime = known ? &totals->lifetimes : NULL;
	return true;
}

static bool maps_tell_distance(const struct schema *schema)
{
	for (size_t i = 0; i < schema->layout_count; i++)
		if (schema->layouts[i].kind == KIND_MAP && schema->layouts[i].dist.present)
			return true;
	return false;
}

/* Dynamic probes tell the distance where the kernel calculates it, not with each map:
 * for the row of the pair's maps, if there is one. */
static bool add_calculation(struct report *report, const struct path *path,
			    const struct path_totals *totals)
{
	struct pair_row *row = totals->dist < 0 ? NULL : find_pair(report, path);

	if (!row)
		return totals->dist < 0;
	row->dist = totals->dist;
	row->calculation = true;
	return true;
}

static bool add_pool(struct report *report, const struct path *path,
		     const struct path_totals *totals)
{
	struct pool_row *row = ROWS_ADD(report->pools, report->pool_count);
	const char *provider = names_text(report->analysis->names, path->provider);
	bool begins = path->kind == KIND_ALLOC;

	if (!row)
		return false;
	row->provider = provider ? provider : "";
	row->pool_bytes = NOT_KNOWN;
	row->allocs = begins ? totals->begins : 0;
	row->failed = totals->failed;
	row->bytes = totals->no_size ? NOT_KNOWN
		     : begins	     ? totals->bytes - totals->failed_bytes
				     : 0;
	row->frees = totals->ends;
	row->free_bytes = totals->no_size ? NOT_KNOWN : totals->end_bytes;
	row->outstanding = totals->open;
	row->outstanding_bytes = totals->no_size ? NOT_KNOWN : totals->open_bytes;
	row->peak_bytes = totals->no_size ? NOT_KNOWN : totals->peak_bytes;
	row->lifetime = report->lifetimes_known && !totals->no_addr ? &totals->lifetimes : NULL;
	return true;
}

static int compare_pairs(const void *a, const void *b)
{
	const struct pair_row *left = a, *right = b;
	int order = strcmp(left->client, right->client);

	order = order ? order : strcmp(left->provider, right->provider);
	return order ? order : strcmp(left->type, right->type);
}

static int compare_pools(const void *a, const void *b)
{
	return strcmp(((const struct pool_row *)a)->provider,
		      ((const struct pool_row *)b)->provider);
}

static uint64_t add_known(uint64_t a, uint64_t b)
{
	return a == NOT_KNOWN || b == NOT_KNOWN ? NOT_KNOWN : a + b;
}

/* Rows of the same pair become one: orphans have a path of their own, which has no
 * beginnings and no lifetimes. */
static void fold_pairs(struct report *report)
{
	size_t kept = 0;

	rows_sort(report->pairs, report->pair_count, sizeof(*report->pairs), compare_pairs);
	for (size_t i = 0; i < report->pair_count; i++) {
		struct pair_row *row = &report->pairs[i], *into = &report->pairs[kept - !!kept];

		if (!kept || compare_pairs(into, row)) {
			report->pairs[kept++] = *row;
			continue;
		}
		into->calculation &= row->calculation;
		into->maps += row->maps;
		into->unmaps += row->unmaps;
		into->failed += row->failed;
		into->bytes = add_known(into->bytes, row->bytes);
		into->outstanding += row->outstanding;
		into->outstanding_bytes =
			add_known(into->outstanding_bytes, row->outstanding_bytes);
		into->peak_bytes = add_known(into->peak_bytes, row->peak_bytes);
		into->ambiguous += row->ambiguous;
		into->dist = into->dist == NUMBER_NOT_KNOWN ? row->dist : into->dist;
		if (!into->lifetime || (row->lifetime && row->lifetime->count))
			into->lifetime = row->lifetime;
	}
	report->pair_count = 0;
	for (size_t i = 0; i < kept; i++)
		if (!report->pairs[i].calculation)
			report->pairs[report->pair_count++] = report->pairs[i];
}

static void fold_pools(struct report *report)
{
	size_t kept = 0;

	rows_sort(report->pools, report->pool_count, sizeof(*report->pools), compare_pools);
	for (size_t i = 0; i < report->pool_count; i++) {
		struct pool_row *row = &report->pools[i], *into = &report->pools[kept - !!kept];

		if (!kept || compare_pools(into, row)) {
			report->pools[kept++] = *row;
			continue;
		}
		into->allocs += row->allocs;
		into->failed += row->failed;
		into->bytes = add_known(into->bytes, row->bytes);
		into->frees += row->frees;
		into->free_bytes = add_known(into->free_bytes, row->free_bytes);
		into->outstanding += row->outstanding;
		into->outstanding_bytes =
			add_known(into->outstanding_bytes, row->outstanding_bytes);
		into->peak_bytes = add_known(into->peak_bytes, row->peak_bytes);
		if (!into->lifetime || (row->lifetime && row->lifetime->count))
			into->lifetime = row->lifetime;
	}
	report->pool_count = kept;
}

static bool add_map_totals(struct report *report, const struct path *path,
			   const struct path_totals *totals)
{
	report->open_maps += totals->open;
	report->open_map_bytes += totals->open_bytes;
	report->failed_maps += totals->failed;
	report->failed_map_bytes += totals->failed_bytes;
	report->map_bytes_known &= !totals->no_size;
	report->types_known &= path->kind != KIND_MAP || path->type != MAP_TYPE_ABSENT;
	report->maps_succeeded += path->kind == KIND_MAP ? totals->begins - totals->failed : 0;
	return histogram_merge(&report->map_lifetimes, &totals->lifetimes) &&
	       add_pair(report, path, totals);
}

static bool add_alloc_totals(struct report *report, const struct path *path,
			     const struct path_totals *totals)
{
	report->open_allocs += totals->open;
	report->open_alloc_bytes += totals->open_bytes;
	report->failed_allocs += totals->failed;
	report->alloc_bytes_known &= !totals->no_size;
	return histogram_merge(&report->alloc_lifetimes, &totals->lifetimes) &&
	       add_pool(report, path, totals);
}

static bool add_paths(struct report *report)
{
	const struct analysis *analysis = report->analysis;
	bool told = maps_tell_distance(analysis->schema), good = true;

	for (unsigned int shard = 0; shard < analysis->shard_count; shard++) {
		const struct matcher *matcher = &analysis->matchers[shard];

		for (uint32_t id = 0; id < matcher->totals_room && good; id++) {
			const struct path_totals *totals = matcher->totals[id];
			const struct path *path = totals ? path_at(analysis->paths, id) : NULL;

			if (!totals)
				continue;
			if (path->kind == KIND_MAP || path->kind == KIND_UNMAP)
				good = add_map_totals(report, path, totals);
			else if (path->kind == KIND_ALLOC || path->kind == KIND_FREE)
				good = add_alloc_totals(report, path, totals);
			else if (path->kind == KIND_TYPE_CHANGE && !told)
				good = add_calculation(report, path, totals);
		}
	}
	fold_pairs(report);
	fold_pools(report);
	return good;
}

/* ---- types ---- */

static int compare_types(const void *a, const void *b)
{
	const struct type_row *left = a, *right = b;

	if (left->maps != right->maps)
		return left->maps > right->maps ? -1 : 1;
	return strcmp(left->type, right->type);
}

static struct type_row *type_row(struct report *report, const char *type)
{
	struct type_row *row;

	for (size_t i = 0; i < report->type_count; i++)
		if (!strcmp(report->types[i].type, type))
			return &report->types[i];
	row = ROWS_ADD(report->types, report->type_count);
	if (row)
		row->type = type;
	return row;
}

static bool add_types(struct report *report)
{
	uint64_t all = report->events[KIND_MAP], direct = 0;

	for (size_t i = 0; i < report->pair_count; i++) {
		const struct pair_row *pair = &report->pairs[i];
		struct type_row *row;

		if (!pair->maps)
			continue;
		row = type_row(report, pair->type);
		if (!row)
			return false;
		row->maps += pair->maps;
		row->failed += pair->failed;
		row->bytes = add_known(row->bytes, pair->bytes);
		if (!strcmp(pair->type, "BUS_ADDR"))
			direct += pair->maps - pair->failed;
	}
	report->bus_addr_ratio = report->maps_succeeded && report->types_known
					 ? (double)direct / (double)report->maps_succeeded
					 : NAN;
	rows_sort(report->types, report->type_count, sizeof(*report->types), compare_types);
	report->type_lifetimes = calloc(report->type_count + 1, sizeof(*report->type_lifetimes));
	if (!report->type_lifetimes)
		return false;
	for (size_t i = 0; i < report->type_count; i++)
		report->types[i].share = (double)report->types[i].maps / (double)all;
	for (size_t i = 0; i < report->pair_count; i++)
		for (size_t t = 0; t < report->type_count && report->pairs[i].lifetime; t++) {
			if (strcmp(report->types[t].type, report->pairs[i].type) != 0)
				continue;
			if (!histogram_merge(&report->type_lifetimes[t], report->pairs[i].lifetime))
				return false;
			report->types[t].lifetime = &report->type_lifetimes[t];
		}
	return true;
}

/* ---- processes ---- */

/* A thread's totals with its process. */
struct thread_of_process {
	uint32_t pid;
	const struct thread_totals *totals;
};

static int compare_threads(const void *a, const void *b)
{
	const struct thread_of_process *left = a, *right = b;

	if (left->pid != right->pid)
		return left->pid < right->pid ? -1 : 1;
	return left->totals->tid < right->totals->tid ? -1 : left->totals->tid > right->totals->tid;
}

static void add_thread(struct process_row *row, const struct thread_totals *totals)
{
	row->allocs += totals->of[ACTIVITY_POOL].begins;
	row->alloc_bytes += totals->of[ACTIVITY_POOL].bytes;
	row->frees += totals->of[ACTIVITY_POOL].ends;
	row->free_bytes += totals->of[ACTIVITY_POOL].end_bytes;
	row->maps += totals->of[ACTIVITY_MAPPING].begins;
	row->map_bytes += totals->of[ACTIVITY_MAPPING].bytes;
	row->unmaps += totals->of[ACTIVITY_MAPPING].ends;
	row->bus_addr += totals->by_type[MAP_TYPE_BUS_ADDR];
	row->thru_host_bridge += totals->by_type[MAP_TYPE_THRU_HOST_BRIDGE];
	row->not_supported += totals->by_type[MAP_TYPE_NOT_SUPPORTED];
}

/* The leader's name is the process's; else what the events or the file call it. */
static const char *process_comm(const struct analysis *analysis,
				const struct thread_of_process *threads, size_t count)
{
	uint32_t pid = threads[0].pid, comm = processes_comm(&analysis->processes, pid);

	for (size_t i = 0; i < count; i++)
		if (threads[i].totals->tid == pid && threads[i].totals->comm)
			comm = threads[i].totals->comm;
	for (size_t i = 0; i < count && !comm; i++)
		comm = threads[i].totals->comm
			       ? threads[i].totals->comm
			       : processes_comm(&analysis->processes, threads[i].totals->tid);
	return analysis_comm(analysis, pid, comm);
}

static int64_t row_pid(uint32_t pid)
{
	return pid == TID_INTERRUPT ? -1 : pid == TID_OTHERS ? -2 : (int64_t)pid;
}

static bool fold_threads(struct report *report, struct thread_of_process *threads, size_t count)
{
	rows_sort(threads, count, sizeof(*threads), compare_threads);
	for (size_t first = 0, end; first < count; first = end) {
		struct process_row *row = ROWS_ADD(report->processes, report->process_count);

		if (!row)
			return false;
		for (end = first; end < count && threads[end].pid == threads[first].pid; end++)
			add_thread(row, threads[end].totals);
		row->pid = row_pid(threads[first].pid);
		row->comm = process_comm(report->analysis, threads + first, end - first);
	}
	return true;
}

static int compare_processes(const void *a, const void *b)
{
	const struct process_row *left = a, *right = b;
	uint64_t one = left->map_bytes + left->alloc_bytes;
	uint64_t two = right->map_bytes + right->alloc_bytes;

	if (one != two)
		return one > two ? -1 : 1;
	return left->pid < right->pid ? -1 : left->pid > right->pid;
}

/* Where beginnings have no size, a process's sums would be too low. */
static void hide_unknown_bytes(struct report *report)
{
	for (size_t i = 0; i < report->process_count; i++) {
		struct process_row *row = &report->processes[i];

		if (!report->alloc_bytes_known && row->allocs)
			row->alloc_bytes = NOT_KNOWN;
		if (!report->alloc_bytes_known && row->frees)
			row->free_bytes = NOT_KNOWN;
		if (!report->map_bytes_known && row->maps)
			row->map_bytes = NOT_KNOWN;
	}
}

static bool add_processes(struct report *report)
{
	const struct analysis *analysis = report->analysis;
	struct thread_of_process *threads;
	size_t count = 0, at = 0;
	bool good, known;

	for (unsigned int shard = 0; shard < analysis->shard_count; shard++)
		count += analysis->matchers[shard].thread_count;
	threads = calloc(count + 1, sizeof(*threads));
	if (!threads)
		return false;
	for (unsigned int shard = 0; shard < analysis->shard_count; shard++) {
		const struct matcher *matcher = &analysis->matchers[shard];

		for (uint32_t i = 0; i < matcher->thread_count; i++)
			threads[at++] =
				(struct thread_of_process){ processes_tgid(&analysis->processes,
									   matcher->threads[i].tid,
									   &known),
							    &matcher->threads[i] };
	}
	good = fold_threads(report, threads, count);
	free(threads);
	if (!good)
		return false;
	rows_sort(report->processes, report->process_count, sizeof(*report->processes),
		  compare_processes);
	hide_unknown_bytes(report);
	return true;
}

/* ---- the whole ---- */

int report_make(struct report *report, const struct analysis *analysis, struct p2p_error *err)
{
	*report = (struct report){ .analysis = analysis,
				   .lifetimes_known = analysis->recording.ns,
				   .map_bytes_known = true,
				   .types_known = true,
				   .alloc_bytes_known = true };
	for (enum event_kind kind = KIND_ALLOC; kind < KIND_P2P_COUNT; kind++) {
		report->events[kind] = analysis_events(analysis, kind);
		report->total += report->events[kind];
	}
	for (unsigned int shard = 0; shard < analysis->shard_count; shard++) {
		report->orphan_frees += analysis->matchers[shard].orphan_frees;
		report->orphan_unmaps += analysis->matchers[shard].orphan_unmaps;
		report->superseded += analysis->matchers[shard].superseded;
		report->foreign += analysis->matchers[shard].foreign;
	}
	if (add_paths(report) && add_types(report) && add_processes(report))
		return 0;
	report_free(report);
	return p2p_fail(err, "no memory for the report");
}

void report_free(struct report *report)
{
	for (size_t i = 0; report->type_lifetimes && i < report->type_count; i++)
		histogram_free(&report->type_lifetimes[i]);
	histogram_free(&report->map_lifetimes);
	histogram_free(&report->alloc_lifetimes);
	free(report->type_lifetimes);
	free(report->types);
	free(report->pairs);
	free(report->processes);
	free(report->pools);
	predictions_free(report->predictions);
	*report = (struct report){ 0 };
}
