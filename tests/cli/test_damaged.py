# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are missing, foreign, cut off, damaged or hostile.

Whatever the bytes are, p2ptrace ends soon and by itself: with status 3 and one line
"p2ptrace: FILE: what and where", or with 0 and what the file still holds, "truncated"
or "damaged" being said where something is missing.
"""

import json
import os
import random
import struct
import subprocess
import unittest

import dat

SEED = 20250101
COMMANDS = (("report", "--json"), ("leaks", "--json"), ("events", "--json"), ("info", "--json"),
            ("report",), ("leaks", "--csv"), ("events", "-a"), ("info",), ("report", "--csv"),
            ("leaks", "--each"), ("events", "--csv"), ("analyze",), ("analyze", "--json"),
            ("report", "--hist", "--timeline"), ("report", "--counts", "--json"),
            ("report", "--by", "pair,pid,tid,comm,cpu", "--json"), ("leaks", "--by", "stack"),
            ("check", "--no-leaks", "--no-loss", "--max-p99", "1h", "--json"))


class DamageTest(dat.FileTest):
    def check(self, data, command=("report", "--json"), what=""):
        """One file through one command; gives the JSON or None."""
        self.write(data)
        done = self.run_it(*command, "-i", self.path)
        lines = done.stderr.splitlines()
        if done.status == 3:
            self.assertEqual(len(lines), 1, (what, done))
            self.assertRegex(lines[0], r"^p2ptrace: " + self.path + ": .", what)
            if "events" not in command:  # they come as they are read
                self.assertEqual(done.stdout, b"", what)
            return None
        self.assertIn(done.status, (0, 1) if command[0] == "check" else (0,), (what, done))
        for line in lines:
            self.assertTrue(line.startswith("p2ptrace: warning: "), (what, line))
        if "--json" not in command:
            return {}
        texts = done.stdout.splitlines() if command[0] == "events" else [done.stdout]
        documents = [json.loads(text) for text in texts]
        return documents[0] if documents else {}

    def check_in_turn(self, data, number, what=""):
        """Every file through report, every fourth through another command as well."""
        document = self.check(data, what=what)
        if number % 4 == 0:
            self.check(data, COMMANDS[number // 4 % len(COMMANDS)], what)
        return document


class NoFile(DamageTest):
    def refuse(self, path, words, **settings):
        for command in COMMANDS:
            done = self.run_it(*command, "-i", path, **settings)
            self.assertEqual(done.status, 3, done)
            self.assertEqual(done.stdout.replace(b"ts_ns,cpu,event", b"")[:1], b"", done)
            self.assertRegex(done.stderr, f"^p2ptrace: {path}: [^\n]*{words}[^\n]*\n$")

    def test_missing(self):
        self.refuse(self.path, "No such file")

    def test_empty(self):
        self.write(b"")
        self.refuse(self.path, "empty")

    def test_directory(self):
        self.refuse(self.folder, "not a regular file")

    def test_fifo(self):
        """A pipe that nobody writes to is not waited for."""
        os.mkfifo(self.path)
        self.refuse(self.path, "not a regular file")

    def test_device(self):
        self.refuse("/dev/null", "not a regular file")

    def test_unreadable(self):
        self.write(dat.build())
        os.chmod(self.path, 0)
        if os.geteuid():
            self.refuse(self.path, "Permission denied")
            return
        os.chmod(self.folder, 0o755)
        program = os.path.join(self.folder, "p2ptrace")
        subprocess.run(["cp", dat.P2PTRACE, program], check=True)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                               program, "report", self.path], check=False, capture_output=True)
        self.assertEqual(done.returncode, 3, done)
        self.assertRegex(done.stderr.decode(), f"^p2ptrace: {self.path}: .*Permission denied\n$")

    def test_foreign(self):
        for data in (b"\x7fELF" + bytes(100), b"\x17\x08\x44", b"\x17\x08\x44trac1ng" + bytes(90),
                     b"#!/bin/sh\n", b"PERFILE2" + bytes(500), bytes(5000)):
            self.write(data)
            self.refuse(self.path, "not a trace.dat file")

    def test_versions(self):
        good = dat.build()
        for version in (b"5", b"8", b"x", b"-7"):
            data = good[:10] + version + good[11:]
            self.write(data)
            self.refuse(self.path, "version")
        self.write(good[:10] + b"7" * 100 + good[11:])
        self.refuse(self.path, "header")

    def test_missing_default(self):
        done = self.run_it("report", cwd=self.folder)
        self.assertEqual(done.status, 3)
        self.assertRegex(done.stderr, "^p2ptrace: p2ptrace.dat: ")


class Good(DamageTest):
    """The files themselves are right in every form: all else here begins with them."""

    def test_forms(self):
        first = None
        for name, form in dat.FORMS.items():
            document = self.check(dat.build(form=form), what=name)
            self.assertFalse(document["truncated"], name)
            self.assertEqual(document["events"]["damaged"], 0, name)
            self.assertEqual(document["events"]["total"], 9, name)
            self.assertEqual(document["events"]["other"], 2, name)
            self.assertEqual(document["events"]["lost"], 3, name)
            first = first or document
            self.assertEqual(document, first, name)
            for command in COMMANDS:
                self.check(dat.build(form=form), command, (name, command))

    def test_trace_cmd_agrees(self):
        """The other reader sees the same events: the builder writes what it should."""
        for name, form in dat.FORMS.items():
            if "small" in name or "512" in form:
                continue  # it takes no sub-buffers below a page
            self.write(dat.build(form=form))
            done = subprocess.run(["trace-cmd", "report", "-i", self.path], capture_output=True,
                                  check=True)
            self.assertEqual(done.stdout.count(b": p2p_"), 9, (name, done.stdout))

    def test_standard_input(self):
        self.write(dat.build())
        with open(self.path, "rb") as file:
            done = self.run_it("report", "--json", "-i", "-", stdin=file)
        self.assertEqual(json.loads(done.stdout)["events"]["total"], 9)
        with subprocess.Popen(["cat", self.path], stdout=subprocess.PIPE) as pipe:
            done = self.run_it("report", "--json", "-", stdin=pipe.stdout)
            pipe.stdout.close()
        self.assertEqual(json.loads(done.stdout)["events"]["total"], 9)
        done = self.run_it("report", "-i", "-")
        self.assertEqual((done.status, done.stderr), (3, "p2ptrace: -: empty file\n"))


class Truncated(DamageTest):
    """What is cut off is missing and told of; what is there still counts."""

    def cut(self, data, size, number, what):
        document = self.check_in_turn(data[:size], number, (what, size))
        if document is not None and size < len(data):
            self.assertLessEqual(document["events"]["total"], 9)
            if document["events"]["total"] < 9:
                self.assertTrue(document["truncated"], (what, size))

    def test_at_every_boundary(self):
        for name, form in dat.FORMS.items():
            data = dat.build(form=form)
            for number, (_, offset) in enumerate(dat.marks(form=form)):
                for size in (offset - 1, offset, offset + 1):
                    if 0 < size <= len(data):
                        self.cut(data, size, number, name)

    def test_anywhere(self):
        numbers = random.Random(SEED)
        forms = {name: dat.build(form=form) for name, form in dat.FORMS.items()}
        for number in range(1000):
            name = numbers.choice(list(forms))
            self.cut(forms[name], numbers.randrange(1, len(forms[name])), number, name)

    def test_pages_cut_off(self):
        """Version 6 keeps its pages last: without them there is a report all the same."""
        data = dat.build(form="version 6\npage 256\n")
        pages = [offset for name, offset in dat.marks(form="version 6\npage 256\n")
                 if name == "pages"]
        document = self.check(data[:pages[-1] + 300])
        self.assertTrue(document["truncated"])
        self.assertTrue(0 < document["events"]["total"] < 9)
        done = self.run_it("report", self.path)
        self.assertIn(b"TRUNCATED", done.stdout)
        done = self.run_it("leaks", "--json", self.path)
        self.assertTrue(json.loads(done.stdout)["truncated"])
        self.assertEqual(json.loads(done.stdout)["totals"]["leaked"]["count"], 0)
        for command in (("report", "--json"), ("leaks", "--csv"), ("events", "--json")):
            done = self.run_it(*command, self.path)
            self.assertRegex(done.stderr, "^p2ptrace: warning: .*cut off", command)


class Damaged(DamageTest):
    def test_bytes(self):
        """Some bytes are others."""
        numbers = random.Random(SEED + 1)
        forms = {name: dat.build(form=form) for name, form in dat.FORMS.items()}
        for number in range(1000):
            name = numbers.choice(list(forms))
            data = bytearray(forms[name])
            for _ in range(numbers.choice((1, 1, 2, 5, 20))):
                data[numbers.randrange(len(data))] = numbers.choice(
                    (0, 1, 0x7f, 0x80, 0xff, numbers.randrange(256)))
            self.check_in_turn(bytes(data), number, (name, number))

    def test_numbers(self):
        """Words of the metadata are hostile numbers."""
        numbers = random.Random(SEED + 2)
        hostile = [0, 1, 2, 0x7f, 0xff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
                   0x7fffffffffffffff, 0xffffffffffffffff]
        for name, form in (("v6", "version 6\n"), ("v7", ""), ("v7 zstd", "compress zstd\n")):
            good = dat.build(form=form)
            places = [offset + step for _, offset in dat.marks(form=form)
                      for step in range(0, 40, 2) if offset + step + 8 <= len(good)]
            for number in range(250):
                at, value = numbers.choice(places), numbers.choice(hostile)
                size = numbers.choice((2, 4, 8))
                data = bytearray(good)
                data[at:at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
                self.check_in_turn(bytes(data), number, (name, at, size, hex(value)))

    def test_blocks(self):
        """A block that was never written, or twice, or is missing."""
        numbers = random.Random(SEED + 3)
        forms = {name: dat.build(form=form) for name, form in dat.FORMS.items()}
        for number in range(300):
            name = numbers.choice(list(forms))
            data = forms[name]
            at = numbers.randrange(len(data))
            size = numbers.choice((16, 100, 512, 4096))
            change = numbers.choice(("zeros", "again", "gone", "noise"))
            if change == "zeros":
                data = data[:at] + bytes(len(data[at:at + size])) + data[at + size:]
            elif change == "again":
                data = data[:at + size] + data[at:]
            elif change == "gone":
                data = data[:at] + data[at + size:]
            else:
                data = data[:at] + numbers.randbytes(len(data[at:at + size])) + data[at + size:]
            self.check_in_turn(data, number, (name, change, at, size))


class Hostile(DamageTest):
    """Tables that lie on purpose."""

    def place(self, name, form=""):
        return next(offset for mark, offset in dat.marks(form=form) if mark == name)

    def patch(self, form, at, pattern, *values):
        data = bytearray(dat.build(form=form))
        struct.pack_into(pattern, data, at, *values)
        return bytes(data)

    def refuse(self, data, words=""):
        for command in COMMANDS[:4]:
            self.write(data)
            done = self.run_it(*command, self.path)
            self.assertEqual(done.status, 3, done)
            self.assertRegex(done.stderr, f"^p2ptrace: {self.path}: [^\n]*{words}[^\n]*\n$")

    def test_options_that_lead_to_themselves(self):
        form = ""
        at = self.place("options")
        good = dat.build(form=form)
        # The last option of the section is DONE with the offset of the next one.
        self.assertEqual(good[-8:], bytes(8))
        self.refuse(good[:-8] + struct.pack("<Q", at), "")
        # A short section that leads to itself: nothing but the end.
        loop = struct.pack("<HHIQ", 0, 0, 0, 14) + struct.pack("<HIQ", 0, 8, len(good))
        self.refuse(good[:-8] + struct.pack("<Q", len(good)) + loop, "")

    def test_options_without_an_end(self):
        good = dat.build()
        self.refuse(good[:-14], "options")
        self.refuse(good[:-14] + struct.pack("<HI", 0x7777, 0xffffffff), "cut off")

    def test_no_options(self):
        self.refuse(self.patch("", self.place("link"), "<Q", 0), "before its metadata")
        self.refuse(self.patch("", self.place("link"), "<Q", 1 << 63), "cut off")

    def with_cpus(self, data, count):
        """Version 6 says it twice."""
        option = struct.pack("<HII", 8, 4, 2)
        self.assertEqual(data.count(option), 1)
        data = bytearray(data.replace(option, struct.pack("<HII", 8, 4, count)))
        struct.pack_into("<I", data, self.place("cpus", "version 6\n"), count)
        return bytes(data)

    def test_cpu_counts(self):
        good = dat.build(form="version 6\n")
        for count in (0xffffffff, 1 << 31, 1 << 20, 1000):
            self.assertIsNone(self.check(self.with_cpus(good, count), what=count))
        self.assertEqual(self.check(self.with_cpus(good, 0))["events"]["total"], 0)
        self.assertLess(self.check(self.with_cpus(good, 1))["events"]["total"], 9)

    def test_many_zero_bytes_as_cpus(self):
        """A table of a million CPUs that are all there."""
        good = dat.build(form="version 6\n")
        data = good[:self.place("table", "version 6\n")] + bytes(16 << 20)
        self.refuse(self.with_cpus(data, 1 << 20), "CPU")

    def test_sub_buffer_sizes(self):
        """The header_page of the kernel names no size, so the file's own counts."""
        data = dat.build().replace(b" data;", b" dat_;")
        buffer = data.index(b"mono\0" + struct.pack("<I", 4096)) + 5
        for size in (0, 1, 3, 100, 4095, 4097, 1 << 31, 0xffffffff):
            changed = bytearray(data)
            struct.pack_into("<I", changed, self.place("page_size"), size)
            struct.pack_into("<I", changed, buffer, size)
            self.refuse(bytes(changed), "sub-buffers of")
        for size in (256, 65536, 64 << 20):
            changed = bytearray(data)
            struct.pack_into("<I", changed, self.place("page_size"), size)
            struct.pack_into("<I", changed, buffer, size)
            self.check(bytes(changed), what=size)

    def test_header_page(self):
        good = dat.build()
        for old, new in ((b" commit;\toffset:8;\tsize:8", b" commit;\toffset:8;\tsize:7"),
                         (b" commit;\toffset:8;\tsize:8", b" commit;\toffset:0;\tsize:8"),
                         (b" commit;", b" commix;"), (b"header_page\0", b"header_pager")):
            self.assertIn(old, good)
            self.refuse(good.replace(old, new), "header")

    def test_overlapping_data(self):
        """Thousands of CPUs whose data is one and the same."""
        table = self.place("table", "version 6\n")
        good = dat.build(form="version 6\n")
        first = good[table:table + 16]
        data = good[:table] + first * 5000 + good[table + 16:]
        self.refuse(self.with_cpus(data, 5000), "lies where another's does")

    def test_sections_over_and_over(self):
        """Options that all lead to the same formats, again and again."""
        formats = struct.pack("<HIQ", 18, 8, self.place("event_formats"))
        data = bytearray(dat.build())
        at = len(data)
        options = formats * 20000 + struct.pack("<HIQ", 0, 8, 0)
        struct.pack_into("<Q", data, self.place("link"), at)
        self.refuse(bytes(data) + struct.pack("<HHIQ", 0, 0, 0, len(options)) + options,
                    "one another")

    def test_unpacked_sizes(self):
        form = "compress zstd\n"
        for name in ("header_info", "event_formats", "cmdlines"):
            at = self.place(name, form)
            for size in (0, 1, 0x7fffffff, 0xffffffff):
                self.refuse(self.patch(form, at + 20, "<I", size))  # the size unpacked
                self.refuse(self.patch(form, at + 16, "<I", size))  # the size packed

    def test_chunks(self):
        form = "compress zstd\n"
        at = self.place("pages", form)
        good = dat.build(form=form)
        packed, plain = struct.unpack_from("<II", good, at + 4)
        self.assertLess(packed, len(good))
        self.assertEqual(plain % 4096, 0)
        for pattern, values in (("<I", (0xffffffff,)), ("<III", (1, 0xffffffff, plain)),
                                ("<III", (1, packed, 0xfffff000)), ("<III", (1, packed, 4097)),
                                ("<III", (1, 0, plain)), ("<III", (1, packed, 2 * plain)),
                                ("<III", (1, packed, 0)), ("<I", (0,))):
            for command in COMMANDS[:4]:
                self.check(self.patch(form, at, pattern, *values), command, (pattern, values))

    def test_damaged_compressed_bytes(self):
        """Every byte of a compressed chunk, one after the other."""
        for form in ("compress zstd\n", "compress zlib\n"):
            good = dat.build(form=form)
            at = self.place("pages", form)
            packed = struct.unpack_from("<I", good, at + 4)[0]
            for place in range(at + 12, at + 12 + packed, 3):
                data = bytearray(good)
                data[place] ^= 0x55
                self.check(bytes(data), what=(form, place))

    def test_unknown_compression(self):
        good = dat.build(form="compress zstd\n")
        self.refuse(good.replace(b"zstd\0", b"lz4x\0", 1), "lz4x")

    def test_strings_without_an_end(self):
        """Longer than any reader takes, just as long, and up to the end of the file."""
        good = dat.build()
        for length in (15, 16, 17, 63, 64, 65, 127, 128, 4095, 4096, 4097, 100000):
            self.refuse(good[:10] + b"7" * length + good[11:])
            self.refuse(good[:18] + b"n" * length + good[22:])
            self.refuse(good.replace(b"p2pdma\0", b"p" * length, 1)[:-100])
            self.refuse(good[:18] + b"n" * length)

    def test_event_without_a_format(self):
        data = dat.build(dat.SCRIPT + "event foo 999 x:u4\n5000 0 foo x=1\n")
        data = data.replace(b"ID: 999\n", b"ID: 998\n")
        document = self.check(data)
        self.assertEqual(document["events"]["other"], 3)
        for command in COMMANDS:
            self.check(data, command)

    def test_fields_beyond_the_record(self):
        """Formats whose fields lie behind, far behind, or overlap."""
        good = dat.build()
        for old, new in ((b"offset:16;", b"offset:17;"), (b"offset:16;", b"offset:99;"),
                         (b"offset:16;\tsize:8", b"offset:65000;\tsize:8"),
                         (b"size:8;", b"size:1;"), (b"size:4;", b"size:2;"),
                         (b"__data_loc char[] provider", b"__rel_loc  char[] provider"),
                         (b"__data_loc char[] client", b"char aaaaaaaa[99999] client"),
                         (b"u64 dma_addr", b"u8 dma_addr [8]"[:12])):
            data = good.replace(old, new)
            if len(data) != len(good):
                continue
            self.assertNotEqual(data, good, old)
            for command in COMMANDS:
                self.check(data, command, (old, new))

    def test_stamps(self):
        """Stamps at the ends of time."""
        script = ("100 0 map client=c provider=p type=2 dma_addr=1 size=1\n"
                  "page_of 0\n18446744073709551615 0 map client=c provider=p type=2 dma_addr=2 "
                  "size=18446744073709551615\n0 1 unmap client=c provider=p type=2 dma_addr=1 "
                  "size=18446744073709551615\npage_of 1\n9223372036854775807 1 alloc provider=p "
                  "addr=18446744073709551615 size=18446744073709551615\n")
        for form in dat.FORMS.values():
            for command in COMMANDS:
                self.check(dat.build(script, form), command, (form, command))


del DamageTest  # it holds no test of its own

if __name__ == "__main__":
    unittest.main()
