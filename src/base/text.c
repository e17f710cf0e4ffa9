// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "p2ptrace/text.h"

size_t text_utf8_length(const unsigned char *text)
{
	size_t length = text[0] < 0x80	 ? 1
			: text[0] < 0xc2 ? 0
			: text[0] < 0xe0 ? 2
			: text[0] < 0xf0 ? 3
			: text[0] < 0xf5 ? 4
					 : 0;

	for (size_t i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if (length == 3 &&
	    ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f)))
		return 0; /* overlong, or a surrogate */
	if (length == 4 &&
	    ((text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f)))
		return 0; /* overlong, or beyond U+10FFFF */
	return length;
}

/* Bytes of `text` that may be shown as they are: a printable character, else 0.
 * U+0080..U+009F are controls as well (CSI is one of them), and the bidirectional
 * overrides would let a name rewrite the line it stands in. */
static size_t showable_length(const unsigned char *text)
{
	size_t length = text_utf8_length(text);

	if (length == 1)
		return text[0] >= 0x20 && text[0] != 0x7f;
	if (length == 2 && text[0] == 0xc2 && text[1] < 0xa0)
		return 0;
	if (length == 3 && text[0] == 0xe2 &&
	    ((text[1] == 0x80 && text[2] >= 0xa8 && text[2] <= 0xae) ||
	     (text[1] == 0x81 && text[2] >= 0xa6 && text[2] <= 0xa9)))
		return 0;
	return length;
}

char *text_safe(char *to, size_t room, const char *text)
{
	const unsigned char *from = (const unsigned char *)text;
	size_t used = 0;

	while (*from) {
		size_t length = showable_length(from);

		if (used + (length ? length : 4) >= room)
			break;
		if (length) {
			memcpy(to + used, from, length);
			used += length;
			from += length;
		} else {
			used += (size_t)snprintf(to + used, room - used, "\\x%02x", *from++);
		}
	}
	to[used] = '\0';
	return to;
}

void text_print_safe(FILE *out, const char *text)
{
	const unsigned char *from = (const unsigned char *)text;

	while (*from) {
		size_t length = *from == '\n' ? 1 : showable_length(from);

		if (length)
			fwrite(from, 1, length, out);
		else
			fprintf(out, "\\x%02x", *from);
		from += length ? length : 1;
	}
}

char *text_bytes(char *to, size_t room, uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1023.95 && unit < 6) {
		value /= 1024;
		unit++;
	}
	snprintf(to, room, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return to;
}

char *text_duration(char *to, size_t room, uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double value = (double)ns;
	size_t unit = 0;

	while (value >= 999.5 && unit < 3) {
		value /= 1000;
		unit++;
	}
	if (unit == 0)
		snprintf(to, room, "%" PRIu64 " ns", ns);
	else
		snprintf(to, room, "%.*f %s",
			 value < 9.995	 ? 2
			 : value < 99.95 ? 1
					 : 0,
			 value, units[unit]);
	return to;
}

char *text_count(char *to, size_t room, uint64_t count)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, count);
	size_t used = 0;

	for (int i = 0; i < length && used + 2 < room; i++) {
		if (i && (length - i) % 3 == 0)
			to[used++] = ',';
		to[used++] = digits[i];
	}
	to[used] = '\0';
	return to;
}

int text_parse_u64(const char *text, uint64_t *value, struct p2p_error *err)
{
	int base = !strncasecmp(text, "0x", 2) ? 16 : 10;
	char *end;

	errno = 0;
	*value = strtoull(text, &end, base);
	if (!isxdigit((unsigned char)text[0]) || *end || errno)
		return p2p_fail_usage(err, "'%s' is not a whole number", text);
	return 0;
}

/* A decimal number, at least 0, with the words behind it. */
static int parse_decimal(const char *text, double *value, const char **rest)
{
	char *end;

	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return -1;
	if (!strncasecmp(text, "0x", 2))
		return -1;
	errno = 0;
	*value = strtod(text, &end);
	*rest = end;
	return end == text || errno || !isfinite(*value) ? -1 : 0;
}

int text_parse_size(const char *text, uint64_t unit, uint64_t *bytes, struct p2p_error *err)
{
	static const char letters[] = "kmgt";
	const char *rest, *letter;
	double value;

	if (parse_decimal(text, &value, &rest))
		goto bad;
	if (*rest && (letter = strchr(letters, tolower((unsigned char)*rest)))) {
		value *= (double)(1ull << (10 * (letter - letters + 1)));
		rest++;
		if (tolower((unsigned char)*rest) == 'i')
			rest++;
		if (tolower((unsigned char)*rest) == 'b')
			rest++;
	} else if (tolower((unsigned char)*rest) == 'b') {
		rest++;
	} else {
		value *= (double)unit;
	}
	if (*rest || value >= 0x1p63)
		goto bad;
	*bytes = (uint64_t)value;
	return 0;
bad:
	return p2p_fail_usage(err, "'%s' is not a size (examples: 512, 64k, 32M, 1.5G)", text);
}

int text_parse_duration(const char *text, uint64_t *ns, struct p2p_error *err)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "", 1e9 },   { "s", 1e9 },    { "ms", 1e6 },   { "us", 1e3 },	{ "ns", 1 },
		      { "m", 60e9 }, { "min", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 } };
	const char *rest;
	double value;

	if (!parse_decimal(text, &value, &rest))
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (!strcmp(rest, units[i].unit) && value * units[i].ns < 0x1p63) {
				*ns = (uint64_t)llround(value * units[i].ns);
				return 0;
			}
	return p2p_fail_usage(err, "'%s' is not a time (examples: 10, 1.5s, 250ms, 80us, 5m)",
			      text);
}

bool text_utf8_wanted(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < 3; i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

bool text_colour_wanted(void)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no_colour && *no_colour) && term && strcmp(term, "dumb") != 0 &&
	       isatty(STDOUT_FILENO);
}
