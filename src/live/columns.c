// SPDX-License-Identifier: GPL-2.0-or-later
/* What the rows of a picture are made of: for screens, text and JSON alike. */
#include "p2ptrace/live.h"

#define TYPE(field) offsetof(struct type_row, field)
#define PAIR(field) offsetof(struct live_pair, field)
#define PROCESS(field) offsetof(struct live_process, field)
#define POOL(field) offsetof(struct live_pool, field)
#define LEAK(field) offsetof(struct leak, field)
#define EVENT(field) offsetof(struct live_event, field)
#define COUNTER(field) offsetof(struct live_counter, field)

const struct column live_type_columns[] = {
	{ CELL_TEXT, "type", "MAP TYPE", TYPE(type), IN_ALL },
	{ CELL_COUNT, "maps", "MAPS", TYPE(maps), IN_ALL },
	{ CELL_SHARE, "share", "SHARE", TYPE(share), IN_ALL },
	{ CELL_BYTES, "bytes", "BYTES", TYPE(bytes), IN_ALL },
	{ CELL_COUNT, "failed", "FAILED", TYPE(failed), IN_ALL },
	{ .kind = CELL_END },
};

const struct column live_pair_columns[] = {
	{ CELL_TEXT, "client", "CLIENT", PAIR(client), IN_ALL },
	{ CELL_TEXT, "provider", "PROVIDER", PAIR(provider), IN_ALL },
	{ CELL_TEXT, "type", "TYPE", PAIR(type), IN_ALL },
	{ CELL_NUMBER, "dist", "DIST", PAIR(dist), IN_ALL },
	{ CELL_COUNT, "maps_per_s", "MAPS/S", PAIR(maps_per_s), IN_ALL },
	{ CELL_BYTES, "bytes_per_s", "BYTES/S", PAIR(bytes_per_s), IN_ALL },
	{ CELL_COUNT, "maps", "MAPS", PAIR(maps), IN_ALL },
	{ CELL_COUNT, "unmaps", "UNMAPS", PAIR(unmaps), IN_CSV | IN_JSON },
	{ CELL_BYTES, "bytes", "BYTES", PAIR(bytes), IN_ALL },
	{ CELL_COUNT, "failed", "FAILED", PAIR(failed), IN_CSV | IN_JSON },
	{ CELL_COUNT, "outstanding", "OPEN", PAIR(outstanding), IN_ALL },
	{ CELL_BYTES, "outstanding_bytes", "OPEN BYTES", PAIR(outstanding_bytes), IN_ALL },
	{ CELL_BYTES, "peak_bytes", "PEAK", PAIR(peak_bytes), IN_CSV | IN_JSON },
	{ CELL_DURATION, "lifetime_p50_ns", "LIFE P50", PAIR(lifetime.p50), IN_WIDE },
	{ CELL_DURATION, "lifetime_p99_ns", "P99", PAIR(lifetime.p99), IN_WIDE },
	{ CELL_DURATION, "lifetime_max_ns", "MAX", PAIR(lifetime.max), IN_CSV },
	{ CELL_SUMMARY, "lifetime_ns", "", PAIR(lifetime), IN_JSON },
	{ .kind = CELL_END },
};

const struct column live_process_columns[] = {
	{ CELL_NUMBER, "pid", "PID", PROCESS(pid), IN_ALL },
	{ CELL_TEXT, "comm", "COMM", PROCESS(comm), IN_ALL },
	{ CELL_TEXT, "state", "STATE", PROCESS(state), IN_ALL },
	{ CELL_COUNT, "maps_per_s", "MAPS/S", PROCESS(maps_per_s), IN_ALL },
	{ CELL_BYTES, "bytes_per_s", "BYTES/S", PROCESS(bytes_per_s), IN_ALL },
	{ CELL_COUNT, "maps", "MAPS", PROCESS(maps), IN_ALL },
	{ CELL_BYTES, "map_bytes", "MAPPED", PROCESS(map_bytes), IN_ALL },
	{ CELL_COUNT, "unmaps", "UNMAPS", PROCESS(unmaps), IN_CSV | IN_JSON },
	{ CELL_COUNT, "allocs", "ALLOCS", PROCESS(allocs), IN_ALL },
	{ CELL_BYTES, "alloc_bytes", "ALLOC BYTES", PROCESS(alloc_bytes), IN_ALL },
	{ CELL_COUNT, "frees", "FREES", PROCESS(frees), IN_ALL },
	{ CELL_BYTES, "free_bytes", "FREED", PROCESS(free_bytes), IN_CSV | IN_JSON },
	{ CELL_COUNT, "bus_addr", "BUS_ADDR", PROCESS(bus_addr), IN_ALL },
	{ CELL_COUNT, "thru_host_bridge", "HOST BRIDGE", PROCESS(thru_host_bridge), IN_ALL },
	{ CELL_COUNT, "not_supported", "REFUSED", PROCESS(not_supported), IN_ALL },
	{ .kind = CELL_END },
};

