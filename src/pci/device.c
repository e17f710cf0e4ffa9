// SPDX-License-Identifier: GPL-2.0-or-later
/* One device of a topology: what it is, what it is called, what is shown of it. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/table.h"
#include "p2ptrace/topology.h"

#define DEVICE "sys/bus/pci/devices/%s/"

/* ---- what it is ---- */

enum {
	CLASS_BRIDGE = 0x06,
	CLASS_PCI_BRIDGE = 0x0604,
	BARS = 6,
	RESOURCE_MEMORY = 0x200,
	RESOURCE_PREFETCHABLE = 0x2000,
};

/* Smaller ones are registers. */
#define LARGE_BAR ((uint64_t)16 << 20)

/* The first `bits` of the 24-bit class decide; the first row that fits counts. */
static const struct {
	uint32_t class;
	unsigned int bits;
	const char *role;
	bool matters, provides;
} roles[] = {
	{ 0x010800, 16, "nvme", true, false },
	{ 0x030000, 8, "gpu", true, true },
	{ 0x020000, 8, "nic", true, false },
	{ 0x0c0600, 16, "nic", true, false }, /* InfiniBand */
	{ 0x120000, 8, "accelerator", true, true },
	{ 0x0b4000, 16, "accelerator", true, true }, /* co-processor */
	{ 0x060000, 8, "bridge", false, false },
};

#define ROLES (sizeof(roles) / sizeof(roles[0]))

static size_t role_of(const struct pci_device *device)
{
	size_t i = 0;

	if (device->class == PCI_CLASS_UNKNOWN)
		return ROLES;
	while (i < ROLES && (device->class ^ roles[i].class) >> (24 - roles[i].bits))
		i++;
	return i;
}

const char *pci_role(const struct pci_device *device)
{
	size_t role = role_of(device);

	return role < ROLES ? roles[role].role : "other";
}

bool pci_is_bridge(const struct pci_device *device)
{
	return device->below ||
	       (device->class != PCI_CLASS_UNKNOWN && device->class >> 8 == CLASS_PCI_BRIDGE);
}

