// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/leaks.h"
#include "p2ptrace/report.h"
#include "p2ptrace/text.h"
#include "p2ptrace/rows.h"

#define LEAK(field) offsetof(struct leak, field)
#define GROUP(field) offsetof(struct leak_group, field)

const char *const verdict_names[VERDICTS] = { "leaked", "unknown", "in_flight" };

const struct column leak_columns[] = {
	{ CELL_TEXT, "verdict", "VERDICT", LEAK(verdict_name), IN_ALL },
	{ CELL_TEXT, "kind", "KIND", LEAK(kind), IN_ALL },
	{ CELL_NUMBER, "pid", "PID", LEAK(pid), IN_ALL },
	{ CELL_TEXT, "comm", "COMM", LEAK(comm), IN_ALL },
	{ CELL_TEXT, "provider", "PROVIDER", LEAK(provider), IN_ALL },
	{ CELL_TEXT, "client", "CLIENT", LEAK(client), IN_ALL },
	{ CELL_TEXT, "type", "TYPE", LEAK(type), IN_ALL },
	{ CELL_BYTES, "bytes", "BYTES", LEAK(bytes), IN_ALL },
	{ CELL_DURATION, "age_ns", "AGE", LEAK(age), IN_ALL },
	{ CELL_COUNT, "count", "COUNT", LEAK(count), IN_CSV },
	{ CELL_TEXT, "why", "WHY", LEAK(why), IN_ALL },
	{ CELL_TEXT, "stack", "STACK", LEAK(stack_text), IN_CSV },
	{ .kind = CELL_END },
};

const struct column leak_group_columns[] = {
	{ CELL_TEXT, "verdict", "VERDICT", GROUP(verdict), IN_ALL },
	{ CELL_TEXT, "kind", "KIND", GROUP(kind), IN_ALL },
	{ CELL_NUMBER, "pid", "PID", GROUP(pid), IN_ALL },
	{ CELL_TEXT, "comm", "COMM", GROUP(comm), IN_ALL },
	{ CELL_TEXT, "provider", "PROVIDER", GROUP(provider), IN_ALL },
	{ CELL_TEXT, "client", "CLIENT", GROUP(client), IN_ALL },
	{ CELL_TEXT, "type", "TYPE", GROUP(type), IN_ALL },
	{ CELL_COUNT, "count", "COUNT", GROUP(count), IN_ALL },
	{ CELL_BYTES, "bytes", "BYTES", GROUP(bytes), IN_ALL },
	{ CELL_DURATION, "oldest_ns", "OLDEST", GROUP(oldest), IN_ALL },
	{ CELL_TEXT, "why", "WHY", GROUP(why), IN_TEXT | IN_CSV },
	{ CELL_TEXT, "stack", "STACK", GROUP(stack_text), IN_CSV },
	{ .kind = CELL_END },
};

/* ---- verdicts ---- */

struct finder {
	struct leaks *leaks;
	const struct analysis *analysis;
	const struct matcher *matcher; /* of the shard at hand */
	uint64_t min_age;
};

static const char *keep_text(struct leaks *leaks, const char *text)
{
	char **more;

	for (size_t i = 0; i < leaks->text_count; i++)
		if (!strcmp(leaks->texts[i], text))
			return leaks->texts[i];
	more = reallocarray(leaks->texts, leaks->text_count + 1, sizeof(*more));
	if (!more)
		return "older than --min-age";
	leaks->texts = more;
	more[leaks->text_count] = strdup(text);
	return more[leaks->text_count] ? more[leaks->text_count++] : "older than --min-age";
}

/* "open longer than 10 s; the pair's p99 is 85.0 us". */
static const char *why_too_old(const struct finder *finder, const struct path_totals *totals)
{
	char age[32], p99[32], text[128];

	text_duration(age, sizeof(age), finder->min_age);
	if (!totals->lifetimes.count) {
		snprintf(text, sizeof(text), "open longer than %s; none of its pair has ended",
			 age);
	} else {
		text_duration(p99, sizeof(p99), histogram_percentile(&totals->lifetimes, 0.99));
		snprintf(text, sizeof(text), "open longer than %s; its pair's p99 is %s", age, p99);
	}
	return keep_text(finder->leaks, text);
}

