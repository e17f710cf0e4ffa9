// SPDX-License-Identifier: GPL-2.0-or-later
/* Findings that come from setting the events beside the PCI tree; without one, none. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "inquiry.h"
#include "p2ptrace/blocker.h"
#include "p2ptrace/predictions.h"
#include "p2ptrace/rows.h"
#include "p2ptrace/text.h"

/* A pool of which so many hundredths were taken at once is nearly full. */
#define FULL_PERCENT 90

static const struct topology *tree_of(const struct inquiry *inquiry)
{
	return &inquiry->report->predictions->system.topology;
}

/* ---- another path than the tree says ---- */

static void prove_difference(struct inquiry *inquiry, struct finding *finding,
			     const struct prediction *pair)
{
	struct safe_name client, provider;

	char distances[64] = "";

	if (pair->result == PREDICTION_DISTANCE)
		snprintf(distances, sizeof(distances),
			 " at distance %" PRId64 " instead of %" PRId64,
			 inquiry->report->pairs[pair->first].dist, pair->dist);
	inquiry_prove(inquiry, finding, "%s -> %s: %s observed, %s predicted%s, %" PRIu64 " maps",
		      safe_text(&client, pair->client), safe_text(&provider, pair->provider),
		      pair->observed, pair->type, distances, pair->maps);
}

/* The words to type for the first pair, if the tree knows its driver. */
static void advise_rebind(struct inquiry *inquiry, struct finding *finding,
			  const struct prediction *pair)
{
	struct pci_device *device = pair->provider_device;

	if (finding->own_remedy)
		return;
	topology_details(tree_of(inquiry), device);
	inquiry_remedy(inquiry, finding,
		       "Bind the provider's driver anew, the next mapping calculates the type "
		       "again:\necho %s >/sys/bus/pci/drivers/%s/unbind\n"
		       "echo %s >/sys/bus/pci/drivers/%s/bind",
		       device->name, *device->driver ? device->driver : "DRIVER", device->name,
		       *device->driver ? device->driver : "DRIVER");
}

void find_stale_cache(struct inquiry *inquiry)
{
	const struct predictions *predictions = inquiry->report->predictions;
	struct finding *finding = NULL;
	size_t found = 0, slower = 0;

	for (size_t i = 0; predictions && i < predictions->count; i++) {
		const struct prediction *pair = &predictions->pairs[i];

		if (pair->result != PREDICTION_STALE)
			continue;
		if (!finding)
			finding = inquiry_add(inquiry, SEVERITY_WARNING, "stale-cache",
					      "the kernel uses a path that is no longer what the "
					      "PCI tree gives (stale cache)");
		slower += pair->verdict.type == P2P_TYPE_BUS_ADDR;
		finding->weight += pair->maps;
		if (found++ < EVIDENCE_ROWS)
			prove_difference(inquiry, finding, pair);
		advise_rebind(inquiry, finding, pair);
	}
	if (!finding)
		return;
	inquiry_prove_rest(inquiry, finding, EVIDENCE_ROWS, found);
	if (slower)
		inquiry_prove(inquiry, finding, "%zu of these pairs should be direct and never are",
			      slower);
	finding->cause =
		"The kernel calculates a pair's type once and keeps it: ACS was changed since "
		"(setpci, a driver, a hot-plug), and it does not look again.";
}

void find_other_path(struct inquiry *inquiry)
{
	const struct predictions *predictions = inquiry->report->predictions;
	struct finding *finding = NULL;
	size_t found = 0;

	for (size_t i = 0; predictions && i < predictions->count; i++) {
		const struct prediction *pair = &predictions->pairs[i];

		if (pair->result != PREDICTION_DIFFERS && pair->result != PREDICTION_DISTANCE)
			continue;
		if (!finding)
			finding =
				inquiry_add(inquiry, SEVERITY_NOTE, "other-path",
					    "the kernel decided otherwise than the PCI tree says");
		finding->weight += pair->maps;
		if (found++ < EVIDENCE_ROWS)
			prove_difference(inquiry, finding, pair);
	}
	if (!finding)
		return;
	inquiry_prove_rest(inquiry, finding, EVIDENCE_ROWS, found);
	finding->cause = "The kernel's list of host bridges is not its release's (distributions "
			 "add to it, patches too), or the tree is of another machine or time.";
	finding->remedy = "--allow-list FILE tells what a patched kernel lets pass.";
}

