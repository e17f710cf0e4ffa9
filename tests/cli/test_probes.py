# SPDX-License-Identifier: GPL-2.0-or-later
"""Probes: what would be defined on which kernel; offsets files; groups of events in tracefs.

Kernels up to 6.12 are run in tests/vm; newer ones are described in tests/fixtures/probe,
and what is made of their types is all that can be checked here."""

import glob
import json
import os
import re
import subprocess
import unittest

import captured
import rig
import test_truth

FIXTURES = os.path.join(captured.ROOT, "tests/fixtures/probe")
SHOW = os.path.join(captured.BUILD, "tests/lib/show_probes")
COMMON = ["pci_alloc_p2pmem", "pci_free_p2pmem", "p2pmem_alloc_mmap", "vm_insert_page",
          "p2pdma_page_free", "calc_map_type_and_dist", "dma_direct_unmap_sg", "pci_p2pmem_free_sgl"]
OLD = [*COMMON, "pci_p2pdma_map_segment", "iommu_dma_unmap_sg"]
NEW = [*COMMON, "p2pdma_folio_free", "__pci_p2pdma_update_state"]


def show(file, functions, *options):
    """{event or "- what": the rest of its line}, in the order of the output."""
    done = subprocess.run([SHOW, *map(str, options), file, *functions], capture_output=True,
                          text=True, check=True)
    lines = {}
    for line in done.stdout.splitlines():
        head, _, rest = line.partition(": " if line.startswith("- ") else " ")
        lines[head.split("/")[-1] if not line.startswith("- ") else head] = line
        if line.startswith("type "):
            lines[line] = rest
    return lines


class WithTypes(test_truth.WithFolder):
    def offsets(self, kernel):
        return os.path.join(FIXTURES, f"linux-{kernel}.offsets")

    def described(self, kernel):
        """BTF of the types that an era's kernel has."""
        base = self.path(f"era-{kernel}")
        subprocess.run(["gcc", "-g", "-O0", "-c", "-o", base + ".o",
                        os.path.join(FIXTURES, f"era-{kernel}.c")], check=True)
        subprocess.run(["pahole", "-J", f"--btf_encode_detached={base}.btf", base + ".o"], check=True)
        return base + ".btf"


