# SPDX-License-Identifier: GPL-2.0-or-later
"""p2ptrace record: real recordings, read back by trace-cmd and compared with the truth."""

import collections
import contextlib
import os
import re
import signal
import stat
import subprocess
import tempfile
import threading
import time
import unittest

import rig

INSTANCES = rig.TRACING + "/instances"
COUNT_KEYS = ("alloc", "free", "map", "unmap", "map_type_change")


def private_option(path):
    """The private option's lines: a key's values, in order."""
    with open(path, "rb") as file:
        data = file.read()
    begin = data.index(b"format 1\nversion ")
    text = data[begin:data.index(b"\0", begin)].decode()
    values = collections.defaultdict(list)
    for line in text.splitlines():
        key, value = line.split(" ", 1)
        values[key].append(value)
    return values


def only(values, key):
    (value,) = values[key]
    return value


def counts(truth):
    return {key: truth["events"][key] for key in COUNT_KEYS}


def trace_cmd_lines(path):
    done = subprocess.run(["trace-cmd", "report", "-i", path], check=True, capture_output=True)
    return [line for line in done.stdout.decode("utf-8", "replace").splitlines() if ": " in line]


def trace_cmd_stats(path):
    """Sums of the kernel's statistics that the file holds."""
    done = subprocess.run(["trace-cmd", "report", "--stat", "-i", path], check=True,
                          capture_output=True)
    sums = collections.Counter()
    for key, value in re.findall(r"^([a-z ]+): (\d+)$", done.stdout.decode(), re.MULTILINE):
        sums[key] += int(value)
    return sums


def summary(errors):
    """Events and lost, as the last lines on stderr say."""
    match = re.search(r"recorded ([\d,]+) events? .*; (nothing|[\d,]+) lost", errors)
    events, lost = (0 if text == "nothing" else int(text.replace(",", ""))
                    for text in match.groups())
    return events, lost


def instances_of(pid):
    return {name for name in os.listdir(INSTANCES) if name.startswith(f"p2ptrace-{pid}-")}


def orphaned_instances():
    """Those whose recorder is gone; others may be recording beside."""
    return {name for name in os.listdir(INSTANCES)
            if (match := re.fullmatch(r"p2ptrace-(\d+)-[0-9a-f]{8}", name))
            and not os.path.exists("/proc/" + match.group(1))}


@rig.needs_rig
class RecordTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="p2ptrace-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(self.folder, "x.dat")
        self.others = orphaned_instances()

    def define(self, *options):
        group = rig.Group(*options)
        group.__enter__()
        self.addCleanup(group.__exit__, None, None, None)
        return group

    def record(self, group, *arguments, status=0, **settings):
        return rig.p2ptrace("record", "-o", self.path, "--system", group.name, *arguments,
                            status=status, **settings)

    def record_rig(self, group, *options, workload=()):
        """A recording of one run of the rig; its truth and p2ptrace's stderr."""
        truth = os.path.join(self.folder, "truth.json")
        done = self.record(group, *options, "--", rig.RIG, "run", "--truth", truth, *workload)
        return rig.load(truth), done.stderr

    def assert_nothing_left(self, *names):
        """No instance, and no file but those named."""
        self.assertEqual(orphaned_instances() - self.others, set())
        self.assertEqual(set(os.listdir(self.folder)), set(names))


