/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * signals: what a recorder is told from outside.  Whatever would end the process ends the
 * recording.  Source: src/session/signals.c
 */
#ifndef P2PTRACE_SIGNALS_H
#define P2PTRACE_SIGNALS_H

#include <signal.h>
#include <stdint.h>

#include "p2ptrace/error.h"

enum told { TOLD_NOTHING, TOLD_END = 1, TOLD_TURN = 2 };

/* Blocks them and gives a signalfd; `before` is the mask to hand to CMD. */
int signals_catch(sigset_t *before, struct p2p_error *err);

/* What has come since the last call, bits of enum told; `turn` is the signal that asks for
 * the next file, 0: none does. */
unsigned int signals_read(int signals, uint32_t turn);

#endif
