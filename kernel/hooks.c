// SPDX-License-Identifier: GPL-2.0-or-later
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/mutex.h>

#include "follow.h"
#include "hooks.h"
#include "provider.h"

static DEFINE_MUTEX(hooks_lock);
static unsigned int users;

static HOOK_ENTRY_TYPE on_entry(HOOK_PROBE_ARGS(probe, regs, data))
{
	struct hook *hook = container_of(probe, struct hook, probe);
	struct hook_call local, *call = data ? data : &local;
	int i;

	for (i = 0; i < ARRAY_SIZE(call->argument); i++)
		call->argument[i] = hook_argument(regs, i);
	call->skip = !hook->enter(call);
	HOOK_ENTRY_RETURN(call->skip);
}

static void on_exit(HOOK_PROBE_ARGS(probe, regs, data))
{
	struct hook *hook = container_of(probe, struct hook, probe);
	const struct hook_call *call = data;

	if (!call->skip)
		hook->leave(call, hook_return_value(regs));
}

static int attach(struct hook *hook)
{
	const char *symbol = hook->symbol;
	int ret;

	memset(&hook->probe, 0, sizeof(hook->probe));
	hook->probe.entry_handler = on_entry;
	if (hook->leave) {
		hook->probe.exit_handler = on_exit;
		hook->probe.entry_data_size = sizeof(struct hook_call);
		/* Mapping can be preempted and mmap sleeps: more calls than CPUs. */
		hook->probe.nr_maxactive = max(256U, 8 * num_possible_cpus());
	}
	ret = register_fprobe_syms(&hook->probe, &symbol, 1);
	if (ret)
		pr_err("cannot hook %s (error %d): this kernel has no such function, or one that "
		       "cannot be traced (inlined?); events would be missing\n",
		       hook->symbol, ret);
	hook->attached = !ret;
	return ret;
}

static void detach(struct hook *hook)
{
	if (!hook->attached)
		return;
	unregister_fprobe(&hook->probe);
	hook->missed += hook->probe.nmissed;
	hook->probe.nmissed = 0;
	hook->attached = false;
}

static void detach_all(void)
{
	int i;

	for (i = 0; i < follow_hook_count; i++)
		detach(&follow_hooks[i]);
}

static int attach_all(void)
{
	int i, ret;

	for (i = 0; i < follow_hook_count; i++) {
		ret = attach(&follow_hooks[i]);
		if (ret) {
			detach_all();
			return ret;
		}
	}
	provider_scan(); /* handlers look no further while no provider is known */
	return 0;
}

int hooks_get(void)
{
	int ret = 0;

	mutex_lock(&hooks_lock);
	if (!users)
		ret = attach_all();
	if (!ret)
		users++;
	mutex_unlock(&hooks_lock);
	return ret;
}

void hooks_put(void)
{
	mutex_lock(&hooks_lock);
	if (!--users)
		detach_all();
	mutex_unlock(&hooks_lock);
}

int hooks_event_enabled(void)
{
	int ret;

	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	ret = hooks_get();
	if (ret)
		module_put(THIS_MODULE);
	return ret;
}

void hooks_event_disabled(void)
{
	hooks_put();
	module_put(THIS_MODULE);
}

static unsigned long missed_by(const struct hook *hook)
{
	return hook->missed + READ_ONCE(hook->probe.nmissed);
}

unsigned long hooks_missed(void)
{
	unsigned long sum = 0;
	int i;

	mutex_lock(&hooks_lock);
	for (i = 0; i < follow_hook_count; i++)
		sum += missed_by(&follow_hooks[i]);
	mutex_unlock(&hooks_lock);
	return sum;
}

int hooks_show(struct seq_file *file, void *unused)
{
	int i;

	mutex_lock(&hooks_lock);
	for (i = 0; i < follow_hook_count; i++)
		seq_printf(file, "%-24s %s missed=%lu\n", follow_hooks[i].symbol,
			   follow_hooks[i].attached ? "attached" : "detached",
			   missed_by(&follow_hooks[i]));
	mutex_unlock(&hooks_lock);
	return 0;
}
