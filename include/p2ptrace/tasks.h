/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tasks: names and thread groups of the tasks seen while recording.
 *
 * The kernel notes both for tasks that were traced (saved_cmdlines, saved_tgids),
 * the names in a table that is small and shared by everybody: it is polled, and a
 * name once seen is kept though its task has exited.  At the end /proc fills the
 * gaps for tasks that still run, and tells which processes are alive.
 *
 * Source: src/session/tasks.c
 */
#ifndef P2PTRACE_TASKS_H
#define P2PTRACE_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "p2ptrace/instance.h"

struct task {
	uint32_t tid; /* 0: free slot */
	uint32_t tgid; /* 0: not known */
	char name[16]; /* "": not known */
	bool alive; /* a process that lived when /proc was looked through */
	bool changed; /* is one of tasks.changed */
	uint64_t start; /* of such a one: clock ticks since boot */
};

struct tasks {
	struct task *slots; /* open addressing */
	size_t room, count;
	char *names, *tgids; /* the kernel's tables as they were read last, malloc'd */
	uint32_t *changed; /* whose name or process is new, malloc'd */
	size_t changed_count;
};

/* Reads the kernel's table of names once more.  Without memory less is known. */
void tasks_poll(struct tasks *tasks, const struct tracefs *tracefs);

/* Reads its table of thread groups: it forgets nothing, so once at the end suffices,
 * and that takes time in proportion to pid_max. */
void tasks_read_tgids(struct tasks *tasks, const struct tracefs *tracefs);

/* Looks through /proc once: gaps are filled, and living processes marked.  False when
 * that is not possible or not complete. */
bool tasks_scan(struct tasks *tasks);

/* Marks none any more. */
void tasks_unmark(struct tasks *tasks);

/* The living as lines of the private option.  `boot_offset` makes a stamp of a time since
 * boot (see trace_clock_boot_offset()); without `ns` no stamp is told. */
void tasks_write_alive(const struct tasks *tasks, int64_t boot_offset, bool ns, FILE *to);

/* Keeps the living only, and marks none of them: a recording in pieces that goes on for
 * days does not name in each all that ever ran. */
void tasks_forget(struct tasks *tasks);

/* "TID NAME\n" for every task with a name, as trace-cmd's saved_cmdlines. */
void tasks_write_names(const struct tasks *tasks, FILE *to);

/* Lines of the private option for every thread whose process is known. */
void tasks_write_tgids(const struct tasks *tasks, FILE *to);

/* "TID TGID NAME\n" for every task, 0 and "" what is not known, and for those that changed
 * since either was called last: the second continues what the first began.  The later line
 * counts. */
void tasks_write_log(struct tasks *tasks, FILE *to);
void tasks_write_changes(struct tasks *tasks, FILE *to);

/* Takes in one such line, without its end. */
void tasks_add_logged(struct tasks *tasks, const char *line);

void tasks_free(struct tasks *tasks);

/* ---- pieces, for tests ---- */

/* Takes in text of saved_cmdlines ("TID NAME" lines) or saved_tgids ("TID TGID"). */
void tasks_add_names(struct tasks *tasks, const char *text);
void tasks_add_tgids(struct tasks *tasks, const char *text);
const struct task *tasks_find(const struct tasks *tasks, uint32_t tid);

/* The name, state and start (clock ticks since boot) in /proc/PID/stat. */
bool task_stat_parse(const char *stat, char name[16], char *state, uint64_t *start);

#endif
