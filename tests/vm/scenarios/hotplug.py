# SPDX-License-Identifier: GPL-2.0-or-later
"""CPUs that are not online yet, come, go and come back while it is recorded."""
from vmlab import agree
from vmlab.machine import Machine

# CPU 1 is there, and stays offline until it is told: it has no ring buffer when the
# recording begins.
MACHINES = {"intel": Machine(cpu="intel", kernel_options="maxcpus=1", one_thread=True)}
USER_MEMORY = True

GUEST = r"""
drives_json
module_load
cpu1=/sys/devices/system/cpu/cpu1/online

traffic() { # NAME CPU
	busybox taskset -c "$2" p2ptraffic io --provider "$(bdf near64)" --device "$(drive near)" \
		--size 8192 --segments 4 --count 8 >"/results/$1.json"
}

observe_start all
# What a reader takes that waits for what does not come.
sleep 2
before=$(awk '{ print $14 + $15 }' /proc/"$recorder"/stat)
sleep 4
after=$(awk '{ print $14 + $15 }' /proc/"$recorder"/stat)
echo $((after - before)) >/results/ticks.txt
traffic first 0
echo 1 >$cpu1
traffic second 1
sleep 2
echo 0 >$cpu1
traffic third 0
echo 1 >$cpu1
traffic fourth 1
echo 0 >$cpu1
observe_stop

# And several files, all while a CPU is offline.
p2ptrace record -o /tmp/pieces.dat --switch-output signal 2>/results/pieces.log &
recorder=$!
await recorder_ready
traffic fifth 0
kill -USR2 $recorder
await sh -c 'ls /tmp/pieces.dat.*'
echo 1 >$cpu1
traffic sixth 1
kill -INT $recorder
wait $recorder
number=0
for file in /tmp/pieces.dat.*; do
	number=$((number + 1))
	cp "$file" /results/piece$number.dat
done
"""


def check(r):
    agree.recording_agrees(r, "all")
    lanes = r.p2ptrace("info", "--json", "all.dat").get("lanes", [])
    r.equal("CPUs with events", [lane["cpu"] for lane in lanes if lane["bytes"]], [0, 1])
    # A hundredth of a second each: a reader that spins would have taken all four seconds.
    r.true("the recorder waits quietly", int(r.text("ticks.txt") or 999) < 200)
    for number, name in ((1, "fifth"), (2, "sixth")):
        report = r.p2ptrace("report", "--json", f"piece{number}.dat")
        traffic = r.json(f"{name}.json")
        r.equal(f"piece {number}: allocations", report.get("events", {}).get("alloc"),
                sum(process["allocs"] for process in traffic.get("processes", [])))
        r.equal(f"piece {number}: lost", report.get("events", {}).get("lost"), 0)
