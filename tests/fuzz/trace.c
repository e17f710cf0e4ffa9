// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes as a recording: opened, analysed with several threads and shards, reported
 * in every form, and its events read one by one.  Nothing is expected of the result
 * but that it comes, within the bytes, and that two ways of reading agree.
 *
 * See tests/fuzz/fuzz.mk.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "p2ptrace/event_view.h"
#include "p2ptrace/findings.h"
#include "p2ptrace/leaks.h"
#include "p2ptrace/merge.h"
#include "p2ptrace/predictions.h"
#include "p2ptrace/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static FILE *nowhere(void)
{
	static FILE *out;

	if (!out)
		out = fopen("/dev/null", "we");
	if (!out)
		abort();
	return out;
}

static void print_all(const struct report *report)
{
	report_print_json(report, nowhere(), NULL, NULL);
	report_print_text(report, nowhere(), 5);
}

static void find_leaks(const struct analysis *analysis, uint64_t min_age)
{
	struct leak_group *groups;
	struct p2p_error err;
	struct leaks leaks;
	size_t count;

	if (leaks_find(&leaks, analysis, min_age, &err))
		return;
	if (!leaks_group(&leaks, "pid,pair", &groups, &count, &err))
		free(groups);
	leaks_free(&leaks);
}

/* The system that the file brings along, if it does. */
static void predict(struct report *report)
{
	static const struct system_options none;
	struct findings findings;
	struct p2p_error err;
	struct leaks leaks;

	if (predictions_add(report, &none, &err))
		abort();
	if (leaks_find(&leaks, report->analysis, NOT_KNOWN, &err))
		return;
	if (!findings_make(&findings, report, &leaks, &err))
		findings_free(&findings);
	leaks_free(&leaks);
}

/* What the tables say must hold together, whatever the file said. */
static void check_sums(const struct report *report)
{
	uint64_t maps = 0, processes = 0, open = 0;

	for (size_t i = 0; i < report->pair_count; i++) {
		maps += report->pairs[i].maps;
		open += report->pairs[i].outstanding;
	}
	for (size_t i = 0; i < report->process_count; i++)
		processes += report->processes[i].maps;
	if (maps != report->events[KIND_MAP] || processes != maps || open != report->open_maps)
		abort();
}

static uint64_t analyse(const char *path, uint64_t threads, const struct selection_options *select)
{
	struct analysis_options options = { .path = path, .threads = threads };
	uint64_t total = UINT64_MAX;
	struct analysis *analysis;
	struct report report;
	struct p2p_error err;

	if (select)
		options.select = *select;
	analysis = analysis_run(&options, &err);
	if (!analysis)
		return total;
	if (!report_make(&report, analysis, &err)) {
		total = report.total;
		check_sums(&report);
		predict(&report);
		print_all(&report);
		report_free(&report);
	}
	find_leaks(analysis, NOT_KNOWN);
	find_leaks(analysis, 1000);
	analysis_free(analysis);
	return total;
}

static void read_events(const char *path)
{
	static struct event_view view;
	struct p2p_error err;
	struct trace_file *file = trace_file_open(path, &err);
	struct schema *schema = file ? schema_new(file, NULL, 0) : NULL;
	struct merged merged;
	struct merge merge;

	if (schema) {
		if (!merge_init(&merge, file, &err))
			while (merge_next(&merge, &merged, &err) > 0)
				if (merged.data)
					event_view_read(&view, schema, merged.data, merged.length,
							file->big_endian);
		merge_destroy(&merge);
	}
	schema_free(schema);
	trace_file_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct selection_options select = {
		.pid = "1-100", .client = "*0*", .type = "BUS*", .time = "10%,90%"
	};
	int fd = memfd_create("trace.dat", MFD_CLOEXEC);
	uint64_t alone, together;
	char path[64];

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	alone = analyse(path, 1, NULL);
	if (alone != UINT64_MAX) {
		together = analyse(path, 3, NULL);
		if (together != alone)
			abort();
		analyse(path, 1, &select);
		read_events(path);
	}
	close(fd);
	return 0;
}
