// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/analysis.h"
#include "p2ptrace/pipeline.h"
#include "p2ptrace/progress.h"
#include "p2ptrace/report.h"
#include "p2ptrace/rows.h"

/* Files smaller than this are done before a second thread has started. */
#define ONE_THREAD_BYTES (8u << 20)

const struct option_spec analysis_option_table[] = {
	{ OPTION_STRING, 'i', "input", "FILE", "the recording (default p2ptrace.dat; - is stdin)",
	  .offset = offsetof(struct analysis_options, path) },
	{ OPTION_U64, 'j', "jobs", "N", "threads that read (default: one per CPU)",
	  .offset = offsetof(struct analysis_options, threads) },
	{ .kind = OPTION_GROUP,
	  .group = selection_option_table,
	  .offset = offsetof(struct analysis_options, select) },
	{ .kind = OPTION_END },
};

/* ---- loss ---- */

static struct cpu_loss *loss_of(struct analysis *analysis, uint32_t cpu)
{
	struct cpu_loss *loss;

	for (size_t i = 0; i < analysis->loss_count; i++)
		if (analysis->losses[i].cpu == cpu)
			return &analysis->losses[i];
	loss = ROWS_ADD(analysis->losses, analysis->loss_count);
	if (loss)
		loss->cpu = cpu;
	return loss;
}

bool analysis_add_losses(struct analysis *analysis, const struct p2p_loss *losses, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct cpu_loss *loss = loss_of(analysis, losses[i].cpu);

		if (!loss)
			return false;
		if (losses[i].count == PAGE_LOST_UNCOUNTED)
			loss->uncounted++;
		else
			loss->marked += losses[i].count;
	}
	return true;
}

/* The kernel's per-CPU statistics know the whole number, the marks in the pages
 * where it happened; pages that were exactly full have a mark without a number. */
static bool add_statistics(struct analysis *analysis)
{
	const struct trace_file *file = analysis->file;
	const struct recording *recording = &analysis->recording;

	for (uint32_t cpu = 0; cpu < file->stat_count; cpu++) {
		const struct trace_cpu_stats *stats = &file->stats[cpu];
		struct cpu_loss *loss;

		if (!(stats->overrun | stats->commit_overrun | stats->dropped))
			continue;
		loss = loss_of(analysis, cpu);
		if (!loss)
			return false;
		loss->overrun = stats->overrun;
		loss->commit_overrun = stats->commit_overrun;
		loss->dropped = stats->dropped;
	}
	for (size_t i = 0; i < recording->unsaved_count; i++) {
		struct cpu_loss *loss = loss_of(analysis, recording->unsaved[i].cpu);

		if (!loss)
			return false;
		loss->unsaved += recording->unsaved[i].events;
	}
	return true;
}

static int compare_loss(const void *a, const void *b)
{
	const struct cpu_loss *left = a, *right = b;

	return left->cpu < right->cpu ? -1 : left->cpu > right->cpu;
}

bool analysis_sum_losses(struct analysis *analysis)
{
	for (size_t i = 0; i < analysis->loss_count; i++)
		analysis->losses[i].unsaved = 0;
	if (!add_statistics(analysis))
		return false;
	analysis->lost_uncounted = 0;
	analysis->lost = analysis->recording.missed;
	analysis->loss_unplaced = analysis->lost != 0;
	for (size_t i = 0; i < analysis->loss_count; i++) {
		struct cpu_loss *loss = &analysis->losses[i];
		uint64_t beside = loss->commit_overrun + loss->dropped + loss->unsaved;
		bool counted = loss->cpu < analysis->file->stat_count &&
			       analysis->file->stats[loss->cpu].known;

		if (analysis->recording.flight_recorder)
			loss->marked = loss->uncounted = loss->overrun = 0;
		loss->lost = analysis_cpu_lost(analysis, loss->cpu, loss->marked);
		analysis->lost += loss->lost;
		analysis->loss_unplaced |= beside ||
					   (loss->overrun > loss->marked && !loss->uncounted);
		/* With the kernel's statistics at hand every gap has its number. */
		analysis->lost_uncounted += counted ? 0 : loss->uncounted;
	}
	rows_sort(analysis->losses, analysis->loss_count, sizeof(*analysis->losses), compare_loss);
	return true;
}

/* ---- the run ---- */

struct run_context {
	struct analysis *analysis;
	struct progress progress;
};

/* Kept until the end: the filters look at names while other threads still decode. */
static bool add_notes(struct analysis *analysis, const struct slice *slice)
{
	for (size_t i = 0; i < slice->note_count; i++) {
		struct p2p_note *note = ROWS_ADD(analysis->notes, analysis->note_count);

		if (!note)
			return false;
		*note = slice->notes[i];
	}
	return true;
}

