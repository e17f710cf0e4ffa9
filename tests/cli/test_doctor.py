# SPDX-License-Identifier: GPL-2.0-or-later
"""p2ptrace doctor: a healthy made-up tree, one fault at a time, and this machine."""

import json
import os
import pty
import re
import struct
import subprocess
import unittest

import captured

STATUSES = {"ok", "warn", "fail", "unknown"}
RELEASE = "6.12.9-lab"
TRACEFS = "sys/kernel/tracing/"
EVENTS = ("p2p_dma_alloc", "p2p_dma_free", "p2p_dma_map", "p2p_dma_unmap", "p2p_map_type_change")
FUNCTIONS = ("pci_alloc_p2pmem", "pci_free_p2pmem", "p2pmem_alloc_mmap", "p2pdma_page_free",
             "calc_map_type_and_dist", "pci_p2pdma_map_segment", "pci_p2pdma_distance_many",
             "dma_direct_map_sg", "dma_direct_unmap_sg", "iommu_dma_map_sg", "iommu_dma_unmap_sg")
README = """tracing mini-HOWTO:
  dynamic_events\t\t- Create/append/remove/show the generic dynamic events
\t   Format: p[:[<group>/][<event>]] <place> [<args>]
\t           r[maxactive][:[<group>/][<event>]] <place> [<args>]
\t           f[:[<group>/][<event>]] <func-name>[%return] [<args>]
\t           t[:[<group>/][<event>]] <tracepoint> [<args>]
\t           +|-[u]<offset>(<fetcharg>), \\imm-value, \\"imm-string",
\t           <argname>[->field[->field|.field...]],
"""
BDF = "0000:03:00.0"
DEVICE = f"sys/bus/pci/devices/{BDF}/"


def config_space(acs=None):
    """A PCI Express endpoint's, 4096 bytes; `acs`: its ACS control register, if it has one."""
    space = bytearray(4096)
    struct.pack_into("<HHHH", space, 0, 0x8086, 0x1234, 0, 0x10)  # a capability list
    space[0x34] = 0x40
    struct.pack_into("<BBH", space, 0x40, 0x10, 0, 0x0002)
    if acs is not None:
        struct.pack_into("<IHH", space, 0x100, 0x0001000D, 0x00ff, acs)
    return bytes(space)


def healthy_tree(test):
    """A system on which nothing is missing."""
    tree = captured.Tree(test, {
        "proc/sys/kernel/osrelease": RELEASE,
        "proc/sys/kernel/ftrace_enabled": 1,
        "proc/sys/kernel/sched_rt_runtime_us": 950000,
        "proc/cmdline": "root=/dev/vda quiet",
        "proc/cpuinfo": "vendor_id\t: GenuineIntel\ncpu family\t: 6",
        "proc/meminfo": "MemTotal:       16000000 kB\nMemFree:         8000000 kB\n"
                        "MemAvailable:   12000000 kB",
        "proc/self/status": "Name:\tp2ptrace\nUid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff",
        "proc/self/limits": "Limit                     Soft Limit           Hard Limit  Units\n"
                            "Max open files            20000                20000       files\n"
                            "Max locked memory         8388608              8388608     bytes\n"
                            "Max realtime priority     0                    0",
        "sys/kernel/security/lockdown": "[none] integrity confidentiality",
        "sys/kernel/btf/vmlinux": b"\x9f\xeb",
        "sys/module/p2ptrace_events/parameters/missed_hits": 0,
        "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc",
        "sys/devices/system/cpu/possible": "0-3",
        TRACEFS + "README": README,
        TRACEFS + "kprobe_events": "",
        TRACEFS + "dynamic_events": "",
        TRACEFS + "trace_clock": "[local] global mono",
        TRACEFS + "available_filter_functions": "\n".join(FUNCTIONS + ("schedule", "x [module]")),
        DEVICE + "vendor": "0x8086", DEVICE + "device": "0x1234", DEVICE + "class": "0x010802",
        DEVICE + "config": config_space(),
        DEVICE + "p2pmem/size": 67108864, DEVICE + "p2pmem/available": 66000000,
        DEVICE + "p2pmem/published": 1, DEVICE + "p2pmem/stats/alloc_count": 3,
        "sys/kernel/debug/pci-p2pdma/total_mappings": 5,
    })
    tree.put_gzip("proc/config.gz", "CONFIG_MODULES=y\nCONFIG_PCI_P2PDMA=y\nCONFIG_TRACING=y\n"
                                    "CONFIG_FPROBE=y\nCONFIG_PID_NS=y\n")
    tree.link("proc/self/ns/pid", "pid:[4026531836]")
    tree.make_dir("sys/kernel/iommu_groups")
    tree.make_dir(TRACEFS + "per_cpu/cpu0")
    for event in EVENTS:
        tree.put(f"{TRACEFS}events/p2pdma/{event}/format", f"name: {event}")
    tree.put(TRACEFS + "events/sched/sched_switch/format", "name: sched_switch")
    return tree


