"""Limits that model servers run into: locked memory, files, maps, shared memory, requests."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from aitune_backends.changes import Wanted
from aitune_backends.findings import sources
from aitune_backends.findings.finding import Finding
from aitune_backends.findings.reading import size, text
from aitune_backends.findings.servers import locks_freely, parse_limits
from aitune_backends.probes.numbers import read_int

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aitune_backends.findings.servers import Server
    from aitune_backends.host import Host

# So full that the next one may not fit.
_NEARLY_FULL = 0.8
_ROOM_LEFT = 0.1
# What pins memory pins gigabytes; less is a default that nobody chose.
_LITTLE_LOCKED = 1 << 30
_LITTLE_SHARED = 1 << 30
_MORE_MAPS = 262_144
_SHARED = "/dev/shm"  # noqa: S108 - looked at, not written
_UNIT_HINT = (
    "In its unit: LimitMEMLOCK=infinity. In a container: --ulimit memlock=-1. Then start it again."
)


def findings(host: Host, servers: Sequence[Server]) -> Iterator[Finding]:
    """The limits that are reached, or that a model server is known to reach."""
    yield from _locked_memory(host, servers)
    yield from _open_files(servers)
    yield from _maps(servers, read_int(host, "/proc/sys/vm/max_map_count"))
    yield from _shared_memory(shared_memory(host), inside=host.is_this_machine)
    yield from _requests(host)
    yield from _threads(host)


def _locked_memory(host: Host, servers: Sequence[Server]) -> Iterator[Finding]:
    held = [
        (server, limit)
        for server in servers
        if (limit := server.limits.get("Max locked memory")) is not None
        and limit < _LITTLE_LOCKED
        and not server.locks_freely
    ]
    if held:
        least = min(limit for _, limit in held)
        yield Finding(
            "memlock",
            "Little memory can be locked",
            f"{_names([server for server, _ in held])} may lock {size(least)} of memory. RDMA, "
            "GPUDirect Storage and llama.cpp's --mlock lock as much as the model takes, and fail "
            "or go a slower way.",
            _UNIT_HINT,
            "warning",
            source=sources.NCCL,
        )
    if servers or not host.is_this_machine or locks_freely(text(host, "/proc/self/status")):
        return
    limit = parse_limits(text(host, "/proc/self/limits")).get("Max locked memory")
    if limit is not None and limit < _LITTLE_LOCKED:
        yield Finding(
            "memlock-here",
            "Locked memory, from here",
            f"A server started from this session may lock {size(limit)} of memory; RDMA and "
            "--mlock need more.",
            "`ulimit -l unlimited` before it, as root; for good in /etc/security/limits.d or in "
            "its unit.",
            "info",
            source=sources.NCCL,
        )


def _open_files(servers: Sequence[Server]) -> Iterator[Finding]:
    full = [
        server
        for server in servers
        if server.open_files is not None
        and (limit := server.limits.get("Max open files")) is not None
        and server.open_files >= limit * _NEARLY_FULL
    ]
    if full:
        first = full[0]
        yield Finding(
            "nofile",
            "Nearly out of open files",
            f"{first.name} has {first.open_files} files open of "
            f"{first.limits['Max open files']} that it may: the next one fails.",
            "In its unit: LimitNOFILE=1048576. In a container: --ulimit nofile=1048576.",
            "problem",
        )


def _maps(servers: Sequence[Server], most: int | None) -> Iterator[Finding]:
    full = [s for s in servers if most and s.maps is not None and s.maps >= most * _NEARLY_FULL]
    if full and most:
        first = full[0]
        yield Finding(
            "maps",
            "Nearly out of memory maps",
            f"{first.name} has {first.maps} maps of {most} that a process may have: the next is "
            "refused as `cannot allocate memory`, however much is free.",
            "More of them cost nothing until they are used.",
            "problem",
            fix=(Wanted("vm.max_map_count", None, str(max(_MORE_MAPS, most * 4))),),
            source=sources.SYSCTL_VM,
        )


def shared_memory(host: Host) -> tuple[int, int | None] | None:
    """Size of /dev/shm in bytes and how much of it is free, None where that is not to be seen."""
    if host.is_this_machine:
        try:
            room = os.statvfs(_SHARED)
        except OSError:
            return None
        return room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize
    mounts = text(host, "/proc/mounts")
    found = re.search(r"^\S+ /dev/shm tmpfs \S*?\bsize=([0-9]{1,15})k", mounts, re.MULTILINE)
    return (int(found[1]) << 10, None) if found else None


def _shared_memory(room: tuple[int, int | None] | None, *, inside: bool) -> Iterator[Finding]:
    if room is None:
        return
    total, free = room
    if 0 < total < _LITTLE_SHARED:
        yield Finding(
            "shm-small",
            "Little shared memory",
            f"{_SHARED} holds {size(total)}. Data loaders and NCCL pass tensors through it and die "
            "of a bus error when it is full.",
            "`--shm-size=16g` or `--ipc=host` for a container; `mount -o remount,size=50% "
            "/dev/shm` on a host.",
            "warning",
            source=sources.NCCL,
        )
    elif inside and total and free is not None and free < total * _ROOM_LEFT:
        yield Finding(
            "shm-full",
            "Shared memory is nearly full",
            f"{_SHARED} has {size(free)} of {size(total)} left; who writes to it when it is full "
            "dies of a bus error.",
            "`ls -l /dev/shm` shows what programs that ended left behind.",
            "problem",
        )


def _requests(host: Host) -> Iterator[Finding]:
    used = read_int(host, "/proc/sys/fs/aio-nr")
    most = read_int(host, "/proc/sys/fs/aio-max-nr")
    if used and most and used >= most * _NEARLY_FULL:
        yield Finding(
            "aio",
            "Nearly out of asynchronous requests",
            f"{used} asynchronous I/O requests are set aside of {most}: the next program that "
            "asks gets `resource temporarily unavailable`.",
            "`sysctl -w fs.aio-max-nr=1048576` as root, and the same in a file of /etc/sysctl.d.",
            "problem",
            source=sources.SYSCTL_FS,
        )
    off = read_int(host, "/proc/sys/kernel/io_uring_disabled")
    if off in (1, 2):
        who = "everybody" if off == 2 else "all but root and the group kernel.io_uring_group"
        yield Finding(
            "io-uring",
            "io_uring is switched off",
            f"io_uring is refused to {who}: engines that use it fail or read another way.",
            "kernel.io_uring_disabled is a matter of security; ask who set it.",
            source=sources.SYSCTL_KERNEL,
        )


def _threads(host: Host) -> Iterator[Finding]:
    load = (host.first_line("/proc/loadavg") or "").split()
    found = re.fullmatch(r"[0-9]{1,9}/([0-9]{1,9})", load[3]) if len(load) > 3 else None
    ceilings = {
        name: value
        for name in ("pid_max", "threads-max")
        if (value := read_int(host, f"/proc/sys/kernel/{name}")) and value > 0
    }
    if found is None or not ceilings:
        return
    name = min(ceilings, key=lambda each: ceilings[each])
    if int(found[1]) >= ceilings[name] * _NEARLY_FULL:
        yield Finding(
            "threads",
            "Nearly out of threads",
            f"{found[1]} threads run of {ceilings[name]} (kernel.{name}): soon none can start.",
            f"`sysctl -w kernel.{name}={ceilings[name] * 4}` as root.",
            "problem",
            source=sources.SYSCTL_KERNEL,
        )


def _names(servers: Sequence[Server]) -> str:
    first = ", ".join(server.name for server in servers[:3])
    return first if len(servers) <= 3 else f"{first} and {len(servers) - 3} more"
