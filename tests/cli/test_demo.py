# SPDX-License-Identifier: GPL-2.0-or-later
"""tools/demo, the script behind `make demo`."""

import os
import shutil
import subprocess
import tempfile
import unittest

import rig


class Demo(unittest.TestCase):
    def setUp(self):
        """A copy of what the demo needs, where other users can read it."""
        directory = tempfile.TemporaryDirectory(prefix="p2ptrace-test-")
        self.addCleanup(directory.cleanup)
        self.folder = directory.name
        os.chmod(self.folder, 0o755)
        os.makedirs(self.path("build/rig"))
        os.makedirs(self.path("tools"))
        os.makedirs(self.path("tests/fixtures/lab"))
        shutil.copy(os.path.join(rig.ROOT, "tools/demo"), self.path("tools"))
        for name in "demo.dat", "lab/held.dat":
            shutil.copy(os.path.join(rig.ROOT, "tests/fixtures", name),
                        self.path("tests/fixtures/" + name))
        shutil.copy(rig.P2PTRACE, self.path("build"))
        shutil.copy(rig.RIG, self.path("build/rig"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def demo(self, *before):
        done = subprocess.run([*before, self.path("tools/demo")], check=False, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    @rig.needs_rig
    def test_records_where_it_can(self):
        text = self.demo()
        self.assertIn("recorded on this machine", text)
        truth = rig.load(self.path("build/demo-truth.json"))
        rig.assert_report(self, truth, rig.report(self.path("build/demo.dat")))
        self.assertIn("400,000 P2PDMA events", text)
        self.assertEqual([name for name in os.listdir(rig.TRACING + "/events")
                          if name.startswith("p2pdemo_")
                          and not os.path.exists("/proc/" + name[8:])], [])

    def test_shows_the_shipped_recording_where_it_cannot(self):
        nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        text = self.demo(*(nobody if os.geteuid() == 0 else []))
        self.assertIn("No recording of this machine's own: this is not root", text)
        self.assertIn("tests/fixtures/demo.dat", text)
        self.assertIn("tests/fixtures/lab/held.dat", text)
        self.assertIn("6,000 P2PDMA events", text)
        self.assertFalse(os.path.exists(self.path("build/demo.dat")))


if __name__ == "__main__":
    unittest.main()
