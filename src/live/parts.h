/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * parts: what a `struct live` is made of, and what its files offer each other.
 *
 *   live.c      life, and the choice of the source
 *   kernel.c    pages from the running kernel, window by window
 *   replay.c    slices of a recording, by the clock or as fast as it goes; what of it was
 *               seen, as a file: replay_write.c
 *   engine.c    a slice -> the analysis, seconds, latest events; bounds
 *   who.c       names, processes and who still lives, of the running system
 *   describe.c  what a recording says of itself: to read it, and to write one
 *   judge.c     verdicts on what is outstanding, findings
 *   machine.c   topology and counters of the machine
 *   snapshot.c  the picture; its rows in rows.c, rows_beside.c and matrix.c, their columns in
 *               columns.c
 */
#ifndef LIVE_PARTS_H
#define LIVE_PARTS_H

#include "p2ptrace/counters.h"
#include "p2ptrace/keep.h"
#include "p2ptrace/live.h"
#include "p2ptrace/pci_system.h"
#include "p2ptrace/recorder.h"
#include "p2ptrace/trace_write.h"

/* ---- engine.c ---- */

/* An event as it is kept for the picture, or a loss (a record of KIND_NONE, `addr` counts). */
struct seen_event {
	struct p2p_record record;
	uint64_t stamp;
};

struct live_engine {
	struct analysis *analysis;
	struct processes named; /* as the file names them: the filters' */
	struct decoder decoder;
	struct slice slice;
	uint64_t position; /* all before this stamp is counted */
	uint64_t events, maps, bytes; /* so far; bytes of maps that came about */
	uint64_t direct, succeeded; /* maps by BUS_ADDR, and all that came about */
	uint64_t let_go, folded;
	uint32_t threads_max; /* beyond which some are folded */
	struct live_second seconds[LIVE_HISTORY]; /* second n at n % LIVE_HISTORY */
	uint64_t first_second, last_second;
	bool seconds_begun;
	struct details by_process; /* lifetimes, of as many as LIVE_PROFILES_MAX */
	struct seen_event latest[LIVE_EVENTS_MAX]; /* number n at n % LIVE_EVENTS_MAX */
	uint64_t latest_count;
};

/* Takes over the file, also on failure. */
int engine_open(struct live_engine *engine, struct trace_file *file,
		const struct live_options *options, struct p2p_error *err);
void engine_close(struct live_engine *engine);

/* Decodes and counts the slice whose span is filled. */
int engine_take(struct live_engine *engine, struct p2p_error *err);

/* The trace clock's position, in which nothing happened since. */
void engine_advance(struct live_engine *engine, uint64_t stamp);

/* ---- kernel.c ---- */

struct live_lane {
	int raw; /* trace_pipe_raw, -1 */
	unsigned char *buffer; /* pages that are not wholly counted */
	uint64_t room, held; /* pages */
	struct lane_memory memory; /* what of them the decoder sees */
};

struct live_kernel {
	struct recorder_options options;
	struct recorder recorder; /* what of it is needed: session, tasks, metadata */
	struct piece *piece; /* what is known of the system since the start */
	struct live_lane *lanes; /* instance by instance, CPUs ascending */
	size_t lane_count;
	uint64_t lane_pages; /* that may be held of one lane */
	struct pollfd *polls;
	bool stopped;
};

int kernel_open(struct live *live, struct p2p_error *err);
int kernel_pump(struct live *live, int timeout_ms, struct pollfd *wakers, size_t count,
		struct p2p_error *err);
/* All that is there by now, without waiting. */
int kernel_catch_up(struct live *live, struct p2p_error *err);
/* Losses so far, by the kernel's own numbers. */
void kernel_read_losses(struct live *live);
void kernel_close(struct live *live);

/* ---- replay.c ---- */

struct live_replay {
	struct slice_plan plan;
	uint64_t began_ns; /* CLOCK_MONOTONIC */
	uint64_t start, stop; /* of what is replayed; every picture moves the analysis' stop */
	/* What the file says of its end is not told before. */
	size_t stat_count;
	uint64_t missed;
	bool at_end;
};

