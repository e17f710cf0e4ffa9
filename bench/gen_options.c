// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "gen_options.h"
#include "p2ptrace/text.h"

#define FIELD(name) offsetof(struct gen_options, name)

/* "24M", "20k", "5000": thousands, not 1024s. */
static int parse_count(void *field, const char *value, struct p2p_error *err)
{
	char *end;
	unsigned long long count = strtoull(value, &end, 10), unit = 1;

	if (end != value && *end && !end[1]) {
		unit = *end == 'k' ? 1000 : *end == 'M' ? 1000000 : *end == 'G' ? 1000000000 : 0;
		end++;
	}
	if (end == value || *end || !unit || *value == '-')
		return p2p_fail_usage(err, "'%s' is no number (examples: 5000, 20k, 24M)", value);
	*(uint64_t *)field = count * unit;
	return 0;
}

static int parse_percent(void *field, const char *value, struct p2p_error *err)
{
	char *end;
	double percent = strtod(value, &end);

	if (end == value || *end || !(percent >= 0 && percent <= 90))
		return p2p_fail_usage(err, "'%s' is no percentage from 0 to 90", value);
	*(double *)field = percent;
	return 0;
}

/* "CxP"; `field` is clients, providers stand behind it. */
static int parse_pairs(void *field, const char *value, struct p2p_error *err)
{
	uint64_t *sides = field;
	char *end;

	sides[0] = strtoull(value, &end, 10);
	sides[1] = *end == 'x' ? strtoull(end + 1, &end, 10) : 0;
	if (*end || !sides[0] || !sides[1] || sides[0] * sides[1] > 65536)
		return p2p_fail_usage(err, "'%s' is not CLIENTSxPROVIDERS, 65536 pairs at most",
				      value);
	return 0;
}

static int parse_word(int *field, const char *value, const char *const *words,
		      struct p2p_error *err)
{
	for (int i = 0; words[i]; i++)
		if (!strcmp(words[i], value)) {
			*field = i;
			return 0;
		}
	return p2p_fail_usage(err, "unknown word '%s' (see -h)", value);
}

static int parse_sizes(void *field, const char *value, struct p2p_error *err)
{
	static const char *const words[] = { "all", "begins", "none", NULL };

	return parse_word(field, value, words, err);
}

static int parse_load(void *field, const char *value, struct p2p_error *err)
{
	static const char *const words[] = { "even", "skewed", "sparse", NULL };

	return parse_word(field, value, words, err);
}

static int parse_liveness(void *field, const char *value, struct p2p_error *err)
{
	static const char *const words[] = { "saved", "exits", "none", NULL };

	return parse_word(field, value, words, err);
}

#define COUNT(word, field, help)                                                              \
	{                                                                                     \
		OPTION_CALL, 0, word, "N", help, .offset = FIELD(field), .parse = parse_count \
	}
#define PERCENT(word, field, help)                                                                \
	{                                                                                         \
		OPTION_CALL, 0, word, "PCT", help, .offset = FIELD(field), .parse = parse_percent \
	}
#define FLAG(word, field, help)                                          \
	{                                                                \
		OPTION_FLAG, 0, word, NULL, help, .offset = FIELD(field) \
	}

