"""Logical CPUs: which there are, on which NUMA node, and how busy each was (`/proc/stat`)."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from operator import add, sub
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.probes.numbers import parse_cpu_list

if TYPE_CHECKING:
    from aitune_backends.host import Host

STAT = "/proc/stat"
_CPUS = "/sys/devices/system/cpu"
_NODES = "/sys/devices/system/node"
# The flags of the first CPU lie within; the whole file takes long to read on a large machine.
_CPUINFO_START = 8192
_EACH = re.compile(rb"^cpu([0-9]{1,5}) [0-9]+ [0-9]+ [0-9]+ ([0-9]+) ?([0-9]*)", re.MULTILINE)


class CpuTimes(NamedTuple):
    """Clock ticks since boot.

    Attributes:
        total: All CPUs' ticks together, in whatever state. `guest` is left out: user counts it.
        cpus: The numbers of the CPUs that are online, as they come.
        idle: For each of them the ticks with nothing to run, waiting for a disk included.
    """

    total: int
    cpus: tuple[int, ...]
    idle: tuple[int, ...]


def parse_stat(text: bytes) -> CpuTimes:
    """The `cpu` lines of `/proc/stat`; a CPU that is offline has none."""
    end = text.find(b"\nintr")
    fields = text[: end if end >= 0 else len(text)].split()
    try:
        return _regular(fields)
    except ValueError:
        return _irregular(text)


def _regular(fields: list[bytes]) -> CpuTimes:
    """All lines at once, which is what 512 of them need: every line has as many fields."""
    width = next((at for at, field in enumerate(fields) if field == b"cpu0"), 0)
    if width < 6 or fields[0] != b"cpu" or len(fields) % width:
        raise ValueError("not as kernels write it")
    return CpuTimes(
        sum(map(int, fields[1:9])),
        _numbers(tuple(fields[width::width])),
        tuple(map(add, map(int, fields[width + 4 :: width]), map(int, fields[width + 5 :: width]))),
    )


@lru_cache(maxsize=4)
def _numbers(names: tuple[bytes, ...]) -> tuple[int, ...]:
    if not all(name.startswith(b"cpu") for name in names):
        raise ValueError("not as kernels write it")
    return tuple(int(name[3:]) for name in names)


def _irregular(text: bytes) -> CpuTimes:
    """Line by line: old kernels have fewer fields, captures may be cut, CPU 0 may be offline."""
    found = {int(cpu): int(idle) + int(wait or 0) for cpu, idle, wait in _EACH.findall(text)}
    everything = re.search(rb"^cpu +([0-9 ]+)", text, re.MULTILINE)
    ticks = everything[1].split()[:8] if everything else []
    return CpuTimes(sum(map(int, ticks)), tuple(found), tuple(found.values()))


def busy(before: CpuTimes, now: CpuTimes) -> dict[int, float]:
    """The share of time each CPU had something to run between two readings, 0..1 in per cents.

    Every CPU that is online sees the same number of ticks, so the mean of all serves each: that
    spares adding up eight numbers for each of 512 CPUs. A tick is a hundredth of a second: per
    cents are all the precision there is.
    """
    elapsed = (now.total - before.total) / max(1, len(now.cpus))
    if elapsed <= 0:
        return {}
    if before.cpus == now.cpus:
        cpus, idle = now.cpus, list(map(sub, now.idle, before.idle))
    else:
        then = dict(zip(before.cpus, before.idle, strict=True))
        both = [
            (cpu, i - then[cpu]) for cpu, i in zip(now.cpus, now.idle, strict=True) if cpu in then
        ]
        cpus, idle = tuple(cpu for cpu, _ in both), [ticks for _, ticks in both]
    share = {i: round(min(1.0, max(0.0, 1.0 - i / elapsed)), 2) for i in set(idle)}
    return dict(zip(cpus, map(share.__getitem__, idle), strict=True))


def read_present(host: Host) -> tuple[int, ...]:
    """Every CPU the machine has, online or not."""
    present = parse_cpu_list(host.first_line(f"{_CPUS}/present") or "")
    if present:
        return present
    names = [name for name in host.names(_CPUS) if re.fullmatch(r"cpu[0-9]{1,5}", name)]
    if names:
        return tuple(sorted(int(name[3:]) for name in names))
    return tuple(sorted(parse_stat(_bytes(host, STAT)).cpus))


def read_online(host: Host, present: tuple[int, ...]) -> frozenset[int]:
    """The CPUs that run. Where no list says so, each CPU's own file does; without one it runs."""
    listed = host.first_line(f"{_CPUS}/online")
    if listed is not None:
        return frozenset(parse_cpu_list(listed))
    return frozenset(cpu for cpu in present if host.first_line(f"{_CPUS}/cpu{cpu}/online") != "0")


def read_nodes(host: Host) -> dict[int, tuple[int, ...]]:
    """Each NUMA node and its CPUs; () for a node that is memory alone.

    Kernels without NUMA have no node directory: the result is empty then.
    """
    nodes: dict[int, tuple[int, ...]] = {}
    for name in host.names(_NODES):
        if not re.fullmatch(r"node[0-9]{1,4}", name):
            continue
        directory = f"{_NODES}/{name}"
        listed = host.first_line(f"{directory}/cpulist")
        if listed is not None:
            cpus = parse_cpu_list(listed)
        else:  # old captures have the links alone
            links = [
                entry for entry in host.names(directory) if re.fullmatch(r"cpu[0-9]{1,5}", entry)
            ]
            cpus = tuple(sorted(int(entry[3:]) for entry in links))
        nodes[int(name[4:])] = cpus
    return dict(sorted(nodes.items()))


def _bytes(host: Host, path: str) -> bytes:
    try:
        return host.read(path).encode("utf-8")
    except OSError:
        return b""


def read_virtual(host: Host) -> bool | None:
    """Whether a hypervisor runs this machine, as the first CPU says; None where none would say."""
    try:
        fd = host.open("/proc/cpuinfo")
    except (OSError, ValueError):
        return None
    try:
        text = os.pread(fd, _CPUINFO_START, 0).decode("utf-8", "replace")
    except OSError:
        return None
    finally:
        os.close(fd)
    return parse_virtual(text)


def parse_virtual(cpuinfo: str) -> bool | None:
    """Whether the flags of /proc/cpuinfo (x86) name a hypervisor; None without flags."""
    found = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    return None if found is None else "hypervisor" in found[1].split()
