/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page_walk: the records of one ring-buffer page (sub-buffer), one by one.
 *
 * A page is a stamp (8 bytes), a commit word (4 or 8) and records.  A record is a
 * 32-bit word, 5 bits of type_len and 27 of time delta, and data:
 *   1..28  type_len * 4 bytes of data
 *   0      the length, itself included, stands in the next word
 *   29     padding: with delta 0 the rest of the page is empty, else a record
 *          that was discarded, its length in the next word
 *   30     the delta's upper bits in the next word, no data
 *   31     the same, but an absolute stamp, of which the top 5 bits are not stored
 *
 * Nothing is read outside the page: a length that does not fit ends the walk and
 * sets `damaged`.  Header only, because this is the innermost loop of every
 * reading command; `struct page_form` is a constant where speed counts.
 */
#ifndef P2PTRACE_PAGE_WALK_H
#define P2PTRACE_PAGE_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* How the traced machine wrote its pages. */
struct page_form {
	bool swapped; /* byte order other than ours */
	bool big_endian; /* bit fields are laid out from the top */
	unsigned commit_size; /* 4 or 8 */
};

#define PAGE_FORM_NATIVE ((struct page_form){ false, false, 8 })

#define PAGE_COMMIT_MASK 0x07ffffffu /* low 27 bits: bytes of records */
#define PAGE_MISSED_STORED (1u << 30)
#define PAGE_MISSED (1u << 31)
#define PAGE_LOST_UNCOUNTED UINT64_MAX

struct page_walk {
	const unsigned char *at, *end;
	uint64_t stamp; /* of the record returned last */
	uint64_t page_stamp;
	uint64_t lost; /* events lost before this page, PAGE_LOST_UNCOUNTED: number not stored */
	bool damaged;
	bool cut; /* the page holds fewer bytes than it says: the file ends here */
};

static inline uint16_t page_u16(struct page_form form, const void *at)
{
	uint16_t value;

	memcpy(&value, at, 2);
	return form.swapped ? __builtin_bswap16(value) : value;
}

static inline uint32_t page_u32(struct page_form form, const void *at)
{
	uint32_t value;

	memcpy(&value, at, 4);
	return form.swapped ? __builtin_bswap32(value) : value;
}

static inline uint64_t page_u64(struct page_form form, const void *at)
{
	uint64_t value;

	memcpy(&value, at, 8);
	return form.swapped ? __builtin_bswap64(value) : value;
}

/* Begins a page of which `bytes` bytes are at hand (a whole one: the page size). */
static inline void page_begin(struct page_walk *walk, struct page_form form,
			      const unsigned char *page, size_t bytes)
{
	size_t head = 8 + form.commit_size;
	uint32_t flags, commit;

	memset(walk, 0, sizeof(*walk));
	walk->at = walk->end = page;
	walk->cut = bytes < head;
	if (walk->cut)
		return;
	walk->page_stamp = walk->stamp = page_u64(form, page);
	/* The word arrives sign-extended in 64 bits; its low half says everything. */
	flags = page_u32(form, page + 8 + (form.big_endian && form.commit_size == 8 ? 4 : 0));
	commit = flags & PAGE_COMMIT_MASK;
	walk->at = page + head;
	walk->end = walk->at + commit;
	if (commit > bytes - head) {
		walk->cut = true;
		walk->end = page + bytes;
		walk->lost = flags & PAGE_MISSED ? PAGE_LOST_UNCOUNTED : 0;
		return;
	}
	if (flags & PAGE_MISSED)
		walk->lost = flags & PAGE_MISSED_STORED && commit + 8 <= bytes - head
				     ? page_u64(form, walk->end)
				     : PAGE_LOST_UNCOUNTED;
}

/* The next record's data and its length; NULL at the end of the page. */
static inline const unsigned char *page_next(struct page_walk *walk, struct page_form form,
					     uint32_t *length)
{
	while (walk->end - walk->at >= 4) {
		uint32_t word = page_u32(form, walk->at);
		uint32_t type_len = form.big_endian ? word >> 27 : word & 31;
		uint64_t delta = form.big_endian ? word & 0x07ffffff : word >> 5;
		const unsigned char *data = walk->at + 4, *next = data + type_len * 4;
		size_t left = (size_t)(walk->end - data);
		uint32_t extra;

		if (__builtin_expect(type_len - 1 < 28, 1)) {
			if (next > walk->end)
				break;
			walk->stamp += delta;
			walk->at = next;
			*length = type_len * 4;
			return data;
		}
		if (type_len == 29 && !delta) {
			walk->at = walk->end;
			return NULL;
		}
		if (left < 4)
			break;
		extra = page_u32(form, data);
		if (type_len >= 30) {
			delta |= (uint64_t)extra << 27;
			walk->stamp = type_len == 30 ? walk->stamp + delta
						     : (walk->stamp & (31ull << 59)) | delta;
			walk->at = data + 4;
			continue;
		}
		/* 0: data of any length; 29: a discarded record. */
		walk->stamp += delta;
		if (extra < 4 || extra > left)
			break;
		walk->at = data + ((extra + 3) & ~3u);
		if (walk->at > walk->end)
			walk->at = walk->end;
		if (type_len == 29)
			continue;
		*length = extra - 4;
		return data + 4;
	}
	walk->damaged = walk->at != walk->end && !walk->cut;
	walk->at = walk->end;
	return NULL;
}

#endif
