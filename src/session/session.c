// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/session.h"
#include "p2ptrace/stacks.h"

const char *const session_buffer_names[SESSION_INSTANCES] = {
	[SESSION_MAIN] = "",
	[SESSION_BEGINS] = "begins",
};

/* ---- the machine ---- */

static int compare_cpus(const void *left, const void *right)
{
	const unsigned int *a = left, *b = right;

	return *a < *b ? -1 : *a > *b;
}

static int add_cpu(struct session *session, unsigned int cpu)
{
	unsigned int *more = reallocarray(session->cpus, session->cpu_count + 1, sizeof(*more));

	if (!more)
		return -1;
	session->cpus = more;
	session->cpus[session->cpu_count++] = cpu;
	return 0;
}

static int list_cpus(struct session *session, struct p2p_error *err)
{
	int fd = instance_open(&session->instances[0], "per_cpu", O_RDONLY | O_DIRECTORY, err);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	unsigned int cpu;

	if (!dir)
		return -1;
	while ((entry = readdir(dir)))
		if (sscanf(entry->d_name, "cpu%u", &cpu) == 1 && add_cpu(session, cpu)) {
			closedir(dir);
			return p2p_fail(err, "no memory");
		}
	closedir(dir);
	if (!session->cpu_count)
		return p2p_fail(err, "the tracing instance has no per-CPU buffers");
	qsort(session->cpus, session->cpu_count, sizeof(*session->cpus), compare_cpus);
	return 0;
}

/* 32 MiB a CPU: 130 ms of the fastest that one CPU can produce; never more than an
 * eighth of the memory in all. */
uint64_t session_default_buffer(uint64_t memory, size_t cpus, size_t instances)
{
	const uint64_t most = 32 << 20, least = 1 << 20;
	uint64_t share = memory / 8 / cpus / instances;

	return share > most ? most : share < least ? least : share;
}

static uint64_t default_buffer_bytes(const struct session *session)
{
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	return session_default_buffer(memory, session->cpu_count, session->instance_count);
}

/* ---- buffers ---- */

/* As large as the kernel gives, and small enough that the buffer has eight of them. */
static uint32_t set_page_size(const struct instance *instance, uint64_t buffer_bytes)
{
	static const char file[] = "buffer_subbuf_size_kb";
	uint32_t least = (uint32_t)sysconf(_SC_PAGESIZE);
	char text[16];

	if (!instance_has(instance, file))
		return least;
	for (uint32_t bytes = 64 << 10; bytes > least; bytes /= 2) {
		snprintf(text, sizeof(text), "%u", bytes >> 10);
		if (bytes <= buffer_bytes / 8 && !instance_try(instance, file, text))
			return bytes;
	}
	return least;
}

static uint64_t read_buffer_bytes(const struct instance *instance, uint64_t otherwise)
{
	char *text = instance_read(instance, "buffer_size_kb", NULL);
	unsigned long long kib;
	uint64_t bytes = otherwise;

	if (text && sscanf(text, "%llu", &kib) == 1)
		bytes = kib << 10;
	free(text);
	return bytes;
}

static int size_instance(struct session *session, const struct instance *instance, uint64_t bytes,
			 struct p2p_error *err)
{
	char text[32];
	int failed;

	session->page_size = set_page_size(instance, bytes);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)((bytes + 1023) >> 10));
	failed = instance_try(instance, "buffer_size_kb", text);
	if (!failed) {
		session->buffer_bytes = read_buffer_bytes(instance, bytes);
		return 0;
	}
	errno = failed;
	return p2p_fail_errno(
		err, "cannot get a ring buffer of %s KiB for each of %zu CPUs (try a smaller -b)",
		text, session->cpu_count);
}

/* What older kernels lack, or call otherwise, is done without. */
static void set_comforts(const struct instance *instance)
{
	instance_try(instance, "options/record-tgid", "1");
	/* Wake a reader at a quarter: the rest is slack against its being late. */
	instance_try(instance, "buffer_percent", "25");
}

static int prepare_instance(struct session *session, const struct instance *instance,
			    const struct session_options *options, struct p2p_error *err)
{
	uint64_t bytes = options->buffer_bytes ? options->buffer_bytes
					       : default_buffer_bytes(session);

	if (instance_write(instance, "tracing_on", "0", err) ||
	    instance_write(instance, "options/overwrite", options->no_overwrite ? "0" : "1", err))
		return -1;
	set_comforts(instance);
	return size_instance(session, instance, bytes, err);
}

static int create_instances(struct session *session, const struct session_options *options,
			    struct p2p_error *err)
{
	size_t wanted = options->pids.count ? 2 : 1;

	while (session->instance_count < wanted) {
		struct instance *instance = &session->instances[session->instance_count];

		if (instance_create(instance, &session->tracefs, err))
			return -1;
		session->instance_count++;
	}
	if (list_cpus(session, err))
		return -1;
	for (size_t i = 0; i < session->instance_count; i++)
		if (prepare_instance(session, &session->instances[i], options, err))
			return -1;
	return 0;
}