class FileTest(RecordTest):
    def check_version(self, version):
        group = self.define("--type-names")
        truth, errors = self.record_rig(
            group, "--file-version", version,
            workload=("--events", 200000, "--threads", 2, "--leak-maps", 3))
        self.assertEqual(rig.trace_cmd_count(self.path), counts(truth))
        lines = trace_cmd_lines(self.path)
        self.assertEqual(summary(errors), (len(lines), 0))
        self.assertFalse([line for line in lines if "[FAILED" in line or "UNKNOWN EVENT" in line])
        # The stamps of trace-cmd's lines never go back: clock and pages are understood.
        stamps = [float(re.search(r"\] +(\d+\.\d+): ", line).group(1)) for line in lines]
        self.assertEqual(stamps, sorted(stamps))
        self.assertIn("exited with status 0", errors)
        os.unlink(os.path.join(self.folder, "truth.json"))
        self.assert_nothing_left("x.dat")

    def test_version_7(self):
        self.check_version(7)

    def test_version_6(self):
        self.check_version(6)

    def test_names_and_threads(self):
        group = self.define()
        truth, _ = self.record_rig(group, workload=("--events", 2000, "--threads", 3, "--comm",
                                                    "worker"))
        (process,) = truth["processes"]
        told = dict(line.split() for line in private_option(self.path)["tgid"])
        seen = {re.match(r" *(.*)-(\d+) +\[", line).groups()
                for line in trace_cmd_lines(self.path) if ": p2p_" in line}
        self.assertEqual({name for name, _ in seen}, {"worker"})
        self.assertEqual(len(seen), 3)
        self.assertEqual({told[tid] for _, tid in seen}, {str(process["pid"])})

    def test_an_existing_file_is_kept(self):
        group = self.define()
        with open(self.path, "w", encoding="ascii") as file:
            file.write("former")
        self.record(group, "-d", "0.05")
        with open(self.path + ".old", encoding="ascii") as file:
            self.assertEqual(file.read(), "former")
        self.assert_nothing_left("x.dat", "x.dat.old")

    def test_mode_and_owner(self):
        group = self.define()
        environment = dict(os.environ, SUDO_UID="65534", SUDO_GID="65533")
        self.record(group, "-d", "0.05", env=environment)
        there = os.stat(self.path)
        self.assertEqual(stat.S_IMODE(there.st_mode), 0o600)
        self.assertEqual((there.st_uid, there.st_gid), (65534, 65533))

    def test_what_is_no_regular_file_is_refused(self):
        group = self.define()
        os.symlink("/etc/hostname", self.path)
        self.assertIn("symbolic link", self.record(group, status=3).stderr)
        os.unlink(self.path)
        os.mkdir(self.path)
        self.assertIn("directory", self.record(group, status=3).stderr)
        os.rmdir(self.path)
        os.mkfifo(self.path)
        self.assertIn("special file", self.record(group, status=3).stderr)
        self.assert_nothing_left("x.dat")

    def test_stamps(self):
        """Start and stop enclose the events; the wall offset tells today's time."""
        for clock in ("mono", "boot", "local", "global", "mono_raw"):
            with self.subTest(clock=clock):
                group = self.define()
                self.record_rig(group, "-C", clock, workload=("--events", 200))
                told = private_option(self.path)
                self.assertEqual(only(told, "clock"), clock)
                self.assertEqual(only(told, "clock_ns"), "1")
                start, stop = int(only(told, "start")), int(only(told, "stop"))
                wall = start + int(only(told, "wall_offset"))
                self.assertLess(abs(wall / 1e9 - time.time()), 30)
                done = subprocess.run(["trace-cmd", "report", "-t", "-i", self.path], check=True,
                                      capture_output=True)
                stamps = [int(seconds) * 10**9 + int(fraction) if fraction else int(seconds)
                          for seconds, fraction in
                          re.findall(r"\] *(\d+)(?:\.(\d{9}))?: ", done.stdout.decode())]
                self.assertGreaterEqual(len(stamps), 200)
                # "local" is not the same on all CPUs.
                slack = 1000000 if clock == "local" else 0
                self.assertLessEqual(start - slack, min(stamps))
                self.assertGreaterEqual(stop + slack, max(stamps))

    def test_a_clock_without_ns(self):
        group = self.define()
        self.record_rig(group, "-C", "counter", workload=("--events", 200))
        told = private_option(self.path)
        self.assertEqual(only(told, "clock_ns"), "0")
        self.assertNotIn("wall_offset", told)

    def test_an_unknown_clock(self):
        group = self.define()
        self.assertIn("mono", self.record(group, "-C", "sundial", status=2).stderr)
        self.assert_nothing_left()

    def test_who_is_alive(self):
        group = self.define()
        with rig.Running("--events", 100, "--processes", 2, "--hold", 1) as running:
            self.record(group, "-d", "0.05")
        told = private_option(self.path)
        self.assertEqual(only(told, "liveness"), "1")
        alive = dict(line.split() for line in told["alive"])
        for process in running.truth["processes"]:
            self.assertEqual(str(process["pid"]) in alive, process["alive"])
        with open("/proc/self/stat", encoding="ascii") as file:
            ticks = int(file.read().rsplit(")", 1)[1].split()[19])
        offset = time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
        start = ticks / os.sysconf("SC_CLK_TCK") - offset
        self.assertAlmostEqual(int(alive[str(os.getpid())]) / 1e9, start, delta=0.02)


def tasks_forked():
    """How many tasks the system has started so far."""
    with open("/proc/stat", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("processes "))


