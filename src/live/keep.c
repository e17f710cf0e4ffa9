// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2ptrace/copy_range.h"
#include "p2ptrace/keep.h"
#include "p2ptrace/page_walk.h"

#define HEAD (8 + sizeof(long)) /* of a page: stamp and commit word */

/* Pages of this machine; the low half of the commit word says everything. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define COMMIT_AT (8 + sizeof(long) - 4)
#define TIME_WORD(delta) (30u << 27 | (uint32_t)((delta)&0x07ffffff))
static const struct page_form own_form = { .big_endian = true, .commit_size = sizeof(long) };
#else
#define COMMIT_AT 8
#define TIME_WORD(delta) (30u | (uint32_t)((delta)&0x07ffffff) << 5)
static const struct page_form own_form = { .commit_size = sizeof(long) };
#endif

int keep_open(struct keep *keep, size_t lanes, size_t page_size, uint64_t bytes,
	      struct p2p_error *err)
{
	const char *folder = getenv("TMPDIR");

	*keep = (struct keep){ .file = -1, .page_size = page_size, .lane_count = lanes };
	keep->slots = bytes / page_size;
	if (!keep->slots)
		return 0;
	keep->pages = calloc(keep->slots, sizeof(*keep->pages));
	keep->filling = calloc(lanes, sizeof(*keep->filling));
	keep->filled = calloc(lanes, sizeof(*keep->filled));
	keep->last_stamp = calloc(lanes, sizeof(*keep->last_stamp));
	keep->cut = calloc(lanes, sizeof(*keep->cut));
	if (!keep->pages || !keep->filling || !keep->filled || !keep->last_stamp || !keep->cut)
		return p2p_fail(err, "no memory for %llu pages to keep",
				(unsigned long long)keep->slots);
	folder = folder && *folder ? folder : "/var/tmp";
	keep->file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	/* Nothing can be written then; the view itself does not need it. */
	if (keep->file < 0)
		keep->error = errno;
	return 0;
}

void keep_close(struct keep *keep)
{
	for (size_t i = 0; keep->filling && i < keep->lane_count; i++)
		free(keep->filling[i]);
	free(keep->filling);
	free(keep->filled);
	free(keep->last_stamp);
	free(keep->cut);
	free(keep->pages);
	if (keep->file >= 0)
		close(keep->file);
	*keep = (struct keep){ .file = -1 };
}

uint64_t keep_bytes(const struct keep *keep)
{
	uint64_t pages = keep->next < keep->slots ? keep->next : keep->slots;

	return keep->file < 0 ? 0 : pages * keep->page_size;
}

bool keep_is_cut(const struct keep *keep)
{
	return keep->error || keep->next > keep->slots;
}

/* ---- pages ---- */

static uint32_t commit_of(const unsigned char *page)
{
	return page_u32(own_form, page + COMMIT_AT);
}

static uint64_t stamp_of(const unsigned char *page)
{
	return page_u64(own_form, page);
}

static void put_u32(unsigned char *to, uint32_t value)
{
	memcpy(to, &value, sizeof(value));
}

/* The stamp of the page's last record. */
static uint64_t last_stamp(const unsigned char *page, size_t bytes)
{
	struct page_walk walk;
	uint32_t length;

	page_begin(&walk, own_form, page, bytes);
	while (page_next(&walk, own_form, &length))
		;
	return walk.stamp;
}

static void store(struct keep *keep, size_t lane, const unsigned char *page)
{
	uint64_t slot = keep->next % keep->slots;

	if (keep->next >= keep->slots)
		keep->cut[keep->pages[slot].lane] = true;
	if (pwrite(keep->file, page, keep->page_size, (off_t)(slot * keep->page_size)) !=
	    (ssize_t)keep->page_size) {
		keep->error = errno ? errno : EIO;
		return;
	}
	keep->pages[slot] = (struct kept_page){ stamp_of(page), (uint32_t)lane };
	keep->next++;
}

static void flush(struct keep *keep, size_t lane)
{
	if (keep->filled[lane])
		store(keep, lane, keep->filling[lane]);
	keep->filled[lane] = 0;
}

/* Puts the records of `page` behind those of the page being filled. */
static bool append(struct keep *keep, size_t lane, const unsigned char *page, uint32_t commit)
{
	unsigned char *to = keep->filling[lane], *end = to + keep->filled[lane];
	uint64_t stamp = stamp_of(page), delta = stamp - keep->last_stamp[lane];

	if (!keep->filled[lane] || stamp < keep->last_stamp[lane] || delta >> 59 ||
	    keep->filled[lane] + 8 + commit > keep->page_size)
		return false;
	/* A time record: 27 bits of the delta, and the upper ones in the next word. */
	put_u32(end, TIME_WORD(delta));
	put_u32(end + 4, (uint32_t)(delta >> 27));
	memcpy(end + 8, page + HEAD, commit);
	keep->filled[lane] += 8 + commit;
	put_u32(to + COMMIT_AT, (uint32_t)(keep->filled[lane] - HEAD));
	return true;
}

