# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel itself prints of the events (tracefs `trace`), read without p2ptrace.

The independent half of the checks: a recording must say the same as this, and this
the same as the program that made the traffic.
"""
import re
from collections import defaultdict
from dataclasses import dataclass

LINE = re.compile(r"^\s*(?P<task>.+)-(?P<tid>\d+)\s+\[(?P<cpu>\d+)\]\s+\S+\s+(?P<time>[\d.]+): "
                  r"(?P<event>p2p_\w+): (?P<comm>.*)\[(?P<pid>\d+)\] (?P<verb>\w+) (?P<rest>.*)$")
PAIR = re.compile(r"^(?P<client>\S+) -> (?P<provider>\S+) ")
PAGE = 4096


@dataclass
class Pair:
    """A (client, provider, type) as report's `pairs` groups them."""

    maps: int = 0
    unmaps: int = 0
    bytes: int = 0
    dist: int = None


class Trace:
    """The events of one trace text."""

    def __init__(self, text):
        self.events = []
        self.complete = False
        for line in text.splitlines():
            head = re.match(r"# entries-in-buffer/entries-written: (\d+)/(\d+)", line)
            if head:
                self.complete = head[1] == head[2]
            found = LINE.match(line)
            if not found:
                continue
            event = found.groupdict()
            rest = event.pop("rest")
            pair = PAIR.match(rest)
            event.update(pair.groupdict() if pair else {"provider": rest.split()[0]})
            for word in rest.split():
                key, equals, value = word.partition("=")
                if equals:
                    number = re.fullmatch(r"-?\d+|0x[0-9a-f]+", value)
                    event[key] = int(value, 0) if number else value
            event["pid"] = int(event["pid"])
            event["tid"] = int(event["tid"])
            self.events.append(event)

    def of(self, name):
        return [event for event in self.events if event["event"] == name]

    def pairs(self):
        """{(client, provider, type): Pair}; failed maps are of their own type."""
        pairs = defaultdict(Pair)
        for event in self.of("p2p_dma_map"):
            pair = pairs[event["client"], event["provider"], event["type"]]
            pair.maps += 1
            pair.bytes += event["size"]
            pair.dist = event["dist"]
        for event in self.of("p2p_dma_unmap"):
            pairs[event["client"], event["provider"], event["type"]].unmaps += 1
        return dict(pairs)

    def unbalanced(self):
        """Begins without end and ends without begin, in the order of the text."""
        maps, pages, orphans = defaultdict(int), {}, []
        for event in self.events:
            if event["event"] == "p2p_dma_map" and event["type"] in ("BUS_ADDR", "THRU_HOST_BRIDGE"):
                maps[event["client"], event["dma_addr"], event["size"]] += 1
            elif event["event"] == "p2p_dma_unmap":
                key = event["client"], event["dma_addr"], event["size"]
                if maps[key]:
                    maps[key] -= 1
                else:
                    orphans.append(event)
            elif event["event"] == "p2p_dma_alloc" and event["addr"]:
                for page in range(event["addr"], event["addr"] + event["size"], PAGE):
                    pages[event["provider"], page] = event
            elif event["event"] == "p2p_dma_free":
                for page in range(event["addr"], event["addr"] + event["size"], PAGE):
                    if not pages.pop((event["provider"], page), None):
                        orphans.append(event)
        still = [key for key, count in maps.items() if count]
        return {"maps": still, "pages": len(pages), "orphans": orphans}
