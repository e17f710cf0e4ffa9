// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "p2ptrace/options.h"
#include "p2ptrace/text.h"

/* An option as found: its row and the struct its group writes into. */
struct found {
	const struct option_spec *spec;
	char *base;
};

static bool find_letter(const struct option_spec *table, char *base, char letter,
			struct found *found)
{
	for (; table->kind; table++) {
		if (table->kind == OPTION_GROUP) {
			if (find_letter(table->group, base + table->offset, letter, found))
				return true;
		} else if (table->letter == letter) {
			*found = (struct found){ table, base };
			return true;
		}
	}
	return false;
}

static bool find_name(const struct option_spec *table, char *base, const char *name, size_t length,
		      struct found *found)
{
	for (; table->kind; table++) {
		if (table->kind == OPTION_GROUP) {
			if (find_name(table->group, base + table->offset, name, length, found))
				return true;
		} else if (table->name && strlen(table->name) == length &&
			   !strncmp(table->name, name, length)) {
			*found = (struct found){ table, base };
			return true;
		}
	}
	return false;
}

static int store(const struct found *found, const char *value, struct p2p_error *err)
{
	void *field = found->base + found->spec->offset;

	switch (found->spec->kind) {
	case OPTION_FLAG:
		*(bool *)field = true;
		return 0;
	case OPTION_STRING:
		*(const char **)field = value;
		return 0;
	case OPTION_U64:
		return text_parse_u64(value, field, err);
	case OPTION_SIZE:
		return text_parse_size(value, found->spec->unit, field, err);
	case OPTION_DURATION:
		return text_parse_duration(value, field, err);
	case OPTION_CALL:
		return found->spec->parse(field, value, err);
	default:
		return 0;
	}
}

static int store_named(const struct found *found, const char *shown, const char *value,
		       struct p2p_error *err)
{
	return store(found, value, err) ? p2p_error_prefix(err, "%s", shown) : 0;
}

/* --name, --name=value, --name value.  Sets *used to the words taken. */
static int parse_long(char **argv, const struct option_spec *table, char *into, int *used,
		      struct p2p_error *err)
{
	const char *name = argv[0] + 2;
	const char *equals = strchr(name, '=');
	size_t length = equals ? (size_t)(equals - name) : strlen(name);
	const char *value = equals ? equals + 1 : argv[1];
	char shown[64];
	struct found found;

	snprintf(shown, sizeof(shown), "--%.*s", (int)length, name);
	*used = 1;
	if (!find_name(table, into, name, length, &found))
		return p2p_fail_usage(err, "unknown option %s", shown);
	if (!found.spec->value) {
		if (equals)
			return p2p_fail_usage(err, "%s takes no value", shown);
		return store_named(&found, shown, NULL, err);
	}
	if (found.spec->optional)
		return store_named(&found, shown, equals ? value : NULL, err);
	if (!value)
		return p2p_fail_usage(err, "%s needs %s", shown, found.spec->value);
	*used = equals ? 1 : 2;
	return store_named(&found, shown, value, err);
}

/* -abc, -ovalue, -o value. */
static int parse_letters(char **argv, const struct option_spec *table, char *into, int *used,
			 struct p2p_error *err)
{
	*used = 1;
	for (const char *letter = argv[0] + 1; *letter; letter++) {
		char shown[3] = { '-', *letter, '\0' };
		struct found found;
		const char *value = NULL;

		if (!find_letter(table, into, *letter, &found))
			return p2p_fail_usage(err, "unknown option %s", shown);
		if (found.spec->optional) {
			value = letter[1] ? letter + 1 : NULL;
		} else if (found.spec->value) {
			value = letter[1] ? letter + 1 : argv[1];
			if (!value)
				return p2p_fail_usage(err, "%s needs %s", shown, found.spec->value);
			*used = letter[1] ? 1 : 2;
		}
		if (store_named(&found, shown, value, err))
			return -1;
		if (value)
			break;
	}
	return 0;
}

int options_parse(int argc, char **argv, const struct option_spec *table, bool stop_at_word,
		  void *into, char ***rest, int *rest_count, struct p2p_error *err)
{
	int kept = 1;

	for (int i = 1, used; i < argc; i += used) {
		if (!strcmp(argv[i], "--")) {
			for (i++; i < argc; i++)
				argv[kept++] = argv[i];
			break;
		}
		if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help")) {
			err->status = P2P_HELP;
			return -1;
		}
		used = 1;
		if (argv[i][0] != '-' || !argv[i][1]) {
			if (stop_at_word) {
				for (; i < argc; i++)
					argv[kept++] = argv[i];
				break;
			}
			argv[kept++] = argv[i];
		} else if (argv[i][1] == '-') {
			if (parse_long(argv + i, table, into, &used, err))
				return -1;
		} else if (parse_letters(argv + i, table, into, &used, err)) {
			return -1;
		}
	}
	*rest = argv + 1;
	*rest_count = kept - 1;
	return 0;
}

void options_print_help(FILE *out, const struct option_spec *table)
{
	for (; table->kind; table++) {
		char left[64];
		size_t used = 0;

		if (table->kind == OPTION_GROUP) {
			options_print_help(out, table->group);
			continue;
		}
		if (table->letter)
			used += (size_t)snprintf(left, sizeof(left), "-%c%s", table->letter,
						 table->name ? ", " : "");
		else
			used += (size_t)snprintf(left, sizeof(left), "    ");
		if (table->name)
			used += (size_t)snprintf(left + used, sizeof(left) - used, "--%s",
						 table->name);
		if (table->value)
			snprintf(left + used, sizeof(left) - used,
				 table->optional ? "[=%s]" : " %s", table->value);
		fprintf(out, "  %-28s %s\n", left, table->help);
	}
}

void options_print_words(FILE *out, const struct option_spec *table)
{
	for (; table->kind; table++) {
		if (table->kind == OPTION_GROUP)
			options_print_words(out, table->group);
		else if (table->name)
			fprintf(out, "--%s\n", table->name);
		else
			fprintf(out, "-%c\n", table->letter);
	}
}
