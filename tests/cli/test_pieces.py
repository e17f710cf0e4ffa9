# SPDX-License-Identifier: GPL-2.0-or-later
"""p2ptrace record in several files: what they hold together and each by itself."""

import collections
import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import time
import unittest

import rig

# Of the longest recording in many small pieces; P2PTRACE_SECONDS=300 makes 3000 of them.
SECONDS = float(os.environ.get("P2PTRACE_SECONDS", "3"))
COUNT_KEYS = ("alloc", "free", "map", "unmap", "map_type_change")


def info(path):
    return json.loads(rig.p2ptrace("info", "--json", path).stdout)


@rig.needs_rig
class PieceTest(rig.FolderCase):
    def record(self, *arguments, status=0):
        return rig.p2ptrace("record", "-o", self.path, "--system", self.group.name, *arguments,
                            status=status)

    def record_rig(self, *options, workload):
        done = self.record(*options, "--", rig.RIG, "run", "--truth", self.truth, *workload)
        truth = rig.load(self.truth)
        os.unlink(self.truth)
        return truth, done.stderr

    def pieces(self):
        """Their paths in order; there is nothing else."""
        names = sorted(os.listdir(self.folder))
        for name in names:
            self.assertRegex(name, r"^x\.dat\.\d{16}$")
        return [os.path.join(self.folder, name) for name in names]

    def await_pieces(self, count):
        limit = time.monotonic() + 20
        names = ()
        while len(names) < count and time.monotonic() < limit:
            names = [name for name in os.listdir(self.folder)
                     if re.fullmatch(r"x\.dat\.\d{16}", name)]
            time.sleep(0.01)
        self.assertEqual(len(names), count)


    def dated(self):
        return {name for name in os.listdir(self.folder)
                if re.fullmatch(r"x\.dat\.\d{16}", name)}

    def turn(self, recording, number):
        """Asks for the next file, and waits until the one before is there."""
        before = self.dated()
        recording.process.send_signal(number)
        limit = time.monotonic() + 60
        while not self.dated() - before:
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.01)


