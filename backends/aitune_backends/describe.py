"""What a planned change means on this machine, with live numbers: the texts of a plan.

The sentences are the catalogue's; here they get their numbers, and a change that can have no
effect once the whole plan is applied says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aitune_backends.amounts import memory_text
from aitune_backends.catalogue import ENTRIES, Meaning, moved_along, size_text
from aitune_backends.changes import brief_list
from aitune_backends.inert import why_inert
from aitune_backends.planner_words import doubts, losses, unseen
from aitune_backends.situation import Situation, Subject, names, read_settings, read_situation
from aitune_helper import plan
from aitune_helper.knobs import DISK, KNOBS, POOLS, other_half

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitune_backends.host import Host
    from aitune_backends.planner import PoolOutlook
    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import Item

INERT_RISK = "inert"
_DIGITS = 12  # of a frequency in kHz at most
# What is put back along with a setting and is none of its own, in words.
_HIDDEN = {"block.iosched.": "the scheduler's own options"}

# Settings on which it depends whether another one has an effect.
_DECIDING = (
    "vm.overcommit_memory", "vm.overcommit_ratio", "vm.overcommit_kbytes", "vm.panic_on_oom",
    "zswap.enabled", "kernel.numa_balancing", "numa.demotion_enabled", "thp.enabled",
    "thp.shmem_enabled", "thp.khugepaged.max_ptes_none",
)  # fmt: skip

# Shares of the available memory above which growing a pool is worth a warning.
_MEDIUM_SHARE = 0.1
_HIGH_SHARE = 0.5
_UNKNOWN_SHARE = 0.2  # of an unknown amount: between the two
# Pages this large are put together at boot; later the kernel rarely finds the room.
_GIGANTIC = 512 << 20


@dataclass(frozen=True, slots=True)
class Facts:
    """What the texts need to know of the machine; None where it does not tell.

    Attributes:
        available: MemAvailable, in bytes.
        committed: Memory promised so far, in bytes.
        commit_limit: What mode 2 would promise once the plan is applied, in bytes.
        default_pool: The pool that `vm.nr_hugepages` is another name of, or "".
        situation: What decides whether a change has any effect, once the plan is applied.
        read_at: When the old values were read, for people, or "".
        outlooks: What the machine's pools could become, where the plan sizes one.
    """

    available: int | None = None
    committed: int | None = None
    commit_limit: int | None = None
    default_pool: str = ""
    situation: Situation = field(default_factory=Situation)
    read_at: str = ""
    outlooks: tuple[PoolOutlook, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeText:
    """The texts of one planned change.

    Attributes:
        risk: `low`, `medium`, `high`, or `inert`.
        note: The risk, or why it is inert, in half a line for a plan 120 columns wide.
        note_short: The same for 80 columns.
        effect, danger: Whole sentences.
        stars, evidence: How well that is founded (0..3), and who says so.
        path: The file that would be written.
        undo: What putting it back will do.
        inert: Whether it can have no effect.
    """

    risk: str
    note: str
    note_short: str
    effect: str
    danger: str
    stars: int
    evidence: str
    path: str
    undo: str
    inert: bool


def gather(kernel: Host, items: Sequence[Item], *, read_at: str = "") -> Facts:
    """Read what the texts of a plan need.

    Args:
        kernel: The machine.
        items: The whole plan: whether a change has an effect may depend on another.
        read_at: When the plan was made, for people.
    """
    after = {item.knob: item.requested for item in items if not item.instance}
    cleared = {half.id: "0" for knob in after if (half := other_half(KNOBS[knob]))}
    settings = {**read_settings(kernel, _DECIDING), **cleared, **after}
    situation = replace(
        read_situation(kernel, settings),
        stacked=_stacked(kernel),
        passing=_passing(kernel, items),
        governors=_along(kernel, items, "cpu.epp", "cpu.governor"),
        schedulers=_along(kernel, items, "block.wbt_lat_usec", "block.scheduler"),
        pooled=True if any(_fills_a_pool(item) for item in items) else None,
    )
    try:
        memory = plan.memory(kernel)
    except OSError:
        return Facts(situation=situation, read_at=read_at)
    return Facts(
        available=memory.available or None,
        committed=memory.committed,
        commit_limit=situation.commit.limit if situation.commit else None,
        default_pool=memory.default_pool if memory.default_pool in KNOBS else "",
        situation=situation,
        read_at=read_at,
        outlooks=_outlooks(kernel, items),
    )


def _outlooks(kernel: Host, items: Sequence[Item]) -> tuple[PoolOutlook, ...]:
    if not any(item.knob == "vm.nr_hugepages" or item.knob in POOLS for item in items):
        return ()
    from aitune_backends.planner import plan_pools  # the first screen needs none of it

    return plan_pools(kernel)


def change_text(item: Item, facts: Facts, others: Sequence[str] = ()) -> ChangeText:
    """Say what one change of a plan means.

    Args:
        item: The change, as planned.
        facts: The machine, from `gather`.
        others: Further instances that change in the same way, to be named with this one.
    """
    entry = ENTRIES.get(item.knob) or moved_along.entry_for(item.knob)
    meaning = _with_pool(item, facts) or entry.meaning_of(item.requested, item.old)
    fields = _fields(item, facts, others)
    inert = why_inert(Subject(item.knob, item.instance, item.requested), facts.situation)
    return ChangeText(
        risk=INERT_RISK if inert else meaning.risk,
        note=inert.note if inert else meaning.note.format_map(fields),
        note_short=inert.note_short if inert else meaning.note_short.format_map(fields),
        effect=f"None. {inert.reason}" if inert else _filled(meaning.effect, fields, others),
        danger="None, for the same reason." if inert else _filled(meaning.danger, fields, others),
        stars=entry.stars,
        evidence=entry.evidence,
        path=f"{item.path}, and {len(others)} more like it" if others else item.path,
        undo=_undo(item, facts),
        inert=inert is not None,
    )


def _filled(text: str, fields: Mapping[str, str], others: Sequence[str]) -> str:
    """A text with its numbers; one that speaks of the instance first speaks of each of many."""
    each = "Each of " if others and text.startswith("{instance}") else ""
    return each + text.format_map(fields)


def _fields(item: Item, facts: Facts, others: Sequence[str]) -> Mapping[str, str]:
    """What the catalogue's texts may name in braces."""
    return {
        "instance": brief_list([item.instance, *others])
        if others
        else item.instance or "this machine",
        "value": item.requested,
        "frequency": _frequency(item.requested),
        "value_size": f"up to {_amount(item)}",
        "amount": _amount(item),
        "available": _memory(facts.available, "the available memory"),
        "committed": f"; {_memory(facts.committed, 'an unknown amount')} are promised now",
        "commit_limit": _memory(facts.commit_limit, "only up to a limit"),
    }


