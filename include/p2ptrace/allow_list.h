/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * allow_list: the host bridges through which the kernel lets peers talk.
 *
 * The kernel's list, each entry with the versions it is known to be absent from and
 * known to be in, and a user's own additions (a patched kernel).  Distributions
 * backport: what a release number says is what kernel.org's release of it says.
 *
 * Source: src/pci/allow_list.c
 */
#ifndef P2PTRACE_ALLOW_LIST_H
#define P2PTRACE_ALLOW_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/error.h"

/* A kernel version as a number that compares: 6.12 is KERNEL(6, 12). */
#define KERNEL(major, minor) ((uint32_t)(major) << 16 | (uint32_t)(minor))
#define KERNEL_NOT_KNOWN 0u

struct allow_entry {
	uint16_t vendor;
	uint32_t device; /* ALLOW_ANY: every device of the vendor */
	bool same_host; /* only when both devices are below one host bridge */
	uint32_t absent_through; /* the last version known not to have it; 0: none known */
	uint32_t present_from; /* the first known to have it; KERNEL_NOT_KNOWN */
	const char *what;
};

#define ALLOW_ANY UINT32_MAX

enum allow_answer {
	ALLOW_NO = 0, /* not on the list */
	ALLOW_YES,
	ALLOW_SAME_ONLY, /* on the list, but not between two host bridges */
	ALLOW_UNSURE, /* on some kernels' list, and not known whether on this one's */
};

struct allow_list {
	struct allow_entry *added; /* from files */
	size_t added_count;
};

/*
 * Adds a file's entries: a line is "VENDOR:DEVICE [same]" in hexadecimal, DEVICE may
 * be "*"; '#' begins a comment.  They hold for every kernel.
 */
int allow_list_add_file(struct allow_list *list, const char *path, struct p2p_error *err);
void allow_list_free(struct allow_list *list);

/* Whether kernel `version` (KERNEL_NOT_KNOWN: any that is in use) lets peers talk through a
 * host bridge of this id; `same`: both devices are below it.  *entry (may be NULL): what was
 * decided by, NULL if nothing matched. */
enum allow_answer allow_list_check(const struct allow_list *list, uint32_t version, uint16_t vendor,
				   uint16_t device, bool same, const struct allow_entry **entry);

/* "6.12", "6.12.0-rc3", "6.1.0-44-amd64": the version, KERNEL_NOT_KNOWN if it is none. */
uint32_t kernel_version_parse(const char *text);

#endif
