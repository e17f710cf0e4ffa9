// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "p2ptrace/captured.h"
#include "p2ptrace/explain_print.h"
#include "p2ptrace/kconfig.h"
#include "parts.h"

static void read_config(struct live_machine *machine)
{
	struct kconfig config;

	kconfig_read(&machine->system.topology.root, &config);
	machine->without = kconfig_get(&config, "CONFIG_PCI_P2PDMA") == 'n';
	kconfig_free(&config);
}

static int open_system(struct live *live, const struct system_options *given, struct p2p_error *err)
{
	struct live_machine *machine = &live->machine;
	struct tree *tree;

	if (machine->running || live->options.root)
		return system_open(&machine->system, given, err);
	tree = captured_tree(live->engine.analysis->file, CAPTURE_START, err);
	return tree ? system_open_tree(&machine->system, given, tree, live->options.path, err) : -1;
}

/* A recording tells of its own machine, or of none. */
int machine_open(struct live *live, struct p2p_error *err)
{
	struct live_machine *machine = &live->machine;
	struct system_options given = { .root = live->options.root };
	struct p2p_error ignored;
	struct utsname name;

	machine->running = !live->options.path;
	if (live->options.path) {
		given.kernel = live->engine.analysis->recording.values[PRIVATE_KERNEL];
		if (given.kernel && kernel_version_parse(given.kernel) == KERNEL_NOT_KNOWN)
			given.kernel = NULL;
	}
	if (machine->running && !uname(&name)) {
		snprintf(machine->host, sizeof(machine->host), "%s", name.nodename);
		snprintf(machine->kernel, sizeof(machine->kernel), "%s", name.release);
	}
	machine->has_system = !open_system(live, &given, live->options.root ? err : &ignored);
	if (!machine->has_system)
		return live->options.root ? -1 : 0;
	read_config(machine);
	return machine_read_counters(live, err);
}

void machine_close(struct live_machine *machine)
{
	if (machine->has_before)
		counters_free(&machine->before);
	if (machine->has_now)
		counters_free(&machine->now);
	if (machine->has_system)
		system_close(&machine->system);
	*machine = (struct live_machine){ .running = false };
}

int machine_read_counters(struct live *live, struct p2p_error *err)
{
	struct live_machine *machine = &live->machine;
	struct counters counters;

	/* Those of a recording do not change. */
	if (!machine->has_system || (machine->has_now && live->options.path))
		return 0;
	if (counters_read(&machine->system.topology.root, &counters, err))
		return -1;
	if (machine->has_before)
		counters_free(&machine->before);
	machine->before = machine->now;
	machine->has_before = machine->has_now;
	machine->now = counters;
	machine->has_now = true;
	return 0;
}

bool machine_has_counters(const struct live_machine *machine)
{
	if (!machine->has_now)
		return false;
	return machine->now.global.count || machine->now.provider_count;
}

/* ---- why a pair has its path ---- */

static int explain(const struct live_machine *machine, struct pci_device *devices[2], size_t width,
		   FILE *out, struct p2p_error *err)
{
	struct explanation pair;
	int result = explanation_make(&pair, &machine->system, devices[0], devices[1], err);

	pair.colour = true;
	pair.width = width;
	if (!result)
		explain_print_text(&pair, out);
	explanation_free(&pair);
	return result;
}

int live_explain(struct live *live, const char *client, const char *provider, size_t width,
		 char **text, struct p2p_error *err)
{
	const struct live_machine *machine = &live->machine;
	struct pci_device *devices[2];
	struct p2p_error ignored;
	size_t size;
	int result;
	FILE *out;

	*text = NULL;
	if (!machine->has_system)
		return 0;
	devices[0] = topology_find(&machine->system.topology, provider, &ignored);
	devices[1] = topology_find(&machine->system.topology, client, &ignored);
	if (!devices[0] || !devices[1])
		return 0;
	out = open_memstream(text, &size);
	if (!out)
		return p2p_fail(err, "no memory");
	result = explain(machine, devices, width, out, err);
	if (ferror(out) | fclose(out))
		result = p2p_fail(err, "no memory");
	if (!result)
		return 0;
	free(*text);
	*text = NULL;
	return -1;
}