/* ---- providers of the tree ---- */

/* More clients or pools than this are not set beside each other. */
#define SEARCH_MAX 4096

static bool has_published_pool(const struct topology *topology, struct pci_device *device)
{
	if (!device->has_pool)
		return false;
	topology_details(topology, device);
	return device->pool_published != ANSWER_NO;
}

/* Those with a published pool, in the order of the tree. */
struct pool_list {
	const struct pci_device **devices;
	size_t count;
};

static void list_pools(struct inquiry *inquiry, struct pool_list *pools)
{
	const struct topology *topology = tree_of(inquiry);

	*pools = (struct pool_list){ NULL, 0 };
	for (size_t i = 0; i < topology->count; i++) {
		const struct pci_device **row;

		if (!has_published_pool(topology, &topology->devices[i]))
			continue;
		row = ROWS_ADD(pools->devices, pools->count);
		if (!row) {
			inquiry->findings->no_memory = true;
			return;
		}
		*row = &topology->devices[i];
	}
}

/* ---- direct would be possible ---- */

/* A provider that a client reaches directly; NULL: none but itself. */
static const struct pci_device *direct_provider(const struct predictions *predictions,
						const struct pool_list *pools,
						const struct pci_device *client)
{
	struct verdict verdict;

	for (size_t i = 0; i < pools->count && i < SEARCH_MAX; i++) {
		if (pools->devices[i] == client)
			continue;
		rule_decide(&predictions->system.rule, pools->devices[i], client, &verdict);
		if (verdict.type == P2P_TYPE_BUS_ADDR)
			return pools->devices[i];
	}
	return NULL;
}

static int compare_clients(const void *a, const void *b)
{
	const struct prediction *left = *(const struct prediction *const *)a;
	const struct prediction *right = *(const struct prediction *const *)b;

	return left->first < right->first ? -1 : left->first > right->first;
}

/* The pairs in the order of their clients; malloc'd. */
static const struct prediction **by_client(const struct predictions *predictions)
{
	const struct prediction **pairs = calloc(predictions->count + 1, sizeof(const void *));

	for (size_t i = 0; pairs && i < predictions->count; i++)
		pairs[i] = &predictions->pairs[i];
	if (pairs)
		rows_sort(pairs, predictions->count, sizeof(const void *), compare_clients);
	return pairs;
}

/* Whether any of a client's maps was direct, or will be once the cache is fresh. */
static bool is_ever_direct(const struct prediction *const *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strstr(pairs[i]->observed, "BUS_ADDR") ||
		    pairs[i]->verdict.type == P2P_TYPE_BUS_ADDR)
			return true;
	return false;
}

/* A client whose providers are all far away, with a provider nearby that it does not use. */
void find_never_direct(struct inquiry *inquiry)
{
	const struct predictions *predictions = inquiry->report->predictions;
	const struct prediction **pairs = predictions ? by_client(predictions) : NULL;
	struct finding *finding = NULL;
	struct safe_name name;
	size_t found = 0, clients = 0;
	struct pool_list pools;

	inquiry->findings->no_memory |= predictions && !pairs;
	if (!pairs)
		return;
	list_pools(inquiry, &pools);
	for (size_t first = 0, end; first < predictions->count; first = end) {
		const struct pci_device *client = pairs[first]->client_device, *nearby;

		for (end = first;
		     end < predictions->count && !strcmp(pairs[end]->client, pairs[first]->client);)
			end++;
		if (!client || is_ever_direct(pairs + first, end - first) ||
		    clients++ >= SEARCH_MAX)
			continue;
		nearby = direct_provider(predictions, &pools, client);
		if (!nearby)
			continue;
		if (!finding)
			finding = inquiry_add(inquiry, SEVERITY_NOTE, "never-direct",
					      "a device could go directly, and never does");
		if (found++ < EVIDENCE_ROWS)
			inquiry_prove(inquiry, finding,
				      "%s: no direct map with %zu providers, though %s is below "
				      "the same bridge and has peer memory",
				      safe_text(&name, pairs[first]->client), end - first,
				      nearby->name);
	}
	free(pairs);
	free(pools.devices);
	if (!finding)
		return;
	finding->weight = found;
	inquiry_prove_rest(inquiry, finding, EVIDENCE_ROWS, found);
	finding->cause = "Memory of a provider elsewhere is used, although one nearby has a pool.";
	finding->remedy = "Where the software chooses the provider (nvmet's p2pmem, a program's "
			  "allocation), choose the one below the same switch; 'p2ptrace topo' "
			  "shows which.";
}

