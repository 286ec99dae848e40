"""`/proc/buddyinfo`: the free memory of each node and zone, in blocks of 2^order base pages.

Counts are those of the kernel's buddy allocator (Documentation/filesystems/proc.rst): a block that
is free as a whole is counted once, under its largest order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PATH = "/proc/buddyinfo"
_LINE = re.compile(r"Node +([0-9]{1,4}), +zone +([A-Za-z0-9]{1,16}) +([0-9 \t]{1,512})")
_ORDERS_MAX = 32  # far above any kernel: what is longer is not this file
_DIGITS_MAX = 15
# Base pages of the kernels there are: x86 has 4 KiB, arm64 one of the three.
PAGE_SIZES_KIB = (4, 16, 64)


@dataclass(frozen=True, slots=True)
class Zone:
    """The free blocks of one zone of one node.

    Attributes:
        node: The node's number.
        name: `DMA`, `DMA32`, `Normal`, `Movable`, `HighMem` or `Device`.
        counts: Free blocks of each order, from 0.
    """

    node: int
    name: str
    counts: tuple[int, ...]

    @property
    def pages(self) -> int:
        """Base pages that are free in all."""
        return sum(count << order for order, count in enumerate(self.counts))

    def blocks(self, order: int) -> int:
        """How many blocks of `order` are free now, larger ones split."""
        return sum(
            count << (at - order) for at, count in enumerate(self.counts[order:], start=order)
        )


def parse_buddyinfo(text: str) -> tuple[Zone, ...]:
    """Every zone of the file, in its order; a line of another form is left out."""
    zones = []
    for line in text.splitlines():
        found = _LINE.fullmatch(line.strip())
        if found is None:
            continue
        counts = found[3].split()
        if len(counts) <= _ORDERS_MAX and all(len(count) <= _DIGITS_MAX for count in counts):
            zones.append(Zone(int(found[1]), found[2], tuple(map(int, counts))))
    return tuple(zones)


def base_page_kib(zones: Iterable[Zone], free_kib: int) -> int:
    """The size of the machine's base pages: what makes the blocks add up to its free memory.

    No file says it, and of a capture the running kernel cannot be asked.

    Args:
        zones: All zones.
        free_kib: MemFree of /proc/meminfo, read at about the same time.

    Returns:
        The nearest of `PAGE_SIZES_KIB`; 4 where nothing is known.
    """
    pages = sum(zone.pages for zone in zones)
    if pages <= 0 or free_kib <= 0:
        return PAGE_SIZES_KIB[0]
    ratio = free_kib / pages
    return min(PAGE_SIZES_KIB, key=lambda size: max(size / ratio, ratio / size))
