/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hooks: functions of the kernel, followed by name through fprobe.
 *
 * Attached while somebody wants them: the counters (unless counters=0), or any
 * of the five events while it is enabled.  An enabled event also keeps the
 * module loaded, for unloading resets every buffer that holds its events.
 * Handlers run with preemption off, on any context but NMI; they do not sleep.
 *
 * Source: hooks.c
 */
#ifndef P2PTRACE_HOOKS_H
#define P2PTRACE_HOOKS_H

#include <linux/seq_file.h>
#include <linux/types.h>

#include "compat.h"

/* One call of a hooked function: its arguments as they were at entry. */
struct hook_call {
	unsigned long argument[5];
	bool skip; /* enter() found nothing to follow */
};

struct hook {
	const char *symbol;
	/* At entry; false: nothing of interest, leave() is not called. */
	bool (*enter)(const struct hook_call *call);
	/* At return, NULL for hooks that look at entry alone. */
	void (*leave)(const struct hook_call *call, unsigned long result);
	struct fprobe probe;
	unsigned long missed; /* of earlier attachments; the fprobe counts its own */
	bool attached;
};

/* What events.h gives the tracepoints. */
int hooks_event_enabled(void);
void hooks_event_disabled(void);

/* Takes or drops one reason to be attached.  Fails with -ENOENT, saying which
 * function is not there. */
int hooks_get(void);
void hooks_put(void);

/* Calls that were not followed, of all hooks, since the module was loaded. */
unsigned long hooks_missed(void);

/* The same by function, for people. */
int hooks_show(struct seq_file *file, void *unused);

#endif
