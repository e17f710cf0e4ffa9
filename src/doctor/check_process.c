// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

/* ---- capabilities ---- */

static const struct {
	int number;
	const char *name, *for_what;
} wanted[] = {
	{ CAPABILITY_DAC_OVERRIDE, "CAP_DAC_OVERRIDE", "tracefs and debugfs" },
	{ CAPABILITY_SYS_ADMIN, "CAP_SYS_ADMIN", "configuration spaces (topo, explain)" },
	{ CAPABILITY_SYS_NICE, "CAP_SYS_NICE", "real-time readers" },
};

CHECK_FUNCTION(check_privileges)
{
	unsigned int lacking = 0;

	(void)earlier;
	if (!facts->capabilities_known || facts->uid < 0) {
		found(result, CHECK_UNKNOWN,
		      "proc/self/status does not tell user and capabilities");
		return;
	}
	found(result, CHECK_OK, facts->uid ? "user %lld" : "root (user %lld)",
	      (long long)facts->uid);
	if (facts->user_namespace)
		also(result, "in a user namespace, whose capabilities count inside only");
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (facts_capable(facts, wanted[i].number))
			continue;
		also(result, "no %s, for %s", wanted[i].name, wanted[i].for_what);
		lacking++;
	}
	if (!lacking) {
		also(result, "every capability that is needed");
		return;
	}
	worsen(result, CHECK_WARN);
	if (facts->user_namespace)
		remedy(result, "run it on the host as root, outside of rootless containers");
	else if (facts->uid)
		remedy(result, "run it as root (sudo)");
	else
		remedy(result, "start the container with --privileged, or --cap-add for these");
}

/* ---- limits ---- */

/* A soft limit of proc/self/limits: UINT64_MAX for "unlimited". */
static bool limit_of(const struct facts *facts, const char *name, uint64_t *limit)
{
	char value[128], *end;

	if (facts_field(facts, "proc/self/limits", name, value, sizeof(value)))
		return false;
	*limit = UINT64_MAX;
	if (!strncmp(value, "unlimited", 9))
		return true;
	*limit = strtoull(value, &end, 10);
	return end != value;
}

CHECK_FUNCTION(check_scheduling)
{
	uint64_t priority;
	int64_t runtime;

	(void)earlier;
	if (!facts->capabilities_known || !limit_of(facts, "Max realtime priority", &priority)) {
		found(result, CHECK_UNKNOWN, "proc/self/limits does not tell");
		return;
	}
	if (facts_capable(facts, CAPABILITY_SYS_NICE) || priority) {
		found(result, CHECK_OK, "record's readers may run in the class SCHED_FIFO");
	} else {
		found(result, CHECK_WARN,
		      "record's readers cannot run in the class SCHED_FIFO: on busy CPUs they may "
		      "come late and events be lost");
		remedy(result, "run it as root, or allow it: ulimit -r 1");
	}
	if (!sysroot_i64(&facts->root, &runtime, "proc/sys/kernel/sched_rt_runtime_us") &&
	    !runtime) {
		worsen(result, CHECK_WARN);
		also(result, "kernel.sched_rt_runtime_us is 0: real-time tasks get no time");
		remedy(result, "sysctl kernel.sched_rt_runtime_us=950000");
	}
}

/* Files open at a time while recording: the pipe, the buffer and the spool file of each
 * CPU, twice with -p, and some of the recorder's own. */
enum { FILES_PER_CPU = 8, FILES_BESIDE = 64 };

CHECK_FUNCTION(check_limits)
{
	uint64_t files, locked = 0, needed = FILES_BESIDE;
	struct name_list cpus;
	char size[32] = "not known";

	(void)earlier;
	if (!limit_of(facts, "Max open files", &files)) {
		found(result, CHECK_UNKNOWN, "proc/self/limits does not tell");
		return;
	}
	sysroot_list(&facts->root, &cpus, "%s/per_cpu", facts->tracefs.path);
	needed += cpus.count * FILES_PER_CPU;
	name_list_free(&cpus);
	if (limit_of(facts, "Max locked memory", &locked) && locked != UINT64_MAX)
		snprintf(size, sizeof(size), "%llu KiB", (unsigned long long)(locked >> 10));
	else if (locked)
		snprintf(size, sizeof(size), "unlimited");
	if (files == UINT64_MAX)
		found(result, CHECK_OK, "open files: unlimited; locked memory: %s (not needed)",
		      size);
	else
		found(result, CHECK_OK, "open files: %llu; locked memory: %s (not needed)",
		      (unsigned long long)files, size);
	if (files >= needed)
		return;
	worsen(result, CHECK_WARN);
	also(result, "record may need %llu open files", (unsigned long long)needed);
	remedy(result, "ulimit -n %llu", (unsigned long long)needed);
}

/* ---- namespaces ---- */

CHECK_FUNCTION(check_pid_namespace)
{
	/* The first namespace has this number in every kernel: PROC_PID_INIT_INO. */
	static const char first[] = "pid:[4026531836]";
	char link[64];

	(void)earlier;
	if (facts_option(facts, "CONFIG_PID_NS") == 'n') {
		found(result, CHECK_OK, "the kernel has no pid namespaces");
		return;
	}
	if (sysroot_link(&facts->root, link, sizeof(link), "proc/self/ns/pid") < 0) {
		found(result, CHECK_UNKNOWN, "proc/self/ns/pid cannot be read");
		return;
	}
	if (!strcmp(link, first)) {
		found(result, CHECK_OK, "processes have the same numbers here as in the kernel");
		return;
	}
	found(result, CHECK_WARN,
	      "in a pid namespace of its own: the kernel's tracing uses the host's numbers, so "
	      "record -p is refused and recordings do not tell which processes were alive");
	remedy(result, "run it on the host, or start the container with --pid=host");
}
