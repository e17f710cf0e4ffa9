# SPDX-License-Identifier: GPL-2.0-or-later
"""Every command's manners: exit statuses, help, usage errors, JSON, hostile names, and
where its output goes."""

import csv
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import time
import unittest

import dat

READING = ("report", "leaks", "events", "info", "analyze", "check")

# A name that would like to be something else: escape sequences, lines, quotes, a formula,
# broken UTF-8, a right-to-left override, and CSI in one character.
HOSTILE = ("=1+1%0a%1b[31m%1b]0;x%07%0d%09%22,%5c%ff%c3%c2%9b%e2%80%aeend", "%0a%0ainjected:1%0a",
           "a%5cninjected:%5c%5c", "%1b[2J", "@SUM(1)", "%ff%fe%fd", "%22%3a%7b", "%7f%01")


def unescape(text):
    return re.sub("%([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), text)


class CommandTest(dat.FileTest):
    def setUp(self):
        super().setUp()
        self.write(dat.build())

    def ok(self, *arguments, **settings):
        done = self.run_it(*arguments, **settings)
        self.assertEqual(done.status, 0, (arguments, done))
        return done.stdout.decode()

    def json(self, *arguments):
        return json.loads(self.ok(*arguments, "--json", self.path))


class Main(CommandTest):
    def commands(self):
        return self.ok("--list-commands").split()

    def test_list(self):
        self.assertLessEqual(set(READING) | {"record"}, set(self.commands()))
        text = self.ok("help")
        for name in self.commands():
            self.assertRegex(text, rf"(?m)^  {name} +\S")
        self.assertEqual(text, self.ok("-h"))
        self.assertEqual(text, self.ok("--help"))

    def test_version(self):
        with open(os.path.join(dat.ROOT, "VERSION"), encoding="ascii") as file:
            version = "p2ptrace " + file.read()
        for word in ("version", "--version", "-V"):
            self.assertEqual(self.ok(word), version)

    def test_nothing(self):
        done = self.run_it()
        self.assertEqual((done.status, done.stdout), (2, b""))
        self.assertIn("usage:", done.stderr)

    def test_unknown(self):
        for word in ("recrod", "", "--recrod", "-x", "report\x1b[31m"):
            done = self.run_it(word)
            self.assertEqual((done.status, done.stdout), (2, b""), done)
            self.assertRegex(done.stderr, r"^p2ptrace: no command '.*\n$")
            self.assertNotIn("\x1b", done.stderr)
        self.assertEqual(self.run_it("help", "recrod").status, 2)

    def test_help_of_every_command(self):
        for name in self.commands():
            text = self.ok(name, "-h")
            self.assertEqual(text, self.ok(name, "--help"))
            self.assertTrue(text.startswith(f"usage: p2ptrace {name} "), text)
            # Every option that completion offers stands in the help, and the other way round.
            offered = set(self.ok("--list-options", name).split())
            shown = set(re.findall(r"(?m)^ .*?(--[a-z0-9-]+)", text)) - {"--help"}
            short = set(re.findall(r"(?m)^  (-\w)(?!,)", text))
            self.assertEqual(offered, shown | short, name)
            for line in text.splitlines():
                self.assertLessEqual(len(line), 100, line)

    def test_help_before_anything_else(self):
        """-h helps without a file, root or tracefs, and after other options."""
        for name in self.commands():
            self.assertEqual(self.ok(name, "-h"), self.ok(name, "-h", cwd=self.folder))
        self.assertEqual(self.ok("report", "--json", "-h"), self.ok("report", "-h"))

    def test_wrong_options(self):
        for name in self.commands():
            for words in (("--no-such-option",), ("-?",), ("--json=1",), ("-i",)):
                if words == ("-i",) and name not in READING:
                    continue
                if words == ("--json=1",) and name == "record":
                    continue
                done = self.run_it(name, *words)
                self.assertEqual((done.status, done.stdout), (2, b""), (name, words, done))
                self.assertRegex(done.stderr, r"^p2ptrace: .*\n$")
                self.assertIn(words[0].split("=")[0], done.stderr)

    def test_wrong_values(self):
        for words in (("report", "--top", "x"), ("report", "-j", "-1"), ("leaks", "--min-age", "5q"),
                      ("leaks", "--by", "colour"), ("report", "--by", "colour"),
                      ("report", "--json", "--csv"), ("events", "--json", "--csv"),
                      ("leaks", "--json", "--csv"), ("report", "--time", "5"),
                      ("report", "--time", "x,y"), ("leaks", "--pid", "me"), ("events", "--cpu", ""),
                      ("info", "--type", ","), ("check", "--max-p99", "soon"), ("check",),
                      ("check", "--min-direct", "x"), ("report", "--by", "pair", "--sort", "colour"),
                      ("report", "--by", "pair", "-F", "colour"), ("record", "-d", "x"),
                      ("record", "-b", "many"), ("record", "-p", "me")):
            done = self.run_it(*words, *([] if words[0] == "record" else [self.path]))
            self.assertEqual((done.status, done.stdout), (2, b""), (words, done))
            self.assertRegex(done.stderr, r"^p2ptrace: .*\n$", words)

    def test_one_file_at_a_time(self):
        for name in READING:
            words = (name, "--no-loss") if name == "check" else (name,)
            self.assertEqual(self.run_it(*words, self.path, self.path).status, 2)
            self.assertEqual(self.run_it(*words, "-i", self.path, self.path).status, 2)

    def test_file_in_every_place(self):
        expected = self.ok("report", "-i", self.path)
        for words in ((self.path,), ("-i" + self.path,), ("--input", self.path),
                      ("--input=" + self.path,), ("--", self.path)):
            self.assertEqual(self.ok("report", *words), expected)
        os.rename(self.path, os.path.join(self.folder, "p2ptrace.dat"))
        self.assertEqual(self.ok("report", cwd=self.folder),
                         expected.replace(self.path, "p2ptrace.dat"))

    def test_threads_do_not_matter(self):
        for name in ("report", "leaks"):
            expected = self.ok(name, "--json", "-j1", self.path)
            for threads in (2, 3, 7, 64, 1000):
                self.assertEqual(self.ok(name, "--json", "-j", threads, self.path), expected)


# --- JSON, against the contract ---

NUMBER, TEXT, SHARE = int, str, (int, float)
MAYBE = type(None)
HISTOGRAM = {"count": NUMBER, "min": (NUMBER, MAYBE), "mean": (int, float, MAYBE),
             "p50": (NUMBER, MAYBE), "p90": (NUMBER, MAYBE), "p99": (NUMBER, MAYBE),
             "p999": (NUMBER, MAYBE), "max": (NUMBER, MAYBE)}
REPORT = {
    "schema": TEXT, "file": TEXT, "clock": TEXT, "start_ns": NUMBER, "duration_ns": NUMBER,
    "events": dict.fromkeys(("total", "alloc", "free", "map", "unmap", "map_type_change", "other",
                             "lost"), NUMBER),
    "map_types": [{"type": TEXT, "maps": NUMBER, "bytes": NUMBER, "share": SHARE}],
    "bus_addr_ratio": SHARE,
    "pairs": [{"client": TEXT, "provider": TEXT, "type": TEXT, "dist": (NUMBER, MAYBE),
               "maps": NUMBER, "unmaps": NUMBER, "bytes": NUMBER, "outstanding": NUMBER,
               "outstanding_bytes": NUMBER, "lifetime_ns": HISTOGRAM}],
    "processes": [{"pid": NUMBER, "comm": TEXT, "allocs": NUMBER, "alloc_bytes": NUMBER,
                   "frees": NUMBER, "free_bytes": NUMBER, "maps": NUMBER, "map_bytes": NUMBER,
                   "unmaps": NUMBER, "bus_addr": NUMBER, "thru_host_bridge": NUMBER,
                   "not_supported": NUMBER}],
    "lifetimes": {"map_ns": HISTOGRAM, "alloc_ns": HISTOGRAM},
    "outstanding": dict.fromkeys(("allocs", "alloc_bytes", "maps", "map_bytes"), NUMBER),
    "truncated": bool, "filters": {}, "orphans": {"frees": NUMBER, "unmaps": NUMBER},
    "superseded": NUMBER, "failed": {"allocs": NUMBER, "maps": NUMBER, "map_bytes": NUMBER},
}
TOTAL = {"count": NUMBER, "bytes": NUMBER}
LEAKS = {
    "schema": TEXT, "lost": NUMBER,
    "totals": {"leaked": TOTAL, "in_flight": TOTAL, "unknown": TOTAL},
    "leaks": [{"kind": TEXT, "verdict": TEXT, "why": TEXT, "pid": NUMBER, "comm": TEXT,
               "provider": TEXT, "client": (TEXT, MAYBE), "type": (TEXT, MAYBE), "addr": TEXT,
               "bytes": NUMBER, "age_ns": NUMBER, "ts_ns": NUMBER, "stack": []}],
}


class Json(CommandTest):
    def match(self, value, shape, where="document"):
        """The keys of the contract are there with their types; further keys may be."""
        if isinstance(shape, dict):
            self.assertIsInstance(value, dict, where)
            for key, inner in shape.items():
                self.assertIn(key, value, where)
                self.match(value[key], inner, f"{where}.{key}")
        elif isinstance(shape, list):
            self.assertIsInstance(value, list, where)
            for row in value if shape else []:
                self.match(row, shape[0], where + "[]")
        else:
            self.assertIsInstance(value, shape, where)
            self.assertFalse(isinstance(value, bool) and shape is not bool, where)

    def test_report(self):
        document = self.json("report")
        self.match(document, REPORT)
        self.assertEqual(document["schema"], "p2ptrace.report/1")
        self.assertEqual(document["file"], self.path)
        self.assertEqual(document["clock"], "mono")
        self.assertEqual(document["start_ns"], 100)
        self.assertEqual(document["duration_ns"], 100000000900)
        self.assertEqual(document["filters"], {})
        counts = document["events"]
        self.assertEqual(counts["total"], sum(counts[name] for name in (
            "alloc", "free", "map", "unmap", "map_type_change")))
        self.assertEqual(sum(row["maps"] for row in document["map_types"]), counts["map"])
        self.assertAlmostEqual(sum(row["share"] for row in document["map_types"]), 1)
        self.assertEqual(document["bus_addr_ratio"], 0.5)
        self.assertNotIn("groups", document)

    def test_report_of_nothing(self):
        self.write(dat.build("cpus 2\n"))
        document = self.json("report")
        self.assertIsNone(document["bus_addr_ratio"])
        self.assertEqual(document["map_types"], [])
        self.assertEqual(document["lifetimes"]["map_ns"]["count"], 0)
        self.assertIsNone(document["lifetimes"]["map_ns"]["p99"])
        for name in READING:
            done = self.run_it(name, *(["--no-leaks"] if name == "check" else []), self.path)
            self.assertEqual(done.status, 0, done)

    def test_other_clocks(self):
        self.write(dat.build(form="clock counter\n"))
        document = self.json("report")
        self.assertIsNone(document["start_ns"])
        self.assertIsNone(document["duration_ns"])
        self.assertIsNone(document["lifetimes"]["map_ns"])
        self.assertTrue(all(row["lifetime_ns"] is None for row in document["pairs"]))
        self.assertTrue(all(row["age_ns"] is None for row in self.json("leaks")["leaks"]))
        line = json.loads(self.ok("events", "--json", self.path).splitlines()[0])
        self.assertIsNone(line.get("ts_ns"))

    def test_filters_are_told(self):
        document = self.json("report", "--pid", "10", "--client", "0000:*", "--time", "0%,100%")
        self.assertEqual(document["filters"],
                         {"pid": "10", "client": "0000:*", "time": "0%,100%"})

    def test_groups(self):
        document = self.json("report", "--by", "pair")
        self.match(document, REPORT)
        self.assertIsInstance(document["groups"], list)
        self.assertEqual(sum(row["maps"] for row in document["groups"]), 5)

    def test_leaks(self):
        document = self.json("leaks")
        self.match(document, LEAKS)
        self.assertEqual(document["schema"], "p2ptrace.leaks/1")
        for row in document["leaks"]:
            self.assertRegex(row["addr"], "^0x[0-9a-f]+$")
            self.assertIn(row["kind"], ("alloc", "map"))
            self.assertEqual(row["client"] is None, row["kind"] == "alloc")
            self.assertEqual(row["type"] is None, row["kind"] == "alloc")
        for verdict, total in document["totals"].items():
            rows = [row for row in document["leaks"] if row["verdict"] == verdict]
            self.assertEqual(total, {"count": len(rows), "bytes": sum(row["bytes"] for row in rows)})

    def test_events(self):
        lines = [json.loads(line) for line in self.ok("events", "--json", self.path).splitlines()]
        self.assertEqual(len(lines), 10)
        stamps = [line["ts_ns"] for line in lines]
        self.assertEqual(stamps, sorted(stamps))
        lost = [line for line in lines if line["event"] == "lost"]
        self.assertEqual(lost, [{"ts_ns": 100000000900, "cpu": 1, "event": "lost", "count": 3}])
        self.match(lines[0], {"ts_ns": NUMBER, "cpu": NUMBER, "event": TEXT, "pid": NUMBER,
                              "comm": TEXT, "provider": TEXT, "addr": TEXT, "size": NUMBER})
        self.assertEqual(lines[0]["addr"], "0xffff888000000000")
        self.assertEqual(lines[1]["type"], "BUS_ADDR")
        self.assertEqual(lines[1]["dist"], 4)
        # A thread's process, and what it is called then.
        self.assertEqual((lines[1]["pid"], lines[1]["tid"], lines[1]["comm"]), (10, 11, "worker"))
        self.assertEqual(lines[-1]["comm"], "writer")
        self.assertEqual(self.ok("events", "--json", "-a", self.path).count("\n"), 12)

    def test_no_key_stands_twice(self):
        def unique(pairs):
            keys = [key for key, _ in pairs]
            self.assertEqual(len(keys), len(set(keys)), keys)
            return dict(pairs)

        self.write(dat.build(
            "event p2p_dma_map 303 client:s provider:s type:u4 dma_addr:u8 size:u8 len:u8 cpu:u4 "
            "event:s ts_ns:u8 addr:u8 phys_addr:u8 tid:u4 count:u4\n"
            "1 0 map client=c provider=p type=2 dma_addr=1 size=2 len=3 cpu=4 event=x ts_ns=5 "
            "addr=6 phys_addr=7 count=9\n2 0 exit comm=x pid=5 tid=6\n"))
        for name in READING:
            words = ("--no-loss",) if name == "check" else ("-a",) if name == "events" else ()
            for line in ([self.ok(name, "--json", *words, self.path)] if name != "events" else
                         self.ok(name, "--json", *words, self.path).splitlines()):
                json.loads(line, object_pairs_hook=unique)

    def test_others(self):
        for name in ("info", "analyze", "check"):
            words = ("--no-refused",) if name == "check" else ()
            done = self.run_it(name, "--json", *words, self.path)
            self.assertEqual(json.loads(done.stdout)["schema"], f"p2ptrace.{name}/1")

    def test_info_of_a_machine_that_slept(self):
        """As record writes it: no machine that these tests run on can be put to sleep."""
        self.write(dat.build("private suspended 1500000000\n"
                             "10 0 alloc provider=p addr=4096 size=4096\n"))
        self.assertEqual(self.json("info")["recording"]["suspended"], "1500000000")
        self.assertRegex(self.ok("info", self.path), r"suspended, in ns +1500000000")


# --- what a traced program calls itself ---

class HostileNames(CommandTest):
    def files(self):
        for name in HOSTILE:
            yield name, (
                f"cmdline 5 {name}\nprivate hostname {name}\nprivate kernel {name}\nuname {name}\n"
                f"private cmdline {name}\nprivate stop 900\n"
                "event p2p_dma_map 303 client:s provider:s type:s dma_addr:u8 size:u8 comm:s note:s\n"
                "event other 77 text:s\n"
                f"100 0 map client={name} provider={name} type={name} dma_addr=1 size=1 "
                f"comm={name} note={name} tid=5\n"
                f"150 0 alloc provider={name} addr=1 size=1 tid=5\n"
                f"160 0 rename pid=6 oldcomm={name} newcomm={name} tid=6\n"
                f"170 0 map client=x provider={name} type=BUS_ADDR dma_addr=1 size=1 tid=6\n"
                f"180 0 other text={name} tid=5\n")

    def commands(self):
        for name in READING:
            words = ("--no-leaks",) if name == "check" else ("-a",) if name == "events" else ()
            yield (name, *words)
        for name in ("report", "leaks"):
            yield (name, "--by", "client,provider,type,pid")
        yield ("report", "--hist", "--timeline")
        yield ("leaks", "--each")

    def plain(self, text, words):
        """Lines of printable characters, whatever the terminal."""
        decoded = text.decode("utf-8")  # or it is broken
        for character in decoded:
            self.assertTrue(character == "\n" or character.isprintable(), (words, decoded))
        self.assertNotIn("\ninjected", decoded)

    def test_texts(self):
        for _, script in self.files():
            self.write(dat.build(script))
            for words in self.commands():
                done = self.run_it(*words, self.path)
                self.assertIn(done.status, (0, 1), done)
                self.plain(done.stdout, words)
                self.plain(done.stderr.encode("utf-8", "surrogateescape"), words)

    def test_json(self):
        for name, script in self.files():
            self.write(dat.build(script))
            for words in self.commands():
                if "--each" in words or "--timeline" in words:
                    continue
                done = self.run_it(*words, "--json", self.path)
                for line in (done.stdout.splitlines() if words[0] == "events" else [done.stdout]):
                    json.loads(line)
            if not re.search("%[89a-f]", name):  # all of it is ASCII
                self.assertIn(unescape(name), {row["client"] for row in self.json("report")["pairs"]})

    def test_csv(self):
        for _, script in self.files():
            self.write(dat.build(script))
            for words in (("report",), ("leaks",), ("events", "-a"), ("report", "--by", "pair"),
                          ("report", "--by", "pid"), ("leaks", "--by", "pid,pair")):
                text = self.ok(*words, "--csv", self.path)
                self.plain(text.encode(), words)
                rows = list(csv.reader(io.StringIO(text), strict=True))
                self.assertGreater(len(rows), 1)
                for row in rows:
                    self.assertEqual(len(row), len(rows[0]), (words, row))
                    for cell in row:
                        if not re.fullmatch(r"-?[\d.e+-]+", cell):
                            self.assertNotIn(cell[:1], tuple("=+-@\t\r"), (words, row))

    def test_file_names(self):
        path = os.path.join(self.folder, "a\x1b[31m\nb.dat")
        for data in (dat.build(), b"", b"nonsense"):
            self.write(data, path)
            for words in self.commands():
                done = self.run_it(*words, path)
                self.plain(done.stdout, words)
                self.plain(done.stderr.encode(), words)
                if done.status == 3:
                    self.assertEqual(done.stderr.count("\n"), 1, done)


# --- where the output goes ---

class Output(CommandTest):
    def setUp(self):
        super().setUp()
        lines = "".join(f"{1000 + i} {i % 4} map client=c{i} provider=p type=2 dma_addr={i} size=1\n"
                        for i in range(3000))
        self.long = os.path.join(self.folder, "long.dat")
        self.write(dat.build(lines), self.long)

    def commands(self):
        yield ("report", "--top", "0", self.long)
        yield ("report", "--json", self.long)
        yield ("report", "--csv", "--by", "pair", self.long)
        yield ("leaks", "--each", "--top", "0", self.long)
        yield ("leaks", "--json", self.long)
        yield ("events", self.long)
        yield ("events", "--json", self.long)
        yield ("events", "--csv", self.long)

    def test_full_disk(self):
        short = [("report", self.path), ("info", self.path), ("help",), ("version",),
                 ("report", "-h"), ("--list-commands",), ("check", "--no-refused", self.path)]
        for words in [*self.commands(), *short]:
            with open("/dev/full", "wb") as full:
                done = subprocess.run([dat.P2PTRACE, *words], stdout=full, stderr=subprocess.PIPE,
                                      check=False, timeout=dat.LIMIT)
            self.assert_sound(done, words)
            self.assertEqual(done.returncode, 3, (words, done))
            self.assertRegex(done.stderr, b"p2ptrace: cannot write to standard output: "
                                          b"No space left on device\n$")

    def test_closed_output(self):
        for words in self.commands():
            done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", dat.P2PTRACE, *words],
                                  stderr=subprocess.PIPE, check=False, timeout=dat.LIMIT)
            self.assert_sound(done, words)
            self.assertEqual(done.returncode, 3, (words, done))

    def test_broken_pipe_is_silent(self):
        for words in self.commands():
            with subprocess.Popen([dat.P2PTRACE, *words], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE) as process:
                process.stdout.read(10)
                process.stdout.close()
                errors = process.stderr.read()
                process.wait(timeout=dat.LIMIT)
            self.assertEqual(errors.replace(b"p2ptrace: warning:", b""), errors, words)
            self.assertEqual((process.returncode, errors), (0, b""), words)

    def test_same_bytes_every_time(self):
        for words in self.commands():
            self.assertEqual(self.ok(*words), self.ok(*words))

    # --- terminals ---

    def on_terminal(self, *words, **environment):
        """Runs with a terminal for everything; what it showed, and the status."""
        pid, terminal = pty.fork()
        if pid == 0:
            settings = {key: value for key, value in os.environ.items()
                        if key not in ("PAGER", "P2PTRACE_PAGER", "NO_COLOR", "LESS")}
            os.execve(dat.P2PTRACE, [dat.P2PTRACE, *words],
                      {**settings, "TERM": "xterm", **environment})
        shown, limit = b"", time.monotonic() + dat.LIMIT
        while time.monotonic() < limit:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                data = os.read(terminal, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
        else:
            os.kill(pid, signal.SIGKILL)
        os.close(terminal)
        return shown.replace(b"\r\n", b"\n"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_pager_on_a_terminal_only(self):
        pager = "sed s/^/paged:/"
        self.assertNotIn("paged:", self.ok("report", self.path,
                                           env={**os.environ, "P2PTRACE_PAGER": pager}))
        for variable in ("P2PTRACE_PAGER", "PAGER"):
            shown, status = self.on_terminal("report", self.path, **{variable: pager})
            self.assertEqual(status, 0)
            self.assertIn(b"\npaged:", shown)
            self.assertTrue(all(line.startswith(b"paged:") for line in shown.splitlines()), shown)
        for value in ("", "cat"):
            shown, status = self.on_terminal("report", self.path, P2PTRACE_PAGER=value, PAGER=pager)
            self.assertEqual(status, 0)
            self.assertNotIn(b"paged:", shown)
            self.assertIn(b"BUS_ADDR", shown)

    def test_pager_that_is_quit(self):
        """Whoever has read enough ends it: no error, and nothing hangs."""
        shown, status = self.on_terminal("events", self.long, PAGER="head -n 1")
        self.assertEqual(status, 0, shown)
        self.assertEqual(shown.count(b"\n"), 1, shown)
        shown, status = self.on_terminal("events", self.long, PAGER="true")
        self.assertEqual((status, shown), (0, b""))

    def test_pager_that_is_none(self):
        shown, status = self.on_terminal("report", self.path, PAGER="/no/such/pager")
        self.assertEqual(status, 0, shown)

    def test_errors_come_behind_the_pager(self):
        shown, status = self.on_terminal("report", "/no/such/file", PAGER="cat -n")
        self.assertEqual(status, 3)
        self.assertEqual(shown, b"p2ptrace: /no/such/file: cannot open: No such file or directory\n")

    def test_colour(self):
        """Nowhere but on a terminal, and not there with NO_COLOR or a dumb one."""
        for words in (("report", self.path), ("analyze", self.path), ("leaks", self.path),
                      ("check", "--no-refused", self.path)):
            done = self.run_it(*words)
            self.assertNotIn(b"\x1b", done.stdout, words)
            for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
                shown, _ = self.on_terminal(*words, PAGER="", **environment)
                self.assertNotIn(b"\x1b[", shown, (words, environment))

    def test_no_progress_into_files(self):
        for words in self.commands():
            done = self.run_it(*words)
            self.assertEqual(done.stderr, "", words)


del CommandTest  # it holds no test of its own

if __name__ == "__main__":
    unittest.main()
