/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot_args: what the kernel's command line says about ACS, and what is wrong with it.
 *
 * Source: src/pci/boot_args.c
 */
#ifndef P2PTRACE_BOOT_ARGS_H
#define P2PTRACE_BOOT_ARGS_H

#include "p2ptrace/topology.h"

struct boot_note {
	char text[512]; /* a sentence */
};

/*
 * What is to be said about the command line: parameters that do not exist, devices
 * named that are not there, have no ACS or kept it on; with a path (`path_count` devices
 * whose ACS counts for a pair) also those named that are not on it.  *notes is
 * malloc'd.  0, or -1 without memory.
 */
int boot_notes(const struct topology *topology, const struct pci_device *const *path,
	       size_t path_count, struct boot_note **notes, size_t *count);

/* What of pci=disable_acs_redir= is in force and has an effect, "" for nothing: a new
 * value replaces the old one, so its devices must be named again. */
char *boot_disable_acs_redir(const struct topology *topology, char *to, size_t room);

#endif
