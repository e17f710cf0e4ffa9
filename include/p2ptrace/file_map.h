/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file_map: a file in memory, page by page as it is wanted, and without the SIGBUS.
 *
 * Reading mapped pages saves the kernel's copy of them.  But of a file that has become
 * shorter, or a disk that fails, a touch of a page means death by SIGBUS: while any file is
 * mapped, that signal puts a page of zeros there instead and marks the map as broken.  What
 * is asked for is read from the disk first (file_map_bring), so that this happens only to
 * a file that changes within that moment.
 *
 * Memory of a map is the page cache's.  Source: src/base/file_map.c
 */
#ifndef P2PTRACE_FILE_MAP_H
#define P2PTRACE_FILE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file_map;

/* NULL where it cannot be: the file is to be read then. */
struct file_map *file_map_open(int fd, uint64_t bytes);
void file_map_close(struct file_map *map);

/* Has the bytes in memory until they are let go.  NULL: they are not all there, or the
 * kernel (before 5.14) does not say; reading them tells. */
const unsigned char *file_map_bring(struct file_map *map, uint64_t offset, size_t bytes);
void file_map_let_go(struct file_map *map, uint64_t offset, size_t bytes);

/* Whether zeros stood in for a page. */
bool file_map_broken(const struct file_map *map);

#endif
