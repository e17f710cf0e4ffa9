# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings of real peer-to-peer DMA (tests/fixtures/lab) against what the workload counted."""

import json
import os
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

    def test_held(self):
        _, traffic, drives = self.load("held")
        leaks = p2ptrace("leaks", "--json", os.path.join(FOLDER, "held.dat"))["leaks"]
        self.assertEqual([(leak["kind"], leak["verdict"], leak["pid"], leak["provider"], leak["bytes"])
                          for leak in leaks],
                         [("alloc", "in_flight", traffic["processes"][0]["pid"], drives["near64"],
                           traffic["alloc_bytes"])])


if __name__ == "__main__":
    unittest.main()
