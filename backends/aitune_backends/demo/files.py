"""The files of a made-up machine: a directory whose files are rewritten in place.

A reader of /proc keeps its descriptors open and reads them again each second, so a file here must
keep its inode, and must never be seen empty or with the tail of an older value.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path


class Files:
    """Files under one directory, named by the absolute paths that the machine knows them by.

    Attributes:
        root: The directory that plays `/`.
        lock: Held by whoever changes several files that belong together.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = threading.RLock()
        self._base = str(root)
        self._directories: set[str] = set()
        self._written: dict[str, str] = {}

    def path(self, path: str) -> Path:
        """Where the file of the made-up machine really lies."""
        return self.root / path.lstrip("/")

    def read(self, path: str) -> str:
        """What a file says, without the blanks around it.

        Raises:
            OSError: There is no such file.
        """
        descriptor = os.open(f"{self._base}{path}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, 1 << 14).decode().strip()
        finally:
            os.close(descriptor)

    def put(self, path: str, text: str) -> None:
        """Write a file, ending in one newline, into the inode it already has.

        The new text is padded over the old one before the file is cut, so that whoever reads
        in between sees the new value with blank lines after it.
        """
        if self._written.get(path) == text:
            return
        data = f"{text}\n".encode()
        place = f"{self._base}{path}"
        self._make_parent(path)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.pwrite(descriptor, data.ljust(os.fstat(descriptor).st_size, b"\n"), 0)
            os.ftruncate(descriptor, len(data))
        finally:
            os.close(descriptor)
        self._written[path] = text

    def put_all(self, directory: str, values: dict[str, object]) -> None:
        """Write several files of one directory."""
        for name, value in values.items():
            self.put(f"{directory}/{name}", str(value))

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link that says `target`, in place of any that is there."""
        place = self.path(path)
        self._make_parent(path)
        if place.is_symlink():
            if place.readlink() == Path(target):
                return
            place.unlink()
        place.symlink_to(target)

    def link_to(self, path: str, target: str) -> None:
        """Make a relative link to another file of this machine, as sysfs does."""
        self.link(path, os.path.relpath(target, os.path.dirname(path)))  # noqa: PTH120 - text only

    def remove(self, path: str) -> None:
        """Take a file or link away, if it is there."""
        self.path(path).unlink(missing_ok=True)
        self._written.pop(path, None)

    def sparse(self, path: str, size: int) -> None:
        """Make a file of `size` bytes that takes no room on the disk."""
        place = self.path(path)
        self._make_parent(path)
        with place.open("wb") as file:
            file.truncate(size)

    def _make_parent(self, path: str) -> None:
        directory = path.rpartition("/")[0]
        if directory not in self._directories:
            self.path(directory).mkdir(parents=True, exist_ok=True)
            self._directories.add(directory)
