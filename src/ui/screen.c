// SPDX-License-Identifier: GPL-2.0-or-later
/* The live view at work: pictures, keys, signals, the size of the terminal. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "p2ptrace/text.h"
#include "p2ptrace/ui.h"
#include "p2ptrace/ui_screen.h"
#include "terminal.h"

enum { KEYS, ENDS, SIZES, WAKERS };

struct screen {
	struct live *live;
	struct ui_state ui;
	struct ui_grid grid;
	struct live_snapshot shot;
	uint64_t interval, next; /* ns, of CLOCK_MONOTONIC */
	struct pollfd wakers[WAKERS];
	sigset_t usual;
	bool ended; /* the source */
	bool left; /* by the user, by a signal, by the terminal */
	bool changed; /* there is something to draw */
	bool was_paused;
};

int ui_screen_check(struct p2p_error *err)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return p2p_fail(err, "the live view needs a terminal; use --once, --batch or "
				     "--json without one");
	return ui_terminal_check(err);
}

/* ---- signals ---- */

static int open_sizes(struct screen *screen, struct p2p_error *err)
{
	sigset_t sizes, blocked;
	int fd;

	sigemptyset(&sizes);
	sigaddset(&sizes, SIGWINCH);
	blocked = sizes;
	/* Restoring the terminal from the background must not stop us there. */
	sigaddset(&blocked, SIGTTOU);
	sigprocmask(SIG_BLOCK, &blocked, &screen->usual);
	fd = signalfd(-1, &sizes, SFD_NONBLOCK | SFD_CLOEXEC);
	screen->wakers[SIZES] = (struct pollfd){ .fd = fd, .events = POLLIN };
	return fd < 0 ? p2p_fail_errno(err, "cannot wait for signals") : 0;
}

static void close_sizes(struct screen *screen)
{
	if (screen->wakers[SIZES].fd >= 0)
		close(screen->wakers[SIZES].fd);
	sigprocmask(SIG_SETMASK, &screen->usual, NULL);
}

/* That a size has changed is all there is to know: it is looked at anyway. */
static void take_signals(struct screen *screen)
{
	struct signalfd_siginfo info;

	while (read(screen->wakers[SIZES].fd, &info, sizeof(info)) > 0)
		;
	screen->left |= screen->wakers[ENDS].revents != 0;
}

/* ---- pictures ---- */

/* Lifetimes of the process that is looked at go with the picture. */
static int take_lifetimes(struct screen *screen, struct p2p_error *err)
{
	struct ui_subject *subject = &screen->ui.subject;

	if (!subject->pid)
		return 0;
	return live_process_lifetimes(screen->live, subject->pid, &subject->maps, &subject->allocs,
				      err);
}

static int take_picture(struct screen *screen, struct p2p_error *err)
{
	struct live_snapshot shot;

	if (live_snapshot(screen->live, &shot, err))
		return -1;
	if (take_lifetimes(screen, err)) {
		live_snapshot_free(&shot);
		return -1;
	}
	live_snapshot_free(&screen->shot);
	screen->shot = shot;
	ui_show(&screen->ui, &screen->shot);
	screen->changed = true;
	return 0;
}

static int take_picture_if_due(struct screen *screen, struct p2p_error *err)
{
	uint64_t now = live_now_ns();

	/* Behind the last picture comes none: its rates are those of the end. */
	if (now < screen->next || screen->shot.head.ended)
		return 0;
	screen->next += screen->interval;
	if (screen->next <= now) /* could not keep up */
		screen->next = now + screen->interval;
	return screen->ui.paused ? 0 : take_picture(screen, err);
}

static void draw(struct screen *screen)
{
	if (!screen->changed || !ui_terminal_ready())
		return;
	if (ui_draw(&screen->ui, &screen->shot, &screen->grid))
		ui_terminal_put(&screen->grid);
	screen->changed = false;
}

static void follow_size(struct screen *screen)
{
	int width = screen->ui.width, height = screen->ui.height;

	ui_terminal_size(&width, &height);
	if (width == screen->ui.width && height == screen->ui.height)
		return;
	ui_terminal_resize(width, height);
	ui_resize(&screen->ui, &screen->shot, width, height);
	screen->changed = true;
}

/* ---- keys, and what they wish ---- */

static void write_recording(struct screen *screen)
{
	struct p2p_error err = { 0 };
	char path[UI_LINE_MAX], number[32];
	uint64_t events = 0;

	snprintf(path, sizeof(path), "%s", screen->ui.line);
	ui_say(&screen->ui, false, "writing %s ...", path);
	screen->changed = true;
	draw(screen);
	if (live_write(screen->live, path, &events, &err))
		ui_say(&screen->ui, true, "%s", err.text);
	else
		ui_say(&screen->ui, false, "%s: %s events written", path,
		       text_count(number, sizeof(number), events));
}

