"""What changed between two looks at a machine and was not our doing, and who may have done it.

The kernel does not say who wrote a file. What can be said: which service that runs sets this knob,
and whether to the value that is there now. Where none is known to, that is said.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_backends.foreign import clean

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from aitune_backends.managers import Keeper
    from aitune_backends.owners import Owners, Target


@dataclass(frozen=True, slots=True)
class Drift:
    """One target that changed, and not by us.

    Attributes:
        target: Which.
        old: What it held at the look before.
        new: What it holds now.
        at: When that was seen, seconds since the epoch.
        culprits: Services that run and may have done it, the likeliest first.
        sentence: All of it, for people.
    """

    target: Target
    old: str
    new: str
    at: float
    culprits: tuple[str, ...]
    sentence: str


def compare(
    before: Mapping[Target, str],
    after: Mapping[Target, str],
    ours: Container[Target],
    owners: Owners,
    at: float,
) -> tuple[Drift, ...]:
    """Find what changed between two looks, in the order of the second.

    Args:
        before: The values of the look before, by target.
        after: The values now. What was absent at either look is no drift.
        ours: Targets that a trial of this tool has changed, or put back, between the two, whoever
            applied it; also those that the kernel moved along with them.
        owners: Who sets what, as it is now.
        at: When the second look was, seconds since the epoch.
    """
    return tuple(
        _drift(target, before[target], new, owners, at)
        for target, new in after.items()
        if target in before and before[target] != new and target not in ours
    )


def _drift(target: Target, old: str, new: str, owners: Owners, at: float) -> Drift:
    keepers = culprits(owners, target, new)
    name = f"{target.knob}@{target.instance}" if target.instance else target.knob
    moved = f"{name} went from {old} to {new} at {time.strftime('%H:%M:%S', time.localtime(at))}."
    sentence = clean(f"{moved} Not by us. {_who(keepers, new)}")
    names = tuple(dict.fromkeys(keeper.manager for keeper in keepers))
    return Drift(target, old, new, at, names, sentence)


def culprits(owners: Owners, target: Target, new: str) -> tuple[Keeper, ...]:
    """The services that run and set a target: first those that set it to this very value."""
    running = [keeper for keeper in owners.keepers(*target) if keeper.running]
    return tuple(sorted(running, key=lambda keeper: keeper.value != new))


def _who(keepers: tuple[Keeper, ...], new: str) -> str:
    if not keepers:
        return "Nobody known sets it."
    first = keepers[0]
    others = len({keeper.manager for keeper in keepers}) - 1
    more = f" So {'does' if others == 1 else 'do'} {others} more." if others else ""
    if first.value is not None and first.value != new:
        return f"{first.manager} is running and sets it, to {first.value} by its files.{more}"
    return f"{first.manager} is running and sets it.{more}"
