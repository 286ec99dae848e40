"""`/proc/meminfo`: how the machine's memory is spent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aitune_backends.readings import Memory

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "/proc/meminfo"
_LINE = re.compile(r"^([A-Za-z_()0-9]+):[ \t]*([0-9]{1,18})([ \t]+kB)?[ \t]*$", re.MULTILINE)


def parse_meminfo(text: str) -> dict[str, int]:
    """Every field: bytes where the file says kB, a plain count elsewhere (`HugePages_*`)."""
    return {
        name: int(number) * 1024 if unit else int(number)
        for name, number, unit in _LINE.findall(text)
    }


def memory(fields: Mapping[str, int]) -> Memory | None:
    """The machine's memory from the fields of meminfo; None where even the total is missing.

    `cache` is what reading files has left behind and could be given up: Buffers + Cached +
    SReclaimable without shared memory, which `Cached` counts too. `huge_pages` are those of all
    sizes where the kernel says so (`Hugetlb`, since 4.16), else those of the default size.
    """
    total = fields.get("MemTotal")
    if total is None:
        return None
    get = fields.get
    cached = get("Buffers", 0) + get("Cached", 0) + get("SReclaimable", 0) - get("Shmem", 0)
    default_size = get("HugePages_Total", 0) * get("Hugepagesize", 0)
    return Memory(
        total=total,
        free=get("MemFree", 0),
        available=get("MemAvailable"),
        cache=max(0, cached),
        anonymous=get("AnonPages", 0),
        shared=get("Shmem", 0),
        huge_pages=get("Hugetlb", default_size),
        swap_total=get("SwapTotal", 0),
        swap_free=get("SwapFree", 0),
        committed=get("Committed_AS", 0),
        commit_limit=get("CommitLimit"),
        dirty=get("Dirty", 0),
    )
