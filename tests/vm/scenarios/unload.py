# SPDX-License-Identifier: GPL-2.0-or-later
"""rmmod is refused while a recorder runs, and the recording stays whole; right after, it works."""
from vmlab import agree
from vmlab.machine import Machine

MACHINES = {"intel": Machine(cpu="intel")}
KERNELS = ("6.12", "6.12-debug")

GUEST = r"""
drives_json
module_load
traffic() {
	p2ptraffic io --provider "$(bdf near64)" --device "$(drive near)" --count 50 --segments 2
}
observe_start unload
traffic >/results/before.json
if rmmod p2ptrace_events 2>/results/rmmod.txt; then
	echo "rmmod was not refused"
	exit 1
fi
traffic >/results/after.json
observe_stop
rmmod p2ptrace_events
test ! -e $MODULE
"""


def check(r):
    before, after = r.json("before.json"), r.json("after.json")
    _, trace = agree.recording_agrees(r, "unload")
    r.contains("rmmod.txt", "Resource temporarily unavailable|busy|in use")
    r.equal("maps before and after the attempt", len(trace.of("p2p_dma_map")),
            before.get("segments", 0) + after.get("segments", 0))
