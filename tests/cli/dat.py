# SPDX-License-Identifier: GPL-2.0-or-later
"""trace.dat files out of scripts (tests/lib/build_dat.h), and p2ptrace run on bytes."""

import collections
import os
import re
import signal
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
P2PTRACE = os.environ.get("P2PTRACE", os.path.join(BUILD, "p2ptrace"))
BUILD_DAT = os.path.join(BUILD, "tests/lib/build_dat")

if not os.access(BUILD_DAT, os.X_OK):
    raise RuntimeError(f"{BUILD_DAT} is not built: make unit-tests")

# Seconds that anything may take on a file of a few KiB, sanitizers and a busy machine
# included; what takes longer hangs.
LIMIT = 60

# A recording with something of everything, which most tests begin with.
SCRIPT = """
private format 1
private tgid 11 10
private tgid 10 10
private liveness 1
private alive 10 -
private stop 100000001000
cmdline 10 reader
cmdline 11 worker
uname Linux test 6.12.0 x86_64
stats 1 3 0 0
100 0 alloc provider=0000:80:00.0 addr=0xffff888000000000 size=16384 bus_addr=0x1000 tid=10
200 0 map client=0000:01:00.0 provider=0000:80:00.0 type=2 dist=4 dma_addr=0x1000 size=4096 tid=11
210 0 map client=0000:01:00.0 provider=0000:80:00.0 type=2 dist=4 dma_addr=0x2000 size=4096 tid=11
220 1 map client=0000:02:00.0 provider=0000:80:00.0 type=3 dist=8 dma_addr=0x9000 size=8192 tid=10
230 1 map client=0000:03:00.0 provider=0000:80:00.0 type=1 dist=-1 dma_addr=0 size=8192 tid=10
240 1 change client=0000:03:00.0 provider=0000:80:00.0 type=1 old=0 dist=-1 tid=10
500 1 unmap client=0000:01:00.0 provider=0000:80:00.0 type=2 dma_addr=0x1000 size=4096 flags=8
600 0 free provider=0000:80:00.0 addr=0xffff888000001000 size=4096 tid=11
700 0 rename pid=10 oldcomm=reader newcomm=writer tid=10
800 0 exit comm=worker pid=11 prio=120 tid=11
lost 1 3
100000000900 1 map client=0000:02:00.0 provider=0000:80:00.0 type=3 dist=8 dma_addr=0xb000 size=64 tid=10
"""

FORMS = {
    "v7": "",
    "v6": "version 6\n",
    "v7 zstd": "compress zstd\n",
    "v7 zlib": "compress zlib\npage 512\n",
    "small pages": "page 256\n",
    "big-endian": "endian big\n",
    "big-endian 32-bit v6": "endian big\nlong 4\nversion 6\n",
    "32-bit": "long 4\n",
}


def build(script=SCRIPT, form=""):
    """The bytes of a script's file; `form` is more script, in front."""
    return subprocess.run([BUILD_DAT], input=(form + script).encode(), check=True,
                          stdout=subprocess.PIPE).stdout


def marks(script=SCRIPT, form=""):
    """Where the parts of that file begin: a list of (name, offset)."""
    text = subprocess.run([BUILD_DAT, "-m"], input=(form + script).encode(), check=True,
                          stdout=subprocess.PIPE).stdout.decode()
    return [(name, int(offset)) for name, offset in map(str.split, text.splitlines())]


Done = collections.namedtuple("Done", "status stdout stderr")


class FileTest(unittest.TestCase):
    """A folder that goes away, files in it, and p2ptrace on them."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(self.folder, "file.dat")

    def write(self, data, path=None):
        with open(path or self.path, "wb") as file:
            file.write(data)

    def run_it(self, *arguments, **settings):
        settings.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run([P2PTRACE, *map(str, arguments)], capture_output=True, check=False,
                              timeout=LIMIT, **settings)
        self.assert_sound(done, arguments)
        return Done(done.returncode, done.stdout, done.stderr.decode("utf-8", "surrogateescape"))

    def assert_sound(self, done, arguments):
        """It ended by itself, with a status of its own, and no sanitizer spoke."""
        words = (arguments, done.returncode, done.stderr)
        if done.returncode < 0:
            self.fail(f"{words}: died of {signal.Signals(-done.returncode).name}")
        self.assertIn(done.returncode, (0, 1, 2, 3), words)
        self.assertIsNone(re.search(rb"Sanitizer|runtime error:", done.stderr), words)