/* ---- below one switch and yet not direct ---- */

static bool is_redirected(const struct prediction *pair)
{
	return pair->verdict.common && pair->verdict.redirects &&
	       pair->verdict.type != P2P_TYPE_BUS_ADDR && pair->result == PREDICTION_AGREES;
}

/* What is in the way of one pair, with the remedy of the first pair for all. */
static void prove_blockers(struct inquiry *inquiry, struct finding *finding,
			   const struct prediction *pair)
{
	const struct rule *rule = &inquiry->report->predictions->system.rule;
	struct blocker *blockers;
	size_t count;

	if (blockers_find(rule, pair->provider_device, pair->client_device, &pair->verdict,
			  &blockers, &count)) {
		inquiry->findings->no_memory = true;
		return;
	}
	for (size_t i = 0; i < count && i < EVIDENCE_ROWS; i++)
		inquiry_prove(inquiry, finding, "  %s: %s", blockers[i].device, blockers[i].reason);
	if (count && !finding->own_remedy)
		inquiry_remedy(inquiry, finding, "%s%s%s", blockers[0].fix,
			       *blockers[0].trial ? "\nOn trial, until the next boot: " : "",
			       blockers[0].trial);
	free(blockers);
}

void find_redirected(struct inquiry *inquiry)
{
	const struct predictions *predictions = inquiry->report->predictions;
	struct finding *finding = NULL;
	struct safe_name client, provider;
	size_t found = 0;

	for (size_t i = 0; predictions && i < predictions->count; i++) {
		const struct prediction *pair = &predictions->pairs[i];

		if (!is_redirected(pair))
			continue;
		if (!finding)
			finding = inquiry_add(inquiry, SEVERITY_WARNING, "redirected",
					      "devices below one switch or port do not talk "
					      "directly");
		finding->weight += pair->maps;
		if (found++ >= EVIDENCE_ROWS)
			continue;
		inquiry_prove(inquiry, finding,
			      "%s -> %s: %" PRIu64 " maps %s, although both are "
			      "below %s",
			      safe_text(&client, pair->client),
			      safe_text(&provider, pair->provider), pair->maps, pair->observed,
			      pair->verdict.common->name);
		prove_blockers(inquiry, finding, pair);
	}
	if (!finding)
		return;
	inquiry_prove_rest(inquiry, finding, EVIDENCE_ROWS, found);
	finding->cause = "ACS redirect sends their traffic up to the root complex.";
}

/* ---- providers ---- */

static int compare_devices(const void *a, const void *b)
{
	const struct pci_device *left = *(const struct pci_device *const *)a;
	const struct pci_device *right = *(const struct pci_device *const *)b;

	return left < right ? -1 : left > right;
}

/* The providers of the events, in order. */
static void list_seen(struct inquiry *inquiry, struct pool_list *seen)
{
	const struct report *report = inquiry->report;
	const struct predictions *predictions = report->predictions;
	size_t room = report->pool_count + predictions->count;

	*seen = (struct pool_list){ calloc(room + 1, sizeof(*seen->devices)), 0 };
	if (!seen->devices) {
		inquiry->findings->no_memory = true;
		return;
	}
	for (size_t i = 0; i < report->pool_count; i++)
		seen->devices[seen->count++] =
			predictions_device(predictions, report->pools[i].provider);
	for (size_t i = 0; i < predictions->count; i++)
		seen->devices[seen->count++] = predictions->pairs[i].provider_device;
	rows_sort(seen->devices, seen->count, sizeof(*seen->devices), compare_devices);
}

static bool is_in(const struct pool_list *list, const struct pci_device *device)
{
	return list->count && bsearch(&device, list->devices, list->count, sizeof(*list->devices),
				      compare_devices);
}

