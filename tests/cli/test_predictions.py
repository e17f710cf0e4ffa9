# SPDX-License-Identifier: GPL-2.0-or-later
"""Predicted beside observed: every result, and the findings that need the PCI tree, provoked
and absent.  Machines are made up and events written; real ones: test_lab_recordings."""

import json
import os

import captured
import dat
import pci_tree
from test_findings import HEAD, allocation, mapping
from test_topo import DEFAULTS, MACHINE

DIRECT, BRIDGE, REFUSED, UNKNOWN = 2, 3, 1, 0
DRIVE, CLIENT, FAR, GPU = "0000:03:00.0", "0000:04:00.0", "0000:05:00.0", "0000:81:00.0"


class Case(dat.FileTest):
    def machine(self, **changes):
        """Builds MACHINE and stores it for the recordings that follow."""
        directory = os.path.join(self.folder, "machine" + str(len(os.listdir(self.folder))))
        pci_tree.build(MACHINE.format(**dict(DEFAULTS, **changes)), directory)
        self.root = directory
        self.option = os.path.join(self.folder, "option")
        self.write(captured.run_bytes([os.path.join(dat.BUILD, "tests/lib/capture"), directory]),
                   self.option)

    def record(self, *lines, tree=True, head=HEAD):
        option = f"option 0x7033 {self.option}\n" if tree else ""
        self.write(dat.build(head + option + "".join(lines)))

    def document(self, *arguments):
        done = self.run_it(*arguments, "--json", self.path)
        self.assertEqual(done.status, 0, done.stderr)
        return json.loads(done.stdout)

    def results(self, *options):
        return {(row["client"], row["provider"], row["type"]): row["predicted"]
                for row in self.document("report", *options)["pairs"]}

    def result(self, kind, dist=4, client=CLIENT, provider=DRIVE):
        self.record(mapping(10, kind, client, provider, dist=dist, end=20))
        (found,) = self.results().values()
        return found["type"], found["dist"], found["agrees"], found["result"]

    def findings(self, *options):
        return {finding["id"]: finding for finding in self.document("analyze", *options)["findings"]}


