/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compress: the compressions a trace.dat may use (zstd, zlib), by the libraries
 * found at build time.  Source: src/trace/compress.c
 */
#ifndef P2PTRACE_COMPRESS_H
#define P2PTRACE_COMPRESS_H

#include <stddef.h>

#include "p2ptrace/error.h"

enum compression { COMPRESSION_NONE, COMPRESSION_ZSTD, COMPRESSION_ZLIB };

/* The name in the file's header to a value; an error for what this build lacks. */
int compression_by_name(const char *name, enum compression *compression, struct p2p_error *err);

/* Unpacks exactly `plain_bytes`; anything else in `packed` is an error. */
int decompress(enum compression compression, const void *packed, size_t packed_bytes, void *plain,
	       size_t plain_bytes, struct p2p_error *err);

/* ---- writing, with zstd ---- */

struct compressor;

/* Level 1 is fast, 19 small; fails in a build without zstd. */
struct compressor *compressor_open(int level, struct p2p_error *err);
void compressor_close(struct compressor *compressor);

/* *packed belongs to the compressor and is valid until the next call. */
int compressor_pack(struct compressor *compressor, const void *plain, size_t plain_bytes,
		    void **packed, size_t *packed_bytes, struct p2p_error *err);

/* What the file's header says of the library: "zstd" and its version. */
extern const char compressor_name[];
const char *compressor_version(void);

#endif
