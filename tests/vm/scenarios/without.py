# SPDX-License-Identifier: GPL-2.0-or-later
"""On a kernel without P2PDMA the module says that there is nothing to observe."""
from vmlab.machine import Machine

MACHINES = {"intel": Machine(cpu="intel")}
P2PDMA = False

GUEST = r"""
if insmod /lib/p2ptrace_events.ko; then
	echo "it was not refused"
	exit 1
fi
"""


def check(r):
    r.contains("dmesg.txt", "p2ptrace_events: this kernel was built without CONFIG_PCI_P2PDMA")
