// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The picture: rows of the report, the leaks and the findings as the reading commands
 * make them, of the totals as they stand, with what only a view needs beside them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "p2ptrace/predictions.h"
#include "p2ptrace/rows.h"
#include "p2ptrace/text.h"
#include "parts.h"

const char *texts_add(struct live_texts *texts, const char *text)
{
	char **row = text ? ROWS_ADD(texts->texts, texts->count) : NULL;

	if (row)
		*row = strdup(text);
	return row ? *row : NULL;
}

uint64_t rate_of(double seconds, uint64_t now, uint64_t before)
{
	if (!isfinite(seconds) || now == NOT_KNOWN || before == NOT_KNOWN || now < before)
		return NOT_KNOWN;
	return (uint64_t)llround((double)(now - before) / seconds);
}

static uint64_t wall_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- the head ---- */

static void name_source(struct live_head *head, const struct live *live)
{
	const struct analysis *analysis = live->engine.analysis;
	char *const *values = analysis->recording.values;

	head->host = live->machine.running ? live->machine.host : values[PRIVATE_HOSTNAME];
	head->kernel = live->machine.running ? live->machine.kernel : values[PRIVATE_KERNEL];
	head->events_from = values[PRIVATE_SOURCE];
	head->system = analysis->schema->system;
	head->clock = *analysis->file->clock ? analysis->file->clock : NULL;
	head->file = live->source == LIVE_REPLAY ? analysis->file->shown : NULL;
}

static uint64_t wall_of(const struct live *live)
{
	const struct recording *recording = &live->engine.analysis->recording;

	if (live->source != LIVE_REPLAY)
		return wall_now();
	if (!recording->ns || !recording->values[PRIVATE_WALL_OFFSET])
		return 0;
	return live->engine.position +
	       (uint64_t)strtoll(recording->values[PRIVATE_WALL_OFFSET], NULL, 10);
}

/* Seconds since the picture before, on the trace clock where it counts any. */
static double seconds_since(const struct live *live)
{
	bool stamps = live->engine.analysis && live->engine.analysis->recording.ns;
	uint64_t now = stamps ? live->engine.position : live_now_ns();
	uint64_t before = stamps ? live->past_stamp : live->past_wall;

	if (!live->pictures && stamps)
		before = live->engine.analysis->start;
	else if (!live->pictures)
		return NAN;
	return now > before ? (double)(now - before) / 1e9 : NAN;
}

static void fill_rates(struct live_head *head, const struct live *live, double seconds)
{
	const struct live_engine *engine = &live->engine;
	uint64_t succeeded = engine->succeeded - live->past_succeeded;

	head->events_per_s = rate_of(seconds, engine->events, live->past_events);
	head->maps_per_s = rate_of(seconds, engine->maps, live->past_maps);
	head->bytes_per_s = rate_of(seconds, engine->bytes, live->past_bytes);
	head->lost_since = head->lost > live->past_lost ? head->lost - live->past_lost : 0;
	head->bus_addr_ratio_now =
		succeeded ? (double)(engine->direct - live->past_direct) / (double)succeeded : NAN;
}

static void fill_head(struct live_head *head, const struct live *live, const struct report *report,
		      double seconds)
{
	const struct live_engine *engine = &live->engine;
	const struct analysis *analysis = engine->analysis;
	bool ns = analysis->recording.ns;

	name_source(head, live);
	head->progress = live->replay ? slice_plan_progress(&live->replay->plan) : NAN;
	head->wall_ns = wall_of(live);
	head->start = analysis->start;
	head->now = engine->position;
	head->duration_ns = ns && head->now >= head->start ? head->now - head->start : NOT_KNOWN;
	head->interval_ns = isfinite(seconds) ? (uint64_t)llround(seconds * 1e9) : NOT_KNOWN;
	head->events = report->total;
	head->maps = report->events[KIND_MAP];
	head->bytes = engine->bytes;
	head->lost = analysis->lost;
	head->lost_uncounted = analysis->lost_uncounted;
	head->let_go = engine->let_go;
	head->folded = engine->folded;
	head->bus_addr_ratio = report->bus_addr_ratio;
	head->open_allocs = report->open_allocs;
	head->open_alloc_bytes = report->alloc_bytes_known ? report->open_alloc_bytes : NOT_KNOWN;
	head->open_maps = report->open_maps;
	head->open_map_bytes = report->map_bytes_known ? report->open_map_bytes : NOT_KNOWN;
	if (live->keep.file >= 0) {
		head->kept_bytes = keep_bytes(&live->keep);
		head->kept_max = live->keep.slots * live->keep.page_size;
		head->kept_cut = keep_is_cut(&live->keep);
	}
	fill_rates(head, live, seconds);
}

