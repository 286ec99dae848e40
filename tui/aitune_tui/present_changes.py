"""One change in full, what was said, and what this machine cannot do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends import confinement
from aitune_backends import sentences as shared
from aitune_backends.findings.finding import in_order
from aitune_helper.messages import (
    AS_WANTED,
    ENDED_BY_REBOOT,
    KEPT,
    PARTIAL,
    REVERTED,
    REVERTED_TRIAL,
)
from aitune_tui import sentences
from aitune_tui.present_settings import all_counts
from aitune_tui.words import clock, counted, hour
from aitune_widgets.changes_list import ChangeRow
from aitune_widgets.glyphs import GLYPHS
from aitune_widgets.inspector import Field

if TYPE_CHECKING:
    from aitune_backends.doctor import Finding
    from aitune_helper.messages import HelloReply, Item, Trial
    from aitune_tui.state import State
    from aitune_tui.view import View
    from aitune_widgets.text import Line, Segment
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
    """Staged first, then the open trial, then those that ended, newest first."""
    rows: list[ChangeRow] = []
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
    known = [state.pending] if state.pending is not None else []
    trial = next((t for t in (*known, *state.trials) if t.id == key), None)
    if trial is None:
        return Detail("No change yet", (), (Field("", sentences.NO_CHANGE_YET),), ())
    return _trial(trial)


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


def all_findings(state: State) -> tuple[Finding, ...]:
    """What was found of the machine, and of the helper that answered; problems first."""
    if state.hello is None:
        return state.findings
    return in_order((*state.findings, *confinement.findings(state.hello)))


def findings_word(state: State) -> Line:
    """How many things ask for the operator."""
    found = all_findings(state)
    problems = sum(finding.severity == "problem" for finding in found)
    if problems:
        return ((counted(problems, "problem"), "differs"),)
    return ((counted(len(found), "finding"), "dim"),)


def helper_lines(hello: HelloReply | None) -> tuple[Line, ...]:
    """How the root helper is confined and guarded, once it has answered."""
    if hello is None:
        return ()
    lines: list[Line] = [(("Root helper", "dim-bold"),)]
    lines.append((("  guardian: ", "dim"), (f"{confinement.guardian(hello)}.", "fg")))
    if not hello.sandbox and not hello.bundle_sha256:
        lines.append(((f"  {confinement.NOT_CONFINED}", "dim"),))
    for layer in hello.sandbox:
        glyph: Segment = (GLYPHS["ok"], "ok") if layer.held else (GLYPHS["differs"], "differs")
        lines.append((("  ", "fg"), glyph, (f" {confinement.layer(layer)}", "fg")))
    return (*lines, ())


def findings(view: View) -> tuple[Line, ...]:
    """Everything to be said of the machine, then what it costs to look at it."""
    state = view.state
    lines: list[Line] = []
    marks: dict[str, tuple[str, Tone]] = {
        "problem": (GLYPHS["alarm"], "differs"),
        "warning": (GLYPHS["differs"], "differs"),
        "limit": (GLYPHS["inert"], "dim"),
        "info": (GLYPHS["info"], "dim"),
    }
    found = all_findings(state)
    for finding in found:
        glyph, tone = marks[finding.severity]
        lines.append(((f"{glyph} ", tone), (finding.title, "strong")))
        lines.append(((f"  {finding.sentence}", "fg"),))
        if finding.hint:
            lines.append(((f"  {finding.hint}", "dim"),))
        lines.append(())
    if not found:
        lines += [(("Nothing stands in the way on this machine.", "fg"),), ()]
    lines += helper_lines(state.hello)
    if state.sample is not None:
        cost = f"{state.sample.cost_s * 1000:.1f} ms of CPU time"
        lines.append((("One tick of reading costs ", "dim"), (cost, "fg"), (".", "dim")))
        errors = state.sample.errors
        for path, why in list(errors.items())[:20]:
            lines.append((("✗ ", "failed"), (f"Reading {path} failed: {why}", "fg")))
    return tuple(lines)
