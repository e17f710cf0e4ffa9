# SPDX-License-Identifier: GPL-2.0-or-later
"""What a map and an unmap cost when they are recorded: instructions, by the way of recording.

No test (names with _ are run only when named): prints cost.txt, for p2ptrace-record(1)."""
from vmlab.machine import Machine

# Its nanoseconds are instructions.
MACHINES = {"intel": Machine(cpu="intel", cpus=1, icount=True)}
TIMEOUT = 900

LISTS = 5000

GUEST = rf"""
drives_json
provider=$(bdf near64)
client=$(bdf near)
mapping() {{ # NAME: lists of one page of peer memory behind one of RAM, then of RAM alone
	for ram in 0 1; do
		insmod /lib/p2pclient.ko lists={LISTS} segments=1 ram_alone=$ram provider="$provider" client="$client"
		echo "$1 $ram $(cat /sys/module/p2pclient/parameters/map_ns)" >>/results/cost.txt
		rmmod p2pclient
	done
}}
# The same definitions by other means, in an instance of their own.
redefined() {{ # NAME GROUP SED-SCRIPT
	sed -e "$3" -e "s/p2ptrace_[0-9a-f_]*/$2/" /tmp/definitions >/tmp/redefined
	mkdir $TRACING/instances/$2
	while read -r line; do
		printf "%s\n" "$line" >>$TRACING/dynamic_events
		event=${{line%% *}}
		event=${{event#*/}}
		filter=$(cat "/tmp/filters/$event")
		test "$filter" = none || echo "$filter" >"$TRACING/instances/$2/events/$2/$event/filter"
	done </tmp/redefined
	echo 1 >$TRACING/instances/$2/events/$2/enable
	mapping "$1"
	echo 0 >$TRACING/instances/$2/events/$2/enable
	grep -c p2p_dma_ $TRACING/instances/$2/trace >>/results/seen.txt
	rmdir $TRACING/instances/$2
	cut -d' ' -f1 /tmp/redefined | cut -d: -f2 | while read -r event; do echo "-:$event" >>$TRACING/dynamic_events; done
}}
mapping warm-up
mapping nothing
for segments in 1 4 8; do
	record_start fprobe$segments.dat -S probe --segments $segments
	if [ $segments = 4 ]; then
		grep p2ptrace_ $TRACING/dynamic_events | grep -v iommu >/tmp/definitions
		mkdir /tmp/filters
		for filter in $TRACING/instances/p2ptrace-*/events/p2ptrace_*/p2p*/filter; do
			event=${{filter%/filter}}
			cat "$filter" >"/tmp/filters/${{event##*/}}"
		done
	fi
	mapping fprobe-$segments
	record_stop
done
redefined kprobe-4 kcost 's/^f64:\([^ ]* [^% ]*\)%return/r64:\1/; s/^f:/p:/'
# Two of them on one tracepoint are refused (Linux 6.12): one segment.
redefined tprobe-1 tcost '/unmap_[1-9]/d; s/^f:\([^ ]*\) dma_direct_unmap_sg/t:\1 dma_unmap_sg/'
module_load counters=0
record_start tracepoint.dat -S tracepoint
mapping tracepoint
record_stop
"""


def check(r):
    rows = {}
    for line in r.text("cost.txt").splitlines():
        name, ram, ns = line.split()
        rows.setdefault(name, {})[ram] = int(ns) / LISTS
    base = rows.get("nothing", {"0": 0, "1": 0})
    print(f"{'':12} {'peer list':>10} {'more':>8} {'RAM list':>10} {'more':>8}   instructions a map and unmap")
    for name, row in rows.items():
        print(f"{name:12} {row['0']:10.0f} {row['0'] - base['0']:8.0f} {row['1']:10.0f} {row['1'] - base['1']:8.0f}")
    r.equal("ways", len(rows), 8)
