# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job from end to end: what the rig did against what p2ptrace says it did."""

import os
import tempfile
import unittest

import rig

FAULTS = ["--leak-allocs", 9, "--leak-maps", 11, "--refused-maps", 40, "--failed-allocs", 7,
          "--orphan-frees", 5, "--orphan-unmaps", 6, "--page-frees", 12, "--half-frees", 4,
          "--split-unmaps", 8, "--range-unmaps", 9, "--overlaps", 10, "--overlap-leaks", 3]


class WithFolder(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="p2ptrace-test-")
        self.addCleanup(directory.cleanup)
        self.folder = directory.name

    def path(self, name):
        return os.path.join(self.folder, name)


@rig.needs_rig
class Recorded(WithFolder):
    """`p2ptrace record` and the reports of its file."""

    def record(self, *options, definition=("--type-names",), settings=()):
        """Records a run of the rig; the file's name and the truth."""
        file, truth = self.path("rig.dat"), self.path("truth.json")
        with rig.Group(*definition) as group:
            rig.p2ptrace("record", "-o", file, "--system", group.name, *settings, "--", rig.RIG,
                         "run", *options, "--truth", truth)
        return file, rig.load(truth)

    def compare(self, file, truth):
        rig.assert_report(self, truth, rig.report(file))
        rig.assert_leaks(self, truth, rig.leaks(file))
        counts = dict(truth["events"])
        counts.pop("total")
        self.assertEqual(rig.trace_cmd_count(file), counts)

    def test_a_million_events_with_every_fault(self):
        self.compare(*self.record("--events", 1000000, "--threads", 2, "--lifetimes", *FAULTS,
                                  settings=["-b", "256M"]))

    def test_several_processes_that_end_each_other_s_mappings(self):
        self.compare(*self.record("--events", 100000, "--processes", 3, "--threads", 2,
                                  "--cross", "process", "--comm", "nvme-io", "--comm", "gpu-copy",
                                  *FAULTS))

    def test_the_caller_from_the_event_s_own_fields(self):
        self.compare(*self.record("--events", 20000, "--threads", 2, *FAULTS,
                                  definition=["--type-names", "--with-pid", "--with-comm"]))

    def test_other_names_for_the_fields(self):
        self.compare(*self.record("--events", 20000, *FAULTS, definition=[
            "--type-names", "--rename", "provider=p2p_dev", "--rename", "client=dev",
            "--rename", "size=len", "--rename", "addr=vaddr", "--rename", "dist=distance",
            "--rename", "p2p_map_type_change.type=new_type"]))

    def test_processes_that_live_on_are_in_flight(self):
        file = self.path("live.dat")
        with rig.Group("--type-names") as group:
            recorder = rig.Recording(file, group)
            with rig.Running("--events", 20000, "--processes", 3, "--hold", 2, *FAULTS) as held:
                recorder.stop()
        rig.assert_report(self, held.truth, rig.report(file))
        rig.assert_leaks(self, held.truth, rig.leaks(file))


@rig.needs_rig
class Foreign(WithFolder):
    """Files that trace-cmd took from a ring buffer of its own."""

    def compare(self, subbuf_kb):
        foreign = self.path("foreign.dat")
        # trace-cmd stores no thread groups: the process's number comes from the event.
        with rig.Group("--type-names", "--with-pid", "--with-comm") as group, \
                rig.Instance(subbuf_kb=subbuf_kb, buffer_kb=65536) as instance:
            instance.enable(group)
            truth = rig.run("--events", 100000, "--threads", 2, *FAULTS)
            instance.stop()
            instance.extract(foreign)
        for version, compression in ((6, "none"), (7, "none"), (7, "zstd")):
            with self.subTest(version=version, compression=compression):
                file = self.path(f"{version}{compression}.dat")
                rig.convert(foreign, file, version, compression)
                rig.assert_report(self, truth, rig.report(file))
                self.assert_outstanding(truth, rig.leaks(file))

    def assert_outstanding(self, truth, document):
        """Such a file does not know who lives: the same rows, no verdict."""
        for row in truth["leaks"]:
            row["verdict"] = "unknown"
        rig.assert_leaks(self, truth, document)

    def test_small_pages(self):
        self.compare(4)

    def test_large_pages(self):
        self.compare(64)


class Shipped(unittest.TestCase):
    """The recording in tests/fixtures, made once: what is written stays readable."""

    def test_demo(self):
        base = os.path.join(rig.ROOT, "tests/fixtures/demo")
        truth = rig.load(base + ".json")
        rig.assert_report(self, truth, rig.report(base + ".dat"))
        rig.assert_leaks(self, truth, rig.leaks(base + ".dat"))


if __name__ == "__main__":
    unittest.main()
