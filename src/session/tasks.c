// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/rows.h"
#include "p2ptrace/tasks.h"
#include "p2ptrace/trace_write.h"

/* ---- the table ---- */

static struct task *find_slot(struct task *slots, size_t room, uint32_t tid)
{
	size_t at = (tid * 2654435761u) & (room - 1);

	while (slots[at].tid && slots[at].tid != tid)
		at = (at + 1) & (room - 1);
	return &slots[at];
}

static bool grow(struct tasks *tasks)
{
	size_t room = tasks->room ? 2 * tasks->room : 1024;
	struct task *slots = calloc(room, sizeof(*slots));

	if (!slots)
		return false;
	for (size_t i = 0; i < tasks->room; i++)
		if (tasks->slots[i].tid)
			*find_slot(slots, room, tasks->slots[i].tid) = tasks->slots[i];
	free(tasks->slots);
	tasks->slots = slots;
	tasks->room = room;
	return true;
}

/* The task's entry, made when there is none; NULL without memory. */
static struct task *get_task(struct tasks *tasks, uint32_t tid)
{
	struct task *task;

	if (!tid || (tasks->count * 2 >= tasks->room && !grow(tasks)))
		return NULL;
	task = find_slot(tasks->slots, tasks->room, tid);
	if (!task->tid) {
		task->tid = tid;
		tasks->count++;
	}
	return task;
}

const struct task *tasks_find(const struct tasks *tasks, uint32_t tid)
{
	const struct task *task;

	if (!tasks->room || !tid)
		return NULL;
	task = find_slot(tasks->slots, tasks->room, tid);
	return task->tid ? task : NULL;
}

void tasks_free(struct tasks *tasks)
{
	free(tasks->slots);
	free(tasks->names);
	free(tasks->tgids);
	free(tasks->changed);
	*tasks = (struct tasks){ .room = 0 };
}

/* Without memory a recording that is killed knows less. */
static void note_change(struct tasks *tasks, struct task *task)
{
	uint32_t *tid = task->changed ? NULL : ROWS_ADD(tasks->changed, tasks->changed_count);

	if (!tid)
		return;
	*tid = task->tid;
	task->changed = true;
}

static void set_tgid(struct tasks *tasks, struct task *task, uint32_t tgid)
{
	if (task->tgid == tgid)
		return;
	task->tgid = tgid;
	note_change(tasks, task);
}

/* ---- the kernel's tables ---- */

/* Whoever runs a program chooses its name: what would break the file's lines, or a
 * terminal, is made a question mark. */
static void set_name(struct tasks *tasks, struct task *task, const char *name, size_t length)
{
	char clean[sizeof(task->name)] = "";

	if (length > sizeof(clean) - 1)
		length = sizeof(clean) - 1;
	for (size_t i = 0; i < length; i++)
		clean[i] = (unsigned char)name[i] < ' ' || name[i] == 0x7f ? '?' : name[i];
	if (!memcmp(clean, task->name, sizeof(clean)))
		return;
	memcpy(task->name, clean, sizeof(clean));
	note_change(tasks, task);
}

/* "TID REST" on one line; 0 when it is none. */
static uint32_t parse_line(const char *line, const char **rest)
{
	char *end;
	unsigned long tid = *line >= '0' && *line <= '9' ? strtoul(line, &end, 10) : 0;

	if (!tid || tid > INT32_MAX || *end != ' ')
		return 0;
	*rest = end + 1;
	return (uint32_t)tid;
}

void tasks_add_names(struct tasks *tasks, const char *text)
{
	for (const char *line = text, *name; *line;) {
		uint32_t tid = parse_line(line, &name);
		size_t length = strcspn(line, "\n");
		struct task *task;

		/* "<...>" is what the kernel says when it does not know. */
		if (tid && strncmp(name, "<...>", 5) != 0 && (task = get_task(tasks, tid)))
			set_name(tasks, task, name, (size_t)(line + length - name));
		line += length + (line[length] == '\n');
	}
}

