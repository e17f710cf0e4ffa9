// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "p2ptrace/capture.h"
#include "p2ptrace/config_space.h"

#define DEVICES "sys/bus/pci/devices"
#define DEBUGFS "sys/kernel/debug"

struct capture {
	const struct sysroot *from;
	struct tree *tree;
	bool failed; /* no memory, or too much */
};

/* The files of a device that hold a line or a table. */
static const char *const device_files[] = {
	"vendor",
	"device",
	"class",
	"resource",
	"numa_node",
	"current_link_speed",
	"current_link_width",
	"max_link_speed",
	"max_link_width",
};

static const char *const pool_files[] = { "size", "available", "published" };

/* Directories of a device whose entries are its devices of a class. */
static const char *const child_dirs[] = { "nvme", "drm", "accel", "infiniband", "net" };

/* Classes whose devices people name. */
static const char *const classes[] = {
	"nvme", "block", "net", "drm", "infiniband", "accel", "infiniband_verbs", "misc",
};

/* Lists of numbers: "0-63". */
static const char *const number_files[] = {
	"sys/devices/system/cpu/online",
	"sys/devices/system/cpu/possible",
	"sys/devices/system/node/online",
	"proc/sys/kernel/osrelease",
	"proc/cmdline",
};

/* Of the first CPU. */
static const char *const cpu_keys[] = { "processor", "vendor_id", "cpu family", "model",
					"model name" };

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Of the result of adding: what is there already, or has a name that cannot be stored, is
 * left as it is. */
static void added(struct capture *capture, int result)
{
	if (result && (errno == ENOMEM || errno == EFBIG))
		capture->failed = true;
}

/* Notes what is there and may not be read; all else that failed is just not there. */
static void missed(struct capture *capture, const char *path)
{
	if (errno == EACCES || errno == EPERM)
		added(capture, tree_add_denied(capture->tree, path));
	else if (errno == ENOMEM)
		capture->failed = true;
}

static void copy_file(struct capture *capture, const char *path)
{
	size_t size;
	char *text = sysroot_read(capture->from, SYSROOT_VALUE, &size, "%s", path);

	if (text)
		added(capture, tree_add_file(capture->tree, path, text, size));
	else
		missed(capture, path);
	free(text);
}

static void copy_link(struct capture *capture, const char *path)
{
	char target[PATH_MAX];

	if (sysroot_link(capture->from, target, sizeof(target), "%s", path) >= 0)
		added(capture, tree_add_link(capture->tree, path, target));
}

/* A directory's names as empty directories in it. */
static void copy_names(struct capture *capture, const char *dir)
{
	struct name_list names;
	char path[PATH_MAX];

	if (sysroot_list(capture->from, &names, "%s", dir)) {
		missed(capture, dir);
		return;
	}
	added(capture, tree_add_dir(capture->tree, dir));
	for (size_t i = 0; i < names.count; i++)
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, names.names[i]) <
		    sizeof(path))
			added(capture, tree_add_dir(capture->tree, path));
	name_list_free(&names);
}

/* Every regular file in a directory; whether it is there. */
static bool copy_files(struct capture *capture, const char *dir)
{
	struct name_list names;
	char path[PATH_MAX];

	if (sysroot_list(capture->from, &names, "%s", dir)) {
		missed(capture, dir);
		return false;
	}
	added(capture, tree_add_dir(capture->tree, dir));
	for (size_t i = 0; i < names.count; i++)
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, names.names[i]) <
		    sizeof(path))
			copy_file(capture, path);
	name_list_free(&names);
	return true;
}

/* ---- a device ---- */

/* The registers that were read, as tree_add_pieces() wants them: how many bytes. */
static size_t make_pieces(const struct config_seen *seen, uint8_t *pieces)
{
	size_t used = 0, at = 0;

	while (at < CONFIG_SPACE_BYTES) {
		size_t end = at;

		while (end < CONFIG_SPACE_BYTES && seen->known[end])
			end++;
		if (end > at) {
			const uint8_t head[] = { (uint8_t)at, (uint8_t)(at >> 8),
						 (uint8_t)(end - at), (uint8_t)((end - at) >> 8) };

			memcpy(pieces + used, head, sizeof(head));
			memcpy(pieces + used + sizeof(head), seen->bytes + at, end - at);
			used += sizeof(head) + end - at;
		}
		at = end + 1;
	}
	return used;
}

/* What the rule reads of its configuration space, and nothing else of it: some devices do
 * not survive a read of everything. */
