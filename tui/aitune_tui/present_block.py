"""What is known of one disk, besides its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_tui.words import UNKNOWN, disk_rate, gb

if TYPE_CHECKING:
    from aitune_backends.readings import Disk, Sample
    from aitune_widgets.text import Line

_LABEL = 12


def facts(sample: Sample | None, name: str) -> tuple[Line, ...]:
    """Model, size, what it does now, and what it passes requests on to."""
    disk = next((d for d in sample.disks if d.name == name), None) if sample else None
    if disk is None:
        return ()
    lines: list[Line] = [
        _line("Device", f"{disk.name}  {disk.model}".rstrip(), ""),
        _line("Size", f"{gb(disk.size)} GB", _kind(disk)),
        _line(
            "Now",
            f"read {disk_rate(disk.read_rate)}  write {disk_rate(disk.write_rate)} GB/s",
            f"   {UNKNOWN if disk.in_flight is None else disk.in_flight} in flight",
        ),
    ]
    if disk.schedulers:
        largest = disk.max_sectors_kib
        more = "" if largest is None else f"   requests up to {largest} KiB"
        lines.append(_line("Schedulers", ", ".join(disk.schedulers), more))
    elif disk.slaves:
        passes = f"{disk.name} has no scheduler: it passes requests on to {_and(disk.slaves)}."
        lines.append(_line("Schedulers", passes, ""))
    else:
        lines.append(_line("Schedulers", "none to choose from", ""))
    return tuple(lines)


def _kind(disk: Disk) -> str:
    turning = (
        "" if disk.rotational is None else ", rotating" if disk.rotational else ", solid state"
    )
    node = f", node{disk.node}" if disk.node is not None and disk.node >= 0 else ""
    return turning + node


def _line(label: str, text: str, more: str) -> Line:
    return ((label.ljust(_LABEL), "dim-bold"), (text, "fg"), (more, "dim"))


def _and(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
