// SPDX-License-Identifier: GPL-2.0-or-later
/* The rules of docs/matching.md about keys, sizes, failures and absent fields. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/analyse.h"

/* The paths that most tests take. */
#define C "client=c provider=p "
#define P "provider=p "

static const struct leak *only_leak(const struct analysed *a)
{
	assert_int_equal(a->leaks.count, 1);
	return &a->leaks.items[0];
}

static void check_open(const struct analysed *a, uint64_t allocs, uint64_t alloc_bytes,
		       uint64_t maps, uint64_t map_bytes)
{
	assert_int_equal(a->report.open_allocs, allocs);
	assert_int_equal(a->report.open_alloc_bytes, alloc_bytes);
	assert_int_equal(a->report.open_maps, maps);
	assert_int_equal(a->report.open_map_bytes, map_bytes);
}

static void check_orphans(const struct analysed *a, uint64_t frees, uint64_t unmaps)
{
	assert_int_equal(a->report.orphan_frees, frees);
	assert_int_equal(a->report.orphan_unmaps, unmaps);
}

/* ---- keys ---- */

static void test_begin_and_end(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"10 0 alloc " P "addr=0x1000 size=8192 tid=7\n"
		"20 0 map " C "type=2 dist=4 dma_addr=0x9000 size=4096 tid=7\n"
		"50 1 unmap " C "type=2 dma_addr=0x9000 size=4096 tid=7\n"
		"90 1 free " P "addr=0x1000 size=8192 tid=7\n",
		NULL);
	check_open(&a, 0, 0, 0, 0);
	check_orphans(&a, 0, 0);
	assert_int_equal(a.report.total, 4);
	assert_int_equal(a.report.map_lifetimes.count, 1);
	assert_int_equal(a.report.map_lifetimes.min, 30);
	assert_int_equal(a.report.alloc_lifetimes.max, 80);
	assert_int_equal(pair_of(&a, "c", "p", "BUS_ADDR")->dist, 4);
	assert_int_equal(a.leaks.count, 0);
	analysed_free(&a);
}

/* The same number is another memory on another device, and a mapping no allocation. */
static void test_keys_belong_to_devices(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"10 0 map client=c1 provider=p type=2 dma_addr=0x9000 size=4096\n"
		"11 0 map client=c2 provider=p type=2 dma_addr=0x9000 size=4096\n"
		"12 0 alloc provider=p1 addr=0x9000 size=4096\n"
		"13 0 alloc provider=p2 addr=0x9000 size=4096\n"
		"20 0 unmap client=c2 provider=p type=2 dma_addr=0x9000 size=4096\n"
		"21 0 free provider=p2 addr=0x9000 size=4096\n"
		"22 0 unmap client=c3 provider=p type=2 dma_addr=0x9000 size=4096\n"
		"23 0 free provider=p3 addr=0x9000 size=4096\n",
		NULL);
	check_open(&a, 1, 4096, 1, 4096);
	check_orphans(&a, 1, 1);
	assert_int_equal(pair_of(&a, "c1", "p", "BUS_ADDR")->outstanding, 1);
	assert_int_equal(pair_of(&a, "c2", "p", "BUS_ADDR")->outstanding, 0);
	assert_int_equal(pool_of(&a, "p1")->outstanding, 1);
	assert_int_equal(pool_of(&a, "p2")->outstanding, 0);
	analysed_free(&a);
}

/* A device is named the same by a client and by a provider: still two kinds of key. */
static void test_one_device_in_both_roles(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"10 0 alloc provider=d addr=0x9000 size=4096\n"
		"20 0 unmap client=d provider=d type=2 dma_addr=0x9000 size=4096\n",
		NULL);
	check_open(&a, 1, 4096, 0, 0);
	check_orphans(&a, 0, 1);
	analysed_free(&a);
}

/* A key open several times: an end closes the oldest; both are ambiguous. */
static void test_fifo(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 map " C "type=2 dma_addr=0x9000 size=4096 tid=1\n"
		"110 0 map " C "type=2 dma_addr=0x9000 size=4096 tid=2\n"
		"200 0 unmap " C "type=2 dma_addr=0x9000 size=4096 tid=2\n",
		NULL);
	check_open(&a, 0, 0, 1, 4096);
	assert_int_equal(a.report.superseded, 0);
	assert_int_equal(a.report.map_lifetimes.max, 100);
	assert_int_equal(pair_of(&a, "c", "p", "BUS_ADDR")->ambiguous, 1);
	assert_int_equal(process_of(&a, 1)->unmaps, 1);
	assert_int_equal(process_of(&a, 2)->unmaps, 0);
	assert_int_equal(only_leak(&a)->tid, 2);
	analysed_free(&a);
}

