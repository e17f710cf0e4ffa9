// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "p2ptrace/captured.h"
#include "p2ptrace/command.h"
#include "p2ptrace/kconfig.h"
#include "p2ptrace/stat_print.h"
#include "p2ptrace/text.h"

struct stat_options {
	uint64_t interval_ns; /* 0: not given */
	uint64_t count; /* 0: without end */
	bool json, csv, wide;
	const char *input, *root;
};

static int parse_interval(void *field, const char *value, struct p2p_error *err)
{
	if (text_parse_duration(value, field, err))
		return -1;
	if (*(uint64_t *)field < 1000000)
		return p2p_fail_usage(err, "'%s' is too short: 1ms is the shortest", value);
	return 0;
}

static int parse_count(void *field, const char *value, struct p2p_error *err)
{
	if (text_parse_u64(value, field, err))
		return -1;
	return *(uint64_t *)field ? 0 : p2p_fail_usage(err, "'%s' is not at least 1", value);
}

#define FIELD(name) .offset = offsetof(struct stat_options, name)

static const struct option_spec options[] = {
	{ OPTION_CALL, 'I', "interval", "SEC", "what happens in every interval: 1, 0.5, 250ms",
	  FIELD(interval_ns), .parse = parse_interval },
	{ OPTION_CALL, 'n', "count", "COUNT", "end after so many intervals (of 1 s without -I)",
	  FIELD(count), .parse = parse_count },
	{ OPTION_FLAG, 'w', "wide", NULL, "with -I: a column for every counter", FIELD(wide) },
	{ OPTION_FLAG, 0, "json", NULL, "JSON (schema p2ptrace.stat/1), with -I an object a line",
	  FIELD(json) },
	{ OPTION_FLAG, 0, "csv", NULL, "a row for each counter, and each device's", FIELD(csv) },
	{ OPTION_STRING, 'i', "input", "FILE",
	  "the counters at the end of a recording, and its part", FIELD(input) },
	{ OPTION_STRING, 0, "root", "DIR", "read a captured tree: DIR/sys, DIR/proc", FIELD(root) },
	{ .kind = OPTION_END },
};

struct stat_run {
	const struct stat_options *given;
	struct sysroot root;
	bool without; /* the kernel was built without P2PDMA */
	uint64_t printed; /* samples */
};

/* Rows between column heads: what fits a terminal. */
static uint64_t heading_every(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return UINT64_MAX;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_row < 5)
		return 22;
	return size.ws_row - 2u;
}

static int print(struct stat_run *stat, const struct stat_sample *sample, struct p2p_error *err)
{
	uint64_t printed = stat->printed++;

	if (stat->given->json)
		stat_print_json(sample, stdout);
	else if (stat->given->csv)
		stat_print_csv(sample, !printed, stdout);
	else if (sample->before)
		stat_print_line(sample, stat->given->wide, printed % heading_every() == 0, stdout);
	else
		return stat_print_text(sample, stdout, err);
	return 0;
}

static size_t look_for_missing(struct stat_run *stat, const struct counters *now,
			       struct missing_layer missing[MISSING_LAYERS_MAX])
{
	return counters_missing(&stat->root, now, stat->without, missing);
}

/* For outputs that have no place for it. */
static void warn_missing(struct stat_run *stat, const struct counters *now)
{
	struct missing_layer missing[MISSING_LAYERS_MAX];
	size_t count = look_for_missing(stat, now, missing);

	for (size_t i = 0; i < count; i++)
		p2p_warn("missing: %s. Remedy: %s", missing[i].why, missing[i].remedy);
}

static int print_once(struct stat_run *stat, struct p2p_error *err)
{
	struct missing_layer missing[MISSING_LAYERS_MAX];
	struct counters now;
	struct stat_sample sample = { .now = &now, .missing = missing };
	int status;

	if (counters_read(&stat->root, &now, err))
		return -1;
	sample.missing_count = look_for_missing(stat, &now, missing);
	if (stat->given->csv)
		warn_missing(stat, &now);
	status = now.global.count || now.provider_count ? P2P_OK : P2P_CANNOT;
	if (print(stat, &sample, err))
		status = -1;
	counters_free(&now);
	return status;
}

/* ---- intervals ---- */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Until `deadline`; false when one of the signals came that end the work. */
static bool wait_until(uint64_t deadline, const sigset_t *ends)
{
	for (uint64_t now = now_ns(); now < deadline; now = now_ns()) {
		uint64_t left = deadline - now;
		struct timespec time = { .tv_sec = (time_t)(left / 1000000000u),
					 .tv_nsec = (long)(left % 1000000000u) };

		if (sigtimedwait(ends, NULL, &time) > 0)
			return false;
	}
	return true;
}

