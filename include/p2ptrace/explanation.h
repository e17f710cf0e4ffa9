/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explanation: all there is to say about why a pair of devices takes its path.
 *
 * Source: src/pci/explanation.c; shown by explain_print.h
 */
#ifndef P2PTRACE_EXPLANATION_H
#define P2PTRACE_EXPLANATION_H

#include "p2ptrace/blocker.h"
#include "p2ptrace/boot_args.h"
#include "p2ptrace/pci_system.h"

struct explanation {
	const struct pci_system *system;
	const struct pci_device *provider, *client; /* with details */
	struct verdict verdict;
	struct blocker *blockers;
	size_t blocker_count;
	struct boot_note *notes;
	size_t note_count;
	/* How it is shown as text: in colour, in lines of so many columns (0: 90). */
	bool colour;
	size_t width;
};

/* Reads the devices' details.  0, or -1 with `err`; to be freed in any case. */
int explanation_make(struct explanation *pair, const struct pci_system *system,
		     struct pci_device *provider, struct pci_device *client, struct p2p_error *err);
void explanation_free(struct explanation *pair);

#endif
