# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver's mappings by probes on any kernel: what an old one can tell is right, the rest is named."""
from vmlab import agree
from vmlab.machine import Machine

MACHINES = {"intel": Machine(cpu="intel")}
DEBUG = False  # it has no BTF

LISTS, SEGMENTS = 50, 5

GUEST = rf"""
drives_json
record_start direct.dat -S probe --segments 10
cat $TRACING/dynamic_events >/results/definitions.txt
insmod /lib/p2pclient.ko lists={LISTS} segments={SEGMENTS} provider="$(bdf near64)" client="$(bdf near)"
(cd /sys/module/p2pclient/parameters && grep . mapped refused allocs alloc_bytes) >/results/deeds.txt
rmmod p2pclient
cat $TRACING/kprobe_profile >/results/profile.txt
record_stop
p2ptrace doctor --json >/results/doctor.json
p2ptrace doctor --write-offsets /results/offsets.txt
record_start offsets.dat -S probe --offsets /results/offsets.txt
record_stop
nothing_left
"""


def check(r):
    names = r.json("drives.json")
    old = r.kernel.startswith("6.1") and not r.kernel.startswith("6.12")
    deeds = {key: int(value) for key, value in
             (line.split(":") for line in r.text("deeds.txt").splitlines())}
    report = agree.without_loss(r, "direct")
    row = next(iter(report.get("pairs", [])), {})
    r.equal("the pair", (row.get("client"), row.get("provider")), (names["near"], names["near64"]))
    r.equal("maps and unmaps", (row.get("maps"), row.get("unmaps")), (deeds["mapped"],) * 2)
    r.equal("bytes", row.get("bytes"), deeds["mapped"] * 4096)
    r.equal("maps outstanding", report.get("outstanding", {}).get("maps"), 0)
    r.equal("allocations", report.get("events", {}).get("alloc"), deeds["allocs"])
    r.equal("allocated", sum(p["alloc_bytes"] for p in report.get("processes", [])), deeds["alloc_bytes"])
    r.equal("freed", sum(p["free_bytes"] for p in report.get("processes", [])), deeds["alloc_bytes"])
    r.equal("bytes outstanding", report.get("outstanding", {}).get("alloc_bytes"), 0)
    r.equal("type", row.get("type"), "UNKNOWN" if old else "BUS_ADDR")
    r.equal("calculations", report.get("events", {}).get("map_type_change"), 0 if old else 1)
    checks = {check["id"]: check for check in r.json("doctor.json").get("checks", [])}
    r.equal("doctor: observations", checks["observations"]["status"], "warn" if old else "ok")
    if old:
        r.contains("direct.dat.log", "type calculations are not recorded: no way is known")
        r.contains("direct.dat.log", "no arguments on return: mappings have no type")
        r.contains("direct.dat.log", "followed by kprobes")
        r.true("doctor names it", "not type calculations" in checks["observations"]["detail"])
    r.true("offsets were taken", "recorded" in r.text("offsets.dat.log"))
    r.equal("groups and instances left", r.text("left.txt"), "")
