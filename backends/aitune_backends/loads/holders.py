"""Which processes have the files open or mapped: evicting takes their pages too.

Only processes that we may look into are seen; of the others the page cache itself tells, when the
eviction has no effect.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds one of the files.

    Attributes:
        pid, command: Which one.
        maps: Whether it has a file mapped: then its pages stay in memory whatever we ask.
    """

    pid: int
    command: str
    maps: bool


def find_holders(files: Iterable[str], proc: Path = Path("/proc")) -> tuple[Holder, ...]:
    """Every process but ours that has one of `files` open or mapped, as far as we may see."""
    wanted: set[tuple[int, int]] = set()
    for file in files:
        try:
            status = Path(file).stat()
        except OSError:
            continue
        wanted.add((status.st_dev, status.st_ino))
    found = []
    for folder in proc.iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            maps = _maps_one(folder, wanted)
            if maps or _opens_one(folder, wanted):
                found.append(Holder(int(folder.name), _command(folder), maps))
    return tuple(sorted(found, key=lambda holder: holder.pid))


def sentence(holders: Iterable[Holder]) -> str:
    """Who holds the files, in one sentence; "" for nobody."""
    found = tuple(holders)
    if not found:
        return ""
    names = ", ".join(f"{holder.command} ({holder.pid})" for holder in found[:4])
    more = f" and {len(found) - 4} more" if len(found) > 4 else ""
    if any(holder.maps for holder in found):
        return f"Mapped by {names}{more}: these pages stay in memory, so no run can be cold."
    return f"Open in {names}{more}: evicting takes these pages from there too."


def _opens_one(folder: Path, wanted: set[tuple[int, int]]) -> bool:
    try:
        return any(_identity(link) in wanted for link in (folder / "fd").iterdir())
    except OSError:
        return False  # gone, or not ours to see


def _identity(link: Path) -> tuple[int, int] | None:
    try:
        # Only what the link calls an absolute path can be one of ours: sockets are not asked.
        if not link.readlink().is_absolute():
            return None
        status = link.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _maps_one(folder: Path, wanted: set[tuple[int, int]]) -> bool:
    try:
        text = (folder / "maps").read_text("utf-8", "replace")
    except OSError:
        return False
    return any(identity in wanted for identity in parse_maps(text))


def parse_maps(text: str) -> Iterator[tuple[int, int]]:
    """Device and inode of every file mapped in a `/proc/PID/maps`."""
    for line in text.splitlines():
        fields = line.split(None, 5)
        if len(fields) < 6 or fields[4] == "0":
            continue
        major, _, minor = fields[3].partition(":")
        try:
            yield os.makedev(int(major, 16), int(minor, 16)), int(fields[4])
        except ValueError:
            continue


def _command(folder: Path) -> str:
    try:
        return (folder / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "?"
