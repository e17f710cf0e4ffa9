// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "parts.h"

/* ---- which row is which ---- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t count)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < count; i++)
		hash = (hash ^ at[i]) * 0x100000001b3ull;
	return hash;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
	return text ? mix(hash, text, strlen(text) + 1) : mix(hash, "\377", 1);
}

#define HASH_START 0xcbf29ce484222325ull

static uint64_t pair_identity(const void *row)
{
	const struct live_pair *pair = row;

	return mix_text(mix_text(mix_text(HASH_START, pair->client), pair->provider), pair->type);
}

static uint64_t process_identity(const void *row)
{
	const struct live_process *process = row;

	return mix(HASH_START, &process->pid, sizeof(process->pid));
}

static uint64_t pool_identity(const void *row)
{
	return mix_text(HASH_START, ((const struct live_pool *)row)->provider);
}

static uint64_t leak_identity(const void *row)
{
	const struct leak *leak = row;
	uint64_t hash =
		mix_text(mix_text(mix_text(HASH_START, leak->kind), leak->provider), leak->client);

	hash = mix(hash, &leak->addr, sizeof(leak->addr));
	hash = mix(hash, &leak->pid, sizeof(leak->pid));
	return mix(hash, &leak->stamp, sizeof(leak->stamp));
}

static uint64_t event_identity(const void *row)
{
	return ((const struct live_event *)row)->number;
}

static uint64_t counter_identity(const void *row)
{
	const struct live_counter *counter = row;

	return mix_text(mix_text(mix_text(HASH_START, counter->device), counter->layer),
			counter->name);
}

/* ---- the panels ---- */

#define ROWS_OF(rows_of, count_of, row_type)             \
	.rows = offsetof(struct live_snapshot, rows_of), \
	.count = offsetof(struct live_snapshot, count_of), .row_bytes = sizeof(row_type)

const struct panel_spec panel_specs[PANELS] = {
	[PANEL_PAIRS] = { "Pairs", "No mapping between two devices has been seen yet.", 2, false,
			  live_pair_columns, ROWS_OF(pairs, pair_count, struct live_pair),
			  .identity = pair_identity },
	[PANEL_PROCESSES] = { "Processes", "No process has allocated or mapped peer memory yet.", 2,
			      false, live_process_columns,
			      ROWS_OF(processes, process_count, struct live_process),
			      .identity = process_identity },
	[PANEL_PROVIDERS] = { "Providers", "No device has given out peer memory yet.", 1, false,
			      live_pool_columns, ROWS_OF(pools, pool_count, struct live_pool),
			      .identity = pool_identity },
	[PANEL_LEAKS] = { "Leaks", "Nothing is outstanding.", 1, false, live_leak_columns,
			  ROWS_OF(leaks, leak_count, struct leak), .identity = leak_identity },
	[PANEL_EVENTS] = { "Events", "No event has been seen yet.", 1, true, live_event_columns,
			   ROWS_OF(events, event_count, struct live_event),
			   .identity = event_identity },
	[PANEL_MATRIX] = { .title = "Matrix",
			   .fixed = 1,
			   .write = write_matrix,
			   .own_columns = true },
	[PANEL_FINDINGS] = { .title = "Findings", .write = write_findings },
	[PANEL_COUNTERS] = { "Counters", "The kernel has no counters of P2PDMA that can be read.",
			     1, false, live_counter_columns,
			     ROWS_OF(counters, counter_count, struct live_counter),
			     .identity = counter_identity },
};

bool ui_panel_table(enum ui_panel panel, const struct live_snapshot *shot, struct table *table)
{
	const struct panel_spec *spec = &panel_specs[panel];
	const char *base = (const char *)shot;

	if (!spec->columns)
		return false;
	*table = (struct table){ .columns = spec->columns,
				 .rows = *(const void *const *)(base + spec->rows),
				 .row_count = *(const size_t *)(base + spec->count),
				 .row_bytes = spec->row_bytes };
	return true;
}

