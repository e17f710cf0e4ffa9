// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "p2ptrace/probe_group.h"

static const char events_file[] = "dynamic_events";
static const char prefix[] = "p2ptrace_";

/* Writes one command: 0 or an errno. */
static int command(const struct tracefs *tracefs, const char *line)
{
	/* Without O_APPEND nothing would be truncated either, but say what is meant. */
	int fd = openat(tracefs->top, events_file, O_WRONLY | O_APPEND | O_CLOEXEC);
	ssize_t length = (ssize_t)strlen(line);
	int failed = 0;

	if (fd < 0)
		return errno;
	if (write(fd, line, (size_t)length) != length)
		failed = errno ? errno : EIO;
	close(fd);
	return failed;
}

/* ---- names ---- */

/* Whether make_name() made it: no group of anybody else's is ever touched. */
static bool is_our_name(const char *name, size_t length)
{
	const char *at = name + strlen(prefix), *end = name + length;
	size_t digits;

	if (length <= strlen(prefix) || memcmp(name, prefix, strlen(prefix)) != 0)
		return false;
	digits = strspn(at, "0123456789");
	if (!digits || at[digits] != '_')
		return false;
	at += digits + 1;
	return end - at == 8 && strspn(at, "0123456789abcdef") >= 8;
}

static int make_name(char *name, size_t room)
{
	unsigned int number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -1;
	snprintf(name, room, "%s%d_%08x", prefix, (int)getpid(), number);
	return 0;
}

/* ---- removing ---- */

/* "f64:GROUP/EVENT FUNCTION ...": removes the event if its group is `only`, or with
 * NULL any of ours.  Returns the errno of what stays. */
static int remove_line(const struct tracefs *tracefs, const char *line, const char *only)
{
	const char *group = strchr(line, ':');
	const char *slash = group ? strchr(group, '/') : NULL;
	char text[200];

	if (!slash)
		return 0;
	group++;
	if (only ? strlen(only) != (size_t)(slash - group) || memcmp(only, group, strlen(only)) != 0
		 : !is_our_name(group, (size_t)(slash - group)))
		return 0;
	snprintf(text, sizeof(text), "-:%.*s", (int)strcspn(group, " \n"), group);
	return command(tracefs, text);
}

static int remove_events(const struct tracefs *tracefs, const char *only)
{
	char *text = read_file_at(tracefs->top, events_file), *save = NULL;
	int stays = 0;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		int failed = remove_line(tracefs, line, only);

		stays = failed ? failed : stays;
	}
	free(text);
	return stays;
}

/* ---- the group ---- */

static int fail_open(struct p2p_error *err)
{
	if (errno == ENOENT)
		return p2p_fail(err, "tracefs has no dynamic_events: the kernel was built without "
				     "CONFIG_FPROBE_EVENTS and CONFIG_KPROBE_EVENTS");
	if (errno == EPERM)
		return p2p_fail(err, "the kernel refuses dynamic events: it is locked down "
				     "(/sys/kernel/security/lockdown), or this process lacks "
				     "privileges");
	return p2p_fail_errno(err, "cannot open dynamic_events of tracefs");
}

int probe_group_open(struct probe_group *group, const struct tracefs *tracefs,
		     struct p2p_error *err)
{
	*group = (struct probe_group){ .tracefs = tracefs, .lock = -1 };
	group->lock = openat(tracefs->top, events_file, O_RDONLY | O_CLOEXEC);
	if (group->lock < 0)
		return fail_open(err);
	while (flock(group->lock, LOCK_EX))
		if (errno != EINTR) {
			p2p_fail_errno(err, "cannot lock dynamic_events");
			probe_group_ready(group);
			return -1;
		}
	remove_events(tracefs, NULL);
	if (!make_name(group->name, sizeof(group->name)))
		return 0;
	p2p_fail_errno(err, "no random number for a probe group's name");
	probe_group_ready(group);
	return -1;
}

/* The kernel's last complaint: "error: REASON" of the last entry. */
static void quote_error_log(const struct tracefs *tracefs, char *words, size_t room)
{
	static const char mark[] = "error: ";
	char *text = read_file_at(tracefs->top, "error_log"), *last = NULL;

	for (char *at = text; at && (at = strstr(at, mark)); at++)
		last = at + strlen(mark);
	snprintf(words, room, "%.*s", last ? (int)strcspn(last, "\n") : 0, last ? last : "");
	free(text);
}

int probe_group_add(const struct probe_group *group, const char *line, struct p2p_error *err)
{
	int failed = command(group->tracefs, line);
	char reason[200];

	if (!failed)
		return 0;
	quote_error_log(group->tracefs, reason, sizeof(reason));
	return p2p_fail(err, "%s%s%s", reason, reason[0] ? ", " : "", strerror(failed));
}

void probe_group_remove(const struct probe_group *group, const char *event)
{
	char text[200];

	snprintf(text, sizeof(text), "-:%s/%s", group->name, event);
	command(group->tracefs, text);
}

void probe_group_ready(struct probe_group *group)
{
	if (group->lock >= 0)
		close(group->lock);
	group->lock = -1;
}

void probe_group_close(struct probe_group *group)
{
	static const struct timespec moment = { .tv_nsec = 20 * 1000 * 1000 };

	if (!group->name[0])
		return;
	/* Somebody may just be looking into it. */
	for (int tries = 0; remove_events(group->tracefs, group->name) == EBUSY; tries++) {
		if (tries == 50) {
			p2p_warn("events of the probe group %s are in use by another program and "
				 "stay",
				 group->name);
			break;
		}
		nanosleep(&moment, NULL);
	}
	probe_group_ready(group);
	group->name[0] = '\0';
}

/* ---- missed hits ---- */

uint64_t probe_group_missed(const struct tracefs *tracefs, const char *name_end)
{
	char *text = read_file_at(tracefs->top, "kprobe_profile"), *save = NULL;
	uint64_t missed = 0;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		unsigned long long hits, passed;
		char name[128];
		size_t length;

		if (sscanf(line, "%127s %llu %llu", name, &hits, &passed) != 3)
			continue;
		length = strlen(name);
		if (length > strlen(name_end) &&
		    !strcmp(name + length - strlen(name_end), name_end))
			missed += passed;
	}
	free(text);
	return missed;
}
