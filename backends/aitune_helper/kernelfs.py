"""Touching one kernel file safely, and asking which instances of a knob there are.

Everything reaches the kernel through `KernelIO`. `RealKernel` walks to a file one component at a
time without following links and checks that it ended in procfs or sysfs; a made-up machine brings
its own. A value is written by one `write(2)`: text-mode files lose the kernel's refusal.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import stat
from typing import TYPE_CHECKING, Protocol

from aitune_helper.knobs import DISK, GLOBAL, KNOBS, Knob, instance_is_well_formed

if TYPE_CHECKING:
    from collections.abc import Iterator

PROC_MAGIC = 0x9FA0
SYSFS_MAGIC = 0x62656572

# What a file that is no more answers.
GONE = (errno.ENOENT, errno.ENODEV, errno.ENXIO)
_TREES = {"proc": PROC_MAGIC, "sys": SYSFS_MAGIC}
_BLOCK = re.compile(r"/sys/block/([^/]+)(/.*)?")
_DEVICE_LINK = re.compile(r"\.\./devices/[^.].*")
_WALK = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LEAF = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_READ_MAX = 65536


class KernelIO(Protocol):
    """The one seam between aitune and a kernel, real or made up.

    Paths are absolute, as the machine itself sees them. Every method raises OSError.
    """

    def read(self, path: str) -> str:
        """Return the text of a file, at most 64 KiB."""

    def write(self, path: str, value: str) -> None:
        """Write `value` by one write; no newline is needed."""

    def probe(self, path: str) -> None:
        """Raise where a file could not be opened for writing; nothing is written."""

    def entries(self, path: str) -> list[str]:
        """Return the sorted names in a directory."""

    def link(self, path: str) -> str:
        """Return the text of a symbolic link."""


class RealKernel:
    """The running kernel's /proc and /sys.

    Args:
        root: The directory whose `proc` and `sys` are meant; "/" but for tests.
        magic: What `fstatfs` must say of a file's tree, by its first component.
    """

    def __init__(self, root: str = "/", magic: dict[str, int] | None = None) -> None:
        self._root = root
        self._magic = _TREES if magic is None else magic

    def read(self, path: str) -> str:
        """Return the text of a regular file below /proc or /sys."""
        fd = self._open(path, os.O_RDONLY | _LEAF)
        try:
            return os.read(fd, _READ_MAX).decode("utf-8", "replace")
        finally:
            os.close(fd)

    def write(self, path: str, value: str) -> None:
        """Write by one `write(2)`; a short count is an error, as the kernel took only a part."""
        data = value.encode("ascii")
        fd = self._open(path, os.O_WRONLY | _LEAF)
        try:
            if os.write(fd, data) != len(data):
                raise OSError(errno.EINVAL, "the kernel took only a part of the value", path)
        finally:
            os.close(fd)

    def probe(self, path: str) -> None:
        """Open a file for writing and close it: EROFS in a container, EACCES without rights."""
        os.close(self._open(path, os.O_WRONLY | _LEAF))

    def entries(self, path: str) -> list[str]:
        """Return the sorted names in a directory below /proc or /sys."""
        fd = self._open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return sorted(os.listdir(fd))
        finally:
            os.close(fd)

    def link(self, path: str) -> str:
        """Return the text of a link, walking to its directory without following any."""
        parts = _parts(path)
        parent = self._walk(parts[:-1], path)
        try:
            return os.readlink(parts[-1], dir_fd=parent)
        finally:
            os.close(parent)

    def _open(self, path: str, flags: int) -> int:
        """Open the leaf and check what it is; the caller closes it."""
        parts = _parts(self._through_block_link(path))
        parent = self._walk(parts[:-1], path)
        try:
            fd = os.open(parts[-1], flags, dir_fd=parent)
        finally:
            os.close(parent)
        try:
            mode = os.fstat(fd).st_mode
            wanted = stat.S_ISDIR if flags & os.O_DIRECTORY else stat.S_ISREG
            if not wanted(mode) or _filesystem(fd) != self._magic[parts[0]]:
                raise OSError(errno.EXDEV, "not a file of procfs or sysfs", path)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _walk(self, parts: list[str], path: str) -> int:
        """Open a directory component by component; a link anywhere is ENOTDIR."""
        if not parts or parts[0] not in self._magic:
            raise OSError(errno.EXDEV, "outside /proc and /sys", path)
        fd = os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in parts:
            try:
                below = os.open(part, _WALK, dir_fd=fd)
            finally:
                os.close(fd)
            fd = below
        return fd

    def _through_block_link(self, path: str) -> str:
        """`/sys/block/X` is a link into /sys/devices: resolve that one, and only so far."""
        found = _BLOCK.fullmatch(path)
        if found is None:
            return path
        target = self.link(f"/sys/block/{found[1]}")
        if _DEVICE_LINK.fullmatch(target) is None or ".." in target[3:].split("/"):
            raise OSError(errno.ELOOP, "not a link to a device", path)
        return "/sys/" + target[3:] + (found[2] or "")


def _parts(path: str) -> list[str]:
    """Split an absolute path; refuse anything that is not plainly a way downwards."""
    parts = path.split("/")[1:]
    if not path.startswith("/") or not parts or any(part in {"", ".", ".."} for part in parts):
        raise OSError(errno.EINVAL, "not a plain absolute path", path)
    if "\0" in path:
        raise OSError(errno.EINVAL, "not a plain absolute path")
    return parts


_libc = ctypes.CDLL(None, use_errno=True)


def _filesystem(fd: int) -> int:
    """The magic number of the file system `fd` lies in: the first word of `struct statfs`."""
    buffer = (ctypes.c_long * 32)()
    if _libc.fstatfs(fd, buffer) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return buffer[0]


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which node2 comes before node10."""
    return [(int(part or 0), "") if part.isdigit() else (0, part)
            for part in re.split(r"([0-9]+)", name)]  # fmt: skip


