"""Writing one item: in steps that can be stopped, each read back; and the values it touches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from aitune_helper import kernelfs, late, messages, plan, shortfall
from aitune_helper.kernelfs import GONE
from aitune_helper.knobs import KNOBS, Knob, other_half
from aitune_helper.slots import now_or_none, turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import Item
    from aitune_helper.state import Slot

STEP_BYTES = 2**30


def held(kernel: KernelIO, item: Item, slots: Sequence[Slot]) -> Item | None:
    """The item as it came out where nothing has to be written for it, else None.

    Args:
        kernel: The machine.
        item: What is wanted.
        slots: What goes back with it where it is to be as it was.
    """
    now = _now_or_none(kernel, KNOBS[item.knob], item.instance)
    as_it_was = item.requested == item.old
    if now != item.requested or (
        as_it_was and any(now_or_none(kernel, slot) != slot.old for slot in slots)
    ):
        return None
    status = messages.UNCHANGED if as_it_was else messages.OK
    return _read_parts(kernel, item._replace(effective=now, status=status))


def bring(
    kernel: KernelIO,
    item: Item,
    slots: Sequence[Slot],
    *,
    force: bool,
    cancelled: Callable[[], bool],
    on_step: Callable[[Item], None],
) -> Item:
    """Bring one item to what is wanted of it, and say how it came out.

    What is to be as it was is so down to its nodes and to what is coupled: each slot is written
    like an item of its own. What has others coupled to it and goes from one wanted value to
    another does so by way of the old one: so they come out as they did the first time.

    Args:
        kernel: The machine.
        item: What is wanted.
        slots: What goes back with it where it is to be as it was.
        force: Leave out the guard for memory.
        cancelled: Asked between steps; True ends the writing there.
        on_step: Told the item with what was read back after each step but the last.
    """
    if item.requested != item.old:
        if _goes_by_way_of_old(kernel, item, slots):
            as_before = item._replace(requested=item.old)
            as_before = bring(
                kernel, as_before, slots, force=force, cancelled=cancelled, on_step=on_step
            )
            if as_before.status not in messages.AS_WANTED:
                return as_before._replace(requested=item.requested)
        return write_item(kernel, item, force=force, cancelled=cancelled, on_step=on_step)

    def told(_: Item) -> None:
        on_step(as_it_stands(kernel, item))

    status = messages.UNCHANGED
    for slot in sorted(slots, key=lambda slot: turn(kernel, slot)):
        part = item._replace(
            knob=slot.knob, instance=slot.instance, old=slot.old, requested=slot.old, parts=()
        )
        part = write_item(kernel, part, force=force, cancelled=cancelled, on_step=told)
        if part.status not in (messages.OK, messages.UNCHANGED):
            return as_it_stands(kernel, item)._replace(
                status=part.status, errno=part.errno, note=part.note
            )
        status = messages.OK if part.status == messages.OK else status
    return as_it_stands(kernel, item)._replace(status=status)


def _goes_by_way_of_old(kernel: KernelIO, item: Item, slots: Sequence[Slot]) -> bool:
    knob = KNOBS[item.knob]
    if other_half(knob) is not None or not any(slot.knob in knob.coupled for slot in slots):
        return False
    return _now_or_none(kernel, knob, item.instance) not in (item.old, item.requested)


def write_item(
    kernel: KernelIO,
    item: Item,
    *,
    force: bool,
    cancelled: Callable[[], bool],
    on_step: Callable[[Item], None],
) -> Item:
    """Write one item and say how it came out.

    Args:
        kernel: The machine.
        item: As planned.
        force: Leave out the guard for memory.
        cancelled: Asked between steps; True ends the writing there.
        on_step: Told the item with what was read back after each step but the last.
    """
    knob = KNOBS[item.knob]
    stopped = ""
    try:
        now = plan.reading(kernel, knob, item.instance)
        if now == item.requested:
            status = messages.UNCHANGED if item.old == item.requested else messages.OK
            return _read_parts(kernel, item._replace(effective=now, status=status))
        for value, grows in _stepped(kernel, knob, now, item.requested):
            if cancelled():
                stopped = messages.STOPPED
                break
            if grows and not force and (left := plan.memory(kernel)).spare < grows:
                stopped = shortfall.at_floor(left)
                break
            late.write(kernel, knob, item.instance, value)
            now = plan.reading(kernel, knob, item.instance)
            if now != value or now == item.requested:
                break
            on_step(_read_parts(kernel, item._replace(effective=now)))
    except OSError as error:
        # A word that the kernel does not find is ENOENT too: the compressor of zswap.
        gone = error.errno in GONE and not kernelfs.exists(kernel, knob, item.instance)
        return _read_parts(
            kernel,
            item._replace(
                effective=_now_or_none(kernel, knob, item.instance),
                status=messages.VANISHED if gone else messages.FAILED,
                errno=plan.error_name(error),
                note=f"the kernel refused: {error.strerror}",
            ),
        )
    return _judge(kernel, knob, _read_parts(kernel, item._replace(effective=now)), stopped)


def _stepped(kernel: KernelIO, knob: Knob, now: str, wanted: str) -> Iterator[tuple[str, int]]:
    """The values to write one after another, each with the bytes it takes from the machine."""
    pool = plan.pool_of(kernel, knob)
    if not pool:
        yield wanted, 0
        return
    page = plan.page_bytes(pool)
    at, goal, step = int(now), int(wanted), max(1, STEP_BYTES // page)
    while at != goal:
        following = min(goal, at + step) if goal > at else max(goal, at - step)
        yield str(following), max(0, following - at) * page
        at = following


def _judge(kernel: KernelIO, knob: Knob, item: Item, stopped: str) -> Item:
    """Compare what was read back with what was asked."""
    if item.effective == item.requested:
        return item._replace(status=messages.OK)
    pool = plan.pool_of(kernel, knob)
    if pool or stopped:
        note = stopped or shortfall.reason(kernel, pool, item)
        return item._replace(status=messages.PARTIAL, note=note)
    if knob.rounds and item.effective != item.old:
        note = f"the kernel keeps {item.effective}"
        return item._replace(status=messages.ROUNDED, note=note)
    note = f"written without an error, but the kernel holds {item.effective}"
    return item._replace(status=messages.FAILED, note=note)


def _read_parts(kernel: KernelIO, item: Item) -> Item:
    """Fill in what each node of a pool got, and what became of what is coupled."""
    pool = plan.pool_of(kernel, KNOBS[item.knob]) if item.parts else ""
    return item._replace(
        parts=tuple(
            part._replace(effective=_now_or_none(kernel, KNOBS[pool], part.instance))
            for part in item.parts
        ),
        along=tuple(
            other._replace(effective=_now_or_none(kernel, KNOBS[other.knob], other.instance))
            for other in item.along
        ),
    )


def as_it_stands(kernel: KernelIO, item: Item) -> Item:
    """An item with what it, its nodes and what is coupled to it hold now."""
    now = _now_or_none(kernel, KNOBS[item.knob], item.instance)
    return _read_parts(kernel, item._replace(effective=now))


def _now_or_none(kernel: KernelIO, knob: Knob, instance: str) -> str | None:
    try:
        return plan.reading(kernel, knob, instance)
    except OSError:
        return None