static bool count_slice(struct analysis *analysis, const struct slice *slice)
{
	analysis->other += slice->other;
	analysis->damaged += slice->damaged;
	analysis->truncated |= slice->cut;
	return add_notes(analysis, slice) &&
	       analysis_add_losses(analysis, slice->losses, slice->loss_count);
}

static bool take_finished(void *context, const struct slice *slice)
{
	return count_slice(((struct run_context *)context)->analysis, slice);
}

static void show_progress(void *context, double fraction)
{
	progress_say(&((struct run_context *)context)->progress, fraction);
}

static unsigned int thread_count(const struct analysis *analysis, uint64_t asked)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t bytes = 0;

	for (size_t i = 0; i < analysis->file->lane_count; i++)
		bytes += analysis->file->lanes[i].bytes;
	if (asked)
		return asked < 64 ? (unsigned int)asked : 64;
	if (bytes < ONE_THREAD_BYTES || cpus < 1)
		return 1;
	return cpus < 16 ? (unsigned int)cpus : 16;
}

static int make_matchers(struct analysis *analysis, unsigned int threads, struct p2p_error *err)
{
	analysis->shard_count = pipeline_shards(threads);
	analysis->matchers = calloc(analysis->shard_count, sizeof(*analysis->matchers));
	if (!analysis->matchers)
		return p2p_fail(err, "no memory for the analysis");
	for (unsigned int i = 0; i < analysis->shard_count; i++) {
		if (!matcher_init(&analysis->matchers[i], analysis->file, analysis->paths))
			return p2p_fail(err, "no memory for the analysis");
		analysis->matchers[i].foreign_ends = analysis->selection.foreign_ends;
		analysis->matchers[i].provider_filtered = analysis->selection.given.provider;
		analysis->matchers[i].client_filtered = analysis->selection.given.client;
	}
	return 0;
}

/* Groups and times: the common ones, and for each matcher of its own. */
static int make_details(struct analysis *analysis, const struct analysis_options *options,
			struct p2p_error *err)
{
	if (!options->by && !options->bins)
		return 0;
	analysis->details = calloc(analysis->shard_count + 1, sizeof(*analysis->details));
	if (!analysis->details)
		return p2p_fail(err, "no memory for the analysis");
	for (unsigned int i = 0; i <= analysis->shard_count; i++) {
		struct details *details = &analysis->details[i];

		if (!details_init(details, options->by, (uint32_t)options->bins, analysis->start,
				  analysis->stop, analysis->paths, &analysis->processes))
			return p2p_fail(err, "no memory for the analysis");
		if (!i)
			continue;
		details->common = &analysis->details[0];
		analysis->matchers[i - 1].details = details;
	}
	return 0;
}

/* As it stands in the tables, as a name of its own where it is not known. */
static uint32_t name_of_thread(const void *context, uint32_t tid)
{
	const struct analysis *analysis = context;
	const char *name = analysis_comm(analysis, tid, 0);

	return names_intern(analysis->names, name, strlen(name));
}

static int merge_details(struct analysis *analysis, struct p2p_error *err)
{
	bool good = true;

	if (!analysis->details)
		return 0;
	for (unsigned int i = 1; good && i <= analysis->shard_count; i++) {
		good = details_merge(&analysis->details[0], &analysis->details[i]);
		details_destroy(&analysis->details[i]);
	}
	good = good && details_name_threads(&analysis->details[0], name_of_thread, analysis);
	return good ? 0 : p2p_fail(err, "no memory for the analysis");
}

static int compare_notes(const void *a, const void *b)
{
	const struct p2p_note *left = a, *right = b;

	return left->stamp < right->stamp ? -1 : left->stamp > right->stamp;
}

static bool tell_notes(struct analysis *analysis)
{
	bool good = true;

	rows_sort(analysis->notes, analysis->note_count, sizeof(*analysis->notes), compare_notes);
	for (size_t i = 0; i < analysis->note_count; i++)
		good = good && processes_note(&analysis->processes, &analysis->notes[i]);
	free(analysis->notes);
	analysis->notes = NULL;
	analysis->note_count = 0;
	return good;
}

/* The filters as decoding wants them; NULL: there are none. */
static const struct decode_filter *apply_selection(struct analysis *analysis)
{
	const struct selection *selection = &analysis->selection;

	analysis->filter =
		(struct decode_filter){ .from = selection->from,
					.until = selection->until,
					.begins = selection->begins ? selection_begin : NULL,
					.context = selection };
	analysis->paths->select = selection->any ? selection_path : NULL;
	analysis->paths->select_context = selection;
	return selection->any ? &analysis->filter : NULL;
}

