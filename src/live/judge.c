// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Verdicts on what is outstanding, and the findings.  Both look at every single thing that
 * is open: with very much of it they are not made anew for every picture.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "p2ptrace/rows.h"
#include "parts.h"

/* It takes at most this part of the time. */
#define SHARE 50

static uint64_t cpu_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- the oldest ---- */

static int compare_age(const void *a, const void *b)
{
	const struct leak *const *left = a, *const *right = b;

	if ((*left)->stamp != (*right)->stamp)
		return (*left)->stamp < (*right)->stamp ? -1 : 1;
	/* As they stand: the worst first. */
	return *left < *right ? -1 : *left > *right;
}

/* Copies the oldest, and lets the others go. */
static bool keep_oldest(struct judgement *judgement)
{
	struct leaks *leaks = &judgement->leaks;
	const struct leak **order = calloc(leaks->count + 1, sizeof(*order));
	size_t count = leaks->count < LIVE_LEAKS_MAX ? leaks->count : LIVE_LEAKS_MAX;

	judgement->oldest = calloc(count + 1, sizeof(*judgement->oldest));
	if (!order || !judgement->oldest) {
		free(order);
		return false;
	}
	for (size_t i = 0; i < leaks->count; i++)
		order[i] = &leaks->items[i];
	qsort(order, leaks->count, sizeof(*order), compare_age);
	for (size_t i = 0; i < count; i++)
		judgement->oldest[i] = *order[i];
	judgement->oldest_count = count;
	free(order);
	free(leaks->items);
	leaks->items = NULL;
	leaks->count = 0;
	return true;
}

/* ---- the whole ---- */

void judgement_free(struct judgement *judgement)
{
	leaks_free(&judgement->leaks);
	findings_free(&judgement->findings);
	free(judgement->oldest);
	*judgement = (struct judgement){ .made = false };
}

static int make(struct live *live, const struct report *report, struct p2p_error *err)
{
	struct judgement *judgement = &live->judgement;

	if (live->source == LIVE_KERNEL && who_lives(live, err))
		return -1;
	if (leaks_find(&judgement->leaks, live->engine.analysis, live->options.min_age, err) ||
	    findings_make(&judgement->findings, report, &judgement->leaks, err))
		return -1;
	return keep_oldest(judgement) ? 0 : p2p_fail(err, "no memory for the list of leaks");
}

int judge(struct live *live, const struct report *report, struct p2p_error *err)
{
	struct judgement *judgement = &live->judgement;
	uint64_t began = cpu_now(), now = live_now_ns();

	if (judgement->made && !live->ended && now - judgement->at < judgement->cost * SHARE)
		return 0;
	judgement_free(judgement);
	if (make(live, report, err)) {
		judgement_free(judgement);
		return -1;
	}
	judgement->made = true;
	judgement->at = now;
	judgement->stamp = live->engine.position;
	judgement->cost = cpu_now() - began;
	return 0;
}

/* ---- for a picture ---- */

/* Reasons repeat: neighbours share them. */
static bool copy_leaks(const struct live *live, struct live_snapshot *snapshot)
{
	const struct judgement *judgement = &live->judgement;
	uint64_t position = live->engine.position;
	const char *from = NULL, *to = NULL;

	snapshot->leaks = calloc(judgement->oldest_count + 1, sizeof(*snapshot->leaks));
	if (!snapshot->leaks)
		return false;
	for (size_t i = 0; i < judgement->oldest_count; i++) {
		struct leak *leak = &snapshot->leaks[snapshot->leak_count++];

		*leak = judgement->oldest[i];
		if (leak->why != from) {
			from = leak->why;
			to = texts_add(snapshot->own, from);
		}
		leak->why = to ? to : "";
		if (leak->age != NOT_KNOWN)
			leak->age = position > leak->stamp ? position - leak->stamp : 0;
	}
	memcpy(snapshot->verdicts, judgement->leaks.totals, sizeof(snapshot->verdicts));
	snapshot->judged = judgement->stamp;
	return true;
}

static char *copy_text(const char *text, bool *good)
{
	char *copy = text ? strdup(text) : NULL;

	*good &= !text || copy;
	return copy;
}

static bool copy_findings(const struct findings *from, struct findings *to)
{
	bool good = true;

	for (size_t i = 0; good && i < from->count; i++) {
		struct finding *finding = ROWS_ADD(to->items, to->count);

		if (!finding)
			return false;
		*finding = from->items[i];
		finding->title = copy_text(from->items[i].title, &good);
		finding->evidence = copy_text(from->items[i].evidence, &good);
		finding->own_remedy = copy_text(from->items[i].own_remedy, &good);
		if (finding->own_remedy)
			finding->remedy = finding->own_remedy;
	}
	return good;
}

bool judgement_copy(const struct live *live, struct live_snapshot *snapshot)
{
	return copy_leaks(live, snapshot) &&
	       copy_findings(&live->judgement.findings, &snapshot->findings);
}
