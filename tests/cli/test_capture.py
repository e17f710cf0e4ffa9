# SPDX-License-Identifier: GPL-2.0-or-later
"""What a recording keeps of its system: that topo, explain and stat say of it what they say
of the system itself, what is in it and what is not, and what becomes of damage."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
import zlib

import captured
import dat
import pci_tree
import rig
from test_topo import DEFAULTS, MACHINE

CAPTURE = os.path.join(dat.BUILD, "tests/lib/capture")
SERVER = os.path.join(dat.ROOT, "tests/fixtures/machines/two-socket-gpu.txt")
START, END = 0x7033, 0x7034
EVENT = ("100 0 map client=0000:01:00.0 provider=0000:80:00.0 type=2 dist=4 dma_addr=0x1000 "
         "size=4096 tid=11\n")


def capture(directory, what="start"):
    """The data of an option, made by the program's code from a directory."""
    return subprocess.run([CAPTURE, directory, what], check=True, stdout=subprocess.PIPE).stdout


def unpack(data):
    """The packed tree of an option's data, and its entries by path: (kind, content).  Written
    from man/p2ptrace.dat.5 alone."""
    line, packed = data.split(b"\n", 1)
    name, compression, size = line.decode().split()
    assert name == "p2ptrace.capture/1", line
    plain = zlib.decompress(packed) if compression == "zlib" else packed
    assert len(plain) == int(size)
    entries, above, at = {}, [], 0
    while at < len(plain):
        end = plain.index(b"\n", at)
        kind, *words = plain[at:end].decode().split(" ", 1)
        at = end + 1
        if kind == "u":
            above.pop()
            continue
        words = words[0].split(" ", {"f": 1, "l": 1, "c": 2}.get(kind, 0))
        path = "/".join([*above, words[-1]])
        length = int(words[0]) if kind in "flc" else 0
        entries[path] = (kind, plain[at:at + length])
        at += length
        if kind == "d":
            above.append(words[-1])
    assert not above
    return entries


def option(path, number):
    """The data of an option of a file that p2ptrace wrote, found by its first words."""
    with open(path, "rb") as file:
        whole = file.read()
    for match in re.finditer(rb"p2ptrace\.capture/1 ", whole):
        head = whole[match.start() - 6:match.start()]
        if int.from_bytes(head[:2], "little") == number:
            return whole[match.start():match.start() + int.from_bytes(head[2:], "little")]
    return None


