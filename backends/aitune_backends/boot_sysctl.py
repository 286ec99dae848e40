"""Which line of sysctl.d sets a sysctl at boot: the last one, in the order of the files' names.

Read in sysctl.d(5). `/etc/sysctl.conf` is read only where a link in one of the directories points
to it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aitune_backends.boot_files import Owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# In the order in which they hide each other.
DIRECTORIES = (
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
)

_ASSIGNMENT = re.compile(r"-?\s*([^=\s]+)\s*=\s*(.*?)\s*")


def winners(texts: Iterable[tuple[str, str]]) -> Mapping[str, Owner]:
    """The line that wins, by dotted name of the sysctl."""
    found = {}
    for path, text in texts:
        for line, name, value in parse_sysctl(text):
            found[name] = Owner(path, line, value)
    return found


def parse_sysctl(text: str) -> tuple[tuple[int, str, str], ...]:
    """Read one sysctl.d file: number of the line, setting by its sysctl name, value.

    A name may be written with dots or slashes; the first separator decides, as sysctl.d(5) says.
    Globs and lines that only exclude a name (`-name`) set no knob of ours and are left out.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = _ASSIGNMENT.fullmatch(line.strip())
        if match is None or line.lstrip().startswith(("#", ";")):
            continue
        name = _dotted(match[1])
        found.append((number, name, match[2]))
    return tuple(found)


def _dotted(name: str) -> str:
    """A name with dots between its parts, whichever separator it is written with."""
    first = re.search(r"[./]", name)
    if first is None or first[0] == ".":
        return name
    return name.translate(str.maketrans("/.", "./"))
