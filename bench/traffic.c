// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "traffic.h"

/* Each slot of a device's addresses is as large as the largest thing in it. */
#define SLOT_BYTES (64u * PAGE_BYTES)
#define ORPHANS_AT (1ull << 43)
#define PARTS_MAX 4
#define LOAD_STEPS 4096

/* How something begins and ends. */
enum shape {
	SHAPE_SIMPLE, /* one beginning, one end */
	SHAPE_PAGED, /* an allocation freed page by page */
	SHAPE_SPLIT, /* a mapping unmapped in two parts */
	SHAPE_RANGE, /* neighbouring mappings, one unmap for all */
	SHAPE_OVERLAP, /* the same address mapped several times */
};

/* Something that is still to be ended. */
struct item {
	uint64_t addr, stamp;
	uint32_t slot, number;
	uint32_t client, provider;
	uint32_t size;
	uint8_t type, shape;
	bool alloc;
	bool torn; /* part of it was lost */
	bool keeps_slot; /* never fully ended */
	uint8_t ends; /* still to come */
	uint8_t parts; /* beginnings, or pages */
	uint32_t sizes[PARTS_MAX]; /* SHAPE_OVERLAP: of each, 0: ended */
};

struct free_slot {
	uint32_t slot, number;
};

/* The addresses of one device: of a provider's pool, or of a client. */
struct space {
	uint64_t base;
	uint32_t fresh; /* slots used so far */
	struct free_slot *free; /* the one given back last is used next */
	uint32_t free_count, free_room;
};

struct traffic {
	const struct gen_options *options;
	const struct records *records;
	struct pages *pages;
	struct truth *truth;
	struct random random;
	struct item *items;
	size_t item_count, item_room;
	struct space *spaces; /* providers, then clients */
	uint32_t slot_count;
	uint32_t *running; /* [cpu]: thread */
	uint32_t next_thread;
	uint8_t *pair_types; /* [pair] */
	bool *pair_seen;
	uint16_t load[LOAD_STEPS]; /* CPUs, each as often as it has its share */
	uint64_t now;
	uint64_t happened; /* P2P events */
	uint64_t due; /* P2P events that end what is open */
	uint64_t orphans;
	double leak_chance;
	bool apart; /* the next event has a later stamp */
	bool no_memory;
};

/* ---- CPUs, threads, time ---- */

static uint32_t pick_cpu(struct traffic *traffic)
{
	return traffic->load[random_next(&traffic->random) % LOAD_STEPS];
}

/* Weights of the CPUs.  Sparse: a third is idle, and one has hardly anything. */
static double weight_of(const struct traffic *traffic, uint32_t cpu)
{
	switch (traffic->options->load) {
	case LOAD_SKEWED:
		return 1.0 / (cpu + 1);
	case LOAD_SPARSE:
		return cpu % 3 == 1 ? 0 : cpu % 3 == 2 ? 1.0 / (1 + cpu * cpu) : 1;
	default:
		return 1;
	}
}

static void spread_load(struct traffic *traffic)
{
	uint32_t cpus = (uint32_t)traffic->options->cpus, at = 0;
	double all = 0, sum = 0;

	for (uint32_t cpu = 0; cpu < cpus; cpu++)
		all += weight_of(traffic, cpu);
	for (uint32_t cpu = 0; cpu < cpus; cpu++) {
		sum += weight_of(traffic, cpu);
		while (at < LOAD_STEPS && at < sum / all * LOAD_STEPS)
			traffic->load[at++] = (uint16_t)cpu;
	}
	while (at < LOAD_STEPS)
		traffic->load[at++] = 0;
}

static uint32_t thread_count(const struct traffic *traffic)
{
	return (uint32_t)(traffic->options->pids * traffic->options->threads);
}

