/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * records: the events of a generated recording: their format files, and their
 * bytes as the kernel would lay them out.
 *
 * The formats are those of kernel/events.h; the lean form leaves out what
 * matching does not need.  One table says which fields there are.
 * Source: bench/records.c
 */
#ifndef BENCH_RECORDS_H
#define BENCH_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gen_options.h"

enum gen_kind {
	GEN_ALLOC,
	GEN_FREE,
	GEN_MAP,
	GEN_UNMAP,
	GEN_CHANGE,
	GEN_P2P, /* the five end here */
	GEN_EXIT = GEN_P2P, /* a thread ended */
	GEN_OTHER, /* nothing that concerns P2PDMA */
	GEN_KINDS,
};

/* Map types, by a numbering of the generator's own. */
enum gen_type {
	GEN_UNKNOWN,
	GEN_NOT_SUPPORTED,
	GEN_BUS_ADDR,
	GEN_THRU_HOST_BRIDGE,
	GEN_NONE,
	GEN_UNHEARD_OF, /* a number that the format has no name for */
	GEN_TYPES,
};

extern const char *const gen_type_names[GEN_TYPES];

/* common_flags: what an event happened in. */
#define GEN_HARDIRQ 0x08
#define GEN_SOFTIRQ 0x10
#define GEN_NMI 0x40

struct gen_event {
	enum gen_kind kind;
	uint8_t flags;
	uint32_t cpu, tid, pid; /* who ran: thread and process */
	const char *comm;
	uint32_t client, provider; /* device numbers */
	enum gen_type type, old;
	int32_t dist;
	uint64_t addr; /* the key */
	uint64_t size;
	uint32_t subject; /* GEN_EXIT: the thread that ended */
};

/* Bytes that no record exceeds, strings included. */
#define RECORD_MAX 256

struct records;

/* NULL without memory. */
struct records *records_new(const struct gen_options *options);
void records_free(struct records *records);

const char *records_client(const struct records *records, uint32_t client);
const char *records_provider(const struct records *records, uint32_t provider);

/* Writes the record's data; its length, a multiple of 4. */
uint32_t records_encode(const struct records *records, const struct gen_event *event,
			unsigned char *to);

/* The format file of a kind, and its system. */
const char *records_format(const struct records *records, enum gen_kind kind);
const char *records_system(enum gen_kind kind);

#endif
