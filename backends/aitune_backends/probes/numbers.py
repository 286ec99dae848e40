"""Small pieces of text that many kernel files share: whole numbers and lists of CPUs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aitune_backends.host import Host

# More than any kernel is built for: a damaged list must not fill our memory.
MAX_CPUS = 65536
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_NUMBERED = re.compile(r"([a-z]+)(0|[1-9][0-9]{0,8})")
_INTEGER = re.compile(r"-?[0-9]{1,20}")


def parse_int(text: str) -> int | None:
    """A file that holds one decimal number, or None for anything else."""
    text = text.strip()
    return int(text) if _INTEGER.fullmatch(text) and text.isascii() else None


def first_line(text: str) -> str:
    """A file of one value: its first line without blanks around it, "" for an empty file."""
    lines = text.splitlines()
    return lines[0].strip() if lines else ""


def read_int(host: Host, path: str) -> int | None:
    """The number in a file, or None where the file is absent or holds none."""
    return parse_int(host.first_line(path) or "")


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """A list as `0,2-3` (commas) or `0 2 3` (blanks, as related_cpus has it), sorted.

    Pieces that are no number or no range are left out.
    """
    numbers: set[int] = set()
    for piece in text.replace(",", " ").split():
        match = _RANGE.fullmatch(piece)
        if match is None or not piece.isascii():
            continue
        first = int(match[1])
        last = int(match[2] or match[1])
        if first < MAX_CPUS:
            numbers.update(range(first, min(last, MAX_CPUS - 1) + 1))
    return tuple(sorted(numbers))


def cpu_list(numbers: Iterable[int]) -> str:
    """The shortest list of ranges: `0,2-3`. The reverse of `parse_cpu_list`."""
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


def numbered(names: Sequence[str]) -> str:
    """Names that differ in their number alone, as one: `policy0-31`; "" where they do not."""
    matches = [match for name in names if (match := _NUMBERED.fullmatch(name))]
    words = {match[1] for match in matches}
    if len(matches) < len(names) or len(words) != 1:
        return ""
    return words.pop() + cpu_list(int(match[2]) for match in matches)


def natural(name: str) -> tuple[str, int, str]:
    """A key that sorts `cpu2` before `cpu10`, and `nvme0n2` before `nvme10n1`."""
    match = re.match(r"([^0-9]*)([0-9]{0,18})(.*)", name, re.DOTALL)
    assert match is not None  # noqa: S101  the pattern takes every text
    return match[1], int(match[2] or -1), match[3]
