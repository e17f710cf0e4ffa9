// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "p2ptrace/rows.h"
#include "p2ptrace/table.h"
#include "p2ptrace/topology.h"

#define DEVICES "sys/bus/pci/devices"

/* Root buses; the largest machines have some hundred.  Each is looked for among all. */
#define HOSTS_MAX 1024

bool pci_address_parse(const char *text, struct pci_address *address)
{
	unsigned int domain = 0, bus, slot, function;
	int end = -1;

	/* sscanf takes signs and white space, addresses do not. */
	if (text[strspn(text, "0123456789abcdefABCDEF:.")] != '\0')
		return false;
	if (sscanf(text, "%8x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 ||
	    text[end]) {
		domain = 0;
		end = -1;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3 || text[end])
			return false;
	}
	if (slot > 31 || function > 7)
		return false;
	*address = (struct pci_address){ domain, (uint8_t)bus, (uint8_t)slot, (uint8_t)function };
	return true;
}

static int compare_addresses(const struct pci_address *a, const struct pci_address *b)
{
	uint32_t low_a = (uint32_t)a->bus << 8 | (uint32_t)a->slot << 3 | a->function;
	uint32_t low_b = (uint32_t)b->bus << 8 | (uint32_t)b->slot << 3 | b->function;

	if (a->domain != b->domain)
		return a->domain < b->domain ? -1 : 1;
	return low_a < low_b ? -1 : low_a > low_b;
}

static int compare_devices(const void *a, const void *b)
{
	const struct pci_device *one = a, *other = b;

	return compare_addresses(&one->address, &other->address);
}

struct pci_device *topology_at(const struct topology *topology, const struct pci_address *address)
{
	struct pci_device key = { .address = *address };

	if (!topology->count)
		return NULL;
	return bsearch(&key, topology->devices, topology->count, sizeof(*topology->devices),
		       compare_devices);
}

const struct pci_device *topology_upstream(const struct pci_device *device)
{
	return device->physfn ? device->physfn->above : device->above;
}

/* ---- where a device hangs ---- */

static struct host_bridge *find_host(const struct topology *topology, const char *name)
{
	for (size_t i = 0; i < topology->host_count; i++)
		if (!strcmp(topology->hosts[i].name, name))
			return &topology->hosts[i];
	return NULL;
}

/* Devices point at hosts, so room for all of them is made before. */
static struct host_bridge *intern_host(struct topology *topology, const char *name)
{
	struct host_bridge *host = find_host(topology, name);

	if (host || strlen(name) >= sizeof(host->name) || topology->host_count == topology->count ||
	    topology->host_count == HOSTS_MAX)
		return host;
	host = &topology->hosts[topology->host_count++];
	memcpy(host->name, name, strlen(name) + 1);
	return host;
}

static bool is_root_bus(const char *component)
{
	unsigned int domain, bus;
	int end = -1;

	return sscanf(component, "pci%8x:%2x%n", &domain, &bus, &end) == 2 && !component[end];
}

/*
 * "../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0": the component before the last
 * is the bridge above or the root bus; the root bus nearest to the device is its own, for
 * a VMD's domain hangs below a device of another.
 */
static void place(struct topology *topology, struct pci_device *device, char *target)
{
	char *component, *rest, *previous = NULL, *last = NULL;
	struct pci_address address;

	for (component = strtok_r(target, "/", &rest); component;
	     component = strtok_r(NULL, "/", &rest)) {
		if (is_root_bus(component))
			device->host = intern_host(topology, component);
		previous = last;
		last = component;
	}
	if (!device->host || !previous || is_root_bus(previous))
		return;
	if (pci_address_parse(previous, &address))
		device->above = topology_at(topology, &address);
	if (!device->above)
		device->host = NULL;
}

static void link_physfn(struct topology *topology, struct pci_device *device)
{
	struct pci_address address;
	char name[PCI_NAME_BYTES];

	if (sysroot_link_name(&topology->root, name, sizeof(name), DEVICES "/%s/physfn",
			      device->name) ||
	    !pci_address_parse(name, &address))
		return;
	device->physfn = topology_at(topology, &address);
	if (device->physfn == device)
		device->physfn = NULL;
}

