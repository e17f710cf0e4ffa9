// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/captured.h"
#include "p2ptrace/table.h"

struct tree *captured_tree(const struct trace_file *file, enum capture_moment moment,
			   struct p2p_error *err)
{
	const struct capture_data *data = &file->captures[moment];
	struct tree *tree = NULL;
	char *plain = NULL;
	size_t size;

	if (!data->bytes) {
		p2p_fail(err,
			 "%s does not tell what PCI devices there were (recorded with "
			 "--no-capture, by an older p2ptrace or by trace-cmd); contrib/"
			 "capture-machine captures a machine, --root DIR reads that",
			 file->shown);
		return NULL;
	}
	if (!capture_unwrap(data, &plain, &size, err)) {
		tree = tree_unpack(plain, size, err);
		free(plain);
	}
	if (!tree)
		p2p_error_prefix(err, "%s: the captured PCI tree", file->shown);
	return tree;
}

int captured_system_open(struct pci_system *system, const struct system_options *given,
			 struct p2p_error *err)
{
	struct trace_file *file;
	struct tree *tree;

	if (!given->input)
		return system_open(system, given, err);
	if (given->root)
		return p2p_fail_usage(err, "-i and --root exclude each other");
	file = trace_file_open(given->input, err);
	if (!file)
		return -1;
	tree = captured_tree(file, CAPTURE_START, err);
	trace_file_close(file);
	return tree ? system_open_tree(system, given, tree, given->input, err) : -1;
}

/* ---- counters ---- */

static int read_counters(const struct trace_file *file, enum capture_moment moment, uint64_t stamp,
			 uint64_t wall_ns, struct counters *counters, struct p2p_error *err)
{
	struct tree *tree = captured_tree(file, moment, err);
	struct sysroot root;
	int result;

	*counters = (struct counters){ 0 };
	if (!tree)
		return -1;
	sysroot_of_tree(&root, tree, file->path);
	result = counters_read(&root, counters, err);
	tree_free(tree);
	counters->mono_ns = stamp;
	counters->wall_ns = wall_ns;
	return result;
}

int captured_counters(const struct trace_file *file, const struct recording *recording,
		      struct counters *start, struct counters *end, bool *complete,
		      struct p2p_error *err)
{
	const char *text = recording->values[PRIVATE_WALL_OFFSET];
	uint64_t offset = text && recording->ns ? (uint64_t)strtoll(text, NULL, 10) : 0;
	/* Stamps of other clocks are no ns: then no rates, for want of an interval. */
	uint64_t first = recording->ns ? recording->start : 0;
	uint64_t last = recording->ns ? recording->stop : 0;

	*complete = file->captures[CAPTURE_END].bytes;
	*end = (struct counters){ 0 };
	if (read_counters(file, CAPTURE_START, first, first + offset, start, err))
		return -1;
	if (!*complete || !read_counters(file, CAPTURE_END, last, last + offset, end, err))
		return 0;
	counters_free(start);
	return -1;
}

/* ---- the summary ---- */

static size_t count_names(const struct sysroot *root, const char *path, const char *prefix)
{
	struct name_list names;
	size_t count = 0;

	if (sysroot_list(root, &names, "%s", path))
		return 0;
	for (size_t i = 0; i < names.count; i++)
		count += !strncmp(names.names[i], prefix, strlen(prefix));
	name_list_free(&names);
	return count;
}

static void summarise(struct topology *topology, struct captured_summary *summary)
{
	summary->devices = topology->count;
	summary->iommu_groups = count_names(&topology->root, "sys/kernel/iommu_groups", "");
	summary->numa_nodes = count_names(&topology->root, "sys/devices/system/node", "node");
	summary->counters = count_names(&topology->root, "sys/kernel/debug/pci-p2pdma", "");
	memcpy(summary->kernel, topology->kernel, sizeof(summary->kernel));
	memcpy(summary->cpu, topology->cpu, sizeof(summary->cpu));
	for (size_t i = 0; i < topology->count; i++) {
		struct pci_device *device = &topology->devices[i];

		summary->acs_unknown += device->config.acs == ACS_UNKNOWN;
		if (!device->has_pool)
			continue;
		topology_details(topology, device);
		if (!summary->providers++)
			summary->pool_bytes = 0;
		if (device->pool_size != NOT_KNOWN)
			summary->pool_bytes += device->pool_size;
	}
}

void captured_summarise(const struct trace_file *file, struct captured_summary *summary)
{
	struct topology topology;
	struct p2p_error err;
	struct tree *tree;

	*summary = (struct captured_summary){ .there = file->captures[CAPTURE_START].bytes,
					      .bytes = file->captures[CAPTURE_START].size +
						       file->captures[CAPTURE_END].size,
					      .pool_bytes = NOT_KNOWN,
					      .end = file->captures[CAPTURE_END].bytes };
	if (!summary->there)
		return;
	tree = captured_tree(file, CAPTURE_START, &err);
	if (tree && !topology_of_tree(&topology, tree, file->shown, &err)) {
		summarise(&topology, summary);
		topology_free(&topology);
	} else {
		snprintf(summary->why, sizeof(summary->why), "%.255s", err.text);
		summary->damaged = summary->why;
	}
	tree_free(tree);
}
