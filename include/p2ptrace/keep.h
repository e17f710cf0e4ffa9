/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keep: the latest pages (sub-buffers) of a view that reads the ring buffer, in a file
 * without a name, so that a recording can be made of them.
 *
 * A ring of as many pages as fit.  Whoever reads often gets pages that are almost empty:
 * their records are put together, with a record between them that carries the time in
 * between, as the kernel itself writes it.
 *
 * A *lane* is one CPU of one instance, as in trace_write.h.  Pages are of this machine's
 * own form.  Source: src/live/keep.c
 */
#ifndef P2PTRACE_KEEP_H
#define P2PTRACE_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/error.h"
#include "p2ptrace/trace_write.h"

struct kept_page {
	uint64_t stamp; /* of its first record, or of the last one before it */
	uint32_t lane;
};

struct keep {
	int file; /* -1: nothing is kept */
	size_t page_size;
	uint64_t slots, next; /* page n is in slot n % slots */
	struct kept_page *pages; /* [slots] */
	unsigned char **filling; /* [lane]: the page that has room yet, NULL: none */
	size_t *filled; /* [lane]: bytes of it */
	uint64_t *last_stamp; /* [lane] */
	size_t lane_count;
	bool *cut; /* [lane]: its first pages were let go */
	int error; /* errno why no more is kept */
};

/* Where no file can be made nothing is kept, and `error` says why. */
int keep_open(struct keep *keep, size_t lanes, size_t page_size, uint64_t bytes,
	      struct p2p_error *err);
void keep_close(struct keep *keep);

/* A page as the kernel gave it. */
void keep_page(struct keep *keep, size_t lane, const unsigned char *page);

uint64_t keep_bytes(const struct keep *keep);
/* Whether the beginning is not kept any more. */
bool keep_is_cut(const struct keep *keep);
/* The stamp from which on all lanes are complete; `start` if they are from the beginning. */
uint64_t keep_complete_from(const struct keep *keep, uint64_t start);

/* Where the pages of the lanes go in a file, one lane behind the other from `at` on; the
 * end of the last. */
uint64_t keep_place(const struct keep *keep, uint64_t at, struct write_lane *lanes);
/* Copies them there.  The first page of a lane that does not reach back to the beginning
 * says that events were lost before it: what was open then may have ended in what is gone. */
int keep_copy(const struct keep *keep, int to, const struct write_lane *lanes,
	      struct p2p_error *err);

#endif
