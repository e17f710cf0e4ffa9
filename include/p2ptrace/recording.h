/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recording: what a file says about how it was recorded, beyond its events:
 * p2ptrace's private option taken apart, and the span of time it covers.
 * Files of trace-cmd have no such option: most is then not known.
 *
 * Stamps are in units of the trace clock.  Texts belong to the struct.
 * Source: src/trace/recording.c
 */
#ifndef P2PTRACE_RECORDING_H
#define P2PTRACE_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/private_option.h"
#include "p2ptrace/trace_read.h"

/* A process that lived when the recording stopped. */
struct living {
	uint32_t tgid;
	int64_t start; /* in the trace clock, INT64_MIN: not known */
};

/* A thread and its process. */
struct thread_of {
	uint32_t tid, tgid;
};

/* Events read from the kernel but not written: the disk was full. */
struct unsaved {
	uint32_t cpu;
	uint64_t events;
};

struct recording {
	/* One value per key as it stands in the file, NULL: not there.  Keys that come
	 * several times are in the tables below instead. */
	char *values[PRIVATE_KEYS];
	bool own; /* p2ptrace recorded it */
	bool ns; /* stamps are nanoseconds */
	uint64_t start, stop; /* of the recording, else of the first and last event */
	bool filtered; /* beginnings were selected while recording */
	bool flight_recorder;
	uint64_t piece; /* of a recording in several files, from 1; 0: it is one file */
	bool recovered; /* cut off: the end is missing */
	uint64_t missed; /* events that probes missed */
	struct {
		uint32_t cpu;
		uint64_t events;
	} * unsaved; /* read from the kernel but not written: the disk was full */
	size_t unsaved_count;
	struct {
		uint32_t tid, tgid;
	} * threads;
	size_t thread_count;
	struct living *living; /* by tgid */
	size_t living_count;
	bool liveness; /* `living` is complete */
	char **type_names; /* map types by number, NULL where unknown */
	size_t type_count;
};

int recording_read(struct recording *recording, const struct trace_file *file,
		   struct p2p_error *err);
void recording_free(struct recording *recording);

#endif
