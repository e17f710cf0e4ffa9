// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "p2ptrace/workload.h"

/* ---- in the child ---- */

static int become(const struct passwd *user)
{
	if (initgroups(user->pw_name, user->pw_gid) || setgid(user->pw_gid) || setuid(user->pw_uid))
		return -1;
	if (setenv("HOME", user->pw_dir, 1) || setenv("USER", user->pw_name, 1) ||
	    setenv("LOGNAME", user->pw_name, 1))
		return -1;
	return 0;
}

/* Never returns.  Errors go to `failed` as an errno. */
static void run_child(int wait_for, int failed, char *const argv[], const struct passwd *user,
		      const sigset_t *mask)
{
	ssize_t told;
	char go;

	/* main() ignores it; CMD must see what its shell would have given it. */
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	do
		told = read(wait_for, &go, 1);
	while (told < 0 && errno == EINTR);
	if (told != 1) /* the recording did not begin */
		_exit(0);
	if (!user || !become(user))
		execvp(argv[0], argv);
	if (write(failed, &errno, sizeof(errno)) < 0)
		_exit(126);
	_exit(127);
}

/* ---- in the recorder ---- */

static int find_user(const char *name, struct passwd **user, struct p2p_error *err)
{
	*user = NULL;
	if (!name)
		return 0;
	errno = 0;
	*user = getpwnam(name);
	return *user ? 0 : p2p_fail(err, "--user: there is no user '%s'", name);
}

int workload_prepare(struct workload *workload, char *const argv[], const char *user_name,
		     const sigset_t *mask, bool stdout_taken, struct p2p_error *err)
{
	struct passwd *user;
	int go[2], failed[2];

	*workload = (struct workload){ .go = -1, .failed = -1 };
	if (find_user(user_name, &user, err))
		return -1;
	if (pipe2(go, O_CLOEXEC))
		return p2p_fail_errno(err, "cannot make a pipe");
	if (pipe2(failed, O_CLOEXEC)) {
		p2p_fail_errno(err, "cannot make a pipe");
		close(go[0]);
		close(go[1]);
		return -1;
	}
	workload->pid = fork();
	if (!workload->pid) {
		close(go[1]);
		close(failed[0]);
		if (stdout_taken)
			dup2(STDERR_FILENO, STDOUT_FILENO);
		run_child(go[0], failed[1], argv, user, mask);
	}
	close(go[0]);
	close(failed[1]);
	workload->go = go[1];
	workload->failed = failed[0];
	if (workload->pid > 0)
		return 0;
	workload->pid = 0;
	p2p_fail_errno(err, "cannot fork");
	workload_finish(workload, true);
	return -1;
}

static void close_if_open(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int workload_start(struct workload *workload, const char *name, struct p2p_error *err)
{
	ssize_t told;
	int number;

	if (write(workload->go, "", 1) != 1)
		return p2p_fail_errno(err, "cannot start '%s'", name);
	close_if_open(&workload->go);
	/* A successful exec closes the other end. */
	told = read(workload->failed, &number, sizeof(number));
	close_if_open(&workload->failed);
	workload->started = told != sizeof(number);
	if (workload->started)
		return 0;
	errno = number;
	return p2p_fail_errno(err, "cannot start '%s'", name);
}

bool workload_has_ended(struct workload *workload)
{
	if (workload->pid && !workload->ended)
		workload->ended = waitpid(workload->pid, &workload->status, WNOHANG) ==
				  workload->pid;
	return workload->ended;
}

void workload_finish(struct workload *workload, bool end_it)
{
	static const struct timespec moment = { .tv_nsec = 10 * 1000 * 1000 };
	bool wait = workload->pid && (end_it || !workload->started);

	if (workload->started && end_it && !workload_has_ended(workload))
		kill(workload->pid, SIGTERM);
	/* One that was never let go ends by itself now. */
	close_if_open(&workload->go);
	close_if_open(&workload->failed);
	for (int tries = 0; wait && tries < 200 && !workload_has_ended(workload); tries++)
		nanosleep(&moment, NULL);
}

void workload_describe(const struct workload *workload, char *words, size_t room)
{
	if (!workload->started)
		words[0] = '\0';
	else if (!workload->ended)
		snprintf(words, room, "is still running");
	else if (WIFSIGNALED(workload->status))
		snprintf(words, room, "was killed by signal %d (%s)", WTERMSIG(workload->status),
			 strsignal(WTERMSIG(workload->status)));
	else
		snprintf(words, room, "exited with status %d", WEXITSTATUS(workload->status));
}