static void copy_config(struct capture *capture, const char *device)
{
	/* A piece has 4 bytes before it, and at least one behind that is not known. */
	uint8_t pieces[CONFIG_SPACE_BYTES * 3];
	struct config_seen seen;
	struct sysroot_file file;
	struct config_space config = { .file = &file, .seen = &seen };
	struct config_facts facts;
	char path[PATH_MAX];

	memset(seen.known, 0, sizeof(seen.known));
	snprintf(path, sizeof(path), DEVICES "/%s/config", device);
	if (sysroot_file_open(capture->from, &file, "%s", path)) {
		missed(capture, path);
		return;
	}
	config.stated = file.stated;
	config_read(&config, &facts);
	sysroot_file_close(&file);
	added(capture, tree_add_pieces(capture->tree, path, (uint32_t)config.stated, pieces,
				       make_pieces(&seen, pieces)));
}

static void copy_group(struct capture *capture, const char *device)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/iommu_group", device);
	copy_link(capture, path);
	snprintf(path, sizeof(path), DEVICES "/%s/iommu_group/type", device);
	copy_file(capture, path);
}

static void copy_pool(struct capture *capture, const char *device)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/p2pmem", device);
	if (!S_ISDIR(sysroot_mode(capture->from, "%s", path)))
		return;
	added(capture, tree_add_dir(capture->tree, path));
	for (size_t i = 0; i < COUNT(pool_files); i++) {
		snprintf(path, sizeof(path), DEVICES "/%s/p2pmem/%s", device, pool_files[i]);
		copy_file(capture, path);
	}
	snprintf(path, sizeof(path), DEVICES "/%s/p2pmem/stats", device);
	copy_files(capture, path);
}

/* Where it hangs: the link itself, and the place it leads to. */
static void copy_place(struct capture *capture, const char *device)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s", device);
	copy_link(capture, path);
	added(capture, tree_add_dir(capture->tree, path));
}

static void copy_device(struct capture *capture, const char *device)
{
	char path[PATH_MAX];

	copy_place(capture, device);
	for (size_t i = 0; i < COUNT(device_files); i++) {
		snprintf(path, sizeof(path), DEVICES "/%s/%s", device, device_files[i]);
		copy_file(capture, path);
	}
	copy_config(capture, device);
	snprintf(path, sizeof(path), DEVICES "/%s/driver", device);
	copy_link(capture, path);
	snprintf(path, sizeof(path), DEVICES "/%s/physfn", device);
	copy_link(capture, path);
	copy_group(capture, device);
	for (size_t i = 0; i < COUNT(child_dirs); i++) {
		snprintf(path, sizeof(path), DEVICES "/%s/%s", device, child_dirs[i]);
		copy_names(capture, path);
	}
}

/* The device directories of a system; an empty list when there are none. */
static void list_devices(struct capture *capture, struct name_list *devices)
{
	if (sysroot_list(capture->from, devices, DEVICES))
		missed(capture, DEVICES);
	else
		added(capture, tree_add_dir(capture->tree, DEVICES));
}

/* ---- the system ---- */

/* Devices below a PCI device, and NVMe ones with several paths, which are below none. */
static bool is_wanted(const char *target)
{
	return strstr(target, "/pci") || strstr(target, "/nvme-subsys");
}

static void copy_class(struct capture *capture, const char *class)
{
	char path[PATH_MAX], target[PATH_MAX];
	struct name_list names;

	if (sysroot_list(capture->from, &names, "sys/class/%s", class))
		return;
	for (size_t i = 0; i < names.count; i++) {
		snprintf(path, sizeof(path), "sys/class/%s/%s", class, names.names[i]);
		if (sysroot_link(capture->from, target, sizeof(target), "%s", path) >= 0 &&
		    is_wanted(target))
			added(capture, tree_add_link(capture->tree, path, target));
	}
	name_list_free(&names);
}

/* Which controllers a subsystem has. */
static void copy_subsystems(struct capture *capture)
{
	static const char class[] = "sys/class/nvme-subsystem";
	struct name_list names, controllers;
	char path[PATH_MAX];

	if (sysroot_list(capture->from, &names, "%s", class))
		return;
	for (size_t i = 0; i < names.count; i++) {
		if (sysroot_list(capture->from, &controllers, "%s/%s", class, names.names[i]))
			continue;
		for (size_t k = 0; k < controllers.count; k++) {
			snprintf(path, sizeof(path), "%s/%s/%s", class, names.names[i],
				 controllers.names[k]);
			if (!strncmp(controllers.names[k], "nvme", 4))
				added(capture, tree_add_dir(capture->tree, path));
		}
		name_list_free(&controllers);
	}
	name_list_free(&names);
}

