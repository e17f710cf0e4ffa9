// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "p2ptrace/selection.h"
#include "p2ptrace/text.h"

#define FIELD(name) offsetof(struct selection_options, name)

const struct option_spec selection_option_table[] = {
	{ OPTION_STRING, 0, "time", "A,B", "only from A to B: stamps, +SECONDS or PERCENT%",
	  .offset = FIELD(time) },
	{ OPTION_STRING, 0, "pid", "PID,...", "only what these processes began",
	  .offset = FIELD(pid) },
	{ OPTION_STRING, 0, "comm", "NAME,...", "only what processes of these names began",
	  .offset = FIELD(comm) },
	{ OPTION_STRING, 0, "provider", "DEV,...", "only memory of these providers",
	  .offset = FIELD(provider) },
	{ OPTION_STRING, 0, "client", "DEV,...", "only mappings for these clients",
	  .offset = FIELD(client) },
	{ OPTION_STRING, 0, "type", "TYPE,...", "only mappings of these types (BUS_ADDR, ...)",
	  .offset = FIELD(type) },
	{ OPTION_STRING, 0, "cpu", "CPU,...", "only what began on these CPUs (0,2-5)",
	  .offset = FIELD(cpu) },
	{ .kind = OPTION_END },
};

/* ---- parsing ---- */

static bool add_pattern(struct patterns *patterns, const char *item)
{
	char **more = reallocarray(patterns->items, patterns->count + 1, sizeof(*more));

	if (!more)
		return false;
	patterns->items = more;
	more[patterns->count] = strdup(item);
	return more[patterns->count++] != NULL;
}

static int parse_patterns(struct patterns *patterns, const char *list, struct p2p_error *err)
{
	char *copy, *save = NULL;
	bool good = true;

	if (!list)
		return 0;
	copy = strdup(list);
	for (char *item = copy ? strtok_r(copy, ",", &save) : NULL; item && good;
	     item = strtok_r(NULL, ",", &save))
		good = add_pattern(patterns, item);
	good = good && copy;
	free(copy);
	if (!good)
		return p2p_fail(err, "no memory for the filters");
	return patterns->count ? 0 : p2p_fail_usage(err, "'%s' names nothing", list);
}

/* "8" or "8-10". */
static int parse_range(char *item, uint64_t range[2], struct p2p_error *err)
{
	char *dash = strchr(item, '-');

	if (dash)
		*dash = '\0';
	if (text_parse_u64(item, &range[0], err) ||
	    text_parse_u64(dash ? dash + 1 : item, &range[1], err))
		return -1;
	if (range[1] < range[0])
		return p2p_fail_usage(err, "from %s to %s names nothing", item, dash + 1);
	return 0;
}

/* "3,8-10": a table of first and last, one after the other. */
static int parse_numbers(uint64_t **numbers, size_t *count, const char *list, struct p2p_error *err)
{
	char *copy, *save = NULL;
	int result = 0;

	if (!list)
		return 0;
	copy = strdup(list);
	if (!copy)
		return p2p_fail(err, "no memory for the filters");
	for (char *item = strtok_r(copy, ",", &save); item && !result;
	     item = strtok_r(NULL, ",", &save)) {
		uint64_t *more = reallocarray(*numbers, *count + 2, sizeof(*more));

		if (more) {
			*numbers = more;
			result = parse_range(item, more + *count, err);
			*count += 2;
		} else {
			result = p2p_fail(err, "no memory for the filters");
		}
	}
	free(copy);
	if (!result && !*count)
		return p2p_fail_usage(err, "'%s' names nothing", list);
	return result;
}

/* "40%" of the recording. */
static bool parse_percent(const char *text, const struct recording *recording, uint64_t *stamp)
{
	double value, span = (double)(recording->stop - recording->start);
	char *end;

	value = strtod(text, &end);
	if (!isdigit((unsigned char)*text) || strcmp(end, "%") != 0 || !(value <= 100))
		return false;
	/* All of it exactly: a double has no room for ns since boot. */
	*stamp = recording->stop;
	if (value < 100)
		*stamp = recording->start + (uint64_t)(span * value / 100);
	return true;
}

/* Seconds to ns, exactly; digits beyond ns do not count. */
static bool parse_seconds(const char *text, uint64_t *ns)
{
	uint64_t seconds = 0, part = 0, unit = 1000000000;
	const char *at = text;

	for (; isdigit((unsigned char)*at) && seconds < UINT64_MAX / 10000000000; at++)
		seconds = seconds * 10 + (uint64_t)(*at - '0');
	if (*at == '.')
		for (at++; isdigit((unsigned char)*at); at++) {
			unit /= 10;
			part += unit * (uint64_t)(*at - '0');
		}
	*ns = seconds * 1000000000 + part;
	return at > text + (*text == '.') && !*at;
}

/* One side of --time: "12.5" and "+0.5" are seconds, "40%" is of the recording. */
static int parse_moment(const char *text, const struct recording *recording, uint64_t *stamp,
			struct p2p_error *err)
{
	bool relative = *text == '+';

