# SPDX-License-Identifier: GPL-2.0-or-later
"""p2ptrace record among others, without root, and when the ground is taken away."""

import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import rig

INSTANCES = rig.TRACING + "/instances"
COUNT_KEYS = ("alloc", "free", "map", "unmap", "map_type_change")
NOBODY = 65534


def counts(truth):
    return {key: truth["events"][key] for key in COUNT_KEYS}


def running_instances(pids, group):
    """Of these recorders, how many have the group's events and tracing on."""
    found = 0
    for name in os.listdir(INSTANCES):
        match = re.fullmatch(r"p2ptrace-(\d+)-[0-9a-f]{8}", name)
        if match and int(match.group(1)) in pids:
            with contextlib.suppress(OSError):
                found += rig.Recording.runs(f"{INSTANCES}/{name}", group)
    return found


@rig.needs_rig
class RobustTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="p2ptrace-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(self.folder, "x.dat")
        self.group = rig.Group("--type-names")
        self.group.__enter__()
        self.addCleanup(self.group.__exit__, None, None, None)

    def command(self, path, *options):
        return [rig.P2PTRACE, "record", "-o", path, "--system", self.group.name, *options]

    def await_running(self, processes):
        """Until all of them record; fails when one does not."""
        pids = {process.pid for process in processes}
        limit = time.monotonic() + 240
        while running_instances(pids, self.group) < len(processes):
            self.assertLess(time.monotonic(), limit)
            for process in processes:
                self.assertIsNone(process.poll())
            time.sleep(0.02)


class TogetherTest(RobustTest):
    def test_many_start_at_once(self):
        """None takes another's instance for one that was left behind."""
        paths = [os.path.join(self.folder, f"{number}.dat") for number in range(24)]
        processes = [subprocess.Popen(self.command(path, "-b", "64"), stdin=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE) for path in paths]
        try:
            self.await_running(processes)
            truth = rig.run("--events", 200)
        finally:
            for process in processes:
                process.send_signal(signal.SIGINT)
            errors = [process.communicate()[1].decode() for process in processes]
        self.assertEqual([process.returncode for process in processes], [0] * 24, errors)
        # Whose threads they were is not sure: with several instances the kernel's count of
        # those that want to know comes out wrong (trace_event_enable_tgid_record()).
        for path in paths:
            report = rig.report(path)
            self.assertEqual({key: report["events"][key] for key in COUNT_KEYS}, counts(truth))
            self.assertEqual(report["events"]["lost"], 0)
            pair = ("client", "provider", "type")
            self.assertEqual(rig.pick(rig.by(report["pairs"], *pair), rig.PAIR_KEYS),
                             rig.pick(rig.by(truth["pairs"], *pair), rig.PAIR_KEYS))
        self.assertEqual(running_instances({process.pid for process in processes}, self.group),
                         0)


