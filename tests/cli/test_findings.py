# SPDX-License-Identifier: GPL-2.0-or-later
"""analyze and check: every finding provoked and absent, its numbers; every condition both ways."""

import json
import os
import re
import unittest

import dat

TYPES = "types 0=UNKNOWN 1=NOT_SUPPORTED 2=BUS_ADDR 3=THRU_HOST_BRIDGE\n"
# Everybody is known: 7 lived at the stop, 8 did not.
WHO = ("private format 1\nprivate tgid 7 7\nprivate tgid 8 8\nprivate liveness 1\n"
       "private alive 7 -\nprivate stop 10000000\ncmdline 7 seven\ncmdline 8 eight\n")
HEAD = TYPES + WHO


def mapping(stamp, kind=2, client="c", provider="p", tid=7, end=None, size=4096, dma=None,
            dist=4, cpu=0):
    """The lines of a mapping, and of its end if it has one."""
    key = dma if dma is not None else 0x1000 + stamp * 0x10000
    line = (f"{stamp} {cpu} map client={client} provider={provider} type={kind} dist={dist} "
            f"dma_addr={key:#x} size={size} tid={tid}\n")
    return line + ("" if end is None else
                   f"{end} {cpu} unmap client={client} provider={provider} type={kind} "
                   f"dma_addr={key:#x} size={size} tid={tid}\n")


def allocation(stamp, provider="p", tid=7, end=None, size=4096, addr=None):
    key = addr if addr is not None else 0x1000 + stamp * 0x10000
    line = f"{stamp} 0 alloc provider={provider} addr={key:#x} size={size} tid={tid}\n"
    return line + ("" if end is None else
                   f"{end} 0 free provider={provider} addr={key:#x} size={size} tid={tid}\n")


REFUSED = {"kind": 1, "dma": (1 << 64) - 1}
# Several pages, the data last in the file.
LONG = "version 6\npage 512\n" + HEAD + "".join(mapping(at, end=at + 5)
                                                for at in range(100, 2000, 10))
CLEAN = HEAD + mapping(10, end=20) + mapping(30, end=40) + allocation(50, end=60)


class FindingsTest(dat.FileTest):
    maxDiff = None

    def ok(self, *arguments, **settings):
        done = self.run_it(*arguments, **settings)
        self.assertEqual(done.status, 0, done)
        return done.stdout.decode()

    def analyze(self, script, *options, cut=None):
        """{id: finding} of a script's file."""
        self.write(dat.build(script)[:cut])
        document = json.loads(self.ok("analyze", "--json", *options, self.path))
        self.assertEqual((document["schema"], document["file"]), ("p2ptrace.analyze/1", self.path))
        self.order(document["findings"])
        found = {finding["id"]: finding for finding in document["findings"]}
        self.assertEqual(len(found), len(document["findings"]))
        self.compare_text(document["findings"], self.ok("analyze", *options, self.path))
        return found

    def order(self, findings):
        """Worst first."""
        worst = ("bad", "warning", "note")
        ranks = [(worst.index(finding["severity"]), -finding["weight"]) for finding in findings]
        self.assertEqual(ranks, sorted(ranks))

    def compare_text(self, findings, text):
        """The text says the same, and is no wider than a screen."""
        self.assertLessEqual(max(map(len, text.splitlines())), 100)
        titles = re.findall(r"(?m)^(BAD|WARNING|NOTE): (.*)$", text)
        self.assertEqual([(level.lower(), title) for level, title in titles],
                         [(finding["severity"], finding["title"]) for finding in findings])
        words = " ".join(text.split())
        for finding in findings:
            for key in ("evidence", "cause", "remedy"):
                self.assertIn(" ".join((finding[key] or "").split()), words)
        if not findings:
            self.assertIn("nothing to complain of", text)


