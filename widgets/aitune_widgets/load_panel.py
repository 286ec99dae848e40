"""The load that is being read now: who, how far, how long still, what limits it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_widgets.bars import draw_bar
from aitune_widgets.lines import LineWidget, padded
from aitune_widgets.text import Columns, Line, Row, clean, fit, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMPACT_HEIGHT = 4
"""Up to this many lines the panel's rule says who, and the body is three lines."""


@dataclass(frozen=True, slots=True)
class LoadView:
    """One load, or none.

    Attributes:
        title: Name of the model; empty when nothing is loading: only the sentences are shown.
        who: Which process.
        fraction: Share read, 0..1; None is not known.
        left: `52 s left`, `measuring…`.
        range_: `47 – 60 s`.
        rate: `6.1`, without its unit.
        done: `495.1 of 811.7 GB`.
        files: `file 117 of 191`.
        sentences: What limits it, its numbers, what follows; each wraps.
        rate_unit: Unit of the rate.
        limit: Compact only, after the rate's number: `of 26.4 GB/s the disks give`.
    """

    title: str = ""
    who: str = ""
    fraction: float | None = None
    left: str = ""
    range_: str = ""
    rate: str = ""
    done: str = ""
    files: str = ""
    sentences: tuple[Line, ...] = ()
    rate_unit: str = "GB/s"
    limit: str = ""


class LoadPanel(LineWidget):
    """Draws a `LoadView`."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._view = LoadView()

    def show(self, view: LoadView) -> None:
        """Show this."""
        if view != self._view:
            self._view = view
            self.repaint()

    def rows(self, width: int, height: int) -> Sequence[Row]:
        """The full form, or three lines where there is no room for it."""
        view = self._view
        if not view.title:
            return _sentences(view.sentences, width, 1)
        if height <= _COMPACT_HEIGHT:
            return (*_compact(view, width), *_sentences(view.sentences, width, 7))
        return (
            *_full(view, width),
            Row(()),
            *_sentences(view.sentences, width, 1),
        )


def _sentences(lines: Sequence[Line], width: int, column: int) -> list[Row]:
    return [
        padded(part, width, column)
        for line in lines
        for part in wrap(line, max(1, width - column - 1)) or ((),)
    ]


def _percent(view: LoadView) -> str:
    return "–" if view.fraction is None else f"{view.fraction * 100:.0f} %"


def _full(view: LoadView, width: int) -> tuple[Row, ...]:
    who, bar, time, amount = (Columns(width) for _ in range(4))
    edge = width - 1
    start = who.put_right(edge, view.who, "dim")
    who.put(1, fit(clean(view.title), start - 3), "strong")
    bar.put(1, _percent(view), "strong")
    draw_bar(bar, 7, edge, view.fraction, "cache", "load-edge")
    column = time.put(1, view.left, "strong")
    if view.range_:
        time.put(column + 2, view.range_, "dim")
    if view.rate:
        time.put_line_right(edge, ((view.rate, "strong"), (f" {view.rate_unit}", "fg")))
    amount.put(1, view.done, "fg")
    amount.put_right(edge, view.files, "dim")
    return tuple(Row(columns.line()) for columns in (who, bar, time, amount))


def _compact(view: LoadView, width: int) -> tuple[Row, ...]:
    bar, amount = Columns(width), Columns(width)
    edge = width - 1
    bar.put(1, _percent(view), "strong")
    start = bar.put_right(edge, view.left, "strong")
    draw_bar(bar, 7, min(edge - 14, start - 2), view.fraction, "cache", "load-edge")
    column = amount.put(7, view.done, "fg")
    if view.range_:
        amount.put(column + 3, view.range_, "dim")
    limit = view.limit or view.rate_unit
    amount.put_line_right(edge, ((view.rate, "strong"), (f" {limit}", "fg")))
    return (Row(bar.line()), Row(amount.line()))
