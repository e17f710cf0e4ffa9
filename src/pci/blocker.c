// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/blocker.h"
#include "p2ptrace/boot_args.h"
#include "p2ptrace/rows.h"

const char blocker_isolation_warning[] =
	"turning ACS redirect off ends the isolation of the devices below these bridges from each "
	"other: their IOMMU groups merge, and a guest that owns one can reach the others. Not on "
	"hosts that pass devices to guests they do not trust.";

struct pair {
	const struct rule *rule;
	const struct pci_device *provider, *client;
	const struct verdict *verdict;
	struct blocker **rows;
	size_t *count;
};

/* ---- the hops that count ---- */

/* Calls `each` for every device whose ACS decides, the provider's side first. */
static int each_hop(const struct pair *pair, enum answer redirects,
		    int (*each)(const struct pair *pair, const struct pci_device *device))
{
	struct hop hops[PCI_DEPTH_MAX];

	for (int side = 0; side < 2; side++) {
		const struct pci_device *from = side ? pair->client : pair->provider;
		size_t count = rule_walk(from, pair->verdict, !side, hops);

		for (size_t i = 0; i < count; i++)
			if (hops[i].counts && hops[i].redirects == redirects &&
			    each(pair, hops[i].device))
				return -1;
	}
	return 0;
}

/* ---- kernel parameters ---- */

static bool names_already(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = strstr(list, name); at; at = strstr(at + 1, name))
		if ((at == list || at[-1] == ';') && (!at[length] || at[length] == ';'))
			return true;
	return false;
}

/* Appends PREFIX DEVICE for every redirecting hop, divided by ';'. */
static char *join_redirecting(const struct pair *pair, const char *prefix, char *to, size_t room,
			      size_t begin)
{
	struct hop hops[PCI_DEPTH_MAX];
	size_t used = strlen(to);

	for (int side = 0; side < 2; side++) {
		size_t count =
			rule_walk(side ? pair->client : pair->provider, pair->verdict, !side, hops);

		for (size_t i = 0; i < count && used < room; i++) {
			if (!hops[i].counts || hops[i].redirects != ANSWER_YES ||
			    names_already(to + begin, hops[i].device->name))
				continue;
			used += (size_t)snprintf(to + used, room - used, "%s%s%s",
						 used > begin ? ";" : "", prefix,
						 hops[i].device->name);
		}
	}
	return to;
}

char *blocker_disable_acs_redir(const struct rule *rule, const struct pci_device *provider,
				const struct pci_device *client, const struct verdict *verdict,
				char *to, size_t room)
{
	const struct pair pair = { rule, provider, client, verdict, NULL, NULL };
	static const char name[] = "pci=disable_acs_redir=";
	char before[256];

	*to = '\0';
	if (!verdict->common || !verdict->redirects)
		return to;
	boot_disable_acs_redir(rule->topology, before, sizeof(before));
	snprintf(to, room, "%s%s", name, before);
	return join_redirecting(&pair, "", to, room, sizeof(name) - 1);
}

/* Flags from the highest bit down: DT EC UF CR RR TB SV; RR, CR and EC off. */
char *blocker_config_acs(const struct rule *rule, const struct pci_device *provider,
			 const struct pci_device *client, const struct verdict *verdict, char *to,
			 size_t room)
{
	const struct pair pair = { rule, provider, client, verdict, NULL, NULL };
	static const char name[] = "pci=config_acs=";

	*to = '\0';
	if (!verdict->common || !verdict->redirects ||
	    (rule->version != KERNEL_NOT_KNOWN && rule->version < KERNEL(6, 11)))
		return to;
	snprintf(to, room, "%s", name);
	return join_redirecting(&pair, "x0x00xx@", to, room, sizeof(name) - 1);
}

/* ---- moving a card ---- */

/* The switch (its upstream port) nearest above a device. */
static const struct pci_device *switch_above(const struct pci_device *device)
{
	for (device = topology_upstream(device); device; device = topology_upstream(device))
		if (device->config.port == PORT_UPSTREAM)
			return device;
	return NULL;
}

struct free_ports {
	const struct pci_device *first, *second;
};

