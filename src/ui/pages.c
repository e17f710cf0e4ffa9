// SPDX-License-Identifier: GPL-2.0-or-later
/* The pages of text: help and findings. */
#include <stdarg.h>

#include "p2ptrace/text.h"
#include "p2ptrace/wrap.h"
#include "parts.h"

void write_title(FILE *out, const char *format, ...)
{
	char text[512], safe[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(out, "%s%s%s\n", ui_text_style(STYLE_BOLD), text_safe(safe, sizeof(safe), text),
		ui_text_style(STYLE_NORMAL));
}

void write_type(FILE *out, const char *type, int width)
{
	char safe[128];

	fprintf(out, "%s%-*s%s", ui_text_style(type_style(type)), width,
		type ? text_safe(safe, sizeof(safe), type) : "-", ui_text_style(STYLE_NORMAL));
}

/* ---- findings ---- */

static void write_paragraph(const struct ui_state *ui, FILE *out, const char *label,
			    const char *text)
{
	enum { INDENT = 12 };

	if (!text || !*text)
		return;
	fprintf(out, "  %-*s", INDENT - 2, label);
	wrap_print(out, text, INDENT, (size_t)ui->width - 1);
}

void write_findings(const struct ui_state *ui, const struct live_snapshot *shot, FILE *out)
{
	static const enum ui_style styles[SEVERITIES] = { STYLE_BAD, STYLE_WARNING, STYLE_NOTE };

	for (size_t i = 0; i < shot->findings.count; i++) {
		const struct finding *finding = &shot->findings.items[i];

		fprintf(out, "%s%s%s: ", ui_text_style(styles[finding->severity]),
			severity_names[finding->severity], ui_text_style(STYLE_NORMAL));
		wrap_print(out, finding->title, 4, (size_t)ui->width - 1);
		write_paragraph(ui, out, "evidence", finding->evidence);
		write_paragraph(ui, out, "cause", finding->cause);
		write_paragraph(ui, out, "remedy", finding->remedy);
		fputc('\n', out);
	}
	if (!shot->findings.count)
		fputs("Nothing to complain of so far.\n\n", out);
	for (size_t i = 0; i < shot->note_count; i++)
		wrap_print(out, shot->notes[i], 0, (size_t)ui->width - 1);
}

/* ---- help ---- */

void write_help(const struct ui_state *ui, const struct live_snapshot *shot, FILE *out)
{
	static const struct {
		const char *type, *means;
	} types[] = {
		{ "BUS_ADDR", "directly, below a common switch" },
		{ "THRU_HOST_BRIDGE", "through the root complex" },
		{ "NOT_SUPPORTED", "refused" },
		{ "UNKNOWN", "not known" },
	};

	(void)shot;
	write_title(out, "p2ptrace live %s: PCIe peer-to-peer DMA as it happens", P2PTRACE_VERSION);
	fputc('\n', out);
	for (size_t i = 0; i < ui_binding_count; i++) {
		fprintf(out, "  %s%-14s%s  ", ui_text_style(STYLE_TITLE), ui_bindings[i].shown,
			ui_text_style(STYLE_NORMAL));
		wrap_print(out, ui_bindings[i].does, 18, (size_t)ui->width - 1);
	}
	fputc('\n', out);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		fputs("  ", out);
		write_type(out, types[i].type, 16);
		fprintf(out, "  %s\n", types[i].means);
	}
	fputs("\nA row that was moved to is followed wherever it goes; Home ends that.\n", out);
	fputs("More: man p2ptrace-live\n", out);
}
