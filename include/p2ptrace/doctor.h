/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor: can this system be observed, and with which blind spots.
 *
 * One table of checks; each looks at facts that were gathered once and gives a
 * status, what was found and what is to be done.  A check never fails: what cannot
 * be read is `unknown` and says so.  Works without root, in containers, and on
 * captured trees, where what belongs to a running process is unknown unless the
 * tree holds it.
 *
 * Source: src/doctor/doctor.c (the table), facts.c, check_*.c
 */
#ifndef P2PTRACE_DOCTOR_H
#define P2PTRACE_DOCTOR_H

#include <stddef.h>
#include <stdio.h>

#include "p2ptrace/error.h"

enum check_status {
	CHECK_OK = 0,
	CHECK_WARN, /* works, with a blind spot or a cost */
	CHECK_FAIL, /* does not work */
	CHECK_UNKNOWN, /* could not be found out */
	CHECK_STATUSES,
};

/* "ok", "warn", "fail", "unknown". */
extern const char *const check_status_names[CHECK_STATUSES];

struct check_result {
	const char *id, *group; /* of the check */
	enum check_status status;
	char detail[1024]; /* what was found and what it means */
	char remedy[768]; /* what to do, "" when nothing is to be done */
};

struct diagnosis {
	struct check_result *results; /* in the table's order */
	size_t count;
};

/* Looks at the running system (`dir` NULL) or a captured tree. */
int doctor_examine(struct diagnosis *diagnosis, const char *dir, struct p2p_error *err);
void diagnosis_free(struct diagnosis *diagnosis);

/* How many checks gave this status. */
size_t diagnosis_count(const struct diagnosis *diagnosis, enum check_status status);

/* ---- src/output/doctor_print.c ---- */

void doctor_print_text(const struct diagnosis *diagnosis, FILE *out);
/* Schema p2ptrace.doctor/1. */
void doctor_print_json(const struct diagnosis *diagnosis, FILE *out);

#endif