static void explain(struct screen *screen)
{
	const struct ui_subject *subject = &screen->ui.subject;
	size_t width = (size_t)screen->ui.width - 1;
	struct p2p_error err = { 0 };
	char *text = NULL;

	if (live_explain(screen->live, subject->client, subject->provider, width, &text, &err))
		text = strdup(err.text);
	ui_explained(&screen->ui, &screen->shot, text);
}

static int fulfil(struct screen *screen, struct p2p_error *err)
{
	switch (screen->ui.wish) {
	case WISH_NONE:
		break;
	case WISH_QUIT:
		screen->left = true;
		break;
	case WISH_REDRAW:
		ui_terminal_redraw();
		break;
	case WISH_WRITE:
		write_recording(screen);
		break;
	case WISH_EXPLAIN:
		explain(screen);
		break;
	case WISH_LIFETIMES:
		if (take_lifetimes(screen, err))
			return -1;
		ui_show(&screen->ui, &screen->shot);
		break;
	}
	screen->ui.wish = WISH_NONE;
	if (screen->was_paused && !screen->ui.paused && !screen->shot.head.ended &&
	    take_picture(screen, err))
		return -1;
	screen->was_paused = screen->ui.paused;
	return 0;
}

/* A terminal that is gone reads as an end. */
static bool terminal_gone(const struct screen *screen)
{
	const struct pollfd *keys = &screen->wakers[KEYS];
	int waiting = 1;

	if (keys->revents & (POLLHUP | POLLERR | POLLNVAL))
		return true;
	return keys->revents & POLLIN && (ioctl(keys->fd, FIONREAD, &waiting) || !waiting);
}

static int take_keys(struct screen *screen, struct p2p_error *err)
{
	int key;

	if (terminal_gone(screen)) {
		screen->left = true;
		return 0;
	}
	while (!screen->left && (key = ui_terminal_key()) != UI_KEY_NONE) {
		ui_press(&screen->ui, &screen->shot, key);
		if (fulfil(screen, err))
			return -1;
		screen->changed = true;
	}
	return 0;
}

/* ---- the whole ---- */

/* Until the next picture is due, a key is pressed or a signal comes. */
static int wait_for_something(struct screen *screen, struct p2p_error *err)
{
	uint64_t now = live_now_ns();
	int timeout = screen->next > now ? (int)((screen->next - now) / 1000000 + 1) : 0;
	int more;

	for (int i = 0; i < WAKERS; i++)
		screen->wakers[i].revents = 0;
	if (screen->ended) {
		if (poll(screen->wakers, WAKERS, -1) < 0 && errno != EINTR)
			return p2p_fail_errno(err, "cannot wait for keys");
		return 0;
	}
	more = live_pump(screen->live, timeout, screen->wakers, WAKERS, err);
	if (more < 0)
		return -1;
	if (!more) {
		screen->ended = true;
		screen->next = now; /* the last picture, at once */
	}
	return 0;
}

static int run(struct screen *screen, struct p2p_error *err)
{
	screen->next = live_now_ns() + screen->interval;
	if (take_picture(screen, err))
		return -1;
	if (screen->shot.head.source == LIVE_COUNTERS)
		screen->ui.panel = PANEL_COUNTERS;
	while (!screen->left) {
		follow_size(screen);
		draw(screen);
		if (wait_for_something(screen, err))
			return -1;
		take_signals(screen);
		if (take_keys(screen, err) || take_picture_if_due(screen, err))
			return -1;
	}
	return 0;
}

int ui_screen_run(struct live *live, uint64_t interval_ns, int signals, struct p2p_error *err)
{
	struct screen screen = { .live = live,
				 .interval = interval_ns,
				 .wakers = {
					 [KEYS] = { .fd = STDIN_FILENO, .events = POLLIN },
					 [ENDS] = { .fd = signals, .events = POLLIN },
				 } };
	int status = -1;
	bool utf8 = false;

	if (!open_sizes(&screen, err) && !ui_terminal_open(&utf8, err)) {
		ui_init(&screen.ui, utf8);
		status = run(&screen, err);
		ui_terminal_close();
	}
	close_sizes(&screen);
	ui_free(&screen.ui);
	ui_grid_free(&screen.grid);
	live_snapshot_free(&screen.shot);
	return status;
}
