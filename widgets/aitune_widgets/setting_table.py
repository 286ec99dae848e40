"""Settings, one a line: SETTING, NOW, NEW or ADVISED, STATE; the same columns in each panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len

from aitune_widgets.cursor_list import CursorList
from aitune_widgets.lines import sentence_rows
from aitune_widgets.text import Columns, Row, clean, fit, fit_middle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_widgets.theme import Tone

NewKind = Literal["", "advised", "staged"]

_CALM: frozenset[Tone] = frozenset(("ok", "dim", "fg", "faint"))
"""States that leave NOW plain; every other one makes it bold."""

_LEAST_ROOM = 4
"""Cells for NOW below which a long name takes the column after it too."""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of the table.

    Attributes:
        key: The app's name for it; given back in messages.
        label: Name of the setting.
        value: What was read, without unit.
        unit: Its unit.
        new: The value staged or advised; empty for none.
        new_kind: Which of both. On trial nothing is new: NOW is the trial's value.
        glyph: Where it is (`▲`, `◆`, `◐`), see `glyphs`.
        word: What that means: `differs`, `staged`, `inert`.
        tone: Tone of both. Staged and on-trial rows say it loudly (`staged-bold`,
            `differs-bold`) unless they are inert.
        indent: 2 for a child: one node's, one group's.
        heading: A heading: label only, the cursor passes over it.
        dim: A child: the cursor passes over it too unless `selectable`.
        selectable: The cursor can stand on a dim row.
    """

    key: str
    label: str
    value: str = ""
    unit: str = ""
    new: str = ""
    new_kind: NewKind = ""
    glyph: str = ""
    word: str = ""
    tone: Tone = "dim"
    indent: int = 0
    heading: bool = False
    dim: bool = False
    selectable: bool = False


@dataclass(frozen=True, slots=True)
class TableColumns:
    """Where the columns stand: `edge` is the column after NOW, all others the first of theirs."""

    label: int
    edge: int
    unit: int
    arrow: int
    value: int
    glyph: int
    word: int


def columns_for(width: int) -> TableColumns:
    """The columns at this width: those of a 67-column panel, closer, or of an 80-column screen.

    A table that is wider than that does not stretch: its columns stay those of the panels.
    """
    if 78 <= width < 110:
        return TableColumns(2, 44, 45, 49, 51, 69, 71)
    narrow = max(0, 67 - width)
    half = narrow // 2
    return TableColumns(2, 36 - half, 37 - half, 41 - half, 43 - half, 56 - narrow, 58 - narrow)


def setting_row(row: SettingRow, width: int, *, columns: TableColumns | None = None) -> Columns:
    """A row, drawn without its cursor."""
    at = columns or columns_for(width)
    out = Columns(width)
    if row.heading:
        out.put(0, row.label, "dim-bold")
        return out
    label_tone: Tone = "dim" if row.dim else "fg"
    label_end = out.put(at.label + row.indent, row.label, label_tone)
    room = at.arrow - 2 - label_end
    if not row.new or room < _LEAST_ROOM:  # what is advised gives way to name and number, whole
        room = at.glyph - 2 - label_end
    value = fit_middle(clean(row.value), max(1, room))
    edge = max(at.edge, label_end + 1 + cell_len(value)) if value else at.edge
    calm = row.tone in _CALM
    value_tone: Tone = "dim" if row.dim else "fg" if calm else "strong"
    out.put_right(edge, value, value_tone)
    if edge < at.arrow:
        out.put(edge + at.unit - at.edge, row.unit, "dim")
        _put_new(out, row, at)
    out.put(at.glyph, row.glyph, row.tone)
    out.put(at.word, row.word, row.tone)
    return out


def _put_new(out: Columns, row: SettingRow, at: TableColumns) -> None:
    """The staged value behind its arrow, or the advised one."""
    new = fit(clean(row.new), at.glyph - at.value - 1)
    if row.new_kind == "staged":
        out.put(at.arrow, "→", "staged")
        out.put(at.value, new, "staged-bold")
    elif row.new_kind == "advised":
        out.put(at.value, new, "dim" if row.tone in _CALM else row.tone)


def head_row(width: int, *, staged: bool, columns: TableColumns | None = None) -> Row:
    """The names of the columns; NEW stands in them while something is staged."""
    at = columns or columns_for(width)
    out = Columns(width)
    out.put(at.label, "SETTING", "dim")
    out.put_right(at.edge, "NOW", "dim")
    if staged:
        end = out.put(at.arrow, "→NEW", "staged")
        out.put(end, "/ADVISED", "dim")
    else:
        out.put(at.value, "ADVISED", "dim")
    out.put(at.glyph, "STATE", "dim")
    return Row(out.line())


class SettingTable(CursorList):
    """A list of `SettingRow`s."""

    class Highlighted(CursorList.Highlighted):
        """The cursor stands on another setting."""

    class Chosen(CursorList.Chosen):
        """Enter, or a click on the cursor's row: edit it."""

    class StageAsked(CursorList.StageAsked):
        """Space: stage the advised value, or take it back."""

    def __init__(
        self,
        *,
        header: bool = True,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._header = header
        self._items: tuple[SettingRow, ...] = ()
        self._empty = ""

    def show(self, rows: Sequence[SettingRow], empty: str = "") -> None:
        """Show these rows, or the sentence when there are none; the cursor stays on its key."""
        said = "" if rows else empty
        if tuple(rows) == self._items and said == self._empty:
            return
        self._items, self._empty = tuple(rows), said
        self.set_keys(
            [
                None if row.heading or (row.dim and not row.selectable) else row.key
                for row in self._items
            ]
        )

    def columns(self, width: int) -> TableColumns:
        """Where the columns stand."""
        return columns_for(width)

    def head_rows(self, width: int) -> Sequence[Row]:
        """The column names, or the sentence that there is nothing."""
        if self._empty:
            return sentence_rows(self._empty, width, column=2)
        if not self._header:
            return ()
        staged = any(row.new_kind == "staged" for row in self._items)
        return (head_row(width, staged=staged, columns=self.columns(width)),)

    def item_rows(self, index: int, width: int, *, selected: bool) -> Sequence[Row]:
        """One row."""
        columns = setting_row(self._items[index], width, columns=self.columns(width))
        if selected:
            self.cursor_mark(columns)
        return (Row(columns.line(), "cursor" if selected else ""),)
