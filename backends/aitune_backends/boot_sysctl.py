"""Which line of sysctl.d sets a sysctl at boot: the last one, in the order of the files' names.

Read in sysctl.d(5) and sysctl(8), tried with systemd 252 and procps 4.0. systemd reads
`/etc/sysctl.conf` only where a link in one of the directories points to it; where systemd does not
run, `sysctl --system` of procps reads the same directories, and that file after all of them.
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

# Read last, by procps alone.
CONF = "/etc/sysctl.conf"

_ASSIGNMENT = re.compile(r"-?\s*([^=\s]+)\s*=\s*(.*?)\s*")


def lines(
    texts: Iterable[tuple[str, str]], halves: Mapping[str, str] | None = None
) -> Mapping[str, list[Owner]]:
    """The lines that set each sysctl, by its dotted name: the last one stands.

    Args:
        texts: (path, text) of the files, in the order in which they are read.
        halves: Sysctls that the kernel sets to 0 when another one is set, by that one's name.
    """
    found: dict[str, list[Owner]] = {}
    for path, text in texts:
        for line, name, value in parse_sysctl(text):
            found.setdefault(name, []).append(Owner(path, line, value))
            half = (halves or {}).get(name)
            if half and value != "0":
                found.setdefault(half, []).append(Owner(path, line, "0"))
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