class Definitions(WithTypes):
    def test_6_12(self):
        lines = show(self.offsets("6.12"), OLD, "-n", 2, "-b", "@vmemmap_base")
        self.assertEqual(
            lines["p2p_dma_map"],
            "f64:g/p2p_dma_map pci_p2pdma_map_segment%return client=+0(+0($arg2)):string "
            "provider=+0(+176(-16(+0($arg1)))):string type=$retval:u32 page=+0($arg3):x64 "
            "offset=+8($arg3):u32 size=+12($arg3):u32 base=@vmemmap_base:x64")
        self.assertEqual(
            lines["p2p_dma_unmap_1"],
            "f:g/p2p_dma_unmap_1 dma_direct_unmap_sg client=+0(+0($arg1)):string "
            "provider=+0(+176(-16(+8(+32($arg2))))):string "
            "provider_end=+0(+176(-16(+6(+32($arg2))))):string page=+32($arg2):x64 "
            "offset=+40($arg2):u32 size=+44($arg2):u32 base=@vmemmap_base:x64 "
            "dma_addr=+48($arg2):x64 dir=$arg4:u32 nents=$arg3:u32 seen=\\2:u32 | nents > 1 && "
            '(provider ~ "*:??:??.?" || provider_end ~ "*:??:??.?")')
        self.assertNotIn("seen=", lines["p2p_dma_unmap_0"])
        self.assertIn("p2p_dma_unmap_iommu_1", lines)
        self.assertNotIn("p2p_dma_unmap_2", lines)
        self.assertFalse([line for line in lines if line.startswith("- ")])

    def test_without_a_base_no_address_is_made_up(self):
        lines = show(self.offsets("6.12"), OLD)
        self.assertFalse([line for line in lines.values() if "base=" in line])

    def test_6_1(self):
        lines = show(self.offsets("6.1"), [name for name in OLD if "mmap" not in name and
                                           name != "p2pdma_page_free"], "-e", "-k")
        self.assertEqual(lines["p2p_dma_free"], "p:g/p2p_dma_free pci_free_p2pmem "
                                                "provider=+0(+184($arg1)):string size=$arg3:u64")
        self.assertIn("provider=+0(+184(+152(+8(+0($arg3))))):string", lines["p2p_dma_map"])
        self.assertNotIn("type=", lines["p2p_dma_map"])
        self.assertIn("- type calculations", lines)
        self.assertFalse([line for line in lines.values() if "%return" in line or "$retval" in line])

    def test_described_kernels(self):
        """By era: the provider of a page, that of a mapping, the function that frees a page."""
        wanted = {
            "6.16": ("+0(+32(-16(+8($arg3))))", "+0(+32(-16(+0($arg1))))", "p2pdma_page_free"),
            "6.19": ("+0(+0(+0(+16(+8($arg3)))))", "+0(+0(+0(+0($arg1))))", "p2pdma_page_free"),
            "7.0": ("+0(+0(+0(+16(+8($arg3)))))", "+0(+0(+0(+0($arg1))))", "p2pdma_folio_free"),
        }
        for kernel, (page, mapping, frees) in wanted.items():
            with self.subTest(kernel=kernel):
                functions = [name for name in NEW if "free" not in name or name in
                             (frees, "pci_free_p2pmem")]
                lines = show(self.described(kernel), functions)
                self.assertIn(f"vm_insert_page provider={page}:string", lines["p2p_dma_alloc_mmap"])
                self.assertIn(f"update_state%return client=+0(+0($arg2)):string "
                              f"provider={mapping}:string type=+8($arg1):u32", lines["p2p_dma_map"])
                self.assertIn(frees, lines["p2p_dma_free_page"])
                # The block layer maps without a list and unmaps through no function.
                self.assertIn("- unmaps", lines)
                self.assertIn("type 3 BUS_ADDR", lines)

    def test_a_function_or_member_that_is_missing_is_named(self):
        lines = show(self.offsets("6.12"), ["pci_alloc_p2pmem"])
        self.assertIn("pci_free_p2pmem cannot be followed", lines["- frees by drivers"])
        text = open(self.offsets("6.12"), encoding="ascii").read()
        path = self.path("less.offsets")
        with open(path, "w", encoding="ascii") as file:
            file.write(re.sub(r"^8 page.pgmap\n", "", text, flags=re.M))
        self.assertIn("page.pgmap|folio.pgmap".split("|", maxsplit=1)[0],
                      show(path, OLD)["- unmaps"] + " page.pgmap")
        self.assertIn("- unmaps", show(path, OLD))
        self.assertIn("p2p_dma_map", show(path, OLD))

    def test_damaged_offsets(self):
        for number, text in enumerate(["x", "5", "-1 page.pgmap", "99999999 page.pgmap",
                                       "type 99 X", "8page.pgmap"]):
            path = self.path(f"{number}.offsets")
            with open(path, "w", encoding="ascii") as file:
                file.write(text + "\n")
            done = subprocess.run([SHOW, path], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1, text)
            self.assertIn("line 1", done.stderr)


SCRIPT = """
private format 1
private source probe
private map_type 2 NOT_SUPPORTED
private map_type 3 BUS_ADDR
private page_struct 64 4096
types
event p2p_dma_alloc 301 __probe_func:u8 provider:s addr:u8 size:u8 map:u8
event p2p_dma_free 302 __probe_ip:u8 provider:s addr:u8 size:u8 map:u8
event p2p_dma_map 303 __probe_func:u8 client:s provider:s type:u4 page:u8 offset:u4 size:u4 base:u8
event p2p_dma_free_list 310 __probe_ip:u8 provider:s page:u8 offset:u4 size:u4 base:u8 list:u1
event p2p_dma_unmap_0 311 __probe_ip:u8 client:s provider:s provider_end:s page:u8 offset:u4 size:u4 base:u8 nents:u4 seen:u4
"""
DEVICE, CLIENT = "0000:03:00.0", "0000:04:00.0"
BASE, MAP = 0xffffea0000000000, 0xffff888000000000


