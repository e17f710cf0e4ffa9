/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json: a JSON text, written as it comes.
 *
 * Commas, quoting and indentation are the writer's business.  Within objects a
 * value needs a key, within arrays it is NULL.  Texts that are not valid UTF-8
 * keep their valid parts; every other byte becomes U+FFFD.
 * Source: src/output/json.c
 */
#ifndef P2PTRACE_JSON_H
#define P2PTRACE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	int depth;
	bool compact; /* all on one line */
	bool began; /* something stands at this depth already */
};

void json_init(struct json *json, FILE *out, bool compact);
void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);
/* Ends the object or array begun last; a newline behind the outermost. */
void json_end_object(struct json *json);
void json_end_array(struct json *json);

void json_text(struct json *json, const char *key, const char *text); /* NULL: null */
void json_u64(struct json *json, const char *key, uint64_t value);
void json_i64(struct json *json, const char *key, int64_t value);
void json_double(struct json *json, const char *key, double value); /* NaN: null */
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);
void json_address(struct json *json, const char *key, uint64_t value); /* "0x..." */

#endif
