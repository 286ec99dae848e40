from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.screen.snapshot import screen_text
from tests.screen.widgets.scenes import DISK_CHART, MEMORY_CHART, SERIES, Stage

from aitune_widgets import chart as chart_module
from aitune_widgets.chart import BRAILLE, Raster, TimeChart, rasterise
from aitune_widgets.chart_points import (
    ChartData,
    Dot,
    Marker,
    Series,
    axis_top,
    dots_of,
    finite,
    marker_column,
    number,
    spread_labels,
    tick,
)
from aitune_widgets.text import width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

POINT = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -1.0, 1e308, -1e308, 1e-308, math.nan, math.inf, -math.inf]),
    st.integers(0, 10),
)
SERIES_LIST = st.lists(
    st.builds(
        Series,
        st.just("s"),
        st.sampled_from(["a", "", "\x1b", "日"]),
        st.sampled_from(["available", "cache", "used"]),
        st.lists(POINT, max_size=400).map(tuple),
        st.sampled_from(["line", "area"]),
    ),
    max_size=4,
).map(tuple)
ODD = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.integers(-5, 400))
DATA = st.builds(
    ChartData,
    st.sampled_from(["", "disk read"]),
    st.just("GiB"),
    st.integers(-3, 4000),
    SERIES_LIST,
    st.lists(st.builds(Marker, ODD, st.just("load")), max_size=3).map(tuple),
    ODD,
    st.booleans(),
    step=st.sampled_from([0.1, 1.0, 5.0]),
    now=st.one_of(st.floats(0, 1e9), st.just(math.nan)),
)


@settings(max_examples=300, deadline=None)
@given(DATA, st.integers(1, 200), st.integers(1, 50), st.booleans(), st.booleans())
@example(replace(MEMORY_CHART, top=math.nan), 200, 50, True, False)
@example(replace(MEMORY_CHART, series=()), 1, 1, True, True)
@example(replace(MEMORY_CHART, top=1e-300), 60, 10, False, False)
@example(
    ChartData(series=(Series("s", "s", "used", (1e308, 0.0) * 200),), top=1.0), 200, 50, True, False
)
def test_no_data_can_end_the_process_or_break_a_line(
    data: ChartData, width: int, height: int, axis: bool, slow: bool
) -> None:
    chart = _Unmounted(axis=axis, slow_link=slow)
    chart.show(data)
    rows = chart.rows(width, height)
    assert len(rows) == height
    assert all(width_of(row.line) in (0, width) for row in rows)


class _Unmounted(TimeChart):
    """A chart outside an app: nothing but what it would draw."""

    def _letters(self) -> bool:
        return False

    def repaint(self) -> None:
        return


@settings(max_examples=200, deadline=None)
@given(
    st.lists(POINT, max_size=500),
    st.integers(1, 400),
    st.integers(1, 200),
    st.floats(1e-9, 1e18),
    st.floats(0, 1e9),
)
def test_dots_lie_in_the_raster_at_most_one_in_a_column(
    points: list[float | None], columns: int, rows: int, top: float, now: float
) -> None:
    series = Series("s", "s", "used", tuple(points))
    runs = dots_of(series, seconds=300, step=1, top=top, columns=columns, rows=rows, now=now)
    for run in runs:
        assert [dot.column for dot in run] == sorted({dot.column for dot in run})
        assert all(0 <= dot.column < columns and 0 <= dot.row < rows for dot in run)


def _dots(cells: Sequence[Sequence[chart_module.Ink]]) -> set[tuple[int, int]]:
    """The dots that braille cells show, (column, row from the bottom)."""
    bits = {0x01: (0, 3), 0x02: (0, 2), 0x04: (0, 1), 0x40: (0, 0),
            0x08: (1, 3), 0x10: (1, 2), 0x20: (1, 1), 0x80: (1, 0)}  # fmt: skip
    found = set()
    for y, line in enumerate(reversed(cells)):
        for x, ink in enumerate(line):
            if ink.char != " ":
                mask = ord(ink.char) - 0x2800
                found |= {(2 * x + dx, 4 * y + dy) for bit, (dx, dy) in bits.items() if mask & bit}
    return found


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 80), st.integers(1, 20))
def test_plotext_draws_exactly_the_dots_asked_for(
    data: st.DataObject, width: int, height: int
) -> None:
    column = data.draw(st.integers(0, 2 * width - 1))
    row = data.draw(st.integers(0, 4 * height - 1))
    cells = rasterise([[[Dot(column, row)]]], [False], ["x"], width, height)
    assert [len(line) for line in cells] == [width] * height
    assert _dots(cells) == {(column, row)}
    filled = rasterise([[[Dot(column, row)]]], [True], ["x"], width, height)
    assert _dots(filled) == {(column, y) for y in range(row + 1)}


