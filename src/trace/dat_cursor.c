// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dat_cursor.h"

int dat_fail(struct dat_cursor *cursor, const char *format, ...)
{
	char words[512];
	va_list args;

	if (cursor->failed)
		return -1;
	cursor->failed = true;
	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	return p2p_fail(cursor->err, "%s: %s at offset %" PRIu64 "%s: %s", cursor->file->shown,
			cursor->what, cursor->at, cursor->memory ? " of the unpacked section" : "",
			words);
}

void dat_bytes(struct dat_cursor *cursor, void *to, size_t bytes)
{
	size_t done = 0;

	memset(to, 0, bytes);
	if (cursor->failed)
		return;
	if (bytes > cursor->end - cursor->at) {
		dat_fail(cursor, "cut off (%zu bytes expected, %" PRIu64 " left)", bytes,
			 cursor->end - cursor->at);
		return;
	}
	while (!cursor->memory && done < bytes) {
		ssize_t got = pread(cursor->file->fd, (char *)to + done, bytes - done,
				    (off_t)(cursor->at + done));

		if (got > 0) {
			done += (size_t)got;
		} else if (got == 0 || errno != EINTR) {
			dat_fail(cursor, "cannot be read: %s",
				 got ? strerror(errno) : "the file became shorter");
			return;
		}
	}
	if (cursor->memory)
		memcpy(to, cursor->memory + cursor->at, bytes);
	cursor->at += bytes;
}

static uint64_t number(struct dat_cursor *cursor, size_t bytes)
{
	unsigned char raw[8];
	uint64_t value = 0;

	dat_bytes(cursor, raw, bytes);
	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | raw[cursor->file->big_endian ? i : bytes - 1 - i];
	return value;
}

uint16_t dat_u16(struct dat_cursor *cursor)
{
	return (uint16_t)number(cursor, 2);
}

uint32_t dat_u32(struct dat_cursor *cursor)
{
	return (uint32_t)number(cursor, 4);
}

uint64_t dat_u64(struct dat_cursor *cursor)
{
	return number(cursor, 8);
}

char *dat_text(struct dat_cursor *cursor, uint64_t bytes)
{
	char *text;

	if (cursor->failed)
		return NULL;
	if (bytes > cursor->end - cursor->at) {
		dat_fail(cursor, "cut off (%" PRIu64 " bytes expected, %" PRIu64 " left)", bytes,
			 cursor->end - cursor->at);
		return NULL;
	}
	text = malloc(bytes + 1);
	if (!text) {
		dat_fail(cursor, "no memory for %" PRIu64 " bytes", bytes);
		return NULL;
	}
	dat_bytes(cursor, text, bytes);
	text[bytes] = '\0';
	if (!cursor->failed)
		return text;
	free(text);
	return NULL;
}

char *dat_string(struct dat_cursor *cursor, size_t limit)
{
	char *text = NULL;
	size_t used = 0;

	for (;;) {
		char *more = used % 64 ? text : realloc(text, used + 64);

		if (!more) {
			dat_fail(cursor, "no memory");
			break;
		}
		text = more;
		if (used == limit) {
			dat_fail(cursor, "a string without an end");
			break;
		}
		dat_bytes(cursor, text + used, 1);
		if (cursor->failed)
			break;
		if (!text[used++])
			return text;
	}
	free(text);
	return NULL;
}
