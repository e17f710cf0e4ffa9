/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_types: what a kernel's structures and functions look like: where members
 * stand, which argument has which name, what map types are called.
 *
 * Taken from the kernel's own description (BTF, through libbpf), or from an offsets
 * file that was written on a machine with the same kernel that has it.  Answers are
 * kept, and what was asked is what such a file holds.
 *
 * Source: src/probe/types.c (answers, the file), src/probe/btf.c
 */
#ifndef P2PTRACE_KERNEL_TYPES_H
#define P2PTRACE_KERNEL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "p2ptrace/error.h"

struct btf;

#define KERNEL_MAP_TYPES 16

struct kernel_types {
	struct btf *btf; /* NULL: from a file */
	struct kernel_fact {
		char *key;
		int64_t value;
		bool known;
	} * facts;
	size_t fact_count;
	char *map_types[KERNEL_MAP_TYPES]; /* by number, "BUS_ADDR"; NULL: none */
};

/* `path`: a file of BTF or an ELF file with it, NULL: the running kernel's. */
int kernel_types_open(struct kernel_types *types, const char *path, struct p2p_error *err);

/* The same from bytes of BTF. */
int kernel_types_load(struct kernel_types *types, const void *bytes, size_t size,
		      struct p2p_error *err);

/* An offsets file.  With `any_kernel` false, one of another kernel is refused. */
int kernel_types_read(struct kernel_types *types, const char *path, bool any_kernel,
		      struct p2p_error *err);
void kernel_types_close(struct kernel_types *types);

/*
 * Keys: "page.pgmap" the offset of a member in bytes, members of members included;
 * "sizeof page"; "arg FUNCTION.PARAMETER" its number, from 1.  False: not known.
 */
bool kernel_types_get(struct kernel_types *types, const char *key, int64_t *value);

/* All answers so far as an offsets file of the running kernel. */
void kernel_types_write(const struct kernel_types *types, FILE *to);

/* ---- btf.c ---- */

int btf_source_open(struct kernel_types *types, const char *path, struct p2p_error *err);
int btf_source_load(struct kernel_types *types, const void *bytes, size_t size,
		    struct p2p_error *err);
void btf_source_close(struct btf *btf);
bool btf_source_get(const struct btf *btf, const char *key, int64_t *value);

#endif
