// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "p2ptrace/pager.h"

static pid_t pager_pid;

static const char *pager_command(void)
{
	const char *command = getenv("P2PTRACE_PAGER");

	if (!command)
		command = getenv("PAGER");
	if (!command)
		command = "less";
	return *command && strcmp(command, "cat") != 0 ? command : NULL;
}

void pager_start(void)
{
	const char *command = pager_command();
	int pipe_ends[2];

	if (!command || !isatty(STDOUT_FILENO) || pipe(pipe_ends))
		return;
	fflush(stdout);
	pager_pid = fork();
	if (pager_pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		dup2(pipe_ends[0], STDIN_FILENO);
		close(pipe_ends[0]);
		close(pipe_ends[1]);
		setenv("LESS", "FRX", 0);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	if (pager_pid > 0)
		dup2(pipe_ends[1], STDOUT_FILENO);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

bool pager_runs(void)
{
	return pager_pid > 0;
}

void pager_finish(void)
{
	if (pager_pid <= 0)
		return;
	fflush(stdout);
	close(STDOUT_FILENO);
	while (waitpid(pager_pid, NULL, 0) < 0 && errno == EINTR)
		;
	pager_pid = 0;
}
