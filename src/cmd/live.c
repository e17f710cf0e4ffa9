// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * live: options, and the views without a screen.  The model is in src/live/, the screen
 * in src/ui/.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/command.h"
#include "p2ptrace/live.h"
#include "p2ptrace/signals.h"
#include "p2ptrace/text.h"
#include "p2ptrace/ui_screen.h"

#define KEEP_DEFAULT (256ull << 20)
#define ROWS_ONCE 10

struct live_command {
	struct live_options live;
	uint64_t interval_ns;
	uint64_t batch; /* pictures; 0: not given */
	bool once, json;
	const char *speed, *output;
	/* With these names for the kernel as in record; for a recording as in report. */
	const char *time, *type, *cpu;
};

static int parse_interval(void *field, const char *value, struct p2p_error *err)
{
	if (text_parse_duration(value, field, err))
		return -1;
	if (*(uint64_t *)field < 10000000)
		return p2p_fail_usage(err, "'%s' is too short: 10ms is the shortest", value);
	return 0;
}

static int parse_count(void *field, const char *value, struct p2p_error *err)
{
	if (text_parse_u64(value, field, err))
		return -1;
	return *(uint64_t *)field ? 0 : p2p_fail_usage(err, "'%s' is not at least 1", value);
}

#define AT(field) offsetof(struct live_command, field)

static const struct option_spec options[] = {
	{ OPTION_CALL, 'd', "delay", "SEC", "a picture so often (default 1; 0.2, 500ms)",
	  .offset = AT(interval_ns), .parse = parse_interval },
	{ OPTION_FLAG, 0, "once", NULL, "one screenful of text, after one delay",
	  .offset = AT(once) },
	{ OPTION_CALL, 0, "batch", "N", "N screenfuls of text", .offset = AT(batch),
	  .parse = parse_count },
	{ OPTION_FLAG, 0, "json", NULL, "a JSON object a line for each (schema p2ptrace.live/1)",
	  .offset = AT(json) },
	{ OPTION_STRING, 'i', "input", "FILE", "replay this recording", .offset = AT(live.path) },
	{ OPTION_STRING, 0, "speed", "X", "of the replay: 1 as recorded, 10, 0.5; max",
	  .offset = AT(speed) },
	{ OPTION_STRING, 'o', "output", "FILE", "at the end, write what was seen to a trace.dat",
	  .offset = AT(output) },
	{ OPTION_SIZE, 0, "keep", "SIZE", "keep so many pages for writing (default 256M; 0: none)",
	  .offset = AT(live.keep_bytes), .unit = 1 },
	{ OPTION_DURATION, 0, "min-age", "TIME", "open longer than this is leaked (10s, 250ms)",
	  .offset = AT(live.min_age) },
	{ OPTION_STRING, 'p', "pid", "PID,...", "what these processes and their children begin",
	  .offset = AT(live.pids) },
	{ OPTION_STRING, 'P', "provider", "NAME,...", "what begins with these providers' memory",
	  .offset = AT(live.session.filter.provider) },
	{ OPTION_STRING, 0, "client", "NAME,...", "what begins for these clients",
	  .offset = AT(live.session.filter.client) },
	{ OPTION_STRING, 0, "comm", "NAME,...", "what tasks of these names begin",
	  .offset = AT(live.session.filter.comm) },
	{ OPTION_STRING, 0, "time", "A,B",
	  "of a recording, from A to B: stamps, +SECONDS, PERCENT%", .offset = AT(time) },
	{ OPTION_STRING, 0, "type", "TYPE,...", "only mappings of these types (BUS_ADDR, ...)",
	  .offset = AT(type) },
	{ OPTION_STRING, 0, "cpu", "CPU,...", "only what began on these CPUs (0,2-5)",
	  .offset = AT(cpu) },
	{ OPTION_FLAG, 0, "no-inherit", NULL, "with -p: not what they start from now on",
	  .offset = AT(live.session.no_inherit) },
	{ OPTION_STRING, 'f', "filter", "FILTER", "a kernel event filter on what begins",
	  .offset = AT(live.session.filter.kernel) },
	{ OPTION_STRING, 'S', "source", "SOURCE", "auto, tracepoint or probe",
	  .offset = AT(live.session.source.name) },
	{ OPTION_STRING, 0, "system", "NAME", "the tracefs system that holds the events",
	  .offset = AT(live.session.source.system) },
	{ OPTION_STRING, 0, "offsets", "FILE",
	  "for probes: where the kernel's structures have what",
	  .offset = AT(live.session.source.offsets) },
	{ OPTION_U64, 0, "segments", "N", "for probes: segments of an unmap looked at (default 4)",
	  .offset = AT(live.session.source.segments) },
	{ OPTION_SIZE, 'b', "buffer", "SIZE", "ring buffer per CPU, in KiB without a unit",
	  .offset = AT(live.session.buffer_bytes), .unit = 1024 },
	{ OPTION_STRING, 'C', "clock", "CLOCK", "the trace clock (default mono)",
	  .offset = AT(live.session.clock) },
	{ OPTION_STRING, 0, "root", "DIR",
	  "topology and counters of a captured tree: DIR/sys, DIR/proc", .offset = AT(live.root) },
	{ .kind = OPTION_END },
};

