/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * remains: what a recorder that was killed left beside its output, and how it is found
 * and read.
 *
 * While recording NAME there are, all called ".NAME.STEM.PART" (see output.h):
 *
 *	meta	what is known from the start: formats, clock, CPUs
 *	state	what changes: losses, and at the end names and the plan; replaced whole
 *	tasks	"TID TGID NAME" lines, the later of two for a task counts; it grows, and is
 *		replaced now and then.  What state says of tasks outdoes it
 *	cpuN-I	the pages of CPU N in instance I, behind some head room
 *	whole	in version 6, the file being put together
 *
 * The recorder holds flock(2) on meta as long as it lives.  Meta is made first and
 * goes first, right after the file got its name: pieces without it are litter.
 *
 * Meta and state are "p2ptrace remains 1\n" and blocks of "KEY WORD BYTES\n", the
 * bytes, "\n"; the last block is "end".  A struct remains_key names the keys.
 *
 * The plan says where the pages of each CPU are being moved to.  Moved pages are
 * cut out of their file (they read as zeros) only once they have arrived.
 *
 * Source: src/trace/recover_remains.c (finding, reading), recover_pieces.c;
 * src/session/sidecar.c writes, recover_tasks.c reads tasks
 */
#ifndef P2PTRACE_REMAINS_H
#define P2PTRACE_REMAINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "p2ptrace/error.h"
#include "p2ptrace/output.h"
#include "p2ptrace/trace_write.h"

#define REMAINS_MAGIC "p2ptrace remains 1\n"
#define REMAINS_META "meta"
#define REMAINS_STATE "state"
#define REMAINS_TASKS "tasks"

enum remains_key {
	REMAINS_PAGE_SIZE, /* "page_size" */
	REMAINS_HEAD_ROOM, /* "head_room" */
	REMAINS_HEADER_PAGE, /* "header_page" */
	REMAINS_HEADER_EVENT, /* "header_event" */
	REMAINS_FORMAT, /* "format", WORD the system; several */
	REMAINS_CLOCK_TEXT, /* "clock_text" */
	REMAINS_CLOCK, /* "clock" */
	REMAINS_UNAME, /* "uname" */
	REMAINS_KALLSYMS, /* "kallsyms" */
	REMAINS_CAPTURE, /* "capture", WORD an enum capture_moment: its option's data */
	REMAINS_BUFFER, /* "buffer": an instance's name in the file; several */
	REMAINS_LANE, /* "lane", WORD the part: its CPU; buffer by buffer */
	/* in state */
	REMAINS_PRIVATE, /* "private": the private option's text */
	REMAINS_CMDLINES, /* "cmdlines" */
	REMAINS_STATS, /* "stats": of a lane, in their order */
	REMAINS_PLAN, /* "plan", WORD the part that becomes the file: "OFFSET BYTES" lines */
	REMAINS_END, /* "end" */
	REMAINS_KEYS,
};

extern const char *const remains_key_names[REMAINS_KEYS];

struct remains_lane {
	unsigned int cpu;
	char part[32];
	uint64_t offset, bytes; /* of the plan */
};

struct remains {
	struct output output; /* the names; output.path is the caller's */
	int lock; /* meta, locked; -1: not open */
	char *meta, *state;
	struct trace_metadata metadata; /* texts in the two; its buffers have no lanes yet */
	uint64_t head_room;
	struct write_format *formats;
	struct write_buffer *buffers;
	struct remains_lane *lanes; /* buffer by buffer, as many in each */
	size_t lane_count;
	struct capture_data captures[CAPTURES]; /* in the two */
	const char **stats;
	const char *plan; /* the part that becomes the file, NULL: it did not come to that */
};

/*
 * Opens the newest remains of a recording to `path` whose recorder is gone, and holds
 * their lock.  Fails with what is the matter: none there, or still being recorded.
 * *others is how many more there are.
 */
int remains_open(struct remains *remains, const char *path, size_t *others, struct p2p_error *err);
void remains_close(struct remains *remains);

/* The pieces of a recording to `path` ("PATH.YYYYMMDDHHMMSSNN", see output.h) that were cut
 * off, oldest first: malloc'd paths in *pieces, malloc'd.  Their number, 0 also without
 * memory. */
size_t remains_pieces(const char *path, char ***pieces);

/* Removes every file of them; for good. */
void remains_remove(const struct remains *remains);

/* Opens one of their files to read; -1 when it is not there. */
int remains_file(const struct remains *remains, const char *part);

/* Removes pieces that no meta belongs to; the second one those of the files that a recording
 * in several goes to. */
void remains_remove_litter(const char *path);
void remains_remove_piece_litter(const char *path);

/* What a reader of `path` should know: words for the end of an error (a line), or "". */
enum remains_found { REMAINS_NONE, REMAINS_LIVE, REMAINS_DEAD };

/* Whether there are remains of a recording to `path`: newer than the file itself when
 * that is there, and of a recorder that is gone, or only of one that still runs. */
enum remains_found remains_look(const char *path);

/* Whether there are any of a recorder that is gone, be the file itself complete. */
bool remains_are_dead(const char *path);

/* Whether any piece of such a recording has some. */
enum remains_found remains_look_for_pieces(const char *path);

#endif
