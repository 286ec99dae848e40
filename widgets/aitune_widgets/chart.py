"""A chart over time: dotted lines and areas, ticks, end labels, markers. The home of plotext.

plotext draws the dots and nothing else. It gets whole dots of a raster that is one cell larger than
the chart on each side, so that no point can leave the limits, and a colour that is the number of
the series, from which the tone is taken. It is imported on the first draw.
"""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from rich.cells import cell_len

from aitune_widgets.chart_points import (
    ChartData,
    Marker,
    Series,
    axis_top,
    dot_row,
    dots_of,
    finite,
    marker_column,
    number,
    spread_labels,
    tick,
    time_label,
)
from aitune_widgets.glyphs import ascii_only
from aitune_widgets.lines import LineWidget
from aitune_widgets.text import Columns, Row, clean
from aitune_widgets.theme import palette_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aitune_widgets.chart_points import Dot

__all__ = ["ChartData", "Marker", "Series", "TimeChart", "rasterise"]

_SGR: Final = re.compile(r"\x1b\[([0-9;]*)m")
_GUTTER: Final = 6
"""Cells left of the plot: one free, four of a tick, the axis."""


class Ink(NamedTuple):
    """A cell of the raster: what is drawn, and the series it belongs to (-1 for none)."""

    char: str
    series: int


class Raster(NamedTuple):
    """How dots are drawn: dots of a cell across and up, and plotext's name of the mark."""

    across: int
    up: int
    mark: str


BRAILLE: Final = Raster(2, 4, "braille")


def rasterise(
    runs: Sequence[Sequence[Sequence[Dot]]],
    areas: Sequence[bool],
    marks: Sequence[str],
    width: int,
    height: int,
    raster: Raster = BRAILLE,
) -> list[list[Ink]]:
    """Cells of a chart of `width` x `height`, drawn by plotext.

    Args:
        runs: For each series its runs of dots, inside the raster.
        areas: For each series whether it is filled down to the bottom.
        marks: For each series the mark to draw with, where the raster has none of its own.
        width: Cells across.
        height: Cells up.
        raster: What a dot is.
    """
    if not any(runs) or width < 1 or height < 1:
        return [[Ink(" ", -1)] * width for _ in range(height)]
    import plotext

    figure = type(plotext.figure)(parent=type(plotext.terminal)().limit(False, False))
    figure.plot_size(width + 2, height + 2)
    figure.axes(False).theme("simple").canvas("default")
    for axis, size in (("x", width), ("y", height)):
        figure.ruler(axis).lim(0, size + 1)
        figure.ruler(axis).ticks([])
    for index, series in enumerate(runs):
        pixel = plotext.pixel((0, 0, index + 1))
        marker = plotext.marker(raster.mark or marks[index], pixel)
        for run in series:
            xs = [_cell(dot.column, raster.across, width) for dot in run]
            ys = [_cell(dot.row, raster.up, height) for dot in run]
            signal = figure.signal(xs, ys, marker=marker)
            figure.draw(signal.fillx() if areas[index] else signal.lines())
    text = figure.build().string()
    lines = text.split("\n")[1 : height + 1]
    return [_inks(line)[1 : width + 1] for line in lines]


def _cell(dot: int, per_cell: int, cells: int) -> float:
    """Where a dot lies in cells, the chart's first one being cell 1: the middle of its share."""
    inside = min(max(0, dot), cells * per_cell - 1)
    return 1 + (inside + 0.5) / per_cell - 0.5


def _inks(line: str) -> list[Ink]:
    """A line of text with colour codes as cells."""
    inks: list[Ink] = []
    series = -1
    for index, part in enumerate(_SGR.split(line)):
        if index % 2:
            codes = part.split(";")
            series = int(codes[4]) - 1 if codes[:2] == ["38", "2"] and len(codes) > 4 else -1
        else:
            inks.extend(Ink(c, series if c != " " else -1) for c in part)
    return inks


