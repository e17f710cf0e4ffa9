// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/blocker.h"
#include "p2ptrace/table.h"
#include "p2ptrace/topo_print.h"

void json_answer(struct json *json, const char *key, enum answer answer)
{
	if (answer == ANSWER_UNKNOWN)
		json_null(json, key);
	else
		json_bool(json, key, answer == ANSWER_YES);
}

static void json_known_text(struct json *json, const char *key, const char *text)
{
	json_text(json, key, *text ? text : NULL);
}

static void json_known(struct json *json, const char *key, uint64_t value)
{
	if (value == NOT_KNOWN)
		json_null(json, key);
	else
		json_u64(json, key, value);
}

static void json_id(struct json *json, const char *key, int32_t id)
{
	char text[16];

	snprintf(text, sizeof(text), "%04x", (unsigned int)id & 0xffff);
	json_text(json, key, id < 0 ? NULL : text);
}

static void json_kernel_names(struct json *json, const struct pci_device *device)
{
	char names[sizeof(device->kernel_names)], *rest;

	memcpy(names, device->kernel_names, sizeof(names));
	json_array(json, "kernel_names");
	for (char *name = strtok_r(names, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
		json_text(json, NULL, name);
	json_end_array(json);
}

static void json_pool(struct json *json, const struct pci_device *device)
{
	if (!device->has_pool) {
		json_null(json, "pool");
		return;
	}
	json_object(json, "pool");
	json_known(json, "size_bytes", device->pool_size);
	json_known(json, "available_bytes", device->pool_available);
	json_answer(json, "published", device->pool_published);
	json_end_object(json);
}

static void json_link_number(struct json *json, const char *key, double value)
{
	if (value > 0)
		json_double(json, key, value);
	else
		json_null(json, key);
}

static void json_link(struct json *json, const struct pci_link *link)
{
	if (!(link->speed > 0) && !link->width && !(link->speed_max > 0) && !link->width_max) {
		json_null(json, "link");
		return;
	}
	json_object(json, "link");
	json_link_number(json, "speed_gts", link->speed);
	json_link_number(json, "width", link->width);
	json_link_number(json, "max_speed_gts", link->speed_max);
	json_link_number(json, "max_width", link->width_max);
	json_bool(json, "below", pci_link_is_below(link));
	json_end_object(json);
}

void json_device(struct json *json, const char *key, const struct pci_system *system,
		 const struct pci_device *device)
{
	char name[160];

	json_object(json, key);
	json_text(json, "device", device->name);
	json_kernel_names(json, device);
	json_text(json, "name", pci_names_device(system->names, device, name, sizeof(name)));
	json_text(json, "role", pci_role(device));
	json_id(json, "vendor_id", device->vendor);
	json_id(json, "device_id", device->device);
	json_known_text(json, "driver", device->driver);
	if (device->numa >= 0)
		json_i64(json, "numa", device->numa);
	else
		json_null(json, "numa");
	json_text(json, "root_bus", device->host ? device->host->name : NULL);
	json_text(json, "physical_function", device->physfn ? device->physfn->name : NULL);
	json_known_text(json, "iommu_group", device->iommu_group);
	json_known_text(json, "iommu_type", device->iommu_type);
	json_pool(json, device);
	json_u64(json, "prefetchable_bytes", device->prefetchable);
	json_link(json, &device->link);
	json_answer(json, "acs_redirect", pci_redirects(device));
	json_end_object(json);
}

void json_system(struct json *json, const struct pci_system *system)
{
	char kernel[32];

	json_text(json, "kernel",
		  system->rule.version == KERNEL_NOT_KNOWN
			  ? NULL
			  : system_kernel(system, kernel, sizeof(kernel)));
	json_known_text(json, "kernel_release", system->topology.kernel);
	json_known_text(json, "cpu", system->topology.cpu);
	json_answer(json, "cpu_zen", system->topology.zen);
	json_answer(json, "iommu", system->topology.iommu);
}

void json_notes(struct json *json, const struct boot_note *notes, size_t count)
{
	json_array(json, "notes");
	for (size_t i = 0; i < count; i++)
		json_text(json, NULL, notes[i].text);
	json_end_array(json);
}

static void json_blocker(struct json *json, const struct blocker *blocker)
{
	json_object(json, NULL);
	json_text(json, "device", blocker->device);
	json_text(json, "reason", blocker->reason);
	json_text(json, "fix", blocker->fix);
	json_known_text(json, "trial", blocker->trial);
	json_known_text(json, "undo", blocker->undo);
	json_end_object(json);
}

int json_verdict(struct json *json, const struct rule *rule, const struct pci_device *provider,
		 const struct pci_device *client, const struct verdict *verdict)
{
	struct blocker *blockers;
	size_t count;
	char why[256];

	if (blockers_find(rule, provider, client, verdict, &blockers, &count))
		return -1;
	json_text(json, "type", p2p_type_names[verdict->type]);
	if (verdict->distance >= 0)
		json_i64(json, "dist", verdict->distance);
	else
		json_null(json, "dist");
	json_text(json, "why", verdict_why(rule, provider, client, verdict, why, sizeof(why)));
	json_array(json, "blockers");
	for (size_t i = 0; i < count; i++)
		json_blocker(json, &blockers[i]);
	json_end_array(json);
	free(blockers);
	return 0;
}

static int json_pair(struct json *json, const struct rule *rule, const struct pci_device *provider,
		     const struct pci_device *client)
{
	struct verdict verdict;
	int status;

	rule_decide(rule, provider, client, &verdict);
	json_object(json, NULL);
	json_text(json, "provider", provider->name);
	json_text(json, "client", client->name);
	status = json_verdict(json, rule, provider, client, &verdict);
	json_end_object(json);
	return status;
}

static void json_devices(struct json *json, const char *key, const struct pci_system *system,
			 struct pci_device *const *devices, size_t count)
{
	json_array(json, key);
	for (size_t i = 0; i < count; i++)
		json_device(json, NULL, system, devices[i]);
	json_end_array(json);
}

int topo_print_json(const struct topo_view *view, FILE *out, struct p2p_error *err)
{
	int status = 0;
	struct json json;

	json_init(&json, out, false);
	json_object(&json, NULL);
	json_text(&json, "schema", "p2ptrace.topo/1");
	json_system(&json, view->system);
	json_devices(&json, "providers", view->system, view->providers, view->provider_count);
	json_devices(&json, "clients", view->system, view->clients, view->client_count);
	json_array(&json, "pairs");
	for (size_t r = 0; r < view->provider_count && !status; r++)
		for (size_t c = 0; c < view->client_count && !status; c++)
			status = json_pair(&json, &view->system->rule, view->providers[r],
					   view->clients[c]);
	json_end_array(&json);
	json_notes(&json, view->notes, view->note_count);
	json_end_object(&json);
	return status ? p2p_fail(err, "out of memory") : 0;
}