static bool loss_intervened(const struct finder *finder, uint64_t stamp)
{
	return finder->analysis->loss_unplaced ||
	       (finder->matcher->lost && stamp < finder->matcher->last_loss);
}

static void judge(const struct finder *finder, struct leak *leak, const struct path_totals *totals)
{
	enum liveness liveness =
		processes_liveness(&finder->analysis->processes, (uint32_t)leak->pid, leak->stamp);

	leak->verdict = VERDICT_UNKNOWN;
	if (!leak->has_addr) {
		leak->why = "the events name no address: begun less ended, not matched";
	} else if (loss_intervened(finder, leak->stamp)) {
		leak->why = "events were lost while it was open: its end may be among them";
	} else if (finder->analysis->truncated) {
		leak->why = "the file is cut off: its end may have been behind";
	} else if (liveness == LIVENESS_GONE) {
		leak->verdict = VERDICT_LEAKED;
		leak->why = "its process is gone";
	} else if (finder->min_age != NOT_KNOWN && leak->age != NOT_KNOWN) {
		bool old = leak->age >= finder->min_age;

		leak->verdict = old ? VERDICT_LEAKED : VERDICT_IN_FLIGHT;
		leak->why = old ? why_too_old(finder, totals) : "younger than --min-age";
	} else if (liveness == LIVENESS_ALIVE) {
		leak->verdict = VERDICT_IN_FLIGHT;
		leak->why = "its process lived when the recording stopped";
	} else {
		leak->why = "the file does not tell whether its process lived (try --min-age)";
	}
}

/* ---- collecting ---- */

static struct leak *new_leak(struct leaks *leaks)
{
	struct leak *leak = ROWS_ADD(leaks->items, leaks->count);

	if (leak)
		leak->count = 1;
	return leak;
}

static void name_path(const struct analysis *analysis, struct leak *leak, const struct path *path)
{
	const char *provider = names_text(analysis->names, path->provider);
	const char *client = names_text(analysis->names, path->client);

	leak->kind = path->kind == KIND_ALLOC ? "alloc" : "map";
	leak->provider = provider ? provider : "";
	if (path->kind == KIND_ALLOC)
		return;
	leak->client = client ? client : "";
	leak->type = path->type == MAP_TYPE_ABSENT ? "UNKNOWN" : map_type_name(path->type);
}

/* What is left of a root that was closed in part: all its pieces. */
struct remains {
	uint64_t addr, bytes; /* of the first piece by address, of all together */
};

static bool add_entry(struct finder *finder, uint32_t root, const struct remains *remains)
{
	const struct analysis *analysis = finder->analysis;
	const struct open_entry *entry = open_entry_at(&finder->matcher->open, root);
	uint32_t tid = finder->matcher->threads[entry->thread].tid;
	struct leak *leak = new_leak(finder->leaks);
	uint32_t pid;
	bool known;

	if (!leak)
		return false;
	pid = processes_tgid(&analysis->processes, tid, &known);
	name_path(analysis, leak, path_at(analysis->paths, entry->totals->path));
	leak->pid = pid;
	leak->tid = tid;
	leak->comm =
		analysis_comm(analysis, pid, finder->matcher->beginnings[entry->beginning].comm);
	leak->stack = finder->matcher->beginnings[entry->beginning].stack;
	leak->addr = remains->addr;
	leak->has_addr = true;
	leak->bytes = entry->no_size ? NOT_KNOWN : remains->bytes;
	leak->stamp = entry->stamp;
	leak->age = NOT_KNOWN;
	if (analysis->recording.ns)
		leak->age = analysis->stop > entry->stamp ? analysis->stop - entry->stamp : 0;
	judge(finder, leak, entry->totals);
	return true;
}

