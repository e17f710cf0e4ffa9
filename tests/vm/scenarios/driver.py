# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver's lists: RAM and peer memory mixed, refused midway, and the pool's own list helpers."""
from vmlab import agree
from vmlab.machine import Machine

MACHINES = {
    "intel": Machine(cpu="intel"),
    "amd": Machine(cpu="amd"),
    "iommu": Machine(cpu="amd", iommu=True, kernel_options="intel_iommu=on"),
}
# Behind an IOMMU QEMU has no peers that reach each other directly with right data;
# mapping alone is all right.
LISTS, SEGMENTS = 100, 5

GUEST = rf"""
drives_json
module_load
run() {{ # NAME options
	name=$1
	shift
	observe_start "$name"
	insmod /lib/p2pclient.ko lists={LISTS} segments={SEGMENTS} "$@"
	(cd /sys/module/p2pclient/parameters && grep . mapped refused allocs alloc_bytes) >"/results/$name-deeds.txt"
	rmmod p2pclient
	observe_stop
}}
run direct provider="$(bdf near64)" client="$(bdf near)"
run bridge provider="$(bdf near64)" client="$(bdf far)"
if grep -q GenuineIntel /proc/cpuinfo; then # nothing is refused elsewhere
	run midway provider="$(bdf twin16)" client="$(bdf twin)" refusing="$(bdf near64)"
fi
counters_json after
rmmod p2ptrace_events
"""


def _deeds(r, name):
    lines = (line.split(":") for line in r.text(f"{name}-deeds.txt").splitlines())
    return {key: int(value) for key, value in lines}


def _check_books(r, name, deeds, trace):
    loose = trace.unbalanced()
    r.equal(f"{name}: unbalanced", (loose["maps"], loose["pages"], loose["orphans"]), ([], 0, []))
    maps = [e["type"] for e in trace.of("p2p_dma_map")]
    failed = maps.count("NOT_SUPPORTED")
    r.equal(f"{name}: maps", len(maps) - failed, deeds.get("mapped"))
    r.equal(f"{name}: refused", failed, deeds.get("refused"))
    r.equal(f"{name}: allocs", len(trace.of("p2p_dma_alloc")), deeds.get("allocs"))
    r.equal(f"{name}: bytes", sum(e["size"] for e in trace.of("p2p_dma_alloc")), deeds.get("alloc_bytes"))
    r.equal(f"{name}: freed", sum(e["size"] for e in trace.of("p2p_dma_free")), deeds.get("alloc_bytes"))


def check(r):
    intel = r.machine.cpu == "intel"
    bridge = "NOT_SUPPORTED" if intel else "THRU_HOST_BRIDGE"
    for name, kind, dist in (("direct", "BUS_ADDR", 4), ("bridge", bridge, 6)):
        deeds, (_, trace) = _deeds(r, name), agree.recording_agrees(r, name)
        _check_books(r, name, deeds, trace)
        maps = trace.of("p2p_dma_map")
        r.equal(f"{name}: segments", len(maps), LISTS * SEGMENTS)
        r.equal(f"{name}: type", {e["type"] for e in maps}, {kind})
        r.equal(f"{name}: dist", {e["dist"] for e in maps}, {dist})
        for event in trace.of("p2p_map_type_change"):
            r.equal(f"{name}: the kernel's own distance", event["dist"], dist)
        if kind == "BUS_ADDR":
            r.true(f"{name}: bus addresses", all(e["dma_addr"] == e["phys_addr"] for e in maps))
        if kind == "THRU_HOST_BRIDGE":
            r.equal(f"{name}: dma_addr is an IOMMU's", all(e["dma_addr"] != e["phys_addr"] for e in maps),
                    r.machine.iommu)
        r.equal(f"{name}: no address twice in a list", len({e["dma_addr"] for e in maps[:SEGMENTS]}),
                1 if kind == "NOT_SUPPORTED" else SEGMENTS)
    if intel:
        deeds, (_, trace) = _deeds(r, "midway"), agree.recording_agrees(r, "midway")
        _check_books(r, "midway", deeds, trace)
        r.equal("midway: refused together", deeds.get("refused"), 2)
        r.equal("midway: unmaps", len(trace.of("p2p_dma_unmap")), deeds.get("mapped"))
    r.equal("missed hits", r.json("after.json").get("missed"), 0)