/* The thread that runs on a CPU; now and then the next one's turn comes. */
static uint32_t thread_on(struct traffic *traffic, uint32_t cpu)
{
	if (random_one_in(&traffic->random, 16)) {
		traffic->running[cpu] = traffic->next_thread;
		traffic->next_thread = (traffic->next_thread + 1) % thread_count(traffic);
	}
	return traffic->running[cpu];
}

static uint32_t process_of(const struct traffic *traffic, uint32_t thread)
{
	return thread / (uint32_t)traffic->options->threads;
}

static uint64_t pause(struct traffic *traffic)
{
	const struct gen_options *options = traffic->options;
	struct random *random = &traffic->random;

	if (options->jumps && random_one_in(random, 256))
		return random_below(random, 1ull << random_below(random, 34));
	if (options->equal_stamps && random_one_in(random, 2))
		return 0;
	return (options->equal_stamps ? 0 : 1) + random_below(random, 2 * options->pace);
}

/* Time passes up to the next event on this CPU. */
static void step(struct traffic *traffic, uint32_t cpu, bool apart)
{
	uint64_t passes = pause(traffic);
	bool after_gap = pages_next(traffic->pages, cpu) == PUT_STORED_AFTER_GAP;

	if (!passes && (apart || traffic->apart || after_gap))
		passes = 1;
	traffic->now += passes;
	traffic->apart = apart || after_gap;
}

/* ---- events ---- */

/* Who runs on the CPU, in which context. */
static struct gen_event happen(struct traffic *traffic, enum gen_kind kind, uint32_t cpu,
			       uint32_t *process)
{
	static const uint8_t plain[] = { 0, 0x01, 0x04, 0x21 };
	uint32_t thread = thread_on(traffic, cpu);
	struct gen_event event = { .kind = kind, .cpu = cpu };

	event.tid = 1000 + thread;
	event.flags = plain[random_next(&traffic->random) % 4];
	*process = process_of(traffic, thread);
	event.pid = truth_pid(traffic->options, *process);
	return event;
}

/* An end may be met in an interrupt, of the idle task or of anybody. */
static void interrupt(struct traffic *traffic, struct gen_event *event)
{
	static const uint8_t contexts[] = { GEN_HARDIRQ, GEN_SOFTIRQ, GEN_HARDIRQ | GEN_SOFTIRQ,
					    GEN_NMI };
	uint64_t draw = random_next(&traffic->random);

	if (draw % 4)
		return;
	event->flags |= contexts[draw >> 8 & 3];
	if (draw >> 16 & 1)
		event->tid = event->pid = 0;
}

/* Stores the event; false if it is lost. */
static bool put(struct traffic *traffic, struct gen_event *event, uint32_t process)
{
	unsigned char record[RECORD_MAX];
	char comm[16] = "swapper";
	enum put result;
	uint32_t length;

	if (event->tid)
		truth_comm(process, comm);
	event->comm = comm;
	length = records_encode(traffic->records, event, record);
	result = pages_put(traffic->pages, event->cpu, traffic->now, record, length);
	event->comm = NULL;
	traffic->happened += event->kind < GEN_P2P;
	if (result == PUT_LOST)
		return false;
	truth_event(traffic->truth, event, traffic->now, result == PUT_STORED_AFTER_GAP);
	return true;
}

static bool is_lost_on(const struct traffic *traffic, uint32_t cpu)
{
	return pages_next(traffic->pages, cpu) == PUT_LOST;
}

/* ---- devices ---- */

static uint32_t pair_of(const struct traffic *traffic, uint32_t client, uint32_t provider)
{
	return (uint32_t)(client * traffic->options->providers + provider);
}

/* As the truth says it too. */
static int32_t dist_of(uint32_t client, uint32_t provider)
{
	return (int32_t)(2 + (client + provider) % 7);
}