static void add_piece(struct remains *remains, const struct open_entry *piece)
{
	if (!remains->bytes || piece->addr < remains->addr)
		remains->addr = piece->addr;
	remains->bytes += piece->size;
}

static bool add_entries(struct finder *finder)
{
	const struct open_table *open = &finder->matcher->open;
	struct remains *remains = calloc(open->entry_count + 1, sizeof(*remains));
	bool good = remains != NULL;

	for (uint32_t i = 1; good && i < open->entry_count; i++)
		if (open->entries[i].used && open->entries[i].linked)
			add_piece(&remains[open->entries[i].root], &open->entries[i]);
	for (uint32_t i = 1; good && i < open->entry_count; i++)
		if (open->entries[i].used && open->entries[i].root == i)
			good = add_entry(finder, i, &remains[i]);
	free(remains);
	return good;
}

/* Paths whose events have no addresses: one line for each, with its balance. */
static bool add_balances(struct finder *finder)
{
	const struct analysis *analysis = finder->analysis;

	for (uint32_t id = 0; id < finder->matcher->totals_room; id++) {
		const struct path_totals *totals = finder->matcher->totals[id];
		struct leak *leak;

		if (!totals || !totals->no_addr || !totals->open)
			continue;
		leak = new_leak(finder->leaks);
		if (!leak)
			return false;
		name_path(analysis, leak, path_at(analysis->paths, id));
		leak->count = totals->open;
		leak->pid = leak->tid = NUMBER_NOT_KNOWN;
		leak->bytes = totals->no_size ? NOT_KNOWN : totals->open_bytes;
		leak->age = NOT_KNOWN;
		judge(finder, leak, totals);
	}
	return true;
}

static int compare_texts(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int compare_leaks(const void *a, const void *b)
{
	const struct leak *left = a, *right = b;
	/* Not known comes before everything known. */
	uint64_t one = left->bytes + 1, two = right->bytes + 1;
	int order;

	if (left->verdict != right->verdict)
		return left->verdict < right->verdict ? -1 : 1;
	if (one != two)
		return one > two ? -1 : 1;
	if (left->stamp != right->stamp)
		return left->stamp < right->stamp ? -1 : 1;
	order = strcmp(left->kind, right->kind);
	order = order ? order : compare_texts(left->provider, right->provider);
	order = order ? order : compare_texts(left->client, right->client);
	order = order ? order : compare_texts(left->type, right->type);
	if (order)
		return order;
	if (left->addr != right->addr)
		return left->addr < right->addr ? -1 : 1;
	return left->tid < right->tid ? -1 : left->tid > right->tid;
}

int leaks_find(struct leaks *leaks, const struct analysis *analysis, uint64_t min_age,
	       struct p2p_error *err)
{
	struct finder finder = { .leaks = leaks, .analysis = analysis, .min_age = min_age };

	*leaks = (struct leaks){ .bytes_known = true, .analysis = analysis };
	if (analysis->stacks && symbols_parse(&leaks->symbols, analysis->file->kallsyms))
		return p2p_fail(err, "no memory for the kernel's symbols");
	for (unsigned int shard = 0; shard < analysis->shard_count; shard++) {
		finder.matcher = &analysis->matchers[shard];
		if (!add_entries(&finder) || !add_balances(&finder)) {
			leaks_free(leaks);
			return p2p_fail(err, "no memory for the list of leaks");
		}
	}
	rows_sort(leaks->items, leaks->count, sizeof(*leaks->items), compare_leaks);
	for (size_t i = 0; i < leaks->count; i++) {
		struct leak *leak = &leaks->items[i];

		leak->verdict_name = verdict_names[leak->verdict];
		leaks->totals[leak->verdict].count += leak->count;
		if (leak->bytes == NOT_KNOWN)
			leaks->bytes_known = false;
		else
			leaks->totals[leak->verdict].bytes += leak->bytes;
	}
	return 0;
}

const char *leaks_frame(const struct leaks *leaks, uint32_t stack, size_t index, char *to,
			size_t room)
{
	const struct names *stacks = leaks->analysis->stacks;
	uint64_t address;

	if (!stack || (index + 1) * sizeof(address) > names_length(stacks, stack))
		return NULL;
	memcpy(&address, names_text(stacks, stack) + index * sizeof(address), sizeof(address));
	/* The kernel ends short stacks with all ones. */
	if (!address || address == UINT64_MAX)
		return NULL;
	if (leaks->analysis->file->big_endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__))
		address = __builtin_bswap64(address);
	return symbols_name(&leaks->symbols, address, to, room);
}