/* ---- options ---- */

static int parse_speed(struct live_command *given, struct p2p_error *err)
{
	const char *text = given->speed;
	char *end;

	/* One screenful is of all of it. */
	given->live.speed = given->once ? 0 : 1;
	if (!text)
		return 0;
	if (!given->live.path)
		return p2p_fail_usage(err, "--speed is of a replay (-i FILE)");
	if (!strcmp(text, "max") || !strcmp(text, "0")) {
		given->live.speed = 0;
		return 0;
	}
	given->live.speed = strtod(text, &end);
	if (*end || end == text || !(given->live.speed > 0 && given->live.speed <= 1e9))
		return p2p_fail_usage(err, "--speed: '%s' is no speed (1, 10, 0.5, max)", text);
	return 0;
}

/* In a recording they select as in report; in the kernel the kernel does. */
static int place_filters(struct live_command *given, struct p2p_error *err)
{
	struct selection_options *select = &given->live.select;
	struct filter_spec *filter = &given->live.session.filter;

	*select = (struct selection_options){ .type = given->type, .cpu = given->cpu };
	if (!given->live.path) {
		if (given->time)
			return p2p_fail_usage(err, "--time is of a replay (-i FILE)");
		return 0;
	}
	select->time = given->time;
	select->pid = given->live.pids;
	select->provider = filter->provider;
	select->client = filter->client;
	select->comm = filter->comm;
	if (filter->kernel)
		return p2p_fail_usage(err, "-f is the running kernel's: a replay has -p, -P, "
					   "--client, --comm, --type, --cpu, --time");
	return 0;
}

static int check_options(struct live_command *given, struct p2p_error *err)
{
	if (given->once && given->batch)
		return p2p_fail_usage(err, "--once and --batch exclude each other");
	if (given->live.session.no_inherit && !given->live.pids)
		return p2p_fail_usage(err, "--no-inherit is about the processes of -p");
	if (given->output && !given->live.path && !given->live.keep_bytes)
		return p2p_fail_usage(err, "-o writes what is kept, and --keep 0 keeps nothing");
	if (parse_speed(given, err) || place_filters(given, err))
		return -1;
	if (given->live.pids && !given->live.path &&
	    pid_list_parse(given->live.pids, &given->live.session.pids, err))
		return p2p_error_prefix(err, "-p");
	return 0;
}

/* ---- pictures ---- */

/* A reader that went away wants no more: 1. */
static int write_text(const char *text, size_t size, struct p2p_error *err)
{
	if (fwrite(text, 1, size, stdout) == size && !fflush(stdout))
		return 0;
	if (errno != EPIPE)
		return p2p_fail_errno(err, "cannot write to standard output");
	clearerr(stdout);
	return 1;
}

