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
	{ CELL_DURATION, "lifetime_p50_ns", "LIFE P50", GROUP(map_lifetime.summary.p50), IN_WIDE },
	{ CELL_DURATION, "lifetime_p90_ns", "P90", GROUP(map_lifetime.summary.p90), IN_CSV },
	{ CELL_DURATION, "lifetime_p99_ns", "P99", GROUP(map_lifetime.summary.p99), IN_WIDE },
	{ CELL_DURATION, "lifetime_p999_ns", "P99.9", GROUP(map_lifetime.summary.p999), IN_CSV },
	{ CELL_DURATION, "lifetime_max_ns", "MAX", GROUP(map_lifetime.summary.max), IN_CSV },
	{ CELL_DURATION, "lifetime_mean_ns", "MEAN", GROUP(map_lifetime.mean), IN_CSV },
	{ CELL_SUMMARY, "lifetime_ns", "", GROUP(map_lifetime.summary), IN_JSON },
	{ CELL_COUNT, "allocs", "ALLOCS", GROUP(allocs), IN_ALL },
	{ CELL_BYTES, "alloc_bytes", "ALLOCATED", GROUP(alloc_bytes), IN_ALL },
	{ CELL_COUNT, "failed_allocs", "FAILED", GROUP(failed_allocs), IN_CSV | IN_JSON },
	{ CELL_COUNT, "frees", "FREES", GROUP(frees), IN_ALL },
	{ CELL_BYTES, "free_bytes", "FREED", GROUP(free_bytes), IN_CSV | IN_JSON },
	{ CELL_COUNT, "open_allocs", "OPEN ALLOCS", GROUP(open_allocs), IN_CSV | IN_JSON },
	{ CELL_BYTES, "open_alloc_bytes", "HELD", GROUP(open_alloc_bytes), IN_ALL },
	{ CELL_DURATION, "alloc_lifetime_p50_ns", "HELD P50", GROUP(alloc_lifetime.summary.p50),
	  IN_CSV },
	{ CELL_DURATION, "alloc_lifetime_p99_ns", "HELD P99", GROUP(alloc_lifetime.summary.p99),
	  IN_CSV },
	{ CELL_DURATION, "alloc_lifetime_max_ns", "HELD MAX", GROUP(alloc_lifetime.summary.max),
	  IN_CSV },
	{ CELL_SUMMARY, "alloc_lifetime_ns", "", GROUP(alloc_lifetime.summary), IN_JSON },
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
	{ CELL_COUNT, "maps_per_second", "MAPS/S", TIME(maps_per_second), IN_ALL },
	{ CELL_BYTES, "bytes_per_second", "BYTES/S", TIME(bytes_per_second), IN_ALL },
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

/* "" for a device that the event does not name, NULL where there can be none. */
static const char *device_name(const struct analysis *analysis, uint32_t name)
{
	const char *text = name == GROUP_UNUSED ? NULL : names_text(analysis->names, name);

	return text || name == GROUP_UNUSED ? text : "";
}

static int64_t number_or_unknown(uint32_t number, bool used)
{
	return used ? (int64_t)(number == TID_INTERRUPT ? -1 : (int64_t)number) : NUMBER_NOT_KNOWN;
}

static void name_row(struct group_row *row, const struct analysis *analysis,
		     const struct group_key *key, unsigned int by)
{
	row->client = device_name(analysis, key->client);
	row->provider = device_name(analysis, key->provider);
	if (key->type != GROUP_UNUSED)
		row->type = map_type_name((uint8_t)key->type);
	row->pid = number_or_unknown(key->pid, by & BY_PID);
	row->tid = number_or_unknown(key->tid, by & BY_TID);
	row->cpu = number_or_unknown(key->cpu, by & BY_CPU);
	if (by & BY_COMM)
		row->comm = names_text(analysis->names, key->comm);
}

static struct group_lifetime lifetime_of(const struct group_totals *totals, bool ns)
{
	static const struct histogram_summary none = { 0,	  NOT_KNOWN, NOT_KNOWN, NOT_KNOWN,
						       NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, 0 };
	struct group_lifetime lifetime = { none, NOT_KNOWN };

	if (!ns || totals->no_addr) {
		lifetime.summary.count = NOT_KNOWN;
	} else if (totals->lifetimes) {
		sparse_histogram_summarise(totals->lifetimes, &lifetime.summary);
		lifetime.mean = (uint64_t)llround(lifetime.summary.mean);
	}
	return lifetime;
}

/* What is open of a group. */
struct left_open {
	uint64_t count, bytes;
};

static struct left_open open_of(const struct group_totals *totals, bool by_origin)
{
	struct left_open open = { totals->begins - totals->failed - totals->closed, NOT_KNOWN };

	/* An end without an address tells who ended, not whose beginning it was. */
	if (by_origin && (totals->no_addr || totals->balanced))
		return (struct left_open){ NOT_KNOWN, NOT_KNOWN };
	if (!totals->no_size)
		open.bytes = totals->bytes > totals->closed_bytes
				     ? totals->bytes - totals->closed_bytes
				     : 0;
	return open;
}

static uint64_t known(uint64_t bytes, const struct group_totals *totals)
{
	return totals->no_size ? NOT_KNOWN : bytes;
}

