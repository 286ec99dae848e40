"""Trying to get out: a forked child of the confined helper does what an intruder in it would try.

Each attempt must be refused. Where one is not, it leaves nothing behind: files are opened and not
written, calls have arguments that no kernel takes, and what was made is removed. A call that comes
back with anything but a refusal has reached the kernel, and counts as a way out.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Callable

from aitune_helper import files, libc, seccomp
from aitune_helper.messages import Attempt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_helper.places import Places

TIMEOUT_S = 10.0

_REFUSED = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EROFS)
_NOT_HERE = (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.ENOTDIR)
# It takes no arguments, so it would be done: hang up the operator's terminal.
_NEVER_TRIED = ("vhangup",)

_TIOCSTI = 0x5412
_TIOCLINUX = 0x541C
_PTRACE_SEIZE = 0x4206
_PRLIMIT_FILES = 7
_CLONE_NEWUSER = 0x10000000
_PROT_READ = 1
_MAP_SHARED_ANONYMOUS = 0x21
_SET_UID = 0o4700

# Roads to root or out of the machine's rules; opened, and closed again.
_WRITE = (
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/mmap_min_addr",
    "/proc/sys/fs/suid_dumpable", "/proc/sysrq-trigger", "/proc/self/mem",
    "/sys/kernel/uevent_helper", "/sys/power/state", "/sys/fs/cgroup/cgroup.procs",
    "/etc/passwd", "/etc/shadow", "/etc/sudoers",
)  # fmt: skip
_READ = ("/etc/shadow", "/etc/ssh", "/root", "/home", "/dev/mem", "/proc/kcore")
_MAKE = ("/tmp", "/root", "/etc", "/dev/shm", "/usr/local/bin", "/run")  # noqa: S108 (to be refused)
# What runs anything for whoever calls it as root.
_SERVICES = (
    "/run/systemd/private", "/run/dbus/system_bus_socket", "/run/docker.sock",
    "/run/containerd/containerd.sock", "/run/podman/podman.sock",
)  # fmt: skip
_NAME = "/aitune-self-test"

Try = Callable[[], object]


class Breakout:
    """The self-test of a confined helper.

    Args:
        places: Where our own files lie.
        program: The file we were started from.
    """

    def __init__(self, places: Places, program: str) -> None:
        self._places = places
        self._program = program

    def run(self) -> tuple[Attempt, ...]:
        """Try everything in a child of ours.

        Raises:
            OSError: No child could be made.
        """
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            self._child(theirs)
        os.close(theirs)
        try:
            return _hear(ours)
        finally:
            os.close(ours)
            _end(child)

    def _child(self, to: int) -> None:
        """Try, and tell; does not return."""
        try:
            for name, attempt in self._attempts(os.getppid()):
                held, note = outcome(attempt)
                line = json.dumps([name, held, note]).encode("ascii")
                files.write_all(to, line + b"\n")
            files.write_all(to, b"\n")
        finally:
            os._exit(0)

    def _attempts(self, parent: int) -> Iterator[tuple[str, Try]]:
        """Every attempt with its name; the last ones are those that change who we are."""
        ours = self._places.private + _NAME
        for path in (*_WRITE, self._program):
            yield f"write {path}", partial(_open, path, os.O_WRONLY)
        for path in (*_READ, *_disks()):
            yield f"read {path}", partial(_open, path, os.O_RDONLY)
        for folder in _MAKE:
            yield f"make a file in {folder}", partial(_make, folder + _NAME, 0o600)
        yield "make a set-user-id file", lambda: _make(ours, _SET_UID)
        yield "make a file set-user-id", lambda: _make(ours, 0o600, then=_SET_UID)
        yield "make a link", partial(_link, ours)
        yield "change a mode", lambda: libc.call("chmod", self._places.run.encode(), 0o755)
        yield "change an owner", lambda: libc.call("chown", self._places.run.encode(), -1, -1)
        yield "run a program", _run
        for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET):
            yield f"open a socket of {family.name}", partial(_socket, family)
        for path in _SERVICES:
            yield f"call {path}", partial(_call_service, path)
        yield "type on a terminal", lambda: fcntl.ioctl(0, _TIOCSTI, b"\0")
        yield "paste on a console", lambda: fcntl.ioctl(0, _TIOCLINUX, b"\0")
        yield "signal another process", lambda: os.kill(parent, 0)
        yield "trace another process", lambda: libc.call("ptrace", _PTRACE_SEIZE, parent, 0, 0)
        yield "read another's memory", lambda: _open(f"/proc/{parent}/mem", os.O_RDWR)
        yield "limit another process", lambda: libc.call("prlimit", parent, _PRLIMIT_FILES, 0, 0)
        yield (
            "map shared memory",
            lambda: libc.call("mmap", 0, 4096, _PROT_READ, _MAP_SHARED_ANONYMOUS, -1, 0),
        )
        yield from _calls()
        yield "make a user namespace", lambda: libc.call("unshare", _CLONE_NEWUSER)
        yield "take a capability", _take_capabilities
        yield "become another user", lambda: os.setuid(os.getuid() + 1)


def outcome(attempt: Try) -> tuple[bool, str]:
    """Do it; say whether it was refused, and how."""
    try:
        attempt()
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, str(error.errno))
        if error.errno in _REFUSED:
            return True, name
        if error.errno in _NOT_HERE:
            return True, "not on this machine"
        return False, name
    return False, "it was done"


def _calls() -> Iterator[tuple[str, Try]]:
    """Each denied call by its number, with nothing but -1 as arguments."""
    machine = seccomp.MACHINES.get(os.uname().machine)
    if machine is None:
        return
    for name, numbers in {**seccomp.CALLS, **seccomp.MISSING}.items():
        number = numbers[machine.column]
        if number is not None and name not in _NEVER_TRIED:
            yield f"call {name}", partial(libc.call, "syscall", number, *[-1] * 6)


def _open(path: str, flags: int) -> None:
    os.close(os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))


def _make(path: str, mode: int, *, then: int = 0) -> None:
    """Make a file and remove it again; change its mode to `then` in between, if given."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        if then:
            os.fchmod(fd, then)
    finally:
        os.unlink(path)
        os.close(fd)


