// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

const char *const check_status_names[CHECK_STATUSES] = { "ok", "warn", "fail", "unknown" };

/* The one table, in the order of the output.  Later checks see earlier results. */
static const struct check checks[] = {
	{ "kernel", "Kernel", check_version },
	{ "p2pdma", "Kernel", check_p2pdma },
	{ "lockdown", "Kernel", check_lockdown },
	{ "signing", "Kernel", check_signing },
	{ "module", "Kernel", check_module },
	{ "clock", "Kernel", check_clock },
	{ "tracefs", "Tracing", check_tracefs },
	{ "events", "Tracing", check_events },
	{ "probes", "Tracing", check_probes },
	{ "functions", "Tracing", check_functions },
	{ "btf", "Tracing", check_btf },
	{ "observations", "Tracing", check_observations },
	{ "buffers", "Tracing", check_buffers },
	{ "counters", "Peer-to-peer DMA", check_counters },
	{ "providers", "Peer-to-peer DMA", check_providers },
	{ "statistics", "Peer-to-peer DMA", check_statistics },
	{ "iommu", "Peer-to-peer DMA", check_iommu },
	{ "acs", "Peer-to-peer DMA", check_acs },
	{ "cmdline", "Peer-to-peer DMA", check_cmdline },
	{ "privileges", "This process", check_privileges },
	{ "scheduling", "This process", check_scheduling },
	{ "limits", "This process", check_limits },
	{ "pid_namespace", "This process", check_pid_namespace },
	{ "tools", "Programs", check_tools },
	{ "recording", "All in all", check_recording },
};

#define CHECK_COUNT (sizeof(checks) / sizeof(checks[0]))

/* ---- saying results ---- */

static void append(char *to, size_t room, const char *format, va_list args)
{
	size_t used = strlen(to);

	vsnprintf(to + used, room - used, format, args);
}

void found(struct check_result *result, enum check_status status, const char *format, ...)
{
	va_list args;

	result->status = status;
	result->detail[0] = '\0';
	va_start(args, format);
	append(result->detail, sizeof(result->detail), format, args);
	va_end(args);
}

void also(struct check_result *result, const char *format, ...)
{
	size_t used = strlen(result->detail);
	va_list args;

	snprintf(result->detail + used, sizeof(result->detail) - used, "; ");
	va_start(args, format);
	append(result->detail, sizeof(result->detail), format, args);
	va_end(args);
}

void remedy(struct check_result *result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(result->remedy, sizeof(result->remedy), format, args);
	va_end(args);
}

void worsen(struct check_result *result, enum check_status status)
{
	static const int badness[CHECK_STATUSES] = {
		[CHECK_OK] = 0, [CHECK_UNKNOWN] = 1, [CHECK_WARN] = 2, [CHECK_FAIL] = 3
	};

	if (badness[status] > badness[result->status])
		result->status = status;
}

const struct check_result *result_of(const struct diagnosis *diagnosis, const char *id)
{
	static const struct check_result none = { .id = "", .group = "", .status = CHECK_UNKNOWN };

	for (size_t i = 0; i < diagnosis->count; i++)
		if (!strcmp(diagnosis->results[i].id, id))
			return &diagnosis->results[i];
	return &none;
}

/* ---- all in all ---- */

CHECK_FUNCTION(check_recording)
{
	static const char *const needed[] = { "tracefs", "events" };
	const struct check_result *counters = result_of(earlier, "counters");

	found(result, CHECK_OK, "p2ptrace record works here");
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		const struct check_result *one = result_of(earlier, needed[i]);

		if (one->status == CHECK_OK)
			continue;
		if (one->status == CHECK_WARN)
			found(result, CHECK_WARN,
			      "p2ptrace record works here, with blind spots: "
			      "see `%s`",
			      one->id);
		else
			found(result, one->status, "p2ptrace record %s work here: see `%s`",
			      one->status == CHECK_FAIL ? "does not" : "may not", one->id);
		remedy(result, "%s", one->remedy);
		break;
	}
	also(result, counters->status == CHECK_OK     ? "p2ptrace stat shows all counters"
		     : facts->counters.provider_count ? "p2ptrace stat shows pools only"
						      : "p2ptrace stat has nothing to show");
	also(result, "recordings made elsewhere can be read in any case");
}

/* ---- examining ---- */

int doctor_examine(struct diagnosis *diagnosis, const char *dir, struct p2p_error *err)
{
	struct facts facts;

	*diagnosis = (struct diagnosis){ NULL, 0 };
	if (facts_gather(&facts, dir, err))
		return -1;
	diagnosis->results = calloc(CHECK_COUNT, sizeof(*diagnosis->results));
	if (!diagnosis->results) {
		facts_free(&facts);
		return p2p_fail(err, "out of memory");
	}
	for (size_t i = 0; i < CHECK_COUNT; i++) {
		struct check_result *result = &diagnosis->results[i];

		result->id = checks[i].id;
		result->group = checks[i].group;
		checks[i].look(&facts, diagnosis, result);
		diagnosis->count++;
	}
	facts_free(&facts);
	return 0;
}

void diagnosis_free(struct diagnosis *diagnosis)
{
	free(diagnosis->results);
	*diagnosis = (struct diagnosis){ NULL, 0 };
}

size_t diagnosis_count(const struct diagnosis *diagnosis, enum check_status status)
{
	size_t count = 0;

	for (size_t i = 0; i < diagnosis->count; i++)
		count += diagnosis->results[i].status == status;
	return count;
}
