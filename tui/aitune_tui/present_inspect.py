"""All that is known of the selected setting, in the fixed order of the inspector."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aitune_backends.catalogue import ENTRIES
from aitune_backends.targets import ABSENT, DIFFERS, INERT, OK, UNREAD
from aitune_helper.knobs import BEST_EFFORT, KNOBS
from aitune_helper.messages import Item
from aitune_tui.present_settings import now_text, wanted_text
from aitune_tui.words import clock, counted
from aitune_widgets.inspector import Field

if TYPE_CHECKING:
    from aitune_backends.describe import ChangeText
    from aitune_tui.selection import Selection
    from aitune_tui.state import State
    from aitune_widgets.text import Segment

_EVIDENCE_WIDTH = 3


def title(selection: Selection) -> str:
    """The title of the inspector."""
    return selection.name


def right(state: State, selection: Selection) -> tuple[Segment, ...]:
    """What stands at the right end of its rule: `1, advised 0`."""
    now = now_text(selection) or "absent"
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


_NOT_KNOWN = "not known"
_SAVED = {
    "yes": "yes, the same value after a reboot",
    "no": "no: gone after a reboot",
    "likely": "likely: if its module is loaded in time",
    "may be": "may be: it depends on what cannot be told from here",
}


def _saved(selection: Selection) -> str:
    at_boot = {status.at_boot for status in selection.statuses}
    return _SAVED.get(at_boot.pop(), _NOT_KNOWN) if len(at_boot) == 1 else _NOT_KNOWN


def _set_by(selection: Selection) -> str:
    owners = tuple(dict.fromkeys(s.owner for s in selection.statuses if s.owner))
    return ", ".join(owners) if owners else "No file names it."


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


def _path(selection: Selection) -> str:
    paths = [status.path for status in selection.statuses if status.path]
    if not paths:
        return "This machine has no such file."
    return paths[0] if len(paths) == 1 else f"{paths[0]}  and {len(paths) - 1} more"


def _undo(selection: Selection) -> str:
    values = selection.values
    knob = KNOBS.get(selection.knob)
    if knob is None or not values:
        return "Nothing to write back."
    what = values[0] if len(values) == 1 else counted(len(values), "old value")
    if knob.undo == BEST_EFFORT:
        return f"writes {what} back; pages given up may not come back"
    return f"writes {what} back"


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


def fields(state: State, selection: Selection) -> tuple[Field, ...]:
    """The full form: What, Why, Evidence, Risk · Now, At boot, Saved, Set by · Path, Undo."""
    entry, meaning = ENTRIES.get(selection.knob), _meaning(state, selection)
    unusual = {status.state for status in selection.statuses} & {INERT, ABSENT, UNREAD}
    reason = _reason(selection) if unusual else ""
    shown: list[Field] = []
    if entry is not None:
        why = " ".join(part for part in (reason, entry.why) if part)
        shown += [Field("What", entry.what), Field("Why", why)]
        shown.append(Field("Evidence", _stars_of(selection)))
    elif reason:
        shown.append(Field("Why", reason))
    if meaning is not None:
        shown.append(Field("Risk", f"{meaning.risk.capitalize()}. {meaning.danger}"))
    elif entry is not None:
        shown.append(Field("Risk", f"{entry.risk.capitalize()}, for a change of it."))
    read = f", read {clock(state.surveyed)}" if state.surveyed else ""
    return (
        *shown,
        Field("Now", f"{now_text(selection) or 'absent'}{read}", "strong", gap=True),
        Field("Saved", _saved(selection)),
        Field("Set by", _set_by(selection)),
        Field("Can set", _can_set(state, selection)),
        Field("Path", _path(selection), gap=True, mono=True),
        Field("Undo", _undo(selection)),
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
        Field("Set by", _set_by(selection)),
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
