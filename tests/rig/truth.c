// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p2ptrace/text.h"
#include "truth.h"

/* --- JSON: a value, with the comma that separates it from the one before --- */

static void key(FILE *out, const char *name)
{
	fprintf(out, "\"%s\":", name);
}

static void number(FILE *out, const char *name, uint64_t value, const char *after)
{
	key(out, name);
	fprintf(out, "%" PRIu64 "%s", value, after);
}

/* Bytes that are no UTF-8 become lone surrogates U+DC80..U+DCFF, as Python reads
 * and writes them. */
static void text(FILE *out, const char *name, const char *value, const char *after)
{
	const unsigned char *from = (const unsigned char *)value;

	key(out, name);
	fputc('"', out);
	while (*from) {
		size_t length = text_utf8_length(from);

		if (!length)
			fprintf(out, "\\udc%02x", *from);
		else if (*from < 0x20 || *from == 0x7f)
			fprintf(out, "\\u%04x", *from);
		else if (*from == '"' || *from == '\\')
			fprintf(out, "\\%c", *from);
		else
			fwrite(from, 1, length, out);
		from += length ? length : 1;
	}
	fprintf(out, "\"%s", after);
}

static void rows_begin(FILE *out, const char *name)
{
	key(out, name);
	fputc('[', out);
}

/* Before each row; `first` is turned off. */
static void row_begin(FILE *out, bool *first)
{
	fputs(*first ? "\n {" : ",\n {", out);
	*first = false;
}

/* --- sums --- */

/* Every member of these structs is a count or a sum, but for the maxima. */
static void add_lifetimes(struct rig_lifetimes *to, const struct rig_lifetimes *from)
{
	to->count += from->count;
	to->low_sum += from->low_sum;
	to->high_sum += from->high_sum;
	if (from->low_max > to->low_max)
		to->low_max = from->low_max;
	if (from->high_max > to->high_max)
		to->high_max = from->high_max;
}

static void add_words(uint64_t *to, const uint64_t *from, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(uint64_t); i++)
		to[i] += from[i];
}

static void add_tally(struct rig_tally *to, const struct rig_tally *from)
{
	add_words((uint64_t *)to, (const uint64_t *)from, offsetof(struct rig_tally, lifetimes));
	for (size_t i = 0; i < 2; i++)
		add_lifetimes(&to->lifetimes[i], &from->lifetimes[i]);
}

/* Of one process, or of all with `process` UINT64_MAX. */
static struct rig_tally sum_workers(const struct rig_shared *shared, uint64_t process)
{
	struct rig_tally sum = { 0 };

	for (uint64_t i = 0; i < shared->worker_count; i++)
		if (process == UINT64_MAX || shared->workers[i].process == process)
			add_tally(&sum, &shared->workers[i].tally);
	return sum;
}

static struct rig_pair_tally sum_pair(const struct rig_shared *shared, uint64_t pair)
{
	struct rig_pair_tally sum = { 0 };

	for (uint64_t i = 0; i < shared->worker_count; i++)
		add_words((uint64_t *)&sum, (const uint64_t *)&shared->workers[i].pairs[pair],
			  sizeof(sum));
	return sum;
}

/* --- the document's parts --- */

static void write_events(FILE *out, const struct rig_tally *sum)
{
	static const char *const names[RIG_EVENTS] = { "alloc", "free", "map", "unmap",
						       "map_type_change" };
	uint64_t total = 0;

	key(out, "events");
	fputc('{', out);
	for (size_t i = 0; i < RIG_EVENTS; i++) {
		number(out, names[i], sum->events[i], ",");
		total += sum->events[i];
	}
	number(out, "total", total, "},\n");
}

static void write_map_types(FILE *out, const struct rig_shared *shared, const struct rig_tally *sum)
{
	uint64_t bytes[RIG_TYPES] = { [RIG_NOT_SUPPORTED] = sum->failed_map_bytes };
	bool first = true;

	for (uint64_t i = 0; i < shared->pair_count; i++)
		bytes[shared->pairs[i].type] += sum_pair(shared, i).bytes;
	rows_begin(out, "map_types");
	for (size_t i = 0; i < RIG_TYPES; i++) {
		if (!sum->by_type[i])
			continue;
		row_begin(out, &first);
		text(out, "type", rig_type_names[i], ",");
		number(out, "maps", sum->by_type[i], ",");
		number(out, "bytes", bytes[i], "}");
	}
	fputs("],\n", out);
}