def examine(tree):
    document = json.loads(tree.run("doctor", "--json").stdout)
    return {check["id"]: check for check in document["checks"]}


class Doctor(unittest.TestCase):
    def check(self, tree, name, status, detail="", remedy=""):
        """One check's status, and parts of its words."""
        result = examine(tree)[name]
        self.assertEqual(result["status"], status, result)
        self.assertIn(detail, result["detail"])
        self.assertIn(remedy, result["remedy"])
        if status == "ok":
            self.assertEqual(result["remedy"], "")


class Whole(Doctor):
    def test_healthy(self):
        tree = healthy_tree(self)
        document = json.loads(tree.run("doctor", "--json").stdout)
        self.assertEqual(document["schema"], "p2ptrace.doctor/1")
        self.assertEqual([c for c in document["checks"] if c["status"] != "ok"], [])
        self.assertEqual(document["summary"],
                         {"ok": len(document["checks"]), "warn": 0, "fail": 0, "unknown": 0})
        for check in document["checks"]:
            self.assertEqual(set(check), {"id", "group", "status", "detail", "remedy"})
            self.assertEqual(check["remedy"], "", check)

    def test_nothing_there(self):
        """An empty tree: every check answers, and none says it is well without having seen it."""
        tree = captured.Tree(self)
        results = examine(tree)
        self.assertEqual({check["status"] for check in results.values()} - STATUSES, set())
        for name in ("kernel", "p2pdma", "lockdown", "events", "functions", "buffers", "providers",
                     "acs", "cmdline", "privileges", "scheduling", "limits", "pid_namespace",
                     "iommu", "clock"):
            self.assertEqual(results[name]["status"], "unknown", name)
        self.assertEqual(results["tracefs"]["status"], "fail")
        self.assertNotEqual(results["recording"]["status"], "ok")
        for check in results.values():
            self.assertTrue(check["detail"], check)

    def test_text_and_json_agree(self):
        tree = healthy_tree(self)
        tree.remove("sys/kernel/btf/vmlinux")
        text = tree.run("doctor", env=dict(os.environ, LC_ALL="C")).stdout
        for name, check in examine(tree).items():
            self.assertRegex(text, rf"(?m)^  [+!x?] {check['status']} +{name} +"
                                   + re.escape(check["detail"]) + "$")
        self.assertIn("remedy: boot a kernel built with CONFIG_DEBUG_INFO_BTF=y", text)
        self.assertRegex(text, r"\d+ ok, 1 warn, 0 fail, 0 unknown\n$")
        self.assertNotIn("\x1b", text)
        self.assertIn("\u2713 ok", tree.run("doctor", env=dict(os.environ, LC_ALL="C.UTF-8")).stdout)

    def on_terminal(self, tree, **more):
        """What a terminal of the usual 80 columns gets."""
        environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        environment.update(TERM="xterm", P2PTRACE_PAGER="cat", **more)
        master, slave = pty.openpty()
        process = subprocess.Popen(tree.command("doctor"), stdin=slave, stdout=slave,
                                   env=environment)
        os.close(slave)
        text = b""
        try:
            while chunk := os.read(master, 65536):
                text += chunk
        except OSError:
            pass  # the other end is closed
        os.close(master)
        self.assertEqual(process.wait(), 0)
        return text.decode()

    def test_colours_and_width_of_a_terminal(self):
        tree = healthy_tree(self)
        for event in EVENTS:
            tree.remove(f"{TRACEFS}events/p2pdma/{event}/format")
        self.assertIn("\x1b[31m", self.on_terminal(tree))
        plain = self.on_terminal(tree, NO_COLOR="1")
        self.assertNotIn("\x1b", plain)
        self.assertLessEqual(max(len(line) for line in plain.splitlines()), 80)

    def test_usage(self):
        captured.run([captured.P2PTRACE, "doctor", "word"], status=2)
        captured.run([captured.P2PTRACE, "doctor", "--root", "/does/not/exist"], status=3)


