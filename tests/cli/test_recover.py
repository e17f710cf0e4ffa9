# SPDX-License-Identifier: GPL-2.0-or-later
"""p2ptrace recover: recorders ended by SIGKILL at any moment, and what becomes of it.

P2PTRACE_KILLS=N makes N recordings end at random moments instead of a few;
P2PTRACE_SEED=N repeats a run's choices.
"""

import collections
import contextlib
import ctypes
import os
import random
import re
import signal
import struct
import subprocess
import tempfile
import time
import unittest

import rig

INSTANCES = rig.TRACING + "/instances"
KILLS = int(os.environ.get("P2PTRACE_KILLS", "10"))
SEED = int(os.environ.get("P2PTRACE_SEED", random.randrange(10**6)))


# What a recorder is at when it is killed, in turn.
MODES = ([], ["-z"], ["--switch-output", "300ms"], ["--overwrite"], ["--file-version", "6"],
         ["--switch-output", "1M", "-z"], ["--switch-output", "2M", "--rotate", "2"])


# --- the files left behind, read without p2ptrace ---

def count_records(page):
    """Records of one sub-buffer: everything but padding and time stamps."""
    end = 16 + (struct.unpack_from("<Q", page, 8)[0] & 0x7ffffff)
    at, count = 16, 0
    while at + 4 <= end:
        word, = struct.unpack_from("<I", page, at)
        kind, delta = word & 31, word >> 5
        if kind == 29 and not delta:
            break
        length = struct.unpack_from("<I", page, at + 4)[0] if kind in (0, 29) else kind * 4
        count += kind <= 28
        at += 8 if kind in (30, 31) else 4 + length
    return count


def blocks(path):
    """The blocks of meta or state: (key, word, bytes)."""
    with open(path, "rb") as file:
        data = file.read()
    at = data.index(b"\n") + 1
    while True:
        end = data.index(b"\n", at)
        key, word, size = data[at:end].decode().split()
        yield key, word, data[end + 1:end + 1 + int(size)]
        at = end + int(size) + 2
        if key == "end":
            return


def values(found, key):
    return [(word, value) for name, word, value in found if name == key]


def unpack(packed, size):
    """What zstd made small; None when it is not that."""
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_decompress.restype = ctypes.c_size_t
    plain = ctypes.create_string_buffer(size)
    got = library.ZSTD_decompress(plain, ctypes.c_size_t(size), packed,
                                  ctypes.c_size_t(len(packed)))
    return plain.raw if got == size else None


def chunks(data):
    """The whole chunks of a packed file behind its head room, unpacked (packing.h)."""
    at = 4
    while at + 8 <= len(data):
        packed, plain = struct.unpack_from("<II", data, at)
        pages = unpack(data[at + 8:at + 8 + packed], plain) if packed else None
        if pages is None:
            return
        yield pages
        at += 8 + packed


class Left:
    """What lies beside a recording whose recorder is gone: its files by their parts."""

    def __init__(self, files):
        self.files = files

    @staticmethod
    def all(path):
        """By name and stem, of the recording and of the pieces it goes to."""
        folder, name = os.path.split(path)
        found = collections.defaultdict(dict)
        for file in os.listdir(folder):
            match = re.fullmatch(r"\.(" + re.escape(name) + r"(?:\.\d{16})?)\."
                                 r"(\d+-[0-9a-f]{8})\.(.*)", file)
            if match:
                found[match.group(1, 2)][match.group(3)] = os.path.join(folder, file)
        return {key: Left(files) for key, files in found.items()}

    @staticmethod
    def of(path):
        """Of the only one."""
        (left,) = Left.all(path).values()
        return left

    def read(self, part):
        if part not in self.files:
            return b""
        with open(self.files[part], "rb") as file:
            return file.read()

    def records(self):
        """Records in all whole sub-buffers that reached the disk, wherever they lie now."""
        meta = list(blocks(self.files["meta"]))
        page = int(values(meta, "page_size")[0][1])
        head = int(values(meta, "head_room")[0][1])
        plan = values(list(blocks(self.files["state"])), "plan") if "state" in self.files else []
        packed = any(part.startswith("zcpu") for part in self.files)
        total = 0
        for number, (part, _) in enumerate(values(meta, "lane")):
            offset, size = 0, None
            if plan:
                offset, size = map(int, plan[0][1].decode().splitlines()[number].split())
            base = self.read(plan[0][0]) if plan else b""
            pages = []
            if packed:
                plain = b"".join(chunks(b"".join(self.moved("z" + part, base, head, offset, size,
                                                            page))))
                pages = [plain[at:at + page] for at in range(0, len(plain), page)]
            # What is packed gives way, then the whole file does.
            if not packed or not plan:
                pages += list(self.moved(part, base, head, offset, size, page))[len(pages):]
            total += sum(count_records(there) for there in pages
                         if len(there) == page and any(there[:16]))
        return total

    def moved(self, part, base, head, offset, size, page):
        """Its blocks: where a hole is now, they have arrived in the file that is to be."""
        own = self.read(part)
        for at in range(0, max(0, len(own) - head) if size is None else size, page):
            there = own[head + at:head + at + page]
            if not any(there) or (len(there) < page and size is not None):
                there = base[offset + at:offset + at + page] or there
            yield there

    def is_complete(self):
        """Killed between giving the file its name and clearing up."""
        plan = values(list(blocks(self.files["state"])), "plan") if "state" in self.files else []
        return bool(plan) and plan[0][0] not in self.files


