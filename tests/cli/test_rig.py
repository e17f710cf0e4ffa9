# SPDX-License-Identifier: GPL-2.0-or-later
"""The rig's ground truth against an independent view: the kernel's text of the buffer."""

import collections
import json
import os
import subprocess
import tempfile
import time
import unittest

import rig
import rig_view


def record(options, definition=(), **buffer):
    """Truth and parsed events of one run."""
    with rig.Group(*definition) as group, rig.Instance(**buffer) as instance:
        instance.enable(group)
        truth = rig.run("--sizes", "4k,8k,32k", *options)
        instance.stop()
        return truth, instance.events()


def without(row, *keys):
    return {key: value for key, value in row.items() if key not in keys}


class Compared(unittest.TestCase):
    maxDiff = None

    def compare(self, truth, events, repeats=0):
        """Every number of the ground truth that events can tell."""
        view = rig_view.Tables(events)
        counts = dict(truth["events"])
        self.assertEqual(counts.pop("total"), len(events))
        self.assertEqual(view.events, counts)
        for name in ("failed", "orphans"):
            self.assertEqual(getattr(view, name), truth[name])
        self.assertEqual({(kind,): row for kind, row in view.types.items()},
                         rig.pick(rig.by(truth["map_types"], "type"), ("maps", "bytes")))
        processes = rig.pick(rig.by(truth["processes"], "pid"), rig.PROCESS_KEYS)
        self.assertEqual({(pid,): row for pid, row in view.processes.items()}, processes)
        self.compare_left(truth, view)
        self.compare_pairs(truth, view)
        self.assertEqual(view.repeats, repeats)

    def compare_left(self, truth, view):
        left = view.left()
        seen = collections.Counter(
            (kind, event["owner"], event["provider"], event.get("client"),
             view.type_name(event) if kind == "map" else None,
             event["dma_addr" if kind == "map" else "addr"], size) for kind, event, size in left)
        told = collections.Counter(
            (row["kind"], row["pid"], row["provider"], row["client"], row["type"],
             int(row["addr"], 16), row["bytes"]) for row in truth["leaks"])
        self.assertEqual(seen, told)
        for kind in ("alloc", "map"):
            mine = [size for which, _, size in left if which == kind]
            self.assertEqual(truth["outstanding"][kind + "s"], len(mine))
            self.assertEqual(truth["outstanding"][kind + "_bytes"], sum(mine))

    def compare_pairs(self, truth, view):
        for kind, event, size in view.left():
            if kind == "map":
                row = view.pairs[event["client"], event["provider"], view.type_name(event)]
                row["outstanding"] += 1
                row["outstanding_bytes"] += size
        told = rig.by(truth["pairs"], "client", "provider", "type")
        self.assertEqual(view.pairs, rig.pick(told, rig.PAIR_KEYS))


@rig.needs_rig
class Faults(Compared):
    """Each option that makes something go wrong, alone, and its number."""

    def check(self, option, expected, repeats=0):
        truth, events = record(["--events", 2000, "--threads", 2, "--" + option, 7])
        self.compare(truth, events, repeats)
        for path, value in expected.items():
            found = truth
            for name in path.split("."):
                found = found[name]
            self.assertEqual(found, value, path)
        self.assertEqual(truth["events"]["total"], 2000)

    def test_nothing(self):
        truth, events = record(["--events", 3001, "--threads", 2])
        self.compare(truth, events)
        self.assertEqual(truth["events"]["total"], 3001)
        self.assertEqual(truth["leaks"], [])

    def test_leak_allocs(self):
        self.check("leak-allocs", {"outstanding.allocs": 7, "outstanding.maps": 0})

    def test_leak_maps(self):
        self.check("leak-maps", {"outstanding.allocs": 0, "outstanding.maps": 7})

    def test_failed_allocs(self):
        self.check("failed-allocs", {"failed.allocs": 7, "outstanding.allocs": 0})

    def test_refused_maps(self):
        self.check("refused-maps", {"failed.maps": 7, "outstanding.maps": 0})

    def test_orphan_frees(self):
        self.check("orphan-frees", {"orphans.frees": 7, "orphans.unmaps": 0})

    def test_orphan_unmaps(self):
        self.check("orphan-unmaps", {"orphans.frees": 0, "orphans.unmaps": 7})

    def test_page_frees(self):
        self.check("page-frees", {"outstanding.allocs": 0})

    def test_half_frees(self):
        self.check("half-frees", {"outstanding.allocs": 7,
                                  "outstanding.alloc_bytes": 7 * 4 * rig_view.PAGE})

    def test_split_unmaps(self):
        self.check("split-unmaps", {"outstanding.maps": 0})

    def test_range_unmaps(self):
        self.check("range-unmaps", {"outstanding.maps": 0})

    def test_overlaps(self):
        self.check("overlaps", {"outstanding.maps": 0}, repeats=2 * 7)

    def test_overlap_leaks(self):
        self.check("overlap-leaks", {"outstanding.maps": 7,
                                     "outstanding.map_bytes": 7 * rig_view.PAGE},
                   repeats=2 * 7)