class StdoutTest(RecordTest):
    """-o -: the file comes out at the stop, and no name is ever used."""

    def command(self, group, *options):
        return [rig.P2PTRACE, "record", "-o", "-", "--system", group.name, *options]

    def settings(self):
        return {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE,
                "env": dict(os.environ, TMPDIR=self.folder)}

    def check(self, version):
        group = self.define()
        truth = os.path.join(self.folder, "truth.json")
        with open(self.path, "wb") as out:
            done = subprocess.run(
                self.command(group, "--file-version", version, "--", rig.RIG, "run", "--events",
                             "100000", "--threads", "2", "--truth", truth),
                check=True, stdout=out, **self.settings())
        self.assertRegex(done.stderr.decode(), "recorded .* to standard output; nothing lost")
        self.assertEqual(rig.trace_cmd_count(self.path), counts(rig.load(truth)))
        os.unlink(truth)
        self.assert_nothing_left("x.dat")

    def test_version_7(self):
        self.check("7")

    def test_version_6(self):
        self.check("6")

    def test_through_a_pipe(self):
        """Into a reading command; what CMD prints does not get between."""
        group = self.define()
        with subprocess.Popen(self.command(group, "--", "sh", "-c",
                                           f"echo words; {rig.RIG} run --events 3000"),
                              stdout=subprocess.PIPE, **self.settings()) as recorder:
            read = subprocess.run([rig.P2PTRACE, "report", "--json", "-i", "-"], check=True,
                                  stdin=recorder.stdout, capture_output=True)
            errors = recorder.stderr.read().decode()
            self.assertEqual(recorder.wait(), 0)
        words, _, truth = errors.partition("\n")
        self.assertEqual(words, "words")
        truth, _ = rig.json.JSONDecoder().raw_decode(truth)
        rig.assert_report(self, truth, rig.json.loads(read.stdout))
        self.assert_nothing_left()

    def test_a_reader_that_goes(self):
        group = self.define()
        with subprocess.Popen(self.command(group, "-d", "0.2"), stdout=subprocess.PIPE,
                              **self.settings()) as recorder:
            recorder.stdout.close()
            errors = recorder.stderr.read().decode()
            self.assertEqual(recorder.wait(), 3)
        self.assertIn("cannot write to standard output: Broken pipe", errors)
        self.assert_nothing_left()

    def test_a_terminal(self):
        group = self.define()
        ours, theirs = os.openpty()
        try:
            done = subprocess.run(self.command(group, "-d", "0.1"), check=False, stdout=theirs,
                                  **self.settings())
        finally:
            os.close(ours)
            os.close(theirs)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"is a terminal", done.stderr)


