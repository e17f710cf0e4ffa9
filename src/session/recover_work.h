/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What recover.c and recover_packed.c share: a file being put together from remains.
 */
#ifndef RECOVER_WORK_H
#define RECOVER_WORK_H

#include "p2ptrace/compress.h"
#include "p2ptrace/remains.h"

struct work {
	const struct remains *remains;
	int planned; /* the file that the recorder was moving pages to, -1: none */
	int to;
	uint64_t end; /* of what is in `to` */
	struct compressor *compressor; /* NULL: the recording is not compressed */
};

uint64_t recover_file_bytes(int fd);

/* Appends bytes of another file. */
int recover_copy(struct work *work, int from, uint64_t at, uint64_t bytes, struct p2p_error *err);

/* ---- recover_packed.c: what `record -z` left, see packing.h ---- */

bool recover_is_packed(const struct remains *remains);

/* The chunks of a lane, and the pages behind them, packed. */
int recover_packed_lane(struct work *work, const struct remains_lane *lane,
			struct write_lane *placed, struct p2p_error *err);

#endif