static void write_pair(FILE *out, const struct rig_pair *pair, enum rig_type type,
		       const struct rig_pair_tally *sum)
{
	text(out, "client", pair->client, ",");
	text(out, "provider", pair->provider, ",");
	text(out, "type", rig_type_names[type], ",");
	key(out, "dist");
	fprintf(out, "%d,", pair->dist);
	number(out, "maps", sum->maps, ",");
	number(out, "unmaps", sum->unmaps, ",");
	number(out, "bytes", sum->bytes, ",");
	number(out, "outstanding", sum->outstanding, ",");
	number(out, "outstanding_bytes", sum->outstanding_bytes, ",");
	number(out, "orphan_unmaps", sum->orphan_unmaps, "}");
}

static void write_pairs(FILE *out, const struct rig_shared *shared)
{
	bool first = true;

	rows_begin(out, "pairs");
	for (uint64_t i = 0; i < shared->pair_count; i++) {
		const struct rig_pair *pair = &shared->pairs[i];
		struct rig_pair_tally sum = sum_pair(shared, i);
		struct rig_pair_tally refused = { .maps = sum.refused, .bytes = sum.refused_bytes };

		if (sum.maps || sum.orphan_unmaps) {
			row_begin(out, &first);
			write_pair(out, pair, pair->type, &sum);
		}
		if (refused.maps) {
			row_begin(out, &first);
			write_pair(out, pair, RIG_NOT_SUPPORTED, &refused);
		}
	}
	fputs("],\n", out);
}

static void write_process(FILE *out, const struct rig_process *process, const struct rig_tally *sum)
{
	number(out, "pid", (uint64_t)process->pid, ",");
	text(out, "comm", process->comm, ",");
	number(out, "allocs", sum->allocs, ",");
	number(out, "alloc_bytes", sum->alloc_bytes, ",");
	number(out, "frees", sum->frees, ",");
	number(out, "free_bytes", sum->free_bytes, ",");
	number(out, "maps", sum->maps, ",");
	number(out, "map_bytes", sum->map_bytes, ",");
	number(out, "unmaps", sum->unmaps, ",");
	number(out, "bus_addr", sum->by_type[RIG_BUS_ADDR], ",");
	number(out, "thru_host_bridge", sum->by_type[RIG_THRU_HOST_BRIDGE], ",");
	number(out, "not_supported", sum->by_type[RIG_NOT_SUPPORTED], ",\n  ");
	number(out, "failed_allocs", sum->failed_allocs, ",");
	number(out, "orphan_frees", sum->orphan_frees, ",");
	number(out, "orphan_unmaps", sum->orphan_unmaps, ",");
	key(out, "alive");
	fputs(process->held ? "true}" : "false}", out);
}

static void write_processes(FILE *out, const struct rig_shared *shared)
{
	bool first = true;

	rows_begin(out, "processes");
	for (uint64_t i = 0; i < shared->options->processes; i++) {
		struct rig_tally sum = sum_workers(shared, i);

		row_begin(out, &first);
		write_process(out, &shared->processes[i], &sum);
	}
	fputs("],\n", out);
}

static void write_totals(FILE *out, const struct rig_tally *sum)
{
	key(out, "failed");
	fputc('{', out);
	number(out, "allocs", sum->failed_allocs, ",");
	number(out, "maps", sum->failed_maps, ",");
	number(out, "map_bytes", sum->failed_map_bytes, "},\n");
	key(out, "orphans");
	fputc('{', out);
	number(out, "frees", sum->orphan_frees, ",");
	number(out, "unmaps", sum->orphan_unmaps, "},\n");
	key(out, "outstanding");
	fputc('{', out);
	number(out, "allocs", sum->outstanding_allocs, ",");
	number(out, "alloc_bytes", sum->outstanding_alloc_bytes, ",");
	number(out, "maps", sum->outstanding_maps, ",");
	number(out, "map_bytes", sum->outstanding_map_bytes, "},\n");
}

