// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/boot_args.h"
#include "p2ptrace/rule.h"
#include "p2ptrace/text.h"

#include "checks.h"

/* ---- what the kernel counts ---- */

static void say_missing(const struct missing_layer *missing, struct check_result *result)
{
	found(result, CHECK_WARN, "%s", missing->why);
	remedy(result, "%s", missing->remedy);
}

CHECK_FUNCTION(check_counters)
{
	const struct missing_layer *missing = facts_missing(facts, "debugfs");

	(void)earlier;
	if (missing)
		say_missing(missing, result);
	else
		found(result, CHECK_OK, "%zu counters in /sys/kernel/debug/pci-p2pdma",
		      facts->counters.global.count);
}

static const struct counter *pool_value(const struct provider_counters *provider, const char *name)
{
	const struct counter *value = counter_find(&provider->pool, name);

	return value && value->known ? value : NULL;
}

static void describe_pool(const struct provider_counters *provider, struct check_result *result)
{
	const struct counter *size = pool_value(provider, "size_bytes");
	const struct counter *available = pool_value(provider, "available_bytes");
	const struct counter *published = pool_value(provider, "published");
	char one[32], other[32];

	if (!size || !available) {
		worsen(result, CHECK_UNKNOWN);
		also(result, "%s: its pool cannot be read", provider->device);
		return;
	}
	also(result, "%s: %s of %s available%s", provider->device,
	     text_bytes(one, sizeof(one), available->value),
	     text_bytes(other, sizeof(other), size->value),
	     published && published->value ? ", published" : "");
	if (available->value || !size->value)
		return;
	worsen(result, CHECK_WARN);
	remedy(result, "'p2ptrace leaks' of a recording tells who holds the memory of an exhausted "
		       "pool");
}

CHECK_FUNCTION(check_providers)
{
	const struct missing_layer *missing = facts_missing(facts, "p2pmem");
	const size_t shown = 6;

	(void)earlier;
	if (missing) {
		say_missing(missing, result);
		if (facts->counters.devices_error)
			result->status = CHECK_UNKNOWN;
		return;
	}
	found(result, CHECK_OK, "%zu devices offer peer memory", facts->counters.provider_count);
	if (facts->counters.provider_count == 1)
		found(result, CHECK_OK, "one device offers peer memory");
	for (size_t i = 0; i < facts->counters.provider_count && i < shown; i++)
		describe_pool(&facts->counters.providers[i], result);
	if (facts->counters.provider_count > shown)
		also(result, "... and %zu more", facts->counters.provider_count - shown);
}

CHECK_FUNCTION(check_statistics)
{
	const struct missing_layer *missing = facts_missing(facts, "stats");

	(void)earlier;
	if (missing)
		say_missing(missing, result);
	else if (facts->counters.provider_count)
		found(result, CHECK_OK, "every provider has p2pmem/stats");
	else
		found(result, CHECK_UNKNOWN, "there is no provider to have any");
}

/* ---- IOMMU ---- */

/* The words of the command line that decide over the IOMMU. */
static void quote_iommu_words(const struct facts *facts, struct check_result *result)
{
	static const char *const words[] = { "iommu=", "intel_iommu=", "amd_iommu=",
					     "iommu.passthrough=", "iommu.strict=" };
	const char *cmdline = facts->has_topology ? facts->topology.cmdline : NULL;
	char copy[4096], *rest;

	snprintf(copy, sizeof(copy), "%s", cmdline ? cmdline : "");
	for (char *word = strtok_r(copy, " \t\n", &rest); word;
	     word = strtok_r(NULL, " \t\n", &rest))
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (!strncmp(word, words[i], strlen(words[i])))
				also(result, "booted with %.64s", word);
}

struct group_counts {
	size_t all, identity, translated, unknown;
};

static void count_groups(const struct facts *facts, const struct name_list *groups,
			 struct group_counts *counts)
{
	char type[32];

