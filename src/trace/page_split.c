// SPDX-License-Identifier: GPL-2.0-or-later
#include "p2ptrace/page_split.h"
#include "p2ptrace/page_walk.h"

static const struct page_form form = {
	.big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__,
	.commit_size = sizeof(long),
};

#define HEAD (8 + sizeof(long))

static uint32_t kind_of(const unsigned char *at)
{
	uint32_t word = page_u32(form, at);

	return form.big_endian ? word >> 27 : word & 31;
}

/* From where one record ends to the next one's first word, which is there: over time
 * extends and padding. */
static const unsigned char *skip_to_record(const unsigned char *at)
{
	while (kind_of(at) >= 29)
		at += kind_of(at) == 29 ? 4 + ((page_u32(form, at + 4) + 3) & ~3u) : 8;
	return at;
}

static void set_commit(unsigned char *page, uint32_t flags, size_t bytes)
{
	unsigned long commit = flags | (uint32_t)bytes;

	memcpy(page + 8, &commit, sizeof(commit));
}

/* The records from `at` on, the first of which is stamped `stamp`. */
static void make_later(unsigned char *later, size_t size, uint64_t stamp, const unsigned char *at,
		       const unsigned char *end)
{
	size_t bytes = (size_t)(end - at);
	uint32_t first;

	memcpy(later, &stamp, sizeof(stamp));
	set_commit(later, 0, bytes);
	memcpy(later + HEAD, at, bytes);
	memset(later + HEAD + bytes, 0, size - HEAD - bytes);
	/* The page's stamp is its own: nothing has passed since. */
	first = page_u32(form, later + HEAD) & (form.big_endian ? 31u << 27 : 31u);
	memcpy(later + HEAD, &first, sizeof(first));
}

/* Ends the page at `end`; the number of events lost before it stands behind the data. */
static void shorten(unsigned char *page, size_t size, unsigned char *end,
		    const struct page_walk *begin)
{
	uint32_t flags = !begin->lost			      ? 0
			 : begin->lost == PAGE_LOST_UNCOUNTED ? PAGE_MISSED
							      : PAGE_MISSED | PAGE_MISSED_STORED;

	set_commit(page, flags, (size_t)(end - page) - HEAD);
	memset(end, 0, size - (size_t)(end - page));
	if (flags & PAGE_MISSED_STORED)
		memcpy(end, &begin->lost, sizeof(begin->lost));
}

enum page_side page_split(unsigned char *page, size_t size, uint64_t stamp, uint16_t companion,
			  unsigned char *later)
{
	struct page_walk walk, begin;
	const unsigned char *data, *end;
	uint32_t length;

	page_begin(&walk, form, page, size);
	begin = walk;
	for (;;) {
		end = walk.at;
		data = page_next(&walk, form, &length);
		if (!data)
			return PAGE_UNTIL;
		if (walk.stamp <= stamp)
			continue;
		if (!companion || length < 2 || page_u16(form, data) != companion)
			break;
	}
	if (end == begin.at)
		return PAGE_LATER;
	make_later(later, size, walk.stamp, skip_to_record(end), walk.end);
	shorten(page, size, page + (end - page), &begin);
	return PAGE_SPLIT;
}
