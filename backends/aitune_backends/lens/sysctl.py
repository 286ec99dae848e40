"""A file of sysctl.d as a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.boot_sysctl import parse_sysctl
from aitune_backends.lens.gathering import Gathered
from aitune_backends.lens.heads import bounded, named, reason_of
from aitune_backends.lens.knob_paths import sysctl_path

if TYPE_CHECKING:
    from aitune_backends.lens import Imported


def read_sysctl(text: str, source: str) -> Imported:
    """Read a file of sysctl.d, or /etc/sysctl.conf.

    Raises:
        LensError: It is too large to be one.
    """
    gathered = Gathered()
    assigned = {line: (name, value) for line, name, value in parse_sysctl(bounded(text, source))}
    before = ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        place = f"{source}:{number}"
        if number in assigned:
            name, value = assigned[number]
            gathered.path(place, line, sysctl_path(name), value, reason_of(before))
        elif line and not line.startswith(("#", ";")):
            gathered.leave(place, line, "it assigns nothing")
        before = line if line.startswith(("#", ";")) else ""
    return named(gathered, text, source)