class Findings(FindingsTest):
    def only(self, script, name, *options, **settings):
        """That finding and no other; its evidence as lines."""
        found = self.analyze(script, *options, **settings)
        self.assertEqual(list(found), [name])
        return found[name], (found[name]["evidence"] or "").split("\n")

    def test_a_clean_recording(self):
        self.assertEqual(self.analyze(CLEAN), {})
        self.assertEqual(self.ok("analyze", self.path),
                         "nothing to complain of: 6 events, 100 % of the maps direct, "
                         "nothing leaked\n")

    def test_no_p2p(self):
        finding, _ = self.only(HEAD + "10 0 exit comm=x pid=9 prio=120 tid=9\n", "no-p2p")
        self.assertIn("p2pmem", finding["remedy"])
        self.only(HEAD, "no-p2p")

    def test_nothing_selected(self):
        self.only(CLEAN, "nothing-selected", "--pid", "999")
        self.only(CLEAN, "nothing-selected", "--time", "5,6")

    def test_lost_events(self):
        finding, lines = self.only("stats 0 12 0 0\nstats 2 0 0 2565\n" + CLEAN, "lost-events")
        self.assertEqual((finding["title"], finding["weight"], finding["severity"]),
                         ("2,577 events were lost", 2577, "bad"))
        self.assertEqual(lines, ["6 events were kept", "cpu 0: 12 lost", "cpu 2: 2565 lost"])

    def test_lost_on_many_cpus(self):
        stats = "".join(f"stats {cpu} {cpu + 1} 0 0\n" for cpu in range(9))
        _, lines = self.only(stats + CLEAN, "lost-events")
        self.assertEqual(lines[-2:], ["cpu 4: 5 lost", "and 4 more"])

    def test_missed_probes(self):
        finding, lines = self.only("private missed 31\n" + CLEAN, "lost-events")
        self.assertEqual((finding["weight"], lines[-1]), (31, "probes missed 31"))

    def test_loss_that_nobody_counted(self):
        found = self.analyze(HEAD + mapping(10, end=20) + "lost 0 ?\n" + mapping(30, end=40))
        self.assertEqual(found["lost-events"]["title"], "an unknown number of events were lost")
        self.assertIn("at 1 places", found["lost-events"]["evidence"])
        found = self.analyze(HEAD + "lost 0 ?\n30 0 exit comm=x pid=9 prio=120 tid=9\n")
        self.assertEqual(list(found), ["lost-events"])

    def test_a_file_that_is_cut_off(self):
        finding = self.analyze(LONG, cut=-600)["damaged-file"]
        self.assertEqual((finding["title"], finding["severity"]), ("the file is cut off", "bad"))

    def test_refused_maps(self):
        script = HEAD + mapping(10, end=20) + "".join(
            mapping(at, client="c2", tid=8, size=1024, **REFUSED) for at in range(100, 112))
        finding, lines = self.only(script, "refused-maps")
        self.assertEqual((finding["title"], finding["weight"], finding["severity"]),
                         ("12 maps were refused", 12, "bad"))
        self.assertEqual(lines, ["c2 -> p: 12 maps, 12.0 KiB, distance 4",
                                 "asked for by eight (pid 8): 12"])

    def test_refused_by_the_address_alone(self):
        """A pair and type of which some maps were refused: how many of how many."""
        script = HEAD + mapping(10, end=20) + mapping(30, end=40) + \
            mapping(50, dma=REFUSED["dma"])
        _, lines = self.only(script, "refused-maps")
        self.assertEqual(lines, ["c -> p: 1 of 3 maps, 12.0 KiB, distance 4"])

    def test_refused_of_many(self):
        script = HEAD + "".join(mapping(10 + at, client=f"c{at}", tid=20 + at, **REFUSED)
                                for at in range(8))
        _, lines = self.only(script, "refused-maps")
        self.assertEqual((lines[5], lines[-1]), ("and 3 more", "and by 3 more processes"))
        self.assertEqual(len(lines), 12)

    def test_leaks(self):
        script = CLEAN + "".join(mapping(at, tid=8, size=3072) for at in (100, 200)) + \
            allocation(300, tid=8, size=512) + allocation(400, tid=7, size=9999)
        finding, lines = self.only(script, "leaks")
        self.assertEqual((finding["title"], finding["weight"], finding["severity"]),
                         ("3 allocations or mappings leaked (6.5 KiB)", 3, "bad"))
        self.assertEqual(lines, ["eight (pid 8): 2 maps of p, 6.0 KiB",
                                 "eight (pid 8): 1 allocs of p, 512 B"])

    def test_what_is_in_flight_is_no_leak(self):
        self.assertEqual(self.analyze(CLEAN + mapping(100) + allocation(200)), {})
        found = self.analyze(CLEAN + mapping(100) + allocation(200), "--min-age", "1ms")
        self.assertEqual(found["leaks"]["weight"], 2)
        self.assertEqual(self.analyze(CLEAN + mapping(100), "--min-age", "1s"), {})

    def test_unknown_open(self):
        script = TYPES + mapping(10, end=20) + mapping(30) + allocation(40)
        finding, lines = self.only(script, "unknown-open")
        self.assertEqual((finding["weight"], finding["severity"]), (2, "note"))
        self.assertIn("does not tell", lines[0])
        # Behind leaks in the list of what is open the reason is still its own.
        found = self.analyze(HEAD + mapping(20, tid=99, dma=0x7000000) + mapping(30, tid=8)
                             + mapping(40, tid=8))
        self.assertEqual((found["leaks"]["weight"], found["unknown-open"]["weight"]), (2, 1))
        self.assertIn("does not tell", found["unknown-open"]["evidence"])

    def test_failed_allocations(self):
        script = CLEAN + allocation(100, addr=0, size=1 << 20) + allocation(110, addr=0) + \
            allocation(120, provider="q", end=130)
        finding, lines = self.only(script, "failed-allocations")
        self.assertEqual((finding["title"], finding["weight"], finding["severity"]),
                         ("2 allocations failed", 2, "bad"))
        self.assertEqual(lines, ["p: 2 of 3 failed; at most 4.0 KiB were held"])

    def test_through_the_host_bridge(self):
        script = CLEAN + "".join(mapping(at, kind=3, client="far", end=at + 1, dist=8)
                                 for at in (100, 200, 300))
        finding, lines = self.only(script, "through-host-bridge")
        self.assertEqual((finding["title"], finding["weight"], finding["severity"]),
                         ("3 maps (60.0 % of those that succeeded) went through the host bridge",
                          3, "warning"))
        self.assertEqual(lines, ["far -> p: 3 maps, 12.0 KiB, distance 8"])

    def test_orphans_are_no_maps(self):
        """An end of a mapping made before the recording is neither a map nor a type."""
        orphan = "5 0 unmap client={} provider=p type={} dma_addr=0x5 size=4096 tid=7\n"
        script = CLEAN + orphan.format("c", 3) + orphan.format("d", 3)
        self.assertEqual(self.analyze(script), {})

    def test_type_changed(self):
        script = CLEAN + mapping(100, kind=3, end=110)
        found = self.analyze(script)
        self.assertEqual(sorted(found), ["through-host-bridge", "type-changed"])
        self.assertEqual((found["type-changed"]["evidence"], found["type-changed"]["severity"]),
                         ("c -> p: 2 BUS_ADDR, 1 THRU_HOST_BRIDGE", "warning"))

    def test_type_changed_twice(self):
        script = CLEAN + mapping(100, kind=3, end=110) + mapping(120, **REFUSED)
        found = self.analyze(script)["type-changed"]
        self.assertEqual((found["weight"], found["evidence"]),
                         (1, "c -> p: 2 BUS_ADDR, 1 NOT_SUPPORTED, 1 THRU_HOST_BRIDGE"))

    def test_type_changed_with_orphans_between(self):
        """Rows of a pair are in order of type: one with orphans alone hides nothing."""
        orphan = "5 0 unmap client=c provider=p type=1 dma_addr=0x5 size=4096 tid=7\n"
        found = self.analyze(CLEAN + orphan + mapping(100, kind=3, end=110))
        self.assertEqual(found["type-changed"]["evidence"],
                         "c -> p: 2 BUS_ADDR, 1 THRU_HOST_BRIDGE")

    def test_the_same_client_and_another_provider(self):
        script = CLEAN + mapping(100, kind=3, provider="q", end=110)
        self.assertNotIn("type-changed", self.analyze(script))

    def long_tail(self, count, slow, tail):
        lines = [mapping(1000 * at, end=1000 * at + 500) for at in range(1, count + 1)]
        last = 1000 * (count + 2)
        lines += [mapping(last + at, end=last + at + tail) for at in range(slow)]
        return self.analyze(TYPES + "".join(lines))

    def test_long_tail(self):
        found = self.long_tail(1000, 10, 20000000)
        self.assertEqual(list(found), ["long-tail"])
        self.assertEqual(found["long-tail"]["severity"], "note")
        self.assertRegex(found["long-tail"]["evidence"],  # within 1 %
                         r"^c -> p: half end within (49[5-9]|50[0-5]) ns, one in a thousand takes "
                         r"(19\.[89]|20\.[0-2]) ms$")
        self.assertEqual(self.long_tail(1000, 10, 9000000), {})  # not long
        self.assertEqual(self.long_tail(900, 10, 20000000), {})  # too few to tell

    def test_worst_first(self):
        script = HEAD + "stats 0 3 0 0\n" + mapping(10, end=20) + mapping(30, tid=8) + \
            "".join(mapping(at, **REFUSED) for at in range(40, 50)) + \
            mapping(60, kind=3, end=70) + mapping(80, kind=3, end=90)
        found = list(self.analyze(script))
        self.assertEqual(found, ["refused-maps", "lost-events", "through-host-bridge",
                                 "type-changed", "unknown-open"])

    def test_names_make_no_evidence(self):
        name = "x%0a%1b[31m%0aBAD:%20nothing%0a"
        script = TYPES + "private format 1\nprivate tgid 8 8\nprivate liveness 1\n" \
            "cmdline 8 %1b[2Jx\n" + mapping(10, client=name, provider=name, tid=8, **REFUSED) + \
            mapping(20, client=name, provider=name, tid=8) + \
            mapping(30, kind=3, client=name, provider=name, tid=8, end=40) + \
            allocation(50, provider=name, tid=8, addr=0)
        found = self.analyze(script)
        self.assertEqual(sorted(found), ["failed-allocations", "leaks", "refused-maps",
                                         "through-host-bridge", "type-changed"])
        for finding in found.values():
            for line in finding["evidence"].split("\n"):
                self.assertRegex(line, r"x\\x0a\\x1b\[31m\\x0aBAD: nothing\\x0a|^asked for by ")
        text = self.ok("analyze", self.path)
        self.assertNotRegex(text, r"[\x00-\x09\x0b-\x1f\x7f]")
        self.assertEqual(len(re.findall(r"(?m)^BAD:", text)), 3)

    def test_every_finding_has_words(self):
        for script in (HEAD, "stats 0 9 0 0\n" + CLEAN, HEAD + mapping(1, **REFUSED),
                       CLEAN + mapping(100, tid=8), CLEAN + mapping(100, kind=3, end=101),
                       CLEAN + allocation(100, addr=0), TYPES + mapping(1)):
            for finding in self.analyze(script).values():
                self.assertGreater(len(finding["cause"]), 40, finding)
                self.assertGreater(len(finding["remedy"]), 40, finding)

    def test_one_thread_or_several(self):
        self.write(dat.build(CLEAN + mapping(100, tid=8) + mapping(200, **REFUSED)))
        self.assertEqual(self.ok("analyze", self.path, "-j1"),
                         self.ok("analyze", self.path, "-j4"))