static void choose_types(struct traffic *traffic)
{
	const struct gen_options *options = traffic->options;
	uint32_t pairs = (uint32_t)(options->clients * options->providers);

	for (uint32_t i = 0; i < pairs; i++) {
		uint64_t draw = random_mix(options->seed + i) % 16;
		enum gen_type type = draw < 9 ? GEN_BUS_ADDR : GEN_THRU_HOST_BRIDGE;

		if (draw == 15 && i)
			type = GEN_NOT_SUPPORTED;
		if (draw == 14 && options->specials > 0)
			type = GEN_UNHEARD_OF;
		traffic->pair_types[i] = (uint8_t)type;
	}
}

static struct space *space_of(struct traffic *traffic, bool alloc, uint32_t client,
			      uint32_t provider)
{
	return &traffic->spaces[alloc ? provider : traffic->options->providers + client];
}

static void take_slot(struct traffic *traffic, struct space *space, bool fresh, struct item *item)
{
	if (space->free_count && !fresh) {
		item->slot = space->free[space->free_count - 1].slot;
		item->number = space->free[--space->free_count].number;
	} else {
		item->slot = traffic->slot_count++;
		item->number = space->fresh++;
	}
	item->addr = space->base + (uint64_t)item->number * SLOT_BYTES;
}

static void give_slot(struct traffic *traffic, struct space *space, const struct item *item)
{
	if (space->free_count == space->free_room) {
		uint32_t room = space->free_room ? space->free_room * 2 : 64;
		struct free_slot *more = reallocarray(space->free, room, sizeof(*more));

		if (!more) {
			traffic->no_memory = true;
			return;
		}
		space->free = more;
		space->free_room = room;
	}
	space->free[space->free_count++] = (struct free_slot){ item->slot, item->number };
}

/* Whole pages where a part of one might be ended by what was meant for another, since
 * the truth is kept page by page. */
static uint32_t pick_size(struct traffic *traffic)
{
	static const uint32_t sizes[] = { 4096, 4096, 4096, 8192, 16384, 65536, 131072, 512 };

	return sizes[random_next(&traffic->random) % (traffic->options->loss > 0 ? 7 : 8)];
}

static void pick_devices(struct traffic *traffic, struct item *item)
{
	const struct gen_options *options = traffic->options;
	uint64_t draw = random_next(&traffic->random);

	item->client = (uint32_t)((uint32_t)draw % options->clients);
	item->provider = (uint32_t)((draw >> 32) % options->providers);
	item->type = traffic->pair_types[pair_of(traffic, item->client, item->provider)];
}

static struct gen_event event_of(struct traffic *traffic, const struct item *item,
				 enum gen_kind kind, uint32_t cpu, uint32_t *process)
{
	struct gen_event event = happen(traffic, kind, cpu, process);

	event.client = item->client;
	event.provider = item->provider;
	event.type = item->type;
	event.addr = item->addr;
	event.size = item->size;
	event.dist = random_next(&traffic->random) & 1 ? dist_of(item->client, item->provider) : -1;
	return event;
}

/* ---- beginnings ---- */

/* Puts one beginning of the item, and says so to the truth; false if it is lost. */
static bool begin(struct traffic *traffic, struct item *item, uint64_t addr, uint32_t size,
		  uint32_t cpu)
{
	struct gen_event event;
	uint32_t process;

	step(traffic, cpu, truth_open_in(traffic->truth, item->slot) != 0);
	event = event_of(traffic, item, item->alloc ? GEN_ALLOC : GEN_MAP, cpu, &process);
	event.addr = addr;
	event.size = size;
	item->stamp = traffic->now;
	if (!put(traffic, &event, process)) {
		item->torn = true;
		return false;
	}
	truth_begin(traffic->truth, &event, traffic->now, process, item->slot, false);
	return true;
}

/* The type is calculated when a pair meets for the first time. */
static void calculate_type(struct traffic *traffic, const struct item *item)
{
	uint32_t cpu = pick_cpu(traffic), process;
	struct gen_event event;

	step(traffic, cpu, false);
	event = event_of(traffic, item, GEN_CHANGE, cpu, &process);
	event.old = traffic->pair_seen[pair_of(traffic, item->client, item->provider)]
			    ? item->type
			    : GEN_UNKNOWN;
	traffic->pair_seen[pair_of(traffic, item->client, item->provider)] = true;
	put(traffic, &event, process);
}

