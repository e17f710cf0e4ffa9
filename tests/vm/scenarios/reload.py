# SPDX-License-Identifier: GPL-2.0-or-later
"""Loaded and unloaded many times under traffic, with and without a recorder, and no complaint."""
import os

from vmlab.machine import Machine

MACHINES = {"intel": Machine(cpu="intel", one_thread=True)}
TIMEOUT = 400

# LAB_ROUNDS=200 for a release: it takes three minutes.
ROUNDS = int(os.environ.get("LAB_ROUNDS", "80"))

GUEST = rf"""
drives_json
provider=$(bdf near64)
client=$(drive near)
batch() {{ # one batch of transfers, or of a driver's mappings where programs have no peer memory
	if [ -e "/sys/bus/pci/devices/$provider/p2pmem/allocate" ]; then
		p2ptraffic io --provider "$provider" --device "$client" --count 200 --segments 3 \
			--processes 2 --write | grep -q '"failed_ios":0,"wrong_data":0'
	else
		insmod /lib/p2pclient.ko provider="$provider" client="$(bdf near)" lists=2000
		rmmod p2pclient
	fi
}}
(
	batches=0
	until [ -e /tmp/stop ]; do
		batch || touch /tmp/failed
		batches=$((batches + 1))
	done
	echo $batches >/results/batches.txt
) &
traffic=$!
round=0
while [ $round -lt {ROUNDS} ]; do
	module_load counters=$((round % 2))
	if [ $((round % 10)) -eq 0 ]; then
		echo 1 >$TRACING/events/p2pdma/enable
		usleep 50000
		echo 0 >$TRACING/events/p2pdma/enable
	fi
	rmmod p2ptrace_events
	round=$((round + 1))
done
touch /tmp/stop
wait $traffic
test ! -e /tmp/failed
module_load
insmod /lib/p2pclient.ko provider="$provider" client="$(bdf near)" lists=10 segments=1
rmmod p2pclient
counters_json after
rmmod p2ptrace_events
"""


def check(r):
    r.true("traffic ran meanwhile", int(r.text("batches.txt") or 0) > 0)
    after = r.json("after.json")
    r.equal("counts after the last load", after.get("counters", {}).get("total_mappings"), 10)
    r.equal("missed hits", after.get("missed"), 0)
