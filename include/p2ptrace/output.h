/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * output: where a recording goes, written safely as root.
 *
 * Everything is first written to files with hidden names of their own beside the
 * final one (created O_EXCL | O_NOFOLLOW, mode 0600), then renamed; a file that
 * already has the final name is kept as NAME.old.  The directory is opened once.
 * Under sudo the files belong to the calling user.
 *
 * For "-" they have no names at all, in $TMPDIR or /var/tmp, and publishing one writes
 * it to standard output: a trace.dat points back and forth and cannot be made in a pipe.
 *
 * Source: src/session/output.c
 */
#ifndef P2PTRACE_OUTPUT_H
#define P2PTRACE_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "p2ptrace/error.h"

struct output {
	const char *path; /* as given */
	const char *name; /* its last component */
	const char *hidden; /* the same, or what stands for it in the names of files before */
	int dir;
	bool unnamed; /* "-" */
	char *own_path; /* malloc'd: what the three point to, NULL: they are the caller's */
	char stem[64]; /* what the names of this recording's files have in common */
};

/* Refuses what a recording must not replace: links, directories, devices. */
int output_open(struct output *output, const char *path, struct p2p_error *err);
void output_close(struct output *output);

/*
 * Another recording beside `first`, a piece of the same: ".YYYYMMDDHHMMSSNN" of the local
 * time, with hundredths of a second, behind its name, a moment later when there is such a
 * file.  output_date() does that to the name alone, so that hidden files keep theirs.
 */
int output_open_dated(struct output *output, const struct output *first, struct p2p_error *err);
int output_date(struct output *output, struct p2p_error *err);

/* Another of the same name. */
int output_open_again(struct output *output, const struct output *first, struct p2p_error *err);

/* Gives a file of one output to another. */
int output_move(const struct output *output, const char *part, const struct output *to);

/* Only opens the directory, to look at files that are there; the stem is the caller's to
 * fill. */
int output_locate(struct output *output, const char *path, struct p2p_error *err);

/* The stem of ".NAME.STEM.PART", and *part in it; false when it is no such name. */
bool output_parse_part(const struct output *output, const char *file, char stem[64],
		       const char **part);

/* A new file; `part` tells it from the others.  Its descriptor, -1 with `err`. */
int output_create(const struct output *output, const char *part, struct p2p_error *err);

/* Opens one that is there, to read; -1 with errno. */
int output_reopen(const struct output *output, const char *part);

/* Puts one file in the place of another at once; -1 with errno. */
int output_replace(const struct output *output, const char *part, const char *replaced);

/* Gives the file its final name.  When that fails it stays under its own, which
 * the error tells. */
int output_publish(const struct output *output, const char *part, int fd, struct p2p_error *err);

/* Removes a file; harmless when it is not there. */
void output_remove(const struct output *output, const char *part);

#endif
