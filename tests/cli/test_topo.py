# SPDX-License-Identifier: GPL-2.0-or-later
"""topo and explain on made-up machines: every answer of the rule, what blocks a pair and
how to mend it, what cannot be known, and what a hostile tree may hold."""

import json
import os
import random
import re
import subprocess
import tempfile
import unittest

import pci_tree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
P2PTRACE = os.environ.get("P2PTRACE", os.path.join(BUILD, "p2ptrace"))
SERVER = os.path.join(ROOT, "tests/fixtures/machines/two-socket-gpu.txt")

# Two drives and a network card below one switch, a drive on a port of its own, one on
# another root bus; the placeholders are replaced by the tests.
MACHINE = """
kernel {kernel}
cpu {cpu}
iommu {iommu}
cmdline {cmdline}
bus 0000:00
  00:00.0 {host} host
  00:01.0 8086:2030 root-port {acs_root}
    01:00.0 1000:c030 upstream {acs_up}
      02:00.0 1000:c030 downstream {acs_down} slot=11
        03:00.0 144d:a80a nvme name=nvme0 driver=nvme pool=64M avail=62M numa=0 {acs_end}
      02:01.0 1000:c030 downstream slot=12
        04:00.0 144d:a80a nvme name=nvme1 driver=nvme
        04:00.1 15b3:1021 nic name=mlx5_0,eth0 driver=mlx5_core
      02:02.0 1000:c030 downstream slot=13
      02:03.0 1000:c030 downstream slot=14
  00:02.0 8086:2031 root-port
    05:00.0 144d:a80a nvme name=nvme2
bus 0000:80
  80:00.0 {host2} host
  80:01.0 8086:2030 root-port
    81:00.0 10de:2330 gpu name=card0,renderD128 bar=64G
"""
DEFAULTS = {"kernel": "6.12.0", "cpu": "GenuineIntel 6", "iommu": "off", "cmdline": "quiet",
            "host": "8086:4c43", "host2": "8086:4c43", "acs_root": "", "acs_up": "",
            "acs_down": "", "acs_end": ""}


