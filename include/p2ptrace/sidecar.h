/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sidecar: what a recorder writes beside its pages so that they can be put together
 * when it is killed; remains.h describes the files.
 *
 * Source: src/session/sidecar.c
 */
#ifndef P2PTRACE_SIDECAR_H
#define P2PTRACE_SIDECAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/error.h"

struct piece;
struct tasks;
struct write_lane;

struct sidecar {
	int lock; /* meta, locked; -1: not open */
	char *state; /* as it was written last */
	size_t state_size;
	int tasks; /* the file; -1: none yet */
	uint64_t tasks_bytes, tasks_whole; /* in it, and when it was written anew */
};

/* Writes meta and locks it.  The recorder has its session and its metadata, the piece has
 * its names, and has made no other file yet. */
int sidecar_open(struct piece *piece, struct p2p_error *err);

/* Writes what changed.  What cannot be written is done without: the recording itself does not
 * suffer. */
void sidecar_update(struct piece *piece, struct tasks *tasks);

/* Writes where the pages of each lane are going to be moved; `part` becomes the file. */
void sidecar_plan(struct piece *piece, const char *part, const struct write_lane *placed);

/* Removes both, the recording being whole; `keep`: only unlocks. */
void sidecar_close(struct piece *piece, bool keep);

#endif
