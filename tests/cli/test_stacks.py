# SPDX-License-Identifier: GPL-2.0-or-later
"""leaks --by stack: kernel stacks that p2ptrace recorded, and such that trace-cmd has."""

import csv
import io
import json
import os
import random
import unittest

import dat
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


class Borders(dat.FileTest):
    """Files are read in slices of time: wherever one ends, each record keeps its own stack."""

    EVENTS = 60000

    def script(self):
        """A stack comes after the next events of the other CPUs; how often each was there."""
        dice, lines, truth = random.Random(1), [], {}
        for number in range(self.EVENTS):
            stamp, cpu, stack = 1000 + number * 10, number % 3, dice.randrange(40)
            truth[stack] = truth.get(stack, 0) + 1
            frames = "".join(f"%{stack + 1:02x}" for _ in range(16))
            lines += [f"{stamp} {cpu} map client=c provider=p type=2 dist=4 "
                      f"dma_addr={0x1000 * (number + 1):#x} size=4096 tid={7 + cpu}\n",
                      f"{stamp + 25} {cpu} kernel_stack caller={frames} tid={7 + cpu}\n"]
        return "event kernel_stack 14 ftrace: caller:t16\n" + "".join(lines), truth

    def groups(self, *words):
        done = self.run_it("leaks", "--by", "stack", "--json", *words, self.path)
        rows = json.loads(done.stdout)["groups"]
        return {(int(row["stack"][0], 16) & 0xff) - 1 if row["stack"] else None: row["count"]
                for row in rows}

    def test_every_event_has_its_stack(self):
        script, truth = self.script()
        for form in ("", "page 8192\nversion 6\n", "compress zstd\n"):
            self.write(dat.build(form + script))
            for jobs in (1, 2, 4):
                self.assertEqual(self.groups("-j", jobs), truth, (form, jobs))

    def test_a_stack_behind_a_gap_is_nobody_s(self):
        stack = "kernel_stack caller=%01%01%01%01%01%01%01%01%02%02%02%02%02%02%02%02 tid=7\n"
        first = "event kernel_stack 14 ftrace: caller:t16\n10 0 map client=c provider=p type=2 " \
            "dma_addr=0x1000 size=4096 tid=7\n"
        self.write(dat.build(first + "12 0 " + stack))
        self.assertEqual(self.groups(), {0: 1})
        self.write(dat.build(first + "page_of 0\n12 0 " + stack))
        self.assertEqual(self.groups(), {0: 1})
        self.write(dat.build(first + "lost 0 2\n12 0 " + stack))
        self.assertEqual(self.groups(), {None: 1})
        self.write(dat.build(first + "12 0 " + stack.replace("tid=7", "tid=8")))
        self.assertEqual(self.groups(), {None: 1})


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
