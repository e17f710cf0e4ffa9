#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a recording says, worked out slowly from the text of `trace-cmd report`.

    tests/reference.py FILE        prints the tables as JSON, keys as of `report --json`

Nothing of p2ptrace takes part: trace-cmd parses the file, and the rules of matching
(docs/matching.md) are written here a second time, byte range by byte range and without
any index, so that the time goes with the square of what is open.  Good for some thousand
events.

Of p2ptrace's own metadata it reads, from the bytes of an uncompressed file, the list of
threads and the times at which recording began and ended.
"""

import bisect
import json
import re
import subprocess
import sys

EVENTS = {"p2p_dma_alloc": "alloc", "p2p_dma_free": "free", "p2p_dma_map": "map",
          "p2p_dma_unmap": "unmap", "p2p_map_type_change": "map_type_change"}
ALIASES = {"provider": ("provider", "p2p_dev", "dev"), "client": ("client", "dev"),
           "type": ("type", "map_type", "new_type"), "dist": ("dist", "distance"),
           "size": ("size", "len", "length", "bytes"), "pid": ("pid",), "comm": ("comm",)}
KEYS = {"alloc": ("addr", "address", "vaddr", "kaddr"), "map": ("dma_addr",)}
KEYS.update(free=KEYS["alloc"], unmap=KEYS["map"], map_type_change=())
REFUSED = ("UNKNOWN", "NOT_SUPPORTED", "NONE")
NUMBERING = ("UNKNOWN", "NOT_SUPPORTED", "BUS_ADDR", "THRU_HOST_BRIDGE")
CLOCKS_IN_NS = ("local", "global", "perf", "mono", "mono_raw", "boot", "tai")
PAGE = 4096
ALL_ONES = (1 << 64) - 1
IN_INTERRUPT = 0x58  # hard, soft, NMI

_LINE = re.compile(r"\s*(?P<comm>.*)-(?P<tid>\d+)\s+\[(?P<cpu>\d+)\]\s*(?P<stamp>\d+(?:\.\d{9})?):"
                   r"\s+(?P<event>\w+):\s+(?P<fields>.*)")
_LOST = re.compile(r"CPU:(?P<cpu>\d+) \[(?:(?P<count>\d+) )?EVENTS DROPPED\]")


# --- what trace-cmd says ---

def trace_cmd(*words):
    done = subprocess.run(["trace-cmd", *words], check=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.decode("utf-8", "surrogateescape")


def number(text):
    return int(text, 0)


class Event:
    """One line of `trace-cmd report -t -R`."""

    def __init__(self, match, names):
        self.kind = EVENTS.get(match["event"])
        self.name = match["event"]
        self.stamp = int(match["stamp"].replace(".", ""))
        self.cpu, self.tid = int(match["cpu"]), int(match["tid"])
        self.comm = match["comm"]
        self.interrupt = False
        values = dict(re.findall(r"(\w+)=(.*?)(?=\s\w+=|\s*$)", match["fields"]))
        self.values = values
        self.provider, self.client = self._get("provider"), self._get("client")
        self.size = self._get("size", number)
        self.addr = next((number(values[name]) for name in KEYS.get(self.kind, ())
                          if name in values), None)
        self.dist = self._get("dist", number)
        self.type = self._get("type", lambda text: type_name(text, names))
        self.own_pid, self.own_comm = self._get("pid", number), self._get("comm")

    def _get(self, field, convert=str):
        for name in ALIASES[field]:
            if name in self.values:
                return convert(self.values[name])
        return None

    def failed(self):
        if self.kind == "alloc":
            return self.addr == 0 or self.addr > ALL_ONES - PAGE
        return self.type in REFUSED or self.addr == ALL_ONES


def type_name(text, names):
    if not text.lstrip("-").isdigit():
        return text
    return names.get(int(text), f"TYPE_{text}")


def read_type_names(path):
    """Map types by number, from the formats' __print_symbolic."""
    formats = trace_cmd("dump", "--events", "-i", path)
    symbols = re.search(r"name: p2p_dma_map\n(?:.*\n)*?print fmt:.*?__print_symbolic\(REC->\w*type, "
                        r"(.*?)\)", formats)
    if not symbols:
        return dict(enumerate(NUMBERING))
    return {int(value): name.removeprefix("PCI_P2PDMA_MAP_")
            for value, name in re.findall(r'{ (\d+), "(\w+)" }', symbols[1])}


