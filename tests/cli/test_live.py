# SPDX-License-Identifier: GPL-2.0-or-later
"""p2ptrace live without a screen: replays against the reading commands."""

import glob
import json
import os
import random
import re
import resource
import subprocess
import tempfile
import time
import unittest

import captured
import test_generated as generated

ROOT = generated.ROOT
P2PTRACE = generated.P2PTRACE
FIXTURES = os.path.join(ROOT, "tests/fixtures")
DEMO = os.path.join(FIXTURES, "demo.dat")

PAIR = ("client", "provider", "type", "dist", "maps", "unmaps", "failed", "bytes", "outstanding",
        "outstanding_bytes", "peak_bytes", "lifetime_ns")
PROCESS = ("pid", "comm", "allocs", "alloc_bytes", "frees", "free_bytes", "maps", "map_bytes",
           "unmaps", "bus_addr", "thru_host_bridge", "not_supported")
POOL = ("provider", "allocs", "failed", "bytes", "frees", "free_bytes", "outstanding",
        "outstanding_bytes", "peak_bytes", "lifetime_ns")
TYPE = ("type", "maps", "share", "bytes", "failed")
FINDING = ("id", "severity", "title", "evidence", "cause", "remedy")


def run(*words, status=0, **more):
    done = subprocess.run([P2PTRACE, "live", *map(str, words)], check=False, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=120, **more)
    if done.returncode != status:
        raise AssertionError(f"live {words}: status {done.returncode}: {done.stderr.decode()}")
    return done


def pictures(*words, **more):
    return [json.loads(line) for line in run("--json", *words, **more).stdout.splitlines()]


def last(path, *words):
    (picture,) = pictures("--once", "-i", path, *words)
    return picture


def rows(document, keys):
    return [tuple(row[key] for key in keys) for row in document]


def read(path, command, *words):
    return json.loads(generated.read(path, command, "--json", *words))


