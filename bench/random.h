/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * random: numbers that look random and are the same for the same seed.
 * Header only.
 */
#ifndef BENCH_RANDOM_H
#define BENCH_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

/* A permutation of the 64-bit numbers that leaves nothing of its input's pattern. */
static inline uint64_t random_mix(uint64_t value)
{
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
	value = (value ^ value >> 27) * 0x94d049bb133111ebull;
	return value ^ value >> 31;
}

static inline uint64_t random_next(struct random *random)
{
	random->state += 0x9e3779b97f4a7c15ull;
	return random_mix(random->state);
}

/* 0 to limit - 1; limit is not 0. */
static inline uint64_t random_below(struct random *random, uint64_t limit)
{
	return (uint64_t)((unsigned __int128)random_next(random) * limit >> 64);
}

static inline bool random_one_in(struct random *random, uint64_t n)
{
	return !random_below(random, n);
}

/* True with this probability, 0 to 1. */
static inline bool random_chance(struct random *random, double probability)
{
	return (double)(random_next(random) >> 11) < probability * 0x1p53;
}

#endif
