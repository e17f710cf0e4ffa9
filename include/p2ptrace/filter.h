/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * filter: kernel event filters that restrict the beginnings (alloc, map,
 * map_type_change).  Ends run in interrupts and kernel threads, so they are
 * always recorded and follow their beginnings when the file is read.
 *
 * Source: src/session/filter.c
 */
#ifndef P2PTRACE_FILTER_H
#define P2PTRACE_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "p2ptrace/error.h"
#include "p2ptrace/paths.h"

struct filter_spec {
	const char *provider; /* -P: names, comma-separated, * and ? match; NULL: any */
	const char *client; /* --client: the same; allocations have none and pass */
	const char *comm; /* --comm: names of tasks, the same */
	const char *kernel; /* -f: text in the kernel's filter language; NULL: none */
};

/* A tracefs filter is written in one page. */
#define FILTER_ROOM 4096

/* Whether `kind` is one that filters apply to. */
bool filter_applies(enum event_kind kind);

/*
 * The filter of one event, "" when nothing restricts it, from its format file.
 * A name without PCI domain ("03:00.0") stands for domain 0000 as well.
 * *unfiltered is set when the event has no such field and passes whole though
 * it should not (-P where no provider is told).
 */
int filter_build(const struct filter_spec *spec, enum event_kind kind, const char *format,
		 char filter[FILTER_ROOM], bool *unfiltered, struct p2p_error *err);

#endif
