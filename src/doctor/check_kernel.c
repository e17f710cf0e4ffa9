// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/allow_list.h"

#include "checks.h"

/* ---- version and configuration ---- */

CHECK_FUNCTION(check_version)
{
	(void)earlier;
	if (facts->version == KERNEL_NOT_KNOWN) {
		found(result, CHECK_UNKNOWN, "proc/sys/kernel/osrelease does not tell");
		remedy(result, "mount -t proc nodev /proc");
		return;
	}
	found(result, CHECK_OK, "Linux %s", facts->release);
	if (facts->version < KERNEL(4, 20)) {
		worsen(result, CHECK_FAIL);
		also(result, "peer-to-peer DMA came with Linux 4.20");
		remedy(result, "boot a newer kernel");
	} else if (facts->version < KERNEL(6, 2)) {
		worsen(result, CHECK_WARN);
		also(result, "drivers can use peer memory, programs (p2pmem/allocate) since 6.2");
		remedy(result, "boot Linux 6.2 or newer if programs are to use peer memory");
	}
}

CHECK_FUNCTION(check_p2pdma)
{
	const char *source = facts->config.text ? facts->config.source : "proc/kallsyms";

	(void)earlier;
	switch (facts->p2pdma) {
	case ANSWER_YES:
		found(result, CHECK_OK, "the kernel has P2PDMA (%s)", source);
		break;
	case ANSWER_NO:
		found(result, CHECK_FAIL,
		      "the kernel was built without CONFIG_PCI_P2PDMA (%s): it does no "
		      "peer-to-peer "
		      "DMA, there is nothing to observe",
		      source);
		remedy(result, "boot a kernel built with CONFIG_PCI_P2PDMA=y (it needs "
			       "CONFIG_ZONE_DEVICE=y)");
		break;
	default:
		found(result, CHECK_UNKNOWN,
		      "no configuration of this kernel is found, nor proc/kallsyms");
		remedy(result, "grep P2PDMA /boot/config-$(uname -r), where the distribution "
			       "keeps it");
	}
}

/* ---- what the kernel forbids ---- */

CHECK_FUNCTION(check_lockdown)
{
	(void)earlier;
	switch (facts->lockdown) {
	case LOCKDOWN_NONE:
		found(result, CHECK_OK, "the kernel is not locked down");
		break;
	case LOCKDOWN_INTEGRITY:
		found(result, CHECK_WARN,
		      "locked down (integrity): tracing works, modules must be signed");
		remedy(result, "sign p2ptrace_events.ko with a key the machine trusts (mokutil "
			       "--import, as DKMS does)");
		break;
	case LOCKDOWN_CONFIDENTIALITY:
		found(result, CHECK_FAIL,
		      "locked down (confidentiality): the kernel refuses every access to tracefs, "
		      "and kprobes");
		remedy(result, "boot without lockdown=confidentiality");
		break;
	default:
		found(result, CHECK_UNKNOWN, "sys/kernel/security/lockdown cannot be read");
		remedy(result, "mount -t securityfs nodev /sys/kernel/security");
	}
}

#define SECURE_BOOT "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

/* An EFI variable: four bytes of attributes, then the value. */
static bool secure_boot(const struct facts *facts)
{
	unsigned char bytes[5];

	return sysroot_bytes(&facts->root, bytes, sizeof(bytes), SECURE_BOOT) == 5 && bytes[4] == 1;
}

static bool signatures_forced(const struct facts *facts)
{
	char value[8];

	return (sysroot_line(&facts->root, value, sizeof(value),
			     "sys/module/module/parameters/sig_enforce") > 0 &&
		value[0] == 'Y') ||
	       facts_option(facts, "CONFIG_MODULE_SIG_FORCE") == 'y';
}

CHECK_FUNCTION(check_signing)
{
	bool locked = facts->lockdown == LOCKDOWN_INTEGRITY ||
		      facts->lockdown == LOCKDOWN_CONFIDENTIALITY;
	bool forced = signatures_forced(facts);

	(void)earlier;
	if (facts->module_loaded) {
		found(result, CHECK_OK,
		      "p2ptrace_events is loaded: its signature was accepted or "
		      "not asked for");
		return;
	}
	if (!locked && !forced && !secure_boot(facts)) {
		found(result, CHECK_OK, "nothing asks for signed modules");
		return;
	}
	found(result, CHECK_WARN, "%s: a module without a trusted signature is refused%s",
	      locked   ? "lockdown is in force"
	      : forced ? "the kernel enforces module signatures"
		       : "Secure Boot is on",
	      locked || forced ? "" : " where the distribution ties the two");
	remedy(result, "sign p2ptrace_events.ko with a key the machine trusts (mokutil --import, "
		       "as DKMS does)");
}