/* Up to two free ports of a switch, those that do not redirect before others. */
static struct free_ports free_ports_of(const struct topology *topology,
				       const struct pci_device *upstream)
{
	struct free_ports found = { NULL, NULL };

	for (int redirecting = 0; redirecting < 2; redirecting++)
		for (size_t i = 0; i < topology->free_port_count && !found.second; i++) {
			const struct pci_device *port = topology->free_ports[i];

			if (port->above != upstream ||
			    (pci_redirects(port) == ANSWER_YES) != redirecting)
				continue;
			*(found.first ? &found.second : &found.first) = port;
		}
	return found;
}

static void port_words(const struct pci_device *port, char *to, size_t room)
{
	char slot[24] = "";

	if (port->config.has_slot && port->config.slot)
		snprintf(slot, sizeof(slot), " (slot %u)", port->config.slot);
	snprintf(to, room, "%s%s%s", port->name, slot,
		 pci_redirects(port) == ANSWER_YES ? " (whose ACS redirect must go off too)" : "");
}

/* Beside the one that is below a switch with a free port; else both to a switch that
 * has two; else what is missing. */
static void move_words(const struct pair *pair, char *to, size_t room)
{
	const struct topology *topology = pair->rule->topology;
	const struct pci_device *stays[2] = { pair->provider, pair->client };
	char first[96], second[96];
	struct free_ports ports;

	for (int i = 0; i < 2; i++) {
		const struct pci_device *upstream = switch_above(stays[i]);

		ports = upstream ? free_ports_of(topology, upstream)
				 : (struct free_ports){ NULL, NULL };
		if (!ports.first)
			continue;
		port_words(ports.first, first, sizeof(first));
		snprintf(to, room,
			 "move %s below the switch %s, where %s is: port %s is free there",
			 stays[!i]->name, upstream->name, stays[i]->name, first);
		return;
	}
	for (size_t i = 0; i < topology->switch_count; i++) {
		ports = free_ports_of(topology, topology->switches[i]);
		if (!ports.second)
			continue;
		port_words(ports.first, first, sizeof(first));
		port_words(ports.second, second, sizeof(second));
		snprintf(to, room, "move both below the switch %s: ports %s and %s are free there",
			 topology->switches[i]->name, first, second);
		return;
	}
	snprintf(to, room,
		 "both must be below the same PCIe switch, and no switch with a free "
		 "port is to be seen here");
}

/* ---- the reasons ---- */

static struct blocker *add(const struct pair *pair, const char *device)
{
	struct blocker *row = ROWS_ADD(*pair->rows, *pair->count);

	if (row)
		snprintf(row->device, sizeof(row->device), "%s", device);
	return row;
}

static int add_redirect(const struct pair *pair, const struct pci_device *device)
{
	struct blocker *row = add(pair, device->name);
	uint16_t control = device->config.acs_control;
	char bits[32], parameter[512];
	const char *who;

	if (!row)
		return -1;
	/* The kernel turns SV, RR, CR and UF on when there is an IOMMU; never EC. */
	if (control & ACS_EGRESS_CONTROL)
		who = "firmware or a hand set it";
	else if (pair->rule->topology->iommu == ANSWER_YES)
		who = "an IOMMU is on, and with it the kernel turns ACS on at boot";
	else if (pair->rule->topology->iommu == ANSWER_NO)
		who = "no IOMMU is on: firmware or a hand set it";
	else
		who = "turned on at boot with an IOMMU, or by firmware";
	snprintf(row->reason, sizeof(row->reason), "ACS redirect is on (%s): %s",
		 acs_bits(bits, sizeof(bits), control & ACS_REDIRECT), who);
	blocker_disable_acs_redir(pair->rule, pair->provider, pair->client, pair->verdict,
				  parameter, sizeof(parameter));
	snprintf(row->fix, sizeof(row->fix), "boot with %s", parameter);
	snprintf(row->trial, sizeof(row->trial), "setpci -s %s ECAP_ACS+6.w=0000:%04x",
		 device->name, ACS_REDIRECT);
	snprintf(row->undo, sizeof(row->undo), "setpci -s %s ECAP_ACS+6.w=%04x:%04x", device->name,
		 control & ACS_REDIRECT, ACS_REDIRECT);
	return 0;
}

