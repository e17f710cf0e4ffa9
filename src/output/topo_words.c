// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "p2ptrace/table.h"
#include "p2ptrace/text.h"
#include "p2ptrace/topo_print.h"

const char *type_colour(enum p2p_type type, bool colour)
{
	static const char *const colours[P2P_TYPES] = {
		[P2P_TYPE_UNKNOWN] = "\033[35m",
		[P2P_TYPE_NOT_SUPPORTED] = "\033[31m",
		[P2P_TYPE_BUS_ADDR] = "\033[32m",
		[P2P_TYPE_THRU_HOST_BRIDGE] = "\033[33m",
	};

	return colour ? colours[type] : "";
}

const char *colour_off(bool colour)
{
	return colour ? "\033[0m" : "";
}

char *device_label(const struct pci_device *device, char *to, size_t room)
{
	size_t length = strcspn(device->kernel_names, " ");
	char first[sizeof(device->kernel_names)];

	snprintf(first, sizeof(first), "%.*s", (int)length, device->kernel_names);
	if (*first)
		return text_safe(to, room, first);
	snprintf(to, room, "%s", device->address.domain ? device->name : device->name + 5);
	return to;
}

char *link_words(const struct pci_link *link, char *to, size_t room)
{
	size_t used;

	*to = '\0';
	if (!(link->speed > 0) || !link->width)
		return to;
	used = (size_t)snprintf(to, room, "%g GT/s x%u", link->speed, link->width);
	if (pci_link_is_below(link) && used < room)
		snprintf(to + used, room - used, " < %g GT/s x%u", link->speed_max,
			 link->width_max);
	return to;
}

char *pool_words(const struct pci_device *device, char *to, size_t room)
{
	char size[32] = "size not known", available[32] = "?";

	*to = '\0';
	if (!device->has_pool)
		return to;
	if (device->pool_size != NOT_KNOWN)
		text_bytes(size, sizeof(size), device->pool_size);
	if (device->pool_available != NOT_KNOWN)
		text_bytes(available, sizeof(available), device->pool_available);
	snprintf(to, room, "%s, %s available", size, available);
	return to;
}

char *acs_words(const struct pci_device *device, char *to, size_t room)
{
	const struct config_facts *config = &device->config;
	char bits[32];

	if (config->acs == ACS_ABSENT)
		snprintf(to, room, "no ACS capability");
	else if (config->acs == ACS_UNKNOWN)
		snprintf(to, room, "ACS not known: %s", config->acs_why);
	else if (config->acs_control & ACS_REDIRECT)
		snprintf(to, room, "ACS redirect on (%s)",
			 acs_bits(bits, sizeof(bits), config->acs_control));
	else if (config->acs_control)
		snprintf(to, room, "ACS without redirect (%s)",
			 acs_bits(bits, sizeof(bits), config->acs_control));
	else
		snprintf(to, room, "ACS off");
	return to;
}

char *host_words(const struct rule *rule, const struct host_bridge *host, char *to, size_t room)
{
	static const char *const answers[] = {
		[ALLOW_NO] = "not on the kernel's list",
		[ALLOW_YES] = "on the kernel's list",
		[ALLOW_SAME_ONLY] = "on the kernel's list", /* not asked for */
		[ALLOW_UNSURE] = "not known whether on the kernel's list",
	};
	const struct pci_device *first = host->first;
	struct host_answer hosts[2];

	if (!first) {
		snprintf(to, room, "no device of the root bus to be seen");
		return to;
	}
	rule_hosts(rule, first, first, hosts);
	snprintf(to, room, "host bridge known by %s (%04x:%04x), %s%s%s", first->name,
		 (unsigned int)first->vendor & 0xffff, (unsigned int)first->device & 0xffff,
		 answers[hosts[0].answer],
		 hosts[0].answer == ALLOW_YES && hosts[0].entry->same_host
			 ? " for devices below it alone"
			 : "",
		 rule->topology->zen == ANSWER_YES ? " (the CPU decides: AMD Zen)" : "");
	return to;
}