class Same(unittest.TestCase):
    """A replay ends with the numbers of the commands that read the whole file."""
    maxDiff = None

    def check(self, path, picture, *filters):
        report = read(path, "report", *filters)
        events = report["events"]
        self.assertEqual((picture["events"], picture["maps"], picture["lost"],
                          picture["lost_uncounted"]),
                         (events["total"], events["map"], events["lost"],
                          events["lost_uncounted"]))
        self.assertEqual(picture["bus_addr_ratio"], report["bus_addr_ratio"])
        self.assertEqual(picture["duration_ns"], report["duration_ns"])
        outstanding = dict(picture["outstanding"])
        self.assertEqual(outstanding.pop("let_go"), 0)
        self.assertEqual(outstanding, report["outstanding"])
        for name, keys in (("map_types", TYPE), ("pairs", PAIR), ("processes", PROCESS),
                           ("providers", POOL)):
            # A machine's pools stand there though nobody used them.
            mine = [row for row in picture[name] if name != "providers" or row["allocs"] or
                    row["provider"] in {other["provider"] for other in report["providers"]}]
            self.assertEqual(rows(mine, keys), rows(report[name], keys), name)
        self.assertEqual(rows(picture["findings"], FINDING),
                         rows(read(path, "analyze", *filters)["findings"], FINDING))
        totals = read(path, "leaks", *filters)["totals"]
        self.assertEqual({name: row["count"] for name, row in picture["verdicts"].items()},
                         {name: row["count"] for name, row in totals.items()})
        self.assertTrue(picture["ended"])

    def test_every_fixture(self):
        files = glob.glob(FIXTURES + "/**/*.dat", recursive=True)
        self.assertGreater(len(files), 3)
        for path in files:
            with self.subTest(path=path):
                self.check(path, last(path))

    def test_drawn_recordings(self):
        for seed in range(9000, 9025):
            with generated.Recording(generated.draw(seed)) as recording:
                with self.subTest(recording.command):
                    self.check(recording.path, last(recording.path))

    def test_in_steps_of_time(self):
        """Many small windows, cut anywhere, instead of few large ones."""
        for seed in (71, 72, 73):
            words = generated.draw(seed) + ["--clock", "mono", "--pace", "20000", "--cpus", "17"]
            with generated.Recording(words) as recording, self.subTest(recording.command):
                seconds = read(recording.path, "report")["duration_ns"] / 1e9
                seen = pictures("-i", recording.path, "-d", "0.1", "--speed", seconds / 0.5)
                self.assertGreater(len(seen), 2)
                self.check(recording.path, seen[-1])

    def test_filters(self):
        for filters, told in ((["--client", "0000:03:00.0"],) * 2,
                              (["-P", "*80*"], ["--provider", "*80*"]),
                              (["-p", "56"], ["--pid", "56"]), (["--comm", "nvme*"],) * 2,
                              (["--type", "BUS_ADDR"],) * 2, (["--cpu", "1"],) * 2,
                              (["--time", "20%,80%"],) * 2):
            with self.subTest(filters=filters):
                self.check(DEMO, last(DEMO, *filters), *told)

    def test_the_oldest_that_is_outstanding(self):
        leaks = read(DEMO, "leaks")["leaks"]
        seen = last(DEMO)["leaks"]
        keys = ("age_ns", "verdict", "kind", "pid", "comm", "provider", "client", "type", "bytes")
        self.assertEqual(sorted(rows(seen, keys), key=str), sorted(rows(leaks, keys), key=str))
        ages = [row["age_ns"] for row in seen]
        self.assertEqual(ages, sorted(ages, reverse=True))

    def test_the_latest_events(self):
        """The last 512 of the file, as `events` prints them."""
        words = "--events 3000 --cpus 5 --full --specials 10".split()
        with generated.Recording(words) as recording:
            lines = [json.loads(line) for line in recording.read("events", "--json").splitlines()]
            seen = last(recording.path)["latest"]
        names = {name for name in seen[0]["event"] and {row["event"] for row in seen}}
        wanted = [row for row in lines if row["event"].startswith("p2p_")][-512:]
        self.assertEqual(len(seen), 512)
        self.assertLessEqual(names, {row["event"] for row in lines})
        self.assertEqual([(row["ts_ns"], row["cpu"], row["event"], row["client"], row["provider"])
                          for row in seen],
                         [(row["ts_ns"], row["cpu"], row["event"], row.get("client"),
                           row.get("provider")) for row in wanted])

    def test_the_latest_losses(self):
        with generated.Recording("--events 400 --loss 20 --cpus 2".split()) as recording:
            seen = last(recording.path)
        lost = [row for row in seen["latest"] if row["event"] == "LOST"]
        self.assertTrue(lost)
        self.assertLessEqual(sum(row["count"] or 0 for row in lost), seen["lost"])

    def test_history(self):
        words = "--events 2000 --pace 5000000 --cpus 3".split()
        with generated.Recording(words) as recording:
            seen = last(recording.path)
            seconds = read(recording.path, "report")["duration_ns"] / 1e9
            lines = [json.loads(line) for line in recording.read("events", "--json").splitlines()]
        self.assertGreater(seconds, 5)
        self.assertIn(len(seen["history"]), (int(seconds) + 1, int(seconds) + 2))
        counts = {}
        for row in lines:
            if row["event"].startswith("p2p_"):
                counts.setdefault(row["ts_ns"] // 10 ** 9, []).append(row["event"])
        first = min(counts)
        for number, row in enumerate(seen["history"]):
            here = counts.get(first + number, [])
            self.assertEqual(row["events"], len(here))
            self.assertEqual(sum(row["maps"].values()), here.count("p2p_dma_map"))


class Pictures(unittest.TestCase):
    def test_numbers_go_on_from_picture_to_picture(self):
        began = time.monotonic()
        seen = pictures("-i", DEMO, "-d", "0.1", "--speed", "2")
        took = time.monotonic() - began
        self.assertGreater(len(seen), 4)
        self.assertGreater(took, 0.7)  # 1.62 s at twice the speed
        self.assertEqual([row["number"] for row in seen], list(range(len(seen))))
        for name in ("events", "maps", "bytes", "duration_ns"):
            values = [row[name] for row in seen]
            self.assertEqual(values, sorted(values), name)
        self.assertLess(seen[0]["events"], 3000)
        self.assertEqual([row["ended"] for row in seen], [False] * (len(seen) - 1) + [True])

    def test_rates(self):
        """What a rate says in an interval is what the totals say."""
        seen = pictures("-i", DEMO, "-d", "0.1", "--speed", "2")
        for before, now in zip(seen, seen[1:]):
            seconds = now["interval_ns"] / 1e9
            self.assertAlmostEqual(now["duration_ns"] - before["duration_ns"], now["interval_ns"],
                                   delta=1)
            for name in ("events", "maps", "bytes"):
                self.assertAlmostEqual(now[name + "_per_s"], (now[name] - before[name]) / seconds,
                                       delta=1)
            old = {(row["client"], row["provider"], row["type"]): row for row in before["pairs"]}
            for row in now["pairs"]:
                was = old.get((row["client"], row["provider"], row["type"]), {"maps": 0})
                self.assertAlmostEqual(row["maps_per_s"], (row["maps"] - was["maps"]) / seconds,
                                       delta=1)
            procs = {row["pid"]: row for row in before["processes"]}
            for row in now["processes"]:
                was = procs.get(row["pid"], {"maps": 0, "map_bytes": 0})
                self.assertAlmostEqual(row["bytes_per_s"],
                                       (row["map_bytes"] - was["map_bytes"]) / seconds, delta=1)

    def test_batch(self):
        text = run("-i", DEMO, "--batch", "2", "-d", "50ms").stdout.decode()
        self.assertEqual(len(re.findall(r"(?m)^p2ptrace live - ", text)), 2)
        self.assertEqual(len(pictures("-i", DEMO, "--batch", "3", "-d", "50ms")), 3)

    def test_batch_ends_with_the_recording(self):
        seen = pictures("-i", DEMO, "--batch", "1000", "--speed", "max", "-d", "50ms")
        self.assertLess(len(seen), 1000)
        self.assertTrue(seen[-1]["ended"])

    def test_text(self):
        text = run(DEMO, "--once").stdout.decode()
        for words in ("6,000", "PAIRS", "PROCESSES", "PROVIDERS", "OUTSTANDING", "FINDINGS",
                      "LATEST EVENTS", "nvme-io", "0000:80:00.0", "12 maps were refused" and
                      "maps were refused", "8 leaked"):
            self.assertIn(words, text)

    def test_empty_recording(self):
        with generated.Recording(["--events", "1"]) as recording:
            seen = last(recording.path)
            self.assertEqual(seen["events"], 1)

    def test_the_matrix_is_the_recordings_own(self):
        seen = {(row["provider"], row["client"]): row for row in last(DEMO)["matrix"]}
        report = read(DEMO, "report")
        for pair in report["pairs"]:
            cell = seen[pair["provider"], pair["client"]]
            mine = [row for row in report["pairs"]
                    if (row["client"], row["provider"]) == (pair["client"], pair["provider"])]
            self.assertEqual(cell["maps"], sum(row["maps"] for row in mine))
            self.assertEqual(cell["observed"], max(mine, key=lambda row: row["maps"])["type"])
            self.assertEqual(cell["mixed"], len([row for row in mine if row["maps"]]) > 1)

    def test_hostile_names(self):
        """Bytes of the recording that could move a cursor never come out as they are."""
        with open(DEMO, "rb") as file:
            data = file.read()
        name = b"\x1b[2J\r\x9bx"
        hostile = re.sub(rb"(?<=\n)(\d+) nvme-io(?=\n)", rb"\1 " + name, data)
        hostile = hostile.replace(b"nvme-io\0", name + b"\0")
        hostile = hostile.replace(b"0000:03:00.0\0", b"\x1b]0;xy\x07\n00.0\0")
        self.assertEqual(len(data), len(hostile))
        self.assertIn(name, hostile)
        self.assertIn(b"\x07\n00", hostile)
        with tempfile.NamedTemporaryFile(suffix=".dat") as file:
            file.write(hostile)
            file.flush()
            text = run("--once", file.name).stdout
            document = last(file.name)
        self.assertFalse(re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", text))
        self.assertNotIn(b"\x9b", text)
        self.assertIn(b"\\x1b[2J", text)
        self.assertIn("\x1b[2J", document["processes"][1]["comm"] + document["processes"][0]["comm"])


class Write(unittest.TestCase):
    def test_a_replay_at_its_end(self):
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/copy.dat"
            run("-i", DEMO, "--once", "-o", path)
            self.assertEqual(os.listdir(folder), ["copy.dat"])
            report, other = read(DEMO, "report"), read(path, "report")
            self.assertEqual({**report, "file": ""}, {**other, "file": ""})

    def check_part(self, recording, speed):
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/part.dat"
            seen = pictures("-i", recording, "--batch", "2", "-d", "0.1", "--speed", speed, "-o",
                            path)[-1]
            report = read(path, "report")
        self.assertFalse(seen["ended"])
        self.assertGreater(seen["events"], 0)
        self.assertEqual(report["events"]["total"], seen["events"])
        self.assertEqual(report["events"]["lost"], seen["lost"])
        self.assertEqual(report["duration_ns"], seen["duration_ns"])
        outstanding = dict(seen["outstanding"])
        outstanding.pop("let_go")
        self.assertEqual(outstanding, report["outstanding"])
        for name, keys in (("pairs", PAIR), ("processes", PROCESS)):
            self.assertEqual(rows(seen[name], keys), rows(report[name], keys), name)
        return report

    def test_a_replay_before_its_end(self):
        """What was seen so far, to the event."""
        whole = read(DEMO, "report")
        part = self.check_part(DEMO, 4)
        self.assertLess(part["events"]["total"], whole["events"]["total"])
        for version in (6, 7):
            words = ["--file-version", str(version), "--events", "4000", "--pace", "100000",
                     "--cpus", "5", "--loss", "3", "--no-stats", "--sub-buffer", "8k", "--specials",
                     "10", "--equal-stamps"]
            with generated.Recording(words) as recording, self.subTest(recording.command):
                seconds = read(recording.path, "report")["duration_ns"] / 1e9
                self.check_part(recording.path, seconds / 0.6)


class Bounds(unittest.TestCase):
    def peak(self, path):
        """Kilobytes that a replay took at most."""
        with subprocess.Popen([P2PTRACE, "live", "--once", "--json", "-i", path],
                              stdout=subprocess.PIPE) as process:
            text = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = status
        self.assertEqual(status, 0)
        return usage.ru_maxrss, json.loads(text)

    @unittest.skipIf("asan" in generated.BUILD, "sanitizers keep what was freed")
    def test_memory_is_flat(self):
        peaks = []
        for events in (100000, 2000000):
            with generated.Recording(["--events", str(events), "--pids", "200"]) as recording:
                peak, picture = self.peak(recording.path)
                self.assertEqual(picture["events"], events)
                peaks.append(peak)
        self.assertLess(peaks[1], peaks[0] + 3000, peaks)

    def test_what_is_outstanding_and_who_did_it_have_an_end(self):
        words = "--events 1000000 --leaks 300000 --pids 20000 --threads 1 --liveness exits".split()
        with generated.Recording(words) as recording:
            picture = last(recording.path)
            report = recording_report = read(recording.path, "report")
        left = picture["outstanding"]
        self.assertGreater(left["let_go"], 0)
        self.assertLessEqual(left["allocs"] + left["maps"], 262144)
        self.assertEqual(left["allocs"] + left["maps"] + left["let_go"],
                         report["outstanding"]["allocs"] + report["outstanding"]["maps"])
        self.assertTrue(any("were given up" in note for note in picture["notes"]))
        self.assertGreater(picture["threads_folded"], 0)
        (others,) = [row for row in picture["processes"] if row["pid"] == -2]
        self.assertEqual(others["comm"], "[others]")
        for key in PROCESS[2:]:
            self.assertEqual(sum(row[key] for row in picture["processes"]),
                             sum(row[key] for row in recording_report["processes"]), key)
        self.assertEqual(len(picture["leaks"]), 1024)

    def test_devices_have_an_end(self):
        with generated.Recording("--events 60000 --pairs 200x200".split()) as recording:
            picture = last(recording.path)
            report = read(recording.path, "report")
        self.assertEqual(picture["maps"], report["events"]["map"])
        self.assertEqual(sum(row["maps"] for row in picture["pairs"]), report["events"]["map"])
        self.assertLess(len(picture["pairs"]), 8200)
        self.assertLess(len(picture["pairs"]), len(report["pairs"]))
        self.assertIn("[others]", {row["client"] for row in picture["pairs"]})


class Counters(unittest.TestCase):
    """Without events, but with the kernel's counters."""
    NOWHERE = ("--system", "there_is_no_such_system", "-S", "tracepoint")

    def tree(self):
        tree = captured.Tree(self)
        base = "sys/kernel/debug/pci-p2pdma/"
        tree.put(base + "total_mappings", 1000)
        tree.put(base + "bus_addr_mappings", 900)
        for name, value in {"size": 67108864, "available": 66519040, "published": 1}.items():
            tree.put(f"sys/bus/pci/devices/0000:03:00.0/p2pmem/{name}", value)
        return tree

    def test_it_opens_and_says_how_to_get_more(self):
        tree = self.tree()
        (picture,) = pictures("--once", "-d", "20ms", "--root", tree.path, *self.NOWHERE)
        self.assertEqual(picture["source"], "counters")
        self.assertEqual({row["name"]: row["value"] for row in picture["counters"]
                          if row["device"] is None},
                         {"total_mappings": 1000, "bus_addr_mappings": 900})
        self.assertAlmostEqual(picture["bus_addr_ratio"], 0.9)
        (pool,) = picture["providers"]
        self.assertEqual((pool["provider"], pool["size"], pool["available"]),
                         ("0000:03:00.0", 67108864, 66519040))
        self.assertRegex(" ".join(picture["notes"]), "doctor")
        text = run("--once", "-d", "20ms", "--root", tree.path, *self.NOWHERE).stdout.decode()
        self.assertRegex(text, "counters only")
        self.assertRegex(text, r"bus_addr_mappings +900")

    def test_rates(self):
        tree = self.tree()
        with subprocess.Popen([P2PTRACE, "live", "--json", "-d", "50ms", "--root", tree.path,
                               *self.NOWHERE], stdout=subprocess.PIPE) as process:
            first = json.loads(process.stdout.readline())
            tree.put("sys/kernel/debug/pci-p2pdma/total_mappings", 2000)
            for line in process.stdout:
                picture = json.loads(line)
                values = {row["name"]: row for row in picture["counters"]}
                if values["total_mappings"]["value"] == 2000:
                    break
            process.terminate()
            process.stdout.read()
            self.assertEqual(process.wait(timeout=20), 0)
        self.assertEqual(first["source"], "counters")
        self.assertGreater(values["total_mappings"]["per_s"], 500)
        self.assertEqual(values["bus_addr_mappings"]["per_s"], 0)

    def test_neither(self):
        tree = captured.Tree(self)
        tree.make_dir("sys/bus/pci/devices")
        done = run("--once", "--root", tree.path, *self.NOWHERE, status=3)
        self.assertEqual(done.stdout, b"")
        self.assertRegex(done.stderr.decode(), "p2ptrace: ")


class Usage(unittest.TestCase):
    def test_mistakes(self):
        for words in (["--once", "--batch", "2"], ["--speed", "2"], ["-i", DEMO, "--speed", "fast"],
                      ["-i", DEMO, "--speed", "-1"], ["-d", "1ms"], ["--batch", "0"],
                      ["--time", "0,1"], ["-i", DEMO, DEMO], ["--no-inherit"],
                      ["-o", "x.dat", "--keep", "0"], ["-i", DEMO, "-f", "size > 1"],
                      ["-i", DEMO, "--once", "--type", ""], ["-p", "nobody"]):
            with self.subTest(words=words):
                done = run("--once", *words, status=2)
                self.assertEqual(done.stdout, b"")

    def test_unreadable(self):
        self.assertIn(b"not a trace.dat", run("--once", "-i", P2PTRACE, status=3).stderr)
        self.assertIn(b"/nowhere", run("--once", "-i", "/nowhere/x.dat", status=3).stderr)

    def test_a_reader_that_goes_away(self):
        done = subprocess.run(f"'{P2PTRACE}' live --json -d 20ms --speed 0.1 -i '{DEMO}' | head -n 1",
                              shell=True, check=True, capture_output=True, timeout=60)
        self.assertEqual(done.stderr, b"")
        self.assertEqual(json.loads(done.stdout)["number"], 0)

    def test_damaged_files(self):
        """Cut and bent files are replayed or refused; nothing crashes."""
        with open(DEMO, "rb") as file:
            data = file.read()
        dice = random.Random(8)
        for _ in range(40):
            bent = bytearray(data[:dice.choice([len(data), dice.randrange(len(data))])])
            for _ in range(dice.choice([0, 1, 30])):
                bent[dice.randrange(len(bent))] = dice.randrange(256)
            with tempfile.NamedTemporaryFile(suffix=".dat") as file:
                file.write(bent)
                file.flush()
                done = subprocess.run([P2PTRACE, "live", "--once", file.name], check=False,
                                      capture_output=True, timeout=60)
            self.assertIn(done.returncode, (0, 3), done.stderr)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    unittest.main()
