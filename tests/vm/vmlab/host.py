# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's side: packages, and programs run with their output kept for when they fail."""
import os
import shutil
import subprocess

from . import LabError

# What a kernel build, the initramfs and the guest need: program -> Debian package.
PROGRAMS = {
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "pahole": "pahole",
    "xz": "xz-utils",
    "gcc": "gcc",
    "make": "make",
    "modinfo": "kmod",
    "qemu-system-x86_64": "qemu-system-x86",
    "trace-cmd": "trace-cmd",
}
FILES = {
    "/usr/include/libelf.h": "libelf-dev",
    "/usr/include/openssl/opensslv.h": "libssl-dev",
    "/bin/busybox": "busybox-static",
}


def environment():
    """Ours without what a make above us would tell the makes below: its O= above all."""
    ours = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "O", "CC", "CFLAGS")
    return {name: value for name, value in os.environ.items() if name not in ours}


def run(command, log=None, **kwargs):
    """Runs a program; its output goes to `log` or is shown only when it fails."""
    out = open(log, "ab") if log else subprocess.PIPE
    kwargs.setdefault("env", environment())
    done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False, **kwargs)
    if log:
        out.close()
    if done.returncode:
        text = open(log, "rb").read() if log else done.stdout
        tail = b"\n".join(text.splitlines()[-30:]).decode(errors="replace")
        raise LabError(f"{' '.join(map(str, command))}: status {done.returncode}\n{tail}")
    return (done.stdout or b"").decode(errors="replace")


def installed_version(package):
    """The installed version of a Debian package, None if it is not there."""
    if not shutil.which("dpkg-query"):
        return None
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Status}\t${Version}", package],
                          capture_output=True, text=True, check=False)
    status, _, version = done.stdout.partition("\t")
    return version if status.endswith("ok installed") else None


def install(packages):
    """apt-get install what is missing of `packages`."""
    missing = [p for p in packages if not installed_version(p)]
    if not missing:
        return
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise LabError("missing packages: " + " ".join(missing) + " (install them as root)")
    print("lab: installing " + " ".join(missing), flush=True)
    env = dict(environment(), DEBIAN_FRONTEND="noninteractive")
    run(["apt-get", "update", "-qq"], env=env)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], env=env)


def install_tools():
    """The programs and files the lab cannot do without."""
    wanted = {package for program, package in PROGRAMS.items() if not shutil.which(program)}
    wanted |= {package for path, package in FILES.items() if not os.path.exists(path)}
    install(sorted(wanted))
