/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * capture_option: how a recording stores the trees that capture.h makes: as options of
 * its own, which trace-cmd and KernelShark skip.
 *
 * The data is a line, "p2ptrace.capture/1 COMPRESSION BYTES\n", and the packed tree
 * (tree.h), which unpacked has BYTES bytes.  COMPRESSION is zlib or none.
 *
 * Source: src/trace/capture_option.c
 */
#ifndef P2PTRACE_CAPTURE_OPTION_H
#define P2PTRACE_CAPTURE_OPTION_H

#include <stddef.h>

#include "p2ptrace/error.h"

enum capture_moment {
	CAPTURE_START, /* everything, just before tracing went on */
	CAPTURE_END, /* the counters alone, after it went off */
	CAPTURES,
};

/* The options' ids. */
#define CAPTURE_OPTION_ID(moment) (0x7033 + (moment))

/* More than this is not believed, and not stored. */
#define CAPTURE_BYTES_MAX ((size_t)64 << 20)

struct capture_data {
	char *bytes; /* NULL: there is none */
	size_t size;
};

/* From a packed tree to the option's data, which is malloc'd. */
int capture_wrap(const char *plain, size_t size, struct capture_data *data, struct p2p_error *err);

/* Back; *plain is malloc'd. */
int capture_unwrap(const struct capture_data *data, char **plain, size_t *size,
		   struct p2p_error *err);

#endif