static void test_fifo_of_many(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 map " C "type=2 dma_addr=0x9000 size=64\n"
		"110 0 map " C "type=2 dma_addr=0x9000 size=64\n"
		"120 0 map " C "type=2 dma_addr=0x9000 size=64\n"
		"200 0 unmap " C "type=2 dma_addr=0x9000 size=64\n"
		"220 0 unmap " C "type=2 dma_addr=0x9000 size=64\n"
		"240 0 unmap " C "type=2 dma_addr=0x9000 size=64\n"
		"250 0 unmap " C "type=2 dma_addr=0x9000 size=64\n",
		NULL);
	check_open(&a, 0, 0, 0, 0);
	check_orphans(&a, 0, 1);
	assert_int_equal(a.report.map_lifetimes.min, 100);
	assert_int_equal(a.report.map_lifetimes.max, 120);
	assert_int_equal((uint64_t)a.report.map_lifetimes.sum, 330);
	assert_int_equal(pair_of(&a, "c", "p", "BUS_ADDR")->ambiguous, 3);
	analysed_free(&a);
}

/* One after the other is no overlap. */
static void test_reuse_is_not_ambiguous(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 map " C "type=2 dma_addr=0x9000 size=64\n"
		"110 0 unmap " C "type=2 dma_addr=0x9000 size=64\n"
		"120 0 map " C "type=2 dma_addr=0x9000 size=64\n"
		"130 0 unmap " C "type=2 dma_addr=0x9000 size=64\n",
		NULL);
	assert_int_equal(pair_of(&a, "c", "p", "BUS_ADDR")->ambiguous, 0);
	assert_int_equal(a.report.superseded, 0);
	analysed_free(&a);
}

/* Of several open under one key, the one of the same size is meant. */
static void test_same_size_preferred(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 map " C "type=2 dma_addr=0x9000 size=8192 tid=1\n"
		"110 0 map " C "type=2 dma_addr=0x9000 size=4096 tid=2\n"
		"200 0 unmap " C "type=2 dma_addr=0x9000 size=4096 tid=9\n",
		NULL);
	check_open(&a, 0, 0, 1, 8192);
	assert_int_equal(only_leak(&a)->tid, 1);
	assert_int_equal(a.report.map_lifetimes.max, 90);
	analysed_free(&a);
}

/* The end of a mapping names another type than its beginning: the beginning's counts. */
static void test_ends_take_the_beginnings_type(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 map " C "type=3 dma_addr=0x9000 size=8192\n"
		"200 0 unmap " C "type=0 dma_addr=0x9000 size=8192\n",
		NULL);
	assert_int_equal(pair_of(&a, "c", "p", "THRU_HOST_BRIDGE")->unmaps, 1);
	assert_null(pair_of(&a, "c", "p", "UNKNOWN"));
	assert_int_equal(a.report.pair_count, 1);
	analysed_free(&a);
}

/* ---- ranges ---- */

/* A user's allocation of 16 KiB comes back page by page, not in order. */
static void test_page_frees(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 alloc " P "addr=0x10000 size=16384 tid=5\n"
		"200 0 free " P "addr=0x11000 size=4096 tid=6\n"
		"210 0 free " P "addr=0x10000 size=4096 tid=6\n"
		"220 0 free " P "addr=0x13000 size=4096 tid=6\n"
		"300 0 free " P "addr=0x12000 size=4096 tid=6\n",
		NULL);
	check_open(&a, 0, 0, 0, 0);
	check_orphans(&a, 0, 0);
	assert_int_equal(a.report.alloc_lifetimes.count, 1);
	assert_int_equal(a.report.alloc_lifetimes.max, 200);
	assert_int_equal(pool_of(&a, "p")->frees, 4);
	assert_int_equal(pool_of(&a, "p")->free_bytes, 16384);
	assert_int_equal(process_of(&a, 5)->frees, 4);
	assert_null(process_of(&a, 6));
	analysed_free(&a);
}

