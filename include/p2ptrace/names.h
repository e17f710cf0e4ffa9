/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names: every distinct string of a trace once, as a small number.
 *
 * Id 0 is "no name".  Texts live until names_free() and never move.  Interning
 * may be called by several threads.  Source: src/event/names.c
 */
#ifndef P2PTRACE_NAMES_H
#define P2PTRACE_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct names;

struct names *names_new(void);
void names_free(struct names *names);

/* What is interned beyond so many names all gets the id of `instead`, which is interned
 * now; for those whose memory must not grow. */
int names_limit(struct names *names, uint32_t limit, const char *instead);

/* The id of text[0..length), cut at a NUL; UINT32_MAX without memory. */
uint32_t names_intern(struct names *names, const char *text, size_t length);

/* The same for bytes of any kind, NULs included. */
uint32_t names_intern_bytes(struct names *names, const void *bytes, size_t length);
size_t names_length(const struct names *names, uint32_t id);

/* NULL for id 0. */
const char *names_text(const struct names *names, uint32_t id);

/* Ids are below this. */
uint32_t names_count(const struct names *names);

#endif