def _names(kernel: KernelIO, path: str) -> list[str]:
    try:
        return kernel.entries(path)
    except OSError:
        return []


def has_file(kernel: KernelIO, path: str) -> bool:
    """Whether the machine has this file; its directory is listed, the file is not touched."""
    directory, _, name = path.rpartition("/")
    return name in _names(kernel, directory)


def instances(kernel: KernelIO, knob: Knob) -> tuple[str, ...]:
    """The instances of a knob that the kernel lists now, in natural order.

    Returns:
        `("",)` for a global knob that exists; nodes, policies, disks… for the others (a quantity
        has its total, "", besides: see `has_total`); () for a knob this machine does not have.
    """
    if knob.scope == GLOBAL:
        return ("",) if has_file(kernel, knob.file()) else ()
    directory, prefix, suffix = knob.holder
    found = (
        name[len(prefix) : len(name) - len(suffix)]
        for name in _names(kernel, directory)
        if name.startswith(prefix) and name.endswith(suffix)
    )
    found = (name for name in found if exists(kernel, knob, name))
    return tuple(sorted(found, key=_natural))


def has_total(kernel: KernelIO, knob: Knob) -> bool:
    """Whether a quantity has its total here, such as the pool of a huge page size."""
    return knob.quantity and has_file(kernel, knob.total_path)


def exists(kernel: KernelIO, knob: Knob, instance: str = "") -> bool:
    """Whether the kernel has this very target now."""
    return instance_is_well_formed(knob, instance) and has_file(kernel, knob.file(instance))


def coupled(kernel: KernelIO, knob: Knob, instance: str) -> Iterator[tuple[Knob, str]]:
    """The targets that the kernel changes along with one, whether or not they are there now.

    Those of the same instance; the one target of what is global; and all instances of something
    where it is the global knob that moves them.
    """
    for other in (KNOBS[name] for name in knob.coupled):
        if other.scope == knob.scope:
            yield other, instance
        elif other.scope == GLOBAL:
            yield other, ""
        else:
            yield from ((other, each) for each in instances(kernel, other))


def identity(kernel: KernelIO, knob: Knob, instance: str) -> str:
    """What tells a device from another that later bears its name.

    Returns:
        `diskseq:13` (Linux 5.15 and later) or else where the disk hangs and its number;
        "" for anything but a disk, and for one that is gone.

    Raises:
        OSError: It is there, and cannot be told: that does not make it another one.
    """
    if knob.scope != DISK:
        return ""
    base = f"/sys/block/{instance}"
    try:
        return "diskseq:" + kernel.read(base + "/diskseq").strip()
    except OSError as error:
        if error.errno not in GONE:
            raise
    try:
        return f"device:{kernel.link(base)}:{kernel.read(base + '/dev').strip()}"
    except OSError as error:
        if error.errno not in (*GONE, errno.EINVAL):  # the latter: it is no link
            raise
        return ""
