# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated machine: three root ports with NVMe drives, one of them behind a switch.

    root port A - switch -+- near64  (CMB 64 MiB)
                          +- near    (no CMB)
                          +- near16  (CMB 16 MiB)
    root port B ----------- far      (no CMB)
    root port C -----------+- twin16 (function 0, CMB 16 MiB)
                           +- twin   (function 1, no CMB)

A controller memory buffer (CMB) is peer memory: such a drive is a provider.  The
names are the drives' serial numbers.
"""
import os
from dataclasses import dataclass

from . import LabError, host

CPUS = {
    # the kernel lets no Intel host bridge of QEMU's route peer traffic, any AMD one
    "intel": "Skylake-Client,-hle,-rtm",
    "amd": "EPYC",
}
DRIVE_BYTES = 16 << 20


@dataclass(frozen=True)
class Machine:
    cpu: str = "intel"
    cpus: int = 2
    memory: int = 1024  # MiB
    iommu: bool = False
    # One host thread for all CPUs under emulation.  With several, QEMU 7.2 can run a
    # stale copy of code that was patched while another CPU was in it: the guest dies of
    # "Oops: int3" when hooks come and go under traffic, whoever makes them.
    one_thread: bool = False
    # The guest's clocks count instructions, one a nanosecond: emulation only.
    icount: bool = False
    disk: int = 0  # MiB of a disk with ext4, /dev/vda; 0: none
    kernel_options: str = ""
    devices: tuple = ()  # further QEMU arguments


def _drive(name, folder, device, extra=""):
    image = folder / f"{name}.img"
    with open(image, "wb") as file:
        file.truncate(DRIVE_BYTES)
    return ["-drive", f"if=none,id={name},format=raw,cache=unsafe,file={image}",
            "-device", f"nvme,drive={name},serial={name},{device}{extra}"]


def _disk(machine, folder):
    """What recordings go to where the figures of a real file system count."""
    if not machine.disk:
        return []
    image = folder / "disk.img"
    with open(image, "wb") as file:
        file.truncate(machine.disk << 20)
    host.run(["mkfs.ext4", "-q", "-F", image])
    return ["-drive", f"if=none,id=disk,format=raw,cache=unsafe,file={image}",
            "-device", "virtio-blk-pci,drive=disk"]


def _ports():
    arguments = []
    for number, name in enumerate("ABC", 1):
        arguments += ["-device", f"pcie-root-port,id=port{name},chassis={number},slot={number}"]
    arguments += ["-device", "x3130-upstream,id=switch,bus=portA"]
    for number in range(3):
        arguments += ["-device", f"xio3130-downstream,id=down{number},bus=switch,chassis={10 + number},"
                                 f"slot={10 + number}"]
    return arguments


def command(machine, kernel, initramfs, results, scratch, accelerator, console):
    """The QEMU command line; `scratch` takes the drives' images, `console` the serial line."""
    if accelerator == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise LabError("no access to /dev/kvm; without --kvm the lab emulates")
    speed = f"tcg,thread={'single' if machine.one_thread or machine.icount else 'multi'}" if accelerator == "tcg" else "kvm"
    debug = kernel.flavour.debug
    # Before every other device: what comes earlier is not behind it.  Intel's also with
    # an AMD CPU, where the kernel lets peer traffic through the host bridge.
    iommu = ["-device", "intel-iommu,intremap=off"] if machine.iommu else []
    arguments = [
        "qemu-system-x86_64", "-accel", speed, "-machine", "q35", "-cpu", CPUS[machine.cpu],
        *iommu, "-smp", str(machine.cpus), "-m", str(machine.memory * (2 if debug else 1)),
        "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none",
        "-kernel", str(kernel.image), "-initrd", str(initramfs),
        "-append", f"console=ttyS0 panic=-1 oops=panic {machine.kernel_options}",
        "-virtfs", f"local,path={results},mount_tag=results,security_model=none",
        "-serial", console,
    ]
    arguments += _ports()
    arguments += _drive("near64", scratch, "bus=down0", ",cmb_size_mb=64")
    arguments += _drive("near", scratch, "bus=down1")
    arguments += _drive("near16", scratch, "bus=down2", ",cmb_size_mb=16")
    arguments += _drive("far", scratch, "bus=portB")
    arguments += _drive("twin16", scratch, "bus=portC,addr=0.0,multifunction=on", ",cmb_size_mb=16")
    arguments += _drive("twin", scratch, "bus=portC,addr=0.1")
    arguments += _disk(machine, scratch)
    if machine.icount:
        arguments += ["-icount", "shift=0,sleep=off"]
    return [*arguments, *machine.devices]
