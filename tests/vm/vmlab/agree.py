# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording, the kernel's own text and the traffic program must tell the same."""
from .oracle import Trace

SUCCEEDED = ("BUS_ADDR", "THRU_HOST_BRIDGE")


def recording_agrees(r, name):
    """NAME.dat against NAME.txt; returns (report, trace)."""
    trace = Trace(r.text(f"{name}.txt"))
    r.true(f"{name}.txt: the kernel's buffer did not overflow", trace.complete)
    report = r.p2ptrace("report", "--json", f"{name}.dat")
    events = report.get("events", {})
    for key, event in (("alloc", "p2p_dma_alloc"), ("free", "p2p_dma_free"), ("map", "p2p_dma_map"),
                       ("unmap", "p2p_dma_unmap"), ("map_type_change", "p2p_map_type_change")):
        r.equal(f"{name}: {key} events", events.get(key), len(trace.of(event)))
    r.equal(f"{name}: lost", events.get("lost"), 0)
    r.equal(f"{name}: truncated", report.get("truncated"), False)
    _pairs_agree(r, name, report, trace)
    _orphans_agree(r, name, report, trace)
    return report, trace


def _pairs_agree(r, name, report, trace):
    got = {(row["client"], row["provider"], row["type"]): row for row in report.get("pairs", [])}
    wanted = trace.pairs()
    r.equal(f"{name}: pairs", sorted(got), sorted(wanted))
    for key, pair in wanted.items():
        row = got.get(key, {})
        title = f"{name}: {key[0]} -> {key[1]} {key[2]}"
        r.equal(f"{title}: maps", row.get("maps"), pair.maps)
        r.equal(f"{title}: bytes", row.get("bytes"), pair.bytes)
        r.equal(f"{title}: dist", row.get("dist"), pair.dist)
        if key[2] in SUCCEEDED:
            r.equal(f"{title}: unmaps", row.get("unmaps"), pair.unmaps)


def _orphans_agree(r, name, report, trace):
    loose = trace.unbalanced()
    kinds = [event["event"] for event in loose["orphans"]]
    orphans = report.get("orphans", {})
    r.equal(f"{name}: orphan unmaps", orphans.get("unmaps"), kinds.count("p2p_dma_unmap"))
    r.equal(f"{name}: outstanding maps", report.get("outstanding", {}).get("maps"), len(loose["maps"]))
    r.equal(f"{name}: outstanding bytes of allocations",
            report.get("outstanding", {}).get("alloc_bytes"), loose["pages"] * 4096)


def one_pair(r, name, pair, traffic):
    """A recording of one workload on one pair (client, provider, type, dist)."""
    report, trace = recording_agrees(r, name)
    client, provider, kind, dist = pair
    r.equal(f"{name}: pairs of the workload", [key for key in trace.pairs()], [(client, provider, kind)])
    row = next(iter(report.get("pairs", [])), {})
    r.equal(f"{name}: type", row.get("type"), kind)
    r.equal(f"{name}: dist", row.get("dist"), dist)
    r.equal(f"{name}: wrong data", traffic.get("wrong_data"), 0)
    loose = trace.unbalanced()
    r.equal(f"{name}: unbalanced", (loose["maps"], loose["pages"], loose["orphans"]), ([], 0, []))
    r.equal(f"{name}: outstanding", report.get("outstanding"),
            {"allocs": 0, "alloc_bytes": 0, "maps": 0, "map_bytes": 0})
    if kind in SUCCEEDED:
        r.equal(f"{name}: bytes", row.get("bytes"), traffic.get("bytes"))
        r.equal(f"{name}: maps", row.get("maps"), traffic.get("segments"))
        r.equal(f"{name}: unmaps", row.get("unmaps"), traffic.get("segments"))
    else:
        r.true(f"{name}: every I/O was refused", traffic.get("failed_ios") and not traffic.get("ios"))
    processes_agree(r, name, report, traffic, kind in SUCCEEDED)
    return report, trace


def processes_agree(r, name, report, traffic, moved):
    """What the report says of each process, and what it says of itself."""
    by_pid = {row["pid"]: row for row in report.get("processes", [])}
    for process in traffic.get("processes", []):
        row = by_pid.get(process["pid"], {})
        r.equal(f"{name}: allocated by {process['pid']}", row.get("alloc_bytes"), process["alloc_bytes"])
        r.equal(f"{name}: freed of {process['pid']}", row.get("free_bytes"), process["alloc_bytes"])
        if moved:
            r.equal(f"{name}: maps by {process['pid']}", row.get("maps"), process["segments"])
            r.equal(f"{name}: bytes by {process['pid']}", row.get("map_bytes"), process["bytes"])


def without_loss(r, name):
    """The report of a recording that must be whole."""
    report = r.p2ptrace("report", "--json", f"{name}.dat")
    r.equal(f"{name}: lost", report.get("events", {}).get("lost"), 0)
    r.equal(f"{name}: truncated", report.get("truncated"), False)
    return report
