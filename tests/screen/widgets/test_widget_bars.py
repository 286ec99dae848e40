from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.screen.snapshot import screen_text
from tests.screen.widgets.scenes import (
    ALARM,
    ALWAYS,
    CHANGES,
    FULL_WHY,
    HEADER,
    HOW,
    KEYS,
    MEMORY,
    PLAN,
    PLAN_KEYS,
    TABS,
    TRIAL,
    Stage,
)

from aitune_widgets.bars import column_of, draw_bar, shares
from aitune_widgets.footer_bar import FooterBar, HintChosen, keys_line
from aitune_widgets.header_bar import header_line
from aitune_widgets.inspector import Inspector
from aitune_widgets.memory_strip import StripLoad, load_line, strip_lines
from aitune_widgets.navigation_bar import NavigationBar
from aitune_widgets.plan_view import PlanView
from aitune_widgets.rule import rule_line
from aitune_widgets.run_table import median
from aitune_widgets.text import Columns, Line
from aitune_widgets.trial_band import TrialBand

if TYPE_CHECKING:
    from textual.message import Message

ODD = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))


def words(line: Line) -> str:
    return "".join(text for text, _ in line)


@given(ODD, st.integers(0, 80))
def test_a_bar_fills_its_room_whatever_the_share(fraction: float | None, width: int) -> None:
    columns = Columns(width + 4)
    draw_bar(columns, 2, width + 2, fraction, "cache", "load-edge")
    text = words(columns.line())
    assert text[:2] + text[-2:] == "    "
    assert set(text[2:-2]) <= set("█░▏▎▍▌▋▊▉")
    if fraction is not None and math.isfinite(fraction):
        full = text.count("█")
        assert abs(full - min(1, max(0, fraction)) * width) < 1.01


@given(st.lists(st.floats(0, 1e15), max_size=6), st.integers(0, 200))
def test_shares_of_a_strip_never_exceed_it(parts: list[float], width: int) -> None:
    cells = shares(parts, width)
    assert len(cells) == len(parts)
    assert all(cell >= 0 for cell in cells)
    assert sum(cells) == (width if sum(parts) > 0 else 0)


@given(ODD)
def test_a_column_is_one_cell_and_never_full_on_neighbouring_lines(height: float | None) -> None:
    assert len(column_of(height)) == 1
    assert column_of(height, top=7) != "█"


def test_labels_of_the_memory_strip_stand_under_their_segments() -> None:
    top, below = (words(line) for line in strip_lines(MEMORY, 120))
    assert top.index("█") == below.index("used") == 9
    assert below.index("free") == top.index("·")
    assert "cache 472.9" in below  # its segment begins where "used" still stands: it queues up
    assert below.index("cache") == below.index("132.4") + len("132.4") + 2
    assert top.rstrip().endswith("861.9 GiB available  86 %")
    assert below.rstrip().endswith("no swap     stalled 0.4 % of 10 s")


def test_the_bar_of_a_load_stays_when_its_range_is_not_known_yet() -> None:
    for width in (80, 120):
        bars = {
            words(load_line(StripLoad(0.5, rate, left, range_), width)).rindex("░")
            for rate, left, range_ in (
                ("– GB/s", "measuring…", ""),
                ("6.1 GB/s", "52 s left", "47 – 60 s"),
                ("16.1 GB/s", "9 s left", "8 – 10 s"),
            )
        }
        assert len(bars) == 1


def test_an_alarm_takes_room_from_the_bar_and_drops_whole_fields() -> None:
    top, below = (words(line) for line in strip_lines(ALARM, 120))
    assert " ! reaches 0 in 26 s " in top
    assert "no swap" not in below
    assert below.rstrip().endswith("stalled 7.9 %")
    for part in ("used 861.8", "huge pages 16.0", "cache 71.3", "free 58.4"):
        assert part in below


def test_a_header_drops_whole_fields_and_never_its_chips() -> None:
    for width in range(40, 160):
        text = words(header_line(HEADER, width))
        assert " ◆ 3 staged " in text
        assert text.rstrip().endswith("12:04:31")
        for field in (HEADER.helper, HEADER.facts, HEADER.facts_short):
            assert field in text or field.split()[0] not in text.split()


def test_a_footer_drops_whole_keys_from_the_right_of_the_left_group() -> None:
    for width in range(50, 160):
        text = words(keys_line(KEYS, ALWAYS, width)[0])
        assert text.rstrip().endswith(": commands   ? help   q quit")
        shown = [hint for hint in KEYS if f"{hint.key} {hint.verb}" in text]
        assert tuple(shown) == KEYS[: len(shown)]
        whole = "".join(f"{hint.key}{hint.verb}" for hint in (*shown, *ALWAYS))
        assert text.replace(" ", "") == whole.replace(" ", "")


def test_a_rule_keeps_its_title_and_drops_its_sum_whole() -> None:
    right: Line = (("2 differ", "differs"), (" · ", "dim"), ("3 staged", "staged"))
    for width in range(24, 90):
        text = words(rule_line(width, "Memory & huge pages", right, number="1", focused=True))
        assert text.startswith("━ 1 Memory & huge")
        assert "2 differ · 3 staged" in text or "differ" not in text


