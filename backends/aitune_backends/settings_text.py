"""Files of `NAME=value` lines, as services have them: with the line in which each was said.

Shell fragments (`/etc/default/cpupower`, `/etc/tlp.conf`), ini files (`[charger]`) and flat YAML
(`kubelet`) differ little as far as single settings go. Only plain values are read: what a shell
would have to work out (`$X`) is left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aitune_backends.host import Host

_ASSIGNMENT = re.compile(
    r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*[=:]\s*"
    r"(?:\"([^\"]*)\"|'([^']*)'|([^\"'#;]*?))\s*(?:[#;].*)?"
)
_SECTION = re.compile(r"\[([^\]]*)\]")


class Said(NamedTuple):
    """One value and where it stands: `FILE:LINE`."""

    value: str
    place: str


def parse_settings(text: str, file: str) -> Mapping[str, Said]:
    """Read one file: by name the value that stands, which is the last; empty ones are left out.

    In a file with sections the name carries its own: `charger.governor`.
    """
    found: dict[str, Said] = {}
    section = ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        head = _SECTION.fullmatch(line)
        if head is not None:
            section = head[1] + "."
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            continue
        value = match[2] or match[3] or match[4] or ""
        found.pop(section + match[1], None)
        if value and "$" not in value:
            found[section + match[1]] = Said(value, f"{file}:{number}")
    return found


def read_settings(host: Host, files: Iterable[str]) -> Mapping[str, Said]:
    """Read several files, of which a later one holds over an earlier; those absent are empty."""
    found: dict[str, Said] = {}
    for file in files:
        try:
            found.update(parse_settings(host.read(file), file))
        except (OSError, ValueError):
            continue
    return found
