# SPDX-License-Identifier: GPL-2.0-or-later
"""Made-up trees for --root: files by path, written below a directory of the test's own."""

import gzip
import os
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
P2PTRACE = os.environ.get("P2PTRACE", os.path.join(BUILD, "p2ptrace"))


def run_as_nobody(*arguments, **more):
    """The program without root's rights, for tests that root runs.  It is opened by root:
    the build folder need not be open to others."""
    with open(P2PTRACE, "rb") as program:
        return subprocess.run([f"/proc/self/fd/{program.fileno()}", *arguments],
                              pass_fds=[program.fileno()], user=65534, group=65534,
                              extra_groups=[], cwd="/", capture_output=True, text=True,
                              check=False, timeout=120, **more)


class Tree:
    """A directory that stands for "/"; gone with the test that made it.

        tree = captured.Tree(self)
        tree.put("sys/kernel/debug/pci-p2pdma/total_mappings", 17)
        tree.run("stat", "--json").stdout
    """

    def __init__(self, test, files=()):
        directory = tempfile.TemporaryDirectory()
        test.addCleanup(directory.cleanup)
        self.path = directory.name
        for name, content in dict(files).items():
            self.put(name, content)

    def _place(self, name):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def put(self, name, content=""):
        """A file; what is no bytes is written as a line of text."""
        data = content if isinstance(content, bytes) else f"{content}\n".encode()
        new = os.path.join(self.path, ".new")  # at once: somebody may be reading the old one
        with open(new, "wb") as file:
            file.write(data)
        os.replace(new, self._place(name))

    def put_gzip(self, name, text):
        self.put(name, gzip.compress(text.encode()))

    def make_dir(self, name):
        os.makedirs(os.path.join(self.path, name), exist_ok=True)

    def link(self, name, target):
        os.symlink(target, self._place(name))

    def remove(self, name):
        os.remove(os.path.join(self.path, name))

    def command(self, *arguments):
        return [P2PTRACE, arguments[0], "--root", self.path, *map(str, arguments[1:])]

    def run(self, *arguments, status=0, **more):
        """Runs a command on the tree and checks its exit status."""
        return run(self.command(*arguments), status, **more)


def run_bytes(command):
    """What a program writes that is no text."""
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60).stdout


def run(command, status=0, **more):
    done = subprocess.run(command, capture_output=True, check=False, timeout=60, text=True,
                          errors="backslashreplace", **more)
    if done.returncode != status:
        raise AssertionError(f"{command} ended with {done.returncode}, not {status}:\n"
                             f"{done.stdout}{done.stderr}")
    return done
