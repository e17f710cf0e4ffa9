/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * processes: who is who: threads to processes, names, and who was gone.
 *
 * Sources: the file's saved command lines and thread groups, the list of the
 * living at the stop, and rename and exit events.  Where a thread's process is
 * not known, pid = tid.  Source: src/analysis/processes.c
 */
#ifndef P2PTRACE_PROCESSES_H
#define P2PTRACE_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>

#include "p2ptrace/decode.h"
#include "p2ptrace/names.h"
#include "p2ptrace/recording.h"

/* The idle task, swapper: one for each CPU, never gone. */
#define TID_IDLE 0u

enum liveness { LIVENESS_UNKNOWN, LIVENESS_ALIVE, LIVENESS_GONE };

struct processes {
	struct names *names;
	const struct recording *recording;
	struct process_slot *slots; /* by tid */
	uint32_t slot_count, used;
};

int processes_init(struct processes *processes, const struct trace_file *file,
		   const struct recording *recording, struct names *names, struct p2p_error *err);
void processes_free(struct processes *processes);

/* A rename or exit; in order of time. */
bool processes_note(struct processes *processes, const struct p2p_note *note);

/* What was found out otherwise of a thread: its process (0: not known) and its name (0). */
bool processes_learn(struct processes *processes, uint32_t tid, uint32_t tgid, uint32_t comm);

/* Whether an exit was seen. */
bool processes_exited(const struct processes *processes, uint32_t tid);

/* Forgets the threads that are not to be kept.  False without memory. */
bool processes_forget(struct processes *processes, bool (*keep)(const void *context, uint32_t tid),
		      const void *context);

/* The process of a thread; *known says whether the file told. */
uint32_t processes_tgid(const struct processes *processes, uint32_t tid, bool *known);

/* A name id, 0: not known. */
uint32_t processes_comm(const struct processes *processes, uint32_t tid);

/* Whether process `tgid`, seen at `stamp`, lived when the recording stopped. */
enum liveness processes_liveness(const struct processes *processes, uint32_t tgid, uint64_t stamp);

#endif