class SumTest(PieceTest):
    def assert_sums(self, truth, paths):
        """Every number of the truth is the sum of the pieces'; what is open at the end of one
        ends in a later one, or is open for good."""
        reports = [rig.report(path) for path in paths]
        events, types, pairs, processes = (collections.Counter() for _ in range(4))
        opened = collections.Counter()
        for report in reports:
            for name in ("lost", "foreign", "damaged", "lost_uncounted"):
                self.assertEqual(report["events"][name], 0, name)
            self.assertEqual(report["superseded"], 0)
            self.assertFalse(report["truncated"])
            events.update({key: report["events"][key] for key in COUNT_KEYS})
            for row in report["map_types"]:
                types.update({(row["type"], key): row[key] for key in ("maps", "bytes")})
            for row in report["pairs"]:
                pair = (row["client"], row["provider"], row["type"])
                pairs.update({(*pair, key): row[key] for key in ("maps", "bytes")})
            for row in report["processes"]:
                processes.update({(row["pid"], key): row[key]
                                  for key in ("allocs", "alloc_bytes", "maps", "map_bytes")})
            opened.update(maps=report["outstanding"]["maps"] - report["orphans"]["unmaps"],
                          allocs=report["outstanding"]["allocs"] - report["orphans"]["frees"])
        self.assertEqual(events, {key: truth["events"][key] for key in COUNT_KEYS})
        self.assertEqual(types, {(row["type"], key): row[key] for row in truth["map_types"]
                                 for key in ("maps", "bytes")})
        self.assertEqual(pairs, {(row["client"], row["provider"], row["type"], key): row[key]
                                 for row in truth["pairs"] for key in ("maps", "bytes")})
        self.assertEqual(processes,
                         {(row["pid"], key): row[key] for row in truth["processes"]
                          for key in ("allocs", "alloc_bytes", "maps", "map_bytes")})
        for kind in ("maps", "allocs"):
            self.assertEqual(opened[kind], truth["outstanding"][kind], kind)
        return reports

    def assert_in_order(self, paths):
        """The spans touch and do not overlap, and no event lies outside its own."""
        told = [info(path) for path in paths]
        self.assertEqual([document["recording"]["piece"] for document in told],
                         [str(number + 1) for number in range(len(told))])
        end = 0
        for path, document in zip(paths, told):
            start = document["start_ns"]
            if end:
                self.assertEqual(start, end)
            end = start + document["duration_ns"]
            events = rig.p2ptrace("events", "--json", path).stdout.splitlines()
            if events:
                self.assertLessEqual(start, json.loads(events[0])["ts_ns"])
                self.assertLessEqual(json.loads(events[-1])["ts_ns"], end)

    def test_many_small_ones(self):
        truth, errors = self.record_rig(
            "--switch-output", "100ms", "-b", "4M",
            workload=("--seconds", SECONDS, "--threads", 2, "--rate", 40000, "--cross", "thread"))
        paths = self.pieces()
        self.assertGreater(len(paths), 5)
        self.assertIn(f"{len(paths)} files", errors)
        self.assertEqual(re.findall("wrote (.*)", errors), paths)
        self.assert_sums(truth, paths)
        self.assert_in_order(paths)
        mode = {stat.S_IMODE(os.stat(path).st_mode) for path in paths}
        self.assertEqual(mode, {0o600})

    def test_by_size(self):
        truth, _ = self.record_rig("--switch-output", "2M", "-b", "2M", workload=(
            "--seconds", 2, "--threads", 2, "--rate", 60000, "--leak-maps", 3))
        paths = self.pieces()
        self.assertGreater(len(paths), 3)
        self.assert_sums(truth, paths)
        for path in paths[:-1]:
            pages = sum(lane["bytes"] for lane in info(path)["lanes"])
            self.assertGreaterEqual(pages, 2 << 20)
            self.assertLess(pages, (2 << 20) + os.cpu_count() * (4 << 20))

    def test_both_versions_in_other_eyes(self):
        """trace-cmd reads each of them, and counts the same."""
        for version in (6, 7):
            with self.subTest(version=version):
                truth, _ = self.record_rig(
                    "--switch-output", "200ms", "--file-version", version,
                    workload=("--seconds", 1, "--threads", 2, "--rate", 20000))
                total = collections.Counter()
                for path in self.pieces():
                    total.update(rig.trace_cmd_count(path))
                    os.unlink(path)
                self.assertEqual(total, {key: truth["events"][key] for key in COUNT_KEYS})

    def test_chosen_processes(self):
        """Two buffers are cut at the same moment."""
        script = f"read go; exec {rig.RIG} run --seconds 1 --rate 30000 --truth {self.truth}"
        with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE) as shell:
            recording = rig.Recording(self.path, self.group, "-p", shell.pid, "--switch-output",
                                      "100ms")
            shell.stdin.write(b"\n")
            shell.stdin.close()
            shell.wait()
            recording.process.wait(timeout=30)  # it ends when they have
            recording.process.stderr.close()
        truth = rig.load(self.truth)
        os.unlink(self.truth)
        total = collections.Counter()
        for path in self.pieces():
            total.update(rig.trace_cmd_count(path))
        self.assertEqual(total, {key: truth["events"][key] for key in COUNT_KEYS})

    def test_stacks_stay_with_their_events(self):
        self.record_rig("--switch-output", "50ms", "-g", workload=(
            "--seconds", 1, "--threads", 2, "--rate", 20000))
        paths = self.pieces()
        self.assertGreater(len(paths), 3)
        for path in paths:
            shown = subprocess.run(["trace-cmd", "report", "-i", path], check=True,
                                   capture_output=True).stdout.decode("utf-8", "replace")
            stacks = shown.count("kernel_stack:")
            begun = len(re.findall(r": p2p_dma_(?:alloc|map): ", shown))
            self.assertEqual(stacks, begun)


class LossTest(PieceTest):
    def test_losses_are_those_of_the_piece(self):
        recording = rig.Recording(self.path, self.group, "-b", 256, "--switch-output", "signal")
        rig.run("--events", 1000)
        recording.process.send_signal(signal.SIGUSR2)
        self.await_pieces(1)
        os.kill(recording.process.pid, signal.SIGSTOP)
        truth = rig.run("--events", 100000)
        os.kill(recording.process.pid, signal.SIGUSR2)
        os.kill(recording.process.pid, signal.SIGCONT)
        self.await_pieces(2)
        rig.run("--events", 1000)
        errors = recording.stop()
        lost = [info(path)["events"]["lost"] for path in self.pieces()]
        self.assertEqual((lost[0], lost[2]), (0, 0))
        self.assertGreater(lost[1], 10000)
        self.assertLessEqual(lost[1], truth["events"]["total"] + 1000)
        told = re.search(r"; ([\d,]+) lost", errors).group(1)
        self.assertEqual(int(told.replace(",", "")), lost[1])


