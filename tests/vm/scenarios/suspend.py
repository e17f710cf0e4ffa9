# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording across a suspend is whole, and tells for how long the clock stood still."""
from vmlab import agree
from vmlab.machine import Machine

# Under one host thread: other CPUs are taken off and brought back.
MACHINES = {"intel": Machine(cpu="intel", one_thread=True)}
USER_MEMORY = True

# pm_test=core goes all the way but for the firmware's part, and comes back by itself.
GUEST = r"""
drives_json
traffic() {
	p2ptraffic io --provider "$(bdf near64)" --device "$(drive near)" --segments 2 --count 10 >"/results/$1.json"
}
module_load
echo deep >/sys/power/mem_sleep
for level in freezer core; do
	record_start $level.dat -b 4M
	traffic $level-before
	echo $level >/sys/power/pm_test
	echo mem >/sys/power/state
	traffic $level-after
	record_stop
	p2ptrace info --json /tmp/$level.dat >/results/$level-info.json
done
nothing_left
"""


def check(r):
    for level in ("freezer", "core"):
        report = agree.without_loss(r, level)
        row = next(iter(report.get("pairs", [])), {})
        r.equal(f"{level}: maps and unmaps", (row.get("maps"), row.get("unmaps")), (40, 40))
        told = r.json(f"{level}-info.json")
        asleep = int(told["recording"].get("suspended", 0)) / 1e9
        print(f"{level}: {told['duration_ns'] / 1e9:.1f} s recorded, {asleep:.1f} s asleep")
    r.equal("left at the end", r.text("left.txt"), "")
