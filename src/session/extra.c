// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/rows.h"
#include "p2ptrace/session.h"

/* Names become parts of a path. */
static bool is_name(const char *text)
{
	return *text && strlen(text) < 128 && !strpbrk(text, "/:* ") && text[0] != '.';
}

int extra_events_add(struct extra_events *extra, const char *text, struct p2p_error *err)
{
	const char *colon = strchr(text, ':');
	struct extra_event *event;

	if (!colon || !is_name(colon + 1) || colon == text)
		return p2p_fail_usage(err, "'%s' is no SYSTEM:EVENT", text);
	event = ROWS_ADD(extra->events, extra->count);
	if (!event)
		return p2p_fail(err, "no memory");
	event->system = strndup(text, (size_t)(colon - text));
	event->name = strdup(colon + 1);
	if (!event->system || !event->name)
		return p2p_fail(err, "no memory");
	return is_name(event->system) ? 0 : p2p_fail_usage(err, "'%s' is no SYSTEM:EVENT", text);
}

void extra_events_free(struct extra_events *extra)
{
	for (size_t i = 0; i < extra->count; i++) {
		free(extra->events[i].system);
		free(extra->events[i].name);
	}
	free(extra->events);
	*extra = (struct extra_events){ NULL, 0 };
}

static bool is_event(const struct extra_event *event, const char *system, const char *name)
{
	return !strcmp(event->system, system) && !strcmp(event->name, name);
}

static bool was_named_before(const struct session *session, const struct extra_event *event)
{
	for (const struct extra_event *at = session->extra->events; at < event; at++)
		if (is_event(event, at->system, at->name))
			return true;
	return false;
}

bool extra_event_is_there(const struct session *session, const struct extra_event *event)
{
	const struct source *source = &session->source;

	for (size_t i = 0; i < source->event_count; i++)
		if (is_event(event, source->system, source->events[i].name))
			return true;
	return (session->beside_exit && is_event(event, "sched", "sched_process_exit")) ||
	       (session->beside_rename && is_event(event, "task", "task_rename")) ||
	       was_named_before(session, event);
}

int extra_events_enable(const struct session *session, struct p2p_error *err)
{
	const struct instance *main = &session->instances[SESSION_MAIN];
	char path[300];

	for (size_t i = 0; i < session->extra->count; i++) {
		const struct extra_event *event = &session->extra->events[i];

		if (extra_event_is_there(session, event))
			continue;
		snprintf(path, sizeof(path), "events/%s/%s/enable", event->system, event->name);
		if (!instance_has(main, path))
			return p2p_fail(err, "-e: this kernel has no event %s:%s", event->system,
					event->name);
		if (instance_write(main, path, "1", err))
			return p2p_error_prefix(err, "-e");
	}
	return 0;
}
