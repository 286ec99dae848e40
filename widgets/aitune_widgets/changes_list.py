"""What was changed here: newest first, each with its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_widgets.cursor_list import CursorList
from aitune_widgets.lines import sentence_rows
from aitune_widgets.text import Columns, Row, clean, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_widgets.theme import Tone

_ONE_LINE_FROM = 78
"""From this width on a change takes one line, below it two."""


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change, or the staged ones.

    Attributes:
        key: The app's name for it.
        number: Its number.
        text: `thp.defrag  always → madvise`.
        when: Time of day; empty for what is not written yet.
        glyph: How it ended.
        word: The same in words: `kept`, `reverted, time ran out`.
        tone: Tone of both.
    """

    key: str
    number: str
    text: str
    when: str = ""
    glyph: str = ""
    word: str = ""
    tone: Tone = "dim"


class ChangesList(CursorList):
    """A list of `ChangeRow`s."""

    class Highlighted(CursorList.Highlighted):
        """The cursor stands on another change."""

    class Chosen(CursorList.Chosen):
        """Enter, or a click on the cursor's change."""

    class StageAsked(CursorList.StageAsked):
        """Space."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._items: tuple[ChangeRow, ...] = ()
        self._empty = ""

    def show(self, rows: Sequence[ChangeRow], empty: str = "") -> None:
        """Show these changes, or the sentence when there are none."""
        self._items = tuple(rows)
        self._empty = "" if rows else empty
        self.set_keys([row.key for row in self._items])

    def head_rows(self, width: int) -> Sequence[Row]:
        """Nothing, or the sentence that there is nothing."""
        self.item_height = 1 if width >= _ONE_LINE_FROM else 2
        return sentence_rows(self._empty, width)

    def item_rows(self, index: int, width: int, *, selected: bool) -> Sequence[Row]:
        """One change, in one line or two."""
        item = self._items[index]
        first, second = Columns(width), Columns(width)
        first.put_right(3, item.number, "dim")
        state = f"{item.glyph} {item.word}".strip()
        edge = first.put_right(width - 1, item.when, "dim")
        if width >= _ONE_LINE_FROM:
            state_at = max(30, width - 34)
            first.put(state_at, fit(clean(state), edge - state_at - 2), item.tone)
            edge = state_at
        else:
            second.put(4, fit(clean(state), width - 5), item.tone)
        first.put(4, fit(clean(item.text), max(0, edge - 6)), "fg")
        if selected:
            self.cursor_mark(first)
        rows = [Row(first.line(), "cursor" if selected else "")]
        if width < _ONE_LINE_FROM:
            rows.append(Row(second.line(), "cursor" if selected else ""))
        return rows
