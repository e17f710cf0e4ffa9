#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs every test there is: the unit tests' binaries and tests/cli/test_*.py.

    tests/run.py [-b BUILD] [-t SECONDS] [-v] [NAME...]

A NAME picks the test files whose name contains it (test_rig), or single tests
(test_rig.Faults.test_overlaps).  Files that use this machine's tracefs run one after the other, and
beside them, where there is more than one CPU, the others.  One line for each file, each
failure and each skipped test with its reason; failures with their output.  The last line is exactly
"N passed, N failed, N skipped"; exit status 1 on any failure.

Tests find what they need in the environment: P2PTRACE (the program), BUILD (the build
folder), RIG (the uprobe rig).
"""

import argparse
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TRACING = "/sys/kernel/tracing"
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
RUNNING = set()  # the test files' processes, to be ended on ^C


class Result:
    """One test: what became of it, and the words that go with it."""

    def __init__(self, name, status, detail=""):
        self.name, self.status, self.detail = name, status, detail


def mount_tracefs():
    """With root a missing mount is no reason to skip anything."""
    if os.geteuid() == 0 and os.path.isdir(TRACING) and not os.listdir(TRACING):
        subprocess.run(["mount", "-t", "tracefs", "nodev", TRACING], check=False)


def clean_stale(settings):
    """What killed runs left behind in tracefs; the rig's module knows its own names."""
    if os.path.exists(os.path.join(settings.cli, "rig.py")):
        subprocess.run([sys.executable, "-c", "import rig; rig.clean_stale()"], check=False,
                       env=settings.environment)


def run_limited(command, limit, environment):
    """Runs a test file in a process group of its own; the whole group ends with it.

    Gives (exit status, output, whether time ran out).  Output goes through a file: a
    pipe would be kept open by whatever a test leaves running.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        RUNNING.add(process)
        try:
            status, late = process.wait(timeout=limit), False
        except subprocess.TimeoutExpired:
            status, late = None, True
        finally:
            end_group(process)
            RUNNING.discard(process)
        output.seek(0)
        return status, output.read().decode("utf-8", "backslashreplace"), late


def end_group(process):
    """Politely first: tests then remove their instances and groups."""
    for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def incomplete(name, status, output, late, limit):
    """The result of a file that did not come to its end."""
    if late:
        reason = f"not done after {limit} s, ended"
    elif status < 0:
        reason = f"died of {signal.Signals(-status).name}"
    else:
        reason = f"ended with status {status}"
    return Result(name, FAILED, f"{reason}\n{output}".rstrip())


# --- unit tests: cmocka, TAP ---

_TAP = re.compile(r"(not )?ok \d+ (?:- )?(.*)")
_TAP_SKIP = re.compile(r"(.*?)\s*# SKIP\s*(.*)", re.IGNORECASE)


def read_tap(file, text):
    """Results of a TAP stream; what a failing test printed stands around its line."""
    results, pending, planned = [], [], 0
    for line in text.splitlines():
        plan = re.fullmatch(r"1\.\.(\d+)", line)
        match = _TAP.fullmatch(line)
        if plan:
            planned += int(plan[1])
        elif match:
            name, skip = match[2], _TAP_SKIP.fullmatch(match[2])
            if skip:
                results.append(Result(f"{file}.{skip[1]}", SKIPPED, skip[2] or "no reason given"))
            elif match[1]:
                results.append(Result(f"{file}.{name}", FAILED, "\n".join(pending)))
            else:
                results.append(Result(f"{file}.{name}", PASSED))
            pending = []
        elif results and results[-1].status == FAILED and line.startswith("#"):
            results[-1].detail += "\n" + line
        else:
            pending.append(line)
    return results, planned, "\n".join(pending)


def run_unit(path, settings):
    file = os.path.basename(path)
    environment = dict(settings.environment, CMOCKA_MESSAGE_OUTPUT="TAP")
    status, output, late = run_limited([path], settings.limit, environment)
    results, planned, rest = read_tap(file, output)
    if late or len(results) != planned or not planned:
        results.append(incomplete(file, status, rest, late, settings.limit))
    elif status and not any(result.status == FAILED for result in results):
        results.append(incomplete(file, status, output, late, settings.limit))
    return results


# --- tests of the program: unittest files, each in an interpreter of its own ---

# Runs one file and prints a line of JSON per test behind a mark.  When time is up SIGTERM
# becomes an exception: it says where the test hung, and the test's cleaning up runs.
_CHILD = r"""
import json, signal, sys, unittest
mark, module = sys.argv[1], sys.argv[2]
def say(test, status, detail=""):
    print(mark + json.dumps([test.id(), status, detail]), flush=True)
class Log(unittest.TestResult):
    broken = False
    def startTest(self, test):
        super().startTest(test)
        self.broken = False
    def say_failed(self, test, error):
        self.broken = True
        say(test, "failed", self._exc_info_to_string(error, test))
    def addFailure(self, test, error):
        self.say_failed(test, error)
    def addError(self, test, error):
        self.say_failed(test, error)
    def addSubTest(self, test, subtest, error):
        if error:
            self.broken = True
            say(subtest, "failed", self._exc_info_to_string(error, test))
    def addSkip(self, test, reason):
        self.broken = True
        say(test, "skipped", reason)
    def addSuccess(self, test):
        if not self.broken:
            say(test, "passed")
    def addExpectedFailure(self, test, error):
        say(test, "passed")
    def addUnexpectedSuccess(self, test):
        say(test, "failed", "passed, though it is marked as an expected failure")
