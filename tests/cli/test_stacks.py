# SPDX-License-Identifier: GPL-2.0-or-later
"""leaks --by stack: kernel stacks that p2ptrace recorded, and such that trace-cmd has."""

import csv
import io
import json
import os
import unittest

import rig
import test_truth

LEAKS = ["--leak-allocs", 6, "--leak-maps", 9]


@rig.needs_rig
class Stacks(test_truth.WithFolder):
    def recorded(self):
        """By p2ptrace itself."""
        path = self.path("own.dat")
        with rig.Group("--type-names") as group:
            rig.p2ptrace("record", "-g", "-o", path, "--system", group.name, "--", rig.RIG, "run",
                         "--events", 3000, "--threads", 2, *LEAKS,
                         "--truth", self.path("truth.json"))
        return path, rig.load(self.path("truth.json"))

    def foreign(self):
        """By triggers, as one types them, and taken by trace-cmd."""
        path = self.path("foreign.dat")
        with rig.Group("--type-names") as group, rig.Instance() as instance:
            for event in ("p2p_dma_alloc", "p2p_dma_map"):
                instance.write(f"events/{group.name}/{event}/trigger", "stacktrace")
            instance.enable(group)
            truth = rig.run("--events", 3000, "--threads", 2, *LEAKS)
            instance.stop()
            for event in ("p2p_dma_alloc", "p2p_dma_map"):
                instance.write(f"events/{group.name}/{event}/trigger", "!stacktrace")
            instance.extract(path)
        return path, truth

    def check(self, path, truth):
        document = rig.leaks(path, "--by", "stack,kind")
        self.assertEqual(len(document["leaks"]), 15)
        for leak in document["leaks"]:
            self.assert_stack(leak["stack"])
        self.assertEqual({group["kind"]: (group["count"], group["bytes"])
                          for group in document["groups"]}, self.by_kind(truth))
        for group in document["groups"]:
            self.assertIn(group["stack"], [leak["stack"] for leak in document["leaks"]])
        self.compare_csv(path, document)
        self.compare_text(path, document)
        for form in ("--json", "--csv", "--top=0"):
            self.assertEqual(len({rig.p2ptrace("leaks", "--by", "stack,pid", "-j", jobs, form,
                                               path).stdout for jobs in (1, 4)}), 1)

    def assert_stack(self, stack):
        """Functions of the kernel with their offsets, the entry into it last."""
        self.assertGreater(len(stack), 3)
        for frame in stack:
            self.assertRegex(frame, r"^[\w.]+\+0x[0-9a-f]+$")
        self.assertTrue([frame for frame in stack if "uprobe" in frame], stack)

    @staticmethod
    def by_kind(truth):
        rows = {}
        for leak in truth["leaks"]:
            count, size = rows.get(leak["kind"], (0, 0))
            rows[leak["kind"]] = count + 1, size + leak["bytes"]
        return rows

    def compare_csv(self, path, document):
        def read(*words):
            return list(csv.DictReader(io.StringIO(rig.p2ptrace("leaks", "--csv", *words,
                                                                path).stdout)))

        self.assertEqual([row["stack"].split(";") for row in read()],
                         [leak["stack"] for leak in document["leaks"]])
        self.assertEqual([(row["kind"], int(row["count"]), row["stack"].split(";"))
                          for row in read("--by", "stack,kind")],
                         [(group["kind"], group["count"], group["stack"])
                          for group in document["groups"]])

    def compare_text(self, path, document):
        text = rig.p2ptrace("leaks", "--by", "stack,kind", path).stdout
        for group in document["groups"]:
            frames = "".join(f"    {frame}\n" for frame in group["stack"])
            self.assertIn("\n" + frames, text)

    def test_recorded_with_stacks(self):
        self.check(*self.recorded())

    def test_taken_by_trace_cmd(self):
        path, truth = self.foreign()
        self.check(path, truth)
        for version, compression in ((6, "none"), (7, "zstd")):
            other = self.path(f"{version}.dat")
            rig.convert(path, other, version, compression)
            self.assertEqual(rig.leaks(other, "--by", "stack")["groups"],
                             rig.leaks(path, "--by", "stack")["groups"])

    def test_numbers_are_those_without_stacks(self):
        path, truth = self.recorded()
        rig.assert_report(self, truth, rig.report(path))
        rig.assert_leaks(self, truth, rig.leaks(path))


class WithoutStacks(unittest.TestCase):
    """A recording that has none says so."""

    def test_it_is_said(self):
        path = os.path.join(rig.ROOT, "tests/fixtures/demo.dat")
        text = rig.p2ptrace("leaks", "--by", "stack", path).stdout
        self.assertIn("no kernel stack was recorded", text)
        document = json.loads(rig.p2ptrace("leaks", "--by", "stack", "--json", path).stdout)
        self.assertEqual([group["stack"] for group in document["groups"]], [[]])


if __name__ == "__main__":
    unittest.main()
