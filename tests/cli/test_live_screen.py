# SPDX-License-Identifier: GPL-2.0-or-later
"""The screen of `p2ptrace live` as users have it: the program in tmux, keys typed, the screen
read; against the rig's truth and `report`."""

import contextlib
import fcntl
import importlib.machinery
import importlib.util
import os
import platform
import pty
import re
import signal
import struct
import subprocess
import tempfile
import termios
import unittest

import rig
import tmux

ROOT = rig.ROOT
DEMO = os.path.join(ROOT, "tests/fixtures/demo.dat")
REPLAY = [rig.P2PTRACE, "live", "-i", DEMO, "--speed", "max"]

PANELS = ("Pairs", "Processes", "Providers", "Leaks", "Events", "Matrix", "Findings", "Counters")


def count(number):
    return f"{number:,}"


def size(number):
    """As text_bytes() writes it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1023.95 or unit == "GiB":
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return None


def table(lines):
    """The rows of the open panel, as dictionaries by the headings in sight."""
    tabs = next(i for i, line in enumerate(lines) if "1Pairs" in line)
    headings = re.split(r"\s{2,}", lines[tabs + 1].strip())
    rows = []
    for line in lines[tabs + 2:-1]:
        cells = re.split(r"\s{2,}", line.strip())
        if len(cells) == len(headings):
            rows.append(dict(zip(headings, cells)))
    return rows


def needs_tmux(test):
    reason = tmux.why_not()
    return unittest.skip(reason)(test) if reason else test


def drawn(height):
    """Whether the whole screen, and nothing of an older size, is there."""
    def condition(screen):
        lines = screen.split("\n")
        return (lines[0].startswith(" p2ptrace live  ") and len(lines) >= height and
                "F10Quit" in lines[height - 1] and "1Pairs" in screen)
    return condition


def choose_column(terminal, key):
    """Opens the menu and picks a column by its name there."""
    terminal.keys(">", "Home")
    terminal.wait_for("Sort by")
    lines = terminal.lines()
    first = next(i for i, line in enumerate(lines) if line.startswith("Sort by"))
    place = next(i for i, line in enumerate(lines) if line.startswith(f" {key} ")
                 or line.rstrip() == f" {key}") - first - 1
    terminal.keys(*["Down"] * place, "Enter")
    terminal.wait(lambda screen: "Sort by" not in screen)


@needs_tmux
class Replay(unittest.TestCase):
    """A recording whose report is known."""

    @classmethod
    def setUpClass(cls):
        cls.report = rig.report(DEMO)

    def open(self, width=120, height=40, command=None, **environment):
        terminal = tmux.Terminal(command or REPLAY, width, height, **environment)
        self.enterContext(terminal)
        return terminal

    def enterContext(self, context):  # not there before Python 3.11
        result = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return result

    def opened(self, *arguments, **environment):
        terminal = self.open(*arguments, **environment)
        terminal.wait_for("ENDED", "Seen " + count(self.report["events"]["total"]))
        return terminal

    def wanted_pairs(self):
        return {(row["client"], row["provider"], row["type"]): count(row["maps"])
                for row in self.report["pairs"]}

    def pairs(self, terminal):
        return {(row["CLIENT"], row["PROVIDER"], row["TYPE"]): row["MAPS"]
                for row in table(terminal.lines())}

    def test_every_size_and_resizing_at_any_moment(self):
        terminal = self.opened(80, 24)
        wanted = self.wanted_pairs()
        for width, height in ((120, 40), (40, 10), (200, 60), (79, 24), (300, 100), (5, 2),
                              (80, 24)):
            terminal.resize(width, height)
            if width < 80:
                terminal.wait_for("p2ptrace live: too small" if width > 30 else "p2ptr")
                continue
            terminal.wait(drawn(height))
            shown = self.pairs(terminal)
            self.assertTrue(shown.items() <= wanted.items(), f"{width}x{height}")
            self.assertGreaterEqual(len(shown), min(len(wanted), height - 9))
        terminal.keys("Enter")
        terminal.wait_for("Pairs: details")
        terminal.resize(120, 30)
        terminal.wait_for("Pairs: details", "Maps between the two")
        terminal.keys("F10")
        self.assertEqual(terminal.wait_ended(), 0)

    def test_panels_and_help(self):
        terminal = self.opened()
        for name in PANELS[1:] + PANELS[:1]:
            terminal.keys("Tab")
            marks = {"Pairs": "CLIENT", "Processes": "STATE", "Providers": "AVAILABLE",
                     "Leaks": "VERDICT", "Events": "TIME", "Matrix": "Rows are providers",
                     "Findings": "40 maps were refused", "Counters": "COUNTER"}
            terminal.wait_for(marks[name])
        terminal.keys("BTab")
        terminal.wait_for("COUNTER")
        terminal.keys("4")
        terminal.wait_for("VERDICT", "leaked")
        leaks = rig.leaks(DEMO)
        self.assertEqual(len(table(terminal.lines())), len(leaks["leaks"]))
        terminal.keys("F1")
        terminal.wait_for("Shift-Tab F7", "one row or line up")
        terminal.keys("q")
        terminal.wait_for("VERDICT")
        # Keys do not make pictures behind the last one, whose rates would be unknown.
        self.assertRegex(terminal.text(), r"Events [0-9,]+/s  Bytes [0-9.]+ MiB/s")
        terminal.keys("q")
        self.assertEqual(terminal.wait_ended(), 0)

    def test_sort_filter_search_details(self):
        terminal = self.opened()
        choose_column(terminal, "bytes")
        rows = sorted(self.report["pairs"], key=lambda row: -row["bytes"])
        terminal.wait(lambda _: [row["BYTES"] for row in table(terminal.lines())] ==
                      [size(row["bytes"]) for row in rows])
        terminal.keys("I")
        terminal.wait(lambda _: [row["BYTES"] for row in table(terminal.lines())] ==
                      [size(row["bytes"]) for row in reversed(rows)])
        terminal.keys("F4")
        terminal.type("host_bridge")
        terminal.keys("Enter")
        bridged = [row for row in rows if row["type"] == "THRU_HOST_BRIDGE"]
        terminal.wait_for(f"{len(bridged)} of {len(rows)}: host_bridge")
        self.assertEqual(len(table(terminal.lines())), len(bridged))
        terminal.keys("Escape")
        terminal.wait_for("1/16")
        terminal.keys("/")
        terminal.type("0000:04:00.0")
        terminal.keys("Enter")
        selected = re.compile(r"([0-9]+)/16")
        terminal.wait(lambda screen: (found := selected.search(screen)) and
                      table(terminal.lines())[int(found[1]) - 1]["CLIENT"] == "0000:04:00.0")
        row = table(terminal.lines())[int(selected.search(terminal.text())[1]) - 1]
        terminal.keys("Enter")
        terminal.wait_for("Maps between the two, by type", "Why this path")
        page = terminal.text()
        self.assertIn(row["PROVIDER"], page)
        terminal.keys("Escape", "2", "Enter")
        terminal.wait_for("Processes: details", "Maps by type")
        pid = int(re.search(r"PID +([0-9]+)", terminal.text())[1])
        groups = rig.by(rig.report(DEMO, "--by", "pid")["groups"], "pid")[(pid,)]
        terminal.wait_for(f"Its mappings: {count(groups['lifetime_ns']['count'])} lifetimes, "
                          f"mean {groups['lifetime_ns']['mean'] / 1e6:.0f} ms")
        terminal.resize(120, 70)
        terminal.wait_for("Its allocations: "
                          f"{count(groups['alloc_lifetime_ns']['count'])} lifetimes")

    def test_pause_holds_the_picture_while_numbers_go_on(self):
        terminal = self.open(command=[rig.P2PTRACE, "live", "-i", DEMO, "--speed", "0.2", "-d",
                                      "0.1"])
        seen = re.compile(r"Seen ([0-9,]+)")
        terminal.wait(lambda screen: re.search(r"Seen [1-9]", screen))
        terminal.keys("Space")
        terminal.wait_for("PAUSED")
        before = seen.search(terminal.text())[1]
        self.assertNotEqual(before, "6,000")
        tmux.time.sleep(0.8)  # several pictures would be due
        terminal.keys("2")  # the screen is alive
        terminal.wait_for("STATE")
        self.assertEqual(seen.search(terminal.text())[1], before)
        terminal.keys("Space")
        terminal.wait(lambda screen: "PAUSED" not in screen)
        # What came meanwhile is there at once: a good part of what a second brings.
        after = int(seen.search(terminal.text())[1].replace(",", ""))
        self.assertGreater(after, int(before.replace(",", "")) + 300)

    def test_write_gives_the_same_report(self):
        with tempfile.TemporaryDirectory() as folder:
            terminal = self.opened()
            path = os.path.join(folder, "seen.dat")
            for name in ("/nowhere/at/all.dat", path):
                terminal.keys("w")
                terminal.wait_for("Write to:")
                terminal.keys("C-u")
                terminal.type(name)
                terminal.keys("Enter")
                terminal.wait_for("events written" if name == path else "cannot")
            terminal.wait_for("events written")
            document, wanted = rig.report(path), dict(self.report)
            for key in ("events", "map_types", "pairs", "processes", "orphans", "outstanding"):
                self.assertEqual(document[key], wanted[key], key)

    def test_without_colour_and_without_utf8(self):
        terminal = self.opened(80, 24, NO_COLOR="1")
        self.assertNotRegex(terminal.styled(), "\x1b\\[[0-9;]*[34][0-7]m")
        terminal.keys("q")
        terminal.wait_ended()
        terminal = self.opened(80, 24, LC_ALL="C")
        self.assertRegex(terminal.styled(), "\x1b\\[[0-9;]*[34][0-7]m")
        self.assertTrue(terminal.text().isascii())
        self.assertIn("[###########   ] 76.2 %", terminal.text())


@needs_tmux
class Documented(unittest.TestCase):
    maxDiff = None

    def test_the_screens_in_the_documentation(self):
        path = os.path.join(ROOT, "tools/live-screens")
        loader = importlib.machinery.SourceFileLoader("live_screens", path)
        module = importlib.util.module_from_spec(
            importlib.util.spec_from_loader(loader.name, loader))
        loader.exec_module(module)
        page, drawn, screens = module.screens(rig.BUILD)
        self.assertEqual(page, drawn, "to renew: tools/live-screens --write")
        self.assertGreater(screens, 5)


class Refused(unittest.TestCase):
    """Where no screen can be: a word, status 3, and nothing drawn."""

    def check(self, status, *words, term="dumb"):
        """Below script(1), which gives it a terminal."""
        done = subprocess.run(["script", "-qec", f"{rig.P2PTRACE} live -i {DEMO}", "/dev/null"],
                              env=dict(os.environ, TERM=term), capture_output=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=20)
        text = done.stdout.decode()
        self.assertEqual(done.returncode, status, text)
        for word in words:
            self.assertIn(word, text)
        self.assertNotIn("\x1b", text)

    def test_dumb_and_unknown_terminals(self):
        self.check(3, "TERM=dumb", "--once", "--batch")
        self.check(3, "--once", "--batch", term="")
        self.check(3, "TERM=no-such-terminal", "--once", "--batch", term="no-such-terminal")

    def test_no_terminal(self):
        done = rig.p2ptrace("live", "-i", DEMO, status=3)
        self.assertIn("--once", done.stderr)
        self.assertEqual(done.stdout, "")


class Keys(unittest.TestCase):
    def test_the_manual_has_every_key(self):
        with open(os.path.join(ROOT, "src/ui/keys.c"), encoding="utf-8") as file:
            source = file.read()
        shown = re.findall(r'\},\s*"([^"]+)",\s*"', source)
        self.assertGreater(len(shown), 20)
        with open(os.path.join(ROOT, "man/p2ptrace-live.1"), encoding="utf-8") as file:
            page = re.sub(r"\\f[A-Z]|\\&|\"", "", file.read().replace("\\-", "-"))
        page = page.replace("\\e", "\\")
        section = page[page.index(".SH KEYS"):]
        section = section[:section.index("\n.SH ", 1)]
        told = set(re.sub(r"[,]", " ", section).split())
        for words in shown:
            for word in words.replace("\\\\", "\\").split():
                self.assertIn(word, told)


@needs_tmux
@rig.needs_rig
class Live(unittest.TestCase):
    """The running kernel, with the rig at work."""

    def open(self, stack, group, width, height, *before):
        terminal = stack.enter_context(tmux.Terminal(
            [*before, rig.P2PTRACE, "live", "--system", group.name, "-d", "0.2", "-b", "8M"],
            width, height))
        terminal.wait_for("1Pairs", "F10Quit")
        return terminal

    @staticmethod
    def instances(pid):
        return [name for name in os.listdir(rig.TRACING + "/instances")
                if name.startswith(f"p2ptrace-{pid}-")]

    def check_pairs(self, terminal, truth):
        shown = {(row["CLIENT"], row["PROVIDER"], row["TYPE"]): row
                 for row in table(terminal.lines())}
        self.assertEqual(len(shown), len(truth["pairs"]))
        for row in truth["pairs"]:
            mine = shown[row["client"], row["provider"], row["type"]]
            wanted = {"MAPS": count(row["maps"]), "UNMAPS": count(row["unmaps"]),
                      "BYTES": size(row["bytes"]), "OPEN": count(row["outstanding"]),
                      "OPEN BYTES": size(row["outstanding_bytes"]), "DIST": str(row["dist"])}
            for key, value in wanted.items():
                if key in mine:
                    self.assertEqual(mine[key], value, (row, key))

    def check_head(self, terminal, truth):
        screen = terminal.text()
        types = {row["type"]: row["maps"] for row in truth["map_types"]}
        good = sum(number for kind, number in types.items() if kind != "NOT_SUPPORTED")
        self.assertIn(f"{100 * types['BUS_ADDR'] / good:.1f} %", screen)
        self.assertIn("Lost 0 ", screen)
        moved = sum(row["bytes"] for row in truth["pairs"])
        self.assertIn(f"Moved {size(moved)}", screen)
        out = truth["outstanding"]
        if out["maps"]:
            self.assertIn(f"Open maps {count(out['maps'])} of {size(out['map_bytes'])}", screen)

    def test_the_numbers_are_the_rigs_and_what_is_written_too(self):
        with contextlib.ExitStack() as stack:
            group = stack.enter_context(rig.Group("--type-names"))
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            terminal = self.open(stack, group, 200, 60)
            truth = rig.run("--events", 20000, "--threads", 2, "--processes", 2, "--clients", 3,
                            "--leak-maps", 3, "--leak-allocs", 2, "--refused-maps", 5, "--comm",
                            "\\x1b[2Jx\\ny", "--comm", "plain")
            terminal.wait_for("Seen " + count(truth["events"]["total"]))
            for width, height in ((200, 60), (120, 40), (80, 24)):
                terminal.resize(width, height)
                terminal.wait(drawn(height))
                self.check_head(terminal, truth)
                self.check_pairs(terminal, truth)
            terminal.keys("2")
            terminal.wait_for("\\x1b[2Jx\\x0ay", "plain")
            path = os.path.join(folder, "seen.dat")
            terminal.keys("w", "C-u")
            terminal.type(path)
            terminal.keys("Enter")
            terminal.wait_for("events written")
            rig.assert_report(self, truth, rig.report(path))
            pid = terminal.pid()
            self.assertEqual(len(self.instances(pid)), 1)
            terminal.keys("q")
            self.assertEqual(terminal.wait_ended(), 0)
            self.assertEqual(self.instances(pid), [])

    def test_counters_alone(self):
        """A system without events, and the counters of a captured tree."""
        with tempfile.TemporaryDirectory() as root:
            subprocess.run(["tar", "-xf", os.path.join(ROOT, "tests/fixtures/lab/"
                                                             "plain-root.tar.xz"), "-C", root],
                           check=True)
            with tmux.Terminal([rig.P2PTRACE, "live", "--system", "none_of_these", "--root", root,
                                "-d", "0.2"], 80, 24) as terminal:
                terminal.wait_for("No events", "no P2PDMA events", "Load a module")
                rows = {(row["DEVICE"], row["COUNTER"]): row["VALUE"]
                        for row in table(terminal.lines())}
                self.assertEqual(rows["0000:03:00.0", "size_bytes"], "67,108,864")
                terminal.keys("w")
                terminal.wait_for("nothing was kept")
                terminal.keys("q")
                self.assertEqual(terminal.wait_ended(), 0)

    def test_every_end_leaves_nothing(self):
        with rig.Group("--type-names") as group:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
                with self.subTest(signal=number.name), contextlib.ExitStack() as stack:
                    terminal = self.open(stack, group, 80, 24)
                    pid = terminal.pid()
                    self.assertEqual(len(self.instances(pid)), 1)
                    os.kill(pid, number)
                    self.assertEqual(terminal.wait_ended(), 0)
                    self.assertEqual(self.instances(pid), [])

    def test_a_terminal_that_takes_nothing(self):
        """Ctrl-S stops the terminal, not the counting, and not the end."""
        with rig.Group("--type-names") as group, contextlib.ExitStack() as stack:
            terminal = self.open(stack, group, 80, 24)
            pid = terminal.pid()
            terminal.keys("C-s")
            rig.run("--events", 1000)
            tmux.time.sleep(0.6)  # pictures are due
            self.assertNotIn("Seen 1,000", terminal.text())
            terminal.keys("C-q")
            terminal.wait_for("Seen 1,000")
            terminal.keys("C-s")
            tmux.time.sleep(0.4)
            os.kill(pid, signal.SIGTERM)
            self.assertEqual(terminal.wait_ended(), 0)
            self.assertEqual(self.instances(pid), [])

    @unittest.skipUnless(platform.machine() == "x86_64", "knows the number of write(2) there")
    def test_a_terminal_that_nobody_reads(self):
        """Its buffer is full in the middle of a picture: signals end it all the same."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 100, 300, 0, 0))
        with rig.Group("--type-names") as group:
            process = subprocess.Popen(
                [rig.P2PTRACE, "live", "--system", group.name, "-d", "0.1"], stdin=slave,
                stdout=slave, stderr=slave, env=dict(os.environ, TERM="screen"))
            os.close(slave)
            try:
                os.write(master, b"5")  # new events all over the screen, every time
                tmux.wait_until(lambda: self.instances(process.pid), lambda: "it traces")
                tmux.wait_until(lambda: rig.run("--events", 2000) and self.writes(process.pid),
                                lambda: "it hangs in a write")
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(timeout=20), 0)
                self.assertEqual(self.instances(process.pid), [])
            finally:
                process.kill()
                process.wait()

    @staticmethod
    def writes(pid):
        """Whether it waits in write(1, ...)."""
        with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
            return file.read().split()[:2] == ["1", "0x1"]

    def test_a_terminal_that_goes_away(self):
        deaf = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]  # nobody tells it but the terminal
        for before in ((), deaf):
            with self.subTest(before=before), rig.Group("--type-names") as group, \
                    contextlib.ExitStack() as stack:
                terminal = self.open(stack, group, 80, 24, *before)
                pid = terminal.pid()
                self.assertEqual(len(self.instances(pid)), 1)
                terminal.tmux("kill-pane", "-t", "test", check=False)
                terminal.wait_gone(pid)
                self.assertEqual(self.instances(pid), [])


if __name__ == "__main__":
    unittest.main()
