/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * truth: what the workload did, as JSON with the keys of `p2ptrace report --json`.
 *
 * Source: tests/rig/truth.c; the format is described in tests/rig/README.md
 */
#ifndef P2PRIG_TRUTH_H
#define P2PRIG_TRUTH_H

#include "workload.h"

/* Writes to options->truth (complete or not at all) or stdout. */
int rig_write_truth(const struct rig_shared *shared, struct p2p_error *err);

#endif
