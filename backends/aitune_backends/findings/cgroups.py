"""The control groups of this session and of each model server: what they may use, all told.

A limit holds for everything below it, so the least one on the way up is the one that counts. Both
hierarchies are read: cgroup v2, and v1 with a tree for each controller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.changes import shown
from aitune_backends.findings import sources
from aitune_backends.findings.finding import Finding
from aitune_backends.findings.reading import counters, size, text
from aitune_backends.probes import meminfo
from aitune_backends.probes.hugepages import read_pools
from aitune_backends.probes.numbers import cpu_list, parse_cpu_list, parse_int

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aitune_backends.findings.servers import Server
    from aitune_backends.host import Host

_DEEPEST = 32
_NEARLY = 0.95


class Mounts(NamedTuple):
    """Where the hierarchies are mounted: v2, or "", and each controller of v1."""

    unified: str
    controllers: Mapping[str, str]


class Limit(NamedTuple):
    """The least limit on the way up: how much, and the group that sets it."""

    amount: int
    group: str


@dataclass(frozen=True, slots=True)
class Group:
    """What one group may use, in bytes; None where there is no limit.

    Attributes:
        path: The group, as the process sees it.
        memory: What it may use before processes are killed.
        high: What it may use before it is slowed down (v2).
        used: Bytes charged to the group that sets `memory` or `high`; None where not to be seen.
        killed: Processes of it that were killed for lack of memory.
        cpus: The CPUs it may use; () where that is not to be seen.
        huge: The most huge pages it may use, in bytes, by the size's name (`2MB`).
        swap: What it may swap out (v2).
    """

    path: str
    memory: Limit | None = None
    high: Limit | None = None
    used: int | None = None
    killed: int = 0
    cpus: tuple[int, ...] = ()
    huge: Mapping[str, int] = field(default_factory=dict)
    swap: Limit | None = None


def findings(host: Host, servers: Sequence[Server]) -> Iterator[Finding]:
    """What the groups of this session and of the servers keep from them."""
    mounts = parse_mounts(text(host, "/proc/mounts"))
    total = meminfo.parse_meminfo(text(host, meminfo.PATH)).get("MemTotal", 0)
    online = parse_cpu_list(host.first_line("/sys/devices/system/cpu/online") or "")
    groups = [
        (server, read_group(host, mounts, server.cgroup)) for server in servers if server.cgroup
    ]
    yield from _memory(groups, total)
    yield from _killed(groups)
    yield from _cpus(groups, online)
    yield from _huge_pages(groups, _reserved(host))
    if host.is_this_machine:
        own = read_group(host, mounts, text(host, "/proc/self/cgroup"))
        yield from _own_memory(own, total)
    if "memory" in mounts.controllers:
        also = ", beside an empty v2 tree" if mounts.unified else ""
        yield Finding(
            "cgroup-v1",
            "Control groups v1",
            f"Memory is limited by cgroup v1{also}: it has no memory.high, and pressure is not "
            "measured for each group.",
            severity="info",
            source=sources.CGROUP_V2,
        )


def parse_mounts(mounts: str) -> Mounts:
    """The hierarchies in `/proc/mounts`; of several mounts of one the first counts."""
    unified = ""
    controllers: dict[str, str] = {}
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 4:
            continue
        if fields[2] == "cgroup2":
            unified = unified or fields[1]
        elif fields[2] == "cgroup":
            for option in fields[3].split(","):
                controllers.setdefault(option, fields[1])
    return Mounts(unified, controllers)


def parse_membership(membership: str) -> dict[str, str]:
    """`/proc/PID/cgroup`: the path of each v1 controller, and of v2 under "".

    A group outside our namespace begins with `/..`: it is not below any mount of ours.
    """
    paths: dict[str, str] = {}
    for line in membership.splitlines():
        number, _, rest = line.partition(":")
        names, colon, path = rest.partition(":")
        if colon and path.startswith("/") and ".." not in path.split("/"):
            if number == "0" and not names:
                paths[""] = next(_way_up(path))
            else:
                paths.update(dict.fromkeys(names.split(","), next(_way_up(path))))
    return paths


def read_group(host: Host, mounts: Mounts, membership: str) -> Group:
    """The group of a process, by its `/proc/PID/cgroup`."""
    paths = parse_membership(membership)
    if "memory" in mounts.controllers and "memory" in paths:
        return _read_v1(host, mounts.controllers, paths)
    if mounts.unified and "" in paths:
        return _read_v2(host, mounts.unified, paths[""])
    return Group("")


def _read_v2(host: Host, mount: str, path: str) -> Group:
    memory = _least(host, mount, path, "memory.max")
    high = _least(host, mount, path, "memory.high")
    tight = min((limit for limit in (memory, high) if limit), default=None)
    own = _directory(mount, path)
    return Group(
        path=path,
        memory=memory,
        high=high,
        used=_number(host, f"{_directory(mount, tight.group)}/memory.current") if tight else None,
        killed=counters(host, f"{own}/memory.events").get("oom_kill", 0),
        cpus=parse_cpu_list(host.first_line(f"{own}/cpuset.cpus.effective") or ""),
        huge=_huge(host, mount, path, r"hugetlb\.([0-9]+[KMG]B)\.max"),
        swap=_least(host, mount, path, "memory.swap.max"),
    )


def _read_v1(host: Host, mounts: Mapping[str, str], paths: Mapping[str, str]) -> Group:
    mount, path = mounts["memory"], paths["memory"]
    limit = _least(host, mount, path, "memory.limit_in_bytes")
    used = None
    if limit is not None:
        used = _number(host, f"{_directory(mount, limit.group)}/memory.usage_in_bytes")
    cpus = ""
    if "cpuset" in mounts and "cpuset" in paths:
        directory = _directory(mounts["cpuset"], paths["cpuset"])
        cpus = host.first_line(f"{directory}/cpuset.effective_cpus") or ""
    huge: dict[str, int] = {}
    if "hugetlb" in mounts and "hugetlb" in paths:
        pattern = r"hugetlb\.([0-9]+[KMG]B)\.limit_in_bytes"
        huge = _huge(host, mounts["hugetlb"], paths["hugetlb"], pattern)
    killed = counters(host, f"{_directory(mount, path)}/memory.oom_control").get("oom_kill", 0)
    return Group(
        path=path, memory=limit, used=used, killed=killed, cpus=parse_cpu_list(cpus), huge=huge
    )


def _directory(mount: str, group: str) -> str:
    return mount.rstrip("/") + ("" if group == "/" else group)


def _way_up(path: str) -> Iterator[str]:
    """A group and those above it, the root last."""
    parts = [part for part in path.split("/") if part][:_DEEPEST]
    for end in range(len(parts), -1, -1):
        yield "/" + "/".join(parts[:end])


def _least(host: Host, mount: str, path: str, file: str) -> Limit | None:
    found = (
        Limit(amount, group)
        for group in _way_up(path)
        if (amount := _number(host, f"{_directory(mount, group)}/{file}")) is not None
    )
    return min(found, default=None, key=lambda limit: limit.amount)


def _huge(host: Host, mount: str, path: str, pattern: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in host.names(_directory(mount, path))[:500]:
        match = re.fullmatch(pattern, name)
        if match:
            limit = _least(host, mount, path, name)
            if limit is not None:
                found[match[1]] = limit.amount
    return found


def _number(host: Host, path: str) -> int | None:
    """A limit or a use in bytes; None for `max` and where there is none.

    v1's "no limit" is the largest number of whole pages, more than any machine has.
    """
    number = parse_int(host.first_line(path) or "")
    return number if number is not None and number >= 0 else None


def _reserved(host: Host) -> dict[str, int]:
    """Bytes of each pool of the machine, by the size's name as cgroups have it."""
    return {_size_name(pool.size_kib): pool.bytes for pool in read_pools(host) if pool.node is None}


