"""Which line of tmpfiles.d writes a file at boot.

Read in tmpfiles.d(5), tried with systemd-tmpfiles 252. Of lines with the same path, letter by
letter, the one that is read first counts and the others are ignored, but for appending ones after
an appending one; so the earliest file name wins. A pattern is another path than the file it
matches: then both are carried out, in the order in which they are read, and the last one stands.
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.boot_files import Owner

if TYPE_CHECKING:
    from collections.abc import Iterable

# In the order in which they hide each other.
DIRECTORIES = (
    "/etc/tmpfiles.d",
    "/run/tmpfiles.d",
    "/usr/local/lib/tmpfiles.d",
    "/usr/lib/tmpfiles.d",
)

_IGNORED = "Of lines with one path only the first counts."
# Type, path, mode, user, group, age, and the rest is what is written; `+` appends, the other signs
# after the letter say when and how.
_WRITE = re.compile(
    r"w([-+!=~^$]*)\s+(\"[^\"]*\"|'[^']*'|\S+)(?:\s+(?:\"[^\"]*\"|\S+)){4}\s+(.*?)\s*"
)


class Write(NamedTuple):
    """One `w` line: its number, the path or pattern, the value, and whether it appends."""

    line: int
    path: str
    value: str
    appends: bool


class Writes:
    """The lines of tmpfiles.d that write to files below /sys.

    Args:
        texts: (path, text) of the files, in the order in which they are read.
    """

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        self._counted: list[tuple[str, Write]] = []
        self._ignored: list[tuple[str, Write]] = []
        only_appended: dict[str, bool] = {}
        for file, text in texts:
            for write in parse_tmpfiles(text) if "/sys/" in text else ():
                first = write.path not in only_appended
                only_appended.setdefault(write.path, write.appends)
                stands = first or (only_appended[write.path] and write.appends)
                (self._counted if stands else self._ignored).append((file, write))
        self._patterns = {write.path for _, write in self._counted}

    def touch(self, template: str) -> bool:
        """Whether any line may write to the files of a template, as `/sys/block/{instance}/x`."""
        return any(matches(pattern, template, "{instance}") for pattern in self._patterns)

    def lines(self, path: str) -> tuple[Owner, ...]:
        """The lines that write to a file: the last one stands, what is ignored comes first."""
        return (
            *(_owner(*line, _IGNORED) for line in self._ignored if matches(line[1].path, path)),
            *(_owner(*line) for line in self._counted if matches(line[1].path, path)),
        )


def _owner(file: str, write: Write, ignored: str = "") -> Owner:
    # Escapes and %-specifiers are for systemd to replace: what it writes is not told.
    plain = not set(write.value) & set("%\\")
    return Owner(file, write.line, write.value, plain, ignored)


def parse_tmpfiles(text: str) -> tuple[Write, ...]:
    """The lines of one file that write to files which are there."""
    found = []
    for number, raw in enumerate(text.splitlines(), start=1):
        match = _WRITE.fullmatch(raw.strip())
        if match is not None:
            path = match[2].strip("\"'")
            found.append(Write(number, path, match[3], "+" in match[1]))
    return tuple(found)


def matches(pattern: str, path: str, anything: str = "") -> bool:
    """Whether a pattern of glob(7) names a path: a star ends at a slash.

    Args:
        pattern: The pattern.
        path: The path.
        anything: What stands in a part of the path that may be any name.
    """
    wanted, parts = pattern.split("/"), path.split("/")
    return len(wanted) == len(parts) and all(
        part == piece or (anything and anything in part) or fnmatch.fnmatchcase(part, piece)
        for part, piece in zip(parts, wanted, strict=True)
    )
