// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/groups.h"
#include "p2ptrace/report.h"
#include "p2ptrace/rows.h"

#define GROUP(field) offsetof(struct group_row, field)
#define TIME(field) offsetof(struct time_row, field)

/* The dimensions come first, those that are asked for. */
static const struct {
	unsigned int by;
	struct column column;
} dimensions[] = {
	{ BY_CLIENT, { CELL_TEXT, "client", "CLIENT", GROUP(client), IN_ALL } },
	{ BY_PROVIDER, { CELL_TEXT, "provider", "PROVIDER", GROUP(provider), IN_ALL } },
	{ BY_TYPE, { CELL_TEXT, "type", "TYPE", GROUP(type), IN_ALL } },
	{ BY_PID, { CELL_NUMBER, "pid", "PID", GROUP(pid), IN_ALL } },
	{ BY_TID, { CELL_NUMBER, "tid", "TID", GROUP(tid), IN_ALL } },
	{ BY_COMM | BY_PID, { CELL_TEXT, "comm", "COMM", GROUP(comm), IN_ALL } },
	{ BY_CPU, { CELL_NUMBER, "cpu", "CPU", GROUP(cpu), IN_ALL } },
};

static const struct column measures[] = {
	{ CELL_COUNT, "maps", "MAPS", GROUP(maps), IN_ALL },
	{ CELL_SHARE, "share", "SHARE", GROUP(share), IN_ALL },
	{ CELL_BYTES, "map_bytes", "MAPPED", GROUP(map_bytes), IN_ALL },
	{ CELL_COUNT, "failed_maps", "REFUSED", GROUP(failed_maps), IN_ALL },
	{ CELL_COUNT, "unmaps", "UNMAPS", GROUP(unmaps), IN_ALL },
	{ CELL_COUNT, "outstanding", "OPEN", GROUP(outstanding), IN_ALL },
	{ CELL_BYTES, "outstanding_bytes", "OPEN BYTES", GROUP(outstanding_bytes), IN_ALL },
	{ CELL_P50, "lifetime_p50_ns", "LIFE P50", GROUP(map_lifetime), IN_WIDE },
	{ CELL_P90, "lifetime_p90_ns", "P90", GROUP(map_lifetime), IN_CSV },
	{ CELL_P99, "lifetime_p99_ns", "P99", GROUP(map_lifetime), IN_WIDE },
	{ CELL_P999, "lifetime_p999_ns", "P99.9", GROUP(map_lifetime), IN_CSV },
	{ CELL_MAX, "lifetime_max_ns", "MAX", GROUP(map_lifetime), IN_CSV },
	{ CELL_MEAN, "lifetime_mean_ns", "MEAN", GROUP(map_lifetime), IN_CSV },
	{ CELL_HISTOGRAM, "lifetime_ns", "", GROUP(map_lifetime), IN_JSON },
	{ CELL_COUNT, "allocs", "ALLOCS", GROUP(allocs), IN_ALL },
	{ CELL_BYTES, "alloc_bytes", "ALLOCATED", GROUP(alloc_bytes), IN_ALL },
	{ CELL_COUNT, "failed_allocs", "FAILED", GROUP(failed_allocs), IN_CSV | IN_JSON },
	{ CELL_COUNT, "frees", "FREES", GROUP(frees), IN_ALL },
	{ CELL_BYTES, "free_bytes", "FREED", GROUP(free_bytes), IN_CSV | IN_JSON },
	{ CELL_COUNT, "open_allocs", "OPEN ALLOCS", GROUP(open_allocs), IN_CSV | IN_JSON },
	{ CELL_BYTES, "open_alloc_bytes", "HELD", GROUP(open_alloc_bytes), IN_ALL },
	{ CELL_P50, "alloc_lifetime_p50_ns", "HELD P50", GROUP(alloc_lifetime), IN_CSV },
	{ CELL_P99, "alloc_lifetime_p99_ns", "HELD P99", GROUP(alloc_lifetime), IN_CSV },
	{ CELL_MAX, "alloc_lifetime_max_ns", "HELD MAX", GROUP(alloc_lifetime), IN_CSV },
	{ CELL_HISTOGRAM, "alloc_lifetime_ns", "", GROUP(alloc_lifetime), IN_JSON },
	{ .kind = CELL_END },
};

