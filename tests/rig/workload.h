/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * workload: processes and threads that allocate, map, unmap and free, well or
 * badly, as the options ask.
 *
 * Every thread ("worker") owns a range of addresses and a random generator seeded
 * from --seed and its number, so what it does, and therefore the ground truth, is
 * the same in every run whatever the interleaving; only pids differ (and, with
 * --seconds, how far it comes).  All state lies in one shared mapping, made
 * before the fork, so that an end can be handed to any thread of any process.
 *
 * Sources: tests/rig/workload.c (processes and threads), tests/rig/worker.c (what
 * a thread does), tests/rig/run_options.c (the option table)
 */
#ifndef P2PRIG_WORKLOAD_H
#define P2PRIG_WORKLOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "events.h"
#include "p2ptrace/error.h"
#include "p2ptrace/options.h"

#define RIG_PAGE 4096
#define RIG_MAX_LIST 32
#define RIG_MAX_PARTS 8 /* beginnings of one item */
#define RIG_COMM 16
#define RIG_MAX_THREADS 256 /* of a process */

enum rig_kind { RIG_ALLOCATION, RIG_MAPPING };

enum rig_cross { RIG_CROSS_NONE, RIG_CROSS_THREAD, RIG_CROSS_PROCESS };

/* Well-behaved work comes first; the rest is done as often as its option says. */
enum rig_shape_index { RIG_PLAIN_ALLOC, RIG_PLAIN_MAP, RIG_FIRST_FAULT };

#define RIG_SHAPES 14

/* Beginnings or ends of one item, one after the other. */
struct rig_parts {
	unsigned count;
	unsigned pages; /* of each; 0: a size drawn from --sizes, the same for both */
	unsigned apart; /* pages from one's address to the next's; 0: the same address */
};

/* An item of work as data.  What the ends do not cover stays outstanding. */
struct rig_shape {
	const char *option; /* how many of them: --OPTION N */
	const char *help;
	enum rig_kind kind;
	bool fails; /* refused or failed: there is nothing to end */
	struct rig_parts begin, end;
	unsigned left; /* beginnings that stay outstanding */
	unsigned left_pages; /* each with so much; 0: all of it */
};

extern const struct rig_shape rig_shapes[RIG_SHAPES];

struct rig_comms {
	char name[RIG_MAX_LIST][RIG_COMM];
	size_t count;
};

struct rig_sizes {
	uint64_t bytes[RIG_MAX_LIST];
	size_t count;
};

struct rig_options {
	uint64_t events; /* of all workers together */
	uint64_t duration; /* ns; instead of events */
	uint64_t processes, threads;
	uint64_t rate; /* events/s of one worker; 0: unbounded */
	uint64_t seed;
	uint64_t clients, providers;
	uint64_t alloc_share; /* percent of the plain items that are allocations */
	uint64_t bus_addr; /* percent of the pairs on the direct path */
	uint64_t window; /* items a worker keeps open at a time */
	uint64_t hold; /* processes that stay alive after their work */
	struct rig_sizes sizes;
	struct rig_comms comms;
	enum rig_cross cross;
	bool new_numbers; /* map types numbered as since Linux 6.16 or so */
	bool dist_once; /* dist -1 on all but a worker's first map of a pair */
	bool lifetimes; /* bound every lifetime by the clock */
	bool no_pin;
	const char *truth; /* file; NULL: stdout */
	uint64_t counts[RIG_SHAPES]; /* faults, by row of rig_shapes */
};

extern const struct option_spec rig_run_options[];

/* Defaults, the command line, and whether it makes sense together. */
int rig_read_options(int argc, char **argv, struct rig_options *options, struct p2p_error *err);

/* A pair of devices.  Its type and distance are one and the same all the time. */
struct rig_pair {
	char client[16];
	char provider[16];
	enum rig_type type;
	int32_t dist;
};

/* Sums over [low, high] bounds of the lifetimes that ended. */
struct rig_lifetimes {
	uint64_t count;
	uint64_t low_sum, high_sum;
	uint64_t low_max, high_max;
};

