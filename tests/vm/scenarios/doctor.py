# SPDX-License-Identifier: GPL-2.0-or-later
"""doctor says what a system lacks before the module is loaded, and what there is after."""
from vmlab.machine import Machine

MACHINES = {
    "intel": Machine(cpu="intel"),
    "iommu": Machine(cpu="amd", iommu=True, kernel_options="intel_iommu=on pci=noacs"),
}

GUEST = r"""
drives_json
p2ptrace doctor --json >/results/before.json
module_load
p2ptrace doctor --json >/results/after.json
p2ptrace doctor >/results/after.txt
"""


def statuses(document):
    return {check["id"]: check["status"] for check in document.get("checks", [])}


def details(document):
    return {check["id"]: check["detail"] for check in document.get("checks", [])}


def check(r):
    names = r.json("drives.json")
    before, after = r.json("before.json"), r.json("after.json")
    for name, found in (("before", before), ("after", after)):
        status = statuses(found)
        for expected in ("kernel", "p2pdma", "tracefs", "providers", "privileges", "pid_namespace"):
            if expected == "kernel" and r.kernel.startswith("6.1"):
                continue
            r.equal(f"{name}: {expected}", status.get(expected), "ok")
        for pool in ("near64", "near16", "twin16"):
            if pool in names:
                r.true(f"{name}: {pool} is a provider",
                       names[pool] in details(found).get("providers", ""))
    for layer in ("events", "counters", "statistics", "recording"):
        r.true(f"before: {layer}", statuses(before).get(layer) in ("warn", "fail"))
        r.equal(f"after: {layer}", statuses(after).get(layer), "ok")
    iommu = r.machine_name == "iommu"
    r.equal("ACS", statuses(after).get("acs"), "warn" if iommu else "ok")
    r.equal("command line", statuses(after).get("cmdline"), "warn" if iommu else "ok")
    r.equal("IOMMU", "an IOMMU is in use" in details(after).get("iommu", ""), iommu)
