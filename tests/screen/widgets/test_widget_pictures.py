"""The design pictures as text: what stands where, at the widths they were drawn at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.screen.snapshot import assert_snapshot
from tests.screen.widgets import scenes
from tests.screen.widgets.scenes import Stage

from aitune_widgets.changes_list import ChangesList
from aitune_widgets.chart import TimeChart
from aitune_widgets.core_grid import CoreGrid, NodeCores
from aitune_widgets.disk_table import DiskTable
from aitune_widgets.footer_bar import FooterBar
from aitune_widgets.glyphs import use_ascii
from aitune_widgets.header_bar import Chip, HeaderBar
from aitune_widgets.inspector import Inspector
from aitune_widgets.load_panel import LoadPanel
from aitune_widgets.memory_strip import MemoryStrip, StripLoad
from aitune_widgets.navigation_bar import NavigationBar
from aitune_widgets.plan_view import PlanView
from aitune_widgets.rule import PanelRule
from aitune_widgets.run_table import RunTable
from aitune_widgets.setting_table import SettingRow, SettingTable
from aitune_widgets.trial_band import TrialBand
from aitune_widgets.work_list import WorkList

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_widgets.text import Line

SUMS: Line = (("2 differ", "differs"), (" · ", "dim"), ("3 staged", "staged"))
READING: Line = (("reading weights", "cache"),)
CPU = (
    SettingRow(
        "g", "cpu.governor", "2 values", "", "performance", "advised", "▲", "differs", "differs"
    ),
    SettingRow("g0", "node0 cpu 0–31", "performance", "", "", "", "✓", "ok", "ok", 2, dim=True),
    SettingRow(
        "g1", "node1 cpu 32–63", "powersave", "", "", "", "▲", "differs", "differs", 2, dim=True
    ),
    SettingRow(
        "epp", "cpu.epp", "balance_performance", "", "performance", "advised",
        "▲", "differs", "differs",
    ),
    SettingRow("max", "cpu.max_freq", "3.8", "GHz", "", "", "✓", "ok", "ok"),
)  # fmt: skip


@pytest.fixture(params=[False, True], ids=["", "ascii"])
def signs(request: pytest.FixtureRequest) -> Iterator[str]:
    """Drawn with our signs, then in ASCII; the end of the snapshot's name."""
    use_ascii(request.param)
    yield "-ascii" if request.param else ""
    use_ascii(False)


async def test_settings_side(signs: str) -> None:
    memory, compact, cpu, disks = (
        SettingTable(),
        CoreGrid(compact=True),
        SettingTable(header=False),
        DiskTable(),
    )
    rule = PanelRule("1", "Memory & huge pages", SUMS)
    app = Stage(
        rule,
        memory,
        PanelRule("2", "CPU", SUMS[:1]),
        compact,
        cpu,
        PanelRule("3", "Block devices"),
        disks,
    )
    async with app.run_test(size=(67, 30)) as pilot:
        memory.show(scenes.SETTINGS)
        compact.show(scenes.NODES)
        cpu.show(CPU)
        disks.show(scenes.DISKS)
        rule.focused = True
        memory.focus()
        memory.move_to("numa")
        await pilot.pause()
        assert_snapshot(app, f"widgets-settings-67{signs}")


async def test_seen_side(signs: str) -> None:
    load, chart, disk_chart, why = LoadPanel(), TimeChart(), TimeChart(axis=True), Inspector()
    load.styles.height, chart.styles.height, disk_chart.styles.height, why.styles.height = (
        8,
        6,
        7,
        8,
    )
    app = Stage(
        PanelRule("4", "Load", READING),
        load,
        PanelRule("", "Last 5 min"),
        chart,
        disk_chart,
        why,
    )
    async with app.run_test(size=(51, 32)) as pilot:
        load.show(scenes.LOAD)
        chart.show(scenes.MEMORY_CHART)
        disk_chart.show(scenes.DISK_CHART)
        right: Line = (("1, advised 0", "differs"),)
        why.show(
            "kernel.numa_balancing",
            right,
            scenes.SHORT_WHY,
            (("i", "all of it"), ("Space", "stage 0")),
        )
        await pilot.pause()
        assert_snapshot(app, f"widgets-seen-51{signs}")


