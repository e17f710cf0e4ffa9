// SPDX-License-Identifier: GPL-2.0-or-later
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

/* Far apart, so that no address of one kind can pass for one of another. */
#define ALLOC_BASE 0xffff888000000000ull
#define DMA_BASE 0x0000100000000000ull
#define PHYS_BASE 0x0000380000000000ull
#define DMA_ERROR UINT64_MAX

#define DIRECTION 2 /* DMA_FROM_DEVICE */

static const uint32_t type_numbers[2][RIG_TYPES] = {
	{ 0, 1, 2, 3 }, /* UNKNOWN, NOT_SUPPORTED, BUS_ADDR, THRU_HOST_BRIDGE up to 6.15 */
	{ 0, 2, 3, 4 }, /* newer: NONE came in as 1 */
};

uint64_t rig_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* splitmix64 */
static uint64_t next_random(struct rig_worker *w)
{
	uint64_t z = w->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static uint64_t shape_events(const struct rig_shape *shape)
{
	return shape->begin.count + shape->end.count;
}

uint64_t rig_fault_events(const struct rig_worker *w)
{
	uint64_t events = 0;

	for (size_t i = RIG_FIRST_FAULT; i < RIG_SHAPES; i++)
		events += w->faults[i] * shape_events(&rig_shapes[i]);
	return events;
}

/* --- emitting: the only callers of the five functions --- */

/* Holds the thread back to its rate. */
static void pace(struct rig_worker *w)
{
	uint64_t rate = w->shared->options->rate;
	uint64_t due, now;
	struct timespec until;

	if (!rate)
		return;
	due = w->started + (uint64_t)((double)w->sent++ * 1e9 / (double)rate);
	now = rig_now();
	if (now + 20000 > due)
		return;
	until = (struct timespec){ (time_t)(due / 1000000000u), (long)(due % 1000000000u) };
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static void set_types(const struct rig_worker *w, struct rig_detail *detail, enum rig_type type)
{
	const uint32_t *numbers = type_numbers[w->shared->options->new_numbers];

	detail->type = numbers[type];
	detail->old = numbers[RIG_UNKNOWN];
	detail->dir = DIRECTION;
	detail->pid = (uint32_t)w->shared->processes[w->process].pid;
	strcpy(detail->type_name, rig_type_names[type]);
	strcpy(detail->old_name, rig_type_names[RIG_UNKNOWN]);
}

static void emit_type_change(struct rig_worker *w, uint32_t pair)
{
	const struct rig_pair *row = &w->shared->pairs[pair];
	struct rig_detail detail;

	set_types(w, &detail, row->type);
	detail.dist = row->dist;
	pace(w);
	p2p_map_type_change(row->client, row->provider, &detail);
	w->announced[pair] = true;
	w->tally.events[RIG_TYPE_CHANGE]++;
	w->emitted++;
}

static void emit_map(struct rig_worker *w, uint32_t pair, bool refused, uint64_t at, uint64_t size)
{
	const struct rig_pair *row = &w->shared->pairs[pair];
	struct rig_detail detail;

	set_types(w, &detail, refused ? RIG_NOT_SUPPORTED : row->type);
	detail.dist = w->mapped[pair] && w->shared->options->dist_once ? -1 : row->dist;
	w->mapped[pair] = true;
	pace(w);
	p2p_dma_map(row->client, row->provider, refused ? DMA_ERROR : DMA_BASE + at, PHYS_BASE + at,
		    size, &detail);
}

static void emit_alloc(struct rig_worker *w, uint32_t pair, bool failed, uint64_t at, uint64_t size)
{
	struct rig_detail detail;

	set_types(w, &detail, RIG_UNKNOWN);
	pace(w);
	p2p_dma_alloc(w->shared->pairs[pair].provider, failed ? 0 : ALLOC_BASE + at, size, &detail);
}

static void emit_end(struct rig_worker *w, enum rig_kind kind, uint32_t pair, uint64_t at,
		     uint64_t size)
{
	const struct rig_pair *row = &w->shared->pairs[pair];
	struct rig_detail detail;

	set_types(w, &detail, row->type);
	pace(w);
	if (kind == RIG_ALLOCATION)
		p2p_dma_free(row->provider, ALLOC_BASE + at, size, &detail);
	else
		p2p_dma_unmap(row->client, row->provider, DMA_BASE + at, size, &detail);
}

/* --- counting: the ground truth --- */

static void count_alloc(struct rig_worker *w, const struct rig_item *item)
{
	struct rig_tally *tally = &w->tally;

	tally->events[RIG_ALLOC]++;
	tally->allocs++;
	if (item->shape->fails) {
		tally->failed_allocs++;
		return;
	}
	tally->alloc_bytes += item->size;
}

static void count_map(struct rig_worker *w, const struct rig_item *item)
{
	struct rig_pair_tally *pair = &w->pairs[item->pair];
	struct rig_tally *tally = &w->tally;

	tally->events[RIG_MAP]++;
	tally->maps++;
	if (item->shape->fails) {
		tally->by_type[RIG_NOT_SUPPORTED]++;
		tally->failed_maps++;
		tally->failed_map_bytes += item->size;
		pair->refused++;
		pair->refused_bytes += item->size;
		return;
	}
	tally->by_type[w->shared->pairs[item->pair].type]++;
	tally->map_bytes += item->size;
	pair->maps++;
	pair->bytes += item->size;
}

static uint64_t end_size(const struct rig_item *item)
{
	return item->shape->end.pages ? item->shape->end.pages * (uint64_t)RIG_PAGE : item->size;
}

/* An item's ends count to whoever began it, at the moment they are certain. */
static void count_ends(struct rig_worker *w, const struct rig_item *item)
{
	uint64_t ends = item->shape->end.count;
	struct rig_tally *tally = &w->tally;

	w->emitted += ends;
	if (item->shape->kind == RIG_ALLOCATION) {
		tally->events[RIG_FREE] += ends;
		tally->frees += ends;
		tally->free_bytes += ends * end_size(item);
	} else {
		tally->events[RIG_UNMAP] += ends;
		tally->unmaps += ends;
		w->pairs[item->pair].unmaps += ends;
	}
}

static void count_orphan(struct rig_worker *w, const struct rig_item *item)
{
	count_ends(w, item);
	if (item->shape->kind == RIG_ALLOCATION) {
		w->tally.orphan_frees++;
	} else {
		w->tally.orphan_unmaps++;
		w->pairs[item->pair].orphan_unmaps++;
	}
}

/* What will stay outstanding is known when it begins. */
static void count_left(struct rig_worker *w, const struct rig_item *item)
{
	const struct rig_shape *shape = item->shape;
	uint64_t bytes = shape->left_pages ? shape->left_pages * (uint64_t)RIG_PAGE : item->size;
	uint64_t freed = shape->begin.count == 1 ? shape->end.count * end_size(item) : 0;
	uint64_t base = shape->kind == RIG_ALLOCATION ? ALLOC_BASE : DMA_BASE;

	for (unsigned i = 0; i < shape->left; i++)
		w->leaks[w->leak_count++] = (struct rig_leak){
			.kind = shape->kind,
			.pair = item->pair,
			.addr = base + item->addr,
			.bytes = bytes,
			.freed = freed,
		};
	if (shape->kind == RIG_ALLOCATION) {
		w->tally.outstanding_allocs += shape->left;
		w->tally.outstanding_alloc_bytes += shape->left * bytes;
	} else {
		w->tally.outstanding_maps += shape->left;
		w->tally.outstanding_map_bytes += shape->left * bytes;
		w->pairs[item->pair].outstanding += shape->left;
		w->pairs[item->pair].outstanding_bytes += shape->left * bytes;
	}
}

static void count_lifetime(struct rig_worker *w, const struct rig_item *item, unsigned begin,
			   uint64_t before, uint64_t after)
{
	struct rig_lifetimes *lifetimes = &w->tally.lifetimes[item->shape->kind];
	uint64_t low = before - item->begun[begin][1];
	uint64_t high = after - item->begun[begin][0];

	lifetimes->count++;
	lifetimes->low_sum += low;
	lifetimes->high_sum += high;
	lifetimes->low_max = low > lifetimes->low_max ? low : lifetimes->low_max;
	lifetimes->high_max = high > lifetimes->high_max ? high : lifetimes->high_max;
}

/* --- ending --- */

/* Whether end number `end` is the one that closes beginning number `begin`. */
static bool closes(const struct rig_shape *shape, unsigned end, unsigned begin)
{
	if (shape->end.count == 1)
		return true;
	if (shape->begin.count == 1)
		return !shape->left && end + 1 == shape->end.count;
	return begin == end;
}

static void emit_ends(struct rig_worker *w, struct rig_item *item)
{
	const struct rig_shape *shape = item->shape;
	bool timed = w->shared->options->lifetimes;

	for (unsigned end = 0; end < shape->end.count; end++) {
		uint64_t at = item->addr + end * (uint64_t)shape->end.apart * RIG_PAGE;
		uint64_t before = timed ? rig_now() : 0;

		emit_end(w, shape->kind, item->pair, at, end_size(item));
		for (unsigned begin = 0; timed && begin < shape->begin.count; begin++)
			if (closes(shape, end, begin))
				count_lifetime(w, item, begin, before, rig_now());
	}
	if (item->slot)
		atomic_store_explicit(item->slot, 0, memory_order_release);
}

/* Emits what others handed over; true if there was anything. */
static bool drain_inbox(struct rig_worker *w)
{
	struct rig_queue *queue = w->inbox;
	uint64_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_acquire);

	if (head == tail)
		return false;
	for (; head != tail; head++) {
		emit_ends(w, &queue->items[head & queue->mask]);
		atomic_store_explicit(&queue->head, head + 1, memory_order_release);
	}
	return true;
}

static void hand_over(struct rig_worker *w, const struct rig_item *item)
{
	struct rig_queue *queue = w->outbox;
	uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);

	while (tail - atomic_load_explicit(&queue->head, memory_order_acquire) > queue->mask)
		if (!drain_inbox(w))
			sched_yield();
	queue->items[tail & queue->mask] = *item;
	atomic_store_explicit(&queue->tail, tail + 1, memory_order_release);
}

