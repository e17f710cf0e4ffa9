/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text: numbers and names for people, and numbers from people.
 *
 * Names in a trace (comm, device names) are chosen by whoever ran the traced
 * program: nothing here lets a control character or a broken UTF-8 sequence
 * reach a terminal.
 *
 * Source: src/base/text.c
 */
#ifndef P2PTRACE_TEXT_H
#define P2PTRACE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "p2ptrace/error.h"

/* Copies `text` with control characters, DEL and bytes that are not valid UTF-8
 * written as \xNN.  Always terminated, cut to fit; returns `to`. */
char *text_safe(char *to, size_t room, const char *text);

/* Prints the same to `out`; newlines pass (for messages of several lines). */
void text_print_safe(FILE *out, const char *text);

/* Length in bytes of the valid UTF-8 sequence at `text` (1-4), 0 if it is none. */
size_t text_utf8_length(const unsigned char *text);

/* "512 B", "4.0 KiB", "1.5 GiB": at most 10 columns. */
char *text_bytes(char *to, size_t room, uint64_t bytes);

/* "812 ns", "4.21 us", "1.07 s": at most 10 columns. */
char *text_duration(char *to, size_t room, uint64_t ns);

/* "1,234,567". */
char *text_count(char *to, size_t room, uint64_t count);

/* A whole number, decimal or 0x hexadecimal, nothing behind it. */
int text_parse_u64(const char *text, uint64_t *value, struct p2p_error *err);

/* SIZE with an optional k, M, G, T (powers of 1024; KiB, MB and the like accepted);
 * `unit` is what a bare number counts in bytes. */
int text_parse_size(const char *text, uint64_t unit, uint64_t *bytes, struct p2p_error *err);

/* Durations: "1.5", "10s", "250ms", "80us", "5m", "2h"; a bare number is seconds. */
int text_parse_duration(const char *text, uint64_t *ns, struct p2p_error *err);

/* Whether stdout's bytes may be UTF-8 (LC_ALL, LC_CTYPE, LANG). */
bool text_utf8_wanted(void);

/* Whether stdout is a terminal that may be coloured (NO_COLOR, TERM=dumb). */
bool text_colour_wanted(void);

#endif
