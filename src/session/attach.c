// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <traceevent/event-parse.h>
#include <tracefs/tracefs.h>

#include "p2ptrace/session.h"
#include "p2ptrace/text.h"

static bool contains(const struct pid_list *list, uint32_t pid)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->pids[i] == pid)
			return true;
	return false;
}

static int append(struct pid_list *list, uint32_t pid)
{
	uint32_t *more = reallocarray(list->pids, list->count + 1, sizeof(*more));

	if (!more)
		return -1;
	list->pids = more;
	list->pids[list->count++] = pid;
	return 0;
}

static int parse_pid(const char *word, struct pid_list *list, struct p2p_error *err)
{
	char path[64];
	uint64_t pid;

	if (text_parse_u64(word, &pid, err))
		return -1;
	if (!pid || pid > INT32_MAX)
		return p2p_fail_usage(err, "'%s' is no number of a process", word);
	snprintf(path, sizeof(path), "/proc/%llu", (unsigned long long)pid);
	if (access(path, F_OK))
		return p2p_fail(err, "there is no process %llu", (unsigned long long)pid);
	return append(list, (uint32_t)pid) ? p2p_fail(err, "no memory") : 0;
}

int pid_list_parse(const char *text, struct pid_list *list, struct p2p_error *err)
{
	char *copy = strdup(text), *save = NULL;
	int result = copy ? 0 : p2p_fail(err, "no memory");

	*list = (struct pid_list){ NULL, 0 };
	for (char *word = copy ? strtok_r(copy, ",", &save) : NULL; word && !result;
	     word = strtok_r(NULL, ",", &save))
		result = parse_pid(word, list, err);
	free(copy);
	if (!result && !list->count)
		result = p2p_fail_usage(err, "no number of a process");
	if (result) {
		free(list->pids);
		*list = (struct pid_list){ NULL, 0 };
	}
	return result;
}

/* ---- what runs now: threads and descendants ---- */

/* Adds the children of one thread; needs CONFIG_PROC_CHILDREN, else there are none. */
static int add_children(struct pid_list *processes, const char *task)
{
	char path[320];
	unsigned int child;
	FILE *file;

	snprintf(path, sizeof(path), "%s/children", task);
	file = fopen(path, "re");
	while (file && fscanf(file, "%u", &child) == 1)
		if (!contains(processes, child) && append(processes, child)) {
			fclose(file);
			return -1;
		}
	if (file)
		fclose(file);
	return 0;
}

/* The threads of one process to `threads`, their children to `processes`. */
static int add_process(struct pid_list *processes, struct pid_list *threads, uint32_t pid,
		       bool inherit)
{
	struct dirent *entry;
	char path[32], task[300];
	int result = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	dir = opendir(path);
	if (!dir) /* gone meanwhile */
		return 0;
	while (!result && (entry = readdir(dir))) {
		uint32_t tid = (uint32_t)strtoul(entry->d_name, NULL, 10);

		if (!tid)
			continue;
		snprintf(task, sizeof(task), "%s/%s", path, entry->d_name);
		if (!contains(threads, tid))
			result = append(threads, tid);
		if (!result && inherit)
			result = add_children(processes, task);
	}
	closedir(dir);
	return result;
}

/* `processes` grows while it is walked: descendants of descendants. */
static int collect(const struct pid_list *roots, struct pid_list *threads, bool inherit)
{
	struct pid_list processes = { NULL, 0 };
	int result = 0;

	for (size_t i = 0; i < roots->count && !result; i++)
		result = append(&processes, roots->pids[i]);
	for (size_t i = 0; i < processes.count && !result; i++)
		result = add_process(&processes, threads, processes.pids[i], inherit);
	free(processes.pids);
	return result;
}

/* ---- the kernel's list ---- */

static int add_to_kernel(const struct instance *instance, const struct pid_list *threads,
			 size_t from, struct p2p_error *err)
{
	int fd = instance_open(instance, "set_event_pid", O_WRONLY | O_APPEND, err);

	if (fd < 0)
		return -1;
	for (size_t i = from; i < threads->count; i++)
		if (dprintf(fd, "%u\n", threads->pids[i]) < 0) {
			p2p_fail_errno(err, "the kernel refuses to follow process %u",
				       threads->pids[i]);
			close(fd);
			return -1;
		}
	close(fd);
	return 0;
}

/*
 * Event-fork goes on first; then what runs is listed again and again until
 * nothing new appears: a child of a task that is listed is followed by the kernel,
 * one of a task not listed yet is found by the next look.
 */
int attach_pids(const struct instance *instance, const struct pid_list *pids, bool inherit,
		struct p2p_error *err)
{
	struct pid_list threads = { NULL, 0 };
	size_t told = 0;
	int result;

	if (inherit && instance_write(instance, "options/event-fork", "1", err))
		return -1;
	do {
		result = collect(pids, &threads, inherit) ? p2p_fail(err, "no memory") : 0;
		if (result || threads.count == told)
			break;
		result = add_to_kernel(instance, &threads, told, err);
		told = threads.count;
	} while (!result);
	free(threads.pids);
	if (!result && !told)
		return p2p_fail(err, "the processes to follow (-p) are gone");
	return result;
}

/* ---- namespaces ---- */

static int see_pid(struct tep_event *event, struct tep_record *record, int cpu, void *context)
{
	(void)cpu;
	*(int *)context = tep_data_pid(event->tep, record);
	return 0;
}

/* Knows the marker's event and no other: tracefs_local_events() would read all symbols of the
 * kernel for it, most of the work of a short recording. */
static struct tep_handle *know_marker(const struct instance *instance)
{
	char *header = instance_read(instance, "events/header_page", NULL);
	char *format = instance_read(instance, "events/ftrace/print/format", NULL);
	struct tep_handle *tep = header && format ? tep_alloc() : NULL;

	if (tep && (tep_parse_header_page(tep, header, strlen(header), sizeof(long)) ||
		    tep_parse_event(tep, format, strlen(format), "ftrace"))) {
		tep_free(tep);
		tep = NULL;
	}
	free(format);
	free(header);
	return tep;
}

/* Writes a marker and looks under which number the kernel recorded its writer. */
static int recorded_pid(const struct instance *instance)
{
	struct tracefs_instance *library = tracefs_instance_alloc(NULL, instance->name);
	struct tep_handle *tep = library ? know_marker(instance) : NULL;
	int pid = -1;

	if (tep && !instance_try(instance, "trace_marker", "pid"))
		tracefs_iterate_raw_events(tep, library, NULL, 0, see_pid, &pid);
	if (tep)
		tep_free(tep);
	if (library)
		tracefs_instance_free(library);
	return pid;
}

/* In an instance of its own, so that the marker is in nobody's way. */
bool pids_are_global(const struct tracefs *tracefs)
{
	struct p2p_error ignored;
	struct instance instance;
	int pid;

	if (instance_create(&instance, tracefs, &ignored))
		return false;
	pid = recorded_pid(&instance);
	instance_destroy(&instance);
	return pid == gettid();
}
