/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What recover.c, recover_packed.c and recover_tasks.c share: a file being put together from
 * remains.
 */
#ifndef RECOVER_WORK_H
#define RECOVER_WORK_H

#include "p2ptrace/compress.h"
#include "p2ptrace/remains.h"
#include "p2ptrace/tasks.h"

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

/* ---- recover_tasks.c: names and processes, as they were known ---- */

/* Fills the table, which is to be freed; it is empty when there is no file of them. */
void recover_tasks(const struct remains *remains, struct tasks *tasks);

/* As they stand in a trace.dat, malloc'd; NULL without memory. */
char *recover_names(const struct tasks *tasks);

#endif
