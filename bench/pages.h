/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pages: ring-buffer pages of every CPU, filled with records as the kernel does it.
 *
 * Each CPU has one page in memory.  A first run with `fd` -1 only counts pages; a
 * second one with the same seed makes the same pages and writes them, one CPU
 * behind the other.
 *
 * Loss: now and then a CPU loses the next some records.  The page that follows
 * begins with a mark, which says how many were lost unless the page is exactly
 * full.  Source: bench/pages.c
 */
#ifndef BENCH_PAGES_H
#define BENCH_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "gen_options.h"
#include "p2ptrace/error.h"
#include "random.h"

struct cpu_pages {
	unsigned char *page;
	uint32_t used; /* bytes of records in the page at hand */
	uint64_t last; /* stamp of the latest record */
	uint64_t entries; /* records written */
	uint64_t count; /* pages finished */
	uint64_t offset; /* in the file, of the first one */
	uint64_t gap; /* records still to lose */
	uint64_t gap_lost; /* lost since the last mark */
	bool in_gap;
	uint64_t missed; /* of the page at hand: lost before it */
	uint64_t marked; /* sum of the numbers in marks */
	uint64_t uncounted; /* marks without a number */
	uint64_t overrun; /* all that was lost before some mark */
	uint64_t dropped; /* lost behind the last page, by pages_finish() */
};

struct pages {
	const struct gen_options *options;
	struct random random;
	struct cpu_pages *cpus; /* [options->cpus] */
	double gap_chance; /* that a gap begins behind a record */
	int fd;
	bool failed;
	struct p2p_error *err;
};

int pages_init(struct pages *pages, const struct gen_options *options, struct p2p_error *err);
void pages_destroy(struct pages *pages);

/* Begins anew, now writing to `fd`; offsets must be set. */
void pages_restart(struct pages *pages, int fd);

enum put { PUT_LOST, PUT_STORED, PUT_STORED_AFTER_GAP };

/* Whether the next record on this CPU would be lost, or the first behind a gap. */
enum put pages_next(const struct pages *pages, uint32_t cpu);

/* Puts a record; stamps of one CPU do not fall. */
enum put pages_put(struct pages *pages, uint32_t cpu, uint64_t stamp, const void *record,
		   uint32_t length);

/* The next record on this CPU will be stored. */
void pages_end_gap(struct pages *pages, uint32_t cpu);

/* Finishes the pages at hand.  -1 with `err` filled if anything could not be written. */
int pages_finish(struct pages *pages);

#endif
