"""One change in full, and what was said."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends import sentences as shared
from aitune_helper.messages import (
    AS_WANTED,
    ENDED_BY_REBOOT,
    KEPT,
    PARTIAL,
    REVERTED,
    REVERTED_TRIAL,
)
from aitune_tui import sentences
from aitune_tui.drifting import key_of, of_key, together
from aitune_tui.present_settings import all_counts
from aitune_tui.selection import Target
from aitune_tui.words import clock, counted, hour
from aitune_widgets.changes_list import ChangeRow
from aitune_widgets.glyphs import GLYPHS
from aitune_widgets.inspector import Field

if TYPE_CHECKING:
    from aitune_backends.drift import Drift
    from aitune_helper.messages import Item, Trial
    from aitune_tui.state import State
    from aitune_widgets.text import Line
    from aitune_widgets.theme import Tone

_SAID = 6
_TONES: dict[str, Tone] = {"ok": "ok", "differs": "differs", "failed": "failed", "info": "dim"}


def _ended(trial: Trial) -> tuple[str, str, Tone]:
    """Glyph, words and colour of how a trial stands."""
    words = shared.state(trial)
    if not trial.complete:
        return "failed", words, "failed"
    if trial.state == KEPT:
        return "ok", words, "ok"
    if trial.state == REVERTED_TRIAL:
        if any(item.status == PARTIAL for item in trial.items):
            return "partial", f"partial, {words}", "differs"
        return "inert", words, "dim"
    if trial.state == ENDED_BY_REBOOT:
        return "inert", words, "dim"
    return "trial", words, "differs"


def change_rows(state: State) -> tuple[ChangeRow, ...]:
    """What others changed, then staged, the open trial, and those that ended, newest first."""
    rows: list[ChangeRow] = [_drift_row(*pair) for pair in together(state.drifted.values())]
    if state.staged:
        count = counted(all_counts(state).staged, "change")
        text = f"{state.staged_title}, {count}" if state.staged_title else count
        if len(state.staged) == 1 and not state.staged_title:
            target, value = next(iter(state.staged.items()))
            text = f"{target.text}  → {value}"
        glyph = GLYPHS["staged"]
        rows.append(ChangeRow("staged", "", text, "", glyph, "staged", "staged"))
    known = [state.pending] if state.pending is not None else []
    for trial in (*known, *state.trials):
        glyph, words, tone = _ended(trial)
        rows.append(
            ChangeRow(
                key=trial.id,
                number=str(trial.number),
                text=shared.title(trial),
                when=hour(trial.started),
                glyph=GLYPHS[glyph],
                word=words,
                tone=tone,
            )
        )
    return tuple(rows)


def _drift_row(drift: Drift, count: int) -> ChangeRow:
    """What somebody else changed; `×64` where it changed alike on so many."""
    many = f" ×{count}" if count > 1 else ""
    text = f"{_target(drift) if count == 1 else drift.target.knob}{many}  {drift.old} → {drift.new}"
    glyph = GLYPHS["drifted"]
    return ChangeRow(key_of(drift), "", text, hour(drift.at), glyph, "drifted, not by us", "failed")


def _target(drift: Drift) -> str:
    return Target(*drift.target).text


class Detail(NamedTuple):
    """What the inspector shows of one change."""

    title: str
    right: Line
    fields: tuple[Field, ...]
    keys: tuple[tuple[str, str], ...]


def detail(state: State, key: str) -> Detail:
    """The change under the cursor."""
    if key == "staged":
        fields = [
            Field(target.knob, f"{target.instance}  → {value}".strip())
            for target, value in state.staged.items()
        ]
        return Detail("Staged", (("not written", "staged"),), tuple(fields), (("p", "plan"),))
    drift = of_key(state, key)
    if drift is not None:
        return _drifted(drift)
    known = [state.pending] if state.pending is not None else []
    trial = next((t for t in (*known, *state.trials) if t.id == key), None)
    if trial is None:
        return Detail("No change yet", (), (Field("", sentences.NO_CHANGE_YET),), ())
    return _trial(trial)


def _drifted(drift: Drift) -> Detail:
    """What is known of a change that no trial made."""
    fields = (
        Field("What", drift.sentence),
        Field("Who", _and_more(drift.culprits) or "Nobody who is known to set it runs."),
        Field("Seen", clock(drift.at)),
        Field("To do", "Open its row: Enter sets it back or anew, Esc takes the mark away."),
    )
    right: Line = (("drifted, not by us", "failed"),)
    return Detail(_target(drift), right, fields, ())


def _and_more(names: tuple[str, ...]) -> str:
    return f"{', '.join(names)}: it runs and sets it." if names else ""


def _trial(trial: Trial) -> Detail:
    day = time.strftime("%Y-%m-%d", time.localtime(trial.started))
    fields = [Field(_name(item), _outcome(item), _tone(item)) for item in trial.items]
    fields += [
        Field("When", f"{day} {clock(trial.started)}", gap=True),
        Field("Who", trial.owner_name + (f", {trial.tty}" if trial.tty else "")),
        Field("Lasts", _lasts(trial)),
        Field("Trial", f"{trial.number}, {trial.id[:8]}"),
    ]
    if trial.message:
        fields.append(Field("Why", trial.message))
    if not trial.complete:
        fields.append(Field("Now", shared.incomplete(trial), "failed", gap=True))
    keys: tuple[tuple[str, str], ...] = (("u", "plan its undo"),) if trial.state == KEPT else ()
    return Detail(
        f"{trial.number}  {shared.title(trial)}",
        ((shared.state(trial), "dim"),),
        tuple(fields),
        keys,
    )


def _name(item: Item) -> str:
    return shared.target(item)


def _outcome(item: Item) -> str:
    text = f"{item.old} → {item.requested}"
    if item.status == REVERTED:
        return f"{text}, back at {item.effective if item.effective is not None else item.old}"
    if item.effective is not None and item.effective != item.requested:
        text += f", got {item.effective}"
    note = f". {item.note}" if item.note else ""
    return f"{text}  {item.status}{note}"


def _tone(item: Item) -> Tone:
    if item.status in AS_WANTED or item.status == REVERTED:
        return "fg"
    return "failed"


def _lasts(trial: Trial) -> str:
    if trial.state != KEPT:
        return "no: it was put back" if trial.deadline is None else "until it is put back"
    if trial.persisted == "yes":
        return "yes, also after a reboot"
    if trial.persisted == "failed":
        return "until the next reboot; its file could not be written"
    return "until the next reboot"


def notices(state: State) -> tuple[Line, ...]:
    """What was said lately, newest first."""
    if not state.notices:
        return ((("Nothing yet.", "dim"),),)
    return tuple(
        ((f"{clock(notice.wall)}  ", "dim"), (notice.text, _TONES[notice.kind]))
        for notice in state.notices[:_SAID]
    )
