"""Which files this process may still touch, whatever it does: Landlock, where the kernel has it.

What may be written is generated from the table of knobs, so that the two cannot part. Layouts and
numbers are those of linux/landlock.h; rights that a kernel does not know are left out.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from aitune_helper import libc
from aitune_helper.actions import ACTIONS
from aitune_helper.knobs import KNOBS
from aitune_helper.messages import Layer

if TYPE_CHECKING:
    from aitune_helper.places import Places

# Open as long as the process, and in its forks: see `_pin`. Out of the way of the first few.
_PINS_FROM = 64
_pins: list[int] = []

EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
REMOVE_DIR = 1 << 4
REMOVE_FILE = 1 << 5
MAKE_CHAR = 1 << 6
MAKE_DIR = 1 << 7
MAKE_REG = 1 << 8
MAKE_SOCK = 1 << 9
MAKE_FIFO = 1 << 10
MAKE_BLOCK = 1 << 11
MAKE_SYM = 1 << 12
REFER = 1 << 13
TRUNCATE = 1 << 14
IOCTL_DEV = 1 << 15

_FIRST = (1 << 13) - 1
_SINCE = {2: REFER, 3: TRUNCATE, 5: IOCTL_DEV}
_TCP_SINCE = 4
_SCOPES_SINCE = 6
_BIND_AND_CONNECT_TCP = 0b11
# Not the scope of signals: the guardian ends a helper that sits on the lock.
_ABSTRACT_SOCKETS = 0b01

READ = READ_FILE | READ_DIR
SET = READ | WRITE_FILE
KEEP = SET | TRUNCATE | REMOVE_FILE | MAKE_REG | MAKE_SOCK

_CREATE_RULESET = 444
_ADD_RULE = 445
_RESTRICT_SELF = 446
_VERSION = 1
_DESCRIPTORS_MAX = 65536
_PATH_BENEATH = 1
_ONLY_FOR_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV


class Way(NamedTuple):
    """What may be done with a file, or with all that lies below a directory."""

    path: str
    rights: int


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("fd", ctypes.c_int32))


def knob_ways() -> tuple[Way, ...]:
    """What knobs and actions need: the file where it has one name, else what it lies below.

    Disks hang anywhere below /sys/devices, and come while we run; /sys/block only links there.
    """
    files = [path for knob in KNOBS.values() for path in (knob.path, knob.total_path) if path]
    files += [action.path for action in ACTIONS.values()]
    fixed = {path.partition("{instance}")[0].rpartition("/")[0] if "{" in path else path
             for path in files}  # fmt: skip
    return tuple(Way(path.replace("/sys/block", "/sys/devices"), SET) for path in sorted(fixed))


def ways(places: Places, program: str) -> tuple[Way, ...]:
    """Everything that stays within reach.

    Args:
        places: Where our own files and the drop-ins lie.
        program: Our own file, for the source lines of a fault.
    """
    return (
        Way("/proc", READ),
        Way("/sys", READ),
        Way(program, READ),
        Way(os.devnull, SET),
        *knob_ways(),
        *(Way(path, KEEP) for path in (places.run, places.state, *places.dropins)),
    )


def abi() -> int:
    """The version of Landlock this kernel has; 0 for none, also where it was switched off."""
    try:
        return libc.call("syscall", _CREATE_RULESET, 0, 0, _VERSION)
    except OSError:
        return 0


def restrict(reachable: tuple[Way, ...]) -> Layer:
    """Give up all files but those of `reachable`, for this thread and whatever it forks.

    A way that leads nowhere on this machine is passed over.
    """
    version = abi()
    if not version:
        return Layer("landlock", held=False, note="not in this kernel")
    handled = _FIRST | sum(right for since, right in _SINCE.items() if version >= since)
    rules = _Ruleset(
        handled,
        _BIND_AND_CONNECT_TCP if version >= _TCP_SINCE else 0,
        _ABSTRACT_SOCKETS if version >= _SCOPES_SINCE else 0,
    )
    try:
        size = ctypes.sizeof(rules)
        ruleset = libc.call("syscall", _CREATE_RULESET, ctypes.byref(rules), size, 0)
        try:
            for way in reachable:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    _allow(ruleset, way, handled)
            libc.call("syscall", _RESTRICT_SELF, ruleset, 0)
        finally:
            os.close(ruleset)
    except OSError as error:
        return Layer("landlock", held=False, note=error.strerror or "")
    return Layer("landlock", held=True, note=f"ABI {version}")


def _allow(ruleset: int, way: Way, handled: int) -> None:
    fd = _pin(way.path)
    rights = way.rights & handled
    if not stat.S_ISDIR(os.fstat(fd).st_mode):
        rights &= _ONLY_FOR_FILES
    rule = _PathBeneath(rights, fd)
    libc.call("syscall", _ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)


def close_others(first: int) -> None:
    """Close every descriptor from `first` on, but those that hold the rules in place."""
    for pin in sorted(_pins):
        os.closerange(first, pin)
        first = pin + 1
    os.closerange(first, _DESCRIPTORS_MAX)


def _pin(path: str) -> int:
    """Open a path for good.

    A rule holds on to an inode. procfs makes another one for the same file once its name has left
    the cache, as happens when memory runs short: the open descriptor keeps the name there.
    """
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if stat.S_ISLNK(os.fstat(fd).st_mode):
            raise OSError(errno.ELOOP, "a link", path)
        _pins.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _PINS_FROM))
    finally:
        os.close(fd)
    return _pins[-1]