EVERY_FAULT = [word for option in (
    "leak-allocs", "leak-maps", "failed-allocs", "refused-maps", "orphan-frees", "orphan-unmaps",
    "page-frees", "half-frees", "split-unmaps", "range-unmaps", "overlaps", "overlap-leaks")
    for word in ("--" + option, 5)]
EVERY_REPEAT = 5 * 2 + 5 * 2  # of overlaps and overlap-leaks


@rig.needs_rig
class Together(Compared):
    """All faults at once, and where the work is done."""

    def test_ends_on_the_next_thread(self):
        truth, events = record(["--events", 4000, "--threads", 3, "--cross", "thread",
                                *EVERY_FAULT])
        self.compare(truth, events, EVERY_REPEAT)

    def test_ends_in_the_next_process(self):
        truth, events = record(["--events", 4000, "--threads", 2, "--processes", 3, "--cross",
                                "process", "--window", 3, *EVERY_FAULT])
        self.compare(truth, events, EVERY_REPEAT)
        self.assertEqual(len(truth["processes"]), 3)
        ends = [event for event in events if event["event"] == "unmap"]
        self.assertEqual(len({event["owner"] for event in ends}), 3)

    def test_types_by_name(self):
        truth, events = record(["--events", 2000, *EVERY_FAULT], ["--type-names"])
        self.compare(truth, events, EVERY_REPEAT)
        self.assertEqual({event["type"] for event in events if event["event"] == "map"},
                         {"BUS_ADDR", "THRU_HOST_BRIDGE", "NOT_SUPPORTED"})

    def test_new_numbers(self):
        _, events = record(["--events", 500, "--refused-maps", 1, "--new-numbers"])
        self.assertEqual({event["type"] for event in events if event["event"] == "map"}, {2, 3, 4})

    def test_threads_are_spread_over_the_processors(self):
        _, events = record(["--events", 2000, "--threads", 2])
        self.assertEqual(len({event["cpu"] for event in events}), min(2, os.cpu_count()))

    def test_distances(self):
        truth, events = record(["--events", 2000, "--dist-once"])
        told = rig.by((row for row in truth["pairs"]), "client", "provider", "type")
        first = set()
        for event in events:
            if event["event"] != "map":
                continue
            key = (event["client"], event["provider"], rig_view.Tables.type_name(event))
            self.assertEqual(event["dist"], -1 if key in first else told[key]["dist"])
            first.add(key)
        self.assertEqual(first, set(told))

    def test_lifetimes_are_bounded(self):
        with rig.Group() as group, rig.Instance() as instance:
            instance.enable(group)
            truth = rig.run("--events", 2000, "--lifetimes", *EVERY_FAULT)
        for kind in ("map_ns", "alloc_ns"):
            bounds = truth["lifetimes"][kind]
            self.assertLess(0, bounds["sum_low"])
            self.assertLess(bounds["sum_low"], bounds["sum_high"])
            self.assertLessEqual(bounds["max_low"], bounds["max_high"])
        for kind in ("map", "alloc"):
            ended = (truth["events"][kind] - truth["failed"][kind + "s"] -
                     truth["outstanding"][kind + "s"])
            self.assertEqual(truth["lifetimes"][kind + "_ns"]["count"], ended)


@rig.needs_rig
class Definitions(unittest.TestCase):
    """What `define` makes of its options."""

    def fields(self, *options):
        with rig.Group(*options) as group, rig.Instance() as instance:
            instance.enable(group)
            truth = rig.run("--events", 40, "--comm", "worker")
            instance.stop()
            return truth, instance.events()

    def test_caller(self):
        truth, events = self.fields("--with-pid", "--with-comm")
        pid = truth["processes"][0]["pid"]
        self.assertEqual({(event["pid"], event["comm"]) for event in events}, {(pid, "worker")})

    def test_other_names(self):
        _, events = self.fields("--rename", "provider=p2p_dev", "--rename",
                                "p2p_dma_map.size=length", "--omit", "p2p_dma_unmap.size")
        kept = {event["event"]: set(event) for event in events}
        self.assertTrue(all("p2p_dev" in names for names in kept.values()))
        self.assertIn("length", kept["map"])
        self.assertNotIn("size", kept["map"])
        self.assertNotIn("size", kept["unmap"])
        self.assertIn("size", kept["alloc"])

    def test_some_events(self):
        with rig.Group("--event", "p2p_dma_map", "--event", "p2p_dma_unmap") as group:
            there = os.listdir(f"{rig.TRACING}/events/{group.name}")
        self.assertEqual({name for name in there if name.startswith("p2p")},
                         {"p2p_dma_map", "p2p_dma_unmap"})

    def test_nothing_stays(self):
        with rig.Group() as group:
            path = f"{rig.TRACING}/events/{group.name}"
            self.assertTrue(os.path.exists(path))
        self.assertFalse(os.path.exists(path))

    def test_a_group_that_exists_is_left_alone(self):
        with rig.Group() as group:
            again = subprocess.run([rig.RIG, "define", "--group", group.name], check=False,
                                   capture_output=True)
            self.assertEqual(again.returncode, 3)
            self.assertIn(b"exists", again.stderr)
            self.assertTrue(os.path.exists(f"{rig.TRACING}/events/{group.name}/p2p_dma_map"))

    def test_with_runs_a_command(self):
        name = rig.unique_name()
        path = f"{rig.TRACING}/events/{name}/p2p_dma_map"
        done = subprocess.run([rig.RIG, "with", "--group", name, "--", "sh", "-c",
                               f"test -e {path} && exit 7"], check=False)
        self.assertEqual(done.returncode, 7)
        self.assertFalse(os.path.exists(os.path.dirname(path)))


