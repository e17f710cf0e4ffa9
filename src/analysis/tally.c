// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/rows.h"
#include "p2ptrace/tally.h"

#define TYPE(field) offsetof(struct tally_type, field)

/* Pages taken by a thread at a time. */
#define RUN_BYTES (128u << 10)

const struct column tally_columns[] = {
	{ CELL_TEXT, "type", "MAP TYPE", TYPE(type), IN_ALL },
	{ CELL_COUNT, "maps", "MAPS", TYPE(maps), IN_ALL },
	{ CELL_SHARE, "share", "SHARE", TYPE(share), IN_ALL },
	{ CELL_BYTES, "bytes", "BYTES", TYPE(bytes), IN_ALL },
	{ CELL_COUNT, "failed", "FAILED", TYPE(failed), IN_ALL },
	{ .kind = CELL_END },
};

/* Of one layout and one number of a type; the last place takes all numbers beyond. */
struct cell {
	uint64_t count, bytes, failed;
};

/* What one thread counts. */
struct counter {
	struct cell (*cells)[TYPE_SYMBOLS + 1]; /* [layout] */
	uint64_t by_name[256][3]; /* types that are texts: count, bytes, failed */
	uint64_t other, damaged;
	struct p2p_loss *losses;
	size_t loss_count;
	bool cut, no_memory;
};

struct work {
	struct analysis *analysis;
	struct page_form form;
	uint64_t from, until;
	atomic_size_t next_run; /* runs are numbered lane by lane */
	pthread_mutex_t lock; /* of err and failed */
	bool failed;
	struct p2p_error *err;
};

/* ---- one record ---- */

static inline bool has_failed(const struct event_layout *layout, struct page_form form,
			      const unsigned char *data)
{
	uint64_t addr = schema_number(form, &layout->addr, data);

	if (addr + layout->fail_bias > layout->fail_limit)
		return true;
	if (__builtin_expect(!layout->extras, 1))
		return false;
	return (layout->ret.present && schema_signed(form, &layout->ret, data) < 0) ||
	       (layout->short_errors && addr > UINT32_MAX - 4096);
}

/* A type that stands in the record as a text. */
static __attribute__((noinline)) void count_named(struct counter *counter,
						  const struct event_layout *layout,
						  struct page_form form, const unsigned char *data,
						  uint32_t length)
{
	uint32_t text_length;
	const char *text = event_field_text(layout->fields[P2P_TYPE], data, length, form.swapped,
					    &text_length);
	uint8_t type;

	if (!text) {
		counter->damaged++;
		return;
	}
	type = map_type_by_name(text, text_length);
	counter->by_name[type][0]++;
	counter->by_name[type][1] += schema_number(form, &layout->size, data);
	counter->by_name[type][2] += has_failed(layout, form, data) || map_type_refused(type);
}

static inline __attribute__((always_inline)) void
count_record(struct counter *counter, const struct event_layout *layout, struct page_form form,
	     const unsigned char *data, uint32_t length)
{
	uint64_t type = schema_number(form, &layout->type, data);
	struct cell *cell =
		&counter->cells[layout->index][type < TYPE_SYMBOLS ? type : TYPE_SYMBOLS];

	if (__builtin_expect(layout->type_is_text && layout->kind == KIND_MAP, 0)) {
		count_named(counter, layout, form, data, length);
		return;
	}
	cell->count++;
	cell->bytes += schema_number(form, &layout->size, data);
	cell->failed += has_failed(layout, form, data);
}

static inline __attribute__((always_inline)) void
count_page(const struct work *work, struct counter *counter, struct page_form form,
	   const unsigned char *page, size_t bytes, uint32_t cpu, bool whole)
{
	const struct schema *schema = work->analysis->schema;
	const unsigned char *data;
	struct page_walk walk;
	uint32_t length;

	page_begin(&walk, form, page, bytes);
	counter->cut |= walk.cut;
	if (walk.lost) {
		struct p2p_loss *loss = ROWS_ADD(counter->losses, counter->loss_count);

		counter->no_memory |= !loss;
		if (loss)
			*loss = (struct p2p_loss){ walk.page_stamp, walk.lost, cpu };
	}
	while ((data = page_next(&walk, form, &length))) {
		const struct event_layout *layout;

		if (!whole && (walk.stamp < work->from || walk.stamp > work->until))
			continue;
		layout = length < 4 ? NULL : schema->by_id[page_u16(form, data)];
		if (layout && length >= layout->p2p_length)
			count_record(counter, layout, form, data, length);
		else if (length < 4 || (layout && length < layout->min_length))
			counter->damaged++;
		else
			counter->other++;
	}
	counter->damaged += walk.damaged;
}