def records_of(path):
    """Records in a file, as the reading side counts them."""
    events = rig.report(path)["events"]
    return events["total"] + events["other"] + events["foreign"]


@rig.needs_rig
class RecoverTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="p2ptrace-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(self.folder, "x.dat")
        self.group = rig.Group("--type-names")
        self.group.__enter__()
        self.addCleanup(self.group.__exit__, None, None, None)
        self.killed = set()  # numbers of recorders; others may be at work beside

    def listing(self):
        return sorted(os.listdir(self.folder))

    def kill(self, recording):
        recording.process.kill()
        recording.process.communicate()
        self.killed.add(recording.process.pid)

    def cut_off(self, *options, events=60000):
        """A recording that is killed a while after some work; its truth."""
        recording = rig.Recording(self.path, self.group, *options)
        truth = rig.run("--events", events)
        time.sleep(2.2)  # whole sub-buffers are taken each second
        self.kill(recording)
        return truth

    def clear_instances(self):
        """Another recorder's start removes the instances of those killed."""
        rig.p2ptrace("record", "-o", os.path.join(self.folder, "last.dat"), "--system",
                     self.group.name, "-d", "0.01")
        os.unlink(os.path.join(self.folder, "last.dat"))

    def tearDown(self):
        self.clear_instances()
        self.assertEqual([name for name in os.listdir(INSTANCES)
                          if (match := re.fullmatch(r"p2ptrace-(\d+)-[0-9a-f]{8}", name))
                          and int(match.group(1)) in self.killed], [])


