# SPDX-License-Identifier: GPL-2.0-or-later
"""The uprobe rig for tests: real events in a real ring buffer, and what is true of them.

    with rig.Group() as group, rig.Instance() as instance:
        instance.enable(group)
        truth = rig.run("--events", 1000, "--leak-maps", 2)
        instance.stop()
        instance.events()                    # the kernel's own text, parsed
        instance.extract("foreign.dat")      # or a file that trace-cmd wrote
        rig.assert_report(self, truth, rig.report("foreign.dat"))

Needs root and tracefs; the environment (tests/run.py sets it) names the programs:
P2PTRACE, RIG, BUILD.  Everything made here has a unique name with this process's
number in it and is removed again, and what a killed test left behind is removed by
clean_stale().
"""

import contextlib
import errno
import itertools
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest

import rig_view

TRACING = "/sys/kernel/tracing"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
RIG = os.environ.get("RIG", os.path.join(BUILD, "rig/p2prig"))
P2PTRACE = os.environ.get("P2PTRACE", os.path.join(BUILD, "p2ptrace"))

PREFIX = "p2prigtest"

_numbers = itertools.count()

if not os.access(RIG, os.X_OK):
    raise RuntimeError(f"{RIG} is not built: make rig")


def why_not():
    """Why the rig cannot work here, None if it can."""
    if os.geteuid() != 0:
        return "needs root (tracefs and uprobes)"
    if not os.path.exists(TRACING + "/uprobe_events"):
        return "no tracefs with uprobes at " + TRACING
    return None


def needs_rig(test):
    """Decorator: skips, and says why, where the rig cannot work."""
    reason = why_not()
    return unittest.skip(reason)(test) if reason else test


def unique_name():
    return f"{PREFIX}_{os.getpid()}_{next(_numbers)}"


def _write(path, text):
    # tracefs wants each value in one write; O_APPEND keeps other people's definitions.
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, str(text).encode())
    finally:
        os.close(fd)


def _owner_is_gone(name):
    match = re.fullmatch(PREFIX + r"_(\d+)_\d+", name)
    return match and not os.path.exists("/proc/" + match.group(1))


def clean_stale():
    """Removes instances and groups of tests that were killed; never a running one's."""
    if why_not():
        return
    instances = TRACING + "/instances/"
    for name in filter(_owner_is_gone, os.listdir(instances)):
        with contextlib.suppress(OSError):
            _write(instances + name + "/events/enable", 0)
            os.rmdir(instances + name)
    for name in filter(_owner_is_gone, os.listdir(TRACING + "/events")):
        subprocess.run([RIG, "remove", "--group", name], check=False)


class Group:
    """The five uprobe events in a group of their own; options as of `p2prig define`."""

    def __init__(self, *options):
        self.name = unique_name()
        self.options = [str(option) for option in options]

    def __enter__(self):
        subprocess.run([RIG, "define", "--group", self.name, *self.options], check=True)
        return self

    def __exit__(self, *_):
        subprocess.run([RIG, "remove", "--group", self.name], check=True)


