# SPDX-License-Identifier: GPL-2.0-or-later
"""contrib/p2ptrace.service: what it says holds, and what it allows is enough."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

import rig

UNIT = os.path.join(rig.ROOT, "contrib/p2ptrace.service")
NOBODY = 65534
# Of systemd's tenths: up to 2.0 is "OK" at its best.
EXPOSURE = 20


def settings():
    """The unit's values by name, those given several times as a list in order."""
    found = {}
    with open(UNIT, encoding="ascii") as file:
        for line in file:
            match = re.match(r"([A-Z]\w+)=(.*)", line)
            if match:
                found.setdefault(match.group(1), []).append(match.group(2))
    return found


def command(path):
    """ExecStart with the program under test, into another file."""
    words = shlex.split(settings()["ExecStart"][0])
    words[0] = rig.P2PTRACE
    words[words.index("-o") + 1] = path
    return words


def has_offline():
    if not shutil.which("systemd-analyze"):
        return False
    done = subprocess.run(["systemd-analyze", "--help"], capture_output=True, check=False)
    return b"--offline" in done.stdout


class UnitTest(unittest.TestCase):
    @unittest.skipUnless(has_offline(), "needs systemd-analyze with --offline")
    def test_exposure(self):
        done = subprocess.run(["systemd-analyze", "security", "--offline=yes",
                               f"--threshold={EXPOSURE}", UNIT], capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout.decode("utf-8", "replace")[-400:])

    @unittest.skipUnless(shutil.which("systemd-analyze"), "needs systemd-analyze")
    def test_verify(self):
        """No unknown names; that the program is not installed here is no matter."""
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", UNIT],
                              capture_output=True, check=False)
        said = [line for line in done.stderr.decode().splitlines()
                if "p2ptrace" in line and "not executable" not in line]
        self.assertEqual(said, [])


@rig.needs_rig
class RunTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="p2ptrace-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.chmod(self.folder, 0o777)
        self.group = rig.Group("--type-names")
        self.group.__enter__()
        self.addCleanup(self.group.__exit__, None, None, None)

    def start(self):
        return [*command(os.path.join(self.folder, "p2p.dat")), "--system", self.group.name]

    @unittest.skipUnless(shutil.which("setpriv"), "needs setpriv")
    def test_its_capabilities_are_enough(self):
        names = settings()["AmbientCapabilities"][0].split()
        self.assertEqual(names, settings()["CapabilityBoundingSet"][0].split())
        caps = ",".join("+" + name.removeprefix("CAP_").lower() for name in names)
        truth = os.path.join(self.folder, "truth.json")
        done = subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
             "--no-new-privs", f"--bounding-set=-all,{caps}", f"--inh-caps=-all,{caps}",
             f"--ambient-caps={caps}", *self.start(), "--prio", "fifo", "--", rig.RIG, "run",
             "--events", "2000", "--truth", truth],
            check=False, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        piece, = (name for name in os.listdir(self.folder) if name.startswith("p2p.dat."))
        rig.assert_report(self, rig.load(truth), rig.report(os.path.join(self.folder, piece)))

    def allowed(self):
        """The system calls of the unit's filter, groups taken apart by systemd itself."""
        groups = {}
        done = subprocess.run(["systemd-analyze", "syscall-filter"], check=True,
                              capture_output=True)
        for line in done.stdout.decode().splitlines():
            if line.startswith("@"):
                name = line.strip()
                groups[name] = []
            elif (word := line.strip()) and not word.startswith("#"):
                groups[name].append(word)

        def expand(word):
            if not word.startswith("@"):
                return {word}
            return set().union(*map(expand, groups[word]))

        found = set()
        for value in settings()["SystemCallFilter"]:
            calls = set().union(*map(expand, value.removeprefix("~").split()))
            found = found - calls if value.startswith("~") else found | calls
        return found

    @unittest.skipUnless(shutil.which("systemd-analyze") and shutil.which("strace"),
                         "needs systemd-analyze and strace")
    def test_its_system_calls_are_enough(self):
        trace = os.path.join(self.folder, "calls.txt")
        done = subprocess.run(["strace", "-f", "-c", "-o", trace, *self.start(), "-d", "0.3"],
                              check=False, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(trace, encoding="ascii") as file:
            used = {line.split()[-1] for line in file if re.match(r" *[\d.]+ +[\d.]+ +\d", line)}
        used -= {"total", "execve", "arch_prctl"}  # of before the filter, and of its making
        self.assertIn("splice", used)
        self.assertEqual(used - self.allowed(), set())


if __name__ == "__main__":
    unittest.main()
