// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "truth.h"

/* ---- who ---- */

uint32_t truth_pid(const struct gen_options *options, uint32_t process)
{
	return 1000 + process * (uint32_t)options->threads;
}

void truth_comm(uint32_t process, char to[16])
{
	static const char *const names[] = { "nvme-io", "gpu-copy", "rdma recv", "p2p:worker" };

	memset(to, 0, 16);
	snprintf(to, 16, "%s/%u", names[process % 4], process % 997);
}

enum fate truth_fate(const struct gen_options *options, uint32_t process)
{
	uint64_t draw = random_mix(options->seed * 0x9e3779b97f4a7c15ull + process) % 16;

	return draw < 8 ? FATE_ALIVE : draw < 14 ? FATE_GONE : FATE_REPLACED;
}

/* ---- groups ---- */

static uint32_t pair_of(const struct truth *truth, uint32_t client, uint32_t provider,
			uint32_t type)
{
	return (uint32_t)((client * truth->options->providers + provider) * GEN_TYPES + type);
}

static uint32_t pool_group(const struct truth *truth, uint32_t provider)
{
	return pair_of(truth, (uint32_t)truth->options->clients, 0, 0) + provider;
}

static void add_lifetime(struct truth *truth, struct lifetime_totals *totals, uint32_t group,
			 uint64_t ns)
{
	if (!totals->count || ns < totals->min)
		totals->min = ns;
	if (ns > totals->max)
		totals->max = ns;
	totals->count++;
	totals->sum += ns;
	if (truth->keep_lifetimes)
		truth->lifetimes[truth->lifetime_count++] =
			(struct lifetime){ .ns = ns, .group = group };
}

/* ---- what is open ---- */

static bool make_slot(struct truth *truth, uint32_t slot)
{
	uint32_t room = truth->slot_room ? truth->slot_room : 1024;
	uint32_t *more;

	if (slot < truth->slot_room)
		return true;
	while (room <= slot)
		room *= 2;
	more = reallocarray(truth->slots, room, sizeof(*more));
	if (!more)
		return false;
	memset(more + truth->slot_room, 0, (room - truth->slot_room) * sizeof(*more));
	truth->slots = more;
	truth->slot_room = room;
	return true;
}

static uint32_t new_open(struct truth *truth)
{
	uint32_t index = truth->free_list;

	if (index) {
		truth->free_list = truth->open[index].next;
		return index;
	}
	if (truth->open_count == truth->open_room) {
		uint32_t room = truth->open_room ? truth->open_room * 2 : 1024;
		struct open_begin *more = reallocarray(truth->open, room, sizeof(*more));

		if (!more)
			return 0;
		truth->open = more;
		truth->open_room = room;
	}
	truth->open_count += !truth->open_count;
	return truth->open_count++;
}

static uint32_t pages_of(uint64_t size)
{
	return (uint32_t)((size + PAGE_BYTES - 1) / PAGE_BYTES);
}

/* All pages of something open: 64 at most. */
static uint64_t all_pages(uint64_t size)
{
	uint32_t pages = pages_of(size);

	return pages > 63 ? UINT64_MAX : (1ull << (pages ? pages : 1)) - 1;
}

static uint64_t bytes_of(const struct open_begin *begin, uint64_t pages)
{
	uint64_t bytes = 0;

	if (!pages || pages == all_pages(begin->size))
		return pages ? begin->size : 0;
	for (uint32_t page = 0; page < pages_of(begin->size); page++)
		if (pages >> page & 1)
			bytes += begin->size - page * PAGE_BYTES < PAGE_BYTES
					 ? begin->size - page * PAGE_BYTES
					 : PAGE_BYTES;
	return bytes;
}

uint64_t truth_open_bytes(const struct open_begin *begin)
{
	return bytes_of(begin, begin->left);
}

static void count_open(struct truth *truth, const struct open_begin *begin, int64_t count,
		       int64_t bytes)
{
	struct pair_truth *pair =
		&truth->pairs[pair_of(truth, begin->client, begin->provider, begin->type)];
	struct pool_truth *pool = &truth->pools[begin->provider];

	*(begin->pool ? &pool->open : &pair->open) += (uint64_t)count;
	*(begin->pool ? &pool->open_bytes : &pair->open_bytes) += (uint64_t)bytes;
}

