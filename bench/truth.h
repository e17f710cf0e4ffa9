/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * truth: what a reader must find in a generated recording.
 *
 * The generator says of every stored event what it was: this end is for what is open
 * in that slot, a stretch of one device's addresses which nothing else uses.  Here
 * the rules of matching are applied to one slot at a time, so that no search among
 * all that is open is needed and nothing is shared with what is to be tested.
 *
 * Lost events are not told; the rules then say what a reader can know: an end whose
 * beginning was lost is an orphan, a beginning whose end was lost stays open, and
 * what was open before a gap ended is unknown.
 *
 * Lifetimes are kept one by one up to LIFETIMES_MAX, for exact percentiles.
 * Source: bench/truth.c, bench/truth_json.c
 */
#ifndef BENCH_TRUTH_H
#define BENCH_TRUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "gen_options.h"
#include "pages.h"
#include "records.h"

#define LIFETIMES_MAX 2000000
#define PAGE_BYTES 4096
#define NO_SLOT UINT32_MAX

/* A reader trusts start times of processes only this much (10 ms ticks). */
#define START_SLACK 20000000ull

struct lifetime_totals {
	uint64_t count, min, max;
	unsigned __int128 sum;
};

/* One client, provider and type. */
struct pair_truth {
	uint64_t maps, failed, failed_bytes, unmaps, bytes;
	uint64_t open, open_bytes, peak_bytes, ambiguous, superseded;
	bool dist_known;
	struct lifetime_totals lifetimes;
};

struct pool_truth {
	uint64_t allocs, failed, bytes, frees, free_bytes;
	uint64_t open, open_bytes, peak_bytes, superseded;
	struct lifetime_totals lifetimes;
};

struct process_truth {
	uint64_t allocs, alloc_bytes, frees, free_bytes;
	uint64_t maps, map_bytes, unmaps;
	uint64_t bus_addr, thru_host_bridge, not_supported;
	uint64_t exit_stamp; /* the latest stored, 0: none */
};

/* How a process ends up. */
enum fate { FATE_ALIVE, FATE_GONE, FATE_REPLACED /* another one has its number */ };

/* A beginning that is open. */
struct open_begin {
	uint64_t stamp, addr, size;
	uint64_t left; /* bit per page of 4 KiB that is still open */
	uint32_t process, cpu;
	uint32_t client, provider;
	uint8_t type;
	bool pool, ambiguous;
	uint32_t next; /* younger one of the same slot, 0: none */
};

struct lifetime {
	uint64_t ns;
	uint32_t group; /* pair and type, or providers behind them */
};

struct truth {
	const struct gen_options *options;
	const struct records *records;
	uint32_t *slots; /* [slot]: oldest open beginning, 0: none */
	uint32_t slot_room;
	struct open_begin *open; /* [0] is not used */
	uint32_t open_count, open_room, free_list;
	struct pair_truth *pairs; /* [(client * providers + provider) * GEN_TYPES + type] */
	struct pool_truth *pools; /* [provider] */
	struct process_truth *processes; /* [pids + 1]: the last one is interrupts' */
	struct lifetime *lifetimes;
	size_t lifetime_count;
	bool keep_lifetimes;
	uint64_t events[GEN_P2P], other;
	uint64_t orphan_frees, orphan_unmaps;
	uint64_t first, last; /* stamps of stored events */
	uint64_t start, stop; /* of the recording */
	uint64_t mark; /* stamp behind the latest gap */
	bool marked;
	bool ns;
	bool no_memory;
};

int truth_init(struct truth *truth, const struct gen_options *options,
	       const struct records *records, struct p2p_error *err);
void truth_destroy(struct truth *truth);

/* Every stored event, of whatever kind, in time order; a gap on its CPU ended here. */
void truth_event(struct truth *truth, const struct gen_event *event, uint64_t stamp,
		 bool after_gap);

/* And then what it meant.  `process` counts processes from 0. */
void truth_begin(struct truth *truth, const struct gen_event *event, uint64_t stamp,
		 uint32_t process, uint32_t slot, bool failed);
void truth_end(struct truth *truth, const struct gen_event *event, uint64_t stamp, uint32_t process,
	       uint32_t slot);
void truth_exit(struct truth *truth, uint32_t process, uint64_t stamp);

/* Beginnings open in a slot, 2 for more. */
unsigned int truth_open_in(const struct truth *truth, uint32_t slot);

/* Bytes that are left of it. */
uint64_t truth_open_bytes(const struct open_begin *begin);

/* Whether an event's context makes its thread a bystander. */
static inline bool in_interrupt(const struct gen_event *event)
{
	return event->flags & (GEN_HARDIRQ | GEN_SOFTIRQ | GEN_NMI);
}

/* The number that a file shows for process 0, 1, ... */
uint32_t truth_pid(const struct gen_options *options, uint32_t process);
/* What it is called; up to 15 characters into `to`. */
void truth_comm(uint32_t process, char to[16]);
enum fate truth_fate(const struct gen_options *options, uint32_t process);

void truth_write(struct truth *truth, const struct pages *pages, FILE *out);

#endif
