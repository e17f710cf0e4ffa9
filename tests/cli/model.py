# SPDX-License-Identifier: GPL-2.0-or-later
"""The analysis once more, the slow and plain way, over the lines of `p2ptrace events --json`.

Keys are exact: an end is for the oldest open beginning of its key and size, else for the
oldest of its key.  So it is for recordings without ends of ranges or single pages.
"""

import collections
import fnmatch

ALL_ONES = (1 << 64) - 1
REFUSED = ("NOT_SUPPORTED", "UNKNOWN", "NONE")

COUNTS = ("maps", "failed_maps", "map_bytes", "unmaps", "outstanding", "outstanding_bytes",
          "allocs", "failed_allocs", "alloc_bytes", "frees", "free_bytes", "open_allocs",
          "open_alloc_bytes")


def kind_of(event):
    return {"p2p_dma_alloc": "alloc", "p2p_dma_free": "free", "p2p_dma_map": "map",
            "p2p_dma_unmap": "unmap", "p2p_map_type_change": "change"}.get(event["event"])


def is_mapping(event):
    return kind_of(event) not in ("alloc", "free")


def failed(event):
    if kind_of(event) == "alloc":
        return int(event["addr"], 16) == 0
    return event["type"] in REFUSED or int(event["dma_addr"], 16) == ALL_ONES


def any_matches(patterns, text):
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns.split(","))


class Selection:
    """The filters, as p2ptrace(1) describes them."""

    def __init__(self, first=0, last=1 << 64, pid=None, comm=None, cpu=None, provider=None,
                 client=None, map_type=None):
        self.first, self.last = first, last
        self.pid, self.comm, self.cpu = pid, comm, cpu
        self.provider, self.client, self.type = provider, client, map_type

    def foreign_ends(self):
        return any((self.pid, self.comm, self.cpu, self.type))

    def in_time(self, event):
        return self.first <= event["ts_ns"] <= self.last

    def of_devices(self, event):
        if self.provider and not any_matches(self.provider, event["provider"]):
            return False
        if is_mapping(event):
            return not self.client or any_matches(self.client, event["client"])
        return not (self.client or self.type)

    def begins(self, event):
        if not self.of_devices(event):
            return False
        if self.type and event["type"] not in self.type.split(","):
            return False
        if self.pid and str(event["pid"]) not in self.pid.split(","):
            return False
        if self.cpu and str(event["cpu"]) not in self.cpu.split(","):
            return False
        return not self.comm or any_matches(self.comm, event["comm"])


class Model:
    """What was selected, matched: `begins`, `ends` as (event, its beginning or None), `open`."""

    def __init__(self, events, selection=None):
        self.selection = selection or Selection()
        self.begins, self.ends, self.changes, self.foreign = [], [], [], 0
        self._open = collections.defaultdict(list)
        for event in events:
            if self.selection.in_time(event):
                self._take(event)
        self.open = [event for queue in self._open.values() for event in queue]
        self.orphans = [event for event, begin in self.ends if begin is None]

    def _take(self, event):
        kind = kind_of(event)
        if kind in ("alloc", "map", "change"):
            if self.selection.begins(event):
                (self.changes if kind == "change" else self.begins).append(event)
                if kind != "change" and not failed(event):
                    self._open[self._key(event)].append(event)
        elif kind and self.selection.of_devices(event):
            self._end(event)

    @staticmethod
    def _key(event):
        if is_mapping(event):
            return "map", event["client"], event["dma_addr"]
        return "pool", event["provider"], event["addr"]

    def _end(self, event):
        queue = self._open[self._key(event)]
        if not queue:
            if self.selection.foreign_ends():
                self.foreign += 1
            else:
                self.ends.append((event, None))
            return
        same = [index for index, begin in enumerate(queue) if begin["size"] == event["size"]]
        self.ends.append((event, queue.pop(same[0] if same else 0)))

    def groups(self, key):
        """Sums by what `key` says of a beginning, or of an end that nobody began."""
        rows = collections.defaultdict(lambda: dict.fromkeys(COUNTS, 0))
        for event in self.begins:
            row, one = rows[key(event)], is_mapping(event)
            row["maps" if one else "allocs"] += 1
            if failed(event):
                row["failed_maps" if one else "failed_allocs"] += 1
            else:
                row["map_bytes" if one else "alloc_bytes"] += event["size"]
        for event, begin in self.ends:
            row, one = rows[key(begin or event)], is_mapping(event)
            row["unmaps" if one else "frees"] += 1
            if not one:
                row["free_bytes"] += event["size"]
        for event in self.open:
            row, one = rows[key(event)], is_mapping(event)
            row["outstanding" if one else "open_allocs"] += 1
            row["outstanding_bytes" if one else "open_alloc_bytes"] += event["size"]
        return dict(rows)

    def lifetimes(self, key):
        """Of mappings and allocations that ended: {(key, is mapping): lifetimes, in order}."""
        rows = collections.defaultdict(list)
        for event, begin in self.ends:
            if begin:
                rows[key(begin), is_mapping(begin)].append(event["ts_ns"] - begin["ts_ns"])
        return {name: sorted(values) for name, values in rows.items()}

    def open_bytes_at(self, stamp, mapping):
        """What was open behind that moment."""
        begun = sum(event["size"] for event in self.begins if event["ts_ns"] <= stamp and
                    is_mapping(event) == mapping and not failed(event))
        ended = sum(event["size"] for event, begin in self.ends if event["ts_ns"] <= stamp and
                    is_mapping(event) == mapping and begin)
        return begun - ended
