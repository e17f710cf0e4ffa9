/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * predictions: what the kernel's rule says of the pairs of a recording, beside what was
 * observed.
 *
 * The rule is asked for the recording's kernel, on the PCI tree that the recording keeps
 * or on a directory's.  The kernel calculates a pair's type once and keeps it until the
 * provider's driver is bound anew: where the tree says that a pair below one bridge goes
 * directly, or not, and the contrary was observed, ACS was changed since that calculation,
 * and the kernel's cache is stale.
 *
 * Source: src/analysis/predictions.c
 */
#ifndef P2PTRACE_PREDICTIONS_H
#define P2PTRACE_PREDICTIONS_H

#include "p2ptrace/pci_system.h"
#include "p2ptrace/report.h"

enum prediction_result {
	PREDICTION_STALE, /* one of the two is the direct path: ACS was changed since */
	PREDICTION_DIFFERS, /* another type, which ACS does not explain */
	PREDICTION_CHANGED, /* several types were: something changed meanwhile */
	PREDICTION_DISTANCE, /* the type agrees, the distance does not: not the same tree */
	PREDICTION_AGREES,
	PREDICTION_UNKNOWN, /* the tree or the events do not tell the type */
	PREDICTION_ABSENT, /* one of the devices is not in the tree */
	PREDICTION_RESULTS,
};

/* "stale cache", "agrees", ... */
extern const char *const prediction_result_names[PREDICTION_RESULTS];

/* A client and a provider. */
struct prediction {
	const char *client, *provider; /* the report's texts */
	struct pci_device *client_device, *provider_device; /* NULL: not in the tree */
	struct verdict verdict;
	const char *type; /* predicted; NULL: not known */
	int64_t dist; /* NUMBER_NOT_KNOWN */
	char observed[96]; /* "BUS_ADDR", "12 NOT_SUPPORTED, 246 BUS_ADDR" */
	uint64_t maps;
	enum prediction_result result;
	const char *result_name;
	size_t first, end; /* its rows in the report's pairs */
};

/* What stands in the JSON of one row of the report's pairs. */
struct predicted_row {
	struct cell_object object;
	const struct prediction *prediction;
	enum answer agrees;
};

struct predictions {
	struct pci_system system;
	bool borrowed; /* the system is somebody else's */
	struct prediction *pairs; /* disagreements first */
	size_t count, absent; /* absent: PREDICTION_ABSENT, the last ones */
	struct predicted_row *rows; /* by row of the report's pairs */
};

extern const struct column prediction_columns[];

/*
 * Adds predictions to a report: of the tree in its recording, or of the directory that
 * `given` names.  Without either there are none, which is no failure; nor is a damaged
 * tree, which is said on stderr.  report_free() frees them.
 */
int predictions_add(struct report *report, const struct system_options *given,
		    struct p2p_error *err);

/* The same, of a system that is open already and stays so as long as the report. */
int predictions_borrow(struct report *report, const struct pci_system *system,
		       struct p2p_error *err);
void predictions_free(struct predictions *predictions);

/* The device that a name of an event means; NULL when it is not in the tree. */
struct pci_device *predictions_device(const struct predictions *predictions, const char *name);

/* --root and --allow-list, for a command's table. */
extern const struct option_spec prediction_option_table[];

#endif
