# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest left behind, and what must hold on it."""
import json
import re
import subprocess

# Lines the kernel prints when something is wrong with it, or with our module.
KERNEL_TROUBLE = re.compile(
    r"WARNING: |BUG: |Oops|KASAN|possible (recursive|circular)|inconsistent lock|"
    r"possible deadlock|INFO: task .* blocked|rcu:.*stall|Call Trace|kmemleak: \d+ new|"
    r"refcount_t|sleeping function called")


class Results:
    """The folder of one run.  Every expectation is looked at; failures are collected."""

    def __init__(self, folder, machine_name, machine, kernel, program):
        self.folder = folder
        self.program = program
        self.machine_name = machine_name
        self.machine = machine
        self.kernel = kernel
        self.failures = []
        self.checks = 0

    def text(self, name):
        try:
            return (self.folder / name).read_text(errors="replace")
        except OSError as error:
            self.failures.append(f"{name}: {error.strerror}")
            return ""

    def json(self, name):
        """A JSON file, {} (and a failure) when it is missing or broken."""
        try:
            return json.loads(self.text(name) or "{}")
        except ValueError as error:
            self.failures.append(f"{name}: {error}")
            return {}

    def json_lines(self, name):
        try:
            return [json.loads(line) for line in self.text(name).splitlines()]
        except ValueError as error:
            self.failures.append(f"{name}: {error}")
            return []

    def p2ptrace(self, *arguments):
        """The JSON document p2ptrace prints, run here on the host in the results' folder."""
        done = subprocess.run([self.program, *arguments], cwd=self.folder, capture_output=True,
                              text=True, check=False)
        title = "p2ptrace " + " ".join(arguments)
        if done.returncode:
            self.failures.append(f"{title}: status {done.returncode}: {done.stderr.strip()}")
            return {}
        try:
            return json.loads(done.stdout)
        except ValueError as error:
            self.failures.append(f"{title}: {error}")
            return {}

    def true(self, what, holds):
        self.checks += 1
        if not holds:
            self.failures.append(what)

    def equal(self, what, got, wanted):
        self.true(f"{what}: {got!r}, not {wanted!r}", got == wanted)

    def contains(self, name, pattern):
        self.true(f"{name} has no line like '{pattern}'", re.search(pattern, self.text(name), re.M))

    def kernel_content(self):
        """No complaint of the kernel's; holds for every scenario."""
        for line in self.text("dmesg.txt").splitlines():
            if KERNEL_TROUBLE.search(line):
                self.failures.append("kernel: " + line.strip())
                break
        self.checks += 1
        if (self.folder / "kmemleak.txt").exists():
            self.equal("memory leaked in the kernel", self.text("kmemleak.txt"), "")
            self.contains("lockdep.txt", r"debug_locks:\s+1")
