# SPDX-License-Identifier: GPL-2.0-or-later
"""Statistics survive a driver rebind and appear with a provider that comes after the module."""
from vmlab.machine import Machine
from vmlab.oracle import Trace

MACHINES = {"intel": Machine(cpu="intel")}

GUEST = r"""
drives_json
first=$(bdf near64)
late=$(bdf near16)
DRIVER=/sys/bus/pci/drivers/nvme

echo "$late" >$DRIVER/unbind
module_load
test ! -e "/sys/bus/pci/devices/$late/p2pmem"
echo "$late" >$DRIVER/bind
await test -e "/sys/bus/pci/devices/$late/p2pmem/stats/alloc_count"
await test -e "/sys/bus/pci/devices/$first/p2pmem/stats/alloc_count"
await drive near16
counters_json loaded

mkdir $TRACING/instances/oracle
echo 1 >$TRACING/instances/oracle/events/p2pdma/enable
for round in 1 2 3; do
	echo "$first" >$DRIVER/unbind
	test ! -e "/sys/bus/pci/devices/$first/p2pmem"
	echo "$first" >$DRIVER/bind
	await test -e "/sys/bus/pci/devices/$first/p2pmem/stats/alloc_count"
	await drive near64
	sleep 1
	counters_json "round$round"
done
cat $TRACING/instances/oracle/trace >/results/trace.txt
rmdir $TRACING/instances/oracle
cat "/sys/bus/pci/devices/$first/p2pmem/stats/peak_mapped_bytes"
ls -l "/sys/bus/pci/devices/$first/p2pmem/stats" >/results/modes.txt

echo "$first" >$DRIVER/unbind
rmmod p2ptrace_events
echo "$first" >$DRIVER/bind
await test -e "/sys/bus/pci/devices/$first/p2pmem"
test ! -e "/sys/bus/pci/devices/$first/p2pmem/stats"
test ! -e "$COUNTERS"
"""


def check(r):
    first = r.json("drives.json").get("near64")
    trace = Trace(r.text("trace.txt"))
    allocs = [event for event in trace.of("p2p_dma_alloc") if event["provider"] == first]
    frees = [event for event in trace.of("p2p_dma_free") if event["provider"] == first]
    r.true("the driver takes memory for its queues when bound", len(allocs) >= 3)
    r.equal("and gives it back when unbound: frees", len(frees), len(allocs))
    stats = [r.json(f"round{n}.json").get("stats", {}).get(first, {}) for n in (1, 2, 3)]
    per_round = len(allocs) // 3
    r.equal("alloc_count goes on counting", [s.get("alloc_count") for s in stats],
            [per_round, 2 * per_round, 3 * per_round])
    r.equal("free_count too", [s.get("free_count") for s in stats],
            [per_round, 2 * per_round, 3 * per_round])
    r.equal("missed hits", r.json("round3.json").get("missed"), 0)
    modes = {line.split()[0] for line in r.text("modes.txt").splitlines() if line.startswith("-")}
    r.equal("modes", modes, {"-r--r--r--"})
