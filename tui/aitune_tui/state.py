"""What the dashboard knows and what the operator has prepared, as records and pure functions.

Nothing here touches a terminal, a clock or a file: the app holds one `State`, replaces it by what a
function returns, and shows it. So every rule of staging, trials and notices is tested without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from aitune_backends.targets import OK
from aitune_helper.knobs import KNOBS, POOLS
from aitune_helper.messages import KEPT, PENDING, Change
from aitune_tui.selection import Selection, Statuses, Target

if TYPE_CHECKING:
    from aitune_backends.describe import Facts
    from aitune_backends.doctor import Finding
    from aitune_backends.drift import Drift
    from aitune_backends.explanation import Ground
    from aitune_backends.hugepage_users import HugePageUsers
    from aitune_backends.offers import Offer
    from aitune_backends.owners import Owners
    from aitune_backends.planner import PoolOutlook
    from aitune_backends.readings import Sample
    from aitune_backends.targets import TargetStatus
    from aitune_helper.messages import HelloReply, Item, PublicState, Trial
    from aitune_tui.profiling import Compared, Known

HelperState = Literal["ready", "outdated", "asleep", "not installed", "root", "none"]
NoticeKind = Literal["ok", "differs", "failed", "info"]

NOTICE_SECONDS = 6.0
# A finger that was already falling when the countdown appeared must neither keep nor put back.
DEAF_SECONDS = 0.5
STALE_TICKS = 3
STALE_RED_SECONDS = 15.0

_DEFAULT_POOL = "vm.nr_hugepages"


class Notice(NamedTuple):
    """One sentence at the bottom of the body. Failures stay until they are dismissed."""

    kind: NoticeKind
    text: str
    at: float
    wall: float


class GroundOf(NamedTuple):
    """What was read of the machine to explain some targets, and the value that was to last."""

    selection: Selection
    wanted: str
    ground: Ground


@dataclass(frozen=True, slots=True)
class State:
    """Everything the screens show, besides the operator's place on them.

    Attributes:
        goal: What the machine is for; it decides the advice.
        locked: Why nothing can be written from here (`--readonly`, a capture), or "".
        helper: Where the root helper stands.
        statuses: Every target, read and judged, in the order of the survey.
        surveyed: Wall clock of that survey, or None before the first.
        sample: The last tick.
        staged: Wanted value of each target for which nobody has written it yet, in the order
            in which they were staged.
        staged_title: What they make up (`profile classic`), or "".
        pending: The open trial of this machine, whoever applied it.
        pending_since: Monotonic seconds at which we first saw it.
        trials: Trials that ended, newest first.
        unread: Number of trials whose way back fell short and that nobody has looked at.
        notices: Newest first; all of them, shown or not.
        filter_text, differs_only: What the tables leave out.
        unfolded: Whether the tables show what is seldom looked for, too.
        drifted: What somebody else changed while we looked, until it is acknowledged.
        frozen: Wall clock at which the operator froze the screen, or None.
        default_pool_kib: Size of the pages `vm.nr_hugepages` counts, or None.
        findings: What this machine cannot do, and why.
        facts: Numbers of this machine that the texts about changes need.
        owners: What sets settings at boot and keeps setting them, None before the first survey.
        ground: What was read of the machine to explain the selected setting, or None.
        writing: How far a running apply of ours is, or "".
        hello: What the helper said of itself when it last answered, or None.
        offer: What may bring the huge pages that the last apply did not get, or None.
        known_profiles: The profiles that can be looked at.
        compared: The machine beside the one that is looked at, or None before that.
        not_compared: Why that one cannot be read, or "".
        outlooks: What each pool of huge pages could become, the smallest size first.
        huge_users: Who uses huge pages, or None before anybody looked.
    """

    goal: str
    locked: str = ""
    helper: HelperState = "asleep"
    statuses: tuple[TargetStatus, ...] = ()
    surveyed: float | None = None
    sample: Sample | None = None
    staged: Mapping[Target, str] = field(default_factory=dict)
    staged_title: str = ""
    pending: Trial | None = None
    pending_since: float = 0.0
    trials: tuple[Trial, ...] = ()
    acknowledged: frozenset[str] = frozenset()
    notices: tuple[Notice, ...] = ()
    dismissed: float = 0.0
    filter_text: str = ""
    differs_only: bool = False
    unfolded: bool = False
    drifted: Mapping[Target, Drift] = field(default_factory=dict)
    frozen: float | None = None
    default_pool_kib: int | None = None
    findings: tuple[Finding, ...] = ()
    facts: Facts | None = None
    owners: Owners | None = None
    ground: GroundOf | None = None
    known_profiles: tuple[Known, ...] = ()
    compared: Compared | None = None
    not_compared: str = ""
    writing: str = ""
    hello: HelloReply | None = None
    offer: Offer | None = None
    outlooks: tuple[PoolOutlook, ...] = ()
    huge_users: HugePageUsers | None = None

    def __post_init__(self) -> None:
        """Have the targets found by knob."""
        object.__setattr__(self, "statuses", Statuses.of(self.statuses))

    @property
    def by_knob(self) -> Mapping[str, tuple[TargetStatus, ...]]:
        """The targets of each knob."""
        return Statuses.of(self.statuses).by_knob

    @property
    def tried(self) -> Mapping[Target, Item]:
        """The items of the open trial by target, under the names the tables have."""
        if self.pending is None:
            return {}
        return {
            shown_as(Target(item.knob, item.instance), self.default_pool_kib): item
            for item in self.pending.items
        }

    @property
    def undoable(self) -> Trial | None:
        """The kept trial that `u` means: the newest that is no undo and is not undone."""
        kept = [trial for trial in self.trials if trial.state == KEPT]
        undone = {trial.undo_of for trial in kept if trial.undo_of}
        return next((t for t in kept if not t.undo_of and t.id not in undone), None)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The staged values as changes to plan."""
        return tuple(Change(t.knob, t.instance, value) for t, value in self.staged.items())