_Static_assert(sizeof(measures) / sizeof(measures[0]) + 7 <= GROUP_COLUMNS_MAX, "room for all");

const struct column time_columns[] = {
	{ CELL_DURATION, "start_ns", "START", TIME(start), IN_ALL },
	{ CELL_DURATION, "width_ns", "WIDTH", TIME(width), IN_CSV | IN_JSON },
	{ CELL_COUNT, "maps", "MAPS", TIME(maps), IN_ALL },
	{ CELL_COUNT, "bus_addr", "BUS_ADDR", TIME(direct), IN_ALL },
	{ CELL_BYTES, "map_bytes", "MAPPED", TIME(map_bytes), IN_ALL },
	{ CELL_COUNT, "unmaps", "UNMAPS", TIME(unmaps), IN_ALL },
	{ CELL_COUNT, "allocs", "ALLOCS", TIME(allocs), IN_ALL },
	{ CELL_BYTES, "alloc_bytes", "ALLOCATED", TIME(alloc_bytes), IN_ALL },
	{ CELL_COUNT, "frees", "FREES", TIME(frees), IN_ALL },
	{ CELL_BYTES, "open_map_bytes", "OPEN MAPS", TIME(open_map_bytes), IN_ALL },
	{ CELL_BYTES, "open_alloc_bytes", "HELD", TIME(open_alloc_bytes), IN_ALL },
	{ .kind = CELL_END },
};

void group_columns(unsigned int by, struct column columns[GROUP_COLUMNS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < sizeof(dimensions) / sizeof(dimensions[0]); i++)
		if (dimensions[i].by & by)
			columns[count++] = dimensions[i].column;
	memcpy(columns + count, measures, sizeof(measures));
}

/* ---- rows ---- */

static const char *name_or(const struct analysis *analysis, uint32_t name, const char *otherwise)
{
	const char *text = name == GROUP_UNUSED ? NULL : names_text(analysis->names, name);

	return text ? text : otherwise;
}

static int64_t number_or_unknown(uint32_t number, bool used)
{
	return used ? (int64_t)(number == TID_INTERRUPT ? -1 : (int64_t)number) : NUMBER_NOT_KNOWN;
}

static void name_row(struct group_row *row, const struct analysis *analysis,
		     const struct group_key *key, unsigned int by)
{
	row->client = by & BY_CLIENT ? name_or(analysis, key->client, "") : NULL;
	row->provider = by & BY_PROVIDER ? name_or(analysis, key->provider, "") : NULL;
	if (key->type != GROUP_UNUSED)
		row->type = key->type == MAP_TYPE_ABSENT ? "UNKNOWN"
							 : map_type_name((uint8_t)key->type);
	row->pid = number_or_unknown(key->pid, by & BY_PID);
	row->tid = number_or_unknown(key->tid, by & BY_TID);
	row->cpu = number_or_unknown(key->cpu, by & BY_CPU);
	if (by & BY_COMM)
		row->comm = name_or(analysis, key->comm, "<...>");
	else if (by & BY_PID)
		row->comm = analysis_comm(analysis, key->pid, 0);
}

static uint64_t known(uint64_t bytes, const struct group_totals *totals)
{
	return totals->no_size ? NOT_KNOWN : bytes;
}

static void count_row(struct group_row *row, const struct group *group, uint64_t all_maps, bool ns)
{
	const struct group_totals *maps = &group->maps, *allocs = &group->allocs;

	row->maps = maps->begins;
	row->share = all_maps ? (double)maps->begins / (double)all_maps : NAN;
	row->failed_maps = maps->failed;
	row->map_bytes = known(maps->bytes, maps);
	row->unmaps = maps->ends;
	row->outstanding = maps->begins - maps->failed - maps->closed;
	row->outstanding_bytes = known(maps->bytes - maps->closed_bytes, maps);
	row->allocs = allocs->begins;
	row->failed_allocs = allocs->failed;
	row->alloc_bytes = known(allocs->bytes, allocs);
	row->frees = allocs->ends;
	row->free_bytes = allocs->end_bytes;
	row->open_allocs = allocs->begins - allocs->failed - allocs->closed;
	row->open_alloc_bytes = known(allocs->bytes - allocs->closed_bytes, allocs);
	row->map_lifetime = ns ? maps->lifetimes : NULL;
	row->alloc_lifetime = ns ? allocs->lifetimes : NULL;
}

