"""Comparing a machine with a profile, target by target.

A value that the machine does not have (`absent`), and one that differs but can have no effect there
(`inert`), is no reason to act: applying the profile leaves the first out and gains nothing by the
second. So a machine on which only those remain is as wanted, and the summary names them loudly.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aitune_backends.absence import why_absent
from aitune_backends.catalogue import ENTRIES
from aitune_backends.changes import ChangeError, meant, target_name
from aitune_backends.host import Host
from aitune_backends.inert import why_inert
from aitune_backends.situation import Situation, Subject, names, read_settings, read_situation
from aitune_backends.targets import ABSENT, DIFFERS, INERT, OK, UNREAD
from aitune_helper import plan
from aitune_helper.kernelfs import has_total, instances
from aitune_helper.knobs import GLOBAL, KNOBS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_backends.changes import Wanted
    from aitune_backends.profiles.parse import Profile
    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.knobs import Knob

STATES = (OK, DIFFERS, INERT, ABSENT, UNREAD)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one target is as a profile wants it.

    Attributes:
        want: What the profile says: its value, and its reason.
        instance: The target's instance, or "".
        found: The value read, None where there is none.
        state: `ok`; `differs`; `inert` where it differs and can have no effect here; `absent`
            where the machine does not have it; `unread` where it could not be read.
        why: Why it is inert, absent or unread, in one sentence; else the profile's reason.
    """

    want: Wanted
    instance: str
    found: str | None
    state: str
    why: str = ""

    @property
    def knob(self) -> str:
        """Id of the knob."""
        return self.want.knob

    @property
    def wanted(self) -> str:
        """The value wanted."""
        return self.want.value

    @property
    def ok(self) -> bool:
        """Whether the value is as wanted."""
        return self.state == OK

    @property
    def target(self) -> str:
        """The name of the target as it is typed."""
        return target_name(self.knob, self.instance)


def verify(profile: Profile, kernel: KernelIO) -> tuple[Verdict, ...]:
    """Compare a machine with a profile, target by target, in the profile's order."""
    named = {(want.knob, want.instance) for want in profile.wanted if want.instance is not None}
    situation = _situation(profile, kernel)
    verdicts: list[Verdict] = []
    for want in profile.wanted:
        try:
            found = meant(kernel, want)
        except ChangeError as error:
            why = _why_absent(kernel, want, situation) or str(error)
            verdicts.append(Verdict(want, want.instance or "", None, ABSENT, why))
            continue
        verdicts += [
            _verdict(kernel, want, instance, situation)
            for instance in found
            if want.instance is not None or (want.knob, instance) not in named
        ]
    return tuple(verdicts)


def as_wanted(verdicts: Sequence[Verdict], *, strict: bool = False) -> bool:
    """Whether a machine is as its profile wants it.

    Args:
        verdicts: What was found.
        strict: Let nothing pass that is not `ok`; else what is absent or inert does, unless there
            is nothing else.
    """
    states = {verdict.state for verdict in verdicts}
    passing = {OK} if strict else {OK, ABSENT, INERT}
    return states <= passing and states != {ABSENT}


def grouped(verdicts: Sequence[Verdict]) -> tuple[tuple[Verdict, ...], ...]:
    """Verdicts that say the same of one wanted value together, as on all 512 cores."""
    groups: dict[tuple[str, ...], list[Verdict]] = {}
    for each in verdicts:
        key = (each.knob, each.wanted, each.want.bound, each.found or "", each.state, each.why)
        groups.setdefault(key, []).append(each)
    return tuple(map(tuple, groups.values()))


def summary(verdicts: Sequence[Verdict]) -> str:
    """How many settings are in which state: `7 match, 1 differs, 2 do not exist here`.

    A setting of many instances counts once for each state that it is found in.
    """
    words = {
        OK: ("matches", "match"),
        DIFFERS: ("differs", "differ"),
        INERT: ("differs without effect", "differ without effect"),
        ABSENT: ("does not exist here", "do not exist here"),
        UNREAD: ("cannot be read", "cannot be read"),
    }
    states = [group[0].state for group in grouped(verdicts)]
    counts = {state: states.count(state) for state in STATES}
    return ", ".join(
        f"{count} {words[state][count != 1]}"
        for state, count in counts.items()
        if count or state == OK
    )


def _situation(profile: Profile, kernel: KernelIO) -> Situation:
    """What decides whether a value has an effect, as the profile would have it."""
    knobs = (knob.id for knob in KNOBS.values() if knob.offered and knob.scope == GLOBAL)
    settings = read_settings(kernel, knobs)
    settings |= {w.knob: w.value for w in profile.wanted if w.knob in settings and not w.bound}
    return replace(
        read_situation(kernel, settings),
        stacked={
            below: disk
            for disk in names(kernel, "/sys/block")
            for below in names(kernel, f"/sys/block/{disk}/slaves")
        },
        governors=_governors(profile, kernel),
        captured=isinstance(kernel, Host) and kernel.origin == "capture",
    )


def _governors(profile: Profile, kernel: KernelIO) -> dict[str, str]:
    knob = KNOBS["cpu.governor"]
    found = {}
    for policy in instances(kernel, knob):
        wanted = {w.instance: w.value for w in profile.wanted if w.knob == knob.id}
        value = wanted.get(policy) or wanted.get(None)
        if value is None:
            with contextlib.suppress(OSError):
                value = plan.reading(kernel, knob, policy)
        if value is not None:
            found[policy] = value
    return found


def _why_absent(kernel: KernelIO, want: Wanted, situation: Situation) -> str:
    """Why the machine has no instance of a knob; "" where it has some, but not the one wanted."""
    knob = KNOBS[want.knob]
    if _exists(kernel, knob):
        return ""
    here = {other.id for other in KNOBS.values() if other.offered and _exists(kernel, other)}
    return why_absent(ENTRIES[knob.id], situation, here)


def _exists(kernel: KernelIO, knob: Knob) -> bool:
    return has_total(kernel, knob) or bool(instances(kernel, knob))


def _verdict(kernel: KernelIO, want: Wanted, instance: str, situation: Situation) -> Verdict:
    knob = KNOBS[want.knob]
    try:
        found = plan.reading(kernel, knob, instance)
    except OSError as error:
        reason = f"Reading {knob.file(instance)} failed: {(error.strerror or '').lower()}."
        return Verdict(want, instance, None, UNREAD, reason)
    if want.is_met_by(found):
        return Verdict(want, instance, found, OK, want.reason)
    inert = why_inert(Subject(want.knob, instance, found), situation)
    if inert is not None:
        return Verdict(want, instance, found, INERT, inert.reason)
    return Verdict(want, instance, found, DIFFERS, want.reason)
