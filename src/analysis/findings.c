// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/rows.h"
#include "p2ptrace/text.h"
#include "inquiry.h"

const char *const severity_names[SEVERITIES] = { "bad", "warning", "note" };

/* p99.9 this many times p50, and at least this long, is a long tail. */
#define TAIL_FACTOR 100
#define TAIL_NS 10000000u
#define TAIL_COUNT 1000

static char *format_text(const char *format, va_list args)
{
	char *text;

	return vasprintf(&text, format, args) < 0 ? NULL : text;
}

struct finding *inquiry_add(struct inquiry *inquiry, enum severity severity, const char *id,
			    const char *format, ...)
{
	struct finding *finding = ROWS_ADD(inquiry->findings->items, inquiry->findings->count);
	static struct finding nowhere;
	va_list args;

	if (!finding) {
		inquiry->findings->no_memory = true;
		return &nowhere;
	}
	va_start(args, format);
	finding->title = format_text(format, args);
	va_end(args);
	finding->severity = severity;
	finding->id = id;
	finding->cause = finding->remedy = "";
	inquiry->findings->no_memory |= !finding->title;
	return finding;
}

void inquiry_prove(struct inquiry *inquiry, struct finding *finding, const char *format, ...)
{
	va_list args;
	char *line, *all = NULL;

	va_start(args, format);
	line = format_text(format, args);
	va_end(args);
	if (line && finding->evidence) {
		if (asprintf(&all, "%s\n%s", finding->evidence, line) < 0)
			all = NULL;
		free(line);
	} else {
		all = line;
	}
	if (all) {
		free(finding->evidence);
		finding->evidence = line == all ? line : all;
	} else {
		inquiry->findings->no_memory = true;
	}
}

static const char *bytes_text(char to[32], uint64_t bytes)
{
	return bytes == NOT_KNOWN ? "bytes not known" : text_bytes(to, 32, bytes);
}

void inquiry_remedy(struct inquiry *inquiry, struct finding *finding, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	finding->own_remedy = format_text(format, args);
	va_end(args);
	finding->remedy = finding->own_remedy;
	inquiry->findings->no_memory |= !finding->remedy;
}

const char *safe_text(struct safe_name *to, const char *name)
{
	return text_safe(to->text, sizeof(to->text), name ? name : "");
}

static void prove_pair(struct inquiry *inquiry, struct finding *finding,
		       const struct pair_row *pair, const char *maps)
{
	struct safe_name client, provider;
	char bytes[32], dist[32] = "";

	if (pair->dist != NUMBER_NOT_KNOWN)
		snprintf(dist, sizeof(dist), ", distance %" PRId64, pair->dist);
	inquiry_prove(inquiry, finding, "%s -> %s: %s, %s%s", safe_text(&client, pair->client),
		      safe_text(&provider, pair->provider), maps, bytes_text(bytes, pair->bytes),
		      dist);
}

void inquiry_prove_rest(struct inquiry *inquiry, struct finding *finding, size_t shown, size_t all)
{
	if (all > shown)
		inquiry_prove(inquiry, finding, "and %zu more", all - shown);
}

/* ---- the rules, one function each ---- */

static void find_nothing(struct inquiry *inquiry)
{
	const struct report *report = inquiry->report;
	struct finding *finding;

	if (report->total || inquiry->analysis->lost || inquiry->analysis->lost_uncounted)
		return;
	if (inquiry->analysis->selection.any) {
		inquiry_add(inquiry, SEVERITY_NOTE, "nothing-selected",
			    "no event passes the filters");
		return;
	}
	finding = inquiry_add(inquiry, SEVERITY_WARNING, "no-p2p", "no P2PDMA took place");
	finding->cause =
		"No device took memory of another one while this was recorded: the programs "
		"did not ask for it, fell back to system memory without a word (nvmet does "
		"with an empty pool, amdgpu and xe when a peer cannot be reached), or bypass "
		"the kernel's P2PDMA (nvidia-peermem, nvidia-fs).";
	finding->remedy = "Record while the transfer runs. See whether a provider has a pool: "
			  "ls /sys/bus/pci/devices/*/p2pmem";
}

