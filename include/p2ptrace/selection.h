/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * selection: the filters every reading command has.
 *
 * They select by the *beginning*: an allocation or mapping is picked by its
 * thread, name, CPU, devices and type; its end follows it.  Only --time looks at
 * every event: what lies outside the window is not there.
 *
 * Lists are separated by commas; names are shell patterns.
 * Source: src/analysis/selection.c
 */
#ifndef P2PTRACE_SELECTION_H
#define P2PTRACE_SELECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/decode.h"
#include "p2ptrace/options.h"
#include "p2ptrace/processes.h"
#include "p2ptrace/recording.h"

/* As given on the command line, NULL where not. */
struct selection_options {
	const char *time, *pid, *comm, *provider, *client, *type, *cpu;
};

/* For a command's table: { .kind = OPTION_GROUP, .group = selection_option_table, ... } */
extern const struct option_spec selection_option_table[];

/* A comma-separated list of shell patterns. */
struct patterns {
	char **items;
	size_t count;
};

/* Whether any filter is given but --time. */
bool selection_options_but_time(const struct selection_options *given);

struct selection {
	struct selection_options given;
	uint64_t from, until; /* stamps, inclusive */
	uint64_t *pids, *cpus;
	size_t pid_count, cpu_count;
	struct patterns comms, providers, clients, types;
	const struct processes *processes;
	bool begins; /* something selects by the thread, name or CPU */
	bool foreign_ends; /* ends cannot be told from those of unselected beginnings */
	bool any;
};

int selection_init(struct selection *selection, const struct selection_options *given,
		   const struct recording *recording, const struct processes *processes,
		   struct p2p_error *err);
void selection_free(struct selection *selection);

/* As struct paths wants it. */
bool selection_path(const void *selection, const struct names *names, const struct path *path);
/* As struct decode_filter wants it. */
bool selection_begin(const void *selection, uint32_t tid, uint32_t comm, uint32_t cpu);

#endif