/* "0xSTART 0xEND 0xFLAGS" a line, the BARs first. */
static uint64_t largest_prefetchable(const char *text)
{
	uint64_t start, end, flags, largest = 0;

	for (int i = 0; i < BARS && text; i++) {
		if (sscanf(text, "%" SCNx64 " %" SCNx64 " %" SCNx64, &start, &end, &flags) != 3)
			break;
		if (flags & RESOURCE_MEMORY && flags & RESOURCE_PREFETCHABLE && end > start &&
		    end - start >= largest)
			largest = end - start + 1;
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return largest;
}

static void read_bars(const struct topology *topology, struct pci_device *device)
{
	char *text;

	if (device->prefetchable != NOT_KNOWN)
		return;
	text = sysroot_read(&topology->root, SYSROOT_VALUE, NULL, DEVICE "resource", device->name);
	device->prefetchable = text ? largest_prefetchable(text) : 0;
	free(text);
}

bool pci_may_provide(const struct topology *topology, struct pci_device *device)
{
	size_t role = role_of(device);

	if (device->has_pool || (role < ROLES && roles[role].provides))
		return true;
	if (pci_is_bridge(device) || (role < ROLES && !roles[role].matters))
		return false;
	read_bars(topology, device);
	return device->prefetchable >= LARGE_BAR;
}

bool pci_matters(const struct topology *topology, struct pci_device *device)
{
	size_t role = role_of(device);

	return (role < ROLES && roles[role].matters) || pci_may_provide(topology, device);
}

/* ---- details ---- */

/* Directories of a device that hold its devices of a class, and those wanted. */
static const struct {
	const char *directory, *prefix;
} child_classes[] = {
	{ "nvme", "nvme" }, { "drm", "card" },	  { "drm", "renderD" },
	{ "accel", "" },    { "infiniband", "" }, { "net", "" },
};

static void append_names(const struct topology *topology, struct pci_device *device, size_t class)
{
	const char *prefix = child_classes[class].prefix;
	size_t used = strlen(device->kernel_names), room = sizeof(device->kernel_names);
	struct name_list names;

	if (sysroot_list(&topology->root, &names, DEVICE "%s", device->name,
			 child_classes[class].directory))
		return;
	for (size_t i = 0; i < names.count; i++) {
		size_t length = strlen(names.names[i]);

		/* Connectors, "card0-DP-1", are no devices of their own. */
		if (strncmp(names.names[i], prefix, strlen(prefix)) != 0 ||
		    (*prefix && strchr(names.names[i], '-')) || used + length + 2 > room)
			continue;
		used += (size_t)snprintf(device->kernel_names + used, room - used, "%s%s",
					 used ? " " : "", names.names[i]);
	}
	name_list_free(&names);
}

static void read_pool(const struct topology *topology, struct pci_device *device)
{
	const struct sysroot *root = &topology->root;
	uint64_t value;

	device->pool_size = device->pool_available = NOT_KNOWN;
	device->pool_published = ANSWER_UNKNOWN;
	if (!device->has_pool)
		return;
	if (!sysroot_u64(root, &value, DEVICE "p2pmem/size", device->name))
		device->pool_size = value;
	if (!sysroot_u64(root, &value, DEVICE "p2pmem/available", device->name))
		device->pool_available = value;
	if (!sysroot_u64(root, &value, DEVICE "p2pmem/published", device->name))
		device->pool_published = value ? ANSWER_YES : ANSWER_NO;
}

/* "16.0 GT/s PCIe"; "Unknown" gives 0. */
static double read_speed(const struct topology *topology, const struct pci_device *device,
			 const char *file)
{
	char text[64];
	double speed;

	if (sysroot_line(&topology->root, text, sizeof(text), DEVICE "%s", device->name, file) < 0)
		return 0;
	speed = strtod(text, NULL);
	return speed > 0 && speed < 10000 ? speed : 0;
}

static uint32_t read_width(const struct topology *topology, const struct pci_device *device,
			   const char *file)
{
	uint64_t width;

	if (sysroot_u64(&topology->root, &width, DEVICE "%s", device->name, file))
		return 0;
	return width <= 64 ? (uint32_t)width : 0;
}

void topology_details(const struct topology *topology, struct pci_device *device)
{
	const struct sysroot *root = &topology->root;

	if (device->detailed)
		return;
	device->detailed = true;
	if (sysroot_i64(root, &device->numa, DEVICE "numa_node", device->name))
		device->numa = -1;
	if (sysroot_link_name(root, device->driver, sizeof(device->driver), DEVICE "driver",
			      device->name))
		device->driver[0] = '\0';
	if (!sysroot_link_name(root, device->iommu_group, sizeof(device->iommu_group),
			       DEVICE "iommu_group", device->name))
		sysroot_line(root, device->iommu_type, sizeof(device->iommu_type),
			     DEVICE "iommu_group/type", device->name);
	else
		device->iommu_group[0] = '\0';
	for (size_t i = 0; i < sizeof(child_classes) / sizeof(child_classes[0]); i++)
		append_names(topology, device, i);
	read_bars(topology, device);
	read_pool(topology, device);
	device->link.speed = read_speed(topology, device, "current_link_speed");
	device->link.speed_max = read_speed(topology, device, "max_link_speed");
	device->link.width = read_width(topology, device, "current_link_width");
	device->link.width_max = read_width(topology, device, "max_link_width");
}

bool pci_link_is_below(const struct pci_link *link)
{
	return (link->speed > 0 && link->speed < link->speed_max) ||
	       (link->width && link->width < link->width_max);
}

/* ---- finding one by name ---- */

static const char *const classes[] = {
	"nvme", "block", "net", "drm", "infiniband", "accel", "infiniband_verbs", "misc",
};

/* Folders of /dev that hold such devices. */
static const char *const folders[] = { "/dev/dri/", "/dev/accel/", "/dev/infiniband/", "/dev/" };

static const char *without_folder(const char *name)
{
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (!strncmp(name, folders[i], strlen(folders[i])))
			return name + strlen(folders[i]);
	return name;
}

/* The last component that is a PCI device of the topology. */
static struct pci_device *device_in_path(const struct topology *topology, char *path)
{
	struct pci_device *found = NULL, *device;
	struct pci_address address;
	char *rest;

	for (char *word = strtok_r(path, "/", &rest); word; word = strtok_r(NULL, "/", &rest)) {
		device = strlen(word) >= 12 && pci_address_parse(word, &address)
				 ? topology_at(topology, &address)
				 : NULL;
		found = device ? device : found;
	}
	return found;
}

static struct pci_device *find_in_classes(const struct topology *topology, const char *name,
					  bool *exists, char *target, size_t room)
{
	char path[PATH_MAX];
	struct pci_device *device;

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (sysroot_link(&topology->root, path, sizeof(path), "sys/class/%s/%s", classes[i],
				 name) < 0)
			continue;
		*exists = true;
		snprintf(target, room, "%s", path);
		device = device_in_path(topology, path);
		if (device)
			return device;
	}
	return NULL;
}

