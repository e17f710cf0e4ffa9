// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/command.h"
#include "p2ptrace/event_view.h"
#include "p2ptrace/input.h"
#include "p2ptrace/json.h"
#include "p2ptrace/merge.h"
#include "p2ptrace/progress.h"
#include "p2ptrace/report.h"
#include "p2ptrace/text.h"

struct events_options {
	struct analysis_options analysis;
	bool json, csv, all;
};

static const struct option_spec options[] = {
	{ .kind = OPTION_GROUP,
	  .group = analysis_option_table,
	  .offset = offsetof(struct events_options, analysis) },
	{ OPTION_FLAG, 'a', "all", NULL, "events that are none of the five, too",
	  .offset = offsetof(struct events_options, all) },
	{ OPTION_FLAG, 0, "json", NULL, "one JSON object a line (NDJSON)",
	  .offset = offsetof(struct events_options, json) },
	{ OPTION_FLAG, 0, "csv", NULL, "as CSV, addresses in hexadecimal",
	  .offset = offsetof(struct events_options, csv) },
	{ .kind = OPTION_END },
};

/* One line of any form: an event, or a gap where `view` is NULL. */
struct line {
	const struct event_view *view;
	uint64_t stamp, lost;
	bool stamp_known;
	uint32_t cpu, pid;
	const char *event, *comm;
	bool ns;
};

/* ---- text, close to trace-cmd's ---- */

static void print_stamp(const struct line *line)
{
	if (!line->stamp_known)
		printf("%20s: ", "");
	else if (line->ns)
		printf("%10" PRIu64 ".%09" PRIu64 ": ", line->stamp / 1000000000u,
		       line->stamp % 1000000000u);
	else
		printf("%20" PRIu64 ": ", line->stamp);
}

static void print_value(const struct event_value *value)
{
	char safe[EVENT_TEXT_MAX * 4];

	switch (value->form) {
	case VALUE_TEXT:
		printf(" %s=%s", value->name, text_safe(safe, sizeof(safe), value->text));
		break;
	case VALUE_ADDRESS:
		printf(" %s=0x%" PRIx64, value->name, value->number);
		break;
	case VALUE_SIGNED:
		printf(" %s=%" PRId64, value->name, (int64_t)value->number);
		break;
	default:
		printf(" %s=%" PRIu64, value->name, value->number);
	}
}

static void print_text(const struct line *line)
{
	char safe[EVENT_TEXT_MAX * 4], who[EVENT_TEXT_MAX * 4 + 16];

	if (!line->view) {
		print_stamp(line);
		if (line->lost == PAGE_LOST_UNCOUNTED)
			printf("CPU:%" PRIu32 " [EVENTS LOST, how many is not stored]\n",
			       line->cpu);
		else
			printf("CPU:%" PRIu32 " [%" PRIu64 " EVENTS LOST]\n", line->cpu,
			       line->lost);
		return;
	}
	snprintf(who, sizeof(who), "%s-%" PRIu32, text_safe(safe, sizeof(safe), line->comm),
		 line->view->tid);
	printf("%22s [%03" PRIu32 "] ", who, line->cpu);
	print_stamp(line);
	printf("%-20s", text_safe(safe, sizeof(safe), line->event));
	for (size_t i = 0; i < line->view->count; i++)
		print_value(&line->view->values[i]);
	putchar('\n');
}

/* ---- NDJSON ---- */

/* A field that is called as what every line has is called field_NAME. */
static const char *json_key(const char *name, char *to, size_t room)
{
	static const char *const taken[] = { "ts_ns", "ts",  "cpu", "event",
					     "count", "pid", "tid", "comm" };

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (!strcmp(taken[i], name)) {
			snprintf(to, room, "field_%s", name);
			return to;
		}
	return name;
}

static void print_json_value(struct json *json, const struct event_value *value)
{
	char renamed[32];
	const char *key = json_key(value->name, renamed, sizeof(renamed));

	switch (value->form) {
	case VALUE_TEXT:
		json_text(json, key, value->text);
		break;
	case VALUE_ADDRESS:
		json_address(json, key, value->number);
		break;
	case VALUE_SIGNED:
		json_i64(json, key, (int64_t)value->number);
		break;
	default:
		json_u64(json, key, value->number);
	}
}

static void print_json(const struct line *line)
{
	struct json json;

	json_init(&json, stdout, true);
	json_object(&json, NULL);
	if (line->stamp_known)
		json_u64(&json, line->ns ? "ts_ns" : "ts", line->stamp);
	else
		json_null(&json, "ts_ns");
	json_u64(&json, "cpu", line->cpu);
	json_text(&json, "event", line->event);
	if (!line->view) {
		if (line->lost == PAGE_LOST_UNCOUNTED)
			json_null(&json, "count");
		else
			json_u64(&json, "count", line->lost);
		json_end_object(&json);
		return;
	}
	json_u64(&json, "pid", line->pid);
	json_u64(&json, "tid", line->view->tid);
	json_text(&json, "comm", line->comm);
	for (size_t i = 0; i < line->view->count; i++)
		print_json_value(&json, &line->view->values[i]);
	json_end_object(&json);
}

