/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * packing: the pages of a piece compressed while they are being recorded (record -z).
 *
 * Beside the spool file of each lane there is one of the same name with a z in front: behind
 * the head room the number of chunks (4 bytes, 0 until the end) and the chunks, each
 * the sizes of its packed and its plain bytes (4 each) and the packed bytes, as they stand
 * in a trace.dat of version 7.  Pages that are packed are cut out of the spool file.
 * What was killed can be put together from both: the chunks in the one, the pages
 * behind them in the other.
 *
 * Source: src/session/packing.c
 */
#ifndef P2PTRACE_PACKING_H
#define P2PTRACE_PACKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/compress.h"
#include "p2ptrace/error.h"
#include "p2ptrace/spool.h"

/* Plain bytes of a chunk, but for a lane's last: whole sub-buffers of any size. */
#define PACKING_CHUNK (1u << 20)

/* A file of chunks. */
struct packed_lane {
	int fd; /* -1: not open */
	char part[32]; /* see output.h */
	uint64_t bytes; /* behind the head room, the number of chunks included; 0: none yet */
	_Atomic uint64_t plain; /* bytes of pages in it */
	uint32_t chunks;
};

struct packing {
	struct compressor *compressor; /* NULL: nothing is to be packed */
	uint64_t head_room;
	unsigned char *chunk; /* PACKING_CHUNK */
	struct packed_lane *lanes; /* by lane of the files */
	size_t count;
};

int packing_open(struct packing *packing, const struct spool_files *files, int level,
		 struct p2p_error *err);
void packing_close(struct packing *packing, const struct spool_files *files);

/* Packs one chunk of each lane that has so much, with `all` everything that is there.
 * Returns how many chunks, -1 with `err` when the disk is full: it may be tried again. */
int packing_advance(struct packing *packing, struct spool_files *files, bool all,
		    struct p2p_error *err);

/* All pages are packed: the packed files take the places of the spool's. */
int packing_finish(struct packing *packing, struct spool_files *files, struct p2p_error *err);

/* Bytes of pages that are packed, also from another thread. */
uint64_t packing_done(const struct packing *packing);

/* The part of a lane's packed file. */
void packing_part_name(const char *part, char packed[32]);

/* Appends a chunk of `bytes` plain bytes at `at` of a lane; 0, or -1 with errno or `err`
 * when nothing was added. */
int packed_lane_add(struct packed_lane *lane, uint64_t head_room, struct compressor *compressor,
		    const void *plain, size_t bytes, struct p2p_error *err);

/* Writes the number of chunks where the file begins. */
int packed_lane_end(const struct packed_lane *lane, uint64_t head_room, struct p2p_error *err);

#endif
