/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events: the five tracepoints, system "p2pdma".
 *
 * addr is the kernel's address of the memory, the same value at alloc and free;
 * dma_addr is what the device was given, all ones when the mapping failed; dist
 * is the number of PCIe hops as the kernel counts them, -1 when the client is no
 * PCI device.  pid is the process (tgid), comm the thread's name; an unmap in an
 * interrupt bears whoever was interrupted.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM p2pdma

#if !defined(P2PTRACE_EVENTS_H) || defined(TRACE_HEADER_MULTI_READ)
#define P2PTRACE_EVENTS_H

#include <linux/device.h>
#include <linux/pci.h>
#include <linux/sched.h>
#include <linux/tracepoint.h>

#include "compat.h"
#include "hooks.h"

TRACE_DEFINE_ENUM(PCI_P2PDMA_MAP_UNKNOWN);
TRACE_DEFINE_ENUM(PCI_P2PDMA_MAP_NOT_SUPPORTED);
TRACE_DEFINE_ENUM(PCI_P2PDMA_MAP_BUS_ADDR);
TRACE_DEFINE_ENUM(PCI_P2PDMA_MAP_THRU_HOST_BRIDGE);
TRACE_DEFINE_ENUM(DMA_BIDIRECTIONAL);
TRACE_DEFINE_ENUM(DMA_TO_DEVICE);
TRACE_DEFINE_ENUM(DMA_FROM_DEVICE);
TRACE_DEFINE_ENUM(DMA_NONE);

#if COMPAT_HAS_MAP_NONE
TRACE_DEFINE_ENUM(PCI_P2PDMA_MAP_NONE);
#define p2p_show_none { PCI_P2PDMA_MAP_NONE, "NONE" },
#else
#define p2p_show_none
#endif

/* clang-format off */
#define p2p_show_type(type)						\
	__print_symbolic(type,						\
		{ PCI_P2PDMA_MAP_UNKNOWN, "UNKNOWN" },			\
		p2p_show_none						\
		{ PCI_P2PDMA_MAP_NOT_SUPPORTED, "NOT_SUPPORTED" },	\
		{ PCI_P2PDMA_MAP_BUS_ADDR, "BUS_ADDR" },		\
		{ PCI_P2PDMA_MAP_THRU_HOST_BRIDGE, "THRU_HOST_BRIDGE" })

#define p2p_show_dir(dir)						\
	__print_symbolic(dir,						\
		{ DMA_BIDIRECTIONAL, "BIDIRECTIONAL" },			\
		{ DMA_TO_DEVICE, "TO_DEVICE" },				\
		{ DMA_FROM_DEVICE, "FROM_DEVICE" },			\
		{ DMA_NONE, "NONE" })

#define P2P_MEMORY_EVENT(name, word)					\
TRACE_EVENT_FN(name,							\
	TP_PROTO(struct pci_dev *provider, u64 addr, u64 size, u64 bus_addr), \
	TP_ARGS(provider, addr, size, bus_addr),			\
	TP_STRUCT__entry(						\
		__string(provider, pci_name(provider))			\
		__field(u64, addr)					\
		__field(u64, size)					\
		__field(u64, bus_addr)					\
		__field(int, pid)					\
		__array(char, comm, TASK_COMM_LEN)			\
	),								\
	TP_fast_assign(							\
		p2p_assign_str(provider, pci_name(provider));		\
		__entry->addr = addr;					\
		__entry->size = size;					\
		__entry->bus_addr = bus_addr;				\
		__entry->pid = current->tgid;				\
		memcpy(__entry->comm, current->comm, TASK_COMM_LEN);	\
	),								\
	TP_printk("%s[%d] " word " %s addr=0x%llx size=%llu bus_addr=0x%llx", \
		  __entry->comm, __entry->pid, __get_str(provider),	\
		  __entry->addr, __entry->size, __entry->bus_addr),	\
	hooks_event_enabled, hooks_event_disabled)

P2P_MEMORY_EVENT(p2p_dma_alloc, "alloc");
P2P_MEMORY_EVENT(p2p_dma_free, "free");

