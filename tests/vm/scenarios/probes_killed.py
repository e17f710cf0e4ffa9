# SPDX-License-Identifier: GPL-2.0-or-later
"""Recorders by probes that are killed leave nothing after the next start; two at once live in peace."""
import os

from vmlab import agree
from vmlab.machine import Machine

# Code is patched under way: with a host thread for each CPU QEMU may crash of it.
MACHINES = {"intel": Machine(cpu="intel", one_thread=True)}
USER_MEMORY = True
DEBUG = False
TIMEOUT = 900

KILLS = int(os.environ.get("LAB_KILLS", "8"))

GUEST = rf"""
drives_json
traffic() {{
	p2ptraffic io --provider "$(bdf near64)" --device "$(drive near)" --segments 2 --count 10 >"/results/$1.json"
}}
groups() {{
	cut -s -d: -f2 $TRACING/dynamic_events | cut -d/ -f1 | sort -u
}}

both_ready() {{ # events are enabled, then tracing is turned on
	ready=0
	for enable in $TRACING/instances/p2ptrace-*/events/p2ptrace_*/enable; do
		grep -qs 1 "$enable" && grep -qs 1 "${{enable%/events/*}}/tracing_on" && ready=$((ready + 1))
	done
	test $ready -eq 2
}}

record_start first.dat -S probe
first=$recorder
p2ptrace record -o /tmp/second.dat -S probe 2>/results/second.log &
second=$!
await both_ready
traffic both
kill -INT $first
wait $first
cp /tmp/first.dat /results/
traffic second
kill -INT $second
wait $second
cp /tmp/second.dat /results/
nothing_left
mv /results/left.txt /results/left_by_two.txt

# At other moments of the start each time: while defining, enabling, recording.
n=0
while [ $n -lt {KILLS} ]; do
	p2ptrace record -o /tmp/killed.dat -S probe 2>/dev/null &
	victim=$!
	usleep $((20000 + n * 97000 % 1500000))
	kill -9 $victim
	wait $victim || true
	test -z "$(groups)" || echo "$n" >>/results/left_behind.txt
	n=$((n + 1))
done
record_start last.dat -S probe
groups >/results/groups_while.txt
ls $TRACING/instances >/results/instances_while.txt
traffic last
record_stop
nothing_left
"""


def check(r):
    for name, ios in (("first", 10), ("second", 20), ("last", 10)):
        report = agree.without_loss(r, name)
        row = next(iter(report.get("pairs", [])), {})
        r.equal(f"{name}: maps and unmaps", (row.get("maps"), row.get("unmaps")), (2 * ios,) * 2)
    r.equal("left by two", r.text("left_by_two.txt"), "")
    r.true("some were killed with a group", r.text("left_behind.txt"))
    r.equal("groups after the kills", len(r.text("groups_while.txt").split()), 1)
    r.equal("instances after the kills", len(r.text("instances_while.txt").split()), 1)
    r.equal("left at the end", r.text("left.txt"), "")
