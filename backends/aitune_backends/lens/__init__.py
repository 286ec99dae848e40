"""The lens: settings that somebody else wrote down, seen as a profile of ours.

A reader takes a file of another tool and gives `Imported`: what it wants of our knobs, the words it
wants on the kernel command line, and every line that is neither, with the reason. Nothing is run,
nothing is written, and what cannot be understood is listed, never dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aitune_backends.host import Host
    from aitune_backends.profiles.parse import Profile

__all__ = ["BootWord", "Imported", "Left", "LensError", "read_file"]


class LensError(ValueError):
    """A file cannot be read as settings at all; its text is one sentence that says why."""


@dataclass(frozen=True, slots=True)
class BootWord:
    """A word wanted on the kernel command line, and where that is said (`FILE:LINE`)."""

    word: str
    place: str


@dataclass(frozen=True, slots=True)
class Left:
    """A line that is no setting of ours.

    Attributes:
        place: `FILE:LINE`.
        text: The line, shortened, fit to be shown.
        why: Why it is left out, in half a sentence.
    """

    place: str
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file of another tool says.

    Every assignment of the file, and of the files it includes, stands in exactly one of the four.

    Attributes:
        profile: What it wants of our knobs; each value has its place and often a reason.
        boot_words: What it wants on the kernel command line, in order.
        left: What is not understood, or is no setting of this tool.
        understood: What was followed and wants nothing by itself: a title, an include, a variable,
            a value that a later line replaces.
    """

    profile: Profile
    boot_words: tuple[BootWord, ...] = ()
    left: tuple[Left, ...] = ()
    understood: tuple[Left, ...] = ()


def read_file(path: str, host: Host | None = None) -> Imported:
    """Read a file of another tool, or the folder of a TuneD profile; the reader is picked.

    Args:
        path: Where it lies.
        host: The machine that it is for; None for this one.

    Raises:
        LensError: It cannot be read, or is no file of settings.
    """
    from aitune_backends.host import Host
    from aitune_backends.lens.picking import read_settings

    return read_settings(path, host or Host())
