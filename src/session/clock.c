// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The trace clock.  Its value now can always be read from a per-CPU `stats` file
 * ("now ts:", to 1 us); clocks that POSIX has are read with full precision, if
 * both agree (they do not in a time namespace).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/session.h"

static const struct {
	const char *name;
	bool ns;
	clockid_t posix;
} clocks[] = {
	{ "local", true, -1 },
	{ "global", true, -1 },
	{ "perf", true, -1 },
	{ "mono", true, CLOCK_MONOTONIC },
	{ "mono_raw", true, CLOCK_MONOTONIC_RAW },
	{ "boot", true, CLOCK_BOOTTIME },
	{ "tai", true, CLOCK_TAI },
};

static uint64_t posix_now(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* "now ts: 1126.684977" for clocks in ns, else a plain number. */
static uint64_t kernel_now(const struct session *session)
{
	const char *line;
	char *text = NULL, path[64];
	unsigned long long seconds = 0, micro = 0;

	snprintf(path, sizeof(path), "per_cpu/cpu%u/stats", session->cpus[0]);
	text = instance_read(&session->instances[0], path, NULL);
	line = text ? strstr(text, "now ts:") : NULL;
	if (!line || sscanf(line, "now ts: %llu.%6llu", &seconds, &micro) < 1)
		seconds = micro = 0;
	free(text);
	return session->clock.ns ? (uint64_t)seconds * 1000000000u + (uint64_t)micro * 1000u
				 : (uint64_t)seconds;
}

static bool agrees(const struct session *session, clockid_t id)
{
	const uint64_t tolerance = 1000000000;
	uint64_t kernel = kernel_now(session), posix = posix_now(id);

	return kernel - tolerance < posix && posix < kernel + tolerance;
}

int trace_clock_open(struct session *session, const char *name, struct p2p_error *err)
{
	struct trace_clock *clock = &session->clock;

	for (size_t i = 0; i < session->instance_count; i++) {
		const struct instance *instance = &session->instances[i];

		if (instance_try(instance, "trace_clock", name)) {
			char *known = instance_read(instance, "trace_clock", NULL);

			p2p_fail_usage(err, "-C: this kernel has no trace clock '%s', only: %.*s",
				       name, known ? (int)strcspn(known, "\n") : 0,
				       known ? known : "");
			free(known);
			return -1;
		}
	}
	*clock = (struct trace_clock){ .posix = -1 };
	snprintf(clock->name, sizeof(clock->name), "%s", name);
	clock->text = instance_read(&session->instances[0], "trace_clock", err);
	if (!clock->text)
		return -1;
	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++)
		if (!strcmp(clocks[i].name, name)) {
			clock->ns = clocks[i].ns;
			if (clocks[i].posix >= 0 && agrees(session, clocks[i].posix))
				clock->posix = clocks[i].posix;
		}
	return 0;
}

void trace_clock_close(struct trace_clock *clock)
{
	free(clock->text);
	clock->text = NULL;
}

uint64_t trace_clock_now(const struct session *session)
{
	return session->clock.posix >= 0 ? posix_now(session->clock.posix) : kernel_now(session);
}

int64_t trace_clock_wall_offset(const struct session *session)
{
	uint64_t stamp = trace_clock_now(session);

	return (int64_t)(posix_now(CLOCK_REALTIME) - stamp);
}

int64_t trace_clock_boot_offset(const struct session *session)
{
	uint64_t stamp = trace_clock_now(session);

	return (int64_t)(stamp - posix_now(CLOCK_BOOTTIME));
}
