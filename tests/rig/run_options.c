// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/text.h"
#include "workload.h"

#define ALLOCATION .kind = RIG_ALLOCATION
#define MAPPING .kind = RIG_MAPPING
#define ONCE            \
	{               \
		1, 0, 0 \
	}

/* Sizes are fixed where beginnings and ends are not the same. */
const struct rig_shape rig_shapes[RIG_SHAPES] = {
	[RIG_PLAIN_ALLOC] = { ALLOCATION, .begin = ONCE, .end = ONCE },
	[RIG_PLAIN_MAP] = { MAPPING, .begin = ONCE, .end = ONCE },
	{ "leak-allocs", "allocations never freed", ALLOCATION, .begin = ONCE, .left = 1 },
	{ "leak-maps", "mappings never removed", MAPPING, .begin = ONCE, .left = 1 },
	{ "failed-allocs", "allocations that give address 0", ALLOCATION, .begin = ONCE,
	  .fails = true },
	{ "refused-maps", "mappings refused: NOT_SUPPORTED, dma_addr all ones", MAPPING,
	  .begin = ONCE, .fails = true },
	{ "orphan-frees", "frees of what was never allocated", ALLOCATION, .end = { 1, 1, 0 } },
	{ "orphan-unmaps", "unmaps of what was never mapped", MAPPING, .end = { 1, 1, 0 } },
	{ "page-frees", "8-page allocations freed page by page", ALLOCATION, .begin = { 1, 8, 0 },
	  .end = { 8, 1, 1 } },
	{ "half-frees", "8-page allocations of which 4 pages are freed", ALLOCATION,
	  .begin = { 1, 8, 0 }, .end = { 4, 1, 1 }, .left = 1, .left_pages = 4 },
	{ "split-unmaps", "8-page mappings removed in two parts", MAPPING, .begin = { 1, 8, 0 },
	  .end = { 2, 4, 4 } },
	{ "range-unmaps", "4 neighbouring mappings removed by one unmap", MAPPING,
	  .begin = { 4, 1, 1 }, .end = { 1, 4, 0 } },
	{ "overlaps", "3 mappings of one address, open at once", MAPPING, .begin = { 3, 1, 0 },
	  .end = { 3, 1, 0 } },
	{ "overlap-leaks", "3 mappings of one address, 2 unmaps", MAPPING, .begin = { 3, 1, 0 },
	  .end = { 2, 1, 0 }, .left = 1, .left_pages = 1 },
};

