# SPDX-License-Identifier: GPL-2.0-or-later
"""What recording costs, beside trace-cmd record at the same rate: figures, no test.

Only by name: tests/vm/lab run _bench_record.  The machine is emulated, so that its figures
say nothing by themselves; their relation does.  Both write to ext4 on a virtio disk.  docs/performance.md
"""
import re

from vmlab.machine import Machine

MACHINES = {"intel": Machine(cpu="intel", memory=2048, disk=4096)}
TIMEOUT = 1500
ROUNDS = 3

# dd with blocks of a byte makes two system calls each, and nothing else; it is pinned, so
# that a recorder has the other CPU.
GUEST = r"""
module_load
mkdir /disk
mount -t ext4 /dev/vda /disk
cd /disk

measure() { # NAME SECONDS COMMAND...
	name=$1
	seconds=$2
	shift 2
	sync
	busybox time -o /tmp/time.txt -f '%U %S' "$@" -- sleep "$seconds" >/tmp/said.txt 2>&1 || cat /tmp/said.txt
	cpu=$(tail -n 1 /tmp/time.txt)
	p2ptrace info --json /disk/bench.dat >/tmp/info.json
	events=$(grep -o '"other": *[0-9]*' /tmp/info.json | grep -o '[0-9]*$')
	lost=$(grep -o '"lost": *[0-9]*' /tmp/info.json | grep -o '[0-9]*$')
	echo "$name $cpu $events $lost" >>/results/bench.txt
	rm -f /disk/bench.dat*
}

for load in none one; do
	if [ $load = one ]; then
		busybox taskset -c 0 dd if=/dev/zero of=/dev/null bs=1 &
	fi
	for round in ROUNDS; do
		measure $load-p2ptrace 8 p2ptrace record -o /disk/bench.dat -b 32M -e raw_syscalls:sys_enter
		measure $load-trace-cmd-32M 8 trace-cmd record -o /disk/bench.dat -b 32768 -C mono -e raw_syscalls:sys_enter
		measure $load-trace-cmd 8 trace-cmd record -o /disk/bench.dat -C mono -e raw_syscalls:sys_enter
	done
done
kill %1 2>/dev/null || killall dd
""".replace("ROUNDS", " ".join(map(str, range(ROUNDS))))


def check(r):
    rows = {}
    for line in r.text("bench.txt").splitlines():
        match = re.fullmatch(r"(none|one)-(\S+) ([\d.]+) ([\d.]+) (\d+) (\d+)", line)
        r.true(f"a line of figures: {line}", match)
        if match:
            load, name, *numbers = match.groups()
            rows.setdefault((load, name), []).append([float(number) for number in numbers])
    names = [name for load, name in rows if load == "one"]
    r.equal("programs measured", len(names), 3)
    print(f"{'':16} {'events/s':>10} {'CPU ns/event':>13} {'lost':>10}")
    for name in names:
        idle = min(user + system for user, system, *_ in rows["none", name])
        costs = sorted((user + system - idle) * 1e9 / events
                       for user, system, events, _ in rows["one", name])
        events = sum(row[2] for row in rows["one", name]) / len(rows["one", name])
        lost = sum(row[3] for row in rows["one", name])
        print(f"{name:16} {events / 8:10,.0f} {costs[len(costs) // 2]:13.0f} {lost:10,.0f}")
