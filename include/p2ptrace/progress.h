/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * progress: a line on stderr for work that takes longer than a second, on a
 * terminal only.  Source: src/output/progress.c
 */
#ifndef P2PTRACE_PROGRESS_H
#define P2PTRACE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; /* "reading p2ptrace.dat" */
	bool terminal, shown;
	uint64_t began, said; /* ns, monotonic */
};

void progress_begin(struct progress *progress, const char *what);
void progress_say(struct progress *progress, double fraction);
/* Wipes the line. */
void progress_end(struct progress *progress);

#endif