def page(address, flags=0):
    """The kernel's struct page of a physical address, as a scatterlist links to it."""
    return BASE + address // 4096 * 64 + flags


class Decoded(test_truth.WithFolder):
    """What the events of probes become, of made-up recordings."""

    def recording(self, lines):
        path = self.path("made.dat")
        script = SCRIPT + "".join(f"{1000 * (n + 1)} 0 {line} tid=7\n" for n, line in enumerate(lines))
        with open(path, "wb") as file:
            file.write(subprocess.run([os.path.join(captured.BUILD, "tests/lib/build_dat")],
                                      input=script.encode(), stdout=subprocess.PIPE, check=True).stdout)
        return path

    def report(self, lines):
        return rig.report(self.recording(lines))

    @staticmethod
    def alloc(address, size):
        return f"alloc provider={DEVICE} addr={MAP + address if address else 0} size={size} map={MAP}"

    @staticmethod
    def free(address, size):
        return f"free provider={DEVICE} addr={MAP + address} size={size} map={MAP}"

    @staticmethod
    def free_list(address, size):
        return (f"p2p_dma_free_list provider={DEVICE} page={page(address, 2)} offset={address % 4096} "
                f"size={size} base={BASE} list=1")

    @staticmethod
    def map(address, size, kind=3):
        return (f"map client={CLIENT} provider={DEVICE} type={kind} page={page(address, 2)} "
                f"offset={address % 4096} size={size} base={BASE}")

    @staticmethod
    def unmap(address, size, nents=1, end=False):
        names = ("%01", DEVICE) if end else (DEVICE, "%01")
        return (f"p2p_dma_unmap_0 client={CLIENT} provider={names[0]} provider_end={names[1]} "
                f"page={page(address, 2 * end)} offset={address % 4096} size={size} base={BASE} "
                f"nents={nents} seen=1")

    def test_a_map_ends_by_page_and_offset(self):
        report = self.report([self.map(0xf4020200, 512), self.map(0xf4020400, 512),
                              self.unmap(0xf4020400, 512, end=True), self.unmap(0xf4020200, 512)])
        (pair,) = report["pairs"]
        self.assertEqual((pair["client"], pair["provider"], pair["type"], pair["maps"], pair["unmaps"]),
                         (CLIENT, DEVICE, "BUS_ADDR", 2, 2))
        self.assertEqual(report["orphans"]["unmaps"], 0)
        self.assertEqual(pair["lifetime_ns"]["max"], 3000)

    def test_types_have_the_numbers_of_the_kernel_that_recorded(self):
        report = self.report([self.map(0xf4020000, 4096, 2)])
        self.assertEqual(report["pairs"][0]["type"], "NOT_SUPPORTED")
        self.assertEqual(report["failed"]["maps"], 1)

    def test_further_segments_are_lost(self):
        lines = [self.map(0xf4020000 + 4096 * n, 4096) for n in range(3)] + \
                [self.unmap(0xf4020000, 4096, nents=3)]
        report = self.report(lines)
        self.assertEqual((report["events"]["unmap"], report["events"]["lost"]), (1, 2))
        leaks = json.loads(rig.p2ptrace("leaks", "--json", "--min-age", "1ns", self.path("made.dat")).stdout)
        self.assertEqual({leak["verdict"] for leak in leaks["leaks"]}, {"unknown"})

    def test_a_list_is_freed_once(self):
        """Whether the compiler put pci_free_p2pmem into pci_p2pmem_free_sgl or not."""
        for inlined in (False, True):
            lines = [self.alloc(0xf4020000, 8192), self.alloc(0xf4030000, 4096),
                     self.free_list(0xf4020000, 8192)]
            lines += [] if inlined else [self.free(0xf4020000, 8192)]
            lines += [self.free(0xf4030000, 4096)]
            report = self.report(lines)
            self.assertEqual(report["events"]["free"], 2)
            self.assertEqual(report["orphans"]["frees"], 0)
            self.assertEqual(report["outstanding"]["allocs"], 0)

    def test_the_same_memory_freed_again_later_counts(self):
        report = self.report([self.alloc(0xf4020000, 4096), self.free_list(0xf4020000, 4096),
                              self.free(0xf4020000, 4096), self.alloc(0xf4020000, 4096),
                              self.free(0xf4020000, 4096)])
        self.assertEqual((report["events"]["alloc"], report["events"]["free"]), (2, 2))
        self.assertEqual(report["orphans"]["frees"], 0)

    def test_maps_that_have_no_ends(self):
        """As from Linux 6.16 on: what is open is not known."""
        path = self.recording([])
        with open(path, "wb") as file:
            script = SCRIPT.replace(" page:u8 offset:u4 size:u4 base:u8\nevent p2p_dma_free_list",
                                    "\nevent p2p_dma_free_list")
            script += f"1000 0 map client={CLIENT} provider={DEVICE} type=3 tid=7\n"
            file.write(subprocess.run([os.path.join(captured.BUILD, "tests/lib/build_dat")],
                                      input=script.encode(), stdout=subprocess.PIPE, check=True).stdout)
        report = rig.report(path)
        self.assertEqual((report["pairs"][0]["maps"], report["pairs"][0]["bytes"]), (1, None))
        leaks = json.loads(rig.p2ptrace("leaks", "--json", "--min-age", "1ns", path).stdout)
        self.assertEqual({leak["verdict"] for leak in leaks["leaks"]}, {"unknown"})

    def test_a_failed_allocation(self):
        report = self.report([self.alloc(0, 4096), self.alloc(0xf4020000, 4096)])
        self.assertEqual(report["failed"]["allocs"], 1)
        self.assertEqual(report["outstanding"]["allocs"], 1)

    def test_addresses_are_physical(self):
        path = self.recording([self.alloc(0xf4020000, 4096), self.map(0xf4020200, 512)])
        done = rig.p2ptrace("events", "--json", path)
        alloc, mapped = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(alloc["addr"], "0xf4020000")
        self.assertEqual(mapped["phys_addr"], "0xf4020200")
        self.assertNotIn("dma_addr", mapped)


