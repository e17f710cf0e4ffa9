/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * build_dat: trace.dat files made of a script, for tests.
 *
 * Any form that p2ptrace reads: versions 6 and 7, both byte orders, 32-bit
 * machines, compressed or not, any sub-buffer size, with loss and with whatever
 * events a test makes up.  It shares no code with p2ptrace, so that a mistake
 * there is not made here again.
 *
 * A script is lines of words; # begins a comment.  In words %XX is a byte.
 *
 *   version 6|7             endian big|little       long 4|8 (of the machine)
 *   page BYTES              compress zstd|zlib      clock NAME
 *   cpus N                  (at least)              uname TEXT
 *   private KEY [VALUE]     cmdline PID NAME        (several)
 *   option ID FILE          an option with the bytes of a file
 *   stats CPU OVERRUN COMMIT_OVERRUN DROPPED        buffer NAME (for what follows)
 *   event NAME ID [SYSTEM:]FIELD:TYPE...            an event, or another form of one
 *   types [NUMBER=NAME...]  what print formats say of map types; none: nothing
 *   page_of CPU             the next record begins a page
 *   lost CPU N|?            the same, and before it N or nobody knows how many are lost
 *   STAMP CPU NAME FIELD=VALUE... [tid=N] [flags=N] a record; tid is common_pid
 *
 * TYPEs: u1 u2 u4 u8, i1 i2 i4 i8, p8 (a pointer), s (__data_loc text), r (__rel_loc),
 * tN (char[N]).  The five events are there from the start, called alloc, free, map,
 * unmap and change in records, with the canonical fields and these ids:
 *
 *   p2p_dma_alloc 301, p2p_dma_free 302, p2p_dma_map 303, p2p_dma_unmap 304,
 *   p2p_map_type_change 305, sched_process_exit 306 (exit), task_rename 307 (rename)
 *
 * Source: tests/lib/build_dat.c; tests/lib/dat_main.c makes a command of it.
 */
#ifndef TESTS_BUILD_DAT_H
#define TESTS_BUILD_DAT_H

#include <stddef.h>
#include <stdint.h>

struct dat_mark {
	const char *name;
	uint64_t offset;
};

struct dat_file {
	unsigned char *bytes;
	size_t size;
	/* Where each part of the file begins. */
	struct dat_mark marks[256];
	size_t mark_count;
};

/* 0, or -1 with the reason in `why` (a line number first). */
int dat_build(const char *script, struct dat_file *file, char *why, size_t room);
void dat_file_free(struct dat_file *file);

#endif
