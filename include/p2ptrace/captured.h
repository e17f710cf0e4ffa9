/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * captured: what a recording holds of the system it was made on (capture.h), taken out
 * of the file.  Source: src/analysis/captured.c
 */
#ifndef P2PTRACE_CAPTURED_H
#define P2PTRACE_CAPTURED_H

#include "p2ptrace/counters.h"
#include "p2ptrace/pci_system.h"
#include "p2ptrace/recording.h"
#include "p2ptrace/trace_read.h"
#include "p2ptrace/tree.h"

/* NULL with `err` when the file holds none, or a damaged one. */
struct tree *captured_tree(const struct trace_file *file, enum capture_moment moment,
			   struct p2p_error *err);

/* The system of options that name a recording (`input`), a directory or neither. */
int captured_system_open(struct pci_system *system, const struct system_options *given,
			 struct p2p_error *err);

/* The counters at the start and at the end of a recording, with its times.  `recovered`
 * recordings have no end: then *end has no counters, and false comes back in *complete. */
int captured_counters(const struct trace_file *file, const struct recording *recording,
		      struct counters *start, struct counters *end, bool *complete,
		      struct p2p_error *err);

/* For `info`. */
struct captured_summary {
	bool there;
	const char *damaged; /* why nothing can be said; NULL: all is well */
	char why[256]; /* where `damaged` points */
	size_t bytes; /* in the file */
	size_t devices, providers, iommu_groups, numa_nodes;
	uint64_t pool_bytes; /* of all providers, NOT_KNOWN */
	size_t acs_unknown; /* devices whose ACS could not be read: there was no root */
	size_t counters; /* of debugfs */
	bool end; /* counters at the end are there, too */
	char kernel[128], cpu[64];
};

void captured_summarise(const struct trace_file *file, struct captured_summary *summary);

#endif