static void unlink_open(struct truth *truth, uint32_t slot, uint32_t index)
{
	uint32_t *at = &truth->slots[slot];

	while (*at != index)
		at = &truth->open[*at].next;
	*at = truth->open[index].next;
	truth->open[index].next = truth->free_list;
	truth->free_list = index;
}

unsigned int truth_open_in(const struct truth *truth, uint32_t slot)
{
	uint32_t first = slot < truth->slot_room ? truth->slots[slot] : 0;

	return first ? truth->open[first].next ? 2 : 1 : 0;
}

/* The open pages from this one up to the next that is closed. */
static uint64_t run_from(const struct open_begin *begin, uint32_t page)
{
	uint64_t pages = 0;

	for (; page < 64 && begin->left >> page & 1; page++)
		pages |= 1ull << page;
	return pages;
}

/* Which page of the beginning is at this address; false: none that is open. */
static bool open_page_at(const struct open_begin *begin, uint64_t addr, uint32_t *page)
{
	if (addr < begin->addr || addr >= begin->addr + begin->size)
		return false;
	*page = (uint32_t)((addr - begin->addr) / PAGE_BYTES);
	return begin->left >> *page & 1;
}

/* Whether something of it that is open begins at this address: the key. */
static bool run_begins_at(const struct open_begin *begin, uint64_t addr, uint32_t *page)
{
	return open_page_at(begin, addr, page) && begin->addr + *page * PAGE_BYTES == addr &&
	       (!*page || !(begin->left >> (*page - 1) & 1));
}

/* ---- beginnings ---- */

/* What is open from that page on gives way; all of it, unless a part was ended. */
static void supersede(struct truth *truth, uint32_t slot, uint32_t index, uint32_t page)
{
	struct open_begin *begin = &truth->open[index];
	uint64_t pages = run_from(begin, page);

	count_open(truth, begin, 0, -(int64_t)bytes_of(begin, pages));
	begin->left &= ~pages;
	if (begin->left)
		return;
	count_open(truth, begin, -1, 0);
	if (begin->pool)
		truth->pools[begin->provider].superseded++;
	else
		truth->pairs[pair_of(truth, begin->client, begin->provider, begin->type)]
			.superseded++;
	unlink_open(truth, slot, index);
}

/* A pool cannot give out what is in use: the older end was missed.  A mapping's address
 * may be open several times, unless a gap lies between. */
static void meet_older(struct truth *truth, uint32_t slot, struct open_begin *begin)
{
	uint32_t next;

	for (uint32_t index = truth->slots[slot]; index; index = next) {
		struct open_begin *older = &truth->open[index];
		uint32_t page;

		next = older->next;
		if (!run_begins_at(older, begin->addr, &page))
			continue;
		if (begin->pool || (truth->marked && older->stamp < truth->mark)) {
			supersede(truth, slot, index, page);
		} else {
			older->ambiguous = true;
			begin->ambiguous = true;
		}
	}
}

static void note_peak(struct truth *truth, const struct open_begin *begin)
{
	struct pair_truth *pair =
		&truth->pairs[pair_of(truth, begin->client, begin->provider, begin->type)];
	struct pool_truth *pool = &truth->pools[begin->provider];

	if (begin->pool && pool->open_bytes > pool->peak_bytes)
		pool->peak_bytes = pool->open_bytes;
	else if (!begin->pool && pair->open_bytes > pair->peak_bytes)
		pair->peak_bytes = pair->open_bytes;
}

static void open_slot(struct truth *truth, const struct gen_event *event, uint64_t stamp,
		      uint32_t process, uint32_t slot)
{
	uint32_t index = new_open(truth), *at;
	struct open_begin *begin;

	if (!index || !make_slot(truth, slot)) {
		truth->no_memory = true;
		return;
	}
	begin = &truth->open[index];
	*begin = (struct open_begin){
		.stamp = stamp,
		.addr = event->addr,
		.size = event->size,
		.left = all_pages(event->size),
		.process = process,
		.cpu = event->cpu,
		.client = event->client,
		.provider = event->provider,
		.type = (uint8_t)event->type,
		.pool = event->kind == GEN_ALLOC,
	};
	meet_older(truth, slot, begin);
	count_open(truth, begin, 1, (int64_t)event->size);
	note_peak(truth, begin);
	for (at = &truth->slots[slot]; *at; at = &truth->open[*at].next)
		;
	*at = index;
}

static void count_map(struct truth *truth, const struct gen_event *event,
		      struct process_truth *process, bool failed)
{
	struct pair_truth *pair =
		&truth->pairs[pair_of(truth, event->client, event->provider, event->type)];