class Doctor(WithTypes):
    """What probes would see, of a made-up system that has an era's types and functions."""

    def observations(self, functions, btf, without=()):
        tree = captured.Tree(self, {
            "proc/sys/kernel/osrelease": "6.12.9-lab",
            "sys/kernel/tracing/dynamic_events": "",
            "sys/kernel/tracing/trace_clock": "[local] mono",
            "sys/kernel/tracing/available_filter_functions":
                "\n".join(name for name in functions if name not in without),
        })
        tree.make_dir("sys/kernel/tracing/events")
        if btf:
            with open(btf, "rb") as file:
                tree.put("sys/kernel/btf/vmlinux", file.read())
        return {check["id"]: check for check in json.loads(tree.run("doctor", "--json").stdout)["checks"]}

    def test_types_and_functions(self):
        checks = self.observations(NEW, self.described("6.19"))
        self.assertEqual(checks["observations"]["status"], "warn")
        self.assertIn("record -S probe sees allocations by drivers, frees by drivers, allocations by "
                      "programs, refused allocations of programs, frees by programs, type "
                      "calculations, maps; not unmaps;", checks["observations"]["detail"])
        self.assertEqual(checks["events"]["status"], "warn")
        self.assertIn("observations", checks["events"]["detail"])

    def test_a_function_was_inlined(self):
        checks = self.observations(NEW, self.described("6.19"), ["calc_map_type_and_dist"])
        self.assertIn("type calculations: calc_map_type_and_dist cannot be followed",
                      checks["observations"]["detail"])

    def test_nothing_to_go_by(self):
        checks = self.observations(["schedule"], self.described("6.19"))
        self.assertEqual(checks["observations"]["status"], "fail")
        self.assertEqual(checks["events"]["status"], "fail")
        checks = self.observations(NEW, None)
        self.assertEqual(checks["observations"]["status"], "unknown")
        self.assertIn("btf", checks["observations"]["detail"])


