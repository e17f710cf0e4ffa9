// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/allow_list.h"
#include "p2ptrace/rows.h"

/*
 * An entry is never taken off the kernel's list.  6.1 is the oldest kernel looked at.
 * The Intel accelerators came in after 7.1 and went back into later 7.1.y releases; the
 * release that first has the last two groups is not known yet.
 */
#define OLDEST 0, KERNEL(6, 1)

static const struct allow_entry kernel_entries[] = {
	{ 0x8086, 0x3c00, true, OLDEST, "Intel Xeon E5, Core i7" },
	{ 0x8086, 0x3c01, true, OLDEST, "Intel Xeon E5, Core i7" },
	{ 0x8086, 0x2f00, true, OLDEST, "Intel Xeon E7 v3, E5 v3, Core i7" },
	{ 0x8086, 0x2f01, true, OLDEST, "Intel Xeon E7 v3, E5 v3, Core i7" },
	{ 0x8086, 0x2030, false, OLDEST, "Intel Skylake-E root port A" },
	{ 0x8086, 0x2031, false, OLDEST, "Intel Skylake-E root port B" },
	{ 0x8086, 0x2032, false, OLDEST, "Intel Skylake-E root port C" },
	{ 0x8086, 0x2033, false, OLDEST, "Intel Skylake-E root port D" },
	{ 0x8086, 0x2020, false, OLDEST, "Intel Skylake-E" },
	{ 0x8086, 0x09a2, false, OLDEST, "Intel Xeon from Ice Lake on" },
	{ 0x1ae0, ALLOW_ANY, false, KERNEL(7, 0), KERNEL(7, 1), "Google" },
	{ 0x8086, 0x0b25, false, KERNEL(7, 0), KERNEL(7, 2), "Intel DSA" },
	{ 0x8086, 0x0cfe, false, KERNEL(7, 0), KERNEL(7, 2), "Intel IAA" },
	{ 0x8086, 0x11fb, false, KERNEL(7, 0), KERNEL(7, 2), "Intel DSA" },
	{ 0x8086, 0x1212, false, KERNEL(7, 0), KERNEL(7, 2), "Intel DSA" },
	{ 0x8086, 0x1216, false, KERNEL(7, 0), KERNEL(7, 2), "Intel IAA" },
	{ 0x8086, 0x4940, false, KERNEL(7, 0), KERNEL(7, 2), "Intel QAT" },
	{ 0x8086, 0x4942, false, KERNEL(7, 0), KERNEL(7, 2), "Intel QAT" },
	{ 0x8086, 0x4944, false, KERNEL(7, 0), KERNEL(7, 2), "Intel QAT" },
	{ 0x8086, 0x4946, false, KERNEL(7, 0), KERNEL(7, 2), "Intel QAT" },
	{ 0x8086, 0x4948, false, KERNEL(7, 0), KERNEL(7, 2), "Intel QAT" },
	{ 0x10de, 0x2f95, false, KERNEL(7, 1), KERNEL_NOT_KNOWN, "NVIDIA CPU" },
	{ 0x10de, 0x2f96, false, KERNEL(7, 1), KERNEL_NOT_KNOWN, "NVIDIA CPU" },
	{ 0x10de, 0x2f97, false, KERNEL(7, 1), KERNEL_NOT_KNOWN, "NVIDIA CPU" },
	{ 0x10de, 0x2f98, false, KERNEL(7, 1), KERNEL_NOT_KNOWN, "NVIDIA CPU" },
	{ 0x1d17, 0x1003, true, KERNEL(7, 1), KERNEL_NOT_KNOWN, "Zhaoxin" },
	{ 0x1d17, 0x1005, true, KERNEL(7, 1), KERNEL_NOT_KNOWN, "Zhaoxin" },
	{ 0x1d17, 0x1006, true, KERNEL(7, 1), KERNEL_NOT_KNOWN, "Zhaoxin" },
	{ 0x1d17, 0x1007, true, KERNEL(7, 1), KERNEL_NOT_KNOWN, "Zhaoxin" },
	{ 0x1d17, 0x1008, false, KERNEL(7, 1), KERNEL_NOT_KNOWN, "Zhaoxin" },
};

