// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#include "p2ptrace/text.h"
#include "p2ptrace/ui_keys.h"
#include "terminal.h"

#ifdef HAVE_NCURSES
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <term.h>

static SCREEN *screen;
static bool coloured;

/* ---- what styles look like ---- */

enum { NO = -1 };

static const struct {
	short front, back;
	attr_t with_colour, without;
} looks[STYLE_COUNT] = {
	[STYLE_NORMAL] = { NO, NO, A_NORMAL, A_NORMAL },
	[STYLE_DIM] = { NO, NO, A_DIM, A_DIM },
	[STYLE_BOLD] = { NO, NO, A_BOLD, A_BOLD },
	[STYLE_TITLE] = { COLOR_CYAN, NO, A_NORMAL, A_NORMAL },
	[STYLE_HEADING] = { COLOR_BLACK, COLOR_GREEN, A_NORMAL, A_REVERSE },
	[STYLE_HEADING_SORT] = { COLOR_BLACK, COLOR_CYAN, A_NORMAL, A_REVERSE | A_BOLD },
	[STYLE_TAB] = { COLOR_WHITE, COLOR_BLUE, A_NORMAL, A_NORMAL },
	[STYLE_TAB_OPEN] = { COLOR_BLACK, COLOR_GREEN, A_NORMAL, A_REVERSE },
	[STYLE_KEY] = { NO, NO, A_NORMAL, A_NORMAL },
	[STYLE_KEY_WORD] = { COLOR_BLACK, COLOR_CYAN, A_NORMAL, A_REVERSE },
	[STYLE_DIRECT] = { COLOR_GREEN, NO, A_NORMAL, A_NORMAL },
	[STYLE_BRIDGE] = { COLOR_YELLOW, NO, A_NORMAL, A_NORMAL },
	[STYLE_REFUSED] = { COLOR_RED, NO, A_NORMAL, A_NORMAL },
	[STYLE_UNKNOWN] = { COLOR_MAGENTA, NO, A_NORMAL, A_NORMAL },
	[STYLE_BAD] = { COLOR_RED, NO, A_BOLD, A_BOLD },
	[STYLE_WARNING] = { COLOR_YELLOW, NO, A_BOLD, A_BOLD },
	[STYLE_NOTE] = { COLOR_CYAN, NO, A_BOLD, A_BOLD },
	[STYLE_PROMPT] = { COLOR_BLACK, COLOR_CYAN, A_NORMAL, A_REVERSE },
};

static void choose_colours(void)
{
	const char *none = getenv("NO_COLOR");

	coloured = has_colors() && !(none && *none);
	if (!coloured)
		return;
	start_color();
	use_default_colors();
	for (short style = 1; style < STYLE_COUNT; style++)
		init_pair(style, looks[style].front, looks[style].back);
}

/* The attributes of a style, and its pair of colours. */
static attr_t look(int style, short *pair)
{
	int plain = style & ~(STYLE_LIT | STYLE_SELECTED | STYLE_FOUND);
	attr_t attributes = coloured ? looks[plain].with_colour : looks[plain].without;

	*pair = (short)(coloured ? plain : 0);
	if (style & STYLE_FOUND)
		attributes |= A_UNDERLINE;
	/* Dim and reversed is hard to read. */
	if (style & (STYLE_SELECTED | STYLE_LIT))
		attributes = (attributes & ~A_DIM) ^ A_REVERSE;
	return attributes;
}

/* ---- the terminal ---- */

/* The locale decides what ncurses can draw; where it is not installed, another one with
 * the same characters does. */
static bool choose_locale(void)
{
	if (!setlocale(LC_CTYPE, "") && text_utf8_wanted())
		setlocale(LC_CTYPE, "C.UTF-8");
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

int ui_terminal_check(struct p2p_error *err)
{
	const char *term = getenv("TERM");
	int why;

	if (!term || !*term || !strcmp(term, "dumb"))
		return p2p_fail(err,
				"the live view cannot draw on this terminal (TERM=%s); use --once "
				"or --batch for text",
				term ? term : "");
	if (setupterm(NULL, STDOUT_FILENO, &why) == ERR)
		return p2p_fail(err,
				"this terminal, TERM=%s, is not known here; use --once or --batch "
				"for text",
				term);
	del_curterm(cur_term);
	return 0;
}

int ui_terminal_open(bool *utf8, struct p2p_error *err)
{
	*utf8 = choose_locale();
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return p2p_fail(err, "cannot draw on this terminal; use --once or --batch for "
				     "text");
	set_term(screen);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	choose_colours();
	return 0;
}

/* ---- a terminal that takes nothing ---- */

bool ui_terminal_ready(void)
{
	struct pollfd output = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&output, 1, 0) == 1 && output.revents & POLLOUT;
}

/* Nobody may be there to type the Ctrl-Q that a Ctrl-S waits for ("on" goes on only after
 * what "off" stopped, whatever else did), or to read at all. */