static int run_pipeline(struct analysis *analysis, const struct analysis_options *options,
			struct p2p_error *err)
{
	struct run_context context = { .analysis = analysis };
	struct pipeline pipeline = { .file = analysis->file,
				     .schema = analysis->schema,
				     .names = analysis->names,
				     .paths = analysis->paths,
				     .stacks = analysis->stacks,
				     .filter = apply_selection(analysis),
				     .threads = thread_count(analysis, options->threads),
				     .finished = take_finished,
				     .progress = options->progress ? show_progress : NULL,
				     .context = &context };
	char what[300];
	int result;

	if (make_matchers(analysis, pipeline.threads, err) || make_details(analysis, options, err))
		return -1;
	pipeline.matchers = analysis->matchers;
	pipeline.shards = analysis->shard_count;
	snprintf(what, sizeof(what), "reading %s", analysis->file->shown);
	progress_begin(&context.progress, what);
	result = pipeline_run(&pipeline, err);
	progress_end(&context.progress);
	if (!result && (!analysis_sum_losses(analysis) || !tell_notes(analysis)))
		result = p2p_fail(err, "no memory for the analysis");
	return result;
}

static int prepare(struct analysis *analysis, const struct analysis_options *options,
		   struct p2p_error *err)
{
	if (recording_read(&analysis->recording, analysis->file, err))
		return -1;
	analysis->schema = schema_new(analysis->file,
				      (const char *const *)analysis->recording.type_names,
				      analysis->recording.type_count);
	analysis->names = names_new();
	analysis->paths = analysis->names ? paths_new(analysis->names) : NULL;
	if (analysis->schema && analysis->schema->kinds & 1u << KIND_STACK)
		analysis->stacks = names_new();
	if (!analysis->schema || !analysis->paths)
		return p2p_fail(err, "no memory for the analysis");
	schema_set_pages(analysis->schema, analysis->recording.values[PRIVATE_PAGE_STRUCT]);
	if (processes_init(&analysis->processes, analysis->file, &analysis->recording,
			   analysis->names, err))
		return -1;
	return selection_init(&analysis->selection, &options->select, &analysis->recording,
			      &analysis->processes, err);
}

