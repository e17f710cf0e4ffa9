#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds sys/ and proc/ of a made-up machine from a description people can read.

    tests/cli/pci_tree.py DESCRIPTION DIR

A description has a line for each fact of the system and for each device; what hangs
below a device is indented more deeply:

    kernel 6.12.0
    cpu GenuineIntel 6
    iommu on
    cmdline root=/dev/sda1 pci=noacs
    bus 0000:00
      00:00.0 8086:2020 host
      00:01.0 8086:2030 root-port acs=SV,RR,CR,UF
        01:00.0 144d:a80a nvme name=nvme0 driver=nvme pool=64M
    bus 0000:80
      ...

A device: address within its domain, vendor:device, kind, and words KEY=VALUE:

    kind    host root-port upstream downstream endpoint integrated to-pci pci pci-bridge,
            or an endpoint of a class: nvme gpu vga nic accel sata vmd
    acs     bits that are on (SV TB RR CR UF EC DT), "off": the capability with none on;
            without it there is no ACS capability
    config  what of the 4096 bytes the file holds: none, 64, 256, ...; "ones": all 0xff
    class   six hexadecimal digits, in place of the kind's
    name    kernel names, with commas: nvme0, card0, renderD128, mlx5_0, eth0
    driver, numa, pool, avail (of the pool), bar (largest prefetchable), vf-of (address),
    link, can (speed x width: 16x8), slot (number of the slot), group (IOMMU), type (its)

