// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "p2ptrace/progress.h"
#include "p2ptrace/text.h"

#define PATIENCE_NS 1000000000u
#define STEP_NS 200000000u

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void progress_begin(struct progress *progress, const char *what)
{
	*progress = (struct progress){ .what = what,
				       .terminal = isatty(STDERR_FILENO),
				       .began = now_ns() };
}

void progress_say(struct progress *progress, double fraction)
{
	uint64_t now;

	if (!progress->terminal)
		return;
	now = now_ns();
	if (now - progress->began < PATIENCE_NS || now - progress->said < STEP_NS)
		return;
	progress->said = now;
	progress->shown = true;
	fputc('\r', stderr);
	text_print_safe(stderr, progress->what);
	fprintf(stderr, " %3.0f %%", fraction * 100);
	fflush(stderr);
}

void progress_end(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}
