/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kconfig: with which options a kernel was built, from wherever its
 * configuration is found: proc/config.gz (needs zlib), boot/config-RELEASE, or
 * below lib/modules/RELEASE/.  Source: src/doctor/kconfig.c
 */
#ifndef P2PTRACE_KCONFIG_H
#define P2PTRACE_KCONFIG_H

#include "p2ptrace/sysroot.h"

struct kconfig {
	char *text; /* NULL: not found */
	char source[320]; /* the file it is from, without the root */
};

/* Reads the configuration of the kernel that the root names.  0, or -1 with an
 * empty struct when there is none that can be read. */
int kconfig_read(const struct sysroot *root, struct kconfig *config);
void kconfig_free(struct kconfig *config);

/* An option by its full name ("CONFIG_PCI_P2PDMA"): 'y', 'm', 'n' (also when the
 * configuration does not mention it), '=' for other values, '?' when the
 * configuration is not known. */
char kconfig_get(const struct kconfig *config, const char *option);

#endif
