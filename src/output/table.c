// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/table.h"
#include "p2ptrace/text.h"

#define COLUMNS_MAX 64
/* CSV has room for a kernel stack. */
#define CSV_BYTES_MAX 16384

static const void *field(const struct column *column, const void *row)
{
	return (const char *)row + column->offset;
}

/* NULL when it is not known. */
static const char *text_of(const struct column *column, const void *row)
{
	const char *text;

	if (column->kind == CELL_TEXT)
		return *(const char *const *)field(column, row);
	text = field(column, row);
	return *text ? text : NULL;
}

static bool is_text(const struct column *column)
{
	return column->kind == CELL_TEXT || column->kind == CELL_CHARS;
}

static bool is_histogram(enum cell_kind kind)
{
	return kind >= CELL_HISTOGRAM;
}

static const struct histogram *histogram_of(const struct column *column, const void *row)
{
	const struct histogram *histogram = *(const struct histogram *const *)field(column, row);

	return histogram && histogram->count ? histogram : NULL;
}

/* A number of a histogram, NOT_KNOWN when nothing is in it. */
static uint64_t histogram_number(const struct column *column, const void *row)
{
	static const double fractions[] = {
		[CELL_P50] = 0.5, [CELL_P90] = 0.9, [CELL_P99] = 0.99, [CELL_P999] = 0.999
	};
	const struct histogram *histogram = histogram_of(column, row);

	if (!histogram)
		return NOT_KNOWN;
	if (column->kind == CELL_MEAN)
		return (uint64_t)llround(histogram_mean(histogram));
	if (column->kind == CELL_MAX)
		return histogram->max;
	return histogram_percentile(histogram, fractions[column->kind]);
}

static uint64_t cell_u64(const struct column *column, const void *row)
{
	if (is_histogram(column->kind))
		return histogram_number(column, row);
	return *(const uint64_t *)field(column, row);
}

/* ---- text ---- */

void table_cell_text(const struct column *column, const void *row, char to[CELL_BYTES_MAX])
{
	uint64_t number;
	int64_t signed_number;
	double share;
	const char *text;

	snprintf(to, CELL_BYTES_MAX, "-");
	switch (column->kind) {
	case CELL_TEXT:
	case CELL_CHARS:
		text = text_of(column, row);
		if (text)
			text_safe(to, CELL_BYTES_MAX, text);
		return;
	case CELL_NUMBER:
		signed_number = *(const int64_t *)field(column, row);
		if (signed_number != NUMBER_NOT_KNOWN)
			snprintf(to, CELL_BYTES_MAX, "%" PRId64, signed_number);
		return;
	case CELL_SHARE:
		share = *(const double *)field(column, row);
		if (isfinite(share))
			snprintf(to, CELL_BYTES_MAX, "%.1f %%", share * 100);
		return;
	default:
		break;
	}
	number = cell_u64(column, row);
	if (number == NOT_KNOWN)
		return;
	if (column->kind == CELL_COUNT)
		text_count(to, CELL_BYTES_MAX, number);
	else if (column->kind == CELL_BYTES)
		text_bytes(to, CELL_BYTES_MAX, number);
	else
		text_duration(to, CELL_BYTES_MAX, number);
}