class LossTest(RecordTest):
    def check(self, *options):
        """A recorder that is stopped for a while loses events, and knows how many."""
        group = self.define()
        recording = rig.Recording(self.path, group, "-b", 256, *options)
        forked = tasks_forked()
        os.kill(recording.process.pid, signal.SIGSTOP)
        truth = rig.run("--events", 100000, "--threads", 2)
        os.kill(recording.process.pid, signal.SIGCONT)
        errors = recording.stop()
        read = rig.trace_cmd_count(self.path)
        stats = trace_cmd_stats(self.path)
        lost = stats["overrun"] + stats["commit overrun"] + stats["dropped events"]
        events, told = summary(errors)
        self.assertGreater(lost, 10000)
        self.assertEqual(told, lost)
        self.assertEqual(events, len(trace_cmd_lines(self.path)))
        # Exits and renames of the whole system's tasks are recorded beside, and lost as well.
        beside = 2 * (tasks_forked() - forked) + 50
        self.assertLessEqual(sum(read.values()) + lost, truth["events"]["total"] + beside)
        self.assertGreaterEqual(sum(read.values()) + lost, truth["events"]["total"])
        self.assertEqual(sum(int(number) for number in re.findall(
            r"(\d+) (?:overrun|commit overrun|dropped|not saved)", errors)), lost)
        return stats

    def test_overwrite(self):
        stats = self.check()
        self.assertGreater(stats["overrun"], 0)
        self.assertEqual(stats["dropped events"], 0)

    def test_no_overwrite(self):
        stats = self.check("--no-overwrite")
        self.assertGreater(stats["dropped events"], 0)
        self.assertEqual(stats["overrun"], 0)

    def test_full_disk(self):
        for version in (7, 6):
            with self.subTest(version=version):
                self.check_full_disk(version)

    def check_full_disk(self, version):
        group = self.define()
        disk = os.path.join(self.folder, "disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "nodev", disk], check=True)
        try:
            path = os.path.join(disk, "x.dat")
            done = rig.p2ptrace("record", "-o", path, "--system", group.name, "--file-version",
                                version, "--", rig.RIG, "run", "--events", 1000000, "--threads", 2,
                                status=3)
            self.assertIn("No space left on device", done.stderr)
            self.assertIn("is still running", done.stderr)
            events, lost = summary(done.stderr)
            self.assertEqual(events, len(trace_cmd_lines(path)))
            self.assertGreater(events, 100000)
            told = private_option(path)["unsaved"]
            self.assertEqual(sum(int(line.split()[1]) for line in told), lost)
            self.assertEqual(os.listdir(disk), ["x.dat"])
            self.wait_for(group)
        finally:
            subprocess.run(["umount", disk], check=True)
            os.rmdir(disk)
        self.assert_nothing_left()

    def wait_for(self, group):
        """Until the workload that was left running has ended."""
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            if subprocess.run(["pgrep", "-P", "1", "-x", "p2prig"], check=False,
                              capture_output=True).returncode:
                return
            time.sleep(0.05)
        self.fail(f"the workload of {group.name} does not end")


class EndTest(RecordTest):
    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT,
                       signal.SIGUSR1):
            with self.subTest(signal=number):
                group = self.define()
                recording = rig.Recording(self.path, group)
                truth = rig.run("--events", 1000)
                recording.stop(number)
                self.assertEqual(rig.trace_cmd_count(self.path), counts(truth))
                os.unlink(self.path)
                self.assert_nothing_left()

    def test_nohup(self):
        """A hangup that is ignored at the start does not end the recording."""
        group = self.define()
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            recording = rig.Recording(self.path, group)
        finally:
            signal.signal(signal.SIGHUP, before)
        os.kill(recording.process.pid, signal.SIGHUP)
        time.sleep(0.2)
        self.assertIsNone(recording.process.poll())
        recording.stop()

    def test_duration(self):
        group = self.define()
        began = time.monotonic()
        self.record(group, "-d", "300ms")
        self.assertGreaterEqual(time.monotonic() - began, 0.3)

    def test_max_size(self):
        """It ends by itself, with at most what the buffers held beyond that."""
        group = self.define()
        done = self.record(group, "--max-size", "3M", "-b", "1M", "--", rig.RIG, "run",
                           "--seconds", 60, "--rate", 200000, "--truth", "/dev/null")
        self.assertIn("exited with status 0", done.stderr)
        pages = sum(lane["bytes"] for lane in rig.json.loads(
            rig.p2ptrace("info", "--json", self.path).stdout)["lanes"])
        self.assertGreaterEqual(pages, 3 << 20)
        self.assertLess(pages, (3 << 20) + 2 * os.cpu_count() * (1 << 20))
        self.assertEqual(summary(done.stderr)[0], len(trace_cmd_lines(self.path)))
        self.record(group, "--max-size", "much", status=2)

    def test_killed(self):
        """What kill -9 leaves is removed by the next start, a running one's never."""
        group = self.define()
        running = rig.Recording(self.path + ".running", group)
        killed = rig.Recording(self.path + ".killed", group)
        killed.process.kill()
        killed.process.communicate()
        self.assertEqual(len(instances_of(killed.process.pid)), 1)
        self.record(group, "-d", "0.05")
        self.assertEqual(len(instances_of(killed.process.pid)), 0)
        self.assertEqual(len(instances_of(running.process.pid)), 1)
        truth = rig.run("--events", 1000)
        running.stop()
        self.assertEqual(rig.trace_cmd_count(self.path + ".running"), counts(truth))
        self.assertEqual(len(instances_of(running.process.pid)), 0)

    def test_foreign_instances_are_left_alone(self):
        group = self.define()
        names = [f"p2ptrace-{os.getpid()}-12345", f"p2ptrace-x{os.getpid()}-12345678"]
        for name in names:
            os.mkdir(f"{INSTANCES}/{name}")
            self.addCleanup(os.rmdir, f"{INSTANCES}/{name}")
        self.record(group, "-d", "0.05")
        self.assertLessEqual(set(names), set(os.listdir(INSTANCES)))


class CommandTest(RecordTest):
    def test_status_in_words(self):
        group = self.define()
        for script, words in (("exit 3", "'sh' exited with status 3"),
                              ("kill -9 $$", "'sh' was killed by signal 9 (Killed)")):
            self.assertIn(words, self.record(group, "--", "sh", "-c", script).stderr)

    def test_cannot_start(self):
        group = self.define()
        done = self.record(group, "--", "/no/such/program", status=3)
        self.assertIn("cannot start '/no/such/program': No such file", done.stderr)
        self.assertNotIn("exited", done.stderr)
        self.assert_nothing_left()

    def test_surroundings(self):
        """CMD has nothing of the recorder: descriptors, signals, scheduling class."""
        group = self.define()
        done = self.record(group, "--", "sh", "-c",
                           "ls -l /proc/self/fd; grep -E '^Sig(Blk|Ign)' /proc/self/status;"
                           "cut -d' ' -f 40,41 /proc/self/stat; nice")
        self.assertNotIn("tracing", done.stdout)
        self.assertNotIn(self.folder, done.stdout)
        self.assertNotIn("anon_inode", done.stdout)
        self.assertRegex(done.stdout, r"SigBlk:\t0+\n")
        ignored = int(re.search(r"SigIgn:\t([0-9a-f]+)", done.stdout).group(1), 16)
        self.assertFalse(ignored & 1 << (signal.SIGPIPE - 1))
        self.assertTrue(done.stdout.endswith(f"\n0 0\n{os.nice(0)}\n"), done.stdout)

    def test_user(self):
        group = self.define()
        done = self.record(group, "--user", "nobody", "--", "sh", "-c", "id -un; id -G; echo $USER")
        name, groups, user = done.stdout.split()
        self.assertEqual((name, groups, user), ("nobody", "65534", "nobody"))
        self.assertIn("no user 'no-such-user'",
                      self.record(group, "--user", "no-such-user", "--", "true", status=3).stderr)
        self.record(group, "--user", "nobody", status=2)

    def test_duration_ends_it(self):
        group = self.define()
        done = self.record(group, "-d", "0.1", "--", "sleep", "60")
        self.assertIn("'sleep' was killed by signal 15", done.stderr)

    def test_first_instruction_is_recorded(self):
        """Tracing is on before CMD's exec: its rename is there."""
        group = self.define()
        self.record(group, "--", "true")
        self.assertTrue([line for line in trace_cmd_lines(self.path)
                         if "task_rename" in line and "newcomm=true" in line])


