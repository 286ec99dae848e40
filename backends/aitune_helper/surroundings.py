"""What the helper must know of where it runs before it does anything, and how it closes itself off.

A program that runs as root trusts nothing it inherits: not the environment, not the directory, not
open descriptors, not its own file unless nobody but root can have written it.
"""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import socket
import stat
import sys
from typing import NamedTuple

from aitune_helper import files

_INITIAL_PID_NAMESPACE = "pid:[4026531836]"
_MARKERS = (("/run/.containerenv", "podman"), ("/.dockerenv", "docker"))
_IGNORED = (
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN,
    signal.SIGTTOU, signal.SIGPIPE,
)  # fmt: skip
_SYSLOG = "/dev/log"
_AUTHPRIV_INFO = 10 * 8 + 6


class UnsafeError(Exception):
    """Others than root could decide what this process does; the message says how."""


class Origin(NamedTuple):
    """Where our code came from.

    Attributes:
        path: The zipapp.
        sha256: Its digest.
    """

    path: str
    sha256: str


def check_process() -> None:
    """Refuse to run without root or without the interpreter's protections.

    Raises:
        UnsafeError: With what is missing.
    """
    if os.geteuid() != 0:
        raise UnsafeError("it must be started as root")
    flags = sys.flags
    if not (flags.isolated and flags.no_site and sys.dont_write_bytecode):
        raise UnsafeError("it must be started with python3 -I -S -B")


def check_origin(path: str) -> Origin:
    """Make sure that nobody but root can have written our code, and digest it.

    Raises:
        UnsafeError: Naming the file or the directory, and its mode.
    """
    real = os.path.realpath(path)
    for place in (real, os.path.realpath(sys.executable)):
        check_owner(place)
    try:
        data = files.read_file(real)
    except OSError as error:
        raise UnsafeError(f"{real} cannot be read: {error.strerror}") from error
    if data is None:
        raise UnsafeError(f"{real} is gone")
    return Origin(real, hashlib.sha256(data).hexdigest())


def check_owner(path: str) -> None:
    """Check a file and all its parents; a sticky directory may be writable by others.

    Raises:
        UnsafeError: Naming the first that is not root's alone.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise UnsafeError(f"{path} is not a file")
    place = path
    while True:
        status = os.stat(place)
        if status.st_uid != 0:
            raise UnsafeError(f"{place} belongs to uid {status.st_uid}, not to root")
        writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if writable and not sticky:
            mode = stat.S_IMODE(status.st_mode)
            raise UnsafeError(f"{place} has mode {mode:04o}: not only root can write it")
        if place == "/":
            return
        place = os.path.dirname(place)


def close_off() -> None:
    """Drop what we inherited: umask, directory, environment, descriptors, signals, limits."""
    os.umask(0o077)
    os.chdir("/")
    os.environ.clear()
    os.closerange(3, 65536)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for limit, value in ((resource.RLIMIT_NOFILE, 256), (resource.RLIMIT_FSIZE, 64 * 2**20)):
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))


def container() -> str:
    """What kind of container this is, or "" on a machine of its own.

    A marker in the file system alone is not enough where we see the machine's own processes and
    the root file system is a disk: virtual machines are made from container images too.
    """
    kind = next((name for path, name in _MARKERS if os.path.lexists(path)), "")
    try:
        initial = os.readlink("/proc/self/ns/pid") == _INITIAL_PID_NAMESPACE
    except OSError:
        initial = True
    if not initial:
        return kind or "pid namespace"
    try:
        environment = files.read_file("/proc/1/environ") or b""
    except OSError:
        environment = b""
    for word in environment.split(b"\0"):
        if word.startswith(b"container=") and len(word) > len(b"container="):
            return word.partition(b"=")[2].decode("ascii", "replace")[:32]
    on_a_disk = os.major(os.stat("/").st_dev) != 0
    return "" if on_a_disk else kind


def syslog(line: str) -> None:
    """Tell the system's log, as a second witness of the journal; best effort, never waiting."""
    text = f"<{_AUTHPRIV_INFO}>aitune-helper[{os.getpid()}]: {line}"
    plain = "".join(char if " " <= char <= "~" else "?" for char in text)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as log:
            # Without `connect`, which the sandbox takes away.
            log.sendto(plain.encode("ascii"), _SYSLOG)
    except OSError:
        return


def systemd_runs() -> bool:
    """Whether systemd is PID 1 here, so that it can keep the guardian."""
    return os.path.isdir("/run/systemd/system")