/* Columns on a terminal: UTF-8 sequences count once. */
static int text_width(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

static void print_padded(FILE *out, const char *text, int width, bool left, bool last)
{
	int pad = width - text_width(text);

	if (!left)
		fprintf(out, "%*s", pad, "");
	fputs(text, out);
	if (left && !last)
		fprintf(out, "%*s", pad, "");
	fputs(last ? "\n" : "  ", out);
}

const struct column *table_column(const struct column *columns, const char *key)
{
	for (; columns->kind; columns++)
		if (!strcmp(columns->key, key))
			return columns;
	return NULL;
}

static const struct column *column_in(const struct table *table, const char *key, size_t length)
{
	char name[64];

	if (length >= sizeof(name))
		return NULL;
	memcpy(name, key, length);
	name[length] = '\0';
	return table_column(table->columns, name);
}

bool column_is_one_number(const struct column *column)
{
	return column->kind != CELL_HISTOGRAM && column->kind != CELL_SUMMARY &&
	       column->kind != CELL_OBJECT;
}

int table_check_wanted(const struct table *table, enum column_use use, struct p2p_error *err)
{
	const char *at = table->wanted;

	if (at && !*at)
		return p2p_fail_usage(err, "no column is named");
	while (at && *at) {
		size_t length = strcspn(at, ",");
		const struct column *column = column_in(table, at, length);

		if (!column)
			return p2p_fail_usage(err, "no column '%.*s'", (int)length, at);
		if (use != IN_JSON && !column_is_one_number(column))
			return p2p_fail_usage(err, "'%s' is many numbers: only with --json",
					      column->key);
		at += length + (at[length] == ',');
	}
	return 0;
}

static bool is_known_anywhere(const struct table *table, const struct column *column)
{
	char cell[CELL_BYTES_MAX];

	for (size_t r = 0; r < table->row_count; r++) {
		table_cell_text(column, (const char *)table->rows + r * table->row_bytes, cell);
		if (strcmp(cell, "-") != 0)
			return true;
	}
	return false;
}

/* The columns to show, in order. */
static size_t choose_columns(const struct table *table, enum column_use use,
			     const struct column *chosen[COLUMNS_MAX])
{
	const char *at = table->wanted;
	size_t count = 0;

	while (at && *at && count < COLUMNS_MAX) {
		size_t length = strcspn(at, ",");
		const struct column *column = column_in(table, at, length);

		if (column)
			chosen[count++] = column;
		at += length + (at[length] == ',');
	}
	for (const struct column *column = table->columns; !table->wanted && column->kind; column++)
		if (column->use & use && count < COLUMNS_MAX &&
		    (use != IN_TEXT || !(column->use & IF_KNOWN) ||
		     is_known_anywhere(table, column)))
			chosen[count++] = column;
	return count;
}

void table_print_text(const struct table *table, FILE *out, size_t limit)
{
	const struct column *chosen[COLUMNS_MAX];
	size_t count = choose_columns(table, IN_TEXT, chosen);
	size_t rows = limit && limit < table->row_count ? limit : table->row_count;
	int widths[COLUMNS_MAX];
	char cell[CELL_BYTES_MAX];

	for (size_t c = 0; c < count; c++) {
		widths[c] = text_width(chosen[c]->heading);
		for (size_t r = 0; r < rows; r++) {
			int width;

			table_cell_text(chosen[c], (const char *)table->rows + r * table->row_bytes,
					cell);
			width = text_width(cell);
			widths[c] = width > widths[c] ? width : widths[c];
		}
	}
	for (size_t c = 0; c < count; c++)
		print_padded(out, chosen[c]->heading, widths[c], is_text(chosen[c]),
			     c + 1 == count);
	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < count; c++) {
			table_cell_text(chosen[c], (const char *)table->rows + r * table->row_bytes,
					cell);
			print_padded(out, cell, widths[c], is_text(chosen[c]), c + 1 == count);
		}
	if (rows < table->row_count)
		fprintf(out, "... and %zu more (--top 0 shows all)\n", table->row_count - rows);
}

/* ---- CSV ---- */

/* RFC 4180; and a cell a spreadsheet would take for a formula gets a quote. */
void table_print_csv_text(FILE *out, const char *text)
{
	char safe[CSV_BYTES_MAX];

	text_safe(safe, sizeof(safe), text);
	if (!strpbrk(safe, ",\"") && !strchr("=+-@", safe[0])) {
		fputs(safe, out);
		return;
	}
	fputc('"', out);
	if (safe[0] && strchr("=+-@", safe[0]))
		fputc('\'', out);
	for (const char *at = safe; *at; at++) {
		if (*at == '"')
			fputc('"', out);
		fputc(*at, out);
	}
	fputc('"', out);
}

static void print_csv_cell(const struct column *column, const void *row, FILE *out)
{
	uint64_t number;
	int64_t signed_number;
	double share;
	const char *text;

	switch (column->kind) {
	case CELL_TEXT:
	case CELL_CHARS:
		text = text_of(column, row);
		if (text)
			table_print_csv_text(out, text);
		return;
	case CELL_NUMBER:
		signed_number = *(const int64_t *)field(column, row);
		if (signed_number != NUMBER_NOT_KNOWN)
			fprintf(out, "%" PRId64, signed_number);
		return;
	case CELL_SHARE:
		share = *(const double *)field(column, row);
		if (isfinite(share))
			fprintf(out, "%.9g", share);
		return;
	default:
		number = cell_u64(column, row);
		if (number != NOT_KNOWN)
			fprintf(out, "%" PRIu64, number);
	}
}

