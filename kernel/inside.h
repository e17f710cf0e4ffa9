/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inside: which tasks are in a function whose inner calls must not be told too.
 *
 * pci_p2pmem_{alloc,free}_sgl call pci_{alloc,free}_p2pmem, or hold a copy of it
 * that the compiler inlined: nobody can tell from outside.  So the outer function
 * is followed and, while it runs, the inner one is passed over.  A task is told
 * from the interrupt that came over it.
 *
 * Source: inside.c
 */
#ifndef P2PTRACE_INSIDE_H
#define P2PTRACE_INSIDE_H

#include <linux/types.h>

/* False when the table is full: leave() must then not be called. */
bool inside_enter(void);
void inside_leave(void);
bool inside(void);

#endif
