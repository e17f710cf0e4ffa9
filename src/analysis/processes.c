// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/processes.h"

/* Start times of processes come in ticks of 10 ms. */
#define START_SLACK 20000000ll

struct process_slot {
	uint32_t tid;
	uint32_t tgid; /* known_tgid */
	uint32_t comm;
	bool used, known_tgid, exited;
	uint64_t exit_stamp;
};

static struct process_slot *find(const struct processes *processes, uint32_t tid)
{
	uint32_t mask = processes->slot_count - 1;
	uint32_t at = (tid * 0x9e3779b1u) >> 8 & mask;

	while (processes->slots[at].used && processes->slots[at].tid != tid)
		at = (at + 1) & mask;
	return &processes->slots[at];
}

static bool grow(struct processes *processes)
{
	struct process_slot *old = processes->slots;
	uint32_t count = processes->slot_count;

	processes->slots = calloc((size_t)count * 2, sizeof(*processes->slots));
	if (!processes->slots) {
		processes->slots = old;
		return false;
	}
	processes->slot_count = count * 2;
	for (uint32_t i = 0; i < count; i++)
		if (old[i].used)
			*find(processes, old[i].tid) = old[i];
	free(old);
	return true;
}

/* The slot of a thread, made when there is none; NULL without memory. */
static struct process_slot *get(struct processes *processes, uint32_t tid)
{
	struct process_slot *slot;

	if (processes->used * 2 >= processes->slot_count && !grow(processes))
		return NULL;
	slot = find(processes, tid);
	if (!slot->used) {
		*slot = (struct process_slot){ .tid = tid, .used = true };
		processes->used++;
	}
	return slot;
}

/* "PID NAME" lines; a name may hold blanks. */
static bool load_names(struct processes *processes, const char *text)
{
	while (text && *text) {
		const char *end = strchrnul(text, '\n');
		char *name;
		unsigned long tid = strtoul(text, &name, 10);

		if (name > text && name < end && *name == ' ') {
			struct process_slot *slot = get(processes, (uint32_t)tid);

			if (!slot)
				return false;
			slot->comm =
				names_intern(processes->names, name + 1, (size_t)(end - name - 1));
		}
		text = *end ? end + 1 : NULL;
	}
	return true;
}

static bool load_threads(struct processes *processes)
{
	for (size_t i = 0; i < processes->recording->thread_count; i++) {
		struct process_slot *slot = get(processes, processes->recording->threads[i].tid);

		if (!slot)
			return false;
		slot->tgid = processes->recording->threads[i].tgid;
		slot->known_tgid = true;
	}
	/* What has threads is a process: its own first thread. */
	for (size_t i = 0; i < processes->recording->thread_count; i++) {
		uint32_t tgid = processes->recording->threads[i].tgid;
		struct process_slot *slot = get(processes, tgid);

		if (!slot)
			return false;
		slot->tgid = slot->known_tgid ? slot->tgid : tgid;
		slot->known_tgid = true;
	}
	return true;
}

int processes_init(struct processes *processes, const struct trace_file *file,
		   const struct recording *recording, struct names *names, struct p2p_error *err)
{
	*processes = (struct processes){ .names = names, .recording = recording, .slot_count = 64 };
	processes->slots = calloc(processes->slot_count, sizeof(*processes->slots));
	if (processes->slots && load_names(processes, file->cmdlines) && load_threads(processes))
		return 0;
	return p2p_fail(err, "no memory for the names of processes");
}

void processes_free(struct processes *processes)
{
	free(processes->slots);
	processes->slots = NULL;
}

bool processes_note(struct processes *processes, const struct p2p_note *note)
{
	struct process_slot *slot = get(processes, note->tid);

	if (!slot)
		return false;
	if (note->comm)
		slot->comm = note->comm;
	if (note->kind == KIND_EXIT) {
		slot->exited = true;
		slot->exit_stamp = note->stamp;
	}
	return true;
}

bool processes_learn(struct processes *processes, uint32_t tid, uint32_t tgid, uint32_t comm)
{
	struct process_slot *slot = get(processes, tid);

	if (!slot)
		return false;
	slot->comm = comm ? comm : slot->comm;
	slot->tgid = tgid ? tgid : slot->tgid;
	slot->known_tgid |= tgid != 0;
	return true;
}

bool processes_exited(const struct processes *processes, uint32_t tid)
{
	const struct process_slot *slot = find(processes, tid);

	return slot->used && slot->exited;
}

bool processes_forget(struct processes *processes, bool (*keep)(const void *context, uint32_t tid),
		      const void *context)
{
	struct processes kept = *processes;

	kept.slots = calloc(kept.slot_count, sizeof(*kept.slots));
	if (!kept.slots)
		return false;
	kept.used = 0;
	for (uint32_t i = 0; i < processes->slot_count; i++) {
		const struct process_slot *slot = &processes->slots[i];

		if (!slot->used || !keep(context, slot->tid))
			continue;
		*find(&kept, slot->tid) = *slot;
		kept.used++;
	}
	free(processes->slots);
	*processes = kept;
	return true;
}

uint32_t processes_tgid(const struct processes *processes, uint32_t tid, bool *known)
{
	const struct process_slot *slot = find(processes, tid);

	*known = (slot->used && slot->known_tgid) || tid == TID_IDLE;
	return slot->used && slot->known_tgid ? slot->tgid : tid;
}

uint32_t processes_comm(const struct processes *processes, uint32_t tid)
{
	const struct process_slot *slot = find(processes, tid);

	return slot->used ? slot->comm : 0;
}

static int compare_tgid(const void *key, const void *row)
{
	uint32_t tgid = *(const uint32_t *)key;
	const struct living *living = row;

	return tgid < living->tgid ? -1 : tgid > living->tgid;
}

/* Where a recording goes on in another file, those that lived just before the turn are told
 * as well: the last events of those that did not live to see it know better. */
static bool left_before_turn(const struct recording *recording, const struct living *living,
			     const struct process_slot *slot, uint64_t stamp)
{
	return recording->piece && slot->used && slot->exited && slot->exit_stamp >= stamp &&
	       living->start != INT64_MIN && living->start <= (int64_t)slot->exit_stamp;
}

enum liveness processes_liveness(const struct processes *processes, uint32_t tgid, uint64_t stamp)
{
	const struct recording *recording = processes->recording;
	const struct process_slot *slot = find(processes, tgid);
	const struct living *living;

	if (tgid == TID_IDLE)
		return LIVENESS_ALIVE;
	living = recording->living_count
			 ? bsearch(&tgid, recording->living, recording->living_count,
				   sizeof(*living), compare_tgid)
			 : NULL;
	if (living) {
		/* Somebody of that number lived: the same, or one that came later? */
		if (living->start != INT64_MIN && living->start > START_SLACK &&
		    (uint64_t)(living->start - START_SLACK) > stamp)
			return LIVENESS_GONE;
		return left_before_turn(recording, living, slot, stamp) ? LIVENESS_GONE
									: LIVENESS_ALIVE;
	}
	/* A thread of a process that is not known may be one of the living's. */
	if (recording->liveness && slot->used && slot->known_tgid)
		return LIVENESS_GONE;
	/* The leader's exit says that the process ended, unless threads live on; and its
	 * number may have been given to a new process since. */
	return slot->used && slot->exited && slot->exit_stamp >= stamp ? LIVENESS_GONE
								       : LIVENESS_UNKNOWN;
}
