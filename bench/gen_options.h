/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gen_options: what a generated recording shall be like.  Source: bench/gen_options.c
 */
#ifndef BENCH_GEN_OPTIONS_H
#define BENCH_GEN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "p2ptrace/options.h"

/* Which events carry a size. */
enum gen_sizes { SIZES_ALL, SIZES_BEGINS, SIZES_NONE };

/* How the events spread over the CPUs. */
enum gen_load { LOAD_EVEN, LOAD_SKEWED, LOAD_SPARSE };

/* How the file tells who lives at the end. */
enum gen_liveness { LIVES_SAVED, LIVES_EXITS, LIVES_NONE };

struct gen_options {
	const char *output, *truth;
	uint64_t events; /* of P2PDMA, the lost ones included */
	uint64_t cpus, sub_buffer, version, seed;
	uint64_t in_flight; /* open at a time */
	uint64_t pids, threads; /* processes, threads of each */
	uint64_t clients, providers;
	uint64_t leaks; /* about as many beginnings are never ended */
	uint64_t base, pace; /* first stamp, and the mean from event to event, in ns */
	uint64_t missed, unsaved; /* what the recorder says it lost beside the ring buffer */
	const char *clock;
	double loss; /* percent of the events */
	double specials; /* percent of what happens is out of the ordinary */
	double others; /* events of other kinds, percent of ours */
	enum gen_sizes sizes;
	enum gen_load load;
	enum gen_liveness liveness;
	bool full; /* all the fields of the kernel module's events, else what matching needs */
	bool type_text, new_numbering, long_names;
	bool equal_stamps, jumps;
	bool no_stats, foreign;
};

/* Parses and checks; what was not given gets its default. */
int gen_options_read(int argc, char **argv, struct gen_options *options, struct p2p_error *err);

extern const struct option_spec gen_option_table[];

#endif
