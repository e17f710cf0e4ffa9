# SPDX-License-Identifier: GPL-2.0-or-later
"""The module refuses, and says why, where it would count twice or miss events."""
from vmlab.machine import Machine

MACHINES = {"intel": Machine(cpu="intel")}

GUEST = r"""
refused() { # REASON FILE
	if insmod "$2" 2>>/results/insmod.txt; then
		echo "$1: it was not refused"
		exit 1
	fi
	test ! -e $MODULE
}
insmod /lib/p2pclient.ko layers=1
refused "the kernel has the layers" /lib/p2ptrace_events.ko
rmmod p2pclient
refused "a function is missing" /lib/misfit.ko
test ! -e $COUNTERS
test -z "$(find /sys/devices -path '*p2pmem/stats')"
module_load
rmmod p2ptrace_events
"""


def check(r):
    r.contains("dmesg.txt", r"p2ptrace_events: this kernel has the p2p_dma_\* events or .* already")
    r.contains("dmesg.txt", "p2ptrace_events: cannot hook calc_map_type_and_dist_of_old .*no such function")