static void keep_item(struct traffic *traffic, const struct item *item)
{
	if (traffic->item_count == traffic->item_room) {
		size_t room = traffic->item_room ? traffic->item_room * 2 : 1024;
		struct item *more = reallocarray(traffic->items, room, sizeof(*more));

		if (!more) {
			traffic->no_memory = true;
			return;
		}
		traffic->items = more;
		traffic->item_room = room;
	}
	traffic->items[traffic->item_count++] = *item;
	traffic->due += item->ends;
}

/* With sizes only at beginnings a part of a mapping cannot be named. */
static enum shape pick_shape(struct traffic *traffic, bool alloc)
{
	uint64_t draw = random_next(&traffic->random) % 4;

	if (traffic->options->sizes == SIZES_NONE)
		return alloc || draw < 2 ? SHAPE_SIMPLE : SHAPE_OVERLAP;
	if (alloc)
		return draw ? SHAPE_PAGED : SHAPE_SIMPLE;
	if (traffic->options->sizes == SIZES_BEGINS)
		return SHAPE_OVERLAP;
	return draw == 0 ? SHAPE_SPLIT : draw == 1 ? SHAPE_RANGE : SHAPE_OVERLAP;
}

/* A CPU that does not lose the next record; any at all if there is hardly one. */
static uint32_t pick_storing_cpu(struct traffic *traffic)
{
	uint32_t cpu = pick_cpu(traffic);

	for (int tries = 0; tries < 64 && is_lost_on(traffic, cpu); tries++)
		cpu = pick_cpu(traffic);
	return cpu;
}

/* Several mappings, one after the other: of one address, or of neighbouring ones in
 * either direction.  If one is lost the others are never ended. */
static void begin_parts(struct traffic *traffic, struct item *item)
{
	bool same = random_one_in(&traffic->random, 2);
	bool downwards = random_one_in(&traffic->random, 2);
	uint64_t at[PARTS_MAX], addr = item->addr;

	item->parts = 2 + (uint8_t)random_below(&traffic->random, PARTS_MAX - 1);
	for (uint32_t i = 0; i < item->parts; i++) {
		item->sizes[i] = same ? PAGE_BYTES
				      : PAGE_BYTES << random_below(&traffic->random, 4);
		at[i] = addr;
		addr += item->shape == SHAPE_RANGE ? item->sizes[i] : 0;
	}
	for (uint32_t i = 0; i < item->parts; i++) {
		uint32_t part = downwards ? item->parts - 1 - i : i;

		begin(traffic, item, at[part], item->sizes[part], pick_storing_cpu(traffic));
	}
	item->ends = item->parts;
	if (item->shape == SHAPE_RANGE)
		item->ends = item->parts > 2 && random_one_in(&traffic->random, 2) ? 2 : 1;
	if (item->torn)
		item->ends = 0;
}

/* The number of pages or parts that are ended one by one. */
static void begin_divided(struct traffic *traffic, struct item *item)
{
	uint32_t cpu = pick_cpu(traffic);

	if (is_lost_on(traffic, cpu))
		item->shape = SHAPE_SIMPLE;
	item->parts = item->shape == SHAPE_PAGED ? 2 + (uint8_t)random_below(&traffic->random, 7)
						 : 2;
	item->ends = item->shape == SHAPE_SIMPLE ? 1 : item->parts;
	if (item->shape != SHAPE_SIMPLE)
		item->size = item->parts * PAGE_BYTES;
	begin(traffic, item, item->addr, item->size, cpu);
}

/* Most that the events of one item can be, its type's calculation included. */
#define ITEM_EVENTS 12

