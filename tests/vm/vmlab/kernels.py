# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels with CONFIG_PCI_P2PDMA, built once from Debian's source packages.

No distribution kernel at hand has it.  A build is kept under the cache folder,
keyed by the package's version and the checksum of the configuration fragments,
so that it is made anew exactly when one of them changes.
"""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
from dataclasses import dataclass

from . import LabError, host

FRAGMENTS = pathlib.Path(__file__).resolve().parent.parent / "kernel"
DEFAULT = "6.12 6.1"


@dataclass(frozen=True)
class Flavour:
    """A kernel the lab knows: where its source comes from and how it is configured."""

    package: str
    fragments: tuple
    debug: bool = False  # several times slower: scenarios take more time and memory
    p2pdma: bool = True
    user_memory: bool = True  # p2pmem/allocate, since 6.2


FLAVOURS = {
    "6.12": Flavour("linux-source-6.12", ("p2plab", "btf")),
    "6.1": Flavour("linux-source-6.1", ("p2plab", "btf"), user_memory=False),
    "6.12-debug": Flavour("linux-source-6.12", ("p2plab", "debug"), debug=True),
    "6.12-nop2p": Flavour("linux-source-6.12", ("p2plab", "nop2p"), p2pdma=False),
}


def cache():
    """The folder for what is too costly to make twice."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "p2ptrace-lab"


@contextlib.contextmanager
def locked(path):
    """Two labs at a time must not build the same thing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Kernel:
    """A built kernel: bzImage, and a tree to build modules against."""

    def __init__(self, name):
        if name not in FLAVOURS:
            raise LabError(f"no kernel '{name}'; there are: " + ", ".join(FLAVOURS))
        self.name = name
        self.flavour = FLAVOURS[name]
        host.install([self.flavour.package])
        version = host.installed_version(self.flavour.package)
        if not version:
            raise LabError(f"{self.flavour.package} is needed, a package of Debian and its kin")
        self.version = version.replace("~", "-")
        self.config = "".join((FRAGMENTS / f"{f}.fragment").read_text() for f in self.flavour.fragments)
        checksum = hashlib.sha256(self.config.encode()).hexdigest()[:12]
        self.source = cache() / "source" / f"{self.flavour.package}_{self.version}"
        self.folder = cache() / "kernels" / f"{self.version}-{checksum}"
        self.build = self.folder / "build"
        self.image = self.build / "arch/x86/boot/bzImage"

    def ready(self):
        return (self.folder / "done").exists()

    def ensure(self):
        """Builds the kernel unless the cache has it."""
        with locked(cache() / "locks" / self.folder.name):
            if not self.ready():
                self._unpack()
                self._make()
        return self

    def _unpack(self):
        with locked(cache() / "locks" / self.source.name):
            if self.source.exists():
                return
            print(f"lab: unpacking {self.flavour.package}", flush=True)
            half = self.source.with_name(self.source.name + ".half")
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir(parents=True)
            archive = f"/usr/src/{self.flavour.package}.tar.xz"
            host.run(["tar", "-C", half, "--strip-components=1", "-xf", archive])
            half.rename(self.source)

    def _make(self):
        print(f"lab: building Linux {self.name}, some minutes, once; log in {self.folder}/log", flush=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.build.mkdir(parents=True)
        log = self.folder / "log"
        config = self.folder / "allconfig"
        config.write_text(self.config)
        make = ["nice", "-n", "10", "make", "-C", self.source, f"O={self.build}",
                "KBUILD_BUILD_USER=lab", "KBUILD_BUILD_HOST=lab"]
        jobs = f"-j{min(os.cpu_count() or 1, int(os.environ.get('LAB_JOBS', '2')))}"
        host.run([*make, f"KCONFIG_ALLCONFIG={config}", "allnoconfig"], log=log)
        self._check_config()
        host.run([*make, jobs, "bzImage", "modules"], log=log)
        # Objects are only of use to a second build; modules need the rest of the tree.
        for path in self.build.rglob("*.o"):
            if not {"scripts", "tools"} & set(path.relative_to(self.build).parts):
                path.unlink()
        (self.folder / "done").touch()

    def _check_config(self):
        """Kconfig drops what it does not know or cannot have; what the lab stands on must be there."""
        config = (self.build / ".config").read_text().splitlines()
        wanted = ["CONFIG_DEBUG_FS=y", "CONFIG_FPROBE=y", "CONFIG_NET_9P_VIRTIO=y", "CONFIG_BLK_DEV_NVME=y"]
        if self.flavour.p2pdma:
            wanted.append("CONFIG_PCI_P2PDMA=y")
        if self.flavour.debug:
            wanted += ["CONFIG_PROVE_LOCKING=y", "CONFIG_KASAN=y", "CONFIG_DEBUG_KMEMLEAK=y"]
        lost = [line for line in wanted if line not in config]
        if lost:
            raise LabError(f"Linux {self.name}: the configuration lost " + ", ".join(lost))
