# SPDX-License-Identifier: GPL-2.0-or-later
"""p2ptrace live without a screen on this machine's ring buffer: the rig's truth."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest

import rig

PAIR = ("client", "provider", "type")


class Watching:
    """`live --json` of a group in the background; its first picture is there already."""

    def __init__(self, group, *options):
        self.process = subprocess.Popen(
            [rig.P2PTRACE, "live", "--json", "-d", "0.2", "--system", group.name,
             *map(str, options)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.first = self.process.stdout.readline()
        if not self.first:
            raise RuntimeError(self.process.communicate()[1].decode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()
        self.process.wait(timeout=30)

    def picture(self):
        return json.loads(self.process.stdout.readline())

    def until(self, good, limit=20):
        """The first picture of which that is true."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            picture = self.picture()
            if good(picture):
                return picture
        raise AssertionError("no such picture")

    def stop(self, number=signal.SIGINT, status=0):
        """The last picture."""
        self.process.send_signal(number)
        text, errors = self.process.communicate(timeout=60)
        if self.process.returncode != status:
            raise AssertionError(f"status {self.process.returncode}: {errors.decode()}")
        return json.loads(text.splitlines()[-1])


def instances():
    return {name for name in os.listdir(rig.TRACING + "/instances")
            if name.startswith("p2ptrace-")}


