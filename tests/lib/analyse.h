/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * analyse: from a script (build_dat.h) to what p2ptrace makes of it, in one call,
 * for unit tests.  Source: tests/lib/analyse.c
 */
#ifndef TESTS_ANALYSE_H
#define TESTS_ANALYSE_H

#include "p2ptrace/leaks.h"
#include "p2ptrace/report.h"

struct analysed {
	int fd; /* of the file in memory */
	char path[64];
	struct analysis *analysis;
	struct report report;
	struct leaks leaks;
};

/* What may differ from the usual; zeros are fine (min_age: none). */
struct analyse_options {
	struct selection_options select;
	uint64_t threads, min_age;
};

/* A file in memory with these bytes; `path` leads to it.  -1 on failure. */
int memory_file(const void *bytes, size_t size, char path[64]);

/* Fails the test when the script or the analysis does. */
void analyse(struct analysed *analysed, const char *script, const struct analyse_options *options);
void analysed_free(struct analysed *analysed);

/* An opened file of a script; *fd is the caller's to close. */
struct trace_file *open_script(const char *script, int *fd);

/* The row of a table, NULL if there is none. */
const struct pair_row *pair_of(const struct analysed *analysed, const char *client,
			       const char *provider, const char *type);
const struct process_row *process_of(const struct analysed *analysed, int64_t pid);
const struct type_row *type_of_map(const struct analysed *analysed, const char *type);
const struct pool_row *pool_of(const struct analysed *analysed, const char *provider);

#endif
