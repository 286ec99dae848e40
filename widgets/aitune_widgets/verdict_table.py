"""Settings of a profile, one a line: SETTING, NOW, WANTED, STATE and, where there is room, WHY."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_widgets.cursor_list import CursorList
from aitune_widgets.lines import sentence_rows
from aitune_widgets.text import Columns, Row, clean, fit, fit_middle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_widgets.theme import Tone

_WIDE = 110
_CALM: frozenset[Tone] = frozenset(("ok", "dim", "fg", "faint"))


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One setting of a profile, on one instance or on all that fare alike.

    Attributes:
        key: The app's name for it.
        label: The setting.
        now: What was read, "–" for nothing.
        wanted: What the profile wants; `at least 4096`.
        unit: The unit of NOW.
        glyph, word, tone: Where it stands, as in every table.
        why: Why, in a sentence.
        staged: Whether the wanted value is staged.
    """

    key: str
    label: str
    now: str
    wanted: str
    unit: str
    glyph: str
    word: str
    tone: Tone
    why: str
    staged: bool = False


class _At:
    """Where the columns stand."""

    def __init__(self, width: int) -> None:
        wide = width >= _WIDE
        self.edge = 44 if wide else 42
        self.unit = self.edge + 1
        self.arrow = self.unit + 6
        self.wanted = self.arrow + 2
        self.state = self.wanted + 16
        self.why = self.state + 12 if wide else width


class VerdictTable(CursorList):
    """A list of `VerdictRow`s."""

    class Highlighted(CursorList.Highlighted):
        """The cursor stands on another setting."""

    class Chosen(CursorList.Chosen):
        """Enter, or a click on the cursor's row."""

    class StageAsked(CursorList.StageAsked):
        """Space: stage the wanted value, or take it back."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._items: tuple[VerdictRow, ...] = ()
        self._empty = ""

    def show(self, rows: Sequence[VerdictRow], empty: str = "") -> None:
        """Show these rows, or the sentence when there are none."""
        said = "" if rows else empty
        if tuple(rows) != self._items or said != self._empty:
            self._items, self._empty = tuple(rows), said
            self.set_keys([row.key for row in self._items])

    def head_rows(self, width: int) -> Sequence[Row]:
        """The column names, or the sentence that there is nothing."""
        if self._empty:
            return sentence_rows(self._empty, width, column=2)
        at, columns = _At(width), Columns(width)
        columns.put(2, "SETTING", "dim")
        columns.put_right(at.edge, "NOW", "dim")
        columns.put(at.wanted, "WANTED", "dim")
        columns.put(at.state, "STATE", "dim")
        if at.why < width:
            columns.put(at.why, "WHY", "dim")
        return (Row(columns.line()),)

    def item_rows(self, index: int, width: int, *, selected: bool) -> Sequence[Row]:
        """One row."""
        row, at, columns = self._items[index], _At(width), Columns(width)
        end = columns.put(2, fit_middle(clean(row.label), at.edge - 6), "fg")
        calm = row.tone in _CALM
        now = fit_middle(clean(row.now), max(1, at.edge - end - 1))
        columns.put_right(at.edge, now, "fg" if calm else "strong")
        columns.put(at.unit, fit(row.unit, at.arrow - at.unit - 1), "dim")
        wanted = fit(clean(row.wanted), at.state - at.wanted - 1)
        if row.staged:
            columns.put(at.arrow, "→", "staged")
            columns.put(at.wanted, wanted, "staged-bold")
        else:
            columns.put(at.wanted, wanted, "dim" if calm else row.tone)
        columns.put(at.state, row.glyph, row.tone)
        columns.put(at.state + 2, row.word, row.tone)
        if at.why < width:
            columns.put(at.why, fit(clean(row.why), width - at.why - 1), "dim")
        if selected:
            self.cursor_mark(columns)
        return (Row(columns.line(), "cursor" if selected else ""),)
