/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * leaks: what was begun and not ended, each with a verdict and its reason.
 *
 *   leaked     its process is gone, or it is older than --min-age allows
 *   unknown    events were lost while it was open, or the file does not tell
 *   in_flight  its process lived when the recording stopped
 *
 * Source: src/analysis/leaks.c
 */
#ifndef P2PTRACE_LEAKS_H
#define P2PTRACE_LEAKS_H

#include "p2ptrace/analysis.h"
#include "p2ptrace/symbols.h"
#include "p2ptrace/table.h"

enum leak_verdict { VERDICT_LEAKED, VERDICT_UNKNOWN, VERDICT_IN_FLIGHT, VERDICTS };

extern const char *const verdict_names[VERDICTS];

struct leak {
	enum leak_verdict verdict;
	const char *verdict_name, *kind; /* "alloc", "map" */
	const char *why; /* belongs to the struct leaks */
	int64_t pid, tid;
	const char *comm, *provider, *client, *type; /* client and type NULL for allocations */
	uint64_t addr;
	bool has_addr;
	uint64_t count; /* 1, or the balance of events without addresses */
	uint64_t bytes; /* NOT_KNOWN without sizes */
	uint64_t age; /* ns, NOT_KNOWN on other clocks or without addresses */
	uint64_t stamp;
	uint32_t stack; /* of analysis->stacks; 0: not recorded */
	const char *stack_text; /* by leaks_name_stacks() */
};

struct leak_totals {
	uint64_t count, bytes;
};

struct leaks {
	struct leak *items; /* leaked first, then by bytes */
	size_t count;
	struct leak_totals totals[VERDICTS];
	bool bytes_known;
	const struct analysis *analysis;
	struct symbols symbols;
	char **texts; /* the reasons that are not constant */
	size_t text_count;
	char **stack_texts; /* [stack], NULL: not asked for yet */
	size_t stack_text_count;
};

/* `min_age` in ns, NOT_KNOWN: not given. */
int leaks_find(struct leaks *leaks, const struct analysis *analysis, uint64_t min_age,
	       struct p2p_error *err);
void leaks_free(struct leaks *leaks);

/* The name of the frame `index` of a stack, innermost first; NULL behind the last. */
const char *leaks_frame(const struct leaks *leaks, uint32_t stack, size_t index, char *to,
			size_t room);

/* Gives every leak the text of its stack for a cell of a table: functions with ";" between
 * them, innermost first; NULL where none was recorded. */
int leaks_name_stacks(struct leaks *leaks, struct p2p_error *err);

/* Leaks that agree in what they are grouped by. */
struct leak_group {
	const char *verdict, *kind, *comm, *provider, *client, *type, *why;
	int64_t pid;
	uint64_t count, bytes, oldest;
	uint32_t stack;
	const char *stack_text; /* if the leaks have it */
	const char *frames; /* the stack's bytes: groups are ordered by them */
	size_t frame_bytes;
};

extern const struct column leak_columns[], leak_group_columns[];

/* `by`: names out of pid, pair, provider, client, type, kind, stack, with commas.
 * *groups is the caller's to free.  leaks_check_by() only looks at the names. */
int leaks_check_by(const char *by, struct p2p_error *err);
int leaks_group(const struct leaks *leaks, const char *by, struct leak_group **groups,
		size_t *count, struct p2p_error *err);

#endif