class FromDirectory(dat.FileTest):
    """Machines that a description makes."""

    def machine(self, text):
        directory = os.path.join(self.folder, "machine")
        pci_tree.build(text, directory)
        return directory

    def recording(self, directory, end=None, script=EVENT, form=""):
        """A file with the capture of one directory at its start, of another at its end."""
        lines = ["private format 1"]
        for number, what, tree in ((START, "start", directory), (END, "end", end)):
            if tree:
                data = os.path.join(self.folder, what)
                self.write(capture(tree, what), data)
                lines.append(f"option {number:#x} {data}")
        self.write(dat.build("\n".join(lines) + "\n" + script, form))
        return self.path

    def same(self, directory, path, *command):
        there = self.run_it(*command, "--root", directory)
        here = self.run_it(*command, "-i", path)
        self.assertEqual(there.status, 0, there.stderr)
        # What cannot be read is read elsewhere by other means.
        words = there.stdout.replace(
            b"capture again as root, config files in full (4096 bytes)", b"record as root")
        self.assertEqual((here.status, here.stdout, here.stderr), (0, words, there.stderr), command)
        self.assertGreater(len(here.stdout), 200)

    def check_same(self, text, *pairs, form=""):
        directory = self.machine(text)
        path = self.recording(directory, form=form)
        for command in (("topo",), ("topo", "--json", "--all"), ("topo", "-t", "--all")):
            self.same(directory, path, *command)
        for pair in pairs:
            self.same(directory, path, "explain", *pair)
            self.same(directory, path, "explain", "--json", *pair)

    def test_a_server(self):
        with open(SERVER, encoding="utf-8") as file:
            self.check_same(file.read(), ("card1", "nvme3"), ("nvme1n1p1", "mlx5_1"))

    def test_a_server_in_version_6(self):
        with open(SERVER, encoding="utf-8") as file:
            self.check_same(file.read(), ("card3", "/dev/nvme0n1"), form="version 6\n")

    def test_redirects_and_what_cannot_be_read(self):
        for changes in ({"acs_root": "acs=RR,CR"}, {"acs_down": "acs=RR config=64"},
                        {"acs_up": "config=none"}, {"acs_end": "config=ones"},
                        {"acs_end": "acs=off config=256"}, {"cpu": "AuthenticAMD 25"}):
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                self.folder, outer = folder, self.folder
                self.check_same(MACHINE.format(**dict(DEFAULTS, **changes)), ("nvme0", "nvme1"),
                                ("nvme0", "card0"))
                self.folder = outer

    def test_other_kernel(self):
        directory = self.machine(MACHINE.format(**DEFAULTS))
        self.same(directory, self.recording(directory), "explain", "--kernel", "6.1", "nvme0",
                  "card0")

    def test_counters(self):
        before, after = captured.Tree(self), captured.Tree(self)
        for tree, maps, direct, free in ((before, 1000, 500, 7 << 20), (after, 1500, 900, 1 << 20)):
            base = "sys/bus/pci/devices/0000:03:00.0/p2pmem/"
            for name, value in (("total_mappings", maps), ("bus_addr_mappings", direct)):
                tree.put("sys/kernel/debug/pci-p2pdma/" + name, value)
            tree.put(base + "size", 8 << 20)
            tree.put(base + "available", free)
            tree.put(base + "published", 1)
            tree.put(base + "stats/alloc_count", maps // 10)
        path = self.recording(before.path, after.path)
        document = json.loads(self.run_it("stat", "--json", "-i", path).stdout)
        self.assertEqual(document["counters"], {"bus_addr_mappings": 900, "total_mappings": 1500})
        self.assertEqual(document["deltas"], {"bus_addr_mappings": 400, "total_mappings": 500})
        self.assertEqual(document["bus_addr_ratio"], 0.8)
        (provider,) = document["providers"]
        self.assertEqual(provider["pool"], {"size_bytes": 8 << 20, "available_bytes": 1 << 20,
                                            "published": True})
        self.assertEqual(provider["deltas"], {"alloc_count": 50})
        text = self.run_it("stat", "-i", path).stdout.decode()
        self.assertRegex(text, r"total_mappings +1,500  \+500\n")
        self.assertRegex(text, r"BUS_ADDR ratio +80\.0 %")
        rows = self.run_it("stat", "--csv", "-i", path).stdout.decode().splitlines()
        self.assertTrue(any(",total_mappings,1500,500," in row for row in rows), rows)
        summary = json.loads(self.run_it("info", "--json", path).stdout)["capture"]
        self.assertEqual([summary[key] for key in ("devices", "providers", "pool_bytes",
                                                   "counters", "end", "damaged")],
                         [1, 1, 8 << 20, 2, True, None])

    def test_cut_off_recordings_have_no_end(self):
        tree = captured.Tree(self)
        tree.put("sys/kernel/debug/pci-p2pdma/total_mappings", 1000)
        done = self.run_it("stat", "--json", "-i", self.recording(tree.path))
        self.assertEqual(json.loads(done.stdout)["counters"], {"total_mappings": 1000})
        self.assertIn("was cut off", done.stderr)

    def test_nothing_stored(self):
        self.write(dat.build("private format 1\n" + EVENT))
        for command in (["topo"], ["explain", "nvme0", "nvme1"], ["stat"]):
            done = self.run_it(*command, "-i", self.path)
            self.assertEqual(done.status, 3)
            self.assertIn("--root DIR", done.stderr)
        self.assertIn("PCI tree               not recorded", self.run_it("info", self.path)
                      .stdout.decode())
        self.assertIsNone(json.loads(self.run_it("info", "--json", self.path).stdout)["capture"])

    def test_options_that_exclude_each_other(self):
        for command in (["topo", "--root", "/"], ["explain", "a", "b", "--root", "/"],
                        ["stat", "--root", "/"], ["stat", "-I", "1"]):
            self.assertEqual(self.run_it(*command, "-i", "x.dat").status, 2, command)

    def test_damage_leaves_the_events(self):
        """Whatever happens to the stored tree: the events are read, and it is said."""
        data = capture(self.machine(MACHINE.format(**DEFAULTS)))
        for broken in (b"", b"nonsense\n", data[:-20], data[:60], data.replace(b" zlib ", b" none "),
                       re.sub(rb" (\d+)\n", rb" 9\1\n", data, count=1),
                       data[:50] + bytes(byte ^ 1 for byte in data[50:])):
            name = os.path.join(self.folder, "broken")
            self.write(broken, name)
            self.write(dat.build(f"private format 1\noption {START:#x} {name}\n" + EVENT))
            report = self.run_it("report", "--json", self.path)
            self.assertEqual(report.status, 0)
            self.assertEqual(json.loads(report.stdout)["events"]["map"], 1)
            info = self.run_it("info", "--json", self.path)
            self.assertIn("the captured PCI tree", json.loads(info.stdout)["capture"]["damaged"])
            topo = self.run_it("topo", "-i", self.path)
            self.assertEqual((topo.status, topo.stdout), (3, b""))
            self.assertIn("the captured PCI tree", topo.stderr)

    def test_what_is_kept_and_what_is_not(self):
        tree = captured.Tree(self)
        device = "sys/devices/pci0000:00/0000:00:01.0"
        for name in ("vendor", "driver_override", "serial_number", "net/eth0/address", "vpd",
                     "nvme/nvme0/serial", "nvme/nvme0/nvme0n1/wwid"):
            tree.put(f"{device}/{name}", "private")
        tree.put(f"{device}/config", b"\x86\x80\x34\x12" + bytes(range(60)) + b"\x5a" * 4032)
        tree.link("sys/bus/pci/devices/0000:00:01.0", "../../../devices/pci0000:00/0000:00:01.0")
        tree.link("sys/class/net/eth0", "../../devices/pci0000:00/0000:00:01.0/net/eth0")
        tree.link("sys/class/net/tun0", "../../devices/virtual/net/tun0")
        tree.put("sys/devices/virtual/net/tun0/address", "private")
        tree.put("proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\n"
                 "flags\t: private\n\nprocessor\t: 1\nvendor_id\t: private\n")
        tree.put("proc/1/environ", "private")
        entries = unpack(capture(tree.path))
        kept = {path: content for path, (kind, content) in entries.items() if kind == "f"}
        self.assertEqual(kept, {
            f"{device}/vendor": b"private\n",
            "proc/cpuinfo": b"processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\n"})
        links = {path for path, (kind, _) in entries.items() if kind == "l"}
        self.assertEqual(links, {"sys/bus/pci/devices/0000:00:01.0", "sys/class/net/eth0"})
        # The header, and where its list of capabilities leads: no more.
        kind, pieces = entries[f"{device}/config"]
        self.assertEqual(kind, "c")
        self.assertLess(len(pieces), 100)
        self.assertNotIn(b"private", b"".join(path.encode() for path in entries))

    def test_without_root(self):
        tree = captured.Tree(self)
        tree.put("sys/bus/pci/devices/0000:00:01.0/vendor", "0x8086")
        tree.put("sys/kernel/debug/x", "")
        os.chmod(os.path.join(tree.path, "sys/kernel/debug"), 0o700)
        os.chmod(tree.path, 0o755)
        if os.geteuid():
            self.skipTest("needs root, to give it up")
        with open(CAPTURE, "rb") as program:
            data = subprocess.run([f"/proc/self/fd/{program.fileno()}", tree.path], check=True,
                                  stdout=subprocess.PIPE, pass_fds=[program.fileno()], user=65534,
                                  group=65534, extra_groups=[], cwd="/").stdout
        # What may not be read is noted as that, not as missing.
        self.assertEqual(unpack(data)["sys/kernel/debug/pci-p2pdma"][0], "x")


@rig.needs_rig
class Recorded(dat.FileTest):
    """Real recordings on this machine, whatever PCI devices it has."""

    def record(self, *options):
        with rig.Group() as group:
            rig.p2ptrace("record", "-o", self.path, "--system", group.name, *options, "--",
                         rig.RIG, "run", "--events", "500")

    def test_says_what_the_system_says(self):
        for version in ("6", "7"):
            self.record("--file-version", version)
            for command in (["topo", "--all", "--json"], ["topo", "-t", "--all"]):
                there, here = self.run_it(*command), self.run_it(*command, "-i", self.path)
                self.assertEqual(here.stdout, there.stdout)
            lines = subprocess.run(["trace-cmd", "report", "-i", self.path], check=True,
                                   capture_output=True)
            self.assertNotIn(b"nknown option", lines.stderr)
            self.assertEqual(rig.report(self.path)["events"]["lost"], 0)

    @unittest.skipUnless(shutil.which("unshare"), "unshare (util-linux) is not there")
    def test_elsewhere(self):
        """The file alone: without sysfs, tracefs and the PCI devices of this machine."""
        self.record("-g")
        for command in (["report"], ["leaks"], ["analyze"], ["info", "--json"],
                        ["topo", "-t", "--all", "-i"], ["topo", "--json", "--all", "-i"]):
            here = self.run_it(*command, self.path)
            there = subprocess.run(
                ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /sys && exec \"$@\"", "sh",
                 dat.P2PTRACE, *command, self.path], capture_output=True, check=False)
            self.assertEqual((there.returncode, there.stdout), (0, here.stdout), command)

    def test_not_wanted(self):
        self.record("--no-capture")
        self.assertIsNone(option(self.path, START))
        self.assertIsNone(option(self.path, END))
        self.assertIsNone(json.loads(self.run_it("info", "--json", self.path).stdout)["capture"])

    def test_killed(self):
        """A recorder that is killed has stored the system before its first event."""
        with rig.Group() as group:
            recording = rig.Recording(self.path, group)
            os.kill(recording.process.pid, signal.SIGKILL)
            recording.process.communicate()
            self.run_it("recover", self.path)
            # The next start removes the instance, which holds on to the group.
            rig.p2ptrace("record", "-o", os.path.join(self.folder, "next.dat"), "--system",
                         group.name, "-d", "0.01")
        self.assertEqual(self.run_it("topo", "--all", "-i", self.path).stdout,
                         self.run_it("topo", "--all").stdout)
        self.assertIsNotNone(option(self.path, START))
        self.assertIsNone(option(self.path, END))


if __name__ == "__main__":
    unittest.main()
