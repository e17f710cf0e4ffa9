// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "p2ptrace/captured.h"
#include "p2ptrace/command.h"
#include "p2ptrace/input.h"
#include "p2ptrace/json.h"
#include "p2ptrace/report.h"
#include "p2ptrace/text.h"

struct info_options {
	struct analysis_options analysis;
	bool json;
};

static const struct option_spec options[] = {
	{ .kind = OPTION_GROUP,
	  .group = analysis_option_table,
	  .offset = offsetof(struct info_options, analysis) },
	{ OPTION_FLAG, 0, "json", NULL, "one JSON object (schema p2ptrace.info/1)",
	  .offset = offsetof(struct info_options, json) },
	{ .kind = OPTION_END },
};

/* What is shown of p2ptrace's own metadata, in this order. */
static const struct {
	enum private_key key;
	const char *label;
} shown[] = {
	{ PRIVATE_VERSION, "recorded by p2ptrace" },
	{ PRIVATE_HOSTNAME, "host" },
	{ PRIVATE_KERNEL, "kernel" },
	{ PRIVATE_MACHINE, "machine" },
	{ PRIVATE_CMDLINE, "kernel command line" },
	{ PRIVATE_PIECE, "piece of the recording" },
	{ PRIVATE_SOURCE, "event source" },
	{ PRIVATE_SYSTEM, "event system" },
	{ PRIVATE_FILTER_PID, "recorded only pids" },
	{ PRIVATE_FILTER_PROVIDER, "recorded only providers" },
	{ PRIVATE_FILTER_CLIENT, "recorded only clients" },
	{ PRIVATE_FILTER_COMM, "recorded only comms" },
	{ PRIVATE_FILTER, "kernel filter" },
	{ PRIVATE_STACKS, "kernel stacks" },
	{ PRIVATE_RECOVERED, "recovered" },
	{ PRIVATE_MISSED, "missed by probes" },
	{ PRIVATE_SUSPENDED, "suspended, in ns" },
};

#define SHOWN (sizeof(shown) / sizeof(shown[0]))

static bool is_compressed(const struct trace_file *file)
{
	for (size_t i = 0; i < file->lane_count; i++)
		if (file->lanes[i].chunk_count)
			return true;
	return false;
}

static const char *compression_word(const struct trace_file *file)
{
	static const char *const words[] = { "none", "zstd", "zlib" };

	return is_compressed(file) ? words[file->compression] : words[COMPRESSION_NONE];
}

static uint32_t sub_buffer_bytes(const struct trace_file *file)
{
	return file->lane_count ? file->lanes[0].page_size : file->page_size;
}

/* "2026-11-21 08:30:00 UTC" of the start, when the file tells. */
static bool start_time(const struct recording *recording, char *to, size_t room)
{
	const char *offset = recording->values[PRIVATE_WALL_OFFSET];
	long long ns = offset ? strtoll(offset, NULL, 10) : 0;
	time_t seconds;
	struct tm parts;

	if (!offset || !recording->ns || __builtin_add_overflow(recording->start, ns, &ns))
		return false;
	seconds = (time_t)(ns / 1000000000);
	return gmtime_r(&seconds, &parts) && strftime(to, room, "%Y-%m-%d %H:%M:%S UTC", &parts);
}

static void line(const char *label, const char *value)
{
	char safe[4096];

	/* On one line, whatever the file says of itself. */
	printf("%-22s %s\n", label, text_safe(safe, sizeof(safe), value));
}

static void print_own_metadata(const struct recording *recording)
{
	char text[64];

	for (size_t i = 0; i < SHOWN; i++)
		if (recording->values[shown[i].key])
			line(shown[i].label, recording->values[shown[i].key]);
	if (start_time(recording, text, sizeof(text)))
		line("started", text);
	if (recording->own)
		printf("%-22s %s\n", "liveness at the stop",
		       recording->liveness ? "recorded" : "not recorded");
}

