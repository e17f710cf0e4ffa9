// SPDX-License-Identifier: GPL-2.0-or-later
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernfs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include "provider.h"
#include "stats.h"

static DEFINE_MUTEX(stats_lock); /* every slot's folder, and the parent below */

static ssize_t value_show(struct kobject *folder, struct kobj_attribute *attribute, char *buf);

#define STATS_ATTRIBUTE(name_)                                               \
	{                                                                    \
		.attr = { .name = name_, .mode = 0444 }, .show = value_show, \
	}

static struct kobj_attribute attributes[PROVIDER_VALUES] = {
	[ALLOC_COUNT] = STATS_ATTRIBUTE("alloc_count"),
	[FREE_COUNT] = STATS_ATTRIBUTE("free_count"),
	[MAPPED_BYTES] = STATS_ATTRIBUTE("mapped_bytes"),
	[PEAK_MAPPED_BYTES] = STATS_ATTRIBUTE("peak_mapped_bytes"),
};

static struct attribute *attribute_list[] = {
	&attributes[ALLOC_COUNT].attr,
	&attributes[FREE_COUNT].attr,
	&attributes[MAPPED_BYTES].attr,
	&attributes[PEAK_MAPPED_BYTES].attr,
	NULL,
};
static const struct attribute_group stats_group = { .attrs = attribute_list };

static ssize_t value_show(struct kobject *folder, struct kobj_attribute *attribute, char *buf)
{
	struct provider *slot;
	unsigned int i;

	for (i = 0; i < PROVIDERS_MAX; i++) {
		slot = provider_at(i);
		if (slot && READ_ONCE(slot->folder) == folder)
			return sysfs_emit(buf, "%lld\n",
					  atomic64_read(&slot->value[attribute - attributes]));
	}
	return -ENODEV;
}

/*
 * sysfs hangs a folder under a kobject, but p2pmem is an attribute group and has
 * none.  This one lends its place in sysfs to the folder that is being made; its
 * own reference is never dropped, so it is never released.
 */
static void parent_release(struct kobject *unused)
{
}
static const struct kobj_type parent_type = { .release = parent_release };
static struct kobject parent;

static struct kernfs_node *p2pmem_folder(struct pci_dev *device)
{
	return kernfs_find_and_get(device->dev.kobj.sd, "p2pmem");
}

static void make_folder(struct provider *slot)
{
	struct kernfs_node *p2pmem = p2pmem_folder(slot->device);
	struct kobject *folder;

	if (!p2pmem)
		return; /* no pool, or unbound meanwhile */
	parent.sd = p2pmem;
	folder = kobject_create_and_add("stats", &parent);
	parent.sd = NULL;
	kernfs_put(p2pmem);
	if (!folder) {
		pci_warn(slot->device, "cannot make p2pmem/stats\n");
		return;
	}
	WRITE_ONCE(slot->folder, folder);
	if (sysfs_create_group(folder, &stats_group))
		pci_warn(slot->device, "cannot fill p2pmem/stats\n");
}

static void remove_folder(struct provider *slot)
{
	struct kobject *folder = slot->folder;

	if (!folder)
		return;
	kobject_del(folder); /* waits for readers; all right if p2pmem is gone */
	WRITE_ONCE(slot->folder, NULL);
	kobject_put(folder);
}

static void make_folders(struct work_struct *unused)
{
	struct provider *slot;
	unsigned int i;

	provider_scan();
	mutex_lock(&stats_lock);
	for (i = 0; i < PROVIDERS_MAX; i++) {
		slot = provider_at(i);
		if (slot && !slot->folder)
			make_folder(slot);
	}
	mutex_unlock(&stats_lock);
}
static DECLARE_WORK(stats_work, make_folders);

void stats_wanted(void)
{
	schedule_work(&stats_work);
}

static int on_bus_event(struct notifier_block *unused, unsigned long action, void *data)
{
	struct pci_dev *device = to_pci_dev(data);
	struct provider *slot;
	unsigned int i;

	if (action == BUS_NOTIFY_BOUND_DRIVER)
		stats_wanted(); /* with counters=0 nobody follows the registration itself */
	if (action != BUS_NOTIFY_UNBOUND_DRIVER && action != BUS_NOTIFY_DRIVER_NOT_BOUND &&
	    action != BUS_NOTIFY_REMOVED_DEVICE)
		return NOTIFY_DONE;
	mutex_lock(&stats_lock);
	for (i = 0; i < PROVIDERS_MAX; i++) {
		slot = provider_at(i);
		if (!slot || slot->device != device)
			continue;
		remove_folder(slot);
		if (action == BUS_NOTIFY_REMOVED_DEVICE)
			provider_forget(device);
		break;
	}
	mutex_unlock(&stats_lock);
	return NOTIFY_OK;
}
static struct notifier_block bus_events = { .notifier_call = on_bus_event };

int stats_start(void)
{
	int ret;

	kobject_init(&parent, &parent_type);
	ret = kobject_set_name(&parent, "p2pmem");
	if (ret)
		return ret;
	return bus_register_notifier(&pci_bus_type, &bus_events);
}

void stats_stop(void)
{
	struct provider *slot;
	unsigned int i;

	bus_unregister_notifier(&pci_bus_type, &bus_events);
	cancel_work_sync(&stats_work);
	mutex_lock(&stats_lock);
	for (i = 0; i < PROVIDERS_MAX; i++) {
		slot = provider_at(i);
		if (slot)
			remove_folder(slot);
	}
	mutex_unlock(&stats_lock);
	provider_cleanup();
	kfree_const(parent.name);
}
