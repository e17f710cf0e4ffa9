# SPDX-License-Identifier: GPL-2.0-or-later
"""Without the module: probes on the kernel's functions tell the same as the traffic's own books."""
import errno

from vmlab import agree
from vmlab.machine import Machine

MACHINES = {
    "intel": Machine(cpu="intel"),
    "amd": Machine(cpu="amd"),
    "iommu": Machine(cpu="amd", iommu=True, kernel_options="intel_iommu=on"),
}
USER_MEMORY = True
DEBUG = False  # it has no BTF
TIMEOUT = 180

LISTS, SEGMENTS = 50, 5  # of the driver; a page of RAM stands before each segment

# client, provider, distance, type on Intel, on AMD, behind an IOMMU; None: not there
PAIRS = [
    ("near64", "near64", 0, "BUS_ADDR", None, None),
    ("near", "near64", 4, "BUS_ADDR", None, None),
    ("twin", "twin16", 2, "BUS_ADDR", None, "THRU_HOST_BRIDGE"),
    ("far", "near64", 6, "NOT_SUPPORTED", "THRU_HOST_BRIDGE", "THRU_HOST_BRIDGE"),
    ("far", "twin16", 4, "NOT_SUPPORTED", None, "THRU_HOST_BRIDGE"),
]
COLUMN = {"intel": 3, "amd": 4, "iommu": 5}

GUEST = rf"""
drives_json
probed() {{ # NAME COMMAND...
	name=$1
	shift
	record_start "$name.dat" -S probe --segments 10
	"$@" >"/results/$name.json"
	record_stop
}}
pair() {{ # client provider
	probed "$1-$2" p2ptraffic io --provider "$(bdf "$2")" --device "$(drive "$1")" --size 8192 \
		--segments 4 --count 8 --processes 2 --write
}}
lists() {{ # NAME options
	name=$1
	shift
	record_start "$name.dat" -S probe --segments 10
	insmod /lib/p2pclient.ko lists={LISTS} segments={SEGMENTS} "$@"
	(cd /sys/module/p2pclient/parameters && grep . mapped refused allocs alloc_bytes) >"/results/$name-deeds.txt"
	rmmod p2pclient
	record_stop
}}
machine=iommu
test -n "$(ls /sys/kernel/iommu_groups)" || machine=amd
! grep -q GenuineIntel /proc/cpuinfo || machine=intel
test $machine != intel || pair near64 near64
test $machine != intel || pair near near64
test $machine = amd || pair twin twin16
pair far near64
test $machine = amd || pair far twin16
test $machine = amd || lists direct provider="$(bdf near64)" client="$(bdf near)"
lists bridge provider="$(bdf near64)" client="$(bdf far)"
if [ $machine = intel ]; then
	lists midway provider="$(bdf twin16)" client="$(bdf twin)" refusing="$(bdf near64)"
	probed exhaust p2ptraffic exhaust --provider "$(bdf near16)" --size 1048576
	# Four of six segments are looked at.
	record_start few.dat -S probe
	p2ptraffic io --provider "$(bdf near64)" --device "$(drive near)" --segments 6 --count 5 >/results/few.json
	record_stop
	record_start held.dat -S probe --segments 8
	p2ptraffic io --provider "$(bdf near64)" --device "$(drive near)" --segments 8 --keep \
		--hold-until /tmp/go >/results/held.json &
	sleep 3
	record_stop
	touch /tmp/go
	wait
	trace-cmd report -i /tmp/near-near64.dat >/results/near-near64.txt
	record_start auto.dat
	record_stop
	p2ptrace live --batch 1 --json -d 5 -S probe >/results/live.json 2>/results/live.log &
	recorder=$!
	await recorder_ready
	p2ptraffic io --provider "$(bdf near64)" --device "$(drive near)" --segments 4 --count 5 >/results/lively.json
	wait $recorder
fi
nothing_left
"""


def _pair(r, name, pair, traffic):
    """A recording by probes of one workload on one pair."""
    client, provider, kind, dist = pair
    report = agree.without_loss(r, name)
    row = next(iter(report.get("pairs", [])), {})
    r.equal(f"{name}: pairs", [(p["client"], p["provider"], p["type"], p["dist"]) for p in report.get("pairs", [])],
            [(client, provider, kind, dist)])
    r.equal(f"{name}: wrong data", traffic.get("wrong_data"), 0)
    r.equal(f"{name}: outstanding", report.get("outstanding"),
            {"allocs": 0, "alloc_bytes": 0, "maps": 0, "map_bytes": 0})
    r.equal(f"{name}: orphans", report.get("orphans"), {"frees": 0, "unmaps": 0})
    moved = kind in agree.SUCCEEDED
    if moved:
        for key, value in (("maps", "segments"), ("unmaps", "segments"), ("bytes", "bytes")):
            r.equal(f"{name}: {key}", row.get(key), traffic.get(value))
    else:
        r.true(f"{name}: every I/O was refused", traffic.get("failed_ios") and not traffic.get("ios"))
        r.equal(f"{name}: succeeded", report.get("failed", {}).get("maps"), row.get("maps"))
    agree.processes_agree(r, name, report, traffic, moved)