/* All frames of a stack; NULL without memory. */
static char *join_frames(const struct leaks *leaks, uint32_t stack)
{
	char frame[256], *text = strdup(""), *more;

	for (size_t i = 0; text && leaks_frame(leaks, stack, i, frame, sizeof(frame)); i++) {
		if (asprintf(&more, "%s%s%s", text, i ? ";" : "", frame) < 0)
			more = NULL;
		free(text);
		text = more;
	}
	return text;
}

int leaks_name_stacks(struct leaks *leaks, struct p2p_error *err)
{
	const struct names *stacks = leaks->analysis->stacks;

	if (!stacks || leaks->stack_texts)
		return 0;
	leaks->stack_text_count = names_count(stacks) + 1;
	leaks->stack_texts = calloc(leaks->stack_text_count, sizeof(char *));
	for (size_t i = 0; leaks->stack_texts && i < leaks->count; i++) {
		struct leak *leak = &leaks->items[i];
		char **text = &leaks->stack_texts[leak->stack];

		if (!leak->stack)
			continue;
		*text = *text ? *text : join_frames(leaks, leak->stack);
		leak->stack_text = *text;
		if (!*text)
			return p2p_fail(err, "no memory for the stacks");
	}
	return leaks->stack_texts ? 0 : p2p_fail(err, "no memory for the stacks");
}

void leaks_free(struct leaks *leaks)
{
	for (size_t i = 0; leaks->stack_texts && i < leaks->stack_text_count; i++)
		free(leaks->stack_texts[i]);
	free(leaks->stack_texts);
	symbols_free(&leaks->symbols);
	for (size_t i = 0; i < leaks->text_count; i++)
		free(leaks->texts[i]);
	free(leaks->texts);
	free(leaks->items);
	*leaks = (struct leaks){ 0 };
}

/* ---- groups ---- */

struct grouping {
	bool kind, pid, client, provider, type, stack;
};

static int parse_grouping(struct grouping *grouping, const char *by, struct p2p_error *err)
{
	while (*by) {
		size_t length = strcspn(by, ",");

		if (length == 3 && !memcmp(by, "pid", 3))
			grouping->pid = true;
		else if (length == 4 && !memcmp(by, "pair", 4))
			grouping->kind = grouping->client = grouping->provider = grouping->type =
				true;
		else if (length == 4 && !memcmp(by, "kind", 4))
			grouping->kind = true;
		else if (length == 4 && !memcmp(by, "type", 4))
			grouping->type = true;
		else if (length == 5 && !memcmp(by, "stack", 5))
			grouping->stack = true;
		else if (length == 6 && !memcmp(by, "client", 6))
			grouping->client = true;
		else if (length == 8 && !memcmp(by, "provider", 8))
			grouping->provider = true;
		else
			return p2p_fail_usage(err,
					      "--by: '%.*s' is not one of pid, pair, provider, "
					      "client, type, kind, stack",
					      (int)length, by);
		by += length + (by[length] == ',');
	}
	return 0;
}

int leaks_check_by(const char *by, struct p2p_error *err)
{
	struct grouping grouping = { 0 };

	return parse_grouping(&grouping, by, err);
}

static int verdict_rank(const char *name)
{
	for (int i = 0; i < VERDICTS; i++)
		if (!strcmp(verdict_names[i], name))
			return i;
	return VERDICTS;
}

