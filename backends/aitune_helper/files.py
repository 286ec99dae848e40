"""Small files that are whole or absent, whatever happens: write aside, fsync, rename."""

from __future__ import annotations

import errno
import os
import stat

FILE_MAX = 16 * 2**20
# What is appended to the name of a file for the one that is to take its place.
ASIDE = ".new"


def read_file(path: str, limit: int = FILE_MAX) -> bytes | None:
    """Return the bytes of a regular file, None where there is none; links are not followed.

    Raises:
        OSError: It is something else, too large, or cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        return read_all(fd, limit, path)
    finally:
        os.close(fd)


def read_all(fd: int, limit: int, path: str) -> bytes:
    """Read to the end of `fd`; more than `limit` bytes are an error (EFBIG)."""
    chunks: list[bytes] = []
    size = 0
    while True:
        chunk = os.read(fd, 1 << 18)
        if not chunk:
            return b"".join(chunks)
        size += len(chunk)
        if size > limit:
            raise OSError(errno.EFBIG, "too large", path)
        chunks.append(chunk)


def write_aside(path: str, data: bytes, mode: int, *, sync: bool) -> str:
    """Write `data` to a new file beside `path` and return its name; nothing is left on failure.

    The name is fixed, so that what a killed process left is replaced: callers hold the lock.
    """
    aside = path + ASIDE
    remove(aside)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(aside, flags, 0o600)
    try:
        os.fchmod(fd, mode)
        write_all(fd, data)
        if sync:
            os.fsync(fd)
    except BaseException:
        remove(aside)
        raise
    finally:
        os.close(fd)
    return aside


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`; a full disk raises on the write after the short one."""
    while data:
        data = data[os.write(fd, data) :]


def replace_file(path: str, data: bytes, mode: int, *, sync: bool = True) -> None:
    """Put `data` in the place of `path` in one step.

    Args:
        path: Any file, there or not.
        data: Its whole content.
        mode: Its permissions, whatever the umask.
        sync: Whether it has to outlive a power cut.
    """
    aside = write_aside(path, data, mode, sync=sync)
    try:
        os.rename(aside, path)
    except BaseException:
        remove(aside)
        raise
    if sync:
        sync_directory(path)


def sync_directory(path: str) -> None:
    """Make the name of `path` last: fsync the directory it lies in."""
    fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove(path: str) -> bool:
    """Remove a file; say whether there was one."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def moved_aside(path: str) -> list[str]:
    """What `move_aside` made of `path` so far, and nobody has removed since."""
    folder, _, name = path.rpartition("/")
    try:
        found = sorted(os.listdir(folder))
    except OSError:
        return []
    return [f"{folder}/{other}" for other in found if other.startswith(f"{name}.corrupt-")]


def move_aside(path: str) -> str:
    """Rename a damaged file to `PATH.corrupt-N`, N counting up, and return the new name."""
    number = 1
    while os.path.lexists(f"{path}.corrupt-{number}"):
        number += 1
    aside = f"{path}.corrupt-{number}"
    os.rename(path, aside)
    return aside