static bool make_times(struct groups *groups, const struct details *details,
		       const struct analysis *analysis)
{
	int64_t open_allocs = 0, open_maps = 0;
	double seconds = (double)details->width / 1e9;

	groups->times = calloc(details->bin_count + 1, sizeof(*groups->times));
	if (!groups->times)
		return false;
	for (uint32_t i = 0; i < details->bin_count; i++) {
		const struct time_bin *bin = &details->bins[i];

		open_allocs += bin->alloc_change;
		open_maps += bin->map_change;
		groups->times[i] = (struct time_row){
			.start = analysis->recording.ns ? i * details->width : NOT_KNOWN,
			.width = analysis->recording.ns ? details->width : NOT_KNOWN,
			.maps = bin->maps,
			.map_bytes = bin->map_bytes,
			.unmaps = bin->unmaps,
			.direct = bin->direct,
			.allocs = bin->allocs,
			.alloc_bytes = bin->alloc_bytes,
			.frees = bin->frees,
			.open_alloc_bytes = open_allocs > 0 ? (uint64_t)open_allocs : 0,
			.open_map_bytes = open_maps > 0 ? (uint64_t)open_maps : 0,
			.maps_per_second = (double)bin->maps / seconds,
			.bytes_per_second = (double)bin->map_bytes / seconds,
		};
	}
	groups->time_count = details->bin_count;
	return true;
}

int groups_make(struct groups *groups, const struct analysis *analysis, struct p2p_error *err)
{
	const struct details *details = analysis->details;
	uint64_t maps = 0;

	*groups = (struct groups){ 0 };
	for (size_t i = 0; i < details->group_count; i++)
		maps += details->groups[i].maps.begins;
	for (size_t i = 0; i < details->group_count; i++) {
		struct group_row *row = ROWS_ADD(groups->rows, groups->row_count);

		if (!row)
			goto no_memory;
		name_row(row, analysis, &details->groups[i].key, details->by);
		count_row(row, &details->groups[i], maps, analysis->recording.ns);
	}
	if (make_times(groups, details, analysis))
		return 0;
no_memory:
	groups_free(groups);
	return p2p_fail(err, "no memory for the groups");
}

void groups_free(struct groups *groups)
{
	free(groups->rows);
	free(groups->times);
	*groups = (struct groups){ 0 };
}

/* ---- order ---- */

static int compare_texts(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

/* By what they are, so that rows of equal numbers have one order. */
static int compare_identity(const struct group_row *left, const struct group_row *right)
{
	int order = compare_texts(left->client, right->client);

	order = order ? order : compare_texts(left->provider, right->provider);
	order = order ? order : compare_texts(left->type, right->type);
	if (order)
		return order;
	if (left->pid != right->pid)
		return left->pid < right->pid ? -1 : 1;
	if (left->tid != right->tid)
		return left->tid < right->tid ? -1 : 1;
	if (left->cpu != right->cpu)
		return left->cpu < right->cpu ? -1 : 1;
	return compare_texts(left->comm, right->comm);
}

static int compare_rows(const void *a, const void *b, void *column)
{
	const struct group_row *left = a, *right = b;
	int order = column ? table_compare(column, a, b) : 0;

	if (!column && left->maps != right->maps)
		order = left->maps > right->maps ? -1 : 1;
	if (!column && !order && left->alloc_bytes + 1 != right->alloc_bytes + 1)
		order = left->alloc_bytes + 1 > right->alloc_bytes + 1 ? -1 : 1;
	return order ? order : compare_identity(left, right);
}

int groups_sort(struct groups *groups, const struct column *columns, const char *key,
		struct p2p_error *err)
{
	const struct column *column = key ? table_column(columns, key) : NULL;

	if (key && !column)
		return p2p_fail_usage(err, "--sort %s: no such column", key);
	if (groups->row_count > 1)
		qsort_r(groups->rows, groups->row_count, sizeof(*groups->rows), compare_rows,
			(void *)column);
	return 0;
}
