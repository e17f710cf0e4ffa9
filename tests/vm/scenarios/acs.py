# SPDX-License-Identifier: GPL-2.0-or-later
"""ACS redirect on a root port: the path changes, but only when the provider is bound anew."""
from vmlab import agree
from vmlab.machine import Machine

MACHINES = {"intel": Machine(cpu="intel"), "amd": Machine(cpu="amd")}
USER_MEMORY = True

GUEST = r"""
drives_json
module_load
provider=$(bdf twin16)
port=$(port_of "$provider")
client=$(drive twin)

transfer() {
	observe_start "$1"
	p2ptraffic io --provider "$provider" --device "$client" --segments 2 --count 4 >"/results/$1.json"
	observe_stop
}
rebind() {
	echo "$provider" >/sys/bus/pci/drivers/nvme/unbind
	echo "$provider" >/sys/bus/pci/drivers/nvme/bind
	await test -e "/sys/bus/pci/devices/$provider/p2pmem/allocate"
}

transfer direct
p2ptraffic acs "$port" on
transfer stale
rebind
transfer redirected
snapshot
p2ptraffic acs "$port" off
rebind
transfer again
"""


def check(r):
    names = r.json("drives.json")
    redirected = "NOT_SUPPORTED" if r.machine.cpu == "intel" else "THRU_HOST_BRIDGE"
    wanted = {"direct": "BUS_ADDR", "stale": "BUS_ADDR", "redirected": redirected, "again": "BUS_ADDR"}
    changes, results = {}, {}
    for name, kind in wanted.items():
        report, trace = agree.one_pair(r, name, (names.get("twin"), names.get("twin16"), kind, 2),
                                  r.json(f"{name}.json"))
        results[name] = [row["predicted"]["result"] for row in report.get("pairs", [])][-1]
        changes[name] = [(e["type"], e["old"], e["dist"]) for e in trace.of("p2p_map_type_change")]
    # The recordings brought their PCI trees along.
    r.equal("predicted beside observed", results, {
        "direct": "agrees", "stale": "stale cache", "redirected": "agrees", "again": "agrees"})
    stale = r.p2ptrace("analyze", "--json", "stale.dat")
    r.true("analyze names the stale cache",
           "stale-cache" in [finding["id"] for finding in stale.get("findings", [])])
    r.equal("type calculations", changes, {
        "direct": [("BUS_ADDR", "UNKNOWN", 2)],
        "stale": [],
        "redirected": [(redirected, "BUS_ADDR", 2)],
        "again": [("BUS_ADDR", redirected, 2)],
    })
