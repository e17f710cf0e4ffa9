// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/session.h"
#include "p2ptrace/text.h"

#include "checks.h"

/* ---- tracefs ---- */

CHECK_FUNCTION(check_tracefs)
{
	const struct tracefs_facts *tracefs = &facts->tracefs;

	(void)earlier;
	if (!tracefs->mounted) {
		found(result, CHECK_FAIL, "tracefs is not mounted");
		remedy(result, "mount -t tracefs nodev /sys/kernel/tracing (a container needs the "
			       "host's: -v /sys/kernel/tracing:/sys/kernel/tracing)");
		if (facts_option(facts, "CONFIG_TRACING") == 'n') {
			found(result, CHECK_FAIL, "the kernel was built without CONFIG_TRACING");
			remedy(result, "boot a kernel built with CONFIG_FTRACE=y");
		}
	} else if (tracefs->error) {
		found(result, CHECK_FAIL, "/%s cannot be read: %s", tracefs->path,
		      strerror(tracefs->error));
		remedy(result, facts->lockdown == LOCKDOWN_CONFIDENTIALITY
				       ? "boot without lockdown=confidentiality"
				       : "run it as root (sudo)");
	} else if (tracefs->write_error == EOPNOTSUPP) {
		found(result, CHECK_OK,
		      "/%s is there (a captured tree does not tell who may write)", tracefs->path);
	} else if (tracefs->write_error) {
		found(result, CHECK_FAIL, "/%s cannot be written to: %s", tracefs->path,
		      strerror(tracefs->write_error));
		remedy(result,
		       tracefs->write_error == EROFS
			       ? "mount it writable: mount -o remount,rw /sys/kernel/tracing"
			       : "run it as root (sudo)");
	} else {
		found(result, CHECK_OK, "/%s is readable and writable", tracefs->path);
	}
}

/* Whether nothing can be said because tracefs is closed or away. */
static bool without_tracefs(const struct diagnosis *earlier, const char *what,
			    struct check_result *result)
{
	const struct check_result *tracefs = result_of(earlier, "tracefs");

	if (tracefs->status == CHECK_OK)
		return false;
	found(result, CHECK_UNKNOWN, "%s cannot be looked for: %s", what, tracefs->detail);
	remedy(result, "%s", tracefs->remedy);
	return true;
}

/* ---- the five events ---- */

static void name_missing(uint32_t kinds, struct check_result *result)
{
	for (int kind = KIND_NONE + 1; kind < KIND_P2P_COUNT; kind++)
		if (!(kinds & 1u << kind))
			also(result, "%s is missing and will not be recorded",
			     event_kind_names[kind]);
}

/* Probes stand in: what they see is told by a check of its own. */
static bool made_by_probes(const struct facts *facts, struct check_result *result)
{
	struct probe_outlook outlook;

	look_for_probes(facts, &outlook);
	if (!outlook.seen)
		return false;
	found(result, CHECK_WARN,
	      "no tracefs system has the five events; record makes %s by probes: see "
	      "`observations`",
	      outlook.seen == outlook.wanted ? "them" : "some");
	remedy(result, "modprobe p2ptrace_events (kernel/ in p2ptrace's sources provides the "
		       "module), for all they hold");
	return true;
}

static void no_events(const struct facts *facts, struct check_result *result)
{
	if (made_by_probes(facts, result))
		return;
	found(result, CHECK_FAIL,
	      "no tracefs system has p2p_dma_alloc, p2p_dma_free, p2p_dma_map, p2p_dma_unmap or "
	      "p2p_map_type_change");
	if (facts->p2pdma == ANSWER_NO)
		remedy(result, "boot a kernel built with CONFIG_PCI_P2PDMA=y");
	else
		remedy(result, "modprobe p2ptrace_events (kernel/ in p2ptrace's sources provides "
			       "the module)");
}

CHECK_FUNCTION(check_events)
{
	const struct event_system *first = &facts->systems[0];

	if (without_tracefs(earlier, "the five events", result))
		return;
	if (!facts->system_count) {
		no_events(facts, result);
		return;
	}
	if (facts->system_count > 1) {
		found(result, CHECK_WARN, "several tracefs systems have P2PDMA events: %s, %s%s",
		      first->name, facts->systems[1].name, facts->system_count > 2 ? ", ..." : "");
		remedy(result, "choose one with record --system NAME");
		name_missing(facts_events(facts), result);
		return;
	}
	if (first->kinds == facts_all_events()) {
		found(result, CHECK_OK, "all five are in the tracefs system %s", first->name);
		return;
	}
	found(result, CHECK_WARN, "some are in the tracefs system %s", first->name);
	name_missing(first->kinds, result);
	remedy(result, "use a module or kernel that provides all five (kernel/ in p2ptrace's "
		       "sources)");
}

/* ---- dynamic probes ---- */