class TimeChart(LineWidget):
    """Draws `ChartData`. Several above one another, the last with `axis`, share the time axis.

    The dots are drawn anew when a new column is due, or when size, theme or axis change; labels
    whenever they read differently.
    """

    DEFAULT_CSS: ClassVar[str] = "TimeChart { height: 1fr; }"

    def __init__(
        self,
        *,
        axis: bool = False,
        short_axis: bool = False,
        slow_link: bool = False,
        clock: Callable[[], float] = time.monotonic,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """A chart.

        Args:
            axis: Draw the time axis: three lines below the plot.
            short_axis: The time axis in one line.
            slow_link: No braille: fewer, simpler cells.
            clock: Tells when the newest point is, where the data do not.
            id: See Textual.
            classes: See Textual.
        """
        super().__init__(id=id, classes=classes)
        self._axis = axis
        self._short_axis = short_axis
        self._slow_link = slow_link
        self._clock = clock
        self._data = ChartData()
        self._now = 0.0
        self._cells: list[list[Ink]] = []
        self._drawn: tuple[object, ...] = ()

    def show(self, data: ChartData) -> None:
        """Show this; dots move on only when a new column is due."""
        self._data = data
        now = data.now if data.now is not None else self._clock()
        self._now = now if math.isfinite(now) else 0.0
        self.repaint()

    def set_axis(self, *, axis: bool, short: bool = False) -> None:
        """Draw the time axis or not, in three lines or in one."""
        self._axis, self._short_axis = axis, short
        self.repaint()

    @property
    def plot_columns(self) -> int:
        """Cells across the plot; 0 where there is no room for one."""
        return self._plot_width(self.content_size.width)

    def _letters(self) -> bool:
        return ascii_only() or not palette_of(self).coloured

    def _plot_width(self, width: int) -> int:
        ends = (8 if self._letters() else 6) if self._data.end_labels else 1
        return max(0, width - _GUTTER - ends)

    def rows(self, width: int, height: int) -> Sequence[Row]:
        """Title, plot, axis: what there is room for, the plot first."""
        data = self._data
        title = 1 if data.title and height >= 2 else 0
        below = min(1 if self._short_axis else 3, max(0, height - title - 1)) if self._axis else 0
        plot_height = max(0, height - title - below)
        plot_width = self._plot_width(width)
        if plot_width < 1 or plot_height < 1:
            return [Row(())] * height
        top = axis_top(data)
        cells = self._raster_cells(plot_width, plot_height, top)
        lines = [Columns(width) for _ in range(height)]
        self._put_plot(lines[title:], cells, plot_width)
        self._put_ticks(lines[title : title + plot_height], top)
        title_end = 0
        if title:
            title_end = lines[0].put(1, data.title, "fg")
            title_end = lines[0].put(title_end + 1, data.unit, "dim")
            title_end = lines[0].put(title_end + 3, data.note, "dim")
        for column in self._marker_columns(plot_width):
            through_title = 0 if _GUTTER + column > title_end else title
            for line in lines[through_title : title + plot_height]:
                if line.is_blank(_GUTTER + column):
                    line.put(_GUTTER + column, "┊", "rule")
        sentence = clean(data.empty)
        if sentence:
            column = _GUTTER + max(0, (plot_width - cell_len(sentence)) // 2)
            lines[title + plot_height // 3].put(column, f" {sentence} ", "dim")
        self._put_ends(lines[title : title + plot_height], plot_width, top)
        if below:
            self._put_axis(lines[title + plot_height :], plot_width)
        return [Row(line.line()) for line in lines]

    def row_count(self, width: int) -> int:
        """A chart takes what room it gets; where it is asked, enough to read it."""
        return 8

    # The dots

    def _raster(self) -> Raster:
        if ascii_only():
            return Raster(1, 1, "")
        return Raster(1, 1, "dot") if self._slow_link else BRAILLE

    def _raster_cells(self, width: int, height: int, top: float) -> list[list[Ink]]:
        """The dots; those drawn last while no new column is due."""
        data, raster = self._data, self._raster()
        across = width * raster.across
        seconds = max(1, data.seconds)
        names = tuple((s.name, s.tone, s.style) for s in data.series)
        known = tuple(any(finite(p) is not None for p in s.points) for s in data.series)
        column = math.floor(self._now / (seconds / across))
        drawn = (column, width, height, top, raster, seconds, names, known)
        if drawn != self._drawn:
            self._drawn = drawn
            runs = [
                dots_of(
                    series, seconds=seconds, step=data.step, top=top, columns=across,
                    rows=height * raster.up, now=self._now,
                )
                for series in data.series
            ]  # fmt: skip
            areas = [series.style == "area" for series in data.series]
            marks = [clean(series.letter)[:1] or "*" for series in data.series]
            self._cells = rasterise(runs, areas, marks, width, height, raster)
        return self._cells

    def _put_plot(self, lines: Sequence[Columns], cells: list[list[Ink]], width: int) -> None:
        series = self._data.series
        for line, inks in zip(lines, cells, strict=False):
            for column, ink in enumerate(inks[:width]):
                if ink.char != " " and 0 <= ink.series < len(series):
                    line.put(_GUTTER + column, ink.char, series[ink.series].tone)

    # Around the dots

    def _put_ticks(self, lines: Sequence[Columns], top: float) -> None:
        height = len(lines)
        for line in lines:
            line.put(_GUTTER - 1, "│", "rule")
        values = (0.0, top / 2, top) if height >= 5 else (0.0, top) if height >= 2 else (top,)
        for value in values:
            row = height - 1 - dot_row(value, top, height * 4) // 4
            lines[row].put_right(_GUTTER - 1, tick(value, top), "dim")
            lines[row].put(_GUTTER - 1, "┤", "rule")

    def _marker_columns(self, width: int) -> list[int]:
        found = (marker_column(m, self._data.seconds, width) for m in self._data.markers)
        return [column for column in found if column is not None]

    def _put_ends(self, lines: Sequence[Columns], width: int, top: float) -> None:
        """The newest value of each series beside the end of its line, in its tone."""
        if not self._data.end_labels:
            return
        height = len(lines)
        newest = [
            (series, series.points[-1])
            for series in self._data.series
            if series.points and finite(series.points[-1]) is not None
        ]
        up = self._raster().up
        wanted = [
            height - 1 - dot_row(finite(value) or 0.0, top, height * up) // up
            for _, value in newest
        ]
        column = _GUTTER + width + 1
        for (series, value), row in zip(newest, spread_labels(wanted, height), strict=True):
            if row is None:
                continue
            text = series.end or number(value, top)
            if self._letters() and len(self._data.series) > 1:
                text = f"{clean(series.letter)[:1]} {text}"
            tone = "strong" if series.tone == "available" else series.tone
            lines[row].put(column, text, tone)

    def _put_axis(self, lines: Sequence[Columns], width: int) -> None:
        """The axis, its ends, and the names of the markers: three lines, two, or one."""
        ends = lines[0] if len(lines) < 3 else lines[1]
        if len(lines) == 3:
            lines[0].put(_GUTTER - 1, "└" + "─" * width, "rule")
        start = _GUTTER if len(lines) < 3 else _GUTTER - 2
        left = ends.put(start, time_label(self._data.seconds), "dim")
        right = ends.put_right(_GUTTER + width, "now", "dim")
        names = lines[-1]
        alone = names is not ends
        first, last = (1, names.width) if alone else (left + 2, right - 2)
        self._put_names(names, width, first, last)

    def _put_names(self, line: Columns, width: int, first: int, last: int) -> None:
        """Names of the markers, the newest first; an older one that would overlap is left out."""
        taken = last
        for marker in sorted(self._data.markers, key=lambda m: m.age_s):
            column = marker_column(marker, self._data.seconds, width)
            text = clean(marker.text)
            if column is None:
                continue
            start = _GUTTER + column
            if taken == last:  # the newest may stand left of its line rather than be left out
                start = min(start, last - cell_len(text))
            if first <= start <= taken - cell_len(text):
                line.put(start, text, marker.tone)
                taken = start - 2
