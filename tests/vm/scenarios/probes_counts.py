# SPDX-License-Identifier: GPL-2.0-or-later
"""50,000 maps from two CPUs, recorded by probes: none is missed."""
from vmlab import agree
from vmlab.machine import Machine

MACHINES = {"intel": Machine(cpu="intel")}
USER_MEMORY = True
DEBUG = False
TIMEOUT = 300

IOS, SEGMENTS = 6250, 4  # of each of the two processes

GUEST = rf"""
drives_json
record_start counts.dat -S probe
p2ptraffic io --provider "$(bdf near64)" --device "$(drive near)" --processes 2 \
	--count {IOS} --segments {SEGMENTS} --write >/results/traffic.json
record_stop
nothing_left
"""


def check(r):
    names, traffic = r.json("drives.json"), r.json("traffic.json")
    report = agree.without_loss(r, "counts")
    segments = 2 * IOS * SEGMENTS
    r.equal("segments of the workload", traffic.get("segments"), segments)
    row = next(iter(report.get("pairs", [])), {})
    r.equal("the pair", (row.get("client"), row.get("provider"), row.get("type"), row.get("dist")),
            (names["near"], names["near64"], "BUS_ADDR", 4))
    r.equal("maps and unmaps", (row.get("maps"), row.get("unmaps")), (segments, segments))
    r.equal("bytes", row.get("bytes"), traffic.get("bytes"))
    r.equal("outstanding", report.get("outstanding"),
            {"allocs": 0, "alloc_bytes": 0, "maps": 0, "map_bytes": 0})
    r.equal("orphans", report.get("orphans"), {"frees": 0, "unmaps": 0})
    agree.processes_agree(r, "counts", report, traffic, True)
    r.equal("groups and instances left", r.text("left.txt"), "")