def shown_as(target: Target, default_pool_kib: int | None) -> Target:
    """The target under the name the tables have: `vm.nr_hugepages` is a size's pool."""
    if target.knob == _DEFAULT_POOL and default_pool_kib:
        return Target(f"hugepages.{default_pool_kib}kB")
    return target


def _clash(one: Target, other: Target) -> bool:
    """Whether staging `one` makes `other` void: a pool's total and its nodes are one thing."""
    return (
        one.knob == other.knob and one.knob in POOLS and bool(one.instance) != bool(other.instance)
    )


def stage(state: State, values: Iterable[tuple[Target, str]], *, title: str = "") -> State:
    """Stage a value for each target, in place of what was staged for it before.

    A value that the target holds already is not staged: there is nothing to change.
    """
    now = {Target(s.knob, s.instance): s.value for s in state.statuses}
    staged = dict(state.staged)
    for wanted, value in values:
        target = shown_as(wanted, state.default_pool_kib)
        for other in tuple(staged):
            if _clash(target, other):
                del staged[other]
        if now.get(target) == value:
            staged.pop(target, None)
        else:
            staged[target] = value
    if staged == state.staged:
        return state
    return replace(state, staged=staged, staged_title=title if not state.staged else "")


def is_staged(state: State, target: Target, value: str) -> bool:
    """Whether this value is staged for the target."""
    return state.staged.get(shown_as(target, state.default_pool_kib)) == value


def unstage(state: State, targets: Iterable[Target]) -> State:
    """Forget what was staged for the targets."""
    gone = frozenset(targets)
    staged = {target: value for target, value in state.staged.items() if target not in gone}
    if len(staged) == len(state.staged):
        return state
    return replace(state, staged=staged, staged_title="")


def clear_staged(state: State) -> State:
    """Forget everything staged."""
    return replace(state, staged={}, staged_title="")


def toggle_advised(state: State, selection: Selection) -> State:
    """What the space bar does: stage the advised values, or take back what is staged.

    Nothing happens to targets without advice, and to those that are as advised: a
    read-ahead above the advised one is fine too.
    """
    targets = selection.targets
    if any(target in state.staged for target in targets):
        return unstage(state, targets)
    wanted = [
        (Target(s.knob, s.instance), s.advised)
        for s in selection.statuses
        if s.state != OK and s.advised is not None and s.value not in {None, s.advised}
    ]
    return stage(state, wanted)


