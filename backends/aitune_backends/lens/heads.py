"""What the first lines of a file say of the profile it was made from."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.lens import LensError

if TYPE_CHECKING:
    from aitune_backends.lens import Imported
    from aitune_backends.lens.gathering import Gathered

_OURS = re.compile(r"# ([a-z0-9_-]{1,64}): (.{1,200})\. Written by aitune-tui\.")
_WITHIN = 5
_LONGEST = 1 << 18
# What an export says where nobody gave a reason.
_NO_REASON = "wanted by "


class Head(NamedTuple):
    """The name and the title of a profile."""

    name: str
    title: str


def head_of(text: str, source: str) -> Head:
    """What a file calls itself: what an export says of it, or the name of the file."""
    for line in text.splitlines()[:_WITHIN]:
        found = _OURS.fullmatch(line.strip())
        if found is not None:
            return Head(found[1], found[2])
    stem = re.sub(r"^[0-9]+-|\.(conf|rules|sh|txt)$", "", posixpath.basename(source))
    return Head(stem, "")


def bounded(text: str, source: str) -> str:
    """The text, if it is not larger than any file of settings.

    Raises:
        LensError: It is.
    """
    if len(text) > _LONGEST:
        raise LensError(f"{source} is larger than any file of settings: 256 KiB at most.")
    return text


def reason_of(comment: str) -> str:
    """The reason in a comment that stands before a line, or "" where it gives none."""
    text = comment.strip().lstrip("#;").strip()
    return "" if text.startswith(_NO_REASON) else text


def named(gathered: Gathered, text: str, source: str) -> Imported:
    """What was gathered from a file, under the name that it gives itself."""
    head = head_of(text, source)
    return gathered.result(head.name, head.title, "", source)
