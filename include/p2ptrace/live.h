/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live: P2PDMA as it happens, or as a recording replays it, kept as totals; and a
 * picture of them, from which views draw (a screen, a page of text, JSON).
 *
 * A `struct live` reads pages, decodes, orders and matches them with the code of the
 * reading commands, in windows of time that end a little before now.  live_pump()
 * does that work and is the only place that waits; live_snapshot() makes a picture
 * without stopping or resetting anything.  Everything happens in the caller's thread.
 *
 * Memory is bounded, whatever runs and however long: see the LIVE_*_MAX below.  What
 * is beyond is folded into rows called "[others]", or let go and counted.
 *
 * Source: src/live/
 */
#ifndef P2PTRACE_LIVE_H
#define P2PTRACE_LIVE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "p2ptrace/findings.h"
#include "p2ptrace/leaks.h"
#include "p2ptrace/report.h"
#include "p2ptrace/session.h"

#define LIVE_NAMES_MAX 65536 /* distinct texts: devices, map types, process names */
#define LIVE_PATHS_MAX 8192 /* distinct (event, client, provider, type) */
#define LIVE_THREADS_MAX 16384 /* that did something; exited ones are folded first */
#define LIVE_PROFILES_MAX 1024 /* processes whose lifetimes are kept apart */
#define LIVE_OPEN_MAX 262144 /* outstanding; the oldest are let go first */
#define LIVE_LEAKS_MAX 1024 /* shown, the oldest */
#define LIVE_EVENTS_MAX 512 /* shown, the latest */
#define LIVE_HISTORY 300 /* seconds */
#define LIVE_WAKERS_MAX 16

struct live_options {
	const char *path; /* a recording to replay; NULL: the running kernel */
	double speed; /* of a replay: 1 as it was recorded; 0: as fast as it goes */
	struct session_options session; /* of the kernel; pids filled */
	const char *pids; /* -p as given, NULL: none */
	struct selection_options select; /* of what is read, as in report */
	uint64_t min_age; /* ns, see leaks.h; NOT_KNOWN: not given */
	const char *root; /* a captured tree for topology and counters; NULL: this machine */
	uint64_t keep_bytes; /* of pages, kept for live_write(); 0: none can be written */
};

struct live;

/* NULL with `err` filled.  Without events but with counters it opens all the same. */
struct live *live_open(const struct live_options *options, struct p2p_error *err);

/* The source comes to its end: what is on its way is still taken in, then live_pump()
 * says 0.  Harmless to repeat. */
int live_stop(struct live *live, struct p2p_error *err);

/* Removes all it made in the kernel; NULL is fine. */
void live_close(struct live *live);

/*
 * Takes in what comes for `timeout_ms`, or until one of `wakers` (poll's revents are
 * filled; at most LIVE_WAKERS_MAX) is ready.  1: there may be more; 0: the source has come to its end, at once
 * or while waiting; -1 with `err`.
 */
int live_pump(struct live *live, int timeout_ms, struct pollfd *wakers, size_t waker_count,
	      struct p2p_error *err);

/* CLOCK_MONOTONIC. */
uint64_t live_now_ns(void);

/* ---- the picture ---- */

enum live_source { LIVE_KERNEL, LIVE_REPLAY, LIVE_COUNTERS };

/* Rates are of the time since the picture before; NOT_KNOWN in the first one of a
 * source that has just begun, and without a clock. */
struct live_head {
	enum live_source source;
	bool ended; /* nothing more will come */
	const char *host, *kernel; /* NULL: not known */
	const char *events_from; /* "tracepoint", "probe"; NULL: not known, or no events */
	const char *system; /* of the events, "p2pdma"; NULL */
	const char *clock; /* NULL without events */
	const char *file; /* replayed, safe to print; NULL */
	double progress; /* of a replay, 0 to 1; NaN */
	uint64_t wall_ns; /* of the picture, since 1970; 0: not known */
	uint64_t start, now; /* stamps: the first that counts, and how far all is counted */
	uint64_t duration_ns, interval_ns; /* of all, and since the picture before; NOT_KNOWN */
	uint64_t events, maps, bytes; /* bytes that maps moved, failed ones excluded */
	uint64_t events_per_s, maps_per_s, bytes_per_s;
	uint64_t lost, lost_uncounted, lost_since; /* lost_since: since the picture before */
	uint64_t let_go; /* outstanding entries given up for want of room */
	uint64_t folded; /* threads folded into [others] */
	double bus_addr_ratio, bus_addr_ratio_now; /* of all, and since; NaN */
	uint64_t open_allocs, open_alloc_bytes, open_maps, open_map_bytes;
	uint64_t kept_bytes, kept_max; /* what live_write() would write; 0, 0: cannot */
	bool kept_cut; /* it does not reach back to the beginning any more */
};

/* One second of the trace clock (of this machine's, where that has no seconds). */
struct live_second {
	uint64_t events, bytes;
	uint64_t maps[MAP_TYPES_KNOWN]; /* by enum map_type; other types count as UNKNOWN */
};

struct live_pair {
	const char *client, *provider, *type;
	int64_t dist;
	uint64_t maps, unmaps, failed, bytes;
	uint64_t maps_per_s, bytes_per_s;
	uint64_t outstanding, outstanding_bytes, peak_bytes;
	struct histogram_summary lifetime; /* its count NOT_KNOWN, and so the rest */
	const struct histogram *histogram; /* of the picture; NULL: not known */
};

