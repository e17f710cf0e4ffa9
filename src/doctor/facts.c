// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "p2ptrace/allow_list.h"

#include "facts.h"

/* ---- the kernel ---- */

char facts_option(const struct facts *facts, const char *name)
{
	return kconfig_get(&facts->config, name);
}

/* By its configuration, else by a function that no P2PDMA kernel is without. */
static enum answer has_p2pdma(const struct facts *facts)
{
	char built = facts_option(facts, "CONFIG_PCI_P2PDMA");

	if (built != '?')
		return built == 'y' ? ANSWER_YES : ANSWER_NO;
	if (facts->counters.provider_count || facts->counters.global.count)
		return ANSWER_YES;
	if (!facts->symbols)
		return ANSWER_UNKNOWN;
	return strstr(facts->symbols, " pci_p2pdma_add_resource") ? ANSWER_YES : ANSWER_NO;
}

/* "none [integrity] confidentiality": the one in brackets is in force. */
static enum lockdown read_lockdown(const struct facts *facts)
{
	static const char *const words[] = { "[none]", "[integrity]", "[confidentiality]" };
	char text[128];

	if (sysroot_line(&facts->root, text, sizeof(text), "sys/kernel/security/lockdown") > 0)
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strstr(text, words[i]))
				return (enum lockdown)i;
	return facts_option(facts, "CONFIG_SECURITY_LOCKDOWN_LSM") == 'n' ? LOCKDOWN_NONE
									  : LOCKDOWN_UNKNOWN;
}

/* ---- tracefs ---- */

/* Where a file system of this type is mounted, from proc/self/mounts. */
static bool find_mount(const struct facts *facts, const char *type, char *path, size_t room)
{
	char *mounts = sysroot_read(&facts->root, SYSROOT_FILE, NULL, "proc/self/mounts"), *rest;
	char where[256], kind[64];
	bool mounted = false;

	for (char *line = mounts ? strtok_r(mounts, "\n", &rest) : NULL; line && !mounted;
	     line = strtok_r(NULL, "\n", &rest))
		mounted = sscanf(line, "%*s /%255s %63s", where, kind) == 2 && !strcmp(kind, type);
	if (mounted)
		snprintf(path, room, "%s", where);
	free(mounts);
	return mounted;
}

static bool is_tracefs(const struct facts *facts, const char *path)
{
	return S_ISDIR(sysroot_mode(&facts->root, "%s/events", path));
}

static void look_into_tracefs(struct facts *facts)
{
	static const char *const usual[] = { "sys/kernel/tracing", "sys/kernel/debug/tracing" };
	struct tracefs_facts *tracefs = &facts->tracefs;
	struct name_list names;
	char word[64];

	for (size_t i = 0; i < 2 && !tracefs->mounted; i++) {
		tracefs->mounted = is_tracefs(facts, usual[i]);
		if (tracefs->mounted)
			snprintf(tracefs->path, sizeof(tracefs->path), "%s", usual[i]);
	}
	/* Closed to us, or elsewhere. */
	if (!tracefs->mounted)
		tracefs->mounted =
			find_mount(facts, "tracefs", tracefs->path, sizeof(tracefs->path));
	if (!tracefs->mounted)
		return;
	tracefs->error = sysroot_list(&facts->root, &names, "%s/events", tracefs->path) ? errno : 0;
	name_list_free(&names);
	/* Lockdown lets directories be read, but no file. */
	if (!tracefs->error &&
	    sysroot_line(&facts->root, word, sizeof(word), "%s/trace_clock", tracefs->path) < 0)
		tracefs->error = errno;
	if (sysroot_writable(&facts->root, "%s/instances", tracefs->path))
		tracefs->write_error = errno;
}

static uint32_t events_in(const struct facts *facts, const char *system)
{
	uint32_t kinds = 0;

	for (int kind = KIND_NONE + 1; kind < KIND_P2P_COUNT; kind++)
		if (sysroot_mode(&facts->root, "%s/events/%s/%s/format", facts->tracefs.path,
				 system, event_kind_names[kind]))
			kinds |= 1u << kind;
	return kinds;
}