class Alone(unittest.TestCase):
    """What needs neither root nor tracefs."""

    def run_rig(self, *options, status=0):
        done = subprocess.run([rig.RIG, "run", *map(str, options)], stdin=subprocess.DEVNULL,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def test_the_same_seed_does_the_same(self):
        def run(seed):
            truth = rig.run("--events", 5000, "--threads", 3, "--processes", 2, "--cross",
                            "process", "--seed", seed, *EVERY_FAULT)
            del truth["duration_ns"]
            for table in ("processes", "leaks"):
                truth[table] = [without(row, "pid") for row in truth[table]]
            return truth

        self.assertEqual(run(3), run(3))
        self.assertNotEqual(run(3), run(4))

    def test_names(self):
        truth = rig.run("--events", 10, "--processes", 2, "--comm", r"a\nb\x1b[2J\xff",
                        "--comm", 'quote"\\\\')
        self.assertEqual([row["comm"] for row in truth["processes"]],
                         ["a\nb\x1b[2J\udcff", 'quote"\\'])

    def test_duration(self):
        before = time.monotonic()
        truth = rig.run("--seconds", "0.2", "--threads", 2, "--rate", 1000, "--leak-maps", 3)
        self.assertGreaterEqual(time.monotonic() - before, 0.2)
        self.assertEqual(truth["outstanding"]["maps"], 3)
        self.assertGreater(truth["events"]["total"], 0)

    def test_rate(self):
        truth = rig.run("--events", 400, "--threads", 2, "--rate", 1000)
        # The rate bounds from above: 200 events of a thread take no less than 0.199 s.
        self.assertGreaterEqual(truth["duration_ns"], 199000000 - 20000)

    def test_held_processes_live_until_stdin_ends(self):
        with rig.Running("--events", 100, "--processes", 3, "--hold", 1, "--leak-maps", 3) as held:
            rows = held.truth["processes"]
            self.assertEqual([row["alive"] for row in rows], [True, False, False])
            self.assertEqual([os.path.exists(f"/proc/{row['pid']}") for row in rows],
                             [True, False, False])
            self.assertEqual(sorted(row["verdict"] for row in held.truth["leaks"]),
                             ["in_flight", "leaked", "leaked"])
        self.assertFalse(os.path.exists(f"/proc/{rows[0]['pid']}"))

    def test_held_processes_live_until_sigterm(self):
        with rig.Running("--events", 100, "--hold", 1) as held:
            held.process.terminate()
            self.assertEqual(held.process.wait(timeout=30), 0)

    def test_a_signal_ends_the_work_with_a_truth(self):
        process = subprocess.Popen([rig.RIG, "run", "--seconds", "1000", "--processes", "2"],
                                   stdout=subprocess.PIPE)
        time.sleep(0.2)
        process.terminate()
        truth = json.loads(process.communicate(timeout=30)[0])
        self.assertEqual(process.returncode, 0)
        self.assertEqual(truth["events"]["map"], truth["events"]["unmap"])

    def test_truth_to_a_file(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "truth.json")
            self.assertEqual(self.run_rig("--events", 10, "--truth", path).stdout, b"")
            with open(path, encoding="utf-8") as file:
                self.assertEqual(json.load(file)["events"]["total"], 10)
            self.assertEqual(os.listdir(directory), ["truth.json"])
            self.run_rig("--events", 10, "--truth", directory + "/no/where", status=3)

    def test_wrong_use(self):
        for options in (["--nonsense"], ["--threads", 0], ["--sizes", "0"], ["--hold", 2],
                        ["--events", 10, "--page-frees", 2], ["--cross", "nowhere"],
                        ["--comm", "a name far too long"], ["--sizes", "1t", "--threads", "200"]):
            with self.subTest(options):
                self.assertIn(b"p2prig: ", self.run_rig(*options, status=2).stderr)


if __name__ == "__main__":
    unittest.main()
