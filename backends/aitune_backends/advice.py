"""Judging one target: as advised, worth a look, or without any effect on this machine.

Pure: everything it depends on is an argument. A value that can have no effect is `inert` whatever
it is; advice is then still named, since it may gain one, but it asks for nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aitune_backends.catalogue import DEFAULT_GOAL, Entry, size_text
from aitune_backends.targets import DIFFERS, INERT, INFO, OK
from aitune_helper.knobs import POOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aitune_backends.readings import Disk, HugePool

# Disks made of memory or of files, and what is behind several paths: nothing is advised for them.
_MADE_UP = re.compile(r"(loop|ram|zram|sr|fd|nbd)[0-9]+|nvme[0-9]+c[0-9]+n[0-9]+")
_NVME = re.compile(r"nvme[0-9]+n[0-9]+")


@dataclass(frozen=True, slots=True)
class Situation:
    """What advice depends on besides the value itself. None means the machine does not tell.

    Attributes:
        goal: What the machine is for, one of `catalogue.GOALS`.
        overcommit: The value of `vm.overcommit_memory`.
        swap: Bytes of swap.
        nodes: NUMA nodes that are online.
        stacked: Disks that lie below another as a whole, and which that is: `nvme0n1` → `md0`.
    """

    goal: str = DEFAULT_GOAL
    overcommit: str | None = None
    swap: int | None = None
    nodes: int | None = None
    stacked: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subject:
    """One target to be judged.

    Attributes:
        knob: Its knob.
        instance: Its instance, or "".
        value: Its value, in canonical form.
        pool: The pool it sizes, for a pool.
        disk: The disk it belongs to, for a disk.
    """

    knob: str
    instance: str
    value: str
    pool: HugePool | None = None
    disk: Disk | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is thought of a target: its state, the value advised, and one sentence why."""

    state: str
    advised: str | None = None
    reason: str = ""


def judge(entry: Entry, subject: Subject, situation: Situation) -> Judgement:
    """Judge one target that was read.

    Args:
        entry: What is known of its knob.
        subject: The target.
        situation: The machine around it.
    """
    advised, as_good = _advised(entry, subject, situation)
    inert = why_inert(subject, situation)
    if inert:
        return Judgement(INERT, advised, inert.reason)
    if advised is None:
        return Judgement(INFO, None, _info(subject))
    if subject.value == advised or subject.value in as_good or entry.is_as_good(subject.value):
        return Judgement(OK, advised)
    reason = entry.differs.format(value=subject.value, advised=advised)
    return Judgement(DIFFERS, advised, reason)


def _advised(
    entry: Entry, subject: Subject, situation: Situation
) -> tuple[str | None, tuple[str, ...]]:
    """The value advised here, and words that serve as well on this instance."""
    if subject.disk is not None:
        if is_made_up(subject.instance):
            return None, ()
        if subject.knob == "block.scheduler":
            return _kernel_scheduler(subject.disk)
    return entry.advice[situation.goal], ()


def is_made_up(disk: str) -> bool:
    """Whether a block device is no disk of its own: a loop, memory, one path of several."""
    return _MADE_UP.fullmatch(disk) is not None


def _kernel_scheduler(disk: Disk) -> tuple[str | None, tuple[str, ...]]:
    """The scheduler the kernel itself starts a disk with, where its kind tells."""
    if _NVME.fullmatch(disk.name):
        return "none", ()
    if disk.rotational and disk.name.startswith("sd") and "mq-deadline" in disk.schedulers:
        return "mq-deadline", ("bfq",)
    return None, ()


@dataclass(frozen=True, slots=True)
class Inert:
    """Why a target can have no effect here.

    Attributes:
        reason: In one sentence.
        note: In half a line, for a plan 120 columns wide.
        note_short: The same for 80 columns.
    """

    reason: str
    note: str
    note_short: str


def why_inert(subject: Subject, situation: Situation) -> Inert | None:
    """Why a target can have no effect here, or None if it can have one."""
    rule = _pool_inert if subject.knob in POOLS else _INERT.get(subject.knob)
    return rule(subject, situation) if rule else None


def _pool_inert(subject: Subject, situation: Situation) -> Inert | None:
    pool = subject.pool
    if pool is None or pool.total == 0 or pool.free < pool.total or pool.reserved:
        return None
    taken = memory_text(pool.bytes)
    return Inert(
        f"No program maps a page of it: {taken} are taken from everything else.",
        "no program maps a page of it",
        "no program maps it",
    )


def _ratio_inert(subject: Subject, situation: Situation) -> Inert | None:
    if situation.overcommit not in (None, "2"):
        return Inert(
            "The kernel reads it only while vm.overcommit_memory is 2.",
            "read only while overcommit_memory is 2",
            "only read in mode 2",
        )
    return None


def _swappiness_inert(subject: Subject, situation: Situation) -> Inert | None:
    if situation.swap == 0:
        return Inert("This machine has no swap.", "this machine has no swap", "no swap here")
    return None


def _balancing_inert(subject: Subject, situation: Situation) -> Inert | None:
    if situation.nodes == 1:
        return Inert("This machine has one NUMA node.", "there is one NUMA node", "one node only")
    return None


def _read_ahead_inert(subject: Subject, situation: Situation) -> Inert | None:
    above = situation.stacked.get(subject.instance)
    if above is None:
        return None
    return Inert(
        f"{above} lies on it as a whole: files there are read ahead as {above} says.",
        f"{above} lies on it; its own read-ahead counts",
        f"{above}'s counts",
    )


_INERT: Mapping[str, Callable[[Subject, Situation], Inert | None]] = {
    "vm.overcommit_ratio": _ratio_inert,
    "vm.overcommit_kbytes": _ratio_inert,
    "vm.swappiness": _swappiness_inert,
    "kernel.numa_balancing": _balancing_inert,
    "block.read_ahead_kb": _read_ahead_inert,
}


def _info(subject: Subject) -> str:
    """What is worth saying of a target for which nothing is advised."""
    pool = subject.pool
    if pool is None:
        return ""
    if not pool.total:
        return "No page is kept aside; only programs that ask for huge pages would use them."
    size = size_text(pool.size_kib)
    return f"{pool.total - pool.free} of {pool.total} pages of {size} are in use."


def memory_text(size: int) -> str:
    """A size of memory for a sentence: `128 MiB`, `861.9 GiB`."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if size >= factor:
            number = f"{size / factor:.1f}"
            return f"{number.removesuffix('.0')} {unit}"
    return f"{size // 1024} KiB"


def no_scheduler(name: str, slaves: tuple[str, ...]) -> str:
    """Why a disk has no scheduler: it passes requests on."""
    if not slaves:
        return f"{name} has no scheduler: it handles requests as they come."
    *rest, last = slaves
    below = f"{', '.join(rest)} and {last}" if rest else last
    return f"{name} has no scheduler: it passes requests on to {below}."
