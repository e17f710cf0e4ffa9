// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/tasks.h"
#include "recover_work.h"

/* The last line may be the beginning of one. */
static void read_lines(struct tasks *tasks, FILE *from)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t length;

	while ((length = getline(&line, &room, from)) > 0) {
		if (line[length - 1] != '\n')
			break;
		line[length - 1] = '\0';
		tasks_add_logged(tasks, line);
	}
	free(line);
}

void recover_tasks(const struct remains *remains, struct tasks *tasks)
{
	int fd = remains_file(remains, REMAINS_TASKS);
	FILE *from = fd >= 0 ? fdopen(fd, "r") : NULL;

	*tasks = (struct tasks){ .room = 0 };
	if (from) {
		read_lines(tasks, from);
		fclose(from);
	} else if (fd >= 0) {
		close(fd);
	}
}

char *recover_names(const struct tasks *tasks)
{
	char *names = NULL;
	size_t size;
	FILE *to = open_memstream(&names, &size);

	if (!to)
		return NULL;
	tasks_write_names(tasks, to);
	if (!fclose(to))
		return names;
	free(names);
	return NULL;
}
