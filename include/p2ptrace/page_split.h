/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page_split: a ring-buffer page of this machine, cut in two at a moment.
 *
 * Source: src/trace/page_split.c
 */
#ifndef P2PTRACE_PAGE_SPLIT_H
#define P2PTRACE_PAGE_SPLIT_H

#include <stddef.h>
#include <stdint.h>

enum page_side {
	PAGE_UNTIL, /* every record is stamped up to the moment */
	PAGE_LATER, /* none is */
	PAGE_SPLIT, /* there were both, and two pages now */
};

/*
 * Leaves in `page` (`size` bytes) what is stamped up to `stamp` and, when there is anything
 * else, makes a page of it in `later`, as large.  A record of type `companion` (0: there
 * is none) belongs to the one before and goes with it.  What the page says of losses
 * before it stays with the first records.
 */
enum page_side page_split(unsigned char *page, size_t size, uint64_t stamp, uint16_t companion,
			  unsigned char *later);

#endif
