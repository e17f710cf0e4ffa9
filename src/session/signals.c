// SPDX-License-Identifier: GPL-2.0-or-later
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "p2ptrace/signals.h"

static const int kept_signals[] = {
	SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP, SIGABRT, SIGSYS,
	SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGPIPE, SIGURG,  SIGWINCH
};

int signals_catch(sigset_t *before, struct p2p_error *err)
{
	struct sigaction hangup;
	sigset_t caught;
	int fd;

	sigfillset(&caught);
	for (size_t i = 0; i < sizeof(kept_signals) / sizeof(kept_signals[0]); i++)
		sigdelset(&caught, kept_signals[i]);
	/* Under nohup a recording goes on when its terminal is gone. */
	if (!sigaction(SIGHUP, NULL, &hangup) && hangup.sa_handler == SIG_IGN)
		sigdelset(&caught, SIGHUP);
	sigprocmask(SIG_BLOCK, &caught, before);
	fd = signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd >= 0 ? fd : p2p_fail_errno(err, "cannot catch signals");
}

unsigned int signals_read(int signals, uint32_t turn)
{
	struct signalfd_siginfo info;
	unsigned int told = TOLD_NOTHING;

	while (read(signals, &info, sizeof(info)) == sizeof(info)) {
		if (turn && info.ssi_signo == turn)
			told |= TOLD_TURN;
		else if (info.ssi_signo != SIGCHLD)
			told |= TOLD_END;
	}
	return told;
}