class TurnTest(PieceTest):
    def test_signal(self):
        """A piece is there soon after the signal, also when nothing happens."""
        recording = rig.Recording(self.path, self.group, "--switch-output", "SIGUSR2")
        truths = []
        for number in range(3):
            truths.append(rig.run("--events", 500 + number))
            recording.process.send_signal(signal.SIGUSR2)
            self.await_pieces(number + 1)
        recording.stop()
        paths = self.pieces()
        self.assertEqual(len(paths), 4)
        for path, truth in zip(paths, truths):
            rig.assert_report(self, truth, rig.report(path))
        self.assertEqual(rig.report(paths[3])["events"]["total"], 0)

    def test_alive_at_the_turn(self):
        """What a process holds when a piece ends is in flight there, and leaked in the piece
        in which it exits."""
        recording = rig.Recording(self.path, self.group, "--switch-output", "signal")
        with rig.Running("--events", 100, "--leak-maps", 2, "--hold", 1) as running:
            recording.process.send_signal(signal.SIGUSR2)
            self.await_pieces(1)
        with rig.Running("--events", 100, "--leak-maps", 2):
            pass
        recording.stop()
        first, second = map(rig.leaks, self.pieces())
        self.assertEqual(first["totals"]["in_flight"]["count"], 2)
        self.assertEqual(first["totals"]["leaked"]["count"], 0)
        self.assertEqual(second["totals"]["leaked"]["count"], 2)
        self.assertEqual(first["leaks"][0]["comm"], running.truth["leaks"][0]["comm"])

    def test_words(self):
        """What began before a piece is said to have."""
        self.record_rig("--switch-output", "300ms",
                        workload=("--seconds", 1, "--rate", 20000, "--window", 32))
        second = self.pieces()[1]
        self.assertRegex(rig.p2ptrace("info", second).stdout, "piece of the recording +2\n")
        self.assertIn("begun before this piece of the recording: ",
                      rig.p2ptrace("report", second).stdout)

    def test_rotate(self):
        """The newest stay; the file of somebody else is not touched."""
        recording = rig.Recording(self.path, self.group, "--switch-output", "signal", "--rotate",
                                  2)
        self.turn(recording, signal.SIGUSR2)
        first = os.path.join(self.folder, *self.dated())
        os.rename(first, first + ".mine")
        with open(first, "w", encoding="ascii") as file:
            file.write("not a recording")
        for _ in range(2):
            self.turn(recording, signal.SIGUSR2)
        recording.stop()
        with open(first, encoding="ascii") as file:
            self.assertEqual(file.read(), "not a recording")
        os.unlink(first)
        os.unlink(first + ".mine")
        self.assertEqual([info(path)["recording"]["piece"] for path in self.pieces()],
                         ["3", "4"])

    def test_refused(self):
        for options in (["--switch-output", "10"], ["--switch-output", "much"],
                        ["--switch-output", "0M"], ["--switch-output", ""],
                        ["--rotate", "x"]):
            with self.subTest(options=options):
                self.record(*options, "-d", "0.01", status=2)
        done = rig.p2ptrace("record", "-o", "-", "--system", self.group.name, "--rotate", 2,
                            "-d", "0.01", status=2)
        self.assertIn("one file", done.stderr)


class FlightTest(PieceTest):
    """--overwrite: the newest events, when they are asked for."""

    def flight(self, *options):
        return rig.Recording(self.path, self.group, "--overwrite", *options)

    def test_what_gives_way_is_no_loss(self):
        recording = self.flight("-b", 512)
        rig.run("--events", 200000, "--threads", 2)
        between = time.monotonic_ns()
        truth = rig.run("--events", 2000, "--threads", 2)
        errors = recording.stop()
        self.assertIn("nothing lost", errors)
        self.assertEqual(os.listdir(self.folder), ["x.dat"])
        pid = truth["processes"][0]["pid"]
        report = rig.report(self.path, "--pid", pid)
        self.assertEqual({key: report["events"][key] for key in COUNT_KEYS},
                         {key: truth["events"][key] for key in COUNT_KEYS})
        self.assertEqual(rig.pick(rig.by(report["processes"], "pid"), rig.PROCESS_KEYS),
                         rig.pick(rig.by(truth["processes"], "pid"), rig.PROCESS_KEYS))
        told = info(self.path)
        self.assertEqual(told["events"]["lost"], 0)
        self.assertLess(sum(lane["bytes"] for lane in told["lanes"]),
                        os.cpu_count() * (600 << 10))
        # The oldest that is left is not long before: the start has moved.
        first = rig.p2ptrace("events", "--json", self.path).stdout.splitlines()[0]
        self.assertLessEqual(json.loads(first)["ts_ns"], told["start_ns"])
        self.assertLess(told["start_ns"], between)
        self.assertGreater(told["start_ns"], between - 500 * 10**6)
        rig.p2ptrace("check", "--no-loss", self.path)

    def test_on_a_signal(self):
        """Each file holds what came since the one before, also under load."""
        recording = self.flight()
        with subprocess.Popen([rig.RIG, "run", "--seconds", "1.5", "--rate", "30000",
                               "--threads", "2", "--truth", self.truth],
                              stdin=subprocess.DEVNULL) as load:
            for number in range(4):
                time.sleep(0.3)
                recording.process.send_signal(signal.SIGUSR1)
                self.await_pieces(number + 1)
            load.wait()
        errors = recording.stop()
        truth = rig.load(self.truth)
        os.unlink(self.truth)
        names = sorted(os.listdir(self.folder))
        self.assertEqual(names[0], "x.dat")
        paths = [os.path.join(self.folder, name) for name in [*names[1:], names[0]]]
        self.assertEqual(re.findall("wrote (.*)", errors), paths[:-1])
        total = collections.Counter()
        opened = 0
        for number, path in enumerate(paths):
            report = rig.report(path)
            total.update({key: report["events"][key] for key in COUNT_KEYS})
            opened += report["outstanding"]["maps"] - report["orphans"]["unmaps"]
            self.assertEqual(info(path)["recording"]["piece"], str(number + 1))
        self.assertEqual(total, {key: truth["events"][key] for key in COUNT_KEYS})
        self.assertEqual(opened, truth["outstanding"]["maps"])

    def test_the_newest_stay(self):
        recording = self.flight("--rotate", 1)
        for _ in range(3):
            self.turn(recording, signal.SIGUSR1)
        recording.stop()
        names = sorted(os.listdir(self.folder))
        self.assertEqual(len(names), 2)
        self.assertEqual(info(os.path.join(self.folder, names[1]))["recording"]["piece"], "3")

    def test_refused(self):
        for options in (["--switch-output", "1M"], ["--no-overwrite"]):
            self.record("--overwrite", *options, "-d", "0.01", status=2)