/* ---- the pages, by several threads ---- */

static uint64_t run_pages(const struct trace_lane *lane)
{
	return RUN_BYTES / lane->page_size ? RUN_BYTES / lane->page_size : 1;
}

/* The lane and first page of a run; NULL behind the last. */
static const struct trace_lane *find_run(const struct trace_file *file, size_t run, uint64_t *page)
{
	for (size_t i = 0; i < file->lane_count; i++) {
		const struct trace_lane *lane = &file->lanes[i];
		uint64_t size = run_pages(lane), runs = (lane->pages + size - 1) / size;

		if (run < runs) {
			*page = run * size;
			return lane;
		}
		run -= runs;
	}
	return NULL;
}

static int count_run(const struct work *work, struct counter *counter, struct lane_reader *reader,
		     const struct trace_lane *lane, uint64_t first, struct p2p_error *err)
{
	uint64_t count = run_pages(lane);
	bool native = !work->form.swapped && !work->form.big_endian && work->form.commit_size == 8;
	bool whole = work->from == 0 && work->until == UINT64_MAX;
	const unsigned char *pages;
	size_t bytes;

	count = lane->pages - first < count ? lane->pages - first : count;
	pages = lane_read(reader, lane, first, count, &bytes, err);
	if (!pages)
		return -1;
	counter->cut |= bytes < (count - 1) * lane->page_size;
	for (size_t at = 0; at < bytes; at += lane->page_size) {
		size_t here = bytes - at < lane->page_size ? bytes - at : lane->page_size;

		if (!native)
			count_page(work, counter, work->form, pages + at, here, lane->cpu, false);
		else if (whole)
			count_page(work, counter, PAGE_FORM_NATIVE, pages + at, here, lane->cpu,
				   true);
		else
			count_page(work, counter, PAGE_FORM_NATIVE, pages + at, here, lane->cpu,
				   false);
	}
	return 0;
}

/* The first error stays. */
static void fail(struct work *work, const struct p2p_error *err)
{
	pthread_mutex_lock(&work->lock);
	if (!work->failed)
		*work->err = *err;
	work->failed = true;
	pthread_mutex_unlock(&work->lock);
}

struct worker {
	struct work *work;
	struct counter counter;
	pthread_t thread;
};

static void *run_worker(void *argument)
{
	struct worker *worker = argument;
	struct work *work = worker->work;
	const struct trace_file *file = work->analysis->file;
	const struct trace_lane *lane;
	struct lane_reader reader;
	struct p2p_error err;
	uint64_t page;

	lane_reader_init(&reader, file);
	while ((lane = find_run(file, atomic_fetch_add(&work->next_run, 1), &page)))
		if (count_run(work, &worker->counter, &reader, lane, page, &err)) {
			fail(work, &err);
			break;
		}
	lane_reader_destroy(&reader);
	return NULL;
}

static bool init_worker(struct worker *worker, struct work *work)
{
	worker->work = work;
	worker->counter.cells =
		calloc(work->analysis->schema->layout_count + 1, sizeof(*worker->counter.cells));
	return worker->counter.cells != NULL;
}

/* ---- from counts to the tally ---- */

struct sums {
	uint64_t maps[256], bytes[256], failed[256];
	bool bytes_known;
};

static void add_cells(struct tally *tally, struct sums *sums, const struct event_layout *layout,
		      const struct cell cells[TYPE_SYMBOLS + 1])
{
	for (int i = 0; i <= TYPE_SYMBOLS; i++) {
		uint8_t type = MAP_TYPE_UNKNOWN;

		if (!cells[i].count)
			continue;
		tally->events[layout->kind] += cells[i].count;
		if (layout->kind == KIND_ALLOC)
			tally->failed_allocs += cells[i].failed;
		if (layout->kind != KIND_MAP)
			continue;
		if (i < TYPE_SYMBOLS && layout->type.present)
			type = schema_type_of_number(layout->symbols, (uint64_t)i);
		sums->maps[type] += cells[i].count;
		sums->bytes[type] += cells[i].bytes;
		sums->failed[type] += map_type_refused(type) ? cells[i].count : cells[i].failed;
		sums->bytes_known &= layout->size.present;
	}
}

