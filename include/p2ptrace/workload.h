/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * workload: the CMD of `record -- CMD`.
 *
 * It is forked early and waits until it is let go, so that tracing is on before
 * its first instruction.  It gets the signals, scheduling and descriptors that
 * p2ptrace itself was started with, and nothing of the recorder's.
 *
 * Source: src/session/workload.c
 */
#ifndef P2PTRACE_WORKLOAD_H
#define P2PTRACE_WORKLOAD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "p2ptrace/error.h"

struct workload {
	pid_t pid; /* 0: none */
	int go; /* writing a byte lets it go, closing makes it end */
	int failed; /* its errno arrives here when it cannot be started */
	bool started; /* it runs, or ran */
	bool ended;
	int status; /* of waitpid(2), once ended */
};

/* Forks; `user` (NULL: as is) is whom to become, `mask` the signal mask to restore.
 * `stdout_taken`: its output goes to standard error. */
int workload_prepare(struct workload *workload, char *const argv[], const char *user,
		     const sigset_t *mask, bool stdout_taken, struct p2p_error *err);

/* Lets it go; fails when it cannot be executed. */
int workload_start(struct workload *workload, const char *name, struct p2p_error *err);

/* Looks whether it has ended. */
bool workload_has_ended(struct workload *workload);

/* Releases all.  With `end_it` one that runs is asked to end (SIGTERM) and waited for,
 * two seconds at most; else it goes on. */
void workload_finish(struct workload *workload, bool end_it);

/* "exited with status 3", "was killed by signal 9 (Killed)", "is still running",
 * "" when it never ran. */
void workload_describe(const struct workload *workload, char *words, size_t room);

#endif