static int add_unread(const struct pair *pair, const struct pci_device *device)
{
	struct blocker *row = add(pair, device->name);

	if (!row)
		return -1;
	snprintf(row->reason, sizeof(row->reason), "whether ACS redirect is on is not known: %s",
		 device->config.acs_why);
	snprintf(row->fix, sizeof(row->fix), "%s",
		 pair->rule->topology->root.tree ? "record as root"
		 : pair->rule->topology->root.captured
			 ? "capture again as root, config files in full (4096 bytes)"
			 : "run as root");
	return 0;
}

static int add_no_bridge(const struct pair *pair)
{
	bool same = pair->provider->host == pair->client->host;
	struct blocker *row = add(pair, pair->provider->host->name);

	if (!row)
		return -1;
	if (same)
		snprintf(row->reason, sizeof(row->reason),
			 "the two have no bridge in common below the root bus %s",
			 pair->provider->host->name);
	else
		snprintf(row->reason, sizeof(row->reason),
			 "the two are below different root buses, %s and %s",
			 pair->provider->host->name, pair->client->host->name);
	move_words(pair, row->fix, sizeof(row->fix));
	return 0;
}

static void host_fix(const struct pair *pair, const struct host_answer *host, char *to, size_t room)
{
	const struct allow_entry *entry = host->entry;

	if (host->answer == ALLOW_UNSURE && host->why)
		snprintf(to, room, "run as root, or capture the tree in full");
	else if (host->answer == ALLOW_UNSURE)
		snprintf(to, room,
			 "look for it in pci_p2pdma_whitelist[] of the kernel's "
			 "drivers/pci/p2pdma.c, and give --allow-list FILE if it is there");
	else if (host->answer == ALLOW_NO && entry && entry->present_from && !host->why)
		snprintf(to, room, "kernel %u.%u or newer has it on its list",
			 entry->present_from >> 16, entry->present_from & 0xffff);
	else if (pair->verdict->common)
		snprintf(to, room,
			 "none in software but a patched kernel; without ACS redirect the "
			 "pair needs no root complex");
	else
		snprintf(to, room,
			 "none in software but a patched kernel; another slot or another "
			 "platform");
}

static void host_reason(const struct host_answer *host, char *to, size_t room)
{
	const struct pci_device *first = host->host->first;
	char id[24] = "";

	if (first && first->vendor >= 0 && first->device >= 0)
		snprintf(id, sizeof(id), "%04x:%04x", (unsigned int)first->vendor,
			 (unsigned int)first->device);
	if (host->why)
		snprintf(to, room, "%s%s%s: %s",
			 host->answer == ALLOW_UNSURE
				 ? "whether the host bridge passes is not known"
				 : "the host bridge is on no list",
			 *id ? ", " : "", id, host->why);
	else if (host->answer == ALLOW_UNSURE)
		snprintf(to, room,
			 "whether the host bridge %s (%s) is on this kernel's list is not "
			 "known",
			 id, host->entry->what);
	else if (host->answer == ALLOW_SAME_ONLY)
		snprintf(to, room,
			 "the host bridge %s (%s) is on the kernel's list only for devices "
			 "below one and the same",
			 id, host->entry->what);
	else
		snprintf(to, room, "the host bridge %s is not on the kernel's list", id);
}

static int add_host(const struct pair *pair, const struct host_answer *host)
{
	struct blocker *row = add(pair, host->host->name);

	if (!row)
		return -1;
	host_reason(host, row->reason, sizeof(row->reason));
	host_fix(pair, host, row->fix, sizeof(row->fix));
	return 0;
}

static int add_cpu(const struct pair *pair)
{
	struct blocker *row = add(pair, "cpu");

	if (!row)
		return -1;
	snprintf(row->reason, sizeof(row->reason),
		 "whether the CPU is AMD of family 0x17 or newer is not known: no proc/cpuinfo");
	snprintf(row->fix, sizeof(row->fix), "capture proc/cpuinfo too");
	return 0;
}