const struct option_spec gen_option_table[] = {
	{ OPTION_STRING, 'o', "output", "FILE", "the recording", .offset = FIELD(output) },
	{ OPTION_STRING, 0, "truth", "FILE", "what is true of it, as JSON (- is stdout)",
	  .offset = FIELD(truth) },
	{ OPTION_U64, 0, "seed", "N", "the same seed and options give the same file",
	  .offset = FIELD(seed) },
	COUNT("events", events, "P2PDMA events, lost ones included (default 100k)"),
	COUNT("cpus", cpus, "CPUs, 1 to 256 (default 8)"),
	{ OPTION_CALL, 0, "load", "WORD", "events on the CPUs: even, skewed, sparse",
	  .offset = FIELD(load), .parse = parse_load },
	COUNT("in-flight", in_flight, "allocations and mappings open at a time (default 1000)"),
	COUNT("leaks", leaks, "about so many are never ended (default 0)"),
	{ OPTION_CALL, 0, "pairs", "CxP", "clients and providers (default 8x4)",
	  .offset = FIELD(clients), .parse = parse_pairs },
	COUNT("pids", pids, "processes (default 16)"),
	COUNT("threads", threads, "threads of each (default 2)"),
	{ OPTION_SIZE, 0, "sub-buffer", "SIZE", "pages of 4k to 64k (default 4k)",
	  .offset = FIELD(sub_buffer), .unit = 1 },
	{ OPTION_U64, 0, "file-version", "6|7", "of trace.dat (default 7)",
	  .offset = FIELD(version) },
	PERCENT("loss", loss, "events that are lost"),
	FLAG("no-stats", no_stats, "without the kernel's statistics: only marks tell of loss"),
	COUNT("missed", missed, "events that the probes missed, as the recorder says"),
	COUNT("unsaved", unsaved, "events that CPU 0 had no room on disk for, likewise"),
	PERCENT("specials", specials,
		"failures, orphans, page-by-page frees, ranges, overlaps, repeats"),
	PERCENT("others", others, "events of other kinds between ours"),
	{ OPTION_CALL, 0, "liveness", "WORD", "who lives at the end: saved, exits, none",
	  .offset = FIELD(liveness), .parse = parse_liveness },
	FLAG("foreign", foreign, "without p2ptrace's own option, as trace-cmd writes it"),
	FLAG("full", full, "all fields of the kernel module's events, pid and comm too"),
	FLAG("type-text", type_text, "map types as text"),
	FLAG("new-numbering", new_numbering, "map types as Linux 6.16 numbers them"),
	FLAG("long-names", long_names, "some device names longer than 16 characters"),
	{ OPTION_CALL, 0, "sizes", "WORD", "events with a size: all, begins, none",
	  .offset = FIELD(sizes), .parse = parse_sizes },
	{ OPTION_U64, 0, "base", "NS", "the first stamp (default 100 s)", .offset = FIELD(base) },
	{ OPTION_U64, 0, "pace", "NS", "from event to event in the mean (default 330)",
	  .offset = FIELD(pace) },
	FLAG("equal-stamps", equal_stamps, "many events with the same stamp, on several CPUs too"),
	FLAG("jumps", jumps, "pauses longer than a record's delta can say"),
	{ OPTION_STRING, 0, "clock", "NAME", "the trace clock (default mono)",
	  .offset = FIELD(clock) },
	{ .kind = OPTION_END },
};

static int check(const struct gen_options *options, struct p2p_error *err)
{
	if (!options->output)
		return p2p_fail_usage(err, "-o FILE is missing");
	if (options->cpus < 1 || options->cpus > 256)
		return p2p_fail_usage(err, "--cpus: 1 to 256");
	if (options->version != 6 && options->version != 7)
		return p2p_fail_usage(err, "--file-version: 6 or 7");
	if (options->sub_buffer < 4096 || options->sub_buffer > 65536 ||
	    options->sub_buffer & (options->sub_buffer - 1))
		return p2p_fail_usage(err, "--sub-buffer: 4k, 8k, 16k, 32k or 64k");
	if (!options->pids || !options->threads || options->pids * options->threads > 4000000)
		return p2p_fail_usage(err, "--pids and --threads: 1 to 4M threads altogether");
	if (options->in_flight > 100000000 || options->events > 4000000000ull)
		return p2p_fail_usage(err, "--in-flight goes to 100M, --events to 4G");
	if (!options->pace)
		return p2p_fail_usage(err, "--pace: at least 1");
	return 0;
}

int gen_options_read(int argc, char **argv, struct gen_options *options, struct p2p_error *err)
{
	char **rest;
	int count;

	*options = (struct gen_options){ .events = 100000,
					 .cpus = 8,
					 .sub_buffer = 4096,
					 .version = 7,
					 .seed = 1,
					 .in_flight = 1000,
					 .pids = 16,
					 .threads = 2,
					 .clients = 8,
					 .providers = 4,
					 .base = 100000000000ull,
					 .pace = 330,
					 .clock = "mono" };
	if (options_parse(argc, argv, gen_option_table, false, options, &rest, &count, err))
		return -1;
	if (count)
		return p2p_fail_usage(err, "'%s' is no option", rest[0]);
	/* Without the list of threads a reader takes each for a process. */
	if (options->foreign && !options->full)
		options->threads = 1;
	return check(options, err);
}
