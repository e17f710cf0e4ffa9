/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report: the rows of the tables, made of an analysis.
 *
 * Rows are in a total order, so that the same file gives the same text.  Texts and
 * histograms belong to the analysis or to the report.
 * Source: src/analysis/report.c
 */
#ifndef P2PTRACE_REPORT_H
#define P2PTRACE_REPORT_H

#include "p2ptrace/analysis.h"
#include "p2ptrace/table.h"

struct type_row {
	const char *type;
	uint64_t maps, bytes; /* refused ones included: what they asked for */
	uint64_t failed;
	double share; /* of all maps */
	const struct histogram *lifetime;
};

/* One client, provider and map type. */
struct pair_row {
	const char *client, *provider, *type;
	int64_t dist;
	bool calculation; /* of a type only: not a row of its own */
	uint64_t maps, unmaps, failed, bytes;
	uint64_t outstanding, outstanding_bytes, peak_bytes;
	uint64_t ambiguous; /* lifetimes whose key was open several times */
	const struct histogram *lifetime; /* NULL: the clock or the keys do not tell */
	const struct cell_object *predicted; /* NULL: nothing to predict from */
};

struct process_row {
	int64_t pid; /* -1: ends in interrupts that nobody began; -2: several, see TID_OTHERS */
	const char *comm;
	uint64_t allocs, alloc_bytes, frees, free_bytes;
	uint64_t maps, map_bytes, unmaps;
	uint64_t bus_addr, thru_host_bridge, not_supported;
};

/* One provider's pool. */
struct pool_row {
	const char *provider;
	uint64_t allocs, failed, bytes, frees, free_bytes;
	uint64_t outstanding, outstanding_bytes, peak_bytes;
	uint64_t pool_bytes; /* of the pool itself, NOT_KNOWN */
	const struct histogram *lifetime;
};

struct report {
	const struct analysis *analysis;
	struct type_row *types;
	struct pair_row *pairs;
	struct process_row *processes;
	struct pool_row *pools;
	size_t type_count, pair_count, process_count, pool_count;
	double bus_addr_ratio; /* NaN: no map succeeded */
	uint64_t maps_succeeded;
	uint64_t failed_allocs, failed_maps, failed_map_bytes;
	uint64_t open_allocs, open_alloc_bytes, open_maps, open_map_bytes;
	uint64_t orphan_frees, orphan_unmaps, superseded, foreign;
	uint64_t events[KIND_P2P_COUNT], total;
	struct histogram map_lifetimes, alloc_lifetimes;
	struct histogram *type_lifetimes; /* [type_count] */
	bool lifetimes_known; /* the clock counts ns */
	bool map_bytes_known, alloc_bytes_known;
	bool types_known; /* of all maps: else there is no ratio */
	struct predictions *predictions; /* see predictions.h; NULL: none */
};

extern const struct column type_columns[], pair_columns[], process_columns[], pool_columns[];

int report_make(struct report *report, const struct analysis *analysis, struct p2p_error *err);
void report_free(struct report *report);

/* The documents.  `groups` and `times` are tables to add, or NULL; `top` rows of a
 * table at most, 0: all. */
void report_print_json(const struct report *report, FILE *out, const struct table *groups,
		       const struct table *times);
void report_print_text(const struct report *report, FILE *out, size_t top);

/* What stands above every text: loss, truncation, guesses; nothing when all is well. */
void analysis_print_caveats(const struct analysis *analysis, FILE *out);
/* Of these only what is no finding of its own: guesses, clocks, unknown threads. */
void analysis_print_notes(const struct analysis *analysis, FILE *out);

/* The name of a process for people: "<...>" when not known. */
const char *analysis_comm(const struct analysis *analysis, uint32_t pid, uint32_t event_comm);

#endif
