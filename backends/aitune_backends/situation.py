"""What advice on one setting depends on: the rest of the machine.

The judging modules (`advice`, `inert`, `possible`, `absence`) are pure; all they know is here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends.catalogue import DEFAULT_GOAL
from aitune_helper import plan
from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aitune_backends.readings import Disk, HugePool, Policy
    from aitune_helper.kernelfs import KernelIO

_NODES = "/sys/devices/system/node"
_TIERS = "/sys/devices/virtual/memory_tiering"
_THP = "/sys/kernel/mm/transparent_hugepage"
_CPUIDLE = "/sys/devices/system/cpu/cpuidle/current_driver"
_CPU_OFFLINE = "/sys/devices/system/cpu/offline"
_COUNTER = re.compile(r"^(\w+) ([0-9]{1,19})$", re.MULTILINE)
_VERSION = re.compile(r"\bversion ([0-9]{1,3})\.([0-9]{1,5})\b")
# Beyond it a list of offline CPUs is a damaged one.
_CPUS = 65536


class Stalls(NamedTuple):
    """How often memory was not free in time, since the machine started.

    Attributes:
        programs: Times that a program had to free memory itself (`allocstall_*`).
        kernel: Times that the kernel's own thread fell behind at once
            (`kswapd_low_wmark_hit_quickly`).
        hours: How long that took.
    """

    programs: int
    kernel: int
    hours: float

    @property
    def an_hour(self) -> float:
        """Stalls of either kind in an hour."""
        return (self.programs + self.kernel) / self.hours


class Commit(NamedTuple):
    """What has been promised, and what mode 2 of overcommit would promise in all, in bytes."""

    promised: int
    limit: int


@dataclass(frozen=True, slots=True)
class Situation:
    """What advice depends on besides the value itself. None means the machine does not tell.

    Attributes:
        goal: What the machine is for, one of `catalogue.GOALS`.
        settings: Values of global settings by id: advice on one may depend on another.
        swap: Bytes of swap.
        nodes: NUMA nodes that are online.
        tiers: Kinds of memory by speed.
        stacked: Disks that lie below another as a whole, and which that is: `nvme0n1` → `md0`.
        passing: Disks that pass requests on, and what lies below each.
        schedulers: The scheduler of each disk that has one.
        governors: The governor of each policy.
        drivers: What sets the frequencies of processors: `intel_pstate`.
        huge_sizes: What each size of transparent huge pages is set to, by size in KiB.
        pooled: Whether any pool of huge pages holds a page, or may.
        idle_driver: What puts idle cores to sleep; `none` in most virtual machines.
        offline: CPUs that are offline: `cpu3`.
        stalls: How often memory was not free in time.
        commit: What is promised, and what mode 2 would promise.
        kernel: The kernel's version, `(6, 12)`.
        virtual: Whether it is a virtual machine.
        container: The kind of container it is, or "".
        locked: Whether no module can be loaded any more.
        captured: Whether it is a copy of a machine, which may lack what its machine has.
    """

    goal: str = DEFAULT_GOAL
    settings: Mapping[str, str] = field(default_factory=dict)
    swap: int | None = None
    nodes: int | None = None
    tiers: int | None = None
    stacked: Mapping[str, str] = field(default_factory=dict)
    passing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    schedulers: Mapping[str, str] = field(default_factory=dict)
    governors: Mapping[str, str] = field(default_factory=dict)
    drivers: frozenset[str] = frozenset()
    huge_sizes: Mapping[str, str] = field(default_factory=dict)
    pooled: bool | None = None
    idle_driver: str | None = None
    offline: frozenset[str] = frozenset()
    stalls: Stalls | None = None
    commit: Commit | None = None
    kernel: tuple[int, int] | None = None
    virtual: bool | None = None
    container: str = ""
    locked: bool = False
    captured: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """One target to be judged.

    Attributes:
        knob: Its knob.
        instance: Its instance, or "".
        value: Its value, in canonical form.
        pool: The pool it sizes, for a pool.
        disk: The disk it belongs to, for a disk.
        policy: The policy it belongs to, for a policy.
    """

    knob: str
    instance: str
    value: str
    pool: HugePool | None = None
    disk: Disk | None = None
    policy: Policy | None = None


def read_settings(kernel: KernelIO, knobs: Iterable[str]) -> dict[str, str]:
    """The values of global settings, by id, as far as this machine has them."""
    found = {}
    for knob in knobs:
        try:
            found[knob] = plan.reading(kernel, KNOBS[knob])
        except OSError:
            continue
    return found


def read_situation(kernel: KernelIO, settings: Mapping[str, str]) -> Situation:
    """Everything that one look at the whole machine tells; disks and policies are left out.

    Args:
        kernel: The machine.
        settings: Its global settings, as they are or as a plan would have them.
    """
    memory = _memory(kernel)
    return Situation(
        settings=settings,
        swap=memory.swap_total if memory else None,
        nodes=_count(kernel, _NODES, r"node[0-9]+"),
        tiers=_count(kernel, _TIERS, r"memory_tier[0-9]+"),
        huge_sizes=_huge_sizes(kernel),
        idle_driver=_text(kernel, _CPUIDLE).strip() or None,
        offline=parse_offline(_text(kernel, _CPU_OFFLINE)),
        stalls=parse_stalls(_text(kernel, "/proc/vmstat"), _text(kernel, "/proc/uptime")),
        commit=_commit(memory, settings) if memory else None,
        kernel=parse_version(_text(kernel, "/proc/version")),
        locked=_text(kernel, "/proc/sys/kernel/modules_disabled").strip() == "1",
    )


def parse_stalls(vmstat: str, uptime: str) -> Stalls | None:
    """The counters of /proc/vmstat over the time of /proc/uptime; None where either is missing."""
    counters = {name: int(number) for name, number in _COUNTER.findall(vmstat)}
    programs = [number for name, number in counters.items() if name.startswith("allocstall")]
    found = re.match(r"([0-9]{1,12})(?:\.[0-9]+)?\b", uptime)
    if not programs or found is None or found[1] == "0":
        return None
    kernel = counters.get("kswapd_low_wmark_hit_quickly", 0)
    return Stalls(sum(programs), kernel, int(found[1]) / 3600)


def parse_version(text: str) -> tuple[int, int] | None:
    """The version in /proc/version, `(6, 12)`."""
    found = _VERSION.search(text)
    return (int(found[1]), int(found[2])) if found else None


def parse_offline(text: str) -> frozenset[str]:
    """The CPUs in a list as `3,5-7`."""
    names: set[str] = set()
    for first, last in re.findall(r"\b([0-9]{1,5})(?:-([0-9]{1,5}))?\b", text):
        names.update(f"cpu{n}" for n in range(int(first), min(int(last or first), _CPUS) + 1))
    return frozenset(names)


def commit_limit(memory: plan.Memory, settings: Mapping[str, str]) -> int | None:
    """What mode 2 promises in all: an amount, or a share of memory without huge pages, and swap."""
    amount, share = (
        int(text) if (text := settings.get(knob, "")).isdecimal() and len(text) < 20 else 0
        for knob in ("vm.overcommit_kbytes", "vm.overcommit_ratio")
    )
    if not (amount or share):
        return None
    most = amount * 1024 or (memory.total - memory.huge) * share // 100
    return most + memory.swap_total


def _commit(memory: plan.Memory, settings: Mapping[str, str]) -> Commit | None:
    limit = commit_limit(memory, settings)
    return None if limit is None else Commit(memory.committed, limit)


def _memory(kernel: KernelIO) -> plan.Memory | None:
    try:
        return plan.memory(kernel)
    except OSError:
        return None


def _huge_sizes(kernel: KernelIO) -> dict[str, str]:
    knob = KNOBS["thp.size_enabled"]
    sizes = [
        name[len("hugepages-") :]
        for name in names(kernel, _THP)
        if re.fullmatch(r"hugepages-[0-9]{1,12}kB", name)
    ]
    found = {}
    for size in sizes:
        try:
            found[size] = plan.reading(kernel, knob, size)
        except OSError:
            continue
    return found


def _count(kernel: KernelIO, directory: str, pattern: str) -> int | None:
    return sum(1 for name in names(kernel, directory) if re.fullmatch(pattern, name)) or None


def names(kernel: KernelIO, directory: str) -> list[str]:
    """The names in a directory; none where there is no such directory."""
    try:
        return kernel.entries(directory)
    except OSError:
        return []


def _text(kernel: KernelIO, path: str) -> str:
    try:
        return kernel.read(path)
    except (OSError, ValueError):
        return ""
