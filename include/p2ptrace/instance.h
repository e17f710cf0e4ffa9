/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * instance: tracefs, and a private instance (ring buffer) of one's own in it.
 *
 * Instances are named p2ptrace-PID-RANDOM.  A running owner keeps a file of its
 * instance open, so that rmdir(2) by anybody else says EBUSY; what a kill -9 left
 * behind is therefore exactly what rmdir removes.
 *
 * Files are reached through directory descriptors, all close-on-exec: a tracefs
 * that is lazily unmounted meanwhile stays usable until the end.
 *
 * Source: src/session/instance.c
 */
#ifndef P2PTRACE_INSTANCE_H
#define P2PTRACE_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>

#include "p2ptrace/error.h"

struct tracefs {
	int top; /* the directory of tracefs, -1: not open */
	int instances; /* its directory "instances" */
};

struct instance {
	const struct tracefs *tracefs;
	char name[64]; /* "": not there */
	int dir;
	int hold; /* its tracing_on, open: see above */
};

/* Fails with the way out when tracefs is not mounted or not permitted. */
int tracefs_open(struct tracefs *tracefs, struct p2p_error *err);
void tracefs_close(struct tracefs *tracefs);

/* Removes instances whose owner was killed; returns how many. */
unsigned int instance_remove_stale(const struct tracefs *tracefs);

int instance_create(struct instance *instance, const struct tracefs *tracefs,
		    struct p2p_error *err);

/* Removes it; harmless when it was not created.  Every file of it that others
 * opened must be closed before. */
void instance_destroy(struct instance *instance);

/* Opens a file of the instance ("events/SYSTEM/NAME/enable"). */
int instance_open(const struct instance *instance, const char *file, int flags,
		  struct p2p_error *err);
bool instance_has(const struct instance *instance, const char *file);

/* Writes `text` in one write(2), as tracefs wants it. */
int instance_write(const struct instance *instance, const char *file, const char *text,
		   struct p2p_error *err);
/* The same for what may fail: 0 or an errno. */
int instance_try(const struct instance *instance, const char *file, const char *text);

/* The whole file as text, malloc'd; NULL with `err` filled (`err` may be NULL). */
char *instance_read(const struct instance *instance, const char *file, struct p2p_error *err);

/* The same for any file below a directory descriptor. */
char *read_file_at(int dir, const char *file);

#endif