def wanted_of(state: State, selection: Selection) -> str:
    """The value that a selection is explained for: staged, else advised, "" for neither."""
    advised = (status.advised for status in selection.statuses if status.advised is not None)
    return next(iter(selection.among(state.staged)), None) or next(advised, None) or ""


def is_settable(state: State, status: TargetStatus) -> bool:
    """Whether a value could be staged for the target at all."""
    return status.value is not None and status.knob in KNOBS and KNOBS[status.knob].offered


def see_public(state: State, public: PublicState | None, now: float) -> tuple[State, Trial | None]:
    """Take over what `public.json` says.

    Args:
        state: What was known.
        public: What is published, or None where nothing is.
        now: Monotonic seconds.

    Returns:
        The new state, and the trial that ended since, if it was the one we showed.
    """
    if public is None:
        return state, None
    return see_trial(state, public.pending, public.recent, now)


def see_trial(
    state: State, pending: Trial | None, recent: tuple[Trial, ...], now: float
) -> tuple[State, Trial | None]:
    """Take over the open trial and those that ended; say which one we showed has ended."""
    before = state.pending
    same = (
        before is not None
        and pending is not None
        and (before.id, before.state) == (pending.id, pending.state)
    )
    since = state.pending_since if same else now
    known = {trial.id for trial in recent}
    trials = (*recent, *(trial for trial in state.trials if trial.id not in known))
    ordered = tuple(sorted(trials, key=lambda trial: trial.number, reverse=True))
    ended = None
    if before is not None and (pending is None or before.id != pending.id):
        ended = next((trial for trial in ordered if trial.id == before.id), None)
    state = replace(state, pending=pending, pending_since=since, trials=ordered)
    return state, ended


def kept_elsewhere(before: State, after: State) -> tuple[Trial, ...]:
    """Trials that another terminal applied and kept between two ticks, the oldest first.

    Not those found at the first tick, nor the open trial that was shown, nor what we are writing.
    """
    if before.sample is None or before.writing:
        return ()
    known = {trial.id for trial in before.trials}
    shown = before.pending.id if before.pending is not None else ""
    fresh = (trial for trial in after.trials if trial.id not in known and trial.id != shown)
    return tuple(sorted((t for t in fresh if t.state == KEPT), key=lambda trial: trial.number))


def may_answer_trial(state: State, now: float) -> bool:
    """Whether `K` and `R` are heard yet: not while it is applied, nor half a second after."""
    trial = state.pending
    return (
        trial is not None and trial.state == PENDING and now - state.pending_since >= DEAF_SECONDS
    )


def notify(state: State, kind: NoticeKind, text: str, now: float, wall: float) -> State:
    """Add a notice; the list keeps the last hundred."""
    return replace(state, notices=(Notice(kind, text, now, wall), *state.notices)[:100])


def shown_notice(state: State, now: float) -> Notice | None:
    """The notice to show: a failure until it is dismissed, anything else for six seconds."""
    for notice in state.notices:
        if notice.at <= state.dismissed:
            return None
        if notice.kind == "failed" or now - notice.at < NOTICE_SECONDS:
            return notice
    return None


def dismiss(state: State, now: float) -> State:
    """Take the shown notice, and all before it, from the screen."""
    return replace(state, dismissed=now)


def short_of_way_back(state: State) -> tuple[Trial, ...]:
    """Trials whose way back fell short and that were not looked at yet."""
    return tuple(t for t in state.trials if not t.complete and t.id not in state.acknowledged)


def staleness(state: State, now: float, interval: float) -> Literal["", "stale", "dead"]:
    """How old the data is: past three intervals it is stale, past 15 s something is wrong."""
    if state.sample is None or state.frozen is not None:
        return ""
    age = now - state.sample.at
    if age > STALE_RED_SECONDS:
        return "dead"
    return "stale" if age > STALE_TICKS * interval else ""
