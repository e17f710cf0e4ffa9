/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * findings: what a recording shows, in words: each with evidence, cause and remedy,
 * worst first.  The rules are one table in src/analysis/findings.c; those that need to know
 * the system that was recorded (predictions.h) stand in findings_system.c.
 */
#ifndef P2PTRACE_FINDINGS_H
#define P2PTRACE_FINDINGS_H

#include "p2ptrace/leaks.h"
#include "p2ptrace/report.h"

enum severity { SEVERITY_BAD, SEVERITY_WARNING, SEVERITY_NOTE, SEVERITIES };

extern const char *const severity_names[SEVERITIES];

struct finding {
	enum severity severity;
	const char *id; /* "refused-maps": does not change */
	char *title; /* one line */
	char *evidence; /* numbers, one line or several */
	const char *cause; /* what it means */
	const char *remedy;
	char *own_remedy; /* where it is no constant */
	uint64_t weight; /* among those of one severity: more is worse */
};

struct findings {
	struct finding *items;
	size_t count;
	bool no_memory;
};

int findings_make(struct findings *findings, const struct report *report, const struct leaks *leaks,
		  struct p2p_error *err);
void findings_free(struct findings *findings);

#endif
