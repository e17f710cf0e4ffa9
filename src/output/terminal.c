// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "p2ptrace/pager.h"
#include "p2ptrace/terminal.h"
#include "p2ptrace/text.h"

/* Behind a pager stdout is a pipe; stderr and stdin still lead to the terminal. */
size_t terminal_width(void)
{
	static const int fds[] = { STDOUT_FILENO, STDERR_FILENO, STDIN_FILENO };
	struct winsize size;

	if (!pager_runs() && !isatty(STDOUT_FILENO))
		return 0;
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (!ioctl(fds[i], TIOCGWINSZ, &size) && size.ws_col)
			return size.ws_col;
	return 80;
}

bool terminal_colour(void)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

	if (!pager_runs())
		return text_colour_wanted();
	return !(no_colour && *no_colour) && term && strcmp(term, "dumb") != 0;
}
