// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "p2ptrace/counters.h"
#include "p2ptrace/rows.h"

#define DEBUGFS "sys/kernel/debug"
#define GLOBAL DEBUGFS "/pci-p2pdma"
#define DEVICES "sys/bus/pci/devices"

/* The values that go up and down. */
static const char *const gauges[] = { "size_bytes", "available_bytes", "published", "mapped_bytes",
				      "peak_mapped_bytes" };

/* A pool's files, and the names they get. */
static const struct {
	const char *file, *name;
} pool_files[] = {
	{ "size", "size_bytes" },
	{ "available", "available_bytes" },
	{ "published", "published" },
};

/* ---- reading ---- */

static struct counter *add_counter(struct counter_list *list, const char *name)
{
	struct counter *row = ROWS_ADD(list->rows, list->count);

	if (!row)
		return NULL;
	row->name = strdup(name);
	return row->name ? row : NULL;
}

/* Every regular file of a directory; *error is errno of listing it. */
static int read_directory(const struct sysroot *root, const char *path, struct counter_list *list,
			  int *error)
{
	struct name_list names;
	int result = 0;

	*error = sysroot_list(root, &names, "%s", path) ? errno : 0;
	for (size_t i = 0; i < names.count && !result; i++) {
		struct counter *row;
		uint64_t value = 0;
		bool known = !sysroot_u64(root, &value, "%s/%s", path, names.names[i]);

		if (!known && errno == EISDIR)
			continue;
		row = add_counter(list, names.names[i]);
		if (row) {
			row->value = value;
			row->known = known;
		} else {
			result = -1;
		}
	}
	name_list_free(&names);
	return result;
}

static int read_pool(const struct sysroot *root, const char *device, struct counter_list *pool)
{
	for (size_t i = 0; i < sizeof(pool_files) / sizeof(pool_files[0]); i++) {
		struct counter *row = add_counter(pool, pool_files[i].name);

		if (!row)
			return -1;
		row->known = !sysroot_u64(root, &row->value, DEVICES "/%s/p2pmem/%s", device,
					  pool_files[i].file);
	}
	return 0;
}

static int read_provider(const struct sysroot *root, const char *device, struct counters *counters)
{
	struct provider_counters *provider =
		ROWS_ADD(counters->providers, counters->provider_count);
	char path[320];
	int error;

	if (!provider)
		return -1;
	provider->device = strdup(device);
	if (!provider->device || read_pool(root, device, &provider->pool))
		return -1;
	snprintf(path, sizeof(path), DEVICES "/%s/p2pmem/stats", device);
	if (read_directory(root, path, &provider->stats, &error))
		return -1;
	provider->has_stats = !error;
	return 0;
}

static int read_providers(const struct sysroot *root, struct counters *counters)
{
	struct name_list devices;
	int result = 0;

	counters->devices_error = sysroot_list(root, &devices, DEVICES) ? errno : 0;
	for (size_t i = 0; i < devices.count && !result; i++)
		if (S_ISDIR(sysroot_mode(root, DEVICES "/%s/p2pmem", devices.names[i])))
			result = read_provider(root, devices.names[i], counters);
	name_list_free(&devices);
	return result;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int counters_read(const struct sysroot *root, struct counters *counters, struct p2p_error *err)
{
	*counters = (struct counters){
		.wall_ns = now_ns(CLOCK_REALTIME),
		.mono_ns = now_ns(CLOCK_MONOTONIC),
	};
	if (!read_directory(root, GLOBAL, &counters->global, &counters->global_error) &&
	    !read_providers(root, counters))
		return 0;
	counters_free(counters);
	return p2p_fail(err, "no memory for the counters");
}

static void free_list(struct counter_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->rows[i].name);
	free(list->rows);
}

void counters_free(struct counters *counters)
{
	free_list(&counters->global);
	for (size_t i = 0; i < counters->provider_count; i++) {
		free(counters->providers[i].device);
		free_list(&counters->providers[i].pool);
		free_list(&counters->providers[i].stats);
	}
	free(counters->providers);
	*counters = (struct counters){ .wall_ns = 0 };
}

/* ---- comparing ---- */

const struct counter *counter_find(const struct counter_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->rows[i].name, name))
			return &list->rows[i];
	return NULL;
}

const struct provider_counters *provider_find(const struct counters *counters, const char *device)
{
	for (size_t i = 0; i < counters->provider_count; i++)
		if (!strcmp(counters->providers[i].device, device))
			return &counters->providers[i];
	return NULL;
}

bool counter_is_gauge(const char *name)
{
	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
		if (!strcmp(gauges[i], name))
			return true;
	return false;
}

enum counter_change counter_delta(const struct counter *before, const struct counter *now,
				  uint64_t *delta)
{
	*delta = 0;
	if (!before || !now || !before->known || !now->known || counter_is_gauge(now->name))
		return CHANGE_NOT_KNOWN;
	*delta = now->value - before->value;
	if (now->value >= before->value)
		return CHANGE_COUNTED;
	/* Less than before: a wrap is a short way round, everything else a new beginning. */
	if (*delta <= UINT64_MAX / 2)
		return CHANGE_COUNTED;
	*delta = now->value;
	return CHANGE_RESET;
}