def _size_name(kib: int) -> str:
    for unit, factor in (("GB", 1 << 20), ("MB", 1 << 10)):
        if kib >= factor:
            return f"{kib // factor}{unit}"
    return f"{kib}KB"


Groups = list[tuple["Server", Group]]


def _memory(groups: Groups, total: int) -> Iterator[Finding]:
    """The tightest limit of a server; slowed down or near its end is a problem."""
    limited = [
        (limit, server, group)
        for server, group in groups
        if (limit := _tight(group)) is not None and total and limit.amount < total
    ]
    if not limited:
        return
    limit, server, group = min(limited, key=lambda each: each[0].amount)
    full = group.used is not None and group.used >= limit.amount * _NEARLY
    slow = group.high is not None and limit == group.high
    too_large = server.model is not None and server.model > limit.amount
    what = f"{server.name} may use {size(limit.amount)} of {size(total)}: the limit of its group "
    what += f"{shown(limit.group)}. Files it reads count too"
    if full and slow:
        what += f", and with {size(group.used or 0)} used it is slowed down now."
    elif full:
        what += f", and {size(group.used or 0)} are used: more is taken from its files, then it is "
        what += "killed."
    elif too_large:
        what += f", so its model of {size(server.model or 0)} cannot stay in the page cache."
    else:
        what += "."
    file = "memory.high" if slow else "memory.max"
    yield Finding(
        "cgroup-memory",
        "A server at its memory limit" if full else "A server with a memory limit",
        what,
        f"Raise {file}: MemoryHigh= or MemoryMax= of its unit, or the container's memory limit.",
        "problem" if full else "warning" if too_large else "info",
        source=sources.CGROUP_V2,
    )


