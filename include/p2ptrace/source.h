/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source: where the five P2PDMA events come from.
 *
 * A source finds or makes events for as many of the five as it can; from there on they
 * are ordinary trace events of one tracefs system.  Sources are rows of one table,
 * struct source_ops, tried in its order by `auto`.
 *
 * Source: src/session/source.c (the table, tracepoints), src/probe/source.c
 */
#ifndef P2PTRACE_SOURCE_H
#define P2PTRACE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/error.h"
#include "p2ptrace/instance.h"
#include "p2ptrace/paths.h"

struct source;

struct source_options {
	const char *name; /* "auto", or one of the table's */
	const char *system; /* --system, NULL: search */
	const char *offsets; /* --offsets: a file, see kernel_types.h; NULL: the kernel's BTF */
	uint64_t segments; /* --segments: of an unmap that probes look at; 0: the default */
};

struct source_ops {
	const char *name; /* for -S and in the file */
	/* Fills system, has[] and events.  Tells with err->status P2P_CANNOT why it cannot. */
	int (*prepare)(struct source *source, const struct tracefs *tracefs,
		       const struct source_options *options, struct p2p_error *err);
	/* All its events are enabled now. */
	void (*ready)(struct source *source);
	/* Events that were missed so far beside the ring buffer's own losses. */
	uint64_t (*missed)(const struct source *source);
	/* Removes what prepare() made. */
	void (*release)(struct source *source);
};

/* An event to record. */
struct source_event {
	enum event_kind kind;
	char name[64]; /* in the source's system */
	char filter[200]; /* what is no P2PDMA at all is sorted out by this; "": nothing */
};

struct probe_source;

struct source {
	const struct source_ops *ops; /* NULL: none chosen */
	const struct tracefs *tracefs;
	char system[256];
	bool has[KIND_P2P_COUNT]; /* by enum event_kind */
	struct source_event *events;
	size_t event_count;
	struct probe_source *probe; /* what else the source of this name has, else NULL */
};

/* Chooses by name.  A missing one of the five is a warning; none at all fails with what
 * was looked for and the ways out. */
int source_open(struct source *source, const struct tracefs *tracefs,
		const struct source_options *options, struct p2p_error *err);
void source_ready(struct source *source);
void source_close(struct source *source);

/* Adds an event to the source's table; -1 without memory. */
int source_add(struct source *source, enum event_kind kind, const char *name, const char *filter,
	       struct p2p_error *err);

/* ---- src/probe/source.c ---- */

extern const struct source_ops probe_source_ops;

/* What map types are called by number (16 of them, NULL where none is), and the bytes of
 * the kernel's struct page: for the file.  NULL and 0 for other sources. */
char *const *source_map_types(const struct source *source);
uint32_t source_page_struct(const struct source *source);

#endif
