# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings and snapshots of the scenarios, kept in tests/fixtures/lab for tests without a VM."""
import json
import shutil
import subprocess

from . import LabError, image, scenario

FOLDER = image.REPOSITORY / "tests/fixtures/lab"

# name -> (scenario, machine, recording and the traffic program's own numbers there)
RECORDINGS = {
    "direct": ("pairs", "intel", "near-near64"),
    "refused": ("pairs", "intel", "far-near64"),
    "bridge": ("pairs", "amd", "far-near64"),
    "probed": ("probes", "intel", "near-near64"),
    "few": ("probes", "intel", "few"),
    "held": ("holding", "intel", "held"),
    "stale": ("acs", "intel", "stale"),
    "redirected": ("acs", "amd", "redirected"),
}
# name -> (scenario, machine) whose snapshot of sysfs is kept, for --root DIR
SNAPSHOTS = {"plain-root": ("pairs", "intel"), "acs-root": ("acs", "intel")}


def scenarios():
    return sorted({row[0] for row in [*RECORDINGS.values(), *SNAPSHOTS.values()]})


def keep(results):
    """Copies them out of `results`, the folder of a kernel's results."""
    FOLDER.mkdir(exist_ok=True)
    for name, (what, machine, file) in RECORDINGS.items():
        folder = results / f"{what}-{machine}"
        traffic = json.loads((folder / f"{file}.json").read_text())
        traffic["drives"] = json.loads((folder / "drives.json").read_text())
        shutil.copyfile(folder / f"{file}.dat", FOLDER / f"{name}.dat")
        (FOLDER / f"{name}.json").write_text(json.dumps(traffic, indent=1) + "\n")
    for name, (what, machine) in SNAPSHOTS.items():
        root = results / f"{what}-{machine}/root"
        subprocess.run(["tar", "-C", root, "--sort=name", "--owner=0", "--group=0", "--mtime=@0",
                        "--mode=u=rwX,go=rX", "-cJf", FOLDER / f"{name}.tar.xz", "proc", "sys"], check=True)


def make(lab):
    """Runs the scenarios and keeps what they left."""
    counts = scenario.run_all(lab, scenarios())
    if counts[1]:
        raise LabError("a scenario failed: the fixtures stay as they are")
    keep(lab.output / lab.kernel.name)
    return counts
