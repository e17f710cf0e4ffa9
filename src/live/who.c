// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who is who, of the running system: the kernel's table of names is small and forgets,
 * so it is polled; a thread's process stands in /proc while it lives, and in saved_tgids
 * afterwards, which takes long to read.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/rows.h"
#include "parts.h"

#define POLL_NS 1000000000u
/* The table of all tasks ever named is begun anew beyond so many. */
#define TASKS_MAX (4 * LIVE_THREADS_MAX)
/* saved_tgids is read so seldom that it takes a fiftieth of the time, and not again and
 * again for threads that it does not name. */
#define SELDOM 50
#define TRIES 3

/* The process of a thread that lives; 0: it does not. */
static uint32_t tgid_of(uint32_t tid)
{
	const char *line;
	char path[64], *status;
	uint32_t tgid = 0;

	snprintf(path, sizeof(path), "/proc/%u/status", tid);
	status = read_file_at(AT_FDCWD, path);
	line = status ? strstr(status, "\nTgid:") : NULL;
	if (line)
		tgid = (uint32_t)strtoul(line + strlen("\nTgid:"), NULL, 10);
	free(status);
	return tgid;
}

static void note_task(struct tasks *tasks, uint32_t tid, uint32_t tgid)
{
	char path[64], line[96], *name;

	snprintf(line, sizeof(line), "%u %u\n", tid, tgid);
	tasks_add_tgids(tasks, line);
	snprintf(path, sizeof(path), "/proc/%u/comm", tid);
	name = read_file_at(AT_FDCWD, path);
	if (name) {
		snprintf(line, sizeof(line), "%u %.*s\n", tid, (int)strcspn(name, "\n"), name);
		tasks_add_names(tasks, line);
	}
	free(name);
}

/* Threads met since the last time, while they still live; whether there were any. */
static bool look_at_new_threads(struct live *live)
{
	const struct matcher *matcher = &live->engine.analysis->matchers[0];
	struct recorder *recorder = &live->kernel->recorder;
	struct live_who *who = &live->who;
	uint32_t first;

	if (who->threads_folded != live->engine.folded)
		who->threads_known = 0;
	who->threads_folded = live->engine.folded;
	first = who->threads_known;
	for (; who->threads_known < matcher->thread_count; who->threads_known++) {
		uint32_t tid = matcher->threads[who->threads_known].tid, tgid;
		const struct task *task = tasks_find(&recorder->tasks, tid);

		if (!recorder->session.pids_global || tid >= TID_OTHERS || tid == TID_IDLE ||
		    (task && task->tgid))
			continue;
		tgid = tgid_of(tid);
		if (!tgid)
			continue;
		note_task(&recorder->tasks, tid, tgid);
		if (tgid != tid)
			note_task(&recorder->tasks, tgid, tgid);
	}
	return who->threads_known > first;
}

static bool learn_task(struct live *live, uint32_t tid)
{
	struct analysis *analysis = live->engine.analysis;
	const struct task *task = tasks_find(&live->kernel->recorder.tasks, tid);
	uint32_t comm = 0, tgid;
	bool known;

	if (!task)
		return true;
	tgid = processes_tgid(&analysis->processes, tid, &known);
	/* Later names are told by rename events. */
	if (!processes_comm(&analysis->processes, tid) && task->name[0])
		comm = names_intern(analysis->names, task->name, strlen(task->name));
	if ((known || !task->tgid) && !comm)
		return true;
	tgid = live->kernel->recorder.session.pids_global ? task->tgid : 0;
	return comm != UINT32_MAX &&
	       processes_learn(&analysis->processes, tid, known ? 0 : tgid, comm) &&
	       (!tgid || tgid == tid || learn_task(live, tgid));
}

/* False without memory.  `unknown`, with room for all, gets the threads whose process is
 * not known. */
static bool learn_threads(struct live *live, uint32_t *unknown, size_t *count)
{
	const struct matcher *matcher = &live->engine.analysis->matchers[0];
	bool known;

	*count = 0;
	for (uint32_t i = 0; i < matcher->thread_count; i++) {
		uint32_t tid = matcher->threads[i].tid;

		if (tid >= TID_OTHERS)
			continue;
		if (!learn_task(live, tid))
			return false;
		processes_tgid(&live->engine.analysis->processes, tid, &known);
		if (!known)
			unknown[(*count)++] = tid;
	}
	return true;
}

