/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tally: how many events of each kind, and maps and bytes per type, and nothing
 * else: without order, names, pairs or lifetimes, several times as fast as an
 * analysis.  Source: src/analysis/tally.c
 */
#ifndef P2PTRACE_TALLY_H
#define P2PTRACE_TALLY_H

#include "p2ptrace/analysis.h"
#include "p2ptrace/table.h"

struct tally_type {
	const char *type;
	uint64_t maps, bytes, failed; /* bytes asked for; NOT_KNOWN without sizes */
	double share; /* of all maps */
};

struct tally {
	uint64_t events[KIND_P2P_COUNT], total;
	uint64_t failed_allocs, failed_maps;
	struct tally_type *types; /* by maps */
	size_t type_count;
	double bus_addr_ratio; /* NaN: no map succeeded */
};

extern const struct column tally_columns[];

/* Reads what analysis_open() opened; also fills the analysis' loss, damage and other
 * events.  Of its filters only --time is known here. */
int tally_read(struct tally *tally, struct analysis *analysis, uint64_t threads,
	       struct p2p_error *err);
void tally_free(struct tally *tally);

/* A part of the report: the same keys and tables. */
void tally_print_json(const struct tally *tally, const struct analysis *analysis, FILE *out);
void tally_print_text(const struct tally *tally, const struct analysis *analysis, FILE *out);

#endif