def run(*arguments, status=0, **environment):
    done = subprocess.run([P2PTRACE, *map(str, arguments)], capture_output=True, check=False,
                          text=True, env=dict(os.environ, **environment), timeout=120)
    if done.returncode != status:
        raise AssertionError(f"{arguments}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stderr if status else done.stdout


class Case(unittest.TestCase):
    """A machine in a directory of its own."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="p2ptrace-topo-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.count = 0

    def build(self, text):
        self.count += 1
        self.dir = os.path.join(self.directory, str(self.count))
        return pci_tree.build(text, self.dir)

    def machine(self, **changes):
        return self.build(MACHINE.format(**dict(DEFAULTS, **changes)))

    def topo(self, *options):
        return json.loads(run("topo", "-n", "--json", "--root", self.dir, *options))

    def explain(self, a, b, *options):
        """What explain says of a pair; the rule is the same both ways."""
        there = json.loads(run("explain", "-n", "--json", "--root", self.dir, a, b, *options))
        back = json.loads(run("explain", "-n", "--json", "--root", self.dir, b, a, *options))
        self.assertEqual((there["type"], there["dist"]), (back["type"], back["dist"]))
        return there

    def expect(self, a, b, kind, distance, *options):
        said = self.explain(a, b, *options)
        self.assertEqual((said["type"], said["dist"]), (kind, distance), (a, b, said["why"]))
        if kind == "BUS_ADDR":
            self.assertEqual(said["blockers"], [])
        else:
            self.assertTrue(said["blockers"])
            self.assertTrue(all(blocker["fix"] for blocker in said["blockers"]))
        return said


class Rule(Case):
    """Type and distance."""

    def test_switch_and_ports(self):
        self.machine()
        self.expect("nvme0", "nvme0", "BUS_ADDR", 0)
        self.expect("nvme1", "eth0", "BUS_ADDR", 2)
        self.expect("nvme0", "nvme1", "BUS_ADDR", 4)
        self.expect("nvme0", "nvme2", "NOT_SUPPORTED", 6)
        self.expect("nvme0", "card0", "NOT_SUPPORTED", 6)
        self.machine(cpu="AuthenticAMD 23")
        self.expect("nvme0", "nvme2", "THRU_HOST_BRIDGE", 6)
        self.expect("nvme0", "card0", "THRU_HOST_BRIDGE", 6)
        self.machine(cpu="AuthenticAMD 22")
        self.expect("nvme0", "nvme2", "NOT_SUPPORTED", 6)
        self.machine(cpu="HygonGenuine 24")
        self.expect("nvme0", "nvme2", "NOT_SUPPORTED", 6)

    def test_allow_list_with_one_and_two_host_bridges(self):
        self.machine(host="8086:09a2", host2="8086:2020")
        self.expect("nvme0", "nvme2", "THRU_HOST_BRIDGE", 6)
        self.expect("nvme0", "card0", "THRU_HOST_BRIDGE", 6)
        self.machine(host="8086:2f00", host2="8086:2f00")
        self.expect("nvme0", "nvme2", "THRU_HOST_BRIDGE", 6)
        said = self.expect("nvme0", "card0", "NOT_SUPPORTED", 6)
        self.assertIn("only for devices below one and the same", said["blockers"][1]["reason"])
        self.machine(host="8086:09a2")
        said = self.expect("nvme0", "card0", "NOT_SUPPORTED", 6)
        self.assertEqual([host["listed"] for host in said["host_bridges"]], ["yes", "no"])
        self.assertIn("8086:4c43 is not on the kernel's list", said["blockers"][1]["reason"])

    def test_host_bridge_that_is_a_root_port(self):
        text = """
            kernel 6.12.0
            cpu GenuineIntel 6
            bus 0000:17
              17:02.0 8086:2032 {first}
                18:00.0 144d:a80a nvme name=nvme0
              17:03.0 8086:2033 root-port
                19:00.0 144d:a80a nvme name=nvme1
            """
        self.build(text.format(first="root-port"))
        self.expect("nvme0", "nvme1", "THRU_HOST_BRIDGE", 4)
        self.build(text.format(first="downstream"))
        said = self.expect("nvme0", "nvme1", "NOT_SUPPORTED", 4)
        self.assertIn("neither device 00.0 nor a root port", said["blockers"][1]["reason"])

    def test_kernels(self):
        self.machine(host="1ae0:0042")
        self.expect("nvme0", "nvme2", "NOT_SUPPORTED", 6)
        said = self.expect("nvme0", "nvme2", "NOT_SUPPORTED", 6, "--kernel", "7.0")
        self.assertIn("kernel 7.1 or newer", said["blockers"][1]["fix"])
        self.expect("nvme0", "nvme2", "THRU_HOST_BRIDGE", 6, "--kernel", "7.1")
        self.machine(host="1d17:1003", kernel="7.3.0")
        said = self.expect("nvme0", "nvme2", "UNKNOWN", 6)
        self.assertIn("--allow-list", said["blockers"][1]["fix"])
        self.assertIn("not a version", run("topo", "--kernel", "new", status=2))
        done = subprocess.run([P2PTRACE, "topo", "--root", self.dir, "--kernel", "5.10"],
                              capture_output=True, check=True, text=True)
        self.assertIn("before 6.1 is not known", done.stderr)

    def test_list_of_the_user(self):
        self.machine()
        file = os.path.join(self.directory, "list")
        with open(file, "w", encoding="ascii") as out:
            out.write("# patched\n8086:4c43 same\n")
        self.expect("nvme0", "nvme2", "THRU_HOST_BRIDGE", 6, "--allow-list", file)
        self.expect("nvme0", "card0", "NOT_SUPPORTED", 6, "--allow-list", file)
        with open(file, "a", encoding="ascii") as out:
            out.write("nonsense\n")
        self.assertIn("list:3:", run("topo", "--root", self.dir, "--allow-list", file, status=3))

    def test_redirect_wherever_it_counts(self):
        for place, device in (("acs_end", "0000:03:00.0"), ("acs_down", "0000:02:00.0"),
                              ("acs_up", "0000:01:00.0")):
            for bit in "RR", "CR", "EC", "SV,RR,CR,UF":
                self.machine(**{place: f"acs={bit}"})
                said = self.expect("nvme0", "nvme1", "NOT_SUPPORTED", 4)
                self.assertEqual(said["blockers"][0]["device"], device)
                self.assertEqual(said["boot_parameters"][0],
                                 f"pci=disable_acs_redir={device}")
                self.assertEqual(said["boot_parameters"][1],
                                 f"pci=config_acs=x0x00xx@{device}")
        # The provider's own, towards itself.
        self.machine(acs_end="acs=RR")
        self.expect("nvme0", "nvme0", "NOT_SUPPORTED", 0)
        # No bit that redirects; and above the common bridge.
        self.machine(acs_end="acs=SV,TB,UF,DT", acs_down="acs=off", acs_root="acs=RR,CR")
        self.expect("nvme0", "nvme1", "BUS_ADDR", 4)

    def test_three_levels_of_switches(self):
        self.build("""
            kernel 6.12.0
            cpu GenuineIntel 6
            bus 0000:00
              00:00.0 8086:2020 host
              00:01.0 8086:2030 root-port
                01:00.0 1000:c030 upstream
                  02:00.0 1000:c030 downstream
                    03:00.0 1000:c030 upstream
                      04:00.0 1000:c030 downstream
                        05:00.0 1000:c030 upstream
                          06:00.0 1000:c030 downstream
                            07:00.0 144d:a80a nvme name=nvme0
                          06:01.0 1000:c030 downstream acs=CR
                            08:00.0 144d:a80a nvme name=nvme1
                      04:01.0 1000:c030 downstream
                        09:00.0 144d:a80a nvme name=nvme2
                  02:01.0 1000:c030 downstream
                    0a:00.0 144d:a80a nvme name=nvme3
            """)
        self.expect("nvme0", "nvme2", "BUS_ADDR", 6)
        self.expect("nvme0", "nvme3", "BUS_ADDR", 8)
        self.expect("nvme0", "nvme1", "THRU_HOST_BRIDGE", 4)
        said = self.expect("nvme1", "nvme3", "THRU_HOST_BRIDGE", 8)
        self.assertEqual(said["common"], "0000:01:00.0")
        self.assertEqual([hop["device"] for hop in said["walk"]["provider"]],
                         ["0000:08:00.0", "0000:06:01.0", "0000:05:00.0", "0000:04:00.0",
                          "0000:03:00.0", "0000:02:00.0", "0000:01:00.0", "0000:00:01.0"])
        self.assertEqual([hop["counts"] for hop in said["walk"]["provider"]],
                         [True] * 7 + [False])
        self.assertEqual([hop["counts"] for hop in said["walk"]["client"]],
                         [True, True, False, False])

    def test_virtual_functions(self):
        self.build("""
            kernel 6.12.0
            cpu GenuineIntel 6
            bus 0000:00
              00:00.0 8086:4c43 host
              00:01.0 8086:2030 root-port
                01:00.0 1000:c030 upstream
                  02:00.0 1000:c030 downstream
                    03:00.0 144d:a824 nvme name=nvme0 pool=64M
                    03:00.1 144d:a824 nvme vf-of=03:00.0 name=nvme1
                    04:10.0 144d:a824 nvme vf-of=03:00.0 name=nvme2 acs=RR
                  02:01.0 1000:c030 downstream
                    05:00.0 144d:a824 nvme name=nvme3
            """)
        self.expect("nvme0", "nvme1", "BUS_ADDR", 2)
        said = self.expect("nvme1", "nvme3", "BUS_ADDR", 4)
        self.assertEqual(said["provider"]["physical_function"], "0000:03:00.0")
        self.expect("nvme2", "nvme3", "NOT_SUPPORTED", 4)

    def test_domains(self):
        self.build("""
            kernel 6.12.0
            cpu GenuineIntel 6
            bus 0000:00
              00:00.0 8086:2020 host
              00:05.0 8086:201d vmd
                bus 10000:00
                  00:02.0 8086:2030 root-port
                    01:00.0 144d:a80a nvme name=nvme0
                  00:03.0 8086:2031 root-port
                    02:00.0 144d:a80a nvme name=nvme1
            bus 0001:00
              00:00.0 8086:2020 host
              00:01.0 8086:2030 root-port
                01:00.0 144d:a80a nvme name=nvme2
            """)
        said = self.expect("nvme0", "nvme1", "THRU_HOST_BRIDGE", 4)
        self.assertEqual(said["provider"]["device"], "10000:01:00.0")
        self.assertEqual([host["root_bus"] for host in said["host_bridges"]], ["pci10000:00"])
        said = self.expect("nvme0", "nvme2", "THRU_HOST_BRIDGE", 4)
        self.assertEqual([host["id"] for host in said["host_bridges"]],
                         ["8086:2030", "8086:2020"])
        self.expect("10000:01:00.0", "0001:01:00.0", "THRU_HOST_BRIDGE", 4)
        self.assertIn("10000:01:00.0", run("topo", "--tree", "--root", self.dir))

    def test_behind_conventional_pci(self):
        self.build("""
            kernel 6.12.0
            cpu GenuineIntel 6
            bus 0000:00
              00:00.0 8086:4c43 host
              00:1c.0 8086:a33c root-port
                01:00.0 1a03:1150 to-pci
                  02:00.0 1a03:2000 pci class=030000 name=card0
                  02:01.0 10ec:8139 pci class=020000 name=eth0
              00:1e.0 8086:244e pci-bridge
                03:00.0 10ec:8139 pci class=020000 name=eth1
            """)
        said = self.expect("card0", "eth0", "BUS_ADDR", 2)
        self.assertEqual(said["walk"]["client"][1]["port"], "PCIe-to-PCI bridge")
        self.expect("card0", "eth1", "NOT_SUPPORTED", 5)


class Unknown(Case):
    """What cannot be read is never taken for "no redirect"."""

    def test_config_space(self):
        for config, words in (("none", "cannot be read"), ("64", "first 64 bytes"),
                              ("256", "not captured in full"), ("ones", "all ones")):
            self.machine(acs_down=f"config={config}")
            said = self.expect("nvme0", "nvme1", "UNKNOWN", 4)
            self.assertEqual([(blocker["device"], words in blocker["reason"])
                              for blocker in said["blockers"]][0], ("0000:02:00.0", True))
            self.expect("nvme1", "eth0", "BUS_ADDR", 2)
            # Refused anyway: the switch has no part in it.
            self.expect("nvme0", "nvme2", "NOT_SUPPORTED", 6)

    def test_redirect_elsewhere_decides(self):
        self.machine(acs_down="config=none", acs_up="acs=RR")
        self.expect("nvme0", "nvme1", "NOT_SUPPORTED", 4)

    def test_cpu(self):
        tree = self.machine()
        os.unlink(os.path.join(tree.directory, "proc/cpuinfo"))
        said = self.expect("nvme0", "nvme2", "UNKNOWN", 6)
        self.assertEqual(said["blockers"][1]["device"], "cpu")
        self.expect("nvme0", "nvme1", "BUS_ADDR", 4)

    def test_host_bridge_not_captured(self):
        tree = self.machine()
        for name in "0000:00:00.0", "0000:00:01.0", "0000:00:02.0":
            os.unlink(f"{tree.directory}/sys/bus/pci/devices/{name}")
        # What stands above the drives is gone with them.
        self.expect("nvme0", "nvme2", "UNKNOWN", None)

    def test_links_lost(self):
        tree = self.machine()
        link = f"{tree.directory}/sys/bus/pci/devices/0000:05:00.0"
        target = os.path.realpath(link)
        os.unlink(link)
        os.rename(target, link)
        said = self.explain("nvme0", "0000:05:00.0")
        self.assertEqual((said["type"], said["dist"]), ("UNKNOWN", None))
        self.assertIn("symbolic links", said["blockers"][0]["fix"])

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to become somebody else")
    def test_without_root(self):
        """The running system, as nobody: an answer, whatever can be read."""
        # Opened by root, as the build folder need not be open to others.
        with open(P2PTRACE, "rb") as program:
            done = subprocess.run([f"/proc/self/fd/{program.fileno()}", "topo", "--json", "--all"],
                                  pass_fds=[program.fileno()], capture_output=True, check=False,
                                  text=True, user=65534, group=65534, extra_groups=[])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["schema"], "p2ptrace.topo/1")

    def test_capture_of_this_machine(self):
        capture = os.path.join(self.directory, "capture")
        subprocess.run([os.path.join(ROOT, "contrib/capture-machine"), capture], check=True,
                       capture_output=True)
        here = json.loads(run("topo", "--all", "--json"))
        there = json.loads(run("topo", "--all", "--json", "--root", capture))
        if os.geteuid() == 0:
            self.assertEqual(here, there)
        self.assertEqual([pair["dist"] for pair in here["pairs"]],
                         [pair["dist"] for pair in there["pairs"]])

    def test_no_such_tree(self):
        os.mkdir(os.path.join(self.directory, "empty"))
        self.assertIn("cannot list the PCI devices",
                      run("topo", "--root", os.path.join(self.directory, "empty"), status=3))
        self.assertIn("cannot open", run("topo", "--root", "/nowhere", status=3))


class Remedies(Case):
    """The words that go with a blocked pair."""

    def blockers(self, a, b):
        return self.explain(a, b)["blockers"]

    def test_who_turned_it_on(self):
        self.machine(acs_down="acs=SV,RR,CR,UF", iommu="on")
        blocker = self.blockers("nvme0", "nvme1")[0]
        self.assertIn("an IOMMU is on", blocker["reason"])
        self.assertEqual(blocker["trial"], "setpci -s 0000:02:00.0 ECAP_ACS+6.w=0000:002c")
        self.assertEqual(blocker["undo"], "setpci -s 0000:02:00.0 ECAP_ACS+6.w=000c:002c")
        self.machine(acs_down="acs=SV,RR,CR,UF", iommu="off")
        self.assertIn("no IOMMU is on", self.blockers("nvme0", "nvme1")[0]["reason"])
        self.machine(acs_down="acs=EC", iommu="on")
        self.assertIn("firmware", self.blockers("nvme0", "nvme1")[0]["reason"])

    def test_move(self):
        self.machine()
        fix = self.blockers("nvme0", "nvme2")[0]["fix"]
        self.assertIn("move 0000:05:00.0 below the switch 0000:01:00.0", fix)
        self.assertIn("0000:02:02.0 (slot 13)", fix)
        # From another root bus too; and between two that have no switch.
        self.assertIn("0000:02:02.0", self.blockers("card0", "nvme1")[0]["fix"])
        fix = self.blockers("nvme2", "card0")[0]["fix"]
        self.assertIn("ports 0000:02:02.0 (slot 13) and 0000:02:03.0 (slot 14)", fix)
        self.build(re.sub("(?m)^ .*02:0[23].0.*\n", "", MACHINE.format(**DEFAULTS)))
        self.assertIn("no switch with a free port", self.blockers("nvme2", "card0")[0]["fix"])

    def test_text(self):
        self.machine(acs_down="acs=RR,CR", acs_up="acs=RR", kernel="6.12.0")
        text = run("explain", "--root", self.dir, "nvme0", "nvme1")
        for words in ("verdict   NOT_SUPPORTED, distance 4 (rule of kernel 6.12)",
                      "pci=disable_acs_redir=0000:02:00.0;0000:01:00.0",
                      "pci=config_acs=x0x00xx@0000:02:00.0;x0x00xx@0000:01:00.0",
                      "isolation", "undo: setpci", "/sys/bus/pci/drivers/nvme/unbind",
                      "quote the ';'"):
            self.assertIn(words, text)
        text = run("explain", "--root", self.dir, "nvme0", "nvme1", "--kernel", "6.8")
        self.assertNotIn("config_acs", text)

    def test_command_line(self):
        self.machine(acs_down="acs=RR", cmdline="quiet pci=noacs,disable_acs_redir=0000:02:01.0;"
                     "0000:77:00.0;0000:00:02.0,0000:02:00.0 pcie_acs_override=downstream")
        notes = self.explain("nvme0", "nvme1")["notes"]
        for words in ("pci=noacs is no parameter", "pcie_acs_override=",
                      "0000:02:00.0 stands behind a comma",
                      "names 0000:02:01.0, which has no ACS capability",
                      "names 0000:77:00.0, and no such device is present",
                      "names 0000:00:02.0, which has no ACS capability"):
            self.assertTrue(any(words in note for note in notes), (words, notes))
        self.assertEqual(len(notes), 6)

    def test_command_line_keeps_what_works(self):
        self.machine(acs_down="acs=RR", acs_root="acs=SV",
                     cmdline="pci=disable_acs_redir=0000:00:01.0;0000:77:00.0")
        said = self.explain("nvme0", "nvme1")
        self.assertEqual(said["boot_parameters"][0],
                         "pci=disable_acs_redir=0000:00:01.0;0000:02:00.0")
        self.assertTrue(any("not between these two" in note for note in said["notes"]))
        # By a path, and by ids.
        self.machine(acs_down="acs=RR",
                     cmdline='pci="disable_acs_redir=0000:00:01.0/00.0/00.0;pci:1000:c030"')
        notes = self.explain("nvme0", "nvme1")["notes"]
        self.assertEqual(len(notes), 1, notes)
        self.assertIn("yet ACS redirect is on there", notes[0])

    def test_twice(self):
        self.machine(cmdline="pci=disable_acs_redir=0000:02:00.0 "
                     "pci=disable_acs_redir=pci:9999:1234 pci=config_acs=10x")
        notes = self.topo()["notes"]
        self.assertTrue(any("only the last one counts" in note for note in notes), notes)
        self.assertTrue(any("names pci:9999:1234, and no such" in note for note in notes), notes)
        self.assertTrue(any("lacks \"FLAGS@\"" in note for note in notes), notes)


class Devices(Case):
    """Names in, facts out."""

    def test_names(self):
        self.machine()
        for name in ("0000:03:00.0", "03:00.0", "nvme0", "nvme0n1", "/dev/nvme0n1p1",
                     "nvme0n1p1"):
            self.assertEqual(self.explain(name, name)["provider"]["device"], "0000:03:00.0")
        for name in "card0", "renderD128", "/dev/dri/card0":
            self.assertEqual(self.explain(name, name)["provider"]["device"], "0000:81:00.0")
        for name in "eth0", "mlx5_0":
            self.assertEqual(self.explain(name, name)["provider"]["device"], "0000:04:00.1")
        for name, words in (("nvme9", "no device 'nvme9'"), ("7f:00.0", "no PCI device"),
                            ("../nvme0", "is no device's name"), ("", "is no device's name")):
            self.assertIn(words, run("explain", "--root", self.dir, name, "nvme0", status=2))
        self.assertIn("two devices", run("explain", "nvme0", status=2))

    def test_several_paths(self):
        """A namespace that several controllers share, and a device that is not PCI."""
        tree = self.machine()
        base = "sys/devices/virtual/nvme-subsystem/nvme-subsys0"
        tree.write(f"{base}/nvme0n7/size", "1\n")
        tree.link("sys/class/nvme-subsystem/nvme-subsys0", base)
        tree.link("sys/class/block/nvme0n7", f"{base}/nvme0n7")
        tree.link(f"{base}/nvme0", tree.devices["0000:03:00.0"].path + "/nvme/nvme0")
        self.assertEqual(self.explain("nvme0n7", "nvme1")["provider"]["device"], "0000:03:00.0")
        tree.link(f"{base}/nvme1", tree.devices["0000:04:00.0"].path + "/nvme/nvme1")
        self.assertIn("2 controllers", run("explain", "--root", self.dir, "nvme0n7", "nvme1",
                                           status=2))
        tree.write("sys/devices/virtual/block/loop0/size", "0\n")
        tree.link("sys/class/block/loop0", "sys/devices/virtual/block/loop0")
        self.assertIn("not a PCI device", run("explain", "--root", self.dir, "loop0", "nvme1",
                                              status=2))

    def test_json(self):
        self.machine(iommu="on")
        said = self.topo()
        self.assertEqual(said["schema"], "p2ptrace.topo/1")
        self.assertEqual((said["kernel"], said["kernel_release"], said["cpu_zen"], said["iommu"]),
                         ("6.12", "6.12.0", False, True))
        self.assertEqual([device["device"] for device in said["providers"]],
                         ["0000:03:00.0", "0000:81:00.0"])
        self.assertEqual([device["device"] for device in said["clients"]],
                         ["0000:03:00.0", "0000:04:00.0", "0000:04:00.1", "0000:05:00.0",
                          "0000:81:00.0"])
        self.assertEqual(len(said["pairs"]), 10)
        first = said["providers"][0]
        self.assertEqual(first["pool"], {"size_bytes": 64 << 20, "available_bytes": 62 << 20,
                                         "published": True})
        self.assertEqual((first["numa"], first["driver"], first["kernel_names"]),
                         (0, "nvme", ["nvme0"]))
        self.assertEqual(said["providers"][1]["prefetchable_bytes"], 64 << 30)
        for pair in said["pairs"]:
            alone = json.loads(run("explain", "-n", "--json", "--root", self.dir,
                                   pair["provider"], pair["client"]))
            self.assertEqual({key: alone[key] for key in ("type", "dist", "why", "blockers")},
                             {key: pair[key] for key in ("type", "dist", "why", "blockers")})

    def test_links_below_what_the_device_can(self):
        self.build("""
            bus 0000:00
              00:01.0 8086:2030 root-port
                01:00.0 144d:a80a nvme name=nvme0 link=8x4 can=16x4
              00:02.0 8086:2030 root-port
                02:00.0 144d:a80a nvme name=nvme1 link=16x4 can=16x4
            """)
        links = [device["link"]["below"] for device in self.topo()["clients"]]
        self.assertEqual(links, [True, False])
        text = run("topo", "--root", self.dir)
        self.assertIn("8 GT/s x4 < 16 GT/s x4", text)
        self.assertIn("No device here has memory to offer", text)

    def test_filters(self):
        self.machine()
        for pattern, count in (("nvme*", 3), ("nic", 1), ("04:00.*", 2), ("mlx5_core", 1),
                               ("card0,eth0", 2)):
            self.assertEqual(len(self.topo("--client", pattern)["clients"]), count, pattern)
        said = self.topo("--provider", "nvme2", "--client", "nvme1")
        self.assertEqual([(pair["provider"], pair["client"]) for pair in said["pairs"]],
                         [("0000:05:00.0", "0000:04:00.0")])
        self.assertIn("no such device", run("topo", "--root", self.dir, "--client", "x", status=2))
        self.assertIn("--client", run("topo", "--root", self.dir, "nvme0", status=2))
        everything = self.topo("--all")
        self.assertEqual(len(everything["clients"]), 7)

    def test_wide_output_is_cut_with_a_word(self):
        drives = "".join(f"  00:{slot:02x}.{function} 144d:a80a nvme name=nvme{slot * 8 + function}\n"
                         for slot in range(1, 26) for function in range(8))
        self.build("bus 0000:00\n  00:00.0 8086:2020 host\n" + drives)
        text = run("topo", "--root", self.dir, "--width", 80)
        grid = text.split("\n\n")[1].splitlines()
        self.assertTrue(all(len(line) <= 80 for line in grid[:-1]))
        match = re.match(r"\.\.\. (\d+) of 200 clients cut off: --client", grid[-1])
        self.assertEqual(int(match[1]) + len(grid[0].split()), 200)
        self.assertNotIn("cut off", run("topo", "--root", self.dir))

    def test_tree(self):
        self.machine(acs_down="acs=RR")
        text = run("topo", "--tree", "--root", self.dir, LC_ALL="C.UTF-8")
        self.assertIn("│     ├─ 0000:02:00.0  switch downstream port", text)
        self.assertIn("ACS redirect on (RR)", text)
        self.assertNotIn("0000:02:02.0", text)
        self.assertIn("0000:02:02.0", run("topo", "--tree", "--all", "--root", self.dir))
        text = run("topo", "--tree", "--root", self.dir, LC_ALL="C")
        self.assertTrue(text.isascii())
        self.assertIn("`- 0000:81:00.0", text)

    def test_colours_only_where_wanted(self):
        self.machine()
        self.assertNotIn("\033", run("topo", "--root", self.dir))
        for variables, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            text = subprocess.run(
                ["script", "-qec", f"{P2PTRACE} topo --root {self.dir}", "/dev/null"],
                capture_output=True, check=True, stdin=subprocess.DEVNULL,
                env=dict(os.environ, TERM="xterm", P2PTRACE_PAGER="cat", **variables)).stdout
            self.assertEqual(b"\033[32m" in text, coloured)


class Hostile(Case):
    """Trees that no kernel makes."""

    def spoil(self, tree, rng):
        """Damages some files, links and configuration spaces."""
        devices = f"{tree.directory}/sys/bus/pci/devices"
        for name in sorted(os.listdir(devices)):
            for file in ("config", "vendor", "device", "class", "resource", "p2pmem/size",
                         "current_link_speed", "numa_node"):
                path = f"{devices}/{name}/{file}"
                if rng.random() > 0.3 or not os.path.isfile(path):
                    continue
                with open(path, "r+b") as out:
                    content = bytearray(out.read())
                    for _ in range(rng.randrange(1, 40)):
                        if content:
                            content[rng.randrange(len(content))] = rng.randrange(256)
                    out.seek(0)
                    out.truncate()
                    out.write(content[:rng.randrange(len(content) + 1)] if rng.random() < 0.5
                              else content)
            if rng.random() < 0.15:
                os.unlink(f"{devices}/{name}")
                other = rng.choice(sorted(tree.devices))
                os.symlink(f"../../../devices/pci0000:00/{other}/{name}/{other}/{name}",
                           f"{devices}/{name}")

    def test_random_damage(self):
        for seed in range(12):
            rng = random.Random(seed)
            tree = self.machine(acs_down="acs=RR", acs_up="acs=SV", cmdline="pci=noacs")
            self.spoil(tree, rng)
            for options in ((), ("--tree", "--all"), ("--json", "--all")):
                with self.subTest(seed=seed, options=options):
                    run("topo", "-n", "--root", self.dir, *options)
            names = sorted(os.listdir(f"{self.dir}/sys/bus/pci/devices"))
            for _ in range(4):
                a, b = rng.choice(names), rng.choice(names)
                with self.subTest(seed=seed, pair=(a, b)):
                    run("explain", "-n", "--root", self.dir, a, b)

    def test_bridges_above_each_other(self):
        tree = self.machine()
        devices = f"{tree.directory}/sys/bus/pci/devices"
        for name, above in (("0000:01:00.0", "0000:02:00.0"), ("0000:02:00.0", "0000:01:00.0")):
            os.unlink(f"{devices}/{name}")
            os.symlink(f"../../../devices/pci0000:00/{above}/{name}", f"{devices}/{name}")
        self.assertEqual(self.explain("nvme0", "nvme1")["schema"], "p2ptrace.explain/1")
        run("topo", "--tree", "--all", "--root", self.dir)

    def test_names_from_a_stranger(self):
        tree = self.machine()
        path = tree.devices["0000:03:00.0"].path
        os.unlink(f"{tree.directory}/{path}/driver")
        os.symlink("../../\033[31mred", f"{tree.directory}/{path}/driver")
        with open(f"{tree.directory}/proc/cmdline", "w", encoding="ascii") as out:
            out.write("pci=disable_acs_redir=\033[2J;x\n")
        for command in (("topo",), ("topo", "--tree"), ("explain", "nvme0", "nvme1")):
            self.assertNotIn("\033", run(*command, "--root", self.dir))

    def test_many_devices(self):
        """4,096 devices: every one is there, and every pair asked for has its answer."""
        lines = ["kernel 6.12.0", "cpu GenuineIntel 6"]
        for domain in range(4):
            lines += [f"bus {domain:04x}:00", "  00:00.0 8086:09a2 host",
                      "  00:01.0 8086:352a root-port", "    01:00.0 1000:c030 upstream"]
            for port in range(30):
                lines.append(f"      02:{port:02x}.0 1000:c030 downstream")
                lines += [f"        {3 + port:02x}:{slot:02x}.{function} 144d:a824 nvme"
                          for slot in range(4) for function in range(8)]
            lines += [f"      02:1f.{function} 1000:c030 downstream" for function in range(4)]
        lines += ["bus 0004:00"]
        count = sum(line.startswith("  ") for line in lines)
        lines += [f"  00:{index // 8:02x}.{index % 8} 15b3:1021 nic"
                  for index in range(4096 - count)]
        tree = self.build("\n".join(lines))
        self.assertEqual(len(tree.devices), 4096)
        text = run("topo", "--root", self.dir, "--width", 120)
        self.assertEqual(len(re.findall(r"^\S+ +[0-9a-f]{4}:[0-9a-f:.]+ +(?:nvme|nic) ", text,
                                        re.MULTILINE)), 4 * 30 * 32 + 4096 - count)
        self.expect("0000:03:00.0", "0000:20:03.7", "BUS_ADDR", 4)
        self.expect("0000:03:00.0", "0003:03:00.0", "THRU_HOST_BRIDGE", 8)


class Server(Case):
    """The example of docs/topology.md is what the program prints."""

    def test_document(self):
        with open(SERVER, encoding="utf-8") as file:
            self.build(file.read())
        with open(os.path.join(ROOT, "docs/topology.md"), encoding="utf-8") as file:
            blocks = re.findall(r"```\n\$ p2ptrace (.*?)\n(.*?)```", file.read(), re.DOTALL)
        self.assertGreaterEqual(len(blocks), 3)
        for command, output in blocks:
            with self.subTest(command=command):
                words = [self.dir if word == "server" else word for word in command.split()]
                self.assertEqual(run(*words, LC_ALL="C.UTF-8"), output)


if __name__ == "__main__":
    unittest.main()