	if (parse_percent(text, recording, stamp))
		return 0;
	if (relative && !recording->ns)
		return p2p_fail_usage(err, "this recording's clock counts no seconds: give stamps "
					   "as printed, or percent");
	if (!recording->ns)
		return text_parse_u64(text, stamp, err);
	if (parse_seconds(text + relative, stamp) &&
	    (!relative || *stamp <= UINT64_MAX - recording->start)) {
		*stamp += relative ? recording->start : 0;
		return 0;
	}
	return p2p_fail_usage(err, "'%s' is no moment (examples: 81.25, +0.5, 40%%)", text);
}

static int parse_window(struct selection *selection, const struct recording *recording,
			struct p2p_error *err)
{
	char text[128], *comma;

	selection->from = 0;
	selection->until = UINT64_MAX;
	if (!selection->given.time)
		return 0;
	snprintf(text, sizeof(text), "%s", selection->given.time);
	comma = strchr(text, ',');
	if (!comma)
		return p2p_fail_usage(err, "--time: '%s' has no comma (A,B; either may be empty)",
				      text);
	*comma = '\0';
	if (text[0] && parse_moment(text, recording, &selection->from, err))
		return p2p_error_prefix(err, "--time");
	if (comma[1] && parse_moment(comma + 1, recording, &selection->until, err))
		return p2p_error_prefix(err, "--time");
	if (selection->from > selection->until)
		return p2p_fail_usage(err, "--time: %s lies behind %s", text, comma + 1);
	return 0;
}

int selection_init(struct selection *selection, const struct selection_options *given,
		   const struct recording *recording, const struct processes *processes,
		   struct p2p_error *err)
{
	static const struct selection_options none;

	*selection = (struct selection){ .given = given ? *given : none, .processes = processes };
	given = &selection->given;
	if (parse_window(selection, recording, err) ||
	    parse_numbers(&selection->pids, &selection->pid_count, given->pid, err) ||
	    parse_numbers(&selection->cpus, &selection->cpu_count, given->cpu, err) ||
	    parse_patterns(&selection->comms, given->comm, err) ||
	    parse_patterns(&selection->providers, given->provider, err) ||
	    parse_patterns(&selection->clients, given->client, err) ||
	    parse_patterns(&selection->types, given->type, err)) {
		selection_free(selection);
		return -1;
	}
	selection->begins = given->pid || given->comm || given->cpu;
	selection->foreign_ends = selection->begins || given->type || recording->filtered;
	selection->any = selection->foreign_ends || given->provider || given->client || given->time;
	return 0;
}

static void free_patterns(struct patterns *patterns)
{
	for (size_t i = 0; i < patterns->count; i++)
		free(patterns->items[i]);
	free(patterns->items);
}

void selection_free(struct selection *selection)
{
	free(selection->pids);
	free(selection->cpus);
	free_patterns(&selection->comms);
	free_patterns(&selection->providers);
	free_patterns(&selection->clients);
	free_patterns(&selection->types);
	*selection = (struct selection){ 0 };
}

bool selection_options_but_time(const struct selection_options *given)
{
	return given->pid || given->comm || given->provider || given->client || given->type ||
	       given->cpu;
}

/* ---- asking ---- */

static bool matches(const struct patterns *patterns, const char *text, int flags)
{
	if (!patterns->count)
		return true;
	for (size_t i = 0; text && i < patterns->count; i++)
		if (!fnmatch(patterns->items[i], text, flags))
			return true;
	return false;
}

static bool in_ranges(const uint64_t *numbers, size_t count, uint64_t number)
{
	for (size_t i = 0; i < count; i += 2)
		if (number >= numbers[i] && number <= numbers[i + 1])
			return true;
	return !count;
}

bool selection_path(const void *context, const struct names *names, const struct path *path)
{
	const struct selection *selection = context;
	const char *client = names_text(names, path->client);
	const char *provider = names_text(names, path->provider);
	bool mapping = path->kind != KIND_ALLOC && path->kind != KIND_FREE;
	bool end = kind_is_end(path->kind);

	/* An end that does not name its device is matched first. */
	if (!(end && !provider) && !matches(&selection->providers, provider, 0))
		return false;
	if (mapping && !(end && !client) && !matches(&selection->clients, client, 0))
		return false;
	/* --client and --type speak of mappings. */
	if (!mapping)
		return !selection->given.client && !selection->given.type;
	return end || matches(&selection->types, map_type_name(path->type), FNM_CASEFOLD);
}

bool selection_begin(const void *context, uint32_t tid, uint32_t comm, uint32_t cpu)
{
	const struct selection *selection = context;
	const struct processes *processes = selection->processes;
	bool known;

	if (!in_ranges(selection->cpus, selection->cpu_count, cpu))
		return false;
	if (selection->pid_count && !in_ranges(selection->pids, selection->pid_count, tid) &&
	    !in_ranges(selection->pids, selection->pid_count,
		       processes_tgid(processes, tid, &known)))
		return false;
	if (!selection->comms.count)
		return true;
	comm = comm ? comm : processes_comm(processes, tid);
	return matches(&selection->comms, comm ? names_text(processes->names, comm) : "", 0);
}
