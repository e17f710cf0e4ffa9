/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table: rows of any struct, shown as text, CSV or JSON from one list of columns.
 *
 * A column names a field of the row struct once: its key (CSV, JSON, -F, --sort),
 * its heading (text), its kind and its offset.  "Not known" is a value of its own
 * in every kind, shown as "-", as nothing and as null.
 * Source: src/output/table.c
 */
#ifndef P2PTRACE_TABLE_H
#define P2PTRACE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "p2ptrace/error.h"
#include "p2ptrace/histogram.h"
#include "p2ptrace/json.h"

enum cell_kind {
	CELL_END = 0,
	CELL_TEXT, /* const char *, NULL: not known */
	CELL_CHARS, /* an array of char, "": not known */
	CELL_COUNT, /* uint64_t, NOT_KNOWN */
	CELL_BYTES, /* uint64_t, NOT_KNOWN */
	CELL_DURATION, /* uint64_t ns, NOT_KNOWN */
	CELL_NUMBER, /* int64_t, NUMBER_NOT_KNOWN */
	CELL_SHARE, /* double 0 to 1, NaN: not known */
	/* Several values, an object in JSON; not for text and CSV: */
	CELL_OBJECT, /* const struct cell_object *, NULL: not known */
	CELL_SUMMARY, /* struct histogram_summary, its count NOT_KNOWN */
	CELL_HISTOGRAM, /* const struct histogram *, NULL: not known */
	/* Of a const struct histogram *: one number of it. */
	CELL_MEAN,
	CELL_P50,
	CELL_P90,
	CELL_P99,
	CELL_P999,
	CELL_MAX,
};

#define NOT_KNOWN UINT64_MAX
#define NUMBER_NOT_KNOWN INT64_MIN

enum column_use {
	IN_TEXT = 1,
	IN_CSV = 2,
	IN_JSON = 4,
	IN_ALL = 7,
	IN_WIDE = 3,
	ON_WISH = 8,
	IF_KNOWN = 16, /* in text only when any row knows it */
};

/* A value that prints itself; to be the first member of what it is. */
struct cell_object {
	void (*print)(struct json *json, const char *key, const struct cell_object *object);
};

struct column {
	enum cell_kind kind;
	const char *key;
	const char *heading;
	size_t offset;
	enum column_use use;
};

struct table {
	const struct column *columns; /* ends with CELL_END */
	const void *rows;
	size_t row_count, row_bytes;
	/* -F: keys separated by commas, instead of the columns for this use; NULL: these. */
	const char *wanted;
};

/* Whether a column can stand in text and CSV, and order rows. */
bool column_is_one_number(const struct column *column);

/* Checks the keys of `wanted` for one of the uses. */
int table_check_wanted(const struct table *table, enum column_use use, struct p2p_error *err);

/* Columns that fit their widest cell; at most `limit` rows (0: all), and a line that
 * says how many more. */
void table_print_text(const struct table *table, FILE *out, size_t limit);
void table_print_csv(const struct table *table, FILE *out);
/* One text as a CSV cell. */
void table_print_csv_text(FILE *out, const char *text);
void table_print_json(const struct table *table, struct json *json, const char *key);

/* One cell as a text shows it, safe for a terminal: "-" when not known. */
#define CELL_BYTES_MAX 256
void table_cell_text(const struct column *column, const void *row, char to[CELL_BYTES_MAX]);

/* The column of a key; NULL if there is none. */
const struct column *table_column(const struct column *columns, const char *key);

/* Orders rows by a column: texts upwards, numbers downwards; 0 for equal ones. */
int table_compare(const struct column *column, const void *row, const void *other);

void json_histogram(struct json *json, const char *key, const struct histogram *histogram);

#endif