static void test_part_of_an_allocation_stays(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 alloc " P "addr=0x10000 size=16384 tid=5\n"
		"200 0 free " P "addr=0x11000 size=4096\n"
		"210 0 free " P "addr=0x12000 size=4096\n",
		NULL);
	check_open(&a, 1, 8192, 0, 0);
	assert_int_equal(a.report.alloc_lifetimes.count, 0);
	assert_int_equal(only_leak(&a)->bytes, 8192);
	analysed_free(&a);
}

/* A free of a page has no size: one page inside, all at the beginning. */
static void test_sizeless_ends(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"event p2p_dma_free 302 provider:s addr:u8\n"
		"100 0 alloc " P "addr=0x10000 size=16384\n"
		"110 0 alloc " P "addr=0x20000 size=16384\n"
		"200 0 free " P "addr=0x11000\n"
		"210 0 free " P "addr=0x12000\n" /* the beginning of what is left: a page */
		"220 0 free " P "addr=0x20000\n",
		NULL);
	check_open(&a, 1, 8192, 0, 0);
	check_orphans(&a, 0, 0);
	assert_int_equal(a.report.alloc_lifetimes.count, 1);
	assert_int_equal(a.report.alloc_lifetimes.max, 110);
	assert_int_equal(pool_of(&a, "p")->free_bytes, 8192 + 16384);
	analysed_free(&a);
}

/* An IOMMU merged three maps: one end for all of them. */
static void test_one_end_for_several(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 map " C "type=3 dma_addr=0x10000 size=4096 tid=1\n"
		"110 0 map " C "type=3 dma_addr=0x11000 size=4096 tid=1\n"
		"120 0 map " C "type=3 dma_addr=0x12000 size=8192 tid=1\n"
		"200 0 unmap " C "type=3 dma_addr=0x10000 size=16384 tid=1\n",
		NULL);
	check_open(&a, 0, 0, 0, 0);
	assert_int_equal(a.report.map_lifetimes.count, 3);
	assert_int_equal((uint64_t)a.report.map_lifetimes.sum, 100 + 90 + 80);
	assert_int_equal(a.report.events[KIND_UNMAP], 1);
	analysed_free(&a);
}

/* The end begins in the middle of one and ends in the middle of another; a hole between. */
static void test_end_across_a_hole(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 map " C "type=3 dma_addr=0x10000 size=0x2000\n"
		"110 0 map " C "type=3 dma_addr=0x14000 size=0x2000\n"
		"200 0 unmap " C "type=3 dma_addr=0x11000 size=0x4000\n",
		NULL);
	check_open(&a, 0, 0, 2, 0x2000);
	assert_int_equal(a.report.map_lifetimes.count, 0);
	assert_int_equal(pair_of(&a, "c", "p", "THRU_HOST_BRIDGE")->unmaps, 1);
	analysed_free(&a);
}

/* What lies in the range is closed in order of address, each byte once, whatever is
 * older. */
static void test_range_goes_by_address(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 map " C "type=3 dma_addr=0x13000 size=0x1000\n"
		"110 0 map " C "type=3 dma_addr=0x11000 size=0x1000\n"
		"120 0 map " C "type=3 dma_addr=0x11000 size=0x1000\n"
		"200 0 unmap " C "type=3 dma_addr=0x10000 size=0x4000\n",
		NULL);
	check_open(&a, 0, 0, 1, 0x1000);
	assert_int_equal(a.report.map_lifetimes.count, 2);
	assert_int_equal(a.leaks.items[0].stamp, 120);
	analysed_free(&a);
}

/* The last page that an address can name. */
static void test_end_at_the_edge_of_addresses(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 map " C "type=2 dma_addr=0xfffffffffffff000 size=4096\n"
		"150 0 unmap " C "type=2 dma_addr=0xfffffffffffff000 size=4096\n"
		"160 0 map " C "type=2 dma_addr=0xfffffffffffff000 size=4095\n"
		"170 0 unmap " C "type=2 dma_addr=0xfffffffffffff800 size=2047\n"
		"180 0 unmap " C "type=2 dma_addr=0xfffffffffffff000 size=2048\n",
		NULL);
	check_open(&a, 0, 0, 0, 0);
	check_orphans(&a, 0, 0);
	analysed_free(&a);
}