static void end_any(struct rig_worker *w)
{
	uint64_t chosen = next_random(w) % w->open_count;
	struct rig_item *item = &w->open[chosen];

	w->pending -= item->shape->end.count;
	count_ends(w, item);
	if (w->outbox)
		hand_over(w, item);
	else
		emit_ends(w, item);
	*item = w->open[--w->open_count];
}

/* --- beginning --- */

static void claim_slot(struct rig_worker *w, struct rig_item *item)
{
	uint64_t count = w->shared->slot_count;

	for (uint64_t tries = 1;; tries++) {
		uint64_t slot = w->next_slot++ % count;

		if (!atomic_load_explicit(&w->slots[slot], memory_order_acquire)) {
			item->slot = &w->slots[slot];
			item->addr = w->number * w->shared->span + slot * w->shared->stride;
			atomic_store_explicit(item->slot, 1, memory_order_relaxed);
			return;
		}
		if (tries % count == 0 && w->outbox && !drain_inbox(w))
			sched_yield();
	}
}

/* Leaks and orphans have addresses that never come again. */
static void choose_address(struct rig_worker *w, struct rig_item *item)
{
	const struct rig_shape *shape = item->shape;

	if (shape->begin.count && !shape->left && !shape->fails) {
		claim_slot(w, item);
		return;
	}
	item->slot = NULL;
	item->addr = w->number * w->shared->span +
		     (w->shared->slot_count + w->next_special++) * w->shared->stride;
}

