"""What every topic needs to read a machine: texts that may be absent, and words for amounts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aitune_backends.host import Host

_LONGEST = 1 << 20
_COUNTER = re.compile(r"^([a-z0-9_]+) ([0-9]{1,19})$", re.MULTILINE)


def text(host: Host, path: str, *, limit: int = _LONGEST) -> str:
    """A whole file, or "" where it cannot be read."""
    try:
        return host.read(path, limit=limit)
    except (OSError, ValueError):
        return ""


def target(host: Host, path: str) -> str:
    """Where a symbolic link leads, or "" where there is none."""
    try:
        return host.link(path)
    except (OSError, ValueError):
        return ""


def counters(host: Host, path: str) -> dict[str, int]:
    """A file of lines `name number`, as `/proc/vmstat` and `memory.events` are."""
    return {name: int(number) for name, number in _COUNTER.findall(text(host, path))}


def size(amount: int) -> str:
    """A size of memory for a sentence: `64 KiB`, `8 MiB`, `861.9 GiB`."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if amount >= factor:
            return f"{amount / factor:.1f} {unit}".replace(".0 ", " ")
    return f"{amount // 1024} KiB"


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 disk`, `3 disks`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
