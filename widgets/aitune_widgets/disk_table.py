"""Block devices, one a line; the cursor is one setting of one device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from rich.cells import cell_len
from textual.binding import Binding, BindingType

from aitune_widgets.bars import column_of
from aitune_widgets.cursor_list import CursorList, KeyMessage
from aitune_widgets.lines import sentence_rows
from aitune_widgets.text import Columns, Row, clean
from aitune_widgets.theme import palette_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.geometry import Offset

    from aitune_widgets.theme import Tone

COLUMN_NAMES: Final = ("scheduler", "read-ahead", "requests")
"""The columns that the cursor can stand on."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A value and what it is worth: the glyph stands directly left of the value it judges."""

    glyph: str
    text: str
    tone: Tone = "ok"


@dataclass(frozen=True, slots=True)
class DiskRow:
    """One device.

    Attributes:
        key: The app's name for it.
        name: `nvme0n1`.
        scheduler: Its I/O scheduler.
        read_ahead: Its read-ahead in KiB.
        advised_read_ahead: The value advised or staged; empty for none.
        requests: Its queue length; `–` where it has none.
        history: Shares of the highest rate, 0..1, oldest first; 6 are shown.
        rate: Read rate now, GB/s.
        busy: It is being read from: the rate is loud.
        advised_tone: Tone of the advised value; `staged` while it is staged.
    """

    key: str
    name: str
    scheduler: Cell
    read_ahead: Cell
    advised_read_ahead: str = ""
    requests: str = "–"
    history: tuple[float, ...] = ()
    rate: str = ""
    busy: bool = True
    advised_tone: Tone = "differs"


@dataclass(frozen=True, slots=True)
class _At:
    """Columns: first of a left-aligned one, the one after a right-aligned one."""

    scheduler: int
    glyph: int
    read_ahead: int
    arrow: int
    requests: int
    history: int
    rate: int


def _columns(width: int, name_width: int) -> _At:
    """The columns of a 67-column panel, moved right for long names; the history goes first."""
    shift = max(0, name_width - 11)
    history = 54 + shift if width >= 67 + shift else -1
    rate = 66 + shift if history > 0 else min(66, width - 1)
    requests = 52 + shift if history > 0 else min(52 + shift, rate - 7)
    squeeze = 52 + shift - requests
    return _At(
        14 + shift, 30 + shift - squeeze, 37 + shift - squeeze, 38 + shift - squeeze,
        requests, history, rate,
    )  # fmt: skip


class DiskTable(CursorList):
    """A table of `DiskRow`s; ←/→ move the cursor among the settings of a device."""

    class CellMessage(KeyMessage):
        """Something happened to one setting of one device.

        Attributes:
            key: The device's key.
            column: One of `COLUMN_NAMES`.
        """

        def __init__(self, sender: DiskTable, key: str) -> None:
            super().__init__(sender, key)
            self.column = sender.cursor_column

    class Highlighted(CellMessage, CursorList.Highlighted):
        """The cursor stands on another setting."""

    class Chosen(CellMessage, CursorList.Chosen):
        """Enter, or a click on the cursor's cell: edit it."""

    class StageAsked(CellMessage, CursorList.StageAsked):
        """Space: stage the advised value, or take it back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "column(-1)", show=False),
        Binding("right,l", "column(1)", show=False),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._items: tuple[DiskRow, ...] = ()
        self._empty = ""
        self._column = 1

    @property
    def cursor_column(self) -> str:
        """The column under the cursor, one of `COLUMN_NAMES`."""
        return COLUMN_NAMES[self._column]

    def show(self, rows: Sequence[DiskRow], empty: str = "") -> None:
        """Show these devices, or the sentence; the cursor stays on its device and column."""
        said = "" if rows else empty
        if tuple(rows) == self._items and said == self._empty:
            return
        self._items, self._empty = tuple(rows), said
        self.set_keys([row.key for row in self._items])

    def _at(self, width: int) -> _At:
        return _columns(width, max((cell_len(clean(row.name)) for row in self._items), default=0))

    def head_rows(self, width: int) -> Sequence[Row]:
        """The column names, or the sentence that there is nothing."""
        if self._empty:
            return sentence_rows(self._empty, width, column=2)
        at = self._at(width)
        out = Columns(width)
        out.put(2, "DEVICE", "dim")
        out.put(at.scheduler, "SCHEDULER", "dim")
        out.put(at.glyph, "READ-AHEAD KiB", "dim")
        out.put_right(at.requests, "REQS", "dim")
        out.put_right(at.rate, "READ GB/s" if at.history > 0 else "GB/s", "dim")
        return (Row(out.line()),)

    def item_rows(self, index: int, width: int, *, selected: bool) -> Sequence[Row]:
        """One device."""
        item, at = self._items[index], self._at(width)
        out = Columns(width)
        out.put(2, item.name, "fg")
        _put_cell(out, at.scheduler, item.scheduler)
        out.put(at.glyph, item.read_ahead.glyph, item.read_ahead.tone)
        loud = item.read_ahead.tone not in ("ok", "dim", "fg")
        out.put_right(at.read_ahead, item.read_ahead.text, "strong" if loud else "fg")
        if item.advised_read_ahead:
            out.put(at.arrow, "→", "dim")
            out.put(at.arrow + 2, item.advised_read_ahead, item.advised_tone)
        out.put_right(at.requests, item.requests, "fg")
        if at.history > 0:
            shown = item.history[-6:]
            text = "".join(" " if h <= 0 else column_of(h, top=7) for h in shown)
            out.put(at.history + 6 - len(shown), text, "cache")
        out.put_right(at.rate, item.rate, "strong" if item.busy else "dim")
        if not selected:
            return (Row(out.line()),)
        return (Row(self._with_cursor(out, at), "cursor", self._spans(at)[self._column]),)

    def _with_cursor(self, out: Columns, at: _At) -> tuple[tuple[str, Tone], ...]:
        start, _ = self._spans(at)[self._column]
        out.put(start, "▌" if palette_of(self).tinted else "▸", "focus")
        return out.line()

    def _spans(self, at: _At) -> tuple[tuple[int, int], ...]:
        """First and last+1 column of each cell the cursor can stand on, its mark first."""
        return (
            (at.scheduler - 1, at.glyph - 1),
            (at.glyph - 1, at.requests - 6),
            (at.requests - 6, at.requests + 1),
        )

    def action_column(self, step: int) -> None:
        """Move the cursor to another setting of the same device."""
        self._to_column(max(0, min(len(COLUMN_NAMES) - 1, self._column + step)))

    def _to_column(self, column: int) -> None:
        if column == self._column:
            return
        self._column = column
        self.repaint()
        if self.cursor_key is not None:
            self.post_message(self.Highlighted(self, self.cursor_key))

    def clicked(self, position: Offset) -> None:
        """Move to the cell clicked on; a second click chooses it."""
        if self.index_at(position.y) is None:
            return
        at = self._at(self.content_size.width)
        for column, (start, end) in enumerate(self._spans(at)):
            if start <= position.x < end and column != self._column:
                self._to_column(column)
                self._focused_by_click = True
        super().clicked(position)


def _put_cell(out: Columns, column: int, cell: Cell) -> None:
    out.put(column, cell.glyph, cell.tone)
    loud = cell.tone not in ("ok", "dim", "fg")
    out.put(column + 2, cell.text, "strong" if loud else "dim" if cell.tone == "dim" else "fg")