static void write_leak(FILE *out, const struct rig_shared *shared, const struct rig_worker *w,
		       const struct rig_leak *leak)
{
	const struct rig_process *owner = &shared->processes[w->process];
	const struct rig_pair *pair = &shared->pairs[leak->pair];
	bool map = leak->kind == RIG_MAPPING;

	text(out, "kind", map ? "map" : "alloc", ",");
	text(out, "verdict", owner->held ? "in_flight" : "leaked", ",");
	number(out, "pid", (uint64_t)owner->pid, ",");
	text(out, "comm", owner->comm, ",");
	text(out, "provider", pair->provider, ",");
	if (map) {
		text(out, "client", pair->client, ",");
		text(out, "type", rig_type_names[pair->type], ",");
	} else {
		fputs("\"client\":null,\"type\":null,", out);
	}
	fprintf(out, "\"addr\":\"0x%" PRIx64 "\",", leak->addr);
	number(out, "bytes", leak->bytes, ",");
	number(out, "freed", leak->freed, "}");
}

static void write_leaks(FILE *out, const struct rig_shared *shared)
{
	bool first = true;

	rows_begin(out, "leaks");
	for (uint64_t i = 0; i < shared->worker_count; i++) {
		const struct rig_worker *w = &shared->workers[i];

		for (uint64_t leak = 0; leak < w->leak_count; leak++) {
			row_begin(out, &first);
			write_leak(out, shared, w, &w->leaks[leak]);
		}
	}
	fputs("],\n", out);
}

static void write_bounds(FILE *out, const char *name, const struct rig_lifetimes *lifetimes,
			 const char *after)
{
	key(out, name);
	fputc('{', out);
	number(out, "count", lifetimes->count, ",");
	number(out, "sum_low", lifetimes->low_sum, ",");
	number(out, "sum_high", lifetimes->high_sum, ",");
	number(out, "max_low", lifetimes->low_max, ",");
	number(out, "max_high", lifetimes->high_max, "}");
	fputs(after, out);
}

static void write_document(FILE *out, const struct rig_shared *shared)
{
	struct rig_tally sum = sum_workers(shared, UINT64_MAX);

	fputs("{\"schema\":\"p2prig.truth/1\",\n", out);
	number(out, "seed", shared->options->seed, ",");
	number(out, "duration_ns", shared->finished - shared->started, ",\n");
	write_events(out, &sum);
	write_map_types(out, shared, &sum);
	write_pairs(out, shared);
	write_processes(out, shared);
	write_totals(out, &sum);
	write_leaks(out, shared);
	if (shared->options->lifetimes) {
		key(out, "lifetimes");
		fputc('{', out);
		write_bounds(out, "map_ns", &sum.lifetimes[RIG_MAPPING], ",");
		write_bounds(out, "alloc_ns", &sum.lifetimes[RIG_ALLOCATION], "},\n");
	}
	fputs("\"complete\":true}\n", out);
}

static int write_to_file(const struct rig_shared *shared, const char *path, struct p2p_error *err)
{
	char partial[4096];
	struct stat old;
	FILE *out;
	bool failed;

	/* A rename over /dev/null, as root, would leave the machine without it. */
	if (!stat(path, &old) && !S_ISREG(old.st_mode))
		snprintf(partial, sizeof(partial), "%s", path);
	else
		snprintf(partial, sizeof(partial), "%s.partial", path);
	out = fopen(partial, "we");
	if (!out)
		return p2p_fail_errno(err, "%s", partial);
	write_document(out, shared);
	failed = ferror(out);
	failed |= fclose(out) != 0;
	if (!strcmp(partial, path))
		return failed ? p2p_fail_errno(err, "%s", path) : 0;
	if (failed || rename(partial, path)) {
		p2p_fail_errno(err, "%s", path);
		unlink(partial);
		return -1;
	}
	return 0;
}

int rig_write_truth(const struct rig_shared *shared, struct p2p_error *err)
{
	if (shared->options->truth)
		return write_to_file(shared, shared->options->truth, err);
	write_document(stdout, shared);
	if (fflush(stdout))
		return p2p_fail_errno(err, "cannot write to standard output");
	return 0;
}
