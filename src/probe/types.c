// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "p2ptrace/kernel_types.h"
#include "p2ptrace/rows.h"

/*
 * The file: lines of "release RELEASE", "version VERSION" (uname(2)), "type NUMBER
 * NAME", "VALUE KEY".  '#' begins a comment.
 */

static struct kernel_fact *find(const struct kernel_types *types, const char *key)
{
	for (size_t i = 0; i < types->fact_count; i++)
		if (!strcmp(types->facts[i].key, key))
			return &types->facts[i];
	return NULL;
}

static const struct kernel_fact *keep(struct kernel_types *types, const char *key, int64_t value,
				      bool known)
{
	struct kernel_fact *fact = ROWS_ADD(types->facts, types->fact_count);

	if (!fact)
		return NULL;
	*fact = (struct kernel_fact){ strdup(key), value, known };
	if (fact->key)
		return fact;
	types->fact_count--;
	return NULL;
}

bool kernel_types_get(struct kernel_types *types, const char *key, int64_t *value)
{
	const struct kernel_fact *fact = find(types, key);
	int64_t found = 0;

	if (!fact && types->btf) {
		bool known = btf_source_get(types->btf, key, &found);

		fact = keep(types, key, found, known);
	}
	if (fact)
		*value = fact->value;
	return fact && fact->known;
}

int kernel_types_open(struct kernel_types *types, const char *path, struct p2p_error *err)
{
	*types = (struct kernel_types){ .btf = NULL };
	return btf_source_open(types, path, err);
}

int kernel_types_load(struct kernel_types *types, const void *bytes, size_t size,
		      struct p2p_error *err)
{
	*types = (struct kernel_types){ .btf = NULL };
	return btf_source_load(types, bytes, size, err);
}

void kernel_types_close(struct kernel_types *types)
{
	for (size_t i = 0; i < types->fact_count; i++)
		free(types->facts[i].key);
	free(types->facts);
	for (size_t i = 0; i < KERNEL_MAP_TYPES; i++)
		free(types->map_types[i]);
	if (types->btf)
		btf_source_close(types->btf);
	*types = (struct kernel_types){ .btf = NULL };
}

void kernel_types_write(const struct kernel_types *types, FILE *to)
{
	struct utsname name;

	fprintf(to,
		"# Where members of the kernel's structures stand, for p2ptrace record --offsets.\n"
		"# Good for exactly this kernel.\n");
	if (!uname(&name))
		fprintf(to, "release %s\nversion %s\n", name.release, name.version);
	for (size_t i = 0; i < KERNEL_MAP_TYPES; i++)
		if (types->map_types[i])
			fprintf(to, "type %zu %s\n", i, types->map_types[i]);
	for (size_t i = 0; i < types->fact_count; i++)
		if (types->facts[i].known)
			fprintf(to, "%" PRId64 " %s\n", types->facts[i].value, types->facts[i].key);
}

/* ---- reading ---- */

/* Whose file it is. */
struct origin {
	char release[256], version[256];
};

static bool read_type(struct kernel_types *types, const char *text)
{
	unsigned int number;
	char name[64];

	if (sscanf(text, "%2u %63s", &number, name) != 2 || number >= KERNEL_MAP_TYPES)
		return false;
	free(types->map_types[number]);
	types->map_types[number] = strdup(name);
	return types->map_types[number];
}

static bool read_line(struct kernel_types *types, struct origin *origin, char *line)
{
	char *end;
	long long value;

	line[strcspn(line, "\n")] = '\0';
	if (!*line || *line == '#')
		return true;
	if (!strncmp(line, "release ", 8))
		return snprintf(origin->release, sizeof(origin->release), "%s", line + 8) > 0;
	if (!strncmp(line, "version ", 8))
		return snprintf(origin->version, sizeof(origin->version), "%s", line + 8) > 0;
	if (!strncmp(line, "type ", 5))
		return read_type(types, line + 5);
	errno = 0;
	value = strtoll(line, &end, 10);
	/* No structure of the kernel's is larger than this. */
	if (end == line || *end != ' ' || !end[1] || errno || value < 0 || value > 1 << 20)
		return false;
	return find(types, end + 1) || keep(types, end + 1, value, true);
}

static int check_origin(const struct origin *origin, const char *path, struct p2p_error *err)
{
	struct utsname name;

	if (!uname(&name) && !strcmp(name.release, origin->release) &&
	    !strcmp(name.version, origin->version))
		return 0;
	return p2p_fail(err,
			"%s is of another kernel (%s, %s) than the one that runs: write it on a "
			"machine with this very kernel and its BTF (p2ptrace doctor "
			"--write-offsets FILE)",
			path, origin->release[0] ? origin->release : "?",
			origin->version[0] ? origin->version : "?");
}

int kernel_types_read(struct kernel_types *types, const char *path, bool any_kernel,
		      struct p2p_error *err)
{
	struct origin origin = { .release = "" };
	FILE *from = fopen(path, "re");
	unsigned int number = 0;
	char line[512];
	int result = 0;

	*types = (struct kernel_types){ .btf = NULL };
	if (!from)
		return p2p_fail_errno(err, "cannot open %s", path);
	while (!result && fgets(line, sizeof(line), from)) {
		number++;
		if (!read_line(types, &origin, line))
			result = p2p_fail(err, "%s, line %u: '%.60s' is no line of an offsets file",
					  path, number, line);
	}
	if (!result && ferror(from))
		result = p2p_fail_errno(err, "cannot read %s", path);
	fclose(from);
	if (!result && !any_kernel)
		result = check_origin(&origin, path, err);
	if (result)
		kernel_types_close(types);
	return result;
}
