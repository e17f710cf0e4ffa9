# SPDX-License-Identifier: GPL-2.0-or-later
"""The module gives events, counters and statistics for one transfer."""
from vmlab.machine import Machine

MACHINES = {"intel": Machine(cpu="intel")}

GUEST = r"""
drives_json
module_load
echo 1 >$TRACING/events/p2pdma/enable
p2ptraffic io --provider "$(bdf near64)" --device "$(drive near)" --count 3 --segments 4 --size 8192 >/results/traffic.json
echo 0 >$TRACING/events/p2pdma/enable
cat $TRACING/trace >/results/trace.txt
counters_json after
cat /sys/kernel/debug/p2ptrace_events/hooks
ls -l $COUNTERS /sys/bus/pci/devices/*/p2pmem/stats
rmmod p2ptrace_events
"""


def check(r):
    traffic = r.json("traffic.json")
    r.equal("ios", traffic.get("ios"), 3)
