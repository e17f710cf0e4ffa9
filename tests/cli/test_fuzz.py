# SPDX-License-Identifier: GPL-2.0-or-later
"""The fuzz targets on every stored input: what failed once does not fail again."""

import glob
import os
import subprocess
import unittest

import dat

TARGETS = sorted(os.path.splitext(os.path.basename(path))[0]
                 for path in glob.glob(os.path.join(dat.ROOT, "tests/fuzz/*.c")))


class Replay(unittest.TestCase):
    def replay(self, name, inputs):
        done = subprocess.run([os.path.join(dat.BUILD, "tests/fuzz", name), *inputs], check=False,
                              capture_output=True, timeout=dat.LIMIT)
        text = (done.stdout + done.stderr).decode("utf-8", "backslashreplace")
        self.assertEqual(done.returncode, 0, text[-2000:])

    def test_stored_inputs(self):
        for name in TARGETS:
            built = glob.glob(os.path.join(dat.BUILD, "fuzz/inputs", name, "*.bin"))
            stored = [path for path in glob.glob(os.path.join(dat.ROOT, "tests/fuzz", name, "*"))
                      if not path.endswith(".txt")]
            # Nothing at all, and one byte, are inputs too.
            with open(os.path.join(dat.BUILD, "tests/fuzz", name + ".one"), "wb") as file:
                file.write(b"\x17")
            self.replay(name, [os.devnull, file.name, *sorted(built), *sorted(stored)])

    def test_there_are_recordings(self):
        self.assertGreaterEqual(len(glob.glob(os.path.join(dat.BUILD, "fuzz/inputs/trace/*.bin"))), 8)


if __name__ == "__main__":
    unittest.main()
