# SPDX-License-Identifier: GPL-2.0-or-later
"""counters=0: nothing is hooked, and nothing counted, until an event is enabled."""
from vmlab.machine import Machine

MACHINES = {"intel": Machine(cpu="intel")}

GUEST = r"""
drives_json
hooks() {
	cat /sys/kernel/debug/p2ptrace_events/hooks >"/results/hooks-$1.txt"
}
traffic() {
	insmod /lib/p2pclient.ko provider="$(bdf near64)" client="$(bdf near)"
	rmmod p2pclient
}
module_load counters=0
hooks loaded
traffic
counters_json loaded
echo 1 >$TRACING/events/p2pdma/p2p_dma_unmap/enable
hooks enabled
echo 1 >$TRACING/events/p2pdma/p2p_dma_map/enable
traffic
counters_json enabled
echo 0 >$TRACING/events/p2pdma/enable
hooks disabled
traffic
counters_json disabled
rmmod p2ptrace_events
"""


def check(r):
    for name, state in (("loaded", "detached"), ("enabled", "attached"), ("disabled", "detached")):
        states = {line.split()[1] for line in r.text(f"hooks-{name}.txt").splitlines()}
        r.equal(f"hooks when {name}", states, {state})
    counted = {name: r.json(f"{name}.json").get("counters", {}).get("total_mappings")
               for name in ("loaded", "enabled", "disabled")}
    r.equal("counted", counted, {"loaded": 0, "enabled": 4, "disabled": 4})