class Kernel(Doctor):
    def test_versions(self):
        tree = healthy_tree(self)
        for release, status in (("4.19.1", "fail"), ("5.15.0-91-generic", "warn"),
                                ("6.1.0-44-amd64", "warn"), ("6.2.0", "ok"), ("7.0-rc1", "ok"),
                                ("six", "unknown")):
            tree.put("proc/sys/kernel/osrelease", release)
            self.check(tree, "kernel", status)

    def test_p2pdma(self):
        tree = healthy_tree(self)
        self.check(tree, "p2pdma", "ok", "proc/config.gz")
        tree.put_gzip("proc/config.gz", "CONFIG_PCI=y\n# CONFIG_PCI_P2PDMA is not set\n")
        self.check(tree, "p2pdma", "fail", remedy="CONFIG_PCI_P2PDMA=y")

    def test_p2pdma_without_a_configuration(self):
        tree = captured.Tree(self)
        self.check(tree, "p2pdma", "unknown")
        tree.put("proc/kallsyms", "0000000000000000 T schedule")
        self.check(tree, "p2pdma", "fail", "proc/kallsyms")
        tree.put("proc/kallsyms", "0000000000000000 T pci_p2pdma_add_resource")
        self.check(tree, "p2pdma", "ok", "proc/kallsyms")

    def test_lockdown_and_signatures(self):
        tree = healthy_tree(self)
        tree.put("sys/kernel/security/lockdown", "none [integrity] confidentiality")
        self.check(tree, "lockdown", "warn", remedy="sign")
        self.check(tree, "signing", "ok", "is loaded")
        tree.remove("sys/module/p2ptrace_events/parameters/missed_hits")
        os.rmdir(tree.path + "/sys/module/p2ptrace_events/parameters")
        os.rmdir(tree.path + "/sys/module/p2ptrace_events")
        self.check(tree, "signing", "warn", "lockdown")
        tree.put("sys/kernel/security/lockdown", "none integrity [confidentiality]")
        self.check(tree, "lockdown", "fail")
        tree.put("sys/kernel/security/lockdown", "[none] integrity confidentiality")
        self.check(tree, "signing", "ok")
        secure_boot = ("sys/firmware/efi/efivars/"
                       "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")
        tree.put(secure_boot, b"\x06\0\0\0\1")
        self.check(tree, "signing", "warn", "Secure Boot", "mokutil")
        tree.put(secure_boot, b"\x06\0\0\0\0")
        self.check(tree, "signing", "ok")
        tree.put("sys/module/module/parameters/sig_enforce", "Y")
        self.check(tree, "signing", "warn", "enforces")

    def test_module(self):
        tree = healthy_tree(self)
        tree.put("sys/module/p2ptrace_events/version", "1.2")
        self.check(tree, "module", "ok", "1.2")
        tree.put("sys/module/p2ptrace_events/parameters/missed_hits", 7)
        self.check(tree, "module", "warn", "7 calls")
        tree.put("sys/module/p2ptrace_events/parameters/missed_hits", 0)
        tree.put("proc/sys/kernel/osrelease", "6.16.0")
        self.check(tree, "module", "warn", "6.16")

    def without_module(self):
        """As healthy, but the module and what it provides are gone."""
        tree = healthy_tree(self)
        tree.remove("sys/module/p2ptrace_events/parameters/missed_hits")
        os.rmdir(tree.path + "/sys/module/p2ptrace_events/parameters")
        os.rmdir(tree.path + "/sys/module/p2ptrace_events")
        for event in EVENTS:
            tree.remove(f"{TRACEFS}events/p2pdma/{event}/format")
        return tree

    def test_module_to_be_had(self):
        tree = self.without_module()
        self.check(tree, "module", "warn", "not installed", "make -C kernel install")
        tree.put(f"lib/modules/{RELEASE}/modules.dep", "updates/dkms/p2ptrace_events.ko.xz:")
        self.check(tree, "module", "warn", "not loaded", "modprobe p2ptrace_events")
        tree.put("proc/sys/kernel/modules_disabled", 1)
        self.check(tree, "module", "fail", "modules_disabled")

    def test_module_not_to_be_had(self):
        tree = self.without_module()
        tree.put_gzip("proc/config.gz", "CONFIG_PCI_P2PDMA=y\nCONFIG_MODULES=y\n")
        self.check(tree, "module", "fail", "CONFIG_FPROBE")
        tree.put_gzip("proc/config.gz", "CONFIG_PCI_P2PDMA=y\n")
        self.check(tree, "module", "fail", "CONFIG_MODULES")
        tree.put_gzip("proc/config.gz", "CONFIG_MODULES=y\n")
        self.check(tree, "module", "fail", "no P2PDMA")

    def test_module_not_needed(self):
        tree = self.without_module()
        for event in EVENTS:
            tree.put(f"{TRACEFS}events/pci/{event}/format", "")
        self.check(tree, "module", "ok", "not needed")

    def test_clock(self):
        tree = healthy_tree(self)
        tree.put("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet")
        self.check(tree, "clock", "warn", "hpet")


