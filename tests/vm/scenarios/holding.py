# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that holds memory when the recording stops is told, and not after it has exited."""
from vmlab import agree
from vmlab.machine import Machine

MACHINES = {"intel": Machine(cpu="intel")}
USER_MEMORY = True

GUEST = r"""
drives_json
module_load
provider=$(bdf near64)
client=$(drive near)

hold() { # NAME
	rm -f /tmp/go
	before=$(stats near64 alloc_count)
	p2ptraffic io --provider "$provider" --device "$client" --segments 8 --keep \
		--hold-until /tmp/go >"/results/$1.json" &
	holder=$!
	await sh -c "test \$(cat /sys/bus/pci/devices/$provider/p2pmem/stats/alloc_count) -gt $before"
	sleep 1
}
let_go() {
	touch /tmp/go
	wait $holder
}

observe_start held
hold held
observe_stop
let_go

observe_start gone
hold gone
let_go
observe_stop
"""


def check(r):
    names = r.json("drives.json")
    held = r.json("held.json")
    agree.recording_agrees(r, "held")
    agree.recording_agrees(r, "gone")
    leaks = r.p2ptrace("leaks", "--json", "held.dat").get("leaks", [])
    r.equal("leaks while held", [(leak["kind"], leak["verdict"], leak["pid"], leak["provider"], leak["bytes"])
                                 for leak in leaks],
            [("alloc", "in_flight", held["processes"][0]["pid"], names["near64"], held["alloc_bytes"])])
    r.equal("leaks after the exit", r.p2ptrace("leaks", "--json", "gone.dat").get("leaks"), [])