class FilterTest(RecordTest):
    WORKLOAD = ("--events", 20000, "--threads", 2, "--clients", 3, "--providers", 2)

    def check_ends(self, read, truth):
        """Ends are never filtered."""
        self.assertEqual((read["free"], read["unmap"]),
                         (truth["events"]["free"], truth["events"]["unmap"]))

    def test_provider(self):
        group = self.define()
        truth, _ = self.record_rig(group, "-P", "80:00.0", workload=self.WORKLOAD)
        read = rig.trace_cmd_count(self.path)
        maps = sum(row["maps"] for row in truth["pairs"] if row["provider"] == "0000:80:00.0")
        self.assertEqual(read["map"], maps)
        self.assertGreater(truth["events"]["alloc"], read["alloc"])
        self.assertGreater(read["alloc"], 0)
        self.check_ends(read, truth)
        self.assertEqual(only(private_option(self.path), "filter_provider"), "80:00.0")

    def test_client(self):
        group = self.define()
        truth, _ = self.record_rig(group, "--client", "0000:01*,0000:02:00.0",
                                   workload=self.WORKLOAD)
        read = rig.trace_cmd_count(self.path)
        maps = sum(row["maps"] for row in truth["pairs"] if row["client"] != "0000:03:00.0")
        self.assertEqual(read["map"], maps)
        self.assertEqual(read["alloc"], truth["events"]["alloc"])
        self.check_ends(read, truth)

    def test_aliases(self):
        """A provider that is called dev, and a client that is."""
        group = self.define("--rename", "p2p_dma_alloc.provider=dev", "--rename",
                            "p2p_dma_map.client=dev")
        truth, _ = self.record_rig(group, "-P", "0000:80:00.0", "--client", "0000:02:00.0",
                                   workload=self.WORKLOAD)
        read = rig.trace_cmd_count(self.path)
        (maps,) = [row["maps"] for row in truth["pairs"]
                   if (row["client"], row["provider"]) == ("0000:02:00.0", "0000:80:00.0")]
        self.assertEqual(read["map"], maps)
        self.assertGreater(truth["events"]["alloc"], read["alloc"])

    def test_kernel_filter(self):
        group = self.define()
        truth, errors = self.record_rig(group, "-f", "dma_addr != 0 && size > 65536",
                                        workload=self.WORKLOAD)
        read = rig.trace_cmd_count(self.path)
        # Allocations have no dma_addr: the kernel refuses, they pass, and it is said.
        self.assertEqual(read["alloc"], truth["events"]["alloc"])
        self.assertRegex(errors, "warning: p2p_dma_alloc: .*Field not found")
        self.assertTrue(0 < read["map"] < truth["events"]["map"])
        self.check_ends(read, truth)

    def test_a_filter_that_nothing_takes(self):
        group = self.define()
        for text in ("no_such_field == 1", "size >"):
            self.assertIn("the kernel refuses the filter",
                          self.record(group, "-f", text, status=2).stderr)
        for name in ('a"b', "", "a,,b"):
            self.record(group, "-P", name, status=2)
        self.assert_nothing_left()

    def test_comm(self):
        """By the name of who runs, where events do not tell one of their own."""
        group = self.define()
        script = (f"{rig.RIG} run --events 2000 --comm mine --truth {self.path}.1; "
                  f"{rig.RIG} run --events 2000 --comm other --truth {self.path}.2")
        self.record(group, "--comm", "mi*,nobody", "--", "sh", "-c", script)
        mine, other = rig.load(self.path + ".1"), rig.load(self.path + ".2")
        read = rig.trace_cmd_count(self.path)
        for begin in ("alloc", "map", "map_type_change"):
            self.assertEqual(read[begin], mine["events"][begin], begin)
        for end in ("free", "unmap"):
            self.assertEqual(read[end], mine["events"][end] + other["events"][end], end)
        self.assertEqual(only(private_option(self.path), "filter_comm"), "mi*,nobody")
        rig.assert_report(self, mine, self.without_foreign(rig.report(self.path)))
        self.record(group, "--comm", "", status=2)

    @staticmethod
    def without_foreign(document):
        document["events"]["foreign"] = 0
        return document

    def test_no_inherit(self):
        """What a chosen process starts later is not followed."""
        group = self.define()
        script = f"read go; {rig.RIG} run --events 2000 --truth {self.path}.truth"
        with subprocess.Popen(["sh", "-c", script + "; true"], stdin=subprocess.PIPE) as shell:
            recording = rig.Recording(self.path, group, "-p", shell.pid, "--no-inherit")
            self.addCleanup(recording.process.kill)
            shell.communicate(b"\n")
        errors = recording.process.communicate(timeout=20)[1]
        self.assertEqual(recording.process.returncode, 0, errors)
        read = rig.trace_cmd_count(self.path)
        self.assertEqual(read["map"], 0)
        self.assertEqual(read["unmap"], rig.load(self.path + ".truth")["events"]["unmap"])
        self.record(group, "--no-inherit", status=2)

    def test_pid_follows_threads_and_children(self):
        """A shell that starts short-lived, many-threaded children; others work beside."""
        group = self.define()
        truth = os.path.join(self.folder, "truth")
        script = (f"read go; for i in 1 2 3 4; do {rig.RIG} run --events 3000 --threads 3 "
                  f"--processes 2 --truth {truth}.$i </dev/null; done; read end")
        with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE) as shell:
            with contextlib.ExitStack() as stack:
                recording = rig.Recording(self.path, group, "-p", shell.pid)
                foreign = threading.Thread(target=rig.run, args=("--seconds", 1, "--comm",
                                                                 "foreign"))
                foreign.start()
                stack.callback(foreign.join)
                shell.stdin.write(b"\n")
                shell.stdin.flush()
                foreign.join()
                shell.stdin.close()
                shell.wait()
                # It ends by itself, a moment after the last of them.
                errors = recording.process.communicate(timeout=20)[1].decode()
        self.assertEqual(recording.process.returncode, 0, errors)
        expected = collections.Counter()
        for number in range(1, 5):
            expected.update(counts(rig.load(f"{truth}.{number}")))
        read = rig.trace_cmd_count(self.path)
        for begin in ("alloc", "map", "map_type_change"):
            self.assertEqual(read[begin], expected[begin], begin)
        self.assertGreater(read["unmap"], expected["unmap"])
        begins = [line for line in trace_cmd_lines(self.path)
                  if re.search(r": p2p_(dma_alloc|dma_map|map_type_change): ", line)]
        self.assertFalse([line for line in begins if "foreign" in line])
        self.assertEqual(only(private_option(self.path), "filter_pid"), str(shell.pid))
        self.assertEqual(orphaned_instances() - self.others, set())

    def test_pid_of_what_runs_already(self):
        """Threads and children that are there before the recorder."""
        group = self.define()
        script = f"{rig.RIG} run --seconds 120 --rate 5000 --threads 2 >/dev/null & wait"
        with subprocess.Popen(["sh", "-c", script], stdin=subprocess.DEVNULL,
                              start_new_session=True) as shell:
            try:
                time.sleep(0.5)
                self.record(group, "-p", shell.pid, "-d", "0.5")
            finally:
                os.killpg(shell.pid, signal.SIGKILL)
        read = rig.trace_cmd_count(self.path)
        self.assertGreater(read["map"], 100)
        self.assertEqual(len({re.match(r"begins: +(\S+)", line).group(1)
                              for line in trace_cmd_lines(self.path)
                              if line.startswith("begins:")}), 2)

    def test_pid_that_is_none(self):
        group = self.define()
        self.assertIn("no process", self.record(group, "-p", 2**22 + 1, status=3).stderr)
        self.record(group, "-p", "1,x", status=2)
        self.record(group, "-p", "0", status=2)

    def test_pid_namespace(self):
        """Other numbers than the kernel's: -p is refused, liveness is not claimed."""
        group = self.define()
        inside = ["unshare", "-pf", "--mount-proc", rig.P2PTRACE, "record", "-o", self.path,
                  "--system", group.name, "-d", "0.1"]
        done = subprocess.run([*inside, "-p", "1"], check=False, capture_output=True)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"pid namespace", done.stderr)
        subprocess.run(inside, check=True, capture_output=True)
        told = private_option(self.path)
        self.assertNotIn("liveness", told)
        self.assertNotIn("alive", told)
        self.assertNotIn("tgid", told)


