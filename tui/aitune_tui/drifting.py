"""What somebody else changed while we looked: found between two surveys, marked until it is seen.

A change that any trial of this machine made, or took back, is in the journal and no drift, whoever
applied it; nor is what the kernel moved along with one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from aitune_helper.knobs import KNOBS, POOLS
from aitune_tui.selection import Target

if TYPE_CHECKING:
    from aitune_backends.drift import Drift
    from aitune_backends.owners import Owners
    from aitune_backends.targets import TargetStatus
    from aitune_helper.messages import Item, PublicState, Trial
    from aitune_tui.state import State

_DEFAULT_POOL = "vm.nr_hugepages"


class Found(NamedTuple):
    """What a survey found against the one before.

    Attributes:
        drifts: What changed, and not by a trial.
        ours: The targets that trials were at since: nothing they hold is drift any more.
    """

    drifts: tuple[Drift, ...]
    ours: frozenset[Target]


class DriftWatch:
    """Compares each survey with the one before it; for the thread that takes them."""

    def __init__(self) -> None:
        self._before: Mapping[Target, str] = {}
        self._trials: frozenset[tuple[str, str]] = frozenset()

    def compare(
        self,
        statuses: Iterable[TargetStatus],
        public: PublicState | None,
        owners: Owners,
        wall: float,
    ) -> Found:
        """What changed since the survey before, and not by a trial.

        Args:
            statuses: The survey.
            public: What is published of trials, read after the survey: a trial is announced
                before it writes, so that nothing it wrote is taken for drift.
            owners: What sets settings here: the culprit may be among it.
            wall: When the survey was made.
        """
        after = {Target(s.knob, s.instance): s.value for s in statuses if s.value is not None}
        known = trials_of(public)
        fresh = tuple(trial for trial in known if (trial.id, trial.state) not in self._trials)
        changed = {t: v for t, v in after.items() if self._before.get(t, v) != v}
        ours = frozenset(
            target for trial in fresh for item in trial.items for target in moved_by(item, changed)
        ) | frozenset(_switched(public, changed))
        before, self._before = self._before, after
        self._trials = frozenset((trial.id, trial.state) for trial in known)
        if not changed:
            return Found((), ours)
        from aitune_backends.drift import compare  # nothing drifts for most of a day
        from aitune_backends.owners import Target as Owned

        was = {Owned(*target): before[target] for target in changed}
        new = {Owned(*target): value for target, value in changed.items()}
        mine = frozenset(Owned(*target) for target in ours)
        return Found(compare(was, new, mine, owners, wall), ours)


def trials_of(public: PublicState | None) -> tuple[Trial, ...]:
    """The open trial and those that ended."""
    if public is None:
        return ()
    return (*((public.pending,) if public.pending is not None else ()), *public.recent)


def moved_by(item: Item, among: Iterable[Target]) -> tuple[Target, ...]:
    """Which targets a write of this item moved: its own, what is coupled to it, its pool's."""
    knob = KNOBS.get(item.knob)
    coupled = frozenset(knob.coupled) if knob is not None else frozenset()
    is_pool = item.knob in POOLS or item.knob == _DEFAULT_POOL
    return tuple(
        target
        for target in among
        if (
            (target.knob == item.knob or target.knob in coupled)
            and (target.instance == item.instance or KNOBS[target.knob].scope != _scope(item.knob))
        )
        or (is_pool and target.knob.startswith("hugepages."))
    )


def _scope(knob: str) -> str:
    return KNOBS[knob].scope if knob in KNOBS else ""


def _switched(public: PublicState | None, changed: Mapping[Target, str]) -> Iterable[Target]:
    """Changes that an open trial of before accounts for: a comparison switches between its arms."""
    pending = public.pending if public is not None else None
    for item in pending.items if pending is not None else ():
        values = {item.old, item.requested, item.effective}
        for target in moved_by(item, changed):
            is_own = target == (item.knob, item.instance)
            if (pending is not None and pending.arms) or not is_own or changed[target] in values:
                yield target


def see(state: State, found: Found, statuses: Iterable[TargetStatus]) -> State:
    """Mark what drifted; take the mark from what is back as it was, or was set by a trial."""
    if not state.drifted and not found.drifts:
        return state
    drifted = {t: drift for t, drift in state.drifted.items() if t not in found.ours}
    for drift in found.drifts:
        target = Target(*drift.target)
        first = drifted.get(target)
        drifted[target] = replace(drift, old=first.old) if first is not None else drift
    now = {Target(s.knob, s.instance): s.value for s in statuses}
    return replace(state, drifted={t: d for t, d in drifted.items() if now.get(t) != d.old})


def acknowledge(state: State, targets: Iterable[Target]) -> State:
    """Take the marks from targets that the operator has looked at."""
    seen = frozenset(targets)
    left = {target: drift for target, drift in state.drifted.items() if target not in seen}
    return state if len(left) == len(state.drifted) else replace(state, drifted=left)


def together(drifts: Iterable[Drift]) -> tuple[tuple[Drift, int], ...]:
    """Drifts that are one event, a governor on 512 policies: the first, and how many they are."""
    counts: dict[tuple[str, str, str], list[Drift]] = {}
    for drift in drifts:
        counts.setdefault((drift.target.knob, drift.old, drift.new), []).append(drift)
    return tuple((members[0], len(members)) for members in counts.values())


def key_of(drift: Drift) -> str:
    """The key of a drift in the list of changes."""
    return f"drift:{Target(*drift.target).text}"


def of_key(state: State, key: str) -> Drift | None:
    """The drift of a row in the list of changes, None for any other row."""
    return next((drift for drift in state.drifted.values() if key_of(drift) == key), None)
