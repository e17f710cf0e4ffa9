# SPDX-License-Identifier: GPL-2.0-or-later
"""Behind an IOMMU: ACS redirects from the boot on, addresses are the IOMMU's, books still balance."""
from vmlab import agree
from vmlab.machine import Machine

MACHINES = {"amd": Machine(cpu="amd", iommu=True, kernel_options="intel_iommu=on")}
USER_MEMORY = True

# No pair of one switch: QEMU sends direct traffic through its IOMMU, and the data is wrong.
PAIRS = [("far", "near64", 6), ("far", "twin16", 4), ("twin", "twin16", 2)]

GUEST = r"""
drives_json
module_load
pair() { # client provider
	observe_start "$1-$2"
	p2ptraffic io --provider "$(bdf "$2")" --device "$(drive "$1")" --size 4096 --segments 16 \
		--count 8 --processes 2 --write >"/results/$1-$2.json"
	observe_stop
}
""" + "".join(f"pair {client} {provider}\n" for client, provider, _ in PAIRS) + r"""
counters_json after
"""


def check(r):
    names = r.json("drives.json")
    for client, provider, dist in PAIRS:
        name = f"{client}-{provider}"
        _, trace = agree.one_pair(r, name, (names.get(client), names.get(provider), "THRU_HOST_BRIDGE", dist),
                                  r.json(f"{name}.json"))
        r.true(f"{name}: addresses are the IOMMU's",
               all(event["dma_addr"] != event["phys_addr"] for event in trace.of("p2p_dma_map")))
    r.equal("missed hits", r.json("after.json").get("missed"), 0)