/* ---- what is known of the system ---- */

static void print_capture(const struct trace_file *file, bool own)
{
	struct captured_summary summary;
	char bytes[32];

	captured_summarise(file, &summary);
	if (summary.damaged)
		line("PCI tree", summary.damaged);
	else if (!summary.there && own)
		line("PCI tree", "not recorded: topo, explain and predictions need --root DIR");
	if (!summary.there || summary.damaged)
		return;
	printf("%-22s %zu devices, %zu with peer memory", "PCI tree", summary.devices,
	       summary.providers);
	if (summary.providers && summary.pool_bytes != NOT_KNOWN)
		printf(" (%s)", text_bytes(bytes, sizeof(bytes), summary.pool_bytes));
	printf("; ACS %s\n", summary.acs_unknown ? "not known of all" : "known");
	if (*summary.cpu)
		line("cpu", summary.cpu);
	printf("%-22s %zu\n", "NUMA nodes", summary.numa_nodes);
	printf("%-22s %zu\n", "IOMMU groups", summary.iommu_groups);
	printf("%-22s %zu%s\n", "kernel counters", summary.counters,
	       summary.end ? ", at the start and at the end" : ", at the start");
}

static void json_capture(struct json *json, const struct trace_file *file)
{
	struct captured_summary summary;

	captured_summarise(file, &summary);
	if (!summary.there) {
		json_null(json, "capture");
		return;
	}
	json_object(json, "capture");
	json_u64(json, "bytes", summary.bytes);
	json_text(json, "damaged", summary.damaged);
	json_u64(json, "devices", summary.devices);
	json_u64(json, "providers", summary.providers);
	if (summary.pool_bytes == NOT_KNOWN)
		json_null(json, "pool_bytes");
	else
		json_u64(json, "pool_bytes", summary.pool_bytes);
	json_u64(json, "acs_unknown", summary.acs_unknown);
	json_u64(json, "numa_nodes", summary.numa_nodes);
	json_u64(json, "iommu_groups", summary.iommu_groups);
	json_u64(json, "counters", summary.counters);
	json_bool(json, "end", summary.end);
	json_text(json, "kernel", *summary.kernel ? summary.kernel : NULL);
	json_text(json, "cpu", *summary.cpu ? summary.cpu : NULL);
	json_end_object(json);
}

static void print_lanes(const struct trace_file *file)
{
	char bytes[32], name[256];

	for (size_t i = 0; i < file->lane_count; i++) {
		const struct trace_lane *lane = &file->lanes[i];

		if (!lane->bytes)
			continue;
		printf("  cpu %-3" PRIu32 " %9s  %" PRIu64 " sub-buffers", lane->cpu,
		       text_bytes(bytes, sizeof(bytes), lane->bytes), lane->pages);
		if (*lane->buffer)
			printf("  instance %s", text_safe(name, sizeof(name), lane->buffer));
		putchar('\n');
	}
}

static void print_text(const struct analysis *analysis, const struct report *report)
{
	const struct trace_file *file = analysis->file;
	char text[64];

	line("file", file->path);
	printf("%-22s trace.dat version %d, %s, compression %s, %s-endian\n", "format",
	       file->version, text_bytes(text, sizeof(text), file->bytes), compression_word(file),
	       file->big_endian ? "big" : "little");
	if (file->writer && !analysis->recording.own)
		line("written by trace-cmd", file->writer);
	if (file->uname)
		line("system", file->uname);
	print_own_metadata(&analysis->recording);
	print_capture(file, analysis->recording.own);
	line("clock", *file->clock ? file->clock : "not stored, taken for local");
	printf("%-22s %" PRIu32 ", sub-buffers of %s\n", "cpus", file->cpu_count,
	       text_bytes(text, sizeof(text), sub_buffer_bytes(file)));
	if (analysis->recording.ns)
		printf("%-22s %s\n", "duration",
		       text_duration(text, sizeof(text), analysis->stop - analysis->start));
	for (enum event_kind kind = KIND_ALLOC; kind < KIND_P2P_COUNT; kind++)
		printf("%-22s %s%s\n", event_kind_names[kind],
		       text_count(text, sizeof(text), report->events[kind]),
		       analysis->schema->kinds & 1u << kind ? "" : " (not recorded)");
	printf("%-22s %s\n", "other events", text_count(text, sizeof(text), analysis->other));
	printf("%-22s %s\n", "lost events", text_count(text, sizeof(text), analysis->lost));
	analysis_print_caveats(analysis, stdout);
	puts("data");
	print_lanes(file);
}

