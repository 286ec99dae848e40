"""Writing one item: in steps that can be stopped, each read back; and the values it touches."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Callable

from aitune_helper import kernelfs, messages, plan, shortfall
from aitune_helper.knobs import KNOBS, Knob
from aitune_helper.state import Slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import Item

STEP_BYTES = 2**30
STOPPED = "stopped by the operator"
GONE = (errno.ENOENT, errno.ENODEV, errno.ENXIO)


def targets(kernel: KernelIO, item: Item) -> Iterator[tuple[Knob, str]]:
    """What one item touches: itself, or its nodes for a pool's total, then what is coupled."""
    knob = KNOBS[item.knob]
    nodes = plan.nodes_of_pool(kernel, knob, item.instance)
    if nodes:
        yield from nodes
    else:
        yield knob, item.instance
    for coupled in knob.coupled:
        if kernelfs.exists(kernel, KNOBS[coupled], item.instance):
            yield KNOBS[coupled], item.instance


def snapshot(kernel: KernelIO, items: Sequence[Item]) -> tuple[Slot, ...]:
    """Read every value that applying `items` may change, each once.

    Raises:
        OSError: One cannot be read: then nothing may be written.
    """
    slots: dict[tuple[str, str], Slot] = {}
    for index, item in enumerate(items):
        for knob, instance in targets(kernel, item):
            if (knob.id, instance) not in slots:
                slots[knob.id, instance] = Slot(
                    knob.id,
                    instance,
                    kernelfs.identity(kernel, knob, instance),
                    plan.reading(kernel, knob, instance),
                    None,
                    index,
                )
    return tuple(slots.values())


def in_flux(kernel: KernelIO, slots: Sequence[Slot], item: Item) -> tuple[Slot, ...]:
    """Forget what the slots of `item` held after an earlier write: from now on it may be ours."""
    touched = {(knob.id, instance) for knob, instance in targets(kernel, item)}
    return tuple(
        slot._replace(after=None) if (slot.knob, slot.instance) in touched else slot
        for slot in slots
    )


def read_after(kernel: KernelIO, slots: Sequence[Slot], item: Item) -> tuple[Slot, ...]:
    """Fill in what the slots of `item` hold now, so that a drift can be told later."""
    touched = {(knob.id, instance) for knob, instance in targets(kernel, item)}
    return tuple(
        slot._replace(after=_now(kernel, slot)) if (slot.knob, slot.instance) in touched else slot
        for slot in slots
    )


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
    path = knob.file(item.instance)
    stopped = ""
    try:
        now = plan.reading(kernel, knob, item.instance)
        if now == item.requested:
            status = messages.UNCHANGED if item.old == item.requested else messages.OK
            return _read_parts(kernel, item._replace(effective=now, status=status))
        for value, grows in _stepped(kernel, knob, now, item.requested):
            if cancelled():
                stopped = STOPPED
                break
            if grows and not force and (left := plan.memory(kernel)).spare < grows:
                stopped = shortfall.at_floor(left)
                break
            kernel.write(path, value)
            now = plan.reading(kernel, knob, item.instance)
            if now != value or now == item.requested:
                break
            on_step(_read_parts(kernel, item._replace(effective=now)))
    except OSError as error:
        status = messages.VANISHED if error.errno in GONE else messages.FAILED
        return _read_parts(
            kernel,
            item._replace(
                effective=_now_or_none(kernel, knob, item.instance),
                status=status,
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
    """Fill in what each node of a pool got."""
    pool = plan.pool_of(kernel, KNOBS[item.knob]) if item.parts else ""
    return item._replace(
        parts=tuple(
            part._replace(effective=_now_or_none(kernel, KNOBS[pool], part.instance))
            for part in item.parts
        )
    )


def _now(kernel: KernelIO, slot: Slot) -> str | None:
    return _now_or_none(kernel, KNOBS[slot.knob], slot.instance)


def _now_or_none(kernel: KernelIO, knob: Knob, instance: str) -> str | None:
    try:
        return plan.reading(kernel, knob, instance)
    except OSError:
        return None
