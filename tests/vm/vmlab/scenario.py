# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios: one file each in scenarios/.

MACHINES  {name: Machine(...)}; the scenario runs once on each
GUEST     a shell script, run in the guest after `. /lib/lab.sh`, with set -eu
check(r)  what must hold on the results, r a results.Results
TIMEOUT   optional: seconds for one run under emulation (default 120)

What it asks of the kernel, all optional:
P2PDMA       False: the kernel must lack it (default True)
USER_MEMORY  True: programs must be able to allocate peer memory (Linux 6.2)
DEBUG        False: not on debug kernels, it would take too long
"""
import importlib.util
import pathlib
import shutil
import subprocess
import tempfile
import time

from . import LabError, image, kernels, machine, results

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "scenarios"


def names():
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def load(name):
    path = FOLDER / f"{name}.py"
    if not path.exists():
        raise LabError(f"no scenario '{name}'; there are: " + " ".join(names()))
    spec = importlib.util.spec_from_file_location(f"scenario_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Lab:
    """A kernel, a root for the guest and the way to run it."""

    def __init__(self, kernel_name, output, p2ptrace, accelerator):
        self.kernel = kernels.Kernel(kernel_name).ensure()
        self.output = output
        self.p2ptrace = p2ptrace
        self.accelerator = accelerator
        self.initramfs = image.make(self.kernel, output, p2ptrace)

    def unfit(self, scenario):
        """Why the kernel is not for the scenario; None if it is."""
        flavour = self.kernel.flavour
        if getattr(scenario, "P2PDMA", True) != flavour.p2pdma:
            return "has no P2PDMA" if not flavour.p2pdma else "has P2PDMA"
        if getattr(scenario, "USER_MEMORY", False) and not flavour.user_memory:
            return "gives user space no peer memory"
        if not getattr(scenario, "DEBUG", True) and flavour.debug:
            return "is too slow"
        return None

    def boot(self, setup, folder, console, timeout):
        """Runs the machine until it is off; QEMU's exit status, None if it had to be stopped."""
        with tempfile.TemporaryDirectory(prefix="p2ptrace-lab-") as scratch:
            command = machine.command(setup, self.kernel, self.initramfs, folder,
                                      pathlib.Path(scratch), self.accelerator, console)
            with open(folder / "qemu.txt", "wb") as log:
                quiet = {} if console == "mon:stdio" else {"stdin": subprocess.DEVNULL, "stdout": log,
                                                          "stderr": subprocess.STDOUT}
                with subprocess.Popen(command, **quiet) as process:
                    try:
                        return process.wait(timeout)
                    except subprocess.TimeoutExpired:
                        return None
                    finally:
                        process.kill()  # also when the lab itself is told to stop

    def boot_for_results(self, setup, guest, folder, timeout):
        """The same with a script to run.  QEMU 7.2 now and then crashes itself, which no guest
        may make it do: then, and only then, the machine is started once more."""
        for _ in range(2):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            (folder / "guest.sh").write_text(". /lib/lab.sh\nset -eu\n" + guest)
            status = self.boot(setup, folder, f"file:{folder}/console.txt", timeout)
            if status is None or status >= 0:
                break
            print(f"lab: QEMU died of signal {-status}", flush=True)
        return status

    def run(self, name, scenario, machine_name):
        """One scenario on one machine: its Results, after the checks."""
        setup = scenario.MACHINES[machine_name]
        folder = self.output / self.kernel.name / f"{name}-{machine_name}"
        outcome = results.Results(folder, machine_name, setup, self.kernel.name, self.p2ptrace)
        timeout = getattr(scenario, "TIMEOUT", 120) * (5 if self.kernel.flavour.debug else 1)
        status = self.boot_for_results(setup, scenario.GUEST, folder, timeout)
        if status is None:
            outcome.failures.append(f"not finished after {timeout} s")
        elif not (folder / "status").exists():
            outcome.failures.append(f"the guest died (QEMU's status {status}): " + " | ".join(
                (folder / "console.txt").read_text(errors="replace").splitlines()[-5:]))
        else:
            outcome.equal("status of the guest's script", outcome.text("status").strip(), "0")
            outcome.kernel_content()
            scenario.check(outcome)
        return outcome

    def shell(self, setup):
        """A shell in the guest, on this terminal."""
        folder = self.output / self.kernel.name / "shell"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        print(f"lab: /results in the guest is {folder}; /lib/lab.sh holds helpers; exit ends", flush=True)
        self.boot(setup, folder, "mon:stdio", None)


def run_all(lab, wanted):
    """Runs the scenarios and prints a line for each; (passed, failed, skipped)."""
    passed = failed = skipped = 0
    for name in wanted:
        scenario = load(name)
        for machine_name in scenario.MACHINES:
            title = f"{name}-{machine_name} ({lab.kernel.name})"
            unfit = lab.unfit(scenario)
            if unfit:
                skipped += 1
                print(f"SKIP {title}: this kernel {unfit}", flush=True)
                continue
            start = time.monotonic()
            outcome = lab.run(name, scenario, machine_name)
            seconds = time.monotonic() - start
            if outcome.failures:
                failed += 1
                print(f"FAIL {title}: results in {outcome.folder}", flush=True)
                for failure in outcome.failures:
                    print(f"     {failure}", flush=True)
            else:
                passed += 1
                print(f"PASS {title}: {outcome.checks} checks, {seconds:.0f} s", flush=True)
    return passed, failed, skipped
