// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <math.h>

#include "p2ptrace/json.h"
#include "p2ptrace/text.h"

void json_init(struct json *json, FILE *out, bool compact)
{
	*json = (struct json){ .out = out, .compact = compact };
}

/* Bytes that stand for themselves. */
static size_t plain_length(const unsigned char *text)
{
	size_t length = 0;

	while (text[length] >= 0x20 && text[length] < 0x7f && text[length] != '"' &&
	       text[length] != '\\')
		length++;
	return length;
}

static void quote(FILE *out, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	fputc('"', out);
	while (*at) {
		size_t length = plain_length(at);

		if (!length)
			length = text_utf8_length(at);

		if (*at == '"' || *at == '\\')
			fprintf(out, "\\%c", *at);
		else if (*at < 0x20 || *at == 0x7f)
			fprintf(out, "\\u%04x", *at);
		else if (length)
			fwrite(at, 1, length, out);
		else
			fputs("\\ufffd", out);
		at += length ? length : 1;
	}
	fputc('"', out);
}

static void new_line(struct json *json)
{
	if (json->compact)
		return;
	fputc('\n', json->out);
	for (int i = 0; i < json->depth; i++)
		fputc(' ', json->out);
}

/* What stands before any value. */
static void lead(struct json *json, const char *key)
{
	if (json->began)
		fputc(',', json->out);
	if (json->depth)
		new_line(json);
	json->began = true;
	if (!key)
		return;
	quote(json->out, key);
	fputs(json->compact ? ":" : ": ", json->out);
}

static void open_level(struct json *json, const char *key, char bracket)
{
	lead(json, key);
	fputc(bracket, json->out);
	json->depth++;
	json->began = false;
}

static void close_level(struct json *json, char bracket)
{
	json->depth--;
	if (json->began)
		new_line(json);
	fputc(bracket, json->out);
	json->began = true;
	if (!json->depth)
		fputc('\n', json->out);
}

void json_object(struct json *json, const char *key)
{
	open_level(json, key, '{');
}

void json_array(struct json *json, const char *key)
{
	open_level(json, key, '[');
}

void json_end_object(struct json *json)
{
	close_level(json, '}');
}

void json_end_array(struct json *json)
{
	close_level(json, ']');
}

void json_text(struct json *json, const char *key, const char *text)
{
	lead(json, key);
	if (text)
		quote(json->out, text);
	else
		fputs("null", json->out);
}

void json_u64(struct json *json, const char *key, uint64_t value)
{
	lead(json, key);
	fprintf(json->out, "%" PRIu64, value);
}

void json_i64(struct json *json, const char *key, int64_t value)
{
	lead(json, key);
	fprintf(json->out, "%" PRId64, value);
}

void json_double(struct json *json, const char *key, double value)
{
	lead(json, key);
	if (isfinite(value))
		fprintf(json->out, "%.15g", value);
	else
		fputs("null", json->out);
}

void json_bool(struct json *json, const char *key, bool value)
{
	lead(json, key);
	fputs(value ? "true" : "false", json->out);
}

void json_null(struct json *json, const char *key)
{
	lead(json, key);
	fputs("null", json->out);
}

void json_address(struct json *json, const char *key, uint64_t value)
{
	lead(json, key);
	fprintf(json->out, "\"0x%" PRIx64 "\"", value);
}