static void find_loss(struct inquiry *inquiry)
{
	const struct analysis *analysis = inquiry->analysis;
	char count[32], total[32];
	struct finding *finding;

	if (!analysis->lost && !analysis->lost_uncounted)
		return;
	finding = inquiry_add(inquiry, SEVERITY_BAD, "lost-events", "%s events were lost",
			      analysis->lost ? text_count(count, sizeof(count), analysis->lost)
					     : "an unknown number of");
	finding->weight = analysis->lost;
	inquiry_prove(inquiry, finding, "%s events were kept",
		      text_count(total, sizeof(total), inquiry->report->total));
	if (analysis->recording.missed)
		inquiry_prove(inquiry, finding, "probes missed %s",
			      text_count(total, sizeof(total), analysis->recording.missed));
	if (analysis->lost_uncounted)
		inquiry_prove(inquiry, finding, "at %s places nobody counted how many",
			      text_count(total, sizeof(total), analysis->lost_uncounted));
	for (size_t i = 0; i < analysis->loss_count && i < EVIDENCE_ROWS; i++)
		inquiry_prove(inquiry, finding, "cpu %" PRIu32 ": %" PRIu64 " lost",
			      analysis->losses[i].cpu, analysis->losses[i].lost);
	inquiry_prove_rest(inquiry, finding, EVIDENCE_ROWS, analysis->loss_count);
	finding->cause =
		"The recorder could not keep up. Counts and bytes are too low; what was open "
		"at a gap is unknown, not leaked; ends whose beginning was lost are orphans.";
	finding->remedy = "Record with larger buffers (-b), or fewer events (-p, -P, -f).";
}

static void find_truncation(struct inquiry *inquiry)
{
	struct finding *finding;

	if (!inquiry->analysis->truncated && !inquiry->analysis->damaged)
		return;
	finding = inquiry_add(inquiry, SEVERITY_BAD, "damaged-file", "the file is %s",
			      inquiry->analysis->truncated ? "cut off" : "damaged");
	if (inquiry->analysis->damaged)
		inquiry_prove(inquiry, finding, "%" PRIu64 " pages or records do not hold together",
			      inquiry->analysis->damaged);
	finding->cause = "Everything said here is about what the file still holds.";
	finding->remedy = "Copy it again from where it was recorded.";
}

/* "7 of 12 BUS_ADDR maps": a pair and type may have refused some only. */
static void prove_refused_pair(struct inquiry *inquiry, struct finding *finding,
			       const struct pair_row *pair)
{
	char text[96], failed[32], maps[32];

	text_count(failed, sizeof(failed), pair->failed);
	text_count(maps, sizeof(maps), pair->maps);
	if (pair->failed == pair->maps)
		snprintf(text, sizeof(text), "%s maps", maps);
	else
		snprintf(text, sizeof(text), "%s of %s maps", failed, maps);
	prove_pair(inquiry, finding, pair, text);
}

static void prove_refused_processes(struct inquiry *inquiry, struct finding *finding)
{
	const struct report *report = inquiry->report;
	size_t processes = 0;

	for (size_t i = 0; i < report->process_count; i++) {
		const struct process_row *process = &report->processes[i];
		struct safe_name comm;

		if (process->not_supported && processes++ < EVIDENCE_ROWS)
			inquiry_prove(inquiry, finding,
				      "asked for by %s (pid %" PRId64 "): %" PRIu64,
				      safe_text(&comm, process->comm), process->pid,
				      process->not_supported);
	}
	if (processes > EVIDENCE_ROWS)
		inquiry_prove(inquiry, finding, "and by %zu more processes",
			      processes - EVIDENCE_ROWS);
}