/* ---- CSV ---- */

static const char *const csv_fields[] = { "provider", "client", "type",	    "old",
					  "dist",     "addr",	"dma_addr", "phys_addr",
					  "bus_addr", "size",	"dir" };

#define CSV_FIELDS (sizeof(csv_fields) / sizeof(csv_fields[0]))

static void print_csv_head(void)
{
	fputs("ts_ns,cpu,event,pid,tid,comm,count", stdout);
	for (size_t i = 0; i < CSV_FIELDS; i++)
		printf(",%s", csv_fields[i]);
	putchar('\n');
}

static void print_csv_value(const struct event_value *value)
{
	putchar(',');
	if (!value)
		return;
	if (value->form == VALUE_TEXT)
		table_print_csv_text(stdout, value->text);
	else if (value->form == VALUE_ADDRESS)
		printf("0x%" PRIx64, value->number);
	else if (value->form == VALUE_SIGNED)
		printf("%" PRId64, (int64_t)value->number);
	else
		printf("%" PRIu64, value->number);
}

static void print_csv(const struct line *line)
{
	if (line->stamp_known)
		printf("%" PRIu64, line->stamp);
	printf(",%" PRIu32 ",", line->cpu);
	table_print_csv_text(stdout, line->event);
	putchar(',');
	if (line->view) {
		printf("%" PRIu32 ",%" PRIu32 ",", line->pid, line->view->tid);
		table_print_csv_text(stdout, line->comm);
		putchar(',');
	} else {
		fputs(",,,", stdout);
		if (line->lost != PAGE_LOST_UNCOUNTED)
			printf("%" PRIu64, line->lost);
	}
	for (size_t i = 0; i < CSV_FIELDS; i++)
		print_csv_value(line->view ? event_view_field(line->view, csv_fields[i]) : NULL);
	putchar('\n');
}

/* ---- the stream ---- */

struct stream {
	struct analysis *analysis;
	const struct events_options *given;
	struct event_view view;
	uint64_t *marked; /* [cpu]: losses told of so far */
	uint32_t marked_count;
};

static void print_line(const struct stream *stream, const struct line *line)
{
	if (stream->given->json)
		print_json(line);
	else if (stream->given->csv)
		print_csv(line);
	else
		print_text(line);
}

/* Each event for itself: its end is another event. */
static bool is_selected(const struct stream *stream, const struct line *line)
{
	const struct selection *selection = &stream->analysis->selection;
	const struct event_value *provider, *client, *type;
	struct path path = { .kind = (uint8_t)line->view->kind };
	struct names *names = stream->analysis->names;
	uint32_t comm;

	if (line->view->kind == KIND_NONE || line->view->kind >= KIND_P2P_COUNT)
		return stream->given->all;
	if (!selection->any)
		return true;
	provider = event_view_field(line->view, "provider");
	client = event_view_field(line->view, "client");
	type = event_view_field(line->view, "type");
	path.provider = provider ? names_intern(names, provider->text, EVENT_TEXT_MAX) : 0;
	path.client = client ? names_intern(names, client->text, EVENT_TEXT_MAX) : 0;
	path.type = type ? map_type_by_name(type->text, strlen(type->text)) : MAP_TYPE_ABSENT;
	/* As a mapping or allocation, so that its type counts whether it begins or ends. */
	if (path.kind == KIND_UNMAP)
		path.kind = KIND_MAP;
	comm = names_intern(names, line->comm, EVENT_TEXT_MAX);
	return selection_path(selection, names, &path) &&
	       selection_begin(selection, line->view->tid, comm, line->cpu);
}

static void note_process(struct stream *stream, const struct line *line)
{
	const struct event_value *pid = event_view_field(line->view, "pid");
	const struct event_value *comm =
		event_view_field(line->view, line->view->kind == KIND_RENAME ? "newcomm" : "comm");
	struct p2p_note note = { .stamp = line->stamp, .kind = line->view->kind };

	if (!pid || !comm)
		return;
	note.tid = (uint32_t)pid->number;
	note.comm = names_intern(stream->analysis->names, comm->text, EVENT_TEXT_MAX);
	processes_note(&stream->analysis->processes, &note);
}

/* Probes' events go by the name of what they stand for. */
static const char *name_of(const struct event_view *view)
{
	if (view->kind > KIND_NONE && view->kind < KIND_P2P_COUNT)
		return event_kind_names[view->kind];
	return view->format ? view->format->name : "?";
}

