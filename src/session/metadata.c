// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a recording says beside its pages.  Part of it is only to be had while the
 * tracefs instance exists (metadata_collect), the rest is put together when the
 * file is written.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "p2ptrace/recorder.h"
#include "p2ptrace/rows.h"
#include "p2ptrace/trace_write.h"

struct metadata_texts {
	char *header_page, *header_event;
	struct write_format *formats; /* their texts are ours */
	size_t format_count;
	char uname[5 * sizeof(((struct utsname *)0)->sysname)];
};

/* ---- from the instance ---- */

static int add_format(struct metadata_texts *texts, const struct instance *instance,
		      const char *system, const char *event, struct p2p_error *err)
{
	struct write_format *more =
		reallocarray(texts->formats, texts->format_count + 1, sizeof(*more));
	char path[600], *text;

	if (!more)
		return p2p_fail(err, "no memory");
	texts->formats = more;
	snprintf(path, sizeof(path), "events/%s/%s/format", system, event);
	text = instance_read(instance, path, err);
	if (!text)
		return -1;
	texts->formats[texts->format_count++] = (struct write_format){ system, text };
	return 0;
}

/* trace-cmd and KernelShark look for these even when no such event was recorded. */
static int add_ftrace_formats(struct metadata_texts *texts, const struct instance *instance,
			      struct p2p_error *err)
{
	int fd = instance_open(instance, "events/ftrace", O_RDONLY | O_DIRECTORY, err);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	char path[300];
	int result = 0;

	if (!dir)
		return -1;
	while (!result && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/format", entry->d_name);
		if (entry->d_name[0] != '.' && !faccessat(fd, path, F_OK, AT_EACCESS))
			result = add_format(texts, instance, "ftrace", entry->d_name, err);
	}
	closedir(dir);
	return result;
}

static int compare_systems(const void *a, const void *b)
{
	const struct write_format *left = a, *right = b;

	return strcmp(left->system, right->system);
}

static int add_formats(struct metadata_texts *texts, const struct session *session,
		       struct p2p_error *err)
{
	const struct instance *instance = &session->instances[SESSION_MAIN];

	if (add_ftrace_formats(texts, instance, err))
		return -1;
	for (size_t i = 0; i < session->source.event_count; i++)
		if (add_format(texts, instance, session->source.system,
			       session->source.events[i].name, err))
			return -1;
	if (session->beside_exit && add_format(texts, instance, "sched", "sched_process_exit", err))
		return -1;
	if (session->beside_rename && add_format(texts, instance, "task", "task_rename", err))
		return -1;
	for (size_t i = 0; i < session->extra->count; i++) {
		const struct extra_event *extra = &session->extra->events[i];

		if (!extra_event_is_there(session, extra) &&
		    add_format(texts, instance, extra->system, extra->name, err))
			return -1;
	}
	/* The file groups them. */
	rows_sort(texts->formats, texts->format_count, sizeof(*texts->formats), compare_systems);
	return 0;
}

int metadata_collect(struct recorder *recorder, struct p2p_error *err)
{
	const struct instance *instance = &recorder->session.instances[SESSION_MAIN];
	struct metadata_texts *texts = calloc(1, sizeof(*texts));
	struct utsname name;

	recorder->texts = texts;
	if (!texts)
		return p2p_fail(err, "no memory");
	texts->header_page = instance_read(instance, "events/header_page", err);
	if (!texts->header_page)
		return -1;
	texts->header_event = instance_read(instance, "events/header_event", err);
	if (!texts->header_event)
		return -1;
	if (!uname(&name))
		snprintf(texts->uname, sizeof(texts->uname), "%s %s %s %s", name.sysname,
			 name.nodename, name.release, name.machine);
	return add_formats(texts, &recorder->session, err);
}

void metadata_release(struct recorder *recorder)
{
	struct metadata_texts *texts = recorder->texts;

	if (!texts)
		return;
	for (size_t i = 0; i < texts->format_count; i++)
		free((char *)texts->formats[i].text);
	free(texts->formats);
	free(texts->header_page);
	free(texts->header_event);
	free(texts);
	recorder->texts = NULL;
}

/* ---- the private option ---- */

static void add_time(FILE *to, const struct piece *piece)
{
	const struct trace_clock *clock = &piece->recorder->session.clock;

	private_add(to, PRIVATE_CLOCK, "%s", clock->name);
	private_add(to, PRIVATE_CLOCK_NS, "%d", clock->ns);
	if (piece->start)
		private_add(to, PRIVATE_START, "%" PRIu64, piece->start);
	if (piece->stop)
		private_add(to, PRIVATE_STOP, "%" PRIu64, piece->stop);
	if (piece->start && clock->ns)
		private_add(to, PRIVATE_WALL_OFFSET, "%" PRId64, piece->wall_offset);
	if (piece->suspended)
		private_add(to, PRIVATE_SUSPENDED, "%" PRIu64, piece->suspended);
	if (piece->number)
		private_add(to, PRIVATE_PIECE, "%u", piece->number);
}