/* "nvme3" but not "nvme3n1". */
static bool is_nvme_controller(const char *name)
{
	return !strncmp(name, "nvme", 4) && name[4] &&
	       name[4 + strspn(name + 4, "0123456789")] == '\0';
}

/* A block device over several controllers stands below its subsystem: the one
 * controller, or words that ask which. */
static struct pci_device *find_in_subsystem(const struct topology *topology, const char *name,
					    const char *target, struct p2p_error *err)
{
	const char *subsystem = strstr(target, "/nvme-subsys");
	char controller[32] = "", path[PATH_MAX];
	struct pci_device *device = NULL;
	struct name_list names;
	int controllers = 0;
	bool exists;

	subsystem = subsystem ? strstr(subsystem + 1, "nvme-subsys") : NULL;
	while (subsystem && !strncmp(subsystem, "nvme-subsystem", 14))
		subsystem = strstr(subsystem + 1, "nvme-subsys");
	if (subsystem && !sysroot_list(&topology->root, &names, "sys/class/nvme-subsystem/%.*s",
				       (int)strcspn(subsystem, "/"), subsystem)) {
		for (size_t i = 0; i < names.count; i++)
			if (is_nvme_controller(names.names[i]) && !controllers++)
				snprintf(controller, sizeof(controller), "%s", names.names[i]);
		name_list_free(&names);
	}
	if (controllers == 1)
		device = find_in_classes(topology, controller, &exists, path, sizeof(path));
	if (device)
		return device;
	if (controllers > 1)
		p2p_fail_usage(err, "%s is reached through %d controllers: name one (%s, ...)",
			       name, controllers, controller);
	else
		p2p_fail_usage(err,
			       "%s is not a PCI device; the kernel refuses P2PDMA for any other",
			       name);
	return NULL;
}

struct pci_device *topology_find(const struct topology *topology, const char *name,
				 struct p2p_error *err)
{
	const char *word = without_folder(name);
	struct pci_address address;
	struct pci_device *device;
	char target[PATH_MAX];
	bool exists = false;

	if (pci_address_parse(word, &address)) {
		device = topology_at(topology, &address);
		if (!device)
			p2p_fail_usage(err, "no PCI device %s ('p2ptrace topo --all' lists them)",
				       name);
		return device;
	}
	if (!*word || *word == '.' || strchr(word, '/')) {
		p2p_fail_usage(err, "'%s' is no device's name: 0000:03:00.0, nvme0, eth0, card0",
			       name);
		return NULL;
	}
	device = find_in_classes(topology, word, &exists, target, sizeof(target));
	if (device)
		return device;
	if (exists)
		return find_in_subsystem(topology, name, target, err);
	p2p_fail_usage(err,
		       "no device '%s': an address (0000:03:00.0) or a name (nvme0, eth0, card0)",
		       name);
	return NULL;
}
