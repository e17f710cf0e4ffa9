// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_ZLIB
#include <zlib.h>
#endif

#include "p2ptrace/kconfig.h"

/* A configuration has some 300 KB; what claims to be larger than this is none. */
#define CONFIG_BYTES_MAX ((size_t)16 << 20)

#ifdef HAVE_ZLIB
/* The plain text of gzip'd bytes, malloc'd with a NUL; NULL when damaged or too large. */
static char *gunzip(const char *packed, size_t size)
{
	z_stream stream = { .next_in = (Bytef *)(uintptr_t)packed, .avail_in = (uInt)size };
	char *text = malloc(CONFIG_BYTES_MAX + 1);
	int result = Z_DATA_ERROR;

	if (!text || inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) {
		free(text);
		return NULL;
	}
	stream.next_out = (Bytef *)text;
	stream.avail_out = (uInt)CONFIG_BYTES_MAX;
	result = inflate(&stream, Z_FINISH);
	text[stream.total_out] = '\0';
	inflateEnd(&stream);
	if (result == Z_STREAM_END)
		return text;
	free(text);
	return NULL;
}
#else
static char *gunzip(const char *packed, size_t size)
{
	(void)packed;
	(void)size;
	return NULL;
}
#endif

static char *read_packed(const struct sysroot *root, const char *path)
{
	size_t size;
	char *packed = sysroot_read(root, CONFIG_BYTES_MAX, &size, "%s", path);
	char *text = packed ? gunzip(packed, size) : NULL;

	free(packed);
	return text;
}

static char *read_plain(const struct sysroot *root, const char *path)
{
	return sysroot_read(root, CONFIG_BYTES_MAX, NULL, "%s", path);
}

int kconfig_read(const struct sysroot *root, struct kconfig *config)
{
	/* %s: the kernel's release. */
	static const char *const places[] = {
		"proc/config.gz",
		"boot/config-%s",
		"lib/modules/%s/config",
		"usr/lib/modules/%s/config",
		"lib/modules/%s/build/.config",
	};
	char release[256];

	*config = (struct kconfig){ .text = NULL };
	if (sysroot_line(root, release, sizeof(release), "proc/sys/kernel/osrelease") <= 0 ||
	    strchr(release, '/'))
		strcpy(release, "unknown");
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && !config->text; i++) {
		const char *mark = strstr(places[i], "%s");

		snprintf(config->source, sizeof(config->source), "%.*s%s%s",
			 mark ? (int)(mark - places[i]) : (int)strlen(places[i]), places[i],
			 mark ? release : "", mark ? mark + 2 : "");
		config->text = i ? read_plain(root, config->source)
				 : read_packed(root, config->source);
	}
	return config->text ? 0 : -1;
}

void kconfig_free(struct kconfig *config)
{
	free(config->text);
	*config = (struct kconfig){ .text = NULL };
}

char kconfig_get(const struct kconfig *config, const char *option)
{
	size_t length = strlen(option);
	const char *line = config->text;

	if (!line)
		return '?';
	while (line && *line) {
		if (!strncmp(line, option, length) && line[length] == '=') {
			char value = line[length + 1];
			char behind = value ? line[length + 2] : '\0';

			if (value && strchr("ymn", value) &&
			    (!behind || behind == '\n' || behind == '\r'))
				return value;
			return '=';
		}
		line = strchr(line, '\n');
		line += line != NULL;
	}
	return 'n';
}