class FaultTest(PieceTest):
    def test_full_disk(self):
        """Every file that is there is whole, and together they tell what is missing."""
        disk = os.path.join(self.folder, "disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "nodev", disk], check=True)
        try:
            done = rig.p2ptrace("record", "-o", os.path.join(disk, "x.dat"), "--system",
                                self.group.name, "-b", "1M", "--switch-output", "4M", "--",
                                rig.RIG, "run", "--events", 600000, "--rate", 200000, status=3)
            self.assertIn("No space left on device", done.stderr)
            files = os.listdir(disk)
            self.assertGreaterEqual(len(files), 2)
            events = lost = 0
            for name in files:
                told = info(os.path.join(disk, name))["events"]
                lost += told.pop("lost")
                told.pop("lost_uncounted")
                events += sum(told.values())
            summary = re.search(r"recorded ([\d,]+) events .*; (nothing|[\d,]+) lost",
                                done.stderr)
            self.assertEqual(events, int(summary.group(1).replace(",", "")))
            self.assertEqual(lost, int(summary.group(2).replace(",", "").replace("nothing", "0")))
        finally:
            self.await_workload()
            subprocess.run(["umount", disk], check=True)
            os.rmdir(disk)

    def await_workload(self):
        limit = time.monotonic() + 60
        while time.monotonic() < limit and not subprocess.run(
                ["pgrep", "-P", "1", "-x", "p2prig"], check=False,
                capture_output=True).returncode:
            time.sleep(0.05)

    def test_killed(self):
        """The files before are whole, the one at hand is recovered under its own name."""
        recording = rig.Recording(self.path, self.group, "--switch-output", "signal")
        truth = rig.run("--events", 20000)
        recording.process.send_signal(signal.SIGUSR2)
        self.await_pieces(1)
        rig.assert_report(self, truth, rig.report(self.pieces_of()[0]))
        rig.run("--events", 60000)
        time.sleep(2.2)  # whole sub-buffers are taken each second
        self.assertIn("just being recorded", rig.p2ptrace("report", self.path, status=3).stderr)
        recording.process.kill()
        recording.process.communicate()
        self.assertIn("recover", rig.p2ptrace("report", self.path, status=3).stderr)
        rig.p2ptrace("recover", self.path)
        first, second = self.pieces()
        rig.assert_report(self, truth, rig.report(first))
        self.assertGreater(rig.report(second)["events"]["total"], 30000)
        told = info(second)["recording"]
        self.assertEqual((told["piece"], told["recovered"]), ("2", "1"))
        self.assertIn("nothing is left", rig.p2ptrace("recover", self.path, status=3).stderr)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.record("-d", "0.01")  # and takes the instance away
        os.unlink(self.path)

    def pieces_of(self):
        return sorted(os.path.join(self.folder, name) for name in os.listdir(self.folder)
                      if not name.startswith("."))


del PieceTest  # it holds no test of its own

if __name__ == "__main__":
    unittest.main()