enum probe_kind { PROBE_K = 1, PROBE_F = 2, PROBE_T = 4, PROBE_BTF = 8 };

/* A line of tracefs' README that begins with this syntax, perhaps behind "Format:". */
static bool readme_offers(const char *readme, const char *syntax)
{
	for (const char *at = readme; (at = strstr(at, syntax)); at++)
		if (at == readme || strchr(" \t\n", at[-1]))
			return true;
	return false;
}

static unsigned int probe_kinds(const struct facts *facts)
{
	const char *path = facts->tracefs.path;
	char *readme = sysroot_read(&facts->root, SYSROOT_VALUE, NULL, "%s/README", path);
	unsigned int kinds = 0;

	if (sysroot_mode(&facts->root, "%s/kprobe_events", path))
		kinds |= PROBE_K;
	if (readme && sysroot_mode(&facts->root, "%s/dynamic_events", path)) {
		kinds |= readme_offers(readme, "f[:[") ? PROBE_F : 0u;
		kinds |= readme_offers(readme, "t[:[") ? PROBE_T : 0u;
		kinds |= strstr(readme, "<argname>") ? PROBE_BTF : 0u;
	}
	free(readme);
	return kinds;
}

CHECK_FUNCTION(check_probes)
{
	unsigned int kinds;
	uint64_t enabled;

	if (without_tracefs(earlier, "dynamic probes", result))
		return;
	kinds = probe_kinds(facts);
	found(result, CHECK_OK,
	      "function probes (f:) %s, tracepoint probes (t:) %s, kprobes (p:) "
	      "%s, arguments by name (BTF) %s",
	      kinds & PROBE_F ? "yes" : "no", kinds & PROBE_T ? "yes" : "no",
	      kinds & PROBE_K ? "yes" : "no", kinds & PROBE_BTF ? "yes" : "no");
	if (!(kinds & (PROBE_K | PROBE_F | PROBE_T))) {
		worsen(result, CHECK_WARN);
		also(result, "kernel functions cannot be followed without the five events");
		remedy(result, "boot a kernel built with CONFIG_FPROBE_EVENTS=y (6.5 or newer) and "
			       "CONFIG_KPROBE_EVENTS=y, or use the module");
	} else if (!(kinds & (PROBE_F | PROBE_T))) {
		worsen(result, CHECK_WARN);
		also(result, "unmaps run in interrupts, where a kprobe is passed over while "
			     "another one runs: some are lost");
		remedy(result, "boot Linux 6.5 or newer with CONFIG_FPROBE_EVENTS=y, or use the "
			       "module");
	}
	if (!sysroot_u64(&facts->root, &enabled, "proc/sys/kernel/ftrace_enabled") && !enabled) {
		worsen(result, CHECK_WARN);
		also(result,
		     "kernel.ftrace_enabled is 0: functions are not followed, by the module "
		     "neither");
		remedy(result, "sysctl kernel.ftrace_enabled=1");
	}
}

CHECK_FUNCTION(check_btf)
{
	(void)earlier;
	if (sysroot_mode(&facts->root, "sys/kernel/btf/vmlinux")) {
		found(result, CHECK_OK, "the kernel describes its types (sys/kernel/btf/vmlinux)");
		return;
	}
	found(result, CHECK_WARN,
	      "no sys/kernel/btf/vmlinux: a probe's offsets into the kernel's "
	      "structures cannot be computed");
	remedy(result, "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, or use the module");
}

/* ---- functions to follow ---- */

/* Each observation and the functions it can be had from, by any of these names. */
static const struct {
	const char *what;
	const char *names[3];
} followed[] = {
	{ "allocations by drivers", { "pci_alloc_p2pmem" } },
	{ "frees by drivers", { "pci_free_p2pmem" } },
	{ "allocations by programs", { "p2pmem_alloc_mmap" } },
	{ "frees by programs", { "p2pdma_page_free", "p2pdma_folio_free" } },
	{ "type decisions", { "calc_map_type_and_dist" } },
	{ "the type of a segment",
	  { "pci_p2pdma_map_segment", "__pci_p2pdma_update_state", "pci_p2pdma_map_type" } },
	{ "distances asked for", { "pci_p2pdma_distance_many" } },
	{ "maps", { "dma_direct_map_sg" } },
	{ "unmaps", { "dma_direct_unmap_sg" } },
	{ "maps through an IOMMU", { "iommu_dma_map_sg" } },
	{ "unmaps through an IOMMU", { "iommu_dma_unmap_sg" } },
};

#define FOLLOWED (sizeof(followed) / sizeof(followed[0]))

/* Marks in `seen` (a bit per row) what a line's function gives. */
static void note_function(const char *name, size_t length, uint32_t *seen)
{
	for (size_t i = 0; i < FOLLOWED; i++)
		for (size_t n = 0; n < 3 && followed[i].names[n]; n++)
			if (strlen(followed[i].names[n]) == length &&
			    !memcmp(followed[i].names[n], name, length))
				*seen |= 1u << i;
}

