"""Profiles, one a line: name, what it is, where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_widgets.cursor_list import CursorList
from aitune_widgets.text import Columns, Row, clean, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME = 2
_TITLE = 22
_FROM = 24
"""Cells of the last column."""


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One profile.

    Attributes:
        key: The app's name for it.
        name: Its name.
        title: A few words, or why it cannot be used.
        source: Where it comes from.
        usable: Whether it could be read.
        shown: Whether it is the one that is compared.
    """

    key: str
    name: str
    title: str
    source: str
    usable: bool = True
    shown: bool = False


class ProfileList(CursorList):
    """A list of `ProfileRow`s."""

    class Highlighted(CursorList.Highlighted):
        """The cursor stands on another profile."""

    class Chosen(CursorList.Chosen):
        """Enter, or a click on the cursor's row."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._items: tuple[ProfileRow, ...] = ()

    def show(self, rows: Sequence[ProfileRow]) -> None:
        """Show these; the cursor stays on its key."""
        if tuple(rows) != self._items:
            self._items = tuple(rows)
            self.set_keys([row.key for row in self._items])

    def item_rows(self, index: int, width: int, *, selected: bool) -> Sequence[Row]:
        """One row."""
        row = self._items[index]
        columns = Columns(width)
        source = fit(clean(row.source), min(_FROM, max(0, width - _TITLE - 20)))
        end = width - len(source) - 2
        columns.put(
            _NAME, fit(clean(row.name), _TITLE - _NAME - 1), "strong" if row.shown else "fg"
        )
        columns.put(_TITLE, fit(clean(row.title), end - _TITLE), "dim" if row.usable else "failed")
        columns.put(end + 1, source, "dim")
        if selected:
            self.cursor_mark(columns)
        return (Row(columns.line(), "cursor" if selected else ""),)
