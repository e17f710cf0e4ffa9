// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * record: the options, the line of progress and the summary.  The work is done in
 * src/session/.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/command.h"
#include "p2ptrace/recorder.h"
#include "p2ptrace/text.h"

static int parse_event(void *field, const char *value, struct p2p_error *err)
{
	return extra_events_add(field, value, err);
}

static int parse_priority(void *field, const char *value, struct p2p_error *err)
{
	static const char *const words[] = { "best", "fifo", "nice", "none" };
	enum spool_priority *priority = field;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(value, words[i])) {
			*priority = (enum spool_priority)i;
			return 0;
		}
	return p2p_fail_usage(err, "'%s' is no priority (best, fifo, nice, none)", value);
}

/* "signal", a size with a unit (B, K, M, G) or a time with one (s, m, h, d), as perf takes
 * them: M and m are not the same. */
static int parse_switch(void *field, const char *value, struct p2p_error *err)
{
	struct rotation *rotation = field;
	size_t length = strlen(value);
	char unit = length ? value[length - 1] : '\0';
	uint64_t *limit = strchr("BKMG", unit) ? &rotation->bytes : &rotation->ns;

	rotation->on = true;
	if (!strcmp(value, "signal") || !strcmp(value, "SIGUSR2"))
		return 0;
	if (!unit || !strchr("BKMGsmhd", unit) ||
	    (limit == &rotation->bytes ? text_parse_size(value, 1, limit, err)
				       : text_parse_duration(value, limit, err)) ||
	    !*limit)
		return p2p_fail_usage(
			err,
			"'%s' is no signal (SIGUSR2), size (100M: B, K, M, G) or time "
			"(30m: s, m, h, d)",
			value);
	return 0;
}

/* Nothing stands for level 1: faster than most disks. */
static int parse_level(void *field, const char *value, struct p2p_error *err)
{
	uint64_t level = 1;

	if (value && text_parse_u64(value, &level, err))
		return -1;
	if (level < 1 || level > 19)
		return p2p_fail_usage(err, "levels of compression are 1 (fast) to 19 (small)");
	*(int *)field = (int)level;
	return 0;
}

#define AT(field) offsetof(struct recorder_options, field)

