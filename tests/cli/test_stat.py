# SPDX-License-Identifier: GPL-2.0-or-later
"""p2ptrace stat: made-up trees, trees that change while it looks, and this machine."""

import csv
import io
import json
import os
import signal
import subprocess
import unittest

import captured

DEBUGFS = "sys/kernel/debug/pci-p2pdma/"
DEVICES = "sys/bus/pci/devices/"
MAX = 2**64 - 1

COUNTERS = {
    "total_mappings": 1000, "bus_addr_mappings": 990, "host_bridge_mappings": 10,
    "not_supported_mappings": 5, "total_unmappings": 900, "total_allocations": 12,
    "total_frees": 6000, "allocated_bytes": 25165824, "freed_bytes": 24576000,
    "map_type_calculations": 3, "error_count": 1}
STATS = {"alloc_count": 12, "free_count": 6000, "mapped_bytes": 409600,
         "peak_mapped_bytes": 8388608}
POOL = {"size": 67108864, "available": 66519040, "published": 1}
BDF = "0000:03:00.0"


def full_tree(test):
    tree = captured.Tree(test)
    for name, value in COUNTERS.items():
        tree.put(DEBUGFS + name, value)
    for name, value in POOL.items():
        tree.put(f"{DEVICES}{BDF}/p2pmem/{name}", value)
    for name, value in STATS.items():
        tree.put(f"{DEVICES}{BDF}/p2pmem/stats/{name}", value)
    tree.make_dir(DEVICES + "0000:00:00.0")
    return tree


def stat_json(tree, status=0):
    return json.loads(tree.run("stat", "--json", status=status).stdout)


class Once(unittest.TestCase):
    def test_every_file_and_nothing_else(self):
        tree = full_tree(self)
        tree.put(DEBUGFS + "a_new_counter", MAX)
        tree.put(f"{DEVICES}{BDF}/p2pmem/stats/later_count", 7)
        seen = stat_json(tree)
        self.assertEqual(seen["schema"], "p2ptrace.stat/1")
        self.assertEqual(seen["counters"], dict(COUNTERS, a_new_counter=MAX))
        self.assertAlmostEqual(seen["bus_addr_ratio"], 0.99)
        self.assertEqual(seen["missing"], [])
        (provider,) = seen["providers"]
        self.assertEqual(provider["device"], BDF)
        self.assertEqual(provider["pool"], {"size_bytes": 67108864, "available_bytes": 66519040,
                                            "published": True})
        self.assertEqual(provider["stats"], dict(STATS, later_count=7))
        self.assertNotIn("deltas", seen)

    def test_text(self):
        text = full_tree(self).run("stat").stdout
        self.assertRegex(text, r"(?m)^total_mappings +1,000$")
        self.assertRegex(text, r"(?m)^allocated_bytes +25,165,824  24\.0 MiB$")
        self.assertRegex(text, r"(?m)^BUS_ADDR ratio +99\.0 %$")
        self.assertRegex(text, BDF + r" +yes +64\.0 MiB +63\.4 MiB +400\.0 KiB")
        self.assertNotIn("missing", text)

    def test_csv(self):
        done = full_tree(self).run("stat", "--csv")
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        values = {(row["device"], row["counter"]): row["value"] for row in rows}
        self.assertEqual(values["", "total_mappings"], "1000")
        self.assertEqual(values[BDF, "size_bytes"], "67108864")
        self.assertEqual(values[BDF, "mapped_bytes"], "409600")
        self.assertEqual(len(rows), len(COUNTERS) + len(POOL) + len(STATS))
        self.assertEqual({row["delta"] + row["rate"] for row in rows}, {""})

    def test_no_mapping_has_no_ratio(self):
        tree = full_tree(self)
        tree.put(DEBUGFS + "total_mappings", 0)
        tree.put(DEBUGFS + "bus_addr_mappings", 0)
        self.assertIsNone(stat_json(tree)["bus_addr_ratio"])
        self.assertRegex(tree.run("stat").stdout, r"(?m)^BUS_ADDR ratio +- ")

    def test_hostile_files(self):
        """Values that are no numbers are null; nothing reaches the terminal as it is."""
        tree = full_tree(self)
        for name, content in (("minus", "-5"), ("words", "many"), ("empty", b""),
                              ("long", "9" * 5000), ("beyond", MAX + 1), ("nul", b"1\0002"),
                              ("two", "1 2"), ("\x1b[2J", "3")):
            tree.put(DEBUGFS + name, content)
        tree.make_dir(DEBUGFS + "folder")
        os.mkfifo(os.path.join(tree.path, DEBUGFS, "pipe"))
        tree.link(DEBUGFS + "out", "/etc/hostname")
        counters = stat_json(tree)["counters"]
        for name in ("minus", "words", "empty", "long", "beyond", "two", "pipe", "out"):
            self.assertIsNone(counters[name], name)
        self.assertEqual(counters["\x1b[2J"], 3)
        self.assertNotIn("folder", counters)
        for options in ((), ("--csv",), ("-wI", "0.01", "-n", "1")):
            self.assertNotIn("\x1b", tree.run("stat", *options).stdout)

    def test_usage(self):
        for wrong in (("-I", "0"), ("-n", "0"), ("-n", "x"), ("word",), ("--json", "--csv"),
                      ("-I", "-1")):
            captured.run([captured.P2PTRACE, "stat", *wrong], status=2)
        captured.run([captured.P2PTRACE, "stat", "--root", "/does/not/exist"], status=3)


