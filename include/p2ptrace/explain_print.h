/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain_print: one pair, hop by hop, with what blocks it and what to do.
 *
 * Source: src/output/explain_text.c, explain_json.c
 */
#ifndef P2PTRACE_EXPLAIN_PRINT_H
#define P2PTRACE_EXPLAIN_PRINT_H

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
	bool colour;
};

void explain_print_text(const struct explanation *pair, FILE *out);
/* 0, or -1 with `err`. */
int explain_print_json(const struct explanation *pair, FILE *out, struct p2p_error *err);

#endif
