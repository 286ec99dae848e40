"""Going back: every value of a trial to what it was, unless somebody else has set it since.

Two passes. The first looks at everything and settles where each value goes; the second writes, in
an order in which the kernel's own side effects are undone by what follows. A value is written only
if it then differs: some writes have effects of their own (`vm.min_free_kbytes` is pinned by one).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from aitune_helper import kernelfs, late, messages, plan
from aitune_helper.kernelfs import GONE
from aitune_helper.knobs import KNOBS, other_half
from aitune_helper.slots import is_gone, now_or_none, turn
from aitune_helper.steps import as_it_stands

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import Item
    from aitune_helper.slots import Target
    from aitune_helper.state import Slot


# Before what failed is tried again: a queue that is being changed is busy for about as long.
_PAUSE_S = 0.05


class Fate(NamedTuple):
    """What became of one slot: its status, what it holds now, and the errno where one came."""

    status: str
    now: str | None
    errno: str | None = None


def settle(kernel: KernelIO, slots: Sequence[Slot]) -> tuple[Slot, ...]:
    """Decide where each value goes; nothing is written.

    A value that is neither the old one nor ours is a third party's: it becomes the goal, so that
    it survives what restoring its neighbours does to it. What is no setting by itself, but only
    comes along with one, is left with it. Slots that no write of ours has touched are left out.
    Settling what is settled changes nothing, so a restore that was killed is simply done again.
    """
    settled: dict[Target, Slot] = {}
    for slot in slots:
        if slot.touched:
            now = now_or_none(kernel, slot)
            ours = slot.after is None or now is None or now in (slot.old, slot.after)
            left = slot._replace(old=now or slot.old, drifted=True)
            settled[slot.knob, slot.instance] = slot if ours else left
    for leader in [slot for slot in settled.values() if slot.drifted]:
        for target in _followers(kernel, leader):
            _leave(kernel, settled, target)
    return tuple(slot._replace(after=None) for slot in settled.values())


def _followers(kernel: KernelIO, leader: Slot) -> Iterator[Target]:
    """What belongs to whoever set `leader`: its other half, and what only comes along with it."""
    knob = KNOBS[leader.knob]
    for other, instance in kernelfs.coupled(kernel, knob, leader.instance):
        if other == other_half(knob) or other.follows:
            yield other.id, instance


def _leave(kernel: KernelIO, settled: dict[Target, Slot], target: Target) -> None:
    """Make of one value what it is now; one that is no more is not looked for."""
    slot = settled.get(target)
    if slot is None or slot.drifted:
        return
    now = now_or_none(kernel, slot)
    if now is None:
        del settled[target]
    elif now != slot.old:
        settled[target] = slot._replace(old=now, drifted=True)


def put_back(kernel: KernelIO, settled: Sequence[Slot]) -> dict[Target, Fate]:
    """Write the settled values, each where it differs, and read all of them back.

    Never stops at an error, and comes back to what failed once all else is done: a queue may have
    been busy, or memory short. Does nothing the second time.
    """
    fates = _attempt(kernel, settled)
    if any(fate.errno is not None for fate in fates.values()):
        time.sleep(_PAUSE_S)
        fates = _attempt(kernel, settled)
    return fates


def _attempt(kernel: KernelIO, settled: Sequence[Slot]) -> dict[Target, Fate]:
    """Write once and read back, whatever fails on the way."""
    errors = _write(kernel, sorted(settled, key=lambda slot: turn(kernel, slot)))
    return {
        (slot.knob, slot.instance): _fate(kernel, slot, errors.get((slot.knob, slot.instance)))
        for slot in settled
    }


def _write(kernel: KernelIO, order: Sequence[Slot]) -> dict[Target, str]:
    """Write one after another what differs; the errors by target."""
    errors: dict[Target, str] = {}
    for slot in order:
        knob = KNOBS[slot.knob]
        try:
            if not is_gone(kernel, slot) and plan.reading(kernel, knob, slot.instance) != slot.old:
                late.write(kernel, knob, slot.instance, slot.old)
        except OSError as error:
            errors[slot.knob, slot.instance] = plan.error_name(error)
        except ValueError:  # no bytes that could have been read from it: this one stays as it is
            errors[slot.knob, slot.instance] = "EINVAL"
    return errors


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
    short = [target for target, fate in fates.items() if fate.status in _SENTENCES]
    if short:
        own = (item.knob, item.instance)
        name, instance = target = min(short, key=lambda each: (_gravity(fates[each]), each != own))
        fate = fates[target]
        sentence = _SENTENCES[fate.status]
        item = item._replace(
            status=fate.status,
            errno=fate.errno,
            note=sentence.format(f"{name} {instance}".strip(), fate.now, fate.errno),
        )
    else:
        if item.status in {messages.UNCHANGED, *_AS_IT_WENT}:
            return item
        item = item._replace(status=messages.REVERTED, errno=None, note="")
    return as_it_stands(kernel, item)


# An item that went wrong while applying says so after the rollback too, if that went well.
_AS_IT_WENT = (messages.FAILED, messages.PARTIAL, messages.VANISHED)
# How going back falls short, the gravest first.
_SENTENCES = {
    messages.FAILED: "{0} could not be put back ({2}): it holds {1}",
    messages.VANISHED: "{0} is gone, or is another device by now: nothing was written",
    messages.DRIFTED: "{0} was set to {1} by somebody else meanwhile: left so",
    messages.PARTIAL: "{0} holds only {1}",
}


def _gravity(fate: Fate) -> int:
    return list(_SENTENCES).index(fate.status)


def _fate(kernel: KernelIO, slot: Slot, error: str | None) -> Fate:
    """Read one slot back."""
    try:
        if is_gone(kernel, slot):
            return Fate(messages.VANISHED, None)
        now = plan.reading(kernel, KNOBS[slot.knob], slot.instance)
    except OSError as failure:
        status = messages.VANISHED if failure.errno in GONE else messages.FAILED
        return Fate(status, None, plan.error_name(failure))
    if now == slot.old:
        return Fate(messages.DRIFTED if slot.drifted else messages.REVERTED, now)
    best_effort = KNOBS[slot.knob].undo != "exact" and error is None
    return Fate(messages.PARTIAL if best_effort else messages.FAILED, now, error)
