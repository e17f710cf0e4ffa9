/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gen_file: a generated recording's metadata, and where its pages lie.
 * Source: bench/gen_file.c
 */
#ifndef BENCH_GEN_FILE_H
#define BENCH_GEN_FILE_H

#include "gen_options.h"
#include "pages.h"
#include "records.h"
#include "truth.h"

/* The file's metadata as made from a first run: texts belong to the struct. */
struct gen_file {
	const struct gen_options *options;
	struct trace_metadata *metadata;
	struct write_format *formats;
	struct write_lane *lanes;
	struct write_buffer *buffer;
	char **stats; /* [cpu] */
	char *header_page, *cmdlines, *private_text, *clock_text;
	char *front; /* version 6: all that stands before the pages */
	size_t front_bytes;
	uint64_t end; /* of the pages */
};

/* Puts the CPUs' pages one behind the other: sets pages->cpus[].offset. */
int gen_file_init(struct gen_file *file, const struct gen_options *options,
		  const struct records *records, struct pages *pages, const struct truth *truth,
		  struct p2p_error *err);
void gen_file_free(struct gen_file *file);

/* The metadata into `fd`, around the pages. */
int gen_file_write(struct gen_file *file, int fd, struct p2p_error *err);

#endif