/* Why the way through the root complex is refused, or what that hangs on. */
static int add_root_complex(const struct pair *pair)
{
	bool same = pair->provider->host == pair->client->host;
	struct host_answer hosts[2];

	if (pair->verdict->allowed == ANSWER_YES)
		return 0;
	if (pair->rule->topology->zen == ANSWER_UNKNOWN && add_cpu(pair))
		return -1;
	rule_hosts(pair->rule, pair->provider, pair->client, hosts);
	for (int i = 0; i < (same ? 1 : 2); i++)
		if (hosts[i].answer != ALLOW_YES && add_host(pair, &hosts[i]))
			return -1;
	return 0;
}

static int add_placeless(const struct pair *pair)
{
	const struct pci_device *devices[2] = { pair->provider, pair->client };

	for (int i = 0; i < 2; i++) {
		struct blocker *row = devices[i]->host ? NULL : add(pair, devices[i]->name);

		if (!row && !devices[i]->host)
			return -1;
		if (!row)
			continue;
		snprintf(row->reason, sizeof(row->reason),
			 "what is above it could not be read from sys/bus/pci/devices/%s",
			 devices[i]->name);
		snprintf(row->fix, sizeof(row->fix),
			 "capture with the symbolic links as they are (tar, cp -a)");
	}
	return 0;
}

static int add_all(const struct pair *pair)
{
	const struct verdict *verdict = pair->verdict;

	if (verdict->type == P2P_TYPE_BUS_ADDR)
		return 0;
	if (verdict->placeless && !verdict->common)
		return add_placeless(pair);
	if (verdict->common) {
		if (each_hop(pair, ANSWER_YES, add_redirect) ||
		    each_hop(pair, ANSWER_UNKNOWN, add_unread))
			return -1;
	} else if (add_no_bridge(pair)) {
		return -1;
	}
	return verdict->placeless ? 0 : add_root_complex(pair);
}

int blockers_find(const struct rule *rule, const struct pci_device *provider,
		  const struct pci_device *client, const struct verdict *verdict,
		  struct blocker **rows, size_t *count)
{
	const struct pair pair = { rule, provider, client, verdict, rows, count };

	*rows = NULL;
	*count = 0;
	if (!add_all(&pair))
		return 0;
	free(*rows);
	*rows = NULL;
	*count = 0;
	return -1;
}

/* ---- the sentence ---- */

static const char *direct_words(const struct verdict *verdict, const struct pci_device *provider,
				const struct pci_device *client)
{
	if (provider == client)
		return "one and the same device";
	return verdict->redirects ? "ACS redirect on the way" : "no ACS redirect on the way";
}

static const char *root_complex_words(const struct rule *rule, const struct verdict *verdict)
{
	if (verdict->allowed == ANSWER_YES)
		return rule->topology->zen == ANSWER_YES
			       ? "the CPU (AMD Zen) may pass it through its root complex"
			       : "the kernel's list lets it through the root complex";
	return verdict->allowed == ANSWER_NO ? "the root complex is not on the kernel's list"
					     : "whether the root complex passes it is not known";
}

char *verdict_why(const struct rule *rule, const struct pci_device *provider,
		  const struct pci_device *client, const struct verdict *verdict, char *to,
		  size_t room)
{
	if (verdict->placeless && !verdict->common)
		snprintf(to, room, "where a device hangs is not known");
	else if (verdict->common && !verdict->redirects && verdict->unread)
		snprintf(to, room, "it hangs on ACS redirect of %u device%s that cannot be read",
			 verdict->unread, verdict->unread > 1 ? "s" : "");
	else if (verdict->type == P2P_TYPE_BUS_ADDR)
		snprintf(to, room, "%s%s%s", direct_words(verdict, provider, client),
			 provider == client ? "" : ", common bridge ",
			 provider == client ? "" : verdict->common->name);
	else if (verdict->common)
		snprintf(to, room, "%s (common bridge %s); %s",
			 direct_words(verdict, provider, client), verdict->common->name,
			 root_complex_words(rule, verdict));
	else
		snprintf(to, room, "no common bridge; %s", root_complex_words(rule, verdict));
	return to;
}
