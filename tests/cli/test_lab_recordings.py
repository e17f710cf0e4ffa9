# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings of real peer-to-peer DMA (tests/fixtures/lab) against what the workload counted."""

import json
import os
import tarfile
import tempfile
import unittest

import captured

FOLDER = os.path.join(captured.ROOT, "tests/fixtures/lab")


def p2ptrace(*arguments):
    return json.loads(captured.run([captured.P2PTRACE, *arguments]).stdout)


class Recordings(unittest.TestCase):
    def load(self, name):
        """(report, traffic, address of a drive by its name)"""
        with open(os.path.join(FOLDER, name + ".json"), encoding="ascii") as file:
            traffic = json.load(file)
        report = p2ptrace("report", "--json", os.path.join(FOLDER, name + ".dat"))
        self.assertEqual(report["events"]["lost"], 0)
        self.assertFalse(report["truncated"])
        return report, traffic, traffic["drives"]

    def check_pair(self, name, client, provider, kind, dist):
        """One pair only, and its books; returns the row and the traffic."""
        report, traffic, drives = self.load(name)
        self.assertEqual([(row["client"], row["provider"], row["type"], row["dist"])
                          for row in report["pairs"]],
                         [(drives[client], drives[provider], kind, dist)])
        self.assertEqual(report["outstanding"],
                         {"allocs": 0, "alloc_bytes": 0, "maps": 0, "map_bytes": 0})
        self.assertEqual(report["orphans"], {"frees": 0, "unmaps": 0})
        rows = {row["pid"]: row for row in report["processes"]}
        for process in traffic["processes"]:
            row = rows[process["pid"]]
            self.assertEqual(row["comm"], "p2ptraffic")
            self.assertEqual(row["alloc_bytes"], process["alloc_bytes"])
            self.assertEqual(row["free_bytes"], process["alloc_bytes"])
        return report, traffic

    def check_moved(self, report, traffic):
        row = report["pairs"][0]
        self.assertEqual((row["maps"], row["unmaps"], row["bytes"]),
                         (traffic["segments"], traffic["segments"], traffic["bytes"]))
        self.assertGreater(row["bytes"], 0)

    def test_one_switch(self):
        report, traffic = self.check_pair("direct", "near", "near64", "BUS_ADDR", 4)
        self.check_moved(report, traffic)
        self.assertEqual(report["bus_addr_ratio"], 1)

    def test_through_the_host_bridge(self):
        report, traffic = self.check_pair("bridge", "far", "near64", "THRU_HOST_BRIDGE", 6)
        self.check_moved(report, traffic)
        self.assertEqual(report["bus_addr_ratio"], 0)

    def test_refused(self):
        report, traffic = self.check_pair("refused", "far", "near64", "NOT_SUPPORTED", 6)
        self.assertEqual(traffic["ios"], 0)
        self.assertGreaterEqual(report["failed"]["maps"], traffic["failed_ios"])
        self.assertIsNone(report["bus_addr_ratio"])

    def events(self, name):
        done = captured.run([captured.P2PTRACE, "events", "--json", os.path.join(FOLDER, name + ".dat")])
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_by_probes(self):
        """Recorded without the module: dynamic events become the same five."""
        report, traffic = self.check_pair("probed", "near", "near64", "BUS_ADDR", 4)
        self.check_moved(report, traffic)
        self.assertEqual(report["bus_addr_ratio"], 1)
        events = self.events("probed")
        by_kind = {kind: [event for event in events if event["event"] == kind] for kind in
                   ("p2p_dma_alloc", "p2p_dma_free", "p2p_dma_map", "p2p_dma_unmap")}
        for kind, found in by_kind.items():
            self.assertEqual({event["provider"] for event in found},
                             {traffic["drives"]["near64"]}, kind)
        # An mmap is one allocation, its pages come back one by one.
        self.assertEqual(len(by_kind["p2p_dma_alloc"]), traffic["allocs"])
        self.assertEqual({event["size"] for event in by_kind["p2p_dma_free"]}, {4096})
        self.assertEqual(sum(event["size"] for event in by_kind["p2p_dma_alloc"]),
                         sum(event["size"] for event in by_kind["p2p_dma_free"]))
        # Direct: the address on the bus is the physical one, and lies in an allocation.
        for event in by_kind["p2p_dma_unmap"]:
            self.assertEqual(event["dma_addr"], event["phys_addr"])
        areas = [(int(event["addr"], 16), event["size"]) for event in by_kind["p2p_dma_alloc"]]
        for event in by_kind["p2p_dma_map"]:
            at = int(event["phys_addr"], 16)
            self.assertTrue(any(0 <= at - addr < size for addr, size in areas), event)

    def test_segments_that_were_not_looked_at(self):
        """Four of six: the others are lost, and no leak."""
        path = os.path.join(FOLDER, "few.dat")
        report = p2ptrace("report", "--json", path)
        self.assertEqual((report["events"]["map"], report["events"]["unmap"], report["events"]["lost"]),
                         (30, 20, 10))
        self.assertEqual(sum(event["count"] for event in self.events("few") if event["event"] == "lost"), 10)
        self.assertEqual(p2ptrace("leaks", "--json", path)["totals"]["leaked"]["count"], 0)

    def check_prediction(self, name, result, agrees, finding, kind, dist):
        """What the recording's own PCI tree says of its only pair."""
        report, traffic, drives = self.load(name)
        (pair,) = report["pairs"]
        self.assertEqual((pair["client"], pair["provider"]), (drives["twin"], drives["twin16"]))
        self.assertEqual(pair["predicted"], {"type": kind, "dist": dist, "agrees": agrees,
                                             "result": result})
        (pool,) = report["providers"]
        self.assertEqual(pool["pool_bytes"], 16 << 20)
        self.assertEqual(pair["bytes"], traffic["bytes"])
        analyze = p2ptrace("analyze", "--json", os.path.join(FOLDER, name + ".dat"))
        self.assertEqual(analyze["predicted"]["pairs"], 1)
        return {found["id"]: found for found in analyze["findings"]}[finding]

    def test_stale_cache(self):
        """ACS was switched on after the kernel had calculated: it goes on directly."""
        finding = self.check_prediction("stale", "stale cache", False, "stale-cache",
                                        "NOT_SUPPORTED", 2)
        self.assertIn("echo 0000:07:00.0 >/sys/bus/pci/drivers/nvme/bind", finding["remedy"])

    def test_redirected(self):
        """Below one port and through the host bridge; the capture tells which bridge does it."""
        finding = self.check_prediction("redirected", "agrees", True, "redirected",
                                        "THRU_HOST_BRIDGE", 2)
        self.assertIn("0000:00:04.0: ACS redirect is on (RR CR)", finding["evidence"])
        self.assertIn("pci=disable_acs_redir=0000:00:04.0", finding["remedy"])
        self.assertIn("setpci -s 0000:00:04.0 ECAP_ACS+6.w=0000:002c", finding["remedy"])

    def test_the_system_they_were_made_on(self):
        path = os.path.join(FOLDER, "stale.dat")
        rows = {(row["provider"], row["client"]): row["type"]
                for row in p2ptrace("topo", "--json", "-i", path)["pairs"]}
        self.assertEqual(rows["0000:03:00.0", "0000:04:00.0"], "BUS_ADDR")
        self.assertEqual(rows["0000:07:00.0", "0000:07:00.1"], "NOT_SUPPORTED")
        explained = p2ptrace("explain", "--json", "-i", path, "nvme4", "nvme5n1")
        self.assertEqual(explained["blockers"][0]["device"], "0000:00:04.0")
        deltas = p2ptrace("stat", "--json", "-i", path)["deltas"]
        self.assertEqual(deltas["total_mappings"], 8)

    def test_another_tree(self):
        """--root sets a recording beside any tree; what the file brings along is not used."""
        with tempfile.TemporaryDirectory() as folder:
            with tarfile.open(os.path.join(FOLDER, "plain-root.tar.xz")) as tar:
                tar.extractall(folder)
            for name, result in (("stale", "agrees"), ("redirected", "stale cache"),
                                 ("direct", "agrees"), ("refused", "agrees")):
                (pair,) = p2ptrace("report", "--json", "--root", folder,
                                   os.path.join(FOLDER, name + ".dat"))["pairs"]
                self.assertEqual(pair["predicted"]["result"], result, name)

    def test_held(self):
        _, traffic, drives = self.load("held")
        leaks = p2ptrace("leaks", "--json", os.path.join(FOLDER, "held.dat"))["leaks"]
        self.assertEqual([(leak["kind"], leak["verdict"], leak["pid"], leak["provider"], leak["bytes"])
                          for leak in leaks],
                         [("alloc", "in_flight", traffic["processes"][0]["pid"], drives["near64"],
                           traffic["alloc_bytes"])])


if __name__ == "__main__":
    unittest.main()