class Text:
    """All events in order, and where some were lost."""

    def __init__(self, path):
        names = read_type_names(path)
        self.events, self.gaps = [], []
        pending = {}  # CPU: how many were lost before its next event, None: not known
        for line in trace_cmd("report", "-t", "-R", "-i", path).splitlines():
            lost, match = _LOST.match(line), _LINE.match(line)
            if lost:
                pending[int(lost["cpu"])] = lost["count"] and int(lost["count"])
            elif match:
                event = Event(match, names)
                event.line = line
                if event.cpu in pending:
                    self.gaps.append((event.stamp, event.cpu, pending.pop(event.cpu)))
                self.events.append(event)
        self._find_interrupts(path)
        # Python's sort keeps the order of a CPU's events with equal stamps.
        self.events.sort(key=lambda event: (event.stamp, event.cpu))
        self.stats = self._read_stats(path)
        clock = re.search(r"\[(\w+)\]", trace_cmd("dump", "--clock", "-i", path))
        self.clock = clock[1] if clock else ""

    def _find_interrupts(self, path):
        """The text shows no NMI: trace-cmd's own filter does."""
        wanted = f".*/p2p_.*: common_flags & {IN_INTERRUPT} && common_flags != 255"
        lines = set(trace_cmd("report", "-t", "-R", "-F", wanted, "-i", path).splitlines())
        for event in self.events:
            event.interrupt = event.kind is not None and event.line in lines

    @staticmethod
    def _read_stats(path):
        """{CPU: {what: events}}"""
        stats = {}
        for text in re.split(r"(?m)^CPU: ", trace_cmd("report", "--stat", "-i", path))[1:]:
            stats[int(text.split()[0])] = {
                name: int(count) for name, count in
                re.findall(r"(?m)^(overrun|commit overrun|dropped events): (\d+)$", text)}
        return stats


class Own:
    """The lines of p2ptrace's own option, as they stand in the file."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        found = re.search(rb"format \d+\nversion [^\0]*", data)
        self.there = found is not None
        lines = found[0].decode("utf-8", "replace").splitlines() if found else []
        self.lines = [line.partition(" ")[::2] for line in lines]
        self.processes = {int(value.split()[0]): int(value.split()[1])
                          for key, value in self.lines if key == "tgid"}

    def get(self, wanted, default):
        return next((int(value) for key, value in self.lines if key == wanted), default)

    def unsaved(self):
        return {int(value.split()[0]): int(value.split()[1])
                for key, value in self.lines if key == "unsaved"}


# --- what is open ---

class Open:
    """A beginning of which something is open: ranges [from, to), in order."""

    def __init__(self, event, pid):
        self.event, self.pid = event, pid
        self.unsized = event.size is None
        # Without a size it has its first byte, so that it can be found.
        self.ranges = [(event.addr, event.addr + (event.size or 1))]
        self.divided = self.ambiguous = False

    def range_at(self, addr):
        """The open range over an address."""
        at = bisect.bisect_right(self.ranges, (addr, ALL_ONES)) - 1
        if at >= 0 and self.ranges[at][0] <= addr < self.ranges[at][1]:
            return self.ranges[at]
        return None

    def close(self, low, high):
        """Closes [low, high), which lies in one range; its bytes."""
        whole = self.range_at(low)
        rest = [(whole[0], low), (high, whole[1])]
        at = self.ranges.index(whole)
        self.ranges[at:at + 1] = [piece for piece in rest if piece[0] < piece[1]]
        self.divided = self.divided or (low, high) != whole
        return 0 if self.unsized else high - low

    def bytes(self):
        return 0 if self.unsized else sum(to - start for start, to in self.ranges)


class Device:
    """What is open of one device's addresses, oldest first."""

    def __init__(self):
        self.open = []

    def keyed(self, addr):
        """Those of which an open range begins at the address."""
        return [one for one in self.open if any(start == addr for start, _ in one.ranges)]

    def first(self, addr, size):
        """The one an end at this address is for; None: orphan."""
        keyed = self.keyed(addr)
        for one in keyed:
            start, to = one.range_at(addr)
            if size is not None and (one.unsized or to - start == size):
                return one
        if keyed:
            return keyed[0]
        return next((one for one in self.open if one.range_at(addr)), None)

    def next_open(self, addr):
        starts = [start for one in self.open for start, _ in one.ranges if start >= addr]
        return min(starts, default=None)

    def close(self, addr, size):
        """What an end closes: [(beginning, bytes)], each beginning once per range."""
        closed = []
        one = self.first(addr, size)
        if size is None:
            if not one:
                return closed
            begins = any(start == addr for start, _ in one.ranges)
            size = (one.range_at(addr)[1] - addr if begins and not one.divided else PAGE)
        to = addr + size
        while addr < to:
            if not one:
                addr = self.next_open(addr)
                if addr is None or addr >= to:
                    break
                one = self.first(addr, None)
            low, high = one.range_at(addr)[0], one.range_at(addr)[1]
            low = max(low, addr)
            closed.append((one, one.close(low, high if one.unsized else min(high, to))))
            if not one.ranges:
                self.open.remove(one)
            addr, one = high, None
            # Another one may begin just there.
            one = self.first(addr, None) if addr < to else None
        return closed