static void begin_item(struct traffic *traffic, bool special, uint64_t left)
{
	bool alloc = random_one_in(&traffic->random, 4);
	struct item item = { .alloc = alloc, .ends = 1 };
	bool leaks = random_chance(&traffic->random, traffic->leak_chance);

	pick_devices(traffic, &item);
	item.size = pick_size(traffic);
	if (!alloc && item.type == GEN_NOT_SUPPORTED)
		item.type = traffic->pair_types[item.client = item.provider = 0];
	if (special && left >= ITEM_EVENTS)
		item.shape = (uint8_t)pick_shape(traffic, alloc);
	if (!alloc && !traffic->pair_seen[pair_of(traffic, item.client, item.provider)] && left > 2)
		calculate_type(traffic, &item);
	take_slot(traffic, space_of(traffic, alloc, item.client, item.provider), false, &item);
	if (item.shape == SHAPE_OVERLAP || item.shape == SHAPE_RANGE)
		begin_parts(traffic, &item);
	else
		begin_divided(traffic, &item);
	if (leaks) {
		item.keeps_slot = true;
		item.ends = item.shape == SHAPE_RANGE ? 0 : item.ends / 2;
	}
	if (item.ends)
		keep_item(traffic, &item);
}

/* ---- ends ---- */

/* One of the mappings of an address that are left. */
static void choose_overlap(struct traffic *traffic, struct item *item, struct gen_event *event)
{
	uint32_t part;

	do
		part = (uint32_t)random_below(&traffic->random, item->parts);
	while (!item->sizes[part]);
	event->size = item->sizes[part];
	item->sizes[part] = 0;
}

/* All of a range; before that, perhaps, one of its mappings that is not the first. */
static void choose_of_range(struct traffic *traffic, const struct item *item,
			    struct gen_event *event)
{
	uint32_t part = 1 + (uint32_t)random_below(&traffic->random, item->parts - 1u);
	uint64_t before = 0, all = 0;

	for (uint32_t i = 0; i < item->parts; i++) {
		before += i < part ? item->sizes[i] : 0;
		all += item->sizes[i];
	}
	event->addr = item->addr + (item->ends == 2 ? before : 0);
	event->size = item->ends == 2 ? item->sizes[part] : all;
}

/* Pages go one after the other, or in any order with the first one last, because without
 * a size its address means all that is left.  sizes[0] has a bit for each that went. */
static void choose_page(struct traffic *traffic, struct item *item, struct gen_event *event)
{
	bool ordered = item->slot & 1 && traffic->options->sizes == SIZES_ALL;
	uint32_t others = (1u << item->parts) - 2, part = 0;

	if (ordered)
		part = (uint32_t)__builtin_ctz(~item->sizes[0]);
	else if (item->sizes[0] != others)
		do
			part = 1 + (uint32_t)random_below(&traffic->random, item->parts - 1u);
		while (item->sizes[0] >> part & 1);
	item->sizes[0] |= 1u << part;
	event->size = PAGE_BYTES;
	event->addr = item->addr + part * PAGE_BYTES;
}

/* Which bytes the next end of the item gives back. */
static void choose_range(struct traffic *traffic, struct item *item, struct gen_event *event)
{
	switch (item->shape) {
	case SHAPE_OVERLAP:
		return choose_overlap(traffic, item, event);
	case SHAPE_RANGE:
		return choose_of_range(traffic, item, event);
	case SHAPE_PAGED:
	case SHAPE_SPLIT:
		return choose_page(traffic, item, event);
	}
}

static void drop_item(struct traffic *traffic, size_t index)
{
	struct item *item = &traffic->items[index];

	if (!item->keeps_slot && (!item->torn || item->shape == SHAPE_SIMPLE))
		give_slot(traffic, space_of(traffic, item->alloc, item->client, item->provider),
			  item);
	*item = traffic->items[--traffic->item_count];
}

/* Whether another order of simultaneous events would mean something else. */
static bool order_matters(const struct traffic *traffic, const struct item *item)
{
	if (item->shape == SHAPE_OVERLAP ||
	    (item->shape == SHAPE_PAGED && traffic->options->sizes != SIZES_ALL))
		return true;
	return item->stamp == traffic->now || truth_open_in(traffic->truth, item->slot) != 1;
}