@rig.needs_rig
class Truth(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        rig.clean_stale()

    def check(self, truth, picture):
        self.assertEqual(picture["events"], truth["events"]["total"])
        self.assertEqual(picture["maps"], truth["events"]["map"])
        self.assertEqual(picture["lost"], 0)
        self.assertTrue(picture["ended"])
        self.assertEqual(rig.pick(rig.by(picture["map_types"], "type"), ("maps", "bytes")),
                         rig.pick(rig.by(truth["map_types"], "type"), ("maps", "bytes")))
        rig.assert_ratio(self, truth, picture)
        self.assertEqual(rig.pick(rig.by(picture["pairs"], *PAIR), rig.PAIR_KEYS),
                         rig.pick(rig.by(truth["pairs"], *PAIR), rig.PAIR_KEYS))
        self.assertEqual(rig.pick(rig.by(picture["processes"], "pid"), rig.PROCESS_KEYS),
                         rig.pick(rig.by(truth["processes"], "pid"), rig.PROCESS_KEYS))
        outstanding = dict(picture["outstanding"])
        self.assertEqual(outstanding.pop("let_go"), 0)
        self.assertEqual(outstanding, truth["outstanding"])
        keys = ("kind", "verdict", "pid", "provider", "client", "type", "bytes")
        rows = [sorted(tuple(str(row[key]) for key in keys) for row in leaks)
                for leaks in (picture["leaks"], truth["leaks"])]
        self.assertEqual(*rows)
        self.assertEqual(sum(row["events"] for row in picture["history"]), picture["events"])

    def test_faults_of_every_kind(self):
        options = ["--events", 3000, "--threads", 2, "--processes", 2, "--cross", "process"]
        for fault in ("leak-allocs", "leak-maps", "failed-allocs", "refused-maps", "orphan-frees",
                      "orphan-unmaps", "page-frees", "half-frees", "split-unmaps", "range-unmaps"):
            options += ["--" + fault, 2]
        with rig.Group("--type-names") as group, tempfile.TemporaryDirectory() as folder:
            with Watching(group, "-o", folder + "/seen.dat") as live:
                truth = rig.run(*options)
                live.until(lambda picture: picture["events"] == truth["events"]["total"])
                self.check(truth, live.stop())
                self.assertEqual(os.listdir(folder), ["seen.dat"])
                rig.assert_report(self, truth, rig.report(folder + "/seen.dat"))
                rig.assert_leaks(self, truth, rig.leaks(folder + "/seen.dat"))
                self.assertEqual(sum(rig.trace_cmd_count(folder + "/seen.dat").values()),
                                 truth["events"]["total"])

    def test_fast_and_slow(self):
        """Full sub-buffers in a row, and single events that trickle in."""
        for options in (["--events", 400000, "--threads", 2],
                        ["--events", 300, "--rate", 300, "--processes", 2]):
            with self.subTest(options=options), rig.Group("--type-names") as group, \
                    tempfile.TemporaryDirectory() as folder:
                with Watching(group, "-o", folder + "/seen.dat") as live:
                    truth = rig.run(*options)
                    self.check(truth, live.stop())
                    rig.assert_report(self, truth, rig.report(folder + "/seen.dat"))

    def test_clocks(self):
        for clock in ("local", "counter", "uptime"):
            with self.subTest(clock=clock), rig.Group("--type-names") as group:
                with Watching(group, "-C", clock) as live:
                    truth = rig.run("--events", 2000, "--threads", 1)
                    picture = live.stop()
                    self.assertEqual(picture["events"], 2000)
                    self.assertEqual(picture["maps"], truth["events"]["map"])
                    self.assertEqual(picture["clock"], clock)
                    if clock in ("counter", "uptime"):
                        self.assertIsNone(picture["duration_ns"])

    def test_those_that_live_and_their_state(self):
        with rig.Group("--type-names") as group:
            with Watching(group) as live:
                with rig.Running("--events", 400, "--processes", 2, "--hold", 1,
                                 "--leak-maps", 4) as running:
                    picture = live.until(lambda picture: picture["events"] == 400)
                    picture = live.picture()
                    alive = {row["pid"]: row["alive"] for row in running.truth["processes"]}
                    self.assertEqual({row["pid"]: row["state"] for row in picture["processes"]},
                                     {pid: "runs" if lives else "gone"
                                      for pid, lives in alive.items()})
                    self.assertEqual({row["pid"]: row["verdict"] for row in picture["leaks"]},
                                     {row["pid"]: row["verdict"] for row in running.truth["leaks"]})
                picture = live.stop()
                self.assertEqual({row["state"] for row in picture["processes"]}, {"gone"})
                self.assertEqual({row["verdict"] for row in picture["leaks"]}, {"leaked"})

    def test_loss_is_told(self):
        """A reader that was stopped meanwhile knows how much it missed."""
        with rig.Group("--type-names") as group:
            with Watching(group, "-b", "256") as live:
                live.process.send_signal(signal.SIGSTOP)
                truth = rig.run("--events", 60000, "--leak-maps", 3)
                live.process.send_signal(signal.SIGCONT)
                picture = live.stop()
        self.assertGreater(picture["lost"], 1000)
        # Exits and new names of processes, recorded beside, may be among them.
        self.assertGreaterEqual(picture["lost"] + picture["events"], truth["events"]["total"])
        self.assertLess(picture["lost"] + picture["events"], truth["events"]["total"] + 1000)
        self.assertIn("lost-events", {row["id"] for row in picture["findings"]})

    def test_only_a_process_and_its_end(self):
        with rig.Group("--type-names") as group:
            with subprocess.Popen([rig.RIG, "run", "--seconds", "600", "--rate", "2000"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  start_new_session=True) as mine:
                try:
                    self.watch_process(group, mine)
                finally:
                    if mine.poll() is None:
                        os.killpg(mine.pid, signal.SIGKILL)

    def watch_process(self, group, mine):
        with Watching(group, "-p", mine.pid) as live:
            rig.run("--events", 2000)
            picture = live.until(lambda picture: picture["events"] > 300)
            # The rig's own process forks its workers.
            self.assertEqual({row["comm"] for row in picture["processes"]}, {"p2prig"})
            self.assertEqual(len(picture["processes"]), 1)
            os.killpg(mine.pid, signal.SIGKILL)
            mine.communicate(timeout=30)  # as long as it is a zombie the kernel knows it
            text, _ = live.process.communicate(timeout=60)
            self.assertEqual(live.process.returncode, 0)
            self.assertTrue(json.loads(text.splitlines()[-1])["ended"])

    def test_only_a_client_or_a_type(self):
        """The kernel filters by client, the reader by type; ends follow in both."""
        for options, position, value in ((["--client", "0000:02:00.0"], 0, "0000:02:00.0"),
                                         (["--type", "THRU_HOST_BRIDGE"], 2, "THRU_HOST_BRIDGE")):
            with self.subTest(options=options), rig.Group("--type-names") as group:
                with Watching(group, *options) as live:
                    truth = rig.run("--events", 4000)
                    picture = live.stop()
                wanted = {key: row for key, row in rig.by(truth["pairs"], *PAIR).items()
                          if key[position] == value}
                self.assertTrue(wanted)
                self.assertEqual(rig.pick(rig.by(picture["pairs"], *PAIR), rig.PAIR_KEYS),
                                 rig.pick(wanted, rig.PAIR_KEYS))

    def test_hostile_names(self):
        with rig.Group("--type-names") as group:
            with Watching(group) as live:
                rig.run("--events", 500, "--comm", r"\x1b[2J\x07\n\xff")
                picture = live.stop()
                (row,) = picture["processes"]
                self.assertIn("[2J", row["comm"])
                done = subprocess.Popen([rig.P2PTRACE, "live", "--batch", "2", "-d", "0.3",
                                         "--system", group.name], stdout=subprocess.PIPE)
                while done.poll() is None and not instances():
                    time.sleep(0.01)
                rig.run("--events", 500, "--comm", r"\x1b[2J\x07\n\xff")
                text, _ = done.communicate(timeout=20)
        self.assertFalse(re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", text))
        self.assertNotIn(b"\xff", text)

    def test_what_is_kept_has_an_end(self):
        """Less than was seen is written, and what its lack makes doubtful is unknown."""
        with rig.Group("--type-names") as group, tempfile.TemporaryDirectory() as folder:
            with Watching(group, "--keep", "1M", "-o", folder + "/seen.dat") as live:
                truth = rig.run("--events", 60000, "--threads", 2)
                picture = live.stop()
                self.assertEqual(picture["events"], truth["events"]["total"])
                self.assertFalse(picture["kept"]["whole"])
                self.assertLessEqual(picture["kept"]["bytes"], 1 << 20)
                report = rig.report(folder + "/seen.dat")
                self.assertLess(report["events"]["total"], 60000)
                self.assertGreater(report["events"]["total"], 2000)
                self.assertEqual(report["events"]["lost"], 0)
                self.assertEqual(rig.leaks(folder + "/seen.dat")["totals"]["leaked"]["count"], 0)


@rig.needs_rig
class Ends(unittest.TestCase):
    def test_every_signal_leaves_nothing(self):
        with rig.Group() as group:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM):
                with self.subTest(number=number):
                    with Watching(group) as live:
                        mine = {name for name in instances() if f"-{live.process.pid}-" in name}
                        self.assertEqual(len(mine), 1)
                        self.assertTrue(live.stop(number)["ended"])
                        self.assertFalse(mine & instances())

    def test_a_closed_pipe(self):
        with rig.Group() as group:
            with Watching(group) as live:
                live.process.stdout.close()
                self.assertEqual(live.process.wait(timeout=20), 0)
                live.process.stderr.close()
                self.assertFalse({name for name in instances() if f"-{live.process.pid}-" in name})

    def test_after_a_kill_the_next_one_cleans_up(self):
        with rig.Group() as group:
            with Watching(group) as live:
                live.process.kill()
                live.process.communicate()
                mine = {name for name in instances() if f"-{live.process.pid}-" in name}
                self.assertEqual(len(mine), 1)
                with Watching(group) as other:
                    self.assertFalse(mine & instances())
                    other.stop()

    def test_what_cannot_be(self):
        for words, status in ((["-C", "no_such_clock"], 2), (["-f", "nonsense ==="], 2),
                              (["-p", "999999999"], 3)):
            with self.subTest(words=words), rig.Group() as group:
                done = rig.p2ptrace("live", "--once", "--system", group.name, *words,
                                    status=status)
                self.assertEqual(done.stdout, "")
                self.assertIn("p2ptrace: ", done.stderr)


if __name__ == "__main__":
    unittest.main()
