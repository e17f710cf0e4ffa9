// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From a slice's span to totals: the same decoding, order and matching as in report,
 * and beside them what only a live view shows.  After each slice the tables are kept
 * within their bounds.
 */
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/match_bounds.h"
#include "parts.h"

#define SECOND_NS 1000000000u
/* Notes of processes that did nothing here are forgotten beyond so many. */
#define PROCESSES_MAX (4 * LIVE_THREADS_MAX)

/* ---- life ---- */

/* Lifetimes of each process, beside what report has of it. */
static int profile_processes(struct live_engine *engine)
{
	struct analysis *analysis = engine->analysis;

	if (!details_init(&engine->by_process, BY_PID, 0, 0, 0, analysis->paths,
			  &analysis->processes))
		return -1;
	engine->by_process.lifetimes_only = true;
	engine->by_process.group_limit = LIVE_PROFILES_MAX;
	analysis->matchers[0].details = &engine->by_process;
	return 0;
}

int engine_open(struct live_engine *engine, struct trace_file *file,
		const struct live_options *options, struct p2p_error *err)
{
	struct analysis_options given = { .path = file->path, .select = options->select };
	const struct decode_filter *filter;
	struct analysis *analysis = analysis_adopt(file, &given, err);
	uint32_t others;

	engine->analysis = analysis;
	if (!analysis)
		return -1;
	/* Names that come later must not change what the filters pick. */
	if (processes_init(&engine->named, file, &analysis->recording, analysis->names, err) ||
	    analysis_begin(analysis, &filter, err) ||
	    decoder_init(&engine->decoder, file, analysis->schema, analysis->names, analysis->paths,
			 err) ||
	    slice_init(&engine->slice, file, err))
		return -1;
	if (profile_processes(engine))
		return p2p_fail(err, "no memory for the analysis");
	analysis->selection.processes = &engine->named;
	engine->decoder.filter = filter;
	if (names_limit(analysis->names, LIVE_NAMES_MAX, "[others]"))
		return p2p_fail(err, "no memory for the analysis");
	others = names_intern(analysis->names, "[others]", 8);
	analysis->paths->others = others;
	analysis->paths->limit = LIVE_PATHS_MAX;
	engine->threads_max = LIVE_THREADS_MAX;
	engine->position = analysis->start;
	return 0;
}

void engine_close(struct live_engine *engine)
{
	if (!engine->analysis)
		return;
	if (engine->decoder.file)
		decoder_destroy(&engine->decoder);
	slice_destroy(&engine->slice);
	processes_free(&engine->named);
	details_destroy(&engine->by_process);
	analysis_free(engine->analysis);
	engine->analysis = NULL;
}

/* ---- seconds ---- */

static uint64_t second_of(const struct live_engine *engine, uint64_t stamp)
{
	/* Other clocks: the time of this machine, when the events were looked at. */
	return (engine->analysis->recording.ns ? stamp : live_now_ns()) / SECOND_NS;
}

/* The second's place, all before it having been made; NULL: it lies too far back. */
static struct live_second *reach_second(struct live_engine *engine, uint64_t second)
{
	if (!engine->seconds_begun) {
		engine->first_second = engine->last_second = second;
		engine->seconds_begun = true;
	}
	if (second > engine->last_second + LIVE_HISTORY) {
		memset(engine->seconds, 0, sizeof(engine->seconds));
		engine->last_second = second;
	}
	while (engine->last_second < second)
		engine->seconds[++engine->last_second % LIVE_HISTORY] =
			(struct live_second){ .events = 0 };
	if (second < engine->first_second || second + LIVE_HISTORY <= engine->last_second)
		return NULL;
	return &engine->seconds[second % LIVE_HISTORY];
}

static void count_map(struct live_engine *engine, struct live_second *second,
		      const struct p2p_record *record)
{
	uint8_t type = record->type < MAP_TYPES_KNOWN ? record->type : MAP_TYPE_UNKNOWN;

	engine->maps++;
	second->maps[type]++;
	if (record->flags & RECORD_FAILED)
		return;
	engine->bytes += record->size;
	second->bytes += record->size;
	engine->succeeded++;
	engine->direct += type == MAP_TYPE_BUS_ADDR;
}

static void count_seconds(struct live_engine *engine)
{
	const struct slice *slice = &engine->slice;
	struct live_second nowhere = { .events = 0 }, *second = NULL;
	uint64_t from = 0, until = 0;

	engine->events += slice->record_count;
	for (uint32_t i = 0; i < slice->record_count; i++) {
		const struct p2p_order *place = &slice->order[i];

		if (!second || place->stamp < from || place->stamp >= until) {
			uint64_t number = second_of(engine, place->stamp);

			from = engine->analysis->recording.ns ? number * SECOND_NS : 0;
			until = engine->analysis->recording.ns ? from + SECOND_NS : UINT64_MAX;
			second = reach_second(engine, number);
			second = second ? second : &nowhere;
		}
		second->events++;
		if (slice->records[place->index].kind == KIND_MAP)
			count_map(engine, second, &slice->records[place->index]);
	}
}

void engine_advance(struct live_engine *engine, uint64_t stamp)
{
	if (stamp > engine->position)
		engine->position = stamp;
	reach_second(engine, second_of(engine, engine->position));
}

/* ---- the latest events ---- */