class Results(Case):
    def test_each(self):
        self.machine()
        self.assertEqual(self.result(DIRECT), ("BUS_ADDR", 4, True, "agrees"))
        self.assertEqual(self.result(DIRECT, dist=-1), ("BUS_ADDR", 4, True, "agrees"))
        self.assertEqual(self.result(DIRECT, dist=6), ("BUS_ADDR", 4, True, "distance differs"))
        self.assertEqual(self.result(BRIDGE), ("BUS_ADDR", 4, False, "stale cache"))
        self.assertEqual(self.result(REFUSED), ("BUS_ADDR", 4, False, "stale cache"))
        self.assertEqual(self.result(UNKNOWN), ("BUS_ADDR", 4, None, "not known"))
        self.assertEqual(self.result(DIRECT, client="0000:99:00.0"),
                         (None, None, None, "not in the PCI tree"))
        self.assertEqual(self.result(REFUSED, 6, FAR), ("NOT_SUPPORTED", 6, True, "agrees"))
        # ACS has no part where there is no common bridge.
        self.assertEqual(self.result(BRIDGE, 6, FAR), ("NOT_SUPPORTED", 6, False, "differs"))
        self.machine(acs_down="acs=RR")
        self.assertEqual(self.result(DIRECT), ("NOT_SUPPORTED", 4, False, "stale cache"))
        self.assertEqual(self.result(BRIDGE), ("NOT_SUPPORTED", 4, False, "differs"))
        self.machine(acs_down="acs=RR config=64")
        self.assertEqual(self.result(DIRECT), (None, 4, None, "not known"))

    def test_names_instead_of_addresses(self):
        self.machine()
        self.assertEqual(self.result(DIRECT, 4, "nvme1n1", "nvme0")[3], "agrees")
        self.assertEqual(self.result(DIRECT, 4, "eth0", "03:00.0")[3], "agrees")
        self.assertEqual(self.result(DIRECT, 4, "../x", "%0a")[3], "not in the PCI tree")

    def test_changed_meanwhile(self):
        self.machine()
        self.record(mapping(10, DIRECT, CLIENT, DRIVE, end=20),
                    mapping(30, REFUSED, CLIENT, DRIVE, dma=(1 << 64) - 1))
        found = self.results()
        self.assertEqual({row["result"] for row in found.values()}, {"changed meanwhile"})
        self.assertEqual({key[2]: row["agrees"] for key, row in found.items()},
                         {"BUS_ADDR": True, "NOT_SUPPORTED": False})
        self.assertIn("1 BUS_ADDR, 1 NOT_SUPPORTED",
                      self.run_it("report", self.path).stdout.decode())

    def test_disagreement_first(self):
        self.machine()
        self.record(mapping(10, DIRECT, CLIENT, DRIVE, end=20),
                    mapping(30, BRIDGE, "0000:04:00.1", DRIVE, end=40),
                    mapping(50, DIRECT, "elsewhere", DRIVE, end=60))
        text = self.run_it("report", self.path).stdout.decode()
        table = text[text.index("PREDICTED"):].splitlines()
        self.assertEqual([line.split()[0] for line in table[1:3]], ["0000:04:00.1", CLIENT])
        self.assertTrue(table[1].endswith("stale cache") and table[2].endswith("agrees"))
        self.assertIn("devices of 1 of 3 pairs", text)

    def test_without_a_tree_nothing_is_said(self):
        self.record(mapping(10, DIRECT, CLIENT, DRIVE, end=20), tree=False)
        self.assertEqual(list(self.results().values()), [None])
        self.assertNotIn("PREDICTED", self.run_it("report", self.path).stdout.decode())
        document = self.document("analyze")
        self.assertEqual((document["predicted"], document["findings"]), (None, []))

    def test_root(self):
        """A directory takes the place of the tree in the file; the kernel is the recording's."""
        self.machine(host="8086:09a2")
        for kernel, agrees in (("6.12.0", True), ("nonsense", True)):
            self.record(mapping(10, BRIDGE, FAR, DRIVE, end=20, dist=6), tree=False,
                        head=f"{HEAD}private kernel {kernel}\n")
            (found,) = self.results("--root", self.root).values()
            self.assertEqual(found["agrees"], agrees)
        self.machine()
        self.record(mapping(10, BRIDGE, FAR, DRIVE, end=20, dist=6))
        names = os.path.join(self.folder, "list")
        self.write(b"8086:4c43\n", names)
        (found,) = self.results("--allow-list", names).values()
        self.assertEqual(found["result"], "agrees")
        self.assertEqual(self.run_it("report", "--root", "/nowhere", self.path).status, 3)
        self.assertEqual(self.run_it("analyze", "--allow-list", "/nowhere", self.path).status, 3)