class Missing(unittest.TestCase):
    def layers(self, tree, status=0):
        return {row["layer"]: row for row in stat_json(tree, status)["missing"]}

    def test_nothing_at_all(self):
        tree = captured.Tree(self)
        missing = self.layers(tree, status=3)
        self.assertIn("no debugfs", missing["debugfs"]["why"])
        self.assertIn("sys/bus/pci/devices", missing["p2pmem"]["why"])
        lines = tree.run("stat", status=3).stdout.splitlines()
        self.assertEqual([line.split(":")[0] for line in lines], ["missing", "missing"])

    def test_debugfs_not_mounted(self):
        tree = captured.Tree(self)
        tree.make_dir("sys/kernel/debug")
        self.assertIn("mount -t debugfs", self.layers(tree, 3)["debugfs"]["remedy"])

    def test_no_module(self):
        tree = captured.Tree(self, {f"{DEVICES}{BDF}/p2pmem/size": 4096})
        tree.make_dir("sys/kernel/debug/tracing")
        missing = self.layers(tree)
        self.assertIn("modprobe p2ptrace_events", missing["debugfs"]["remedy"])
        self.assertIn("modprobe p2ptrace_events", missing["stats"]["remedy"])
        self.assertIn(BDF, missing["stats"]["why"])
        self.assertNotIn("p2pmem", missing)

    def test_no_provider(self):
        tree = captured.Tree(self)
        tree.make_dir(DEVICES + "0000:00:00.0")
        self.assertIn("no device offers", self.layers(tree, 3)["p2pmem"]["why"])

    def test_kernel_without_p2pdma(self):
        for place, packed in (("proc/config.gz", True), ("boot/config-6.1.0-x", False),
                              ("lib/modules/6.1.0-x/build/.config", False)):
            tree = captured.Tree(self, {"proc/sys/kernel/osrelease": "6.1.0-x"})
            tree.make_dir("sys/kernel/debug/tracing")
            tree.make_dir(DEVICES + "0000:00:00.0")
            text = "CONFIG_PCI=y\n# CONFIG_PCI_P2PDMA is not set\n"
            (tree.put_gzip if packed else tree.put)(place, text)
            for layer in self.layers(tree, 3).values():
                self.assertIn("CONFIG_PCI_P2PDMA=y", layer["remedy"], place)
            (tree.put_gzip if packed else tree.put)(place, "CONFIG_PCI_P2PDMA=y\n")
            self.assertIn("modprobe", self.layers(tree, 3)["debugfs"]["remedy"], place)

    def test_damaged_config_is_no_config(self):
        tree = captured.Tree(self, {"proc/config.gz": b"\x1f\x8b\x08 no gzip"})
        tree.make_dir("sys/kernel/debug/tracing")
        self.assertIn("modprobe", self.layers(tree, 3)["debugfs"]["remedy"])

    def test_csv_says_it_on_stderr(self):
        done = captured.Tree(self).run("stat", "--csv", status=3)
        self.assertEqual(done.stdout, "time_ns,device,counter,value,delta,rate\n")
        self.assertIn("missing: ", done.stderr)