static void find_refused(struct inquiry *inquiry)
{
	const struct report *report = inquiry->report;
	struct finding *finding;
	size_t pairs = 0;
	char count[32];

	if (!report->failed_maps)
		return;
	finding = inquiry_add(inquiry, SEVERITY_BAD, "refused-maps", "%s maps were refused",
			      text_count(count, sizeof(count), report->failed_maps));
	finding->weight = report->failed_maps;
	for (size_t i = 0; i < report->pair_count; i++)
		if (report->pairs[i].failed && pairs++ < EVIDENCE_ROWS)
			prove_refused_pair(inquiry, finding, &report->pairs[i]);
	inquiry_prove_rest(inquiry, finding, EVIDENCE_ROWS, pairs);
	prove_refused_processes(inquiry, finding);
	finding->cause =
		"The devices share no switch, or ACS redirect is on between them, and the host "
		"bridge is not known to the kernel to carry peer traffic. The caller gets "
		"EREMOTEIO or EINVAL; one refused request may be tried, and counted, twice.";
	finding->remedy = "On the machine: lspci -vvv shows ACSCtl of the bridges between the two. "
			  "Move both below one switch, or turn redirection off there "
			  "(pci=disable_acs_redir=..., which weakens isolation).";
}

/* What of a pair came about through the host bridge. */
static uint64_t through_host_bridge(const struct pair_row *pair)
{
	return strcmp(pair->type, "THRU_HOST_BRIDGE") ? 0 : pair->maps - pair->failed;
}

static void find_host_bridge(struct inquiry *inquiry)
{
	const struct report *report = inquiry->report;
	struct finding *finding = NULL;
	uint64_t maps = 0;
	size_t pairs = 0;
	char count[32], text[40];

	for (size_t i = 0; i < report->pair_count; i++)
		maps += through_host_bridge(&report->pairs[i]);
	if (!maps)
		return;
	finding = inquiry_add(
		inquiry, SEVERITY_WARNING, "through-host-bridge",
		"%s maps (%.1f %% of those that succeeded) went through the host bridge",
		text_count(count, sizeof(count), maps),
		100.0 * (double)maps / (double)report->maps_succeeded);
	finding->weight = maps;
	for (size_t i = 0; i < report->pair_count; i++) {
		uint64_t of_pair = through_host_bridge(&report->pairs[i]);

		if (!of_pair || pairs++ >= EVIDENCE_ROWS)
			continue;
		snprintf(text, sizeof(text), "%s maps", text_count(count, sizeof(count), of_pair));
		prove_pair(inquiry, finding, &report->pairs[i], text);
	}
	inquiry_prove_rest(inquiry, finding, EVIDENCE_ROWS, pairs);
	finding->cause =
		"The transfer crosses the root complex: the devices share no switch, or ACS "
		"redirect sends their traffic up. How much slower that is depends on the CPU; "
		"on many it is not.";
	finding->remedy =
		"Distance 2 means one slot or root port for both: then it is ACS redirect on "
		"that port. Otherwise move both below one switch.";
}

/* The end of the rows of the same client and provider: they stand together. */
static size_t end_of_pair(const struct report *report, size_t first)
{
	const struct pair_row *pair = &report->pairs[first];
	size_t end = first + 1;

	while (end < report->pair_count && !strcmp(report->pairs[end].client, pair->client) &&
	       !strcmp(report->pairs[end].provider, pair->provider))
		end++;
	return end;
}

/* "7 NOT_SUPPORTED, 246 BUS_ADDR" for the rows of a pair; how many types its maps had.
 * UNKNOWN is no type: not calculated, or the events do not tell. */
static size_t types_of_pair(const struct report *report, size_t first, size_t end, char *text,
			    size_t room)
{
	struct safe_name type;
	size_t types = 0, used = 0;

	*text = '\0';
	for (size_t i = first; i < end; i++) {
		const struct pair_row *row = &report->pairs[i];

		if (!row->maps || !strcmp(row->type, "UNKNOWN"))
			continue;
		if (used < room)
			used += (size_t)snprintf(text + used, room - used, "%s%" PRIu64 " %s",
						 types ? ", " : "", row->maps,
						 safe_text(&type, row->type));
		types++;
	}
	return types;
}