class ExtraTest(RecordTest):
    def check(self, version):
        group = self.define()
        truth, _ = self.record_rig(
            group, "--file-version", version, "-e", "sched:sched_switch", "-e",
            "task:task_newtask", "-e", "sched:sched_switch", "-e", "sched:sched_process_exit",
            "-e", f"{group.name}:p2p_dma_map", workload=("--events", 5000, "--threads", 2))
        names = collections.Counter(re.search(r": (\w+): ", line).group(1)
                                    for line in trace_cmd_lines(self.path))
        self.assertGreater(names["sched_switch"], 0)
        self.assertGreaterEqual(names["task_newtask"], 2)
        self.assertGreaterEqual(names["sched_process_exit"], 1)
        self.assertEqual(rig.trace_cmd_count(self.path), counts(truth))
        document = rig.report(self.path)
        self.assertEqual(document["events"]["total"], truth["events"]["total"])
        self.assertEqual(document["events"]["other"],
                         sum(names.values()) - truth["events"]["total"])

    def test_version_7(self):
        self.check(7)

    def test_version_6(self):
        self.check(6)

    def test_what_is_no_event(self):
        group = self.define()
        self.assertIn("no event sched:no_such", self.record(group, "-e", "sched:no_such",
                                                            status=3).stderr)
        for text in ("sched", ":x", "sched:", "../sched:x", "a:b:c", "sched:*"):
            self.record(group, "-e", text, status=2)
        self.assert_nothing_left()


