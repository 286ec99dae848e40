"""Files that are read again and again: kept open, and read from their start each time.

A kept descriptor and one `pread` cost a fifth to a tenth of open, read and close on sysfs. Not all
can be kept: a big machine has thousands of files, and a process 1024 descriptors as a rule.
"""

from __future__ import annotations

import errno
import os
import resource
from typing import TYPE_CHECKING

from aitune_backends.host import MAX_FILE_BYTES

if TYPE_CHECKING:
    from aitune_backends.host import Host

# Left to the rest of the program: terminal, sockets, database, a helper's pipes.
_SPARE = 256
_SMALL = 4096


class KeptFiles:
    """Reads files of one host, with as many descriptors kept as the process can spare."""

    def __init__(self, host: Host, most: int | None = None) -> None:
        """Keep at most `most` descriptors; None keeps what the process's own limit allows."""
        self._host = host
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        unlimited = soft == resource.RLIM_INFINITY
        self._most = most if most is not None else 4096 if unlimited else max(0, soft - _SPARE)
        self._open: dict[str, int] = {}

    def read(self, path: str) -> bytes:
        """The file's bytes as they are now.

        Raises:
            OSError: It cannot be opened or read. The descriptor is closed then, so that the next
                call opens the file anew: ENODEV says that this descriptor's device is gone, and
                another may have come under the same name.
        """
        fd = self._open.get(path)
        if fd is None:
            fd = self._open[path] = self._host.open(path)
        try:
            data = os.pread(fd, _SMALL, 0)
            if len(data) == _SMALL:
                data = _read_long(fd, path)
        except OSError:
            self.drop(path)
            raise
        if len(self._open) > self._most:
            self.drop(path)
        return data

    def text(self, path: str) -> str:
        """Like `read`, as text."""
        return self.read(path).decode("utf-8", "replace")

    def seldom(self, path: str) -> str:
        """The text of a file that is read every few seconds: kept only where room is plenty."""
        if path in self._open or len(self._open) < self._most // 2:
            return self.text(path)
        return self._host.read(path)

    def drop(self, path: str) -> None:
        """Close a file that is no longer wanted."""
        fd = self._open.pop(path, None)
        if fd is not None:
            os.close(fd)

    def drop_below(self, directory: str) -> None:
        """Close all files below a directory: its device is gone, or may be another one now."""
        for path in [path for path in self._open if path.startswith(directory + "/")]:
            self.drop(path)

    def close(self) -> None:
        """Close everything."""
        for path in list(self._open):
            self.drop(path)


def _read_long(fd: int, path: str) -> bytes:
    """A file longer than a page: procfs gives it in one piece if there is room for it."""
    size = _SMALL * 8
    while size <= MAX_FILE_BYTES:
        data = os.pread(fd, size, 0)
        if len(data) < size:
            return data
        size *= 4
    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
