/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checks: the functions behind the doctor's table, one for each check, and what they
 * say their results with.  The table is in doctor.c.
 */
#ifndef P2PTRACE_DOCTOR_CHECKS_H
#define P2PTRACE_DOCTOR_CHECKS_H

#include "p2ptrace/doctor.h"

#include "facts.h"

/* A check sees the results of those before it (`earlier`). */
struct check {
	const char *id, *group;
	void (*look)(const struct facts *facts, const struct diagnosis *earlier,
		     struct check_result *result);
};

#define CHECK_FUNCTION(name)                                                  \
	void name(const struct facts *facts, const struct diagnosis *earlier, \
		  struct check_result *result)

/* check_kernel.c */
CHECK_FUNCTION(check_version);
CHECK_FUNCTION(check_p2pdma);
CHECK_FUNCTION(check_lockdown);
CHECK_FUNCTION(check_signing);
CHECK_FUNCTION(check_module);
CHECK_FUNCTION(check_clock);

/* check_trace.c */
CHECK_FUNCTION(check_tracefs);
CHECK_FUNCTION(check_events);
CHECK_FUNCTION(check_probes);
CHECK_FUNCTION(check_functions);
CHECK_FUNCTION(check_btf);
CHECK_FUNCTION(check_buffers);

/* check_source.c */
CHECK_FUNCTION(check_observations);

/* What probes could observe, by enum observation; `why` tells of the first that is missing. */
struct probe_outlook {
	bool known; /* functions and types could be read */
	uint32_t seen, wanted;
	char why[200];
};

void look_for_probes(const struct facts *facts, struct probe_outlook *outlook);

/* check_p2p.c */
CHECK_FUNCTION(check_counters);
CHECK_FUNCTION(check_providers);
CHECK_FUNCTION(check_statistics);
CHECK_FUNCTION(check_iommu);
CHECK_FUNCTION(check_acs);
CHECK_FUNCTION(check_cmdline);

/* check_process.c */
CHECK_FUNCTION(check_privileges);
CHECK_FUNCTION(check_scheduling);
CHECK_FUNCTION(check_limits);
CHECK_FUNCTION(check_pid_namespace);

/* check_tools.c */
CHECK_FUNCTION(check_tools);

/* doctor.c */
CHECK_FUNCTION(check_recording);

/* The status with what was found, and what to do. */
void found(struct check_result *result, enum check_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* One more sentence, behind "; ". */
void also(struct check_result *result, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void remedy(struct check_result *result, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* ok < warn and unknown < fail: never makes it better. */
void worsen(struct check_result *result, enum check_status status);

/* The result of an earlier check. */
const struct check_result *result_of(const struct diagnosis *diagnosis, const char *id);

#endif