void tasks_add_tgids(struct tasks *tasks, const char *text)
{
	for (const char *line = text, *rest; *line;) {
		uint32_t tid = parse_line(line, &rest);
		size_t length = strcspn(line, "\n");
		uint32_t tgid = tid ? (uint32_t)strtoul(rest, NULL, 10) : 0;
		struct task *task = tgid ? get_task(tasks, tid) : NULL;

		if (task)
			set_tgid(tasks, task, tgid);
		line += length + (line[length] == '\n');
	}
}

/* Behind the last end of a line of what both begin with, and the same of their ends: most of
 * these tables is as it was a second ago. */
static const char *skip_same(const char *text, const char *before, size_t *length)
{
	size_t same = 0, line = 0, end = strlen(text), end_before = strlen(before), cut = end;

	for (; same < end && text[same] == before[same]; same++)
		if (text[same] == '\n')
			line = same + 1;
	while (end > line && end_before > line && text[end - 1] == before[end_before - 1]) {
		if (text[--end] == '\n')
			cut = end + 1;
		end_before--;
	}
	*length = cut - line;
	return text + line;
}

static void add_file(struct tasks *tasks, const struct tracefs *tracefs, const char *file,
		     char **before, void (*add)(struct tasks *tasks, const char *text))
{
	char *text = read_file_at(tracefs->top, file), *news;
	const char *from;
	size_t length;

	if (!text)
		return;
	from = skip_same(text, *before ? *before : "", &length);
	news = strndup(from, length);
	if (news)
		add(tasks, news);
	free(news);
	free(*before);
	*before = text;
}

void tasks_poll(struct tasks *tasks, const struct tracefs *tracefs)
{
	add_file(tasks, tracefs, "saved_cmdlines", &tasks->names, tasks_add_names);
}

void tasks_read_tgids(struct tasks *tasks, const struct tracefs *tracefs)
{
	add_file(tasks, tracefs, "saved_tgids", &tasks->tgids, tasks_add_tgids);
}

/* ---- /proc ---- */

/* "PID (NAME) STATE PPID ...": a name may hold anything, also ") R 1". */
bool task_stat_parse(const char *stat, char name[16], char *state, uint64_t *start)
{
	const char *open = strchr(stat, '('), *close = strrchr(stat, ')');
	const char *field = close ? close + 2 : NULL;
	size_t length;

	if (!open || !close || close < open || close[1] != ' ')
		return false;
	length = (size_t)(close - open - 1);
	if (length > 15)
		length = 15;
	memcpy(name, open + 1, length);
	name[length] = '\0';
	*state = *field;
	/* The state is field 3, the start field 22. */
	for (int number = 3; number < 22; number++) {
		field = strchr(field, ' ');
		if (!field)
			return false;
		field++;
	}
	*start = strtoull(field, NULL, 10);
	return true;
}

static bool read_stat(int dir, char name[16], char *state, uint64_t *start)
{
	char *stat = read_file_at(dir, "stat");
	bool good = stat && task_stat_parse(stat, name, state, start);

	free(stat);
	return good;
}