/* Whether a line "KEY\t: VALUE" is of a key that is kept. */
static bool is_cpu_line(const char *line)
{
	for (size_t i = 0; i < COUNT(cpu_keys); i++) {
		size_t length = strlen(cpu_keys[i]);

		if (!strncmp(line, cpu_keys[i], length) &&
		    line[length + strspn(line + length, " \t")] == ':')
			return true;
	}
	return false;
}

/* The kernel asks its first CPU, and so do we. */
static void copy_cpu(struct capture *capture)
{
	char *text = sysroot_read(capture->from, SYSROOT_FILE, NULL, "proc/cpuinfo");
	char kept[1024], *save = NULL;
	size_t used = 0;

	if (!text)
		return;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (used && !strncmp(line, "processor", 9))
			break;
		if (is_cpu_line(line) && strlen(line) < sizeof(kept) - used - 1)
			used += (size_t)snprintf(kept + used, sizeof(kept) - used, "%s\n", line);
	}
	/* Something stands there on every CPU: that is known, too. */
	if (!used && *text)
		used = (size_t)snprintf(kept, sizeof(kept), "processor\t: 0\n");
	added(capture, tree_add_file(capture->tree, "proc/cpuinfo", kept, used));
	free(text);
}

static void copy_nodes(struct capture *capture)
{
	static const char dir[] = "sys/devices/system/node";
	struct name_list names;
	char path[PATH_MAX];

	if (sysroot_list(capture->from, &names, "%s", dir))
		return;
	for (size_t i = 0; i < names.count; i++) {
		snprintf(path, sizeof(path), "%s/%s/cpulist", dir, names.names[i]);
		if (!strncmp(names.names[i], "node", 4))
			copy_file(capture, path);
	}
	name_list_free(&names);
}

/* ---- the counters ---- */

/* That debugfs is there at all is worth to know where it has no counters. */
static void note_debugfs(struct capture *capture)
{
	struct name_list names;
	char path[PATH_MAX];

	if (sysroot_list(capture->from, &names, DEBUGFS)) {
		missed(capture, DEBUGFS);
		return;
	}
	added(capture, tree_add_dir(capture->tree, DEBUGFS));
	if (names.count) {
		snprintf(path, sizeof(path), DEBUGFS "/%s", names.names[0]);
		added(capture, tree_add_dir(capture->tree, path));
	}
	name_list_free(&names);
}

static void copy_counters(struct capture *capture, const struct name_list *devices)
{
	if (!copy_files(capture, DEBUGFS "/pci-p2pdma"))
		note_debugfs(capture);
	for (size_t i = 0; i < devices->count; i++)
		copy_pool(capture, devices->names[i]);
}

/* ---- the whole ---- */

static struct tree *finish(struct capture *capture, struct name_list *devices,
			   struct p2p_error *err)
{
	name_list_free(devices);
	if (!capture->failed)
		return capture->tree;
	tree_free(capture->tree);
	p2p_fail(err, "the PCI tree does not fit");
	return NULL;
}

static bool begin(struct capture *capture, const struct sysroot *root, struct p2p_error *err)
{
	*capture = (struct capture){ root, tree_new(), false };
	if (!capture->tree)
		p2p_fail(err, "no memory for the PCI tree");
	return capture->tree;
}

struct tree *capture_system(const struct sysroot *root, struct p2p_error *err)
{
	struct name_list devices;
	struct capture capture;

	if (!begin(&capture, root, err))
		return NULL;
	for (size_t i = 0; i < COUNT(number_files); i++)
		copy_file(&capture, number_files[i]);
	copy_cpu(&capture);
	copy_nodes(&capture);
	if (S_ISDIR(sysroot_mode(root, "sys/class")))
		added(&capture, tree_add_dir(capture.tree, "sys/class"));
	copy_names(&capture, "sys/class/iommu");
	list_devices(&capture, &devices);
	for (size_t i = 0; i < devices.count; i++)
		copy_device(&capture, devices.names[i]);
	for (size_t i = 0; i < COUNT(classes); i++)
		copy_class(&capture, classes[i]);
	copy_subsystems(&capture);
	/* Last: they are those of the recording's start. */
	copy_counters(&capture, &devices);
	return finish(&capture, &devices, err);
}

struct tree *capture_counters(const struct sysroot *root, struct p2p_error *err)
{
	struct name_list devices;
	struct capture capture;
	char path[PATH_MAX];

	if (!begin(&capture, root, err))
		return NULL;
	list_devices(&capture, &devices);
	for (size_t i = 0; i < devices.count; i++) {
		snprintf(path, sizeof(path), DEVICES "/%s/p2pmem", devices.names[i]);
		if (S_ISDIR(sysroot_mode(root, "%s", path)))
			copy_place(&capture, devices.names[i]);
	}
	copy_counters(&capture, &devices);
	return finish(&capture, &devices, err);
}
