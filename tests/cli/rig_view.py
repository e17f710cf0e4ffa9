# SPDX-License-Identifier: GPL-2.0-or-later
"""What a ring buffer's own text says, worked out the slow and plain way.

It shares nothing with p2ptrace nor with the rig: lines are parsed as the kernel prints
them, and matching goes page by page.
"""

import re

EVENTS = {  # as the kernel calls them: as the report does
    "p2p_dma_alloc": "alloc",
    "p2p_dma_free": "free",
    "p2p_dma_map": "map",
    "p2p_dma_unmap": "unmap",
    "p2p_map_type_change": "map_type_change",
}
TYPE_NUMBERS = ["UNKNOWN", "NOT_SUPPORTED", "BUS_ADDR", "THRU_HOST_BRIDGE"]
PAGE = 4096
DMA_ERROR = (1 << 64) - 1

_LINE = re.compile(r"-(?P<tid>\d+)\s+\(\s*(?P<tgid>\d+|-+)\)\s+\[(?P<cpu>\d+)\]\s+\S+\s+"
                   r"(?P<sec>\d+)\.(?P<usec>\d+): (?P<event>p2p_\w+): \(0x[0-9a-f]+\)(?P<fields>.*)")
_FIELD = re.compile(r' (\w+)=("[^"]*"|\S+)')


def _value(text):
    if text.startswith('"'):
        return text[1:-1]
    try:
        return int(text, 0)
    except ValueError:
        return text


def parse_trace(text):
    """Lines of the tracefs file `trace`.  A comm may hold anything, newlines too."""
    events = []
    for match in _LINE.finditer(text):
        fields = {name: _value(value) for name, value in _FIELD.findall(match["fields"])}
        tgid = match["tgid"]
        events.append(dict(fields, event=EVENTS[match["event"]], tid=int(match["tid"]),
                           cpu=int(match["cpu"]),
                           owner=int(tgid) if tgid.isdigit() else int(match["tid"])))
    return events


class _Open:
    """A beginning that is not closed: its bytes that are still open."""

    def __init__(self, event, start, size):
        self.event, self.start, self.size = event, start, size
        self.left = set(range(start, start + size, PAGE))

    def close(self, start, size):
        self.left -= set(range(start, start + size, PAGE))
        return not self.left


class Tables:
    """Counts a list of events in time order by the rules of matching: FIFO per key, an end
    closes its byte range page by page, failures are never open."""

    def __init__(self, events):
        self.events = dict.fromkeys(EVENTS.values(), 0)
        self.processes, self.pairs, self.types = {}, {}, {}
        self.failed = {"allocs": 0, "maps": 0, "map_bytes": 0}
        self.orphans = {"frees": 0, "unmaps": 0}
        self.repeats = 0  # beginnings of what was open already
        self._open = {}  # (kind, device, page) -> FIFO of _Open
        for event in events:
            self.events[event["event"]] += 1
            getattr(self, "_" + event["event"])(event)

    def _process(self, event):
        keys = ("allocs", "alloc_bytes", "frees", "free_bytes", "maps", "map_bytes", "unmaps",
                "bus_addr", "thru_host_bridge", "not_supported")
        return self.processes.setdefault(event["owner"], dict.fromkeys(keys, 0))

    def _pair(self, event, kind):
        keys = ("maps", "unmaps", "bytes", "outstanding", "outstanding_bytes")
        return self.pairs.setdefault((event["client"], event["provider"], kind),
                                     dict.fromkeys(keys, 0))

    def _begin(self, kind, device, event, start):
        begun = _Open(event, start, event["size"])
        self.repeats += any(self._open.get((kind, device, page)) for page in begun.left)
        for page in begun.left:
            self._open.setdefault((kind, device, page), []).append(begun)

    def _end(self, kind, device, start, size):
        """The beginnings this end touches; empty for an orphan."""
        touched = []
        for page in range(start, start + size, PAGE):
            fifo = self._open.get((kind, device, page))
            if fifo:
                begun = fifo.pop(0)
                begun.close(page, PAGE)
                if begun not in touched:
                    touched.append(begun)
        return touched

    def _alloc(self, event):
        process = self._process(event)
        process["allocs"] += 1
        if event["addr"] == 0:
            self.failed["allocs"] += 1
            return
        process["alloc_bytes"] += event["size"]
        self._begin("alloc", event["provider"], event, event["addr"])

    def _free(self, event):
        touched = self._end("alloc", event["provider"], event["addr"], event["size"])
        if not touched:
            self.orphans["frees"] += 1
        process = self._process(touched[0].event if touched else event)
        process["frees"] += 1
        process["free_bytes"] += event["size"]

    def _map(self, event):
        kind = self.type_name(event)
        process, pair = self._process(event), self._pair(event, kind)
        row = self.types.setdefault(kind, {"maps": 0, "bytes": 0})
        for counts in (row, pair):
            counts["maps"] += 1
            counts["bytes"] += event["size"]
        process["maps"] += 1
        process[kind.lower()] += 1
        if kind == "NOT_SUPPORTED" or event["dma_addr"] == DMA_ERROR:
            self.failed["maps"] += 1
            self.failed["map_bytes"] += event["size"]
            return
        process["map_bytes"] += event["size"]
        self._begin("map", event["client"], event, event["dma_addr"])

    def _unmap(self, event):
        touched = self._end("map", event["client"], event["dma_addr"], event["size"])
        if not touched:
            self.orphans["unmaps"] += 1
        begin = touched[0].event if touched else event
        self._process(begin)["unmaps"] += 1
        self._pair(begin, self.type_name(begin))["unmaps"] += 1

    def _map_type_change(self, event):
        self._process(event)

    @staticmethod
    def type_name(event):
        kind = event["type"]
        return kind if isinstance(kind, str) else TYPE_NUMBERS[kind]

    def left(self):
        """What is still open: (kind, event of the beginning, bytes)."""
        begun = {id(one): (key[0], one) for key, fifo in self._open.items() for one in fifo}
        return [(kind, one.event, len(one.left) * PAGE) for kind, one in begun.values()]