class PriorityTest(RecordTest):
    def scheduling(self, *options):
        """Policies and nice values of the reader threads."""
        group = self.define()
        recording = rig.Recording(self.path, group, *options)
        found = set()
        time.sleep(0.5)  # they choose it first of all, but they do so themselves
        for task in os.listdir(f"/proc/{recording.process.pid}/task"):
            with open(f"/proc/{recording.process.pid}/task/{task}/stat", encoding="ascii") as file:
                name, fields = file.read().rsplit(")", 1)
            fields = fields.split()
            if "(reader/" in name:
                found.add((int(fields[38]), int(fields[16])))
        recording.stop()
        return found

    def test_as_asked(self):
        own = os.nice(0)
        for priority, expected in (("best", (os.SCHED_FIFO, own)), ("fifo", (os.SCHED_FIFO, own)),
                                   ("nice", (os.SCHED_OTHER, -20)),
                                   ("none", (os.SCHED_OTHER, own))):
            with self.subTest(priority=priority):
                self.assertEqual(self.scheduling("--prio", priority), {expected})

    def test_not_permitted(self):
        """What was asked for by name is refused; the best there is is not."""
        group = self.define()
        for priority, status in (("fifo", 3), ("nice", 3), ("best", 0), ("none", 0)):
            done = subprocess.run(
                ["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice", rig.P2PTRACE,
                 "record", "-o", self.path, "--system", group.name, "-d", "0.01", "--prio",
                 priority], check=False, capture_output=True)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertEqual(b"CAP_SYS_NICE" in done.stderr, status == 3)
        self.record(group, "--prio", "high", status=2)


class StackTest(RecordTest):
    WORKLOAD = ("--events", 3000, "--threads", 2, "--providers", 2)

    def stacks(self):
        """trace-cmd's view: the event each kernel stack stands behind, and the frames' names."""
        followed, frames, before = collections.Counter(), set(), {}
        for line in subprocess.run(["trace-cmd", "report", "-i", self.path], check=True,
                                   capture_output=True).stdout.decode().splitlines():
            match = re.match(r".*-(\d+) +\[(\d+)\] .*?: (\w+): ", line)
            if match and match.group(3) == "kernel_stack":
                followed[before[match.group(2)]] += 1
            elif match:
                before[match.group(2)] = match.group(3)
            elif line.startswith("=> "):
                frames.add(line.split()[1])
        return followed, frames

    def check(self, version):
        group = self.define("--type-names")
        truth, _ = self.record_rig(group, "-g", "--file-version", version,
                                   workload=(*self.WORKLOAD, "--leak-maps", 3))
        followed, frames = self.stacks()
        self.assertEqual(followed, {"p2p_dma_alloc": truth["events"]["alloc"],
                                    "p2p_dma_map": truth["events"]["map"]})
        self.assertIn("uprobe_dispatcher", frames)
        self.assertEqual(only(private_option(self.path), "stacks"), "1")
        leaks = rig.leaks(self.path)["leaks"]
        self.assertEqual(len(leaks), 3)
        for leak in leaks:
            self.assertTrue([frame for frame in leak["stack"]
                             if frame.startswith("uprobe_dispatcher+0x")], leak)
        os.unlink(os.path.join(self.folder, "truth.json"))
        self.assert_nothing_left("x.dat")

    def test_version_7(self):
        self.check(7)

    def test_version_6(self):
        self.check(6)

    def test_filtered(self):
        """What a filter discards leaves no stack either."""
        group = self.define()
        for options in (("-P", "0000:80:00.0"), ("-f", "size > 65536")):
            with self.subTest(options=options):
                truth, _ = self.record_rig(group, "-g", *options, workload=self.WORKLOAD)
                followed, _ = self.stacks()
                read = rig.trace_cmd_count(self.path)
                self.assertEqual(followed, {"p2p_dma_alloc": read["alloc"],
                                            "p2p_dma_map": read["map"]})
                self.assertTrue(0 < read["map"] < truth["events"]["map"])

    def test_chosen_processes(self):
        """With -p they stand in the buffer of what begins."""
        group = self.define()
        script = f"read go; {rig.RIG} run --events 3000 --threads 2 --truth {self.path}.truth"
        with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE) as shell:
            recording = rig.Recording(self.path, group, "-g", "-p", shell.pid)
            shell.communicate(b"\n")
        recording.process.communicate(timeout=20)
        truth = rig.load(self.path + ".truth")
        followed, _ = self.stacks()
        self.assertEqual(followed, {"p2p_dma_alloc": truth["events"]["alloc"],
                                    "p2p_dma_map": truth["events"]["map"]})

    def test_hidden_addresses(self):
        """A kernel that shows zeros for addresses: a warning, stacks without names."""
        group = self.define()
        hidden = os.path.join(self.folder, "hidden")
        with open("/proc/kallsyms", encoding="utf-8") as shown:
            with open(hidden, "w", encoding="utf-8") as file:
                file.writelines("0" * 16 + line[line.index(" "):] for line in shown)
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", f'mount --bind {hidden} /proc/kallsyms; exec "$@"', "sh",
             rig.P2PTRACE, "record", "-g", "-o", self.path, "--system", group.name, "--",
             rig.RIG, "run", "--events", "500", "--leak-maps", "1"], check=True,
            capture_output=True)
        self.assertRegex(done.stderr.decode(), "warning: /proc/kallsyms .*kptr_restrict")
        self.assertLess(os.stat(self.path).st_size, 10**6)
        (leak,) = rig.leaks(self.path)["leaks"]
        self.assertTrue(all(re.fullmatch("0x[0-9a-f]+", frame) for frame in leak["stack"]))
        self.assertGreater(len(leak["stack"]), 3)

    def test_without(self):
        group = self.define()
        self.record_rig(group, workload=self.WORKLOAD)
        self.assertEqual(self.stacks()[0], {})
        self.assertNotIn("stacks", private_option(self.path))


