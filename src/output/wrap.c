// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdbool.h>
#include <string.h>

#include "p2ptrace/text.h"
#include "p2ptrace/wrap.h"

/* Columns of a text: UTF-8 sequences count once. */
static size_t columns(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += (*text & 0xc0) != 0x80;
	return count;
}

void wrap_print(FILE *out, const char *text, size_t indent, size_t width)
{
	size_t column = indent;
	bool first = true;

	while (*text) {
		size_t length = strcspn(text, " \n");
		char word[512], safe[512];
		size_t needed;

		length = length < sizeof(word) - 1 ? length : sizeof(word) - 1;
		memcpy(word, text, length);
		word[length] = '\0';
		needed = columns(text_safe(safe, sizeof(safe), word));
		if (!first && width && column + 1 + needed > width) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (!first) {
			fputc(' ', out);
			column++;
		}
		fputs(safe, out);
		column += needed;
		text += length;
		/* A newline, or the rest of a very long word. */
		first = *text != ' ';
		if (*text == '\n') {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		}
		text += *text == ' ' || *text == '\n';
	}
	fputc('\n', out);
}
