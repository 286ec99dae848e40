"""A real process that reads model files when it is told to, and answers when it has."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_CHILD = """
import mmap, os, sys
files, maps = {}, []
for line in sys.stdin:
    word, *rest = line.rstrip("\\n").split("\\t")
    if word == "open":
        files[rest[0]] = os.open(rest[0], os.O_RDONLY)
    elif word == "read":
        left = int(rest[1])
        while left:
            left -= len(os.read(files[rest[0]], min(left, 1 << 20))) or left
    elif word == "close":
        os.close(files.pop(rest[0]))
    elif word == "map":
        fd = os.open(rest[0], os.O_RDONLY)
        maps.append(mmap.mmap(fd, 0, prot=mmap.PROT_READ))
        os.close(fd)
    print("done", flush=True)
"""


class Reader:
    """A child that obeys one order at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid

    def order(self, *words: str | Path | int) -> None:
        """Have it done before this returns."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\t".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """Let it end and wait for it."""
        self._process.communicate()
