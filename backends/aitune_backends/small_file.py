"""A small file that somebody names: a regular one, read whole as text, never beyond its bound."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from aitune_backends.foreign import clean

if TYPE_CHECKING:
    from pathlib import Path


class UnreadableError(ValueError):
    """A file cannot be read as text; its text is one sentence that says why."""


def read_text(path: Path, most_bytes: int, kind: str) -> str:
    """The text of a file; nothing is waited for, and no terminal is taken.

    Args:
        path: The file.
        most_bytes: The largest that is read.
        kind: What it should be, for the sentence of an error: `profile`.

    Raises:
        UnreadableError: It is no regular file, too large, no text, or cannot be read.
    """
    source = clean(str(path))
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise UnreadableError(f"{source} is no regular file.")
            data = _read(fd, most_bytes + 1)
        finally:
            os.close(fd)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnreadableError(f"{source} cannot be read: {reason}.") from None
    if len(data) > most_bytes:
        raise UnreadableError(
            f"{source} is larger than any {kind}: {most_bytes >> 10} KiB at most."
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{source} is no text: byte {error.start} is not UTF-8.") from None


def _read(fd: int, most: int) -> bytes:
    """Up to `most` bytes; a log of the kernel's that has nothing to say fails with EAGAIN."""
    data = b""
    while len(data) < most and (more := os.read(fd, most - len(data))):
        data += more
    return data
