/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tree: a small file system in memory: what a recording keeps of sys/ and proc/.
 *
 * Directories, files, symbolic links, files of which only pieces are known (a device's
 * configuration space), and things that could not be read.  Paths are relative to the
 * tree's root, without a leading '/'; links are resolved as if that were "/", so nothing
 * outside exists.  Packed it is a stream of bytes (man/p2ptrace.dat.5), which is not to be
 * trusted: unpacking checks every length and gives up beyond the limits below.
 *
 * Functions that look fail with errno set, as the calls of the same purpose on files do.
 * A tree that nobody adds to may be read by several threads.
 *
 * Source: src/pci/tree.c, src/pci/tree_pack.c (the stream)
 */
#ifndef P2PTRACE_TREE_H
#define P2PTRACE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "p2ptrace/error.h"

struct tree;
struct name_list;

/* A machine with 4,096 PCI devices has some 60,000 nodes in 2 MiB. */
#define TREE_NODES_MAX (1u << 20)
#define TREE_BYTES_MAX ((size_t)64 << 20)
#define TREE_DEPTH_MAX 300

/* NULL without memory. */
struct tree *tree_new(void);
void tree_free(struct tree *tree);

/*
 * Adding: 0, or -1 with errno.  Directories on the way are made; what is there already is
 * EEXIST, what cannot be stored (a name with a newline) EINVAL, too much EFBIG.
 */
int tree_add_dir(struct tree *tree, const char *path); /* one that is there is fine */
int tree_add_file(struct tree *tree, const char *path, const void *bytes, size_t size);
int tree_add_link(struct tree *tree, const char *path, const char *target);
int tree_add_denied(struct tree *tree, const char *path); /* EACCES for whoever asks */

/* A file of which some bytes are known: a sequence of u16 offset, u16 length (both
 * little-endian) and the bytes, upwards and without overlap.  `stated`: its size as the
 * system said it. */
int tree_add_pieces(struct tree *tree, const char *path, uint32_t stated, const void *pieces,
		    size_t size);

/* A node, for the functions below; 0 is the root.  `follow`: a link at the end too. */
int tree_find(const struct tree *tree, const char *path, bool follow, uint32_t *node);

mode_t tree_mode(const struct tree *tree, uint32_t node);
/* The bytes of a file, which stay the tree's; NULL with errno for anything else. */
const void *tree_file(const struct tree *tree, uint32_t node, size_t *size);
/* The same for a link's target, which has a NUL behind it. */
const char *tree_target(const struct tree *tree, uint32_t node, size_t *size);
/* The names in a directory, in no order. */
int tree_list(const struct tree *tree, uint32_t node, struct name_list *list);

/* Bytes `at` .. `at + count` of a file or of one known in pieces: whether all are known. */
bool tree_read(const struct tree *tree, uint32_t node, size_t at, void *to, size_t count);
/* The size as stated; 0 for a whole file. */
uint32_t tree_stated(const struct tree *tree, uint32_t node);

size_t tree_count(const struct tree *tree);

/* *bytes is malloc'd. */
int tree_pack(const struct tree *tree, char **bytes, size_t *size, struct p2p_error *err);
/* NULL with `err`: no memory, or the stream is damaged. */
struct tree *tree_unpack(const char *bytes, size_t size, struct p2p_error *err);

#endif