static void find_type_changes(struct inquiry *inquiry)
{
	const struct report *report = inquiry->report;
	struct safe_name client, provider;
	struct finding *finding = NULL;
	size_t found = 0;
	char text[512];

	for (size_t first = 0, end; first < report->pair_count; first = end) {
		const struct pair_row *pair = &report->pairs[first];

		end = end_of_pair(report, first);
		if (types_of_pair(report, first, end, text, sizeof(text)) < 2)
			continue;
		if (!finding)
			finding =
				inquiry_add(inquiry, SEVERITY_WARNING, "type-changed",
					    "the map type of a pair changed during the recording");
		if (found++ < EVIDENCE_ROWS)
			inquiry_prove(inquiry, finding, "%s -> %s: %s",
				      safe_text(&client, pair->client),
				      safe_text(&provider, pair->provider), text);
	}
	if (!finding)
		return;
	finding->weight = found;
	inquiry_prove_rest(inquiry, finding, EVIDENCE_ROWS, found);
	finding->cause =
		"The kernel calculates a pair's type once and keeps it until the provider is "
		"rebound: somebody changed ACS or rebound the driver.";
	finding->remedy =
		"'p2ptrace events' shows p2p_map_type_change with the process that caused it.";
}

static void find_leaks(struct inquiry *inquiry)
{
	const struct leak_totals *leaked = &inquiry->leaks->totals[VERDICT_LEAKED];
	struct leak_group *groups;
	struct finding *finding;
	struct p2p_error ignored;
	size_t count, all = 0;
	char number[32], bytes[32];
	struct safe_name comm, provider;

	if (!leaked->count)
		return;
	finding = inquiry_add(
		inquiry, SEVERITY_BAD, "leaks", "%s allocations or mappings leaked (%s)",
		text_count(number, sizeof(number), leaked->count),
		bytes_text(bytes, inquiry->leaks->bytes_known ? leaked->bytes : NOT_KNOWN));
	finding->weight = leaked->count;
	if (leaks_group(inquiry->leaks, "pid,provider,kind", &groups, &count, &ignored)) {
		inquiry->findings->no_memory = true;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(groups[i].verdict, verdict_names[VERDICT_LEAKED]) != 0)
			continue;
		if (all++ < EVIDENCE_ROWS)
			inquiry_prove(inquiry, finding,
				      "%s (pid %" PRId64 "): %" PRIu64 " %ss of %s, %s",
				      safe_text(&comm, groups[i].comm), groups[i].pid,
				      groups[i].count, groups[i].kind,
				      safe_text(&provider, groups[i].provider),
				      bytes_text(bytes, groups[i].bytes));
	}
	inquiry_prove_rest(inquiry, finding, EVIDENCE_ROWS, all);
	free(groups);
	finding->cause =
		"Nothing freed or unmapped them, and their process is gone (or they are older "
		"than --min-age): the memory stays taken, and unbinding the provider's driver "
		"may hang.";
	finding->remedy =
		"'p2ptrace leaks --each' lists them; the driver that allocated must free.";
}

static bool has_long_tail(const struct pair_row *pair)
{
	uint64_t middle, tail;

	if (!pair->lifetime || pair->lifetime->count < TAIL_COUNT)
		return false;
	middle = histogram_percentile(pair->lifetime, 0.5);
	tail = histogram_percentile(pair->lifetime, 0.999);
	return tail >= TAIL_NS && tail / TAIL_FACTOR >= middle;
}

static void find_tails(struct inquiry *inquiry)
{
	const struct report *report = inquiry->report;
	struct finding *finding = NULL;
	struct safe_name client, provider;
	char p50[32], p999[32];
	size_t found = 0;

	for (size_t i = 0; i < report->pair_count; i++) {
		const struct pair_row *pair = &report->pairs[i];

		if (!has_long_tail(pair))
			continue;
		if (!finding)
			finding = inquiry_add(inquiry, SEVERITY_NOTE, "long-tail",
					      "some mappings live far longer than the others");
		if (found++ >= EVIDENCE_ROWS)
			continue;
		text_duration(p50, sizeof(p50), histogram_percentile(pair->lifetime, 0.5));
		text_duration(p999, sizeof(p999), histogram_percentile(pair->lifetime, 0.999));
		inquiry_prove(inquiry, finding,
			      "%s -> %s: half end within %s, one in a thousand takes %s",
			      safe_text(&client, pair->client),
			      safe_text(&provider, pair->provider), p50, p999);
	}
	if (!finding)
		return;
	finding->weight = found;
	inquiry_prove_rest(inquiry, finding, EVIDENCE_ROWS, found);
	finding->cause = "Requests that waited in the device, or mappings held on purpose.";
	finding->remedy = "'p2ptrace report --hist' shows the distribution, --timeline when.";
}

