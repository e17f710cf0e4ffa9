# SPDX-License-Identifier: GPL-2.0-or-later
"""A terminal for tests: a tmux server of their own, ended with them.

    with tmux.Terminal(["p2ptrace", "live"], 80, 24) as terminal:
        terminal.wait_for("Pairs")
        terminal.keys("Tab", "F6")
        terminal.lines()

The program runs below a shell, which says "ended N" with its status and stays, so that one
sees what state the terminal is left in.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

PATIENCE = 20


def why_not():
    return None if shutil.which("tmux") else "no tmux (tools/install-dependencies)"


def wait_until(condition, what, patience=PATIENCE):
    """Until `condition()` gives something true, and that."""
    limit = time.monotonic() + patience
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > limit:
            raise AssertionError(f"after {patience} s still not: {what()}")
        time.sleep(0.03)


class Terminal:
    def __init__(self, command, width, height, term="screen-256color", **environment):
        self.environment = {"LC_ALL": "C.UTF-8", "TERM": term, **environment}
        self.command = shlex.join(map(str, command))
        self.folder = None
        self.size = (width, height)

    def tmux(self, *arguments, check=True):
        return subprocess.run(["tmux", "-S", self.folder + "/tmux", "-f", "/dev/null",
                               *map(str, arguments)], check=check, stdin=subprocess.DEVNULL, capture_output=True,
                              env=dict(os.environ, LC_ALL="C.UTF-8")).stdout.decode()

    def __enter__(self):
        # The server's socket stays when it ends: not among other people's.
        self.folder = tempfile.mkdtemp(prefix="p2ptest-")
        try:
            return self._start()
        except BaseException:
            self.__exit__()
            raise

    def _start(self):
        settings = " ".join(f"{name}={shlex.quote(value)}"
                            for name, value in self.environment.items())
        # An interactive shell would have a prompt and job control of its own.
        script = (f"{settings} {self.command}; echo; echo ended $?; stty -a; "
                  "while read -r line; do :; done")
        self.tmux("-u", "new-session", "-d", "-s", "test", "-x", self.size[0], "-y", self.size[1],
                  "sh", "-c", script)
        self.tmux("set-option", "-g", "status", "off")
        self.resize(*self.size)
        return self

    def __exit__(self, *_):
        pid = self.pid(check=False)
        self.tmux("kill-server", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        if pid:
            with contextlib.suppress(AssertionError):
                self.wait_gone(pid, 5)
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def shell(self):
        return int(self.tmux("display-message", "-p", "-t", "test", "#{pane_pid}", check=False)
                   or 0)

    def pid(self, check=True):
        """Of the program below the shell."""
        def children():
            shell = self.shell()
            try:
                with open(f"/proc/{shell}/task/{shell}/children", encoding="ascii") as file:
                    return [int(word) for word in file.read().split()]
            except OSError:
                return []
        if not check:
            return (children() or [0])[0]
        return wait_until(children, lambda: "it runs")[0]

    @staticmethod
    def wait_gone(pid, patience=PATIENCE):
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), lambda: f"{pid} has ended", patience)

    def lines(self):
        text = self.tmux("capture-pane", "-p", "-t", "test")
        return [line.rstrip() for line in text.split("\n")]

    def text(self):
        return "\n".join(self.lines())

    def styled(self):
        """With the sequences that colour it."""
        return self.tmux("capture-pane", "-p", "-e", "-t", "test")

    def keys(self, *names):
        """Names as tmux has them (Tab, BTab, F6, Enter), or characters."""
        self.tmux("send-keys", "-t", "test", *names)

    def type(self, text):
        self.tmux("send-keys", "-t", "test", "-l", text)

    def resize(self, width, height):
        self.tmux("resize-window", "-t", "test", "-x", width, "-y", height)

    def wait(self, condition):
        """Until `condition(text)` is true of the screen; that."""
        return wait_until(lambda: condition(self.text()), lambda: "on the screen:\n" + self.text())

    def wait_for(self, *texts):
        self.wait(lambda screen: all(text in screen for text in texts))

    def wait_ended(self):
        """Until the program has; its status.  Fails unless the terminal is as it was."""
        self.wait(lambda screen: "ended " in screen and "echoke" in screen)
        screen = self.text()
        state = screen[screen.index("ended "):].split()
        # What the program's terminal had before: lines, echo, a cursor, its first screen.
        for setting in ("icanon", "echo", "isig", "icrnl", "opost"):
            if setting not in state:
                raise AssertionError(f"the terminal is left without {setting}:\n{screen}")
        flags = self.tmux("display-message", "-p", "-t", "test", "#{cursor_flag} #{alternate_on}")
        if flags.split() != ["1", "0"]:
            raise AssertionError(f"the terminal is left so (cursor, alternate screen): {flags}")
        return int(state[1])
