"""How numbers, times and sizes read on the screen: one place, so that neighbours agree.

Memory is in GiB with one decimal, files and disks in GB (10^9 bytes), pages are counts. What is not
known is `–`, never 0.
"""

from __future__ import annotations

import time

UNKNOWN = "–"

_GIB = 2**30
_GB = 10**9


def gib(size: float | None) -> str:
    """Bytes as GiB with one decimal, without the unit."""
    return UNKNOWN if size is None else f"{size / _GIB:.1f}"


def gb(size: float | None) -> str:
    """Bytes, or bytes per second, as GB with one decimal, without the unit."""
    return UNKNOWN if size is None else f"{size / _GB:.1f}"


def file_size(size: int) -> str:
    """The size of files with its unit: `811.7 GB`, or `19.2 MB` where GB would say 0.0."""
    return f"{size / _GB:.1f} GB" if size >= _GB // 10 else f"{size / 1e6:.1f} MB"


def disk_rate(rate: float | None) -> str:
    """Bytes per second of one disk as GB/s with two decimals, without the unit."""
    return UNKNOWN if rate is None else f"{rate / _GB:.2f}"


def ghz(khz: float | None, decimals: int = 2) -> str:
    """A frequency in kHz as GHz: two decimals for a measured one, one for a limit."""
    return UNKNOWN if khz is None else f"{khz / 1e6:.{decimals}f}"


def size_text(size: int) -> str:
    """A size of memory with its unit, in the largest of KiB, MiB, GiB that keeps it above one."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            value = size / factor
            return f"{value:.0f} {unit}" if value == int(value) else f"{value:.1f} {unit}"
    return f"{size} B"


def percent(share: float | None) -> str:
    """A share from 0 to 1 as whole per cent, without the sign."""
    return UNKNOWN if share is None else f"{share * 100:.0f}"


def clock(wall: float) -> str:
    """The time of day of a wall clock reading, in the machine's zone."""
    return time.strftime("%H:%M:%S", time.localtime(wall))


def load_time(seconds: float) -> str:
    """How long a load took: `48.12 s`, or `2.8 ms` where seconds would say 0.00."""
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1000:.1f} ms"


def hour(wall: float) -> str:
    """The time of day to the minute."""
    return time.strftime("%H:%M", time.localtime(wall))


def duration(seconds: float) -> str:
    """A span of time: `52 s`, `1 min 9 s`, `17 min`, `2 h 17 min`; no seconds from 10 min on."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if whole < 600:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def steady(seconds: float) -> float:
    """An expected time in steps that do not flicker: 1 s, above 2 min 5 s, above 10 min 1 min."""
    step = 1 if seconds < 120 else 5 if seconds < 600 else 60
    return round(seconds / step) * step


def counted(number: int, singular: str, plural: str = "") -> str:
    """A count with its noun: `1 change`, `3 changes`."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def joined_numbers(numbers: tuple[int, ...]) -> str:
    """CPU or node numbers as ranges: `0–31, 64`."""
    ranges: list[str] = []
    start = previous = None
    for number in (*sorted(numbers), None):
        if previous is not None and number == previous + 1:
            previous = number
            continue
        if start is not None:
            ranges.append(f"{start}" if start == previous else f"{start}–{previous}")
        start = previous = number
    return ", ".join(ranges)
