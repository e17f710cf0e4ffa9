# SPDX-License-Identifier: GPL-2.0-or-later
"""For every pair `p2ptrace topo` predicts the type and the distance the kernel then calculates."""
from vmlab.machine import Machine
from vmlab.oracle import Trace

MACHINES = {
    "intel": Machine(cpu="intel"),
    "amd": Machine(cpu="amd"),
    # the kernel switches ACS redirect on where there is an IOMMU
    "acs-intel": Machine(cpu="intel", iommu=True, kernel_options="intel_iommu=on"),
    "acs-amd": Machine(cpu="amd", iommu=True, kernel_options="intel_iommu=on"),
}
PROVIDERS = "near64 near16 twin16"
CLIENTS = "near64 near near16 far twin16 twin"

GUEST = rf"""
drives_json
snapshot
p2ptrace topo --json >/results/topo.json
module_load
echo 1 >$TRACING/events/p2pdma/p2p_map_type_change/enable
echo 1 >$TRACING/events/p2pdma/p2p_dma_map/enable
for provider in {PROVIDERS}; do
	for client in {CLIENTS}; do
		insmod /lib/p2pclient.ko provider="$(bdf $provider)" client="$(bdf $client)"
		rmmod p2pclient
	done
done
cat $TRACING/trace >/results/trace.txt
"""


def check(r):
    trace = Trace(r.text("trace.txt"))
    calculated = {(e["provider"], e["client"]): (e["type"], e["dist"]) for e in trace.of("p2p_map_type_change")}
    r.equal("pairs the kernel calculated", len(calculated), len(PROVIDERS.split()) * len(CLIENTS.split()))
    r.equal("the module's own distance", {(e["provider"], e["client"]): (e["type"], e["dist"])
                                          for e in trace.of("p2p_dma_map")}, calculated)
    for title, topo in (("live", r.json("topo.json")),
                        ("from the snapshot", r.p2ptrace("topo", "--json", "--root", "root"))):
        predicted = {(row["provider"], row["client"]): (row["type"], row["dist"])
                     for row in topo.get("pairs", [])}
        for pair, wanted in calculated.items():
            r.equal(f"{title}: {pair[0]} for {pair[1]}", predicted.get(pair), wanted)
