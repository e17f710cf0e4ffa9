/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * facts: what several of the doctor's checks look at, gathered once.
 * Source: src/doctor/facts.c
 */
#ifndef P2PTRACE_DOCTOR_FACTS_H
#define P2PTRACE_DOCTOR_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "p2ptrace/counters.h"
#include "p2ptrace/kconfig.h"
#include "p2ptrace/paths.h"
#include "p2ptrace/topology.h"

struct tracefs_facts {
	char path[256]; /* below the root, "" when not found */
	bool mounted;
	int error; /* errno of looking into it, 0 */
	int write_error; /* errno why no instance can be made there, 0 */
};

/* A tracefs system that holds some of the five events. */
struct event_system {
	char name[256];
	uint32_t kinds; /* bit per enum event_kind */
};

enum { EVENT_SYSTEMS_MAX = 8 };

/* Which the kernel restricts: kernel_lockdown(7). */
enum lockdown { LOCKDOWN_NONE, LOCKDOWN_INTEGRITY, LOCKDOWN_CONFIDENTIALITY, LOCKDOWN_UNKNOWN };

struct facts {
	struct sysroot root;
	char release[256]; /* "" when not known */
	uint32_t version; /* KERNEL(major, minor), KERNEL_NOT_KNOWN */
	struct kconfig config;
	enum answer p2pdma; /* the kernel has P2PDMA */
	enum lockdown lockdown;
	struct tracefs_facts tracefs;
	struct event_system systems[EVENT_SYSTEMS_MAX];
	size_t system_count;
	bool module_loaded;
	struct counters counters;
	struct missing_layer missing[MISSING_LAYERS_MAX];
	size_t missing_count;
	struct topology topology;
	bool has_topology;
	char *symbols; /* proc/kallsyms, NULL when not readable */
	uint64_t capabilities; /* effective ones */
	bool capabilities_known;
	bool user_namespace; /* not the first one: capabilities count inside only */
	int64_t uid; /* effective, -1 when not known */
};

/* Fails for want of memory and for a root that cannot be opened only. */
int facts_gather(struct facts *facts, const char *dir, struct p2p_error *err);
void facts_free(struct facts *facts);

/* A kernel option: 'y', 'm', 'n', '=', '?' (kconfig.h). */
char facts_option(const struct facts *facts, const char *name);

/* The missing layer of this name, NULL when it is there. */
const struct missing_layer *facts_missing(const struct facts *facts, const char *layer);

/* The events of all systems together: bit per enum event_kind; all of them. */
uint32_t facts_events(const struct facts *facts);
uint32_t facts_all_events(void);

/* A line "NAME:\tVALUE" or "NAME VALUE" of a file such as proc/self/status: the value,
 * cut to fit; -1 with errno when the file or the line is not there. */
int facts_field(const struct facts *facts, const char *file, const char *name, char *value,
		size_t room);

/* Bits of a capability set. */
enum { CAPABILITY_DAC_OVERRIDE = 1, CAPABILITY_SYS_ADMIN = 21, CAPABILITY_SYS_NICE = 23 };
/* Whether the process has it where the kernel's own things are concerned. */
bool facts_capable(const struct facts *facts, int capability);

#endif
