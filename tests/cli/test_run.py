# SPDX-License-Identifier: GPL-2.0-or-later
"""The runner itself: that it sees every way in which a test file can go wrong."""

import os
import subprocess
import sys
import tempfile
import time
import unittest

import rig

RUNNER = os.path.join(rig.ROOT, "tests/run.py")


class Runner(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.build = directory.name
        self.cli = os.path.join(self.build, "cli")
        os.makedirs(os.path.join(self.build, "tests/unit"))
        os.makedirs(self.cli)

    def unit(self, name, script):
        path = os.path.join(self.build, "tests/unit", name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + script)
        os.chmod(path, 0o755)

    def case(self, body, name="test_it"):
        with open(os.path.join(self.cli, name + ".py"), "w", encoding="utf-8") as file:
            file.write("import os, signal, sys, time, unittest\nclass It(unittest.TestCase):\n" +
                       "".join(f"    {line}\n" for line in body.splitlines()))

    def run_all(self, *options):
        done = subprocess.run([sys.executable, RUNNER, "-b", self.build, "--cli", self.cli,
                               *options], capture_output=True, check=False)
        return done.returncode, done.stdout.decode()

    def expect(self, last, status, *parts, options=()):
        found, text = self.run_all(*options)
        self.assertEqual(text.splitlines()[-1], last, text)
        self.assertEqual(found, status, text)
        for part in parts:
            self.assertIn(part, text)
        return text

    def test_nothing_is_a_failure(self):
        self.expect("0 passed, 1 failed, 0 skipped", 1)

    def test_unit_results(self):
        self.unit("good", "printf '1..2\\nok 1 - one\\nok 2 - two # SKIP no disk\\n'")
        self.expect("1 passed, 0 failed, 1 skipped", 0, "SKIPPED good.two: no disk")

    def test_unit_failure_with_its_output(self):
        self.unit("bad", "printf '1..2\\nok 1 - one\\nseven is not eight\\nnot ok 2 - two\\n"
                         "# more about it\\n'; exit 1")
        self.expect("1 passed, 1 failed, 0 skipped", 1, "FAILED  bad.two",
                    "    seven is not eight", "    # more about it")

    def test_unit_that_crashes(self):
        self.unit("crash", "printf '1..2\\nok 1 - one\\n'; kill -SEGV $$")
        self.expect("1 passed, 1 failed, 0 skipped", 1, "FAILED  crash", "died of SIGSEGV")

    def test_unit_that_says_good_and_ends_badly(self):
        self.unit("late", "printf '1..1\\nok 1 - one\\n'; exit 23")
        self.expect("1 passed, 1 failed, 0 skipped", 1, "ended with status 23")

    def test_unit_that_says_nothing(self):
        self.unit("mute", "exit 0")
        self.expect("0 passed, 1 failed, 0 skipped", 1)

    def test_hanging_file_is_ended_with_its_children(self):
        mark = os.path.join(self.build, "pid")
        self.unit("hang", f"sleep 1000 & echo $! > {mark}; wait")
        self.expect("0 passed, 1 failed, 0 skipped", 1, "not done after 1 s",
                    options=["-t", "1"])
        with open(mark, encoding="utf-8") as file:
            pid = file.read().strip()
        for _ in range(100):  # a killed orphan stays a zombie until init looks
            if not os.path.exists(f"/proc/{pid}/exe") or self.is_zombie(pid):
                return
            time.sleep(0.05)
        self.fail(f"process {pid} is still there")

    @staticmethod
    def is_zombie(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                return file.read().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    def test_case_results(self):
        self.case("def test_a(self): print('noise', end='')\n"
                  "@unittest.skip('no moon')\n"
                  "def test_b(self): pass\n"
                  "def test_c(self): self.assertEqual(7, 8)\n"
                  "def test_d(self): raise OSError('boom')\n")
        self.expect("1 passed, 2 failed, 1 skipped", 1, "SKIPPED test_it.It.test_b: no moon",
                    "FAILED  test_it.It.test_c", "7 != 8", "boom")

    def test_case_with_a_failing_part(self):
        self.case("def test_a(self):\n"
                  "    for i in range(3):\n"
                  "        with self.subTest(i=i): self.assertNotEqual(i, 1)\n")
        self.expect("0 passed, 1 failed, 0 skipped", 1, "(i=1)")

    def test_case_that_cannot_be_set_up(self):
        self.case("@classmethod\ndef setUpClass(cls): raise OSError('no ground')\n"
                  "def test_a(self): pass\n")
        self.expect("0 passed, 1 failed, 0 skipped", 1, "no ground")

    def test_case_file_that_is_broken(self):
        self.case("def test_a(self: pass\n")
        self.expect("0 passed, 1 failed, 0 skipped", 1, "SyntaxError")

    def test_case_that_dies(self):
        self.case("def test_a(self): pass\n"
                  "def test_b(self): os.kill(os.getpid(), signal.SIGKILL)\n")
        self.expect("1 passed, 1 failed, 0 skipped", 1, "died of SIGKILL")

    def test_case_that_exits(self):
        self.case("def test_a(self): os._exit(0)\n")
        self.expect("0 passed, 1 failed, 0 skipped", 1)

    def test_hanging_case_cleans_up(self):
        mark = os.path.join(self.build, "cleaned")
        self.case("def test_a(self):\n"
                  f"    self.addCleanup(lambda: open({mark!r}, 'w').close())\n"
                  "    try: time.sleep(1000)\n"
                  "    finally: os.write(1, b'woken')\n"
                  "def test_b(self): pass\n")
        self.expect("0 passed, 2 failed, 0 skipped", 1, "not done after 1 s", "woken",
                    "time.sleep(1000)", options=["-t", "1"])
        self.assertTrue(os.path.exists(mark))

    def test_names_choose(self):
        self.unit("alpha", "printf '1..1\\nok 1 - one\\n'")
        self.case("def test_a(self): pass\ndef test_b(self): pass\n")
        self.expect("1 passed, 0 failed, 0 skipped", 0, options=["alpha"])
        self.expect("2 passed, 0 failed, 0 skipped", 0, options=["test_it"])
        self.expect("1 passed, 0 failed, 0 skipped", 0, options=["test_it.It.test_b"])
        self.expect("0 passed, 1 failed, 0 skipped", 1, options=["nothing like it"])


if __name__ == "__main__":
    unittest.main()