static void place_all(struct topology *topology)
{
	char target[PATH_MAX];

	for (size_t i = 0; i < topology->count; i++) {
		struct pci_device *device = &topology->devices[i];

		if (sysroot_link(&topology->root, target, sizeof(target), DEVICES "/%s",
				 device->name) >= 0)
			place(topology, device, target);
		link_physfn(topology, device);
	}
}

/* A made-up tree may say that two bridges are above each other. */
static void cut_loops(struct topology *topology)
{
	for (size_t i = 0; i < topology->count; i++) {
		struct pci_device *device = &topology->devices[i];
		const struct pci_device *at = device;
		int depth = 0;

		while (at && depth++ < PCI_DEPTH_MAX)
			at = topology_upstream(at);
		if (!at)
			continue;
		device->host = NULL;
		device->above = NULL;
		device->physfn = NULL;
	}
}

/* The kernel puts devices on a bus in the order in which it finds them: by number. */
static void find_first_devices(struct topology *topology)
{
	for (size_t i = 0; i < topology->count; i++) {
		struct pci_device *device = &topology->devices[i];

		if (device->above)
			device->above->below++;
		else if (device->host && !device->physfn && !device->host->first)
			device->host->first = device;
	}
}

/* For whoever looks for a place to move a card to: there are few of them. */
static bool find_ports(struct topology *topology)
{
	for (size_t i = 0; i < topology->count; i++) {
		const struct pci_device *device = &topology->devices[i], **row;

		if (device->config.port == PORT_UPSTREAM)
			row = ROWS_ADD(topology->switches, topology->switch_count);
		else if (device->config.port == PORT_DOWNSTREAM && !device->below && device->above)
			row = ROWS_ADD(topology->free_ports, topology->free_port_count);
		else
			continue;
		if (!row)
			return false;
		*row = device;
	}
	return true;
}

/* ---- the devices ---- */

static void read_config(struct topology *topology, struct pci_device *device)
{
	struct sysroot_file file;
	struct config_space config = { .file = &file };

	sysroot_file_open(&topology->root, &file, DEVICES "/%s/config", device->name);
	config.stated = file.stated;
	config_read(&config, &device->config);
	sysroot_file_close(&file);
}

static void read_device(struct topology *topology, struct pci_device *device)
{
	const struct sysroot *root = &topology->root;
	uint64_t value;

	device->vendor = device->device = PCI_ID_UNKNOWN;
	device->prefetchable = NOT_KNOWN;
	device->class = PCI_CLASS_UNKNOWN;
	if (!sysroot_u64(root, &value, DEVICES "/%s/vendor", device->name) && value <= 0xffff)
		device->vendor = (int32_t)value;
	if (!sysroot_u64(root, &value, DEVICES "/%s/device", device->name) && value <= 0xffff)
		device->device = (int32_t)value;
	if (!sysroot_u64(root, &value, DEVICES "/%s/class", device->name) && value <= 0xffffff)
		device->class = (uint32_t)value;
	device->has_pool = S_ISDIR(sysroot_mode(root, DEVICES "/%s/p2pmem", device->name));
	read_config(topology, device);
}

static int list_devices(struct topology *topology, struct p2p_error *err)
{
	struct name_list names;
	int status = 0;

	if (sysroot_list(&topology->root, &names, DEVICES))
		return p2p_fail_errno(err, "cannot list the PCI devices in %s%s" DEVICES,
				      topology->root.path,
				      topology->root.tree	? ": "
				      : topology->root.captured ? "/"
								: "");
	for (size_t i = 0; i < names.count && !status; i++) {
		struct pci_device *device;
		struct pci_address address;

		if (strlen(names.names[i]) >= sizeof(device->name) ||
		    !pci_address_parse(names.names[i], &address))
			continue;
		device = ROWS_ADD(topology->devices, topology->count);
		if (!device) {
			status = p2p_fail(err, "out of memory");
			break;
		}
		device->address = address;
		memcpy(device->name, names.names[i], strlen(names.names[i]) + 1);
	}
	name_list_free(&names);
	return status;
}