static int compare_keys(const struct leak_group *left, const struct leak_group *right)
{
	int order = verdict_rank(left->verdict) - verdict_rank(right->verdict);

	order = order ? order : compare_texts(left->kind, right->kind);
	order = order ? order : compare_texts(left->provider, right->provider);
	order = order ? order : compare_texts(left->client, right->client);
	order = order ? order : compare_texts(left->type, right->type);
	order = order ? order : compare_texts(left->comm, right->comm);
	if (order)
		return order;
	if (left->pid != right->pid)
		return left->pid < right->pid ? -1 : 1;
	/* The numbers of stacks depend on which thread met them first. */
	if (left->frame_bytes != right->frame_bytes)
		return left->frame_bytes < right->frame_bytes ? -1 : 1;
	return left->frame_bytes ? memcmp(left->frames, right->frames, left->frame_bytes) : 0;
}

static int compare_groups_by_key(const void *a, const void *b)
{
	return compare_keys(a, b);
}

static int compare_groups_by_bytes(const void *a, const void *b)
{
	const struct leak_group *left = a, *right = b;
	int order = verdict_rank(left->verdict) - verdict_rank(right->verdict);

	if (order)
		return order;
	if (left->bytes + 1 != right->bytes + 1)
		return left->bytes + 1 > right->bytes + 1 ? -1 : 1;
	return compare_keys(left, right);
}

static struct leak_group group_of(const struct leaks *leaks, const struct leak *leak,
				  const struct grouping *grouping)
{
	uint32_t stack = grouping->stack ? leak->stack : 0;

	return (struct leak_group){
		.verdict = leak->verdict_name,
		.kind = grouping->kind ? leak->kind : NULL,
		.pid = grouping->pid ? leak->pid : NUMBER_NOT_KNOWN,
		.comm = grouping->pid ? leak->comm : NULL,
		.provider = grouping->provider ? leak->provider : NULL,
		.client = grouping->client ? leak->client : NULL,
		.type = grouping->type ? leak->type : NULL,
		.why = leak->why,
		.stack = stack,
		.stack_text = stack ? leak->stack_text : NULL,
		.frames = stack ? names_text(leaks->analysis->stacks, stack) : NULL,
		.frame_bytes = stack ? names_length(leaks->analysis->stacks, stack) : 0,
		.count = leak->count,
		.bytes = leak->bytes,
		.oldest = leak->age,
	};
}

static void fold_group(struct leak_group *into, const struct leak_group *group)
{
	into->count += group->count;
	if (into->bytes != NOT_KNOWN)
		into->bytes = group->bytes == NOT_KNOWN ? NOT_KNOWN : into->bytes + group->bytes;
	/* The reason shown is the oldest one's; of several the first by alphabet, so that it
	 * is always the same. */
	if (group->oldest + 1 > into->oldest + 1 ||
	    (group->oldest == into->oldest && strcmp(group->why, into->why) < 0)) {
		into->oldest = group->oldest;
		into->why = group->why;
	}
}

int leaks_group(const struct leaks *leaks, const char *by, struct leak_group **groups,
		size_t *count, struct p2p_error *err)
{
	struct grouping grouping = { 0 };
	struct leak_group *rows;

	if (parse_grouping(&grouping, by, err))
		return -1;
	rows = calloc(leaks->count + 1, sizeof(*rows));
	if (!rows)
		return p2p_fail(err, "no memory for the list of leaks");
	for (size_t i = 0; i < leaks->count; i++)
		rows[i] = group_of(leaks, &leaks->items[i], &grouping);
	rows_sort(rows, leaks->count, sizeof(*rows), compare_groups_by_key);
	*count = 0;
	for (size_t i = 0; i < leaks->count; i++) {
		if (*count && !compare_keys(&rows[*count - 1], &rows[i]))
			fold_group(&rows[*count - 1], &rows[i]);
		else
			rows[(*count)++] = rows[i];
	}
	rows_sort(rows, *count, sizeof(*rows), compare_groups_by_bytes);
	*groups = rows;
	return 0;
}
