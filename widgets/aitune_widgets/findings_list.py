"""What there is to know of a machine: a line for each finding, the urgent ones first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_widgets.cursor_list import CursorList
from aitune_widgets.lines import sentence_rows
from aitune_widgets.text import Columns, Row, clean, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_widgets.theme import Tone

_WORD_AT = 4
_TITLE_AT = 13


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding.

    Attributes:
        key: The app's name for it.
        glyph, word, tone: How urgent it is: `!`, `problem`.
        title: What was found, in a few words.
        mark: What can be done about it from here, or is: `plan`, `◆ staged`; or "".
        mark_tone: Tone of the mark.
    """

    key: str
    glyph: str
    word: str
    tone: Tone
    title: str
    mark: str = ""
    mark_tone: Tone = "dim"


class FindingsList(CursorList):
    """A list of `FindingRow`s."""

    class Highlighted(CursorList.Highlighted):
        """The cursor stands on another finding."""

    class Chosen(CursorList.Chosen):
        """Enter, or a click on the cursor's finding: plan what mends it."""

    class StageAsked(CursorList.StageAsked):
        """Space: stage what mends it, or take it back."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._items: tuple[FindingRow, ...] = ()
        self._empty = ""

    def show(self, rows: Sequence[FindingRow], empty: str = "") -> None:
        """Show these findings, or the sentence when there are none; the cursor keeps its key."""
        said = "" if rows else empty
        if tuple(rows) == self._items and said == self._empty:
            return
        self._items, self._empty = tuple(rows), said
        self.set_keys([row.key for row in self._items])

    def head_rows(self, width: int) -> Sequence[Row]:
        """Nothing, or the sentence that there is nothing."""
        return sentence_rows(self._empty, width, column=2)

    def item_rows(self, index: int, width: int, *, selected: bool) -> Sequence[Row]:
        """One finding."""
        item = self._items[index]
        columns = Columns(width)
        columns.put(2, item.glyph, item.tone)
        columns.put(_WORD_AT, item.word, item.tone)
        edge = columns.put_right(width - 1, item.mark, item.mark_tone) if item.mark else width
        urgent = item.word == "problem"
        title = fit(clean(item.title), max(0, edge - 2 - _TITLE_AT))
        columns.put(_TITLE_AT, title, "strong" if urgent else "fg")
        if selected:
            self.cursor_mark(columns)
        return (Row(columns.line(), "cursor" if selected else ""),)
