// SPDX-License-Identifier: GPL-2.0-or-later
#include <stddef.h>

#include "p2ptrace/rule.h"

const char *const p2p_type_names[P2P_TYPES] = {
	[P2P_TYPE_UNKNOWN] = "UNKNOWN",
	[P2P_TYPE_NOT_SUPPORTED] = "NOT_SUPPORTED",
	[P2P_TYPE_BUS_ADDR] = "BUS_ADDR",
	[P2P_TYPE_THRU_HOST_BRIDGE] = "THRU_HOST_BRIDGE",
};

enum answer pci_redirects(const struct pci_device *device)
{
	const struct config_facts *config = &device->config;

	if (config->acs == ACS_UNKNOWN)
		return ANSWER_UNKNOWN;
	return config->acs == ACS_PRESENT && config->acs_control & ACS_REDIRECT ? ANSWER_YES
										: ANSWER_NO;
}

static void count_redirect(struct verdict *verdict, const struct pci_device *device)
{
	enum answer redirects = pci_redirects(device);

	verdict->redirects += redirects == ANSWER_YES;
	verdict->unread += redirects == ANSWER_UNKNOWN;
}

/* The kernel's own loops, distances counted as it counts them: without a common bridge
 * each side's is the number of its devices. */
static void walk(struct verdict *verdict, const struct pci_device *provider,
		 const struct pci_device *client)
{
	const struct pci_device *a, *b;
	int distance_a = 0, distance_b = 0;

	for (a = provider; a; a = topology_upstream(a), distance_a++) {
		count_redirect(verdict, a);
		distance_b = 0;
		for (b = client; b && b != a; b = topology_upstream(b))
			distance_b++;
		if (b)
			break;
	}
	verdict->distance = distance_a + distance_b;
	verdict->common = a;
	for (b = client; a && b != a; b = topology_upstream(b))
		count_redirect(verdict, b);
	/* Without a common bridge no ACS decides anything. */
	if (!a)
		verdict->redirects = verdict->unread = 0;
}

/* ---- through the root complex ---- */

static const char no_first[] = "no device on its root bus is to be seen";
static const char no_ids[] = "the ids of the first device on its root bus cannot be read";
static const char not_bridge[] =
	"the first device on its root bus is neither device 00.0 nor a root port";
static const char maybe_bridge[] =
	"whether the first device on its root bus is a root port cannot be read";

static void judge_host(const struct rule *rule, bool same, struct host_answer *answer)
{
	const struct pci_device *first = answer->host->first;

	answer->answer = ALLOW_UNSURE;
	if (!first || first->vendor < 0 || first->device < 0) {
		answer->why = first ? no_ids : no_first;
		return;
	}
	answer->answer = allow_list_check(rule->list, rule->version, (uint16_t)first->vendor,
					  (uint16_t)first->device, same, &answer->entry);
	if (first->address.slot == 0 && first->address.function == 0)
		return;
	if (first->config.port == PORT_UNKNOWN && answer->answer != ALLOW_NO &&
	    answer->answer != ALLOW_SAME_ONLY) {
		answer->answer = ALLOW_UNSURE;
		answer->why = maybe_bridge;
	} else if (first->config.port != PORT_ROOT && first->config.port != PORT_UNKNOWN) {
		answer->answer = ALLOW_NO;
		answer->why = not_bridge;
	}
}

void rule_hosts(const struct rule *rule, const struct pci_device *provider,
		const struct pci_device *client, struct host_answer hosts[2])
{
	bool same = provider->host == client->host;

	hosts[0] = (struct host_answer){ .host = provider->host };
	hosts[1] = (struct host_answer){ .host = client->host };
	judge_host(rule, same, &hosts[0]);
	judge_host(rule, same, &hosts[1]);
}

static enum answer both_allowed(const struct host_answer hosts[2])
{
	enum answer both = ANSWER_YES;

	for (int i = 0; i < 2; i++) {
		if (hosts[i].answer == ALLOW_NO || hosts[i].answer == ALLOW_SAME_ONLY)
			return ANSWER_NO;
		if (hosts[i].answer == ALLOW_UNSURE)
			both = ANSWER_UNKNOWN;
	}
	return both;
}

static enum answer through_root(const struct rule *rule, const struct pci_device *provider,
				const struct pci_device *client)
{
	struct host_answer hosts[2];
	enum answer listed;

	if (rule->topology->zen == ANSWER_YES)
		return ANSWER_YES;
	rule_hosts(rule, provider, client, hosts);
	listed = both_allowed(hosts);
	if (listed == ANSWER_YES || rule->topology->zen == ANSWER_NO)
		return listed;
	return ANSWER_UNKNOWN;
}

/* ---- the answer ---- */

void rule_decide(const struct rule *rule, const struct pci_device *provider,
		 const struct pci_device *client, struct verdict *verdict)
{
	static const enum p2p_type fallback[] = {
		[ANSWER_NO] = P2P_TYPE_NOT_SUPPORTED,
		[ANSWER_YES] = P2P_TYPE_THRU_HOST_BRIDGE,
		[ANSWER_UNKNOWN] = P2P_TYPE_UNKNOWN,
	};

	*verdict = (struct verdict){ .distance = -1 };
	verdict->placeless = !provider->host || !client->host;
	/* A device is above itself, wherever that is. */
	if (verdict->placeless && provider != client)
		return;
	walk(verdict, provider, client);
	verdict->allowed = verdict->placeless ? ANSWER_UNKNOWN
					      : through_root(rule, provider, client);
	if (verdict->common && !verdict->redirects)
		verdict->type = verdict->unread ? P2P_TYPE_UNKNOWN : P2P_TYPE_BUS_ADDR;
	else
		verdict->type = fallback[verdict->allowed];
}

size_t rule_walk(const struct pci_device *device, const struct verdict *verdict, bool provider_side,
		 struct hop hops[PCI_DEPTH_MAX])
{
	bool above = !verdict->common;
	size_t count = 0;

	for (; device && count < PCI_DEPTH_MAX; device = topology_upstream(device)) {
		bool common = device == verdict->common;

		hops[count++] = (struct hop){ .device = device,
					      .redirects = pci_redirects(device),
					      .counts = !above && (!common || provider_side) };
		above |= common;
	}
	return count;
}