static int compare_tids(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

/* A thread may stand in several shards. */
static bool count_unknown_tgids(struct analysis *analysis)
{
	size_t count = 0, room = 0;
	uint32_t *tids;

	for (unsigned int shard = 0; shard < analysis->shard_count; shard++)
		room += analysis->matchers[shard].thread_count;
	tids = calloc(room + 1, sizeof(*tids));
	if (!tids)
		return false;
	for (unsigned int shard = 0; shard < analysis->shard_count; shard++)
		for (uint32_t i = 0; i < analysis->matchers[shard].thread_count; i++) {
			uint32_t tid = analysis->matchers[shard].threads[i].tid;
			bool known;

			processes_tgid(&analysis->processes, tid, &known);
			if (!known && tid != TID_INTERRUPT && tid != TID_OTHERS)
				tids[count++] = tid;
		}
	qsort(tids, count, sizeof(*tids), compare_tids);
	analysis->unknown_tgids = 0;
	for (size_t i = 0; i < count; i++)
		analysis->unknown_tgids += !i || tids[i] != tids[i - 1];
	free(tids);
	return true;
}

static void set_window(struct analysis *analysis)
{
	const struct recording *recording = &analysis->recording;

	analysis->start = recording->start;
	analysis->stop = recording->stop;
	if (analysis->selection.from > analysis->start)
		analysis->start = analysis->selection.from;
	if (analysis->selection.until < analysis->stop)
		analysis->stop = analysis->selection.until;
	if (analysis->stop < analysis->start)
		analysis->stop = analysis->start;
}

struct analysis *analysis_adopt(struct trace_file *file, const struct analysis_options *options,
				struct p2p_error *err)
{
	struct analysis *analysis = calloc(1, sizeof(*analysis));

	if (!analysis) {
		trace_file_close(file);
		p2p_fail(err, "no memory");
		return NULL;
	}
	analysis->file = file;
	if (prepare(analysis, options, err)) {
		analysis_free(analysis);
		return NULL;
	}
	analysis->truncated = analysis->file->truncated || analysis->recording.recovered;
	set_window(analysis);
	return analysis;
}

struct analysis *analysis_open(const struct analysis_options *options, struct p2p_error *err)
{
	struct trace_file *file = trace_file_open(options->path, err);

	return file ? analysis_adopt(file, options, err) : NULL;
}

int analysis_begin(struct analysis *analysis, const struct decode_filter **filter,
		   struct p2p_error *err)
{
	*filter = apply_selection(analysis);
	return make_matchers(analysis, 1, err);
}

int analysis_take(struct analysis *analysis, const struct slice *slice, struct p2p_error *err)
{
	if (matcher_take(&analysis->matchers[0], slice, 0, err))
		return -1;
	if (count_slice(analysis, slice) && tell_notes(analysis))
		return 0;
	return p2p_fail(err, "no memory for the analysis");
}

int analysis_settle(struct analysis *analysis, struct p2p_error *err)
{
	if (analysis_sum_losses(analysis) && count_unknown_tgids(analysis))
		return 0;
	return p2p_fail(err, "no memory for the analysis");
}

int analysis_read(struct analysis *analysis, const struct analysis_options *options,
		  struct p2p_error *err)
{
	if (run_pipeline(analysis, options, err))
		return -1;
	if (!count_unknown_tgids(analysis))
		return p2p_fail(err, "no memory for the analysis");
	return merge_details(analysis, err);
}

struct analysis *analysis_run(const struct analysis_options *options, struct p2p_error *err)
{
	struct analysis *analysis = analysis_open(options, err);

	if (!analysis || !analysis_read(analysis, options, err))
		return analysis;
	analysis_free(analysis);
	return NULL;
}

void analysis_free(struct analysis *analysis)
{
	if (!analysis)
		return;
	for (unsigned int i = 0; analysis->matchers && i < analysis->shard_count; i++)
		matcher_destroy(&analysis->matchers[i]);
	for (unsigned int i = 0; analysis->details && i <= analysis->shard_count; i++)
		details_destroy(&analysis->details[i]);
	free(analysis->details);
	free(analysis->matchers);
	free(analysis->losses);
	free(analysis->notes);
	selection_free(&analysis->selection);
	processes_free(&analysis->processes);
	paths_free(analysis->paths);
	names_free(analysis->names);
	names_free(analysis->stacks);
	schema_free(analysis->schema);
	recording_free(&analysis->recording);
	trace_file_close(analysis->file);
	free(analysis);
}

uint64_t analysis_events(const struct analysis *analysis, enum event_kind kind)
{
	uint64_t events = 0;

	for (unsigned int shard = 0; shard < analysis->shard_count; shard++) {
		const struct matcher *matcher = &analysis->matchers[shard];

		for (uint32_t id = 0; id < matcher->totals_room; id++) {
			const struct path_totals *totals = matcher->totals[id];
			enum event_kind of = totals ? path_at(analysis->paths, id)->kind : 0;

			if (!totals)
				continue;
			/* Ends count to the path that began, orphans to their own. */
			if (of == kind && !kind_is_end(kind))
				events += totals->begins;
			else if (kind == KIND_FREE && (of == KIND_ALLOC || of == KIND_FREE))
				events += totals->ends;
			else if (kind == KIND_UNMAP && (of == KIND_MAP || of == KIND_UNMAP))
				events += totals->ends;
		}
	}
	return events;
}

uint64_t analysis_cpu_lost(const struct analysis *analysis, uint32_t cpu, uint64_t marked)
{
	const struct recording *recording = &analysis->recording;
	uint64_t lost = recording->flight_recorder ? 0 : marked;

	if (cpu < analysis->file->stat_count) {
		const struct trace_cpu_stats *stats = &analysis->file->stats[cpu];

		/* A flight recorder's overruns are what it was told to let go. */
		if (!recording->flight_recorder && stats->overrun > lost)
			lost = stats->overrun;
		lost += stats->commit_overrun + stats->dropped;
	}
	for (size_t i = 0; i < recording->unsaved_count; i++)
		lost += recording->unsaved[i].cpu == cpu ? recording->unsaved[i].events : 0;
	return lost;
}

uint32_t analysis_cpu_count(const struct analysis *analysis)
{
	uint32_t count = (uint32_t)analysis->file->stat_count;

	for (size_t i = 0; i < analysis->file->lane_count; i++)
		if (analysis->file->lanes[i].cpu >= count && analysis->file->lanes[i].cpu < 65536)
			count = analysis->file->lanes[i].cpu + 1;
	for (size_t i = 0; i < analysis->recording.unsaved_count; i++)
		if (analysis->recording.unsaved[i].cpu >= count &&
		    analysis->recording.unsaved[i].cpu < 65536)
			count = analysis->recording.unsaved[i].cpu + 1;
	return count;
}