static const struct option_spec record_options[] = {
	{ OPTION_STRING, 'o', "output", "FILE", "the file to write (default p2ptrace.dat)",
	  .offset = AT(output) },
	{ OPTION_DURATION, 'd', "duration", "SEC", "record for this long (10, 1.5s, 5m)",
	  .offset = AT(duration_ns) },
	{ OPTION_SIZE, 0, "max-size", "SIZE", "record until there are so many bytes (500M, 4G)",
	  .offset = AT(max_bytes), .unit = 1 },
	{ OPTION_CALL, 0, "switch-output", "WHEN",
	  "go on in another file: SIGUSR2, after 100M or after 30m", .offset = AT(rotation),
	  .parse = parse_switch },
	{ OPTION_U64, 0, "rotate", "N", "of such files keep the newest N",
	  .offset = AT(rotation.keep) },
	{ OPTION_CALL, 'z', "compress", "LEVEL", "compress with zstd, 1 (fast, the default) to 19",
	  .offset = AT(compression), .parse = parse_level, .optional = true },
	{ OPTION_STRING, 'p', "pid", "PID,...", "what these processes and their children begin",
	  .offset = AT(pids) },
	{ OPTION_STRING, 'P', "provider", "NAME,...", "what begins with these providers' memory",
	  .offset = AT(session.filter.provider) },
	{ OPTION_STRING, 0, "client", "NAME,...", "what begins for these clients",
	  .offset = AT(session.filter.client) },
	{ OPTION_STRING, 0, "comm", "NAME,...", "what tasks of these names begin",
	  .offset = AT(session.filter.comm) },
	{ OPTION_FLAG, 0, "no-inherit", NULL, "with -p: not what they start from now on",
	  .offset = AT(session.no_inherit) },
	{ OPTION_STRING, 'f', "filter", "FILTER", "a kernel event filter on what begins",
	  .offset = AT(session.filter.kernel) },
	{ OPTION_CALL, 'e', "event", "SYSTEM:EVENT", "this event too (several times)",
	  .offset = AT(session.extra), .parse = parse_event },
	{ OPTION_STRING, 'S', "source", "SOURCE", "auto, tracepoint or probe",
	  .offset = AT(session.source.name) },
	{ OPTION_STRING, 0, "system", "NAME", "the tracefs system that holds the events",
	  .offset = AT(session.source.system) },
	{ OPTION_STRING, 0, "offsets", "FILE",
	  "for probes: where the kernel's structures have what",
	  .offset = AT(session.source.offsets) },
	{ OPTION_U64, 0, "segments", "N", "for probes: segments of an unmap looked at (default 4)",
	  .offset = AT(session.source.segments) },
	{ OPTION_SIZE, 'b', "buffer", "SIZE", "ring buffer per CPU, in KiB without a unit",
	  .offset = AT(session.buffer_bytes), .unit = 1024 },
	{ OPTION_FLAG, 0, "overwrite", NULL,
	  "keep the newest in the buffers, write them on SIGUSR1 and at the end",
	  .offset = AT(flight) },
	{ OPTION_FLAG, 0, "no-overwrite", NULL, "when a buffer is full, drop what is newest",
	  .offset = AT(session.no_overwrite) },
	{ OPTION_FLAG, 'g', "call-graph", NULL, "kernel stacks of allocations and mappings",
	  .offset = AT(session.stacks) },
	{ OPTION_STRING, 'C', "clock", "CLOCK", "the trace clock (default mono)",
	  .offset = AT(session.clock) },
	{ OPTION_CALL, 0, "prio", "PRIORITY", "of the readers: best, fifo, nice, none",
	  .offset = AT(priority), .parse = parse_priority },
	{ OPTION_FLAG, 0, "no-direct-io", NULL, "write everything through the page cache",
	  .offset = AT(no_direct_io) },
	{ OPTION_U64, 0, "file-version", "6|7", "version of the trace.dat format (default 7)",
	  .offset = AT(file_version) },
	{ OPTION_FLAG, 0, "no-capture", NULL, "do not store what PCI devices there are, and how",
	  .offset = AT(no_capture) },
	{ OPTION_STRING, 0, "user", "NAME", "run CMD as this user", .offset = AT(user) },
	{ .kind = OPTION_END },
};

/* ---- what the user sees ---- */

static void show_progress(const struct recorder_progress *now)
{
	char events[32], bytes[16], lost[32];

	if (now->ended) {
		fprintf(stderr, "\rmaking the file: %s of %s done\033[K",
			text_bytes(lost, sizeof(lost), now->moved),
			text_bytes(bytes, sizeof(bytes), now->bytes));
		return;
	}

	fprintf(stderr, "\r%" PRIu64 " s  %s events  %s  %s lost\033[K",
		now->elapsed_ns / 1000000000u, text_count(events, sizeof(events), now->events),
		text_bytes(bytes, sizeof(bytes), now->bytes),
		text_count(lost, sizeof(lost), now->lost));
}

static void show_written(const char *path)
{
	char name[4096];

	fprintf(stderr, "%sp2ptrace: wrote %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "",
		text_safe(name, sizeof(name), path));
}

static void show_losses(const struct recorder_summary *summary)
{
	for (size_t i = 0; i < summary->lost_count; i++) {
		const struct recorder_loss *loss = &summary->lost[i];

		fprintf(stderr,
			"  CPU %u: %" PRIu64 " overrun, %" PRIu64 " commit overrun, %" PRIu64
			" dropped, %" PRIu64 " not saved\n",
			loss->cpu, loss->overrun, loss->commit_overrun, loss->dropped,
			loss->unsaved);
	}
	if (summary->missed)
		fprintf(stderr, "  probes missed %" PRIu64 "\n", summary->missed);
}

