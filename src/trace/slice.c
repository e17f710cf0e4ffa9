// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/slice.h"

/* The same pages' stamps are asked for again and again as borders move on. */
#define STAMP_PLACES 8

struct stamp_memory {
	uint64_t page[STAMP_PLACES]; /* + 1 */
	uint64_t stamp[STAMP_PLACES];
};

static int page_stamp(struct slice_plan *plan, size_t lane, uint64_t page, uint64_t *stamp,
		      struct p2p_error *err)
{
	struct stamp_memory *memory = &plan->stamps[lane];
	size_t at = page % STAMP_PLACES;

	if (memory->page[at] != page + 1) {
		if (lane_page_stamp(&plan->reader, &plan->file->lanes[lane], page,
				    &memory->stamp[at], err))
			return -1;
		memory->page[at] = page + 1;
	}
	*stamp = memory->stamp[at];
	return 0;
}

int slice_plan_init(struct slice_plan *plan, const struct trace_file *file, uint64_t bytes,
		    bool fine, struct p2p_error *err)
{
	uint64_t pages = 0;

	*plan = (struct slice_plan){ .file = file, .fine = fine };
	lane_reader_init(&plan->reader, file);
	plan->next = calloc(file->lane_count + 1, sizeof(*plan->next));
	plan->probe = calloc(file->lane_count + 1, sizeof(*plan->probe));
	plan->stamps = calloc(file->lane_count + 1, sizeof(*plan->stamps));
	if (!plan->next || !plan->probe || !plan->stamps)
		return p2p_fail(err, "no memory");
	for (size_t i = 0; i < file->lane_count; i++)
		if (file->lanes[i].pages) {
			plan->pages = bytes / file->lanes[i].page_size;
			pages += file->lanes[i].pages;
		}
	/* A border page is read for both of its slices: with many lanes a slice takes
	 * some pages of each, so that this stays a small part. */
	if (!fine && plan->pages < 2 * file->lane_count)
		plan->pages = 2 * file->lane_count;
	if (!plan->pages)
		plan->pages = 1;
	plan->done = !pages;
	/* From the first stamp on: the first slice has no border before it. */
	plan->from = UINT64_MAX;
	for (size_t i = 0; i < file->lane_count; i++) {
		uint64_t stamp;

		if (!file->lanes[i].pages)
			continue;
		if (page_stamp(plan, i, 0, &stamp, err))
			return -1;
		plan->from = stamp < plan->from ? stamp : plan->from;
	}
	return 0;
}

void slice_plan_destroy(struct slice_plan *plan)
{
	lane_reader_destroy(&plan->reader);
	free(plan->next);
	free(plan->probe);
	free(plan->stamps);
}

/* The last page of the lane that begins before `stamp`, at or behind next[lane];
 * near pages first, since borders move on step by step. */
static int last_page_before(struct slice_plan *plan, size_t lane, uint64_t stamp, uint64_t *page,
			    struct p2p_error *err)
{
	const struct trace_lane *pages = &plan->file->lanes[lane];
	uint64_t low = plan->next[lane], high, step = 1, found;

	for (high = low + 1; high < pages->pages; high = low + step) {
		if (page_stamp(plan, lane, high, &found, err))
			return -1;
		if (found >= stamp)
			break;
		low = high;
		step *= 2;
	}
	if (high > pages->pages)
		high = pages->pages;
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (page_stamp(plan, lane, middle, &found, err))
			return -1;
		if (found < stamp)
			low = middle;
		else
			high = middle;
	}
	*page = low;
	return 0;
}

/* A border about `share` pages ahead on the lane that is furthest behind in pages
 * per time: the smallest stamp found there.  UINT64_MAX: no lane has that many. */
static int candidate_border(struct slice_plan *plan, uint64_t share, uint64_t *border,
			    struct p2p_error *err)
{
	*border = UINT64_MAX;
	for (size_t i = 0; i < plan->file->lane_count; i++) {
		const struct trace_lane *lane = &plan->file->lanes[i];
		uint64_t stamp;

		if (plan->next[i] >= lane->pages || lane->pages - plan->next[i] <= share)
			continue;
		if (page_stamp(plan, i, plan->next[i] + share, &stamp, err))
			return -1;
		if (stamp > plan->from && stamp < *border)
			*border = stamp;
	}
	return 0;
}

/* Pages that begin before `border`, beyond those that lie across the last one: about
 * what the slice holds.  plan->probe gets each lane's last page. */
static int pages_before(struct slice_plan *plan, uint64_t border, uint64_t *pages,
			struct p2p_error *err)
{
	*pages = 0;
	for (size_t i = 0; i < plan->file->lane_count; i++) {
		const struct trace_lane *lane = &plan->file->lanes[i];

		plan->probe[i] = plan->next[i];
		if (plan->next[i] >= lane->pages)
			continue;
		if (border == UINT64_MAX)
			plan->probe[i] = lane->pages - 1;
		else if (last_page_before(plan, i, border, &plan->probe[i], err))
			return -1;
		*pages += plan->probe[i] - plan->next[i];
	}
	return 0;
}

/* Lanes differ in how busy they are: the share is doubled until the slice is about
 * as large as wished. */
static int find_border(struct slice_plan *plan, uint64_t *border, struct p2p_error *err)
{
	uint64_t share = plan->pages / (plan->file->lane_count ? plan->file->lane_count : 1);

	for (share = share ? share : 1;; share *= 2) {
		uint64_t pages;

		if (candidate_border(plan, share, border, err) ||
		    pages_before(plan, *border, &pages, err))
			return -1;
		if (*border != UINT64_MAX && pages < plan->pages / 2)
			continue;
		if (!plan->fine || *border == UINT64_MAX || pages < plan->pages * 2)
			return 0;
		/* With many lanes a page of each is too much: a part of its time will do. */
		*border = plan->from + 1 + (*border - plan->from - 1) / (pages / plan->pages);
		return pages_before(plan, *border, &pages, err);
	}
}

int slice_plan_until(struct slice_plan *plan, uint64_t wanted, struct slice_span *span,
		     struct p2p_error *err)
{
	uint64_t border, pages;

	if (plan->done || wanted <= plan->from)
		return 0;
	if (find_border(plan, &border, err))
		return -1;
	if (border > wanted) {
		border = wanted;
		if (pages_before(plan, border, &pages, err))
			return -1;
	}
	span->number = plan->number++;
	span->from = plan->from;
	span->until = border;
	span->last = border == UINT64_MAX;
	for (size_t i = 0; i < plan->file->lane_count; i++) {
		bool left = plan->next[i] < plan->file->lanes[i].pages;

		span->lanes[i].first = plan->next[i];
		span->lanes[i].count = left ? plan->probe[i] - plan->next[i] + 1 : 0;
		plan->next[i] = left ? plan->probe[i] : plan->next[i];
	}
	plan->from = border;
	plan->done = span->last;
	return 1;
}

int slice_plan_next(struct slice_plan *plan, struct slice_span *span, struct p2p_error *err)
{
	return slice_plan_until(plan, UINT64_MAX, span, err);
}

double slice_plan_progress(const struct slice_plan *plan)
{
	uint64_t behind = 0, all = 0;

	for (size_t i = 0; i < plan->file->lane_count; i++) {
		behind += plan->next[i];
		all += plan->file->lanes[i].pages;
	}
	return plan->done || !all ? 1.0 : (double)behind / (double)all;
}
