"""The base of every widget here: rows of plain data, of which only changed ones are repainted."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.geometry import Region, Size
from textual.widget import Widget

from aitune_widgets.text import Columns, Line, Row, strip_of, wrap
from aitune_widgets.theme import palette_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style
    from textual import events
    from textual.strip import Strip


class LineWidget(Widget):
    """Draws the rows that `rows()` gives, and repaints those that changed since.

    A subclass keeps its values, says how they look in `rows()`, and calls `repaint()` when they
    change. Nothing is drawn while it has no size.
    """

    DEFAULT_CSS: ClassVar[str] = """
    LineWidget { width: 1fr; height: auto; background: $background; }
    """

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(name=name, id=id, classes=classes, markup=False)
        self._rows: tuple[Row, ...] = ()
        self._strips: dict[int, tuple[tuple[Row, str, Style, int], Strip]] = {}
        self._wanted_height = 0

    def rows(self, width: int, height: int) -> Sequence[Row]:
        """The rows to show in this room; more than `height` are cut, fewer leave blanks."""
        raise NotImplementedError

    def row_count(self, width: int) -> int:
        """Rows wanted where the height is free (`height: auto`)."""
        return len(self.rows(width, 1_000_000))

    def repaint(self) -> None:
        """Bring the screen up to date with the values; unchanged lines are left alone."""
        width, height = self.content_size
        if not self.is_mounted or width < 1 or height < 1:
            # Hidden, or with nothing to say: no line of it is on the screen, so none moves.
            if (
                self.is_attached
                and self._is_auto
                and self.display
                and self.row_count(max(1, width))
            ):
                self.refresh(layout=True)
            return
        if self._is_auto and self.row_count(width) != self._wanted_height:
            self.refresh(layout=True)
        before, self._rows = self._rows, tuple(self.rows(width, height))[:height]
        changed = [
            Region(0, y, width, 1)
            for y in range(max(len(before), len(self._rows)))
            if before[y : y + 1] != self._rows[y : y + 1]
        ]
        if changed:
            self.refresh(*changed)

    def notify_style_update(self) -> None:
        """Another theme may draw other signs."""
        super().notify_style_update()
        if self.is_mounted and self.content_size:
            self.repaint()

    @property
    def _is_auto(self) -> bool:
        return self.styles.height is not None and self.styles.height.is_auto

    def on_resize(self, event: events.Resize) -> None:
        """Lay the rows out for the new size."""
        self.resized()
        self.repaint()

    def resized(self) -> None:
        """The room has changed: a widget that scrolls brings its cursor into view."""

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """The height wanted at this width."""
        self._wanted_height = self.row_count(width)
        return self._wanted_height

    def render_line(self, y: int) -> Strip:
        """One line of the screen; built once for each text, theme and ground."""
        width = self.content_size.width
        row = self._rows[y] if y < len(self._rows) else Row(())
        base = self.rich_style
        palette = palette_of(self)
        key = (row, palette.name, base, width)
        known, strip = self._strips.get(y, (None, None))
        if strip is None or known != key:
            strip = strip_of(row, width, palette, base)
            self._strips[y] = key, strip
        return strip


class TextBlock(LineWidget):
    """A few lines of text, one column in from each side; long ones wrap."""

    def __init__(self, *lines: Line, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines = lines

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines instead."""
        self._lines = tuple(lines)
        self.repaint()

    def rows(self, width: int, height: int) -> Sequence[Row]:
        """The lines, wrapped."""
        return [
            padded(part, width) for line in self._lines for part in wrap(line, max(1, width - 2))
        ]


def sentence_rows(sentence: str, width: int, *, column: int = 1) -> list[Row]:
    """A dim sentence where there is nothing else to show; no rows for an empty one."""
    if not sentence:
        return []
    parts = wrap(((sentence, "dim"),), max(1, width - column - 1))
    return [padded(part, width, column) for part in parts]


def padded(line: Line, width: int, column: int = 1) -> Row:
    """A row with the line beginning at a column."""
    columns = Columns(width)
    columns.put_line(column, line)
    return Row(columns.line())