static void emit_begins(struct rig_worker *w, struct rig_item *item)
{
	const struct rig_shape *shape = item->shape;
	bool timed = w->shared->options->lifetimes;

	for (unsigned i = 0; i < shape->begin.count; i++) {
		uint64_t at = item->addr + i * (uint64_t)shape->begin.apart * RIG_PAGE;

		item->begun[i][0] = timed ? rig_now() : 0;
		if (shape->kind == RIG_ALLOCATION) {
			emit_alloc(w, item->pair, shape->fails, at, item->size);
			count_alloc(w, item);
		} else {
			emit_map(w, item->pair, shape->fails, at, item->size);
			count_map(w, item);
		}
		item->begun[i][1] = timed ? rig_now() : 0;
	}
	w->emitted += shape->begin.count;
}

static uint64_t spare_events(const struct rig_worker *w)
{
	return w->budget - w->emitted - w->pending - w->reserved;
}

static void do_shape(struct rig_worker *w, const struct rig_shape *shape)
{
	const struct rig_sizes *sizes = &w->shared->options->sizes;
	struct rig_item *item;

	if (w->open_count == w->shared->options->window)
		end_any(w);
	/* Built in place: it is an open item if anything is to end. */
	item = &w->open[w->open_count];
	item->shape = shape;
	item->pair = (uint32_t)(next_random(w) % w->shared->pair_count);
	item->size = shape->begin.pages ? shape->begin.pages * (uint64_t)RIG_PAGE
					: sizes->bytes[next_random(w) % sizes->count];
	choose_address(w, item);
	w->pending += shape_events(shape);
	if (shape->kind == RIG_MAPPING && !w->announced[item->pair] && spare_events(w))
		emit_type_change(w, item->pair);
	w->pending -= shape_events(shape);
	if (!shape->begin.count) {
		emit_end(w, shape->kind, item->pair, item->addr, end_size(item));
		count_orphan(w, item);
		return;
	}
	emit_begins(w, item);
	count_left(w, item);
	if (shape->end.count) {
		w->pending += shape->end.count;
		w->open_count++;
	}
}

