/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * groups: the rows of `report --by`, of --timeline and of --hist.
 * Source: src/analysis/groups.c, src/output/chart.c
 */
#ifndef P2PTRACE_GROUPS_H
#define P2PTRACE_GROUPS_H

#include "p2ptrace/report.h"
#include "p2ptrace/table.h"

/* Of mappings or allocations that ended; single numbers NOT_KNOWN when none has. */
struct group_lifetime {
	struct histogram_summary summary; /* count NOT_KNOWN: clock or events do not tell */
	uint64_t mean; /* in whole ns */
};

struct group_row {
	/* What the rows are grouped by; NULL and NUMBER_NOT_KNOWN where not, or where
	 * allocations have no such thing. */
	const char *client, *provider, *type, *comm;
	int64_t pid, tid, cpu;
	uint64_t allocs, failed_allocs, alloc_bytes, frees, free_bytes;
	/* NOT_KNOWN: without addresses nobody knows who began what has ended. */
	uint64_t open_allocs, open_alloc_bytes;
	uint64_t maps, failed_maps, map_bytes, unmaps;
	uint64_t outstanding, outstanding_bytes; /* mappings */
	double share; /* of all maps */
	struct group_lifetime map_lifetime, alloc_lifetime;
};

/* One stretch of time. */
struct time_row {
	uint64_t start, width; /* ns, start since the recording's or the window's */
	uint64_t maps, map_bytes, unmaps, direct;
	uint64_t allocs, alloc_bytes, frees;
	uint64_t open_alloc_bytes, open_map_bytes; /* at its end */
	uint64_t maps_per_second, bytes_per_second; /* whole ones; NOT_KNOWN on other clocks */
};

struct groups {
	struct group_row *rows;
	size_t row_count;
	struct time_row *times;
	size_t time_count;
};

/* Of an analysis that was asked for groups or times (its options `by` and `bins`); the
 * report is that of the same analysis and names the processes. */
int groups_make(struct groups *groups, const struct report *report, struct p2p_error *err);
void groups_free(struct groups *groups);

/* Columns for the dimensions in `by`, ended by CELL_END. */
#define GROUP_COLUMNS_MAX 40
void group_columns(unsigned int by, struct column columns[GROUP_COLUMNS_MAX]);

extern const struct column time_columns[];

/* Orders rows by the column `key` (NULL: by maps, then bytes). */
int groups_sort(struct groups *groups, const struct column *columns, const char *key,
		struct p2p_error *err);

/* A bar of `width` columns for `fraction` of it, UTF-8 or ASCII. */
void chart_bar(FILE *out, double fraction, int width);
/* A histogram as lines: range, bar, count. */
void chart_histogram(FILE *out, const char *title, const struct histogram *histogram);
/* The timeline as lines with bars. */
void chart_timeline(FILE *out, const struct groups *groups);

#endif
