# SPDX-License-Identifier: GPL-2.0-or-later
"""rmmod is refused while a recorder runs, and the recording stays whole; right after, it works."""
from vmlab import agree
from vmlab.machine import Machine

MACHINES = {"intel": Machine(cpu="intel")}

GUEST = r"""
drives_json
module_load
traffic() {
	insmod /lib/p2pclient.ko provider="$(bdf near64)" client="$(bdf near)" lists=50
	cat /sys/module/p2pclient/parameters/mapped
	rmmod p2pclient
}
observe_start unload
traffic >/results/before.txt
if rmmod p2ptrace_events 2>/results/rmmod.txt; then
	echo "rmmod was not refused"
	exit 1
fi
traffic >/results/after.txt
observe_stop
rmmod p2ptrace_events
test ! -e $MODULE
"""


def check(r):
    _, trace = agree.recording_agrees(r, "unload")
    r.contains("rmmod.txt", "Resource temporarily unavailable|busy|in use")
    r.equal("maps before and after the attempt", len(trace.of("p2p_dma_map")),
            int(r.text("before.txt") or 0) + int(r.text("after.txt") or 0))
