// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "p2ptrace/explain_print.h"
#include "p2ptrace/topo_print.h"

static void json_hop(struct json *json, const struct explanation *pair, const struct hop *hop,
		     size_t distance)
{
	static const char *const states[] = {
		[ACS_UNKNOWN] = NULL, [ACS_ABSENT] = "absent", [ACS_PRESENT] = "present"
	};
	const struct config_facts *config = &hop->device->config;
	char name[160];

	json_object(json, NULL);
	json_text(json, "device", hop->device->name);
	json_text(json, "name",
		  pci_names_device(pair->system->names, hop->device, name, sizeof(name)));
	json_text(json, "port", config->port == PORT_UNKNOWN ? NULL : port_type_name(config->port));
	json_u64(json, "distance", distance);
	json_bool(json, "common", hop->device == pair->verdict.common);
	json_bool(json, "counts", hop->counts);
	json_text(json, "acs", states[config->acs]);
	if (config->acs == ACS_PRESENT)
		json_u64(json, "acs_control", config->acs_control);
	else
		json_null(json, "acs_control");
	json_answer(json, "redirects", hop->redirects);
	json_end_object(json);
}

static void json_walk(struct json *json, const char *key, const struct explanation *pair,
		      const struct pci_device *from, bool provider_side)
{
	struct hop hops[PCI_DEPTH_MAX];
	size_t count = rule_walk(from, &pair->verdict, provider_side, hops);

	json_array(json, key);
	for (size_t i = 0; i < count; i++)
		json_hop(json, pair, &hops[i], i);
	json_end_array(json);
}

static void json_host(struct json *json, const struct host_answer *host)
{
	static const char *const answers[] = {
		[ALLOW_NO] = "no",
		[ALLOW_YES] = "yes",
		[ALLOW_SAME_ONLY] = "same host bridge only",
		[ALLOW_UNSURE] = NULL,
	};
	const struct pci_device *first = host->host->first;
	char id[16];

	json_object(json, NULL);
	json_text(json, "root_bus", host->host->name);
	json_text(json, "device", first ? first->name : NULL);
	if (first && first->vendor >= 0 && first->device >= 0)
		snprintf(id, sizeof(id), "%04x:%04x", (unsigned int)first->vendor & 0xffff,
			 (unsigned int)first->device & 0xffff);
	else
		first = NULL;
	json_text(json, "id", first ? id : NULL);
	json_text(json, "listed", answers[host->answer]);
	json_end_object(json);
}

static void json_hosts(struct json *json, const struct explanation *pair)
{
	struct host_answer hosts[2];

	json_array(json, "host_bridges");
	if (pair->provider->host && pair->client->host) {
		rule_hosts(&pair->system->rule, pair->provider, pair->client, hosts);
		json_host(json, &hosts[0]);
		if (pair->provider->host != pair->client->host)
			json_host(json, &hosts[1]);
	}
	json_end_array(json);
}

static void json_parameters(struct json *json, const struct explanation *pair)
{
	const struct rule *rule = &pair->system->rule;
	char text[1024];

	json_array(json, "boot_parameters");
	if (*blocker_disable_acs_redir(rule, pair->provider, pair->client, &pair->verdict, text,
				       sizeof(text)))
		json_text(json, NULL, text);
	if (*blocker_config_acs(rule, pair->provider, pair->client, &pair->verdict, text,
				sizeof(text)))
		json_text(json, NULL, text);
	json_end_array(json);
}

int explain_print_json(const struct explanation *pair, FILE *out, struct p2p_error *err)
{
	struct json json;
	int status;

	json_init(&json, out, false);
	json_object(&json, NULL);
	json_text(&json, "schema", "p2ptrace.explain/1");
	json_system(&json, pair->system);
	json_device(&json, "provider", pair->system, pair->provider);
	json_device(&json, "client", pair->system, pair->client);
	status = json_verdict(&json, &pair->system->rule, pair->provider, pair->client,
			      &pair->verdict);
	json_text(&json, "common", pair->verdict.common ? pair->verdict.common->name : NULL);
	json_object(&json, "walk");
	json_walk(&json, "provider", pair, pair->provider, true);
	json_walk(&json, "client", pair, pair->client, false);
	json_end_object(&json);
	json_hosts(&json, pair);
	json_parameters(&json, pair);
	json_notes(&json, pair->notes, pair->note_count);
	json_end_object(&json);
	return status ? p2p_fail(err, "out of memory") : 0;
}