class Tracing(Doctor):
    def test_events(self):
        tree = healthy_tree(self)
        self.check(tree, "events", "ok", "p2pdma")
        tree.remove(f"{TRACEFS}events/p2pdma/p2p_dma_free/format")
        self.check(tree, "events", "warn", "p2p_dma_free is missing")
        self.check(tree, "recording", "warn", "`events`")
        for event in EVENTS:
            tree.put(f"{TRACEFS}events/other/{event}/format", "")
        self.check(tree, "events", "warn", "other, p2pdma", "--system")

    def test_no_events(self):
        tree = healthy_tree(self)
        for event in EVENTS:
            tree.remove(f"{TRACEFS}events/p2pdma/{event}/format")
        self.check(tree, "events", "fail", remedy="modprobe")
        self.check(tree, "recording", "fail", "`events`", "modprobe")

    def test_tracefs_in_the_old_place_and_by_mounts(self):
        tree = healthy_tree(self)
        new, old = (f"{tree.path}/sys/kernel/{name}/tracing" for name in (".", "debug"))
        os.rename(new, old)
        self.check(tree, "tracefs", "ok", "/sys/kernel/debug/tracing")
        self.check(tree, "events", "ok")
        os.rename(old, tree.path + "/elsewhere")
        self.check(tree, "tracefs", "fail", "not mounted", "mount -t tracefs")
        tree.put("proc/self/mounts", "proc /proc proc rw 0 0\nnodev /elsewhere tracefs rw 0 0")
        self.check(tree, "tracefs", "ok", "/elsewhere")
        self.check(tree, "events", "ok")

    def test_probes(self):
        tree = healthy_tree(self)
        self.check(tree, "probes", "ok", "function probes (f:) yes, tracepoint probes (t:) yes")
        tree.put(TRACEFS + "README", README.replace("f[:[", "g[:[").replace("t[:[", "s[:["))
        self.check(tree, "probes", "warn", "unmaps run in interrupts")
        tree.remove(TRACEFS + "kprobe_events")
        self.check(tree, "probes", "warn", "cannot be followed")
        tree.put(TRACEFS + "README", README)
        tree.put("proc/sys/kernel/ftrace_enabled", 0)
        self.check(tree, "probes", "warn", "ftrace_enabled", "sysctl")

    def test_functions(self):
        tree = healthy_tree(self)
        self.check(tree, "functions", "ok", "11 of the 11")
        newer = {"p2pdma_page_free": "p2pdma_folio_free",
                 "pci_p2pdma_map_segment": "__pci_p2pdma_update_state"}
        tree.put(TRACEFS + "available_filter_functions",
                 "\n".join(newer.get(name, name) for name in FUNCTIONS))
        self.check(tree, "functions", "ok")
        tree.put(TRACEFS + "available_filter_functions",
                 "\n".join(name for name in FUNCTIONS if name != "calc_map_type_and_dist"))
        self.check(tree, "functions", "warn", "no type decisions (calc_map_type_and_dist)")
        tree.remove(TRACEFS + "available_filter_functions")
        self.check(tree, "functions", "unknown")
        tree.put("proc/kallsyms", "\n".join(f"0000000000000000 t {name}" for name in FUNCTIONS))
        self.check(tree, "functions", "ok", "proc/kallsyms")
        # A name that only begins alike is another function.
        tree.put("proc/kallsyms", "\n".join(f"0000000000000000 t {name}x" for name in FUNCTIONS))
        self.check(tree, "functions", "warn", "0 of the 11")

    def test_btf(self):
        tree = healthy_tree(self)
        tree.remove("sys/kernel/btf/vmlinux")
        self.check(tree, "btf", "warn")

    def test_buffers(self):
        tree = healthy_tree(self)
        self.check(tree, "buffers", "ok", "32.0 MiB for each of 4 CPUs, 128.0 MiB of 15.3 GiB")
        tree.put("proc/meminfo", "MemTotal: 131072 kB\nMemAvailable: 100000 kB")
        self.check(tree, "buffers", "warn", "4.0 MiB for each of 4")
        tree.put("proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable: 1000 kB")
        self.check(tree, "buffers", "warn", "available now")
        tree.put("sys/devices/system/cpu/possible", "0,2-3,8-11")
        self.check(tree, "buffers", "warn", "each of 7 CPUs")


