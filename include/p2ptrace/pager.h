/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pager: long text to a pager when stdout is a terminal, like git.
 *
 * The pager is $P2PTRACE_PAGER, $PAGER or `less` (with LESS=FRX unless set); an
 * empty value or "cat" means none.  Source: src/output/pager.c
 */
#ifndef P2PTRACE_PAGER_H
#define P2PTRACE_PAGER_H

#include <stdbool.h>

/* Redirects stdout into a pager.  Does nothing when stdout is no terminal or no
 * pager can be started. */
void pager_start(void);

/* Whether stdout leads into a pager, and so to a terminal. */
bool pager_runs(void);

/* Closes the pipe and waits until the reader has quit the pager. */
void pager_finish(void);

#endif