static void fill_history(struct live_snapshot *snapshot, const struct live_engine *engine)
{
	uint64_t first = engine->first_second;

	if (!engine->seconds_begun)
		return;
	if (engine->last_second - first >= LIVE_HISTORY)
		first = engine->last_second - LIVE_HISTORY + 1;
	for (uint64_t second = first; second <= engine->last_second; second++)
		snapshot->history[snapshot->history_count++] =
			engine->seconds[second % LIVE_HISTORY];
}

/* ---- notes ---- */

static bool add_note(struct live_snapshot *snapshot, const char *text)
{
	const char **row = ROWS_ADD(snapshot->notes, snapshot->note_count);

	if (row)
		*row = texts_add(snapshot->own, text);
	return row && *row;
}

/* The caveats that stand above a report, one line each. */
static bool note_caveats(struct live_snapshot *snapshot, const struct analysis *analysis)
{
	char *text = NULL, *save = NULL;
	bool good = true;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return false;
	analysis_print_notes(analysis, out);
	good = !ferror(out);
	good &= !fclose(out);
	for (char *line = good ? strtok_r(text, "\n", &save) : NULL; line && good;
	     line = strtok_r(NULL, "\n", &save))
		good = add_note(snapshot, line);
	free(text);
	return good;
}

static bool note_state(struct live_snapshot *snapshot, const struct live *live)
{
	char text[256];

	if (live->engine.let_go) {
		snprintf(text, sizeof(text),
			 "more than %d were outstanding: the oldest %llu were given up, and are "
			 "not counted as open",
			 LIVE_OPEN_MAX, (unsigned long long)live->engine.let_go);
		if (!add_note(snapshot, text))
			return false;
	}
	if (live->keep.error) {
		snprintf(text, sizeof(text), "no more is kept for writing it to a file: %s",
			 strerror(live->keep.error));
		if (!add_note(snapshot, text))
			return false;
	}
	return true;
}

/* Why there are counters only, and how to get more. */
static bool note_missing(struct live_snapshot *snapshot, const struct live *live)
{
	struct missing_layer missing[MISSING_LAYERS_MAX];
	char text[512];
	size_t count;

	if (!add_note(snapshot, "no events, only counters: see 'p2ptrace doctor'") ||
	    !add_note(snapshot, live->no_events.text))
		return false;
	count = counters_missing(&live->machine.system.topology.root, &live->machine.now,
				 live->machine.without, missing);
	for (size_t i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "%s: %s; %s", missing[i].layer, missing[i].why,
			 missing[i].remedy);
		if (!add_note(snapshot, text))
			return false;
	}
	return true;
}

/* ---- the whole ---- */

static int take_picture(struct live *live, struct live_snapshot *snapshot, struct report *report,
			struct p2p_error *err)
{
	struct row_maker maker = { live, snapshot, report, seconds_since(live) };

	fill_head(&snapshot->head, live, report, maker.seconds);
	fill_history(snapshot, &live->engine);
	if (live->machine.has_system && predictions_borrow(report, &live->machine.system, err))
		return -1;
	if (judge(live, report, err))
		return -1;
	if (rows_make(&maker) && events_make(&maker) && counters_make(&maker) &&
	    matrix_make(&maker) && judgement_copy(live, snapshot) &&
	    note_caveats(snapshot, live->engine.analysis) && note_state(snapshot, live))
		return 0;
	return p2p_fail(err, "no memory for the picture");
}