static void make_way(void)
{
	tcflow(STDOUT_FILENO, TCOOFF);
	tcflow(STDOUT_FILENO, TCOON);
	if (!ui_terminal_ready())
		tcflush(STDOUT_FILENO, TCOFLUSH);
}

static volatile sig_atomic_t ending;

/* A write may hang, while signals wait to be read by who writes. */
static void look_for_ends(int number)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	int saved = errno;
	sigset_t pending;

	(void)number;
	sigpending(&pending);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (ending || sigismember(&pending, ends[i])) {
			make_way();
			break;
		}
	errno = saved;
}

/* Whatever `write` puts out is not what an end waits for. */
static void put_out(int (*write)(void))
{
	static const struct itimerval often = { { 0, 200000 }, { 0, 200000 } }, never;
	struct sigaction look = { .sa_handler = look_for_ends }, before;
	sigset_t alarm, usual;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigaction(SIGALRM, &look, &before);
	sigprocmask(SIG_UNBLOCK, &alarm, &usual);
	setitimer(ITIMER_REAL, &often, NULL);
	write();
	setitimer(ITIMER_REAL, &never, NULL);
	sigprocmask(SIG_SETMASK, &usual, NULL);
	sigaction(SIGALRM, &before, NULL);
}

void ui_terminal_close(void)
{
	if (!screen)
		return;
	ending = 1;
	make_way();
	curs_set(1);
	put_out(endwin);
	delscreen(screen);
	screen = NULL;
	ending = 0;
}

void ui_terminal_size(int *width, int *height)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
		return;
	*width = size.ws_col;
	*height = size.ws_row;
}

void ui_terminal_resize(int width, int height)
{
	resizeterm(height, width);
	clearok(curscr, TRUE);
}

void ui_terminal_redraw(void)
{
	clearok(curscr, TRUE);
}

static void put_cell(const struct ui_cell *cell, int x, int y)
{
	wchar_t text[4] = { (wchar_t)cell->character, (wchar_t)cell->marks[0],
			    (wchar_t)cell->marks[1], 0 };
	attr_t attributes;
	cchar_t whole;
	short pair;

	attributes = look(cell->style, &pair);
	if (setcchar(&whole, text, attributes, pair, NULL) == OK)
		mvadd_wch(y, x, &whole);
}

static int refresh_all(void)
{
	return refresh();
}

void ui_terminal_put(const struct ui_grid *grid)
{
	for (int y = 0; y < grid->height && y < LINES; y++)
		for (int x = 0; x < grid->width && x < COLS; x++)
			if (ui_cell_at(grid, x, y)->character)
				put_cell(ui_cell_at(grid, x, y), x, y);
	put_out(refresh_all);
}

/* ---- keys ---- */

int ui_terminal_key(void)
{
	static const struct {
		wint_t theirs;
		int ours;
	} keys[] = {
		{ KEY_UP, UI_KEY_UP },	       { KEY_DOWN, UI_KEY_DOWN },
		{ KEY_LEFT, UI_KEY_LEFT },     { KEY_RIGHT, UI_KEY_RIGHT },
		{ KEY_PPAGE, UI_KEY_PAGE_UP }, { KEY_NPAGE, UI_KEY_PAGE_DOWN },
		{ KEY_HOME, UI_KEY_HOME },     { KEY_END, UI_KEY_END },
		{ KEY_BTAB, UI_KEY_BACK_TAB }, { KEY_BACKSPACE, UI_KEY_BACKSPACE },
		{ KEY_ENTER, UI_KEY_ENTER },
	};
	wint_t key;
	int kind;

	while ((kind = get_wch(&key)) != ERR) {
		if (kind == OK)
			return key == '\r' ? UI_KEY_ENTER : (int)key;
		for (int number = 1; number <= 12; number++)
			if (key == (wint_t)KEY_F(number))
				return UI_KEY_F0 + number;
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (key == keys[i].theirs)
				return keys[i].ours;
	}
	return UI_KEY_NONE;
}

#else

int ui_terminal_check(struct p2p_error *err)
{
	return p2p_fail(err, "this p2ptrace was built without ncurses and has no screen; use "
			     "--once or --batch for text");
}

int ui_terminal_open(bool *utf8, struct p2p_error *err)
{
	(void)utf8;
	return ui_terminal_check(err);
}

void ui_terminal_close(void)
{
}

bool ui_terminal_ready(void)
{
	return false;
}

void ui_terminal_size(int *width, int *height)
{
	(void)width;
	(void)height;
}

void ui_terminal_resize(int width, int height)
{
	(void)width;
	(void)height;
}

void ui_terminal_put(const struct ui_grid *grid)
{
	(void)grid;
}

void ui_terminal_redraw(void)
{
}

int ui_terminal_key(void)
{
	return UI_KEY_NONE;
}

#endif