class PeerToPeer(Doctor):
    def test_layers(self):
        tree = healthy_tree(self)
        self.check(tree, "counters", "ok", "1 counters")
        self.check(tree, "providers", "ok", BDF + ": 62.9 MiB of 64.0 MiB available, published")
        tree.remove("sys/kernel/debug/pci-p2pdma/total_mappings")
        os.rmdir(tree.path + "/sys/kernel/debug/pci-p2pdma")
        self.check(tree, "counters", "warn", remedy="mount -t debugfs")
        tree.remove(DEVICE + "p2pmem/stats/alloc_count")
        os.rmdir(tree.path + "/" + DEVICE + "p2pmem/stats")
        self.check(tree, "statistics", "warn", BDF, "modprobe")

    def test_exhausted_pool(self):
        tree = healthy_tree(self)
        tree.put(DEVICE + "p2pmem/available", 0)
        self.check(tree, "providers", "warn", "0 B of 64.0 MiB", "leaks")
        tree.put(DEVICE + "p2pmem/available", "much")
        self.check(tree, "providers", "unknown", "cannot be read")

    def test_iommu(self):
        tree = healthy_tree(self)
        self.check(tree, "iommu", "ok", "no IOMMU")
        tree.put("sys/kernel/iommu_groups/0/type", "DMA-FQ")
        tree.put("sys/kernel/iommu_groups/1/type", "identity")
        tree.put("proc/cmdline", "quiet iommu=pt intel_iommu=on")
        self.check(tree, "iommu", "ok", "2 groups, 1 translated")
        self.check(tree, "iommu", "ok", "iommu=pt")
        self.check(tree, "iommu", "ok", "intel_iommu=on")

    def test_acs(self):
        tree = healthy_tree(self)
        self.check(tree, "acs", "ok")
        tree.put(DEVICE + "config", config_space(acs=0x01))
        self.check(tree, "acs", "ok")
        tree.put(DEVICE + "config", config_space(acs=0x1d))
        self.check(tree, "acs", "warn", BDF, "explain")
        tree.put(DEVICE + "config", config_space()[:64])
        self.check(tree, "acs", "unknown", "1 of 1", "root")
        tree.put(DEVICE + "config", b"\xff" * 4096)
        self.check(tree, "acs", "unknown")

    def test_cmdline(self):
        tree = healthy_tree(self)
        tree.put("proc/cmdline", "quiet pci=noacs")
        self.check(tree, "cmdline", "warn", "noacs")
        tree.put("proc/cmdline", "pci=disable_acs_redir=0000:7f:00.0")
        self.check(tree, "cmdline", "warn", "0000:7f:00.0")