def _amount(item: Item) -> str:
    """A value of KiB or bytes in words."""
    if not item.requested.isdecimal():
        return ""
    number = int(item.requested)
    return memory_text(number * 1024 if KNOBS[item.knob].unit == "KiB" else number)


def _frequency(khz: str) -> str:
    """A frequency of kHz in words: `3.8 GHz`."""
    if not khz.isdecimal() or len(khz) > _DIGITS:
        return khz
    ghz = int(khz) / 1_000_000
    return f"{ghz:.2f} GHz" if ghz < 1 else f"{f'{ghz:.2f}'.rstrip('0').rstrip('.')} GHz"


def _memory(size: int | None, unknown: str) -> str:
    return unknown if size is None else memory_text(size)


def _with_pool(item: Item, facts: Facts) -> Meaning | None:
    """What a pool's new size means, in memory; None for any other knob."""
    pool = facts.default_pool if item.knob == "vm.nr_hugepages" else item.knob
    if pool not in POOLS or not item.old.isdecimal():
        return None
    page = plan.page_bytes(pool)
    pages = int(item.requested) - int(item.old)
    outlook = next((each for each in facts.outlooks if each.page == page), None)
    meaning = _growing(pages, page, facts) if pages > 0 else _shrinking(-pages, page)
    if outlook is None or not pages:
        return meaning
    if pages < 0:
        return replace(meaning, danger=" ".join((meaning.danger, *unseen(outlook))))
    node = int(item.instance.removeprefix("node")) if item.instance else None
    return replace(
        meaning,
        effect=" ".join((meaning.effect, *losses(outlook, pages))),
        danger=" ".join((meaning.danger, *doubts(outlook, pages, node))),
    )


