// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "p2ptrace/error.h"
#include "p2ptrace/text.h"

static void format_text(struct p2p_error *err, enum p2p_status status, const char *format,
			va_list args)
{
	err->status = status;
	vsnprintf(err->text, sizeof(err->text), format, args);
}

int p2p_fail(struct p2p_error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	format_text(err, P2P_CANNOT, format, args);
	va_end(args);
	return -1;
}

int p2p_fail_errno(struct p2p_error *err, const char *format, ...)
{
	int number = errno;
	va_list args;
	size_t used;

	va_start(args, format);
	format_text(err, P2P_CANNOT, format, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(number));
	return -1;
}

int p2p_fail_usage(struct p2p_error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	format_text(err, P2P_USAGE, format, args);
	va_end(args);
	return -1;
}

int p2p_error_prefix(struct p2p_error *err, const char *format, ...)
{
	char said[sizeof(err->text)];
	va_list args;
	size_t used;

	memcpy(said, err->text, sizeof(said));
	va_start(args, format);
	format_text(err, err->status, format, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", said);
	return -1;
}

void p2p_warn(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fputs("p2ptrace: warning: ", stderr);
	text_print_safe(stderr, text);
	fputc('\n', stderr);
}
