/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe_group: dynamic events of one's own in tracefs, all in one group.
 *
 * Groups are named p2ptrace_PID_RANDOM.  An event that is enabled anywhere cannot be
 * removed: a running recorder's events all are, so what a kill -9 left is exactly what
 * can be removed.  Between being defined and being enabled they are guarded by a lock
 * (flock of tracefs' dynamic_events), which whoever removes or defines takes first.
 *
 * Source: src/probe/group.c
 */
#ifndef P2PTRACE_PROBE_GROUP_H
#define P2PTRACE_PROBE_GROUP_H

#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/error.h"
#include "p2ptrace/instance.h"

struct probe_group {
	const struct tracefs *tracefs;
	char name[40]; /* "": not open */
	int lock; /* -1: not held */
};

/* Takes the lock, removes what was left by others, and makes a name. */
int probe_group_open(struct probe_group *group, const struct tracefs *tracefs,
		     struct p2p_error *err);

/* Defines an event by a line of dynamic_events.  Fails with the kernel's own reason. */
int probe_group_add(const struct probe_group *group, const char *line, struct p2p_error *err);

/* Removes one again. */
void probe_group_remove(const struct probe_group *group, const char *event);

/* All events are enabled: others may look for what was left. */
void probe_group_ready(struct probe_group *group);

/* Removes all its events; the instances that use them must be gone. */
void probe_group_close(struct probe_group *group);

/* Hits of kprobes that were passed over, by the number at the end of events' names;
 * fprobes tell none. */
uint64_t probe_group_missed(const struct tracefs *tracefs, const char *name_end);

#endif