def _growing(pages: int, page: int, facts: Facts) -> Meaning:
    taken, available = memory_text(pages * page), _memory(facts.available, "the available memory")
    share = pages * page / facts.available if facts.available else _UNKNOWN_SHARE
    return Meaning(
        effect=(
            f"Takes {taken} of {available} away from programs and page cache, for {pages} pages "
            f"of {size_text(page >> 10)} that only programs asking for them can use. "
            "Loads by read or mmap get no faster."
        ),
        danger=(
            "The kernel may get fewer where memory is fragmented, and calls that success. "
            "What it got is read back."
        ),
        risk="high" if share > _HIGH_SHARE else "medium" if share > _MEDIUM_SHARE else "low",
        note=f"takes {taken} of {available}; may be partial",
        note_short=f"{taken} of {available}",
    )


def _shrinking(pages: int, page: int) -> Meaning:
    size, given = size_text(page >> 10), memory_text(pages * page)
    return Meaning(
        effect=f"Gives {given} back to programs and page cache: {pages} pages of {size} fewer.",
        danger=(
            "Pages given up may not come back, since memory fragments. "
            "Pages in use stay until their program releases them."
        ),
        risk="high" if page >= _GIGANTIC else "medium",
        note=f"gives {given} back; the pages may not come back",
        note_short="may not come back",
    )


def _undo(item: Item, facts: Facts) -> str:
    """What going back will write."""
    knob = KNOBS[item.knob]
    read = f", read {facts.read_at}" if facts.read_at else ""
    text = f"writes {item.old} back{read}"
    if item.parts:
        text = f"gives each node its {knob.unit} back, {item.old} in all{read}"
    if item.old.isdecimal() and item.requested.isdecimal() and knob.unit == "pages":
        if int(item.requested) < int(item.old):
            return f"{text}. Fewer pages may come back."
        return f"{text}."
    half = other_half(knob)
    if half is not None:  # of the two the one that counted is written
        return f"{text}, or {half.id} where that counted before."
    names = [name.partition(".")[2] for name in knob.coupled if KNOBS[name].offered]
    names += [_HIDDEN[kind] for kind in _HIDDEN if any(kind in name for name in knob.coupled)]
    return f"{text}, and {brief_and(names)} if that moved." if names else f"{text}."


def brief_and(names: Sequence[str]) -> str:
    """Names for a sentence: `a`, `a and b`, `a, b and c`."""
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last


def _along(kernel: KernelIO, items: Sequence[Item], knob: str, other: str) -> Mapping[str, str]:
    """What another setting of the same instance will be, by instance, wherever `knob` is planned.

    Whether an energy preference counts depends on the governor that there will be.
    """
    after = {item.instance: item.requested for item in items if item.knob == other}
    for item in items:
        if item.knob == knob and item.instance not in after:
            value = _reading(kernel, other, item.instance)
            if value is not None:
                after[item.instance] = value
    return after


def _passing(kernel: KernelIO, items: Sequence[Item]) -> Mapping[str, tuple[str, ...]]:
    """Of the disks in a plan those that pass requests on, and what lies below each."""
    disks = {item.instance for item in items if KNOBS[item.knob].scope == DISK}
    return {
        disk: tuple(names(kernel, f"/sys/block/{disk}/slaves"))
        for disk in disks
        if not plan.listed(kernel, KNOBS["block.scheduler"], disk)
    }


def _fills_a_pool(item: Item) -> bool:
    """Whether it gives a pool of huge pages pages."""
    return item.knob in POOLS and item.requested != "0"


def _reading(kernel: KernelIO, knob: str, instance: str) -> str | None:
    try:
        return plan.reading(kernel, KNOBS[knob], instance)
    except OSError:
        return None


def _stacked(kernel: KernelIO) -> Mapping[str, str]:
    """The disks that another device lies on as a whole, and which that is."""
    above: dict[str, str] = {}
    for disk in names(kernel, "/sys/block"):
        holders = names(kernel, f"/sys/block/{disk}/holders")
        if holders:
            above[disk] = holders[0]
    return above