class Check(FindingsTest):
    """Exit status 0 or 1, a line for each condition that was asked for, and JSON."""

    def check(self, script, *conditions, cut=None):
        """{condition: whether it holds}; the status and all forms agree."""
        self.write(dat.build(script)[:cut])
        done = self.run_it("check", self.path, *conditions)
        rows = re.findall(r"(?m)^(ok  |FAIL) (\S+) +(.*)$", done.stdout.decode())
        self.assertEqual(len(rows), len(done.stdout.decode().splitlines()))
        found = {name: word == "ok  " for word, name, _ in rows}
        self.assertEqual(done.status, 0 if all(found.values()) else 1, done)
        told = self.run_it("check", self.path, "--json", *conditions)
        self.assertEqual(told.status, done.status)
        self.assertEqual(json.loads(told.stdout), {
            "schema": "p2ptrace.check/1", "file": self.path, "passed": not done.status,
            "conditions": [{"condition": name, "passed": word == "ok  ", "detail": detail}
                           for word, name, detail in rows]})
        return found

    def one(self, script, *conditions, **settings):
        """Whether the only condition holds."""
        found = self.check(script, *conditions, **settings)
        self.assertEqual(list(found), [conditions[0].lstrip("-")])
        return found.popitem()[1]

    def maps(self, direct, others):
        return HEAD + "".join(mapping(10 * at, end=10 * at + 5) for at in range(1, direct + 1)) + \
            "".join(mapping(100000 + 10 * at, kind=3, client="far", end=100000 + 10 * at + 5)
                    for at in range(others))

    def test_min_direct(self):
        self.assertTrue(self.one(self.maps(4, 0), "--min-direct", "100"))
        self.assertTrue(self.one(self.maps(3, 1), "--min-direct", "75"))
        self.assertTrue(self.one(self.maps(3, 1), "--min-direct", "74.99%"))
        self.assertFalse(self.one(self.maps(3, 1), "--min-direct", "75.01"))
        self.assertTrue(self.one(self.maps(0, 3), "--min-direct", "0"))

    def test_min_direct_exactly(self):
        """29 of 100 are 29 %, whatever floating point says of 0.29 * 100."""
        for direct in (7, 14, 28, 29, 55, 56, 57, 58):
            script = self.maps(direct, 100 - direct)
            self.assertTrue(self.one(script, "--min-direct", direct), direct)
            self.assertFalse(self.one(script, "--min-direct", f"{direct}.01"), direct)

    def test_refused_maps_are_not_direct_nor_counted(self):
        script = self.maps(3, 1) + mapping(5, client="r", **REFUSED)
        self.assertTrue(self.one(script, "--min-direct", "75"))

    def test_no_map_is_not_direct(self):
        for script in (HEAD, HEAD + allocation(1, end=2), HEAD + mapping(1, **REFUSED)):
            self.assertFalse(self.one(script, "--min-direct", "0"))

    def test_no_leaks(self):
        self.assertTrue(self.one(CLEAN, "--no-leaks"))
        self.assertTrue(self.one(CLEAN + mapping(100), "--no-leaks"))  # in flight
        self.assertFalse(self.one(CLEAN + mapping(100, tid=8), "--no-leaks"))
        self.assertFalse(self.one(CLEAN + allocation(100, tid=8), "--no-leaks"))
        self.assertFalse(self.one(TYPES + mapping(100), "--no-leaks"))  # unknown

    def test_no_leaks_by_age(self):
        for age, holds in (("1ms", False), ("9ms", False), ("10ms", True), ("1s", True)):
            found = self.check(TYPES + "private stop 10000000\n" + mapping(1000), "--no-leaks",
                               "--min-age", age)
            self.assertEqual(found, {"no-leaks": holds}, age)

    def test_no_loss(self):
        self.assertTrue(self.one(CLEAN, "--no-loss"))
        for loss in ("stats 0 1 0 0\n", "stats 0 0 1 0\n", "stats 3 0 0 1\n", "lost 0 4\n",
                     "lost 0 ?\n", "private missed 1\n", "private unsaved 0 1\n"):
            self.assertFalse(self.one(loss + CLEAN, "--no-loss"), loss)
        self.assertTrue(self.one("private flight_recorder 1\nstats 0 9 0 0\n" + CLEAN,
                                 "--no-loss"))

    def test_no_refused(self):
        self.assertTrue(self.one(CLEAN, "--no-refused"))
        self.assertFalse(self.one(CLEAN + mapping(100, **REFUSED), "--no-refused"))
        self.assertFalse(self.one(CLEAN + mapping(100, dma=REFUSED["dma"]), "--no-refused"))
        self.assertTrue(self.one(CLEAN + allocation(100, addr=0), "--no-refused"))

    def test_max_p99(self):
        script = HEAD + "".join(mapping(1000 * at, end=1000 * at + 500) for at in range(1, 100))
        self.assertTrue(self.one(script, "--max-p99", "500ns"))
        self.assertFalse(self.one(script, "--max-p99", "490ns"))
        slow = script + mapping(200000, end=5000000) + mapping(200001, end=5000000)
        self.assertFalse(self.one(slow, "--max-p99", "1us"))
        self.assertTrue(self.one(slow, "--max-p99", "5ms"))

    def test_max_p99_of_nothing(self):
        self.assertFalse(self.one(HEAD + mapping(1), "--max-p99", "1h"))
        self.assertFalse(self.one("clock counter\n" + CLEAN.replace("private stop 10000000\n", ""),
                                  "--max-p99", "1h"))

    def test_a_file_that_is_cut_off_fails_all(self):
        for condition in ("--no-loss", "--no-refused"):
            self.assertTrue(self.one(LONG, condition))
            found = self.check(LONG, condition, cut=-600)
            self.assertEqual(found, {"whole-file": False, condition[2:]: True})

    def test_a_damaged_page_fails_all(self):
        data = bytearray(dat.build(LONG))
        data[-512 + 16:-512 + 24] = b"\x00\x00\x00\x00\xff\xff\xff\x7f"  # a record of 2 GiB
        self.write(bytes(data))
        report = json.loads(self.ok("report", "--json", self.path))
        self.assertGreater(report["events"]["damaged"], 0)
        done = self.run_it("check", "--no-refused", self.path)
        self.assertEqual(done.status, 1)
        self.assertRegex(done.stdout.decode(), "FAIL whole-file +1 pages or records")
        found = json.loads(self.ok("analyze", "--json", self.path))["findings"][0]
        self.assertEqual((found["id"], found["title"], found["evidence"]),
                         ("damaged-file", "the file is damaged",
                          "1 pages or records do not hold together"))

    def test_several_conditions(self):
        every = ("--min-direct", "50", "--no-leaks", "--no-loss", "--no-refused", "--max-p99", "1s")
        names = ["min-direct", "no-leaks", "no-loss", "no-refused", "max-p99"]
        self.assertEqual(self.check(CLEAN, *every), dict.fromkeys(names, True))
        found = self.check("stats 0 2 0 0\n" + CLEAN + mapping(100, **REFUSED), *every)
        self.assertEqual(found, {"min-direct": True, "no-leaks": True, "no-loss": False,
                                 "no-refused": False, "max-p99": True})

    def test_of_a_selection(self):
        script = self.maps(3, 3)
        self.assertFalse(self.one(script, "--min-direct", "100"))
        self.assertEqual(self.check(script, "--min-direct", "100", "--client", "c"),
                         {"min-direct": True})
        self.assertEqual(self.check(script, "--min-direct", "0", "--client", "nobody"),
                         {"min-direct": False})

    def test_wrong_words(self):
        self.write(dat.build(CLEAN))
        for words in ([], ["--min-age", "1s"], ["--min-direct", "101"], ["--min-direct", "-1"],
                      ["--min-direct", "x"], ["--min-direct", "nan"], ["--min-direct", ""],
                      ["--min-direct", "5%x"], ["--max-p99", "fast"], ["--no-loss", "--nothing"]):
            done = self.run_it("check", self.path, *words)
            self.assertEqual((done.status, done.stdout), (2, b""), words)

    def test_what_cannot_be_read(self):
        self.write(b"no recording")
        for path in (self.path, os.path.join(self.folder, "nothing")):
            for words in (["--no-loss"], ["--no-loss", "--json"]):
                done = self.run_it("check", path, *words)
                self.assertEqual((done.status, done.stdout), (3, b""))


if __name__ == "__main__":
    unittest.main()
