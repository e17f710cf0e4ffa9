# SPDX-License-Identifier: GPL-2.0-or-later
"""Every pair of the topology: its type and distance, and books that balance."""
from vmlab import agree
from vmlab.machine import Machine

MACHINES = {"intel": Machine(cpu="intel"), "amd": Machine(cpu="amd")}
USER_MEMORY = True

# client, provider, distance, type on Intel, type on AMD
PAIRS = [
    ("near64", "near64", 0, "BUS_ADDR", "BUS_ADDR"),
    ("near", "near64", 4, "BUS_ADDR", "BUS_ADDR"),
    ("near16", "near64", 4, "BUS_ADDR", "BUS_ADDR"),
    ("near", "near16", 4, "BUS_ADDR", "BUS_ADDR"),
    ("twin", "twin16", 2, "BUS_ADDR", "BUS_ADDR"),
    ("far", "near64", 6, "NOT_SUPPORTED", "THRU_HOST_BRIDGE"),
    ("far", "twin16", 4, "NOT_SUPPORTED", "THRU_HOST_BRIDGE"),
    ("twin", "near16", 6, "NOT_SUPPORTED", "THRU_HOST_BRIDGE"),
]

GUEST = r"""
drives_json
module_load
pair() { # client provider
	observe_start "$1-$2"
	p2ptraffic io --provider "$(bdf "$2")" --device "$(drive "$1")" --size 8192 --segments 4 \
		--count 8 --processes 2 --write >"/results/$1-$2.json"
	observe_stop
}
""" + "".join(f"pair {client} {provider}\n" for client, provider, *_ in PAIRS) + r"""
snapshot
counters_json after
rmmod p2ptrace_events
"""


def check(r):
    names = r.json("drives.json")
    for client, provider, dist, intel, amd in PAIRS:
        kind = intel if r.machine.cpu == "intel" else amd
        traffic = r.json(f"{client}-{provider}.json")
        pair = (names.get(client), names.get(provider), kind, dist)
        report, _ = agree.one_pair(r, f"{client}-{provider}", pair, traffic)
        r.equal(f"{client}-{provider}: predicted from the recording's own PCI tree",
                [row["predicted"] for row in report.get("pairs", [])],
                [{"type": kind, "dist": dist, "agrees": True, "result": "agrees"}])
    r.equal("missed hits", r.json("after.json").get("missed"), 0)