static void look_for_events(struct facts *facts)
{
	struct name_list systems;

	if (!facts->tracefs.mounted ||
	    sysroot_list(&facts->root, &systems, "%s/events", facts->tracefs.path))
		return;
	for (size_t i = 0; i < systems.count && facts->system_count < EVENT_SYSTEMS_MAX; i++) {
		struct event_system *system = &facts->systems[facts->system_count];

		system->kinds = events_in(facts, systems.names[i]);
		if (!system->kinds)
			continue;
		snprintf(system->name, sizeof(system->name), "%s", systems.names[i]);
		facts->system_count++;
	}
	name_list_free(&systems);
}

uint32_t facts_events(const struct facts *facts)
{
	uint32_t kinds = 0;

	for (size_t i = 0; i < facts->system_count; i++)
		kinds |= facts->systems[i].kinds;
	return kinds;
}

uint32_t facts_all_events(void)
{
	return (1u << KIND_P2P_COUNT) - (1u << (KIND_NONE + 1));
}

/* ---- the process ---- */

int facts_field(const struct facts *facts, const char *file, const char *name, char *value,
		size_t room)
{
	char *text = sysroot_read(&facts->root, SYSROOT_VALUE, NULL, "%s", file), *rest;
	size_t length = strlen(name);
	int result = -1;

	if (!text)
		return -1;
	for (char *line = strtok_r(text, "\n", &rest); line && result;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (strncmp(line, name, length) != 0 || !strchr(": \t", line[length]))
			continue;
		line += length;
		line += strspn(line, ": \t");
		snprintf(value, room, "%s", line);
		result = 0;
	}
	free(text);
	if (result)
		errno = ENODATA;
	return result;
}

/* The first user namespace maps every user to itself. */
static bool in_user_namespace(const struct facts *facts)
{
	unsigned int inside, outside, count;
	char map[128];

	return sysroot_line(&facts->root, map, sizeof(map), "proc/self/uid_map") > 0 &&
	       (sscanf(map, "%10u %10u %10u", &inside, &outside, &count) != 3 || inside ||
		outside || count != UINT32_MAX);
}

static void read_process(struct facts *facts)
{
	char value[128], *end;
	int effective;

	facts->user_namespace = in_user_namespace(facts);

	facts->uid = -1;
	if (!facts_field(facts, "proc/self/status", "Uid", value, sizeof(value)) &&
	    sscanf(value, "%*d %d", &effective) == 1)
		facts->uid = (uint32_t)effective;
	if (facts_field(facts, "proc/self/status", "CapEff", value, sizeof(value)))
		return;
	facts->capabilities = strtoull(value, &end, 16);
	facts->capabilities_known = end != value;
}

bool facts_capable(const struct facts *facts, int capability)
{
	return facts->capabilities_known && !facts->user_namespace &&
	       facts->capabilities >> capability & 1;
}

/* ---- all ---- */

const struct missing_layer *facts_missing(const struct facts *facts, const char *layer)
{
	for (size_t i = 0; i < facts->missing_count; i++)
		if (!strcmp(facts->missing[i].layer, layer))
			return &facts->missing[i];
	return NULL;
}

int facts_gather(struct facts *facts, const char *dir, struct p2p_error *err)
{
	struct p2p_error unused;

	*facts = (struct facts){ .root.fd = -1 };
	if (sysroot_open(&facts->root, dir, err))
		return -1;
	if (counters_read(&facts->root, &facts->counters, err)) {
		facts_free(facts);
		return -1;
	}
	sysroot_line(&facts->root, facts->release, sizeof(facts->release),
		     "proc/sys/kernel/osrelease");
	facts->version = kernel_version_parse(facts->release);
	kconfig_read(&facts->root, &facts->config);
	facts->symbols = sysroot_read(&facts->root, SYSROOT_FILE, NULL, "proc/kallsyms");
	facts->p2pdma = has_p2pdma(facts);
	facts->missing_count = counters_missing(&facts->root, &facts->counters,
						facts->p2pdma == ANSWER_NO, facts->missing);
	facts->lockdown = read_lockdown(facts);
	look_into_tracefs(facts);
	look_for_events(facts);
	facts->module_loaded = sysroot_mode(&facts->root, "sys/module/p2ptrace_events") != 0;
	/* Without a PCI bus there is none, which the checks say. */
	facts->has_topology = !topology_load(&facts->topology, dir, &unused);
	read_process(facts);
	return 0;
}

void facts_free(struct facts *facts)
{
	if (facts->has_topology)
		topology_free(&facts->topology);
	counters_free(&facts->counters);
	kconfig_free(&facts->config);
	free(facts->symbols);
	sysroot_close(&facts->root);
	*facts = (struct facts){ .root.fd = -1 };
}
