// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_ZLIB
#include <zlib.h>
#endif

#include "p2ptrace/capture_option.h"
#include "p2ptrace/compress.h"

#define MAGIC "p2ptrace.capture/1 "
#define LINE_MAX_BYTES 64

/* Packs behind `line` bytes of room; false: not possible, or not worth it. */
static bool pack(const char *plain, size_t size, size_t line, struct capture_data *data)
{
#ifdef HAVE_ZLIB
	uLongf packed = compressBound(size);

	data->bytes = malloc(line + packed);
	if (data->bytes && compress2((Bytef *)data->bytes + line, &packed, (const Bytef *)plain,
				     size, Z_BEST_SPEED) == Z_OK) {
		data->size = line + packed;
		return true;
	}
	free(data->bytes);
#endif
	(void)plain, (void)size, (void)line;
	data->bytes = NULL;
	return false;
}

int capture_wrap(const char *plain, size_t size, struct capture_data *data, struct p2p_error *err)
{
	char line[LINE_MAX_BYTES];
	size_t length;

	if (size > CAPTURE_BYTES_MAX)
		return p2p_fail(err, "the PCI tree is too large to be stored");
	length = (size_t)snprintf(line, sizeof(line), MAGIC "zlib %zu\n", size);
	if (!pack(plain, size, length, data)) {
		length = (size_t)snprintf(line, sizeof(line), MAGIC "none %zu\n", size);
		data->bytes = malloc(length + size);
		if (!data->bytes)
			return p2p_fail(err, "no memory for the PCI tree");
		memcpy(data->bytes + length, plain, size);
		data->size = length + size;
	}
	memcpy(data->bytes, line, length);
	return 0;
}

/* The line's words; its length, or 0. */
static size_t read_line(const struct capture_data *data, char compression[16], size_t *plain)
{
	const char *end = memchr(data->bytes, '\n',
				 data->size < LINE_MAX_BYTES ? data->size : LINE_MAX_BYTES - 1);
	char line[LINE_MAX_BYTES];

	if (!end)
		return 0;
	memcpy(line, data->bytes, (size_t)(end - data->bytes));
	line[end - data->bytes] = '\0';
	if (strncmp(line, MAGIC, strlen(MAGIC)) != 0 ||
	    sscanf(line + strlen(MAGIC), "%15s %zu", compression, plain) != 2)
		return 0;
	return (size_t)(end + 1 - data->bytes);
}

int capture_unwrap(const struct capture_data *data, char **plain, size_t *size,
		   struct p2p_error *err)
{
	enum compression compression;
	char name[16];
	size_t line = read_line(data, name, size), packed = data->size - line;
	int result = 0;

	if (!line)
		return p2p_fail(err, "it does not begin as one");
	if (*size > CAPTURE_BYTES_MAX)
		return p2p_fail(err, "%zu bytes unpacked is beyond belief", *size);
	if (compression_by_name(name, &compression, err))
		return -1;
	if (compression == COMPRESSION_NONE && packed != *size)
		return p2p_fail(err, "it has %zu bytes where %zu were announced", packed, *size);
	*plain = malloc(*size + 1);
	if (!*plain)
		return p2p_fail(err, "no memory for it");
	if (compression == COMPRESSION_NONE)
		memcpy(*plain, data->bytes + line, packed);
	else
		result = decompress(compression, data->bytes + line, packed, *plain, *size, err);
	if (result)
		free(*plain);
	return result;
}