/* Freed by a part, allocated again in the hole: the rest of the older is its own. */
static void test_reuse_of_a_hole(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 alloc " P "addr=0x10000 size=0x3000 tid=1\n"
		"110 0 free " P "addr=0x11000 size=0x1000\n"
		"120 0 alloc " P "addr=0x11000 size=0x1000 tid=2\n"
		"130 0 free " P "addr=0x10000 size=0x1000\n"
		"140 0 free " P "addr=0x12000 size=0x1000\n",
		NULL);
	check_open(&a, 1, 0x1000, 0, 0);
	assert_int_equal(only_leak(&a)->tid, 2);
	assert_int_equal(a.report.superseded, 0);
	assert_int_equal(a.report.alloc_lifetimes.max, 40);
	analysed_free(&a);
}

/* A key that came to be by cutting an older map keeps its age among those of that key. */
static void test_pieces_keep_their_age(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 map " C "type=2 dma_addr=0x10000 size=0x2000 tid=1\n"
		"110 0 map " C "type=2 dma_addr=0x11000 size=0x1000 tid=2\n"
		"120 0 unmap " C "type=2 dma_addr=0x10000 size=0x1000\n"
		"130 0 unmap " C "type=2 dma_addr=0x11000 size=0x1000\n",
		NULL);
	check_open(&a, 0, 0, 1, 0x1000);
	assert_int_equal(only_leak(&a)->tid, 2);
	assert_int_equal(a.report.map_lifetimes.max, 30);
	analysed_free(&a);
}

/* ---- superseded ---- */

/* A pool cannot give the same address out twice: the older's end was never seen. */
static void test_alloc_supersedes(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 alloc " P "addr=0x10000 size=4096 tid=1\n"
		"110 0 alloc " P "addr=0x10000 size=8192 tid=2\n"
		"120 0 free " P "addr=0x10000 size=8192\n",
		NULL);
	check_open(&a, 0, 0, 0, 0);
	assert_int_equal(a.report.superseded, 1);
	assert_int_equal(a.report.alloc_lifetimes.count, 1);
	assert_int_equal(a.report.alloc_lifetimes.max, 10);
	analysed_free(&a);
}

static void test_map_supersedes_after_loss(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 map " C "type=2 dma_addr=0x9000 size=4096\n"
		"lost 0 3\n"
		"200 0 map " C "type=2 dma_addr=0x9000 size=4096\n"
		"220 0 map " C "type=2 dma_addr=0x9000 size=4096\n"
		"230 0 unmap " C "type=2 dma_addr=0x9000 size=4096\n",
		NULL);
	assert_int_equal(a.report.superseded, 1);
	check_open(&a, 0, 0, 1, 4096);
	assert_int_equal(a.report.map_lifetimes.max, 30);
	analysed_free(&a);
}

static void test_map_does_not_supersede_without_loss(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"lost 0 3\n"
		"100 0 map " C "type=2 dma_addr=0x9000 size=4096\n"
		"200 0 map " C "type=2 dma_addr=0x9000 size=4096\n",
		NULL);
	assert_int_equal(a.report.superseded, 0);
	check_open(&a, 0, 0, 2, 8192);
	analysed_free(&a);
}

/* ---- segments ---- */

static void test_one_event_per_segment(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 map " C "type=2 dma_addr=0x10000 size=4096\n"
		"100 0 map " C "type=2 dma_addr=0x30000 size=4096\n"
		"100 0 map " C "type=2 dma_addr=0x50000 size=8192\n",
		NULL);
	assert_int_equal(pair_of(&a, "c", "p", "BUS_ADDR")->maps, 3);
	assert_int_equal(type_of_map(&a, "BUS_ADDR")->bytes, 16384);
	assert_float_equal(type_of_map(&a, "BUS_ADDR")->share, 1, 0);
	analysed_free(&a);
}

/* ---- failures ---- */

static void test_failed_allocations(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"event p2p_dma_alloc 301 provider:s addr:u8 size:u8 ret:i4\n"
		"100 0 alloc " P "addr=0 size=4096 tid=1\n"
		"110 0 alloc " P "addr=0xfffffffffffffff4 size=4096 tid=1\n" /* ERR_PTR(-ENOMEM) */
		"120 0 alloc " P "addr=0x5000 size=4096 ret=-12 tid=1\n"
		"130 0 alloc " P "addr=0x6000 size=512 ret=0 tid=1\n",
		NULL);
	assert_int_equal(a.report.failed_allocs, 3);
	check_open(&a, 1, 512, 0, 0);
	assert_int_equal(process_of(&a, 1)->allocs, 4);
	assert_int_equal(process_of(&a, 1)->alloc_bytes, 512);
	assert_int_equal(pool_of(&a, "p")->failed, 3);
	assert_int_equal(pool_of(&a, "p")->bytes, 512);
	analysed_free(&a);
}

