// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/trace_write.h"

const char *const private_key_names[PRIVATE_KEYS] = {
	[PRIVATE_FORMAT] = "format",
	[PRIVATE_VERSION] = "version",
	[PRIVATE_CLOCK] = "clock",
	[PRIVATE_CLOCK_NS] = "clock_ns",
	[PRIVATE_START] = "start",
	[PRIVATE_STOP] = "stop",
	[PRIVATE_WALL_OFFSET] = "wall_offset",
	[PRIVATE_SUSPENDED] = "suspended",
	[PRIVATE_PIECE] = "piece",
	[PRIVATE_SOURCE] = "source",
	[PRIVATE_SYSTEM] = "system",
	[PRIVATE_EVENT] = "event",
	[PRIVATE_MAP_TYPE] = "map_type",
	[PRIVATE_PAGE_STRUCT] = "page_struct",
	[PRIVATE_FLIGHT_RECORDER] = "flight_recorder",
	[PRIVATE_STACKS] = "stacks",
	[PRIVATE_MISSED] = "missed",
	[PRIVATE_RECOVERED] = "recovered",
	[PRIVATE_UNSAVED] = "unsaved",
	[PRIVATE_FILTER_PID] = "filter_pid",
	[PRIVATE_FILTER_PROVIDER] = "filter_provider",
	[PRIVATE_FILTER_CLIENT] = "filter_client",
	[PRIVATE_FILTER_COMM] = "filter_comm",
	[PRIVATE_FILTER] = "filter",
	[PRIVATE_TGID] = "tgid",
	[PRIVATE_LIVENESS] = "liveness",
	[PRIVATE_ALIVE] = "alive",
	[PRIVATE_HOSTNAME] = "hostname",
	[PRIVATE_KERNEL] = "kernel",
	[PRIVATE_MACHINE] = "machine",
	[PRIVATE_CMDLINE] = "cmdline",
};

static void put_escaped(FILE *to, const char *value)
{
	if (!value[strcspn(value, "\\\n")]) {
		fputs(value, to);
		return;
	}
	for (; *value; value++) {
		if (*value == '\\')
			fputs("\\\\", to);
		else if (*value == '\n')
			fputs("\\n", to);
		else
			fputc(*value, to);
	}
}

void private_add(FILE *to, enum private_key key, const char *format, ...)
{
	char *value = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&value, format, args) < 0)
		value = NULL;
	va_end(args);
	if (!value)
		return;
	fprintf(to, "%s ", private_key_names[key]);
	put_escaped(to, value);
	fputc('\n', to);
	free(value);
}