static void begin(struct keep *keep, size_t lane, const unsigned char *page, uint32_t commit)
{
	if (!keep->filling[lane])
		keep->filling[lane] = malloc(keep->page_size);
	if (!keep->filling[lane]) {
		keep->error = ENOMEM;
		return;
	}
	memset(keep->filling[lane], 0, keep->page_size);
	memcpy(keep->filling[lane], page, HEAD + commit);
	keep->filled[lane] = HEAD + commit;
}

void keep_page(struct keep *keep, size_t lane, const unsigned char *page)
{
	uint32_t word, commit;
	bool lost;

	if (keep->file < 0 || keep->error)
		return;
	word = commit_of(page);
	commit = word & PAGE_COMMIT_MASK;
	lost = word & PAGE_MISSED;
	if (HEAD + commit > keep->page_size)
		return;
	if (!lost && append(keep, lane, page, commit)) {
		keep->last_stamp[lane] = last_stamp(page, keep->page_size);
		return;
	}
	flush(keep, lane);
	if (lost || HEAD + commit > keep->page_size / 2) {
		store(keep, lane, page);
		return;
	}
	begin(keep, lane, page, commit);
	keep->last_stamp[lane] = last_stamp(page, keep->page_size);
}

/* ---- a copy of them ---- */

static uint64_t first_kept(const struct keep *keep)
{
	return keep->next > keep->slots ? keep->next - keep->slots : 0;
}

uint64_t keep_place(const struct keep *keep, uint64_t at, struct write_lane *lanes)
{
	for (size_t i = 0; i < keep->lane_count; i++)
		lanes[i].bytes = keep->filled[i] ? keep->page_size : 0;
	for (uint64_t page = first_kept(keep); page < keep->next; page++)
		lanes[keep->pages[page % keep->slots].lane].bytes += keep->page_size;
	for (size_t i = 0; i < keep->lane_count; i++) {
		lanes[i].offset = at;
		at += lanes[i].bytes;
	}
	return at;
}

uint64_t keep_complete_from(const struct keep *keep, uint64_t start)
{
	bool *seen = calloc(keep->lane_count, sizeof(*seen));

	for (uint64_t page = first_kept(keep); seen && page < keep->next; page++) {
		const struct kept_page *kept = &keep->pages[page % keep->slots];

		if (keep->cut[kept->lane] && !seen[kept->lane] && kept->stamp > start)
			start = kept->stamp;
		seen[kept->lane] = true;
	}
	free(seen);
	return start;
}

/* What was open when a lane was cut may have ended in what is gone: to readers that is a
 * loss. */
static int mark_loss(const struct keep *keep, uint64_t slot, int to, uint64_t at)
{
	unsigned char word[4];

	if (pread(keep->file, word, 4, (off_t)(slot * keep->page_size + COMMIT_AT)) != 4)
		return -1;
	put_u32(word, page_u32(own_form, word) | PAGE_MISSED);
	return pwrite(to, word, 4, (off_t)(at + COMMIT_AT)) == 4 ? 0 : -1;
}

static int copy_page(const struct keep *keep, uint64_t slot, int to, uint64_t at)
{
	off_t from = (off_t)(slot * keep->page_size), end = (off_t)at;
	size_t left = keep->page_size;

	while (left) {
		ssize_t copied = copy_range(keep->file, &from, to, &end, left);

		if (copied < 0 && errno == EINTR)
			continue;
		if (copied <= 0)
			return -1;
		left -= (size_t)copied;
	}
	return 0;
}

static int copy_pages(const struct keep *keep, int to, const struct write_lane *lanes,
		      uint64_t *done)
{
	for (uint64_t page = first_kept(keep); page < keep->next; page++) {
		uint64_t slot = page % keep->slots;
		uint32_t lane = keep->pages[slot].lane;
		uint64_t at = lanes[lane].offset + done[lane];

		if (copy_page(keep, slot, to, at) ||
		    (!done[lane] && keep->cut[lane] && mark_loss(keep, slot, to, at)))
			return -1;
		done[lane] += keep->page_size;
	}
	for (size_t lane = 0; lane < keep->lane_count; lane++)
		if (keep->filled[lane] &&
		    pwrite(to, keep->filling[lane], keep->page_size,
			   (off_t)(lanes[lane].offset + done[lane])) != (ssize_t)keep->page_size)
			return -1;
	return 0;
}

int keep_copy(const struct keep *keep, int to, const struct write_lane *lanes,
	      struct p2p_error *err)
{
	uint64_t *done = calloc(keep->lane_count, sizeof(*done));
	int result = done ? copy_pages(keep, to, lanes, done) : -1;

	free(done);
	return result ? p2p_fail_errno(err, "cannot write the events") : 0;
}
