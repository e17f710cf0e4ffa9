/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * key_hash: of the key of an allocation or mapping, for the table of what is open.
 *
 * Made while decoding, where device and address are at hand, so that matching can ask
 * for memory without touching the record.
 */
#ifndef P2PTRACE_KEY_HASH_H
#define P2PTRACE_KEY_HASH_H

#include <stdint.h>

static inline uint32_t key_hash(uint32_t device, uint64_t addr)
{
	uint64_t hash = (addr ^ (uint64_t)device << 42) * 0x9e3779b97f4a7c15ull;

	return (uint32_t)(hash >> 32) ^ (uint32_t)(hash >> 12);
}

#endif
