// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "p2ptrace/merge.h"

struct merge_lane {
	struct lane_reader reader;
	struct page_walk walk;
	uint64_t next_page;
	struct merged at_hand;
	bool gap_due; /* the page's gap comes before its first record */
};

static struct page_form form_of(const struct trace_file *file)
{
	return (struct page_form){
		.swapped = file->big_endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__),
		.big_endian = file->big_endian,
		.commit_size = file->commit_size,
	};
}

/* The lane's next record or gap into at_hand: 1, 0 at its end, or -1. */
static int advance(struct merge *merge, uint32_t index, struct p2p_error *err)
{
	const struct trace_lane *lane = &merge->file->lanes[index];
	struct merge_lane *state = &merge->lanes[index];
	struct page_form form = form_of(merge->file);

	for (;;) {
		struct merged *merged = &state->at_hand;
		const unsigned char *page;
		size_t bytes;

		*merged = (struct merged){ .cpu = lane->cpu };
		if (state->gap_due) {
			state->gap_due = false;
			merged->stamp = state->walk.page_stamp;
			merged->lost = state->walk.lost;
			return 1;
		}
		merged->data = page_next(&state->walk, form, &merged->length);
		merged->stamp = state->walk.stamp;
		if (merged->data)
			return 1;
		merge->damaged += state->walk.damaged;
		merge->cut |= state->walk.cut;
		if (state->next_page == lane->pages)
			return 0;
		page = lane_read(&state->reader, lane, state->next_page++, 1, &bytes, err);
		if (!page)
			return -1;
		page_begin(&state->walk, form, page, bytes);
		state->gap_due = state->walk.lost != 0;
	}
}

static bool before(const struct merge *merge, uint32_t a, uint32_t b)
{
	uint64_t left = merge->lanes[a].at_hand.stamp, right = merge->lanes[b].at_hand.stamp;

	return left != right ? left < right : a < b;
}

static void sift_down(struct merge *merge, size_t at)
{
	for (;;) {
		size_t child = at * 2 + 1;
		uint32_t lane = merge->heap[at];

		if (child >= merge->heap_count)
			return;
		if (child + 1 < merge->heap_count &&
		    before(merge, merge->heap[child + 1], merge->heap[child]))
			child++;
		if (!before(merge, merge->heap[child], lane))
			return;
		merge->heap[at] = merge->heap[child];
		merge->heap[child] = lane;
		at = child;
	}
}

int merge_init(struct merge *merge, const struct trace_file *file, struct p2p_error *err)
{
	*merge = (struct merge){ .file = file };
	merge->lanes = calloc(file->lane_count + 1, sizeof(*merge->lanes));
	merge->heap = calloc(file->lane_count + 1, sizeof(*merge->heap));
	if (!merge->lanes || !merge->heap)
		return p2p_fail(err, "no memory");
	for (uint32_t i = 0; i < file->lane_count; i++)
		lane_reader_init(&merge->lanes[i].reader, file);
	for (uint32_t i = 0; i < file->lane_count; i++) {
		int result = advance(merge, i, err);

		if (result < 0)
			return -1;
		if (result)
			merge->heap[merge->heap_count++] = i;
	}
	for (size_t at = merge->heap_count; at-- > 0;)
		sift_down(merge, at);
	return 0;
}

void merge_destroy(struct merge *merge)
{
	for (size_t i = 0; merge->lanes && i < merge->file->lane_count; i++)
		lane_reader_destroy(&merge->lanes[i].reader);
	free(merge->lanes);
	free(merge->heap);
}

int merge_next(struct merge *merge, struct merged *merged, struct p2p_error *err)
{
	if (merge->begun) {
		int result = advance(merge, merge->heap[0], err);

		if (result < 0)
			return -1;
		if (!result)
			merge->heap[0] = merge->heap[--merge->heap_count];
		sift_down(merge, 0);
	}
	merge->begun = merge->heap_count != 0;
	if (!merge->begun)
		return 0;
	*merged = merge->lanes[merge->heap[0]].at_hand;
	return 1;
}

double merge_progress(const struct merge *merge)
{
	uint64_t behind = 0, all = 0;

	for (size_t i = 0; i < merge->file->lane_count; i++) {
		behind += merge->lanes[i].next_page;
		all += merge->file->lanes[i].pages;
	}
	return all ? (double)behind / (double)all : 1;
}
