# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording is whole across the part of a suspend in which every task is frozen."""
from vmlab import agree
from vmlab.machine import Machine

MACHINES = {"intel": Machine(cpu="intel")}
USER_MEMORY = True

# Nobody runs for five seconds, the recorder neither.  Not further: virtio's 9p, which the
# results go by, does not come back once devices sleep.
GUEST = r"""
drives_json
traffic() {
	p2ptraffic io --provider "$(bdf near64)" --device "$(drive near)" --segments 2 --count 10 >"/results/$1.json"
}
module_load
record_start frozen.dat -b 4M
traffic before
echo freezer >/sys/power/pm_test
echo mem >/sys/power/state
traffic after
record_stop
p2ptrace info --json /tmp/frozen.dat >/results/info.json
nothing_left
"""


def check(r):
    report = agree.without_loss(r, "frozen")
    row = next(iter(report.get("pairs", [])), {})
    r.equal("maps and unmaps", (row.get("maps"), row.get("unmaps")), (40, 40))
    told = r.json("info.json")
    r.true("it was frozen meanwhile", told["duration_ns"] > 5 * 10**9)
    # The machine itself did not sleep: the clock went on.
    r.equal("suspended", told["recording"].get("suspended"), None)
    r.equal("left at the end", r.text("left.txt"), "")