struct rig_pair_tally {
	uint64_t maps, bytes, unmaps;
	uint64_t refused, refused_bytes; /* as type NOT_SUPPORTED */
	uint64_t outstanding, outstanding_bytes;
	uint64_t orphan_unmaps;
};

/*
 * What a worker did.  An end counts where its beginning was, whoever emits it; an
 * orphan where it is emitted.  Failures are allocs and maps too, but move no bytes.
 */
struct rig_tally {
	uint64_t events[RIG_EVENTS];
	uint64_t allocs, alloc_bytes, frees, free_bytes;
	uint64_t maps, map_bytes, unmaps, by_type[RIG_TYPES];
	uint64_t failed_allocs, failed_maps, failed_map_bytes;
	uint64_t orphan_frees, orphan_unmaps;
	uint64_t outstanding_allocs, outstanding_alloc_bytes;
	uint64_t outstanding_maps, outstanding_map_bytes;
	struct rig_lifetimes lifetimes[2]; /* by rig_kind; of the ends it emitted */
};

struct rig_leak {
	enum rig_kind kind;
	uint32_t pair; /* an allocation's: its provider is what counts */
	uint64_t addr; /* where it began */
	uint64_t bytes;
	uint64_t freed; /* bytes of it that did end, from its start on */
};

/* Something begun.  Passed by value through the queues. */
struct rig_item {
	const struct rig_shape *shape;
	uint32_t pair;
	uint64_t addr;
	uint64_t size; /* of one beginning */
	_Atomic uint8_t *slot; /* its address, to be given back; NULL: never used again */
	uint64_t begun[RIG_MAX_PARTS][2];
};

/* Ends handed from one worker to another: one producer, one consumer. */
struct rig_queue {
	_Atomic uint64_t head __attribute__((aligned(64))); /* the consumer's */
	_Atomic uint64_t tail __attribute__((aligned(64))); /* the producer's */
	_Atomic bool closed;
	uint64_t mask;
	struct rig_item *items;
};

struct rig_worker {
	struct rig_shared *shared;
	uint64_t number, process;
	uint64_t random;
	uint64_t budget, emitted, pending, reserved; /* events */
	uint64_t faults[RIG_SHAPES]; /* still to be done */
	uint64_t faults_left, steps_to_fault, fault_interval;
	uint64_t next_slot, next_special;
	uint64_t started, sent; /* of pacing: ns, events sent by this very thread */
	struct rig_item *open; /* [window] */
	uint64_t open_count;
	_Atomic uint8_t *slots; /* [slot_count]: 1 while the address is in use */
	bool *announced; /* [pairs]: type_change emitted */
	bool *mapped; /* [pairs] */
	struct rig_queue *inbox, *outbox;
	struct rig_tally tally;
	struct rig_pair_tally *pairs; /* [pair_count] */
	struct rig_leak *leaks;
	uint64_t leak_count, leak_room;
};

struct rig_process {
	pid_t pid;
	char comm[RIG_COMM];
	bool held;
};

struct rig_shared {
	const struct rig_options *options;
	uint64_t worker_count, pair_count, slot_count;
	uint64_t stride; /* bytes between two slots */
	uint64_t span; /* bytes a worker's addresses take */
	struct rig_pair *pairs;
	struct rig_process *processes;
	struct rig_worker *workers;
	struct rig_queue *queues; /* [worker_count]: the inboxes */
	_Atomic uint64_t ready; /* workers that wait for the start */
	_Atomic bool stop;
	uint64_t started, finished; /* CLOCK_MONOTONIC, ns */
	int release; /* closing it lets held children go; -1: none */
};

/* Runs the workload to its end and fills the tallies.  Held processes are still
 * alive when it returns; rig_hold() lets them go.  The result lives until the
 * process ends. */
struct rig_shared *rig_run(const struct rig_options *options, struct p2p_error *err);

/* Waits until stdin ends or SIGTERM/SIGINT comes, then lets held processes go. */
void rig_hold(struct rig_shared *shared);

/* One worker's whole life, on the calling thread. */
void rig_work(struct rig_worker *worker);

/* Events a worker needs to do its share of the faults. */
uint64_t rig_fault_events(const struct rig_worker *worker);

uint64_t rig_now(void);

#endif
