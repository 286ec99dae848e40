"""A plan, a trial and the list of changes, from records to what the widgets show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aitune_backends import sentences as shared
from aitune_backends.describe import ChangeText, Facts, change_text
from aitune_backends.shell import commands
from aitune_backends.targets import INERT
from aitune_helper.messages import (
    AS_WANTED,
    PARTIAL,
    STALE,
    UNCHANGED,
)
from aitune_tui.present_inspect import first_sentence, stars
from aitune_tui.present_settings import can_be_idle
from aitune_tui.selection import Target
from aitune_tui.sentences import outcome, question
from aitune_tui.state import shown_as
from aitune_tui.words import clock, counted
from aitune_widgets.glyphs import GLYPHS
from aitune_widgets.inspector import Field
from aitune_widgets.plan_view import PlanRow
from aitune_widgets.trial_band import TrialView

if TYPE_CHECKING:
    from aitune_helper.messages import Item, Plan, Trial
    from aitune_tui.state import State
    from aitune_widgets.text import Line, Segment
    from aitune_widgets.theme import Tone

URGENT_SECONDS = 10.0
_RISK_TONES: dict[str, Tone] = {
    "low": "fg",
    "medium": "differs-bold",
    "high": "failed-bold",
    "inert": "dim",
}
_DOTS = 3


def label(item: Item) -> str:
    """A target in a plan's list: the knob, with its instance."""
    return f"{item.knob}@{item.instance}" if item.instance else item.knob


def texts(plan: Plan, facts: Facts) -> tuple[ChangeText, ...]:
    """What each item means."""
    return tuple(change_text(item, facts) for item in plan.items)


def overall_risk(meanings: tuple[ChangeText, ...]) -> str:
    """The highest risk of a plan."""
    found = {meaning.risk for meaning in meanings}
    return next((risk for risk in ("high", "medium") if risk in found), "low")


def plan_rows(plan: Plan, meanings: tuple[ChangeText, ...], *, short: bool) -> tuple[PlanRow, ...]:
    """The list of a plan; an inert change keeps its line and is grey."""
    rows: list[PlanRow] = []
    for index, (item, meaning) in enumerate(zip(plan.items, meanings, strict=True)):
        note = meaning.note_short if short else meaning.note
        glyph, risk, tone = "staged", meaning.risk, _RISK_TONES[meaning.risk]
        if meaning.inert:
            glyph = "inert"
        if item.status == UNCHANGED:
            glyph, risk, tone, note = "ok", "none", "dim", "it holds this value already"
        elif item.status == STALE:
            glyph, risk, tone, note = "drifted", "stale", "differs-bold", "changed since you looked"
        rows.append(
            PlanRow(
                key=str(index),
                glyph=GLYPHS[glyph],
                label=label(item),
                now=item.old,
                after=item.requested,
                risk=risk,
                risk_tone=tone,
                note=note,
                inert=meaning.inert or item.status == UNCHANGED,
                detail=_detail(item, meaning, short=False),
                detail_short=_detail(item, meaning, short=True),
            )
        )
    return tuple(rows)


def first_line(plan: Plan, meanings: tuple[ChangeText, ...]) -> Line:
    """How many changes, how many of them inert, and that nothing is written yet."""
    inert = sum(meaning.inert for meaning in meanings)
    count = counted(len(plan.items), "change")
    middle = f", {inert} of them inert. " if inert and len(plan.items) > 1 else ". "
    if inert and len(plan.items) == 1:
        middle = ", inert. "
    return ((count, "strong"), (middle, "fg"), ("Nothing is written yet.", "dim"))


def _detail(item: Item, meaning: ChangeText, *, short: bool) -> tuple[Field, ...]:
    """One change in full, or the four fields that a small screen has room for."""
    effect = first_sentence(meaning.effect) if short else meaning.effect
    shown = [Field("Effect", effect), Field("Danger", meaning.danger)]
    if not short:
        evidence = f"{stars(meaning.stars)} {meaning.evidence}".strip()
        shown.append(Field("Evidence", evidence))
    shown += [Field("Path", item.path), Field("Undo", meaning.undo)]
    if item.note and not short:
        shown.append(Field("Note", f"{item.note}."))
    return tuple(shown)