class Process(Doctor):
    def test_privileges(self):
        tree = healthy_tree(self)
        self.check(tree, "privileges", "ok", "root")
        tree.put("proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000")
        self.check(tree, "privileges", "warn", "user 1000; no CAP_DAC_OVERRIDE", "sudo")
        self.check(tree, "scheduling", "warn", "SCHED_FIFO", "ulimit -r")
        tree.put("proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t00000000a80425fb")
        self.check(tree, "privileges", "warn", "no CAP_SYS_ADMIN", "container")
        tree.put("proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff")
        tree.put("proc/self/uid_map", "         0          0 4294967295")
        self.check(tree, "privileges", "ok")
        tree.put("proc/self/uid_map", "         0       1000          1")
        self.check(tree, "privileges", "warn", "user namespace", "host")
        self.check(tree, "scheduling", "warn")

    def test_real_time(self):
        tree = healthy_tree(self)
        tree.put("proc/self/status", "Uid:\t1\t1\t1\t1\nCapEff:\t0000000000000000")
        tree.put("proc/self/limits", "Max realtime priority     5                    5")
        self.check(tree, "scheduling", "ok")
        tree.put("proc/sys/kernel/sched_rt_runtime_us", 0)
        self.check(tree, "scheduling", "warn", "sched_rt_runtime_us")
        tree.put("proc/sys/kernel/sched_rt_runtime_us", -1)
        self.check(tree, "scheduling", "ok")

    def test_open_files(self):
        tree = healthy_tree(self)
        for cpu in range(200):
            tree.make_dir(f"{TRACEFS}per_cpu/cpu{cpu}")
        tree.put("proc/self/limits", "Max open files            1024                 4096  files")
        self.check(tree, "limits", "warn", "1664 open files", "ulimit -n 1664")
        tree.put("proc/self/limits", "Max open files            unlimited            unlimited")
        self.check(tree, "limits", "ok", "unlimited")

    def test_pid_namespace(self):
        tree = healthy_tree(self)
        tree.remove("proc/self/ns/pid")
        tree.link("proc/self/ns/pid", "pid:[4026532211]")
        self.check(tree, "pid_namespace", "warn", remedy="--pid=host")
        tree.remove("proc/self/ns/pid")
        self.check(tree, "pid_namespace", "unknown")
        tree.put_gzip("proc/config.gz", "CONFIG_PCI_P2PDMA=y\n# CONFIG_PID_NS is not set\n")
        self.check(tree, "pid_namespace", "ok", "no pid namespaces")


class Hostile(Doctor):
    def test_absurd_contents(self):
        """Every file of a healthy tree replaced by each of these: an answer, nothing raw."""
        files = []
        tree = healthy_tree(self)
        for folder, _, names in os.walk(tree.path):
            files += [os.path.relpath(os.path.join(folder, name), tree.path) for name in names
                      if not os.path.islink(os.path.join(folder, name))]
        for content in (b"", b"\0" * 5000, b"\xff" * 5000, b"\x1b[2J\n" * 3, b"%s%n%d" * 100,
                        b"9" * 9000, b"-1\n", b"[" * 4096, b":\n" * 3000, b"a b\n" * 2000):
            for name in files:
                tree.put(name, content)
            results = examine(tree)
            self.assertEqual({check["status"] for check in results.values()} - STATUSES, set())
            self.assertNotIn("\x1b", tree.run("doctor").stdout)

    def test_files_that_are_directories_and_the_other_way(self):
        tree = captured.Tree(self)
        for name in ("proc/self/status", "proc/meminfo", "proc/config.gz", "proc/cmdline",
                     "sys/kernel/security/lockdown", TRACEFS + "README"):
            tree.make_dir(name)
        for name in ("sys/bus/pci/devices", "sys/kernel/iommu_groups", TRACEFS + "events"):
            tree.put(name, "a file")
        examine(tree)

    def test_links_do_not_lead_outside(self):
        tree = captured.Tree(self)
        tree.link("proc", "/proc")
        tree.link("sys", "../../../../../../sys")
        self.check(tree, "kernel", "unknown")
        self.check(tree, "providers", "unknown")

    def test_many_devices_and_systems(self):
        tree = healthy_tree(self)
        for number in range(300):
            name = f"sys/bus/pci/devices/0000:{number // 8:02x}:{number % 8:02x}.0/"
            tree.put(name + "p2pmem/size", 4096)
            tree.put(name + "p2pmem/available", 4096)
            tree.put(f"{TRACEFS}events/system{number}/p2p_dma_map/format", "")
        self.check(tree, "providers", "ok", "... and 29")
        self.check(tree, "events", "warn", "several")


