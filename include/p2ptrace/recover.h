/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recover: a valid file out of what a killed recorder left (remains.h).
 *
 * The pages are copied, the remains stay untouched until the new file has its name:
 * whatever goes wrong, it can be tried again.
 *
 * Source: src/session/recover.c
 */
#ifndef P2PTRACE_RECOVER_H
#define P2PTRACE_RECOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/error.h"

struct recovery {
	bool complete; /* the recording had got its name: only litter was left */
	bool empty; /* of several files: this one had not begun, it is not made */
	uint64_t bytes; /* of pages */
	size_t cpus; /* that have any */
	size_t others; /* older remains of the same name, still there */
};

/* `path`: of the recording that was cut off; `output`: what to write, must not exist.
 * `piece`: it is one of several files. */
int recover(const char *path, const char *output, bool piece, struct recovery *recovery,
	    struct p2p_error *err);

#endif