class Findings(Case):
    def test_agreement(self):
        self.machine()
        self.record(mapping(10, DIRECT, CLIENT, DRIVE, end=20), allocation(5, DRIVE, end=30))
        self.assertEqual(self.findings(), {})
        self.assertEqual(self.document("analyze")["predicted"],
                         {"pairs": 1, "agree": 1, "stale": 0, "differ": 0, "changed": 0,
                          "unknown": 0})

    def test_stale_cache(self):
        self.machine()
        self.record(mapping(10, BRIDGE, CLIENT, DRIVE, end=20))
        finding = self.findings()["stale-cache"]
        self.assertEqual((finding["severity"], finding["weight"]), ("warning", 1))
        self.assertIn("THRU_HOST_BRIDGE observed, BUS_ADDR predicted", finding["evidence"])
        self.assertIn("1 of these pairs should be direct and never are", finding["evidence"])
        self.assertIn(f"echo {DRIVE} >/sys/bus/pci/drivers/nvme/unbind", finding["remedy"])
        self.assertEqual(self.document("analyze")["predicted"]["stale"], 1)

    def test_redirected(self):
        self.machine(acs_down="acs=RR,CR")
        self.record(mapping(10, REFUSED, CLIENT, DRIVE, dma=(1 << 64) - 1))
        finding = self.findings()["redirected"]
        self.assertIn("1 maps NOT_SUPPORTED, although both are below 0000:01:00.0",
                      finding["evidence"])
        self.assertIn("0000:02:00.0: ACS redirect is on (RR CR)", finding["evidence"])
        self.assertIn("pci=disable_acs_redir=0000:02:00.0", finding["remedy"])
        # Without a bridge in common there is nothing to be had there.
        self.record(mapping(10, REFUSED, FAR, DRIVE, dma=(1 << 64) - 1, dist=6))
        self.assertNotIn("redirected", self.findings())

    def test_never_direct(self):
        """A client of a provider far away, with one below its own switch."""
        self.machine(cpu="AuthenticAMD 25")
        self.record(mapping(10, BRIDGE, CLIENT, GPU, end=20, dist=6))
        finding = self.findings()["never-direct"]
        self.assertEqual(finding["severity"], "note")
        self.assertIn(f"{CLIENT}: no direct map with 1 providers, though {DRIVE}",
                      finding["evidence"])
        self.record(mapping(10, BRIDGE, FAR, GPU, end=20, dist=6))
        self.assertNotIn("never-direct", self.findings())
        self.record(mapping(10, BRIDGE, CLIENT, GPU, end=20, dist=6),
                    mapping(30, DIRECT, CLIENT, DRIVE, end=40))
        self.assertNotIn("never-direct", self.findings())

    def test_unseen_provider(self):
        self.machine()
        self.record(mapping(10, REFUSED, FAR, GPU, dma=(1 << 64) - 1, dist=6))
        finding = self.findings()["provider-unseen"]
        self.assertEqual(finding["evidence"], f"{DRIVE} nvme0: pool of 64.0 MiB")
        self.assertNotIn("provider-unseen", self.findings("--client", "0000*"))
        self.record(mapping(10, REFUSED, FAR, "nvme0", dma=(1 << 64) - 1, dist=6))
        self.assertNotIn("provider-unseen", self.findings())
        self.record(mapping(10, REFUSED, FAR, GPU, dma=(1 << 64) - 1, dist=6),
                    head=HEAD + "private filter_provider x\n")
        self.assertNotIn("provider-unseen", self.findings())

    def test_other_path(self):
        self.machine()
        self.record(mapping(10, BRIDGE, FAR, DRIVE, end=20, dist=6))
        finding = self.findings()["other-path"]
        self.assertIn("THRU_HOST_BRIDGE observed, NOT_SUPPORTED predicted, 1 maps",
                      finding["evidence"])
        self.record(mapping(10, DIRECT, CLIENT, DRIVE, end=20, dist=6))
        self.assertIn("BUS_ADDR predicted at distance 6 instead of 4, 1 maps",
                      self.findings()["other-path"]["evidence"])

    def test_full_pool(self):
        """64 MiB, of which 2 MiB were taken before: 56 are 90 % with them, 55 are not."""
        self.machine()
        for mib, full in ((55, False), (56, True), (62, True), (70, True)):
            self.record(allocation(10, DRIVE, end=20, size=mib << 20))
            pool = self.document("report")["providers"][0]
            self.assertEqual((pool["pool_bytes"], pool["peak_bytes"]), (64 << 20, mib << 20))
            found = self.findings()
            self.assertEqual("pool-nearly-full" in found, full, mib)
        self.assertIn("64.0 MiB of 64.0 MiB taken at once (100 %)",
                      found["pool-nearly-full"]["evidence"])
        self.record(allocation(10, DRIVE, end=20, size=56 << 20))
        self.assertIn("58.0 MiB of 64.0 MiB taken at once (91 %), 2.0 MiB of it before",
                      self.findings()["pool-nearly-full"]["evidence"])
        self.assertIn("  POOL  ", self.run_it("report", self.path).stdout.decode())
        # What was held before may have been given back before the peak.
        self.record("5 0 free provider=0000:03:00.0 addr=0x1 size=4096 tid=7\n",
                    allocation(10, DRIVE, end=20, size=56 << 20))
        self.assertNotIn("pool-nearly-full", self.findings())
        self.record(allocation(10, DRIVE, end=20, size=62 << 20), tree=False)
        self.assertNotIn("pool-nearly-full", self.findings())
        self.assertNotIn("  POOL  ", self.run_it("report", self.path).stdout.decode())
        self.assertIsNone(self.document("report")["providers"][0]["pool_bytes"])


if __name__ == "__main__":
    dat.unittest.main()
