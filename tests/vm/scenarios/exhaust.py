# SPDX-License-Identifier: GPL-2.0-or-later
"""A pool that is used up: the allocation that failed is a failure, never outstanding."""
import errno

from vmlab import agree
from vmlab.machine import Machine

MACHINES = {"intel": Machine(cpu="intel")}
USER_MEMORY = True

GUEST = r"""
drives_json
module_load
observe_start exhaust
p2ptraffic exhaust --provider "$(bdf near16)" --size 1048576 >/results/traffic.json
observe_stop
counters_json after
"""


def check(r):
    traffic = r.json("traffic.json")
    counters = r.json("after.json").get("counters", {})
    report, trace = agree.recording_agrees(r, "exhaust")
    allocs = trace.of("p2p_dma_alloc")
    r.equal("errno", traffic.get("error"), errno.ENOMEM)
    r.equal("failed allocation", [event["size"] for event in allocs if not event["addr"]], [1 << 20])
    r.equal("allocations", len(allocs) - 1, traffic.get("allocs"))
    r.equal("failed", report.get("failed", {}).get("allocs"), 1)
    r.equal("outstanding", report.get("outstanding", {}).get("alloc_bytes"), 0)
    r.equal("error_count", counters.get("error_count"), 1)
    r.equal("allocated_bytes", counters.get("allocated_bytes"), traffic.get("alloc_bytes"))
    r.equal("freed_bytes", counters.get("freed_bytes"), traffic.get("alloc_bytes"))