#define ENTRIES (sizeof(kernel_entries) / sizeof(kernel_entries[0]))

static bool matches(const struct allow_entry *entry, uint16_t vendor, uint16_t device)
{
	return entry->vendor == vendor && (entry->device == ALLOW_ANY || entry->device == device);
}

static enum allow_answer answer_of(const struct allow_entry *entry, uint32_t version, bool same)
{
	if (version != KERNEL_NOT_KNOWN && version <= entry->absent_through)
		return ALLOW_NO;
	if (entry->same_host && !same)
		return ALLOW_SAME_ONLY;
	/* Without a version the entries every kernel in use has are still certain. */
	if (version == KERNEL_NOT_KNOWN)
		return entry->absent_through ? ALLOW_UNSURE : ALLOW_YES;
	if (entry->present_from == KERNEL_NOT_KNOWN || version < entry->present_from)
		return ALLOW_UNSURE;
	return ALLOW_YES;
}

enum allow_answer allow_list_check(const struct allow_list *list, uint32_t version, uint16_t vendor,
				   uint16_t device, bool same, const struct allow_entry **entry)
{
	const struct allow_entry *found = NULL;

	for (size_t i = 0; !found && list && i < list->added_count; i++)
		if (matches(&list->added[i], vendor, device))
			found = &list->added[i];
	for (size_t i = 0; !found && i < ENTRIES; i++)
		if (matches(&kernel_entries[i], vendor, device))
			found = &kernel_entries[i];
	if (entry)
		*entry = found;
	return found ? answer_of(found, version, same) : ALLOW_NO;
}

/* 0: an entry; 1: nothing on this line; -1: not to be understood. */
static int parse_line(char *line, struct allow_entry *entry)
{
	char device[8], flag[8], excess[2];
	unsigned int vendor;
	char *end;
	int words;

	line[strcspn(line, "#\n")] = '\0';
	if (line[strspn(line, " \t\r")] == '\0')
		return 1;
	words = sscanf(line, " %4x:%7s %7s %1s", &vendor, device, flag, excess);
	if (words < 2 || words > 3 || (words == 3 && strcmp(flag, "same") != 0))
		return -1;
	*entry = (struct allow_entry){ .vendor = (uint16_t)vendor,
				       .device = ALLOW_ANY,
				       .same_host = words == 3,
				       .present_from = KERNEL(0, 1),
				       .what = "from the file given" };
	if (!strcmp(device, "*"))
		return 0;
	entry->device = (uint32_t)strtoul(device, &end, 16);
	return *end || strlen(device) > 4 ? -1 : 0;
}

static int add(struct allow_list *list, const struct allow_entry *entry, struct p2p_error *err)
{
	struct allow_entry *row = ROWS_ADD(list->added, list->added_count);

	if (!row)
		return p2p_fail(err, "out of memory");
	*row = *entry;
	return 0;
}

int allow_list_add_file(struct allow_list *list, const char *path, struct p2p_error *err)
{
	FILE *file = fopen(path, "re");
	struct allow_entry entry;
	char line[256];
	int number = 0, status = 0;

	if (!file)
		return p2p_fail_errno(err, "cannot open %s", path);
	while (!status && fgets(line, sizeof(line), file)) {
		int parsed = parse_line(line, &entry);

		number++;
		if (parsed < 0)
			status = p2p_fail(err, "%s:%d: not \"VENDOR:DEVICE [same]\"", path, number);
		else if (!parsed)
			status = add(list, &entry, err);
	}
	if (!status && ferror(file))
		status = p2p_fail_errno(err, "cannot read %s", path);
	fclose(file);
	return status;
}

void allow_list_free(struct allow_list *list)
{
	free(list->added);
	*list = (struct allow_list){ 0 };
}

uint32_t kernel_version_parse(const char *text)
{
	unsigned int major, minor;

	if (sscanf(text, "%4u.%4u", &major, &minor) != 2 || !major || minor > UINT16_MAX)
		return KERNEL_NOT_KNOWN;
	return KERNEL(major, minor);
}
