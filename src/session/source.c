// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/rows.h"
#include "p2ptrace/source.h"

/* The system that p2ptrace's own kernel module uses: first choice among several. */
static const char preferred_system[] = "p2pdma";

/* ---- tracepoints: whatever system holds an event by its name ---- */

static bool has_event(const struct tracefs *tracefs, const char *system, enum event_kind kind)
{
	char path[512];

	snprintf(path, sizeof(path), "events/%s/%s/format", system, event_kind_names[kind]);
	return !faccessat(tracefs->top, path, F_OK, AT_EACCESS);
}

static unsigned int look_into(struct source *source, const char *system)
{
	unsigned int found = 0;

	for (int kind = KIND_NONE + 1; kind < KIND_P2P_COUNT; kind++)
		found += has_event(source->tracefs, system, kind);
	return found;
}

/* The systems with any of the five events, as a list in words. */
struct systems {
	char names[512];
	char last[256];
	unsigned int count;
	bool preferred;
};

static void note_system(struct systems *systems, const char *name)
{
	size_t used = strlen(systems->names);

	systems->count++;
	systems->preferred |= !strcmp(name, preferred_system);
	snprintf(systems->last, sizeof(systems->last), "%s", name);
	snprintf(systems->names + used, sizeof(systems->names) - used, "%s%s", used ? ", " : "",
		 name);
}

static int list_systems(struct source *source, struct systems *systems, struct p2p_error *err)
{
	int fd = openat(source->tracefs->top, "events", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	*systems = (struct systems){ .count = 0 };
	if (!dir) {
		p2p_fail_errno(err, "cannot list tracefs' events");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && look_into(source, entry->d_name))
			note_system(systems, entry->d_name);
	closedir(dir);
	return 0;
}

static int fail_no_events(const char *where, struct p2p_error *err)
{
	return p2p_fail(
		err,
		"this kernel has no P2PDMA events: looked for p2p_dma_alloc, p2p_dma_free,\n"
		"p2p_dma_map, p2p_dma_unmap and p2p_map_type_change in %s.\n"
		"Load a module that provides them (kernel/ in p2ptrace's sources), or name "
		"the\nsystem that holds them with --system.",
		where);
}

static int find_system(struct source *source, const char *wanted, struct p2p_error *err)
{
	struct systems systems;

	if (wanted) {
		char where[300];

		if (strchr(wanted, '/') || strlen(wanted) >= sizeof(source->system))
			return p2p_fail_usage(err, "--system: '%s' is no name of a system", wanted);
		snprintf(where, sizeof(where), "the system '%s'", wanted);
		if (!look_into(source, wanted))
			return fail_no_events(where, err);
		strcpy(source->system, wanted);
	} else {
		if (list_systems(source, &systems, err))
			return -1;
		if (!systems.count)
			return fail_no_events("every system below events/", err);
		if (systems.count > 1 && !systems.preferred)
			return p2p_fail(
				err, "several systems hold P2PDMA events: %s; choose with --system",
				systems.names);
		strcpy(source->system, systems.preferred ? preferred_system : systems.last);
	}
	return 0;
}

static int tracepoint_prepare(struct source *source, const struct tracefs *tracefs,
			      const struct source_options *options, struct p2p_error *err)
{
	source->tracefs = tracefs;
	if (find_system(source, options->system, err))
		return -1;
	for (int kind = KIND_NONE + 1; kind < KIND_P2P_COUNT; kind++)
		if (has_event(tracefs, source->system, kind) &&
		    source_add(source, kind, event_kind_names[kind], "", err))
			return -1;
	return 0;
}

static void tracepoint_ready(struct source *source)
{
	(void)source;
}

static uint64_t tracepoint_missed(const struct source *source)
{
	(void)source;
	return 0;
}

static void tracepoint_release(struct source *source)
{
	(void)source;
}

static const struct source_ops tracepoint_source_ops = { "tracepoint", tracepoint_prepare,
							 tracepoint_ready, tracepoint_missed,
							 tracepoint_release };

/* In the order of preference. */
static const struct source_ops *const sources[] = { &tracepoint_source_ops, &probe_source_ops };

#define SOURCES (sizeof(sources) / sizeof(sources[0]))

/* ---- choosing ---- */

int source_add(struct source *source, enum event_kind kind, const char *name, const char *filter,
	       struct p2p_error *err)
{
	struct source_event *event = ROWS_ADD(source->events, source->event_count);

	if (!event)
		return p2p_fail(err, "no memory");
	event->kind = kind;
	snprintf(event->name, sizeof(event->name), "%s", name);
	snprintf(event->filter, sizeof(event->filter), "%s", filter);
	source->has[kind] = true;
	return 0;
}

static void warn_missing(const struct source *source)
{
	/* Probes said what they cannot see. */
	for (int kind = KIND_NONE + 1; kind < KIND_P2P_COUNT && !source->probe; kind++)
		if (!source->has[kind])
			p2p_warn("%s has no event %s: it will be missing from the recording",
				 source->system, event_kind_names[kind]);
}

static void forget_events(struct source *source)
{
	free(source->events);
	*source = (struct source){ .ops = NULL };
}

static int try_source(struct source *source, const struct source_ops *ops,
		      const struct tracefs *tracefs, const struct source_options *options,
		      struct p2p_error *err)
{
	if (ops->prepare(source, tracefs, options, err)) {
		forget_events(source);
		return -1;
	}
	source->ops = ops;
	warn_missing(source);
	return 0;
}

static bool has_tracepoints(const struct tracefs *tracefs)
{
	struct source source = { .tracefs = tracefs };
	struct p2p_error ignored;
	struct systems systems;

	return !list_systems(&source, &systems, &ignored) && systems.count;
}

/* Tracepoints where there are any, else probes. */
static int open_any(struct source *source, const struct tracefs *tracefs,
		    const struct source_options *options, struct p2p_error *err)
{
	struct p2p_error no_tracepoints, no_probes;

	if (options->system || has_tracepoints(tracefs))
		return try_source(source, sources[0], tracefs, options, err);
	if (!try_source(source, sources[1], tracefs, options, &no_probes))
		return 0;
	try_source(source, sources[0], tracefs, options, &no_tracepoints);
	return p2p_fail(err, "%.500s\nProbes do not help: %.400s.", no_tracepoints.text,
			no_probes.text);
}

int source_open(struct source *source, const struct tracefs *tracefs,
		const struct source_options *options, struct p2p_error *err)
{
	*source = (struct source){ .ops = NULL };
	if (!strcmp(options->name, "auto"))
		return open_any(source, tracefs, options, err);
	for (size_t i = 0; i < SOURCES; i++)
		if (!strcmp(options->name, sources[i]->name))
			return try_source(source, sources[i], tracefs, options, err)
				       ? p2p_error_prefix(err, "-S %s", options->name)
				       : 0;
	return p2p_fail_usage(err, "-S: '%s' is no source (auto, tracepoint, probe)",
			      options->name);
}

void source_ready(struct source *source)
{
	source->ops->ready(source);
}

void source_close(struct source *source)
{
	if (source->ops)
		source->ops->release(source);
	forget_events(source);
}
