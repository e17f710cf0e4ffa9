// SPDX-License-Identifier: GPL-2.0-or-later
#include "events.h"

const char *const rig_type_names[RIG_TYPES] = {
	[RIG_UNKNOWN] = "UNKNOWN",
	[RIG_NOT_SUPPORTED] = "NOT_SUPPORTED",
	[RIG_BUS_ADDR] = "BUS_ADDR",
	[RIG_THRU_HOST_BRIDGE] = "THRU_HOST_BRIDGE",
};

/*
 * Assembler, so that no compiler inlines, clones or drops a function or puts a
 * frame in front of the probe.  On x86-64 the first instruction is the five-byte
 * no-op: newer kernels turn a uprobe there into a call, three times as fast as a
 * breakpoint.
 */
#if defined(__x86_64__)
#define NOTHING ".byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n\tret\n"
#else
#define NOTHING "nop\n\tret\n"
#endif

#define EVENT_FUNCTION(name)                                                                    \
	__asm__(".text\n\t.balign 16\n\t.globl " #name "\n\t.type " #name ", %function\n" #name \
		":\n\t" NOTHING "\t.size " #name ", . - " #name "\n")

EVENT_FUNCTION(p2p_dma_alloc);
EVENT_FUNCTION(p2p_dma_free);
EVENT_FUNCTION(p2p_dma_map);
EVENT_FUNCTION(p2p_dma_unmap);
EVENT_FUNCTION(p2p_map_type_change);
