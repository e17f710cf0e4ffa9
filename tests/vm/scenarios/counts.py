# SPDX-License-Identifier: GPL-2.0-or-later
"""50,000 maps from two CPUs: counters, statistics, recording and workload agree to the last one."""
from vmlab import agree
from vmlab.machine import Machine

MACHINES = {"intel": Machine(cpu="intel")}
USER_MEMORY = True
DEBUG = False  # an hour there
TIMEOUT = 300

IOS, SEGMENTS = 6250, 4  # of each of the two processes

GUEST = rf"""
drives_json
module_load
observe_start counts
p2ptraffic io --provider "$(bdf near64)" --device "$(drive near)" --processes 2 \
	--count {IOS} --segments {SEGMENTS} --write >/results/traffic.json
observe_stop
counters_json after
p2ptrace stat --json >/results/stat.json
"""


def check(r):
    names = r.json("drives.json")
    traffic = r.json("traffic.json")
    after = r.json("after.json")
    segments = traffic.get("segments")
    r.equal("segments of the workload", segments, 2 * IOS * SEGMENTS)
    _, trace = agree.one_pair(r, "counts", (names["near"], names["near64"], "BUS_ADDR", 4), traffic)
    r.equal("CPUs that mapped", {event["cpu"] for event in trace.of("p2p_dma_map")}, {"000", "001"})
    r.equal("missed hits", after.get("missed"), 0)
    r.equal("counters", after.get("counters"), {
        "total_mappings": segments, "bus_addr_mappings": segments, "host_bridge_mappings": 0,
        "not_supported_mappings": 0, "total_unmappings": segments,
        "total_allocations": traffic.get("allocs"), "allocated_bytes": traffic.get("alloc_bytes"),
        "total_frees": traffic.get("alloc_bytes", 0) // 4096, "freed_bytes": traffic.get("alloc_bytes"),
        "map_type_calculations": len(trace.of("p2p_map_type_change")), "error_count": 0,
    })
    stat = r.json("stat.json")
    r.equal("p2ptrace stat: counters", stat.get("counters"), after.get("counters"))
    r.equal("p2ptrace stat: devices", {row["device"]: row["stats"] for row in stat.get("providers", [])},
            after.get("stats"))
    stats = after.get("stats", {}).get(names["near64"], {})
    peak = stats.pop("peak_mapped_bytes", 0)
    r.equal("statistics", stats, {"alloc_count": traffic.get("allocs"), "mapped_bytes": 0,
                                  "free_count": traffic.get("alloc_bytes", 0) // 4096})
    r.true(f"peak_mapped_bytes {peak}: one or two I/Os at a time",
           SEGMENTS * 4096 <= peak <= 2 * SEGMENTS * 4096)