double counters_bus_addr_ratio(const struct counters *before, const struct counters *now)
{
	static const char *const names[] = { "bus_addr_mappings", "total_mappings" };
	uint64_t values[2];

	for (size_t i = 0; i < 2; i++) {
		const struct counter *counter = counter_find(&now->global, names[i]);

		if (!counter || !counter->known)
			return NAN;
		values[i] = counter->value;
		if (before && counter_delta(counter_find(&before->global, names[i]), counter,
					    &values[i]) == CHANGE_NOT_KNOWN)
			return NAN;
	}
	if (!values[1])
		return NAN;
	/* More than 1 only because the two are not read at one instant. */
	return values[0] < values[1] ? (double)values[0] / (double)values[1] : 1;
}

/* ---- what is not there ---- */

static const char load_module[] =
	"modprobe p2ptrace_events (kernel/ in p2ptrace's sources provides the module)";
static const char use_kernel[] = "boot a kernel built with CONFIG_PCI_P2PDMA=y";
static const char become_root[] = "run it as root (sudo)";

static void miss(struct missing_layer *missing, const char *layer, const char *why,
		 const char *remedy)
{
	missing->layer = layer;
	missing->remedy = remedy;
	snprintf(missing->why, sizeof(missing->why), "%s", why);
}

static size_t unknown_count(const struct counter_list *list)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		count += !list->rows[i].known;
	return count;
}

/* The directory is not there: is debugfs itself? */
static void explain_no_directory(const struct sysroot *root, bool without,
				 struct missing_layer *missing)
{
	struct name_list names;
	int error = sysroot_list(root, &names, DEBUGFS) ? errno : 0;
	bool empty = !names.count;

	name_list_free(&names);
	if (error == EACCES || error == EPERM)
		miss(missing, "debugfs", "/" DEBUGFS " may be read by root only", become_root);
	else if (error)
		miss(missing, "debugfs", "this kernel has no debugfs",
		     "boot a kernel built with CONFIG_DEBUG_FS=y, and without debugfs=off");
	else if (empty)
		miss(missing, "debugfs", "debugfs is not mounted at /" DEBUGFS,
		     "mount -t debugfs nodev /" DEBUGFS);
	else if (without)
		miss(missing, "debugfs", "this kernel was built without CONFIG_PCI_P2PDMA",
		     use_kernel);
	else
		miss(missing, "debugfs", "no counters: there is no /" GLOBAL, load_module);
}

static bool miss_global(const struct sysroot *root, const struct counters *counters, bool without,
			struct missing_layer *missing)
{
	size_t unknown = unknown_count(&counters->global);
	int error = counters->global_error;

	if (error == ENOENT || error == ENOTDIR) {
		explain_no_directory(root, without, missing);
	} else if (error) {
		miss(missing, "debugfs", "", become_root);
		snprintf(missing->why, sizeof(missing->why), "cannot list /" GLOBAL ": %s",
			 strerror(error));
	} else if (!counters->global.count) {
		miss(missing, "debugfs", "/" GLOBAL " is empty", load_module);
	} else if (unknown) {
		miss(missing, "debugfs", "", become_root);
		snprintf(missing->why, sizeof(missing->why),
			 "%zu of %zu counters in /" GLOBAL " cannot be read", unknown,
			 counters->global.count);
	} else {
		return false;
	}
	return true;
}

static bool miss_pools(const struct counters *counters, bool without, struct missing_layer *missing)
{
	if (counters->provider_count)
		return false;
	if (counters->devices_error) {
		miss(missing, "p2pmem", "", "mount -t sysfs nodev /sys");
		snprintf(missing->why, sizeof(missing->why),
			 "cannot list PCI devices in /" DEVICES ": %s",
			 strerror(counters->devices_error));
	} else if (without) {
		miss(missing, "p2pmem", "this kernel was built without CONFIG_PCI_P2PDMA",
		     use_kernel);
	} else {
		miss(missing, "p2pmem", "no device offers peer memory (p2pmem)",
		     "bind a driver that registers some, as nvme does for a drive with a "
		     "controller memory buffer; 'p2ptrace doctor' tells more");
	}
	return true;
}

static bool miss_stats(const struct counters *counters, struct missing_layer *missing)
{
	const struct provider_counters *first = NULL;
	size_t count = 0;

	for (size_t i = 0; i < counters->provider_count; i++) {
		if (counters->providers[i].has_stats)
			continue;
		first = first ? first : &counters->providers[i];
		count++;
	}
	if (!count)
		return false;
	miss(missing, "stats", "", load_module);
	snprintf(missing->why, sizeof(missing->why),
		 "%zu of %zu providers have no p2pmem/stats (%.32s%s)", count,
		 counters->provider_count, first->device, count > 1 ? ", ..." : "");
	return true;
}

size_t counters_missing(const struct sysroot *root, const struct counters *counters, bool without,
			struct missing_layer missing[MISSING_LAYERS_MAX])
{
	size_t count = 0;

	count += miss_global(root, counters, without, &missing[count]);
	count += miss_pools(counters, without, &missing[count]);
	count += miss_stats(counters, &missing[count]);
	return count;
}
