// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/source.h"

/* The system that p2ptrace's own kernel module uses: first choice among several. */
static const char preferred_system[] = "p2pdma";

/* ---- tracepoints: whatever system holds an event by its name ---- */

static bool has_event(const struct tracefs *tracefs, const char *system, enum event_kind kind)
{
	char path[512];

	snprintf(path, sizeof(path), "events/%s/%s/format", system, event_kind_names[kind]);
	return !faccessat(tracefs->top, path, F_OK, 0);
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

static int tracepoint_prepare(struct source *source, const struct tracefs *tracefs,
			      const char *wanted, struct p2p_error *err)
{
	struct systems systems;

	source->tracefs = tracefs;
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
	for (int kind = KIND_NONE + 1; kind < KIND_P2P_COUNT; kind++)
		source->has[kind] = has_event(tracefs, source->system, kind);
	return 0;
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

static const struct source_ops sources[] = {
	{ "tracepoint", tracepoint_prepare, tracepoint_missed, tracepoint_release },
};

/* ---- choosing ---- */

static void warn_missing(const struct source *source)
{
	for (int kind = KIND_NONE + 1; kind < KIND_P2P_COUNT; kind++)
		if (!source->has[kind])
			p2p_warn("%s has no event %s: it will be missing from the recording",
				 source->system, event_kind_names[kind]);
}

int source_open(struct source *source, const struct tracefs *tracefs, const char *name,
		const char *wanted_system, struct p2p_error *err)
{
	bool any = !strcmp(name, "auto"), known = any || !strcmp(name, "probe");

	*source = (struct source){ .ops = NULL };
	if (!strcmp(name, "probe"))
		return p2p_fail(err, "-S probe: recording through dynamic probes is not built into "
				     "this version");
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		if (!any && strcmp(name, sources[i].name) != 0)
			continue;
		known = true;
		if (!sources[i].prepare(source, tracefs, wanted_system, err)) {
			source->ops = &sources[i];
			warn_missing(source);
			return 0;
		}
	}
	if (!known)
		return p2p_fail_usage(err, "-S: '%s' is no source (auto, tracepoint, probe)", name);
	return -1;
}

void source_close(struct source *source)
{
	if (source->ops)
		source->ops->release(source);
	source->ops = NULL;
}