	*counts = (struct group_counts){ .all = groups->count };
	for (size_t i = 0; i < groups->count; i++) {
		if (sysroot_line(&facts->root, type, sizeof(type),
				 "sys/kernel/iommu_groups/%s/type", groups->names[i]) <= 0)
			counts->unknown++;
		else if (!strcmp(type, "identity"))
			counts->identity++;
		else if (!strncmp(type, "DMA", 3))
			counts->translated++;
	}
}

CHECK_FUNCTION(check_iommu)
{
	struct group_counts counts;
	struct name_list groups;
	int error = sysroot_list(&facts->root, &groups, "sys/kernel/iommu_groups") ? errno : 0;

	(void)earlier;
	count_groups(facts, &groups, &counts);
	name_list_free(&groups);
	if (error && !sysroot_mode(&facts->root, "sys/kernel")) {
		found(result, CHECK_UNKNOWN, "sys/kernel cannot be read");
		remedy(result, "mount -t sysfs nodev /sys");
		return;
	}
	if (!counts.all) {
		found(result, CHECK_OK, "no IOMMU is in use: a dma_addr is a bus address");
		quote_iommu_words(facts, result);
		return;
	}
	found(result, CHECK_OK,
	      "an IOMMU is in use: %zu groups, %zu translated (there a dma_addr through the host "
	      "bridge is an IOVA), %zu passed through",
	      counts.all, counts.translated, counts.identity);
	also(result, "it had the kernel turn ACS redirect on at boot");
	quote_iommu_words(facts, result);
	if (counts.unknown == counts.all)
		worsen(result, CHECK_UNKNOWN);
}

/* ---- ACS ---- */

CHECK_FUNCTION(check_acs)
{
	size_t on = 0, unknown = 0;
	char names[256] = "";

	(void)earlier;
	if (!facts->has_topology || !facts->topology.count) {
		found(result, CHECK_UNKNOWN, "no PCI devices can be listed");
		remedy(result, "mount -t sysfs nodev /sys");
		return;
	}
	for (size_t i = 0; i < facts->topology.count; i++) {
		const struct pci_device *device = &facts->topology.devices[i];
		enum answer redirects = pci_redirects(device);
		size_t used = strlen(names);

		unknown += redirects == ANSWER_UNKNOWN;
		if (redirects != ANSWER_YES)
			continue;
		if (on++ < 4)
			snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "",
				 device->name);
	}
	found(result, CHECK_OK, "no device redirects peer traffic to the host bridge");
	if (on) {
		found(result, CHECK_WARN,
		      "ACS redirect is on at %zu devices (%s%s): what passes "
		      "them goes up to the host bridge",
		      on, names, on > 4 ? ", ..." : "");
		remedy(result, "'p2ptrace topo' shows which pairs it concerns, 'p2ptrace explain A "
			       "B' the exact remedy");
	}
	if (!unknown)
		return;
	if (!on)
		found(result, CHECK_UNKNOWN, "no ACS redirect is seen, but");
	also(result, "%zu of %zu devices do not let their configuration space be read", unknown,
	     facts->topology.count);
	if (!on)
		remedy(result, "run it as root (sudo): sysfs shows all but 64 bytes to root only");
}

CHECK_FUNCTION(check_cmdline)
{
	struct boot_note *notes = NULL;
	size_t count = 0;

	(void)earlier;
	if (!facts->has_topology || !facts->topology.cmdline ||
	    boot_notes(&facts->topology, NULL, 0, &notes, &count)) {
		found(result, CHECK_UNKNOWN, "proc/cmdline cannot be read");
		return;
	}
	found(result, CHECK_OK, "nothing on the kernel's command line about ACS is wrong");
	for (size_t i = 0; i < count; i++)
		if (i)
			also(result, "%s", notes[i].text);
		else
			found(result, CHECK_WARN, "%s", notes[i].text);
	if (count)
		remedy(result, "'p2ptrace explain A B' gives the parameter that opens the way "
			       "between two devices");
	free(notes);
}