def _lists(r, name, kind, dist):
    """A driver's lists of RAM and peer memory by turns."""
    deeds = {key: int(value) for key, value in
             (line.split(":") for line in r.text(f"{name}-deeds.txt").splitlines())}
    report = agree.without_loss(r, name)
    row = next(iter(report.get("pairs", [])), {})
    r.equal(f"{name}: type and distance", (row.get("type"), row.get("dist")), (kind, dist))
    r.equal(f"{name}: allocations", report.get("events", {}).get("alloc"), deeds.get("allocs"))
    pools = sum(pool["alloc_bytes"] for pool in report.get("processes", []))
    r.equal(f"{name}: bytes of allocations", pools, deeds.get("alloc_bytes"))
    r.equal(f"{name}: outstanding", report.get("outstanding"),
            {"allocs": 0, "alloc_bytes": 0, "maps": 0, "map_bytes": 0})
    if kind in agree.SUCCEEDED:
        r.equal(f"{name}: maps and unmaps", (row.get("maps"), row.get("unmaps")), (deeds["mapped"],) * 2)
    else:
        # The kernel gives up at the first segment it refuses.
        r.equal(f"{name}: refused lists", row.get("maps"), deeds["refused"] // SEGMENTS)
    return report


def _intel_only(r, names):
    report = agree.without_loss(r, "midway")
    got = {(p["provider"], p["type"]): (p["maps"], p["unmaps"]) for p in report.get("pairs", [])}
    # The first segment of the list was mapped, then undone.
    r.equal("midway: the refused one", got.get((names["near64"], "NOT_SUPPORTED")), (1, 0))
    r.equal("midway: the others", got.get((names["twin16"], "BUS_ADDR")), (LISTS * SEGMENTS + 1,) * 2)
    exhaust = r.json("exhaust.json")
    report = agree.without_loss(r, "exhaust")
    r.equal("exhaust: errno", exhaust.get("error"), errno.ENOMEM)
    r.equal("exhaust: allocations", report.get("events", {}).get("alloc"), exhaust.get("allocs") + 1)
    r.equal("exhaust: failed", report.get("failed", {}).get("allocs"), 1)
    r.equal("exhaust: outstanding", report.get("outstanding", {}).get("alloc_bytes"), 0)
    few = r.p2ptrace("report", "--json", "few.dat")
    r.equal("few: unmaps that were not looked at", few.get("events", {}).get("lost"), 2 * 5)
    r.equal("few: unmaps", few.get("events", {}).get("unmap"), 4 * 5)
    held = r.json("held.json")
    leaks = r.p2ptrace("leaks", "--json", "held.dat").get("leaks", [])
    r.equal("held: leaks", {(leak["kind"], leak["verdict"], leak["pid"], leak["provider"]) for leak in leaks
                            if leak["kind"] == "alloc"},
            {("alloc", "in_flight", held["processes"][0]["pid"], names["near64"])})
    live = next(iter(r.json("live.json").get("pairs", [])), {})
    r.equal("live: the pair", [live.get(key) for key in ("provider", "client", "type", "maps", "unmaps", "bytes")],
            [names["near64"], names["near"], "BUS_ADDR", 20, 20, 20 * 4096])
    r.equal("trace-cmd: maps", r.text("near-near64.txt").count("p2p_dma_map:"), 64)
    r.equal("auto takes probes", r.p2ptrace("info", "--json", "auto.dat").get("recording", {}).get("source"),
            "probe")


def check(r):
    names = r.json("drives.json")
    for client, provider, dist, *_ in PAIRS:
        kind = next(p for p in PAIRS if p[:2] == (client, provider))[COLUMN[r.machine_name]]
        if kind:
            name = f"{client}-{provider}"
            _pair(r, name, (names.get(client), names.get(provider), kind, dist), r.json(f"{name}.json"))
    bridge = "NOT_SUPPORTED" if r.machine.cpu == "intel" else "THRU_HOST_BRIDGE"
    if r.machine_name != "amd":
        # Without an IOMMU the pair was calculated before this recording.
        _lists(r, "direct", "BUS_ADDR", 4 if r.machine.iommu else None)
    _lists(r, "bridge", bridge, None)
    if r.machine_name == "intel":
        _intel_only(r, names)
    r.equal("groups and instances left", r.text("left.txt"), "")
