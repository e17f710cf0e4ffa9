/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * traffic: a seeded model of processes that allocate peer-to-peer memory, map it
 * for clients, and give it back.
 *
 * What happens is decided one event at a time, in the order of time, and told to
 * the pages and to the truth.  Nothing depends on what the pages are used for, so
 * that two runs with the same seed give the same bytes.
 *
 * Equal stamps on different CPUs have no order but the rules' own (an end of what is
 * open first, then by CPU).  Where that could differ from what the model meant, it
 * lets time pass in between.  Source: bench/traffic.c
 */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include "gen_options.h"
#include "pages.h"
#include "truth.h"

struct traffic;

/* NULL with `err` filled. */
struct traffic *traffic_new(const struct gen_options *options, const struct records *records,
			    struct pages *pages, struct truth *truth, struct p2p_error *err);
void traffic_free(struct traffic *traffic);

/* All of it; the truth's start and stop are then known. */
int traffic_run(struct traffic *traffic, struct p2p_error *err);

#endif
