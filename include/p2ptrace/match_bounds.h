/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * match_bounds: matchers that run without an end and must not grow without one.
 *
 * Between slices: threads that need not be told apart any more are folded into one row,
 * and what was open longest is given up.  What is given up is no longer outstanding; an
 * end that comes later finds no beginning.  Source: src/analysis/match_bounds.c
 */
#ifndef P2PTRACE_MATCH_BOUNDS_H
#define P2PTRACE_MATCH_BOUNDS_H

#include "p2ptrace/match.h"

/*
 * Folds the totals of threads into one row of TID_OTHERS: all but those that `keep`
 * wants and those that have something open.  Threads get new indices.  The number
 * folded, or -1 without memory: then nothing has changed.
 */
int64_t matcher_fold_threads(struct matcher *matcher,
			     bool (*keep)(const void *context, const struct thread_totals *thread),
			     const void *context);

/* Gives up beginnings, the oldest first, until at most `keep` are open; how many were
 * given up, or -1 without memory. */
int64_t matcher_let_go(struct matcher *matcher, uint32_t keep);

#endif
