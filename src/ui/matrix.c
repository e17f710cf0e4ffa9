// SPDX-License-Identifier: GPL-2.0-or-later
/* Providers and clients, the path the rule gives each pair, and those that were seen lit. */
#include <string.h>

#include "p2ptrace/text.h"
#include "p2ptrace/wrap.h"
#include "parts.h"

enum { CELL = 13, LABEL_MAX = 24 };

static const char *type_code(const char *type)
{
	static const struct {
		const char *type, *code;
	} codes[] = {
		{ "BUS_ADDR", "BUS" },
		{ "THRU_HOST_BRIDGE", "HOST" },
		{ "NOT_SUPPORTED", "NO" },
		{ "NONE", "NO" },
	};

	for (size_t i = 0; type && i < sizeof(codes) / sizeof(codes[0]); i++)
		if (!strcmp(codes[i].type, type))
			return codes[i].code;
	return "?";
}

/* "12,345" for people who look at it across a room: "12k". */
static const char *short_count(char *to, size_t room, uint64_t count)
{
	static const char units[] = " kMGTPE";
	double value = (double)count;
	int unit = 0;

	while (value >= 999.5 && unit < 6) {
		value /= 1000;
		unit++;
	}
	snprintf(to, room, unit && value < 9.95 ? "%.1f%.*s" : "%.0f%.*s", value, unit ? 1 : 0,
		 units + unit);
	return to;
}

static void write_cell(const struct live_cell *cell, FILE *out)
{
	char text[64], count[32];
	const char *lit = cell->observed ? cell->observed : cell->predicted;
	bool other = cell->observed && cell->predicted &&
		     strcmp(cell->observed, cell->predicted) != 0;

	if (!cell->observed)
		snprintf(text, sizeof(text), "%s", cell->predicted ? type_code(lit) : ".");
	else
		snprintf(text, sizeof(text), "%s%s%s %s", type_code(cell->observed),
			 other ? "!" : "", cell->mixed ? "+" : "",
			 short_count(count, sizeof(count), cell->maps));
	fputc(' ', out);
	if (cell->observed)
		fprintf(out, "%s%-*.*s%s", ui_text_lit(type_style(lit)), CELL - 1, CELL - 1, text,
			ui_text_style(STYLE_NORMAL));
	else
		fprintf(out, "%s%-*.*s%s",
			ui_text_style(cell->predicted ? type_style(lit) : STYLE_DIM), CELL - 1,
			CELL - 1, text, ui_text_style(STYLE_NORMAL));
}

static void write_label(FILE *out, const char *label, int width, bool utf8)
{
	const struct ui_grid grid = { .utf8 = utf8 };
	char safe[LABEL_MAX * 4];
	int used;

	/* A label that would push the columns is shown without what does not fit. */
	text_safe(safe, sizeof(safe), label ? label : "-");
	while ((used = ui_width(&grid, safe)) > width)
		safe[strlen(safe) - 1] = '\0';
	fprintf(out, "%s%*s", safe, width - used, "");
}

static int label_width(const struct ui_state *ui, const struct live_matrix *matrix)
{
	const struct ui_grid grid = { .utf8 = ui->utf8 };
	int width = 8;

	for (size_t i = 0; i < matrix->provider_count; i++) {
		int needed = ui_width(&grid, matrix->provider_labels[i]);

		width = needed > width ? needed : width;
	}
	return width < LABEL_MAX ? width : LABEL_MAX;
}

/* Clients that fit beside each other. */
static size_t clients_in_sight(const struct ui_state *ui, const struct live_matrix *matrix)
{
	int room = (ui->width - label_width(ui, matrix)) / CELL;

	return room > 0 ? (size_t)room : 1;
}

int matrix_scrolling(const struct ui_state *ui, const struct live_snapshot *shot)
{
	size_t clients = shot->matrix.client_count, room = clients_in_sight(ui, &shot->matrix);

	return clients > room ? (int)(clients - room) : 0;
}

static void write_legend(const struct ui_state *ui, const struct live_matrix *matrix, FILE *out)
{
	fputc('\n', out);
	fputs("  ", out);
	write_type(out, "BUS_ADDR", 0);
	fputs(" BUS   ", out);
	write_type(out, "THRU_HOST_BRIDGE", 0);
	fputs(" HOST   ", out);
	write_type(out, "NOT_SUPPORTED", 0);
	fputs(" NO   ", out);
	write_type(out, "UNKNOWN", 0);
	fputs(" ?\n  ", out);
	wrap_print(out,
		   "Rows are providers, columns clients. Lit, with their number of maps: paths "
		   "that were seen; !: not the type that the rule predicts, +: others too.",
		   2, (size_t)ui->width - 1);
	if (!matrix->predicted) {
		fputs("  ", out);
		wrap_print(out,
			   "The topology of the machine is not known: only what was seen is shown.",
			   2, (size_t)ui->width - 1);
	}
}

void write_matrix(const struct ui_state *ui, const struct live_snapshot *shot, FILE *out)
{
	const struct live_matrix *matrix = &shot->matrix;
	size_t first = (size_t)ui->lists[PANEL_MATRIX].left, last;
	int left = label_width(ui, matrix);

	if (!matrix->provider_count || !matrix->client_count) {
		fputs("No pair of devices is known, and none was seen.\n", out);
		return;
	}
	first = first < matrix->client_count ? first : matrix->client_count - 1;
	last = first + clients_in_sight(ui, matrix);
	last = last < matrix->client_count ? last : matrix->client_count;
	fprintf(out, "%*s", left, "");
	for (size_t c = first; c < last; c++) {
		fputc(' ', out);
		write_label(out, matrix->client_labels[c], CELL - 1, ui->utf8);
	}
	fputc('\n', out);
	for (size_t p = 0; p < matrix->provider_count; p++) {
		write_label(out, matrix->provider_labels[p], left, ui->utf8);
		for (size_t c = first; c < last; c++)
			write_cell(&matrix->cells[p * matrix->client_count + c], out);
		fputc('\n', out);
	}
	if (last - first < matrix->client_count)
		fprintf(out, "\n  clients %zu to %zu of %zu: Left, Right\n", first + 1, last,
			matrix->client_count);
	write_legend(ui, matrix, out);
}