	pair->maps++;
	pair->bytes += event->size;
	pair->failed += failed;
	pair->failed_bytes += failed ? event->size : 0;
	pair->dist_known |= event->dist >= 0;
	process->maps++;
	process->map_bytes += failed ? 0 : event->size;
	process->bus_addr += event->type == GEN_BUS_ADDR;
	process->thru_host_bridge += event->type == GEN_THRU_HOST_BRIDGE;
	process->not_supported += event->type == GEN_NOT_SUPPORTED;
}

void truth_begin(struct truth *truth, const struct gen_event *event, uint64_t stamp,
		 uint32_t process, uint32_t slot, bool failed)
{
	struct process_truth *who = &truth->processes[process];
	struct pool_truth *pool = &truth->pools[event->provider];

	if (event->kind == GEN_MAP) {
		count_map(truth, event, who, failed);
	} else {
		pool->allocs++;
		pool->failed += failed;
		pool->bytes += failed ? 0 : event->size;
		who->allocs++;
		who->alloc_bytes += failed ? 0 : event->size;
	}
	if (!failed)
		open_slot(truth, event, stamp, process, slot);
}

/* ---- ends ---- */

/* The last page was closed. */
static void complete(struct truth *truth, uint32_t slot, uint32_t index, uint64_t stamp)
{
	const struct open_begin *begin = &truth->open[index];
	uint32_t pair = pair_of(truth, begin->client, begin->provider, begin->type);

	count_open(truth, begin, -1, 0);
	if (begin->pool) {
		add_lifetime(truth, &truth->pools[begin->provider].lifetimes,
			     pool_group(truth, begin->provider), stamp - begin->stamp);
	} else {
		add_lifetime(truth, &truth->pairs[pair].lifetimes, pair, stamp - begin->stamp);
		truth->pairs[pair].ambiguous += begin->ambiguous;
	}
	unlink_open(truth, slot, index);
}

/* The oldest of which something open begins at this address, with this size if there
 * is one (0: any); else the oldest that reaches over the address.  0 if none. */
static uint32_t find_open(const struct truth *truth, uint32_t slot, uint64_t addr, uint64_t size)
{
	uint32_t same_key = 0, covering = 0;

	for (uint32_t index = truth->slots[slot]; index; index = truth->open[index].next) {
		const struct open_begin *begin = &truth->open[index];
		uint32_t page;

		if (!open_page_at(begin, addr, &page))
			continue;
		if (!run_begins_at(begin, addr, &page))
			covering = covering ? covering : index;
		else if (size && bytes_of(begin, run_from(begin, page)) == size)
			return index;
		else if (!same_key)
			same_key = index;
	}
	return same_key ? same_key : covering;
}

/* The lowest open address of the slot from `from` on; UINT64_MAX if there is none. */
static uint64_t next_open(const struct truth *truth, uint32_t slot, uint64_t from)
{
	uint64_t lowest = UINT64_MAX;

	for (uint32_t index = truth->slots[slot]; index; index = truth->open[index].next) {
		const struct open_begin *begin = &truth->open[index];

		for (uint32_t page = 0; page < pages_of(begin->size); page++) {
			uint64_t addr = begin->addr + page * PAGE_BYTES;

			if (begin->left >> page & 1 && addr >= from && addr < lowest)
				lowest = addr;
		}
	}
	return lowest;
}

/* Closes the run of open pages at `from`, up to `to`; where the run ends. */
static uint64_t close_run(struct truth *truth, uint32_t slot, uint32_t index, uint64_t from,
			  uint64_t to, uint64_t stamp, uint64_t *bytes)
{
	struct open_begin *begin = &truth->open[index];
	uint64_t run, pages = 0, end = from, closed;
	uint32_t page = 0;

	open_page_at(begin, from, &page);
	for (run = run_from(begin, page); page < 64 && run >> page & 1; page++) {
		end = begin->addr + (page + 1) * (uint64_t)PAGE_BYTES;
		if (begin->addr + page * PAGE_BYTES < to)
			pages |= 1ull << page;
	}
	if (end > begin->addr + begin->size)
		end = begin->addr + begin->size;
	closed = bytes_of(begin, pages);
	begin->left &= ~pages;
	*bytes += closed;
	count_open(truth, begin, 0, -(int64_t)closed);
	if (!begin->left)
		complete(truth, slot, index, stamp);
	return end;
}