/* Whether the reader of our output still is there: 1, 0, or -1 with `err` filled. */
static int flush_output(struct p2p_error *err)
{
	if (!fflush(stdout))
		return 1;
	if (errno != EPIPE)
		return p2p_fail_errno(err, "cannot write to standard output");
	clearerr(stdout);
	return 0;
}

/* One interval, from `before` to a new sample that takes its place.  As flush_output. */
static int print_interval(struct stat_run *stat, struct counters *before, struct p2p_error *err)
{
	struct missing_layer missing[MISSING_LAYERS_MAX];
	struct counters now;
	struct stat_sample sample = { .before = before, .now = &now, .missing = missing };
	int result;

	if (counters_read(&stat->root, &now, err))
		return -1;
	sample.missing_count = look_for_missing(stat, &now, missing);
	result = print(stat, &sample, err);
	counters_free(before);
	*before = now;
	return result ? result : flush_output(err);
}

static int run_intervals(struct stat_run *stat, const sigset_t *ends, struct p2p_error *err)
{
	uint64_t interval = stat->given->interval_ns ? stat->given->interval_ns : 1000000000u;
	struct counters before;
	uint64_t next;
	int result = 1;

	if (counters_read(&stat->root, &before, err))
		return -1;
	if (!stat->given->json)
		warn_missing(stat, &before);
	next = before.mono_ns;
	while (result > 0 && (!stat->given->count || stat->printed < stat->given->count)) {
		next += interval;
		if (next < now_ns()) /* could not keep up */
			next = now_ns();
		if (!wait_until(next, ends))
			break;
		result = print_interval(stat, &before, err);
	}
	counters_free(&before);
	return result < 0 ? -1 : P2P_OK;
}

static int print_intervals(struct stat_run *stat, struct p2p_error *err)
{
	sigset_t ends, usual;
	int status;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, &usual);
	status = run_intervals(stat, &ends, err);
	sigprocmask(SIG_SETMASK, &usual, NULL);
	return status;
}

/* ---- a recording's ---- */

/* What stands in a recording: its end, and what came since its start; of one that was cut
 * off its start alone. */
static int print_recorded(struct stat_run *stat, const struct trace_file *file,
			  const struct recording *recording, struct p2p_error *err)
{
	struct counters start, end;
	struct stat_sample sample = { .before = &start, .now = &end };
	bool complete;
	int status;

	if (captured_counters(file, recording, &start, &end, &complete, err))
		return -1;
	if (!complete) {
		p2p_warn("%s was cut off: the counters are those of its start", file->shown);
		sample = (struct stat_sample){ .now = &start };
	}
	status = sample.now->global.count || sample.now->provider_count ? P2P_OK : P2P_CANNOT;
	if (stat->given->json)
		stat_print_json(&sample, stdout);
	else if (stat->given->csv)
		stat_print_csv(&sample, true, stdout);
	else if (stat_print_text(&sample, stdout, err))
		status = -1;
	if (status == P2P_CANNOT)
		p2p_warn("%s: the system it was made on had no counters and no pools", file->shown);
	counters_free(&start);
	counters_free(&end);
	return status;
}

static int run_recorded(struct stat_run *stat, struct p2p_error *err)
{
	struct trace_file *file = trace_file_open(stat->given->input, err);
	struct recording recording;
	int status = -1;

	if (!file)
		return -1;
	if (!recording_read(&recording, file, err)) {
		status = print_recorded(stat, file, &recording, err);
		recording_free(&recording);
	}
	trace_file_close(file);
	return status;
}

static int run(int argc, char **argv, struct p2p_error *err)
{
	struct stat_options given = { .interval_ns = 0 };
	struct stat_run stat = { .given = &given };
	struct kconfig config;
	char **words;
	int count, status;

	if (options_parse(argc, argv, options, false, &given, &words, &count, err))
		return -1;
	if (count)
		return p2p_fail_usage(err, "'%s' is too much: stat takes options only", words[0]);
	if (given.json && given.csv)
		return p2p_fail_usage(err, "--json and --csv exclude each other");
	if (given.input && (given.root || given.interval_ns || given.count))
		return p2p_fail_usage(err, "-i goes with neither --root, -I nor -n");
	if (given.input)
		return run_recorded(&stat, err);
	if (sysroot_open(&stat.root, given.root, err))
		return -1;
	kconfig_read(&stat.root, &config);
	stat.without = kconfig_get(&config, "CONFIG_PCI_P2PDMA") == 'n';
	kconfig_free(&config);
	status = given.interval_ns || given.count ? print_intervals(&stat, err)
						  : print_once(&stat, err);
	sysroot_close(&stat.root);
	return status;
}

const struct command cmd_stat = {
	.name = "stat",
	.summary = "The kernel's own counters of peer-to-peer DMA, and what changes.",
	.usage = "[-I SEC] [-n COUNT] [--json | --csv] [-i FILE | --root DIR]",
	.options = options,
	.run = run,
};