/* Threads that nothing is known of: they were still running when tracing ended. */
static void scan_threads(struct tasks *tasks, int process, uint32_t pid)
{
	int fd = openat(process, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	char path[300];

	if (!dir && fd >= 0)
		close(fd);
	while (dir && (entry = readdir(dir))) {
		uint32_t tid = (uint32_t)strtoul(entry->d_name, NULL, 10);
		struct task *task = get_task(tasks, tid);
		char *name;

		if (!task)
			continue;
		if (!task->tgid)
			set_tgid(tasks, task, pid);
		if (task->name[0])
			continue;
		snprintf(path, sizeof(path), "task/%s/comm", entry->d_name);
		name = read_file_at(process, path);
		if (name)
			set_name(tasks, task, name, strlen(name) - (*name ? 1 : 0));
		free(name);
	}
	if (dir)
		closedir(dir);
}

static bool scan_process(struct tasks *tasks, int proc, const char *number)
{
	int dir = openat(proc, number, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint32_t pid = (uint32_t)strtoul(number, NULL, 10);
	char name[16], state = 0;
	struct task *task = NULL;
	uint64_t start = 0;
	bool lives;

	if (dir < 0)
		return true;
	lives = read_stat(dir, name, &state, &start) && state != 'Z' && state != 'X';
	if (lives && (task = get_task(tasks, pid))) {
		task->alive = true;
		task->start = start;
		/* What was seen while recording stays: a number may be in use again. */
		if (!task->name[0])
			set_name(tasks, task, name, strlen(name));
		scan_threads(tasks, dir, pid);
	}
	close(dir);
	return !lives || task;
}

bool tasks_scan(struct tasks *tasks)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool complete = true;

	if (!proc)
		return false;
	while ((entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			complete &= scan_process(tasks, dirfd(proc), entry->d_name);
	closedir(proc);
	return complete;
}

void tasks_unmark(struct tasks *tasks)
{
	for (size_t i = 0; i < tasks->room; i++)
		tasks->slots[i].alive = false;
}

void tasks_forget(struct tasks *tasks)
{
	struct tasks kept = { .room = 0 };

	for (size_t i = 0; i < tasks->room; i++) {
		const struct task *task = &tasks->slots[i];
		struct task *copy = task->alive ? get_task(&kept, task->tid) : NULL;

		if (copy) {
			*copy = *task;
			copy->changed = false;
			if (task->changed)
				note_change(&kept, copy);
		}
	}
	tasks_free(tasks);
	*tasks = kept;
	tasks_unmark(tasks);
}

/* ---- writing ---- */

void tasks_write_names(const struct tasks *tasks, FILE *to)
{
	for (size_t i = 0; i < tasks->room; i++)
		if (tasks->slots[i].tid && tasks->slots[i].name[0])
			fprintf(to, "%u %s\n", tasks->slots[i].tid, tasks->slots[i].name);
}

/* Not private_add(): there may be tens of thousands, every second. */
void tasks_write_tgids(const struct tasks *tasks, FILE *to)
{
	for (size_t i = 0; i < tasks->room; i++)
		if (tasks->slots[i].tid && tasks->slots[i].tgid)
			fprintf(to, "%s %u %u\n", private_key_names[PRIVATE_TGID],
				tasks->slots[i].tid, tasks->slots[i].tgid);
}

void tasks_write_alive(const struct tasks *tasks, int64_t boot_offset, bool ns, FILE *to)
{
	const uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);

	for (size_t i = 0; i < tasks->room; i++) {
		const struct task *task = &tasks->slots[i];

		if (!task->alive)
			continue;
		if (ns)
			private_add(to, PRIVATE_ALIVE, "%u %" PRId64, task->tid,
				    (int64_t)(task->start * tick_ns) + boot_offset);
		else
			private_add(to, PRIVATE_ALIVE, "%u -", task->tid);
	}
}

/* ---- what is written while recording, little by little ---- */

static void write_logged(const struct task *task, FILE *to)
{
	fprintf(to, "%u %u %s\n", task->tid, task->tgid, task->name);
}

void tasks_write_changes(struct tasks *tasks, FILE *to)
{
	for (size_t i = 0; i < tasks->changed_count; i++) {
		struct task *task = find_slot(tasks->slots, tasks->room, tasks->changed[i]);

		task->changed = false;
		if (task->tid)
			write_logged(task, to);
	}
	free(tasks->changed);
	tasks->changed = NULL;
	tasks->changed_count = 0;
}

void tasks_write_log(struct tasks *tasks, FILE *to)
{
	for (size_t i = 0; i < tasks->room; i++) {
		tasks->slots[i].changed = false;
		if (tasks->slots[i].tid)
			write_logged(&tasks->slots[i], to);
	}
	free(tasks->changed);
	tasks->changed = NULL;
	tasks->changed_count = 0;
}

void tasks_add_logged(struct tasks *tasks, const char *line)
{
	const char *rest;
	uint32_t tid = parse_line(line, &rest);
	char *name;
	unsigned long tgid = tid ? strtoul(rest, &name, 10) : 0;
	struct task *task = tid && *name == ' ' ? get_task(tasks, tid) : NULL;

	if (!task)
		return;
	if (tgid <= INT32_MAX)
		set_tgid(tasks, task, (uint32_t)tgid);
	set_name(tasks, task, name + 1, strlen(name + 1));
}