class Keys:
    """The keys and tabs clicked on."""

    def __init__(self) -> None:
        self.seen: list[Message] = []

    def __call__(self, message: Message) -> None:
        wanted = isinstance(message, HintChosen | NavigationBar.TabChosen)
        if wanted and not any(message is other for other in self.seen):
            self.seen.append(message)

    @property
    def keys(self) -> list[str]:
        return [m.key for m in self.seen if isinstance(m, HintChosen | NavigationBar.TabChosen)]


async def test_bars_can_be_clicked() -> None:
    bar, footer, band = NavigationBar(), FooterBar(), TrialBand()
    app, clicked = Stage(bar, footer, band), Keys()
    async with app.run_test(size=(120, 12), message_hook=clicked) as pilot:
        bar.show(TABS, "1")
        footer.show((*KEYS[:1],), ALWAYS)
        band.show(TRIAL)
        await pilot.pause()
        lines = screen_text(app).splitlines()
        await pilot.click(NavigationBar, offset=(lines[0].index("Block"), 0))
        await pilot.click(NavigationBar, offset=(0, 0))
        await pilot.click(FooterBar, offset=(lines[1].index("commands"), 0))
        await pilot.click(TrialBand, offset=(lines[-4].index("keep all"), 1))
        await pilot.click(TrialBand, offset=(lines[-4].index("put back"), 1))
        await pilot.click(TrialBand, offset=(5, 1))
        assert clicked.keys == ["3", ":", "K", "R"]
        band.folded = True
        await pilot.pause()
        assert band.size.height == 1
        await pilot.click(TrialBand, offset=(lines[-4].index("put back"), 0))
        assert clicked.keys[-1] == "R"


async def test_the_plan_shows_the_selected_change_and_its_keys_inside_a_box() -> None:
    plan = PlanView()
    plan.styles.border = ("round", "white")
    app, clicked = Stage(plan), Keys()
    async with app.run_test(size=(100, 30), message_hook=clicked) as pilot:
        plan.show((("3 changes", "strong"),), PLAN, HOW, PLAN_KEYS, ALWAYS[-1:])
        plan.focus()
        await pilot.pause()
        text = screen_text(app)
        assert " 3 changes" in text
        assert "─ vm.overcommit_memory  0 → 1 ─" in text
        assert "writes 0 back" in text
        await pilot.press("down")
        assert "─ vm.overcommit_ratio  50 → 90 ─" in screen_text(app)
        lines = screen_text(app).splitlines()
        y = next(i for i, line in enumerate(lines) if "try for 60 s" in line)
        await pilot.click(PlanView, offset=(lines[y].index("leave"), y))
        assert clicked.keys == ["x"]


async def test_how_it_is_done_is_not_cut_for_prose() -> None:
    from dataclasses import replace

    plan = PlanView()
    long = tuple(replace(field, text="It says a good deal. " * 30) for field in PLAN[0].detail)
    app = Stage(plan)
    async with app.run_test(size=(76, 17)):
        plan.show((("1 change", "strong"),), [replace(PLAN[0], detail_short=long)], HOW, PLAN_KEYS)
        text = screen_text(app)
        assert all(how.label in text for how in HOW), text
        assert "…" in text
        assert all(field.label in text for field in long), text


async def test_more_changes_than_room_scroll_and_leave_the_rest_in_place() -> None:
    from dataclasses import replace

    plan = PlanView()
    rows = [replace(PLAN[0], key=f"c{i}", label=f"knob.{i}") for i in range(40)]
    app = Stage(plan)
    async with app.run_test(size=(100, 24)) as pilot:
        plan.show((("40 changes", "strong"),), rows, HOW, PLAN_KEYS)
        plan.focus()
        for index in (0, 20, 39, 3):
            plan.move_to(f"c{index}")
            await pilot.pause()
            text = screen_text(app)
            marked = [line for line in text.splitlines() if "▌" in line]
            assert [f"knob.{index} " in line for line in marked] == [True]
            assert "40 changes" in text
            assert "try for 60 s" in text
            assert "─ How ─" in text
            how = next(y for y, line in enumerate(text.splitlines()) if "─ How ─" in line)
            await pilot.click(PlanView, offset=(20, how))
            assert plan.cursor_key == f"c{index}"


async def test_the_inspector_scrolls_and_keeps_its_keys_in_sight() -> None:
    inspector = Inspector()
    app = Stage(inspector)
    async with app.run_test(size=(51, 12)) as pilot:
        inspector.show("kernel.numa_balancing", (), FULL_WHY, (("Space", "stage 0"),))
        inspector.focus()
        await pilot.pause()
        assert "more" in screen_text(app)
        assert "writes 1 back" not in screen_text(app)
        assert screen_text(app).splitlines()[-1] == " Space stage 0"
        await pilot.press("pagedown", "pagedown", "pagedown")
        assert "writes 1 back" in screen_text(app)
        assert screen_text(app).splitlines()[-1] == " Space stage 0"
        inspector.show("vm.swappiness", (), FULL_WHY, ())
        await pilot.pause()
        assert " What " in screen_text(app).splitlines()[1]


@pytest.mark.parametrize(
    ("rates", "middle"), [((3.0, 1.0, 2.0), 2.0), ((1.0, 2.0), 1.5), ((math.nan, 5.0), 5.0)]
)
def test_the_median_is_the_middle(rates: tuple[float, ...], middle: float) -> None:
    assert median(rates) == middle


def test_no_runs_have_no_median() -> None:
    assert math.isnan(median(()))


def test_changes_are_the_newest_first_as_given() -> None:
    assert [row.number for row in CHANGES] == ["17", "16", "13"]
