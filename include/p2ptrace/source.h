/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source: where the five P2PDMA events come from.
 *
 * A source finds or makes events/SYSTEM/NAME for as many of the five as it can;
 * from there on they are ordinary trace events.  Sources are rows of one table,
 * struct source_ops, tried in its order by `auto`.
 *
 * Source: src/session/source.c (the table, tracepoints)
 */
#ifndef P2PTRACE_SOURCE_H
#define P2PTRACE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "p2ptrace/error.h"
#include "p2ptrace/instance.h"
#include "p2ptrace/paths.h"

struct source;

struct source_ops {
	const char *name; /* for -S and in the file */
	/* Fills system and has[].  `wanted` is --system or NULL.  Tells with
	 * err->status P2P_CANNOT why it cannot. */
	int (*prepare)(struct source *source, const struct tracefs *tracefs, const char *wanted,
		       struct p2p_error *err);
	/* Events that were missed so far beside the ring buffer's own losses. */
	uint64_t (*missed)(const struct source *source);
	/* Removes what prepare() made. */
	void (*release)(struct source *source);
};

struct source {
	const struct source_ops *ops; /* NULL: none chosen */
	const struct tracefs *tracefs;
	char system[256];
	bool has[KIND_P2P_COUNT]; /* by enum event_kind */
};

/* Chooses by name: "auto", or one of the table's.  A missing one of the five is a
 * warning; none at all fails with what was looked for and the ways out. */
int source_open(struct source *source, const struct tracefs *tracefs, const char *name,
		const char *wanted_system, struct p2p_error *err);
void source_close(struct source *source);

#endif