"bus" below a device begins a root bus there (VMD).  "#" begins a comment.
"""

import os
import struct
import sys

KINDS = {  # kind: (PCI Express type or None, class, header type)
    "host": (None, 0x060000, 0), "root-port": (4, 0x060400, 1), "upstream": (5, 0x060400, 1),
    "downstream": (6, 0x060400, 1), "endpoint": (0, 0x088000, 0),
    "integrated": (9, 0x088000, 0), "to-pci": (7, 0x060400, 1), "pci": (None, 0x088000, 0),
    "pci-bridge": (None, 0x060400, 1), "nvme": (0, 0x010802, 0), "gpu": (0, 0x030200, 0),
    "vga": (0, 0x030000, 0), "nic": (0, 0x020000, 0), "accel": (0, 0x120000, 0),
    "sata": (0, 0x010601, 0), "vmd": (9, 0x010400, 0),
}
ACS_BITS = {name: 1 << bit for bit, name in enumerate(("SV", "TB", "RR", "CR", "UF", "EC", "DT"))}
CLASSES = (("nvme", "nvme"), ("card", "drm"), ("renderD", "drm"), ("mlx", "infiniband"),
           ("accel", "accel"))
UNITS = {"k": 10, "M": 20, "G": 30}


def size(text):
    """"64M" in bytes."""
    unit = UNITS.get(text[-1])
    return int(text[:-1]) << unit if unit else int(text)


class Device:
    """A line of a description."""

    def __init__(self, domain, path, words):
        address, ids, kind, *options = words
        self.name = f"{domain}:{address}"
        self.path = f"{path}/{self.name}"
        self.vendor, self.device = (int(part, 16) for part in ids.split(":"))
        self.kind = kind
        self.options = dict(option.split("=", 1) for option in options)
        self.pcie, self.class_code, self.header = KINDS[kind]
        if "class" in self.options:
            self.class_code = int(self.options["class"], 16)

    def acs_control(self):
        value = self.options.get("acs")
        if value is None:
            return None
        return 0 if value == "off" else sum(ACS_BITS[bit] for bit in value.split(","))

    def config(self):
        """The bytes of its configuration space, None for no file."""
        readable = self.options.get("config", "4096" if self.pcie is not None else "256")
        if readable == "none":
            return None
        if readable == "ones":
            return b"\xff" * 4096
        space = bytearray(4096)
        # A virtual function's own registers hold no ids.
        ids = (0xffff, 0xffff) if "vf-of" in self.options else (self.vendor, self.device)
        struct.pack_into("<HHHHI", space, 0, *ids, 0x0406, 0x0010, self.class_code << 8)
        space[0x0e] = self.header
        space[0x34] = 0x40
        # Power management, then PCI Express.
        struct.pack_into("<BBH", space, 0x40, 0x01, 0x50 if self.pcie is not None else 0, 3)
        if self.pcie is not None:
            slot = self.options.get("slot")
            flags = 2 | self.pcie << 4 | (0x100 if slot else 0)
            struct.pack_into("<BBH", space, 0x50, 0x10, 0, flags)
            struct.pack_into("<I", space, 0x50 + 0x14, int(slot or 0) << 19)
            self.extended(space)
        return bytes(space[:int(readable)])

    def extended(self, space):
        """Error reporting at 0x100, ACS (if any) at 0x148, a serial number last."""
        control = self.acs_control()
        after = 0x148 if control is not None else 0x160
        struct.pack_into("<I", space, 0x100, 0x0001 | 2 << 16 | after << 20)
        if control is not None:
            struct.pack_into("<IHH", space, 0x148, 0x000d | 1 << 16 | 0x160 << 20, 0x7f, control)
        struct.pack_into("<I", space, 0x160, 0x0003 | 1 << 16)


class Tree:
    """A machine below a directory."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.devices = {}

    def write(self, path, content):
        path = os.path.join(self.directory, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb" if isinstance(content, bytes) else "w") as file:
            file.write(content)

    def link(self, path, target):
        """A relative link to what lies at `target`, as sysfs has them."""
        path = os.path.join(self.directory, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(os.path.relpath(os.path.join(self.directory, target), os.path.dirname(path)),
                   path)

    def build(self, description):
        self.write("proc/cmdline", "root=/dev/sda1\n")
        os.makedirs(os.path.join(self.directory, "sys/bus/pci/devices"), exist_ok=True)
        os.makedirs(os.path.join(self.directory, "sys/class"), exist_ok=True)
        above = []  # (indent, domain, path) of the lines that this one may be below
        for line in description.splitlines():
            words = line.split("#")[0].split()
            if not words:
                continue
            indent = len(line) - len(line.lstrip())
            while above and above[-1][0] >= indent:
                above.pop()
            if words[0] == "bus":
                base = above[-1][2] if above else "sys/devices"
                above.append((indent, words[1].split(":")[0], f"{base}/pci{words[1]}"))
            elif above:
                device = Device(above[-1][1], above[-1][2], words)
                self.devices[device.name] = device
                self.add(device)
                above.append((indent, above[-1][1], device.path))
            else:
                self.fact(words[0], line.split(maxsplit=1)[1].strip())
        return self

    def fact(self, key, value):
        if key == "kernel":
            self.write("proc/sys/kernel/osrelease", value + "\n")
        elif key == "cmdline":
            self.write("proc/cmdline", value + "\n")
        elif key == "cpu":
            vendor, family = value.split()
            self.write("proc/cpuinfo", "".join(
                f"processor\t: {number}\nvendor_id\t: {vendor}\ncpu family\t: {family}\n\n"
                for number in range(2)))
        elif key == "iommu":
            os.makedirs(os.path.join(self.directory, "sys/class/iommu"))
            if value == "on":
                self.write("sys/class/iommu/dmar0/intel-iommu/version", "1:0\n")
        else:
            raise ValueError(f"no fact '{key}'")

    def add(self, device):
        options, path = device.options, device.path
        self.link(f"sys/bus/pci/devices/{device.name}", path)
        config = device.config()
        if config is not None:
            self.write(f"{path}/config", config)
        self.write(f"{path}/vendor", f"0x{device.vendor:04x}\n")
        self.write(f"{path}/device", f"0x{device.device:04x}\n")
        self.write(f"{path}/class", f"0x{device.class_code:06x}\n")
        if "numa" in options:
            self.write(f"{path}/numa_node", options["numa"] + "\n")
        if "driver" in options:
            driver = f"sys/bus/pci/drivers/{options['driver']}"
            os.makedirs(os.path.join(self.directory, driver), exist_ok=True)
            self.link(f"{path}/driver", driver)
        if "vf-of" in options:
            domain = device.name.rsplit(":", 2)[0]
            self.link(f"{path}/physfn", self.devices[f"{domain}:{options['vf-of']}"].path)
        self.add_memory(device)
        self.add_link(device)
        self.add_group(device)
        for name in options.get("name", "").split(","):
            if name:
                self.add_name(device, name)

    def add_memory(self, device):
        options, path = device.options, device.path
        if "pool" in options:
            total = size(options["pool"])
            self.write(f"{path}/p2pmem/size", f"{total}\n")
            self.write(f"{path}/p2pmem/available", f"{size(options.get('avail', str(total)))}\n")
            self.write(f"{path}/p2pmem/published", "1\n")
        if "bar" in options:
            start = 0x380000000000
            self.write(f"{path}/resource", f"0x{start:016x} 0x{start + size(options['bar']) - 1:016x} "
                       "0x000000000014220c\n" + 6 * "0x0000000000000000 0x0000000000000000 "
                       "0x0000000000000000\n")

    def add_link(self, device):
        for key, prefix in (("link", "current"), ("can", "max")):
            value = device.options.get(key) or device.options.get("link")
            if value:
                speed, width = value.split("x")
                self.write(f"{device.path}/{prefix}_link_speed", f"{float(speed):.1f} GT/s PCIe\n")
                self.write(f"{device.path}/{prefix}_link_width", width + "\n")

    def add_group(self, device):
        group = device.options.get("group")
        if not group:
            return
        base = f"sys/kernel/iommu_groups/{group}"
        self.write(f"{base}/type", device.options.get("type", "DMA-FQ") + "\n")
        self.link(f"{device.path}/iommu_group", base)

    def add_name(self, device, name):
        kind = next((kind for prefix, kind in CLASSES if name.startswith(prefix)), "net")
        base = f"{device.path}/{kind}/{name}"
        self.write(f"{base}/uevent", "")
        self.link(f"sys/class/{kind}/{name}", base)
        if kind == "nvme":
            self.write(f"{base}/{name}n1/{name}n1p1/partition", "1\n")
            self.link(f"sys/class/block/{name}n1", f"{base}/{name}n1")
            self.link(f"sys/class/block/{name}n1p1", f"{base}/{name}n1/{name}n1p1")


def build(description, directory):
    """Builds the machine of a description's text; the Tree, with its `devices`."""
    return Tree(directory).build(description)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        build(file.read(), sys.argv[2])


if __name__ == "__main__":
    main()