class Intervals(unittest.TestCase):
    def start(self, tree, *options):
        process = subprocess.Popen(tree.command("stat", *options), stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def sums(self, process, count):
        """The deltas of `count` objects, added up; and the resets in them."""
        totals, resets = {}, []
        for _ in range(count):
            seen = json.loads(process.stdout.readline())
            for name, delta in seen["deltas"].items():
                if delta is not None:
                    totals[name] = totals.get(name, 0) + delta
            resets += seen["resets"]
        return totals, resets

    def test_deltas_rates_and_resets(self):
        tree = full_tree(self)
        process = self.start(tree, "-I", "50ms", "--json")
        self.sums(process, 1)
        tree.put(DEBUGFS + "total_mappings", 1300)
        tree.put(DEBUGFS + "error_count", MAX - 1)
        totals, resets = self.sums(process, 3)
        self.assertEqual(totals["total_mappings"], 300)
        self.assertEqual(totals["bus_addr_mappings"], 0)
        self.assertEqual(resets, [])
        tree.put(DEBUGFS + "error_count", 1)  # past 2^64: 3 more
        tree.put(DEBUGFS + "total_mappings", 40)  # the module was loaded again
        totals, resets = self.sums(process, 3)
        self.assertEqual(totals["error_count"], 3)
        self.assertEqual(totals["total_mappings"], 40)
        self.assertEqual(resets, ["total_mappings"])

    def test_rate_is_delta_by_time(self):
        tree = full_tree(self)
        process = self.start(tree, "-I", "50ms", "--json")
        process.stdout.readline()
        tree.put(DEBUGFS + "total_mappings", 2000)
        for _ in range(4):
            seen = json.loads(process.stdout.readline())
            expected = seen["deltas"]["total_mappings"] * 1e9 / seen["interval_ns"]
            self.assertAlmostEqual(seen["rates"]["total_mappings"], expected, 4)
            self.assertGreaterEqual(seen["interval_ns"], 40_000_000)
            if expected:
                self.assertEqual(seen["bus_addr_ratio"], 0)
                return
        self.fail("the change was not seen")

    def test_counters_and_devices_that_come_and_go(self):
        tree = full_tree(self)
        process = self.start(tree, "-I", "50ms", "--json")
        process.stdout.readline()
        tree.put(DEBUGFS + "appears", 5)
        tree.put(f"{DEVICES}0000:04:00.0/p2pmem/stats/alloc_count", 9)
        tree.remove(DEBUGFS + "error_count")
        seen = [json.loads(process.stdout.readline()) for _ in range(4)]
        first = next(sample for sample in seen if "appears" in sample["counters"])
        self.assertIsNone(first["deltas"]["appears"])
        self.assertIsNone(first["rates"]["appears"])
        self.assertEqual(seen[-1]["deltas"]["appears"], 0)
        self.assertEqual([row["device"] for row in seen[-1]["providers"]], [BDF, "0000:04:00.0"])
        self.assertNotIn("error_count", seen[-1]["counters"])

    def test_count_and_headings(self):
        tree = full_tree(self)
        lines = tree.run("stat", "-I", "20ms", "-n", "3").stdout.splitlines()
        self.assertEqual(len(lines), 4)
        self.assertIn("MAPS/s", lines[0])
        self.assertEqual({len(line) for line in lines}, {len(lines[0])})
        wide = tree.run("stat", "-wI", "20ms", "-n", "1").stdout.splitlines()
        self.assertIn("CALC/s", wide[0])
        rows = tree.run("stat", "-I", "20ms", "-n", "2", "--csv").stdout.splitlines()
        self.assertEqual(sum(row.startswith("time_ns") for row in rows), 1)
        self.assertEqual(len({row.split(",")[0] for row in rows[1:]}), 2)

    def test_reset_in_text(self):
        tree = full_tree(self)
        process = self.start(tree, "-I", "50ms")
        process.stdout.readline()
        process.stdout.readline()
        tree.put(DEBUGFS + "total_mappings", 2)
        lines = [process.stdout.readline() for _ in range(4)]
        self.assertTrue(any("began anew" in line for line in lines), lines)
        self.assertFalse(any(" -" in line and line[line.index(" -") + 2].isdigit()
                             for line in lines), lines)

    def test_signals_end_it_well(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start(full_tree(self), "-I", "50ms")
            process.stdout.readline()
            process.send_signal(number)
            self.assertEqual(process.wait(20), 0)

    def test_a_reader_that_leaves(self):
        process = self.start(full_tree(self), "-I", "20ms")
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(20), 0)

    def test_full_disk(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run(full_tree(self).command("stat", "-I", "20ms"), stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=20, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("cannot write", done.stderr)


class ThisMachine(unittest.TestCase):
    def test_an_answer(self):
        """Every number is the file's, whatever there is; and what there is not is said."""
        done = subprocess.run([captured.P2PTRACE, "stat", "--json"], capture_output=True,
                              text=True, check=False)
        seen = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if seen["counters"] or seen["providers"] else 3)
        folder = "/sys/kernel/debug/pci-p2pdma"
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        self.assertEqual(sorted(seen["counters"]), names)
        devices = "/sys/bus/pci/devices"
        providers = [name for name in sorted(os.listdir(devices) if os.path.isdir(devices) else [])
                     if os.path.isdir(f"{devices}/{name}/p2pmem")]
        self.assertEqual([row["device"] for row in seen["providers"]], providers)
        layers = [row["layer"] for row in seen["missing"]]
        self.assertEqual("debugfs" in layers, not names)
        self.assertEqual("p2pmem" in layers, not providers)

    @unittest.skipIf(os.geteuid() != 0, "needs root to become nobody")
    def test_without_root(self):
        done = captured.run_as_nobody("stat")
        self.assertIn(done.returncode, (0, 3), done.stderr)
        self.assertEqual(done.stderr, "")
