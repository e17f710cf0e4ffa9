// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyse.h"
#include "build_dat.h"

/* A test whose own script is wrong has nothing to say about p2ptrace. */
static void give_up(const char *what, const char *why)
{
	fail_msg("%s: %s", what, why);
	abort();
}

int memory_file(const void *bytes, size_t size, char path[64])
{
	int fd = memfd_create("trace.dat", MFD_CLOEXEC);

	for (size_t done = 0; fd >= 0 && done < size;) {
		ssize_t written = write(fd, (const char *)bytes + done, size - done);

		if (written <= 0)
			give_up("memory file", "cannot be written");
		done += (size_t)written;
	}
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

static int script_file(const char *script, char path[64])
{
	struct dat_file file;
	char why[200];
	int fd;

	if (dat_build(script, &file, why, sizeof(why)))
		give_up("script, line", why);
	fd = memory_file(file.bytes, file.size, path);
	if (fd < 0)
		give_up("script", "no memory file");
	dat_file_free(&file);
	return fd;
}

void analyse(struct analysed *analysed, const char *script, const struct analyse_options *given)
{
	static const struct analyse_options usual;
	struct analysis_options options = { .threads = 1 };
	struct p2p_error err;

	given = given ? given : &usual;
	analysed->fd = script_file(script, analysed->path);
	options.path = analysed->path;
	options.select = given->select;
	options.threads = given->threads ? given->threads : 1;
	analysed->analysis = analysis_run(&options, &err);
	if (!analysed->analysis)
		give_up("analysis", err.text);
	if (report_make(&analysed->report, analysed->analysis, &err) ||
	    leaks_find(&analysed->leaks, analysed->analysis,
		       given->min_age ? given->min_age : NOT_KNOWN, &err))
		give_up("report", err.text);
}

void analysed_free(struct analysed *analysed)
{
	leaks_free(&analysed->leaks);
	report_free(&analysed->report);
	analysis_free(analysed->analysis);
	close(analysed->fd);
}

struct trace_file *open_script(const char *script, int *fd)
{
	struct p2p_error err;
	struct trace_file *file;
	char path[64];

	*fd = script_file(script, path);
	file = trace_file_open(path, &err);
	if (!file)
		give_up("trace_file_open", err.text);
	return file;
}

const struct pair_row *pair_of(const struct analysed *analysed, const char *client,
			       const char *provider, const char *type)
{
	for (size_t i = 0; i < analysed->report.pair_count; i++) {
		const struct pair_row *row = &analysed->report.pairs[i];

		if (!strcmp(row->client, client) && !strcmp(row->provider, provider) &&
		    !strcmp(row->type, type))
			return row;
	}
	return NULL;
}

const struct process_row *process_of(const struct analysed *analysed, int64_t pid)
{
	for (size_t i = 0; i < analysed->report.process_count; i++)
		if (analysed->report.processes[i].pid == pid)
			return &analysed->report.processes[i];
	return NULL;
}

const struct type_row *type_of_map(const struct analysed *analysed, const char *type)
{
	for (size_t i = 0; i < analysed->report.type_count; i++)
		if (!strcmp(analysed->report.types[i].type, type))
			return &analysed->report.types[i];
	return NULL;
}

const struct pool_row *pool_of(const struct analysed *analysed, const char *provider)
{
	for (size_t i = 0; i < analysed->report.pool_count; i++)
		if (!strcmp(analysed->report.pools[i].provider, provider))
			return &analysed->report.pools[i];
	return NULL;
}
