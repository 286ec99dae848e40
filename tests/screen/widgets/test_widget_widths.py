from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import pytest
from rich.style import Style
from tests.screen.snapshot import screen_strips
from tests.screen.widgets import scenes
from tests.screen.widgets.scenes import HOSTILE, Stage

from aitune_widgets.changes_list import ChangesList
from aitune_widgets.chart import TimeChart
from aitune_widgets.core_grid import CoreGrid
from aitune_widgets.disk_table import DiskTable
from aitune_widgets.footer_bar import FooterBar
from aitune_widgets.glyphs import use_ascii
from aitune_widgets.header_bar import HeaderBar
from aitune_widgets.inspector import Inspector
from aitune_widgets.lines import TextBlock
from aitune_widgets.load_panel import LoadPanel
from aitune_widgets.memory_strip import MemoryStrip, StripLoad
from aitune_widgets.navigation_bar import NavigationBar
from aitune_widgets.plan_view import PlanView
from aitune_widgets.rule import PanelRule
from aitune_widgets.run_table import RunTable
from aitune_widgets.setting_table import SettingTable
from aitune_widgets.text import strip_of, width_of
from aitune_widgets.theme import MONO, TRUECOLOR
from aitune_widgets.trial_band import TrialBand
from aitune_widgets.work_list import WorkList

if TYPE_CHECKING:
    from aitune_widgets.lines import LineWidget

T = TypeVar("T")


class Twist(Protocol):
    """Changes values and leaves their type."""

    def __call__(self, value: T) -> T: ...


_DRAWN_BY_US = frozenset(
    ("key", "tone", "style", "keep", "kind", "new_kind", "risk_tone", "governor_tone",
     "busy_tone", "advised_tone", "glyph", "letter")
)  # fmt: skip


def hostile(value: T) -> T:
    """The same value with every string a machine could have given made hostile."""
    return cast("T", _hostile(value, ""))


def _hostile(value: object, name: str) -> object:
    if isinstance(value, str):
        return value if name in _DRAWN_BY_US else value + HOSTILE
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, str) for v in value):
        return (value[0] + HOSTILE, value[1])
    if isinstance(value, tuple):
        return tuple(_hostile(each, name) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: _hostile(getattr(value, f.name), f.name) for f in fields(value)}
        return replace(value, **changed)
    return value


def filled(twist: Twist) -> list[LineWidget]:
    """One of every widget, with the scene of the pictures."""
    header, navigation, footer = HeaderBar(), NavigationBar(), FooterBar()
    header.show(twist(scenes.HEADER))
    navigation.show(twist(scenes.TABS), "1")
    footer.show(twist(scenes.KEYS), scenes.ALWAYS)
    strip, alarm = MemoryStrip(), MemoryStrip()
    strip.show(twist(replace(scenes.MEMORY, load=StripLoad(0.61, "6.1 GB/s", "52 s left"))))
    alarm.show(twist(scenes.ALARM))
    settings, disks, work = SettingTable(), DiskTable(), WorkList()
    settings.show(twist(scenes.GROUPED))
    disks.show(twist(scenes.DISKS))
    work.show(twist(scenes.WORK))
    compact, grid = CoreGrid(compact=True), CoreGrid()
    compact.show(twist(scenes.NODES))
    grid.show(twist(scenes.NODES), twist("one cell is one core"))
    load, empty = LoadPanel(), LoadPanel()
    load.show(twist(scenes.LOAD))
    empty.show(replace(twist(scenes.LOAD), title="", fraction=None))
    chart, disk_chart = TimeChart(), TimeChart(axis=True)
    chart.show(twist(scenes.MEMORY_CHART))
    disk_chart.show(twist(scenes.DISK_CHART))
    short_why, why = Inspector(), Inspector()
    short_why.show(twist("numa"), (), twist(scenes.SHORT_WHY), (("i", "all of it"),))
    why.show(twist("numa"), twist((("1", "differs"),)), twist(scenes.FULL_WHY))
    plan, band, folded = PlanView(), TrialBand(), TrialBand()
    plan.show(
        twist((("3 changes", "strong"),)), twist(scenes.PLAN), twist(scenes.HOW), scenes.PLAN_KEYS
    )
    band.show(twist(scenes.TRIAL))
    folded.show(twist(replace(scenes.TRIAL, urgent=True)))
    folded._folded = True
    changes, runs = ChangesList(), RunTable()
    changes.show(twist(scenes.CHANGES))
    runs.show(twist(scenes.RUNS), (twist((("No comparison.", "fg"),)),))
    return [
        header, navigation, footer, strip, alarm, settings, disks, work, compact, grid, load,
        empty, chart, disk_chart, short_why, why, plan, band, folded, changes, runs,
        PanelRule("1", twist("Memory"), twist((("2 differ", "differs"),))),
        TextBlock(twist((("Some text.", "fg"),))),
    ]  # fmt: skip


def plain(value: T) -> T:
    return value


@pytest.mark.parametrize("twist", [plain, hostile])
@pytest.mark.parametrize("theme", ["aitune-dark", "aitune-mono"])
async def test_every_line_is_as_wide_as_the_widget_at_every_width(twist: Twist, theme: str) -> None:
    app = Stage(theme=theme)
    async with app.run_test(size=(60, 16)) as pilot:
        await pilot.pause()
        widgets = filled(twist)
        await app.mount(*widgets)
        await pilot.pause()
        palette = MONO if theme == "aitune-mono" else TRUECOLOR
        every = twist is plain and theme == "aitune-dark"
        widths = range(60, 221) if every else range(60, 221, 7)
        for width in (1, 2, 9, 25, 59, *widths):
            for height in (1, 7, 24) if not every else (24,):
                for widget in widgets:
                    for row in widget.rows(width, height):
                        where = f"{type(widget).__name__} {width}x{height}: {row.line}"
                        assert width_of(row.line) in (0, width) or width_of(row.line) <= width, (
                            where
                        )
                        strip = strip_of(row, width, palette, Style())
                        assert strip.cell_length == width, where
                        shown = strip.text
                        assert shown.isprintable(), where


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40), (200, 50)])
@pytest.mark.parametrize("plain_signs", [False, True])
async def test_composited_lines_are_as_wide_as_the_screen(
    size: tuple[int, int], plain_signs: bool
) -> None:
    use_ascii(plain_signs)
    try:
        for first in range(0, 23, 6):
            widgets = filled(hostile)[first : first + 6]
            app = Stage(*widgets)
            async with app.run_test(size=size) as pilot:
                await pilot.pause()
                for strip in screen_strips(app):
                    assert strip.cell_length == size[0]
                    assert not plain_signs or strip.text.isascii()
    finally:
        use_ascii(False)


async def test_markup_in_names_is_only_text() -> None:
    table = SettingTable()
    app = Stage(table)
    async with app.run_test(size=(80, 4)) as pilot:
        row = scenes.SETTINGS[0]
        table.show((replace(row, label="[red]x[/red]", value="[@click=quit]1[/]"),))
        await pilot.pause()
        text = "".join(strip.text for strip in screen_strips(app))
        assert "[red]x[/red]" in text
        assert "[@click=quit]1[/]" in text
