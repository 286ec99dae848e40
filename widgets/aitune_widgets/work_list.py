"""What differs: settings of all panels that ask for something, where one list must do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len

from aitune_widgets.cursor_list import CursorList
from aitune_widgets.lines import sentence_rows
from aitune_widgets.setting_table import NewKind, SettingRow, TableColumns, setting_row
from aitune_widgets.text import Row, clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_widgets.theme import Tone


@dataclass(frozen=True, slots=True)
class WorkRow:
    """One setting and the number of the panel it is in; the rest as in `SettingRow`."""

    key: str
    panel: str
    label: str
    value: str
    new: str = ""
    new_kind: NewKind = ""
    glyph: str = ""
    word: str = ""
    tone: Tone = "differs"
    unit: str = ""


def work_columns(width: int, arrow: bool) -> TableColumns:
    """The columns of the list; an advised value stands where the arrow of a staged one would."""
    spare = max(-18, min(0, width - 80))
    value = 51 if arrow else 49
    return TableColumns(
        5, 44 + spare, 45 + spare, 49 + spare, value + spare, 69 + spare, 71 + spare
    )


class WorkList(CursorList):
    """A list of `WorkRow`s, the most urgent first."""

    more_column = 5

    class Highlighted(CursorList.Highlighted):
        """The cursor stands on another setting."""

    class Chosen(CursorList.Chosen):
        """Enter, or a click on the cursor's row: open its panel there."""

    class StageAsked(CursorList.StageAsked):
        """Space: stage the advised value, or take it back."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._items: tuple[WorkRow, ...] = ()
        self._empty = ""

    def show(self, rows: Sequence[WorkRow], empty: str = "") -> None:
        """Show these rows, or the sentence when there are none; the cursor stays on its key."""
        self._items = tuple(rows)
        self._empty = "" if rows else empty
        self.set_keys([row.key for row in self._items])

    def head_rows(self, width: int) -> Sequence[Row]:
        """Nothing, or the sentence that there is nothing."""
        return sentence_rows(self._empty, width, column=2)

    def more_text(self, hidden: Sequence[int]) -> str:
        """How many, and of which kinds: `↓ 3 more: 2 staged, cpu.epp`."""
        loud = [self._items[i] for i in hidden if self._items[i].word in ("staged", "on trial")]
        rest = [clean(self._items[i].label) for i in hidden if self._items[i] not in loud]
        parts = [f"{len(loud)} {loud[0].word}"] if loud else []
        text = f"↓ {len(hidden)} more: " + ", ".join(parts + rest)
        room = self.content_size.width - self.more_column - 1
        return text if cell_len(text) <= room else f"↓ {len(hidden)} more"

    def item_rows(self, index: int, width: int, *, selected: bool) -> Sequence[Row]:
        """One row."""
        item = self._items[index]
        row = SettingRow(
            item.key, item.label, item.value, item.unit, item.new, item.new_kind,
            item.glyph, item.word, item.tone,
        )  # fmt: skip
        at = work_columns(width, item.new_kind == "staged")
        columns = setting_row(row, width, columns=at)
        columns.put(2, item.panel, "dim")
        if selected:
            self.cursor_mark(columns)
        return (Row(columns.line(), "cursor" if selected else ""),)