const void *panel_row(const struct table *table, size_t index)
{
	return (const char *)table->rows + index * table->row_bytes;
}

const void *panel_selected(const struct ui_state *ui, const struct live_snapshot *shot)
{
	const struct ui_list *list = &ui->lists[ui->panel];
	struct table table;

	if (!ui_panel_table(ui->panel, shot, &table) || list->row >= ui->shown ||
	    ui->order[list->row] >= table.row_count)
		return NULL;
	return panel_row(&table, ui->order[list->row]);
}

/* ---- cells ---- */

static bool text_has(const char *text, const char *what)
{
	char part[UI_LINE_MAX];

	while (*what) {
		size_t length = strcspn(what, "|");

		memcpy(part, what, length);
		part[length] = '\0';
		if (length && strcasestr(text, part))
			return true;
		what += length + (what[length] == '|');
	}
	return false;
}

bool panel_row_has(const struct column *columns, const void *row, const char *what)
{
	char cell[CELL_BYTES_MAX];

	if (!*what)
		return true;
	for (; columns->kind; columns++) {
		if (!(columns->use & IN_WIDE) || !column_is_one_number(columns))
			continue;
		table_cell_text(columns, row, cell);
		if (text_has(cell, what))
			return true;
	}
	return false;
}

static bool chosen_has(const struct column *const *chosen, size_t count,
		       const struct column *column)
{
	for (size_t i = 0; i < count; i++)
		if (chosen[i] == column)
			return true;
	return false;
}

size_t panel_columns(const struct ui_list *list, const struct column *columns, bool wide,
		     const struct column *chosen[UI_COLUMNS_MAX])
{
	size_t count = 0;

	for (const struct column *column = columns; column->kind; column++)
		if (count < UI_COLUMNS_MAX - 1 && column_is_one_number(column) &&
		    column->use & (wide ? IN_WIDE : IN_TEXT))
			chosen[count++] = column;
	if (list->sort && !chosen_has(chosen, count, list->sort))
		chosen[count++] = list->sort;
	return count;
}

size_t panel_sortable(const struct column *columns, const struct column *chosen[UI_COLUMNS_MAX])
{
	size_t count = 0;

	for (const struct column *column = columns; column->kind; column++)
		if (count < UI_COLUMNS_MAX && column_is_one_number(column))
			chosen[count++] = column;
	return count;
}

/* ---- colours that mean something ---- */

enum ui_style type_style(const char *type)
{
	static const struct {
		const char *name;
		enum ui_style style;
	} styles[] = {
		{ "BUS_ADDR", STYLE_DIRECT },	    { "THRU_HOST_BRIDGE", STYLE_BRIDGE },
		{ "NOT_SUPPORTED", STYLE_REFUSED }, { "NONE", STYLE_REFUSED },
		{ "UNKNOWN", STYLE_UNKNOWN },
	};

	for (size_t i = 0; type && i < sizeof(styles) / sizeof(styles[0]); i++)
		if (!strcmp(styles[i].name, type))
			return styles[i].style;
	return STYLE_NORMAL;
}

enum ui_style cell_style(const struct column *column, const char *text)
{
	static const struct {
		const char *key, *text;
		enum ui_style style;
	} styles[] = {
		{ "verdict", "leaked", STYLE_BAD }, { "verdict", "unknown", STYLE_UNKNOWN },
		{ "event", "LOST", STYLE_BAD },	    { "note", "failed", STYLE_REFUSED },
		{ "state", "gone", STYLE_DIM },
	};

	if (!strcmp(text, "-") || !strcmp(text, "0"))
		return STYLE_DIM;
	if (!strcmp(column->key, "type"))
		return type_style(text);
	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++)
		if (!strcmp(styles[i].key, column->key) && !strcmp(styles[i].text, text))
			return styles[i].style;
	if (!strcmp(column->key, "failed") || !strcmp(column->key, "not_supported"))
		return STYLE_REFUSED;
	return STYLE_NORMAL;
}
