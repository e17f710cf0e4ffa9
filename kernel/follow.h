/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * follow: what is done at each hooked function: count, and emit events.
 *
 * The one table of the functions the module stands on.  Beginnings (alloc, map)
 * are told on return, ends (free, unmap) on entry, so that memory or an address
 * that is used again at once never looks like a repeat.
 *
 * Source: follow.c
 */
#ifndef P2PTRACE_FOLLOW_H
#define P2PTRACE_FOLLOW_H

#include "hooks.h"

extern struct hook follow_hooks[];
extern const int follow_hook_count;

#endif
