# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's root: busybox, the programs under test with their libraries, the module."""
import os
import pathlib
import re
import shutil
import subprocess

from . import LabError, host

HERE = pathlib.Path(__file__).resolve().parent.parent
REPOSITORY = HERE.parent.parent

# The module as it would be on a kernel that lacks a function it follows.
MISFIT = '-DCOMPAT_CALCULATE=\\"calc_map_type_and_dist_of_old\\"'

SHELL_PROGRAMS = ["trace-cmd"]  # beside ours: the reference for what we read and write


def build_traffic(output):
    """The static program that makes the traffic."""
    binary = output / "p2ptraffic"
    source = HERE / "p2ptraffic.c"
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        host.run(["gcc", "-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE",
                  "-static", "-o", binary, source])
    return binary


def build_module(kernel, source, folder, flags=""):
    """An out-of-tree module, built in `folder` against the kernel's tree; the .ko's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        copy = folder / path.name
        if path.is_file() and (not copy.exists() or copy.read_bytes() != path.read_bytes()):
            shutil.copy(path, copy)
    text = host.run(["make", "-C", kernel.build, f"M={folder}", f"KCFLAGS={flags}", "modules"])
    if "warning:" in text:
        raise LabError(f"{source.name} on Linux {kernel.name} builds with warnings:\n{text}")
    return next(folder.glob("*.ko"))


def libraries(binary):
    """The shared libraries a program needs, its loader included."""
    done = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False)
    if "not found" in done.stdout:
        raise LabError(f"{binary} lacks libraries:\n{done.stdout}")
    return re.findall(r"(/\S+) \(0x", done.stdout) if done.returncode == 0 else []


def _entry(name, mode, data, number):
    """One file in cpio's "newc" format."""
    path = name.encode() + b"\0"
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0]
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + path
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def _folders(names):
    found = set()
    for name in names:
        found |= {str(parent) for parent in pathlib.PurePath(name).parents} - {"."}
    return sorted(found)


def write(path, files):
    """Writes an initramfs of {name in the guest: file on the host}."""
    files = dict(files)
    for binary in [source for name, source in files.items() if name.startswith("bin/")]:
        for library in libraries(binary):
            files.setdefault(library.lstrip("/"), pathlib.Path(library))
    empty = ["proc", "sys", "dev", "tmp", "results", "run"]
    with open(path, "wb") as out:
        number = 1
        for name in [*_folders(files), *empty]:
            out.write(_entry(name, 0o040755, b"", number))
            number += 1
        for name, source in sorted(files.items()):
            executable = os.access(source, os.X_OK) or name == "init"
            out.write(_entry(name, 0o100755 if executable else 0o100644,
                             pathlib.Path(source).read_bytes(), number))
            number += 1
        out.write(_entry("TRAILER!!!", 0, b"", number))


def _check_version():
    """dkms.conf cannot ask the file VERSION."""
    version = (REPOSITORY / "VERSION").read_text().strip()
    if f'PACKAGE_VERSION="{version}"' not in (REPOSITORY / "kernel/dkms.conf").read_text():
        raise LabError(f"kernel/dkms.conf does not say PACKAGE_VERSION=\"{version}\" as VERSION does")


def make(kernel, output, p2ptrace):
    """The initramfs of one kernel; returns its path."""
    _check_version()
    folder = output / kernel.name
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "init": HERE / "guest/init",
        "lib/lab.sh": HERE / "guest/lib.sh",
        "bin/busybox": "/bin/busybox",
        "bin/sh": "/bin/busybox",
        "bin/p2ptraffic": build_traffic(output),
    }
    files["lib/p2ptrace_events.ko"] = build_module(kernel, REPOSITORY / "kernel", folder / "module")
    files["lib/misfit.ko"] = build_module(kernel, REPOSITORY / "kernel", folder / "misfit", MISFIT)
    if kernel.flavour.p2pdma:
        files["lib/p2pclient.ko"] = build_module(kernel, HERE / "client", folder / "client")
    for program in SHELL_PROGRAMS:
        files[f"bin/{program}"] = shutil.which(program)
    if p2ptrace:
        files["bin/p2ptrace"] = p2ptrace
    image = folder / "initramfs"
    write(image, files)
    return image