/* ---- filters and events ---- */

static void event_file(char *path, size_t room, const char *system, const char *event,
		       const char *file)
{
	snprintf(path, room, "events/%s/%s/%s", system, event, file);
}

/* Where an event is recorded: with pids, beginnings apart. */
static const struct instance *instance_of(const struct session *session,
					  const struct source_event *event)
{
	return &session->instances[filter_applies(event->kind) ? session->instance_count - 1
							       : SESSION_MAIN];
}

/* The kernel's words for a filter it refused: its last line names the reason. */
static void read_refusal(const struct instance *instance, const char *path, char *words,
			 size_t room)
{
	char *text = instance_read(instance, path, NULL);
	char *reason = text ? strstr(text, "parse_error: ") : NULL;

	if (reason)
		reason += strlen("parse_error: ");
	snprintf(words, room, "%.*s", reason ? (int)strcspn(reason, "\n") : 16,
		 reason ? reason : "invalid argument");
	free(text);
	instance_try(instance, path, "0");
}

struct filtering {
	unsigned int given, refused; /* bits by enum event_kind */
	char refusal[200]; /* why, for the last one refused */
};

/* The user's filter for an event; "" without one. */
static int build_filter(const struct session *session, const struct instance *instance,
			const struct filter_spec *spec, const struct source_event *event,
			char filter[FILTER_ROOM], struct p2p_error *err)
{
	char path[512], *format;
	bool unfiltered;
	int result;

	filter[0] = '\0';
	if (!filter_applies(event->kind))
		return 0;
	event_file(path, sizeof(path), session->source.system, event->name, "format");
	format = instance_read(instance, path, err);
	if (!format)
		return -1;
	result = filter_build(spec, event->kind, format, filter, &unfiltered, err);
	free(format);
	if (!result && unfiltered)
		p2p_warn("%s tells no such device: all of them are recorded", event->name);
	return result;
}

/* The source's own filter always, the user's beside it if the kernel takes it. */
static int filter_event(const struct session *session, const struct filter_spec *spec,
			const struct source_event *event, struct filtering *done,
			struct p2p_error *err)
{
	const struct instance *instance = instance_of(session, event);
	char filter[FILTER_ROOM], both[FILTER_ROOM + sizeof(event->filter) + 16], path[512];
	bool own = event->filter[0];

	if (build_filter(session, instance, spec, event, filter, err))
		return -1;
	event_file(path, sizeof(path), session->source.system, event->name, "filter");
	if (own && instance_write(instance, path, event->filter, err))
		return -1;
	if (!filter[0])
		return 0;
	done->given |= 1u << event->kind;
	snprintf(both, sizeof(both), own ? "(%s) && (%s)" : "%.0s%s", event->filter, filter);
	if (!instance_try(instance, path, both))
		return 0;
	done->refused |= 1u << event->kind;
	read_refusal(instance, path, done->refusal, sizeof(done->refusal));
	return own ? instance_write(instance, path, event->filter, err) : 0;
}

/* An event that lacks a field of the filter passes whole; a filter that no event
 * takes is a mistake. */
static int set_filters(const struct session *session, const struct filter_spec *spec,
		       struct p2p_error *err)
{
	struct filtering done = { .given = 0 };

	for (size_t i = 0; i < session->source.event_count; i++)
		if (filter_event(session, spec, &session->source.events[i], &done, err))
			return -1;
	if (done.given && done.given == done.refused)
		return p2p_fail_usage(err, "the kernel refuses the filter: %s", done.refusal);
	for (int kind = KIND_NONE + 1; kind < KIND_P2P_COUNT; kind++)
		if (done.refused & 1u << kind)
			p2p_warn("%s: the kernel does not take the filter (%s): all of them are "
				 "recorded",
				 event_kind_names[kind], done.refusal);
	return 0;
}

static int enable_event(const struct instance *instance, const char *system, const char *event,
			struct p2p_error *err)
{
	char path[512];

	event_file(path, sizeof(path), system, event, "enable");
	return instance_write(instance, path, "1", err);
}

/* Who exited and who was renamed, where the kernel tells. */
static void enable_beside(struct session *session)
{
	const struct instance *main = &session->instances[SESSION_MAIN];
	struct p2p_error ignored;

	/* Of a process with threads the last one's exit says it all (6.15 and newer). */
	instance_try(main, "events/sched/sched_process_exit/filter", "group_dead != 0");
	session->beside_exit = !enable_event(main, "sched", "sched_process_exit", &ignored);
	session->beside_rename = !enable_event(main, "task", "task_rename", &ignored);
}