static void count_row(struct group_row *row, const struct group *group, uint64_t all_maps,
		      const struct details *details, bool ns)
{
	bool by_origin = details->by & (BY_PID | BY_TID | BY_COMM | BY_CPU);
	const struct group_totals *maps = &group->maps, *allocs = &group->allocs;
	struct left_open open = open_of(maps, by_origin), held = open_of(allocs, by_origin);

	row->maps = maps->begins;
	row->share = all_maps ? (double)maps->begins / (double)all_maps : NAN;
	row->failed_maps = maps->failed;
	row->map_bytes = known(maps->bytes, maps);
	row->unmaps = maps->ends;
	row->outstanding = open.count;
	row->outstanding_bytes = open.bytes;
	row->allocs = allocs->begins;
	row->failed_allocs = allocs->failed;
	row->alloc_bytes = known(allocs->bytes, allocs);
	row->frees = allocs->ends;
	row->free_bytes = known(allocs->end_bytes, allocs);
	row->open_allocs = held.count;
	row->open_alloc_bytes = held.bytes;
	row->map_lifetime = lifetime_of(maps, ns);
	row->alloc_lifetime = lifetime_of(allocs, ns);
}

static int compare_pids(const void *a, const void *b)
{
	const struct process_row *left = *(const struct process_row *const *)a;
	const struct process_row *right = *(const struct process_row *const *)b;

	return left->pid < right->pid ? -1 : left->pid > right->pid;
}

/* By process alone the names are those of the table of processes. */
static bool name_processes(struct groups *groups, const struct report *report)
{
	const struct process_row **by_pid = calloc(report->process_count + 1, sizeof(*by_pid));

	if (!by_pid)
		return false;
	for (size_t i = 0; i < report->process_count; i++)
		by_pid[i] = &report->processes[i];
	rows_sort(by_pid, report->process_count, sizeof(*by_pid), compare_pids);
	for (size_t i = 0; i < groups->row_count; i++) {
		struct process_row wanted = { .pid = groups->rows[i].pid };
		const struct process_row *key = &wanted, **found;

		found = bsearch(&key, by_pid, report->process_count, sizeof(*by_pid), compare_pids);
		groups->rows[i].comm = found ? (*found)->comm : NULL;
	}
	free(by_pid);
	return true;
}

static bool make_rows(struct groups *groups, const struct report *report)
{
	const struct analysis *analysis = report->analysis;
	const struct details *details = analysis->details;

	groups->rows = calloc(details->group_count + 1, sizeof(*groups->rows));
	if (!groups->rows)
		return false;
	groups->row_count = details->group_count;
	for (size_t i = 0; i < groups->row_count; i++) {
		name_row(&groups->rows[i], analysis, &details->groups[i].key, details->by);
		count_row(&groups->rows[i], &details->groups[i], report->events[KIND_MAP], details,
			  analysis->recording.ns);
	}
	return (details->by & (BY_PID | BY_COMM)) != BY_PID || name_processes(groups, report);
}

static uint64_t per_second(uint64_t count, uint64_t width)
{
	return (uint64_t)llround((double)count * 1e9 / (double)width);
}

static uint64_t still_open(int64_t bytes, bool unknown)
{
	return unknown ? NOT_KNOWN : bytes > 0 ? (uint64_t)bytes : 0;
}

static void make_time(struct time_row *row, const struct time_bin *bin,
		      const struct details *details)
{
	*row = (struct time_row){
		.start = NOT_KNOWN,
		.width = NOT_KNOWN,
		.maps = bin->maps,
		.map_bytes = details->map_sizes_unknown ? NOT_KNOWN : bin->map_bytes,
		.unmaps = bin->unmaps,
		.direct = bin->direct,
		.allocs = bin->allocs,
		.alloc_bytes = details->alloc_sizes_unknown ? NOT_KNOWN : bin->alloc_bytes,
		.frees = bin->frees,
		.maps_per_second = NOT_KNOWN,
		.bytes_per_second = NOT_KNOWN,
	};
}

static bool make_times(struct groups *groups, const struct details *details, bool ns)
{
	int64_t open_allocs = 0, open_maps = 0;

	groups->times = calloc(details->bin_count + 1, sizeof(*groups->times));
	if (!groups->times)
		return false;
	for (uint32_t i = 0; i < details->bin_count; i++) {
		const struct time_bin *bin = &details->bins[i];
		struct time_row *row = &groups->times[i];

		make_time(row, bin, details);
		open_allocs += bin->alloc_change;
		open_maps += bin->map_change;
		row->open_alloc_bytes = still_open(open_allocs, details->alloc_sizes_unknown);
		row->open_map_bytes = still_open(open_maps, details->map_sizes_unknown);
		if (!ns)
			continue;
		row->start = i * details->width;
		row->width = details->width;
		row->maps_per_second = per_second(row->maps, row->width);
		if (row->map_bytes != NOT_KNOWN)
			row->bytes_per_second = per_second(row->map_bytes, row->width);
	}
	groups->time_count = details->bin_count;
	return true;
}

int groups_make(struct groups *groups, const struct report *report, struct p2p_error *err)
{
	*groups = (struct groups){ 0 };
	if (make_rows(groups, report) &&
	    make_times(groups, report->analysis->details, report->analysis->recording.ns))
		return 0;
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
	if (column && !column_is_one_number(column))
		return p2p_fail_usage(err, "--sort %s: many numbers have no order (%s)", key,
				      "try lifetime_p99_ns");
	if (groups->row_count > 1)
		qsort_r(groups->rows, groups->row_count, sizeof(*groups->rows), compare_rows,
			(void *)column);
	return 0;
}
