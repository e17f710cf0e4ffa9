# SPDX-License-Identifier: GPL-2.0-or-later
"""p2ptrace record -z: the same recording, smaller, while it is made and when it is cut off."""

import collections
import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

import rig

COUNT_KEYS = ("alloc", "free", "map", "unmap", "map_type_change")


def counts(truth):
    return {key: truth["events"][key] for key in COUNT_KEYS}


def events_of(path):
    told = rig.report(path)["events"]
    return told["total"] + told["other"] + told["foreign"]


@rig.needs_rig
class CompressTest(rig.FolderCase):
    def record(self, *arguments, path=None, status=0):
        return rig.p2ptrace("record", "-o", path or self.path, "--system", self.group.name,
                            *arguments, status=status)

    def record_rig(self, *options, workload):
        self.record(*options, "--", rig.RIG, "run", "--truth", self.truth, *workload)
        truth = rig.load(self.truth)
        os.unlink(self.truth)
        return truth

    def compression(self, path):
        return json.loads(rig.p2ptrace("info", "--json", path).stdout)["compression"]


class FileTest(CompressTest):
    def check(self, *options):
        truth = self.record_rig("-b", "4M", *options, workload=(
            "--events", 60000, "--threads", 2, "--leak-maps", 3))
        rig.assert_report(self, truth, rig.report(self.path))
        self.assertEqual(rig.trace_cmd_count(self.path), counts(truth))
        self.assertEqual(self.compression(self.path), "zstd")
        self.assertEqual(os.listdir(self.folder), ["x.dat"])
        size = os.stat(self.path).st_size
        # An event has some 80 bytes.
        self.assertLess(size, truth["events"]["total"] * 80 / 3)
        os.unlink(self.path)
        return size

    def test_levels(self):
        fast = self.check("-z")
        small = self.check("--compress=12")
        self.assertLess(small, fast)

    def test_little(self):
        """Less than a chunk, and CPUs with nothing."""
        truth = self.record_rig("-z", workload=("--events", 10))
        rig.assert_report(self, truth, rig.report(self.path))
        self.assertEqual(rig.trace_cmd_count(self.path), counts(truth))
        self.record("-z3", "-d", "0.01")
        self.assertEqual(sum(rig.trace_cmd_count(self.path).values()), 0)

    def test_two_buffers_and_stacks(self):
        truth = self.record_rig("-z", "-g", "-p", os.getpid(), workload=("--events", 20000))
        self.assertEqual(rig.trace_cmd_count(self.path), counts(truth))
        shown = subprocess.run(["trace-cmd", "report", "-i", self.path], check=True,
                               capture_output=True).stdout.decode("utf-8", "replace")
        self.assertIn("=> uprobe_dispatcher", shown)

    def test_in_pieces(self):
        truth = self.record_rig("-z", "--switch-output", "200ms", "-b", "1M", workload=(
            "--seconds", 1.5, "--threads", 2, "--rate", 60000))
        names = sorted(os.listdir(self.folder))
        self.assertGreater(len(names), 3)
        total = collections.Counter()
        for name in names:
            self.assertRegex(name, r"^x\.dat\.\d{16}$")
            found = rig.trace_cmd_count(os.path.join(self.folder, name))
            total.update(found)
            if sum(found.values()):
                self.assertEqual(self.compression(os.path.join(self.folder, name)), "zstd")
        self.assertEqual(total, counts(truth))

    def test_standard_output(self):
        with open(self.path, "wb") as out:
            subprocess.run([rig.P2PTRACE, "record", "-z", "-o", "-", "--system", self.group.name,
                            "--", rig.RIG, "run", "--events", "5000", "--truth", self.truth],
                           check=True, stdout=out, stderr=subprocess.DEVNULL)
        rig.assert_report(self, rig.load(self.truth), rig.report(self.path))

    def test_refused(self):
        for options in (["--compress=20"], ["-z0"], ["--compress=much"],
                        ["-z", "--file-version", 6]):
            with self.subTest(options=options):
                self.record(*options, "-d", "0.01", status=2)

    def test_small_disk(self):
        """What is compressed leaves the disk: more is recorded than it has room for."""
        disk = os.path.join(self.folder, "disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "nodev", disk], check=True)
        try:
            path = os.path.join(disk, "x.dat")
            self.record("-z", "-b", "4M", "--", rig.RIG, "run", "--events", 420000, "--rate",
                        100000, "--truth", self.truth, path=path)
            truth = rig.load(self.truth)
            rig.assert_report(self, truth, rig.report(path))
            pages = sum(lane["sub_buffers"] for lane in json.loads(
                rig.p2ptrace("info", "--json", path).stdout)["lanes"]) << 16
            self.assertGreater(pages, 30 << 20)
        finally:
            subprocess.run(["umount", disk], check=True)
            os.rmdir(disk)


class CutOffTest(CompressTest):
    def kill(self, recording):
        recording.process.kill()
        recording.process.communicate()

    def tearDown(self):
        # Another recorder's start takes the instance away.
        rig.p2ptrace("record", "-o", os.path.join(self.folder, "last.dat"), "--system",
                     self.group.name, "-d", "0.01")

    def parts(self):
        return {match.group(1): os.path.join(self.folder, name)
                for name in os.listdir(self.folder)
                if (match := re.fullmatch(r"\.x\.dat\.\d+-[0-9a-f]{8}\.(.*)", name))}

    def cut_off(self):
        """After some seconds of work: chunks, and pages that are not packed yet."""
        recording = rig.Recording(self.path, self.group, "-z", "-b", "1M")
        truth = rig.run("--seconds", 1.5, "--rate", 60000, "--threads", 2)
        time.sleep(2.2)
        self.kill(recording)
        return truth

    def recover_and_count(self, name):
        path = os.path.join(self.folder, name)
        rig.p2ptrace("recover", self.path, "-o", path)
        self.assertEqual(self.compression(path), "zstd")
        self.assertEqual(sum(rig.trace_cmd_count(path).values()),
                         rig.report(path)["events"]["total"])
        self.assertTrue(rig.report(path)["truncated"])
        return events_of(path)

    def test_while_recording(self):
        truth = self.cut_off()
        kept = os.path.join(self.folder, "kept")
        os.mkdir(kept)
        for path in self.parts().values():
            shutil.copy2(path, kept)
        self.assertTrue([part for part in self.parts() if part.startswith("zcpu")])
        events = self.recover_and_count("all.dat")
        # A sub-buffer of 64 KiB on each CPU was not taken yet.
        self.assertGreater(events, truth["events"]["total"] - os.cpu_count() * 1500)
        self.assertEqual(self.parts(), {})
        # Half a chunk at the end does not count; what is before it does.
        for name in os.listdir(kept):
            os.rename(os.path.join(kept, name), os.path.join(self.folder, name))
        part = next(path for name, path in self.parts().items() if name.startswith("zcpu"))
        os.truncate(part, os.stat(part).st_size - 100)
        fewer = self.recover_and_count("torn.dat")
        self.assertGreater(fewer, events - 40000)
        self.assertLess(fewer, events)

    def has_plan(self):
        """Whether the recorder was putting the file together: all pages had been taken."""
        state = self.parts().get("state")
        if not state:
            return False
        with open(state, "rb") as file:
            return b"\nplan " in file.read()

    def test_at_the_end(self):
        """Killed after the stop, at any moment: nothing of what was recorded is missing."""
        for number in range(5):
            recording = rig.Recording(self.path, self.group, "-z", "-b", "8M")
            truth = rig.run("--events", 60000, "--threads", 2)
            recording.process.send_signal(signal.SIGINT)
            time.sleep(0.03 * number)
            self.kill(recording)
            complete = os.path.exists(self.path) or self.has_plan()
            with self.subTest(after=0.03 * number):
                if not os.path.exists(self.path):
                    rig.p2ptrace("recover", self.path)
                events = rig.report(self.path)["events"]["total"]
                if complete:
                    self.assertEqual(events, truth["events"]["total"])
                else:
                    self.assertLessEqual(events, truth["events"]["total"])
                self.assertEqual(sum(rig.trace_cmd_count(self.path).values()), events)
            for name in os.listdir(self.folder):
                os.unlink(os.path.join(self.folder, name))


del CompressTest  # it holds no test of its own

if __name__ == "__main__":
    unittest.main()