static int enable_events(struct session *session, struct p2p_error *err)
{
	for (size_t i = 0; i < session->source.event_count; i++) {
		const struct source_event *event = &session->source.events[i];

		if (enable_event(instance_of(session, event), session->source.system, event->name,
				 err))
			return -1;
	}
	source_ready(&session->source);
	enable_beside(session);
	return extra_events_enable(session, err);
}

/* ---- the whole ---- */

static int check_pids(struct session *session, const struct pid_list *pids, struct p2p_error *err)
{
	session->pids_global = pids_are_global(&session->tracefs);
	if (!pids->count || session->pids_global)
		return 0;
	return p2p_fail(err,
			"-p does not work inside a pid namespace of its own: the kernel's tracing "
			"knows\nprocesses by other numbers. Record from the host, or without -p.");
}

static int open_all(struct session *session, const struct session_options *options,
		    struct p2p_error *err)
{
	if (tracefs_open(&session->tracefs, err))
		return -1;
	instance_remove_stale(&session->tracefs);
	if (source_open(&session->source, &session->tracefs, &options->source, err) ||
	    check_pids(session, &options->pids, err) || create_instances(session, options, err) ||
	    trace_clock_open(session, options->clock, err))
		return -1;
	if (options->pids.count && attach_pids(&session->instances[SESSION_BEGINS], &options->pids,
					       !options->no_inherit, err))
		return -1;
	if (set_filters(session, &options->filter, err))
		return -1;
	if (options->stacks &&
	    stacks_enable(&session->instances[session->instance_count - 1], &session->source, err))
		return -1;
	return enable_events(session, err);
}

int session_open(struct session *session, const struct session_options *options,
		 struct p2p_error *err)
{
	*session = (struct session){ .tracefs = { -1, -1 },
				     .extra = &options->extra,
				     .inherit = !options->no_inherit };
	if (!open_all(session, options, err))
		return 0;
	session_close(session);
	return -1;
}

int session_start(struct session *session, struct p2p_error *err)
{
	session->wall_offset = trace_clock_wall_offset(session);
	session->start = trace_clock_now(session);
	for (size_t i = 0; i < session->instance_count; i++)
		if (pwrite(session->instances[i].hold, "1", 1, 0) != 1)
			return p2p_fail_errno(err, "cannot turn tracing on");
	return 0;
}

void session_stop(struct session *session)
{
	if (!session->start || session->stop)
		return;
	for (size_t i = session->instance_count; i-- > 0;)
		if (pwrite(session->instances[i].hold, "0", 1, 0) != 1)
			p2p_warn("cannot turn tracing off");
	session->stop = trace_clock_now(session);
	/* A clock read to 1 us may lie before the last event. */
	if (session->clock.ns && session->clock.posix < 0)
		session->stop += 1000;
}

void session_close(struct session *session)
{
	session_stop(session);
	for (size_t i = session->instance_count; i-- > 0;)
		instance_destroy(&session->instances[i]);
	session->instance_count = 0;
	source_close(&session->source);
	trace_clock_close(&session->clock);
	free(session->cpus);
	session->cpus = NULL;
	tracefs_close(&session->tracefs);
}

/* ---- statistics ---- */

static uint64_t number_after(const char *text, const char *label)
{
	const char *line = strstr(text, label);

	/* "overrun:" must not find "commit overrun:". */
	while (line && line != text && line[-1] != '\n')
		line = strstr(line + 1, label);
	return line ? strtoull(line + strlen(label), NULL, 10) : 0;
}

int session_stats(const struct session *session, size_t instance, unsigned int cpu,
		  struct ring_stats *stats, char **text)
{
	char path[64], *read;

	snprintf(path, sizeof(path), "per_cpu/cpu%u/stats", cpu);
	read = instance_read(&session->instances[instance], path, NULL);
	*stats = (struct ring_stats){ 0 };
	if (text)
		*text = read;
	if (!read)
		return -1;
	stats->entries = number_after(read, "entries:");
	stats->overrun = number_after(read, "overrun:");
	stats->commit_overrun = number_after(read, "commit overrun:");
	stats->dropped = number_after(read, "dropped events:");
	stats->read = number_after(read, "read events:");
	if (!text)
		free(read);
	return 0;
}

/* Without event-fork the kernel's list stays as it is. */
static bool any_runs(const char *pids)
{
	char path[32];

	for (const char *line = pids; *line >= '0' && *line <= '9'; line++) {
		snprintf(path, sizeof(path), "/proc/%lu", strtoul(line, NULL, 10));
		if (!access(path, F_OK))
			return true;
		line += strcspn(line, "\n");
		if (!*line)
			break;
	}
	return false;
}

bool session_has_targets(const struct session *session)
{
	char *text;
	bool any;

	if (session->instance_count <= SESSION_BEGINS)
		return true;
	text = instance_read(&session->instances[SESSION_BEGINS], "set_event_pid", NULL);
	any = text && (session->inherit ? text[0] >= '0' && text[0] <= '9' : any_runs(text));
	free(text);
	return any;
}