class Instance:
    """A raw tracefs instance: the view that owes nothing to p2ptrace."""

    def __init__(self, buffer_kb=16384, subbuf_kb=None, clock="mono", overwrite=True):
        self.name = unique_name()
        self.path = f"{TRACING}/instances/{self.name}"
        self.settings = [("trace_clock", clock), ("options/record-tgid", 1),
                         ("options/overwrite", int(overwrite))]
        if subbuf_kb and os.path.exists(TRACING + "/buffer_subbuf_size_kb"):
            self.settings.append(("buffer_subbuf_size_kb", subbuf_kb))
        self.settings.append(("buffer_size_kb", buffer_kb))

    def __enter__(self):
        os.mkdir(self.path)
        for name, value in self.settings:
            self.write(name, value)
        return self

    def __exit__(self, *_):
        if os.path.exists(self.path):  # extract() takes it away
            self.write("events/enable", 0)
            self._remove()

    def _remove(self):
        """Whoever else looks at tracefs may have a file of it open for a moment."""
        for attempt in range(50):
            try:
                os.rmdir(self.path)
                return
            except OSError as error:
                if error.errno != errno.EBUSY or attempt == 49:
                    raise
            time.sleep(0.1)

    def write(self, name, value):
        _write(f"{self.path}/{name}", value)

    def read(self, name):
        with open(f"{self.path}/{name}", "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")

    def enable(self, group):
        self.write(f"events/{group.name}/enable", 1)

    def stop(self):
        self.write("tracing_on", 0)

    def stats(self):
        """per_cpu/cpuN/stats: a list of dictionaries of numbers, one a CPU."""
        cpus = sorted(os.listdir(self.path + "/per_cpu"), key=lambda name: int(name[3:]))
        return [dict((key.strip(), float(value) if "." in value else int(value))
                     for key, value in (line.split(":")
                                        for line in self.read(f"per_cpu/{cpu}/stats").splitlines()))
                for cpu in cpus]

    def events(self):
        """The kernel's own text of the buffer, as a list of dictionaries."""
        return rig_view.parse_trace(self.read("trace"))

    def extract(self, path):
        """Writes a trace.dat with trace-cmd, which takes the instance away."""
        subprocess.run(["trace-cmd", "extract", "-B", self.name, "-o", path],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def convert(source, target, version=7, compression="none"):
    """Rewrites a trace.dat with trace-cmd as file version 6 or 7, "none" or "zstd"."""
    subprocess.run(["trace-cmd", "convert", "-i", source, "-o", target,
                    "--file-version", str(version), "--compression", compression],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def trace_cmd_count(path):
    """How many P2P events `trace-cmd report` prints of a file, by name."""
    text = subprocess.run(["trace-cmd", "report", "-i", path], check=True,
                          capture_output=True).stdout.decode("utf-8", "surrogateescape")
    return {short: len(re.findall(rf": {name}: ", text)) for name, short in rig_view.EVENTS.items()}


def run(*options):
    """Runs the workload to its end; its ground truth."""
    done = subprocess.run([RIG, "run", *map(str, options)], check=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


class Running:
    """A workload with --hold: its work is done when the block begins, `truth` is there, and
    its processes live until the block ends."""

    def __init__(self, *options):
        self.options = [str(option) for option in options]

    def __enter__(self):
        self.process = subprocess.Popen([RIG, "run", *self.options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        text = b""
        for line in self.process.stdout:  # the pipe stays open: the last line ends the document
            text += line
            if line.startswith(b'"complete"'):
                break
        self.truth = json.loads(text)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        if self.process.wait(timeout=30):
            raise RuntimeError(f"the rig ended with status {self.process.returncode}")


class Recording:
    """A `p2ptrace record` of a group in the background, which records when this returns."""

    def __init__(self, path, group, *options):
        self.path = path
        before = set(os.listdir(TRACING + "/instances"))
        self.process = subprocess.Popen(
            [P2PTRACE, "record", "-o", path, "--system", group.name, *map(str, options)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            self._await(group, before)
        except BaseException:
            self.process.kill()
            self.process.communicate()
            raise

    def _await(self, group, before):
        """Until a new instance has the group's events on; its buffers run by then."""
        limit = time.monotonic() + 30
        while time.monotonic() < limit and self.process.poll() is None:
            for name in set(os.listdir(TRACING + "/instances")) - before:
                with contextlib.suppress(OSError):
                    if self.runs(f"{TRACING}/instances/{name}", group):
                        return
            time.sleep(0.01)
        status = self.process.poll()
        why = "it takes too long"
        if status is not None:
            why = f"status {status}: {self.process.communicate()[1].decode('utf-8', 'replace')}"
        raise RuntimeError("p2ptrace record does not begin: " + why)

    @staticmethod
    def runs(instance, group):
        def read(path):
            with open(f"{instance}/{path}", encoding="ascii") as file:
                return file.read().strip()

        return (read(f"events/{group.name}/p2p_dma_unmap/enable").startswith("1") and
                read("tracing_on") == "1")

    def stop(self, number=signal.SIGINT):
        """Ends the recording; its stderr.  The file is complete when this returns."""
        self.process.send_signal(number)
        errors = self.process.communicate(timeout=60)[1].decode("utf-8", "replace")
        if self.process.returncode:
            raise RuntimeError(f"p2ptrace record: status {self.process.returncode}: {errors}")
        return errors


def p2ptrace(*arguments, status=0, **settings):
    """Runs p2ptrace; fails unless it ends with `status`.  Gives stdout and stderr as text."""
    done = subprocess.run([P2PTRACE, *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, check=False, **settings)
    done.stdout, done.stderr = (text.decode("utf-8", "surrogateescape")
                                for text in (done.stdout, done.stderr))
    if done.returncode != status:
        raise AssertionError(f"p2ptrace {' '.join(map(str, arguments))}: status "
                             f"{done.returncode}, not {status}: {done.stderr}")
    return done


def report(path, *arguments):
    return json.loads(p2ptrace("report", "--json", "-i", path, *arguments).stdout)


def leaks(path, *arguments):
    return json.loads(p2ptrace("leaks", "--json", "-i", path, *arguments).stdout)


# --- the ground truth against what p2ptrace says, number by number ---

PAIR_KEYS = ("maps", "unmaps", "bytes", "outstanding", "outstanding_bytes")
PROCESS_KEYS = ("allocs", "alloc_bytes", "frees", "free_bytes", "maps", "map_bytes", "unmaps",
                "bus_addr", "thru_host_bridge", "not_supported")


def by(rows, *keys):
    """Rows of a JSON table as a dictionary; a key that stands twice is an error."""
    table = {}
    for row in rows:
        key = tuple(row[name] for name in keys)
        if key in table:
            raise AssertionError(f"two rows for {key}")
        table[key] = row
    return table


def pick(table, keys):
    return {key: {name: row[name] for name in keys} for key, row in table.items()}


def assert_report(test, truth, document, lost=0):
    """Every number of `report --json` that the rig knows."""
    equal = test.assertEqual
    counts = dict(document["events"])
    equal(counts.pop("lost"), lost)
    counts.pop("other")
    for name in ("foreign", "damaged", "lost_uncounted"):
        equal(counts.pop(name), 0, name)
    equal(counts, truth["events"])
    equal(pick(by(document["map_types"], "type"), ("maps", "bytes")),
          pick(by(truth["map_types"], "type"), ("maps", "bytes")))
    maps = sum(row["maps"] for row in truth["map_types"])
    for row in document["map_types"]:
        test.assertAlmostEqual(row["share"], row["maps"] / maps, places=6)
    assert_ratio(test, truth, document)
    pair = ("client", "provider", "type")
    equal(pick(by(document["pairs"], *pair), PAIR_KEYS), pick(by(truth["pairs"], *pair), PAIR_KEYS))
    equal(pick(by(document["processes"], "pid"), PROCESS_KEYS),
          pick(by(truth["processes"], "pid"), PROCESS_KEYS))
    for name in ("failed", "orphans", "outstanding"):
        equal(document[name], truth[name], name)
    equal(document["superseded"], 0)
    if "lifetimes" in truth:
        assert_lifetimes(test, truth, document)


def assert_ratio(test, truth, document):
    types = by(truth["map_types"], "type")
    good = sum(row["maps"] for (kind,), row in types.items() if kind != "NOT_SUPPORTED")
    if not good:
        test.assertIsNone(document["bus_addr_ratio"])
        return
    direct = types.get(("BUS_ADDR",), {"maps": 0})["maps"]
    test.assertAlmostEqual(document["bus_addr_ratio"], direct / good, places=6)


def assert_lifetimes(test, truth, document):
    """The measured lifetimes lie within the rig's bounds (clock mono only)."""
    for name, bounds in truth["lifetimes"].items():
        seen = document["lifetimes"][name]
        test.assertEqual(seen["count"], bounds["count"], name)
        if not bounds["count"]:
            continue
        total = seen["mean"] * seen["count"]
        test.assertLessEqual(bounds["sum_low"], total * 1.000001, name)
        test.assertGreaterEqual(bounds["sum_high"], total * 0.999999, name)
        test.assertLessEqual(bounds["max_low"], seen["max"], name)
        test.assertGreaterEqual(bounds["max_high"], seen["max"], name)


LEAK_KEYS = ("kind", "verdict", "pid", "provider", "client", "type", "bytes")


def assert_leaks(test, truth, document):
    """The same leaks, one by one, and the same totals; an address lies within the leak."""
    def rows(leaks_of):
        return sorted((tuple(str(row[key]) for key in LEAK_KEYS) for row in leaks_of))

    test.assertEqual(document["lost"], 0)
    test.assertEqual(rows(document["leaks"]), rows(truth["leaks"]))
    for verdict in ("leaked", "in_flight", "unknown"):
        mine = [row for row in truth["leaks"] if row["verdict"] == verdict]
        test.assertEqual(document["totals"][verdict],
                         {"count": len(mine), "bytes": sum(row["bytes"] for row in mine)})
    starts = {int(row["addr"], 16) for row in truth["leaks"]}
    starts |= {int(row["addr"], 16) + row["freed"] for row in truth["leaks"]}
    test.assertLessEqual({int(row["addr"], 16) for row in document["leaks"]}, starts)


class FolderCase(unittest.TestCase):
    """A folder, paths in it for a recording and the truth, and a group of events."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="p2ptrace-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(self.folder, "x.dat")
        self.truth = os.path.join(self.folder, "truth.json")
        self.group = Group("--type-names")
        self.group.__enter__()
        self.addCleanup(self.group.__exit__, None, None, None)