static void do_fault(struct rig_worker *w)
{
	size_t row = RIG_FIRST_FAULT + next_random(w) % (RIG_SHAPES - RIG_FIRST_FAULT);

	while (!w->faults[row])
		row = row + 1 < RIG_SHAPES ? row + 1 : RIG_FIRST_FAULT;
	w->faults[row]--;
	w->faults_left--;
	w->reserved -= shape_events(&rig_shapes[row]);
	do_shape(w, &rig_shapes[row]);
}

static void step(struct rig_worker *w)
{
	bool alloc;

	if (w->faults_left && --w->steps_to_fault == 0) {
		w->steps_to_fault = w->fault_interval;
		do_fault(w);
		return;
	}
	alloc = next_random(w) % 100 < w->shared->options->alloc_share;
	do_shape(w, &rig_shapes[alloc ? RIG_PLAIN_ALLOC : RIG_PLAIN_MAP]);
}

/* --- a worker's life --- */

static void spread_faults(struct rig_worker *w)
{
	uint64_t steps = 64 * (w->faults_left + 1);

	if (!w->shared->options->duration)
		steps = (w->budget - w->reserved) / 2;
	w->fault_interval = steps / (w->faults_left + 1);
	if (!w->fault_interval)
		w->fault_interval = 1;
	w->steps_to_fault = w->fault_interval;
}

static void start_together(struct rig_worker *w)
{
	struct rig_shared *shared = w->shared;

	if (atomic_fetch_add(&shared->ready, 1) + 1 == shared->worker_count)
		shared->started = rig_now();
	while (atomic_load(&shared->ready) < shared->worker_count && !atomic_load(&shared->stop))
		sched_yield();
	w->started = rig_now();
}

/* Looks at the clock now and then. */
static bool time_is_up(struct rig_worker *w, uint64_t steps)
{
	uint64_t duration = w->shared->options->duration;

	if (atomic_load_explicit(&w->shared->stop, memory_order_relaxed))
		return true;
	/* At a low rate every step looks: 64 of them can take long. */
	return duration && (steps % 64 == 0 || w->shared->options->rate) &&
	       rig_now() - w->started >= duration;
}

void rig_work(struct rig_worker *w)
{
	bool counted = !w->shared->options->duration;

	spread_faults(w);
	start_together(w);
	for (uint64_t steps = 0; spare_events(w) >= 2 && !time_is_up(w, steps); steps++) {
		step(w);
		if (w->outbox)
			drain_inbox(w);
	}
	while (w->faults_left)
		do_fault(w);
	while (w->open_count)
		end_any(w);
	/* An odd number of events is filled up. */
	while (counted && !atomic_load(&w->shared->stop) && w->emitted < w->budget)
		emit_type_change(w, (uint32_t)(next_random(w) % w->shared->pair_count));
	if (!w->outbox)
		return;
	atomic_store_explicit(&w->outbox->closed, true, memory_order_release);
	while (drain_inbox(w) || !atomic_load_explicit(&w->inbox->closed, memory_order_acquire))
		sched_yield();
	drain_inbox(w);
}