def saved_to(files: tuple[str, ...]) -> str:
    """The files that keeping also writes, for one line."""
    return files[0] if len(files) == 1 else f"{files[0]} and {counted(len(files) - 1, 'more file')}"


def copied(plan: Plan) -> str:
    """The plan as shell lines."""
    return "\n".join(commands(plan.items)) + "\n"


def trial_view(
    state: State, seconds_left: float, total: float, ends: float, *, short: bool, owner: bool
) -> TrialView | None:
    """The band of the open trial.

    Args:
        state: What is known; its open trial.
        seconds_left: Until it goes back.
        total: The longest time left that was seen.
        ends: Wall clock at which it goes back.
        short: 80 columns: results as counts.
        owner: Whether it is ours to keep.
    """
    trial = state.pending
    if trial is None:
        return None
    inert = frozenset(
        Target(s.knob, s.instance)
        for s in state.statuses
        if s.state == INERT and can_be_idle(s.knob)
    )
    back = f"puts everything back at {clock(ends)}."
    asks = question(trial)
    if asks:
        reassurance = asks
    elif not owner:
        reassurance = f"It is {trial.owner_name}'s. The root helper {back}"
    elif short:
        reassurance = f"Closing this terminal is safe: all goes back at {clock(ends)}."
    else:
        reassurance = f"Closing this terminal is safe: the root helper {back}"
    count = len(trial.items)
    left = max(0, math.ceil(seconds_left))
    return TrialView(
        number=trial.number,
        title=shared.title(trial),
        seconds_left=left,
        seconds_total=max(math.ceil(total), left, 1),
        outcome=_outcomes(trial, inert, state.default_pool_kib),
        outcome_short=_counts(trial),
        reassurance=reassurance,
        urgent=seconds_left <= URGENT_SECONDS,
        keep="keep it" if count == 1 else f"keep all {count}",
        until="until all goes back" if short else "until every setting goes back",
    )


def _outcomes(trial: Trial, inert: frozenset[Target], default_pool_kib: int | None) -> Line:
    """What was really read back, item by item; of many, the first ones and how many more."""
    parts: list[Segment] = []
    groups: dict[tuple[str, str, str, str | None, str], int] = {}
    for item in trial.items:
        alike = (item.knob, item.old, item.requested, item.effective, item.status)
        groups[alike] = groups.get(alike, 0) + 1
    shown = 0
    for item in trial.items:
        alike = (item.knob, item.old, item.requested, item.effective, item.status)
        times = groups.pop(alike, 0)
        if not times:
            continue
        if shown == _DOTS:
            parts.append((f"and {len(groups) + 1} more", "dim"))
            break
        shown += 1
        text = outcome(item if times == 1 else item._replace(instance=f"×{times}"))
        target = shown_as(Target(item.knob, item.instance), default_pool_kib)
        if item.status in AS_WANTED and target in inert:
            parts += [("○", "dim"), (f" {text}, inert    ", "dim")]
        elif item.status in AS_WANTED:
            parts += [("✓", "ok"), (f" {text}    ", "fg")]
        elif item.status == PARTIAL:
            parts += [("▲", "differs"), (f" {text}    ", "differs-bold")]
        else:
            parts += [("✗", "failed"), (f" {text}, {item.status}    ", "failed-bold")]
    return tuple(parts)


def _counts(trial: Trial) -> Line:
    """How many items came out how."""
    good = sum(item.status in AS_WANTED for item in trial.items)
    parts: list[Segment] = [("✓", "ok"), (f" {good} written and read back    ", "fg")]
    short = len(trial.items) - good
    if short:
        parts += [("▲", "differs"), (f" {short} not as wanted    ", "differs-bold")]
    parts += [("6", "focus-bold"), (" each one", "fg")]
    return tuple(parts)
