"""Comparisons: several wishes for the same targets, of which one at a time is in force.

A comparison is one trial. Its arms speak of one set of targets, the union of what each names, and
what an arm does not name it wants as it was. Nothing here reads more than a plan does, or writes.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from aitune_helper import messages, plan
from aitune_helper.knobs import KNOBS, other_half
from aitune_helper.messages import Arm, Plan, Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import ArmChanges, Item

ARMS_MIN = 2
ARMS_MAX = 8
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,15}")


def make_plan(kernel: KernelIO, arms: Sequence[ArmChanges], *, force: bool = False) -> Plan:
    """Check the arms of a comparison, each by itself, and fill in what they leave out.

    Args:
        kernel: The machine.
        arms: What each wants; the first is the one that applying begins with.
        force: Leave out the guards for memory.

    Raises:
        Refusal: As for a plain plan; also for names, or a number of arms, that cannot be.
    """
    _check_names([arm.name for arm in arms])
    plans = [plan.make_plan(kernel, arm.changes, force=force) for arm in arms]
    union: dict[tuple[str, str], Item] = {}
    for made in plans:
        for item in made.items:
            union.setdefault((item.knob, item.instance), _as_before(item))
    if len(union) * len(arms) > plan.CHANGES_MAX:
        raise plan.Refusal("", "", f"a comparison takes at most {plan.CHANGES_MAX} values")
    plan.refuse_doubles(kernel, tuple(union.values()))
    filled = tuple(Arm(arm.name, _filled(union, made.items)) for arm, made in zip(arms, plans))
    warnings = dict.fromkeys(warning for made in plans for warning in made.warnings)
    return Plan(filled[0].items, tuple(warnings), _digest(kernel, filled), filled)


def items_of(trial: Trial, name: str) -> tuple[Item, ...] | None:
    """What an arm of a trial wants, with nothing said of how it came out before; None if none."""
    for arm in trial.arms:
        if arm.name == name:
            return tuple(_afresh(item) for item in arm.items)
    return None


def with_items(trial: Trial, items: tuple[Item, ...]) -> Trial:
    """A trial whose arm in force has come out so."""
    arms = tuple(arm._replace(items=items) if arm.name == trial.arm else arm for arm in trial.arms)
    return trial._replace(items=items, arms=arms)


def kept(trial: Trial) -> Trial:
    """A trial as it is kept: of a comparison only what its arm changes, which is all that lasts."""
    if not trial.arms:
        return trial
    changed = (
        item for item in trial.items if {item.requested, item.effective or item.old} != {item.old}
    )
    return trial._replace(items=tuple(changed))


def write_order(kernel: KernelIO, items: Sequence[Item]) -> list[int]:
    """The indices of items in the order in which they are to be written.

    Of two knobs that say one thing the half that is to be 0 comes after the other, which sets it.
    """

    def turn(index: int) -> tuple[int, int, bool]:
        item = items[index]
        is_zero_half = other_half(KNOBS[item.knob]) is not None and item.requested == "0"
        return (*plan.order(kernel, item.knob, item.instance, item.requested), is_zero_half)

    return sorted(range(len(items)), key=turn)


def _check_names(names: Sequence[str]) -> None:
    if not ARMS_MIN <= len(names) <= ARMS_MAX:
        raise plan.Refusal("", "", f"a comparison has {ARMS_MIN} to {ARMS_MAX} arms")
    for name in names:
        if _NAME.fullmatch(name) is None:
            reason = "the name of an arm is a letter and up to 15 letters, digits, - or _"
            raise plan.Refusal("", "", reason)
    if len(set(names)) != len(names):
        raise plan.Refusal("", "", "two arms have the same name")


def _as_before(item: Item) -> Item:
    return item._replace(requested=item.old, status=messages.UNCHANGED, note="")


def _filled(union: dict[tuple[str, str], Item], named: Sequence[Item]) -> tuple[Item, ...]:
    """All targets of a comparison as one arm wants them."""
    own = {(item.knob, item.instance): item for item in named}
    return tuple(own.get(target) or _left_out(item, own) for target, item in union.items())


def _left_out(item: Item, named: dict[tuple[str, str], Item]) -> Item:
    """A target that an arm does not name: as before, but 0 where the arm names its other half."""
    half = other_half(KNOBS[item.knob])
    if half is None or (half.id, item.instance) not in named or item.old == "0":
        return item
    return item._replace(requested="0", status=messages.PLANNED)


def _afresh(item: Item) -> Item:
    return item._replace(
        effective=None,
        status=messages.UNCHANGED if item.requested == item.old else messages.PLANNED,
        errno=None,
        note="",
        parts=tuple(part._replace(effective=None) for part in item.parts),
        along=tuple(other._replace(effective=None) for other in item.along),
    )


def _digest(kernel: KernelIO, filled: Sequence[Arm]) -> str:
    """Digest of all arms, by their names too."""
    text = json.dumps([[arm.name, plan.digest(kernel, arm.items)] for arm in filled])
    return hashlib.sha256(text.encode("ascii")).hexdigest()