class GroundTest(RobustTest):
    @unittest.skipUnless(shutil.which("unshare"), "needs unshare")
    def test_tracefs_is_unmounted(self):
        """Lazily, underneath: everything needed is open, and nothing stays behind."""
        ready, go = os.path.join(self.folder, "ready"), os.path.join(self.folder, "go")
        truth = os.path.join(self.folder, "truth.json")
        script = f"""
            while [ ! -e {ready} ]; do sleep 0.05; done
            umount -l {rig.TRACING}
            [ ! -e {rig.TRACING}/instances ] || exit 9
            {rig.RIG} run --events 20000 --truth {truth}
            touch {go}
            """
        with subprocess.Popen(["unshare", "-m", "sh", "-c", f"""
                               ({script}) &
                               exec "$@" """, "sh", *self.command(self.path)],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            self.await_running([process])
            with open(ready, "w", encoding="ascii"):
                pass
            limit = time.monotonic() + 60
            while not os.path.exists(go) and time.monotonic() < limit:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            errors = process.communicate()[1].decode()
        self.assertEqual(process.returncode, 0, errors)
        rig.assert_report(self, rig.load(truth), rig.report(self.path))
        self.assertEqual([name for name in os.listdir(INSTANCES)
                          if name.startswith(f"p2ptrace-{process.pid}-")], [])

    def test_progress_after_the_stop(self):
        """When the file takes its time, a terminal sees how far it is."""
        ours, theirs = pty.openpty()
        with subprocess.Popen(self.command(self.path, "--compress=19", "--", rig.RIG, "run",
                                           "--events", "120000"),
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=theirs) as process:
            os.close(theirs)
            shown = b""
            with contextlib.suppress(OSError):  # the other end closes
                while data := os.read(ours, 4096):
                    shown += data
        os.close(ours)
        self.assertEqual(process.returncode, 0)
        self.assertRegex(shown.decode(), r"making the file: [\d.]+ \w+ of [\d.]+ MiB done")


@unittest.skipUnless(shutil.which("setpriv"), "needs setpriv")
class PrivilegeTest(RobustTest):
    """The capabilities that the manual names, and no more."""

    def as_nobody(self, *capabilities):
        caps = ",".join("+" + name for name in capabilities)
        options = [f"{option}={'-all' + (',' + caps if caps else '')}"
                   for option in ("--bounding-set", "--inh-caps")]
        if caps:
            options.append(f"--ambient-caps={caps}")
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                "--no-new-privs", *options]

    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o777)

    def record(self, capabilities, *options):
        return subprocess.run(
            [*self.as_nobody(*capabilities), *self.command(self.path, *options)], check=False,
            stdin=subprocess.DEVNULL, capture_output=True)

    def test_two_are_enough(self):
        truth = os.path.join(self.folder, "truth.json")
        done = self.record(("dac_override", "sys_nice"), "--prio", "fifo", "-z", "--", rig.RIG,
                           "run", "--events", "5000", "--truth", truth)
        self.assertEqual(done.returncode, 0, done.stderr)
        rig.assert_report(self, rig.load(truth), rig.report(self.path))
        there = os.stat(self.path)
        self.assertEqual((there.st_uid, there.st_mode & 0o777), (NOBODY, 0o600))

    def test_without_priority(self):
        """Only the priority is missing, which is done without."""
        done = self.record(("dac_override",), "-d", "0.05")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"CAP_SYS_NICE",
                      self.record(("dac_override",), "-d", "0.05", "--prio", "fifo").stderr)

    def test_with_none(self):
        done = self.record((), "-d", "0.05")
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"CAP_DAC_OVERRIDE", done.stderr)
        self.assertEqual(os.listdir(self.folder), [])


class LinkTest(RobustTest):
    """Who may write to the folder chooses what lies there; root does not follow."""

    def test_links_are_not_followed(self):
        victim = os.path.join(self.folder, "victim")
        with open(victim, "w", encoding="ascii") as file:
            file.write("precious")
        os.symlink(victim, self.path)
        self.assertIn("symbolic link",
                      rig.p2ptrace(*self.command(self.path)[1:], "-d", "0.01", status=3).stderr)
        os.unlink(self.path)
        os.symlink(victim, self.path + ".old")
        with open(self.path, "w", encoding="ascii") as file:
            file.write("former")
        rig.p2ptrace(*self.command(self.path)[1:], "-d", "0.01")
        # The link itself gave way; what it led to is as it was.
        with open(self.path + ".old", encoding="ascii") as file:
            self.assertEqual(file.read(), "former")
        with open(victim, encoding="ascii") as file:
            self.assertEqual(file.read(), "precious")

    def test_a_link_that_comes_while_recording(self):
        """Put there after the check: it is replaced, never written through."""
        victim = os.path.join(self.folder, "victim")
        with open(victim, "w", encoding="ascii") as file:
            file.write("precious")
        recording = rig.Recording(self.path, self.group)
        os.symlink(victim, self.path)
        rig.run("--events", 100)
        recording.stop()
        self.assertFalse(os.path.islink(self.path))
        self.assertEqual(rig.report(self.path)["events"]["total"], 100)
        with open(victim, encoding="ascii") as file:
            self.assertEqual(file.read(), "precious")


del RobustTest  # it holds no test of its own

if __name__ == "__main__":
    unittest.main()
