"""The values that a trial touches: what its items reach, as it was, and as we left it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_helper import kernelfs, messages, plan
from aitune_helper.knobs import KNOBS, Knob, other_half
from aitune_helper.state import Slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import Item, Trial

Target = tuple[str, str]


def targets(kernel: KernelIO, item: Item) -> Iterator[tuple[Knob, str]]:
    """What one item touches: itself, or its nodes for a pool's total, then what is coupled.

    A coupled one may not be there now: a scheduler's options come and go with it.
    """
    knob = KNOBS[item.knob]
    if item.parts:
        pool = KNOBS[plan.pool_of(kernel, knob)]
        yield from ((pool, part.instance) for part in item.parts)
    else:
        yield knob, item.instance
    yield from kernelfs.coupled(kernel, knob, item.instance)


def snapshot(kernel: KernelIO, items: Sequence[Item]) -> tuple[Slot, ...]:
    """Read every value that applying `items` may change, each once.

    Raises:
        OSError: One cannot be read: then nothing may be written.
    """
    slots: dict[Target, Slot] = {}
    for index, item in enumerate(items):
        for knob, instance in targets(kernel, item):
            must_be = knob.offered and knob.id not in KNOBS[item.knob].coupled
            is_there = must_be or kernelfs.exists(kernel, knob, instance)
            if is_there and (knob.id, instance) not in slots:
                slots[knob.id, instance] = Slot(
                    knob.id,
                    instance,
                    kernelfs.identity(kernel, knob, instance),
                    plan.reading(kernel, knob, instance),
                    None,
                    index,
                )
    return tuple(slots.values())


def turn(kernel: KernelIO, slot: Slot) -> tuple[int, int, bool, int]:
    """When a slot is put back: by the table's order, the last item first.

    Of two knobs that say one thing the half that was 0 comes after the other, which sets it.
    """
    is_zero_half = other_half(KNOBS[slot.knob]) is not None and slot.old == "0"
    return (*plan.order(kernel, slot.knob, slot.instance, slot.old), is_zero_half, -slot.item)


def is_gone(kernel: KernelIO, slot: Slot) -> bool:
    """Whether the device is no more, or another bears its name."""
    return kernelfs.identity(kernel, KNOBS[slot.knob], slot.instance) != slot.identity


def moved(kernel: KernelIO, items: Sequence[Item], slots: Sequence[Slot]) -> tuple[Item, ...]:
    """The items of which something no longer is as we left it, or as it was where we did not."""
    owners = {(item.knob, item.instance): index for index, item in enumerate(items)}
    found: dict[int, Item] = {}
    for slot in slots:
        left = slot.after if slot.touched else slot.old
        now = now_or_none(kernel, slot)
        if is_gone(kernel, slot) or (left is not None and now != left):
            index = owners.get((slot.knob, slot.instance), slot.item)
            target = f"{slot.knob} {slot.instance}".strip()
            note = f"{target} is {now}" if now is not None else f"{target} is gone"
            found[index] = items[index]._replace(status=messages.STALE, effective=now, note=note)
    return tuple(found.values())


def restored_with(
    kernel: KernelIO, trial: Trial, slots: Sequence[Slot], index: int
) -> tuple[Slot, ...]:
    """The slots that go back with one item of a trial when it goes back.

    Its own, or its nodes', and those coupled to it that are no items by themselves. What only
    comes along with another item, which is not to be as it was, is as that one makes it, unless
    somebody asks for it: each item of a plan was asked for, but an arm has those of other arms too.
    """
    leader = trial.items[index]
    others = [item for number, item in enumerate(trial.items) if number != index]
    taken = {(item.knob, item.instance) for item in others}
    for item in others:
        if item.requested != item.old:
            coupled = kernelfs.coupled(kernel, KNOBS[item.knob], item.instance)
            taken |= {(knob.id, instance) for knob, instance in coupled if knob.follows}
    if not trial.arms:
        taken.discard((leader.knob, leader.instance))
    reached = {(knob.id, instance) for knob, instance in targets(kernel, leader)} - taken
    return tuple(slot for slot in slots if (slot.knob, slot.instance) in reached)


def marked(kernel: KernelIO, slots: Sequence[Slot], item: Item) -> tuple[Slot, ...]:
    """Say that the slots of `item` may be ours from now on, whatever they held after a write."""
    touched = {(knob.id, instance) for knob, instance in targets(kernel, item)}
    return tuple(
        slot._replace(after=None, touched=True) if (slot.knob, slot.instance) in touched else slot
        for slot in slots
    )


def read_after(kernel: KernelIO, slots: Sequence[Slot], item: Item) -> tuple[Slot, ...]:
    """Fill in what the slots of `item` hold now, so that a drift can be told later."""
    touched = {(knob.id, instance) for knob, instance in targets(kernel, item)}
    return tuple(
        slot._replace(after=now_or_none(kernel, slot))
        if (slot.knob, slot.instance) in touched
        else slot
        for slot in slots
    )


def now_or_none(kernel: KernelIO, slot: Slot) -> str | None:
    """What a slot holds now; None where that cannot be read."""
    try:
        return plan.reading(kernel, KNOBS[slot.knob], slot.instance)
    except OSError:
        return None
