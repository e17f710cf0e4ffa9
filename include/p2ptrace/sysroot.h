/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sysroot: small files of sys/ and proc/ below a root: the running system's, a
 * captured tree's (--root DIR), or one that a recording holds (tree.h).
 *
 * Paths are printf formats relative to the root, without a leading '/':
 * "sys/bus/pci/devices/%s/vendor".  In a captured tree every symbolic link,
 * absolute ones and ".." too, is resolved as if DIR were "/", so
 * that nothing outside is ever read, and what is no regular file is not opened:
 * a tree may hold device nodes and FIFOs.  Contents are not to be trusted:
 * sizes are bounded, numbers are checked.
 *
 * Functions fail with errno set and print nothing; their callers know what a
 * missing file means.  ENOENT and ENOTDIR: not there; EACCES and EPERM: not
 * permitted; EFBIG: larger than allowed; ENODATA: no number where one was
 * expected; EINVAL: not a regular file; ENXIO, EIO, ...: as the kernel says.
 * A struct sysroot may be used by several threads.
 *
 * Source: src/pci/sysroot.c, src/pci/sysroot_dir.c (directories)
 */
#ifndef P2PTRACE_SYSROOT_H
#define P2PTRACE_SYSROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "p2ptrace/error.h"
#include "p2ptrace/tree.h"

struct sysroot {
	int fd; /* the directory */
	const struct tree *tree; /* in its place; NULL: a directory */
	const char *path; /* as given; "/" for the running system */
	bool captured; /* not the running system */
	bool walk; /* captured, and the kernel has no openat2(2): links are resolved here */
};

/* Bytes of an attribute of sysfs at most: a page, of the largest kind. */
#define SYSROOT_VALUE ((size_t)64 << 10)
/* For the large ones (config.gz, available_filter_functions). */
#define SYSROOT_FILE ((size_t)64 << 20)

/* `dir` NULL or "/": the running system.  The text of `dir` must outlive it. */
int sysroot_open(struct sysroot *root, const char *dir, struct p2p_error *err);
/* The files in `tree`, for as long as it and `name`, by which errors call it, live. */
void sysroot_of_tree(struct sysroot *root, const struct tree *tree, const char *name);
void sysroot_close(struct sysroot *root);

/* A file to be read at the places wanted (regular files only). */
struct sysroot_file {
	int fd;
	const struct tree *tree;
	uint32_t node;
	/* Its size as the system states it; 0: not to be relied on, as in a captured
	 * directory, where it says how much was captured. */
	size_t stated;
};

/* 0, or -1 with `file` closed. */
int sysroot_file_open(const struct sysroot *root, struct sysroot_file *file, const char *format,
		      ...) __attribute__((format(printf, 3, 4)));
/* Whether all `count` bytes from `at` on could be read. */
bool sysroot_file_read(const struct sysroot_file *file, size_t at, void *to, size_t count);
void sysroot_file_close(struct sysroot_file *file);

/* A whole file, malloc'd, with a NUL behind it; `size` (may be NULL) gets its
 * length.  NULL with errno when it cannot be read or is larger than `limit`. */
char *sysroot_read(const struct sysroot *root, size_t limit, size_t *size, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The first bytes of a file: how many, at most `room`, or -1. */
ssize_t sysroot_bytes(const struct sysroot *root, void *to, size_t room, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The first line of a file, cut to fit, without white space around it: its length,
 * or -1 with `to` empty. */
ssize_t sysroot_line(const struct sysroot *root, char *to, size_t room, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* A file that holds one number, decimal or 0x hexadecimal.  0 or -1. */
int sysroot_u64(const struct sysroot *root, uint64_t *value, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int sysroot_i64(const struct sysroot *root, int64_t *value, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Where a symbolic link leads, as stored: its length, or -1. */
ssize_t sysroot_link(const struct sysroot *root, char *to, size_t room, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The last component of where it leads (the name of a device's driver): 0 or -1. */
int sysroot_link_name(const struct sysroot *root, char *to, size_t room, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The mode of what is there (links followed), as in struct stat; 0 with errno
 * when nothing is. */
mode_t sysroot_mode(const struct sysroot *root, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Whether this process may write to what is there: 0, or -1 with errno.  Nothing of a
 * captured tree is written to: EOPNOTSUPP. */
int sysroot_writable(const struct sysroot *root, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The names in a directory, without those that begin with '.', in byte order. */
struct name_list {
	char **names;
	size_t count;
};

/* 0, or -1 with an empty list.  More than a million names: EFBIG. */
int sysroot_list(const struct sysroot *root, struct name_list *list, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void name_list_free(struct name_list *list);

#endif