static struct seen_event *next_seen(struct live_engine *engine)
{
	return &engine->latest[engine->latest_count++ % LIVE_EVENTS_MAX];
}

static void note_loss(struct live_engine *engine, const struct p2p_loss *loss)
{
	*next_seen(engine) = (struct seen_event){
		.record = { .addr = loss->count, .cpu = (uint16_t)loss->cpu },
		.stamp = loss->stamp,
	};
}

static void note_latest(struct live_engine *engine)
{
	const struct slice *slice = &engine->slice;
	uint32_t count = slice->record_count;
	uint32_t skip = count > LIVE_EVENTS_MAX ? count - LIVE_EVENTS_MAX : 0;
	size_t loss = 0;

	engine->latest_count += skip;
	for (uint32_t i = skip; i < count; i++) {
		const struct p2p_order *place = &slice->order[i];

		for (; loss < slice->loss_count && slice->losses[loss].stamp <= place->stamp;
		     loss++)
			if (slice->losses[loss].stamp >= slice->order[skip].stamp)
				note_loss(engine, &slice->losses[loss]);
		*next_seen(engine) =
			(struct seen_event){ slice->records[place->index], place->stamp };
	}
	for (; loss < slice->loss_count; loss++)
		note_loss(engine, &slice->losses[loss]);
}

/* ---- bounds ---- */

static bool thread_runs(const void *context, const struct thread_totals *thread)
{
	const struct live_engine *engine = context;
	bool known;
	uint32_t tgid = processes_tgid(&engine->analysis->processes, thread->tid, &known);

	return thread->tid == TID_IDLE ||
	       !(processes_exited(&engine->analysis->processes, tgid) ||
		 processes_exited(&engine->analysis->processes, thread->tid));
}

static bool thread_is_lately(const void *context, const struct thread_totals *thread)
{
	const struct matcher *matcher =
		&((const struct live_engine *)context)->analysis->matchers[0];

	/* Threads stand in the order of their first event. */
	return (uint32_t)(thread - matcher->threads) >=
	       matcher->thread_count - LIVE_THREADS_MAX / 2;
}

/* First those that are gone; if that is not enough, those that came first. */
static int bound_threads(struct live_engine *engine, struct p2p_error *err)
{
	struct matcher *matcher = &engine->analysis->matchers[0];
	int64_t gone = 0, first = 0;

	if (matcher->thread_count <= engine->threads_max)
		return 0;
	gone = matcher_fold_threads(matcher, thread_runs, engine);
	if (matcher->thread_count > LIVE_THREADS_MAX - LIVE_THREADS_MAX / 4)
		first = matcher_fold_threads(matcher, thread_is_lately, engine);
	if (gone < 0 || first < 0)
		return p2p_fail(err, "no memory for the analysis");
	engine->folded += (uint64_t)(gone + first);
	/* Those that own what is outstanding stay: not to be tried again at once. */
	engine->threads_max = matcher->thread_count + LIVE_THREADS_MAX / 4;
	if (engine->threads_max < LIVE_THREADS_MAX)
		engine->threads_max = LIVE_THREADS_MAX;
	return 0;
}

struct known_threads {
	uint32_t *tids; /* sorted: of threads, and of their processes */
	size_t count;
};

static int compare_tids(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static bool is_known(const void *context, uint32_t tid)
{
	const struct known_threads *known = context;

	return bsearch(&tid, known->tids, known->count, sizeof(*known->tids), compare_tids);
}

/* Every process that ends or is renamed leaves a note: of whom nothing was seen it is
 * forgotten. */
static int bound_processes(struct live_engine *engine, struct p2p_error *err)
{
	struct analysis *analysis = engine->analysis;
	const struct matcher *matcher = &analysis->matchers[0];
	struct known_threads known = { .count = 0 };
	bool good, told;

	if (analysis->processes.used <= PROCESSES_MAX)
		return 0;
	known.tids = calloc(2 * (size_t)matcher->thread_count + 1, sizeof(*known.tids));
	for (uint32_t i = 0; known.tids && i < matcher->thread_count; i++) {
		uint32_t tid = matcher->threads[i].tid;

		known.tids[known.count++] = tid;
		known.tids[known.count++] = processes_tgid(&analysis->processes, tid, &told);
	}
	if (known.tids)
		qsort(known.tids, known.count, sizeof(*known.tids), compare_tids);
	good = known.tids && processes_forget(&analysis->processes, is_known, &known);
	free(known.tids);
	return good ? 0 : p2p_fail(err, "no memory for the names of processes");
}

static int bound_open(struct live_engine *engine, struct p2p_error *err)
{
	struct matcher *matcher = &engine->analysis->matchers[0];
	int64_t gone;

	if (matcher->open.open <= LIVE_OPEN_MAX)
		return 0;
	gone = matcher_let_go(matcher, LIVE_OPEN_MAX - LIVE_OPEN_MAX / 8);
	if (gone < 0)
		return p2p_fail(err, "no memory for the analysis");
	engine->let_go += (uint64_t)gone;
	return 0;
}

int engine_take(struct live_engine *engine, struct p2p_error *err)
{
	if (slice_decode(&engine->decoder, &engine->slice, err) ||
	    analysis_take(engine->analysis, &engine->slice, err))
		return -1;
	count_seconds(engine);
	note_latest(engine);
	if (bound_threads(engine, err) || bound_processes(engine, err))
		return -1;
	return bound_open(engine, err);
}