void find_unseen_providers(struct inquiry *inquiry)
{
	const struct report *report = inquiry->report;
	const struct analysis *analysis = inquiry->analysis;
	struct finding *finding = NULL;
	struct pool_list pools, seen;
	size_t found = 0;
	char bytes[32];

	/* Whoever chose what to see does not wonder what was not. */
	if (!report->predictions || analysis->recording.filtered || analysis->selection.any)
		return;
	list_pools(inquiry, &pools);
	list_seen(inquiry, &seen);
	for (size_t i = 0; i < pools.count; i++) {
		const struct pci_device *device = pools.devices[i];

		if (is_in(&seen, device))
			continue;
		if (!finding)
			finding = inquiry_add(inquiry, SEVERITY_NOTE, "provider-unseen",
					      "a device has peer memory, and nobody used it");
		if (found++ < EVIDENCE_ROWS)
			inquiry_prove(inquiry, finding, "%s%s%s: pool of %s", device->name,
				      *device->kernel_names ? " " : "", device->kernel_names,
				      device->pool_size == NOT_KNOWN
					      ? "unknown size"
					      : text_bytes(bytes, sizeof(bytes),
							   device->pool_size));
	}
	free(pools.devices);
	free(seen.devices);
	if (!finding)
		return;
	finding->weight = found;
	inquiry_prove_rest(inquiry, finding, EVIDENCE_ROWS, found);
	finding->cause =
		"Nothing was allocated from it and nothing mapped while this was recorded.";
	finding->remedy =
		"If it was meant to be used: 'p2ptrace topo -i FILE' shows whom it reaches "
		"directly.";
}

/* What was taken of a pool when the recording began, by allocations that are not in it. */
static uint64_t taken_before(const struct pci_device *device)
{
	if (device->pool_size == NOT_KNOWN || device->pool_available == NOT_KNOWN ||
	    device->pool_available > device->pool_size)
		return 0;
	return device->pool_size - device->pool_available;
}

/* Bytes of a pool that were taken at once, as far as it is known; NOT_KNOWN. */
static uint64_t peak_of(const struct report *report, const struct pool_row *pool,
			const struct pci_device *device)
{
	uint64_t before = taken_before(device);

	if (pool->peak_bytes == NOT_KNOWN)
		return NOT_KNOWN;
	/* Where earlier allocations were freed meanwhile, they may have gone before the peak. */
	if (report->orphan_frees)
		before = 0;
	return pool->peak_bytes + before < pool->pool_bytes ? pool->peak_bytes + before
							    : pool->pool_bytes;
}

void find_full_pools(struct inquiry *inquiry)
{
	const struct report *report = inquiry->report;
	struct finding *finding = NULL;
	struct safe_name name;
	char peak[32], size[32], before[32];
	size_t found = 0;

	for (size_t i = 0; report->predictions && i < report->pool_count; i++) {
		const struct pool_row *pool = &report->pools[i];
		const struct pci_device *device =
			predictions_device(report->predictions, pool->provider);
		uint64_t taken = NOT_KNOWN;

		if (device && pool->pool_bytes != NOT_KNOWN && pool->pool_bytes)
			taken = peak_of(report, pool, device);
		if (taken == NOT_KNOWN || taken < pool->pool_bytes / 100 * FULL_PERCENT)
			continue;
		if (!finding)
			finding = inquiry_add(inquiry, SEVERITY_WARNING, "pool-nearly-full",
					      "a pool of peer memory was nearly exhausted");
		if (found++ < EVIDENCE_ROWS)
			inquiry_prove(inquiry, finding,
				      "%s: %s of %s taken at once (%.0f %%), %s of it before the "
				      "recording began",
				      safe_text(&name, pool->provider),
				      text_bytes(peak, sizeof(peak), taken),
				      text_bytes(size, sizeof(size), pool->pool_bytes),
				      100.0 * (double)taken / (double)pool->pool_bytes,
				      text_bytes(before, sizeof(before),
						 taken - (pool->peak_bytes < taken
								  ? pool->peak_bytes
								  : taken)));
	}
	if (!finding)
		return;
	finding->weight = found;
	inquiry_prove_rest(inquiry, finding, EVIDENCE_ROWS, found);
	finding->cause =
		"Allocations fail when nothing is left, and what asked then fails or takes "
		"system memory without a word.";
	finding->remedy =
		"'p2ptrace report --by provider,pid' shows who holds it, '--timeline' when.";
}
