"""A file of tmpfiles.d as a profile: its lines that write to files which are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.boot_tmpfiles import parse_tmpfiles
from aitune_backends.lens.gathering import Gathered
from aitune_backends.lens.heads import bounded, named, reason_of
from aitune_backends.lens.knob_paths import unlisted

if TYPE_CHECKING:
    from aitune_backends.lens import Imported
    from aitune_backends.lens.knob_paths import Names

# What systemd-tmpfiles replaces in a value: specifiers and escapes.
_REPLACED = set("%\\")


def read_tmpfiles(text: str, source: str, names: Names = unlisted) -> Imported:
    """Read a file of tmpfiles.d.

    Args:
        text: The file.
        source: Its name, for the places of its lines.
        names: Lists a directory of the machine, for paths with patterns.

    Raises:
        LensError: It is too large to be one.
    """
    gathered = Gathered(names)
    writes = {write.line: write for write in parse_tmpfiles(bounded(text, source))}
    before = ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        place = f"{source}:{number}"
        write = writes.get(number)
        if write is not None and write.appends:
            gathered.leave(place, line, "it appends, and no setting of ours is appended to")
        elif write is not None and set(write.value) & _REPLACED:
            gathered.leave(place, line, "what it writes is put together when it is carried out")
        elif write is not None:
            gathered.path(place, line, write.path, write.value, reason_of(before))
        elif line and not line.startswith("#"):
            gathered.leave(place, line, "it writes no value to a file that is there")
        before = line if line.startswith("#") else ""
    return named(gathered, text, source)
