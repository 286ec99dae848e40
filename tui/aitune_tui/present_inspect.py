"""All that is known of the selected setting, in the fixed order of the inspector."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aitune_backends.catalogue import ENTRIES
from aitune_backends.targets import ABSENT, DIFFERS, INERT, OK, UNREAD
from aitune_helper.messages import KEPT, Item
from aitune_tui.present_settings import now_text, unit_text, wanted_text
from aitune_tui.selection import Target
from aitune_tui.state import shown_as, wanted_of
from aitune_tui.words import clock, hour
from aitune_widgets.inspector import Field

if TYPE_CHECKING:
    from aitune_backends.describe import ChangeText
    from aitune_backends.explanation import Explanation
    from aitune_helper.messages import Trial
    from aitune_tui.selection import Selection
    from aitune_tui.state import State
    from aitune_widgets.text import Segment

_EVIDENCE_WIDTH = 3
NOTHING_SELECTED = "Why"
NO_SELECTION = (
    Field("", "No setting is selected. ↑ and ↓ choose one: what is known of it stands here."),
)


def title(selection: Selection) -> str:
    """The title of the inspector."""
    return selection.name


def right(state: State, selection: Selection) -> tuple[Segment, ...]:
    """What stands at the right end of its rule: `1, advised 0`."""
    now = f"{now_text(selection) or 'absent'} {unit_text(selection)}".rstrip()
    new, kind = wanted_text(state, selection)
    if kind == "staged":
        return ((f"{now} ", "fg"), (f"→ {new}", "staged"))
    if kind == "advised":
        asks = any(status.state == DIFFERS for status in selection.statuses)
        return ((f"{now}, advised {new}", "differs" if asks else "dim"),)
    return ((now, "dim"),)


def stars(count: int) -> str:
    """How well an advice is supported, three at most."""
    return "★" * max(0, min(_EVIDENCE_WIDTH, count))


def _owners_line(selection: Selection) -> str:
    """What sets it at boot, in half a line."""
    owners = tuple(dict.fromkeys(s.owner for s in selection.statuses if s.owner))
    return ", ".join(owners) if owners else "No file names it."


def _set_by(state: State, selection: Selection, about: Explanation) -> str:
    """Who set what is there now, as far as is known, and which services may again."""
    drift = next(iter(selection.among(state.drifted)), None)
    if drift is not None:
        return drift.sentence
    trial = _trial_of(state, selection)
    from aitune_backends import explanation_text as words

    services = words.set_by(about)
    if trial is None:
        return services
    ours = f"Trial {trial.number}, {trial.owner_name}, {hour(trial.started)}."
    return ours if services == words.NO_SERVICE else f"{ours} {services}"


def _trial_of(state: State, selection: Selection) -> Trial | None:
    """The newest kept trial that left a target as it is now."""
    now = {Target(s.knob, s.instance): s.value for s in selection.statuses}
    for trial in state.trials:
        for item in trial.items if trial.state == KEPT else ():
            target = shown_as(Target(item.knob, item.instance), state.default_pool_kib)
            if target in now and now[target] == item.effective:
                return trial
    return None


def _can_set(state: State, selection: Selection) -> str:
    if state.locked:
        return f"no: {state.locked}"
    if not selection.statuses or all(s.value is None for s in selection.statuses):
        return "no: this machine does not have it"
    return {
        "ready": "yes, through the root helper",
        "outdated": "yes, once the root helper is replaced (w)",
        "root": "yes, as root",
        "asleep": "yes, w asks sudo for the root helper",
        "not installed": "yes, once the root helper is installed (w)",
        "none": "no",
    }[state.helper]


def _reason(selection: Selection) -> str:
    return next((s.reason for s in selection.statuses if s.reason and s.state == DIFFERS), "") or (
        next((s.reason for s in selection.statuses if s.reason), "")
    )


def _meaning(state: State, selection: Selection) -> ChangeText | None:
    """What it would mean to set the value that is staged or advised; None where it is set."""
    if selection.knob not in ENTRIES or not selection.statuses or state.facts is None:
        return None
    from aitune_backends.describe import change_text

    status = selection.statuses[0]
    now = status.value or ""
    wanted = state.staged.get(selection.targets[0], status.advised or now)
    if wanted == now:
        return None
    item = Item(status.knob, status.instance, status.path, now, wanted)
    return change_text(item, state.facts)


def _stars_of(selection: Selection) -> str:
    entry = ENTRIES[selection.knob]
    return f"{stars(entry.stars)} {entry.evidence}".strip()


def _about(state: State, selection: Selection) -> Explanation:
    """The selection, explained from what was read by now."""
    from aitune_backends.explanation import lay_out
    from aitune_backends.owners import UNKNOWN

    wanted, read = wanted_of(state, selection), state.ground
    known = (
        read is not None
        and read.wanted == wanted
        and read.selection.knob == selection.knob
        and read.selection.targets == selection.targets
    )
    one = len(selection.statuses) == 1
    return lay_out(
        selection.knob,
        selection.statuses[0].instance if one else None,
        state.goal,
        selection.statuses,
        state.owners or UNKNOWN,
        read.ground if known and read is not None else None,
        wanted,
    )


def fields(state: State, selection: Selection) -> tuple[Field, ...]:
    """The full form, in the order that never changes; what is looked up less often comes last."""
    entry, reason = ENTRIES.get(selection.knob), _reason(selection)
    if entry is None or not selection.statuses:
        return (Field("Why", reason or "Nothing is known of this setting."),)
    from aitune_backends import explanation_text as words

    about, meaning = _about(state, selection), _meaning(state, selection)
    unusual = {status.state for status in selection.statuses} & {INERT, ABSENT, UNREAD}
    why = f"{reason} {entry.why}" if unusual and reason else entry.why
    risk = words.risks(about)
    if meaning is not None:
        risk = f"{meaning.risk.capitalize()}. {meaning.danger}"
    read = f", read {clock(state.surveyed)}" if state.surveyed else ""
    return (
        Field("What", entry.what),
        Field("Why", why),
        Field("Evidence", _stars_of(selection)),
        Field("Risk", risk),
        Field("Now", f"{words.now(about)}{read}", "strong", gap=True),
        Field("At boot", words.at_boot(about)),
        Field("Saved", words.saved(about)),
        Field("Set by", _set_by(state, selection, about)),
        Field("Can set", _can_set(state, selection)),
        *(
            Field(" " if number else one.label, text, gap=one.gap and not number, mono=one.verbatim)
            for one in (*words.way_back(about), *words.further(about), *words.sources(about))
            if one.text
            for number, text in enumerate(one.text.split("\n"))
        ),
    )


def short_fields(state: State, selection: Selection) -> tuple[Field, ...]:
    """The short form for the overview: what it does to you, on what evidence, who sets it."""
    entry = ENTRIES.get(selection.knob)
    reason = _reason(selection)
    if entry is None:
        return (Field("", reason or "Nothing is known of this setting."),)
    return (
        Field("", reason or first_sentence(entry.what)),
        Field("Evidence", first_sentence(_stars_of(selection))),
        Field("Set by", _owners_line(selection)),
    )


def first_sentence(text: str) -> str:
    """A text up to its first full stop or semicolon, for places with room for no more."""
    end = re.search(r"[.;:](?=\s)", text)
    return text if end is None else f"{text[: end.start()]}."


def first_run_fields(state: State) -> tuple[Field, ...]:
    """What works without root, and the ways to write."""
    if state.locked:
        return (Field("", f"{state.locked} Looking, planning and copying a plan work."),)
    return (
        Field("", "Looking, planning and measuring need no root.", "strong"),
        Field("", "Applying a plan does. Two ways:"),
        Field("w", "connect the root helper now: sudo asks once, here in this terminal"),
        Field("y", "copy the plan as shell, run it where you like"),
        Field("?", "all keys; 7 what this machine cannot do"),
    )


def keys(state: State, selection: Selection, *, short: bool) -> tuple[tuple[str, str], ...]:
    """What can be done with the selection, for the last line of the inspector."""
    shown: list[tuple[str, str]] = [("i", "all of it")] if short else []
    if any(target in state.staged for target in selection.targets):
        shown.append(("Space", "take back"))
    elif selection.advised is not None and any(
        s.state != OK and s.value not in {None, s.advised} for s in selection.statuses
    ):
        shown.append(("Space", f"stage {selection.advised}"))
    if not short:
        shown.append(("y", "copy command"))
    return tuple(shown)