def _tight(group: Group) -> Limit | None:
    limits = [limit for limit in (group.memory, group.high) if limit is not None]
    return min(limits, default=None, key=lambda limit: limit.amount)


def _killed(groups: Groups) -> Iterator[Finding]:
    killed = [(group.killed, server, group) for server, group in groups if group.killed]
    if killed:
        count, server, group = max(killed, key=lambda each: each[0])
        yield Finding(
            "cgroup-killed",
            "Killed by a memory limit",
            f"{count} processes of {shown(group.path)}, the group of {server.name}, were killed "
            "at its own limit, not for want of memory on the machine.",
            "Raise its memory limit; `journalctl -k -g oom` names who was killed.",
            "problem",
            source=sources.CGROUP_V2,
        )


def _cpus(groups: Groups, online: tuple[int, ...]) -> Iterator[Finding]:
    for server, group in groups:
        if group.cpus and online and len(group.cpus) < len(online):
            yield Finding(
                "cgroup-cpus",
                "A server on some CPUs",
                f"{server.name} may run on {len(group.cpus)} of {len(online)} CPUs: "
                f"{shown(cpu_list(group.cpus))}. Governors and limits matter on those alone.",
                severity="info",
                source=sources.CGROUP_V2,
            )
            return


def _huge_pages(groups: Groups, reserved: Mapping[str, int]) -> Iterator[Finding]:
    for server, group in groups:
        for name, limit in group.huge.items():
            pool = reserved.get(name, 0)
            if limit < pool:
                yield Finding(
                    "cgroup-huge-pages",
                    "Huge pages a server may not use",
                    f"{server.name} may use {size(limit)} in huge pages of {name} of the "
                    f"{size(pool)} that are reserved: beyond that it dies of a bus error.",
                    f"Raise hugetlb.{name}.max of its group; Kubernetes does it by "
                    "resources.limits of hugepages.",
                    "warning",
                    source=sources.CGROUP_V2,
                )
                return


def _own_memory(group: Group, total: int) -> Iterator[Finding]:
    limit = _tight(group)
    if limit is not None and limit.amount < total:
        swap = ""
        if group.swap is not None and group.swap.amount == 0:
            swap = " None of it may be swapped out."
        yield Finding(
            "cgroup-here",
            "This session has a memory limit",
            f"What is started from here may use {size(limit.amount)} of {size(total)}, files it "
            f"reads included.{swap}",
            "A load timed from here meets that limit too: files larger than it are never warm.",
            "info",
            source=sources.CGROUP_V2,
        )