int replay_open(struct live *live, struct p2p_error *err);
int replay_pump(struct live *live, int timeout_ms, struct pollfd *wakers, size_t count,
		struct p2p_error *err);
void replay_close(struct live *live);

/* ---- replay_write.c ---- */

/* live_write() of a replay: the file, up to where it is. */
int replay_write(struct live *live, const char *path, struct p2p_error *err);

/* ---- who.c ---- */

struct live_who {
	uint64_t poll_at, saved_tgids_at; /* the next look at the kernel's tables */
	uint32_t threads_known; /* of the matcher's, those looked at */
	uint64_t threads_folded;
	size_t unknown; /* threads without a process, and how often they were looked for */
	unsigned int tries;
};

/* New threads' names and processes. */
int who_learn(struct live *live, struct p2p_error *err);
/* Which owners of what is outstanding live: into the recording. */
int who_lives(struct live *live, struct p2p_error *err);

/* ---- describe.c ---- */

/* A file without pages that describes the session: the readers' own code takes it apart. */
struct trace_file *describe_open(struct piece *piece, struct p2p_error *err);

/* live_write() of the running kernel. */
int describe_write(struct live *live, const char *path, struct p2p_error *err);

/* ---- machine.c ---- */

struct live_machine {
	bool running; /* it is this one */
	struct pci_system system;
	bool has_system;
	struct counters before, now; /* of two pictures */
	bool has_before, has_now;
	bool without; /* the kernel is known to be built without P2PDMA */
	char host[128], kernel[128];
};

int machine_open(struct live *live, struct p2p_error *err);
int machine_read_counters(struct live *live, struct p2p_error *err);
void machine_close(struct live_machine *machine);
bool machine_has_counters(const struct live_machine *machine);

/* ---- judge.c ---- */

struct judgement {
	bool made;
	struct leaks leaks; /* the totals only */
	struct leak *oldest; /* LIVE_LEAKS_MAX of them at most */
	size_t oldest_count;
	struct findings findings;
	uint64_t stamp;
	uint64_t at, cost; /* CLOCK_MONOTONIC, CPU time: ns */
};

/* Makes it anew, unless that was just done or costs too much. */
int judge(struct live *live, const struct report *report, struct p2p_error *err);
void judgement_free(struct judgement *judgement);
/* False without memory. */
bool judgement_copy(const struct live *live, struct live_snapshot *snapshot);

/* ---- the whole ---- */

/* Rows of the picture before, for rates. */
struct past_row {
	const char *a, *b, *c; /* pair; pool: a; texts of the analysis */
	int64_t pid; /* process */
	uint64_t maps, bytes;
};

struct past_rows {
	struct past_row *rows; /* ordered */
	size_t count;
};

struct live {
	struct live_options options;
	enum live_source source;
	bool ended;
	struct live_engine engine; /* analysis NULL without events */
	struct live_kernel *kernel;
	struct live_replay *replay;
	struct live_who who;
	struct keep keep;
	struct live_machine machine;
	struct p2p_error no_events; /* why there are none */
	/* Of the picture before. */
	uint64_t pictures;
	uint64_t past_stamp, past_wall, past_events, past_maps, past_bytes, past_lost;
	uint64_t past_direct, past_succeeded;
	struct past_rows past_pairs, past_processes, past_pools;
	struct judgement judgement;
};

/* Waits for one of them; as poll(2), without EINTR. */
int live_wait(struct pollfd *polls, size_t count, uint64_t until_ns);

/* ---- snapshot.c, rows.c, matrix.c ---- */

/* Texts and histograms of a picture. */
struct live_texts {
	char **texts;
	size_t count;
	struct histogram *histograms; /* [pair] */
	size_t histogram_count;
};

/* NULL without memory, and for NULL. */
const char *texts_add(struct live_texts *texts, const char *text);

struct row_maker {
	struct live *live;
	struct live_snapshot *snapshot;
	const struct report *report;
	double seconds; /* since the picture before; NaN: not known */
};

/* False without memory. */
bool rows_make(struct row_maker *maker);
bool matrix_make(struct row_maker *maker);
bool events_make(struct row_maker *maker);
bool counters_make(struct row_maker *maker);

uint64_t rate_of(double seconds, uint64_t now, uint64_t before);

#endif