def output_of(command, **more):
    return results_of(subprocess.run(command, capture_output=True, text=True, check=False,
                                     timeout=120, **more))


def results_of(done):
    if done.returncode:
        raise AssertionError(f"{done.args}: {done.returncode}\n{done.stdout}{done.stderr}")
    return {check["id"]: check for check in json.loads(done.stdout)["checks"]}


DOCTOR = [captured.P2PTRACE, "doctor", "--json"]


def can_unshare(*options):
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", *options, "true"], capture_output=True, check=False).returncode == 0


class ThisMachine(unittest.TestCase):
    def test_agrees_with_the_machine(self):
        results = output_of(DOCTOR)
        self.assertIn(os.uname().release, results["kernel"]["detail"])
        cpus = os.sysconf("SC_NPROCESSORS_CONF")
        self.assertIn(f"each of {cpus} CPUs", results["buffers"]["detail"])
        mounted = os.path.isdir("/sys/kernel/tracing/events")
        if os.geteuid() == 0:
            self.assertEqual(results["tracefs"]["status"], "ok" if mounted else "fail")

    @unittest.skipIf(os.geteuid() != 0, "needs root to become nobody")
    def test_without_root(self):
        results = results_of(captured.run_as_nobody(*DOCTOR[1:]))
        self.assertIn("user 65534", results["privileges"]["detail"])
        self.assertEqual(results["privileges"]["status"], "warn")
        self.assertIn(results["tracefs"]["status"], ("fail", "ok"))
        if os.path.isdir("/sys/kernel/tracing/events"):
            self.assertEqual(results["tracefs"]["status"], "fail")
            self.assertIn("root", results["tracefs"]["remedy"])

    @unittest.skipUnless(can_unshare("-pf", "--mount-proc"), "needs root and namespaces")
    def test_in_a_pid_namespace(self):
        results = output_of(["unshare", "-pf", "--mount-proc", *DOCTOR])
        self.assertEqual(results["pid_namespace"]["status"], "warn")

    @unittest.skipUnless(can_unshare("-Ur"), "needs user namespaces")
    def test_in_a_user_namespace(self):
        results = output_of(["unshare", "-Ur", *DOCTOR])
        self.assertEqual(results["privileges"]["status"], "warn")
        self.assertIn("user namespace", results["privileges"]["detail"])

    @unittest.skipUnless(can_unshare("-m"), "needs root and namespaces")
    def test_without_sys(self):
        results = output_of(["unshare", "-m", "sh", "-c",
                             'mount -t tmpfs none /sys && exec "$@"', "sh", *DOCTOR])
        self.assertEqual(results["tracefs"]["status"], "fail")
        self.assertEqual(results["providers"]["status"], "unknown")
        self.assertEqual(results["acs"]["status"], "unknown")

    @unittest.skipUnless(can_unshare("-m"), "needs root and namespaces")
    def test_read_only_tracefs(self):
        if not os.path.isdir("/sys/kernel/tracing/events"):
            self.skipTest("no tracefs at /sys/kernel/tracing")
        results = output_of(["unshare", "-m", "sh", "-c",
                             "mount -o bind,remount,ro /sys/kernel/tracing && exec \"$@\"", "sh",
                             *DOCTOR])
        self.assertEqual(results["tracefs"]["status"], "fail")
        self.assertIn("remount", results["tracefs"]["remedy"])
