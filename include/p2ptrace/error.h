/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * error: what went wrong, said once.
 *
 * A function that can fail takes a struct p2p_error last, fills it and returns
 * -1 (or NULL).  The text names what failed, the path, the reason and, where
 * there is one, the way out.  Nobody but main() prints it and nobody exits.
 * A caller that knows more adds it in front with p2p_error_prefix().
 *
 * Source: src/base/error.c
 */
#ifndef P2PTRACE_ERROR_H
#define P2PTRACE_ERROR_H

/* Exit statuses of the program, a contract with scripts. */
enum p2p_status {
	P2P_OK = 0,
	P2P_CHECK_FAILED = 1, /* only from `check`: a condition does not hold */
	P2P_USAGE = 2, /* the command line is wrong */
	P2P_CANNOT = 3, /* permission, kernel support, unreadable input */
	P2P_HELP = 100, /* no exit status: -h was asked for, main() prints the help */
};

struct p2p_error {
	enum p2p_status status; /* what main() exits with */
	char text[1024]; /* one or more lines, without a trailing newline */
};

/* Sets the text (printf format) with status P2P_CANNOT; returns -1. */
int p2p_fail(struct p2p_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, followed by ": " and the words for errno as it was at the call. */
int p2p_fail_errno(struct p2p_error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same with status P2P_USAGE: the command line is at fault. */
int p2p_fail_usage(struct p2p_error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Puts "words: " in front of the text that stands there; returns -1. */
int p2p_error_prefix(struct p2p_error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Says something on stderr that does not stop the work ("p2ptrace: warning: ..."),
 * with control characters made harmless: texts may quote names from a trace. */
void p2p_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