/* ---- the module ---- */

static bool is_built_for(const struct facts *facts)
{
	char *modules = sysroot_read(&facts->root, SYSROOT_FILE, NULL, "lib/modules/%s/modules.dep",
				     facts->release);
	bool built = modules && strstr(modules, "p2ptrace_events.ko");

	free(modules);
	return built;
}

/* Why no module can be loaded at all, NULL when it can. */
static const char *no_modules(const struct facts *facts)
{
	uint64_t disabled;

	if (facts_option(facts, "CONFIG_MODULES") == 'n')
		return "the kernel was built without CONFIG_MODULES";
	if (!sysroot_u64(&facts->root, &disabled, "proc/sys/kernel/modules_disabled") && disabled)
		return "kernel.modules_disabled is set: until the next boot no module is loaded";
	return NULL;
}

/* What the module cannot see or has not seen. */
static void module_gaps(const struct facts *facts, struct check_result *result)
{
	uint64_t missed;

	if (!sysroot_u64(&facts->root, &missed,
			 "sys/module/p2ptrace_events/parameters/missed_hits") &&
	    missed) {
		worsen(result, CHECK_WARN);
		also(result, "%llu calls were not followed (missed_hits): numbers are too low",
		     (unsigned long long)missed);
		remedy(result, "cat /sys/kernel/debug/p2ptrace_events/hooks says at which "
			       "function");
	}
	if (facts->version >= KERNEL(6, 16)) {
		worsen(result, CHECK_WARN);
		also(result, "since Linux 6.16 the block layer maps peer memory without "
			     "dma_map_sg: those mappings are not seen");
	}
}

static void module_absent(const struct facts *facts, struct check_result *result)
{
	const char *reason = no_modules(facts);

	if (reason) {
		found(result, CHECK_FAIL, "p2ptrace_events cannot be loaded: %s", reason);
		remedy(result, "boot a kernel with loadable modules, or one that has the five "
			       "events itself");
	} else if (is_built_for(facts)) {
		found(result, CHECK_WARN, "p2ptrace_events is installed and not loaded");
		remedy(result, "modprobe p2ptrace_events");
	} else if (facts_option(facts, "CONFIG_FPROBE") == 'n') {
		found(result, CHECK_FAIL,
		      "p2ptrace_events needs CONFIG_FPROBE, which this kernel lacks");
		remedy(result, "boot a kernel built with CONFIG_FPROBE=y");
	} else {
		found(result, CHECK_WARN, "p2ptrace_events is not installed for this kernel");
		remedy(result, "make -C kernel install && modprobe p2ptrace_events, in p2ptrace's "
			       "sources (needs this kernel's headers)");
	}
}

CHECK_FUNCTION(check_module)
{
	char version[64];

	(void)earlier;
	if (facts->module_loaded) {
		found(result, CHECK_OK, "p2ptrace_events is loaded");
		if (sysroot_line(&facts->root, version, sizeof(version),
				 "sys/module/p2ptrace_events/version") > 0)
			found(result, CHECK_OK, "p2ptrace_events %s is loaded", version);
		module_gaps(facts, result);
	} else if (facts_events(facts) == facts_all_events() && !facts_missing(facts, "debugfs")) {
		found(result, CHECK_OK, "not needed: events and counters are there without it");
	} else if (facts->p2pdma == ANSWER_NO) {
		found(result, CHECK_FAIL, "p2ptrace_events cannot help: the kernel has no P2PDMA");
		remedy(result, "boot a kernel built with CONFIG_PCI_P2PDMA=y");
	} else {
		module_absent(facts, result);
	}
}

/* ---- the clock ---- */

CHECK_FUNCTION(check_clock)
{
	static const char *const slow[] = { "hpet", "acpi_pm", "jiffies", "refined-jiffies",
					    "pit" };
	char name[64];

	(void)earlier;
	if (sysroot_line(&facts->root, name, sizeof(name),
			 "sys/devices/system/clocksource/clocksource0/current_clocksource") <= 0) {
		found(result, CHECK_UNKNOWN, "the current clock source cannot be read");
		return;
	}
	found(result, CHECK_OK, "clock source %s", name);
	for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++)
		if (!strcmp(name, slow[i])) {
			worsen(result, CHECK_WARN);
			also(result, "every stamp of the clock `mono` costs a slow read");
			remedy(result, "p2ptrace record -C local (stamps are then not ordered "
				       "across CPUs)");
		}
}
