"""Why a setting can have no effect on this machine, whatever it is set to.

A rule is a few words for one reason. What the machine does not tell makes nothing inert.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_backends.amounts import memory_text
from aitune_backends.catalogue import ENTRIES
from aitune_helper.knobs import POOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aitune_backends.situation import Situation, Subject

    Rule = Callable[[Subject, Situation], "Inert | None"]

# Until then the reserve counted in mode 0 too: v5.2, 8c7829b04c52.
_RESERVE_IN_MODE_2_ALONE = (5, 2)
# Files of a queue that belong to a disk which orders requests itself.
_OF_REQUESTS = (
    "block.scheduler", "block.nr_requests", "block.nomerges", "block.rq_affinity",
    "block.wbt_lat_usec", "block.max_sectors_kb",
)  # fmt: skip


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
    for rule in _RULES.get(subject.knob, ()):
        found = rule(subject, situation)
        if found is not None:
            return found
    return None


def _read_while(other: str, values: tuple[str, ...], why: Inert) -> Rule:
    """A setting that the kernel reads only while another one has one of these values."""

    def rule(_subject: Subject, situation: Situation) -> Inert | None:
        return why if situation.settings.get(other, values[0]) not in values else None

    return rule


_MODE_2 = _read_while(
    "vm.overcommit_memory",
    ("2",),
    Inert(
        "The kernel reads it only while vm.overcommit_memory is 2.",
        "read only while overcommit_memory is 2",
        "only read in mode 2",
    ),
)
_PACKING = _read_while(
    "zswap.enabled",
    ("1",),
    Inert("Nothing is packed: zswap.enabled is 0.", "zswap.enabled is 0", "zswap.enabled is 0"),
)
_TIERING = _read_while(
    "kernel.numa_balancing",
    ("2", "3"),
    Inert(
        "The kernel reads it only while kernel.numa_balancing is 2 or 3.",
        "read only while numa_balancing is 2 or 3",
        "only read in mode 2",
    ),
)
_KILLING = _read_while(
    "vm.panic_on_oom",
    ("0", "1"),
    Inert(
        "vm.panic_on_oom is 2: the machine stops instead.",
        "panic_on_oom is 2: the machine stops instead",
        "the machine stops first",
    ),
)


def _reserve(subject: Subject, situation: Situation) -> Inert | None:
    if situation.kernel is not None and situation.kernel < _RESERVE_IN_MODE_2_ALONE:
        return None
    return _MODE_2(subject, situation)


def _no_swap(_subject: Subject, situation: Situation) -> Inert | None:
    if situation.swap == 0:
        return Inert("This machine has no swap.", "this machine has no swap", "no swap here")
    return None


def _swappiness(subject: Subject, situation: Situation) -> Inert | None:
    demoting = situation.settings.get("numa.demotion_enabled") == "1"
    if demoting and (situation.tiers or 1) > 1:  # it decides what moves to slower memory as well
        return None
    return _no_swap(subject, situation)


def _one_node(_subject: Subject, situation: Situation) -> Inert | None:
    if situation.nodes == 1:
        return Inert("This machine has one NUMA node.", "there is one NUMA node", "one node only")
    return None


def _one_tier(_subject: Subject, situation: Situation) -> Inert | None:
    if situation.tiers == 1 or situation.nodes == 1:
        return Inert(
            "All memory here is of one kind: there is none slower to move to.",
            "all memory here is of one kind",
            "one kind of memory",
        )
    return None


def _pool(subject: Subject, _situation: Situation) -> Inert | None:
    pool = subject.pool
    if pool is None or pool.total == 0 or pool.free < pool.total or pool.reserved:
        return None
    return Inert(
        f"No program maps a page of it: {memory_text(pool.bytes)} are taken from everything else.",
        "no program maps a page of it",
        "no program maps it",
    )


def _no_pool(_subject: Subject, situation: Situation) -> Inert | None:
    if situation.pooled is False:
        return Inert(
            "No pool of huge pages holds a page, and it acts on such pages alone.",
            "no pool holds a page",
            "no pool holds a page",
        )
    return None


def _no_huge_pages(_subject: Subject, situation: Situation) -> Inert | None:
    settings = situation.settings
    if settings.get("thp.enabled") != "never":
        return None
    if settings.get("thp.shmem_enabled", "never") not in ("never", "deny"):
        return None
    if any(word in ("always", "madvise") for word in situation.huge_sizes.values()):
        return None
    return Inert(
        "Transparent huge pages are off: thp.enabled is never.",
        "thp.enabled is never",
        "thp.enabled is never",
    )


def _none_underused(_subject: Subject, situation: Situation) -> Inert | None:
    if situation.settings.get("thp.khugepaged.max_ptes_none") == "511":
        return Inert(
            "No page counts as mostly empty while thp.khugepaged.max_ptes_none is 511.",
            "nothing counts as empty at max_ptes_none 511",
            "max_ptes_none is 511",
        )
    return None


def _preference(subject: Subject, situation: Situation) -> Inert | None:
    if situation.governors.get(subject.instance) == "performance":
        return Inert(
            "Under the governor performance the processor prefers performance alone.",
            "the governor performance decides it",
            "the governor decides",
        )
    return None


def _does_not_sleep(subject: Subject, situation: Situation) -> Inert | None:
    if situation.idle_driver == "none":
        return Inert(
            "The kernel knows no idle states here, as in most virtual machines.",
            "the kernel knows no idle states here",
            "no idle states here",
        )
    if subject.instance in situation.offline:
        name = subject.instance
        return Inert(f"{name} is offline.", f"{name} is offline", f"{name} is offline")
    return None


def _below_an_array(subject: Subject, situation: Situation) -> Inert | None:
    above = situation.stacked.get(subject.instance)
    if above is None:
        return None
    return Inert(
        f"{above} lies on it as a whole: files there are read ahead as {above} says.",
        f"{above} lies on it; its own read-ahead counts",
        f"{above}'s counts",
    )


def _passes_on(subject: Subject, situation: Situation) -> Inert | None:
    below = situation.passing.get(subject.instance)
    if below is None:
        return None
    return Inert(no_scheduler(subject.instance, below), "it passes requests on", "passes them on")


def _held_back_by_bfq(subject: Subject, situation: Situation) -> Inert | None:
    if situation.schedulers.get(subject.instance) == "bfq":
        return Inert(
            "The scheduler bfq switches it off.", "the scheduler bfq switches it off", "bfq is on"
        )
    return None


def no_scheduler(name: str, slaves: tuple[str, ...]) -> str:
    """Why a disk has no scheduler: it passes requests on."""
    if not slaves:
        return f"{name} has no scheduler: it handles requests as they come."
    *rest, last = slaves
    below = f"{', '.join(rest)} and {last}" if rest else last
    return f"{name} has no scheduler: it passes requests on to {below}."


_RULES: Mapping[str, tuple[Rule, ...]] = {
    **dict.fromkeys(POOLS, (_pool,)),
    **dict.fromkeys(_OF_REQUESTS, (_passes_on,)),
    **{
        knob: (_no_huge_pages,)
        for knob in ENTRIES
        if knob.startswith("thp.khugepaged.") or knob in ("thp.defrag", "thp.use_zero_page")
    },
    "thp.khugepaged.max_ptes_swap": (_no_huge_pages, _no_swap),
    "thp.shrink_underused": (_no_huge_pages, _none_underused),
    "vm.hugetlb_optimize_vmemmap": (_no_pool,),
    "vm.overcommit_ratio": (_MODE_2,),
    "vm.overcommit_kbytes": (_MODE_2,),
    "vm.user_reserve_kbytes": (_MODE_2,),
    "vm.admin_reserve_kbytes": (_reserve,),
    "vm.oom_kill_allocating_task": (_KILLING,),
    "vm.swappiness": (_swappiness,),
    "vm.page-cluster": (_no_swap,),
    "zswap.enabled": (_no_swap,),
    "zswap.compressor": (_no_swap, _PACKING),
    "zswap.max_pool_percent": (_no_swap, _PACKING),
    "kernel.numa_balancing": (_one_node,),
    "kernel.numa_balancing_promote_rate_limit_MBps": (_one_node, _TIERING),
    "numa.weighted_interleave": (_one_node,),
    "numa.demotion_enabled": (_one_tier,),
    "cpu.epp": (_preference,),
    "cpu.idle_latency": (_does_not_sleep,),
    "block.read_ahead_kb": (_below_an_array,),
    "block.wbt_lat_usec": (_passes_on, _held_back_by_bfq),
}
