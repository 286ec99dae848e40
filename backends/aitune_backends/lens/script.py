"""Our own script for the shell as a profile. No other script is read: a shell can do anything."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from aitune_backends.lens import LensError
from aitune_backends.lens.gathering import Gathered
from aitune_backends.lens.heads import bounded, named, reason_of

if TYPE_CHECKING:
    from aitune_backends.lens import Imported

MARK = "#!/bin/sh"
_OURS = re.compile(r"^# [a-z0-9_-]+: .*\. Written by aitune-tui\.$", re.MULTILINE)


def read_script(text: str, source: str) -> Imported:
    """Read a script that an export has made: the values that its `apply` puts.

    Raises:
        LensError: It is no script of ours, or too large to be one.
    """
    if not bounded(text, source).startswith(MARK) or _OURS.search(text) is None:
        raise LensError(f"{source} is no script that aitune-tui has written; others are not read.")
    gathered = Gathered()
    inside, reason = False, ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if raw in ("apply() {", "}"):
            inside = raw != "}"
        elif inside and line.startswith("#"):
            reason = reason_of(line)
        elif inside and line.startswith("put "):
            words = _words(line)
            if len(words) in (3, 4):
                gathered.path(f"{source}:{number}", line, words[1], words[2], reason)
            else:
                gathered.leave(f"{source}:{number}", line, "it puts no value")
        elif inside and not line.startswith(("keep ", "keep_options ", "early ", ":")):
            gathered.leave(f"{source}:{number}", line, "no line that an export writes")
    return named(gathered, text, source)


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return []
