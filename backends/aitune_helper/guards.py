"""What a plan may not come to as a whole: changes that contradict each other, or starve a machine.

Each looks at the items as they were checked one by one, and at the machine; none of them writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from aitune_helper.knobs import KNOBS, NODE, Knob, other_half
from aitune_helper.reading import error_name, gib, meant, memory, page_bytes, pool_of, reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import Item

# Whether a value stood in a target (knob, instance, value) before a trial that was kept.
Former = Callable[[str, str, str], bool]

# One of them counts, the other is 0.
_LIMITS = {"vm.overcommit_ratio", "vm.overcommit_kbytes"}
# What of that limit only root may take.
_RESERVE = "vm.admin_reserve_kbytes"
_LOWER_LIMITS = tuple(knob for knob in KNOBS.values() if knob.below)
_MIN_FREE = "vm.min_free_kbytes"
_MIN_FREE_SHARE = 0.05


class Refusal(ValueError):  # noqa: N818 (a refusal is its name on screen and in JSON too)
    """A change that this machine, or this table, does not allow.

    Attributes:
        knob, instance: The target as the client named it.
        reason: One sentence for the operator.
    """

    def __init__(self, knob: str, instance: str, reason: str) -> None:
        super().__init__(reason)
        self.knob = knob
        self.instance = instance
        self.reason = reason


def contradictions(kernel: KernelIO, items: tuple[Item, ...]) -> None:
    """Refuse a plan in which one change takes back another, or cannot be beside it."""
    refuse_doubles(kernel, items)
    _refuse_both_halves(items)
    _refuse_crossed(kernel, items)
    _refuse_preferences(kernel, items)


def refuse_doubles(kernel: KernelIO, items: tuple[Item, ...]) -> None:
    """Refuse a target named twice, and one thing set in two ways."""
    seen: set[tuple[str, str]] = set()
    ways: dict[str, set[str]] = {}
    for item in items:
        if (item.knob, item.instance) in seen:
            raise Refusal(item.knob, item.instance, "named twice in one plan")
        seen.add((item.knob, item.instance))
        knob = KNOBS[item.knob]
        what = meant(kernel, knob)
        found = ways.setdefault(what, set())
        found.add(NODE if knob.quantity and item.instance else item.knob)
        if len(found) > 1:
            thing = f"the pool {what} is sized" if pool_of(kernel, knob) else f"{what} is set"
            reason = f"{thing} in two ways: {' and '.join(sorted(found))}"
            raise Refusal(item.knob, item.instance, reason)


def _refuse_crossed(kernel: KernelIO, items: tuple[Item, ...]) -> None:
    """Refuse a least that would be above its most: the kernel would cut either of them."""
    wanted = {(item.knob, item.instance): item.requested for item in items}
    for knob_id, instance in wanted:
        for low in (low for low in _LOWER_LIMITS if knob_id in (low.id, low.below)):
            least = _then(kernel, wanted, low.id, instance)
            most = _then(kernel, wanted, low.below, instance)
            if least is not None and most is not None and least > most:
                where = f" on {instance}" if instance else ""
                reason = (
                    f"{low.id} would be {least} {low.unit}, above {low.below} of {most} "
                    f"{low.unit}{where}: name both of them, the lower one no higher"
                )
                raise Refusal(knob_id, instance, reason)


def _then(
    kernel: KernelIO, wanted: dict[tuple[str, str], str], knob_id: str, instance: str
) -> int | None:
    """What a number will be once a plan is applied; None where that cannot be read."""
    try:
        value = wanted.get((knob_id, instance))
        return int(reading(kernel, KNOBS[knob_id], instance) if value is None else value)
    except (OSError, ValueError):
        return None


def _refuse_both_halves(items: tuple[Item, ...]) -> None:
    """Refuse two ways to say one thing: whichever is written last would clear the other."""
    named = {(item.knob, item.instance) for item in items}
    for item in items:
        half = other_half(KNOBS[item.knob])
        if half is not None and (half.id, item.instance) in named:
            reason = f"setting {half.id} sets {item.knob} to 0: name one of them"
            raise Refusal(item.knob, item.instance, reason)


def _refuse_preferences(kernel: KernelIO, items: tuple[Item, ...]) -> None:
    """Refuse what the processor may not prefer under the governor that there will be: EBUSY."""
    governors = {item.instance: item.requested for item in items if item.knob == "cpu.governor"}
    for item in items:
        if item.knob != "cpu.epp" or item.requested == "performance":
            continue
        governor = governors.get(item.instance)
        if governor is None:
            governor = _governor(kernel, item.instance)
        if governor == "performance":
            reason = (
                "under the governor performance a processor prefers performance alone: "
                "choose another governor with it"
            )
            raise Refusal(item.knob, item.instance, reason)


def _governor(kernel: KernelIO, policy: str) -> str:
    try:
        return reading(kernel, KNOBS["cpu.governor"], policy)
    except OSError:
        return ""


def starvation(kernel: KernelIO, items: tuple[Item, ...], *, force: bool, former: Former) -> None:
    """Refuse what leaves a machine without memory, or without any that can be asked for.

    Args:
        kernel: The machine.
        items: What is wanted.
        force: Leave out what the machine has to judge by what is free now.
        former: What was there before a kept trial may be there again.
    """
    try:
        _refuse_too_much_free(kernel, items, former)
        if not force:
            _guard_memory(kernel, items)
            _guard_commit(kernel, items)
    except Refusal:
        raise
    except (OSError, ValueError) as error:
        name = error_name(error) if isinstance(error, OSError) else "no number"
        raise Refusal("", "", f"memory cannot be checked ({name})") from error


def _refuse_too_much_free(kernel: KernelIO, items: Iterable[Item], former: Former) -> None:
    """Refuse to keep too large a share of all memory free: it is kept from every program."""
    for item in (item for item in items if item.knob == _MIN_FREE):
        grows = int(item.requested) > int(item.old or 0)
        most = int(memory(kernel).total * _MIN_FREE_SHARE) // 1024
        if grows and int(item.requested) > most and not former(*item[:2], item.requested):
            reason = (
                f"{item.knob} takes at most {most} KiB here, a twentieth of the memory: "
                "what is kept free is kept from every program"
            )
            raise Refusal(item.knob, item.instance, reason)


def _guard_memory(kernel: KernelIO, items: Iterable[Item]) -> None:
    """Refuse what takes more memory than can be spared; name the most that is safe."""
    taken = 0
    for item in items:
        unit = _unit_bytes(kernel, KNOBS[item.knob])
        if not unit:
            continue
        old, now = int(item.old or 0), memory(kernel)
        more = max(0, int(item.requested) - old) * unit
        if more and taken + more > now.spare:
            knob = KNOBS[item.knob]
            reason = (
                f"{item.requested} {knob.unit} take {gib(taken + more)} of {gib(now.available)} "
                f"available, of which {gib(now.reserve)} have to stay; the most that is safe: "
                f"{old + max(0, now.spare - taken) // unit}"
            )
            raise Refusal(item.knob, item.instance, reason)
        taken += more


def _unit_bytes(kernel: KernelIO, knob: Knob) -> int:
    """The bytes that one more of a knob takes from what is available; 0 for nearly every knob."""
    if knob.id == _MIN_FREE:
        # The machine keeps half as much again free: reclaiming ends at the high watermark.
        return 1024 * 3 // 2
    pool = pool_of(kernel, knob)
    return page_bytes(pool) if pool else 0


def _guard_commit(kernel: KernelIO, items: tuple[Item, ...]) -> None:
    """Refuse strict accounting below what is already promised: every next allocation fails."""
    wanted = {item.knob: item.requested for item in items}
    mode = wanted.get("vm.overcommit_memory")
    if mode is None and {*_LIMITS, _RESERVE} & wanted.keys():
        mode = reading(kernel, KNOBS["vm.overcommit_memory"])
    if mode != "2":
        return
    now = memory(kernel)
    changed = {item.knob for item in items if item.requested != item.old}
    after = wanted if _LIMITS & changed else {n: reading(kernel, KNOBS[n]) for n in _LIMITS}
    share = (now.total - now.huge) * int(after.get("vm.overcommit_ratio", "0")) // 100
    limit = share + int(after.get("vm.overcommit_kbytes", "0")) * 1024 + now.swap_total
    targets = {(item.knob, item.instance): item.requested for item in items}
    limit = max(0, limit - (_then(kernel, targets, _RESERVE, "") or 0) * 1024)
    if limit < now.committed:
        reason = (
            f"processes have been promised {gib(now.committed)}, but strict accounting would "
            f"allow {gib(limit)}: every next allocation would fail, this session's too"
        )
        raise Refusal("vm.overcommit_memory", "", reason)
