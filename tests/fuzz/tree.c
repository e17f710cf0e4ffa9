// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzz target: a machine whose sysfs says anything.  Input is cut into values at zero
 * bytes: they become, in turn, the files and links of a few devices.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2ptrace/blocker.h"
#include "p2ptrace/boot_args.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DEVICES = 4 };

struct input {
	const uint8_t *at;
	size_t left;
};

static char root[64];

static void path_of(char path[256], int device)
{
	snprintf(path, 256, "%s/sys/bus/pci/devices/0000:00:%02x.0", root, (unsigned int)device);
}

/* The next value; empty at the end. */
static size_t take(struct input *input, const uint8_t **value)
{
	const uint8_t *end = input->left ? memchr(input->at, 0, input->left) : NULL;
	size_t length = end ? (size_t)(end - input->at) : input->left;

	*value = input->at;
	input->at += length + (end != NULL);
	input->left -= length + (end != NULL);
	return length;
}

static void put(const char *path, const uint8_t *value, size_t length)
{
	FILE *file = fopen(path, "w");

	if (!file || fwrite(value, 1, length, file) != length || fclose(file))
		abort();
}

static void make_directories(void)
{
	static const char *const parts[] = { "sys",	    "sys/bus",
					     "sys/bus/pci", "sys/bus/pci/devices",
					     "proc",	    "d" };
	char path[256];

	snprintf(root, sizeof(root), "/tmp/p2ptrace-fuzz-XXXXXX");
	if (!mkdtemp(root))
		abort();
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, parts[i]);
		if (mkdir(path, 0755))
			abort();
	}
}

static void make_path(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	mkdir(path, 0755);
}

/* A device is a directory below d/, wherever the input puts it, and a link that leads
 * there. */
static void make_device(int device, struct input *input)
{
	static const char *const files[] = { "vendor", "device", "class", "config", "resource" };
	static const char *const above[] = { "",
					     "0000:00:00.0/",
					     "0000:00:01.0/",
					     "0000:00:02.0/",
					     "x/",
					     "0000:00:03.0/0000:00:01.0/" };
	char link[256], target[128], path[256];
	const uint8_t *value;
	size_t length = take(input, &value);

	snprintf(target, sizeof(target), "d/pci0000:%02x/%s0000:00:%02x.0",
		 length > 1 ? value[1] & 1 : 0, above[(length ? value[0] : 0) % 6],
		 (unsigned int)device);
	snprintf(path, sizeof(path), "%s/%s", root, target);
	make_path(path);
	path_of(link, device);
	unlink(link);
	snprintf(path, sizeof(path), "../../../../%s", target);
	if (symlink(path, link))
		abort();
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		length = take(input, &value);
		snprintf(path, sizeof(path), "%s/%s/%s", root, target, files[i]);
		put(path, value, length);
	}
}

static void explain(const struct topology *topology)
{
	const struct rule rule = { topology, NULL, KERNEL(6, 12) };

	for (size_t a = 0; a < topology->count; a++)
		for (size_t b = 0; b < topology->count; b++) {
			const struct pci_device *one = &topology->devices[a];
			const struct pci_device *other = &topology->devices[b];
			struct blocker *blockers;
			struct verdict verdict;
			size_t count;
			char why[256];

			rule_decide(&rule, one, other, &verdict);
			if (blockers_find(&rule, one, other, &verdict, &blockers, &count))
				abort();
			/* Whatever is not direct has a reason. */
			if (!count != (verdict.type == P2P_TYPE_BUS_ADDR))
				abort();
			verdict_why(&rule, one, other, &verdict, why, sizeof(why));
			free(blockers);
		}
}

static void look(void)
{
	struct topology topology;
	struct boot_note *notes;
	struct p2p_error err;
	size_t count;

	if (topology_load(&topology, root, &err))
		abort();
	for (size_t i = 0; i < topology.count; i++) {
		topology_details(&topology, &topology.devices[i]);
		pci_matters(&topology, &topology.devices[i]);
	}
	if (boot_notes(&topology, NULL, 0, &notes, &count))
		abort();
	free(notes);
	explain(&topology);
	topology_free(&topology);
}

static void remove_tree(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	if (system(command))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	const uint8_t *value;
	char path[256];
	size_t length;

	if (!*root) {
		make_directories();
		atexit(remove_tree);
	}
	for (int device = 0; device < DEVICES; device++)
		make_device(device, &input);
	length = take(&input, &value);
	snprintf(path, sizeof(path), "%s/proc/cmdline", root);
	put(path, value, length);
	length = take(&input, &value);
	snprintf(path, sizeof(path), "%s/proc/cpuinfo", root);
	put(path, value, length);
	look();
	return 0;
}