class KillTest(RecoverTest):
    def time_to_begin(self):
        """Seconds from the start to the first events, to aim with."""
        began = time.monotonic()
        recording = rig.Recording(self.path, self.group)
        taken = time.monotonic() - began
        recording.stop()
        os.unlink(self.path)
        return taken

    def run_and_kill(self, choose, begin, options):
        """Between nothing yet and the file being put together."""
        process = subprocess.Popen([rig.P2PTRACE, "record", "-o", self.path, "--system",
                                    self.group.name, "-b", choose.choice(("1M", "8M")), *options],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.killed.add(process.pid)
        try:
            self.disturb(process, choose, begin, "--overwrite" in options)
        finally:
            process.kill()
            process.wait()

    def disturb(self, process, choose, begin, flight):
        if choose.random() < 0.25:
            time.sleep(choose.uniform(0, begin))
            return
        time.sleep(begin)
        for _ in range(choose.randrange(1, 4)):
            time.sleep(choose.uniform(0, 1))
            if flight:
                process.send_signal(signal.SIGUSR1)
        if choose.random() < 0.5:
            time.sleep(choose.uniform(0, 0.5) ** 2)
            process.send_signal(signal.SIGINT)
        time.sleep(choose.uniform(0, 0.5) ** 2)

    def expected(self):
        """Of everything that is to become a file, the records that are on the disk."""
        counts = []
        for (name, _), left in Left.all(self.path).items():
            with contextlib.suppress(KeyError, ValueError):  # no meta, or the beginning of one
                # A piece that nothing is known of but its beginning is none.
                if not left.is_complete() and (name == "x.dat" or "state" in left.files):
                    counts.append(left.records())
        return sorted(counts)

    def visible(self):
        return {name for name in self.listing() if not name.startswith(".")}

    def recover_all(self):
        """Gives the records of every file that came of it."""
        counts = []
        for number in range(20):
            before = self.visible()
            pieces = any(name != "x.dat" for name, _ in Left.all(self.path))
            done = subprocess.run([rig.P2PTRACE, "recover", self.path,
                                   *([] if pieces else ["-o", f"{self.path}.r{number}"])],
                                  check=False, capture_output=True)
            self.assertIn(done.returncode, (0, 3), done.stderr)
            counts += [records_of(os.path.join(self.folder, name))
                       for name in self.visible() - before]
            if done.returncode:
                break
        return sorted(counts)

    def check(self):
        """Gives whether there was anything to recover."""
        for name in self.visible():  # what is there by its name is whole
            records_of(os.path.join(self.folder, name))
        expected = self.expected()
        self.assertEqual(self.recover_all(), expected)
        # Of a meta that is cut off itself nothing more can be known.
        self.assertLessEqual({name.rsplit(".", 1)[1] for name in self.listing()
                              if name.startswith(".")}, {"meta"})
        return any(expected)

    def test_at_random_moments(self):
        choose = random.Random(SEED)
        begin = self.time_to_begin()
        recovered = 0
        with subprocess.Popen([rig.RIG, "run", "--seconds", str(20 * KILLS), "--rate", "40000"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as load:
            try:
                for number in range(KILLS):
                    with self.subTest(run=number, seed=SEED):
                        self.run_and_kill(choose, begin, MODES[number % len(MODES)])
                        recovered += self.check()
                        for name in self.listing():
                            os.unlink(os.path.join(self.folder, name))
            finally:
                load.kill()
        # About half of the moments lie where there is something.
        self.assertGreaterEqual(recovered, max(1, KILLS // 10))


class WhatItHoldsTest(RecoverTest):
    def test_everything_on_the_disk(self):
        truth = self.cut_off("--file-version", 6)
        expected = Left.of(self.path).records()
        told = rig.p2ptrace("recover", self.path).stderr
        self.assertRegex(told, "recovered .* not known")
        self.assertEqual(self.listing(), ["x.dat"])
        self.assertGreater(expected, truth["events"]["total"] // 2)
        self.assertEqual(records_of(self.path), expected)
        shown = subprocess.run(["trace-cmd", "report", "-i", self.path], check=True,
                               capture_output=True).stdout.decode()
        self.assertEqual(len(re.findall(r": \w+: ", shown)), expected)
        document = rig.report(self.path)
        self.assertTrue(document["truncated"])
        (process,) = document["processes"]
        self.assertEqual((process["pid"], process["comm"]), (truth["processes"][0]["pid"],
                                                             "p2prig"))

    def test_nothing_is_claimed(self):
        """Without a stop nobody knows what leaked."""
        self.cut_off()
        rig.p2ptrace("recover", self.path)
        verdicts = {row["verdict"] for row in rig.leaks(self.path)["leaks"]}
        self.assertLessEqual(verdicts, {"unknown"})
        recording = rig.json.loads(rig.p2ptrace("info", "--json", self.path).stdout)["recording"]
        self.assertEqual((recording["recovered"], recording["liveness"]), ("1", False))
        rig.p2ptrace("check", "--no-loss", self.path, status=1)

    def test_stacks_keep_their_names(self):
        self.cut_off("-g", events=20000)
        rig.p2ptrace("recover", self.path)
        shown = subprocess.run(["trace-cmd", "report", "-i", self.path], check=True,
                               capture_output=True).stdout.decode()
        self.assertIn("=> uprobe_dispatcher", shown)

    def test_two_buffers(self):
        script = f"read go; {rig.RIG} run --events 60000 >/dev/null; read end"
        with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE) as shell:
            recording = rig.Recording(self.path, self.group, "-p", shell.pid)
            shell.stdin.write(b"\n")
            shell.stdin.flush()
            time.sleep(3)
            self.kill(recording)
            shell.stdin.close()
        expected = Left.of(self.path).records()
        rig.p2ptrace("recover", self.path)
        self.assertGreater(expected, 10000)
        self.assertEqual(records_of(self.path), expected)
        counted = rig.trace_cmd_count(self.path)
        self.assertGreater(counted["map"], 1000)
        self.assertGreater(counted["unmap"], 1000)


class CareTest(RecoverTest):
    def test_hints(self):
        commands = (["report"], ["leaks"], ["events"], ["analyze"], ["check", "--no-loss"],
                    ["info"])
        recording = rig.Recording(self.path, self.group)
        self.addCleanup(recording.process.kill)
        for command in commands:
            self.assertIn("just being recorded", rig.p2ptrace(*command, self.path, status=3).stderr)
        self.assertIn("is being recorded", rig.p2ptrace("recover", self.path, status=3).stderr)
        self.kill(recording)
        for command in commands:
            self.assertIn(f"'p2ptrace recover {self.path}'",
                          rig.p2ptrace(*command, self.path, status=3).stderr)

    def test_an_earlier_file_of_that_name(self):
        """It is read with a warning, and never replaced."""
        rig.p2ptrace("record", "-o", self.path, "--system", self.group.name, "-d", "0.01")
        self.assertNotIn("recover", rig.p2ptrace("report", self.path).stderr)
        with open(self.path, "rb") as file:
            before = file.read()
        self.cut_off(events=1000)
        self.assertIn("later recording to that name was cut off",
                      rig.p2ptrace("report", self.path).stderr)
        there = self.listing()
        self.assertIn("-o", rig.p2ptrace("recover", self.path, status=3).stderr)
        self.assertEqual(self.listing(), there)
        rig.p2ptrace("recover", self.path, "-o", self.path + ".cut")
        self.assertEqual(self.listing(), ["x.dat", "x.dat.cut"])
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_a_new_recording_leaves_it(self):
        self.cut_off()
        expected = Left.of(self.path).records()
        rig.p2ptrace("record", "-o", self.path, "--system", self.group.name, "-d", "0.01")
        rig.p2ptrace("recover", self.path, "-o", self.path + ".cut")
        self.assertEqual(records_of(self.path + ".cut"), expected)

    def test_several(self):
        for _ in range(2):
            self.kill(rig.Recording(self.path, self.group))
        self.assertIn("1 older recording", rig.p2ptrace("recover", self.path).stderr)
        self.assertNotIn("older", rig.p2ptrace("recover", self.path, "-o",
                                               self.path + ".2").stderr)
        self.assertEqual(self.listing(), ["x.dat", "x.dat.2"])

    def test_nothing_there(self):
        self.assertIn("nothing is left", rig.p2ptrace("recover", self.path, status=3).stderr)
        rig.p2ptrace("recover", "a", "b", status=2)
        rig.p2ptrace("recover", "-o", "-", self.path, status=2)
        rig.p2ptrace("recover", os.path.join(self.folder, "no/x.dat"), status=3)

    def test_full_disk(self):
        """It fails, everything stays, and it can be tried again."""
        self.cut_off()
        there = self.listing()
        disk = os.path.join(self.folder, "disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "nodev", disk], check=True)
        try:
            done = rig.p2ptrace("recover", self.path, "-o", disk + "/x.dat", status=3)
            self.assertIn("No space left", done.stderr)
            self.assertEqual(os.listdir(disk), [])
        finally:
            subprocess.run(["umount", disk], check=True)
            os.rmdir(disk)
        self.assertEqual(self.listing(), there)
        rig.p2ptrace("recover", self.path)
        self.assertEqual(self.listing(), ["x.dat"])

    def test_damaged_metadata(self):
        """Cut at any place, or changed: an error or a file, never more than that."""
        self.cut_off(events=5000)
        choose = random.Random(SEED)
        left = Left.of(self.path)
        saved = {part: left.read(part) for part in left.files}
        for number in range(60):
            part = choose.choice(("meta", "state", "tasks"))
            data = bytearray(saved[part])
            if number % 2:
                del data[choose.randrange(len(data)):]
            else:
                data[choose.randrange(len(data))] = choose.randrange(256)
            with self.subTest(part=part, seed=SEED, number=number):
                for name, file in left.files.items():
                    with open(file, "wb") as to:
                        to.write(data if name == part else saved[name])
                done = subprocess.run([rig.P2PTRACE, "recover", self.path, "-o",
                                       self.path + ".cut"], check=False, capture_output=True)
                self.assertIn(done.returncode, (0, 3), done.stderr)
                if done.returncode:
                    self.assertEqual(self.listing(), sorted(map(os.path.basename,
                                                                left.files.values())))
                else:
                    os.unlink(self.path + ".cut")

    def test_links_are_not_followed(self):
        """Who may write to the directory chooses what lies there."""
        self.cut_off(events=1000)
        left = Left.of(self.path)
        secret = os.path.join(self.folder, "secret")
        os.rename(left.files["cpu0-0"], secret)
        os.symlink(secret, left.files["cpu0-0"])
        rig.p2ptrace("recover", self.path)
        self.assertTrue(os.path.exists(secret))
        self.assertNotIn(0, [lane["cpu"] for lane in
                             rig.json.loads(rig.p2ptrace("info", "--json", self.path).stdout)
                             ["lanes"] if lane["bytes"]])


del RecoverTest  # it holds no test of its own

if __name__ == "__main__":
    unittest.main()