@settings(max_examples=60, deadline=None)
@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.booleans())
def test_dots_outside_the_raster_stay_on_its_edge(column: int, row: int, area: bool) -> None:
    cells = rasterise([[[Dot(3, 3), Dot(column, row)]]], [area], ["x"], 5, 3)
    edge = (min(9, max(0, column)), min(11, max(0, row)))
    assert edge in _dots(cells)


def test_series_are_told_apart_by_their_ink() -> None:
    low = [[Dot(x, 0) for x in range(8)]]
    high = [[Dot(x, 7) for x in range(8)]]
    cells = rasterise([low, high], [False, False], ["a", "b"], 4, 2)
    assert [{ink.series for ink in line} for line in cells] == [{1}, {0}]
    letters = rasterise(
        [[[Dot(0, 0), Dot(3, 0)]], [[Dot(0, 1)]]],
        [False, False],
        ["a", "b"],
        4,
        2,
        Raster(1, 1, ""),
    )
    assert ["".join(ink.char for ink in line) for line in letters] == ["b   ", "aaaa"]


def test_a_gap_in_the_values_is_a_gap_in_the_line() -> None:
    series = Series("s", "s", "used", (1.0,) * 100 + (None,) * 100 + (1.0,) * 101)
    runs = dots_of(series, seconds=300, step=1, top=2, columns=60, rows=8, now=600)
    assert len(runs) == 2
    cells = rasterise([runs], [False], ["s"], 30, 2, BRAILLE)
    text = "".join(ink.char for ink in cells[-2])
    assert text.strip() != text.strip().replace(" ", "")


def test_the_worst_value_of_a_column_is_drawn() -> None:
    spike = tuple(10.0 if i != 150 else 90.0 for i in range(301))
    dip = tuple(90.0 if i != 150 else 10.0 for i in range(301))
    args = {"seconds": 300.0, "step": 1.0, "top": 100.0, "columns": 20, "rows": 101, "now": 900.0}
    used = dots_of(Series("u", "u", "used", spike), **args)  # type: ignore[arg-type]
    free = dots_of(Series("a", "a", "available", dip), **args)  # type: ignore[arg-type]
    assert max(dot.row for dot in used[0]) == 90
    assert min(dot.row for dot in free[0]) == 10


@given(st.lists(st.integers(-3, 30), max_size=8), st.integers(1, 12))
def test_end_labels_never_share_a_row_and_keep_their_order(wanted: list[int], rows: int) -> None:
    placed = spread_labels(wanted, rows)
    taken = [row for row in placed if row is not None]
    assert len(set(taken)) == len(taken) == min(len(wanted), rows)
    assert all(0 <= row < rows for row in taken)
    pairs = [(w, p) for w, p in zip(wanted, placed, strict=True) if p is not None]
    assert [p for _, p in sorted(pairs, key=lambda pair: pair[0])] == sorted(taken)


def test_labels_that_have_room_stand_at_their_line() -> None:
    assert spread_labels([0, 3, 5], 6) == [0, 3, 5]
    assert spread_labels([5, 5, 5], 6) == [3, 4, 5]


@given(st.floats(0, 1e18), st.floats(1e-9, 1e18))
def test_numbers_beside_a_chart_take_four_cells(value: float, top: float) -> None:
    assert len(tick(value, top)) <= 4
    assert len(number(value, top)) <= 5


def test_an_axis_ends_on_a_round_number_above_the_data() -> None:
    def top(value: float) -> float:
        return axis_top(ChartData(series=(Series("s", "s", "used", (value,)),)))

    assert [top(v) for v in (0.0, 0.3, 3.0, 7.1, 10.0, 862.0)] == [1, 0.5, 5, 10, 10, 1000]
    assert axis_top(ChartData(top=1000.0)) == 1000.0


def test_finite_values_only() -> None:
    assert finite(None) is None
    assert finite(math.nan) is None
    assert finite(math.inf) is None
    assert finite(-3.0) == 0.0
    assert finite(1e308) == 1e18