void table_print_csv(const struct table *table, FILE *out)
{
	const struct column *chosen[COLUMNS_MAX];
	size_t count = choose_columns(table, IN_CSV, chosen);

	for (size_t c = 0; c < count; c++)
		fprintf(out, "%s%s", c ? "," : "", chosen[c]->key);
	fputc('\n', out);
	for (size_t r = 0; r < table->row_count; r++) {
		for (size_t c = 0; c < count; c++) {
			if (c)
				fputc(',', out);
			print_csv_cell(chosen[c], (const char *)table->rows + r * table->row_bytes,
				       out);
		}
		fputc('\n', out);
	}
}

/* ---- JSON ---- */

static void json_summary(struct json *json, const char *key,
			 const struct histogram_summary *summary)
{
	const struct {
		const char *key;
		uint64_t value;
	} percentiles[] = { { "p50", summary->p50 },
			    { "p90", summary->p90 },
			    { "p99", summary->p99 },
			    { "p999", summary->p999 },
			    { "max", summary->max } };
	bool empty = !summary->count;

	if (summary->count == NOT_KNOWN) {
		json_null(json, key);
		return;
	}
	json_object(json, key);
	json_u64(json, "count", summary->count);
	if (empty)
		json_null(json, "min");
	else
		json_u64(json, "min", summary->min);
	json_double(json, "mean", empty ? NAN : summary->mean);
	for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++) {
		if (empty)
			json_null(json, percentiles[i].key);
		else
			json_u64(json, percentiles[i].key, percentiles[i].value);
	}
	json_end_object(json);
}

void json_histogram(struct json *json, const char *key, const struct histogram *histogram)
{
	struct histogram_summary summary = { .count = NOT_KNOWN };

	if (histogram)
		histogram_summarise(histogram, &summary);
	json_summary(json, key, &summary);
}

static void json_cell(struct json *json, const struct column *column, const void *row)
{
	const struct cell_object *object;
	int64_t signed_number;
	uint64_t number;

	switch (column->kind) {
	case CELL_TEXT:
	case CELL_CHARS:
		json_text(json, column->key, text_of(column, row));
		return;
	case CELL_OBJECT:
		object = *(const struct cell_object *const *)field(column, row);
		if (object)
			object->print(json, column->key, object);
		else
			json_null(json, column->key);
		return;
	case CELL_NUMBER:
		signed_number = *(const int64_t *)field(column, row);
		if (signed_number == NUMBER_NOT_KNOWN)
			json_null(json, column->key);
		else
			json_i64(json, column->key, signed_number);
		return;
	case CELL_SHARE:
		json_double(json, column->key, *(const double *)field(column, row));
		return;
	case CELL_HISTOGRAM:
		json_histogram(json, column->key,
			       *(const struct histogram *const *)field(column, row));
		return;
	case CELL_SUMMARY:
		json_summary(json, column->key, field(column, row));
		return;
	default:
		number = cell_u64(column, row);
		if (number == NOT_KNOWN)
			json_null(json, column->key);
		else
			json_u64(json, column->key, number);
	}
}

void table_print_json(const struct table *table, struct json *json, const char *key)
{
	const struct column *chosen[COLUMNS_MAX];
	size_t count = choose_columns(table, IN_JSON, chosen);

	json_array(json, key);
	for (size_t r = 0; r < table->row_count; r++) {
		json_object(json, NULL);
		for (size_t c = 0; c < count; c++)
			json_cell(json, chosen[c],
				  (const char *)table->rows + r * table->row_bytes);
		json_end_object(json);
	}
	json_end_array(json);
}

/* ---- order ---- */

int table_compare(const struct column *column, const void *row, const void *other)
{
	if (is_text(column)) {
		const char *a = text_of(column, row);
		const char *b = text_of(column, other);

		return strcmp(a ? a : "", b ? b : "");
	}
	if (column->kind == CELL_NUMBER) {
		int64_t a = *(const int64_t *)field(column, row);
		int64_t b = *(const int64_t *)field(column, other);

		return a > b ? -1 : a < b;
	}
	if (column->kind == CELL_SHARE) {
		double a = *(const double *)field(column, row);
		double b = *(const double *)field(column, other);

		return a > b ? -1 : a < b;
	}
	/* Not known is less than anything known. */
	uint64_t a = cell_u64(column, row) + 1, b = cell_u64(column, other) + 1;

	return a > b ? -1 : a < b;
}
