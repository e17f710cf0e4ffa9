// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "p2ptrace/spool.h"

/* Loss is a matter of being scheduled in time. */
bool spool_take_priority(enum spool_priority priority)
{
	const struct sched_param lowest = { .sched_priority = sched_get_priority_min(SCHED_FIFO) };

	switch (priority) {
	case PRIORITY_FIFO:
		return !sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest);
	case PRIORITY_NICE:
		return !setpriority(PRIO_PROCESS, (id_t)gettid(), -20);
	case PRIORITY_BEST:
		return spool_take_priority(PRIORITY_FIFO) || spool_take_priority(PRIORITY_NICE);
	case PRIORITY_NORMAL:
		break;
	}
	return true;
}

struct trial {
	enum spool_priority priority;
	int error;
};

static void *try_priority(void *argument)
{
	struct trial *trial = argument;

	trial->error = spool_take_priority(trial->priority) ? 0 : errno;
	return NULL;
}

/* A thread of its own takes it along to its end. */
int spool_check_priority(enum spool_priority priority, struct p2p_error *err)
{
	struct trial trial = { .priority = priority };
	pthread_t thread;

	if (priority == PRIORITY_BEST || priority == PRIORITY_NORMAL)
		return 0;
	errno = pthread_create(&thread, NULL, try_priority, &trial);
	if (errno)
		return p2p_fail_errno(err, "cannot start a thread");
	pthread_join(thread, NULL);
	errno = trial.error;
	return trial.error ? p2p_fail_errno(err, "--prio: the readers cannot have that priority "
						 "(CAP_SYS_NICE allows it)")
			   : 0;
}
