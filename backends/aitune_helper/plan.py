"""Checking wanted changes against a machine: what would be written, from which values, and why not.

Nothing here writes. The same code runs as root behind `Plan` and without rights in the app.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
from typing import TYPE_CHECKING

from aitune_helper import guards, kernelfs, messages
from aitune_helper.guards import Former, Refusal, refuse_doubles
from aitune_helper.knobs import BEST_EFFORT, KNOBS, POLICY, UPPER_LIMITS, Knob
from aitune_helper.knobs import refusal as value_refusal
from aitune_helper.messages import Along, Change, Item, Part, Plan
from aitune_helper.reading import (
    GIB,
    Memory,
    error_name,
    gib,
    is_value,
    listed,
    meant,
    memory,
    nodes_of_pool,
    number,
    page_bytes,
    parse_memory,
    pool_of,
    reading,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aitune_helper.kernelfs import KernelIO

# What others know from here.
__all__ = (
    "CHANGES_MAX", "GIB", "Former", "Memory", "Refusal", "digest", "error_name", "gib", "listed",
    "make_plan", "meant", "memory", "never", "nodes_of_pool", "order", "page_bytes",
    "parse_memory", "pool_of", "rank", "reading", "refuse_doubles",
)  # fmt: skip

CHANGES_MAX = 4096

_NODES_ONLINE = "/sys/devices/system/node/online"
_KEEP_FREE = {knob.id for knob in KNOBS.values() if "vm.min_free_kbytes" in knob.coupled}
_IN_USE = "pages that a program uses when it goes back stay until that program ends"


def never(_knob: str, _instance: str, _value: str) -> bool:
    """Nothing is to be put back: every value has to be one that the table offers."""
    return False


def make_plan(
    kernel: KernelIO, changes: Sequence[Change], *, force: bool = False, former: Former = never
) -> Plan:
    """Check changes and say what each would do.

    Args:
        kernel: The machine.
        changes: What is wanted; they are put in the order of the table.
        force: Leave out the guards for memory.
        former: Tells a value that was there before a kept trial. It may be put back though the
            table does not offer it, or not to that: a scheduler's own option, say.

    Returns:
        The plan. An item is `stale` where the kernel no longer holds the expected value,
        `unchanged` where it already holds the wanted one, else `planned`.

    Raises:
        Refusal: For the first change that cannot be: unknown knob, instance or value, a target or
            a pool named twice, two that exclude each other, or too little memory.
    """
    if len(changes) > CHANGES_MAX:
        raise Refusal("", "", f"a plan takes at most {CHANGES_MAX} changes")
    checked = [_item(kernel, change, former) for change in changes]
    items = tuple(sorted(checked, key=lambda item: rank(item.knob, item.requested, item.old)))
    guards.contradictions(kernel, items)
    guards.starvation(kernel, items, force=force, former=former)
    try:
        return Plan(items, tuple(_warnings(items)), digest(kernel, items))
    except OSError as error:
        raise Refusal("", "", f"a device cannot be told ({error_name(error)})") from error


def rank(knob: str, value: str, now: str = "") -> tuple[int, int]:
    """When a value is written, on the way there or back: lower ones first.

    Strict accounting is left first and entered last of the globals. Of two limits the upper one is
    raised before the lower one is written, and lowered after it: so neither is ever cut.

    Args:
        knob: Its id.
        value: What is to be written.
        now: What it holds by then; "" where that is not known, as at boot, when the upper limit is
            as high as it can be.
    """
    if knob == "vm.overcommit_memory":
        return (1 if value == "2" else -1), 0
    if knob not in KNOBS:
        return 0, 0
    if knob not in UPPER_LIMITS:
        return KNOBS[knob].turn, 0
    is_lowered = now.isdecimal() and value.isdecimal() and int(value) < int(now)
    return KNOBS[knob].turn, 1 if is_lowered else -1


def order(kernel: KernelIO, knob: str, instance: str, value: str) -> tuple[int, int]:
    """When a value is written, as `rank` says, by what the target holds now."""
    now = ""
    if knob in UPPER_LIMITS:
        with contextlib.suppress(OSError):
            now = reading(kernel, KNOBS[knob], instance)
    return rank(knob, value, now)


def _item(kernel: KernelIO, change: Change, former: Former) -> Item:
    """Check one change by itself."""
    knob = KNOBS.get(change.knob)
    if knob is None or not (knob.offered or former(*change[:3])):
        raise Refusal(change.knob, change.instance, f"there is no knob {change.knob!a}")
    there = kernelfs.exists(kernel, knob, change.instance)
    if not there and knob.offered:
        # An option of a scheduler that is put back is there once the scheduler is.
        raise Refusal(knob.id, change.instance, _no_instance(kernel, knob, change.instance))
    try:
        old = reading(kernel, knob, change.instance) if there else ""
        parts = tuple(
            Part(node, reading(kernel, pool, node))
            for pool, node in nodes_of_pool(kernel, knob, change.instance)
        )
        along = tuple(
            Along(other.id, instance, reading(kernel, other, instance))
            for other, instance in kernelfs.coupled(kernel, knob, change.instance)
            if kernelfs.exists(kernel, other, instance)
        )
    except OSError as error:
        raise Refusal(knob.id, change.instance, _unread(knob, error)) from error
    if there and not is_value(knob, old):
        raise Refusal(knob.id, change.instance, f"{knob.id} cannot be read: it holds no number")
    choices = listed(kernel, knob, change.instance)
    refused = value_refusal(knob, change.value, choices) if there else None
    if refused and former(*change[:3]):
        refused = None
    refused = refused or (_why_not_here(kernel, knob, change, old) if there else "")
    if refused:
        raise Refusal(knob.id, change.instance, refused)
    status = messages.UNCHANGED if old == change.value else messages.PLANNED
    if change.expected is not None and change.expected != old:
        status = messages.STALE
    return Item(
        knob.id,
        change.instance,
        knob.file(change.instance),
        old,
        change.value,
        status=status,
        note=_note(knob, old, change.value, choices),
        undo=knob.undo,
        parts=parts,
        along=along,
    )


def _unread(knob: Knob, error: OSError) -> str:
    """Say that a target cannot be read, and why."""
    offline = knob.scope == POLICY and error.errno == errno.EBUSY
    reason = ": its cores are offline" if offline else ""
    return f"{knob.id} cannot be read ({error_name(error)}){reason}"


def _why_not_here(kernel: KernelIO, knob: Knob, change: Change, old: str) -> str:
    """Say why this machine does not take this value, or any; "" where it does."""
    if knob.id == "kernel.numa_balancing":
        try:
            if kernel.read(_NODES_ONLINE).strip().isdigit():
                return "this machine has one node: there is nothing to balance"
        except OSError:
            pass  # a kernel without nodes at all has no such file either
    if change.value != old:
        refused = KNOBS.get(meant(kernel, knob), knob).fixed or _beyond(kernel, knob, change)
        if refused:
            return refused
    try:
        kernel.probe(knob.file(change.instance))
    except OSError as error:
        return f"{knob.id} cannot be written here ({error_name(error)})" + (
            ", as in a container: change it on the host" if error.errno == errno.EROFS else ""
        )
    return ""


def _beyond(kernel: KernelIO, knob: Knob, change: Change) -> str:
    """Say that a number is beyond what the hardware of this instance can; "" where it is not."""
    if change.value in knob.words:
        return ""
    least = number(kernel, knob.least_in.replace("{instance}", change.instance))
    if least is not None and int(change.value) < least:
        return f"{knob.id} takes at least {least} here, which is what the hardware can"
    most = number(kernel, knob.most_in.replace("{instance}", change.instance))
    if most is not None and int(change.value) > most:
        return f"{knob.id} takes at most {most} here, which is what the hardware can"
    return ""


def _no_instance(kernel: KernelIO, knob: Knob, instance: str) -> str:
    """Say what there is instead of an instance that is not there."""
    found = kernelfs.instances(kernel, knob)
    if not found and not kernelfs.has_total(kernel, knob):
        return f"this machine has no {knob.id}"
    if found == ("",):
        return f"{knob.id} has no instances"
    choices = ", ".join(found[:16]) + (" …" if len(found) > 16 else "")
    if not instance:
        return f"{knob.id} needs an instance: {choices}"
    return f"{knob.id} has no {instance!a} here, only: {choices}"


def _note(knob: Knob, old: str, value: str, choices: tuple[str, ...]) -> str:
    """The sentence that goes with an item, or ""."""
    if choices and value not in choices:
        return "not listed by the kernel now: its module must be loaded first"
    if knob.undo == BEST_EFFORT and value != old:
        grows = knob.unit == "pages" and int(value) > int(old or 0)
        return _IN_USE if grows else knob.doubt
    return ""


def _warnings(items: Iterable[Item]) -> list[str]:
    """Sentences about the plan as a whole."""
    knobs = {item.knob for item in items if item.status == messages.PLANNED}
    warnings = []
    if "block.scheduler" in knobs:
        warnings.append(
            "changing a scheduler resets the queue length and the scheduler's own options"
        )
    if knobs & _KEEP_FREE:
        warnings.append("changing THP may change vm.min_free_kbytes; undo puts both back")
    return warnings


def digest(kernel: KernelIO, items: tuple[Item, ...]) -> str:
    """Digest of the changes, of the values they start from and of the devices they are for."""
    text = json.dumps(
        [
            [
                item.knob,
                item.instance,
                item.requested,
                item.old,
                [list(part) for part in item.parts],
                kernelfs.identity(kernel, KNOBS[item.knob], item.instance),
            ]
            for item in items
        ],
        separators=(",", ":"),
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()
