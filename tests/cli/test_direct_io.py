# SPDX-License-Identifier: GPL-2.0-or-later
"""p2ptrace record past the page cache: what reaches the disk, also when there is no room."""

import os
import re
import shutil
import signal
import subprocess
import time
import unittest

import rig

MIB = 1 << 20
# So much of a file goes through the page cache before the rest goes past it (src/session/spool_write.c).
CACHED = 64 * MIB


def takes_direct_writes(folder):
    done = subprocess.run(["stat", "--file-system", "--format=%T", folder], check=True,
                          capture_output=True)
    if done.stdout.strip() in (b"tmpfs", b"ramfs"):  # which is nothing but page cache
        return False
    path = os.path.join(folder, "probe")
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_DIRECT, 0o600))
    except OSError:
        return False
    finally:
        os.unlink(path)
    return True


def is_fast(folder):
    """Whether the disk takes far more than the workload makes, as direct writes need."""
    path = os.path.join(folder, "probe")
    began = time.monotonic()
    subprocess.run(["dd", "if=/dev/zero", f"of={path}", "bs=4M", "count=64", "oflag=direct",
                    "status=none"], check=True)
    taken = time.monotonic() - began
    os.unlink(path)
    return 256 * MIB / taken > 1000 * MIB


def in_memory(path):
    """Bytes of a file that are in the page cache."""
    done = subprocess.run(["fincore", "--bytes", "--noheadings", "--output", "RES", path],
                          check=True, capture_output=True)
    return int(done.stdout)


@rig.needs_rig
class DirectTest(rig.FolderCase):
    def record(self, *options, workload, status=0):
        done = rig.p2ptrace("record", "-o", self.path, "--system", self.group.name, "-b", "128M",
                            *options, "--", rig.RIG, "run", "--truth", self.truth, *workload,
                            status=status)
        return rig.load(self.truth), done.stderr


class WayTest(DirectTest):
    @unittest.skipUnless(shutil.which("fincore"), "needs fincore")
    def test_past_the_page_cache(self):
        """All but the beginning, and every event is there."""
        if not takes_direct_writes(self.folder):
            self.skipTest(f"{self.folder} takes no direct writes")
        # A disk that has much else to do is written to through the cache: not three times.
        for _ in range(3):
            truth, _ = self.record(workload=("--events", 1800000))
            rest = os.path.getsize(self.path) - CACHED
            self.assertGreater(rest, 32 * MIB)
            cached = in_memory(self.path)
            rig.assert_report(self, truth, rig.report(self.path))
            if cached < CACHED + rest // 2:
                return
            os.unlink(self.path)
        if not is_fast(self.folder):
            self.skipTest("the disk is not fast enough for direct writes")
        self.fail(f"{cached} bytes are in the page cache, {CACHED} were to be")

    @unittest.skipUnless(shutil.which("fincore"), "needs fincore")
    def test_not_when_told(self):
        truth, _ = self.record("--no-direct-io", workload=("--events", 1500000))
        size = os.path.getsize(self.path)
        self.assertGreater(size, CACHED)
        self.assertGreater(in_memory(self.path), size - 4 * MIB)
        rig.assert_report(self, truth, rig.report(self.path))

    def test_small_sub_buffers(self):
        """Of 4 KiB: what is written to is a multiple of that."""
        truth, _ = self.record("-b", "32K", "--no-overwrite", workload=(
            "--events", 1500000, "--rate", 800000))
        report = rig.report(self.path)
        self.assertGreater(os.path.getsize(self.path), CACHED)
        counted = report["events"]["total"] + report["events"]["lost"]
        # What the kernel dropped may be the name or the end of a process, too.
        self.assertIn(counted - truth["events"]["total"], range(10))


class OtherDiskTest(DirectTest):
    """A file system in a file."""

    def disk(self, size):
        image, folder = os.path.join(self.folder, "image"), os.path.join(self.folder, "disk")
        os.mkdir(folder)
        with open(image, "wb") as file:
            file.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
        done = subprocess.run(["mount", "-o", "loop", image, folder], check=False,
                              capture_output=True)
        if done.returncode:
            self.skipTest(done.stderr.decode())
        self.addCleanup(subprocess.run, ["umount", folder], check=True)
        self.path = os.path.join(folder, "x.dat")

    def test_full(self):
        """It ends, says so, and the file holds what came before; the rest is counted."""
        self.disk(128 * MIB)
        with subprocess.Popen([rig.RIG, "run", "--seconds", "60"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL) as load:
            try:
                done = rig.p2ptrace("record", "-o", self.path, "--system", self.group.name, "-b",
                                    "128M", "-d", 60, status=3)
            finally:
                load.kill()
        self.assertIn("No space left on device", done.stderr)
        self.assertGreater(os.path.getsize(self.path), CACHED)
        events = rig.report(self.path)["events"]
        told = re.search(r"recorded ([\d,]+) events .*; ([\d,]+) lost", done.stderr)
        recorded, lost = (int(text.replace(",", "")) for text in told.groups())
        self.assertEqual(recorded, sum(events[name] for name in ("total", "other", "foreign")))
        self.assertEqual(lost, events["lost"])


class KilledTest(DirectTest):
    def test_killed(self):
        """What is on the disk is recovered."""
        recording = rig.Recording(self.path, self.group, "-b", "128M")
        truth = rig.run("--events", 1800000)
        time.sleep(1.2)  # whole sub-buffers are taken each second
        recording.process.send_signal(signal.SIGKILL)
        recording.process.communicate()
        rig.p2ptrace("recover", self.path)
        events = rig.report(self.path)["events"]
        # All but the sub-buffers that were not full.
        self.assertGreater(events["total"], truth["events"]["total"] - 4000)
        rig.p2ptrace("record", "-o", self.path, "--system", self.group.name, "-d", "0.01")


del DirectTest  # it holds no test of its own

if __name__ == "__main__":
    unittest.main()