class CannotTest(RecordTest):
    def test_not_root(self):
        group = self.define()
        folder = os.path.join(self.folder, "open")
        os.chmod(self.folder, 0o755)
        os.mkdir(folder)
        os.chmod(folder, 0o777)
        program = os.path.join(folder, "p2ptrace")
        subprocess.run(["cp", rig.P2PTRACE, program], check=True)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                               program, "record", "-o", folder + "/x.dat", "--system", group.name],
                              check=False, capture_output=True)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"run it as root (sudo)", done.stderr)
        self.assertEqual(os.listdir(folder), ["p2ptrace"])

    def test_no_tracefs(self):
        done = subprocess.run(["unshare", "-m", "sh", "-c",
                               "umount -l /sys/kernel/tracing && shift 0; "
                               "while umount -l /sys/kernel/debug 2>/dev/null; do :; done; "
                               'exec "$@"', "sh", rig.P2PTRACE, "record", "-o", self.path],
                              check=False, capture_output=True)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"mount -t tracefs nodev /sys/kernel/tracing", done.stderr)
        self.assert_nothing_left()

    def test_no_events(self):
        done = rig.p2ptrace("record", "-o", self.path, "--system", "no_such_system", status=3)
        for word in ("p2p_dma_alloc", "p2p_map_type_change", "'no_such_system'", "module"):
            self.assertIn(word, done.stderr)
        self.assert_nothing_left()

    def test_several_systems(self):
        groups = [self.define(), self.define()]
        done = rig.p2ptrace("record", "-o", self.path, "-d", "0.05", status=3)
        for group in groups:
            self.assertIn(group.name, done.stderr)
        self.assertIn("--system", done.stderr)

    def test_a_missing_event(self):
        group = self.define("--event", "p2p_dma_map", "--event", "p2p_dma_unmap")
        done = self.record(group, "-d", "0.05")
        missing = re.findall(r"warning: \S+ has no event (\w+)", done.stderr)
        self.assertEqual(missing, ["p2p_dma_alloc", "p2p_dma_free", "p2p_map_type_change"])
        self.assertEqual(private_option(self.path)["event"], ["p2p_dma_map", "p2p_dma_unmap"])

    def test_sources(self):
        group = self.define()
        self.assertIn("probe", self.record(group, "-S", "probe", status=3).stderr)
        self.record(group, "-S", "magic", status=2)
        self.record(group, "-S", "tracepoint", "-d", "0.05")
        self.assertEqual(only(private_option(self.path), "source"), "tracepoint")

    def test_too_much_memory(self):
        group = self.define()
        self.assertIn("smaller -b", self.record(group, "-b", "8000G", status=3).stderr)
        self.assert_nothing_left()


del RecordTest  # it holds no test of its own

if __name__ == "__main__":
    unittest.main()
