// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

void ui_init(struct ui_state *ui, bool utf8)
{
	*ui = (struct ui_state){ .utf8 = utf8, .width = 1, .height = 1 };
}

void ui_free(struct ui_state *ui)
{
	subject_clear(ui);
	ui_text_free(&ui->text);
	free(ui->order);
	*ui = (struct ui_state){ 0 };
}

void ui_resize(struct ui_state *ui, const struct live_snapshot *shot, int width, int height)
{
	ui->width = width < 1 ? 1 : width;
	ui->height = height < 1 ? 1 : height;
	ui_settle(ui, shot);
}

void ui_show(struct ui_state *ui, const struct live_snapshot *shot)
{
	ui_settle(ui, shot);
}

void ui_say(struct ui_state *ui, bool bad, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ui->message, sizeof(ui->message), format, args);
	va_end(args);
	ui->message_bad = bad;
}

void ui_explained(struct ui_state *ui, const struct live_snapshot *shot, char *text)
{
	free(ui->subject.explanation);
	ui->subject.explanation = text;
	ui_settle(ui, shot);
}

void subject_clear(struct ui_state *ui)
{
	free(ui->subject.explanation);
	histogram_free(&ui->subject.maps);
	histogram_free(&ui->subject.allocs);
	ui->subject = (struct ui_subject){ 0 };
}

void subject_take(struct ui_state *ui, const struct live_snapshot *shot, const void *row)
{
	struct ui_subject *subject = &ui->subject;

	(void)shot;
	subject_clear(ui);
	subject->panel = ui->panel;
	subject->identity = panel_specs[ui->panel].identity(row);
	if (ui->panel == PANEL_PAIRS) {
		const struct live_pair *pair = row;

		snprintf(subject->client, sizeof(subject->client), "%s",
			 pair->client ? pair->client : "");
		snprintf(subject->provider, sizeof(subject->provider), "%s",
			 pair->provider ? pair->provider : "");
		ui->wish = WISH_EXPLAIN;
	}
	if (ui->panel == PANEL_PROCESSES) {
		subject->pid = ((const struct live_process *)row)->pid;
		ui->wish = WISH_LIFETIMES;
	}
}