loader = unittest.TestLoader()
suite = loader.loadTestsFromNames(sys.argv[3:] or [module])
log = Log()
def stop(*_):
    log.stop()
    raise SystemExit("time is up")
signal.signal(signal.SIGTERM, stop)
suite.run(log)
if not log.shouldStop:
    print(mark + json.dumps(["", "done", ""]), flush=True)
"""


def run_cli(path, names, settings):
    module = os.path.splitext(os.path.basename(path))[0]
    mark = f"@{os.getpid()}@"
    command = [sys.executable, "-u", "-c", _CHILD, mark, module, *names]
    status, output, late = run_limited(command, settings.limit, settings.environment)
    results, rest, done = [], [], False
    for line in output.splitlines():
        before, found, record = line.partition(mark)
        if before or not found:
            rest.append(before if found else line)
        if not found:
            continue
        name, what, detail = json.loads(record)
        done = done or what == "done"
        if what != "done":
            results.append(Result(name, what, detail))
    if not done or status:
        results.append(incomplete(module, status, "\n".join(rest), late, settings.limit))
    elif not results:
        results.append(Result(module, FAILED, "holds no test"))
    return results


# --- the whole ---

class Settings:
    def __init__(self, arguments):
        build = os.path.abspath(arguments.build)
        self.limit = arguments.limit
        self.build = build
        self.cli = os.path.abspath(arguments.cli)
        self.environment = dict(
            os.environ, BUILD=build, P2PTRACE=os.path.join(build, "p2ptrace"),
            RIG=os.path.join(build, "rig/p2prig"), LC_ALL="C.UTF-8", PYTHONDONTWRITEBYTECODE="1",
            PYTHONPATH=self.cli)


def files(settings):
    """(name, path, runner) of every test file."""
    units = sorted(path for path in glob.glob(os.path.join(settings.build, "tests/unit/*"))
                   if os.access(path, os.X_OK) and not os.path.isdir(path)
                   and "." not in os.path.basename(path))
    for path in units:
        yield os.path.basename(path), path, lambda p, names: run_unit(p, settings)
    for path in sorted(glob.glob(os.path.join(settings.cli, "test_*.py"))):
        name = os.path.splitext(os.path.basename(path))[0]
        yield name, path, lambda p, names: run_cli(p, names, settings)


def uses_tracefs(path):
    """Whether tests of this file see, and are seen by, other users of tracefs."""
    if not path.endswith(".py"):
        return False
    with open(path, encoding="utf-8") as file:
        return re.search(r"\b(rig|tracefs|TRACING)\b", file.read()) is not None


def chosen(name, wanted):
    """None: not this file; else the single tests of it that were asked for ([]: all)."""
    if not wanted:
        return []
    single = [word for word in wanted if word.startswith(name + ".")]
    if any(word in name for word in wanted):
        return []
    return single or None


def show(name, results, seconds, verbose):
    counts = {status: sum(result.status == status for result in results)
              for status in (PASSED, FAILED, SKIPPED)}
    words = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    print(f"{name:32} {words} ({seconds:.1f} s)", flush=True)
    for result in results:
        if result.status == FAILED:
            print(f"FAILED  {result.name}")
            print("".join(f"    {line}\n" for line in result.detail.splitlines()), end="")
        elif result.status == SKIPPED:
            print(f"SKIPPED {result.name}: {result.detail}")
        elif verbose:
            print(f"passed  {result.name}")
    sys.stdout.flush()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-b", "--build",
                        default=os.environ.get("BUILD", os.path.join(ROOT, "build")))
    parser.add_argument("--cli", default=os.path.join(ROOT, "tests/cli"),
                        help="where the test_*.py are")
    parser.add_argument("-t", "--limit", type=int, default=300, help="seconds for one test file")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count(),
                        help="1: one file after the other")
    parser.add_argument("-v", "--verbose", action="store_true", help="a line for passed tests too")
    parser.add_argument("--without", action="append", default=[], metavar="FILE",
                        help="leave out this test file")
    parser.add_argument("names", nargs="*", metavar="NAME")
    return parser.parse_args()


def main():
    # Under nohup the programs under test would take it that they are not to end at SIGHUP.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    arguments = parse_arguments()
    settings = Settings(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")
    mount_tracefs()
    clean_stale(settings)
    everything, lock = [], threading.Lock()

    def work(queue):
        while queue:
            name, path, run, single = queue.pop(0)
            started = time.monotonic()
            results = run(path, single)
            with lock:
                show(name, results, time.monotonic() - started, arguments.verbose)
                everything.extend(results)

    queues = [], []
    for name, path, run in files(settings):
        single = chosen(name, arguments.names)
        if single is not None and name not in arguments.without:
            queue = queues[arguments.jobs > 1 and uses_tracefs(path)]
            queue.append((name, path, run, single))
    workers = [threading.Thread(target=work, args=[queue]) for queue in queues]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join()
    except KeyboardInterrupt:
        for queue in queues:
            queue.clear()
        for process in list(RUNNING):
            end_group(process)
        raise
    if not everything:
        everything.append(Result("tests", FAILED))
        print("FAILED  no test of this name, or nothing is built in", settings.build)
    totals = [sum(result.status == status for result in everything)
              for status in (PASSED, FAILED, SKIPPED)]
    print("{} passed, {} failed, {} skipped".format(*totals))
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
