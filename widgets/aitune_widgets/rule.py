"""The one line that a panel begins with: number, title, what it adds up to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_widgets.lines import LineWidget
from aitune_widgets.text import Columns, Line, Row, clean, fit, width_of
from aitune_widgets.theme import Tone  # noqa: TC001 - a type alias used in annotations only

if TYPE_CHECKING:
    from collections.abc import Sequence


def rule_line(
    width: int, title: str, right: Line = (), *, number: str = "", focused: bool = False
) -> Line:
    """`─ 1 Memory ───── 2 differ ─`; thick and bright when focused.

    What stands right is dropped whole when it does not fit beside the title.
    """
    columns = Columns(width)
    mark, tone = ("━", "focus") if focused else ("─", "rule")
    rule_tone: Tone = "focus" if focused else "rule"
    del tone
    columns.put(0, mark * width, rule_tone)
    if not (title or number or right):
        return columns.line()
    column = columns.put(1, " ")
    if number:
        number_tone: Tone = "focus-bold" if focused else "focus"
        column = columns.put(column, f"{number} ", number_tone)
    right = tuple((clean(text), each) for text, each in right)
    right_width = width_of(right)
    title = fit(clean(title), max(0, width - column - 2))
    column = columns.put(column, title, "strong")
    columns.put(column, " ")
    start = width - 2 - right_width
    if right_width and start - 1 > column:
        columns.put(start - 1, " ")
        columns.put_line(start, right)
        columns.put(width - 2, " ")
    return columns.line()


class PanelRule(LineWidget):
    """The rule of a panel. Set `focused` when the panel has the focus."""

    def __init__(
        self, number: str = "", title: str = "", right: Line = (), *, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._number = number
        self._title = title
        self._right = right
        self._focused = False

    def show(
        self,
        *,
        number: str | None = None,
        title: str | None = None,
        right: Sequence[tuple[str, Tone]] | None = None,
    ) -> None:
        """Change what is given, leave the rest."""
        self._number = self._number if number is None else number
        self._title = self._title if title is None else title
        self._right = self._right if right is None else tuple(right)
        self.repaint()

    @property
    def focused(self) -> bool:
        """Whether the panel below has the focus."""
        return self._focused

    @focused.setter
    def focused(self, value: bool) -> None:
        self._focused = value
        self.repaint()

    def rows(self, width: int, height: int) -> Sequence[Row]:
        """One line."""
        line = rule_line(
            width, self._title, self._right, number=self._number, focused=self._focused
        )
        return (Row(line),)
