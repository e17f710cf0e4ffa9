// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_ZSTD
#include <zstd.h>
#endif
#ifdef HAVE_ZLIB
#include <zlib.h>
#endif

#include "checks.h"

/* The Makefile states what it was built with: "libtracefs 1.6.4, ...". */
#ifndef P2PTRACE_LIBRARIES
#define P2PTRACE_LIBRARIES "libraries not stated"
#endif

/* Compressions and the versions that are loaded now; NULL: not built in. */
static const struct {
	const char *name;
	const char *(*version)(void);
} compressions[] = {
#ifdef HAVE_ZSTD
	{ "zstd", ZSTD_versionString },
#else
	{ "zstd", NULL },
#endif
#ifdef HAVE_ZLIB
	{ "zlib", zlibVersion },
#else
	{ "zlib", NULL },
#endif
};

static bool is_on_path(const char *program)
{
	const char *path = getenv("PATH");
	char copy[4096], file[4200], *rest;

	snprintf(copy, sizeof(copy), "%s", path ? path : "");
	for (char *dir = strtok_r(copy, ":", &rest); dir; dir = strtok_r(NULL, ":", &rest)) {
		snprintf(file, sizeof(file), "%s/%s", dir, program);
		if (!access(file, X_OK))
			return true;
	}
	return false;
}

CHECK_FUNCTION(check_tools)
{
	(void)earlier;
	found(result, CHECK_OK, "p2ptrace %s, built with %s", P2PTRACE_VERSION, P2PTRACE_LIBRARIES);
	for (size_t i = 0; i < sizeof(compressions) / sizeof(compressions[0]); i++) {
		if (compressions[i].version) {
			also(result, "%s %s", compressions[i].name, compressions[i].version());
			continue;
		}
		worsen(result, CHECK_WARN);
		also(result, "without %s: recordings it compressed cannot be read",
		     compressions[i].name);
		remedy(result, "build p2ptrace where pkg-config finds libzstd and zlib");
	}
#ifndef HAVE_LIBBPF
	worsen(result, CHECK_WARN);
	also(result, "without libbpf: record -S probe needs --offsets FILE");
	remedy(result, "build p2ptrace where pkg-config finds libbpf");
#endif
	if (!facts->root.captured)
		also(result, is_on_path("trace-cmd") ? "trace-cmd is installed"
						     : "trace-cmd is not installed (not needed)");
}
