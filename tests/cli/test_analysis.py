# SPDX-License-Identifier: GPL-2.0-or-later
"""Groups, timelines, histograms, filters and leaks: against a model over the events, against
each other, and the same for any number of threads."""

import csv
import io
import itertools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import unittest

import dat
from model import COUNTS, Model, Selection, is_mapping

GENERATOR = os.path.join(dat.BUILD, "bench/p2pgen")
DEMO = os.path.join(dat.ROOT, "tests/fixtures/demo")

# One number each: what -F, --sort and CSV know.
KEYS = ("type", "client", "provider", "pid", "tid", "comm", "cpu")
PAIR = ("client", "provider", "type")

if not os.access(GENERATOR, os.X_OK):
    raise RuntimeError(f"{GENERATOR} is not built: make generator")


def run(*arguments, status=0, **settings):
    done = subprocess.run([dat.P2PTRACE, *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, check=False, timeout=dat.LIMIT, **settings)
    if done.returncode != status:
        raise AssertionError(f"p2ptrace {arguments}: status {done.returncode}, not {status}: "
                             + done.stderr.decode("utf-8", "replace"))
    return done.stdout.decode() if not status else done.stderr.decode()


def read_json(*arguments):
    return json.loads(run(*arguments, "--json"))


def read_csv(*arguments):
    return list(csv.DictReader(io.StringIO(run(*arguments, "--csv"))))


def read_events(path):
    return [json.loads(line) for line in run("events", path, "--json").splitlines()]


class Generated:
    """A recording of p2pgen and its events; made once."""

    _made = {}

    def __init__(self, words):
        self.folder = tempfile.TemporaryDirectory(prefix="p2ptrace-analysis-")
        self.path = os.path.join(self.folder.name, "g.dat")
        subprocess.run([GENERATOR, "-o", self.path, "--specials", "0", *words.split()], check=True)
        self.events = read_events(self.path)

    @classmethod
    def get(cls, words):
        if words not in cls._made:
            cls._made[words] = cls(words)
        return cls._made[words]


# Processes of several threads, leaks, many CPUs; and one with every field, names that come
# with the events and types as text.
RECORDINGS = (
    "--seed 5 --events 12000 --cpus 5 --pids 7 --threads 3 --pairs 5x3 --leaks 40 "
    "--in-flight 300",
    "--seed 6 --events 8000 --cpus 3 --pids 4 --threads 2 --pairs 3x2 --leaks 20 "
    "--in-flight 100 --full --type-text --long-names --file-version 6 --others 10",
)


def tearDownModule():  # the name unittest wants # pylint: disable=invalid-name
    for made in Generated._made.values():  # pylint: disable=protected-access
        made.folder.cleanup()


def value(event, key):
    """What a row is grouped by; allocations have no client and no type."""
    if key in ("client", "type") and not is_mapping(event):
        return None
    return event[key]


def key_of(keys):
    return lambda event: tuple(value(event, key) for key in keys)


def by_key(test, rows, keys):
    table = {tuple(row[key] for key in keys): row for row in rows}
    test.assertEqual(len(table), len(rows), f"two rows of one {keys}")
    return table


class Groups(unittest.TestCase):
    maxDiff = None

    def compare(self, made, keys, *filters, model=None):
        """Every number of every row, and the lifetimes."""
        model = model or Model(made.events)
        rows = by_key(self, read_json("report", made.path, "--by", ",".join(keys),
                                      *filters)["groups"], keys)
        wanted = model.groups(key_of(keys))
        self.assertEqual({key: {name: row[name] for name in COUNTS} for key, row in rows.items()},
                         wanted)
        maps = sum(row["maps"] for row in wanted.values())
        for row in rows.values():
            if maps:
                self.assertAlmostEqual(row["share"], row["maps"] / maps, places=9)
        self.compare_lifetimes(rows, model.lifetimes(key_of(keys)))

    def compare_lifetimes(self, rows, wanted):
        for (key, mapping), values in wanted.items():
            seen = rows[key]["lifetime_ns" if mapping else "alloc_lifetime_ns"]
            self.assertEqual((seen["count"], seen["min"], seen["max"]),
                             (len(values), values[0], values[-1]))
            self.assertAlmostEqual(seen["mean"], sum(values) / len(values), delta=0.001)
            for name, per_mille in (("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999)):
                rank = -(-len(values) * per_mille // 1000)
                exact = values[rank - 1]
                self.assertAlmostEqual(seen[name], exact, delta=exact * 0.01 + 1)
        for key, row in rows.items():
            for name, mapping in (("lifetime_ns", True), ("alloc_lifetime_ns", False)):
                if (key, mapping) not in wanted:
                    self.assertEqual(row[name], dict.fromkeys(row[name], None) | {"count": 0})

    def test_every_key_alone(self):
        for words, key in itertools.product(RECORDINGS, KEYS):
            with self.subTest(recording=words, key=key):
                self.compare(Generated.get(words), [key])

    def test_combinations(self):
        dice = random.Random(4)
        combinations = [PAIR, ("pid", "comm"), ("pid", "tid", "comm", "cpu"), KEYS]
        combinations += [dice.sample(KEYS, count) for count in (2, 2, 3, 4, 5)]
        for words, keys in itertools.product(RECORDINGS, combinations):
            with self.subTest(recording=words, keys=keys):
                self.compare(Generated.get(words), list(keys))

    def test_pair_is_these_three(self):
        for path in (Generated.get(RECORDINGS[0]).path, DEMO + ".dat"):
            groups = read_json("report", path, "--by", "pair")["groups"]
            self.assertEqual(groups, read_json("report", path, "--by", ",".join(PAIR))["groups"])

    def test_sums_are_the_totals(self):
        """Ranges, overlaps, orphans, failures: every group's sums add up to the report's."""
        for path in (Generated.get(RECORDINGS[1]).path, DEMO + ".dat"):
            for keys in KEYS + ("pair", "pid,type", "comm,cpu,provider"):
                with self.subTest(path=path, keys=keys):
                    self.check_sums(read_json("report", path, "--by", keys))

    def check_sums(self, report):
        def total(name):
            return sum(row[name] for row in report["groups"])

        events, outstanding, gone = report["events"], report["outstanding"], report["failed"]
        self.assertEqual([total(name) for name in ("maps", "unmaps", "allocs", "frees")],
                         [events[name] for name in ("map", "unmap", "alloc", "free")])
        self.assertEqual([total(name) for name in ("outstanding", "outstanding_bytes",
                                                   "open_allocs", "open_alloc_bytes")],
                         [outstanding[name] for name in ("maps", "map_bytes", "allocs",
                                                         "alloc_bytes")])
        self.assertEqual([total("failed_maps"), total("failed_allocs")],
                         [gone["maps"], gone["allocs"]])
        for name in ("alloc_bytes", "free_bytes", "map_bytes"):
            self.assertEqual(total(name), sum(row[name] for row in report["processes"]), name)
        for groups, lifetimes in (("lifetime_ns", "map_ns"), ("alloc_lifetime_ns", "alloc_ns")):
            self.assertEqual(sum(row[groups]["count"] for row in report["groups"]),
                             report["lifetimes"][lifetimes]["count"])
        self.assertAlmostEqual(total("share"), 1, places=6)

    def test_the_same_as_the_tables(self):
        """By pair, process and provider the rows say what the report's own tables say."""
        same = {"pair": ("pairs", PAIR, ("maps", "unmaps", "outstanding", "outstanding_bytes")),
                "pid": ("processes", ("pid",), ("comm", "allocs", "alloc_bytes", "frees",
                                                "free_bytes", "maps", "map_bytes", "unmaps")),
                "provider": ("providers", ("provider",), ("allocs", "frees", "free_bytes"))}
        for path in (Generated.get(RECORDINGS[1]).path, DEMO + ".dat"):
            for by, (table, keys, names) in same.items():
                with self.subTest(path=path, by=by):
                    report = read_json("report", path, "--by", by)
                    groups = by_key(self, report["groups"], keys)
                    for key, row in by_key(self, report[table], keys).items():
                        self.assertEqual({name: groups[key][name] for name in names},
                                         {name: row[name] for name in names})
                        if by == "pair" and row["lifetime_ns"]["count"]:
                            self.assertEqual(groups[key]["lifetime_ns"], row["lifetime_ns"])


class Order(unittest.TestCase):
    """--sort, -F, --top: one table of fields for text, CSV and JSON."""

    def setUp(self):
        self.path = Generated.get(RECORDINGS[0]).path
        self.columns = list(read_csv("report", self.path, "--by", "pid,client,type")[0])

    @staticmethod
    def identity(row):
        return (row["client"], row["provider"], row["type"], int(row["pid"]))

    @staticmethod
    def rank(text, is_text):
        """Texts go upwards, numbers downwards, what is not known last."""
        return text if is_text else -float(text) if text else float("inf")

    def test_every_column_orders(self):
        texts = ("client", "provider", "type", "comm")
        for column in self.columns:
            with self.subTest(column=column):
                rows = read_csv("report", self.path, "--by", "pid,pair", "--sort", column)
                self.assertGreater(len(rows), 30)
                order = [(self.rank(row[column], column in texts), self.identity(row))
                         for row in rows]
                self.assertEqual(order, sorted(order))

    def test_by_default_most_maps_come_first(self):
        for by, name in (("pid", "maps"), ("client,provider", "maps")):
            counts = [int(row[name]) for row in read_csv("report", self.path, "--by", by)]
            self.assertEqual(counts, sorted(counts, reverse=True))

    def test_chosen_columns(self):
        chosen = ["unmaps", "pid", "lifetime_p99_ns", "free_bytes"]
        wanted = ["report", self.path, "--by", "pid", "-F", ",".join(chosen)]
        text, rows = run(*wanted).splitlines(), read_csv(*wanted)
        self.assertEqual(list(rows[0]), chosen)
        self.assertEqual(re.split(r"\s{2,}", text[-len(rows) - 1].strip()),
                         ["UNMAPS", "PID", "P99", "FREED"])
        for line, row in zip(text[-len(rows):], rows):
            first, second = line.split()[:2]
            self.assertEqual((first.replace(",", ""), second), (row["unmaps"], row["pid"]))
        groups = read_json(*wanted)["groups"]
        self.assertEqual([{key: str(number) for key, number in row.items()} for row in groups],
                         rows)
        self.assertEqual(list(groups[0]), chosen)

    def test_csv_says_what_json_says(self):
        wanted = ["report", self.path, "--by", "pair,pid"]
        for row, group in zip(read_csv(*wanted), read_json(*wanted)["groups"], strict=True):
            for name, cell in row.items():
                found = re.fullmatch(r"(alloc_)?lifetime_(\w+)_ns", name)
                known = group[name] if not found else \
                    group[(found[1] or "") + "lifetime_ns"][found[2]]
                if known is None:
                    self.assertEqual(cell, "")
                elif isinstance(known, float):
                    self.assertAlmostEqual(float(cell), known, delta=0.5 if found else 1e-6)
                else:
                    self.assertEqual(cell, str(known), name)

    def test_histograms_are_for_json(self):
        wanted = ["report", self.path, "--by", "pid"]
        rows = read_json(*wanted, "-F", "pid,lifetime_ns,lifetime_p99_ns")["groups"]
        for row in rows:
            self.assertEqual(row["lifetime_ns"]["p99"], row["lifetime_p99_ns"])
        for more in (["-F", "lifetime_ns"], ["-F", "lifetime_ns", "--csv"],
                     ["--sort", "lifetime_ns"], ["--sort", "alloc_lifetime_ns", "--json"]):
            self.assertIn("many numbers", run(*wanted, *more, status=2))

    def test_top(self):
        for top in (1, 3):
            lines = run("report", self.path, "--by", "pid", "--top", top).splitlines()
            self.assertEqual(lines[-1], f"... and {7 - top} more (--top 0 shows all)")
            self.assertEqual(len(lines), top + 2)
        self.assertNotIn("more (", run("report", self.path, "--by", "tid", "--top", 0))
        self.assertEqual(len(read_csv("report", self.path, "--by", "tid", "--top", 1)), 21)

    def test_wrong_words(self):
        for words, said in ((["--by", "pid,colour"], "'colour' is not one of"),
                            (["--by", ""], "names nothing"), (["--by", "pid,,cpu"], "''"),
                            (["--by", "pid", "--sort", "colour"], "no such column"),
                            (["--by", "pid", "--sort", "client"], "no such column"),
                            (["--by", "pid", "-F", "pid,colour"], "'colour'"),
                            (["--by", "pid", "-F", ""], "no column"),
                            (["--sort", "maps"], "go with --by"), (["-F", "maps"], "go with --by"),
                            (["--timeline", "--bins", "0"], "--bins"),
                            (["--timeline", "--bins", "100001"], "--bins"),
                            (["--csv", "--by", "pid", "--timeline"], "one table")):
            with self.subTest(words=words):
                self.assertIn(said, run("report", self.path, *words, status=2))


class Timeline(unittest.TestCase):
    def check(self, path, bins, *filters, model=None):
        report = read_json("report", path, "--timeline", "--bins", bins, *filters)
        rows = report["timeline"]
        self.assertEqual(len(rows), bins)
        for name, event in (("maps", "map"), ("unmaps", "unmap"), ("allocs", "alloc"),
                            ("frees", "free")):
            self.assertEqual(sum(row[name] for row in rows), report["events"][event], name)
        direct = sum(row["maps"] - row["failed"] for row in report["map_types"]
                     if row["type"] == "BUS_ADDR")
        self.assertEqual(sum(row["bus_addr"] for row in rows), direct)
        for name in ("map_bytes", "alloc_bytes"):
            self.assertEqual(sum(row[name] for row in rows),
                             sum(row[name] for row in report["processes"]), name)
        self.assertEqual((rows[-1]["open_map_bytes"], rows[-1]["open_alloc_bytes"]),
                         (report["outstanding"]["map_bytes"], report["outstanding"]["alloc_bytes"]))
        width = rows[0]["width_ns"]
        self.assertEqual([row["start_ns"] for row in rows], [i * width for i in range(bins)])
        self.assertGreater(width * bins, report["duration_ns"])
        for row in rows:
            self.assertAlmostEqual(row["maps_per_second"], row["maps"] * 1e9 / width, delta=0.51)
            self.assertAlmostEqual(row["bytes_per_second"], row["map_bytes"] * 1e9 / width,
                                   delta=0.51)
        if model:
            self.compare(rows, report["start_ns"], model)

    def compare(self, rows, start, model):
        """Bin by bin."""
        width = rows[0]["width_ns"]
        for row in rows:
            first = start + row["start_ns"]
            end = first + width
            begun = [event for event in model.begins if first <= event["ts_ns"] < end]
            ended = [event for event, _ in model.ends if first <= event["ts_ns"] < end]
            self.assertEqual(
                [row[name] for name in ("maps", "unmaps", "allocs", "frees")],
                [sum(map(is_mapping, begun)), sum(map(is_mapping, ended)),
                 sum(not is_mapping(event) for event in begun),
                 sum(not is_mapping(event) for event in ended)])
            self.assertEqual((row["open_map_bytes"], row["open_alloc_bytes"]),
                             (model.open_bytes_at(end - 1, True),
                              model.open_bytes_at(end - 1, False)))

    def test_bins(self):
        for words, bins in itertools.product(RECORDINGS, (1, 7, 100)):
            with self.subTest(recording=words, bins=bins):
                made = Generated.get(words)
                self.check(made.path, bins, model=Model(made.events))
        self.check(DEMO + ".dat", 30)
        self.check(DEMO + ".dat", 999)

    def test_of_a_selection(self):
        made = Generated.get(RECORDINGS[0])
        client = next(event["client"] for event in made.events if is_mapping(event))
        self.check(made.path, 9, "--client", client,
                   model=Model(made.events, Selection(client=client)))

    def test_sizes_that_are_not_known(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "n.dat")
            subprocess.run([GENERATOR, "-o", path, "--events", "500", "--sizes", "none"],
                           check=True)
            for row in read_json("report", path, "--timeline")["timeline"]:
                self.assertEqual({row[name] for name in (
                    "map_bytes", "alloc_bytes", "open_map_bytes", "open_alloc_bytes",
                    "bytes_per_second")}, {None})
            for row in read_json("report", path, "--by", "pid")["groups"]:
                self.assertEqual({row["map_bytes"], row["alloc_bytes"], row["free_bytes"],
                                  row["outstanding_bytes"]}, {None})
            self.assertNotIn("16.0 EiB", run("report", path, "--timeline"))

    def test_peaks(self):
        """The most that was open at once, of each pool."""
        made = Generated.get(RECORDINGS[0])
        for row in read_json("report", made.path)["providers"]:
            model = Model(made.events, Selection(provider=row["provider"]))
            moments = [event["ts_ns"] for event in model.begins if not is_mapping(event)]
            self.assertEqual(row["peak_bytes"],
                             max(model.open_bytes_at(at, False) for at in moments))


class Charts(unittest.TestCase):
    """Bars, wide or in ASCII; what they say are numbers of the report."""

    def chart(self, *words, locale="C.UTF-8"):
        environment = {name: text for name, text in os.environ.items()
                       if not name.startswith("LC_")}
        return run("report", DEMO + ".dat", *words, env=dict(environment, LANG=locale))

    def test_histograms_count_all(self):
        report = read_json("report", DEMO + ".dat")
        wanted = [row["lifetime_ns"]["count"] for table in ("map_types", "pairs")
                  for row in report[table] if row["lifetime_ns"]["count"]]
        blocks = self.chart("--hist").strip().split("\n\n")
        self.assertEqual([int(re.search(r": ([\d,]+) lifetimes", block)[1].replace(",", ""))
                          for block in blocks], wanted)
        for block, count in zip(blocks, wanted):
            lines = re.findall(r"\| ([\d,]+)$", block, re.M)
            self.assertEqual(sum(int(line.replace(",", "")) for line in lines), count)
            self.assertNotEqual(lines[0], "0")
            self.assertNotEqual(lines[-1], "0")

    def test_bars_are_as_long_as_their_numbers(self):
        for words in (["--hist"], ["--timeline"]):
            text = self.chart(*words, locale="C")
            self.assertTrue(text.isascii())
            self.assertIn("#", text)
            wide = self.chart(*words)
            self.assertIn("█", wide)
            self.assertEqual([len(line) for line in wide.splitlines()],
                             [len(line) for line in text.splitlines()])
        for block in self.chart("--hist", locale="C").strip().split("\n\n"):
            bars = re.findall(r"\|(#*) *\| ([\d,]+)$", block, re.M)
            numbers = [int(number.replace(",", "")) for _, number in bars]
            for (bar, _), number in zip(bars, numbers):
                exact = 40 * number / max(numbers)
                self.assertAlmostEqual(len(bar), max(exact, number > 0), delta=0.51)

    def test_no_colour_where_there_is_no_terminal(self):
        for words in (["--hist"], ["--timeline"], ["--by", "pid"]):
            self.assertNotIn("\033", self.chart(*words))

    def test_the_screen_s_width_changes_nothing(self):
        for columns in ("20", "80", "500"):
            text = run("report", DEMO + ".dat", "--by", "pid,pair", "--top", "0",
                       env=dict(os.environ, COLUMNS=columns))
            self.assertEqual(text, run("report", DEMO + ".dat", "--by", "pid,pair", "--top", "0"))
            self.assertEqual(len({len(line) for line in text.splitlines()}), 1)

    def test_names_begin_no_lines(self):
        script = """
        10 0 map client=c%0a%1b[2Jinjected:%20 provider=p%0dq type=2 dma_addr=0x1000 size=4096 tid=7
        90 0 unmap client=c%0a%1b[2Jinjected:%20 provider=p%0dq type=2 dma_addr=0x1000 size=4096
        """
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "h.dat")
            with open(path, "wb") as file:
                file.write(dat.build(script))
            for words in (["--hist"], ["--by", "client"], ["--timeline"], []):
                text = run("report", path, *words)
                self.assertNotRegex(text, r"[\x00-\x09\x0b-\x1f\x7f]")
                self.assertNotRegex(text, r"(?m)^\s*(\\x1b\S*)?injected")


class Filters(Groups):
    """--time, --pid, --comm, --cpu, --provider, --client, --type: beginnings are selected, and
    their ends follow."""

    def filtered(self, made, words, selection):
        model = Model(made.events, selection)
        self.assertTrue(model.begins, "the filter leaves something")
        report = read_json("report", made.path, *words)
        counts = report["events"]
        self.assertEqual(
            [counts[name] for name in ("map", "alloc", "unmap", "free", "foreign")],
            [sum(map(is_mapping, model.begins)),
             sum(not is_mapping(event) for event in model.begins),
             sum(is_mapping(event) for event, _ in model.ends),
             sum(not is_mapping(event) for event, _ in model.ends), model.foreign])
        self.assertEqual(counts["map_type_change"], len(model.changes))
        self.assertEqual(report["orphans"], {
            "frees": sum(not is_mapping(event) for event in model.orphans),
            "unmaps": sum(map(is_mapping, model.orphans))})
        for keys in (["type", "client", "provider"], ["cpu"], ["pid", "cpu"], ["comm"]):
            # Ends in interrupts that nobody began are nobody's: events do not show which.
            if not (model.orphans and {"pid", "comm"} & set(keys)):
                self.compare(made, keys, *words, model=model)
        self.compare_leaks(made, words, model)
        self.assertEqual(set(report["filters"]), {word[2:] for word in words[::2]})

    def compare_leaks(self, made, words, model):
        listed = read_json("leaks", made.path, *words)["leaks"]
        self.assertEqual(
            sorted((row["kind"], row["ts_ns"], row["bytes"], row["pid"]) for row in listed),
            sorted(("map" if is_mapping(event) else "alloc", event["ts_ns"], event["size"],
                    event["pid"]) for event in model.open))

    test_every_key_alone = test_combinations = test_pair_is_these_three = None
    test_sums_are_the_totals = test_the_same_as_the_tables = None

    @staticmethod
    def each_recording():
        return map(Generated.get, RECORDINGS)

    def test_pid(self):
        for made in self.each_recording():
            pids = sorted({event["pid"] for event in made.events})
            for pid in (f"{pids[1]}", f"{pids[0]},{pids[2]}"):
                self.filtered(made, ["--pid", pid], Selection(pid=pid))

    def test_comm(self):
        for made in self.each_recording():
            names = sorted({event["comm"] for event in Model(made.events).begins})
            for comm in (names[0], names[1][:4] + "*", "*[13],?" + names[-1][1:]):
                self.filtered(made, ["--comm", comm], Selection(comm=comm))

    def test_provider(self):
        for made in self.each_recording():
            names = sorted({event["provider"] for event in made.events})
            for provider in (names[0], "*" + names[-1][-3:], ",".join(names[:2])):
                self.filtered(made, ["--provider", provider], Selection(provider=provider))

    def test_client(self):
        for made in self.each_recording():
            names = sorted({event["client"] for event in made.events if is_mapping(event)})
            for client in (names[0], "*" + names[-1][-1], ",".join(names[1:])):
                self.filtered(made, ["--client", client], Selection(client=client))

    def test_type(self):
        for made in self.each_recording():
            for kind in ("BUS_ADDR", "THRU_HOST_BRIDGE,BUS_ADDR", "THRU_HOST_BRIDGE"):
                if {event.get("type") for event in made.events} & set(kind.split(",")):
                    self.filtered(made, ["--type", kind], Selection(map_type=kind))

    def test_cpu(self):
        for made in self.each_recording():
            self.filtered(made, ["--cpu", "1"], Selection(cpu="1"))
            self.filtered(made, ["--cpu", "0,2"], Selection(cpu="0,2"))
            self.filtered(made, ["--cpu", "1-2"], Selection(cpu="1,2"))

    def test_several(self):
        for made in self.each_recording():
            event = next(event for event in made.events if event["event"] == "p2p_dma_map")
            self.filtered(made, ["--client", event["client"], "--pid", event["pid"],
                                 "--type", event["type"]],
                          Selection(client=event["client"], pid=str(event["pid"]),
                                    map_type=event["type"]))

    @staticmethod
    def moments(made):
        """A third and two thirds of the events, in every form that --time takes."""
        report = read_json("report", made.path)
        start, span = report["start_ns"], report["duration_ns"]
        first, last = (made.events[len(made.events) * part // 3]["ts_ns"] for part in (1, 2))

        def stamp(ns):
            return f"{ns // 10 ** 9}.{ns % 10 ** 9:09}"

        return [(f"{stamp(first)},{stamp(last)}", first, last),
                (f"+{stamp(first - start)},+{stamp(last - start)}", first, last),
                (f"{stamp(first)},", first, 1 << 64), (f",{stamp(last)}", 0, last),
                ("25%,75%", start + span // 4, start + span * 3 // 4),
                ("50%,", start + span // 2, 1 << 64), (",10%", 0, start + span // 10),
                (f"25%,{stamp(last)}", start + span // 4, last)]

    def test_time(self):
        for made in self.each_recording():
            for words, first, last in self.moments(made):
                with self.subTest(time=words):
                    self.filtered(made, ["--time", words], Selection(first, last))

    def test_time_and_devices(self):
        made = Generated.get(RECORDINGS[0])
        words, first, last = self.moments(made)[0]
        provider = made.events[0]["provider"]
        self.filtered(made, ["--time", words, "--provider", provider],
                      Selection(first, last, provider=provider))

    def test_a_window_says_so(self):
        made = Generated.get(RECORDINGS[0])
        said = "began before the --time window"
        for command in ("report", "leaks", "analyze"):
            self.assertIn(said, run(command, made.path, "--time", "30%,"))
            self.assertNotIn(said, run(command, made.path, "--time", ",30%"))
            self.assertNotIn(said, run(command, made.path))
        orphans = read_json("report", made.path, "--time", "60%,")["orphans"]
        self.assertGreater(min(orphans.values()), 0)
        self.assertIn(f"begun before the recording: {orphans['frees']} frees, "
                      f"{orphans['unmaps']} unmaps",
                      run("report", made.path, "--time", "60%,"))

    def test_window_of_the_times(self):
        """The document's start and duration, and the timeline, are those of the window."""
        made = Generated.get(RECORDINGS[0])
        whole = read_json("report", made.path)
        part = read_json("report", made.path, "--time", "25%,75%", "--timeline", "--bins", 5)
        self.assertEqual(part["start_ns"], whole["start_ns"] + whole["duration_ns"] // 4)
        self.assertEqual(part["duration_ns"], whole["start_ns"] + whole["duration_ns"] * 3 // 4
                         - part["start_ns"])
        self.assertGreater(min(row["maps"] for row in part["timeline"]), 0)

    def test_events_are_selected_one_by_one(self):
        for made in self.each_recording():
            event = made.events[500]
            pid, comm, cpu = str(event["pid"]), event["comm"], str(event["cpu"])
            for words, wanted in (
                    (["--pid", pid], lambda one: str(one["pid"]) == pid),
                    (["--comm", comm], lambda one: one["comm"] == comm),
                    (["--cpu", cpu], lambda one: str(one["cpu"]) == cpu),
                    (["--provider", event["provider"]],
                     lambda one: one["provider"] == event["provider"]),
                    (["--type", "BUS_ADDR"], lambda one: one.get("type") == "BUS_ADDR"),
                    (["--pid", pid, "--cpu", cpu],
                     lambda one: str(one["pid"]) == pid and str(one["cpu"]) == cpu)):
                with self.subTest(words=words):
                    lines = run("events", made.path, "--json", *words).splitlines()
                    self.assertEqual([json.loads(line) for line in lines],
                                     list(filter(wanted, made.events)))

    def test_events_in_a_window(self):
        made = Generated.get(RECORDINGS[0])
        for words, first, last in self.moments(made):
            lines = run("events", made.path, "--json", "--time", words).splitlines()
            self.assertEqual([json.loads(line) for line in lines],
                             [one for one in made.events if first <= one["ts_ns"] <= last])

    def test_wrong_words(self):
        path = Generated.get(RECORDINGS[0]).path
        for command in ("report", "leaks", "events", "analyze"):
            for words in (["--time", "5"], ["--time", "x,"], ["--time", "60%,20%"],
                          ["--time", "101%,"], ["--time", "-1,"], ["--pid", "x"],
                          ["--pid", ""], ["--cpu", "3-1"], ["--cpu", "1-"], ["--comm", ","]):
                with self.subTest(command=command, words=words):
                    self.assertTrue(run(command, path, *words, status=2))


class Events(unittest.TestCase):
    """events -a, --json and --csv tell the same."""

    def test_csv_and_json(self):
        for words in RECORDINGS:
            made = Generated.get(words)
            rows = list(csv.DictReader(io.StringIO(run("events", made.path, "--csv"))))
            self.assertEqual(len(rows), len(made.events))
            for row, event in zip(rows, made.events):
                for name, cell in row.items():
                    if cell != "":
                        self.assertEqual(cell, str(event[name]), name)
                    else:
                        self.assertIn(event.get(name, ""), ("", None))

    def test_text_and_json(self):
        made = Generated.get(RECORDINGS[1])
        lines = run("events", made.path).splitlines()
        self.assertEqual(len(lines), len(made.events))
        line_of = re.compile(r" *(.+)-(\d+) \[(\d{3})\] +(\d+)\.(\d{9}): (\w+) +(.*)")
        for line, event in zip(lines, made.events):
            comm, tid, cpu, seconds, part, name, fields = line_of.fullmatch(line).groups()
            self.assertEqual((comm, int(tid), int(cpu), int(seconds + part), name),
                             tuple(event[key] for key in ("comm", "tid", "cpu", "ts_ns", "event")))
            for field in fields.split():
                key, text = field.split("=", 1)
                known = event.get("field_" + key, event.get(key))
                self.assertEqual(text, str(known), key)

    def test_other_events_with_all(self):
        made = Generated.get(RECORDINGS[1])
        every = [json.loads(line) for line in run("events", made.path, "-a",
                                                  "--json").splitlines()]
        others = [event for event in every if not event["event"].startswith("p2p_")]
        self.assertEqual(len(others), read_json("report", made.path)["events"]["other"])
        self.assertGreater(len(others), 100)
        self.assertEqual([event for event in every if event["event"].startswith("p2p_")],
                         made.events)


class Leaks(unittest.TestCase):
    def groups(self, rows, keys):
        table = {}
        for row in rows:
            key = (row["verdict"], *(row[name] for name in keys))
            one = table.setdefault(key, [0, 0, 0])
            table[key] = [one[0] + row["count"], one[1] + row["bytes"],
                          max(one[2], row["age_ns"])]
        return table

    def test_groups_add_up(self):
        for path in (Generated.get(RECORDINGS[0]).path, DEMO + ".dat"):
            listed = read_json("leaks", path)["leaks"]
            self.assertGreater(len(listed), 5)
            for keys in (["pid"], ["provider"], ["client"], ["type"], ["kind"],
                         ["kind", *PAIR], ["pid", "kind"], ["pid", "client", "type"]):
                with self.subTest(path=path, keys=keys):
                    wanted = self.groups(listed, keys)
                    for groups in (read_csv("leaks", path, "--by", ",".join(keys)),
                                   read_json("leaks", path, "--by", ",".join(keys))["groups"]):
                        rows = {(row["verdict"], *(str(row[name] or "") for name in keys)):
                                [int(row["count"]), int(row["bytes"]), int(row["oldest_ns"])]
                                for row in groups}
                        self.assertEqual(len(rows), len(groups))
                        self.assertEqual(rows, {tuple(str(part or "") for part in key): one
                                                for key, one in wanted.items()})
            by_pair = read_json("leaks", path, "--by", "pair")["groups"]
            self.assertEqual(by_pair, read_json("leaks", path, "--by",
                                                "kind,client,provider,type")["groups"])

    def test_each(self):
        path = DEMO + ".dat"
        listed = read_json("leaks", path)["leaks"]
        rows = read_csv("leaks", path)
        self.assertEqual([(row["kind"], row["verdict"], int(row["pid"]), int(row["bytes"]),
                           int(row["age_ns"]), row["client"] or None) for row in rows],
                         [(row["kind"], row["verdict"], row["pid"], row["bytes"], row["age_ns"],
                           row["client"]) for row in listed])
        text = run("leaks", path, "--each").splitlines()
        self.assertEqual(len(text), 3 + len(listed))
        self.assertIn("... and 6 more", run("leaks", path, "--each", "--top", 2))

    def test_min_age(self):
        """Whose process lives or is not known is judged by age; whose is gone, leaked."""
        path = Generated.get(RECORDINGS[0]).path
        before = read_json("leaks", path)
        ages = sorted(row["age_ns"] for row in before["leaks"])
        for limit in (0, ages[0] + 1, ages[len(ages) // 2], ages[-1], ages[-1] + 1):
            after = read_json("leaks", path, "--min-age", f"{limit / 1e9:.9f}")
            gone = {row["addr"]: row for row in before["leaks"]}
            for row in after["leaks"]:
                with self.subTest(limit=limit, row=row):
                    was = gone[row["addr"]]["verdict"]
                    old = row["age_ns"] >= limit
                    self.assertEqual(row["verdict"],
                                     "leaked" if was == "leaked" or old else "in_flight")
            counts = [row["verdict"] for row in after["leaks"]]
            self.assertEqual({verdict: after["totals"][verdict]["count"]
                              for verdict in ("leaked", "in_flight", "unknown")},
                             {verdict: counts.count(verdict)
                              for verdict in ("leaked", "in_flight", "unknown")})

    def test_wrong_words(self):
        for words in (["--by", "cpu"], ["--by", "pid,"] + ["--each"], ["--min-age", "x"],
                      ["--json", "--csv"], ["--each", "--csv"], ["--each", "--by", "pid"]):
            with self.subTest(words=words):
                self.assertTrue(run("leaks", DEMO + ".dat", *words, status=2))


class NoAddresses(unittest.TestCase):
    """Events without addresses: a balance of each pair, and nobody knows whose is open."""

    SCRIPT = """
    event p2p_dma_map 303 client:s provider:s type:u4 size:u8
    event p2p_dma_unmap 304 client:s provider:s size:u8
    10 0 map client=c provider=p type=2 size=100 tid=7
    20 0 map client=c provider=p type=2 size=100 tid=7
    30 1 map client=c provider=p type=2 size=100 tid=8
    40 1 unmap client=c provider=p size=100 tid=9
    50 1 map client=d provider=p type=3 size=50 tid=9
    """

    def test_balance(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "b.dat")
            with open(path, "wb") as file:
                file.write(dat.build(self.SCRIPT))
            rows = by_key(self, read_json("report", path, "--by", "pair")["groups"], ["client"])
            self.assertEqual([(rows[client,]["outstanding"], rows[client,]["outstanding_bytes"],
                               rows[client,]["lifetime_ns"]) for client in "cd"],
                             [(2, 200, None), (1, 50, None)])
            for by in ("pid", "tid", "comm", "cpu", "pair,pid"):
                for row in read_json("report", path, "--by", by)["groups"]:
                    self.assertEqual((row["outstanding"], row["outstanding_bytes"]), (None, None))
            self.assertEqual({row["outstanding"] for row in
                              read_csv("report", path, "--by", "pid")}, {""})
            times = read_json("report", path, "--timeline", "--bins", 1)["timeline"]
            self.assertEqual(times[0]["open_map_bytes"], 250)


class Threads(unittest.TestCase):
    """One thread, two, four: the same bytes in every form."""

    OUTPUTS = [["report"], ["report", "--json"], ["report", "--csv"],
               ["report", "--json", "--by", "pid,pair,cpu", "--timeline", "--bins", "50"],
               ["report", "--by", "comm", "--sort", "lifetime_p99_ns"],
               ["report", "--by", "tid,cpu", "--csv", "--sort", "maps"], ["report", "--hist"],
               ["report", "--timeline"], ["report", "--timeline", "--csv", "--time", "20%,70%"],
               ["leaks"], ["leaks", "--json", "--by", "pid,kind"], ["leaks", "--csv"],
               ["leaks", "--by", "stack"], ["leaks", "--by", "type,pid", "--csv"],
               ["analyze"], ["analyze", "--json"], ["report", "--json", "--pid", "1000-1003"],
               ["check", "--json", "--min-direct", "10", "--max-p99", "10s"]]

    def test_same_bytes(self):
        for seed, more in ((31, ""), (32, "--specials 20 --loss 5 --full"),
                           (33, "--pids 3000 --equal-stamps --liveness none")):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "t.dat")
                subprocess.run([GENERATOR, "-o", path, "--seed", str(seed), "--events", "60000",
                                "--leaks", "300", *more.split()], check=True)
                for words in self.OUTPUTS:
                    with self.subTest(seed=seed, words=words):
                        texts = {run(*words, path, "-j", jobs) for jobs in (1, 2, 4)}
                        self.assertEqual(len(texts), 1)


@unittest.skipIf(b"__asan_init" in open(dat.P2PTRACE, "rb").read(),
                 "memory of a sanitizer is not the program's")
class Memory(unittest.TestCase):
    """A row for each of very many processes, in memory for the rows."""

    PROCESSES = 100000

    def peak(self, *words):
        """Bytes at most, and the number of lines."""
        script = ("import resource, subprocess, sys\n"
                  "done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=True)\n"
                  "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,\n"
                  "      done.stdout.count(b'\\n'), done.stdout.count(b'\"pid\": '))")
        done = subprocess.run([sys.executable, "-c", script, dat.P2PTRACE, *words], check=True,
                              capture_output=True)
        return list(map(int, done.stdout.split()))

    def test_very_many_processes(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "m.dat")
            # A turn of a process is 16 events.
            subprocess.run([GENERATOR, "-o", path, "--events", str(self.PROCESSES * 20),
                            "--threads", "1", "--pids", str(self.PROCESSES)], check=True)
            bytes_, lines, _ = self.peak("report", path, "--by", "pid", "--csv", "-j", "4")
            self.assertGreater(lines, self.PROCESSES * 0.6)
            self.assertLess(bytes_, 400 << 20)
            bytes_, _, rows = self.peak("report", path, "--json", "-j", "4")
            self.assertEqual(rows, lines - 1)
            self.assertLess(bytes_, 300 << 20)


if __name__ == "__main__":
    unittest.main()