def test_markers_lie_at_their_age() -> None:
    assert marker_column(Marker(0, "x"), 300, 60) == 59
    assert marker_column(Marker(300, "x"), 300, 60) == 0
    assert marker_column(Marker(150, "x"), 300, 60) == 29
    assert marker_column(Marker(301, "x"), 300, 60) is None
    assert marker_column(Marker(math.nan, "x"), 300, 60) is None


async def test_dots_are_drawn_again_only_when_a_column_is_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: Counter[str] = Counter()
    draw = chart_module.rasterise

    def counted(*args: object, **named: object) -> object:
        calls["rasterise"] += 1
        return draw(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(chart_module, "rasterise", counted)
    chart = TimeChart()
    app = Stage(chart)
    async with app.run_test(size=(72, 10)) as pilot:
        chart.show(replace(MEMORY_CHART, now=1000.0))
        await pilot.pause()
        assert chart.plot_columns == 60
        calls.clear()
        for second in range(1, 26):  # 2.5 s a dot: 60 cells of two dots for 300 s
            chart.show(replace(MEMORY_CHART, now=1000.0 + second))
            await pilot.pause()
        assert calls["rasterise"] == 10
        calls.clear()
        newest = replace(SERIES[0], points=(*SERIES[0].points[1:], 777.0))
        chart.show(replace(MEMORY_CHART, now=1025.5, series=(newest, *SERIES[1:])))
        await pilot.pause()
        assert "777" in screen_text(app)
        assert calls["rasterise"] == 0
        await pilot.resize_terminal(80, 12)
        await pilot.pause()
        assert calls["rasterise"] > 0


async def test_names_of_markers_stand_below_the_axis_and_the_older_gives_way() -> None:
    chart = TimeChart(axis=True)
    app = Stage(chart)
    async with app.run_test(size=(51, 8)) as pilot:
        chart.show(DISK_CHART)
        await pilot.pause()
        lines = screen_text(app).splitlines()
        assert lines[0].startswith(" disk read GB/s   all devices")
        assert lines[-3].strip().startswith("└─")
        assert lines[-2].split() == ["-5", "min", "now"]
        assert lines[-1].split() == ["✓", "kept", "thp.defrag", "▸", "load", "starts"]
        at = lines[-1].index("✓")
        assert lines[2][at] == "┊"
        close = (Marker(90, "✓ the older one"), Marker(78, "▸ load starts"))
        chart.show(replace(DISK_CHART, markers=close))
        await pilot.pause()
        assert "older" not in screen_text(app)
        assert "load starts" in screen_text(app)
        chart.set_axis(axis=True, short=True)
        await pilot.pause()
        last = screen_text(app).splitlines()[-1]
        assert last.split() == ["-5", "min", "▸", "load", "starts", "now"]


async def test_without_colour_the_ends_carry_letters() -> None:
    chart = TimeChart()
    app = Stage(chart, theme="aitune-mono")
    async with app.run_test(size=(60, 8)) as pilot:
        chart.show(MEMORY_CHART)
        await pilot.pause()
        text = screen_text(app)
        assert all(label in text for label in ("a 862", "c 473", "u 132"))


async def test_a_new_chart_says_that_it_fills() -> None:
    chart = TimeChart()
    app = Stage(chart)
    async with app.run_test(size=(51, 6)) as pilot:
        new = tuple(replace(s, points=s.points[-4:]) for s in SERIES)
        sentence = "The chart fills as time passes."
        chart.show(replace(MEMORY_CHART, series=new, empty=sentence))
        await pilot.pause()
        assert sentence in screen_text(app)


def test_nothing_is_printed_while_drawing(capfd: pytest.CaptureFixture[str]) -> None:
    rasterise([[[Dot(0, 0)]]], [False], ["x"], 1, 1)
    rasterise([[[Dot(x, x % 4) for x in range(40)]]], [True], ["x"], 20, 1)
    assert capfd.readouterr() == ("", "")


def test_plotext_is_imported_at_the_first_draw_and_not_before() -> None:
    code = (
        "import sys; from aitune_widgets.chart import rasterise; from aitune_widgets.chart_points "
        "import Dot; assert 'plotext' not in sys.modules; rasterise([[[Dot(0, 0)]]], [False], "
        "['x'], 3, 2); assert 'plotext' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