const struct column live_pool_columns[] = {
	{ CELL_TEXT, "provider", "PROVIDER", POOL(provider), IN_ALL },
	{ CELL_BYTES, "size", "POOL", POOL(size), IN_ALL },
	{ CELL_BYTES, "available", "AVAILABLE", POOL(available), IN_ALL },
	{ CELL_COUNT, "outstanding", "OPEN", POOL(outstanding), IN_ALL },
	{ CELL_BYTES, "outstanding_bytes", "OPEN BYTES", POOL(outstanding_bytes), IN_ALL },
	{ CELL_BYTES, "peak_bytes", "PEAK", POOL(peak_bytes), IN_ALL },
	{ CELL_BYTES, "bytes_per_s", "BYTES/S", POOL(bytes_per_s), IN_ALL },
	{ CELL_COUNT, "allocs", "ALLOCS", POOL(allocs), IN_ALL },
	{ CELL_COUNT, "failed", "FAILED", POOL(failed), IN_ALL },
	{ CELL_BYTES, "bytes", "BYTES", POOL(bytes), IN_ALL },
	{ CELL_COUNT, "frees", "FREES", POOL(frees), IN_ALL },
	{ CELL_BYTES, "free_bytes", "FREED", POOL(free_bytes), IN_CSV | IN_JSON },
	{ CELL_DURATION, "lifetime_p50_ns", "LIFE P50", POOL(lifetime.p50), IN_WIDE },
	{ CELL_DURATION, "lifetime_p99_ns", "P99", POOL(lifetime.p99), IN_CSV },
	{ CELL_SUMMARY, "lifetime_ns", "", POOL(lifetime), IN_JSON },
	{ .kind = CELL_END },
};

const struct column live_leak_columns[] = {
	{ CELL_DURATION, "age_ns", "AGE", LEAK(age), IN_ALL },
	{ CELL_TEXT, "verdict", "VERDICT", LEAK(verdict_name), IN_ALL },
	{ CELL_TEXT, "kind", "KIND", LEAK(kind), IN_ALL },
	{ CELL_NUMBER, "pid", "PID", LEAK(pid), IN_ALL },
	{ CELL_TEXT, "comm", "COMM", LEAK(comm), IN_ALL },
	{ CELL_TEXT, "provider", "PROVIDER", LEAK(provider), IN_ALL },
	{ CELL_TEXT, "client", "CLIENT", LEAK(client), IN_ALL },
	{ CELL_TEXT, "type", "TYPE", LEAK(type), IN_ALL },
	{ CELL_BYTES, "bytes", "BYTES", LEAK(bytes), IN_ALL },
	{ CELL_COUNT, "count", "COUNT", LEAK(count), IN_CSV | IN_JSON },
	{ CELL_TEXT, "why", "WHY", LEAK(why), IN_ALL },
	{ .kind = CELL_END },
};

const struct column live_event_columns[] = {
	{ CELL_TEXT, "time", "TIME", EVENT(time), IN_WIDE },
	{ CELL_COUNT, "ts_ns", "STAMP", EVENT(stamp), IN_CSV | IN_JSON },
	{ CELL_COUNT, "cpu", "CPU", EVENT(cpu), IN_ALL },
	{ CELL_TEXT, "event", "EVENT", EVENT(event), IN_ALL },
	{ CELL_NUMBER, "pid", "PID", EVENT(pid), IN_ALL },
	{ CELL_TEXT, "comm", "COMM", EVENT(comm), IN_ALL },
	{ CELL_TEXT, "client", "CLIENT", EVENT(client), IN_ALL },
	{ CELL_TEXT, "provider", "PROVIDER", EVENT(provider), IN_ALL },
	{ CELL_TEXT, "type", "TYPE", EVENT(type), IN_ALL },
	{ CELL_NUMBER, "dist", "DIST", EVENT(dist), IN_CSV | IN_JSON },
	{ CELL_TEXT, "addr", "ADDR", EVENT(addr), IN_ALL },
	{ CELL_BYTES, "size", "SIZE", EVENT(size), IN_ALL },
	{ CELL_COUNT, "count", "COUNT", EVENT(count), IN_CSV | IN_JSON },
	{ CELL_TEXT, "note", "NOTE", EVENT(note), IN_ALL },
	{ .kind = CELL_END },
};

const struct column live_counter_columns[] = {
	{ CELL_TEXT, "device", "DEVICE", COUNTER(device), IN_ALL },
	{ CELL_TEXT, "layer", "LAYER", COUNTER(layer), IN_ALL },
	{ CELL_TEXT, "name", "COUNTER", COUNTER(name), IN_ALL },
	{ CELL_COUNT, "value", "VALUE", COUNTER(value), IN_ALL },
	{ CELL_COUNT, "per_s", "PER SECOND", COUNTER(per_s), IN_ALL },
	{ .kind = CELL_END },
};