/* ---- the rest of the system ---- */

/* The value of the first "KEY\t: VALUE" line. */
static bool cpuinfo_value(const char *text, const char *key, char *to, size_t room)
{
	const char *line = text;

	while (line && *line) {
		size_t length = strlen(key);
		const char *at = line + length;

		if (!strncmp(line, key, length)) {
			at += strspn(at, " \t");
			if (*at == ':') {
				at++;
				at += strspn(at, " \t");
				snprintf(to, room, "%.*s", (int)strcspn(at, "\n"), at);
				return true;
			}
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return false;
}

/* The kernel asks its first CPU.  What is no x86 has no vendor_id and is no Zen. */
static void read_cpu(struct topology *topology)
{
	char *text = sysroot_read(&topology->root, SYSROOT_FILE, NULL, "proc/cpuinfo");
	char vendor[32], family[16];

	topology->zen = ANSWER_UNKNOWN;
	if (text && *text) {
		topology->zen = ANSWER_NO;
		if (cpuinfo_value(text, "vendor_id", vendor, sizeof(vendor)) &&
		    cpuinfo_value(text, "cpu family", family, sizeof(family))) {
			snprintf(topology->cpu, sizeof(topology->cpu), "%s family %s", vendor,
				 family);
			if (!strcmp(vendor, "AuthenticAMD") && strtol(family, NULL, 10) >= 0x17)
				topology->zen = ANSWER_YES;
		}
	}
	free(text);
}

static void read_system(struct topology *topology)
{
	struct name_list iommus;

	read_cpu(topology);
	sysroot_line(&topology->root, topology->kernel, sizeof(topology->kernel),
		     "proc/sys/kernel/osrelease");
	topology->cmdline = sysroot_read(&topology->root, SYSROOT_VALUE, NULL, "proc/cmdline");
	topology->iommu = ANSWER_UNKNOWN;
	if (!sysroot_list(&topology->root, &iommus, "sys/class/iommu")) {
		topology->iommu = iommus.count ? ANSWER_YES : ANSWER_NO;
		name_list_free(&iommus);
	} else if (errno == ENOENT && S_ISDIR(sysroot_mode(&topology->root, "sys/class"))) {
		topology->iommu = ANSWER_NO;
	}
}

/* All of it, from the root that is open. */
static int read_all(struct topology *topology, struct p2p_error *err)
{
	if (list_devices(topology, err)) {
		topology_free(topology);
		return -1;
	}
	rows_sort(topology->devices, topology->count, sizeof(*topology->devices), compare_devices);
	topology->hosts = calloc(topology->count ? topology->count : 1, sizeof(*topology->hosts));
	if (!topology->hosts) {
		topology_free(topology);
		return p2p_fail(err, "out of memory");
	}
	for (size_t i = 0; i < topology->count; i++)
		read_device(topology, &topology->devices[i]);
	place_all(topology);
	cut_loops(topology);
	find_first_devices(topology);
	if (!find_ports(topology)) {
		topology_free(topology);
		return p2p_fail(err, "out of memory");
	}
	read_system(topology);
	return 0;
}

int topology_load(struct topology *topology, const char *dir, struct p2p_error *err)
{
	*topology = (struct topology){ .root.fd = -1 };
	return sysroot_open(&topology->root, dir, err) ? -1 : read_all(topology, err);
}

int topology_of_tree(struct topology *topology, const struct tree *tree, const char *name,
		     struct p2p_error *err)
{
	*topology = (struct topology){ .root.fd = -1 };
	sysroot_of_tree(&topology->root, tree, name);
	return read_all(topology, err);
}

void topology_free(struct topology *topology)
{
	free(topology->devices);
	free(topology->hosts);
	free(topology->switches);
	free(topology->free_ports);
	free(topology->cmdline);
	sysroot_close(&topology->root);
	*topology = (struct topology){ .root.fd = -1 };
}
