/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stacks: kernel stacks of allocations and mappings (record -g).
 *
 * The kernel writes a kernel_stack record behind each event that has a `stacktrace`
 * trigger, on the same CPU.  The tracer's option of that name would do so for every
 * event of the instance, and cost as much.
 *
 * Source: src/session/stacks.c
 */
#ifndef P2PTRACE_STACKS_H
#define P2PTRACE_STACKS_H

#include <stdint.h>

#include "p2ptrace/error.h"
#include "p2ptrace/instance.h"
#include "p2ptrace/source.h"

/* Sets the triggers; the events' filters must be set before.  They go with the
 * instance.  Fails where the kernel has no such trigger. */
int stacks_enable(const struct instance *instance, const struct source *source,
		  struct p2p_error *err);

/* The number of kernel_stack records in the ring buffer, 0: not known. */
uint16_t stacks_record_type(const struct tracefs *tracefs);

/* The functions of the kernel and its modules, as lines of /proc/kallsyms; malloc'd.
 * NULL when the kernel hides their addresses from us, or without memory. */
char *stacks_read_symbols(void);

#endif