static void end_item(struct traffic *traffic, size_t index)
{
	struct item *item = &traffic->items[index];
	uint32_t cpu = pick_cpu(traffic), process;
	struct gen_event event;

	step(traffic, cpu, order_matters(traffic, item));
	event = event_of(traffic, item, item->alloc ? GEN_FREE : GEN_UNMAP, cpu, &process);
	interrupt(traffic, &event);
	choose_range(traffic, item, &event);
	if (put(traffic, &event, process))
		truth_end(traffic->truth, &event, traffic->now, process, item->slot);
	else
		item->torn = true;
	traffic->due--;
	if (!--item->ends)
		drop_item(traffic, index);
}

/* ---- what is out of the ordinary ---- */

static void fail_alloc(struct traffic *traffic)
{
	struct item item = { .alloc = true, .size = pick_size(traffic) };
	uint32_t cpu = pick_cpu(traffic), process;
	struct gen_event event;

	pick_devices(traffic, &item);
	item.addr = random_one_in(&traffic->random, 2) ? 0 : (uint64_t)-12; /* NULL or -ENOMEM */
	step(traffic, cpu, false);
	event = event_of(traffic, &item, GEN_ALLOC, cpu, &process);
	if (put(traffic, &event, process))
		truth_begin(traffic->truth, &event, traffic->now, process, NO_SLOT, true);
}

/* Refused by its type, or with an address of all ones. */
static void fail_map(struct traffic *traffic)
{
	static const enum gen_type refused[] = { GEN_NOT_SUPPORTED, GEN_UNKNOWN, GEN_NONE,
						 GEN_NOT_SUPPORTED };
	struct item item = { .size = pick_size(traffic) };
	uint32_t cpu = pick_cpu(traffic), process;
	struct gen_event event;
	uint64_t draw = random_next(&traffic->random);

	pick_devices(traffic, &item);
	item.addr = UINT64_MAX;
	if (draw & 1) {
		item.type = refused[draw >> 1 & 3];
		item.addr = draw & 8 ? 0 : UINT64_MAX;
	}
	if (item.type == GEN_NONE && !traffic->options->new_numbering &&
	    !traffic->options->type_text)
		item.type = GEN_NOT_SUPPORTED;
	step(traffic, cpu, false);
	event = event_of(traffic, &item, GEN_MAP, cpu, &process);
	if (put(traffic, &event, process))
		truth_begin(traffic->truth, &event, traffic->now, process, NO_SLOT, true);
}

/* The end of something that began before the recording. */
static void end_orphan(struct traffic *traffic)
{
	struct item item = { .alloc = random_one_in(&traffic->random, 2),
			     .size = pick_size(traffic) };
	uint32_t cpu = pick_cpu(traffic), process;
	struct gen_event event;

	pick_devices(traffic, &item);
	item.addr = space_of(traffic, item.alloc, item.client, item.provider)->base + ORPHANS_AT +
		    traffic->orphans++ * SLOT_BYTES;
	step(traffic, cpu, false);
	event = event_of(traffic, &item, item.alloc ? GEN_FREE : GEN_UNMAP, cpu, &process);
	interrupt(traffic, &event);
	if (put(traffic, &event, process))
		truth_end(traffic->truth, &event, traffic->now, process, NO_SLOT);
}

static void change_type(struct traffic *traffic)
{
	struct item item = { 0 };

	pick_devices(traffic, &item);
	calculate_type(traffic, &item);
}

