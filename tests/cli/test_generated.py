# SPDX-License-Identifier: GPL-2.0-or-later
"""Generated recordings: what the generator meant against what p2ptrace finds, every number.

A recording is drawn from a seed: its size, CPUs, pages, traffic, loss, and what the file
tells.  P2PTRACE_SEEDS=1000 tries more seeds than the default; P2PTRACE_FIRST_SEED=N begins
elsewhere.  A failure names the generator's command line.
"""

import concurrent.futures
import glob
import json
import os
import random
import shlex
import subprocess
import sys
import tempfile
import traceback
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
P2PTRACE = os.environ.get("P2PTRACE", os.path.join(BUILD, "p2ptrace"))
GENERATOR = os.path.join(BUILD, "bench/p2pgen")

sys.path.insert(0, os.path.join(ROOT, "tests"))
import reference  # pylint: disable=wrong-import-position

if not os.access(GENERATOR, os.X_OK):
    raise RuntimeError(f"{GENERATOR} is not built: make generator")

SEEDS = int(os.environ.get("P2PTRACE_SEEDS", "300"))
FIRST_SEED = int(os.environ.get("P2PTRACE_FIRST_SEED", "1"))
REFERENCE_SEEDS = max(SEEDS // 5, 20)


# --- drawing recordings ---

def draw(seed, events=(200, 5000)):
    """The generator's options for a seed."""
    dice = random.Random(seed)
    options = {
        "--seed": seed, "--events": dice.randint(*events),
        "--cpus": dice.choice([1, 1, 2, 3, 4, 8, 8, 17, 64, 256]),
        "--load": dice.choice(["even", "skewed", "sparse"]),
        "--in-flight": dice.choice([1, 5, 50, 300, 2000]),
        "--leaks": dice.choice([0, 3, 40]),
        "--pairs": dice.choice(["1x1", "3x2", "8x4", "40x9"]),
        "--pids": dice.choice([1, 2, 16, 700]), "--threads": dice.choice([1, 2, 5]),
        "--sub-buffer": dice.choice(["4k", "8k", "16k", "32k", "64k"]),
        "--file-version": dice.choice([6, 7]),
        "--specials": dice.choice([0, 2, 20, 60]), "--others": dice.choice([0, 0, 10]),
        "--liveness": dice.choice(["saved", "saved", "exits", "none"]),
        "--sizes": dice.choice(["all"] * 5 + ["begins", "none"]),
        "--base": dice.choice([1, 10 ** 11, 10 ** 15 + 7, 5 * 10 ** 18]),
        "--pace": dice.choice([330, 330, 20000, 400000]),
        "--clock": dice.choice(["mono"] * 6 + ["counter"]),
    }
    if dice.random() < 0.5:
        options["--loss"] = dice.choice([0.5, 5, 30])
        if dice.random() < 0.15:
            options[dice.choice(["--missed", "--unsaved"])] = dice.randint(1, 9)
    flags = {"--no-stats": 0.2, "--full": 0.4, "--type-text": 0.3, "--new-numbering": 0.3,
             "--long-names": 0.3, "--equal-stamps": 0.4, "--jumps": 0.3, "--foreign": 0.15}
    words = [str(word) for pair in options.items() for word in pair]
    return words + [flag for flag, chance in flags.items() if dice.random() < chance]


def read(path, *words):
    """What a reading command prints of a file."""
    done = subprocess.run([P2PTRACE, *words, "-i", path], check=False, stdin=subprocess.DEVNULL,
                          capture_output=True)
    if done.returncode:
        raise AssertionError(f"p2ptrace {shlex.join(words)} ended with status "
                             f"{done.returncode}: {done.stderr.decode()}")
    return done.stdout


class Recording:
    """A generated file and its truth, in a folder of its own."""

    def __init__(self, words):
        self.folder = tempfile.TemporaryDirectory(prefix="p2ptrace-generated-")
        self.path = os.path.join(self.folder.name, "g.dat")
        self.command = shlex.join([GENERATOR, "-o", "g.dat", *words])
        done = subprocess.run([GENERATOR, "-o", self.path, "--truth", "-", *words], check=False,
                              capture_output=True)
        if done.returncode:
            raise AssertionError(f"{self.command}: {done.stderr.decode()}")
        self.truth = json.loads(done.stdout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def read(self, *words):
        return read(self.path, *words)

    def convert(self, version, compression):
        """From now on as trace-cmd writes it, which leaves out p2ptrace's own option."""
        other = os.path.join(self.folder.name, "converted.dat")
        words = ["trace-cmd", "convert", "-i", self.path, "-o", other, "--file-version",
                 str(version), "--compression", compression]
        done = subprocess.run(words, check=False, capture_output=True)
        if done.returncode:
            raise AssertionError(f"{shlex.join(words)}: {done.stderr.decode()}")
        self.path = other
        self.command += f"; then converted to version {version}, compression {compression}"


# --- comparing ---

class Differences:
    """Collects what is not as it should be, with where it stands."""

    def __init__(self):
        self.lines = []

    def add(self, where, expected, found):
        self.lines.append(f"{where}: {found!r}, should be {expected!r}")

    def equal(self, where, expected, found):
        if expected != found:
            self.add(where, expected, found)

    def close(self, where, expected, found, tolerance):
        """Two numbers that agree up to a part of them, or both None."""
        if expected is None or found is None:
            self.equal(where, expected, found)
        elif abs(expected - found) > tolerance * abs(expected):
            self.add(where, expected, found)

    def lifetimes(self, where, expected, found):
        """Counts and bounds exactly, percentiles within the histogram's 1 %."""
        if expected is None or found is None:
            self.equal(where, expected, found)
            return
        for key in ("count", "min", "max"):
            if key in expected:
                self.equal(f"{where}.{key}", expected[key], found[key])
        if "mean" in expected:
            self.close(f"{where}.mean", expected["mean"], found["mean"], 1e-9)
        for key in ("p50", "p90", "p99", "p999"):
            if key in expected:
                self.close(f"{where}.{key}", expected[key], found[key], 0.01)

    def rows(self, where, expected, found, keys):
        """Two tables, row by row of the same key; all that is expected is there."""
        mine = {tuple(row[key] for key in keys): row for row in expected}
        theirs = {tuple(row[key] for key in keys): row for row in found}
        self.equal(f"{where}: rows", len(found), len(theirs))
        for key in mine.keys() - theirs.keys():
            self.add(f"{where} {key}", mine[key], None)
        for key in theirs.keys() - mine.keys():
            self.add(f"{where} {key}", None, theirs[key])
        for key in mine.keys() & theirs.keys():
            for name, value in mine[key].items():
                compare = self.lifetimes if name == "lifetime_ns" else self.equal
                compare(f"{where} {key}.{name}", value, theirs[key].get(name))


def ratio(truth):
    """BUS_ADDR of the maps that succeeded."""
    good = {row["type"]: row["maps"] - row["failed"] for row in truth["map_types"]}
    return good.get("BUS_ADDR", 0) / sum(good.values()) if sum(good.values()) else None


def compare_report(differences, truth, report):
    """Everything the truth knows against `report --json`."""
    for name in ("clock", "start_ns", "duration_ns", "outstanding", "orphans", "superseded",
                 "failed"):
        if name in truth:
            differences.equal(name, truth[name], report[name])
    for name, value in truth["events"].items():
        differences.equal(f"events.{name}", value, report["events"][name])
    if "loss" in truth:
        found = [row for row in report["loss"] if row["lost"]]
        differences.rows("loss", truth["loss"], found, ("cpu",))
    differences.rows("map_types", truth["map_types"], report["map_types"], ("type",))
    maps = truth["events"]["map"]
    for row in report["map_types"] if maps else []:
        differences.close(f"map_types {row['type']}.share", row["maps"] / maps, row["share"], 1e-9)
    differences.close("bus_addr_ratio", ratio(truth), report["bus_addr_ratio"], 1e-9)
    differences.rows("pairs", truth["pairs"], report["pairs"], ("client", "provider", "type"))
    differences.rows("providers", truth["providers"], report["providers"], ("provider",))
    differences.rows("processes", truth["processes"], report["processes"], ("pid",))
    for name, lifetimes in truth["lifetimes"].items():
        differences.lifetimes(f"lifetimes.{name}", lifetimes, report["lifetimes"][name])


LEAK_KEYS = ("kind", "verdict", "pid", "comm", "provider", "client", "type", "bytes", "age_ns",
             "ts_ns")


def leak_row(row, names=LEAK_KEYS):
    return tuple(-1 if row[name] is None else row[name] for name in names)


def compare_leaks(differences, truth, leaks):
    """Each leak with its verdict, at the first address that is open."""
    differences.equal("leaks: lost", truth["events"]["lost"], leaks["lost"])
    if "leak_totals" in truth:
        differences.equal("leaks: totals", truth["leak_totals"], leaks["totals"])
    names = tuple(name for name in LEAK_KEYS if all(name in row for row in truth["leaks"]))
    def key(row):
        return str(leak_row(row, names)), int(row.get("open_addr", row["addr"]), 16)

    mine, theirs = sorted(truth["leaks"], key=key), sorted(leaks["leaks"], key=key)
    differences.equal("leaks: number", len(mine), len(theirs))
    for expected, found in zip(mine, theirs):
        differences.equal(f"leak {expected['addr']}", leak_row(expected, names),
                          leak_row(found, names))
        differences.equal(f"leak {expected['addr']}: address", expected["open_addr"], found["addr"])


def same_for_all_threads(differences, recording):
    """The documents of one thread; those of two, which share the work in another way than
    more of them, and of four are the same to the last byte."""
    documents = {}
    for words in (("report", "--json"), ("report", "--top", "0"), ("leaks", "--json")):
        one = recording.read(*words, "-j", "1")
        for threads in ("2", "4"):
            if recording.read(*words, "-j", threads) != one:
                differences.add(" ".join(words) + f": with {threads} threads", "the same",
                                "another text")
        documents[words] = one
    return (json.loads(documents["report", "--json"]), json.loads(documents["leaks", "--json"]))


def check_seed(seed, events=(200, 5000)):
    """None, or what is wrong."""
    differences = Differences()
    with Recording(draw(seed, events)) as recording:
        report, leaks = same_for_all_threads(differences, recording)
        compare_report(differences, recording.truth, report)
        compare_leaks(differences, recording.truth, leaks)
        return describe(recording, differences)


def check_converted(seed):
    """The same events as trace-cmd writes them."""
    differences = Differences()
    words = [word for word in draw(seed) if word != "--foreign"] + ["--foreign"]
    with Recording(words) as recording:
        recording.convert(*((6, "none"), (7, "none"), (7, "zstd"))[seed % 3])
        report, leaks = same_for_all_threads(differences, recording)
        compare_report(differences, recording.truth, report)
        compare_leaks(differences, recording.truth, leaks)
        return describe(recording, differences)


def compare_reference(differences, path):
    """The slow reference, from trace-cmd's text, against the report."""
    document = reference.analyse(path)
    compare_report(differences, document, json.loads(read(path, "report", "--json")))
    compare_leaks(differences, document, json.loads(read(path, "leaks", "--json")))


def check_reference(seed):
    differences = Differences()
    with Recording(draw(seed, events=(200, 1500))) as recording:
        compare_reference(differences, recording.path)
        return describe(recording, differences)


def describe(recording, differences):
    if not differences.lines:
        return None
    return "\n".join([recording.command, *differences.lines[:12],
                      f"{len(differences.lines)} differences"])


class Seeds(unittest.TestCase):
    """Many recordings, two at a time."""

    def try_all(self, check, seeds):
        def look(seed):
            try:
                return check(seed)
            except Exception:  # pylint: disable=broad-except
                return f"seed {seed}: {traceback.format_exc()}"

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            wrong = [text for text in pool.map(look, seeds) if text]
        if wrong:
            self.fail("\n\n".join(wrong[:5]) + f"\n\n{len(wrong)} of {len(seeds)} seeds failed")

    def test_truth(self):
        self.try_all(check_seed, range(FIRST_SEED, FIRST_SEED + SEEDS))

    def test_slow_reference(self):
        self.try_all(check_reference, range(FIRST_SEED, FIRST_SEED + REFERENCE_SEEDS))

    def test_recordings_of_many_slices(self):
        """Large enough to be read in several stretches of time."""
        self.try_all(lambda seed: check_seed(seed, (150000, 400000)),
                     range(FIRST_SEED, FIRST_SEED + max(SEEDS // 25, 4)))


    def test_as_trace_cmd_writes_them(self):
        self.try_all(check_converted, range(FIRST_SEED, FIRST_SEED + REFERENCE_SEEDS))


class Fixtures(unittest.TestCase):
    """The recordings of real events that are kept.

    Those by probes have other fields, which the reference does not know: what they hold
    is checked in test_lab_recordings against what the traffic's program said.
    """

    def test_slow_reference(self):
        everything = glob.glob(os.path.join(ROOT, "tests/fixtures/**/*.dat"), recursive=True)
        paths = [path for path in sorted(everything) if not self.is_by_probes(path)]
        self.assertGreaterEqual(len(paths), 7)
        for path in paths:
            with self.subTest(path):
                differences = Differences()
                compare_reference(differences, path)
                self.assertEqual(differences.lines, [])

    @staticmethod
    def is_by_probes(path):
        return json.loads(read(path, "info", "--json"))["recording"]["source"] == "probe"


if __name__ == "__main__":
    unittest.main()
