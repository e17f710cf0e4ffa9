/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pipeline: slices through decoding and matching, by several threads.
 *
 * There are two kinds of work: to decode the next slice, which any number of
 * threads may do at once, and to take a decoded slice's records of one shard,
 * which for each shard happens in the order of the slices.  A thread does what is
 * ready, matching first, so that few slices are in memory.
 * Source: src/analysis/pipeline.c
 */
#ifndef P2PTRACE_PIPELINE_H
#define P2PTRACE_PIPELINE_H

#include <stdbool.h>

#include "p2ptrace/decode.h"
#include "p2ptrace/match.h"

struct pipeline {
	const struct trace_file *file;
	const struct schema *schema;
	struct names *names;
	struct paths *paths;
	struct names *stacks; /* NULL: the file has none */
	const struct decode_filter *filter;
	struct matcher *matchers; /* [shards] */
	unsigned int shards; /* pipeline_shards() */
	unsigned int threads;
	/* Called for every slice in order, by one thread at a time, before it is let go. */
	bool (*finished)(void *context, const struct slice *slice);
	/* How far, 0 to 1; NULL: nobody asks. */
	void (*progress)(void *context, double fraction);
	void *context;
};

/* Into how many parts, by device, matching is divided for so many threads.  With one part
 * the slices are decoded one after the other: each goes on where the last one ended, and a
 * second thread matches them.  Devices are told apart only where there are more threads,
 * since every page across a border is then decoded for two slices. */
unsigned int pipeline_shards(unsigned int threads);

int pipeline_run(const struct pipeline *pipeline, struct p2p_error *err);

#endif
