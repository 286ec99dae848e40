"""Going back: every value of a trial to what it was, unless somebody else has set it since.

Two passes. The first looks at everything and settles where each value goes; the second writes, in
an order in which the kernel's own side effects are undone by what follows. A value is written only
if it then differs: some writes have effects of their own (`vm.min_free_kbytes` is pinned by one).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aitune_helper import kernelfs, messages, plan
from aitune_helper.knobs import KNOBS
from aitune_helper.steps import GONE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import Item
    from aitune_helper.state import Slot

Target = tuple[str, str]


class Fate(NamedTuple):
    """What became of one slot: its status, what it holds now, and the errno where one came."""

    status: str
    now: str | None
    errno: str | None = None


def settle(kernel: KernelIO, slots: Sequence[Slot], step: int) -> tuple[Slot, ...]:
    """Decide where each value goes; nothing is written.

    A value that is neither the old one nor ours is a third party's: it becomes the goal, so that
    it survives what restoring its neighbours does to it. Slots of items after `step` were never
    touched and are left out. Settling what is settled changes nothing, so a restore that was
    killed is simply done again.
    """
    settled = []
    for slot in slots:
        if slot.item > step:
            continue
        now = _reading(kernel, slot)
        ours = slot.after is None or now is None or now in (slot.old, slot.after)
        settled.append(
            slot._replace(after=None)
            if ours
            else slot._replace(old=now or slot.old, after=None, drifted=True)
        )
    return tuple(settled)


def put_back(kernel: KernelIO, settled: Sequence[Slot]) -> dict[Target, Fate]:
    """Write the settled values, each where it differs, and read all of them back.

    Never stops at an error; does nothing the second time.
    """
    errors: dict[Target, str] = {}
    for slot in sorted(settled, key=_turn):
        if _is_gone(kernel, slot):
            continue
        knob = KNOBS[slot.knob]
        try:
            if plan.reading(kernel, knob, slot.instance) != slot.old:
                kernel.write(knob.file(slot.instance), slot.old)
        except OSError as error:
            errors[slot.knob, slot.instance] = plan.error_name(error)
    return {
        (slot.knob, slot.instance): _fate(kernel, slot, errors.get((slot.knob, slot.instance)))
        for slot in settled
    }


def is_back(kernel: KernelIO, items: Sequence[Item]) -> bool:
    """Whether every item, and each of its parts, holds what it held before."""
    try:
        return all(
            plan.reading(kernel, KNOBS[item.knob], item.instance) == item.old
            and all(
                plan.reading(kernel, knob, instance) == part.old
                for (knob, instance), part in zip(
                    plan.nodes_of_pool(kernel, KNOBS[item.knob], item.instance), item.parts
                )
            )
            for item in items
        )
    except (OSError, KeyError):
        return False


def outcome(
    kernel: KernelIO, items: Sequence[Item], settled: Sequence[Slot], fates: Mapping[Target, Fate]
) -> tuple[Item, ...]:
    """Say what became of each item, from what became of the values it touched."""
    owners = {(item.knob, item.instance): index for index, item in enumerate(items)}
    touched: list[list[Target]] = [[] for _ in items]
    for slot in settled:
        target = (slot.knob, slot.instance)
        touched[owners.get(target, slot.item)].append(target)
    return tuple(
        _outcome(kernel, item, {target: fates[target] for target in touched[index]})
        for index, item in enumerate(items)
    )


def _outcome(kernel: KernelIO, item: Item, fates: Mapping[Target, Fate]) -> Item:
    if item.status == messages.PLANNED and not fates:
        return item._replace(status=messages.UNCHANGED, effective=item.old, note="not written")
    for status in (messages.VANISHED, messages.FAILED, messages.DRIFTED, messages.PARTIAL):
        short = [(target, fate) for target, fate in fates.items() if fate.status == status]
        if short:
            (name, instance), fate = short[0]
            item = item._replace(
                status=status,
                errno=fate.errno,
                note=_SENTENCES[status].format(f"{name} {instance}".strip(), fate.now, fate.errno),
            )
            break
    else:
        if item.status in {messages.UNCHANGED, *_AS_IT_WENT}:
            return item
        item = item._replace(status=messages.REVERTED, errno=None, note="")
    now = {instance: fate.now for (_, instance), fate in fates.items()}
    return item._replace(
        effective=_own_value(kernel, item),
        parts=tuple(part._replace(effective=now.get(part.instance)) for part in item.parts),
    )


# An item that went wrong while applying says so after the rollback too, if that went well.
_AS_IT_WENT = (messages.FAILED, messages.PARTIAL, messages.VANISHED)
_SENTENCES = {
    messages.VANISHED: "{0} is gone, or is another device by now: nothing was written",
    messages.FAILED: "{0} could not be put back ({2}): it holds {1}",
    messages.DRIFTED: "{0} was set to {1} by somebody else meanwhile: left so",
    messages.PARTIAL: "{0} holds only {1}",
}


def _turn(slot: Slot) -> tuple[int, int, bool]:
    """The order of going back: last item first; a disk's scheduler, then its limits, at the end.

    Of two values that zero each other the one that was not zero is written: it zeroes the other.
    """
    knob = KNOBS[slot.knob]
    mutual = any(slot.knob in KNOBS[other].coupled for other in knob.coupled)
    return plan.ORDER.get(slot.knob, 0), -slot.item, mutual and slot.old == "0"


def _is_gone(kernel: KernelIO, slot: Slot) -> bool:
    """Whether the device is no more, or another bears its name."""
    return kernelfs.identity(kernel, KNOBS[slot.knob], slot.instance) != slot.identity


def _reading(kernel: KernelIO, slot: Slot) -> str | None:
    try:
        return plan.reading(kernel, KNOBS[slot.knob], slot.instance)
    except OSError:
        return None


def _fate(kernel: KernelIO, slot: Slot, error: str | None) -> Fate:
    """Read one slot back."""
    if _is_gone(kernel, slot):
        return Fate(messages.VANISHED, None)
    try:
        now = plan.reading(kernel, KNOBS[slot.knob], slot.instance)
    except OSError as failure:
        status = messages.VANISHED if failure.errno in GONE else messages.FAILED
        return Fate(status, None, plan.error_name(failure))
    if now == slot.old:
        return Fate(messages.DRIFTED if slot.drifted else messages.REVERTED, now)
    best_effort = KNOBS[slot.knob].undo != "exact" and error is None
    return Fate(messages.PARTIAL if best_effort else messages.FAILED, now, error)


def _own_value(kernel: KernelIO, item: Item) -> str | None:
    try:
        return plan.reading(kernel, KNOBS[item.knob], item.instance)
    except OSError:
        return None
