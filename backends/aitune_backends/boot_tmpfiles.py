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
    from collections.abc import Iterable, Mapping

# In the order in which they hide each other.
DIRECTORIES = (
    "/etc/tmpfiles.d",
    "/run/tmpfiles.d",
    "/usr/local/lib/tmpfiles.d",
    "/usr/lib/tmpfiles.d",
)

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


def winners(texts: Iterable[tuple[str, str]], paths: Iterable[str]) -> Mapping[str, Owner]:
    """The line that stands, by path, for those of `paths`, below /sys, that any line writes."""
    counted: list[tuple[str, Write]] = []
    only_appended: dict[str, bool] = {}
    for file, text in texts:
        for write in parse_tmpfiles(text) if "/sys/" in text else ():
            first = write.path not in only_appended
            only_appended.setdefault(write.path, write.appends)
            if first or (only_appended[write.path] and write.appends):
                counted.append((file, write))
    found = {}
    for path in paths:
        for file, write in counted:
            if matches(write.path, path):
                # Escapes and %-specifiers are for systemd to replace: what it writes is not told.
                plain = not set(write.value) & set("%\\")
                found[path] = Owner(file, write.line, write.value, plain)
    return found


def parse_tmpfiles(text: str) -> tuple[Write, ...]:
    """The lines of one file that write to files which are there."""
    found = []
    for number, raw in enumerate(text.splitlines(), start=1):
        match = _WRITE.fullmatch(raw.strip())
        if match is not None:
            path = match[2].strip("\"'")
            found.append(Write(number, path, match[3], "+" in match[1]))
    return tuple(found)


def matches(pattern: str, path: str) -> bool:
    """Whether a pattern of glob(7) names a path: a star ends at a slash."""
    wanted, parts = pattern.split("/"), path.split("/")
    return len(wanted) == len(parts) and all(
        fnmatch.fnmatchcase(part, piece) for part, piece in zip(parts, wanted, strict=True)
    )