static int parse_sizes(void *field, const char *value, struct p2p_error *err)
{
	struct rig_sizes *sizes = field;
	char *copy = strdup(value), *rest = copy, *word;
	int status = 0;

	if (!copy)
		return p2p_fail(err, "out of memory");
	sizes->count = 0;
	while (!status && (word = strsep(&rest, ","))) {
		if (sizes->count == RIG_MAX_LIST)
			status = p2p_fail_usage(err, "more than %d sizes", RIG_MAX_LIST);
		else
			status = text_parse_size(word, 1, &sizes->bytes[sizes->count++], err);
	}
	free(copy);
	return status;
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* \n, \t, \\ and \xHH, so that a shell line can name hostile bytes. */
static size_t unescape(const char *from, char *byte)
{
	if (from[0] != '\\' || !from[1]) {
		*byte = from[0];
		return 1;
	}
	if (from[1] == 'x' && isxdigit((unsigned char)from[2]) &&
	    isxdigit((unsigned char)from[3])) {
		*byte = (char)(hex_digit(from[2]) * 16 + hex_digit(from[3]));
		return 4;
	}
	*byte = from[1] == 'n' ? '\n' : from[1] == 't' ? '\t' : from[1];
	return 2;
}

static int parse_comm(void *field, const char *value, struct p2p_error *err)
{
	struct rig_comms *comms = field;
	size_t used = 0;
	char *name;

	if (comms->count == RIG_MAX_LIST)
		return p2p_fail_usage(err, "more than %d names", RIG_MAX_LIST);
	name = comms->name[comms->count];
	while (*value && used < RIG_COMM - 1)
		value += unescape(value, &name[used++]);
	name[used] = '\0';
	if (*value)
		return p2p_fail_usage(err, "a process name has at most %d bytes", RIG_COMM - 1);
	comms->count++;
	return 0;
}

static int parse_cross(void *field, const char *value, struct p2p_error *err)
{
	static const char *const names[] = { "none", "thread", "process" };

	for (unsigned i = 0; i < 3; i++) {
		if (!strcmp(value, names[i])) {
			*(enum rig_cross *)field = (enum rig_cross)i;
			return 0;
		}
	}
	return p2p_fail_usage(err, "'%s' is none of none, thread, process", value);
}

static int parse_fault(void *field, const char *value, struct p2p_error *err)
{
	return text_parse_u64(value, field, err);
}

#define OPTION(field) .offset = offsetof(struct rig_options, field)

static struct option_spec fault_options[RIG_SHAPES];

const struct option_spec rig_run_options[] = {
	{ OPTION_U64, 'n', "events", "N", "events of all threads together [10000]",
	  OPTION(events) },
	{ OPTION_DURATION, 'd', "seconds", "T", "run so long instead of so many events",
	  OPTION(duration) },
	{ OPTION_U64, 'p', "processes", "N", "processes [1]", OPTION(processes) },
	{ OPTION_U64, 't', "threads", "N", "threads of each process [1]", OPTION(threads) },
	{ OPTION_U64, 'r', "rate", "N", "events/s of each thread; 0: all it can [0]",
	  OPTION(rate) },
	{ OPTION_U64, 's', "seed", "N", "what is done in which order [1]", OPTION(seed) },
	{ OPTION_U64, 0, "clients", "N", "client devices [4]", OPTION(clients) },
	{ OPTION_U64, 0, "providers", "N", "provider devices [2]", OPTION(providers) },
	{ OPTION_CALL, 0, "sizes", "SIZE,...", "sizes to draw from [4k,64k,2m]", OPTION(sizes),
	  .parse = parse_sizes },
	{ OPTION_U64, 0, "bus-addr", "PERCENT", "pairs of type BUS_ADDR [75]", OPTION(bus_addr) },
	{ OPTION_U64, 0, "alloc-share", "PERCENT", "allocations among the plain work [25]",
	  OPTION(alloc_share) },
	{ OPTION_U64, 0, "window", "N", "what a thread keeps open at a time [64]", OPTION(window) },
	{ OPTION_CALL, 0, "cross", "WHERE",
	  "ends happen on the same thread (none), the next\n"
	  "                               thread, or the next process [none]",
	  OPTION(cross), .parse = parse_cross },
	{ OPTION_CALL, 0, "comm", "NAME", "process name, with \\n \\xHH (one for each process)",
	  OPTION(comms), .parse = parse_comm },
	{ OPTION_U64, 0, "hold", "N", "N processes stay until stdin ends or SIGTERM [0]",
	  OPTION(hold) },
	{ OPTION_FLAG, 0, "dist-once", NULL,
	  "distance -1 on all but a thread's first map of a pair", OPTION(dist_once) },
	{ OPTION_FLAG, 0, "new-numbers", NULL, "map types numbered as in newer kernels",
	  OPTION(new_numbers) },
	{ OPTION_FLAG, 0, "lifetimes", NULL, "bound the lifetimes by CLOCK_MONOTONIC",
	  OPTION(lifetimes) },
	{ OPTION_FLAG, 0, "no-pin", NULL, "do not pin threads to CPUs round robin",
	  OPTION(no_pin) },
	{ OPTION_STRING, 0, "truth", "FILE", "write the ground truth there [stdout]",
	  OPTION(truth) },
	{ OPTION_GROUP, .group = fault_options },
	{ 0 },
};

/* The faults' options are the rows of rig_shapes. */
static void fill_fault_options(void)
{
	for (size_t i = RIG_FIRST_FAULT; i < RIG_SHAPES; i++)
		fault_options[i - RIG_FIRST_FAULT] = (struct option_spec){
			.kind = OPTION_CALL,
			.name = rig_shapes[i].option,
			.value = "N",
			.help = rig_shapes[i].help,
			.offset = offsetof(struct rig_options, counts) + i * sizeof(uint64_t),
			.parse = parse_fault,
		};
}

struct limit {
	const char *option;
	size_t offset;
	uint64_t least, most;
};

static const struct limit limits[] = {
	{ "processes", offsetof(struct rig_options, processes), 1, 256 },
	{ "threads", offsetof(struct rig_options, threads), 1, RIG_MAX_THREADS },
	{ "clients", offsetof(struct rig_options, clients), 1, 100 },
	{ "providers", offsetof(struct rig_options, providers), 1, 100 },
	{ "window", offsetof(struct rig_options, window), 1, 1 << 20 },
	{ "bus-addr", offsetof(struct rig_options, bus_addr), 0, 100 },
	{ "alloc-share", offsetof(struct rig_options, alloc_share), 0, 100 },
};

static int check_options(const struct rig_options *options, struct p2p_error *err)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const struct limit *limit = &limits[i];
		uint64_t value = *(const uint64_t *)((const char *)options + limit->offset);

		if (value < limit->least || value > limit->most)
			return p2p_fail_usage(err, "--%s: %llu is not %llu to %llu", limit->option,
					      (unsigned long long)value,
					      (unsigned long long)limit->least,
					      (unsigned long long)limit->most);
	}
	for (size_t i = 0; i < options->sizes.count; i++)
		if (!options->sizes.bytes[i])
			return p2p_fail_usage(err, "--sizes: nothing has size 0");
	if (options->hold > options->processes)
		return p2p_fail_usage(err, "--hold: there are only %llu processes",
				      (unsigned long long)options->processes);
	return 0;
}

int rig_read_options(int argc, char **argv, struct rig_options *options, struct p2p_error *err)
{
	char **rest;
	int count;

	*options = (struct rig_options){
		.events = 10000,
		.processes = 1,
		.threads = 1,
		.seed = 1,
		.clients = 4,
		.providers = 2,
		.alloc_share = 25,
		.bus_addr = 75,
		.window = 64,
		.sizes = { { 4096, 65536, 2 << 20 }, 3 },
	};
	fill_fault_options();
	if (options_parse(argc, argv, rig_run_options, false, options, &rest, &count, err))
		return -1;
	if (count)
		return p2p_fail_usage(err, "'%s' is no option", rest[0]);
	return check_options(options, err);
}