static bool add_counter(struct tally *tally, struct sums *sums, struct analysis *analysis,
			const struct counter *counter)
{
	for (size_t i = 0; i < analysis->schema->layout_count; i++)
		add_cells(tally, sums, &analysis->schema->layouts[i], counter->cells[i]);
	for (int type = 0; type < 256; type++) {
		sums->maps[type] += counter->by_name[type][0];
		sums->bytes[type] += counter->by_name[type][1];
		sums->failed[type] += counter->by_name[type][2];
		tally->events[KIND_MAP] += counter->by_name[type][0];
	}
	analysis->other += counter->other;
	analysis->damaged += counter->damaged;
	analysis->truncated |= counter->cut;
	return !counter->no_memory &&
	       analysis_add_losses(analysis, counter->losses, counter->loss_count);
}

static int compare_types(const void *a, const void *b)
{
	const struct tally_type *left = a, *right = b;

	if (left->maps != right->maps)
		return left->maps > right->maps ? -1 : 1;
	return strcmp(left->type, right->type);
}

static bool make_types(struct tally *tally, const struct sums *sums)
{
	uint64_t succeeded = 0;

	for (int type = 0; type < 256; type++) {
		struct tally_type *row;

		if (!sums->maps[type])
			continue;
		row = ROWS_ADD(tally->types, tally->type_count);
		if (!row)
			return false;
		row->type = map_type_name((uint8_t)type);
		row->maps = sums->maps[type];
		row->bytes = sums->bytes_known ? sums->bytes[type] : NOT_KNOWN;
		row->failed = sums->failed[type];
		row->share = (double)row->maps / (double)tally->events[KIND_MAP];
		tally->failed_maps += row->failed;
		succeeded += row->maps - row->failed;
	}
	rows_sort(tally->types, tally->type_count, sizeof(*tally->types), compare_types);
	tally->bus_addr_ratio = NAN;
	if (succeeded)
		tally->bus_addr_ratio =
			(double)(sums->maps[MAP_TYPE_BUS_ADDR] - sums->failed[MAP_TYPE_BUS_ADDR]) /
			(double)succeeded;
	for (int kind = KIND_ALLOC; kind < KIND_P2P_COUNT; kind++)
		tally->total += tally->events[kind];
	return true;
}

static unsigned int thread_count(uint64_t asked)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (asked)
		return asked < 64 ? (unsigned int)asked : 64;
	return cpus < 1 ? 1 : cpus < 16 ? (unsigned int)cpus : 16;
}

int tally_read(struct tally *tally, struct analysis *analysis, uint64_t threads,
	       struct p2p_error *err)
{
	const struct trace_file *file = analysis->file;
	struct work work = {
		.analysis = analysis,
		.form = { .swapped = file->big_endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__),
			  .big_endian = file->big_endian,
			  .commit_size = file->commit_size },
		.from = analysis->selection.from,
		.until = analysis->selection.until,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.err = err,
	};
	unsigned int wanted = thread_count(threads), ready = 0, started = 1;
	struct worker *workers = calloc(wanted, sizeof(*workers));
	struct sums sums = { .bytes_known = true };
	bool good = workers != NULL;

	*tally = (struct tally){ 0 };
	while (good && ready < wanted)
		good = init_worker(&workers[ready++], &work);
	while (good && started < wanted &&
	       !pthread_create(&workers[started].thread, NULL, run_worker, &workers[started]))
		started++;
	if (good)
		run_worker(&workers[0]);
	for (unsigned int i = 1; good && i < started; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned int i = 0; i < ready; i++) {
		good = good && add_counter(tally, &sums, analysis, &workers[i].counter);
		free(workers[i].counter.cells);
		free(workers[i].counter.losses);
	}
	free(workers);
	good = good && analysis_sum_losses(analysis) && make_types(tally, &sums);
	if (work.failed || !good)
		tally_free(tally);
	if (work.failed)
		return -1;
	return good ? 0 : p2p_fail(err, "no memory to count");
}

void tally_free(struct tally *tally)
{
	free(tally->types);
	*tally = (struct tally){ 0 };
}