/* Errors of 32-bit machines, and a return value whose type forgot its sign. */
static void test_failed_allocations_in_32_bits(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"event p2p_dma_alloc 301 provider:s addr:u4 size:u4 ret:u4\n"
		"100 0 alloc " P "addr=0xfffffff4 size=4096\n"
		"110 0 alloc " P "addr=0x8000 size=4096 ret=0xfffffff4\n"
		"120 0 alloc " P "addr=0xffff0000 size=4096\n",
		NULL);
	assert_int_equal(a.report.failed_allocs, 2);
	check_open(&a, 1, 4096, 0, 0);
	analysed_free(&a);
}

static void test_refused_types(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"types 0=UNKNOWN 1=NONE 2=NOT_SUPPORTED 3=BUS_ADDR 4=THRU_HOST_BRIDGE\n"
		"100 0 map " C "type=0 dma_addr=0x1000 size=4096 tid=1\n"
		"110 0 map " C "type=1 dma_addr=0x2000 size=4096 tid=1\n"
		"120 0 map " C "type=2 dma_addr=0x3000 size=4096 tid=1\n"
		"130 0 map " C "type=3 dma_addr=0x4000 size=512 tid=1\n"
		"140 0 map " C "type=4 dma_addr=0x5000 size=512 tid=1\n",
		NULL);
	assert_int_equal(a.report.failed_maps, 3);
	assert_int_equal(a.report.failed_map_bytes, 3 * 4096);
	check_open(&a, 0, 0, 2, 1024);
	assert_float_equal(a.report.bus_addr_ratio, 0.5, 1e-9);
	assert_float_equal(type_of_map(&a, "NOT_SUPPORTED")->share, 0.2, 1e-9);
	assert_int_equal(type_of_map(&a, "NOT_SUPPORTED")->bytes, 4096);
	assert_int_equal(process_of(&a, 1)->maps, 5);
	assert_int_equal(process_of(&a, 1)->map_bytes, 1024);
	assert_int_equal(process_of(&a, 1)->not_supported, 1);
	analysed_free(&a);
}

/* DMA_MAPPING_ERROR, as wide as the field is. */
static void test_mapping_errors(void **state)
{
	static const char *const widths[][2] = {
		{ "u8", "0xffffffffffffffff" },
		{ "u4", "0xffffffff" },
		{ "i8", "-1" },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct analysed a;
		char script[400];

		snprintf(script, sizeof(script),
			 "event p2p_dma_map 303 client:s provider:s type:u4 dma_addr:%s size:u8\n"
			 "100 0 map " C "type=2 dma_addr=%s size=4096\n"
			 "110 0 map " C "type=2 dma_addr=0xfffffff0 size=4096\n",
			 widths[i][0], widths[i][1]);
		analyse(&a, script, NULL);
		assert_int_equal(a.report.failed_maps, 1);
		check_open(&a, 0, 0, 1, 4096);
		assert_float_equal(a.report.bus_addr_ratio, 1, 1e-9);
		analysed_free(&a);
	}
}

/* 32 bits of ones are an address where the field has 64. */
static void test_ones_of_half_a_field(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a, "100 0 map " C "type=2 dma_addr=0xffffffff size=4096\n", NULL);
	assert_int_equal(a.report.failed_maps, 0);
	analysed_free(&a);
}

static void test_no_map_succeeded(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a, "100 0 map " C "type=1 dma_addr=0x1000 size=4096\n", NULL);
	assert_true(isnan(a.report.bus_addr_ratio));
	assert_float_equal(type_of_map(&a, "NOT_SUPPORTED")->share, 1, 0);
	analysed_free(&a);
}

/* ---- absent fields ---- */

