/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the rules of findings.c and findings_system.c have in common. */
#ifndef P2PTRACE_INQUIRY_H
#define P2PTRACE_INQUIRY_H

#include "p2ptrace/findings.h"

/* Of the rows that prove a finding, how many are shown. */
#define EVIDENCE_ROWS 5

struct inquiry {
	struct findings *findings;
	const struct report *report;
	const struct leaks *leaks;
	const struct analysis *analysis;
};

/* A finding with its title. */
struct finding *inquiry_add(struct inquiry *inquiry, enum severity severity, const char *id,
			    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* One more line of evidence. */
void inquiry_prove(struct inquiry *inquiry, struct finding *finding, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* "and 3 more". */
void inquiry_prove_rest(struct inquiry *inquiry, struct finding *finding, size_t shown, size_t all);

/* A remedy that is no constant. */
void inquiry_remedy(struct inquiry *inquiry, struct finding *finding, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Names come from the recording: a newline in one must not make a line of evidence. */
struct safe_name {
	char text[512];
};

const char *safe_text(struct safe_name *to, const char *name);

/* What needs the system that was recorded, see predictions.h. */
void find_stale_cache(struct inquiry *inquiry);
void find_other_path(struct inquiry *inquiry);
void find_never_direct(struct inquiry *inquiry);
void find_redirected(struct inquiry *inquiry);
void find_unseen_providers(struct inquiry *inquiry);
void find_full_pools(struct inquiry *inquiry);

#endif