@unittest.skipUnless(os.access("/sys/kernel/btf/vmlinux", os.R_OK), "this kernel has no BTF")
class WriteOffsets(test_truth.WithFolder):
    def test_written_and_read(self):
        path = self.path("this.offsets")
        subprocess.run([captured.P2PTRACE, "doctor", "--write-offsets", path], check=True)
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        self.assertIn(f"release {os.uname().release}", lines)
        self.assertIn(f"version {os.uname().version}", lines)
        self.assertIn("64 sizeof page", lines)
        done = subprocess.run([SHOW, path, "pci_alloc_p2pmem"], capture_output=True, text=True, check=True)
        self.assertIn("frees by drivers: pci_free_p2pmem cannot be followed", done.stdout)

    def test_where_it_cannot(self):
        for arguments, status in ((["--write-offsets", "/nowhere/x"], 3),
                                  (["--write-offsets", "x", "--root", "/"], 2)):
            done = subprocess.run([captured.P2PTRACE, "doctor", *arguments], capture_output=True, check=False)
            self.assertEqual(done.returncode, status)


class Record(test_truth.WithFolder):
    """On the machine at hand: whatever it lacks is named, and nothing is left."""

    @rig.needs_rig
    def test_offsets_of_another_kernel(self):
        done = rig.p2ptrace("record", "-S", "probe", "-o", self.path("x.dat"), "--offsets",
                            os.path.join(FIXTURES, "linux-6.12.offsets"), status=3)
        self.assertIn("is of another kernel (6.12-example", done.stderr)
        self.assertFalse(glob.glob(self.path("x.dat*")))

    @rig.needs_rig
    def test_stale_groups(self):
        """What a killed recorder left is removed; what somebody uses, or others made, is not."""
        names = {"stale": "p2ptrace_1_0123abcd", "used": "p2ptrace_1_0123abce",
                 "other": "p2ptrace_x_0123abcd"}
        symbol = rig.Group("--type-names")
        with symbol, rig.Instance() as instance:
            with open("/sys/kernel/tracing/dynamic_events", encoding="ascii") as file:
                line = next(line for line in file if f":{symbol.name}/p2p_dma_map " in line)
            place = line.split()[1]
            try:
                for group in names.values():
                    self.define(f"p:{group}/try {place}")
                instance.write(f"events/{names['used']}/try/enable", "1")
                self.record_by_probes()
                with open("/sys/kernel/tracing/dynamic_events", encoding="ascii") as file:
                    there = file.read()
                self.assertNotIn(names["stale"], there)
                self.assertIn(names["used"], there)
                self.assertIn(names["other"], there)
                instance.write(f"events/{names['used']}/try/enable", "0")
            finally:
                for group in names.values():
                    self.define(f"-:{group}/try", missing_ok=True)

    def record_by_probes(self):
        """Whether or not this kernel can."""
        subprocess.run([captured.P2PTRACE, "record", "-S", "probe", "-o", self.path("x.dat"),
                        "-d", "0.1"], capture_output=True, check=False)

    @staticmethod
    def define(line, missing_ok=False):
        file = os.open("/sys/kernel/tracing/dynamic_events", os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, line.encode() + b"\n")
        except OSError:
            if not missing_ok:
                raise
        finally:
            os.close(file)


if __name__ == "__main__":
    unittest.main()
