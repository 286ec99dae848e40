"""Unpacking a capture: a tar archive from somebody else, into a private directory.

What comes out is bounded and harmless: regular files, directories and links, never more than
`MAX_BYTES` or `MAX_MEMBERS`. No link exists while files are written, so none can be written
through; and `Host` never follows one out of the directory.
"""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import os
import posixpath
import shutil
import stat
import tarfile
import tempfile
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

MAX_BYTES = 200_000_000
MAX_MEMBERS = 200_000
# One byte more than a Host reads: a file cut here still shows itself as too large.
_KEPT_PER_FILE = (1 << 20) + 1
_IN_MEMORY = Path("/dev/shm")  # noqa: S108  the directory made in it is private
_XZ_MEMORY = 256 << 20
# What a single odd member may raise; it is left out, as a file that could not be copied.
_SKIPPED = frozenset(
    {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.EINVAL, errno.EILSEQ}
)


class CaptureError(Exception):
    """The archive cannot be used; the message is one sentence for the operator."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """Unpack a tar (plain, gzip, xz) into a private directory that is removed afterwards.

    Raises:
        CaptureError: no such file, no such format, too large, or cut off.
    """
    directory = Path(tempfile.mkdtemp(prefix="aitune-capture-", dir=_quick_place()))
    try:
        _unpack(archive, directory)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _quick_place() -> Path | None:
    """Memory, where it has room: thousands of small files take seconds on a disk. Else None."""
    try:
        room = os.statvfs(_IN_MEMORY)
    except OSError:
        return None
    roomy = room.f_bavail * room.f_frsize > 2 * MAX_BYTES and room.f_favail > 2 * MAX_MEMBERS
    return _IN_MEMORY if roomy and os.access(_IN_MEMORY, os.W_OK | os.X_OK) else None


def _unpack(archive: Path, directory: Path) -> None:
    try:
        # A FIFO or a device given as an archive must not hang or be read.
        fd = os.open(archive, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as raw:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise CaptureError(f"{archive} is neither a directory nor a file.")
            stream = _Bounded(_decompressed(raw), archive)
            with tarfile.open(fileobj=io.BufferedReader(stream), mode="r|") as tar:
                _extract(tar, directory, archive)
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise CaptureError(f"{archive} is damaged: {error}.") from error
        raise CaptureError(f"{archive} cannot be read: {error.strerror or error}.") from error
    except EOFError as error:
        raise CaptureError(f"{archive} ends early: it was copied incompletely.") from error
    except tarfile.ReadError as error:
        if "unexpected end" in str(error):
            raise CaptureError(f"{archive} ends early: it was copied incompletely.") from error
        raise CaptureError(f"{archive} is neither a directory nor a tar archive.") from error
    except (tarfile.TarError, lzma.LZMAError, zlib.error, ValueError, OverflowError) as error:
        raise CaptureError(f"{archive} is damaged: {error}.") from error


def _extract(tar: tarfile.TarFile, directory: Path, archive: Path) -> None:
    links: list[tuple[str, str]] = []
    made: set[str] = set()
    for count, member in enumerate(tar):
        if count >= MAX_MEMBERS:
            raise CaptureError(f"{archive} has more than {MAX_MEMBERS:,} members.")
        place = _place(directory, member.name)
        if place is None:
            continue
        parent = place if member.isdir() else posixpath.dirname(place)
        try:
            if parent not in made:
                Path(parent).mkdir(mode=0o700, parents=True, exist_ok=True)
                made.add(parent)
            if member.isreg():
                _write(tar, member, place)
            elif member.issym():
                links.append((place, member.linkname))
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno not in _SKIPPED:
                raise
    for place, target in links:
        # Every parent is a directory by now; a link that wants to be one finds the place taken.
        with suppress(OSError, ValueError):
            Path(place).symlink_to(target)


def _place(directory: Path, name: str) -> str | None:
    """Where a member goes, or None if its name leads elsewhere."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        return None
    return f"{directory}/{'/'.join(parts)}"


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, place: str) -> None:
    source = tar.extractfile(member)
    if source is None:
        return
    data = source.read(_KEPT_PER_FILE)
    if len(data) < min(member.size, _KEPT_PER_FILE):
        raise EOFError
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(place, flags, 0o600)
    try:
        os.write(fd, data)  # at most a MiB and a byte, to a file: in one piece
        os.utime(fd, (member.mtime, member.mtime))
    finally:
        os.close(fd)


def _decompressed(raw: IO[bytes]) -> _Readable:
    magic = raw.read(6) or b""  # a log of the kernel's that has nothing to say gives None
    raw.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=raw)
    if magic.startswith(b"\xfd7zXZ\0"):
        return _XzReader(raw)
    return raw


class _XzReader:
    """Like `lzma.open`, with a bound on the dictionary that an archive may ask memory for."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._xz = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; b"" at the end."""
        while not self._xz.eof:
            more = self._raw.read(65536) if self._xz.needs_input else b""
            if self._xz.needs_input and not more:
                raise EOFError
            if data := self._xz.decompress(more, size):
                return data
        return b""


class _Bounded(io.RawIOBase):
    """Passes a stream through and refuses to hand out more than `MAX_BYTES`."""

    def __init__(self, stream: _Readable, archive: Path) -> None:
        super().__init__()
        self._stream = stream
        self._archive = archive
        self._left = MAX_BYTES

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill `buffer` as far as one read of the stream goes; 0 at the end."""
        view = memoryview(buffer)
        data = self._stream.read(len(view)) or b""
        self._left -= len(data)
        if self._left < 0:
            raise CaptureError(f"{self._archive} unpacks to more than {MAX_BYTES // 10**6} MB.")
        view[: len(data)] = data
        return len(data)
