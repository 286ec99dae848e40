"""How much of a file lies in the page cache: mincore(2), and when it can be believed.

The kernel answers truthfully only to a process that owns the file or may write it; to others it
says that every page is there (`can_do_mincore` in mm/mincore.c, measured: 1.0 for a file that was
fully evicted). So for those there is no answer here, and the load test verifies itself by what it
then had to fetch.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
)  # fmt: skip
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p)

_MAP_FAILED = ctypes.c_void_p(-1).value
# One look at a time: its vector takes 256 KiB, however large the file.
_WINDOW = 1 << 30
# The low bit says resident; the others are reserved by mincore(2) and may one day mean something.
_LOW_BIT = bytes(value & 1 for value in range(256))


def residency(files: Iterable[str]) -> float | None:
    """Share of the files' pages that are in the page cache, 0..1.

    Returns:
        None where the kernel would not tell us the truth about one of the files.

    Raises:
        OSError: A file cannot be opened or mapped.
    """
    resident = pages = 0
    for path in files:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if not _is_told_the_truth(fd, path):
                return None
            size = os.fstat(fd).st_size
            pages += -(-size // mmap.PAGESIZE)
            for start in range(0, size, _WINDOW):
                resident += _resident_pages(fd, start, min(_WINDOW, size - start))
        finally:
            os.close(fd)
    return resident / pages if pages else 0.0


def _is_told_the_truth(fd: int, path: str) -> bool:
    """Whether we own the file or may write it, as `can_do_mincore` asks.

    The kernel judges the right to write here itself, since it knows what a capability is worth in
    this user namespace; being root alone proves nothing in a container.
    """
    return os.fstat(fd).st_uid == os.geteuid() or os.access(path, os.W_OK, effective_ids=True)


def _resident_pages(fd: int, start: int, length: int) -> int:
    with mapped(fd, length, start) as address:
        vector = ctypes.create_string_buffer(-(-length // mmap.PAGESIZE))
        if _libc.mincore(address, length, vector) != 0:
            raise _error()
        return vector.raw.translate(_LOW_BIT).count(1)


@contextmanager
def mapped(fd: int, length: int, start: int = 0) -> Iterator[int]:
    """Map a file read-only and shared, as loaders do, and give the address.

    By hand, because `mmap.mmap` hands out the address of writable maps alone, and a private
    writable one of a large model is refused where overcommit is off.

    Raises:
        OSError: The kernel refused the mapping.
    """
    address = _libc.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, fd, start)
    if address == _MAP_FAILED:
        raise _error()
    try:
        yield int(address)
    finally:
        _libc.munmap(address, length)


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
