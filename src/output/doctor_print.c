// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "p2ptrace/doctor.h"
#include "p2ptrace/json.h"
#include "p2ptrace/terminal.h"
#include "p2ptrace/text.h"
#include "p2ptrace/wrap.h"

/* A word always, a symbol for the eye. */
static const struct {
	const char *symbol, *plain, *colour;
} marks[CHECK_STATUSES] = {
	[CHECK_OK] = { "✓", "+", "\033[32m" },
	[CHECK_WARN] = { "!", "!", "\033[33m" },
	[CHECK_FAIL] = { "✗", "x", "\033[31m" },
	[CHECK_UNKNOWN] = { "?", "?", "\033[36m" },
};

enum { INDENT = 29, WIDTH_MOST = 100 };

static const char remedy_word[] = "remedy: ";

static size_t line_width(void)
{
	size_t width = terminal_width();

	return width > WIDTH_MOST ? WIDTH_MOST : width;
}

static void print_result(const struct check_result *result, FILE *out)
{
	bool colour = terminal_colour(), utf8 = text_utf8_wanted();

	fprintf(out, "  %s%s %-7s%s  %-14s  ", colour ? marks[result->status].colour : "",
		utf8 ? marks[result->status].symbol : marks[result->status].plain,
		check_status_names[result->status], colour ? "\033[0m" : "", result->id);
	wrap_print(out, result->detail, INDENT, line_width());
	if (!result->remedy[0])
		return;
	fprintf(out, "%*s%s", INDENT, "", remedy_word);
	wrap_print(out, result->remedy, INDENT + strlen(remedy_word), line_width());
}

void doctor_print_text(const struct diagnosis *diagnosis, FILE *out)
{
	const char *group = "";

	for (size_t i = 0; i < diagnosis->count; i++) {
		const struct check_result *result = &diagnosis->results[i];

		if (strcmp(group, result->group) != 0)
			fprintf(out, "%s%s\n", i ? "\n" : "", result->group);
		group = result->group;
		print_result(result, out);
	}
	fprintf(out, "\n%zu ok, %zu warn, %zu fail, %zu unknown\n",
		diagnosis_count(diagnosis, CHECK_OK), diagnosis_count(diagnosis, CHECK_WARN),
		diagnosis_count(diagnosis, CHECK_FAIL), diagnosis_count(diagnosis, CHECK_UNKNOWN));
}

void doctor_print_json(const struct diagnosis *diagnosis, FILE *out)
{
	struct json json;

	json_init(&json, out, false);
	json_object(&json, NULL);
	json_text(&json, "schema", "p2ptrace.doctor/1");
	json_object(&json, "summary");
	for (int status = 0; status < CHECK_STATUSES; status++)
		json_u64(&json, check_status_names[status],
			 diagnosis_count(diagnosis, (enum check_status)status));
	json_end_object(&json);
	json_array(&json, "checks");
	for (size_t i = 0; i < diagnosis->count; i++) {
		const struct check_result *result = &diagnosis->results[i];

		json_object(&json, NULL);
		json_text(&json, "id", result->id);
		json_text(&json, "group", result->group);
		json_text(&json, "status", check_status_names[result->status]);
		json_text(&json, "detail", result->detail);
		json_text(&json, "remedy", result->remedy);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
}