static void print_json(const struct analysis *analysis, const struct report *report)
{
	const struct trace_file *file = analysis->file;
	const struct recording *recording = &analysis->recording;
	char started[64];
	struct json json;

	json_init(&json, stdout, false);
	json_object(&json, NULL);
	json_text(&json, "schema", "p2ptrace.info/1");
	json_text(&json, "file", file->path);
	json_u64(&json, "version", (uint64_t)file->version);
	json_u64(&json, "bytes", file->bytes);
	json_text(&json, "compression", compression_word(file));
	json_bool(&json, "big_endian", file->big_endian);
	json_text(&json, "trace_cmd", file->writer);
	json_text(&json, "uname", file->uname);
	json_text(&json, "clock", file->clock);
	json_u64(&json, "cpus", file->cpu_count);
	json_u64(&json, "sub_buffer_bytes", sub_buffer_bytes(file));
	if (recording->ns) {
		json_u64(&json, "start_ns", analysis->start);
		json_u64(&json, "duration_ns", analysis->stop - analysis->start);
	}
	json_text(&json, "started",
		  start_time(recording, started, sizeof(started)) ? started : NULL);
	json_object(&json, "recording");
	for (size_t i = 0; i < SHOWN; i++)
		if (recording->values[shown[i].key])
			json_text(&json, private_key_names[shown[i].key],
				  recording->values[shown[i].key]);
	json_bool(&json, "liveness", recording->liveness);
	json_end_object(&json);
	json_capture(&json, file);
	json_object(&json, "events");
	for (enum event_kind kind = KIND_ALLOC; kind < KIND_P2P_COUNT; kind++)
		json_u64(&json, event_kind_names[kind], report->events[kind]);
	json_u64(&json, "other", analysis->other);
	json_u64(&json, "lost", analysis->lost);
	json_u64(&json, "lost_uncounted", analysis->lost_uncounted);
	json_end_object(&json);
	json_bool(&json, "truncated", analysis->truncated);
	json_array(&json, "lanes");
	for (size_t i = 0; i < file->lane_count; i++) {
		json_object(&json, NULL);
		json_text(&json, "instance", file->lanes[i].buffer);
		json_u64(&json, "cpu", file->lanes[i].cpu);
		json_u64(&json, "bytes", file->lanes[i].bytes);
		json_u64(&json, "sub_buffers", file->lanes[i].pages);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
}

static int run(int argc, char **argv, struct p2p_error *err)
{
	struct info_options given = { 0 };
	struct analysis *analysis;
	struct report report;
	int status = -1;

	if (input_parse(argc, argv, options, &given, &given.analysis, err))
		return -1;
	analysis = input_analyse(&given.analysis, given.json, err);
	if (!analysis)
		return -1;
	if (!report_make(&report, analysis, err)) {
		if (given.json)
			print_json(analysis, &report);
		else
			print_text(analysis, &report);
		report_free(&report);
		status = P2P_OK;
	}
	analysis_free(analysis);
	return status;
}

const struct command cmd_info = {
	.name = "info",
	.summary = "What a recording holds: host, kernel, clock, CPUs, events, loss.",
	.usage = "[OPTIONS] [FILE]",
	.options = options,
	.pager = true,
	.run = run,
};