/* An allocation where one is open already: the older one's end was missed. */
static void repeat_alloc(struct traffic *traffic)
{
	struct item *item;
	uint32_t cpu = pick_cpu(traffic), size = pick_size(traffic);

	if (!traffic->item_count || is_lost_on(traffic, cpu)) {
		fail_alloc(traffic);
		return;
	}
	item = &traffic->items[random_below(&traffic->random, traffic->item_count)];
	if (!item->alloc || item->shape != SHAPE_SIMPLE) {
		fail_alloc(traffic);
		return;
	}
	item->size = size;
	begin(traffic, item, item->addr, size, cpu);
}

/* A beginning and its end with the same stamp, one behind the other on one CPU, at an
 * address that was never used. */
static void begin_and_end(struct traffic *traffic)
{
	struct item item = { .alloc = random_one_in(&traffic->random, 4),
			     .size = pick_size(traffic) };
	uint32_t cpu = pick_cpu(traffic), process;
	struct gen_event event;

	item.type = traffic->pair_types[0];
	take_slot(traffic, space_of(traffic, item.alloc, 0, 0), true, &item);
	begin(traffic, &item, item.addr, item.size, cpu);
	if (pages_next(traffic->pages, cpu) == PUT_STORED_AFTER_GAP)
		step(traffic, cpu, true);
	event = event_of(traffic, &item, item.alloc ? GEN_FREE : GEN_UNMAP, cpu, &process);
	if (put(traffic, &event, process))
		truth_end(traffic->truth, &event, traffic->now, process, item.slot);
	traffic->apart = true;
	give_slot(traffic, space_of(traffic, item.alloc, 0, 0), &item);
}

static void do_special(struct traffic *traffic, uint64_t left)
{
	switch (random_below(&traffic->random, 8)) {
	case 0:
		fail_alloc(traffic);
		break;
	case 1:
		fail_map(traffic);
		break;
	case 2:
		end_orphan(traffic);
		break;
	case 3:
		change_type(traffic);
		break;
	case 4:
		repeat_alloc(traffic);
		break;
	case 5:
		if (left >= 2) {
			begin_and_end(traffic);
			break;
		}
		end_orphan(traffic);
		break;
	default:
		if (left >= ITEM_EVENTS)
			begin_item(traffic, true, left);
		else
			end_orphan(traffic);
	}
}

/* ---- events that are not ours ---- */

static void tick(struct traffic *traffic, uint32_t cpu)
{
	uint32_t process;
	struct gen_event event;

	step(traffic, cpu, false);
	event = happen(traffic, GEN_OTHER, cpu, &process);
	event.subject = (uint32_t)traffic->happened;
	put(traffic, &event, process);
}

/* A process ends, or a thread that is not its first. */
static void exit_thread(struct traffic *traffic, uint32_t process)
{
	uint32_t cpu = pick_cpu(traffic), thread, ignored;
	struct gen_event event;

	thread = (uint32_t)random_below(&traffic->random, 2 * traffic->options->threads);
	if (thread >= traffic->options->threads)
		thread = 0;
	step(traffic, cpu, false);
	event = happen(traffic, GEN_EXIT, cpu, &ignored);
	/* Its name is that of who ended. */
	event.subject = truth_pid(traffic->options, process) + thread;
	if (put(traffic, &event, process) && !thread)
		truth_exit(traffic->truth, process, traffic->now);
}

static void do_others(struct traffic *traffic)
{
	const struct gen_options *options = traffic->options;

	if (options->others > 0 && random_chance(&traffic->random, options->others / 100))
		tick(traffic, pick_cpu(traffic));
	if (options->liveness == LIVES_EXITS && random_one_in(&traffic->random, 500))
		exit_thread(traffic, (uint32_t)random_below(&traffic->random, options->pids));
}

/* ---- the run ---- */

/* One thing that happens.  What is open always leaves room for its ends. */
static void go_on(struct traffic *traffic)
{
	const struct gen_options *options = traffic->options;
	uint64_t left = options->events - traffic->happened - traffic->due;
	bool more = traffic->item_count < options->in_flight;

	if (!left || (!more && traffic->item_count)) {
		end_item(traffic, random_below(&traffic->random, traffic->item_count));
		return;
	}
	if (options->specials > 0 && random_chance(&traffic->random, options->specials / 100)) {
		do_special(traffic, left);
		return;
	}
	if (left < 2)
		change_type(traffic);
	else if (more && (!traffic->item_count || random_below(&traffic->random, 8)))
		begin_item(traffic, false, left);
	else
		end_item(traffic, random_below(&traffic->random, traffic->item_count));
}