static int compare_tids(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

/* Of the kernel's table, which names every thread there ever was, only those. */
static void take_tgids(struct tasks *tasks, FILE *table, const uint32_t *unknown, size_t count)
{
	uint32_t tid, tgid;
	char line[64];

	while (fgets(line, sizeof(line), table))
		if (sscanf(line, "%u %u", &tid, &tgid) == 2 && tgid &&
		    bsearch(&tid, unknown, count, sizeof(*unknown), compare_tids))
			tasks_add_tgids(tasks, line);
}

static void read_saved_tgids(struct live *live, uint32_t *unknown, size_t count)
{
	struct recorder *recorder = &live->kernel->recorder;
	struct live_who *who = &live->who;
	uint64_t began = live_now_ns();
	FILE *table;
	int fd;

	who->tries = who->unknown == count ? who->tries : 0;
	who->unknown = count;
	if (!recorder->session.pids_global ||
	    (!live->ended && (began < who->saved_tgids_at || who->tries == TRIES)))
		return;
	fd = openat(recorder->session.tracefs.top, "saved_tgids", O_RDONLY | O_CLOEXEC);
	table = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (!table && fd >= 0)
		close(fd);
	if (!table)
		return;
	qsort(unknown, count, sizeof(*unknown), compare_tids);
	take_tgids(&recorder->tasks, table, unknown, count);
	fclose(table);
	who->tries++;
	who->saved_tgids_at = live_now_ns() + (live_now_ns() - began) * SELDOM;
}

static int learn(struct live *live, struct p2p_error *err)
{
	const struct matcher *matcher = &live->engine.analysis->matchers[0];
	uint32_t *unknown = calloc(matcher->thread_count + 1, sizeof(*unknown));
	size_t count = 0;
	bool good = unknown && learn_threads(live, unknown, &count);

	if (good && count) {
		read_saved_tgids(live, unknown, count);
		good = learn_threads(live, unknown, &count);
	}
	free(unknown);
	return good ? 0 : p2p_fail(err, "no memory for the names of processes");
}

int who_learn(struct live *live, struct p2p_error *err)
{
	struct recorder *recorder = &live->kernel->recorder;
	struct live_who *who = &live->who;
	bool due = live->ended || live_now_ns() >= who->poll_at;

	if (!look_at_new_threads(live) && !due)
		return 0;
	if (due) {
		who->poll_at = live_now_ns() + POLL_NS;
		if (recorder->tasks.count > TASKS_MAX)
			tasks_free(&recorder->tasks);
		tasks_poll(&recorder->tasks, &recorder->session.tracefs);
	}
	if (learn(live, err))
		return -1;
	if (due && !live->ended && !session_has_targets(&recorder->session))
		return live_stop(live, err);
	return 0;
}

/* ---- who lives ---- */

static int64_t start_of(const struct session *session, uint32_t tgid, bool *lives)
{
	char path[64], name[16], state = 0, *stat;
	uint64_t start = 0;

	snprintf(path, sizeof(path), "/proc/%u/stat", tgid);
	stat = read_file_at(AT_FDCWD, path);
	*lives = stat && task_stat_parse(stat, name, &state, &start) && state != 'Z' &&
		 state != 'X';
	free(stat);
	if (!session->clock.ns)
		return INT64_MIN;
	return (int64_t)(start * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK))) +
	       trace_clock_boot_offset(session);
}

static int compare_living(const void *a, const void *b)
{
	const struct living *left = a, *right = b;

	return left->tgid < right->tgid ? -1 : left->tgid > right->tgid;
}

/* [thread] whether anything open belongs to it. */
static bool *owners(const struct matcher *matcher)
{
	bool *owns = calloc(matcher->thread_count + 1, sizeof(*owns));

	for (uint32_t i = 1; owns && i < matcher->open.entry_count; i++)
		if (matcher->open.entries[i].used)
			owns[matcher->open.entries[i].thread] = true;
	return owns;
}

/* Of a process that forked threads by the hundred there are as many rows: one is kept. */
static size_t drop_doubles(struct living *living, size_t count)
{
	size_t kept = 0;

	rows_sort(living, count, sizeof(*living), compare_living);
	for (size_t i = 0; i < count; i++)
		if (!kept || living[kept - 1].tgid != living[i].tgid)
			living[kept++] = living[i];
	return kept;
}

int who_lives(struct live *live, struct p2p_error *err)
{
	struct analysis *analysis = live->engine.analysis;
	const struct matcher *matcher = &analysis->matchers[0];
	const struct session *session = &live->kernel->recorder.session;
	struct living *living;
	size_t count = 0, kept = 0;
	bool *owns, known, lives;

	if (!session->pids_global)
		return 0;
	owns = owners(matcher);
	living = calloc(matcher->thread_count + 1, sizeof(*living));
	if (!owns || !living) {
		free(owns);
		free(living);
		return p2p_fail(err, "no memory for the list of processes");
	}
	for (uint32_t i = 0; i < matcher->thread_count; i++)
		if (owns[i])
			living[count++].tgid = processes_tgid(&analysis->processes,
							      matcher->threads[i].tid, &known);
	free(owns);
	count = drop_doubles(living, count);
	for (size_t i = 0; i < count; i++) {
		living[i].start = start_of(session, living[i].tgid, &lives);
		if (lives)
			living[kept++] = living[i];
	}
	free(analysis->recording.living);
	analysis->recording.living = living;
	analysis->recording.living_count = kept;
	analysis->recording.liveness = true;
	return 0;
}