@pytest.mark.parametrize("width", [60, 80, 120, 200])
async def test_frame(width: int) -> None:
    header, bar, strip, alarm, footer, band = (
        HeaderBar(),
        NavigationBar(),
        MemoryStrip(),
        MemoryStrip(),
        FooterBar(),
        TrialBand(),
    )
    app = Stage(header, bar, strip, alarm, footer, band)
    async with app.run_test(size=(width, 16)) as pilot:
        header.show(replace(scenes.HEADER, chips=(Chip("◐ TRIAL 41 s", "trial"),)))
        bar.show(scenes.TABS, "1")
        strip.show(
            replace(scenes.MEMORY, load=StripLoad(0.61, "6.1 GB/s", "52 s left", "47 – 60 s"))
        )
        alarm.show(scenes.ALARM)
        footer.show(scenes.KEYS, scenes.ALWAYS)
        band.show(scenes.TRIAL)
        await pilot.pause()
        assert_snapshot(app, f"widgets-frame-{width}")


async def test_small_overview() -> None:
    load, work, chart = LoadPanel(), WorkList(), TimeChart(axis=True, short_axis=True)
    load.styles.height, work.styles.height, chart.styles.height = 3, 6, 7
    app = Stage(load, work, chart)
    async with app.run_test(size=(80, 16)) as pilot:
        load.show(replace(scenes.LOAD, sentences=scenes.LOAD.sentences[:1]))
        work.show(scenes.WORK)
        work.focus()
        chart.show(scenes.MEMORY_CHART)
        await pilot.pause()
        assert_snapshot(app, "widgets-small-80")


@pytest.mark.parametrize("width", [80, 120])
async def test_cores(width: int) -> None:
    grid = CoreGrid()
    app = Stage(grid)
    nodes = [
        NodeCores(
            f"node{n}", f"{n * 64}–{n * 64 + 63}", tuple((i * 7 % 9) / 8 for i in range(64)),
            tuple(n == 1 and 16 <= i < 32 for i in range(64)), "2.04", "31 %",
            "2 values" if n == 1 else "performance", "differs" if n == 1 else "fg",
            "powersave ×16" if n == 1 else "",
        )
        for n in range(3)
    ]  # fmt: skip
    async with app.run_test(size=(width, 18)) as pilot:
        grid.show(nodes, "one cell is one core, height is frequency  ▁ 1.5  █ 3.7 GHz")
        grid.focus()
        grid.move_to(86)
        await pilot.pause()
        assert_snapshot(app, f"widgets-cores-{width}")


@pytest.mark.parametrize(("width", "height"), [(103, 24), (76, 18)])
async def test_plan(width: int, height: int) -> None:
    plan = PlanView()
    app = Stage(plan)
    async with app.run_test(size=(width, height)) as pilot:
        first: Line = (
            ("3 changes", "strong"),
            (", 1 of them inert. ", "fg"),
            ("Nothing is written yet.", "dim"),
        )
        plan.show(first, scenes.PLAN, scenes.HOW, scenes.PLAN_KEYS, (scenes.KEYS[0],))
        plan.focus()
        await pilot.pause()
        assert_snapshot(app, f"widgets-plan-{width}")


@pytest.mark.parametrize("width", [59, 120])
async def test_pages(width: int) -> None:
    changes, runs, why = ChangesList(), RunTable(), Inspector()
    why.styles.height = 16
    app = Stage(changes, runs, why)
    async with app.run_test(size=(width, 36)) as pilot:
        changes.show(scenes.CHANGES)
        runs.show(scenes.RUNS, ((("Two blocks of runs are not a comparison.", "fg"),),))
        why.show("kernel.numa_balancing", (), scenes.FULL_WHY, (("y", "copy command"),))
        await pilot.pause()
        assert_snapshot(app, f"widgets-pages-{width}")