/* All that [from, to) closes; the bytes.  *first: a copy of the first beginning. */
static uint64_t close_range(struct truth *truth, uint32_t slot, uint64_t from, uint64_t to,
			    uint64_t stamp, struct open_begin *first)
{
	uint64_t bytes = 0, size = to - from;

	while (from < to) {
		uint32_t index = find_open(truth, slot, from, size);

		size = 0;
		if (!index) {
			from = next_open(truth, slot, from);
			continue;
		}
		if (!first->left)
			*first = truth->open[index];
		from = close_run(truth, slot, index, from, to, stamp, &bytes);
	}
	return bytes;
}

static void count_end(struct truth *truth, const struct gen_event *event, uint32_t process,
		      uint32_t pair, uint64_t bytes)
{
	struct process_truth *who = &truth->processes[process];
	struct pool_truth *pool = &truth->pools[event->provider];

	if (event->kind == GEN_UNMAP) {
		who->unmaps++;
		truth->pairs[pair].unmaps++;
		return;
	}
	who->frees++;
	who->free_bytes += bytes;
	pool->frees++;
	pool->free_bytes += bytes;
}

/* Without a size: all of what began there; but one page if it is a part of something,
 * or something of which a part was ended. */
static uint64_t end_of(const struct truth *truth, const struct gen_event *event, uint32_t slot)
{
	const struct open_begin *begin;
	uint32_t index;

	if (truth->options->sizes == SIZES_ALL)
		return event->addr + event->size;
	index = find_open(truth, slot, event->addr, 0);
	begin = &truth->open[index];
	if (index && begin->addr == event->addr && begin->left == all_pages(begin->size))
		return event->addr + begin->size;
	return event->addr + PAGE_BYTES;
}

void truth_end(struct truth *truth, const struct gen_event *event, uint64_t stamp, uint32_t process,
	       uint32_t slot)
{
	bool sized = truth->options->sizes == SIZES_ALL;
	uint32_t pair = pair_of(truth, event->client, event->provider, event->type);
	struct open_begin first = { 0 };
	uint64_t bytes = 0;

	if (truth_open_in(truth, slot))
		bytes = close_range(truth, slot, event->addr, end_of(truth, event, slot), stamp,
				    &first);
	if (first.left) {
		count_end(truth, event, first.process,
			  pair_of(truth, first.client, first.provider, first.type), bytes);
		return;
	}
	*(event->kind == GEN_FREE ? &truth->orphan_frees : &truth->orphan_unmaps) += 1;
	if (in_interrupt(event))
		process = (uint32_t)truth->options->pids;
	count_end(truth, event, process, pair, sized ? event->size : 0);
}

void truth_exit(struct truth *truth, uint32_t process, uint64_t stamp)
{
	truth->processes[process].exit_stamp = stamp;
}

void truth_event(struct truth *truth, const struct gen_event *event, uint64_t stamp, bool after_gap)
{
	if (event->kind < GEN_P2P)
		truth->events[event->kind]++;
	else
		truth->other++;
	if (stamp < truth->first)
		truth->first = stamp;
	truth->last = stamp;
	if (!after_gap)
		return;
	truth->mark = stamp;
	truth->marked = true;
}

/* ---- life ---- */

int truth_init(struct truth *truth, const struct gen_options *options,
	       const struct records *records, struct p2p_error *err)
{
	*truth = (struct truth){ .options = options, .records = records, .first = UINT64_MAX };
	truth->keep_lifetimes = options->events <= LIFETIMES_MAX;
	truth->pairs =
		calloc(options->clients * options->providers * GEN_TYPES, sizeof(*truth->pairs));
	truth->pools = calloc(options->providers, sizeof(*truth->pools));
	truth->processes = calloc(options->pids + 1, sizeof(*truth->processes));
	truth->lifetimes =
		calloc(truth->keep_lifetimes ? options->events + 1 : 1, sizeof(*truth->lifetimes));
	if (!truth->pairs || !truth->pools || !truth->processes || !truth->lifetimes)
		return p2p_fail(err, "no memory for the truth");
	return 0;
}

void truth_destroy(struct truth *truth)
{
	free(truth->slots);
	free(truth->open);
	free(truth->pairs);
	free(truth->pools);
	free(truth->processes);
	free(truth->lifetimes);
	*truth = (struct truth){ 0 };
}