/* Without statistics only a mark tells of a gap: none may be left without one. */
static void close_gaps(struct traffic *traffic)
{
	for (uint32_t cpu = 0; cpu < traffic->options->cpus; cpu++) {
		pages_end_gap(traffic->pages, cpu);
		if (pages_next(traffic->pages, cpu) == PUT_STORED_AFTER_GAP)
			tick(traffic, cpu);
	}
}

static void begin_run(struct traffic *traffic)
{
	const struct gen_options *options = traffic->options;

	traffic->random.state = random_mix(options->seed);
	traffic->now = options->base;
	traffic->item_count = traffic->slot_count = traffic->next_thread = 0;
	traffic->happened = traffic->due = traffic->orphans = 0;
	traffic->apart = false;
	memset(traffic->running, 0, options->cpus * sizeof(*traffic->running));
	memset(traffic->pair_seen, 0, options->clients * options->providers);
	for (uint64_t i = 0; i < options->providers + options->clients; i++)
		traffic->spaces[i].fresh = traffic->spaces[i].free_count = 0;
}

int traffic_run(struct traffic *traffic, struct p2p_error *err)
{
	struct truth *truth = traffic->truth;

	begin_run(traffic);
	while (traffic->happened < traffic->options->events) {
		do_others(traffic);
		go_on(traffic);
		if (traffic->no_memory || truth->no_memory)
			return p2p_fail(err, "no memory for the traffic");
	}
	if (traffic->options->no_stats)
		close_gaps(traffic);
	if (pages_finish(traffic->pages))
		return -1;
	truth->start = truth->first < truth->last ? truth->first : truth->last;
	truth->stop = truth->last;
	if (!traffic->options->foreign) {
		truth->start = traffic->options->base;
		truth->stop = traffic->now + traffic->options->pace;
	}
	return 0;
}

/* ---- life ---- */

struct traffic *traffic_new(const struct gen_options *options, const struct records *records,
			    struct pages *pages, struct truth *truth, struct p2p_error *err)
{
	struct traffic *traffic = calloc(1, sizeof(*traffic));
	uint64_t pairs = options->clients * options->providers;

	if (traffic) {
		traffic->options = options;
		traffic->records = records;
		traffic->pages = pages;
		traffic->truth = truth;
		traffic->spaces =
			calloc(options->providers + options->clients, sizeof(*traffic->spaces));
		traffic->running = calloc(options->cpus, sizeof(*traffic->running));
		traffic->pair_types = calloc(pairs, 1);
		traffic->pair_seen = calloc(pairs, sizeof(*traffic->pair_seen));
	}
	if (!traffic || !traffic->spaces || !traffic->running || !traffic->pair_types ||
	    !traffic->pair_seen) {
		traffic_free(traffic);
		p2p_fail(err, "no memory for the traffic");
		return NULL;
	}
	for (uint64_t i = 0; i < options->providers + options->clients; i++)
		traffic->spaces[i].base = (i + 1) << 44;
	traffic->leak_chance = (double)options->leaks / ((double)options->events / 2 + 1);
	spread_load(traffic);
	choose_types(traffic);
	return traffic;
}

void traffic_free(struct traffic *traffic)
{
	if (!traffic)
		return;
	for (uint64_t i = 0;
	     traffic->spaces && i < traffic->options->providers + traffic->options->clients; i++)
		free(traffic->spaces[i].free);
	free(traffic->spaces);
	free(traffic->items);
	free(traffic->running);
	free(traffic->pair_types);
	free(traffic->pair_seen);
	free(traffic);
}
