/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * define: the uprobe events on the five functions of this very program.
 *
 * An event is GROUP/p2p_dma_map and so on, with the canonical fields in the
 * canonical order; the options take fields away, rename them or add some, so
 * that a reader's tolerance can be tried.  Needs root and tracefs.
 *
 * Source: tests/rig/define.c
 */
#ifndef P2PRIG_DEFINE_H
#define P2PRIG_DEFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "p2ptrace/error.h"
#include "p2ptrace/options.h"

#define RIG_MAX_CHANGES 32

struct rig_define {
	const char *group;
	bool type_names; /* type and old as strings, not numbers */
	bool with_pid; /* a field pid: the process's number */
	bool with_comm; /* a field comm: the caller's name */
	const char *events[RIG_MAX_CHANGES]; /* just these; none: all five */
	const char *renames[RIG_MAX_CHANGES]; /* [EVENT.]FIELD=NAME */
	const char *omissions[RIG_MAX_CHANGES]; /* [EVENT.]FIELD */
};

/* --group alone, and all of the above. */
extern const struct option_spec rig_group_options[];
extern const struct option_spec rig_define_options[];

/* Creates the events; what was created is removed again on failure. */
int rig_define_events(const struct rig_define *define, struct p2p_error *err);

/* Removes the group's events; none is no error.  Fails while one is enabled. */
int rig_remove_events(const char *group, struct p2p_error *err);

/* The definition of one event as it is written to uprobe_events. */
int rig_event_definition(const struct rig_define *define, size_t event, char *text, size_t room,
			 struct p2p_error *err);

#endif