# --- the tables ---

class Lifetimes:
    def __init__(self):
        self.values = []

    def row(self):
        values = sorted(self.values)
        if not values:
            return {"count": 0}

        def percentile(share):
            rank = -(-len(values) * share // 1000)
            return values[max(rank, 1) - 1]

        return {"count": len(values), "min": values[0], "mean": sum(values) / len(values),
                "max": values[-1], "p50": percentile(500), "p90": percentile(900),
                "p99": percentile(990), "p999": percentile(999)}


class Counts(dict):
    """Numbers by name, 0 at first, and lifetimes."""

    def __init__(self, *names):
        super().__init__((name, 0) for name in names)
        self.lifetimes = Lifetimes()
        self.dist = None


PAIR = ("maps", "unmaps", "failed", "bytes", "outstanding", "outstanding_bytes", "ambiguous")
POOL = ("allocs", "failed", "bytes", "frees", "free_bytes", "outstanding", "outstanding_bytes")
PROCESS = ("allocs", "alloc_bytes", "frees", "free_bytes", "maps", "map_bytes", "unmaps",
           "bus_addr", "thru_host_bridge", "not_supported")


class Tables:
    def __init__(self, path):
        self.text, self.own = Text(path), Own(path)
        self.events = dict.fromkeys(EVENTS.values(), 0)
        self.pairs, self.pools, self.processes, self.devices = {}, {}, {}, {}
        self.comms = {}
        self.failed = {"allocs": 0, "maps": 0, "map_bytes": 0}
        self.orphans = {"frees": 0, "unmaps": 0}
        self.superseded = self.other = 0
        self.mark = None  # stamp behind the latest gap
        self._gaps = sorted(self.text.gaps, key=lambda gap: gap[0])
        self._take_all()

    # -- in order --

    def _take_all(self):
        events, at = self.text.events, 0
        while at < len(events):
            end = at
            while end < len(events) and events[end].stamp == events[at].stamp:
                end += 1
            while self._gaps and self._gaps[0][0] <= events[at].stamp:
                self.mark = self._gaps.pop(0)[0]
            self._take_simultaneous(events[at:end])
            at = end

    def _take_simultaneous(self, events):
        """First the ends of what is open, then the rest by CPU."""
        later = []
        for event in events:
            ends = event.kind in ("free", "unmap")
            if len(events) > 1 and ends and self._is_open(event):
                self._take(event)
            else:
                later.append(event)
        for event in later:
            self._take(event)

    def _is_open(self, event):
        device = self._device(event)
        if device.first(event.addr, event.size):
            return True
        if event.size is None:
            return False
        start = device.next_open(event.addr)
        return start is not None and start < event.addr + event.size

    def _take(self, event):
        if not event.kind:
            self.other += 1
            return
        self.events[event.kind] += 1
        if event.kind in ("alloc", "map"):
            self._begin(event)
        elif event.kind in ("free", "unmap"):
            self._end(event)

    # -- rows --

    def _pid(self, event):
        if event.own_pid is not None:
            return event.own_pid
        return self.own.processes.get(event.tid, event.tid)

    def _process(self, pid):
        return self.processes.setdefault(pid, Counts(*PROCESS))

    def _pair(self, event):
        return self.pairs.setdefault((event.client, event.provider, event.type), Counts(*PAIR))

    def _pool(self, event):
        return self.pools.setdefault(event.provider, Counts(*POOL))

    def _device(self, event):
        pool = event.kind in ("alloc", "free")
        key = ("pool", event.provider) if pool else ("client", event.client)
        return self.devices.setdefault(key, Device())

    def _row(self, event):
        return self._pool(event) if event.kind in ("alloc", "free") else self._pair(event)

    # -- beginnings and ends --

    def _begin(self, event):
        pid = self._pid(event)
        process, row, failed = self._process(pid), self._row(event), event.failed()
        size = event.size or 0
        kind = event.kind
        process[kind + "s"] += 1
        process[kind + "_bytes"] += 0 if failed else size
        row[kind + "s"] += 1
        row["failed"] += failed
        row["bytes"] += 0 if failed and kind == "alloc" else size
        if kind == "map":
            row.dist = event.dist if event.dist is not None and event.dist >= 0 else row.dist
            if event.type.lower() in process:
                process[event.type.lower()] += 1
        if failed:
            self.failed[kind + "s"] += 1
            self.failed["map_bytes"] += size if kind == "map" else 0
            return
        self.comms[pid] = event.own_comm or event.comm
        self._open(event, pid)

    def _open(self, event, pid):
        device, one = self._device(event), Open(event, pid)
        for older in device.keyed(event.addr):
            lost = self.mark is not None and older.event.stamp < self.mark
            if event.kind == "alloc" or lost:
                older.close(*older.range_at(event.addr))
                if not older.ranges:
                    device.open.remove(older)
                    self.superseded += 1
            else:
                older.ambiguous = one.ambiguous = True
        device.open.append(one)

    def _end(self, event):
        closed = self._device(event).close(event.addr, event.size)
        size = sum(count for _, count in closed)
        name = "frees" if event.kind == "free" else "unmaps"
        if closed:
            pid, begin = closed[0][0].pid, closed[0][0].event
        else:
            self.orphans[name] += 1
            pid, begin, size = self._pid(event), event, event.size or 0
            if event.interrupt:
                pid = -1
            else:
                self.comms.setdefault(pid, event.own_comm or event.comm)
        for counts in (self._process(pid), self._row(begin)):
            counts[name] += 1
            if name == "frees":
                counts["free_bytes"] += size
        for one in {id(one): one for one, _ in closed}.values():
            if not one.ranges:
                row = self._row(one.event)
                row.lifetimes.values.append(event.stamp - one.event.stamp)
                if event.kind == "unmap":
                    row["ambiguous"] += one.ambiguous

    # -- the document --

    def _left(self):
        """What is still open, of all devices."""
        return [one for device in self.devices.values() for one in device.open]

    def _count_open(self):
        outstanding = {"allocs": 0, "alloc_bytes": 0, "maps": 0, "map_bytes": 0}
        for one in self._left():
            row = self._row(one.event)
            row["outstanding"] += 1
            row["outstanding_bytes"] += one.bytes()
            outstanding[one.event.kind + "s"] += 1
            outstanding[one.event.kind + "_bytes"] += one.bytes()
        return outstanding

    def _losses(self):
        """{CPU: events}, and marks that say no number."""
        marked, uncounted = {}, {}
        for _, cpu, count in self.text.gaps:
            marked[cpu] = marked.get(cpu, 0) + (count or 0)
            uncounted[cpu] = uncounted.get(cpu, 0) + (count is None)
        lost = dict(marked)
        for cpu, stats in self.text.stats.items():
            lost[cpu] = (max(stats["overrun"], marked.get(cpu, 0)) + stats["commit overrun"] +
                         stats["dropped events"])
            uncounted[cpu] = 0
        for cpu, count in self.own.unsaved().items():
            lost[cpu] = lost.get(cpu, 0) + count
        return lost, sum(uncounted.values())

    def _times(self):
        stamps = [event.stamp for event in self.text.events] or [0]
        start = self.own.get("start", stamps[0])
        return start, max(self.own.get("stop", stamps[-1]), stamps[-1])

    def _hide(self, row, counter, names):
        """Bytes are not known where beginnings have no size."""
        sized = all(event.size is not None for event in self.text.events
                    if event.kind in ("alloc", "map"))
        for name in names:
            if not sized and row[counter]:
                row[name] = None

    def _table(self, rows, keys, counter, names, ns):
        table = []
        for key, counts in rows.items():
            row = dict(zip(keys, key if isinstance(key, tuple) else (key,)), **counts)
            self._hide(row, counter, names)
            row["lifetime_ns"] = counts.lifetimes.row() if ns else None
            if "client" in keys:
                row["dist"] = counts.dist
            table.append(row)
        return table

    def _types(self, ns):
        types = {}
        for (_, _, name), counts in self.pairs.items():
            if not counts["maps"]:
                continue
            into = types.setdefault(name, Counts("maps", "bytes", "failed"))
            for column in into:
                into[column] += counts[column]
            into.lifetimes.values += counts.lifetimes.values
        return self._table(types, ("type",), "maps", ("bytes",), ns)

    def _process_rows(self):
        rows = []
        for pid, counts in self.processes.items():
            comm = "[interrupt]" if pid == -1 else self.comms.get(pid)
            row = dict(counts, pid=pid)
            if comm is not None:
                row["comm"] = comm
            self._hide(row, "allocs", ("alloc_bytes",))
            self._hide(row, "frees", ("free_bytes",))
            self._hide(row, "maps", ("map_bytes",))
            rows.append(row)
        return rows

    def _all_lifetimes(self, rows, ns):
        merged = Lifetimes()
        for counts in rows.values():
            merged.values += counts.lifetimes.values
        return merged.row() if ns else None

    def _leaks(self, stop, ns):
        rows = []
        for one in self._left():
            event = one.event
            pool = event.kind == "alloc"
            rows.append({
                "kind": event.kind, "pid": one.pid, "provider": event.provider,
                "client": None if pool else event.client, "type": None if pool else event.type,
                "bytes": None if one.unsized else one.bytes(),
                "age_ns": stop - event.stamp if ns else None,
                "ts_ns": event.stamp if ns else None,
                "addr": hex(event.addr), "open_addr": hex(one.ranges[0][0])})
        return rows

    def document(self):
        ns = self.text.clock in CLOCKS_IN_NS or not self.text.clock
        lost, uncounted = self._losses()
        start, stop = self._times()
        outstanding = self._count_open()
        events = dict(self.events, total=sum(self.events.values()), other=self.other,
                      lost=sum(lost.values()) + self.own.get("missed", 0),
                      lost_uncounted=uncounted)
        for kind in ("alloc", "map"):
            self._hide(row := {**outstanding, **self.failed, "some": self.events[kind]}, "some",
                       [f"{kind}_bytes"])
            outstanding[f"{kind}_bytes"] = row[f"{kind}_bytes"] if row[f"{kind}_bytes"] is None \
                else outstanding[f"{kind}_bytes"]
        if outstanding["map_bytes"] is None:
            self.failed["map_bytes"] = None
        return {
            "clock": self.text.clock, "start_ns": start if ns else None,
            "duration_ns": stop - start if ns else None, "events": events,
            "loss": [{"cpu": cpu, "lost": count} for cpu, count in lost.items() if count],
            "map_types": self._types(ns),
            "pairs": self._table(self.pairs, ("client", "provider", "type"), "maps",
                                 ("bytes", "outstanding_bytes"), ns),
            "providers": self._table(self.pools, ("provider",), "allocs",
                                     ("bytes", "free_bytes", "outstanding_bytes"), ns),
            "processes": self._process_rows(),
            "lifetimes": {"map_ns": self._all_lifetimes(self.pairs, ns),
                          "alloc_ns": self._all_lifetimes(self.pools, ns)},
            "outstanding": outstanding, "orphans": self.orphans, "superseded": self.superseded,
            "failed": self.failed, "leaks": self._leaks(stop, ns)}


def analyse(path):
    """The document of a recording."""
    return Tables(path).document()


if __name__ == "__main__":
    json.dump(analyse(sys.argv[1]), sys.stdout, indent=1)
    print()