struct live_process {
	int64_t pid; /* -1: ends in interrupts that nobody began; -2: [others] */
	const char *comm;
	const char *state; /* "runs", "gone"; NULL: not known */
	uint64_t allocs, alloc_bytes, frees, free_bytes;
	uint64_t maps, map_bytes, unmaps;
	uint64_t bus_addr, thru_host_bridge, not_supported;
	uint64_t maps_per_s, bytes_per_s;
};

struct live_pool {
	const char *provider;
	uint64_t size, available; /* of sysfs' p2pmem; NOT_KNOWN */
	uint64_t allocs, failed, bytes, frees, free_bytes;
	uint64_t bytes_per_s;
	uint64_t outstanding, outstanding_bytes, peak_bytes; /* as the events tell */
	struct histogram_summary lifetime;
};

struct live_event {
	uint64_t number; /* counts on from picture to picture */
	uint64_t stamp;
	const char *time; /* "12.345678", seconds of the clock */
	uint64_t cpu;
	enum event_kind kind; /* KIND_NONE: a loss of `count` events */
	const char *event; /* "p2p_dma_map", "LOST" */
	int64_t pid, tid; /* pid -1: in an interrupt */
	const char *comm, *client, *provider, *type, *addr; /* NULL: the event has none */
	uint64_t size, count; /* NOT_KNOWN */
	int64_t dist;
	bool failed;
	const char *note; /* "failed", NULL */
};

/* Of a provider and a client: what the kernel's rule says, and what was seen. */
struct live_cell {
	const char *predicted; /* map type; NULL: not known */
	const char *observed; /* the type of most maps; NULL: none seen */
	uint64_t maps, maps_per_s; /* of all types */
	bool mixed; /* several types were seen */
};

struct live_matrix {
	const char **providers, **clients; /* as the events name them */
	const char **provider_labels, **client_labels; /* "nvme0", "03:00.0" */
	size_t provider_count, client_count;
	struct live_cell *cells; /* [provider * client_count + client] */
	bool predicted; /* the machine's topology is known */
};

/* What the kernel counts by itself. */
struct live_counter {
	const char *device; /* NULL: of the whole system */
	const char *layer; /* "debugfs", "pool", "stats" */
	const char *name;
	uint64_t value, per_s; /* NOT_KNOWN */
};

struct live_snapshot {
	uint64_t number; /* 0, 1, 2, ... */
	struct live_head head;
	/* The latest second last; the last one is not over yet. */
	struct live_second history[LIVE_HISTORY];
	size_t history_count;
	struct type_row *types;
	struct live_pair *pairs;
	struct live_process *processes;
	struct live_pool *pools;
	struct leak *leaks; /* the oldest first; at most LIVE_LEAKS_MAX */
	struct live_event *events; /* the latest last */
	struct live_counter *counters;
	size_t type_count, pair_count, process_count, pool_count, leak_count, event_count,
		counter_count;
	struct leak_totals verdicts[VERDICTS]; /* of all that is outstanding */
	struct findings findings;
	/* Verdicts, leaks and findings are as of this stamp: with very much outstanding
	 * they are not made anew for every picture. */
	uint64_t judged;
	struct live_matrix matrix;
	const char **notes; /* what one should know, a paragraph each */
	size_t note_count;
	struct live_texts *own; /* texts and histograms of the picture */
};

/* Columns of the rows above, for drawing, sorting and JSON: see table.h. */
extern const struct column live_type_columns[], live_pair_columns[], live_process_columns[],
	live_pool_columns[], live_leak_columns[], live_event_columns[], live_counter_columns[];

/*
 * 0, or -1 with `err`.  The picture is to be freed before the `struct live` is closed
 * and does not change while that goes on.
 */
int live_snapshot(struct live *live, struct live_snapshot *snapshot, struct p2p_error *err);
void live_snapshot_free(struct live_snapshot *snapshot);

/* ---- what can be asked for ---- */

/* Writes what was seen so far to a trace.dat, as record does.  *events gets how many
 * it holds (may be NULL). */
int live_write(struct live *live, const char *path, uint64_t *events, struct p2p_error *err);

/* Why a pair has its path, in words as explain has them, with their colours, in lines of
 * `width` columns; *text is malloc'd, NULL where the machine's topology is not known. */
int live_explain(struct live *live, const char *client, const char *provider, size_t width,
		 char **text, struct p2p_error *err);

/* How long the mappings and the allocations of a process lived, so far; empty where nobody
 * knows, as beyond the first LIVE_PROFILES_MAX processes.  The histograms are empty ones
 * or from an earlier call, and the caller's to free. */
int live_process_lifetimes(struct live *live, int64_t pid, struct histogram *maps,
			   struct histogram *allocs, struct p2p_error *err);

/* ---- without a screen (src/output/live_text.c, live_json.c) ---- */

/* One screenful: `rows` lines of a table at most (0: all). */
void live_print_text(const struct live_snapshot *snapshot, FILE *out, size_t rows);
/* One object on one line: schema p2ptrace.live/1. */
void live_print_json(const struct live_snapshot *snapshot, FILE *out);

#endif