/* Ends that a probe could only count. */
static void print_unseen(struct stream *stream, struct line *line)
{
	line->event = "lost";
	line->lost = stream->view.unseen;
	line->view = NULL;
	print_line(stream, line);
}

static void take_event(struct stream *stream, const struct merged *merged)
{
	struct analysis *analysis = stream->analysis;
	struct line line = { .view = &stream->view,
			     .stamp = merged->stamp,
			     .stamp_known = true,
			     .cpu = merged->cpu,
			     .ns = analysis->recording.ns };
	bool known;

	event_view_read(&stream->view, analysis->schema, merged->data, merged->length,
			analysis->file->big_endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__));
	if (stream->view.damaged) {
		analysis->damaged++;
		return;
	}
	if (stream->view.left_out)
		return;
	if (stream->view.kind == KIND_RENAME || stream->view.kind == KIND_EXIT)
		note_process(stream, &line);
	line.event = name_of(&stream->view);
	line.pid = processes_tgid(&analysis->processes, stream->view.tid, &known);
	line.comm = stream->view.comm[0] ? stream->view.comm
					 : analysis_comm(analysis, stream->view.tid, 0);
	if (is_selected(stream, &line))
		print_line(stream, &line);
	if (stream->view.unseen)
		print_unseen(stream, &line);
}

static void take_gap(struct stream *stream, const struct merged *merged)
{
	struct line line = { .event = "lost",
			     .stamp = merged->stamp,
			     .stamp_known = true,
			     .lost = merged->lost,
			     .cpu = merged->cpu,
			     .ns = stream->analysis->recording.ns };

	if (stream->analysis->recording.flight_recorder)
		return;
	if (merged->lost != PAGE_LOST_UNCOUNTED && merged->cpu < stream->marked_count)
		stream->marked[merged->cpu] += merged->lost;
	print_line(stream, &line);
}

/* What the statistics know beyond the marks in the pages has no place in time. */
static void print_unplaced(struct stream *stream)
{
	const struct analysis *analysis = stream->analysis;

	for (uint32_t cpu = 0; cpu < stream->marked_count; cpu++) {
		uint64_t lost = analysis_cpu_lost(analysis, cpu, stream->marked[cpu]);
		struct line line = { .event = "lost",
				     .lost = lost - stream->marked[cpu],
				     .cpu = cpu,
				     .ns = analysis->recording.ns };

		if (lost > stream->marked[cpu])
			print_line(stream, &line);
	}
}

static int read_all(struct stream *stream, struct p2p_error *err)
{
	const struct selection *selection = &stream->analysis->selection;
	struct merged merged;
	struct merge merge;
	int result = merge_init(&merge, stream->analysis->file, err);

	while (!result && !ferror(stdout)) {
		result = merge_next(&merge, &merged, err);
		if (result <= 0)
			break;
		result = 0;
		if (merged.stamp < selection->from || merged.stamp > selection->until)
			continue;
		if (merged.data)
			take_event(stream, &merged);
		else
			take_gap(stream, &merged);
	}
	stream->analysis->damaged += merge.damaged;
	stream->analysis->truncated |= merge.cut;
	merge_destroy(&merge);
	if (!result)
		print_unplaced(stream);
	return result;
}

static int run(int argc, char **argv, struct p2p_error *err)
{
	struct events_options given = { 0 };
	struct stream *stream;
	int status = -1;

	if (input_parse(argc, argv, options, &given, &given.analysis, err))
		return -1;
	if (given.json && given.csv)
		return p2p_fail_usage(err, "--json and --csv exclude each other");
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return p2p_fail(err, "no memory");
	stream->given = &given;
	stream->analysis = analysis_open(&given.analysis, err);
	if (stream->analysis) {
		stream->marked_count = analysis_cpu_count(stream->analysis);
		stream->marked = calloc(stream->marked_count + 1, sizeof(*stream->marked));
		if (given.csv)
			print_csv_head();
		if (!stream->marked)
			p2p_fail(err, "no memory");
		else if (!read_all(stream, err))
			status = P2P_OK;
		if (!status && stream->analysis->truncated)
			p2p_warn("%s is cut off: these are the events it still holds",
				 stream->analysis->file->shown);
		if (!status && stream->analysis->damaged)
			p2p_warn("%s: %" PRIu64 " pages or records are damaged and left out",
				 stream->analysis->file->shown, stream->analysis->damaged);
	}
	analysis_free(stream->analysis);
	free(stream->marked);
	free(stream);
	return status;
}

const struct command cmd_events = {
	.name = "events",
	.summary = "The events one by one, in the order of time across CPUs.",
	.usage = "[OPTIONS] [FILE]",
	.options = options,
	.pager = true,
	.run = run,
};
