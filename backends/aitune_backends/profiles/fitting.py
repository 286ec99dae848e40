"""A profile on one machine: the changes it means there, and what of it does not exist there.

A change that is typed must be possible. A profile is for many machines: a virtual machine without
frequency control can still use the rest of it, and is told what was left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aitune_backends.changes import ChangeError, expand
from aitune_helper import plan
from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitune_backends.changes import Wanted
    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import Change


@dataclass(frozen=True, slots=True)
class Absent:
    """A value that cannot be had on this machine, and why, in one sentence."""

    want: Wanted
    why: str

    def __str__(self) -> str:
        return f"{self.want} is left out: {self.why[:1].lower()}{self.why[1:].rstrip('.')}"


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a profile means on one machine.

    Attributes:
        changes: Of the targets that are there; those that hold their value already too.
        absent: What is left out.
    """

    changes: tuple[Change, ...]
    absent: tuple[Absent, ...]


def fit(kernel: KernelIO, all_wanted: Sequence[Wanted]) -> Fitted:
    """Turn what a profile wants into changes of this machine.

    Args:
        kernel: The machine.
        all_wanted: What is wanted, in the order of the profile.

    Raises:
        ChangeError: It contradicts itself: one target is given two values.
    """
    usable: list[Wanted] = []
    absent: list[Absent] = []
    meant: dict[tuple[str, str], Wanted] = {}
    refused: set[tuple[str, str]] = set()
    governors = _governors(kernel, all_wanted)
    for want in all_wanted:
        try:
            changes = expand(kernel, [want])
        except ChangeError as error:
            absent.append(Absent(want, str(error)))
            continue
        reasons = _refusals(kernel, changes, governors)
        if len(reasons) == len(changes):
            absent.append(Absent(want, next(iter(reasons.values()))))
            continue
        for (knob, instance), why in reasons.items():
            refused.add((knob, instance))
            absent.append(Absent(replace(want, instance=instance), why))
        usable.append(want)
        for change in changes:
            target = change.knob, change.instance
            if want.instance is not None or target not in meant:
                meant[target] = want
    return Fitted(
        tuple(
            _bounded(kernel, change, meant.get((change.knob, change.instance)))
            for change in expand(kernel, usable)
            if (change.knob, change.instance) not in refused
        ),
        tuple(absent),
    )


def _governors(kernel: KernelIO, all_wanted: Sequence[Wanted]) -> Mapping[str, Change]:
    """The governor that each policy would have: it decides which preferences can be set."""
    wanted = [want for want in all_wanted if want.knob == "cpu.governor"]
    try:
        return {change.instance: change for change in expand(kernel, wanted)}
    except ChangeError:
        return {}


def _refusals(
    kernel: KernelIO, changes: Sequence[Change], governors: Mapping[str, Change]
) -> Mapping[tuple[str, str], str]:
    """Why targets do not take their value here; guards of memory are left to the whole plan."""

    def why_not(some: Sequence[Change]) -> str:
        along = [
            governors[change.instance]
            for change in some
            if change.knob == "cpu.epp" and change.instance in governors
        ]
        try:
            plan.make_plan(kernel, [*along, *some], force=True)
        except plan.Refusal as refusal:
            return refusal.reason
        return ""

    if not why_not(changes):
        return {}
    found = {(change.knob, change.instance): why_not([change]) for change in changes}
    return {target: why for target, why in found.items() if why}


def _bounded(kernel: KernelIO, change: Change, want: Wanted | None) -> Change:
    """A change to a bound; where the machine is within it, to what it has already."""
    if want is None or not want.bound:
        return change
    try:
        now = plan.reading(kernel, KNOBS[change.knob], change.instance)
    except OSError:
        return change
    return change._replace(value=now) if want.is_met_by(now) else change
