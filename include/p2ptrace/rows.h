/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rows: tables that grow at their end, and their order.
 *
 * A table is a pointer and a count of the caller's own; its room is the next power
 * of two, so nothing else is kept.  Source: src/base/rows.c
 */
#ifndef P2PTRACE_ROWS_H
#define P2PTRACE_ROWS_H

#include <stddef.h>

/* A zeroed row at the end of `table` (the address of a pointer to rows); NULL without
 * memory, the table then being as before. */
void *rows_add(void *table, size_t *count, size_t row_bytes);

#define ROWS_ADD(table, count) rows_add(&(table), &(count), sizeof(*(table)))

/* qsort for tables that may be empty and NULL. */
void rows_sort(void *rows, size_t count, size_t row_bytes,
	       int (*compare)(const void *a, const void *b));

#endif
