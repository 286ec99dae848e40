"""Profiles as the page shows them: the list, the machine beside one, one row in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.targets import ABSENT, DIFFERS, INERT, OK
from aitune_backends.value_words import in_words
from aitune_helper.knobs import KNOBS
from aitune_tui import state as rules
from aitune_tui.present_inspect import first_sentence
from aitune_tui.present_settings import where
from aitune_tui.profiling import row_key
from aitune_tui.selection import Target
from aitune_tui.words import counted
from aitune_widgets.glyphs import GLYPHS
from aitune_widgets.profile_list import ProfileRow
from aitune_widgets.verdict_table import VerdictRow

if TYPE_CHECKING:
    from aitune_backends.profiles import Verdict
    from aitune_tui.profiling import Compared
    from aitune_tui.state import State
    from aitune_widgets.text import Line
    from aitune_widgets.theme import Tone

READING = "Reading the profiles…"
WANTS_NOTHING = "It sets nothing that this tool knows."
_MARKS: dict[str, tuple[str, str, Tone]] = {
    OK: ("ok", "ok", "ok"),
    DIFFERS: ("differs", "differs", "differs"),
    INERT: ("inert", "inert", "dim"),
    ABSENT: ("absent", "absent", "dim"),
}
_UNREAD: tuple[str, str, Tone] = ("failed", "unread", "failed")
_MOST_NAMED = 3


def profile_rows(state: State) -> tuple[ProfileRow, ...]:
    """The profiles there are."""
    shown = state.compared.name if state.compared is not None else ""
    return tuple(
        ProfileRow(each.name, each.name, each.title, each.source, each.usable, each.name == shown)
        for each in state.known_profiles
    )


def verdict_rows(state: State) -> tuple[VerdictRow, ...]:
    """The settings of the one that is shown."""
    if state.compared is None:
        return ()
    return tuple(_row(state, row) for row in state.compared.rows)


def _row(state: State, row: tuple[Verdict, ...]) -> VerdictRow:
    first = row[0]
    glyph, word, tone = _MARKS.get(first.state, _UNREAD)
    staged = is_staged(state, row)
    if staged:
        glyph, word, tone = "staged", word if first.state == INERT else "staged", "staged-bold"
    unit = KNOBS[first.knob].unit
    now, now_unit = ("–", "") if first.found is None else in_words(first.knob, first.found, unit)
    wanted, wanted_unit = in_words(first.knob, first.wanted, unit)
    wanted = wanted if wanted_unit in {"", unit} else f"{wanted} {wanted_unit}"
    return VerdictRow(
        key=row_key(row),
        label=_label(state, row),
        now=now,
        wanted=" ".join(filter(None, (first.want.bound, wanted))),
        unit=now_unit,
        glyph=GLYPHS[glyph],
        word=word,
        tone=tone,
        why=first.why,
        staged=staged,
    )


def _label(state: State, row: tuple[Verdict, ...]) -> str:
    """The setting, and where: `cpu.governor  node1`, `block.read_ahead_kb  4 × nvme`."""
    names = tuple(each.instance for each in row)
    return f"{row[0].knob}  {where(state, row[0].knob, names)}" if names[0] else row[0].knob


def is_staged(state: State, row: tuple[Verdict, ...]) -> bool:
    """Whether all that a row wants is staged."""
    return all(
        rules.is_staged(state, Target(each.knob, each.instance), each.wanted) for each in row
    )


def title(state: State) -> str:
    """The title of the panel: the profile's."""
    compared = state.compared
    if compared is None:
        return "Profile"
    return f"{compared.profile.name} · {compared.profile.title}"


def counts(state: State) -> Line:
    """How many match, for the rule."""
    compared = state.compared
    return ((compared.counts, "dim"),) if compared is not None else ()


def differing(compared: Compared | None) -> int:
    """How many rows differ."""
    rows = compared.rows if compared is not None else ()
    return sum(row[0].state == DIFFERS for row in rows)


def empty(state: State) -> str:
    """What stands in the table without rows."""
    return state.not_compared or (WANTS_NOTHING if state.compared is not None else READING)


def detail(state: State, key: str, *, short: bool) -> tuple[Line, ...]:
    """The selected row in full, and what the profile says of itself, or how that begins."""
    compared = state.compared
    if compared is None:
        return ()
    lines: list[Line] = []
    row = compared.row(key)
    if row:
        names = [each.instance for each in row if each.instance]
        where = f" on {', '.join(names[:_MOST_NAMED])}" if names else ""
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        lines.append(((f"{row[0].knob}{where}{more}: ", "strong"), (row[0].why or "–", "fg")))
        want = row[0].want
        if want.reason and want.reason != row[0].why:
            lines.append((("The profile: ", "dim"), (want.reason, "fg")))
        if want.place.startswith("/"):
            lines.append((("Said in ", "dim"), (want.place, "fg")))
    if compared.left:
        lines.append(((f"{counted(compared.left, 'line')} of it set nothing known here: ", "dim"),
                      (f"aitune-tui profiles import {compared.name}", "fg")))  # fmt: skip
    if compared.profile.text:
        text = compared.profile.text
        lines.append(((first_sentence(text) if short else text, "dim"),))
    return tuple(lines)