def _link(path: str) -> None:
    os.symlink("/etc/passwd", path)
    os.unlink(path)


def _run() -> None:
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)


def _socket(family: socket.AddressFamily) -> None:
    socket.socket(family, socket.SOCK_RAW if family == socket.AF_PACKET else socket.SOCK_DGRAM)


def _call_service(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(path)


def _disks() -> Iterator[str]:
    """The device of the first disk."""
    for name in sorted(os.listdir("/sys/block"))[:1]:
        yield f"/dev/{name}"


def _take_capabilities() -> None:
    """Ask for what was given up."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    everything = (ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6)
    libc.call("capset", ctypes.byref(header), ctypes.byref(everything))


def _hear(fd: int) -> tuple[Attempt, ...]:
    """What the child tells, one line for an attempt, until the empty one."""
    give_up = time.monotonic() + TIMEOUT_S
    data = b""
    while not data.endswith(b"\n\n"):
        wait = max(0.0, give_up - time.monotonic())
        chunk = os.read(fd, 65536) if select.select([fd], [], [], wait)[0] else b""
        if not chunk:
            break
        data += chunk
    lines, _, rest = data.rpartition(b"\n\n")
    told = [json.loads(line) for line in (lines or rest).split(b"\n") if line]
    attempts = [Attempt(str(name), bool(held), str(note)) for name, held, note in told]
    if not lines:
        attempts.append(Attempt("the self-test", held=False, note="it did not come to its end"))
    return tuple(attempts)


def _end(child: int) -> None:
    """Take the child away, done or not."""
    with contextlib.suppress(ProcessLookupError):
        fd = os.pidfd_open(child)
        try:
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        finally:
            os.close(fd)
    os.waitpid(child, 0)
