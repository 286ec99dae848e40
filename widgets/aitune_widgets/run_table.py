"""Results of load tests: blocks of runs with their spread, on one axis. No verdict, no per cent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_widgets.lines import LineWidget, padded
from aitune_widgets.text import Columns, Line, Row, clean, fit, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_widgets.theme import Tone


_WIDEST_NAME = 20


@dataclass(frozen=True, slots=True)
class RunBlock:
    """Runs under the same settings.

    Attributes:
        name: `before`, `after`, or when it was.
        rates: Rate of each run, GB/s.
        median_load: `48.1 s`.
        cached: Share cached before, `0.0 %, 12 of 12`.
        tone: Tone of its dots: `cache` for the first block, `used` for the second.
        note: What was in force, one line.
        rows: Fields of the runs for a table, one a run: number, seconds, rate, cached.
    """

    name: str
    rates: tuple[float, ...] = ()
    median_load: str = ""
    cached: str = ""
    tone: Tone = "cache"
    note: str = ""
    rows: tuple[tuple[str, ...], ...] = ()


class RunTable(LineWidget):
    """Draws blocks one under the other and the sentence that they are not a comparison."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._blocks: tuple[RunBlock, ...] = ()
        self._sentences: tuple[Line, ...] = ()

    def show(self, blocks: Sequence[RunBlock], sentences: Sequence[Line] = ()) -> None:
        """Show these blocks, and these sentences below."""
        self._blocks = tuple(blocks)
        self._sentences = tuple(sentences)
        self.repaint()

    def rows(self, width: int, height: int) -> Sequence[Row]:
        """Table, spread, sentences."""
        name = max((len(clean(b.name)) for b in self._blocks), default=0)
        at = 1 + max(8, min(name, _WIDEST_NAME))
        rows: list[Row] = []
        if self._blocks:
            rows.append(_head(width, at))
            rows.extend(_numbers(block, width, at) for block in self._blocks)
            rows.append(Row(()))
            rows.extend(_spread(self._blocks, width, at))
        for line in self._sentences:
            rows.extend(padded(part, width) for part in wrap(line, max(1, width - 2)) or ((),))
        return rows


def finite(rates: Sequence[float]) -> list[float]:
    """The rates that are numbers, smallest first."""
    return sorted(rate for rate in rates if math.isfinite(rate))


def median(rates: Sequence[float]) -> float:
    """The middle rate, or the mean of the middle two; NaN without any."""
    known = finite(rates)
    if not known:
        return math.nan
    half = len(known) // 2
    return known[half] if len(known) % 2 else (known[half - 1] + known[half]) / 2


def _edges(at: int) -> tuple[int, int, int, int]:
    """The columns after MEDIAN LOAD, MEDIAN RATE, SLOWEST – FASTEST and RUNS."""
    return at + 12, at + 25, at + 44, at + 50


def _head(width: int, at: int) -> Row:
    columns = Columns(width)
    for edge, text in zip(
        _edges(at), ("MEDIAN LOAD", "MEDIAN RATE", "SLOWEST – FASTEST", "RUNS"), strict=True
    ):
        columns.put_right(edge, text, "dim")
    start = _edges(at)[-1] + 3
    columns.put(start, "CACHED BEFORE" if start + 13 < width else "CACHED", "dim")
    return Row(columns.line())


def _numbers(block: RunBlock, width: int, at: int) -> Row:
    load, rate, spread, runs = _edges(at)
    columns = Columns(width)
    columns.put(1, fit(clean(block.name), at - 1), block.tone)
    known = finite(block.rates)
    columns.put_right(load, block.median_load or "–", "strong")
    middle = f"{median(known):.2f} GB/s" if known else "–"
    columns.put_right(rate, middle, "fg")
    columns.put_right(spread, f"{known[0]:.2f} – {known[-1]:.2f}" if known else "–", "fg")
    columns.put_right(runs, str(len(known)), "fg")
    columns.put(runs + 3, block.cached, "dim")
    return Row(columns.line())


def _spread(blocks: Sequence[RunBlock], width: int, at: int) -> list[Row]:
    """A dot a run between the slowest and the fastest, all blocks on one axis."""
    every = finite([rate for block in blocks for rate in block.rates])
    start, end = at + 2, width - 2
    if not every or end - start < 10:
        return []
    low, high = every[0], every[-1]
    room = max(high - low, high * 0.02, 1e-9)
    low, high = low - room * 0.1, low + room * 1.1

    def column(rate: float) -> int:
        return start + round((rate - low) / (high - low) * (end - start - 1))

    rows = []
    for block in blocks:
        columns = Columns(width)
        columns.put(1, fit(clean(block.name), at - 1), block.tone)
        known = finite(block.rates)
        if known:
            columns.put(column(known[0]), "─" * (column(known[-1]) - column(known[0])), "rule")
        for rate in known:
            columns.put(column(rate), "•", block.tone)
        rows.append(Row(columns.line()))
    axis, ticks = Columns(width), Columns(width)
    axis.put(start, "─" * (end - start), "rule")
    ticks.put(start, f"{low:.2f}", "dim")
    ticks.put_right(end, f"{high:.2f} GB/s", "dim")
    return [*rows, Row(axis.line()), Row(ticks.line()), Row(())]