static void find_failed_allocs(struct inquiry *inquiry)
{
	const struct report *report = inquiry->report;
	struct finding *finding;
	struct safe_name provider;
	char count[32], peak[32];

	if (!report->failed_allocs)
		return;
	finding = inquiry_add(inquiry, SEVERITY_BAD, "failed-allocations", "%s allocations failed",
			      text_count(count, sizeof(count), report->failed_allocs));
	finding->weight = report->failed_allocs;
	for (size_t i = 0; i < report->pool_count; i++)
		if (report->pools[i].failed)
			inquiry_prove(inquiry, finding,
				      "%s: %" PRIu64 " of %" PRIu64 " failed; at most %s were held",
				      safe_text(&provider, report->pools[i].provider),
				      report->pools[i].failed, report->pools[i].allocs,
				      bytes_text(peak, report->pools[i].peak_bytes));
	finding->cause =
		"The provider's pool had no room: too small, or others hold it. What asked then "
		"fails or silently takes system memory.";
	finding->remedy =
		"/sys/bus/pci/devices/*/p2pmem/available shows what is left; 'p2ptrace report "
		"--by provider,pid' who holds it.";
}

static void find_unknown_owners(struct inquiry *inquiry)
{
	const struct leak_totals *unknown = &inquiry->leaks->totals[VERDICT_UNKNOWN];
	struct finding *finding;
	char count[32];

	if (!unknown->count)
		return;
	finding = inquiry_add(
		inquiry, SEVERITY_NOTE, "unknown-open",
		"of %s open allocations or mappings it is not known whether they leaked",
		text_count(count, sizeof(count), unknown->count));
	finding->weight = unknown->count;
	inquiry_prove(inquiry, finding, "%s",
		      inquiry->leaks->items[inquiry->leaks->totals[0].count].why);
	finding->cause = "Without knowing that their process is gone, open is not leaked.";
	finding->remedy =
		"'p2ptrace leaks --min-age TIME' takes what is older than TIME for leaked.";
}

static void (*const rules[])(struct inquiry *inquiry) = {
	find_nothing,	     find_loss,		 find_truncation,	find_refused,
	find_leaks,	     find_failed_allocs, find_host_bridge,	find_type_changes,
	find_unknown_owners, find_tails,	 find_stale_cache,	find_redirected,
	find_never_direct,   find_full_pools,	 find_unseen_providers, find_other_path,
};

static int compare_findings(const void *a, const void *b)
{
	const struct finding *left = a, *right = b;

	if (left->severity != right->severity)
		return left->severity < right->severity ? -1 : 1;
	if (left->weight != right->weight)
		return left->weight > right->weight ? -1 : 1;
	return strcmp(left->title, right->title);
}

int findings_make(struct findings *findings, const struct report *report, const struct leaks *leaks,
		  struct p2p_error *err)
{
	struct inquiry inquiry = {
		.findings = findings, .report = report, .leaks = leaks, .analysis = report->analysis
	};

	*findings = (struct findings){ 0 };
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		rules[i](&inquiry);
	if (findings->no_memory) {
		findings_free(findings);
		return p2p_fail(err, "no memory for the findings");
	}
	rows_sort(findings->items, findings->count, sizeof(*findings->items), compare_findings);
	return 0;
}

void findings_free(struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		free(findings->items[i].title);
		free(findings->items[i].evidence);
		free(findings->items[i].own_remedy);
	}
	free(findings->items);
	*findings = (struct findings){ 0 };
}