static void test_no_size(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"event p2p_dma_map 303 client:s provider:s type:u4 dma_addr:u8\n"
		"event p2p_dma_unmap 304 client:s provider:s dma_addr:u8\n"
		"100 0 map " C "type=2 dma_addr=0x1000\n"
		"110 0 map " C "type=2 dma_addr=0x2000\n"
		"150 0 unmap " C "dma_addr=0x1000\n",
		NULL);
	assert_int_equal(a.report.open_maps, 1);
	assert_false(a.report.map_bytes_known);
	assert_int_equal(pair_of(&a, "c", "p", "BUS_ADDR")->bytes, NOT_KNOWN);
	assert_int_equal(pair_of(&a, "c", "p", "BUS_ADDR")->outstanding_bytes, NOT_KNOWN);
	assert_int_equal(type_of_map(&a, "BUS_ADDR")->bytes, NOT_KNOWN);
	assert_int_equal(a.report.map_lifetimes.count, 1);
	assert_int_equal(only_leak(&a)->bytes, NOT_KNOWN);
	assert_false(a.leaks.bytes_known);
	analysed_free(&a);
}

/* A beginning of unknown size: any end at its address closes all of it. */
static void test_size_of_the_end_only(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"event p2p_dma_map 303 client:s provider:s type:u4 dma_addr:u8\n"
		"100 0 map " C "type=2 dma_addr=0x1000\n"
		"150 0 unmap " C "type=2 dma_addr=0x1000 size=4096\n",
		NULL);
	assert_int_equal(a.report.open_maps, 0);
	assert_int_equal(a.report.map_lifetimes.max, 50);
	analysed_free(&a);
}

static void test_no_address(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"private liveness 1\n"
		"event p2p_dma_map 303 client:s provider:s type:u4 size:u8\n"
		"event p2p_dma_unmap 304 client:s provider:s size:u8\n"
		"100 0 map " C "type=2 size=4096 tid=1\n"
		"110 0 map " C "type=2 size=4096 tid=1\n"
		"120 0 map " C "type=2 size=4096 tid=1\n"
		"150 0 unmap " C "size=4096 tid=1\n",
		NULL);
	check_open(&a, 0, 0, 2, 8192);
	check_orphans(&a, 0, 0);
	assert_null(pair_of(&a, "c", "p", "BUS_ADDR")->lifetime);
	assert_int_equal(only_leak(&a)->verdict, VERDICT_UNKNOWN);
	assert_int_equal(only_leak(&a)->count, 2);
	assert_int_equal(only_leak(&a)->age, NOT_KNOWN);
	assert_false(only_leak(&a)->has_addr);
	assert_int_equal(a.leaks.totals[VERDICT_UNKNOWN].count, 2);
	analysed_free(&a);
}

/* More ends than beginnings: those began earlier. */
static void test_no_address_orphans(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"event p2p_dma_alloc 301 provider:s size:u8\n"
		"event p2p_dma_free 302 provider:s size:u8\n"
		"90 0 free " P "size=4096\n"
		"100 0 alloc " P "size=4096\n"
		"110 0 free " P "size=4096\n",
		NULL);
	check_open(&a, 0, 0, 0, 0);
	check_orphans(&a, 1, 0);
	assert_int_equal(a.leaks.count, 0);
	analysed_free(&a);
}

/* The balance is the pair's: it comes to nothing whatever types its maps had. */
static void test_no_address_of_two_types(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"event p2p_dma_map 303 client:s provider:s type:u4 size:u8\n"
		"event p2p_dma_unmap 304 client:s provider:s size:u8\n"
		"100 0 map " C "type=2 size=4096\n"
		"110 0 map " C "type=3 size=4096\n"
		"150 0 unmap " C "size=4096\n"
		"160 0 unmap " C "size=4096\n",
		NULL);
	check_open(&a, 0, 0, 0, 0);
	assert_int_equal(a.leaks.count, 0);
	analysed_free(&a);
}

static void test_no_type(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"event p2p_dma_map 303 client:s provider:s dma_addr:u8 size:u8\n"
		"100 0 map " C "dma_addr=0x1000 size=4096\n",
		NULL);
	assert_int_equal(a.report.failed_maps, 0);
	check_open(&a, 0, 0, 1, 4096);
	assert_int_equal(pair_of(&a, "c", "p", "UNKNOWN")->maps, 1);
	analysed_free(&a);
}

static void test_no_distance(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 map " C "type=2 dist=4 dma_addr=0x1000 size=4096\n"
		"110 0 map " C "type=2 dist=-1 dma_addr=0x2000 size=4096\n"
		"120 0 map client=d provider=p type=2 dist=-1 dma_addr=0x2000 size=4096\n",
		NULL);
	assert_int_equal(pair_of(&a, "c", "p", "BUS_ADDR")->dist, 4);
	assert_int_equal(pair_of(&a, "d", "p", "BUS_ADDR")->dist, NUMBER_NOT_KNOWN);
	analysed_free(&a);
}