/* Lines are "NAME [MODULE]", or with `words_before` words in front (kallsyms: 2). */
static uint32_t functions_in(const char *text, unsigned int words_before)
{
	uint32_t seen = 0;

	while (*text) {
		for (unsigned int i = 0; i < words_before; i++) {
			text += strcspn(text, " \n");
			text += *text == ' ';
		}
		note_function(text, strcspn(text, " \t\n"), &seen);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return seen;
}

static void name_unseen(uint32_t seen, struct check_result *result)
{
	for (size_t i = 0; i < FOLLOWED; i++)
		if (!(seen & 1u << i))
			also(result, "no %s (%s)", followed[i].what, followed[i].names[0]);
}

struct functions {
	char where[128]; /* looked for there */
	uint32_t seen; /* bit per row of `followed` */
};

/* In tracefs' list; else what kallsyms names: functions that cannot be followed too. */
static bool look_for_functions(const struct facts *facts, struct functions *functions)
{
	char *text = sysroot_read(&facts->root, SYSROOT_FILE, NULL, "%s/available_filter_functions",
				  facts->tracefs.path);

	*functions = (struct functions){ .where = "available_filter_functions" };
	if (text) {
		functions->seen = functions_in(text, 0);
		free(text);
		return true;
	}
	snprintf(functions->where, sizeof(functions->where),
		 "proc/kallsyms, for available_filter_functions: %s", strerror(errno));
	if (facts->symbols)
		functions->seen = functions_in(facts->symbols, 2);
	return facts->symbols != NULL;
}

CHECK_FUNCTION(check_functions)
{
	struct functions functions;
	unsigned int count;

	(void)earlier;
	if (!look_for_functions(facts, &functions)) {
		found(result, CHECK_UNKNOWN,
		      "neither available_filter_functions nor proc/kallsyms can be read");
		remedy(result, "run it as root (sudo)");
		return;
	}
	count = (unsigned int)__builtin_popcount(functions.seen);
	found(result, count == FOLLOWED ? CHECK_OK : CHECK_WARN,
	      "%u of the %zu functions that tell of peer-to-peer DMA are there (%s)", count,
	      FOLLOWED, functions.where);
	if (count == FOLLOWED)
		return;
	if (facts->p2pdma == ANSWER_NO) {
		remedy(result, "boot a kernel built with CONFIG_PCI_P2PDMA=y");
		return;
	}
	name_unseen(functions.seen, result);
	remedy(result, "nothing, if that is not used here; the compiler may have inlined them");
}

/* ---- buffers ---- */

/* "0-3,8": how many; 0 when it cannot be read. */
static unsigned int count_cpus(const struct facts *facts)
{
	char text[512], *rest;
	unsigned int count = 0;

	if (sysroot_line(&facts->root, text, sizeof(text), "sys/devices/system/cpu/possible") <= 0)
		return 0;
	for (char *range = strtok_r(text, ",", &rest); range; range = strtok_r(NULL, ",", &rest)) {
		unsigned int first, last;
		int numbers = sscanf(range, "%5u-%5u", &first, &last);

		if (numbers < 1)
			continue;
		count += numbers == 2 && last > first ? last - first + 1 : 1;
	}
	return count;
}

static bool memory_field(const struct facts *facts, const char *name, uint64_t *bytes)
{
	unsigned long long kib;
	char value[64];

	if (facts_field(facts, "proc/meminfo", name, value, sizeof(value)) ||
	    sscanf(value, "%15llu", &kib) != 1)
		return false;
	*bytes = kib << 10;
	return true;
}

CHECK_FUNCTION(check_buffers)
{
	const uint64_t ample = 8 << 20;
	uint64_t total, available = UINT64_MAX, each;
	unsigned int cpus = count_cpus(facts);
	char one[32], all[32], of[32];

	(void)earlier;
	if (!cpus || !memory_field(facts, "MemTotal", &total)) {
		found(result, CHECK_UNKNOWN, "the number of CPUs or the memory cannot be read");
		return;
	}
	memory_field(facts, "MemAvailable", &available);
	each = session_default_buffer(total, cpus, 1);
	found(result, CHECK_OK, "record takes %s for each of %u CPUs, %s of %s",
	      text_bytes(one, sizeof(one), each), cpus, text_bytes(all, sizeof(all), each * cpus),
	      text_bytes(of, sizeof(of), total));
	if (available < each * cpus) {
		worsen(result, CHECK_WARN);
		also(result, "only %s are available now", text_bytes(of, sizeof(of), available));
		remedy(result, "free memory, or record with a smaller -b");
	} else if (each < ample) {
		worsen(result, CHECK_WARN);
		also(result, "at high rates events may be lost");
		remedy(result, "record with -b 32M if there is memory to spare");
	}
}
