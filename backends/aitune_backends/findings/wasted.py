"""Memory and time that a machine gives away now, where a look at one setting does not show it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aitune_backends.changes import Wanted, shown
from aitune_backends.findings import sources
from aitune_backends.findings.finding import Finding
from aitune_backends.findings.reading import counted, size, text
from aitune_backends.probes import meminfo
from aitune_backends.probes.hugepages import read_pools
from aitune_backends.probes.numbers import parse_cpu_list, read_int

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aitune_backends.findings.pci import Device
    from aitune_backends.host import Host
    from aitune_backends.readings import HugePool

_MUCH = 0.01  # of memory
_TOO_MUCH_FREE = 0.05  # of memory
_PROMISED = 0.9  # of the limit
_MANY_DIRTY = 4 << 30
_SWAP = re.compile(r"^(/\S+)\s+(\S+)\s+[0-9]{1,15}\s+([0-9]{1,15})\s", re.MULTILINE)


def findings(host: Host, devices: Sequence[Device]) -> Iterator[Finding]:
    """What is held without use, and what slows the machine down for nothing."""
    memory = meminfo.parse_meminfo(text(host, meminfo.PATH))
    total = memory.get("MemTotal", 0)
    yield from _pools(read_pools(host), total)
    yield from _promised(memory, read_int(host, "/proc/sys/vm/overcommit_memory"))
    yield from _kept_free(read_int(host, "/proc/sys/vm/min_free_kbytes"), total)
    yield from _confined(host)
    yield from _swapped(host, memory)
    yield from _merging(host, has_gpu=any(device.kind == "GPU" for device in devices))
    yield from _dirty(memory)


def _pools(pools: Sequence[HugePool], total: int) -> Iterator[Finding]:
    """Pools from which no page is taken or promised."""
    idle = [
        pool
        for pool in pools
        if pool.node is None and pool.total and pool.free >= pool.total and not pool.reserved
    ]
    if idle and total:
        held = sum(pool.bytes for pool in idle)
        names = " and ".join(f"{pool.total} of {size(pool.size_kib << 10)}" for pool in idle)
        yield Finding(
            "huge-pages-idle",
            "Huge pages that nobody uses",
            f"{names} are reserved, {size(held)} in all, and no program has taken one: that "
            "memory is missing from the page cache and from everything else.",
            "Give them back, unless a program that asks for them is yet to start.",
            "warning" if held >= total * _MUCH else "info",
            tuple(Wanted(f"hugepages.{pool.size_kib}kB", None, "0") for pool in idle),
            sources.HUGETLB_PAGES,
        )


def _promised(memory: Mapping[str, int], mode: int | None) -> Iterator[Finding]:
    """Mode 2 of overcommit, near its limit: refusals in a machine full of free memory."""
    limit, promised = memory.get("CommitLimit", 0), memory.get("Committed_AS", 0)
    if mode == 2 and limit and promised >= limit * _PROMISED:
        yield Finding(
            "commit-limit",
            "Memory is about to be refused",
            f"vm.overcommit_memory is 2, and {size(promised)} are promised of {size(limit)}: the "
            f"next request fails, with {size(memory.get('MemAvailable', 0))} available.",
            "CUDA and most servers ask for far more than they use.",
            "problem",
            (Wanted("vm.overcommit_memory", None, "0"),),
            sources.OVERCOMMIT,
        )


def _kept_free(kib: int | None, total: int) -> Iterator[Finding]:
    if kib is not None and total and kib * 1024 >= total * _TOO_MUCH_FREE:
        yield Finding(
            "min-free",
            "Much memory is kept empty",
            f"vm.min_free_kbytes keeps {size(kib * 1024)} of {size(total)} free at all times: "
            "neither programs nor files get it.",
            "1 % of memory is enough for bursts of a network or of disks. Setting it cannot be "
            "undone exactly: the kernel stops choosing it by itself.",
            "warning",
            source=sources.SYSCTL_VM,
        )


def _confined(host: Host) -> Iterator[Finding]:
    mode = read_int(host, "/proc/sys/vm/zone_reclaim_mode")
    nodes = parse_cpu_list(host.first_line("/sys/devices/system/node/online") or "")
    if mode and len(nodes) > 1:
        yield Finding(
            "zone-reclaim",
            "Files are kept to one node",
            f"vm.zone_reclaim_mode is {mode}: a node that is full drops its files before it uses "
            f"another's free memory, so one of {len(nodes)} nodes caches a model alone.",
            "The kernel's documentation advises 0 where files are to be cached.",
            "warning",
            (Wanted("vm.zone_reclaim_mode", None, "0"),),
            sources.SYSCTL_VM,
        )


def _swapped(host: Host, memory: Mapping[str, int]) -> Iterator[Finding]:
    """Swap in use on a disk, slower by far than what it stands in for."""
    used = {
        place: int(kib) << 10 for place, _, kib in _SWAP.findall(text(host, "/proc/swaps"))
        if not place.startswith("/dev/zram")
    }  # fmt: skip
    total = memory.get("MemTotal", 0)
    if not total or sum(used.values()) < total * _MUCH:
        return
    place = max(used, key=lambda each: used[each])
    disk = re.fullmatch(r"/dev/(sd[a-z]+)[0-9]*", place)
    spins = disk and host.first_line(f"/sys/block/{disk[1]}/queue/rotational") == "1"
    swappiness = read_int(host, "/proc/sys/vm/swappiness")
    yield Finding(
        "swapped",
        "Memory is on a disk",
        f"{size(sum(used.values()))} of programs' memory is swapped out, most of it to "
        f"{shown(place)}{', a disk that spins' if spins else ''}: who touches it waits for the "
        "disk.",
        "A lower swappiness keeps the rest in memory; what is out comes back as it is touched.",
        "warning",
        (Wanted("vm.swappiness", None, "10"),) if swappiness and swappiness > 10 else (),
        sources.SYSCTL_VM,
    )


def _merging(host: Host, *, has_gpu: bool) -> Iterator[Finding]:
    ksm = "/sys/kernel/mm/ksm"
    if host.first_line(f"{ksm}/run") != "1":
        return
    shared = read_int(host, f"{ksm}/pages_sharing") or 0
    scans = read_int(host, f"{ksm}/full_scans") or 0
    idle = not shared and scans > 0
    if idle or has_gpu:
        saved = f"has saved {size(shared * 4096)}" if shared else "has saved nothing"
        yield Finding(
            "ksm",
            "Equal pages are looked for",
            f"Kernel samepage merging runs, has been through memory {counted(scans, 'time')} and "
            f"{saved}. It takes CPU time, and serves virtual machines of one kind.",
            "ksmtuned, where it runs, starts it again.",
            "warning" if idle else "info",
            (Wanted("ksm.run", None, "0"),),
            sources.KSM,
        )


def _dirty(memory: Mapping[str, int]) -> Iterator[Finding]:
    waiting = memory.get("Dirty", 0) + memory.get("Writeback", 0)
    if waiting >= _MANY_DIRTY and waiting >= memory.get("MemTotal", 0) * _TOO_MUCH_FREE:
        yield Finding(
            "dirty",
            "Much waits to be written",
            f"{size(waiting)} in memory are not on disk yet: the next `fsync`, or a checkpoint, "
            "waits for all of it.",
            "vm.dirty_bytes and vm.dirty_background_bytes bound it; `aitune-tui explain "
            "vm.dirty_bytes` says what that costs.",
            "info",
            source=sources.SYSCTL_VM,
        )