/* What only the kernel that recorded can say of numbers in its probes' events. */
static void add_kernel_types(FILE *to, const struct source *source)
{
	char *const *names = source_map_types(source);

	for (int i = 0; names && i < 16; i++)
		if (names[i])
			private_add(to, PRIVATE_MAP_TYPE, "%d %s", i, names[i]);
	if (source_page_struct(source))
		private_add(to, PRIVATE_PAGE_STRUCT, "%" PRIu32 " %ld", source_page_struct(source),
			    sysconf(_SC_PAGESIZE));
}

static void add_source(FILE *to, const struct recorder *recorder)
{
	const struct source *source = &recorder->session.source;

	private_add(to, PRIVATE_SOURCE, "%s", source->ops->name);
	private_add(to, PRIVATE_SYSTEM, "%s", source->system);
	for (int kind = KIND_NONE + 1; kind < KIND_P2P_COUNT; kind++)
		if (source->has[kind])
			private_add(to, PRIVATE_EVENT, "%s", event_kind_names[kind]);
	add_kernel_types(to, source);
	private_add(to, PRIVATE_FLIGHT_RECORDER, "%d", recorder->options->flight);
	if (recorder->options->session.stacks)
		private_add(to, PRIVATE_STACKS, "1");
}

static void add_filters(FILE *to, const struct recorder_options *options)
{
	const struct filter_spec *filter = &options->session.filter;

	if (options->pids)
		private_add(to, PRIVATE_FILTER_PID, "%s", options->pids);
	if (filter->provider)
		private_add(to, PRIVATE_FILTER_PROVIDER, "%s", filter->provider);
	if (filter->client)
		private_add(to, PRIVATE_FILTER_CLIENT, "%s", filter->client);
	if (filter->comm)
		private_add(to, PRIVATE_FILTER_COMM, "%s", filter->comm);
	if (filter->kernel)
		private_add(to, PRIVATE_FILTER, "%s", filter->kernel);
}

static void add_host(FILE *to)
{
	char *command_line = read_file_at(AT_FDCWD, "/proc/cmdline");
	struct utsname name;

	if (!uname(&name)) {
		private_add(to, PRIVATE_HOSTNAME, "%s", name.nodename);
		private_add(to, PRIVATE_KERNEL, "%s", name.release);
		private_add(to, PRIVATE_MACHINE, "%s", name.machine);
	}
	if (command_line)
		private_add(to, PRIVATE_CMDLINE, "%.*s", (int)strcspn(command_line, "\n"),
			    command_line);
	free(command_line);
}

static void add_losses(FILE *to, const struct piece *piece)
{
	const struct session *session = &piece->recorder->session;

	private_add(to, PRIVATE_MISSED, "%" PRIu64, piece->missed);
	for (size_t i = 0; i < piece->lane_count; i++)
		if (piece->unsaved[i])
			private_add(to, PRIVATE_UNSAVED, "%u %" PRIu64,
				    session->cpus[i % session->cpu_count], piece->unsaved[i]);
}

/* Threads, and who lives, at the end.  Until then they are in a file of their own (sidecar.h). */
static void add_tasks(FILE *to, const struct piece *piece)
{
	if (!piece->recorder->session.pids_global || !piece->ended)
		return;
	fputs(piece->tgids, to);
	private_add(to, PRIVATE_LIVENESS, "%d", piece->liveness);
	fputs(piece->alive, to);
}

static int build_private(struct piece *piece, struct p2p_error *err)
{
	const struct recorder *recorder = piece->recorder;
	bool failed;
	size_t size;
	FILE *to;

	free(piece->private_text);
	piece->private_text = NULL;
	to = open_memstream(&piece->private_text, &size);
	if (!to)
		return p2p_fail(err, "no memory");
	private_add(to, PRIVATE_FORMAT, "%d", PRIVATE_OPTION_FORMAT);
	private_add(to, PRIVATE_VERSION, "%s", P2PTRACE_VERSION);
	add_time(to, piece);
	add_source(to, recorder);
	add_filters(to, recorder->options);
	add_host(to);
	add_losses(to, piece);
	add_tasks(to, piece);
	failed = ferror(to);
	return fclose(to) || failed ? p2p_fail(err, "no memory") : 0;
}

int metadata_fill(struct piece *piece, struct trace_metadata *metadata, struct p2p_error *err)
{
	const struct recorder *recorder = piece->recorder;
	const struct session *session = &recorder->session;
	const struct metadata_texts *texts = recorder->texts;

	if (build_private(piece, err))
		return -1;
	*metadata = (struct trace_metadata){
		.page_size = session->page_size,
		.header_page = texts->header_page,
		.header_event = texts->header_event,
		.formats = texts->formats,
		.format_count = texts->format_count,
		.kallsyms = piece->symbols ? piece->symbols : recorder->symbols,
		.cmdlines = piece->names,
		.clock_text = session->clock.text,
		.clock = session->clock.name,
		.uname = texts->uname,
		.cpu_stats = (const char *const *)piece->stat_texts,
		.cpu_stat_count = piece->lane_count,
		.private_text = piece->private_text,
		.captures = piece->captures,
		.compressor = piece->packing.compressor,
	};
	return 0;
}
