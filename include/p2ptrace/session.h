/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session: the live kernel set up to trace P2PDMA events into private buffers.
 *
 * Opening finds the events, makes the tracefs instance, sizes its buffers, sets
 * clock and filters and enables the events with tracing still off; start and stop
 * turn it on and off.  Whoever reads the pages (a recorder, a live view) takes
 * them from per_cpu/cpuN/trace_pipe_raw of every instance of the session.
 *
 * With `pids` the beginnings go to a second instance, where the kernel itself
 * follows the processes, their threads and their children (set_event_pid and
 * event-fork: exact from the first instruction of a child on), while ends, which
 * run in interrupts and kernel threads, are recorded unrestricted in the first.
 *
 * Source: src/session/session.c, clock.c, attach.c, extra.c
 */
#ifndef P2PTRACE_SESSION_H
#define P2PTRACE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "p2ptrace/error.h"
#include "p2ptrace/filter.h"
#include "p2ptrace/instance.h"
#include "p2ptrace/source.h"

struct pid_list {
	uint32_t *pids;
	size_t count;
};

/* An event of any system, recorded beside. */
struct extra_event {
	char *system, *name; /* malloc'd */
};

struct extra_events {
	struct extra_event *events;
	size_t count;
};

struct session_options {
	struct source_options source;
	uint64_t buffer_bytes; /* per CPU; 0: by the machine's size */
	const char *clock;
	bool no_overwrite; /* when full, the newest events are dropped, not the oldest */
	bool stacks; /* kernel stacks of what begins, see stacks.h */
	struct pid_list pids;
	bool no_inherit; /* not what the processes start from now on */
	struct extra_events extra;
	struct filter_spec filter;
};

/* The trace clock, and what its stamps mean. */
struct trace_clock {
	char name[32];
	char *text; /* the file trace_clock */
	bool ns; /* stamps count nanoseconds */
	clockid_t posix; /* reads the same clock with full precision, or -1 */
};

/* per_cpu/cpuN/stats.  All events written: entries + read + overrun. */
struct ring_stats {
	uint64_t entries; /* in the buffer, not read yet */
	uint64_t overrun, commit_overrun, dropped;
	uint64_t read;
};

enum { SESSION_MAIN, SESSION_BEGINS, SESSION_INSTANCES };

struct session {
	struct tracefs tracefs;
	struct source source;
	struct instance instances[SESSION_INSTANCES];
	size_t instance_count; /* 1, or 2 with pids */
	unsigned int *cpus; /* numbers of the CPUs that have a buffer, ascending */
	size_t cpu_count;
	uint32_t page_size; /* bytes of a sub-buffer */
	uint64_t buffer_bytes; /* per CPU and instance, as the kernel took it */
	struct trace_clock clock;
	uint64_t start, stop; /* stamps around tracing, 0 before */
	int64_t wall_offset; /* ns from the trace clock to UTC, see clock.ns */
	bool pids_global; /* see pids_are_global() */
	const struct extra_events *extra; /* of the options */
	bool inherit; /* the kernel's list of processes follows forks and exits */
	bool beside_exit, beside_rename; /* sched_process_exit, task_rename are recorded too */
};

/* The names of the instances in a file: "" and "begins". */
extern const char *const session_buffer_names[SESSION_INSTANCES];

int session_open(struct session *session, const struct session_options *options,
		 struct p2p_error *err);
int session_start(struct session *session, struct p2p_error *err);

/* Tracing off; events that are being written still arrive.  Harmless to repeat. */
void session_stop(struct session *session);

/* Removes everything; the files of its instances must be closed. */
void session_close(struct session *session);

/* Statistics of one CPU of one instance; *text, when wanted, is the file, malloc'd. */
int session_stats(const struct session *session, size_t instance, unsigned int cpu,
		  struct ring_stats *stats, char **text);

/* Bytes of the buffer of one CPU in one instance, of a machine with so much memory. */
uint64_t session_default_buffer(uint64_t memory, size_t cpus, size_t instances);

/* Whether any of those that are followed still runs; true without pids. */
bool session_has_targets(const struct session *session);

/* ---- clock.c ---- */

/* Chooses the clock in every instance. */
int trace_clock_open(struct session *session, const char *name, struct p2p_error *err);
void trace_clock_close(struct trace_clock *clock);

/* The trace clock now.  Exact for clocks that POSIX has, else to 1 us. */
uint64_t trace_clock_now(const struct session *session);

/* ns to add to a stamp to get the wall clock, and to a time since boot
 * (CLOCK_BOOTTIME) to get a stamp. */
int64_t trace_clock_wall_offset(const struct session *session);
int64_t trace_clock_boot_offset(const struct session *session);

/* ---- attach.c ---- */

/* "12,13": numbers of processes, each checked to be there; pids is malloc'd. */
int pid_list_parse(const char *text, struct pid_list *list, struct p2p_error *err);

/* Restricts an instance to processes, their threads and descendants, those there are
 * and those to come; without `inherit` to the threads there are. */
int attach_pids(const struct instance *instance, const struct pid_list *pids, bool inherit,
		struct p2p_error *err);

/* ---- extra.c ---- */

/* Adds "SYSTEM:EVENT". */
int extra_events_add(struct extra_events *extra, const char *text, struct p2p_error *err);
void extra_events_free(struct extra_events *extra);

/* Whether one of them is recorded for another reason already. */
bool extra_event_is_there(const struct session *session, const struct extra_event *event);

int extra_events_enable(const struct session *session, struct p2p_error *err);

/* Whether numbers of processes mean here what they mean to the kernel's tracing: not
 * so in a pid namespace of its own. */
bool pids_are_global(const struct tracefs *tracefs);

#endif