TRACE_EVENT_FN(p2p_dma_map,
	TP_PROTO(struct device *client, struct pci_dev *provider, int type, int dist,
		 u64 dma_addr, u64 phys_addr, u64 size, int dir),
	TP_ARGS(client, provider, type, dist, dma_addr, phys_addr, size, dir),
	TP_STRUCT__entry(
		__string(client, dev_name(client))
		__string(provider, pci_name(provider))
		__field(int, type)
		__field(int, dist)
		__field(u64, dma_addr)
		__field(u64, phys_addr)
		__field(u64, size)
		__field(int, dir)
		__field(int, pid)
		__array(char, comm, TASK_COMM_LEN)
	),
	TP_fast_assign(
		p2p_assign_str(client, dev_name(client));
		p2p_assign_str(provider, pci_name(provider));
		__entry->type = type;
		__entry->dist = dist;
		__entry->dma_addr = dma_addr;
		__entry->phys_addr = phys_addr;
		__entry->size = size;
		__entry->dir = dir;
		__entry->pid = current->tgid;
		memcpy(__entry->comm, current->comm, TASK_COMM_LEN);
	),
	TP_printk("%s[%d] map %s -> %s type=%s dist=%d dma_addr=0x%llx phys_addr=0x%llx size=%llu dir=%s",
		  __entry->comm, __entry->pid, __get_str(client), __get_str(provider),
		  p2p_show_type(__entry->type), __entry->dist, __entry->dma_addr,
		  __entry->phys_addr, __entry->size, p2p_show_dir(__entry->dir)),
	hooks_event_enabled, hooks_event_disabled);

TRACE_EVENT_FN(p2p_dma_unmap,
	TP_PROTO(struct device *client, struct pci_dev *provider, int type,
		 u64 dma_addr, u64 size, int dir),
	TP_ARGS(client, provider, type, dma_addr, size, dir),
	TP_STRUCT__entry(
		__string(client, dev_name(client))
		__string(provider, pci_name(provider))
		__field(int, type)
		__field(u64, dma_addr)
		__field(u64, size)
		__field(int, dir)
		__field(int, pid)
		__array(char, comm, TASK_COMM_LEN)
	),
	TP_fast_assign(
		p2p_assign_str(client, dev_name(client));
		p2p_assign_str(provider, pci_name(provider));
		__entry->type = type;
		__entry->dma_addr = dma_addr;
		__entry->size = size;
		__entry->dir = dir;
		__entry->pid = current->tgid;
		memcpy(__entry->comm, current->comm, TASK_COMM_LEN);
	),
	TP_printk("%s[%d] unmap %s -> %s type=%s dma_addr=0x%llx size=%llu dir=%s",
		  __entry->comm, __entry->pid, __get_str(client), __get_str(provider),
		  p2p_show_type(__entry->type), __entry->dma_addr, __entry->size,
		  p2p_show_dir(__entry->dir)),
	hooks_event_enabled, hooks_event_disabled);

/* The kernel calculated a type because it had none cached: a decision, not a flip.
 * `old` is what this module saw calculated for the pair before, else UNKNOWN. */
TRACE_EVENT_FN(p2p_map_type_change,
	TP_PROTO(struct pci_dev *client, struct pci_dev *provider, int type, int old, int dist),
	TP_ARGS(client, provider, type, old, dist),
	TP_STRUCT__entry(
		__string(client, pci_name(client))
		__string(provider, pci_name(provider))
		__field(int, type)
		__field(int, old)
		__field(int, dist)
		__field(int, pid)
		__array(char, comm, TASK_COMM_LEN)
	),
	TP_fast_assign(
		p2p_assign_str(client, pci_name(client));
		p2p_assign_str(provider, pci_name(provider));
		__entry->type = type;
		__entry->old = old;
		__entry->dist = dist;
		__entry->pid = current->tgid;
		memcpy(__entry->comm, current->comm, TASK_COMM_LEN);
	),
	TP_printk("%s[%d] map_type_change %s -> %s type=%s old=%s dist=%d",
		  __entry->comm, __entry->pid, __get_str(client), __get_str(provider),
		  p2p_show_type(__entry->type), p2p_show_type(__entry->old), __entry->dist),
	hooks_event_enabled, hooks_event_disabled);
/* clang-format on */

#endif

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE events
#include <trace/define_trace.h>
