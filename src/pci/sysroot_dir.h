/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening files of a sysroot that is a directory, for sysroot.c; -1 with errno. */
#ifndef P2PTRACE_SYSROOT_DIR_H
#define P2PTRACE_SYSROOT_DIR_H

#include "p2ptrace/sysroot.h"

/* openat(2) for the running system; for a captured tree as if its root were "/". */
int sysroot_dir_open(const struct sysroot *root, const char *path, int flags);

/* For reading; regular files only, and opening must have no effect on others. */
int sysroot_dir_file(const struct sysroot *root, const char *path);

#endif