/* ---- orphans ---- */

static void test_orphans(void **state)
{
	struct analysed a;

	(void)state;
	analyse(&a,
		"100 0 free " P "addr=0x1000 size=4096 tid=3\n"
		"110 0 unmap " C "type=2 dma_addr=0x1000 size=4096 tid=3\n"
		"120 0 unmap " C "type=2 dma_addr=0x1000 size=4096 tid=4 flags=8\n",
		NULL);
	check_orphans(&a, 1, 2);
	check_open(&a, 0, 0, 0, 0);
	assert_int_equal(process_of(&a, 3)->frees, 1);
	assert_int_equal(process_of(&a, 3)->unmaps, 1);
	assert_int_equal(process_of(&a, -1)->unmaps, 1);
	assert_string_equal(process_of(&a, -1)->comm, "[interrupt]");
	assert_int_equal(a.report.map_lifetimes.count, 0);
	analysed_free(&a);
}

/* Whatever the number of threads and shards, the numbers are the same. */
static void test_threads_do_not_matter(void **state)
{
	static const char script[] =
		"100 0 map client=a provider=p type=2 dma_addr=0x1000 size=4096 tid=1\n"
		"110 1 map client=b provider=p type=3 dma_addr=0x1000 size=4096 tid=2\n"
		"120 2 map client=c provider=q type=1 dma_addr=0x1000 size=4096 tid=1\n"
		"130 0 alloc provider=q addr=0x1000 size=4096 tid=2\n"
		"140 1 unmap client=a provider=p type=2 dma_addr=0x1000 size=4096 tid=2\n"
		"lost 2 5\n"
		"150 2 free provider=r addr=0x1000 size=4096 tid=1\n";

	(void)state;
	for (uint64_t threads = 1; threads <= 5; threads++) {
		struct analysed a;

		analyse(&a, script, &(struct analyse_options){ .threads = threads });
		check_open(&a, 1, 4096, 1, 4096);
		check_orphans(&a, 1, 0);
		assert_int_equal(a.report.failed_maps, 1);
		assert_int_equal(a.report.process_count, 2);
		assert_int_equal(a.report.pair_count, 3);
		assert_int_equal(a.analysis->lost, 5);
		assert_int_equal(a.leaks.totals[VERDICT_UNKNOWN].count, 2);
		analysed_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begin_and_end),
		cmocka_unit_test(test_keys_belong_to_devices),
		cmocka_unit_test(test_one_device_in_both_roles),
		cmocka_unit_test(test_fifo),
		cmocka_unit_test(test_fifo_of_many),
		cmocka_unit_test(test_reuse_is_not_ambiguous),
		cmocka_unit_test(test_same_size_preferred),
		cmocka_unit_test(test_ends_take_the_beginnings_type),
		cmocka_unit_test(test_page_frees),
		cmocka_unit_test(test_part_of_an_allocation_stays),
		cmocka_unit_test(test_sizeless_ends),
		cmocka_unit_test(test_one_end_for_several),
		cmocka_unit_test(test_end_across_a_hole),
		cmocka_unit_test(test_range_goes_by_address),
		cmocka_unit_test(test_end_at_the_edge_of_addresses),
		cmocka_unit_test(test_reuse_of_a_hole),
		cmocka_unit_test(test_pieces_keep_their_age),
		cmocka_unit_test(test_alloc_supersedes),
		cmocka_unit_test(test_map_supersedes_after_loss),
		cmocka_unit_test(test_map_does_not_supersede_without_loss),
		cmocka_unit_test(test_one_event_per_segment),
		cmocka_unit_test(test_failed_allocations),
		cmocka_unit_test(test_failed_allocations_in_32_bits),
		cmocka_unit_test(test_refused_types),
		cmocka_unit_test(test_mapping_errors),
		cmocka_unit_test(test_ones_of_half_a_field),
		cmocka_unit_test(test_no_map_succeeded),
		cmocka_unit_test(test_no_size),
		cmocka_unit_test(test_size_of_the_end_only),
		cmocka_unit_test(test_no_address),
		cmocka_unit_test(test_no_address_orphans),
		cmocka_unit_test(test_no_address_of_two_types),
		cmocka_unit_test(test_no_type),
		cmocka_unit_test(test_no_distance),
		cmocka_unit_test(test_orphans),
		cmocka_unit_test(test_threads_do_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