static int picture_events(struct live *live, struct live_snapshot *snapshot, struct p2p_error *err)
{
	struct analysis *analysis = live->engine.analysis;
	struct report report;
	int result;

	if (live->source == LIVE_KERNEL)
		kernel_read_losses(live);
	analysis->stop = live->engine.position > analysis->start ? live->engine.position
								 : analysis->start;
	if (analysis_settle(analysis, err) || report_make(&report, analysis, err))
		return -1;
	result = take_picture(live, snapshot, &report, err);
	report_free(&report);
	return result;
}

static int picture_counters(struct live *live, struct live_snapshot *snapshot,
			    struct p2p_error *err)
{
	struct report none = { .bus_addr_ratio = NAN };
	struct row_maker maker = { live, snapshot, &none, seconds_since(live) };
	struct live_head *head = &snapshot->head;
	const struct live_machine *machine = &live->machine;
	const struct counters *before = machine->has_before ? &machine->before : NULL;

	head->host = machine->running ? machine->host : NULL;
	head->kernel = machine->running ? machine->kernel : NULL;
	head->progress = NAN;
	head->wall_ns = wall_now();
	head->duration_ns = head->events_per_s = head->maps_per_s = head->bytes_per_s = NOT_KNOWN;
	head->interval_ns = isfinite(maker.seconds) ? (uint64_t)llround(maker.seconds * 1e9)
						    : NOT_KNOWN;
	head->bus_addr_ratio = counters_bus_addr_ratio(NULL, &machine->now);
	head->bus_addr_ratio_now = before ? counters_bus_addr_ratio(before, &machine->now) : NAN;
	if (rows_make(&maker) && counters_make(&maker) && matrix_make(&maker) &&
	    note_missing(snapshot, live))
		return 0;
	return p2p_fail(err, "no memory for the picture");
}

/* What the next picture's rates are counted from. */
static void remember(struct live *live, const struct live_snapshot *snapshot)
{
	const struct live_engine *engine = &live->engine;

	live->pictures++;
	live->past_stamp = engine->position;
	live->past_wall = live_now_ns();
	live->past_events = engine->events;
	live->past_maps = engine->maps;
	live->past_bytes = engine->bytes;
	live->past_lost = snapshot->head.lost;
	live->past_direct = engine->direct;
	live->past_succeeded = engine->succeeded;
}

int live_snapshot(struct live *live, struct live_snapshot *snapshot, struct p2p_error *err)
{
	int result;

	*snapshot =
		(struct live_snapshot){ .number = live->pictures,
					.head = { .source = live->source, .ended = live->ended } };
	snapshot->own = calloc(1, sizeof(*snapshot->own));
	if (!snapshot->own)
		return p2p_fail(err, "no memory for the picture");
	result = machine_read_counters(live, err);
	if (!result)
		result = live->source == LIVE_COUNTERS ? picture_counters(live, snapshot, err)
						       : picture_events(live, snapshot, err);
	if (result)
		live_snapshot_free(snapshot);
	else
		remember(live, snapshot);
	return result;
}

static void free_texts(struct live_texts *own)
{
	for (size_t i = 0; own && i < own->count; i++)
		free(own->texts[i]);
	for (size_t i = 0; own && i < own->histogram_count; i++)
		histogram_free(&own->histograms[i]);
	if (own) {
		free(own->texts);
		free(own->histograms);
	}
	free(own);
}

void live_snapshot_free(struct live_snapshot *snapshot)
{
	free(snapshot->types);
	free(snapshot->pairs);
	free(snapshot->processes);
	free(snapshot->pools);
	free(snapshot->leaks);
	free(snapshot->events);
	free(snapshot->counters);
	free(snapshot->notes);
	findings_free(&snapshot->findings);
	free(snapshot->matrix.providers);
	free(snapshot->matrix.clients);
	free(snapshot->matrix.provider_labels);
	free(snapshot->matrix.client_labels);
	free(snapshot->matrix.cells);
	free_texts(snapshot->own);
	*snapshot = (struct live_snapshot){ .number = 0 };
}
