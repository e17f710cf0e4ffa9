/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piece: one file of a recording, from its first page to its name.  A recording is one
 * piece, or many one after the other (--switch-output).
 *
 * A piece begins with its hidden files, gets its pages from the readers, and ends: from
 * then on it holds all that is to stand in the file (its losses are what the kernel's
 * counters say more than at its beginning), and can be put together by another thread
 * while the next one is being recorded.
 *
 * Source: src/session/piece.c (beginning and end), assemble.c (the file), metadata.c
 * (what it says beside the pages), system_capture.c (what it says of the system)
 */
#ifndef P2PTRACE_PIECE_H
#define P2PTRACE_PIECE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "p2ptrace/capture_option.h"
#include "p2ptrace/error.h"
#include "p2ptrace/output.h"
#include "p2ptrace/packing.h"
#include "p2ptrace/session.h"
#include "p2ptrace/sidecar.h"
#include "p2ptrace/spool.h"

struct recorder;
struct trace_metadata;
struct write_lane;

/* How often a file is tried to be made: on a full disk there is room once the readers have
 * ended. */
#define PIECE_TRIES 2

struct piece {
	const struct recorder *recorder;
	struct piece *next; /* in the queue of those that wait for being put together */
	unsigned int number; /* from 1; 0: the recording is one file */
	struct output output;
	size_t lane_count; /* instance by instance, CPUs ascending */
	struct spool_files files;
	struct packing packing;
	struct sidecar sidecar;
	uint64_t start, stop; /* stamps; 0: not yet */
	int64_t wall_offset;
	int64_t boot_offset; /* at its start, see trace_clock_boot_offset() */
	uint64_t suspended; /* ns that the clock stood still */
	bool ended; /* what follows is its own and final */
	struct ring_stats *stats; /* by lane: what was counted during it */
	char **stat_texts; /* by lane, "CPU: N\n..." */
	uint64_t *unsaved; /* by lane: events recorded and not in the file */
	uint64_t missed; /* by probes */
	char *names; /* "PID NAME" lines */
	char *tgids, *alive; /* lines of the private option */
	bool liveness;
	struct capture_data captures[CAPTURES];
	char *symbols; /* kernel functions, NULL: the recorder's */
	char *private_text; /* as it was made last */
	struct write_lane *placed; /* where the pages lie now, malloc'd; NULL: in its files */
	uint64_t end; /* of the pages there */
	struct spool_file *base; /* the file they lie in */
	int whole; /* the same they lie in, in version 6; -1: not open */
	_Atomic uint64_t moved; /* bytes put in their place so far */
	dev_t device; /* of the file that was made */
	ino_t inode;
	unsigned int tries; /* at putting it together */
	int failed; /* the last of them did */
	struct p2p_error error; /* why */
};

/* Without any file, and nothing of the system. */
struct piece *piece_new(struct recorder *recorder, unsigned int number, struct p2p_error *err);

/* Makes its hidden files.  It is released with piece_free() in any case. */
struct piece *piece_begin(struct recorder *recorder, unsigned int number, struct p2p_error *err);

/*
 * Takes the names, counters and processes of now.  All its pages are in its files; with
 * `last` tracing has ended, and what its readers left in the buffers is counted as
 * not saved.
 */
int piece_end(struct piece *piece, struct recorder *recorder, bool last, struct p2p_error *err);

/* What is not put together goes with it, unless its files are to be kept. */
void piece_free(struct piece *piece);

/* Losses of one lane so far. */
void piece_stats(const struct piece *piece, size_t lane, struct ring_stats *stats);

/* ---- system_capture.c ---- */

/* Stores what sys/ and proc/ say at this moment, unless it is not wanted.  What does not
 * succeed is done without, after a warning. */
void system_capture(struct piece *piece, enum capture_moment moment);

/* ---- metadata.c ---- */

/* Fills everything but the buffers; the texts stay the piece's. */
int metadata_fill(struct piece *piece, struct trace_metadata *metadata, struct p2p_error *err);

/* ---- assemble.c ---- */

/* Makes the file out of the pages and publishes it.  Events in pages that do not fit on
 * the disk are added to `unsaved`.  When it fails it may be tried again. */
int assemble(struct piece *piece, struct p2p_error *err);

#endif