static void show_summary(const struct recorder_options *options,
			 const struct recorder_summary *summary)
{
	char events[32], bytes[16], lost[32], time[16], name[4096], command[256], files[64] = "";

	if (summary->workload[0])
		fprintf(stderr, "p2ptrace: '%s' %s\n",
			text_safe(command, sizeof(command), options->command[0]),
			summary->workload);
	if (!summary->files)
		return;
	if (options->rotation.on || summary->files > 1)
		snprintf(files, sizeof(files), "%" PRIu64 " file%s ", summary->files,
			 summary->files == 1 ? "" : "s");
	fprintf(stderr, "p2ptrace: recorded %s event%s (%s) in %s to %s%s; %s lost\n",
		text_count(events, sizeof(events), summary->total.events),
		summary->total.events == 1 ? "" : "s",
		text_bytes(bytes, sizeof(bytes), summary->total.bytes),
		text_duration(time, sizeof(time), summary->total.elapsed_ns), files,
		strcmp(options->output, "-") ? text_safe(name, sizeof(name), options->output)
					     : "standard output",
		summary->total.lost ? text_count(lost, sizeof(lost), summary->total.lost)
				    : "nothing");
	show_losses(summary);
}

/* ---- the command ---- */

#define DEFAULT_TURN_BYTES (256u << 20)

/* --rotate alone has a size, or it would keep nothing but the last file. */
static int check_rotation(struct recorder_options *options, struct p2p_error *err)
{
	struct rotation *rotation = &options->rotation;

	if (options->flight && (rotation->on || options->session.no_overwrite))
		return p2p_fail_usage(err, "--overwrite writes on SIGUSR1 and at the end: no "
					   "--switch-output, no --no-overwrite");
	if (rotation->keep && !options->flight && !rotation->on) {
		rotation->on = true;
		rotation->bytes = DEFAULT_TURN_BYTES;
	}
	if ((rotation->on || options->flight) && !strcmp(options->output, "-"))
		return p2p_fail_usage(
			err, "-o - is one file: no --switch-output, --rotate or --overwrite");
	return 0;
}

static int check_options(struct recorder_options *options, struct p2p_error *err)
{
	if (check_rotation(options, err))
		return -1;
	if (options->file_version != 6 && options->file_version != 7)
		return p2p_fail_usage(err, "--file-version: 6 or 7");
	if (options->compression && options->file_version == 6)
		return p2p_fail_usage(err, "-z: version 6 of the format has no compression");
	if (options->user && !options->command)
		return p2p_fail_usage(err, "--user says whom CMD runs as; there is no CMD");
	if (options->session.no_inherit && !options->pids)
		return p2p_fail_usage(err, "--no-inherit is about the processes of -p");
	if (options->pids && pid_list_parse(options->pids, &options->session.pids, err))
		return p2p_error_prefix(err, "-p");
	return 0;
}

static int record(struct recorder_options *options, struct p2p_error *err)
{
	bool terminal = isatty(STDERR_FILENO);
	const struct recorder_watch watch = { .progress = terminal ? show_progress : NULL,
					      .written = show_written };
	struct recorder_summary summary;
	int result;

	if (check_options(options, err))
		return -1;
	result = recorder_run(options, &watch, &summary, err);
	if (terminal)
		fputs("\r\033[K", stderr);
	show_summary(options, &summary);
	recorder_summary_release(&summary);
	return result;
}

static int run_record(int argc, char **argv, struct p2p_error *err)
{
	struct recorder_options options = { .output = "p2ptrace.dat",
					    .file_version = 7,
					    .session = { .source.name = "auto", .clock = "mono" } };
	int rest_count, result;
	char **rest;

	result = options_parse(argc, argv, record_options, true, &options, &rest, &rest_count, err);
	if (!result && rest_count) {
		rest[rest_count] = NULL;
		options.command = rest;
	}
	if (!result)
		result = record(&options, err);
	free(options.session.pids.pids);
	extra_events_free(&options.session.extra);
	return result;
}

const struct command cmd_record = {
	.name = "record",
	.summary = "Records the events to a trace.dat: of the system, or while a command runs.",
	.usage = "[OPTIONS] [--] [CMD ARGS...]",
	.options = record_options,
	.run = run_record,
};