static int print_picture(struct live *live, const struct live_command *given, struct p2p_error *err)
{
	struct live_snapshot snapshot;
	char *text = NULL;
	int result = -1;
	size_t size;
	FILE *out;

	if (live_snapshot(live, &snapshot, err))
		return -1;
	out = open_memstream(&text, &size);
	if (out && given->json)
		live_print_json(&snapshot, out);
	else if (out)
		live_print_text(&snapshot, out, ROWS_ONCE);
	if (!out || ferror(out) | fclose(out))
		p2p_fail(err, "no memory for the picture");
	else
		result = write_text(text, size, err);
	free(text);
	live_snapshot_free(&snapshot);
	return result;
}

/* Until the next picture is due; 0: it is the last. */
static int pass_interval(struct live *live, uint64_t next, struct pollfd *signals,
			 struct p2p_error *err)
{
	int more;

	do {
		uint64_t now = live_now_ns();

		more = live_pump(live, next > now ? (int)((next - now + 999999) / 1000000) : 0,
				 signals, 1, err);
		if (more > 0 && signals->revents && signals_read(signals->fd, 0) & TOLD_END)
			return live_stop(live, err);
	} while (more > 0 && live_now_ns() < next);
	return more;
}

static int print_pictures(struct live *live, const struct live_command *given, int signals,
			  struct p2p_error *err)
{
	uint64_t left = given->once ? 1 : given->batch ? given->batch : UINT64_MAX;
	struct pollfd told = { .fd = signals, .events = POLLIN };
	uint64_t next = live_now_ns();
	int more = 1, printed = 0;

	for (bool first = true; left && more > 0 && !printed; first = false) {
		if (!first && !given->json && !(given->once && given->live.path))
			putchar('\n');
		next += given->interval_ns;
		more = pass_interval(live, next, &told, err);
		/* Once of a recording: all of it. */
		if (more < 0 || (more && given->once && given->live.path))
			continue;
		printed = print_picture(live, given, err);
		left--;
	}
	return more < 0 || printed < 0 ? -1 : 0;
}

/* Those that were taken note of must not come a second time, when they are let in. */
static void forget_signals(int signals, const sigset_t *before)
{
	signals_read(signals, 0);
	close(signals);
	sigprocmask(SIG_SETMASK, before, NULL);
}

static int write_output(struct live *live, const struct live_command *given, struct p2p_error *err)
{
	if (!given->output)
		return 0;
	if (live_stop(live, err))
		return -1;
	return live_write(live, given->output, NULL, err);
}

static bool wants_screen(const struct live_command *given)
{
	return !given->once && !given->batch && !given->json;
}

static int show(struct live *live, const struct live_command *given, int signals,
		struct p2p_error *err)
{
	return wants_screen(given) ? ui_screen_run(live, given->interval_ns, signals, err)
				   : print_pictures(live, given, signals, err);
}

static int run_view(struct live_command *given, struct p2p_error *err)
{
	struct live *live;
	sigset_t before;
	int signals = signals_catch(&before, err), result = -1;

	if (signals < 0)
		return -1;
	live = live_open(&given->live, err);
	if (live && !show(live, given, signals, err))
		result = write_output(live, given, err);
	live_close(live);
	forget_signals(signals, &before);
	return result ? -1 : P2P_OK;
}

static int run(int argc, char **argv, struct p2p_error *err)
{
	struct live_command given = { .interval_ns = 1000000000u,
				      .live = { .min_age = NOT_KNOWN,
						.keep_bytes = KEEP_DEFAULT,
						.session = { .source.name = "auto",
							     .clock = "mono" } } };
	char **words;
	int count, result;

	if (options_parse(argc, argv, options, false, &given, &words, &count, err))
		return -1;
	if (count > 1 || (count && given.live.path))
		return p2p_fail_usage(err, "'%s': one recording at a time", words[count - 1]);
	if (count)
		given.live.path = words[0];
	result = check_options(&given, err);
	if (!result && wants_screen(&given))
		result = ui_screen_check(err);
	if (!result)
		result = run_view(&given, err);
	free(given.live.session.pids.pids);
	return result;
}

const struct command cmd_live = {
	.name = "live",
	.summary = "What happens now: paths, pairs, processes, rates, leaks; or a replay of it.",
	.usage = "[OPTIONS] [FILE]",
	.options = options,
	.run = run,
};
